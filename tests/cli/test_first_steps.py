"""What somebody new is told: after a slip of the finger, and about what comes next."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
ASK = ("--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "Duplicate charges reported")


def test_a_misspelt_verb_is_told_with_the_likeliest_one(access: Access) -> None:
    said = access.run("aprove", "1", expect=2)
    assert said.err == "daypass: there is no verb 'aprove'\n  hint: did you mean approve?\n"
    assert access.run("frobnicate", expect=2).err.endswith("hint: `daypass --help` lists them\n")


@pytest.mark.on_disk
def test_a_misspelt_handle_is_told_with_the_likeliest_one(access: Access) -> None:
    assert "hint: did you mean alice?" in access.run("--as", "alic", "request", *ASK, expect=2).err
    assert "--as takes a handle" in access.run("--as", "zzz", "request", *ASK, expect=2).err
    assert "hint: did you mean alice?" in access.run("can", "alic", "orders-db", "readonly", expect=2).err


def test_each_step_names_the_next(access: Access) -> None:
    assert "Next: `daypass approve 1` by them" in access.run("--as", "alice", "request", *ASK, "--at", T("10:00")).err
    for who in ("bob", "dave"):
        access.run("--as", who, "approve", "1", "--at", T("10:01"))
    assert access.run("gate", "1", "--dry-run", "--at", T("10:02")).err == ""
    assert access.run("gate", "1", "--at", T("10:02")).err == "Next: `daypass apply` makes the targets so\n"
    access.run("apply", "--at", T("10:03"))
    (grant,) = (path.stem for path in (access.top / "grants" / "orders-db").iterdir())
    said = access.run("--as", "alice", "extend", f"orders-db/{grant}", "--for", "1h", "--at", T("10:04"))
    assert "Next: `daypass approve 2` by them, then `daypass gate 2`" in said.err


def test_who_has_no_key_of_the_applier_is_told_who_takes_the_access_away(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.run("--as", "alice", "request", *ASK, "--at", T("10:00"))
    for who in ("bob", "dave"):
        access.run("--as", who, "approve", "1", "--at", T("10:01"))
    access.run("gate", "1", "--at", T("10:02"))
    access.run("apply", "--at", T("10:03"))
    (grant,) = (path.stem for path in (access.top / "grants" / "orders-db").iterdir())
    monkeypatch.setenv("DAYPASS_KEYS", str(tmp_path))
    said = access.run("--as", "alice", "end", f"orders-db/{grant}", "--at", T("10:04"))
    assert "Merged #2" in said.out
    assert "Next: the applier's next run takes the access away; this machine cannot sign for it" in said.err


def test_nothing_open_and_nothing_granted_is_said_without_a_colon(access: Access) -> None:
    assert access.run("status", "--at", T("10:00")).out == "Status at 2026-11-20T10:00:00Z\n0 open\n0 granted\n"


def test_a_krl_of_no_ssh_target_names_those_there_are(access: Access) -> None:
    assert "hint: they name: none" in access.run("krl", "embedded", expect=2).err


def test_who_asks_for_what_they_have_is_told_so(access: Access) -> None:
    asked = ("request", "--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason", "Reading again.")
    grant = access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    note = f"note: {grant} gives this until 2026-11-20T12:05:00Z; `daypass extend` asks for more time\n"
    at = ("--at", "2026-11-20T10:07:00Z")
    assert note in access.run(*asked, *at, "--dry-run", acting="alice").err
    assert note in access.run(*asked, *at, acting="alice").err
    assert "note:" not in access.run(*asked, "--subject", "carol", *at, acting="carol").err
    assert "gives this" not in access.run(*asked, "--at", "2026-11-20T12:05:00Z", acting="alice").err
