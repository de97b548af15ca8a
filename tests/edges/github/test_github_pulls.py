"""Pull requests as GitHub has them: heads, openers, pushers, merges."""

from __future__ import annotations

import json
from typing import Any

import pytest
from github_world import BOT, GRANT, ROOT, World

from daypass.core.approval.exclusion import excluded_people
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.forge import Account
from daypass.core.ids import Oid

ALICE, BOB, CAROL = (
    Account("alice", "Alice", number=101),
    Account("bob", "Bob", number=102),
    Account("carol", "Carol", number=103),
)


def fails(call, message: str, kind: type[EdgeError | RefusedError] = EdgeError) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.message == message
    return caught.value.hint


def altered(world: World, path: str, **changes: Any) -> None:
    """Answer a path as it is, but with some fields changed (dots lead inside; a value of ... takes out)."""
    reply = world.double.peek(path)
    body = json.loads(json.dumps(reply.body))
    for name, value in changes.items():
        *way, last = name.split("__")
        place = body
        for part in way:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    world.double.faults.add("GET", path, status=200, body=body)


# One pull request


def test_an_open_one_is_read_with_its_head_here(world: World) -> None:
    number = world.opened("alice")
    pull = world.forge().pull(number)
    head = world.head("wanted")
    assert (pull.number, pull.state, pull.branch, pull.head) == (number, "open", "wanted", head)
    assert (pull.opened_by, pull.pushers, pull.merge, pull.origin) == (ALICE, (ALICE,), None, "")
    assert pull.title == "Access for alice"
    assert world.git.find(head) == head


def test_a_draft_is_open(world: World) -> None:
    world.push("alice", "wanted")
    assert world.forge().pull(world.open_branch("alice", "wanted", draft=True)).state == "open"


def test_a_closed_one_is_closed(world: World) -> None:
    number = world.opened("alice")
    world.ask("alice", "PATCH", f"/pulls/{number}", {"state": "closed"})
    assert world.forge().pull(number).state == "closed"


def test_addresses_of_machines_are_githubs_and_our_bots(world: World) -> None:
    number = world.opened("alice")
    ours = "4242+daypass-acme[bot]@users.noreply.github.com"
    assert world.forge().pull(number).machines == {"noreply@github.com", ours}
    assert world.forge(bot=None).pull(number).machines == {"noreply@github.com"}


def test_a_title_is_fit_to_be_shown(world: World) -> None:
    number = world.opened("alice")
    world.ask("alice", "PATCH", f"/pulls/{number}", {"title": "ask\x1b[2J\u202e"})
    assert world.forge().pull(number).title == "ask?[2J?"


def test_an_unknown_number_is_an_error(world: World) -> None:
    hint = fails(
        lambda: world.forge().pull(9), "there is no pull request 9 in acme/access, or this token cannot see it"
    )
    assert hint == "`daypass status` lists the open ones"


def test_one_for_another_branch_is_none_of_ours(world: World) -> None:
    world.push("carol", "release", {"x": "y\n"})
    world.push("alice", "wanted")
    number = world.open_branch("alice", "wanted", base="release")
    hint = fails(lambda: world.forge().pull(number), f"pull request {number} is for branch 'release', not for main")
    assert hint == "change its base to main, or leave it to who looks after that branch"
    assert world.forge().open_pulls() == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head__sha": "main"}, "GitHub's answer about pull request 1: expected a commit's id in head.sha, got 'main'"),
        ({"head__sha": None}, "GitHub's answer about pull request 1: expected a text in head.sha, got None"),
        ({"head": None}, "GitHub's answer about pull request 1 has no head.ref"),
        ({"head__repo": ...}, "GitHub's answer about pull request 1 has no head.repo"),
        ({"user": ...}, "GitHub's answer about pull request 1 has no user"),
        ({"user": "alice"}, "expected an account from GitHub, got 'alice'"),
        ({"base": []}, "GitHub's answer about pull request 1 has no base.ref"),
        ({"state": "odd"}, "GitHub's answer about pull request 1: expected open or closed, got 'odd'"),
        ({"number": "1"}, "GitHub's answer about pull request 1: expected a number in number, got '1'"),
        ({"title": None}, "GitHub's answer about pull request 1: expected a text in title, got None"),
        ({"created_at": "today"}, "GitHub's answer about pull request 1: expected an instant in created_at, got 'today'"),
        ({"merged_at": ...}, "GitHub's answer about pull request 1 has no merged_at"),
    ],
)  # fmt: skip
def test_an_answer_that_lacks_something_is_an_error_that_names_it(
    world: World, changes: dict[str, Any], message: str
) -> None:
    number = world.opened("alice")
    altered(world, f"{ROOT}/pulls/{number}", **changes)
    with pytest.raises(EdgeError) as caught:
        world.forge().pull(number)
    assert caught.value.message == message


def test_an_answer_that_is_no_object_is_an_error(world: World) -> None:
    world.double.faults.add("GET", f"{ROOT}/pulls/1", status=200, body=[])
    fails(lambda: world.forge().pull(1), "GitHub's answer about pull request 1 has no base.ref")


# Pushers


def test_everybody_who_pushed_is_among_the_pushers(world: World) -> None:
    world.push("bob", "wanted")
    number = world.open_branch("alice", "wanted")
    world.push("carol", "wanted", {"grants/more.yaml": "more\n"})
    assert world.forge().pull(number).pushers == (BOB, CAROL)


def test_who_pushed_what_was_then_replaced_is_among_the_pushers(world: World) -> None:
    number = world.opened("alice")
    world.push("bob", "wanted", {GRANT: "by bob\n"}, force=True)
    assert world.forge().pull(number).pushers == (ALICE, BOB)


def test_a_branch_that_is_made_anew_at_the_same_commit_does_not_hide_who_pushed(world: World) -> None:
    """Bob pushes, the branch is deleted and carol makes it again at the very commit: bob still must not approve."""
    world.double.clock = world.double.now()
    world.push("alice", "wanted")
    world.double.advance(minutes=5)
    number = world.open_branch("alice", "wanted")
    head = world.push("bob", "wanted", {"grants/more.yaml": "bob's\n"})
    world.double.advance(minutes=5)
    world.ask("carol", "DELETE", "/git/refs/heads/wanted")
    world.double.advance(minutes=5)
    world.ask("carol", "POST", "/git/refs", {"ref": "refs/heads/wanted", "sha": head})
    world.ask("carol", "PATCH", f"/pulls/{number}", {"state": "open"})
    assert world.forge().pull(number).pushers == (ALICE, BOB, CAROL)


def test_what_a_branch_of_that_name_was_before_does_not_count(world: World) -> None:
    world.double.clock = world.double.now()
    world.push("bob", "wanted")
    world.ask("bob", "DELETE", "/git/refs/heads/wanted")
    world.double.advance(minutes=5)
    number = world.opened("alice")
    assert world.forge().pull(number).pushers == (ALICE,)


@pytest.mark.parametrize("seconds", [0, 1])
@pytest.mark.parametrize("more", ["a push", "pushes", "another branch of the name"])
def test_moves_after_the_merge_do_not_count(world: World, seconds: int, more: str) -> None:
    world.double.clock = world.double.now()
    number = world.opened("alice")
    world.double.advance(minutes=5)
    world.squashed(number, "bob")
    world.double.advance(seconds=seconds)
    if more == "another branch of the name":
        world.ask("dora", "DELETE", "/git/refs/heads/wanted")
    world.push("dora", "wanted", {"grants/late.yaml": "late\n"})
    if more == "pushes":
        world.push("carol", "wanted", {"grants/later.yaml": "later\n"})
    assert world.forge().pull(number).pushers == (ALICE,)


@pytest.mark.parametrize("force", [False, True])
def test_moves_before_the_merge_count_though_they_are_of_its_second(world: World, *, force: bool) -> None:
    world.double.clock = world.double.now()
    number = world.opened("alice")
    world.double.advance(minutes=5)
    world.push("carol", "wanted", {"grants/more.yaml": "more\n"})
    world.push("bob", "wanted", {GRANT: "by bob\n"}, force=force)
    world.squashed(number, "bob")
    world.push("dora", "wanted", {"grants/late.yaml": "late\n"})
    assert world.forge().pull(number).pushers == (ALICE, CAROL, BOB)


def test_a_move_of_the_merges_second_that_does_not_go_on_from_its_head_counts(world: World) -> None:
    """GitHub's record of one second may be out of order: what began elsewhere may have been there before the merge."""
    world.double.clock = world.double.now()
    number = world.opened("alice")
    world.double.advance(minutes=5)
    world.squashed(number, "bob")
    world.push("dora", "wanted", {"grants/late.yaml": "late\n"})
    world.repo.activity[-1].before = "c" * 40
    assert world.forge().pull(number).pushers == (ALICE, Account("", "dora-x (id 104)"))


def test_a_beginning_that_is_noted_a_moment_late_counts(world: World) -> None:
    world.double.clock = world.double.now()
    number = world.opened("alice")
    world.repo.activity[-1].at = world.double.now().replace(microsecond=0)
    from datetime import timedelta

    world.repo.activity[-1].at += timedelta(seconds=3)
    assert world.forge().pull(number).pushers == (ALICE,)


UNKNOWN = Account("", "somebody whom GitHub's record of the branch does not tell")


def blocked(world: World, number: int) -> tuple[str, ...]:
    from github_world import directory

    return excluded_people(world.forge().pull(number), [], "alice", directory()).unresolved


@pytest.mark.parametrize("spoil", ["nothing", "no beginning", "other head", "odd kind"])
def test_a_record_that_is_not_whole_names_somebody_whom_no_approval_gets_past(world: World, spoil: str) -> None:
    number = world.opened("alice")
    if spoil == "nothing":
        world.repo.activity.clear()
    elif spoil == "no beginning":
        world.repo.activity[-1].kind = "push"
    elif spoil == "other head":
        world.repo.activity[-1].after = "c" * 40
    else:
        world.push("bob", "wanted", {"x": "y\n"})
        world.repo.activity[-1].kind = "teleport"
        world.double.odd.append(r'activity_type: "teleport" is not one of')
    assert world.forge().pull(number).pushers == (UNKNOWN,)
    assert blocked(world, number) == (
        f"pull request {number} was pushed to by {UNKNOWN.name!r}, whom the directory does not know",
    )


def test_a_pusher_who_is_gone_is_somebody_whom_no_approval_gets_past(world: World) -> None:
    number = world.opened("alice")
    world.repo.activity[-1].actor = None
    assert world.forge().pull(number).pushers == (Account("", "a deleted account", person=False),)


def test_a_record_that_cannot_be_read_is_an_error(world: World) -> None:
    number = world.opened("alice")
    world.double.faults.add("GET", f"{ROOT}/activity", status=403, body={"message": "Resource not accessible"})
    fails(lambda: world.forge().pull(number), f"GitHub answered 403 to GET {ROOT}/activity: Resource not accessible")


# Forks


def forked(world: World) -> int:
    fork = world.double.fork(world.repo, world.users["dora"])
    world.tokens.setdefault("dora", world.double.token(world.users["dora"]))
    made = world.api("dora").send(
        "POST",
        f"/repos/{fork.full_name}/git/commits",
        {"message": "Ask", "tree": world.bare("rev-parse", "main^{tree}"), "parents": [world.main()]},
    )["sha"]
    world.api("dora").send(
        "POST", f"/repos/{fork.full_name}/git/refs", {"ref": "refs/heads/daypass/issue-1", "sha": made}
    )
    return world.open_branch("dora", "dora-x:daypass/issue-1")


def test_a_forks_branch_carries_its_owners_name_so_that_it_passes_for_none_of_ours(public: World) -> None:
    pull = public.forge().pull(forked(public))
    assert pull.branch == "dora-x:daypass/issue-1"
    assert (pull.opened_by, pull.origin) == (Account("", "dora-x (id 104)"), "")
    assert pull.pushers == (Account("", "dora-x (id 104)"),)
    assert public.git.find(pull.head) == pull.head


def test_a_fork_that_cannot_be_read_has_a_pusher_whom_no_approval_gets_past(public: World) -> None:
    number = forked(public)
    public.double.faults.add("GET", "/repos/dora-x/access/activity", status=404, body={"message": "Not Found"})
    assert public.forge().pull(number).pushers == (
        Account("", "somebody with access to dora-x/access, which cannot be read"),
    )


def test_a_fork_that_is_gone_has_a_pusher_whom_no_approval_gets_past(public: World) -> None:
    number = forked(public)
    public.repo.pulls[number].head_repo = None
    pull = public.forge().pull(number)
    assert pull.pushers == (Account("", "somebody with access to a fork that is gone"),)
    assert pull.branch == "unknown:daypass/issue-1"


def test_a_forks_failure_is_an_error_and_no_unknown(public: World) -> None:
    number = forked(public)
    public.double.faults.server_error("GET", "/repos/dora-x/access/activity", times=9)
    fails(lambda: public.forge().pull(number), "GitHub answered 502 to GET /repos/dora-x/access/activity: Server Error")


def test_a_fork_with_an_odd_name_is_an_error(public: World) -> None:
    number = forked(public)
    altered(public, f"{ROOT}/pulls/{number}", head__repo__full_name="../../user")
    fails(
        lambda: public.forge().pull(number),
        f"GitHub's answer about pull request {number}: expected a repository's name, got '../../user'",
    )


# On behalf of


def bot_opens(world: World, branch: str) -> int:
    world.tokens["bot"] = world.api("app").token()
    world.push("bot", branch)
    return world.open_branch("bot", branch)


def issue(world: World, who: str) -> int:
    return int(world.ask(who, "POST", "/issues", {"title": "Access please", "body": "..."})["number"])


def test_our_bot_asks_for_who_opened_the_issue(world: World) -> None:
    asked = issue(world, "alice")
    pull = world.forge().pull(bot_opens(world, f"daypass/issue-{asked}"))
    assert (pull.opened_by, pull.origin, pull.pushers) == (ALICE, f"issue {asked}", (ALICE,))


def test_our_bot_asks_for_who_wrote_the_comment(world: World) -> None:
    asked = issue(world, "alice")
    comment = world.ask("bob", "POST", f"/issues/{asked}/comments", {"body": "/extend 2h"})["id"]
    pull = world.forge().pull(bot_opens(world, f"daypass/comment-{comment}"))
    assert (pull.opened_by, pull.origin) == (BOB, f"comment {comment} on #{asked}")


def test_who_pushes_into_our_bots_branch_is_a_pusher(world: World) -> None:
    asked = issue(world, "alice")
    number = bot_opens(world, f"daypass/issue-{asked}")
    world.push("carol", f"daypass/issue-{asked}", {"grants/more.yaml": "more\n"})
    assert world.forge().pull(number).pushers == (ALICE, CAROL)


def test_nobody_else_asks_for_others_by_the_name_of_a_branch(world: World) -> None:
    asked = issue(world, "alice")
    world.push("bob", f"daypass/issue-{asked}")
    pull = world.forge().pull(world.open_branch("bob", f"daypass/issue-{asked}"))
    assert (pull.opened_by, pull.origin) == (BOB, "")


def test_a_workflows_token_asks_for_nobody(world: World) -> None:
    asked = issue(world, "alice")
    world.tokens["workflow"] = world.double.actions_token(world.repo, {"contents": "write", "pull-requests": "write"})
    world.push("workflow", f"daypass/issue-{asked}")
    number = world.open_branch("workflow", f"daypass/issue-{asked}")
    pull = world.forge().pull(number)
    assert (pull.opened_by.person, pull.origin) == (False, "")


def test_our_bot_stands_for_nobody_where_the_settings_do_not_name_it(world: World) -> None:
    asked = issue(world, "alice")
    pull = world.forge(bot=None).pull(bot_opens(world, f"daypass/issue-{asked}"))
    assert (pull.opened_by, pull.origin) == (Account("", f"{BOT.login} (id {BOT.id})", person=False), "")


@pytest.mark.parametrize("branch", ["daypass/expiry", "daypass/issue-0", "daypass/issue-1-x", "other/issue-1"])
def test_our_bots_other_branches_stand_for_nobody_and_pass_on_no_approval(world: World, branch: str) -> None:
    pull = world.forge().pull(bot_opens(world, branch))
    assert (pull.opened_by.handle, pull.opened_by.person, pull.origin, pull.pushers) == ("", False, "", ())


def test_an_issue_that_is_gone_leaves_nobody_who_asks(world: World) -> None:
    asked = issue(world, "alice")
    number = bot_opens(world, f"daypass/issue-{asked}")
    world.double.faults.add("GET", f"{ROOT}/issues/{asked}", status=410, body={"message": "This issue was deleted"})
    assert world.forge().pull(number).opened_by == Account("", f"somebody by issue {asked}, which is gone")
    world.double.faults.server_error("GET", f"{ROOT}/issues/{asked}", times=9)
    fails(lambda: world.forge().pull(number), f"GitHub answered 502 to GET {ROOT}/issues/{asked}: Server Error")


# Open ones


def test_open_ones_come_by_number_and_cannot_be_judged_unread(world: World) -> None:
    numbers = [world.opened("alice", f"b{n}", {f"grants/{n}.yaml": "x\n"}) for n in range(3)]
    world.ask("alice", "PATCH", f"/pulls/{numbers[1]}", {"state": "closed"})
    found = world.forge().open_pulls()
    assert [pull.number for pull in found] == [numbers[0], numbers[2]]
    assert {pull.pushers for pull in found} == {(Account("", "somebody who was not looked up"),)}


def test_a_page_of_open_ones_that_fails_is_an_error_and_no_shorter_list(world: World) -> None:
    world.opened("alice")
    world.double.faults.server_error("GET", f"{ROOT}/pulls", times=9)
    fails(lambda: world.forge().open_pulls(), f"GitHub answered 502 to GET {ROOT}/pulls: Server Error")


# Merges


@pytest.mark.parametrize("method", ["squash", "merge"])
def test_a_merge_is_read_with_the_commit_that_main_stood_at(world: World, method: str) -> None:
    number = world.opened("alice")
    before = world.main()
    commit = world.squashed(number, "bob", method)
    pull = world.forge().merged_as(commit)
    assert pull is not None
    assert pull.merge is not None
    assert (pull.number, pull.state, pull.merge.by) == (number, "merged", BOB)
    assert (pull.merge.commit, pull.merge.base, pull.merge.head) == (commit, before, pull.head)
    assert pull == world.forge().pull(number)


def test_a_commit_pushed_to_main_is_nobodys_merge(world: World) -> None:
    commit = world.push("carol", "main", {"x": "y\n"})
    assert world.forge().merged_as(commit) is None


def test_every_commit_of_a_push_is_nobodys_merge(world: World) -> None:
    first = world.push("carol", "aside", {"x": "1\n"})
    last = world.push("carol", "aside", {"x": "2\n"})
    world.ask("carol", "PATCH", "/git/refs/heads/main", {"sha": last})
    forge = world.forge()
    assert [forge.merged_as(first), forge.merged_as(last)] == [None, None]


def test_commits_that_somebody_pushed_to_main_are_no_merge_of_their_pull_request(world: World) -> None:
    """GitHub then calls the pull request merged, whatever the rules say: an indirect merge."""
    number = world.opened("alice")
    head = world.head("wanted")
    world.ask("carol", "PATCH", "/git/refs/heads/main", {"sha": head})
    assert world.ask("carol", "GET", f"/pulls/{number}")["merged"] is True
    assert world.forge().merged_as(head) is None


def test_commits_inside_a_rebase_merge_are_no_merge_of_their_own(world: World) -> None:
    world.push("alice", "wanted")
    world.push("alice", "wanted", {"grants/more.yaml": "more\n"})
    number = world.open_branch("alice", "wanted")
    last = world.squashed(number, "bob", "rebase")
    first = Oid(world.bare("rev-parse", f"{last}^"))
    assert world.forge().merged_as(first) is None
    found = world.forge().merged_as(last)
    assert found is not None
    assert found.merge is not None
    assert found.merge.base == first  # the applier compares it with the whole of what was reviewed


def test_a_merge_into_another_branch_is_none_into_main(world: World) -> None:
    world.push("carol", "release", {"x": "y\n"})
    world.push("alice", "wanted")
    number = world.open_branch("alice", "wanted", base="release")
    commit = world.squashed(number, "bob")
    world.ask("carol", "PATCH", "/git/refs/heads/main", {"sha": commit})
    assert world.forge().merged_as(commit) is None


def test_what_github_does_not_tell_yet_is_an_error_and_no_push(world: World) -> None:
    commit = world.squashed(world.opened("alice"))
    world.double.faults.add("GET", f"{ROOT}/commits/{commit}/pulls", status=200, body=[], times=2)
    message = f"GitHub does not tell (yet) how commit {commit[:12]} came to main"
    hint = fails(lambda: world.forge().merged_as(commit), message)
    assert hint == "run it again in a minute; GitHub's records may lag behind its git"
    world.repo.activity.clear()
    fails(lambda: world.forge().merged_as(commit), message)


def test_two_records_of_one_merge_are_believed_neither(world: World) -> None:
    commit = world.squashed(world.opened("alice"))
    world.squashed(world.opened("bob", "second", {"grants/second.yaml": "x\n"}))
    world.repo.pulls[2].merge_sha = commit
    fails(
        lambda: world.forge().merged_as(commit),
        f"GitHub says that commit {commit[:12]} is the merge of several: #1, #2",
        RefusedError,
    )


def test_a_record_that_changes_while_it_is_read_is_none(world: World) -> None:
    commit = world.squashed(world.opened("alice"))
    altered(world, f"{ROOT}/pulls/1", merge_commit_sha=world.bare("rev-parse", f"{commit}^"))
    assert world.forge().merged_as(commit) is None


def test_a_commit_that_github_does_not_have_is_an_error(world: World) -> None:
    missing = Oid("d" * 40)
    fails(
        lambda: world.forge().merged_as(missing),
        f"GitHub answered 422 to GET {ROOT}/commits/{missing}/pulls: No commit found for SHA: {missing}",
    )


def test_mains_record_is_read_once_for_many_pushes(world: World) -> None:
    commits = [world.push("carol", "main", {"x": f"{n}\n"}) for n in range(4)]
    forge = world.forge("carol")
    assert [forge.merged_as(commit) for commit in commits] == [None] * 4
    asked = [call.path for call in world.double.calls if call.path == f"{ROOT}/activity"]
    assert len(asked) == 1
