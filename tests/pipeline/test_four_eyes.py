"""Four eyes across staging and production: not the same approver, and not somebody who holds the other."""

from __future__ import annotations

import json

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
RULES = """version: 1
rules:
  - id: staging-asks-its-owners
    when: resource.environment == "staging"
    require: [{approvals: {at_least: 1, from: owners}}]
  - id: four-eyes
    when: resource.environment == "production"
    require: [{approvals: {at_least: 1, from: owners, except: ["approvers:staging", "holders:staging"]}}]
"""


@pytest.fixture
def eyes(access: Access) -> Access:
    access.write("policies/rules/access.yaml", RULES)
    (access.top / "policies/tests/access.yaml").unlink()
    access.commit("four eyes")
    return access


def asked(access: Access, resource: str, at: str, *approvers: str, subject: str = "alice", hours: str = "5h") -> str:
    role = "deploy" if resource == "staging" else "readonly"
    number = access.ask(T(at), "--for", hours, resource=resource, role=role, acting=subject)
    for who in approvers:
        access.run("approve", number, "--at", T(at), acting=who)
    return number


def given(access: Access, number: str, gated: str, applied: str) -> None:
    access.run("gate", number, "--at", T(gated))
    access.run("apply", "--at", T(applied))


def clean(access: Access, at: str) -> None:
    access.run("audit", "verify", "--at", T(at))


def test_who_approved_staging_cannot_approve_production_and_another_can(eyes: Access) -> None:
    given(eyes, asked(eyes, "staging", "10:00", "bob"), "10:01", "10:02")
    number = asked(eyes, "orders-db", "10:03")
    said = eyes.run("approve", number, "--at", T("10:04"), acting="bob", expect=None)
    assert "bob approved something on staging in the last 30 days" in said.out + said.err
    assert "missing: 1 approval from owners (carol)" in eyes.run("gate", number, "--at", T("10:04"), expect=12).out
    eyes.run("approve", number, "--at", T("10:05"), acting="carol")
    given(eyes, number, "10:06", "10:07")
    clean(eyes, "10:08")


def test_who_holds_staging_cannot_approve_production_until_it_ends(eyes: Access) -> None:
    given(eyes, asked(eyes, "staging", "10:00", "alice", subject="bob"), "10:01", "10:02")
    number = asked(eyes, "orders-db", "10:03", subject="dave")
    said = eyes.run("approve", number, "--at", T("10:04"), acting="bob", expect=None)
    assert "bob holds something on staging" in said.out + said.err
    eyes.run("expire", "--at", T("15:30"))
    eyes.run("approve", number, "--at", T("15:30"), acting="bob")
    given(eyes, number, "15:31", "15:32")
    clean(eyes, "15:33")


def test_where_everybody_is_taken_out_the_request_is_denied(eyes: Access) -> None:
    for subject, approver in (("bob", "alice"), ("carol", "alice")):
        given(eyes, asked(eyes, "staging", "10:00", approver, subject=subject), "10:01", "10:02")
    said = eyes.run("gate", asked(eyes, "orders-db", "10:03", subject="dave"), "--at", T("10:04"), expect=11).out
    assert "bob holds something on staging; carol holds something on staging" in said


def test_what_was_merged_before_the_other_was_recorded_is_refused_by_the_applier(eyes: Access) -> None:
    staging, production = asked(eyes, "staging", "10:00", "bob"), asked(eyes, "orders-db", "10:01", "bob")
    eyes.run("gate", staging, "--at", T("10:02"))
    eyes.run("gate", production, "--at", T("10:03"))  # the ledger has no word of the other yet
    said = eyes.run("apply", "--at", T("10:04"), expect=14).out
    assert "refused  orders-db/" in said
    assert "1 approval from owners (carol)" in said
    assert "+ embedded staging alice" in said or "staging" in said.split("refused", 1)[0]
    clean(eyes, "10:05")


def test_both_in_one_request_are_asked_apart(eyes: Access) -> None:
    eyes.git("switch", "-q", "-c", "mine", "main")
    for resource, role in (("staging", "deploy"), ("orders-db", "readonly")):
        text = f"version: 1\nsubject: alice\nresource: {resource}\nrole: {role}\nreason: both of them at once\n"
        eyes.write(f"grants/{resource}/both.yaml", f"{text}window: {{duration: 1h}}\n")
    eyes.commit("ask for both", email="alice@example.com")
    eyes.git("switch", "-q", "main")
    eyes.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice", expect=None)
    for who in ("bob", "carol"):
        eyes.run("approve", "1", "--at", T("10:01"), acting=who, expect=None)
    said = eyes.run("gate", "1", "--at", T("10:02"), expect=None)
    assert said.code == 10
    assert "the request asks for staging as well, and who holds or approves that may not approve this" in said.out


def test_a_draft_says_that_it_does_not_know_who_holds_what(eyes: Access) -> None:
    said = eyes.run(
        "request", "--resource", "orders-db", "--role", "readonly", "--reason", "looking at four orders", "--for", "1h",
        "--dry-run", "--at", T("10:00"), acting="alice",
    ).out  # fmt: skip
    assert "not known here, since the ledger was not read: who holds or approved something on staging" in said
    assert "from owners except approvers:staging, holders:staging" in said


@pytest.mark.on_disk
def test_a_check_says_which_resources_it_asked_no_ledger_about(eyes: Access) -> None:
    number = asked(eyes, "orders-db", "10:00")
    found = json.loads(eyes.run("check", "--pull", number, "--at", T("10:01"), "--format", "json").out)
    assert [decision["unread"] for decision in found["decisions"]] == [["staging"]]
