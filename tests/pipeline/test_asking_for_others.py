"""Asking for somebody else: who has standing must have it when they ask and when it is merged."""

from __future__ import annotations

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
LATER = "version: 1\nzone: UTC\nhandover: Fri 12:00\nturns: [erin, dave]\nsince: 2026-11-13\n"


def leave_it_to(access: Access, *sources: str) -> Access:
    file = access.top / "policies/daypass.yaml"
    said = file.read_text(encoding="utf-8").replace("limits: {", f"limits: {{ask_for_others: [{', '.join(sources)}], ")
    access.write("policies/daypass.yaml", said)
    access.commit("who asks for others")
    return access


def asked(access: Access, who: str, at: str, expect: int | None = 0) -> str:
    said = access.run(
        "request", "--subject", "alice", "--resource", "orders-db", "--role", "readonly", "--reason",
        "alice is to look at four orders", "--for", "2h", "--at", T(at), acting=who, expect=expect,
    )  # fmt: skip
    return said.out + said.err


def test_the_manager_asks_and_others_are_denied_with_who_may(access: Access) -> None:
    leave_it_to(access, "manager")
    assert "#1" in asked(access, "bob", "10:00")
    said = asked(access, "erin", "10:00", expect=11)
    assert "erin asks for access of alice, and limits.ask_for_others leaves that to manager" in said


def test_more_of_anothers_access_is_asked_for_by_the_same(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    leave_it_to(access, "manager")
    extend = ("extend", grant, "--for", "1h", "--at", T("10:10"))
    said = access.run(*extend, acting="erin", expect=None)
    assert said.code != 0
    assert "limits.ask_for_others leaves that to manager" in said.out + said.err


def test_standing_that_was_lost_by_the_merge_gives_nothing(access: Access) -> None:
    access.write("policies/rotas/orders.yaml", LATER)
    leave_it_to(access, '"on-call:orders"')
    asked(access, "erin", "10:00")
    for who in ("bob", "dave"):
        access.run("approve", "1", "--at", T("10:01"), acting=who)
    said = access.run("gate", "1", "--at", T("12:30"), expect=10).out
    assert "erin may not ask for alice when pull request 1 merges" in said
    assert "[not-asked-for-them]" in said
    assert "merged" in access.run("gate", "1", "--at", T("11:00")).out  # by a clock at which she still could
    access.run("apply", "--at", T("11:01"))
    access.run("audit", "verify", "--at", T("11:02"))


@pytest.mark.on_disk
def test_standing_that_was_won_after_asking_is_none(access: Access) -> None:
    leave_it_to(access, '"person:carol"')
    access.git("switch", "-q", "-c", "mine")
    text = "version: 1\nsubject: alice\nresource: orders-db\nrole: readonly\nreason: looking at four orders\n"
    access.write("grants/orders-db/mine.yaml", f"{text}window: {{duration: 1h}}\n")
    access.commit("ask for alice", email="erin@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="erin", expect=None)
    file = access.top / "policies/daypass.yaml"
    access.write("policies/daypass.yaml", file.read_text(encoding="utf-8").replace("person:carol", "person:erin"))
    access.commit("erin asks for others")
    for who in ("bob", "dave"):
        access.run("approve", "1", "--at", T("10:05"), acting=who, expect=None)
    said = access.run("gate", "1", "--at", T("10:06"), expect=10).out
    assert "by main's policies of then they could not ask for alice" in said
