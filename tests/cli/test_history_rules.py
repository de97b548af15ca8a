"""What was before: days with a role, denials, and how long a role is had without a gap, by gate, applier and auditor."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from test_beside import merged_around, ruled

from daypass.core.window import format_instant, parse_instant
from driver import Access

T = "2026-11-20T{}:00Z".format
LOOSE = """version: 1
rules:
  - id: loose
    when: 'true'
    approve: automatically
"""
DAYS = (
    LOOSE
    + """  - id: two-days
    when: 'true'
    deny_unless: subject.days_held <= 2
    message: At most two days of 90.
"""
)
OFTEN = (
    LOOSE
    + """  - id: often
    when: requester.denials > 1
    require: [{approvals: {at_least: 1, from: group:security}}]
  - id: never
    when: grant.role == "admin"
    deny: true
    message: Nobody is admin.
"""
)


def alone(access: Access, text: str) -> Access:
    """Write rules in place of the example's."""
    for file in (access.top / "policies/rules").glob("*.yaml"):
        file.unlink()
    for file in (access.top / "policies/tests").glob("*.yaml"):
        file.unlink()
    return ruled(access, text)


def at(day: int, time: str = "10:00") -> str:
    return format_instant(parse_instant(T(time)) + timedelta(days=day))


def given(access: Access, day: int, *more: str) -> None:
    number = access.ask(at(day), "--for", "1h", *more)
    access.run("gate", number, "--at", at(day, "10:01"))
    access.run("apply", "--at", at(day, "10:02"))


@pytest.mark.on_disk
def test_days_with_a_role_count_from_the_ledger_and_are_judged_again_years_later(access: Access) -> None:
    alone(access, DAYS)
    given(access, 0)
    given(access, 1)
    number = access.ask(at(2), "--for", "1h")
    said = access.run("gate", number, "--at", at(2, "10:01"), expect=11).out
    assert "At most two days of 90. (3 days of 90, by this and orders-db/alice-" in said
    known = access.git("ls-tree", "--name-only", "-r", "main", "grants/orders-db").split()
    access.write("grants/orders-db/wish.yaml", access.git("show", f"main:{known[0]}"))
    told = access.run("explain", "grants/orders-db/wish.yaml", "--at", at(2), expect=11).out
    assert "alice has had, has or will have readonly on orders-db as main and the ledger say, after receipt" in told
    assert ": 2026-11-20T10:01:00Z/2026-11-20T11:01:00Z\n" in told
    assert ": 2026-11-21T10:01:00Z/2026-11-21T11:01:00Z\n" in told
    data = json.loads(
        access.run("explain", "grants/orders-db/wish.yaml", "--at", at(2), "--format", "json", expect=11).out
    )
    assert [one["from"] for one in data["had"]] == ["2026-11-20T10:01:00Z", "2026-11-21T10:01:00Z"]
    (access.top / "grants/orders-db/wish.yaml").unlink()
    own = access.run("explain", known[0].removeprefix("grants/").removesuffix(".yaml"), "--at", at(2)).out
    assert "subject.days_held = 2" in own  # judged as if it were asked for now, in place of itself
    given(access, 90)  # the first day is not among these 90 any more
    access.run("expire", "--at", at(90, "12:00"))
    assert access.run("audit", "verify", "--at", at(2000)).code == 0


@pytest.mark.on_disk
def test_of_two_that_race_the_later_in_mains_order_is_told_what_it_adds_up_to(access: Access) -> None:
    alone(access, LOOSE)
    first = access.ask(T("10:00"), "--for", "6h", resource="orders-db")
    second = access.ask(T("10:01"), "--for", "8h", resource="orders-db")
    merged_around(access, first, T("10:02"))
    merged_around(access, second, T("12:03"))
    said = access.run("apply", "--at", T("12:04"), expect=14)
    assert (
        "alice would have role readonly of orders-db for 10h1m without a gap, longer than the 8h that the role allows in all: "
        "at most 2h more (with orders-db/alice-"
    ) in said.out + said.err
    verified = json.loads(access.run("audit", "verify", "--format", "json", "--at", T("12:05"), expect=13).out)
    assert not {one["code"] for one in verified["differences"]} & {"approvals-insufficient", "denial-without-grounds"}


@pytest.mark.on_disk
def test_extensions_do_not_add_up_to_standing_access(access: Access) -> None:
    alone(access, LOOSE)
    number = access.ask(T("10:00"), "--for", "2h")
    grant = access.run("gate", number, "--at", T("10:01")).out.split("grants ", 1)[1].split("\n", 1)[0].strip()
    access.run("apply", "--at", T("10:02"))
    said = access.run("extend", grant, "--for", "7h", "--at", T("11:00"), acting="alice", expect=11)
    assert "at most 6h more" in said.out + said.err
    access.run("extend", grant, "--for", "6h", "--at", T("11:00"), acting="alice")
    access.run("gate", "2", "--at", T("11:01"))
    access.run("apply", "--at", T("11:02"))
    asked = ("--resource", "orders-db", "--role", "readonly", "--reason", "a reason that is long enough", "--for", "1h")
    told = access.run("request", *asked, "--dry-run", "--at", T("17:58"), acting="alice").err
    assert (
        "note: merged now it would be denied: alice would have role readonly of orders-db for 8h57m without a gap"
        in told
    )
    assert "[held-too-long]" in told
    following = access.ask(T("17:59"), "--for", "1h")  # abuts, and would begin before the other ends
    said = access.run("gate", following, "--at", T("18:00"), expect=11).out
    assert "for 8h59m without a gap, longer than the 8h that the role allows in all: no more" in said
    access.run("gate", following, "--at", T("18:16"))
    access.run("apply", "--at", T("18:17"))
    assert access.run("audit", "verify", "--at", T("19:00")).code == 0


@pytest.mark.on_disk
def test_who_was_denied_often_needs_security(access: Access) -> None:
    alone(access, OFTEN)
    given(access, 0)
    for n, length in enumerate(("10m", "20m")):
        access.git("checkout", "-q", "-b", f"admin-{n}")
        access.write(
            f"grants/orders-db/admin-{n}.yaml",
            "version: 1\nsubject: alice\nresource: orders-db\nrole: admin\n"
            f"reason: a reason that is long enough\nwindow: {{duration: {length}}}\n",
        )
        access.commit("Ask for admin", email="alice@example.com")
        head = access.git("rev-parse", f"admin-{n}")
        access.git("checkout", "-q", "main")
        access.repo("alice").forge.open(branch=f"admin-{n}", head=head, title="Admin", at=parse_instant(at(0, "11:30")))
    access.run("expire", "--at", at(0, "12:00"), expect=None)
    number = access.ask(at(1), "--for", "1h")
    said = access.run("gate", number, "--at", at(1, "10:01"), expect=12).out
    assert "missing: 1 approval from group:security" in said
    file = "grants/orders-db/wish.yaml"
    access.write(file, access.git("show", "admin-0:grants/orders-db/admin-0.yaml"))
    told = access.run("explain", file, "--requester", "alice", "--at", at(1), expect=11).out
    assert "Denied or rejected of alice's requests in the last 7 days, as the ledger says after receipt" in told
    assert ": #2 (denied), #3 (denied)." in told
    wish = ("explain", file, "--requester", "alice", "--at", at(1), "--format", "json")
    assert json.loads(access.run(*wish, expect=11).out)["not_merged"] == [
        {"pull": 2, "what": "denied"},
        {"pull": 3, "what": "denied"},
    ]
    (access.top / file).unlink()
    access.run("gate", number, "--at", at(8))  # a week later
    access.run("apply", "--at", at(8, "10:01"))
    assert access.run("audit", "verify", "--at", at(8, "10:02")).code == 0


@pytest.mark.on_disk
def test_a_merged_request_is_shown_as_it_was_judged_whatever_came_and_went_since(access: Access) -> None:
    alone(access, DAYS)
    given(access, 0)
    number = access.ask(at(1), "--for", "8h")
    access.run("gate", number, "--at", at(1, "10:01"))
    access.run("apply", "--at", at(1, "10:02"))
    access.run("expire", "--at", at(1, "11:00"))  # the first grant's file is asked to go
    access.run("gate", "3", "--at", at(1, "11:01"))
    access.run("apply", "--at", at(1, "11:02"))
    (access.top / "policies/rules/beside.yaml").write_text(LOOSE, encoding="utf-8")
    access.commit("Ask less")
    given(access, 2)
    shown = json.loads(access.run("show", number, "--format", "json", "--at", at(2, "12:00"), expect=None).out)
    assert "denied" not in json.dumps(shown)
    assert "merged" in json.dumps(shown)
