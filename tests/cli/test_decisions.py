"""What became of requests that were not merged is on record: who decided it, when, of what, and why; once, and not without end."""

from __future__ import annotations

import json

import pytest

from daypass.core.ids import GrantId, Oid, grant_id
from daypass.core.ledger.receipt import AskedFile, Decided, Resolution, words_digest
from daypass.core.record import replace
from daypass.core.window import parse_instant
from daypass.pipeline.apply import decisions
from driver import Access

T = "2026-11-20T{}:00Z".format


def told(access: Access, *asked: str) -> list[tuple[str, str, str, str]]:
    """Return event, who, pull request and detail of what was decided."""
    chosen = asked or ("--since", "2026-01-01T00:00:00Z")
    found = json.loads(access.run("audit", "history", *chosen, "--format", "json").out)["events"]
    kinds = ("denied", "rejected", "closed", "withdrawn")
    return [(e["event"], e["by"], f"#{e['pull']}", e["detail"]) for e in found if e["event"] in kinds]


@pytest.fixture
def begun(access: Access) -> Access:
    """A ledger that has begun: before its first receipt nothing is on record."""
    access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    return access


@pytest.mark.on_disk
def test_a_rejection_and_a_closing_are_recorded_with_who_and_why(begun: Access) -> None:
    number = begun.ask(T("10:03"))
    begun.run("reject", number, "--reason", "not this week", "--at", T("10:04"), acting="bob")
    assert f"Recorded: #{number} was rejected\n" in begun.run("expire", "--at", T("10:05")).err
    begun.run("close", number, "--reason", "no longer needed", "--at", T("10:06"), acting="dave")
    assert f"Recorded: #{number} was closed\n" in begun.run("expire", "--at", T("10:07")).err
    assert told(begun) == [
        ("rejected", "bob", f"#{number}", "asked for by alice; said: not this week"),
        ("closed", "dave", f"#{number}", "asked for by alice; said: no longer needed"),
    ]
    assert begun.run("audit", "verify", "--at", T("10:08")).code == 0


@pytest.mark.on_disk
def test_what_its_requester_closes_is_withdrawn(begun: Access) -> None:
    number = begun.ask(T("10:03"))
    begun.run("close", number, "--reason", "changed my mind", "--at", T("10:04"), acting="alice")
    begun.run("expire", "--at", T("10:05"))
    assert told(begun) == [("withdrawn", "alice", f"#{number}", "asked for by alice; said: changed my mind")]


@pytest.mark.on_disk
def test_a_denial_is_recorded_with_the_rule_that_denies(begun: Access) -> None:
    number = begun.ask(T("10:03"))
    begun.write(
        "policies/rules/never.yaml",
        'version: 1\nrules:\n  - {id: never-again, when: "true", deny_unless: "false", message: Never again.}\n',
    )
    begun.commit("deny")
    begun.run("expire", "--at", T("10:05"), expect=None)
    assert told(begun, "--denied") == [("denied", "", f"#{number}", "asked for by alice; never-again")]
    assert told(begun, "--rule", "never-again") == told(begun, "--denied")
    assert told(begun, "--subject", "alice") == told(begun, "--resource", "orders-db") == told(begun, "--denied")
    verified = begun.run("audit", "verify", "--at", T("10:06"), expect=None).out
    assert "denial-" not in verified, "judged again, it is denied by the same rule"


@pytest.mark.on_disk
def test_each_choice_chooses_and_every_answer_says_what_is_never_on_record(begun: Access) -> None:
    """One grant that bob and dave approved is live; another, of an incident, was rejected by carol."""
    number = begun.ask(T("10:03"), "--purpose", "incident", "--ticket", "INC-9", "--for", "1h", resource="payroll")
    begun.run("reject", number, "--reason", "not needed", "--at", T("10:04"), acting="carol")
    begun.run("expire", "--at", T("10:05"))
    for asked, resources in (
        (["--denied"], {"payroll"}),
        (["--denied", "--resource", "orders-db"], set()),
        (["--ticket", "INC-9"], {"payroll"}),
        (["--purpose", "incident"], {"payroll"}),
        (["--approver", "dave"], {"orders-db"}),
        (["--approver", "carol"], set()),  # she rejected, and approved nothing
        (["--rule", "production-needs-two"], {"orders-db"}),
        (["--since", T("10:02")], {"orders-db", "payroll"}),
        (["--since", T("10:02"), "--until", T("10:04")], {"orders-db"}),
        (["--until", T("10:00")], set()),
    ):
        told_json = json.loads(begun.run("audit", "history", *asked, "--format", "json").out)
        assert {one["resource"] for one in told_json["events"]} == resources, asked
    never = f"Never on record: {'; '.join(told_json['not_on_record'])}."
    rows = begun.run("audit", "history", "--denied", "--format", "csv")
    assert (len(rows.out.splitlines()), rows.err) == (2, f"daypass: {never}\n")
    assert begun.run("audit", "history", "--approver", "carol").out.endswith(f"No events.\n\n{never}\n")
    said = begun.run("audit", "history", "--rule", "production-need-two").err
    assert "main has no rule 'production-need-two'" in said
    assert "production-needs-two" in said
    assert (
        "is from --since on"
        in begun.run("audit", "history", "--since", T("10:02"), "--until", T("10:02"), expect=2).err
    )


def test_one_head_is_told_of_once_and_another_head_anew(begun: Access) -> None:
    number = begun.ask(T("10:03"))
    begun.run("reject", number, "--reason", "not this week", "--at", T("10:04"), acting="bob")
    begun.run("expire", "--at", T("10:05"))
    ledger = begun.git("rev-parse", "daypass-ledger")
    begun.run("reject", number, "--reason", "nor the next one", "--at", T("10:06"), acting="carol")
    assert "Recorded" not in begun.run("expire", "--at", T("10:07")).err
    assert begun.git("rev-parse", "daypass-ledger") == ledger


def forged(access: Access, **changed: object) -> str:
    """Let the ledger's key sign that policy denied alice's request, with something changed; return what verify says."""
    repo = access.repo()
    number = int(access.ask(T("10:03")))
    pull, base = repo.forge.pull(number), repo.tip
    (path,) = (change.path for change in repo.history.changes(base, pull.head))
    blob = next(entry.oid for entry in repo.history.entries(pull.head) if entry.path == path)
    asked = (AskedFile(grant_id(path), blob, "new", "alice"),)
    body = Decided(Resolution.DENIED, number, pull.head, "alice", pull.opened_at, base, asked, codes=("never",))
    at = parse_instant(T("10:05"))
    repo.ledger.append(repo.standing, [replace(body, **changed)], at=at, main=repo.standing.main, run="x")
    return access.run("audit", "verify", "--at", T("10:06"), expect=None).out


@pytest.mark.on_disk
def test_a_denial_that_policy_did_not_give_is_named(begun: Access) -> None:
    assert "says that policy denied request 2 (never); by the policies of then it is not denied" in forged(begun)


@pytest.mark.on_disk
def test_a_denial_of_what_is_not_in_this_clone_is_said_to_be_unjudged(begun: Access) -> None:
    said = forged(begun, head=Oid("1" * 40))
    assert "1 denials could not be judged again, since what was asked for is not in this clone: receipts 4" in said
    assert "denial-without-grounds" not in said


@pytest.mark.on_disk
def test_a_denial_of_a_file_that_is_not_there_is_said_to_be_unjudged(begun: Access) -> None:
    asked = (AskedFile(GrantId("orders-db/other"), Oid("1" * 40), "new"),)
    assert "1 denials could not be judged again" in forged(begun, asked=asked)


@pytest.mark.on_disk
def test_a_decision_by_a_main_that_never_was_is_named(begun: Access) -> None:
    said = forged(begun, base=Oid("2" * 40))
    assert "as judged by main 222222222222, which is not in main's history" in said


@pytest.mark.on_disk
def test_a_rejection_that_was_taken_back_is_none(begun: Access) -> None:
    number = begun.ask(T("10:03"))
    begun.run("reject", number, "--reason", "not this week", "--at", T("10:04"), acting="bob")
    begun.run("withdraw", number, "--at", T("10:05"), acting="bob")
    begun.run("expire", "--at", T("10:06"))
    assert told(begun) == []


def test_what_nobody_answered_is_on_record_as_closed(begun: Access) -> None:
    number = begun.ask(T("10:03"))
    said = begun.run("expire", "--at", "2026-11-29T10:05:00Z").err
    assert f"Closed #{number}" in said
    assert f"Recorded: #{number} was closed\n" in said


@pytest.mark.on_disk
def test_words_of_people_are_in_no_receipt(begun: Access) -> None:
    number = begun.ask(T("10:03"))
    begun.run("reject", number, "--reason", "she left the team", "--at", T("10:04"), acting="bob")
    begun.run("expire", "--at", T("10:05"))
    receipts = begun.git("log", "-p", "--format=%B", "daypass-ledger")
    assert "she left" not in receipts
    standing = begun.repo().standing
    assert [(key[0], key[2].value) for key in standing.decided] == [(int(number), "rejected")]
    assert words_digest("") == ""


def test_one_person_does_not_fill_the_ledger(begun: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "MOST_OF_ONE", 1)
    for minute in ("10:03", "10:05"):
        number = begun.ask(T(minute))
        begun.run("close", number, "--reason", "changed my mind", "--at", T("10:06"), acting="alice")
    said = begun.run("expire", "--at", T("10:07"))
    assert said.err.count("Recorded") == 1
    assert "1 decisions on requests are over the day's limit" in said.err
    assert "Recorded" in begun.run("expire", "--at", "2026-11-21T10:08:00Z").err, "the next day it is told"
