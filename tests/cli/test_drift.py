"""Drift, as people and programs are told of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from daypass.core.errors import EdgeError
from daypass.core.finding import Severity
from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.receipt import Refusal
from daypass.core.plan import Action, Entitlement, Intended, Plan, Reason
from daypass.core.planning.drift import Inspection, OtherAccess, drift
from daypass.core.state import GrantState
from daypass.edges.targets.embedded.target import EmbeddedTarget
from daypass.pipeline.audit.health import inspect
from daypass.views.targets import MOST_DRIFTED, drift_markdown, drift_text, inspections_data
from fakes.orders import add
from fakes.target import FakeTarget

if TYPE_CHECKING:
    from driver import Access

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)
MALLORY = Entitlement("embedded", "orders-db", "mallory", canonical({"member_of": "orders_admin"}))
NOON = "2026-11-20T12:00:00Z"


def _store(access: Access) -> EmbeddedTarget:
    return EmbeddedTarget(access.top / ".git" / "daypass" / "embedded.sqlite", "embedded")


def test_nothing_amiss_is_said_and_exits_0(access: Access) -> None:
    said = access.run("drift", "--at", NOON)
    first, target, looked, unseen = said.out.splitlines()
    assert first == "No drift: 0 live as they should be, and nothing else was found where daypass looks."
    assert target == "embedded"
    assert looked == f"  looked at: whether there is a store {_store(access).path}: there is none"
    assert unseen.startswith("  not seen:  whom the programs that read this file let in besides")
    assert access.run("drift", "--at", NOON, "--format", "markdown").out.startswith(
        f"No drift at {NOON}.\n\n- embedded\n"
    )
    data = json.loads(access.run("drift", "--at", NOON, "--format", "json").out)
    assert set(data["targets"]["embedded"]) == {"looked", "unseen"}


def test_ways_in_beside_entitlements_are_findings_and_so_is_who_could_not_be_looked_at() -> None:
    plan = Plan(T0, "main", ())
    seen = Inspection(("all",), ("nothing",), (OtherAccess("backdoor", "is SUPERUSER"),))
    found = drift(plan, inspections={"orders": seen, "payroll": "it does not answer"})
    assert [(finding.code, finding.message) for finding in found] == [
        ("target-unread", "target payroll could not be read: it does not answer"),
        (
            "access-other",
            "'backdoor' is SUPERUSER at target orders: no grant gives such access, and daypass takes none of it away",
        ),
    ]
    assert drift(plan, inspections={"orders": seen._replace(others=())}) == ()
    assert inspections_data({"orders": seen, "payroll": "it does not answer"}) == {
        "orders": {"looked": ["all"], "unseen": ["nothing"]},
        "payroll": {"error": "it does not answer"},
    }
    assert "orders\n  looked at: all\n  not seen:  nothing\n" in drift_text(
        found, plan, {"orders": seen, "payroll": "no"}
    )
    assert "\n2 differences.\n" in drift_text(found, plan, {})
    assert "\n1 difference.\n" in drift_text(found[:1], plan, {})


def test_of_a_store_that_is_there_every_row_is_looked_at(access: Access) -> None:
    grant = access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    store = _store(access).path
    assert f"looked at: every row of {store}" in access.run("drift", "--at", "2026-11-20T10:07:00Z").out
    for file in store.parent.glob(f"{store.name}*"):
        file.unlink()
    said = access.run("drift", "--at", "2026-11-20T10:07:00Z", expect=14)
    assert grant in said.out
    assert "every row" not in said.out


def test_of_a_target_that_cannot_be_read_nothing_is_said_to_be_looked_at(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedTarget, "inspect", lambda _: Inspection(("every row",), ("who writes it",)))
    _store(access).path.parent.mkdir(exist_ok=True)
    _store(access).path.write_bytes(b"damaged")
    said = access.run("drift", "--at", NOON, expect=14)
    assert "looked at" not in said.out
    assert "not seen:  who writes it" in said.out


class _Broken:
    def inspect(self) -> Inspection:
        raise ValueError("secret words")


def test_one_target_that_fails_hides_no_other() -> None:
    def refuse() -> Inspection:
        raise EdgeError("it is shut")

    shut, well = FakeTarget("shut"), FakeTarget("well")
    shut.inspect = refuse
    found = inspect({"broken": _Broken(), "shut": shut, "well": well, "closed": EdgeError("not opened")})
    assert found == {
        "broken": "it failed in a way that was not foreseen (ValueError)",
        "shut": "it is shut",
        "well": well.inspect(),
    }


def test_access_that_nobody_granted_is_told_in_every_format(access: Access) -> None:
    add(_store(access), MALLORY, T0)
    said = access.run("drift", "--at", NOON, expect=13)
    assert "'mallory' holds" in said.out
    assert "and no grant gave it [access-unmanaged]" in said.out
    found = json.loads(access.run("drift", "--at", NOON, "--format", "json", expect=13).out)
    assert [finding["code"] for finding in found["findings"]] == ["access-unmanaged"]
    sarif = json.loads(access.run("drift", "--at", NOON, "--format", "sarif", expect=13).out)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "access-unmanaged"
    assert "`access-unmanaged`" in access.run("drift", "--at", NOON, "--format", "markdown", expect=13).out


def test_access_that_outlives_its_grant_and_access_taken_by_hand_are_told(access: Access) -> None:
    grant = access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    late = access.run("drift", "--at", "2026-11-20T13:05:00Z", expect=13)
    assert "which should be gone for 1h (expired) [access-overdue]" in late.out
    assert "1 grant that this is of:" in late.out
    until = "2026-11-20T12:05:00Z"
    account = f"{grant:44} ended {until}, to be taken away by the next run: its window is over"
    assert f"  {account}\n" in late.out
    issue = access.run("drift", "--at", "2026-11-20T13:05:00Z", "--format", "markdown", expect=13).out
    assert f"- `{grant}` ended `{until}`, to be taken away by the next run: its window is over\n" in issue
    with closing(sqlite3.connect(_store(access).path)) as connection, connection:
        connection.execute("DELETE FROM entitlements")
    connection.close()
    lost = access.run("drift", "--at", "2026-11-20T11:00:00Z", expect=13)
    assert "is gone from the target, where somebody else took it away [access-lost]" in lost.out


def test_a_target_that_cannot_be_read_is_never_no_drift(access: Access) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    _store(access).path.write_bytes(b"x" * 8192)
    said = access.run("drift", "--at", "2026-11-20T10:07:00Z", expect=14)
    assert "[target-unread]" in said.out


def test_there_is_no_issue_to_keep_on_the_local_forge(access: Access) -> None:
    said = access.run("drift", "--issue", expect=2)
    assert "this needs a forge of kind github, and the settings name 'local'" in said.err


def _plan(*changes: Intended, unmanaged: tuple[Entitlement, ...] = ()) -> Plan:
    return Plan(T0, Oid("a" * 40), changes, unmanaged=unmanaged)


def test_each_difference_has_its_code_and_place() -> None:
    grant = GrantId("orders-db/a")
    held = Entitlement("embedded", "orders-db", "alice", canonical({"member_of": "orders_readonly"}))
    found = drift(
        _plan(
            Intended(Action.REMOVE, MALLORY, (), Reason.UNMANAGED, T0),
            Intended(Action.REMOVE, held, (grant,), Reason.GRANT_REMOVED, T0),
            Intended(Action.ADD, held, (grant,), Reason.WINDOW_OPENED, T0, T0),
            Intended(Action.ADD, held, (grant,), Reason.LOST, T0),
        ),
        [Refusal(grant, Oid("b" * 40), Oid("c" * 40), "around-the-gate", "nobody knows it")],
        unproved=[
            Refusal(GrantId("orders-db/b"), Oid("b" * 40), Oid("c" * 40), "unproved", "the forge does not answer")
        ],
    )
    assert [(f.code, f.place.file, f.severity) for f in found] == [
        ("access-unmanaged", "policies/resources/orders-db.yaml", Severity.ERROR),
        ("access-overdue", "grants/orders-db/a.yaml", Severity.ERROR),
        ("access-pending", "grants/orders-db/a.yaml", Severity.WARNING),
        ("access-lost", "grants/orders-db/a.yaml", Severity.ERROR),
        ("grant-refused", "grants/orders-db/a.yaml", Severity.ERROR),
        ("grant-unproved", "grants/orders-db/b.yaml", Severity.ERROR),
    ]
    assert "should be gone (grant removed)" in found[1].message
    assert "until 2026-11-20T12:00:00Z is not there yet (window opened)" in found[2].message


def test_an_issue_stays_short_however_much_has_drifted() -> None:
    many = tuple(MALLORY._replace(principal=f"user{n}") for n in range(MOST_DRIFTED + 5))
    text = drift_markdown(drift(_plan(unmanaged=many)), T0)
    assert "- and 5 more; `daypass drift` lists them all" in text
    assert len(text) < 60_000


def test_of_very_many_grants_an_issue_counts_the_rest() -> None:
    many = [GrantState(GrantId(f"orders-db/g{n:05}"), "ended", why="ended on main") for n in range(MOST_DRIFTED + 5)]
    text = drift_markdown(drift(_plan(unmanaged=(MALLORY,))), T0, grants=many)
    assert text.count("ended on main") == MOST_DRIFTED
    assert "- and 5 more; `daypass drift` lists them all" in text


def test_a_name_at_a_target_is_only_text_in_an_issue() -> None:
    evil = MALLORY._replace(principal="@acme/security `x` <img src=//e> #1\n## Approved")
    text = drift_markdown(drift(_plan(unmanaged=(evil,))), T0)
    tokens = [child for token in MarkdownIt().parse(text) for child in (token, *(token.children or ()))]
    assert {token.type for token in tokens} & {
        "html_inline",
        "html_block",
        "heading_open",
        "link_open",
        "image",
    } == set()
    assert [token.content for token in tokens if token.type == "text" and "@" in token.content] == []


@pytest.mark.on_disk
def test_what_should_be_gone_is_shown_with_its_age_by_status_and_stats(access: Access) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    said = access.run("status", "--at", "2026-11-20T13:05:00Z").out
    assert "1 that should be gone:" in said
    assert "on orders-db (embedded)  for 1h  [" in said
    found = json.loads(access.run("status", "--at", "2026-11-20T13:05:00Z", "--format", "json").out)
    assert [late["seconds_late"] for late in found["overdue"]] == [3600]
    assert "should be gone for 1h" in access.run("audit", "stats", "--at", "2026-11-20T13:05:00Z").out
    access.run("apply", "--at", "2026-11-20T13:06:00Z")
    said = access.run("audit", "stats", "--at", "2026-11-20T13:07:00Z").out
    assert "within 4h" in said
    assert "should be gone" not in access.run("status", "--at", "2026-11-20T13:07:00Z").out
