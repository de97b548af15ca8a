"""Every Monday from six to eight in Berlin, for six weeks, over both changes of summer time: at a real PostgreSQL."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta

import pytest

from daypass.core.window import format_instant, parse_instant
from driver import Access

SETTINGS = """version: 1
forge: {kind: local}
targets:
  orders: {kind: postgres, url_env: ORDERS_DB_URL}
ledger: {branch: daypass-ledger, keys: [ledger.pub]}
limits: {unsigned: accept}
clock: simulated
"""
RESOURCE = """version: 1
title: Orders database
target: orders
environment: production
classification: confidential
owners: [dba]
roles:
  readonly: {max_duration: 2h, privilege: {member_of: orders_readonly}}
"""
READ = "SELECT total FROM orders"


@pytest.mark.on_disk
@pytest.mark.parametrize(
    ("start", "until", "opens"),
    [
        ("2027-10-04", "2027-11-15", ["10-04T04", "10-11T04", "10-18T04", "10-25T04", "11-01T05", "11-08T05"]),
        ("2027-03-08", "2027-04-19", ["03-08T05", "03-15T05", "03-22T05", "03-29T04", "04-05T04", "04-12T04"]),
    ],
)
def test_a_monday_is_given_and_taken_by_the_clock_on_the_wall(pg, access, monkeypatch, start, until, opens) -> None:
    pg.people("alice")
    monkeypatch.setenv("ORDERS_DB_URL", pg.cluster.url("daypass", "the-applier-knows"))
    access.write("policies/daypass.yaml", SETTINGS)
    access.write("policies/resources/orders-db.yaml", RESOURCE)
    directory = (access.top / "policies/directory/people.yaml").read_text()
    access.write(
        "policies/directory/people.yaml", directory.replace("alice: {", "alice: {identities: {orders: alice}, ")
    )
    for name in ("payroll", "staging"):
        (access.top / f"policies/resources/{name}.yaml").unlink()
    shutil.rmtree(access.top / "policies/tests", ignore_errors=True)
    access.commit("Give access at PostgreSQL")
    asked = parse_instant(f"{start}T00:00:00Z") - timedelta(days=3)
    window = ("--from", start, "--until", until, "--hours", "Mon 06:00-08:00", "--zone", "Europe/Berlin")
    grant = access.grant(format_instant(asked), format_instant(asked + timedelta(minutes=5)), *window)
    expected = [parse_instant(f"{start[:4]}-{text}:00:00Z") for text in opens]
    for opening in expected:
        assert not may(pg, access, opening - timedelta(seconds=1))
        assert may(pg, access, opening)
        assert may(pg, access, opening + timedelta(hours=2, seconds=-1))
        assert not may(pg, access, opening + timedelta(hours=2))
    told = json.loads(access.run("audit", "history", "--grant", grant, "--format", "json").out)
    given = [event["at"] for event in told["events"] if event["event"] == "access added"]
    assert given == [format_instant(opening) for opening in expected]
    assert "OK: " in access.run("audit", "verify", "--at", format_instant(expected[-1] + timedelta(days=1))).out


def may(pg, access: Access, at: datetime) -> bool:
    """Let a run go by at an instant, and say whether alice may read then."""
    access.run("apply", "--at", format_instant(at))
    return bool(pg.may(READ))
