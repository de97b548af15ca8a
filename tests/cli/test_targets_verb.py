"""daypass targets, as people and programs are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.core.planning.drift import Health, TargetState
from daypass.edges.targets.embedded.target import EmbeddedTarget
from daypass.views.targets import targets_json, targets_text
from driver import Access
from fakes.orders import add

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MALLORY = Entitlement("embedded", "orders-db", "mallory", canonical({"member_of": "orders_admin"}))


def _store(access: Access) -> EmbeddedTarget:
    return EmbeddedTarget(access.top / ".git" / "daypass" / "embedded.sqlite", "embedded")


def test_a_target_that_is_well_is_told_and_exits_0(access: Access) -> None:
    said = access.run("targets")
    assert said.out == (
        "embedded (embedded): well\n"
        f"  the store {_store(access).path} is not there yet; the first change makes it\n"
        "  0 ours, 0 unmanaged\n"
    )


def test_our_access_and_other_peoples_are_counted_apart(access: Access) -> None:
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    add(_store(access), MALLORY, NOON)
    said = access.run("targets")
    assert "  1 ours, 1 unmanaged; `daypass drift` lists it\n" in said.out
    (found,) = json.loads(access.run("targets", "--format", "json").out)["targets"]
    assert found == {
        "name": "embedded",
        "kind": "embedded",
        "reachable": True,
        "facts": [f"the store {_store(access).path} holds 2 entitlements of embedded"],
        "concerns": [],
        "clock_skew_seconds": None,
        "ours": 1,
        "unmanaged": 1,
        "awaited": 0,
        "unknown": [],
        "error": "",
        "hint": "",
    }


def test_a_target_that_cannot_be_read_exits_14_and_the_others_are_told(access: Access) -> None:
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    named = next(line for line in text.splitlines() if line.strip().startswith("embedded:"))
    access.write(path, text.replace(named, f"{named}\n  other: {{kind: embedded, path: other.sqlite}}"))
    access.commit("a second target")
    add(_store(access), MALLORY, NOON)
    _store(access).path.write_bytes(b"x" * 8192)
    said = access.run("targets", expect=14)
    assert "embedded (embedded): not reachable\n  error: the store " in said.out
    assert "    hint: restore it from a backup" in said.out
    assert "other (embedded): well\n" in said.out
    assert access.run("targets", "other").out.startswith("other (embedded): well\n")


def test_concerns_exit_13(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedTarget, "health", lambda self: Health(("here",), ("it may do too much",)))
    said = access.run("targets", expect=13)
    assert said.out.startswith("embedded (embedded): reachable, 1 concern\n  here\n")
    assert "  concern: it may do too much\n" in said.out


def test_a_name_that_nobody_knows_is_refused(access: Access) -> None:
    said = access.run("targets", "embeded", expect=2)
    assert said.err == "daypass: the settings name no target 'embeded'\n  hint: they name: embedded\n"


def test_each_state_has_its_words() -> None:
    looks = [
        TargetState("a", "x", ("here",), ("one", "two"), skew=timedelta(seconds=7), ours=0, unmanaged=0),
        TargetState("b", "x", ("here",), error="it may not be read"),
        TargetState("c", "x", ("here",), skew=timedelta(milliseconds=-400)),
        TargetState("d", "", error="gone", hint="look\nfor it"),
        TargetState("e", "x", ("here",), skew=timedelta(seconds=-61)),
    ]
    assert targets_text(looks) == (
        "a (x): reachable, 2 concerns\n  here\n  its clock is 7s ahead of ours\n  0 ours, 0 unmanaged\n"
        "  concern: one\n  concern: two\n"
        "b (x): cannot be read\n  here\n  error: it may not be read\n"
        "c (x): well, and what it holds nobody can see\n  here\n  its clock agrees with ours\n"
        "d: not reachable\n  error: gone\n    hint: look\\nfor it\n"
        "e (x): well, and what it holds nobody can see\n  here\n  its clock is 1m1s behind ours\n"
    )
    assert [t["clock_skew_seconds"] for t in json.loads(targets_json(looks))["targets"]] == [7, None, -0.4, None, -61]
    assert [t["reachable"] for t in json.loads(targets_json(looks))["targets"]] == [True, True, True, False, True]
    assert targets_text([]) == "The settings name no target.\n"
