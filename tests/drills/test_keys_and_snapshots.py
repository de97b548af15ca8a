"""A snapshot adds up what stands before it: under other limits of keys, and in another repository, it is not begun at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_keys import T, keys

from daypass.core.ledger import snapshot
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.ledger import GitLedger
from driver import Access

pytestmark = pytest.mark.on_disk
STAGING = ("--resource", "staging", "--role", "deploy", "--for", "20m")


@pytest.fixture
def access(access: Access, monkeypatch: pytest.MonkeyPatch) -> Access:
    access.scene = None
    monkeypatch.setattr(snapshot, "LEAST", 4)
    return access


def snapshots(access: Access) -> tuple[int, ...]:
    ledger = GitLedger(Git(access.top), "daypass-ledger")
    return ledger.snapshots(ledger.head())


def forget(access: Access) -> None:
    for path in (access.top / ".git" / "daypass").glob("standing.sqlite*"):
        path.unlink()


def began(access: Access) -> int:
    forget(access)
    ledger = access.repo().ledger
    ledger.load()
    return ledger.began


def test_a_snapshot_by_a_good_key_of_what_a_stolen_one_wrote_is_not_believed(access: Access) -> None:
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    (old,) = keys().glob("*.pem")
    stolen_from = access.repo().ledger.load().next_sequence
    access.grant(T("10:10"), T("10:11"), *STAGING)
    access.run("apply", "--at", T("10:12"))  # by the old key, and it counts for nothing later
    access.run("ledger", "rekey")
    access.commit("Let a new key sign")
    access.run("apply", "--at", T("10:13"))
    access.run("ledger", "rekey", "--finish")
    access.commit("Retire the old key")
    old.unlink()
    access.run("expire", "--at", T("10:40"))
    access.grant(T("10:41"), T("10:42"), *STAGING)
    access.run("apply", "--at", T("10:43"))
    last = snapshots(access)[-1]
    assert last > stolen_from
    assert began(access) == last

    access.run("ledger", "revoke-key", "ledger.pub", "--from", str(stolen_from))
    access.commit("It was stolen")
    assert began(access) == 0
    access.run("apply", "--at", T("10:44"))
    access.run("can", "alice", "staging", "deploy")
    told = json.loads(access.run("audit", "verify", "--at", T("10:45"), "--format", "json").out)
    codes = {found["code"] for found in told["differences"]}
    assert {"receipt-void", "snapshot-of-another-form"} <= codes
    access.run("expire", "--at", T("11:10"))
    access.grant(T("11:11"), T("11:12"), *STAGING)
    access.run("apply", "--at", T("11:13"))
    newest = snapshots(access)[-1]
    assert newest > last
    assert began(access) == newest
    access.run("audit", "verify", "--at", T("11:14"))


def test_a_snapshot_does_not_hide_that_the_ledger_is_another_repositorys(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    assert snapshots(access)
    access.git("checkout", "-q", "--orphan", "new")
    access.git("commit", "-q", "-m", "The same files, and no history in common")
    access.git("branch", "-q", "-M", "main")
    forget(access)
    said = access.run("apply", "--at", T("10:20"), expect=1)
    assert "another repository's" in said.err
