"""The audit of who left by the source of people, and of what ended by it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from audit_world import World, minutes

from daypass.core.ledger.receipt import Admission, Ended
from daypass.core.ledger.records import Departed
from daypass.core.window import format_instant

SOURCE = "team acme/staff"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "access")


def admitted(world: World) -> Admission:
    content = world.file()
    admission = world.admission("orders-db/one", content, world.merge("orders-db/one", content), minutes(30))
    world.write([admission], minutes(31))
    return admission


def left(who: str = "alice", code: str = "account-gone", number: str = "") -> Departed:
    return Departed(who, number or f"n-{who}", code, SOURCE)


def end(of: Admission, at: datetime, since: datetime, *, who: str = "alice", code: str = "account-gone") -> Ended:
    words = {"account-gone": "no more", "account-disabled": "as disabled"}[code]
    bound = f"the source of people has {who} {words}, since {format_instant(since)}"
    return Ended(of.grant, of.blob, of.landing, at, code, bound)


def named(world: World) -> list[tuple[str, int | None]]:
    return [(one.code, one.receipt) for one in world.verified(minutes(50)).differences if one.code != "no-trailers"]


def test_an_end_follows_from_a_departure_before_it(world: World) -> None:
    admission = admitted(world)
    world.write([left()], minutes(35))
    world.write([end(admission, minutes(36), minutes(35))], minutes(36))
    assert named(world) == []


def test_an_end_without_a_departure_before_it_is_named(world: World) -> None:
    admission = admitted(world)
    world.write([end(admission, minutes(36), minutes(35))], minutes(36))
    world.write([left("bob"), left("alice", "account-disabled")], minutes(37))
    wrong = [
        end(admission, minutes(38), minutes(37)),
        end(admission, minutes(38), minutes(37), who="bob"),
        end(admission, minutes(38), minutes(36), code="account-disabled"),
        end(admission, minutes(41), minutes(37), code="account-disabled"),
    ]
    world.write([*wrong, end(admission, minutes(38), minutes(37), code="account-disabled")], minutes(38))
    assert {*named(world)} == {("end-without-grounds", place) for place in (2, 5, 6, 7, 8)}


def test_who_is_back_is_ended_by_nothing_of_before(world: World) -> None:
    admission = admitted(world)
    world.write([left(), left(code="")], minutes(35))
    world.write([end(admission, minutes(36), minutes(35))], minutes(36))
    assert named(world) == [("end-without-grounds", 4)]


def test_a_departure_of_somebody_whom_main_does_not_have_is_named_and_ends_nothing(world: World) -> None:
    admission = admitted(world)
    world.write([left("zoe"), left("alice", number="n-bob")], minutes(35))
    world.write([end(admission, minutes(36), minutes(35))], minutes(36))
    assert named(world) == [("departure-of-nobody", 2), ("departure-of-nobody", 3), ("end-without-grounds", 4)]
