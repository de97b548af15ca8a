"""A ledger whose end was cut off, on a machine that remembers nothing: merges since say that there was more of it."""

from __future__ import annotations

import pytest
from siege import held

from driver import Access
from hub import REPOSITORY, Hub

pytestmark = pytest.mark.on_disk


def T(minute: str) -> str:  # noqa: N802  (reads as the instants do)
    return f"2026-11-20T{minute}:00Z"


@pytest.fixture
def cut(access: Access) -> Access:
    """Alice holds access until noon; then a second grant was merged, and the receipts between the two are gone."""
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    before = access.git("rev-parse", "daypass-ledger")
    access.grant(T("10:10"), T("10:11"), "--resource", "staging", "--role", "deploy", "--for", "20m")
    access.run("apply", "--at", T("10:12"))
    access.grant(T("10:20"), T("10:21"))
    access.git("update-ref", "refs/heads/daypass-ledger", before)
    (access.top / ".git/daypass/standing.sqlite").unlink()
    return access


def test_nothing_is_given_on_a_ledger_that_a_merge_has_seen_further(cut: Access) -> None:
    said = cut.run("apply", "--at", T("10:30"), expect=1)
    assert "the ledger ends with receipt" in said.out + said.err
    assert "its end was cut off" in said.out + said.err
    cut.run("can", "alice", "orders-db", "readonly")  # nothing was taken either


def test_what_its_receipts_show_as_ended_is_taken_away_all_the_same(cut: Access) -> None:
    cut.run("apply", "--at", T("12:02"), expect=1)
    cut.run("can", "alice", "orders-db", "readonly", expect=20)


def test_the_ledger_put_back_is_followed_again(cut: Access) -> None:
    cut.run("apply", "--at", T("10:30"), expect=1)
    cut.git("update-ref", "refs/heads/daypass-ledger", "daypass-ledger@{1}")
    assert cut.run("apply", "--at", T("10:31")).code == 0


FAR = "Daypass-Ledger: sha256:" + "0" * 64 + " 999999999"


def test_whoever_merges_by_hand_at_github_stops_nobody_with_what_they_write(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    wanted = {"merge_method": "squash", "commit_title": "x", "commit_message": FAR}
    hub.api("olga", "PUT", f"/repos/{REPOSITORY}/pulls/{number}/merge", wanted)
    assert FAR in hub.bare("log", "-1", "--format=%B", "main")
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_a_ledger_cut_at_github_gives_nothing_more(hub: Hub) -> None:
    before = ""
    for name, duration in (("a", "1h"), ("b", "2h"), ("c", "3h")):
        number = hub.request_pull("alice", hub.grant(duration=duration), path=f"grants/orders-db/{name}.yaml")
        hub.approve(number, "bob")
        hub.approve(number, "dave")
        hub.run("gate", str(number))
        if name != "c":
            before = before or hub.head("daypass-ledger")
            hub.run("apply")
    hub.bare("update-ref", "refs/heads/daypass-ledger", before)
    (hub.top / "state" / "standing.sqlite").unlink()
    said = hub.run("apply", expect=1, folder=hub.clone("fresh"))
    assert "its end was cut off" in said.out + said.err
