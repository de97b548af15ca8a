"""GitHub's own time, which runs hold theirs against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from github_world import World

from daypass.core.errors import EdgeError


def test_the_forge_tells_its_time_by_one_request(world: World) -> None:
    forge = world.forge()
    forge.clock()
    before = len(world.double.calls)
    told = forge.clock()
    assert told is not None
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)
    assert [call.path for call in world.double.calls[before:]] == ["/rate_limit"]


def test_a_forge_that_does_not_answer_is_an_error_and_is_asked_once(world: World) -> None:
    forge = world.forge()
    forge.clock()
    before = len(world.double.calls)
    world.double.faults.add("GET", "/rate_limit", times=9, status=502)
    with pytest.raises(EdgeError):
        forge.clock()
    assert len(world.double.calls) == before + 1
    assert world.waits == []
