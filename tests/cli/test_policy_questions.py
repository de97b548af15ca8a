"""What may be asked for, by whom, and why not: answered by the command line before anybody asks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from daypass.cli.quick.place import index_of
from daypass.core.errors import EdgeError
from daypass.edges.git import index
from daypass.edges.git.index import file
from daypass.pipeline.audit import replay
from driver import Access

DAY, NIGHT = ("--at", "2026-11-20T10:00:00Z"), ("--at", "2026-11-20T22:00:00Z")


PURPOSES = ("data-subject-request", "deploy", "maintenance", "vendor-support")


@pytest.fixture
def access(access: Access) -> Access:
    """The example with one purpose: each way to ask is told, and there would be many."""
    for path in ("tests/purposes", *(f"purposes/{name}" for name in PURPOSES)):
        (access.top / f"policies/{path}.yaml").unlink()
    people = access.top / "policies/directory/people.yaml"
    people.write_text(people.read_text(encoding="utf-8").replace("[vendor-support]", "[]"), encoding="utf-8")
    access.commit("One purpose")
    return access


def test_the_catalogue_lists_each_way_to_ask(access: Access) -> None:
    said = access.run("catalogue", "--for", "alice", "--resource", "staging", *DAY).out
    assert said == (
        "staging  Staging cluster (staging, internal)\n"
        "  deploy\n"
        "    up to 4h: at once; recurring: 1 approval from owners\n"
        "    over 4h, up to 1d: 1 approval from owners\n"
        "    purpose incident, with a ticket, up to 4h: at once; recurring: 1 approval from owners\n"
        "    at most 1d without a gap; recurring for 92d as a whole\n"
    )
    assert access.run("catalogue", *DAY, acting="alice").out.count("\n    ") > 4


CHAIN = """version: 1
rules:
  - id: chain
    when: resource.name == "orders-db"
    require:
      - {approvals: {at_least: 1, from: manager}}
      - {approvals: {at_least: 1, from: owners}, after: manager}
      - {approvals: {at_least: 2, from: "group:security"}, after: owners}
  - id: fork
    when: resource.name == "payroll"
    require:
      - {approvals: {at_least: 1, from: "group:dba"}}
      - {approvals: {at_least: 1, from: "person:dave"}}
      - {approvals: {at_least: 1, from: "person:erin"}, after: "person:dave"}
"""


def test_approvals_stand_in_their_order_with_what_all_grants_may_come_to(access: Access) -> None:
    access.write("policies/rules/access.yaml", CHAIN)
    orders = access.top / "policies/resources/orders-db.yaml"
    orders.write_text(
        orders.read_text(encoding="utf-8").replace(
            "max_duration: 8h,", "max_duration: 8h, max_total: 16h, max_span: 30d,"
        ),
        encoding="utf-8",
    )
    access.write("policies/purposes/incident.yaml", "version: 1\nmax_span: 7d\nmax_duration: 4h\n")
    access.commit("In an order")
    chain = "1 approval from manager, then 1 approval from owners, then 2 approvals from group:security"
    expected = [
        "readonly  Read every table",
        f"  up to 8h: {chain}",
        f"  purpose incident, up to 4h: {chain}",
        "  at most 16h without a gap; recurring for 30d as a whole (7d with incident)",
    ]
    said = [line.strip() for line in access.run("catalogue", "--for", "alice", *DAY).out.splitlines()]
    assert [line.strip() for line in expected] == said[said.index(expected[0]) :][:4]
    who = access.run("policy", "who-can", "orders-db", "readonly", *DAY).out
    assert "\n".join(f"  {line}" for line in expected[1:]) in who
    assert "\n".join(expected[1:]) in access.run("policy", "why-not", "alice", "orders-db", "readonly", *DAY).out
    fork = "1 approval from group:dba, 1 approval from person:dave, 1 approval from person:erin after person:dave"
    assert f"  up to 2h: {fork}\n" in access.run("policy", "why-not", "alice", "payroll", "readonly", *DAY).out
    data = json.loads(access.run("policy", "why-not", "alice", "orders-db", "readonly", "--format", "json", *DAY).out)
    way = data["ways"][0]
    assert [(one["from"], one["after"]) for one in way["approvals"]] == [
        ("manager", []),
        ("owners", ["manager"]),
        ("group:security", ["owners"]),
    ]
    assert (way["total"], way["span"], way["recurring"]["automatic"]) == ("16h", "30d", False)


def test_what_may_not_recur_says_so(access: Access) -> None:
    access.write("policies/rules/once.yaml", "version: 1\nrules:\n  - {id: once, when: 'grant.recurs', deny: true}\n")
    access.commit("Nothing recurs")
    said = access.run("catalogue", "--for", "alice", "--resource", "staging", *DAY).out
    assert "    up to 4h: at once; not recurring\n" in said
    assert said.endswith("    at most 1d without a gap\n")


def test_what_cannot_be_asked_for_is_counted_and_in_the_data(access: Access) -> None:
    access.write(
        "policies/rules/shut.yaml", "version: 1\nrules:\n  - {id: shut, when: 'grant.role == \"admin\"', deny: true}\n"
    )
    access.commit("Nobody is an admin")
    said = access.run("catalogue", "--for", "alice", *DAY).out
    assert "admin" not in said
    assert said.endswith("1 role alice cannot ask for now: `daypass policy why-not alice RESOURCE ROLE` says why\n")
    data = json.loads(access.run("catalogue", "--for", "alice", "--format", "json", *DAY).out)
    [admin] = [role for role in data["roles"] if role["role"] == "admin"]
    assert {denial["rule"] for way in admin["ways"] for denial in way["denials"]} == {"shut"}
    access.write("policies/rules/shut.yaml", "version: 1\nrules:\n  - {id: shut, when: 'true', deny: true}\n")
    access.commit("Nobody is anything")
    assert access.run("catalogue", "--for", "alice", *DAY).out.startswith(
        "alice can ask for nothing now.\n4 roles alice cannot"
    )


def test_who_can_groups_people_by_what_is_true_of_them(access: Access) -> None:
    said = access.run("policy", "who-can", "staging", "deploy", *DAY).out
    head, *rest = said.split("\n  ")
    assert head == "deploy on staging, for oneself"
    assert rest[0].startswith("alice, ")
    assert "  up to 4h: at once; recurring: 1 approval from owners" in rest
    data = json.loads(access.run("policy", "who-can", "staging", "deploy", "--format", "json", *DAY).out)
    assert {one["subject"] for one in data["subjects"]} >= {"alice", "bob"}


def test_why_not_names_each_reason_and_the_way_there_is(access: Access) -> None:
    access.write("policies/purposes/review.yaml", "version: 1\nasked_by: [group:security]\n")
    access.commit("A purpose for some")
    lines = access.run("policy", "why-not", "alice", "payroll", "readonly", *NIGHT).out.splitlines()
    assert lines[:2] == [
        "alice may ask for readonly on payroll:",
        "  purpose incident, with a ticket, up to 2h: 1 approval from group:security, 1 approval from owners",
    ]
    [hours] = [line for line in lines if "[restricted-in-office-hours]" in line]
    assert hours.startswith("  denied without a purpose and with review: ")
    assert lines[lines.index(hours) + 1].startswith("    hint: passes when within_hours(access.from, ")
    [asked] = [line for line in lines if "alice may not ask for purpose review" in line]
    assert asked.startswith("  denied with purpose review: ")


def test_why_not_exits_11_where_there_is_no_way(access: Access) -> None:
    access.write("policies/rules/shut.yaml", "version: 1\nrules:\n  - {id: shut, when: 'true', deny: true}\n")
    access.commit("Nobody is anything")
    said = access.run("policy", "why-not", "alice", "payroll", "readonly", *DAY, expect=11).out
    assert said.startswith("alice may not have readonly on payroll:\n")
    data = json.loads(
        access.run("policy", "why-not", "alice", "payroll", "readonly", "--format", "json", *DAY, expect=11).out
    )
    assert all(way["denials"] for way in data["ways"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("policy", "why-not", "alcie", "staging", "deploy"),
            "there is no subject 'alcie' in the directory\n  hint: did you mean alice",
        ),
        (
            ("policy", "who-can", "stagign", "deploy"),
            "there is no resource 'stagign' in the catalogue\n  hint: did you mean staging",
        ),
        (("policy", "who-can", "staging", "reader"), "staging offers no role 'reader'\n  hint: it offers deploy"),
        (
            ("policy", "why-not", "alice", "staging", "deploy", "--requester", "x"),
            "there is no subject 'x' in the directory",
        ),
        (("catalogue", "--for", "alice", "--resource", "x"), "there is no resource 'x' in the catalogue"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_the_likeliest(
    access: Access, words: tuple[str, ...], said: str
) -> None:
    assert f"daypass: {said}" in access.run(*words, expect=2).err


def test_nobody_can_ask_for_anything_while_main_does_not_read(access: Access) -> None:
    access.write("policies/rules/bad.yaml", "version: 1\nrules: [{id: a, when: nothing, deny: true}]\n")
    access.commit("A fault")
    assert "so nobody can ask for anything" in access.run("catalogue", "--for", "alice", expect=10).err


def test_policy_test_writes_junit_for_who_collects_it(access: Access, tmp_path: Path) -> None:
    more = access.top / "policies/tests/access.yaml"
    text = more.read_text(encoding="utf-8") + (
        "  - name: a case that differs\n"
        "    request: {subject: alice, resource: staging, role: deploy, window: {duration: 1h}}\n"
        "    at: 2026-11-20T10:00:00Z\n    expect: {denied: [rule-denies]}\n"
    )
    access.write("policies/tests/access.yaml", text)
    file = tmp_path / "found.xml"
    said = access.run("policy", "test", "--junit", str(file), expect=10)
    assert "6 passed, 1 failed" in said.out
    assert "note: " not in said.out  # every rule and each side of its conditions is reached
    [suite] = ET.parse(file).getroot()  # noqa: S314  (we wrote it)
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("policies/tests/access.yaml", "7", "1")
    [failed] = [case for case in suite if len(case)]
    assert (failed.get("name"), failed[0].get("message")) == (
        "a case that differs",
        "expected denied: rule-denies; got automatic",
    )


def loosened(access: Access) -> None:
    text = (access.top / "policies/rules/access.yaml").read_text(encoding="utf-8")
    access.write("policies/rules/access.yaml", text.replace('duration("4h")', 'duration("6h")'))


def test_a_difference_is_shown_with_the_first_request_that_shows_it(access: Access) -> None:
    loosened(access)
    said = access.run("policy", "diff", "main", "--detailed-exitcode", *DAY, expect=13).out
    assert said.startswith("LOOSER  no longer asks for an approval that was asked for (decided: ")
    assert "  before: 1 approval from owners\n  after:  at once\n  for example, asked for by " in said
    assert "    resource: staging\n    role: deploy\n" in said
    assert "      duration: 4h1s\n" in said
    assert said.splitlines()[-1].startswith("decided: every request, in ")
    assert access.run("policy", "diff", "main", *DAY).code == 0
    data = json.loads(access.run("policy", "diff", "main", "--format", "json", *DAY).out)
    assert [one["looser"] for one in data["looked"]] == [True]


def test_nothing_is_said_to_differ_where_nothing_was_changed(access: Access) -> None:
    said = access.run("policy", "diff", "main", "main", "--detailed-exitcode", *DAY).out
    assert said.endswith("none of them judged differently\n")


@pytest.mark.on_disk
def test_the_requests_of_the_past_are_replayed_by_the_policies_of_today(access: Access) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:01:00Z")
    access.run("apply", "--at", "2026-11-20T10:02:00Z")
    access.write("policies/rules/shut.yaml", "version: 1\nrules:\n  - {id: shut, when: 'true', deny: true}\n")
    later = ("--at", "2026-11-20T10:30:00Z")
    said = access.run("policy", "replay", "main", *later).out
    assert said.count("tighter  denies what was let through") == 2
    told = said.splitlines()
    assert "history: 1 request judged by both, 1 of them differently" in told
    assert "live: 1 request judged by both, 1 of them differently" in told
    over = json.loads(access.run("policy", "replay", "main", "--format", "json", "--at", "2026-11-20T22:00:00Z").out)
    assert [(one["where"], one["tried"]) for one in over["looked"]] == [("history", 1), ("live", 0)]


@pytest.mark.on_disk
def test_a_long_history_is_replayed_in_batches_also_while_another_run_writes_to_the_index(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_BATCH", 1)
    monkeypatch.setattr(index, "_PAGE", 2)
    monkeypatch.setattr(file, "_WAIT", 1.0)
    for n in range(3):
        access.grant(f"2026-11-20T1{n}:00:00Z", f"2026-11-20T1{n}:01:00Z", "--for", f"{n + 1}h")
        access.run("apply", "--at", f"2026-11-20T1{n}:02:00Z")
    asked = ("policy", "replay", "main", "--at", "2026-11-20T13:30:00Z")
    access.run("audit", "stats", "--at", "2026-11-20T13:30:00Z")
    with closing(sqlite3.connect(access.top / ".git/daypass/audit.sqlite", isolation_level=None)) as other:
        other.execute("begin immediate")
        said = access.run(*asked).out
        assert other.execute("select count(*) from files").fetchone() == (0,)
        other.execute("rollback")
        assert "history: 3 requests judged by both, none of them differently" in said.splitlines()
        assert access.run(*asked).out == said
        assert other.execute("select count(*) from files").fetchone() == (3,)
    assert access.run(*asked).out == said


@pytest.mark.on_disk
def test_receipts_that_were_forgotten_while_they_are_read_are_not_passed_over(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_PAGE", 2)
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:01:00Z")
    access.run("apply", "--at", "2026-11-20T10:02:00Z")
    access.run("audit", "stats", "--at", "2026-11-20T10:30:00Z")
    found = index_of(access.repo())
    whole = list(found.all_receipts())
    assert [one.sequence for one in whole] == list(range(len(whole)))
    reading = found.all_receipts()
    assert next(reading) == whole[0]
    with closing(sqlite3.connect(found.path)) as other, other:
        other.execute("delete from receipts")
    with pytest.raises(EdgeError, match=r"audit\.sqlite was built anew while it was read"):
        list(reading)


def test_policies_with_faults_are_not_compared(access: Access) -> None:
    access.write("policies/rules/bad.yaml", "version: 1\nrules: [{id: a, when: nothing, deny: true}]\n")
    said = access.run("policy", "diff", "main", expect=10).err
    assert "the policies of the work tree do not read, so there is nothing to compare" in said
