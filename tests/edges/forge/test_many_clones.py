"""Records that several clones write: which number is next, what is behind, and what joins."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from forge_world import T0, World, minutes, world_at

from daypass.core.errors import ConflictError, DaypassError, EdgeError, UsageError
from daypass.core.ids import ABSENT
from daypass.edges.forges.local.sharing import Joined, Sharing, behind


def _clone(world: World, name: str, *options: str) -> World:
    top = world.top.parent / name
    subprocess.run(["git", "clone", "-q", *options, str(world.top), str(top)], check=True, timeout=60)
    made = world_at(top)
    made.be("dave")
    return made


@pytest.fixture
def origin(world: World) -> World:
    return _clone(world, "origin.git", "--bare")


@pytest.fixture
def here(origin: World) -> World:
    return _clone(origin, "here")


@pytest.fixture
def there(origin: World) -> World:
    return _clone(origin, "there")


def _sharing(world: World) -> Sharing:
    return Sharing(world.git, "origin", main="refs/heads/main", ledger="daypass-ledger")


def _sync(world: World, *take: int) -> Joined:
    return _sharing(world).run(take)


def _behind(world: World) -> tuple[str, ...]:
    return behind(world.git, main="refs/heads/main", ledger="daypass-ledger")


def _merge(world: World, number: int) -> None:
    pull = world.forge("bob").pull(number)
    world.forge("bob").merge(number, head=pull.head, base=world.tip(), message="Merge", at=minutes(5))


def _open(world: World, name: str) -> int:
    return world.opened(name, path=f"grants/db/{name}.yaml")


# Numbers


def test_a_request_that_only_a_remote_tracking_ref_shows_has_its_number(here: World, there: World) -> None:
    assert _open(here, "a") == 1
    _sync(here)
    there.git.run("fetch", "-q", "origin")
    assert there.git.text("for-each-ref", "refs/heads/daypass") == ""
    assert _open(there, "b") == 2


@pytest.mark.parametrize("fetched", [True, False], ids=["only fetched", "main itself"])
def test_a_request_that_only_a_merge_on_main_shows_has_its_number(here: World, there: World, fetched: bool) -> None:
    _open(here, "a")
    _open(here, "b")
    _merge(here, 2)
    here.git.run("push", "-q", "origin", "main")
    there.git.run(*(["fetch", "-q", "origin"] if fetched else ["pull", "-q"]))
    assert there.git.text("for-each-ref", "refs/remotes/origin/daypass") == ""
    assert _open(there, "c") == 3


def test_the_number_that_somebody_forged_at_a_remote_is_named_by_its_place(here: World) -> None:
    here.git.run("update-ref", "refs/remotes/origin/daypass/open/999999999", here.tip())
    with pytest.raises(EdgeError, match="no number left after 999999999") as caught:
        _open(here, "a")
    assert "refs/remotes/origin/daypass/open/999999999" in caught.value.hint


# Behind


def test_a_clone_is_behind_until_it_has_all_that_it_fetched(here: World, there: World) -> None:
    assert _behind(here) == ()
    _open(there, "a")
    assert _behind(there) == ()
    _sync(there)
    assert _behind(here) == ()  # nothing was fetched, and no network is asked
    here.git.run("fetch", "-q", "origin")
    assert _behind(here) == ("origin",)
    _sync(here)
    _merge(here, 1)
    assert _behind(here) == ()  # what it has goes on from what the remote had
    _sync(here)
    there.git.run("fetch", "-q", "origin")
    assert _behind(there) == ("origin",)


# Joining


def test_a_merged_request_is_moved_and_its_branch_deleted_on_every_side(
    here: World, there: World, origin: World
) -> None:
    _open(here, "daypass/request/a")
    _sync(here)
    _sync(there)
    _merge(here, 1)
    _sync(here)
    _sync(there)
    refs = ["refs/heads/daypass/done/1", "refs/heads/main"]
    assert [world.refs() for world in (origin, there)] == [refs, refs]
    assert (there.top / "grants/db/daypass/request/a.yaml").exists()


def test_a_merge_of_a_fork_is_not_pushed_since_nobody_could_prove_it(here: World, there: World, origin: World) -> None:
    _open(here, "a")
    _open(there, "b")
    _sync(here)
    _merge(there, 1)
    before = there.git.text("for-each-ref", "refs/heads"), origin.git.text("for-each-ref")
    with pytest.raises(ConflictError, match="#1 is one request here and another at origin, and it is done here"):
        _sync(there, 1)
    assert (there.git.text("for-each-ref", "refs/heads"), origin.git.text("for-each-ref")) == before
    # The way that is named.
    there.git.run("reset", "-q", "--hard", "origin/main")
    there.git.run("update-ref", "-d", "refs/heads/daypass/done/1")
    assert _sync(there).aside == []
    assert there.forge().pull(1).branch == "a"


def test_somebody_who_is_first_at_the_last_moment_loses_nothing(
    here: World, there: World, origin: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open(here, "a")
    _open(there, "b")
    move = Sharing._move_here

    def late(self: Sharing, joined: Joined) -> None:
        monkeypatch.undo()
        _sync(there)
        move(self, joined)

    monkeypatch.setattr(Sharing, "_move_here", late)
    with pytest.raises(ConflictError, match="did not take the push, so nothing was moved there"):
        _sync(here)
    assert origin.forge().pull(1).branch == "b"
    assert [error.message for error in _sync(here).aside] == ["#1 is one request here and another at origin"]


def test_taking_gives_up_nothing_but_a_forked_record(here: World, there: World) -> None:
    _open(here, "a")
    assert _sync(here, 1).aside == []
    _open(here, "b")
    _sync(here, 2)
    _sync(there)
    assert [pull.branch for pull in there.forge().open_pulls()] == ["a", "b"]


def test_taking_puts_the_other_record_in_the_place_of_a_damaged_one(here: World) -> None:
    _open(here, "a")
    _sync(here)
    _damage_event(here, "open")
    (error,) = _sync(here).aside
    assert error.message.startswith("what is here of #1 was not pushed")
    assert _sync(here, 1).aside == []
    assert here.forge().pull(1).branch == "a"


def test_local_changes_in_the_way_are_left_and_said(here: World, there: World) -> None:
    _open(here, "a")
    _merge(here, 1)
    _sync(here)
    (there.top / "grants").write_text("in the way")
    assert _sync(there).left_behind == [("main", there.top, "local changes")]
    assert (there.top / "grants").read_text() == "in the way"


def test_a_mirror_is_a_remote_like_others(origin: World, there: World) -> None:
    mirror = _clone(origin, "mirror.git", "--mirror")
    _open(there, "a")
    _sync(there)
    _sync(mirror)
    assert mirror.forge().pull(1).branch == "a"
    mirror.forge("bob").review(1, commit=mirror.forge().pull(1).head, state="approved", at=minutes(1))
    _sync(mirror)
    _sync(there)
    assert [review.state for review in there.forge().reviews(1)] == ["approved"]


@pytest.mark.parametrize("name", ["elsewhere", "--upload-pack=touch x", "origin/main", ""])
def test_what_is_no_remote_is_refused(here: World, name: str) -> None:
    with pytest.raises(UsageError, match="this clone has no remote"):
        Sharing(here.git, name, main="refs/heads/main", ledger="daypass-ledger")


# Mending


def _damage_event(world: World, kind: str) -> None:
    """Put an ordinary commit where the record was."""
    world.git.run("update-ref", f"refs/heads/daypass/{kind}/1", world.tip())


def _damage_object(world: World, kind: str) -> None:
    """Lose the commit that the ref names."""
    oid = world.tip(f"refs/heads/daypass/{kind}/1")
    (world.git.common_dir() / "objects" / oid[:2] / oid[2:]).unlink()


@pytest.mark.parametrize("damage", [_damage_event, _damage_object])
@pytest.mark.parametrize("kind", ["open", "done"])
def test_the_commands_that_mend_a_damaged_record_do(
    here: World, there: World, damage: Callable[[World, str], None], kind: str
) -> None:
    _open(here, "a")
    if kind == "done":
        here.forge("bob").close(1, reason="no longer needed", at=minutes(1))
    _sync(here)
    damage(here, kind)
    with pytest.raises(DaypassError) as caught:
        here.forge().pull(1)
    restore, delete = caught.value.hint.split("git ")[1:]
    subprocess.run(["git", *shlex.split(delete)], cwd=here.top, check=True, timeout=60)
    assert here.forge().open_pulls() == ()
    _sync(there)
    there.git.run("checkout", "-q", "--detach")
    command = restore.split(";")[0].replace("REMOTE", str(there.top))
    subprocess.run(["git", *shlex.split(command)], cwd=here.top, check=True, timeout=60)
    assert here.forge().pull(1).branch == "a"


def test_the_name_of_a_branch_runs_nothing_where_a_hint_is_copied(here: World, there: World, origin: World) -> None:
    name = "daypass/x;touch${IFS}made"
    for world, path in ((here, "grants/db/a.yaml"), (there, "grants/db/b.yaml")):
        world.branch(name, path=path)
    origin.git.run("update-ref", "refs/heads/daypass/open/$(touch${IFS}made)", origin.tip())
    _sync(there)
    hints = [error.hint for error in _sync(here).aside]
    assert any(f"git branch -D '{name}'" in hint for hint in hints)
    assert any("--delete 'daypass/open/$(touch${IFS}made)'" in hint for hint in hints)


@pytest.mark.parametrize("kind", ["open", "done"])
def test_a_damaged_record_at_the_remote_is_named_with_the_command_that_deletes_it_there(
    here: World, origin: World, kind: str
) -> None:
    origin.git.run("update-ref", f"refs/heads/daypass/{kind}/3", origin.tip())
    (error,) = _sync(here).aside
    assert error.message.startswith(f"daypass/{kind}/3 at origin was not brought")
    command = error.hint.split(": ")[1]
    subprocess.run(shlex.split(command), cwd=here.top, check=True, timeout=60)
    assert _sync(here).aside == []


def test_a_record_that_ends_nowhere_is_no_reason_to_stop_the_others(here: World, there: World) -> None:
    _open(here, "a")
    here.git.update_refs({"refs/heads/daypass/done/7": (ABSENT, here.tip("refs/heads/daypass/open/1"))}, reason="x")
    joined = _sync(here)
    assert [error.message.split(":")[0] for error in joined.aside] == ["what is here of #7 was not pushed"]
    assert "git update-ref -d refs/heads/daypass/done/7" in joined.aside[0].hint
    _sync(there)
    assert there.forge().pull(1).opened_at == T0
    assert isinstance(there.top, Path)
