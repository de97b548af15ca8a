"""Bad days of targets: restored from an old backup, rebuilt empty, changed by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from daypass.edges.targets.embedded.target import EmbeddedTarget
from driver import Access
from fakes.orders import add, remove

T = "2026-11-20T{}:00Z".format


def store(access: Access) -> Path:
    return access.top / ".git/daypass/embedded.sqlite"


def held(access: Access) -> set[str]:
    return {entitlement.principal for entitlement in EmbeddedTarget(store(access), "embedded").observe()}


def put_back(access: Access, raw: bytes) -> None:
    """Restore the server from a copy."""
    for end in ("-wal", "-shm"):
        Path(f"{store(access)}{end}").unlink(missing_ok=True)
    store(access).write_bytes(raw)


def backup(access: Access) -> bytes:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(store(access))) as connection, connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return store(access).read_bytes()


def test_access_that_an_old_backup_brings_back_is_taken_away_again_and_said(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    old = backup(access)
    access.run("apply", "--at", T("12:06"))
    assert held(access) == set()
    put_back(access, old)
    assert held(access) == {"alice"}
    assert "should be gone" in access.run("drift", "--at", T("12:10"), expect=13).out
    said = access.run("apply", "--at", T("12:11"))
    assert "there again after it was taken away" in said.out
    assert held(access) == set()
    access.run("audit", "verify", "--at", T("12:12"))
    assert "No changes" in access.run("apply", "--at", T("12:13")).out


def test_access_that_was_given_again_by_a_grant_is_not_mistaken_for_a_backups(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("apply", "--at", T("12:06"))
    access.grant(T("12:10"), T("12:15"))
    access.run("apply", "--at", T("12:16"))
    assert held(access) == {"alice"}
    access.run("apply", "--at", T("12:17"))
    assert held(access) == {"alice"}


def test_a_server_rebuilt_empty_is_given_what_is_live_once_somebody_says_so(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    for end in ("", "-wal", "-shm"):
        Path(f"{store(access)}{end}").unlink(missing_ok=True)
    said = access.run("apply", "--at", T("10:08"), expect=14)
    assert "unknown  alice" in said.out
    assert held(access) == set()
    settle = ("ledger", "settle", grant, "--adopt", "--reason", "the disk was lost", "--at", T("10:09"))
    told = json.loads(access.run(*settle, "--format", "json").out)
    assert [(one["principal"], one["grants"]) for one in told["settled"]] == [("alice", [grant])]
    said = access.run("apply", "--at", T("10:10"))
    assert "missing at the target" in said.out
    assert held(access) == {"alice"}


def test_what_somebody_took_away_by_hand_is_left_so_where_the_settings_say_it(access: Access) -> None:
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("embedded: {kind: embedded}", "embedded: {kind: embedded, lost: leave}"))
    access.commit("Leave what others take")
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    target = EmbeddedTarget(store(access), "embedded")
    (one,) = target.observe()
    remove(target, one)
    said = access.run("apply", "--at", T("10:10"))
    assert "lost     alice" in said.out
    assert "; left so" in said.out
    assert held(access) == set()
    assert "[access-lost]" in access.run("drift", "--at", T("10:11"), expect=13).out
    access.run("apply", "--at", T("12:10"))
    add(target, one, datetime(2026, 11, 21, tzinfo=UTC))
    access.run("apply", "--at", T("12:11"))
    assert held(access) == set()


def test_settings_that_say_neither_are_refused(access: Access) -> None:
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("embedded: {kind: embedded}", "embedded: {kind: embedded, lost: shrug}"))
    said = access.run("check", expect=10)
    assert "expected lost of target embedded to be give or leave, got 'shrug' [lost-unknown]" in said.out
