"""A data subject's request from asking to its end: who asks, with which case and details, and when access ends."""

from __future__ import annotations

import json

import pytest

from daypass.core.errors import ExitCode
from driver import Access

T = "2026-11-20T{}:00Z".format
DUE = T("12:00")
CASE = ("--purpose", "data-subject-request", "--ticket", "DSR-1234")
RIGHT = ("--detail", "right=access", "--detail", "classes=personal,payment")


def asked(access: Access, *more: str, acting: str = "erin", expect: int = 0, at: str = "10:00") -> str:
    said = access.run(
        "request", "--resource", "orders-db", "--role", "readonly", "--for", "8h", "--reason", "Answering the case",
        *CASE, *RIGHT, *more, "--at", T(at), acting=acting, expect=expect,
    )  # fmt: skip
    return said.out + said.err


def granted(access: Access) -> str:
    asked(access, "--detail", f"due={DUE}")
    access.run("approve", "1", "--at", T("10:01"), acting="bob")
    access.run("approve", "1", "--at", T("10:02"), acting="dave")
    said = access.run("gate", "1", "--at", T("10:03"))
    access.run("apply", "--at", T("10:04"))
    return said.out.split("grants ", 1)[1].split("\n", 1)[0].strip()


def test_reviewers_see_the_details_what_they_end_and_the_guide(access: Access) -> None:
    asked(access, "--detail", f"due={DUE}")
    said = access.run("show", "1", "--at", T("10:01")).out
    assert "details.due 2026-11-20T12:00:00Z (Answer due by)" in said
    assert "details.classes personal, payment (Classes of data)" in said
    assert "ends by   2026-11-20T12:00:00Z (details.due (Answer due by) lets it last)" in said
    assert "for 8h from the merge on, until 2026-11-20T12:00:00Z at the latest" in said
    assert "for reviewers: Read the case first. Approve only what holds this person's data." in said
    status = access.run("status", "--at", T("10:01")).out
    assert "due: 2026-11-20T12:00:00Z" in status
    shown = json.loads(access.run("show", "1", "--at", T("10:01"), "--format", "json").out)
    assert [effect["latest"] for effect in shown["effects"]] == [DUE]


@pytest.mark.on_disk
def test_access_ends_when_the_answer_is_due_for_good_and_its_file_is_tidied(access: Access) -> None:
    grant = granted(access)
    status = access.run("status", "--at", T("10:05")).out
    assert "until 2026-11-20T12:00:00Z" in status
    assert "ended early: details.due (Answer due by) lets it last until 2026-11-20T12:00:00Z" in status
    told = json.loads(access.run("explain", grant, "--at", T("10:05"), "--format", "json").out)
    assert told["details"] == {"due": DUE, "right": "access", "classes": ["personal", "payment"]}
    assert [end["at"] for end in told["ends_by"]] == [DUE]
    access.run("can", "erin", "orders-db", "readonly")
    # What the purpose says later changes nothing for what is merged: neither is it a fault, nor does it last longer.
    place = "policies/purposes/data-subject-request.yaml"
    text = (access.top / place).read_text().replace("ends_access: true, ", "").replace("DSR-", "CASE-")
    access.write(place, text.replace("right: {kind: choice, of: [access, ", "right: {kind: choice, of: [objection, "))
    (access.top / "policies/tests/purposes.yaml").unlink()
    access.commit("another purpose")
    assert access.run("check", "--revision", "main").code == 0
    access.run("expire", "--at", T("12:01"))
    access.run("can", "erin", "orders-db", "readonly", expect=int(ExitCode.NO))
    said = access.run("expire", "--at", T("12:02"))
    assert "Remove grants that have ended" in said.out + access.run("status", "--at", T("12:03")).out
    events = json.loads(access.run("audit", "history", "--grant", grant, "--format", "json").out)["events"]
    (ended,) = [event for event in events if event["event"] == "ended"]
    assert ended["detail"].startswith("beyond-detail: details.due")
    assert access.run("audit", "verify", "--at", T("12:04")).code == 0


def test_only_the_privacy_group_asks_and_only_with_a_case(access: Access) -> None:
    due = ("--detail", f"due={DUE}")
    assert "alice may not ask for purpose data-subject-request" in asked(access, *due, acting="alice", expect=11)
    assert "ticket 'INC-1' is not of the form" in asked(access, *due, "--ticket", "INC-1", expect=11)
    assert "details.due (Answer due by), which is missing" in asked(access, expect=11)


def test_who_left_the_group_before_the_merge_is_refused(access: Access) -> None:
    asked(access, "--detail", f"due={DUE}")
    people = "policies/directory/people.yaml"
    access.write(
        people, (access.top / people).read_text().replace("privacy: {members: [erin]}", "privacy: {members: [carol]}")
    )
    (access.top / "policies/tests/purposes.yaml").unlink()
    access.commit("carol answers from now on")
    access.run("approve", "1", "--at", T("10:01"), acting="bob", expect=None)
    said = access.run("gate", "1", "--at", T("10:03"), expect=11)
    assert "erin may not ask for purpose data-subject-request" in said.out


@pytest.mark.on_disk
def test_who_came_to_the_group_after_asking_asks_anew(access: Access) -> None:
    people = "policies/directory/people.yaml"
    text = (access.top / people).read_text()
    access.write(people, text.replace("privacy: {members: [erin]}", "privacy: {members: [carol]}"))
    (access.top / "policies/tests/purposes.yaml").unlink()
    access.commit("carol answers")
    access.write("grants/orders-db/erin-1.yaml", GRANT)
    access.git("switch", "-q", "-c", "mine")
    access.git("add", "grants")
    access.git("-c", "user.email=erin@example.com", "commit", "-q", "-m", "ask")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="erin", expect=11)
    access.write(people, text)
    access.commit("erin answers after all")
    for who in ("bob", "dave"):
        access.run("approve", "1", "--at", T("10:02"), acting=who, expect=None)
    said = access.run("gate", "1", "--at", T("10:03"), expect=None)
    assert "by main's policies of then they could not ask for purpose data-subject-request" in said.out
    assert said.code != 0


GRANT = f"""\
version: 1
subject: erin
resource: orders-db
role: readonly
reason: Answering the case of a customer.
ticket: DSR-1234
window: {{duration: 8h}}
purpose: data-subject-request
details: {{due: {DUE}, right: access, classes: [personal]}}
"""


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("due", "--detail due is no NAME=VALUE"),
        ("due=", "--detail due= is no NAME=VALUE"),
        ("right=erasure", "--detail right is given twice"),
        ("rigth=erasure", "purpose data-subject-request has no field 'rigth'\n  hint: did you mean right?"),
    ],
)
def test_a_detail_that_is_a_slip_is_bad_usage(access: Access, detail: str, said: str) -> None:
    assert said in asked(access, "--detail", f"due={DUE}", "--detail", detail, expect=2)


def test_an_extension_beyond_the_moment_that_ends_it_is_refused(access: Access) -> None:
    grant = granted(access)
    said = access.run("extend", grant, "--for", "1h", "--at", T("10:05"), acting="erin", expect=2)
    assert (
        "details.due (Answer due by) lets it last until 2026-11-20T12:00:00Z, and no extension moves that" in said.err
    )


@pytest.mark.on_disk
def test_the_log_of_one_case_tells_all_of_it_and_nothing_of_another(access: Access) -> None:
    grant = granted(access)
    asked(access, "--detail", f"due={DUE}", "--ticket", "DSR-9999", at="10:05")
    access.run("expire", "--at", T("12:01"))
    said = access.run("audit", "case", "DSR-1234").out
    steps = [line.partition("  ")[2].partition(":")[0] for line in said.splitlines() if line.startswith("2026-")]
    assert steps == [
        "requested by erin",
        "approved by bob (owners)",
        "approved by dave (group",
        "merged",
        "admitted",
        "access added",
        "ended",
        "access removed",
    ]
    assert said.count("    why: ") == 1
    assert "beyond-detail: details.due (Answer due by) lets it last until 2026-11-20T12:00:00Z" in said
    assert f"    {grant}, request #1, receipt " in said
    assert "    why: Answering the case\n" in said
    assert (
        "    purpose data-subject-request; classes: personal, payment; due: 2026-11-20T12:00:00Z; right: access\n"
        in said
    )
    assert "DSR-9999" not in said
    data = json.loads(access.run("audit", "case", "DSR-1234", "--format", "json").out)
    assert data["case"] == "DSR-1234"
    assert {grant for event in data["events"] for grant in event["grants"]} == {grant}
    first = data["events"][0]
    assert (first["event"], first["by"], first["reason"]) == ("requested", "erin", "Answering the case")
    assert first["details"] == {"due": DUE, "right": "access", "classes": ["personal", "payment"]}
    assert access.run("audit", "case", "DSR-1234", "--format", "csv").out.startswith("event,at,")


@pytest.mark.on_disk
def test_a_case_that_nothing_is_on_record_of_exits_20(access: Access) -> None:
    said = access.run("audit", "case", "DSR-4711", expect=int(ExitCode.NO))
    assert "nothing is on record of a case 'DSR-4711'" in said.err


def test_a_case_without_a_number_is_a_usage_error(access: Access) -> None:
    assert "daypass: the case has no number\n  hint: name its ticket" in access.run("audit", "case", " ", expect=2).err
