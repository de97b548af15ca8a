"""Rules about what somebody holds beside: judged by the gate, again by the applier in main's order, and by the auditor."""

from __future__ import annotations

import json

import pytest

from daypass.core.files.grants import read_grant
from daypass.core.ids import Oid
from daypass.core.window import parse_instant
from daypass.pipeline.judge import beside
from driver import Access

T = "2026-11-20T{}:00Z".format
APART = """version: 1
rules:
  - id: apart
    when: grant.resource == "orders-db" || grant.resource == "staging"
    deny_unless: "!subject.live.exists(held, held.startsWith(grant.resource == 'staging' ? 'orders-db/' : 'staging/'))"
    message: Nobody holds orders-db and staging together.
"""
ONCE = """version: 1
rules:
  - id: once
    when: 'true'
    deny_unless: subject.live_grants < 1
    message: One grant at a time.
"""


def ruled(access: Access, text: str) -> Access:
    access.write("policies/rules/beside.yaml", text)
    access.commit("Look at what is held beside")
    return access


def merged_around(access: Access, number: str, at: str) -> None:
    """Merge a request as somebody does who does not ask the gate, by the forge's own record."""
    forge, base = access.repo().forge, Oid(access.git("rev-parse", "main"))
    pull = forge.pull(int(number))
    forge.merge(pull.number, head=pull.head, base=base, message="Merge it\n", at=parse_instant(at))


@pytest.mark.on_disk
def test_a_second_grant_of_a_combination_is_denied_while_the_first_is_live(access: Access) -> None:
    ruled(access, APART)
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    number = access.ask(T("10:03"), resource="staging", role="deploy")
    said = access.run("gate", number, "--at", T("10:04"), expect=11).out
    assert "Nobody holds orders-db and staging together." in said
    later = ("--for", "1h", "--at", T("12:30"))
    access.run(
        "request",
        "--resource",
        "staging",
        "--role",
        "deploy",
        "--reason",
        "a reason that is long enough",
        *later,
        acting="alice",
    )
    access.run("expire", "--at", T("12:40"))
    assert access.run("audit", "verify", "--at", T("13:00")).code == 0


@pytest.mark.on_disk
def test_what_is_merged_and_not_applied_yet_counts_as_held(access: Access) -> None:
    ruled(access, ONCE)
    access.grant(T("10:00"), T("10:01"))
    number = access.ask(T("10:02"), resource="staging", role="deploy")
    assert "One grant at a time." in access.run("gate", number, "--at", T("10:03"), expect=11).out


@pytest.mark.on_disk
def test_what_was_refused_and_is_merged_again_with_the_same_bytes_counts_as_held(access: Access) -> None:
    ruled(access, ONCE)
    file = "grants/staging/again.yaml"
    text = "version: 1\nsubject: alice\nresource: staging\nrole: deploy\nreason: a reason that is long enough\nwindow: {duration: 1h}\n"
    access.write(file, text)
    access.commit("Around the gate")
    access.run("apply", "--at", T("10:00"), expect=14)
    (access.top / file).unlink()
    access.commit("Take it back")
    access.run("apply", "--at", T("10:01"))
    access.git("checkout", "-q", "-b", "again")
    access.write(file, text)
    access.commit("Ask for it", email="alice@example.com")
    head = Oid(access.git("rev-parse", "again"))
    access.git("checkout", "-q", "main")
    access.repo("alice").forge.open(branch="again", head=head, title="Again", at=parse_instant(T("10:02")))
    access.run("gate", "1", "--at", T("10:03"))
    number = access.ask(T("10:04"))
    said = access.run("gate", number, "--at", T("10:05"), expect=11).out
    assert "One grant at a time. (held beside it: staging/again, not admitted yet)" in said
    access.run("apply", "--at", T("10:06"))
    assert (
        "One grant at a time. (held beside it: staging/again)"
        in access.run("gate", number, "--at", T("10:07"), expect=11).out
    )


@pytest.mark.on_disk
def test_of_two_that_race_the_later_in_mains_order_gets_nothing_and_is_told_why(access: Access) -> None:
    ruled(access, ONCE)
    first = access.ask(T("10:00"), resource="staging", role="deploy")
    second = access.ask(T("10:01"), resource="staging", role="deploy", acting="alice")
    merged_around(access, second, T("10:02"))
    merged_around(access, first, T("10:03"))
    said = access.run("apply", "--at", T("10:04"), expect=14)
    assert "One grant at a time. (held beside it: staging/alice-" in said.out + said.err
    found = json.loads(access.run("status", "--format", "json", "--at", T("10:05")).out)
    assert [one["state"] for one in found["grants"]].count("live") == 1
    verified = access.run("audit", "verify", "--format", "json", "--at", T("10:06"), expect=13).out
    codes = {one["code"] for one in json.loads(verified)["differences"]}
    assert codes == {
        "trailer-grant",
        "trailer-head",
        "trailer-policy",
        "trailer-requester",
        "trailer-rules",
    }  # no gate merged it
    assert access.run("apply", "--at", T("10:07"), expect=None).code in (0, 14)  # and again: nothing changes
    found = json.loads(access.run("status", "--format", "json", "--at", T("10:08")).out)
    assert [one["state"] for one in found["grants"]].count("live") == 1


@pytest.mark.on_disk
def test_two_grants_of_one_request_count_for_each_other(access: Access) -> None:
    ruled(access, ONCE)
    access.git("checkout", "-q", "-b", "both")
    for name, length in (("one", "1h"), ("two", "2h")):
        access.write(
            f"grants/staging/{name}.yaml",
            "version: 1\nsubject: alice\nresource: staging\nrole: deploy\n"
            f"reason: a reason that is long enough\nwindow: {{duration: {length}}}\n",
        )
    access.commit("Ask for both", email="alice@example.com")
    access.git("checkout", "-q", "main")
    said = access.run(
        "check", "--base", "main", "--head", "both", "--requester", "alice", "--at", T("10:00"), expect=11
    )
    assert "One grant at a time." in said.out


@pytest.mark.on_disk
def test_an_audit_reads_the_grants_of_one_landing_once_however_many_it_admitted(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruled(access, ONCE.replace("< 1", "< 9"))
    access.git("checkout", "-q", "-b", "several")
    for number in range(4):
        access.write(
            f"grants/staging/g{number}.yaml",
            "version: 1\nsubject: alice\nresource: staging\nrole: deploy\n"
            f"reason: a reason that is long enough\nwindow: {{duration: {number + 1}h}}\n",
        )
    access.commit("Ask for several", email="alice@example.com")
    head = Oid(access.git("rev-parse", "several"))
    access.git("checkout", "-q", "main")
    access.repo("alice").forge.open(branch="several", head=head, title="Several", at=parse_instant(T("10:00")))
    access.run("gate", "1", "--at", T("10:01"))
    access.run("apply", "--at", T("10:02"))
    read: list[str] = []
    monkeypatch.setattr(beside, "read_grant", lambda path, raw: (read.append(path), read_grant(path, raw))[1])
    assert access.run("audit", "verify", "--at", T("10:03")).code == 0
    assert sorted(read) == [f"grants/staging/g{number}.yaml" for number in range(4)]


def test_a_machine_without_the_ledger_says_what_it_does_not_know(access: Access) -> None:
    ruled(access, ONCE)
    asked = ("--resource", "orders-db", "--role", "readonly", "--for", "1h", "--reason", "a reason that is long enough")
    said = access.run("request", *asked, "--dry-run", "--at", T("10:00"), acting="alice")
    assert "not known here, since the ledger was not read: what else alice holds" in said.out + said.err


def test_a_policy_test_says_what_is_held_beside(access: Access) -> None:
    ruled(access, APART)
    case = (
        "  - name: {}\n    request: {{subject: alice, resource: staging, role: deploy, window: {{duration: 1h}}}}\n"
        "    at: 2026-11-20T10:00:00Z\n    live: [{}]\n    expect: {}\n"
    )
    access.write(
        "policies/tests/beside.yaml",
        "version: 1\ncases:\n"
        + case.format("apart", "orders-db/readonly", "{denied: [apart]}")
        + case.format("alone", "payroll/readonly", "{automatic: true}"),
    )
    assert "8 passed, 0 failed" in access.run("policy", "test").out
