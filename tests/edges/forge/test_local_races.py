"""Several processes at once: nothing is lost, nothing happens twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from forge_world import World, minutes, world_at

from daypass.core.errors import ConflictError
from daypass.core.ids import Oid


def open_one(top: Path, branch: str, head: Oid) -> str:
    try:
        return str(world_at(top).forge("alice").open(branch=branch, head=head, title=branch, at=minutes(0)).number)
    except ConflictError as error:
        return error.message


def review_one(top: Path, handle: str, head: Oid, state: str) -> str:
    return world_at(top).forge(handle).review(1, commit=head, state=state, at=minutes(1)).id


def merge_one(top: Path, handle: str, head: Oid, base: Oid) -> str:
    try:
        return world_at(top).forge(handle).merge(1, head=head, base=base, message="m\n", at=minutes(2)).commit
    except ConflictError:
        return ""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as four:
        yield four


def at_once(pool: ProcessPoolExecutor, function: object, arguments: list[tuple[object, ...]]) -> list[str]:
    return [found.result() for found in [pool.submit(function, *each) for each in arguments]]  # type: ignore[arg-type]


def test_requests_opened_at_once_each_get_a_number(world: World, pool: ProcessPoolExecutor) -> None:
    heads = {f"b{i}": world.branch(f"b{i}", path=f"grants/db/{i}.yaml") for i in range(6)}
    found = at_once(pool, open_one, [(world.top, branch, head) for branch, head in heads.items()])
    assert sorted(found) == ["1", "2", "3", "4", "5", "6"]
    assert {pull.branch for pull in world.forge().open_pulls()} == set(heads)


def test_a_branch_opened_twice_at_once_is_opened_once(world: World, pool: ProcessPoolExecutor) -> None:
    head = world.branch()
    found = at_once(pool, open_one, [(world.top, "b1", head)] * 4)
    assert sorted(found) == ["1", *["branch 'b1' has an open pull request already: #1"] * 3]


def test_no_review_is_lost(world: World, pool: ProcessPoolExecutor) -> None:
    world.opened()
    head = world.forge().pull(1).head
    asked = [(who, state) for who in ("bob", "carol", "dave") for state in ("approved", "rejected")]
    at_once(pool, review_one, [(world.top, who, head, state) for who, state in asked])
    assert sorted((r.by.handle, r.state) for r in world.forge().reviews(1)) == sorted(asked)


def test_exactly_one_merge_wins(world: World, pool: ProcessPoolExecutor) -> None:
    world.opened()
    head, base = world.forge().pull(1).head, world.tip()
    found = [
        commit
        for commit in at_once(
            pool, merge_one, [(world.top, who, head, base) for who in ("bob", "carol", "dave", "bob")]
        )
        if commit
    ]
    assert len(found) == 1
    assert world.tip() == found[0]
    assert world.git.text("status", "--porcelain") == ""
    assert world.forge().pull(1).merge is not None


def test_a_review_and_a_merge_at_once_leave_a_whole_record(world: World, pool: ProcessPoolExecutor) -> None:
    for number in range(1, 4):
        world.opened(f"b{number}", path=f"grants/db/{number}.yaml")
    head, base = world.forge().pull(1).head, world.tip()
    merge = pool.submit(merge_one, world.top, "dave", head, base)
    review = pool.submit(review_one, world.top, "bob", head, "approved")
    merged = merge.result()
    reviewed = review.exception() is None
    assert merged or reviewed
    assert len(world.forge().reviews(1)) == int(reviewed)
    assert (world.forge().pull(1).merge is not None) == bool(merged) == (world.tip() != base)
