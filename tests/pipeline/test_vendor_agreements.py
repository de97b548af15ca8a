"""A vendor's worker from the asking to the end of the agreement: by the targets, in the ledger, and in what is told."""

from __future__ import annotations

import json
import re

import pytest

from driver import Access

pytestmark = pytest.mark.on_disk

T = "2026-11-20T{}:00Z".format
PEOPLE = "policies/directory/people.yaml"


def change(access: Access, *pairs: tuple[str, str]) -> None:
    """Change what the directory says, by a merge of somebody who may."""
    text = (access.top / PEOPLE).read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    access.write(PEOPLE, text)
    access.commit("vendors")


def asked(access: Access, at: str = "10:00", *more: str) -> str:
    said = access.run(
        "request", "--subject", "frank", "--resource", "orders-db", "--role", "readonly", "--for", "2h",
        "--reason", "The index of the orders is broken", "--ticket", "SUP-7", "--purpose", "vendor-support",
        "--detail", "task=Repair the index", "--detail", "host=bob", "--at", T(at), *more, acting="bob",
    ).out  # fmt: skip
    return said.split("#", 1)[1].split(":", 1)[0]


def given(access: Access) -> str:
    number = asked(access)
    for who in ("carol", "dave"):
        access.run("approve", number, "--at", T("10:01"), acting=who)
    assert (
        "frank (Frank Ito, works for Helpdesk GmbH)" in access.run("show", number, "--at", T("10:02"), expect=None).out
    )
    waits = access.run("gate", number, "--at", T("10:02"), expect=12).out
    assert "missing: 1 approval from sponsor (erin)" in waits
    access.run("approve", number, "--at", T("10:03"), acting="erin")
    access.run("gate", number, "--at", T("10:04"))
    access.run("apply", "--at", T("10:05"))
    access.run("can", "frank", "orders-db", "readonly")
    (file,) = access.git("ls-tree", "-r", "--name-only", "main", "grants/orders-db").split()
    return file.removeprefix("grants/").removesuffix(".yaml")


NARROWED = [
    ("dates", ("agreement: {from: 2026-01-01, until: 2036-12-31}", "agreement: {from: 2026-01-01, until: 2026-11-20T10:30:00Z}"),
     "beyond-agreement", "the agreement with helpdesk, frank's vendor, holds until 2026-11-20T10:30:00Z"),
    ("dpa", ("dpa: {until: 2036-12-31}", "dpa: {until: 2026-11-20T10:30:00Z}"),
     "beyond-dpa", "the data-processing agreement with helpdesk, frank's vendor, holds until 2026-11-20T10:30:00Z"),
    ("from", ("agreement: {from: 2026-01-01,", "agreement: {from: 2026-11-21,"),
     "before-agreement", "the agreement with helpdesk, frank's vendor, holds from 2026-11-21T00:00:00Z on only"),
    ("resources", ("resources: [orders-db]", "resources: [staging]"),
     "vendor-resource", "the agreement with helpdesk, frank's vendor, does not cover orders-db"),
    ("data", ("data: [personal, payment]", "data: [personal]"),
     "vendor-data", "the agreement with helpdesk, frank's vendor, does not cover payment data, which orders-db holds"),
    ("purposes", ("purposes: [vendor-support]", "purposes: [maintenance]"),
     "vendor-purpose", "the agreement with helpdesk, frank's vendor, does not cover purpose vendor-support"),
]  # fmt: skip


@pytest.mark.parametrize(("pair", "code", "said"), [row[1:] for row in NARROWED], ids=[row[0] for row in NARROWED])
def test_narrowing_an_agreement_ends_what_is_live_for_good(
    access: Access, pair: tuple[str, str], code: str, said: str
) -> None:
    grant = given(access)
    change(access, pair)
    assert "ok." in access.run("check").out
    told = access.run("status", "--at", T("10:31")).out
    assert f"ended early: {said}" in told
    (late,) = json.loads(access.run("status", "--at", T("10:31"), "--format", "json").out)["overdue"]
    assert late["bound"] == said
    assert said in access.run("plan", "--at", T("10:31")).out
    assert said in access.run("explain", grant, "--at", T("10:31"), expect=None).out
    run = access.run("expire", "--at", T("10:31"))
    assert "Removal pull request" in run.out + run.err
    access.run("can", "frank", "orders-db", "readonly", expect=20)
    change(access, (pair[1], pair[0]))
    access.run("apply", "--at", T("10:40"))
    access.run("can", "frank", "orders-db", "readonly", expect=20)
    events = json.loads(access.run("audit", "history", "--subject", "frank", "--format", "json").out)["events"]
    (ended,) = (event for event in events if event["event"] == "ended")
    assert ended["detail"] == f"{code}: {said}"
    access.run("audit", "verify", "--at", T("10:41"))


def test_what_an_agreement_will_end_is_told_before_it_does(access: Access) -> None:
    given(access)
    change(access, ("until: 2036-12-31}\n    dpa", "until: 2026-11-20T11:00:00Z}\n    dpa"))
    said = access.run("apply", "--at", T("10:10")).out
    assert "2026-11-20T11:00:00Z" in said  # the target is told the new end
    told = access.run("status", "--at", T("10:11")).out
    assert "until 2026-11-20T11:00:00Z" in told
    assert "the agreement with helpdesk, frank's vendor, holds until 2026-11-20T11:00:00Z" in told
    access.run("expire", "--at", T("11:00"))
    access.run("can", "frank", "orders-db", "readonly", expect=20)
    access.run("audit", "verify", "--at", T("11:01"))


def test_an_agreement_that_ends_holds_back_no_more_than_the_brake_does(access: Access) -> None:
    settings = (access.top / "policies/daypass.yaml").read_text(encoding="utf-8")
    access.write("policies/daypass.yaml", re.sub(r"removals: [0-9%]+", "removals: 0", settings))
    access.commit("no removal without a word")
    given(access)
    change(access, ("resources: [orders-db]", "resources: [staging]"))
    stopped = access.run("apply", "--at", T("10:10"), expect=None)
    assert stopped.code != 0
    assert "brake" in stopped.out + stopped.err
    access.run("can", "frank", "orders-db", "readonly")
    access.run("audit", "verify", "--at", T("10:11"))


def test_a_worker_asked_for_outside_the_agreement_is_denied(access: Access) -> None:
    said = access.run(
        "request", "--subject", "frank", "--resource", "staging", "--role", "deploy", "--for", "1h",
        "--reason", "looking around", "--at", T("10:00"), acting="bob", expect=11,
    )  # fmt: skip
    told = said.out + said.err
    assert "the agreement with helpdesk, frank's vendor, does not cover staging" in told
    assert "the agreement with helpdesk, frank's vendor, does not cover access without a purpose" in told


def test_what_the_agreement_no_longer_covers_at_the_merge_is_not_merged(access: Access) -> None:
    number = asked(access)
    for who in ("carol", "dave", "erin"):
        access.run("approve", number, "--at", T("10:01"), acting=who)
    change(access, ("data: [personal, payment]", "data: [personal]"))
    said = access.run("gate", number, "--at", T("10:05"), expect=11).out
    assert "does not cover payment data, which orders-db holds" in said


# What an audit tells of a vendor


def test_an_audit_tells_all_of_a_vendor_years_later(access: Access) -> None:
    grant = given(access)
    told = access.run("audit", "vendor", "helpdesk", "--at", T("10:06")).out
    for line in (
        "title        Helpdesk GmbH",
        "sponsors     erin",
        "agreement    from 2026-01-01T00:00:00Z until 2036-12-31T00:00:00Z: holds",
        "dpa          until 2036-12-31T00:00:00Z: holds",
        "resources    orders-db",
        "data         personal, payment",
        "purposes     vendor-support",
        "1 worker:\n  frank (Frank Ito)",
        f"1 grant not over:\n  {grant}: readonly on orders-db for frank, until 2026-11-20T12:04:00Z; live; ",
        "Given so far: 1",
    ):
        assert line in told
    change(access, ("until: 2036-12-31}\n    dpa", "until: 2026-11-20T11:00:00Z}\n    dpa"))
    access.run("expire", "--at", T("11:00"))
    after = access.run("audit", "vendor", "helpdesk", "--at", T("11:05")).out
    assert "agreement    from 2026-01-01T00:00:00Z until 2026-11-20T11:00:00Z: over" in after
    assert "0 grants not over" in after
    data = json.loads(access.run("audit", "vendor", "helpdesk", "--at", T("11:05"), "--format", "json").out)
    (row,) = data["grants"]
    assert {
        key: row[key] for key in ("grant", "subject", "purpose", "ticket", "reason", "requester", "state", "gone_at")
    } == {
        "grant": grant,
        "subject": "frank",
        "purpose": "vendor-support",
        "ticket": "SUP-7",
        "reason": "The index of the orders is broken",
        "requester": "bob",
        "state": "ended",
        "gone_at": T("11:00"),
    }
    assert (
        row["ended"]
        == "beyond-agreement: the agreement with helpdesk, frank's vendor, holds until 2026-11-20T11:00:00Z"
    )
    assert sorted(row["approvers"]) == ["carol (owners)", "dave (group:security)", "erin (sponsor)"]
    assert [(one["by"], one["for"], one["at"]) for one in row["approvals"] if one["by"] == "erin"] == [
        ("erin", "sponsor", T("10:03"))
    ]
    then = access.run("audit", "vendor", "helpdesk", "--at", T("10:30")).out
    assert (
        "agreement    from 2026-01-01T00:00:00Z until 2036-12-31T00:00:00Z: holds" in then
    )  # by main's directory of then
    assert f"1 grant not over:\n  {grant}: readonly on orders-db for frank, until 2026-11-20T12:04:00Z; live; " in then
    before = access.run("audit", "vendor", "helpdesk", "--at", T("09:00")).out
    assert "Given so far: 0" in before
    csv = access.run("audit", "vendor", "helpdesk", "--format", "csv").out
    assert csv.startswith("grant,subject,resource,role,purpose,ticket,")
    assert grant in csv


def test_who_works_for_a_vendor_no_more_is_told_of_by_the_directory_of_then(access: Access) -> None:
    grant = given(access)
    text = (access.top / PEOPLE).read_text(encoding="utf-8")
    access.write(PEOPLE, text.partition("vendors:\n")[0].replace(", employment: vendor, vendor: helpdesk", ""))
    access.commit("no vendor any more")
    told = access.run("audit", "vendor", "helpdesk", "--at", T("10:30")).out
    assert "main's directory has this vendor no more" in told
    assert "frank, who works for it no more by main's directory" in told
    assert grant in told
    data = json.loads(access.run("audit", "vendor", "helpdesk", "--at", T("10:30"), "--format", "json").out)
    assert (data["terms"], data["workers"]) == (None, [{"subject": "frank", "name": "", "now": False, "until": None}])


def test_a_vendor_that_nobody_ever_had_is_refused_and_one_without_terms_says_so(access: Access) -> None:
    said = access.run("audit", "vendor", "helpdesc", "--at", T("10:00"), expect=2).err
    assert "there is no vendor 'helpdesc' in main's directory, and nobody of it was ever given access" in said
    assert "did you mean helpdesk?" in said
    text = (access.top / PEOPLE).read_text(encoding="utf-8")
    access.write(PEOPLE, text.partition("vendors:\n")[0] + "vendors:\n  helpdesk: {until: 2027-01-01}\n")
    access.commit("as in earlier releases")
    told = access.run("audit", "vendor", "helpdesk", "--at", T("10:00")).out
    assert "contract     until 2027-01-01T00:00:00Z; its terms are not stated, and nobody sponsors its people" in told
    assert "Given so far: 0" in told
    warned = access.run("check").out
    assert "[vendor-unstated]" in warned


# Agents and workloads


AGENT = "workloads:\n  triage: {kind: agent, sponsor: erin, owners: [engineering], identities: {embedded: triage}}\n"


def test_an_agent_waits_for_its_sponsor_where_a_person_would_pass_and_ends_with_nobody_else(access: Access) -> None:
    file = access.top / PEOPLE
    access.write(
        PEOPLE,
        file.read_text(encoding="utf-8").replace(
            "engineering: {members: [alice]", "engineering: {members: [alice, triage]"
        )
        + AGENT,
    )
    access.commit("an agent")
    said = access.run(
        "request", "--subject", "triage", "--resource", "staging", "--role", "deploy", "--for", "1h",
        "--reason", "sorting reports", "--at", T("10:00"), acting="alice",
    ).out  # fmt: skip
    number = said.split("#", 1)[1].split(":", 1)[0]
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    assert "triage (an agent)" in access.run("show", number, "--at", T("10:02"), expect=None).out
    assert "missing: 1 approval from sponsor (erin)" in access.run("gate", number, "--at", T("10:02"), expect=12).out
    access.run("approve", number, "--at", T("10:03"), acting="erin")
    access.run("gate", number, "--at", T("10:04"))
    access.run("apply", "--at", T("10:05"))
    access.run("can", "triage", "staging", "deploy")
    access.run("audit", "verify", "--at", T("10:06"))


def test_a_workload_that_claims_say_who_it_is_gets_nothing_here(access: Access) -> None:
    file = access.top / PEOPLE
    access.write(
        PEOPLE,
        file.read_text(encoding="utf-8") + "workloads:\n  export: {owners: [dba], claims: {repository: acme/export}}\n",
    )
    access.commit("a workload")
    said = access.run(
        "request", "--subject", "export", "--resource", "orders-db", "--role", "readonly", "--for", "1h",
        "--reason", "the export of the night", "--at", T("10:00"), acting="bob", expect=11,
    )  # fmt: skip
    assert "target embedded (kind embedded) checks none: nobody would look at them" in said.out + said.err
