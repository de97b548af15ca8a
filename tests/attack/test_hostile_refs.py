"""Somebody who can write any ref of the shared repository, but has nobody's SSH key."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from daypass.edges.forges.local import chain, records
from driver import Access

pytestmark = pytest.mark.on_disk

T = "2026-11-20T{}:00Z".format
OPEN = "refs/heads/daypass/open"


def forge(access: Access, number: int, kind: str, parents: list[str], at: str, **fields: str) -> str:
    """Write one event by hand, as anybody can who writes objects and refs."""
    moment = datetime.fromisoformat(at)
    raw = records.encode(records.Event(number, kind, moment.astimezone(UTC), fields)).decode()
    blob = access.git("hash-object", "-w", "--stdin", stdin=raw)
    tree = access.git("mktree", stdin=f"100644 blob {blob}\tevent.json\n")
    who = f"Alice Ngo <alice@example.com> {int(moment.timestamp())} +0000"
    above = "".join(f"parent {parent}\n" for parent in parents)
    text = f"tree {tree}\n{above}author {who}\ncommitter {who}\n\ndaypass: pull request {number} {kind}\n"
    return access.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text)


def test_a_forged_highest_number_stops_requests_before_it_breaks_listings(access: Access) -> None:
    number = access.ask(T("10:00"))
    head = access.git("rev-parse", f"{OPEN}/{number}^1")
    made = forge(access, 999_999_999, "opened", [head], T("10:00"), branch="x", head=head, title="t")
    access.git("update-ref", f"{OPEN}/999999999", made)
    for _ in range(2):
        said = access.run(
            "request", "--resource", "staging", "--role", "deploy", "--for", "1h", "--reason", "a reason long enough",
            "--at", T("10:01"), acting="alice", expect=1,
        )  # fmt: skip
        assert said.err.startswith("daypass: there is no number left after 999999999\n")
    assert "2 open" in access.run("status", "--at", T("10:02")).out


@pytest.mark.parametrize("content", ["1" * 40 + "\n", "nothing that is an id\n", ""])
def test_a_request_whose_ref_is_lost_is_not_passed_over(access: Access, content: str) -> None:
    number = access.ask(T("10:00"))
    (access.top / ".git" / OPEN / number).write_text(content)
    other = access.ask(T("10:00"), "--reason", "another reason to ask")
    for arguments in (["status"], ["gate", "--dry-run"]):
        said = access.run(*arguments, "--at", T("10:01"), expect=14)
        assert f"#{number}: the record of pull request {number} is corrupt: its ref names an object" in said.err
        assert f"git update-ref -d {OPEN}/{number}" in said.err
        assert f"#{other}" in said.out, "one that is lost stops nobody else's"
    assert "2 open" in access.run("status", "--at", T("10:01"), expect=14).out
    found = json.loads(access.run("status", "--format", "json", "--at", T("10:01"), expect=14).out)
    assert [one["number"] for one in found["unread"]] == [int(number)]


def test_a_record_of_very_many_events_stops_only_itself(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    number = access.ask(T("10:00"))
    other = access.ask(T("10:00"), "--reason", "another reason to ask")
    monkeypatch.setattr(chain, "_MOST_EVENTS", 3)
    for minute in range(1, 4):
        access.run(
            "approve" if minute % 2 else "withdraw", number, "--at", T(f"10:0{minute}"), acting="bob", expect=None
        )
    said = access.run("status", "--at", T("10:09"), expect=14)
    assert f"#{number}: the record of pull request {number} is corrupt: it has more than 3 events" in said.err
    assert f"#{other}" in said.out


def test_one_broken_record_keeps_no_access_alive(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("update-ref", f"{OPEN}/9", "refs/heads/main")
    access.run("expire", "--at", T("12:05"), expect=14)
    access.run("can", "alice", "orders-db", "readonly", expect=20)


def test_a_record_copied_to_another_number_counts_for_nothing(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.git("update-ref", f"{OPEN}/5", f"{OPEN}/{number}")
    said = access.run("gate", "5", "--at", T("10:01"), expect=1)
    assert f"it holds an event of pull request {number}" in said.err


def test_a_record_dated_into_the_future_is_told_and_stops_only_itself(access: Access) -> None:
    """Nothing can be put after it, so it would stay open for ever without a word."""
    stuck, stale = access.ask(T("10:00")), access.ask(T("10:01"))
    tip, head = (access.git("rev-parse", f"{OPEN}/{stuck}{step}") for step in ("", "^1"))
    made = forge(access, int(stuck), "approved", [tip], "2999-01-01T00:00:00Z", commit=head)
    access.git("update-ref", f"{OPEN}/{stuck}", made)
    said = access.run("expire", "--at", "2026-11-29T10:00:00Z", expect=14)
    assert f"Closed #{stale} " in said.err
    assert f"#{stuck} cannot be closed: it is 2026-11-29T10:00:00Z here, but #{stuck} was approved at 2999" in said.err
