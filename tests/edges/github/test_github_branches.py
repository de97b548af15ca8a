"""Branches that are fetched from GitHub together, so that one fetch does."""

from __future__ import annotations

import pytest
from github_world import World

from daypass.core.errors import ConflictError, EdgeError, LockedError
from daypass.core.ids import ABSENT
from daypass.edges.git.remote import Remote


@pytest.fixture
def follows(world: World) -> Remote:
    """The forge in a clone that has a branch of its own, `book`, as the forge had it."""
    first = world.push("carol", "book")
    remote = world.forge("app")._remote
    remote.bring("book")
    world.git.update_refs({"refs/heads/book": (ABSENT, first)}, reason="x")
    return remote


def test_a_branch_that_follows_comes_along_in_one_fetch(world: World, follows: Remote, monkeypatch) -> None:
    then = world.push("carol", "book", {"more": "x\n"})
    assert follows.bring("main", along="book") == world.main()
    assert world.git.find("refs/heads/book") == then
    monkeypatch.setattr(follows, "_fetch_all", None)
    follows.follow("book")  # it is as it was when main was brought
    with pytest.raises(TypeError):
        follows.follow("book")


@pytest.mark.parametrize("how", ["gone", "rewritten", "locked"])
def test_what_is_wrong_with_a_branch_that_comes_along_holds_up_nobody_else(
    world: World, follows: Remote, how: str
) -> None:
    if how == "rewritten":
        world.push("carol", "book", {"other": "x\n"}, force=True)
    else:
        world.push("carol", "book", {"more": "x\n"})
    if how == "gone":
        world.bare("update-ref", "-d", "refs/heads/book")
    if how == "locked":
        (world.git.common_dir() / "refs/heads/book.lock").touch()
    before = world.git.find("refs/heads/book")
    main = world.push("carol", "main", {"new": "x\n"})
    assert follows.bring("main", along="book") == main
    kinds = {"gone": EdgeError, "rewritten": ConflictError, "locked": LockedError}
    with pytest.raises(kinds[how]):
        follows.follow("book")
    assert world.git.find("refs/heads/book") == before


def test_a_branch_that_this_clone_has_not_does_not_come_along(world: World) -> None:
    world.push("carol", "book")
    world.forge("app")._remote.bring("main", along="book")
    assert world.git.find("refs/heads/book") is None
