from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from forge_world import T0, World, minutes, world_at

from daypass.core.errors import ConflictError, EdgeError, RefusedError, UsageError
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git.history import GitHistory


def merged(world: World, number: int, at: int = 5) -> Oid:
    forge = world.forge()
    pull = forge.pull(number)
    return forge.merge(number, head=pull.head, base=world.tip(), message=f"Grant (#{number})\n", at=minutes(at)).commit


def test_a_request_lives_from_opening_to_merge(world: World) -> None:
    head = world.branch()
    opened = world.forge("alice").open(branch="b1", head=head, title="Grant alice readonly", at=T0)
    assert (opened.number, opened.state, opened.branch, opened.head) == (1, "open", "b1", head)
    assert opened.opened_by.handle == "alice"
    assert opened.opened_at == T0
    assert opened.pushers == (opened.opened_by,)
    review = world.forge("bob").review(1, commit=head, state="approved", at=minutes(1))
    assert (review.by.handle, review.state, review.commit, review.at) == ("bob", "approved", head, minutes(1))
    base = world.tip()
    merge = world.forge().merge(1, head=head, base=base, message="Grant x (#1)\n\nDaypass-Pull: 1\n", at=minutes(2))
    assert world.tip() == merge.commit
    assert (merge.base, merge.head, merge.at, merge.by.handle) == (base, head, minutes(2), "dave")
    assert world.git.text("rev-list", "--parents", "-1", merge.commit) == f"{merge.commit} {base} {head}"
    found = world.forge().merged_as(merge.commit)
    assert found is not None
    assert found.number == 1
    assert found.state == "merged"
    assert found.merge == merge
    assert world.forge().reviews(1) == (review,)
    assert world.forge().open_pulls() == ()
    assert "refs/heads/daypass/open/1" not in world.refs()
    assert "refs/heads/daypass/done/1" in world.refs()


def test_the_work_tree_follows_a_merge(world: World) -> None:
    number = world.opened()
    merged(world, number)
    assert (world.top / "grants/db/a.yaml").read_text() == "version: 1\n"
    assert world.git.text("status", "--porcelain") == ""


def test_local_changes_in_the_way_are_left_and_said(world: World) -> None:
    number = world.opened(path="README", text="merged\n")
    (world.top / "README").write_text("mine\n")
    forge = world.forge()
    forge.merge(number, head=forge.pull(number).head, base=world.tip(), message="m\n", at=minutes(1))
    assert (world.top / "README").read_text() == "mine\n"
    assert forge.left_behind == world.top


def test_a_merge_without_the_trailer_gets_it(world: World) -> None:
    number = world.opened()
    commit = merged(world, number)
    assert world.git.text("show", "-s", "--format=%(trailers:key=Daypass-Pull,valueonly)", commit).strip() == "1"
    assert world.git.text("show", "-s", "--format=%ae %ce %at", commit) == (
        f"dave@example.com dave@example.com {int(minutes(5).timestamp())}"
    )


def test_numbers_grow_and_are_not_given_twice(world: World) -> None:
    assert [world.opened(f"b{i}", path=f"grants/db/{i}.yaml") for i in (1, 2)] == [1, 2]
    merged(world, 2)
    assert world.opened("b3", path="grants/db/3.yaml") == 3
    assert [pull.number for pull in world.forge().open_pulls()] == [1, 3]


def test_a_withdrawn_review_is_recorded(world: World) -> None:
    number = world.opened()
    head = world.forge().pull(number).head
    for at, state in enumerate(("rejected", "approved", "withdrawn")):
        world.forge("bob").review(number, commit=head, state=state, at=minutes(at))
    assert [review.state for review in world.forge().reviews(number)] == ["rejected", "approved", "withdrawn"]


def test_nobody_withdraws_what_is_not_theirs(world: World) -> None:
    number = world.opened()
    head = world.forge().pull(number).head
    world.forge("bob").review(number, commit=head, state="approved", at=minutes(1))
    with pytest.raises(UsageError, match=r"^carol has no review of #1 to withdraw$"):
        world.forge("carol").review(number, commit=head, state="withdrawn", at=minutes(2))
    world.forge("bob").review(number, commit=head, state="withdrawn", at=minutes(2))
    with pytest.raises(UsageError, match=r"^bob has no review of #1 to withdraw$"):
        world.forge("bob").review(number, commit=head, state="withdrawn", at=minutes(3))


def test_a_closed_request_says_why_and_takes_no_more(world: World) -> None:
    number = world.opened()
    head = world.forge().pull(number).head
    world.forge().close(number, reason="nobody answered within 7d", at=minutes(1))
    pull = world.forge().pull(number)
    assert (pull.state, pull.closed_reason, pull.merge) == ("closed", "nobody answered within 7d", None)
    with pytest.raises(ConflictError, match=r"^pull request 1 is closed already$"):
        world.forge("bob").review(number, commit=head, state="approved", at=minutes(2))
    with pytest.raises(ConflictError, match=r"^pull request 1 is closed already$"):
        world.forge().merge(number, head=head, base=world.tip(), message="m\n", at=minutes(2))
    with pytest.raises(ConflictError, match=r"^pull request 1 is closed already$"):
        world.forge().close(number, reason="again", at=minutes(2))


def test_an_unknown_number_is_an_error(world: World) -> None:
    with pytest.raises(EdgeError, match=r"^there is no pull request 7$"):
        world.forge().pull(7)


def test_a_push_after_an_approval_moves_the_head_and_not_the_approval(world: World) -> None:
    number = world.opened()
    old = world.forge().pull(number).head
    world.forge("bob").review(number, commit=old, state="approved", at=minutes(1))
    new = world.forge("carol").commit(
        branch="b1", parent=old, files=[("grants/db/b.yaml", b"x")], message="more", at=T0
    )
    pull = world.forge("carol").push(number, head=new, at=minutes(2))
    assert pull.head == new
    assert [who.handle for who in pull.pushers] == ["alice", "carol"]
    assert [review.commit for review in world.forge().reviews(number)] == [old]
    with pytest.raises(ConflictError, match=rf"^the head of #1 is {new[:12]} now$"):
        world.forge("bob").review(number, commit=old, state="approved", at=minutes(3))
    with pytest.raises(ConflictError, match=rf"^the head of #1 is {new[:12]} now, expected {old[:12]}$"):
        world.forge().merge(number, head=old, base=world.tip(), message="m\n", at=minutes(3))
    assert world.forge("carol").push(number, head=new, at=minutes(4)).pushers == pull.pushers


def test_a_merge_is_bound_to_main(world: World) -> None:
    number = world.opened()
    head = world.forge().pull(number).head
    with pytest.raises(ConflictError, match=rf"^main stands at {world.tip()[:12]}, expected {head[:12]}$"):
        world.forge().merge(number, head=head, base=head, message="m\n", at=minutes(1))


def test_a_merge_brings_exactly_the_changed_paths_to_a_main_that_moved_on(world: World) -> None:
    first, second = world.opened("b1"), world.opened("b2", path="grants/db/b.yaml", text="two\n")
    merged(world, first)
    (world.top / "other").write_text("changed\n")
    world.git.run("commit", "--quiet", "-am", "more")
    base = world.tip()
    commit = merged(world, second, 6)
    assert [change.path for change in GitHistory(world.git).changes(base, commit)] == ["grants/db/b.yaml"]
    assert (world.top / "other").read_text() == "changed\n"


def test_a_conflicting_merge_is_refused_and_changes_nothing(world: World) -> None:
    first, second = world.opened("b1", text="one\n"), world.opened("b2", text="two\n")
    merged(world, first)
    tip, refs = world.tip(), world.refs()
    with pytest.raises(ConflictError, match=r"^main has changed 'grants/db/a.yaml' since branch 'b2' left it$"):
        merged(world, second)
    assert world.tip() == tip
    assert world.refs() == refs


def test_the_same_change_on_main_already_is_no_conflict(world: World) -> None:
    first, second = world.opened("b1"), world.opened("b2", acting="carol")
    tree = merged(world, first)
    assert world.git.text("rev-parse", f"{merged(world, second)}^{{tree}}") == world.git.text(
        "rev-parse", f"{tree}^{{tree}}"
    )


def test_a_deletion_merges(world: World) -> None:
    head = world.forge("alice").commit(branch="b1", parent=world.tip(), files=[("other", None)], message="x", at=T0)
    number = world.forge("alice").open(branch="b1", head=head, title="Remove", at=T0).number
    merged(world, number)
    assert not (world.top / "other").exists()


def test_a_merge_by_hand_is_nobodys(world: World) -> None:
    number = world.opened()
    world.git.run("merge", "--quiet", "--no-ff", "-m", f"Grant (#{number})\n\nDaypass-Pull: {number}", "b1")
    assert world.forge().merged_as(world.tip()) is None
    assert world.forge().merged_as(world.tip("HEAD^")) is None


def test_a_copied_trailer_is_only_a_hint(world: World) -> None:
    commit = merged(world, world.opened())
    world.git.run("commit", "--quiet", "--allow-empty", "-m", "other\n\nDaypass-Pull: 1\nDaypass-Pull: 99")
    assert world.forge().merged_as(world.tip()) is None
    assert world.forge().merged_as(commit) is not None


def test_a_commit_that_is_not_there_is_an_error(world: World) -> None:
    for name in ("1" * 40, "main", "HEAD\nHEAD"):
        with pytest.raises(EdgeError) as caught:
            world.forge().merged_as(Oid(name))
        assert caught.value.message == f"there is no commit {name!r}"


def test_a_message_that_is_no_text_is_refused(world: World) -> None:
    with pytest.raises(UsageError, match=r"^the message 'bad \?' is no text: surrogates not allowed$"):
        world.forge("bob").commit(branch="b1", parent=world.tip(), files=[("x", b"")], message="bad \udcff", at=T0)


def test_a_clone_that_keeps_the_open_ref_sees_the_merge(world: World) -> None:
    number = world.opened()
    stale = world.tip(f"refs/heads/daypass/open/{number}")
    merged(world, number)
    world.git.update_refs({f"refs/heads/daypass/open/{number}": (ABSENT, stale)}, reason="fetch without prune")
    assert world.forge().pull(number).state == "merged"
    assert world.forge().open_pulls() == ()
    with pytest.raises(ConflictError, match=r"^pull request 1 is merged already$"):
        world.forge().close(number, reason="x", at=minutes(9))


def test_another_record_beside_a_done_one_is_refused(world: World) -> None:
    number = world.opened()
    stale = world.tip(f"refs/heads/daypass/open/{number}")
    world.forge("bob").review(number, commit=world.forge().pull(number).head, state="rejected", at=minutes(1))
    other = world.tip(f"refs/heads/daypass/open/{number}")
    world.git.run("update-ref", f"refs/heads/daypass/open/{number}", stale)
    merged(world, number)
    world.git.update_refs({f"refs/heads/daypass/open/{number}": (ABSENT, other)}, reason="attack")
    with pytest.raises(EdgeError, match=r"is corrupt: it is open with one record and done with another$"):
        world.forge().pull(number)


def test_a_bare_clone_carries_everything_and_reads_the_same(world: World, tmp_path: Path) -> None:
    first, second = world.opened("b1"), world.opened("b2", path="grants/db/b.yaml")
    world.forge("bob").review(second, commit=world.forge().pull(second).head, state="approved", at=minutes(1))
    commit = merged(world, first)
    clone = tmp_path / "clone.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", f"file://{world.top}", str(clone)], check=True)
    here, there = world.forge(), world.forge(top=clone)
    assert there.open_pulls() == here.open_pulls()
    assert len(there.open_pulls()) == 1
    assert there.pull(first) == here.pull(first)
    assert there.reviews(second) == here.reviews(second)
    assert there.merged_as(commit) == here.merged_as(commit) is not None
    pull = there.pull(second)
    there = world.forge("carol", top=clone)
    there.merge(second, head=pull.head, base=commit, message="m\n", at=minutes(9))
    assert there.pull(second).state == "merged"


def test_a_branch_of_ours_goes_with_its_merge_and_others_stay(world: World) -> None:
    first = world.opened("daypass/request/a")
    merged(world, first)
    second = world.opened("mine", path="grants/db/b.yaml")
    merged(world, second)
    assert "refs/heads/daypass/request/a" not in world.refs()
    assert "refs/heads/mine" in world.refs()


def test_a_branch_that_is_checked_out_stays(world: World, tmp_path: Path) -> None:
    number = world.opened("daypass/request/a")
    world.git.run("worktree", "add", "--quiet", str(tmp_path / "wt"), "daypass/request/a")
    merged(world, number)
    assert "refs/heads/daypass/request/a" in world.refs()
    with pytest.raises(ConflictError, match=r"^branch 'daypass/request/a' is checked out$"):
        world.branch("daypass/request/a")


def test_a_second_request_of_a_branch_is_refused(world: World) -> None:
    number = world.opened()
    with pytest.raises(ConflictError, match=rf"^branch 'b1' has an open pull request already: #{number}$"):
        world.forge("alice").open(branch="b1", head=world.tip("refs/heads/b1"), title="Again", at=minutes(1))
    world.forge().close(number, reason="no", at=minutes(1))
    assert world.forge("alice").open(branch="b1", head=world.tip("refs/heads/b1"), title="Again", at=T0).number == 2


def test_a_branch_with_nothing_to_merge_is_refused(world: World) -> None:
    world.git.run("branch", "same", "main")
    with pytest.raises(ConflictError, match=r"^branch 'same' has nothing that main has not$"):
        world.forge("alice").open(branch="same", head=world.tip(), title="x", at=T0)


def test_a_branch_without_common_history_is_refused(world: World) -> None:
    tree = world.git.text("rev-parse", "HEAD^{tree}")
    lone = Oid(world.git.text("commit-tree", tree, stdin=b"lone"))
    world.git.run("branch", "lone", lone)
    with pytest.raises(EdgeError, match=r"^branch 'lone' shares no history with main$"):
        world.forge("alice").open(branch="lone", head=lone, title="x", at=T0)


def test_branches_merged_across_each_other_are_refused(world: World) -> None:
    world.git.run("checkout", "--quiet", "-b", "b1")
    world.git.run("commit", "--quiet", "--allow-empty", "-m", "b1")
    world.git.run("checkout", "--quiet", "-b", "b2", "main")
    world.git.run("commit", "--quiet", "--allow-empty", "-m", "b2")
    world.git.run("merge", "--quiet", "--no-ff", "-m", "x", "b1")
    world.git.run("checkout", "--quiet", "-B", "main", "b1")
    world.git.run("merge", "--quiet", "--no-ff", "-m", "y", "b2^1")
    with pytest.raises(ConflictError, match=r"^branch 'b2' and main were merged across each other$"):
        world.forge("alice").open(branch="b2", head=world.tip("refs/heads/b2"), title="x", at=T0)


def test_a_branch_that_moved_is_refused(world: World) -> None:
    old = world.branch()
    new = world.forge("alice").commit(branch="b1", parent=old, files=[("x", b"x")], message="x", at=T0)
    with pytest.raises(ConflictError, match=rf"^branch 'b1' stands at {new[:12]}, expected {old[:12]}$"):
        world.forge("alice").open(branch="b1", head=old, title="x", at=T0)
    with pytest.raises(ConflictError, match=rf"^branch 'b9' is not there, expected {old[:12]}$"):
        world.forge("alice").open(branch="b9", head=old, title="x", at=T0)


@pytest.mark.parametrize(
    "name",
    [
        "main",
        "daypass/open/3",
        "daypass/done/x",
        "daypass/open",
        "daypass/done",
        "daypass-ledger",
        "daypass-ledger-lane/a",
    ],
)
def test_reserved_branches_are_refused(world: World, name: str) -> None:
    with pytest.raises(UsageError, match=rf"^branch '{name}' is no branch for a request$"):
        world.branch(name)


@pytest.mark.parametrize("name", ["", "a b", "a..b", "-x/", "a\nb", "a\x1b[2J", "x~1", "\u202eevil", "a@{1}", "/x"])
def test_hostile_branch_names_are_refused(world: World, name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be the name of a branch$"):
        world.branch(name)


def test_a_foreign_branch_is_not_overwritten(world: World) -> None:
    head = world.branch("mine")
    with pytest.raises(ConflictError, match=rf"^branch 'mine' stands at {head[:12]}, expected {world.tip()[:12]}$"):
        world.branch("mine", text="other\n")
    ours = world.branch("daypass/removal")
    assert world.branch("daypass/removal", text="other\n") != ours


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("two\nlines", "holds a character that cannot be seen, U+000A"),
        ("red \x1b[31m", "holds a character that cannot be seen, U+001B"),
        ("\u202egnirts", "holds a character that cannot be seen, U+202E"),
        ("bad \udcff byte", "holds a character that cannot be seen, U+DCFF"),
        ("x" * 301, "has 301 characters, at most 300 are kept"),
    ],
)
def test_hostile_titles_are_refused(world: World, title: str, why: str) -> None:
    head = world.branch()
    with pytest.raises(UsageError) as caught:
        world.forge("alice").open(branch="b1", head=head, title=title, at=T0)
    assert caught.value.message == f"the title {why}"
    assert world.forge().open_pulls() == ()


def test_odd_titles_come_back_as_they_were(world: World) -> None:
    title = '"quotes" \\n {braces} Zoë 日本 $(rm -rf) `x` Daypass-Pull: 9'
    assert world.forge().pull(world.opened(title=title)).title == title


def test_time_does_not_go_back(world: World) -> None:
    number = world.opened()
    head = world.forge().pull(number).head
    world.forge("bob").review(number, commit=head, state="approved", at=minutes(5))
    with pytest.raises(RefusedError) as caught:
        world.forge("carol").review(number, commit=head, state="approved", at=minutes(4))
    assert caught.value.message == ("it is 2026-11-20T10:04:00Z here, but #1 was approved at 2026-11-20T10:05:00Z")


def test_git_configuration_names_who_acts(world: World) -> None:
    world.be("bob")
    assert world.forge().acting().handle == "bob"
    world.git.run("config", "user.email", "Alice@EXAMPLE.com")
    assert world.forge().acting().handle == "alice"
    world.git.run("config", "user.email", "robot@example.com")
    assert not world.forge().acting().person


def test_a_stranger_may_not_review(world: World) -> None:
    number = world.opened()
    world.git.run("config", "user.email", "eve@elsewhere.example")
    assert world.forge().acting().handle == ""
    with pytest.raises(RefusedError) as caught:
        world.forge().review(number, commit=world.forge().pull(number).head, state="approved", at=minutes(1))
    assert caught.value.message == (
        "the directory does not know Dave <eve@elsewhere.example>, so their review would count for nothing"
    )


def test_acting_as_somebody_unknown_is_refused(world: World) -> None:
    with pytest.raises(UsageError, match=r"^the directory does not know 'eve'$"):
        world.forge("eve").acting()


def test_nobody_acts_without_an_address(world: World) -> None:
    from msgspec.structs import replace

    from daypass.core.catalogue import Directory, frozen

    subjects = dict(world.directory.subjects)
    subjects["bob"] = replace(subjects["bob"], emails=())
    world.directory = Directory(frozen(subjects), world.directory.groups)
    with pytest.raises(
        UsageError, match=r"^'bob' has no email address in the directory, so nothing can be recorded as theirs$"
    ):
        world.forge("bob").acting()


def test_the_tools_own_commits_are_the_acting_persons(world: World) -> None:
    head = world.branch(acting="carol")
    (commit,) = GitHistory(world.git).commits(world.tip(), head)
    assert commit.author_email == commit.committer_email == "carol@example.com"


def test_a_ref_of_no_number_is_not_skipped(world: World) -> None:
    world.git.update_refs({"refs/heads/daypass/open/x1": (ABSENT, world.tip())}, reason="x")
    world.opened()
    assert [pull.number for pull in world.forge().open_pulls()] == [0, 1], "nor does it stop the others"
    with pytest.raises(EdgeError, match=r"^refs/heads/daypass/open/x1 is no pull request$"):
        world.forge().pull(0)


def test_an_unknown_kind_of_review_is_misuse(world: World) -> None:
    number = world.opened()
    with pytest.raises(RuntimeError, match=r"^a review is approved, rejected or withdrawn, got 'maybe'$"):
        world.forge("bob").review(number, commit=world.tip(), state="maybe", at=T0)


def test_a_missing_main_is_an_error(world: World) -> None:
    head = world.branch()
    world.git.run("branch", "-m", "main", "trunk")
    with pytest.raises(EdgeError, match=r"^there is no branch 'main'$"):
        world.forge("alice").open(branch="b1", head=head, title="x", at=T0)


def test_a_repository_with_long_object_ids_works_the_same(tmp_path: Path) -> None:
    top = tmp_path / "long"
    top.mkdir()
    world = world_at(top)
    world.git.run("init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    world.be("dave")
    world.git.run("commit", "--quiet", "--allow-empty", "-m", "first")
    world.give_key("bob")
    number = world.opened()
    world.be("bob", "bob")
    head = world.forge().pull(number).head
    assert len(head) == 64
    assert world.forge().review(number, commit=head, state="approved", at=minutes(1)).by.proved
    commit = merged(world, number)
    found = world.forge().merged_as(commit)
    assert found is not None
    assert found.number == number


def test_a_run_that_is_nobodys_may_merge_and_close(world: World) -> None:
    first, second = world.opened("b1"), world.opened("b2", path="grants/db/b.yaml")
    world.git.run("config", "user.email", "ci@elsewhere.example")
    merged(world, first)
    world.forge().close(second, reason="nobody answered", at=minutes(9))
    merge = world.forge().pull(first).merge
    assert merge is not None
    assert (merge.by.handle, merge.by.name) == ("", "Dave <ci@elsewhere.example>")
