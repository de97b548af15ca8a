"""Which of a run's faults leave its workflow green: those that stand in its issue, and never what is overdue or unknown."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from driver import Said
from github_double.writing import write_files
from hub import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as made:
        yield made


def told(hub: Hub, *arguments: str, expect: int) -> tuple[bool, Said]:
    """Run as a workflow does, and say whether it may be green."""
    place = hub.top / "told"
    place.write_text("")
    at = ("--at", format_instant(hub.now()))
    said = hub.run(*arguments, *at, expect=expect, environ={"DAYPASS_TOLD": str(place)})
    return bool(place.read_text()), said


def sneak(hub: Hub) -> None:
    """Put a grant on main that nobody approved."""
    text = hub.grant().replace("alice", "carol")
    write_files(hub.double, hub.repo, "main", {"grants/orders-db/carol-9.yaml": text}, "Sneak it in")


def given(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    for who in ("bob", "dave"):
        hub.approve(number, who)
    for verb in ("gate", "apply"):
        hub.run(verb, "--at", format_instant(hub.now()))


@pytest.mark.parametrize("verb", ["apply", "expire"])
def test_what_was_refused_stands_in_the_issue_and_the_verb_says_14_all_the_same(hub: Hub, verb: str) -> None:
    sneak(hub)
    assert told(hub, verb, expect=14)[0] is False  # without --issue it stands nowhere
    green, said = told(hub, verb, "--issue", expect=14)
    assert green
    assert "tells what was refused" in said.err
    (issue,) = hub.repo.issues.values()
    assert "orders-db/carol-9" in (issue.body or "")


def test_an_issue_that_cannot_be_written_tells_nobody(hub: Hub) -> None:
    sneak(hub)
    hub.double.faults.add("POST", r"/repos/acme/access/issues", status=500, body={"message": "Server Error"}, times=9)
    green, said = told(hub, "apply", "--issue", expect=14)
    assert not green
    assert "the issue about what was refused was not written" in said.err


def test_what_cannot_be_noted_is_said_and_the_workflow_stays_red(hub: Hub) -> None:
    sneak(hub)
    at = ("--at", format_instant(hub.now()))
    said = hub.run("apply", "--issue", *at, expect=14, environ={"DAYPASS_TOLD": str(hub.top / "none" / "told")})
    assert "DAYPASS_TOLD cannot be written: No such file or directory" in said.err


def at_target(hub: Hub, *statements: str) -> None:
    """Change the store behind daypass's back."""
    with closing(sqlite3.connect(hub.top / "state" / "embedded.sqlite")) as store, store:
        for statement in statements:
            store.execute(statement)


def unmanaged(hub: Hub) -> None:
    at_target(hub, "INSERT INTO entitlements SELECT target, resource, 'mallory', privilege, until FROM entitlements")


def overdue(hub: Hub) -> None:
    """Let nothing be taken away, and access end."""
    at_target(hub, "CREATE TRIGGER kept BEFORE DELETE ON entitlements BEGIN SELECT RAISE(ABORT, 'kept'); END")
    hub.double.advance(hours=2, minutes=1)


def unknown(hub: Hub) -> None:
    """Put another store in the place of the one that access was given in."""
    at_target(hub, "UPDATE store SET number = 'another'")
    hub.run("apply", "--at", format_instant(hub.now()), expect=14)


def unread(hub: Hub) -> None:
    (hub.top / "state" / "embedded.sqlite").write_bytes(b"nothing that reads" * 100)


def test_drift_that_stands_in_its_issue_is_no_failure(hub: Hub) -> None:
    given(hub)
    unmanaged(hub)
    green, said = told(hub, "drift", "--issue", expect=13)
    assert green
    assert "says so" in said.err
    sneak(hub)
    assert told(hub, "drift", "--issue", expect=14)[0]


@pytest.mark.parametrize("befalls", [overdue, unknown, unread])
def test_access_that_is_overdue_or_unknown_is_red_whatever_stands_in_the_issue(
    hub: Hub, befalls: Callable[[Hub], None]
) -> None:
    given(hub)
    sneak(hub)
    befalls(hub)
    for verb in ("apply", "expire", "drift"):
        green, said = told(hub, verb, "--issue", expect=14)
        assert not green, said.out + said.err
        if verb == "drift":
            code = {overdue: "access-overdue", unknown: "access-unknown", unread: "target-unread"}[befalls]
            assert f"[{code}]" in said.out
