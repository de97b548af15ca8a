"""Requests that are opened early as something harmless, and become another when the time has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from hub import Hub

_ESCALATES = (
    "version: 1\nrules:\n  - id: owners-or-leads\n    when: 'true'\n    require:\n"
    "      - {approvals: {at_least: 1, from: owners}, escalate: {after: 4h, to: group:security-leads}}\n"
)
_ASKED_IN_HOURS = (
    "version: 1\nrules:\n  - id: asked-in-hours\n    when: 'true'\n"
    "    deny_unless: within_hours(request.opened_at, 'Mon-Fri 08:00-19:00', 'Europe/Berlin')\n"
)


@pytest.fixture
def monday(tmp_path: Path) -> Iterator[Hub]:
    """The example on a Monday at 10:00 UTC."""
    with Hub(tmp_path, protected=False, simulated=True) as hub:
        _until_monday(hub)
        yield hub


def _until_monday(hub: Hub) -> None:
    now = hub.now()
    then = (now + timedelta(days=7 - now.weekday())).replace(hour=10, minute=0, second=0, microsecond=0)
    hub.advance(seconds=(then - now).total_seconds())


def _later(hub: Hub) -> datetime:
    hub.advance(seconds=2)
    return hub.now()


def test_a_request_that_was_opened_in_office_hours_opens_nothing_else_at_night(monday: Hub) -> None:
    number = monday.request_pull(
        "alice", monday.grant(resource="staging", role="deploy", duration="6h"), branch="early"
    )
    monday.advance(hours=13)
    monday.push_branch("alice", "early", {"grants/payroll/mine.yaml": monday.grant(resource="payroll", duration="1h")})
    monday.approve(number, "carol")
    monday.approve(number, "dave")
    said = monday.run("gate", str(number), "--at", format_instant(_later(monday)), expect=11)
    assert "office hours" in said.out
    assert monday.pull(number)["merged"] is False


def test_a_request_that_was_opened_early_brings_no_escalation_forward(tmp_path: Path) -> None:
    files = {"policies/rules/access.yaml": _ESCALATES, "policies/tests/access.yaml": "version: 1\ncases: []\n"}
    with Hub(tmp_path, protected=False, simulated=True, files=files) as hub:
        number = hub.request_pull("alice", hub.grant(resource="staging", role="deploy"), branch="early")
        hub.advance(hours=5)
        hub.push_branch("alice", "early", {"grants/orders-db/mine.yaml": hub.grant(role="admin", duration="1h")})
        hub.advance(seconds=1)
        hub.approve(number, "erin")
        said = hub.run("gate", str(number), "--at", format_instant(_later(hub)), expect=12)
        assert "erin may approve only after the escalation" in said.out


def test_a_request_that_nobody_changed_is_as_old_as_it_is(tmp_path: Path) -> None:
    files = {"policies/rules/access.yaml": _ASKED_IN_HOURS, "policies/tests/access.yaml": "version: 1\ncases: []\n"}
    with Hub(tmp_path, protected=False, simulated=True, files=files) as hub:
        _until_monday(hub)
        number = hub.request_pull("alice", hub.grant(resource="payroll", duration="1h"))
        hub.advance(hours=13)
        hub.approve(number, "carol")
        hub.run("gate", str(number), "--at", format_instant(_later(hub)))
        hub.run("apply", "--at", format_instant(_later(hub)))
        hub.run("audit", "verify")
