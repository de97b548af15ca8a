"""Emergencies: given at once to whoever is on call, and reviewed afterwards by people who had no part in it."""

from __future__ import annotations

import json

import pytest

from daypass.core.errors import ExitCode
from driver import Access

ROTA = "version: 1\nzone: Europe/Berlin\nhandover: Mon 09:00\nturns: [alice, frank]\nsince: 2026-11-16\n"
PURPOSE = """version: 1
title: An incident, handled by who is on call
emergency: true
asked_by: ["on-call:orders"]
ticket: {required: true}
max_duration: 8h
review: {within: 4h, approvals: {at_least: 1, from: owners}, escalate: {after: 2h, to: group:security}, else: end}
"""
RULES = """version: 1
rules:
  - {id: on-call-passes, when: grant.emergency, approve: automatically}
  - {id: reviewed-first, when: 'subject.unreviewed > 0', deny: true, message: An emergency of yours is not reviewed.}
"""
T = "2026-11-20T{}:00Z".format  # a Friday


@pytest.fixture
def on_call(access: Access) -> Access:
    access.write("policies/rotas/orders.yaml", ROTA)
    access.write("policies/purposes/incident.yaml", PURPOSE)
    access.write("policies/rules/access.yaml", RULES)
    access.write("policies/tests/access.yaml", "version: 1\ncases: []\n".replace("[]", "") + CASES)
    (access.top / "policies/tests/purposes.yaml").unlink()
    access.commit("Handle emergencies")
    return access


CASES = """  - name: on call
    request: {subject: alice, resource: orders-db, role: readonly, window: {duration: 2h}, purpose: incident, ticket: INC-7}
    at: 2026-11-20T10:00:00Z
    expect: {automatic: true}
  - name: with one that is not reviewed
    request: {subject: alice, resource: orders-db, role: readonly, window: {duration: 2h}, purpose: incident, ticket: INC-7}
    at: 2026-11-20T10:00:00Z
    history: {unreviewed: 1}
    expect: {denied: [reviewed-first]}
"""


def given(access: Access) -> tuple[str, str]:
    """Let alice have her emergency; return the grant and the number of the request on which it is reviewed."""
    number = access.ask(T("10:00"), "--purpose", "incident", "--ticket", "INC-7", "--for", "8h")
    merged = access.run("gate", number, "--at", T("10:01")).out
    said = access.run("apply", "--at", T("10:02"))
    assert "Review request #" in said.err
    return merged.split("grants ", 1)[1].split("\n", 1)[0].strip(), said.err.split("#", 1)[1].split(" ", 1)[0]


@pytest.mark.on_disk
def test_it_passes_at_once_is_reviewed_and_then_tidied_by_the_request_that_reviewed_it(on_call: Access) -> None:
    grant, review = given(on_call)
    waiting = on_call.run("gate", review, "--at", T("10:03"), expect=ExitCode.MISSING).out
    assert "reviews the emergency access of alice, by 2026-11-20T14:01:00Z" in waiting
    assert "missing: 1 approval from owners (bob, carol); from 2026-11-20T12:02:00Z on also dave, erin" in waiting
    status = on_call.run("status", "--at", T("10:03")).out
    assert "1 given for an emergency and not reviewed yet:" in status
    assert "alice  readonly on orders-db  to be reviewed by 2026-11-20T14:01:00Z" in status
    on_call.run("approve", review, "--at", T("10:05"), acting="bob")
    assert "no receipt says so yet" in on_call.run("gate", review, "--at", T("10:06"), expect=ExitCode.INVALID).out
    assert "until 2026-11-20T18:01:00Z" in on_call.run("apply", "--at", T("10:07")).out
    assert "not reviewed yet" not in on_call.run("status", "--at", T("10:08")).out
    assert "has not ended yet" in on_call.run("gate", review, "--at", T("10:09"), expect=ExitCode.INVALID).out
    assert "Removal pull request" not in on_call.run("expire", "--at", T("18:02")).err
    assert "merged" in on_call.run("gate", review, "--at", T("18:03")).out
    on_call.run("apply", "--at", T("18:04"))
    assert "OK: " in on_call.run("audit", "verify", "--at", T("18:05")).out
    assert grant in on_call.run("audit", "history", "--grant", grant).out


@pytest.mark.on_disk
def test_what_nobody_reviews_ends_and_counts_against_the_next_one(on_call: Access) -> None:
    grant, review = given(on_call)
    ended = on_call.run("expire", "--at", T("14:02"))
    assert "expired" in ended.out
    assert "Removal pull request" not in ended.err
    status = json.loads(on_call.run("status", "--format", "json", "--at", T("15:01")).out)
    assert [(one["grant"], one["missing"]) for one in status["unreviewed"]] == [(grant, True)]
    number = on_call.ask(T("15:02"), "--purpose", "incident", "--ticket", "INC-8", "--branch", "")
    denied = on_call.run("gate", number, "--at", T("15:03"), expect=ExitCode.DENIED).out
    assert f"An emergency of yours is not reviewed. (not reviewed: {grant})" in denied
    on_call.run("approve", review, "--at", T("15:04"), acting="dave")  # security, since nobody answered for two hours
    on_call.run("apply", "--at", T("15:05"))
    assert "merged" in on_call.run("gate", number, "--at", T("15:06")).out
    assert "merged" in on_call.run("gate", review, "--at", T("15:07")).out
    on_call.run("apply", "--at", T("15:08"))
    assert "OK: " in on_call.run("audit", "verify", "--at", T("15:09")).out


@pytest.mark.on_disk
def test_who_holds_it_may_not_review_it_and_a_rejection_ends_it(on_call: Access) -> None:
    _, review = given(on_call)
    own = on_call.run("approve", review, "--at", T("10:05"), acting="alice", expect=ExitCode.DENIED)
    assert "alice has the access" in own.err
    on_call.run("reject", review, "--reason", "nothing was on fire", "--at", T("10:06"), acting="carol")
    said = on_call.run("apply", "--at", T("10:07")).out
    assert "the people who reviewed it rejected it" in said
    assert "  ok   - alice" in said
    assert "OK: " in on_call.run("audit", "verify", "--at", T("10:08")).out


@pytest.mark.on_disk
def test_who_approved_it_may_not_review_it(on_call: Access) -> None:
    asked = "  - {id: asked, when: grant.emergency, require: [{approvals: {at_least: 1, from: owners}}]}\n"
    on_call.write("policies/rules/access.yaml", RULES + asked)
    (on_call.top / "policies/tests/access.yaml").unlink()
    on_call.commit("Ask an owner first")
    number = on_call.ask(T("10:00"), "--purpose", "incident", "--ticket", "INC-7", "--for", "8h")
    on_call.run("approve", number, "--at", T("10:01"), acting="bob")
    on_call.run("gate", number, "--at", T("10:02"))
    review = on_call.run("apply", "--at", T("10:03")).err.split("Review request #", 1)[1].split(" ", 1)[0]
    own = on_call.run("approve", review, "--at", T("10:05"), acting="bob", expect=ExitCode.DENIED)
    assert "bob approved it" in own.err
    on_call.run("approve", review, "--at", T("10:06"), acting="carol")
    assert "not reviewed yet" not in on_call.run("apply", "--at", T("10:07")).out


@pytest.mark.on_disk
def test_who_is_not_on_call_may_not_ask_for_it(on_call: Access) -> None:
    asked = ("--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason", "it is an emergency, I say")
    said = on_call.run(
        "request", *asked, "--purpose", "incident", "--ticket", "INC-9", "--at", T("10:00"), acting="carol", expect=11
    )
    assert "carol may not ask for purpose incident" in said.err


@pytest.mark.on_disk
def test_whoever_ends_it_early_is_reviewed_all_the_same(on_call: Access) -> None:
    grant, review = given(on_call)
    assert "grant removed" in on_call.run("end", grant, "--at", T("10:05"), acting="alice").out
    waiting = on_call.run("gate", review, "--at", T("10:08"), expect=None).out
    assert "missing: 1 approval from owners" in waiting
    on_call.run("approve", review, "--at", T("10:09"), acting="bob")
    on_call.run("apply", "--at", T("10:10"))
    assert "not reviewed yet" not in on_call.run("status", "--at", T("10:11")).out
    assert "merged" in on_call.run("gate", review, "--at", T("10:12")).out
    assert "OK: " in on_call.run("audit", "verify", "--at", T("10:13")).out


@pytest.mark.on_disk
def test_what_is_extended_is_reviewed_anew(on_call: Access) -> None:
    on_call.write("policies/rules/access.yaml", RULES.partition("  - {id: reviewed-first")[0])
    (on_call.top / "policies/tests/access.yaml").unlink()
    on_call.commit("Let emergencies go on")
    number = on_call.ask(T("10:00"), "--purpose", "incident", "--ticket", "INC-7", "--for", "5h")
    grant = on_call.run("gate", number, "--at", T("10:01")).out.split("grants ", 1)[1].split("\n", 1)[0].strip()
    review = on_call.run("apply", "--at", T("10:02")).err.split("#", 1)[1].split(" ", 1)[0]
    on_call.run("approve", review, "--at", T("10:03"), acting="bob")
    assert "until 2026-11-20T15:01:00Z" in on_call.run("apply", "--at", T("10:04")).out
    more = (
        on_call.run("extend", grant, "--for", "1h", "--at", T("10:05"), acting="alice").out.split("#")[1].split(":")[0]
    )
    on_call.run("gate", more, "--at", T("10:06"))
    said = on_call.run("apply", "--at", T("10:07"))
    again = said.err.split("#", 1)[1].split(" ", 1)[0]
    assert again != review
    assert "until 2026-11-20T14:06:00Z" in said.out
    on_call.run("apply", "--at", T("10:08"))
    assert "to be reviewed by 2026-11-20T14:06:00Z" in on_call.run("status", "--at", T("10:09")).out
    on_call.run("approve", again, "--at", T("10:10"), acting="bob")
    assert "until 2026-11-20T16:01:00Z" in on_call.run("apply", "--at", T("10:11")).out
    assert "OK: " in on_call.run("audit", "verify", "--at", T("10:13")).out


@pytest.mark.on_disk
def test_a_request_that_was_closed_or_forged_reviews_nothing_and_another_is_opened(on_call: Access) -> None:
    grant, review = given(on_call)
    on_call.run("close", review, "--at", T("10:03"), acting="alice")
    again = on_call.run("apply", "--at", T("10:04")).err.split("#", 1)[1].split(" ", 1)[0]
    assert again != review
    on_call.git("checkout", "-q", "-b", f"daypass/review/{grant}.9")
    on_call.git("rm", "-q", f"grants/{grant}.yaml")
    on_call.commit("please take my access away", email="alice@example.com")
    on_call.git("checkout", "-q", "main")
    forged = on_call.run(
        "request", "--branch", f"daypass/review/{grant}.9", "--at", T("10:05"), acting="alice", expect=None
    )
    number = forged.out.split("#", 1)[1].split(":", 1)[0]
    on_call.run("approve", number, "--at", T("10:06"), acting="bob", expect=None)
    on_call.run("apply", "--at", T("10:07"))
    assert "1 given for an emergency and not reviewed yet:" in on_call.run("status", "--at", T("10:08")).out
    on_call.run("approve", again, "--at", T("10:09"), acting="bob")
    on_call.run("apply", "--at", T("10:10"))
    assert "not reviewed yet" not in on_call.run("status", "--at", T("10:11")).out
    assert "OK: " in on_call.run("audit", "verify", "--at", T("10:12")).out


@pytest.mark.on_disk
def test_what_is_approved_too_late_had_ended(on_call: Access) -> None:
    _, review = given(on_call)
    on_call.run("approve", review, "--at", T("14:05"), acting="bob")
    assert "  ok   - alice" in on_call.run("apply", "--at", T("14:06")).out
    assert "0 granted" in on_call.run("status", "--at", T("14:07")).out
    assert "OK: " in on_call.run("audit", "verify", "--at", T("14:08")).out


@pytest.mark.on_disk
def test_a_review_whose_file_main_changed_meanwhile_counts_and_goes_once_the_file_is_removed(on_call: Access) -> None:
    grant, review = given(on_call)
    path = f"grants/{grant}.yaml"
    on_call.write(path, (on_call.top / path).read_text().replace("duration: 8h", "duration: 2h"))
    on_call.commit("Less will do")
    assert "until 2026-11-20T12:01:00Z" in on_call.run("apply", "--at", T("10:05")).out
    said = on_call.run("status", "--at", T("10:06")).out
    assert "main has changed" in said
    assert (
        "hint: review it all the same; once the access has ended, `daypass expire` proposes to remove the file" in said
    )
    on_call.run("approve", review, "--at", T("10:07"), acting="bob")
    on_call.run("apply", "--at", T("10:08"))
    reviewed = on_call.run("status", "--at", T("10:09")).out
    assert "not reviewed yet" not in reviewed
    assert "missing:" not in reviewed
    assert "merged" not in on_call.run("gate", review, "--at", T("10:10"), expect=ExitCode.INVALID).out
    removal = on_call.run("expire", "--at", T("12:01")).err.split("#", 1)[1].split(" ", 1)[0]
    assert "merged as" in on_call.run("gate", removal, "--at", T("12:02")).out
    assert "main is so already" in on_call.run("gate", review, "--at", T("12:03")).out
    on_call.run("apply", "--at", T("12:04"))
    assert "0 open" in on_call.run("status", "--at", T("12:05")).out
    assert "OK: " in on_call.run("audit", "verify", "--at", T("12:06")).out
