"""Opening, pushing, reviewing, merging and closing at GitHub, and what becomes of them when an answer is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from github_world import AT, BOT, GRANT, ROOT, World

from daypass.core.errors import ConflictError, DaypassError, EdgeError, NoMergeError, RefusedError, UsageError
from daypass.core.forge import Account, Merge
from daypass.core.ids import ABSENT, Oid
from daypass.edges.forges.github.answers import ApiError
from github_double import Rule

MESSAGE = "Grant orders-db/alice (#1)\n\nDaypass-Grant: orders-db/alice\nDaypass-Pull: 1\n"


def fails(call, kind: type[DaypassError], message: str) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.message == message
    return caught.value.hint


def changes(world: World) -> list[str]:
    return [
        f"{call.method} {call.path}" for call in world.double.calls if call.method != "GET" and ".git/" not in call.path
    ]


def local(world: World, parent: Oid) -> Oid:
    """A commit that only this clone has."""
    tree = world.git.text("rev-parse", f"{parent}^{{tree}}").strip()
    who = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "Alice"), ("EMAIL", "alice@example.com"))}  # fmt: skip
    return Oid(world.git.text("commit-tree", tree, "-p", parent, "-m", "mine", environment=who).strip())


# Open


def test_a_branch_that_stands_there_becomes_a_pull_request(world: World) -> None:
    head = world.push("alice", "wanted")
    pull = world.forge("alice").open(branch="wanted", head=head, title="Access", at=AT, body="for #3")
    assert (pull.number, pull.state, pull.head, pull.title) == (1, "open", head, "Access")
    assert world.ask("bob", "GET", "/pulls/1")["body"] == "for #3"


def test_a_branch_that_only_this_clone_has_is_pushed_there(world: World) -> None:
    forge = world.forge("alice")
    forge._remote.bring("main")
    head = local(world, world.main())
    assert forge.open(branch="wanted", head=head, title="Access", at=AT).head == head
    assert world.head("wanted") == head


def test_a_branch_that_stands_elsewhere_is_not_opened(world: World) -> None:
    head = world.push("alice", "wanted")
    fails(
        lambda: world.forge("alice").open(branch="wanted", head=world.main(), title="x", at=AT),
        ConflictError,
        f"branch 'wanted' stands at {head[:12]}, expected {world.main()[:12]}",
    )
    assert world.repo.pulls == {}


def test_a_branch_with_nothing_of_its_own_is_not_opened(world: World) -> None:
    world.ask("alice", "POST", "/git/refs", {"ref": "refs/heads/wanted", "sha": world.main()})
    fails(
        lambda: world.forge("alice").open(branch="wanted", head=world.main(), title="x", at=AT),
        ConflictError,
        "branch 'wanted' has nothing that main has not",
    )


@pytest.mark.parametrize("how", ["no_answer", "half_answer", "server_error"])
def test_an_opening_whose_answer_is_lost_is_found_again_and_never_doubled(world: World, how: str) -> None:
    head = world.push("alice", "wanted")
    getattr(world.double.faults, how)(
        "POST", f"{ROOT}/pulls", **({"after_effect": True} if how == "server_error" else {})
    )
    assert world.forge("alice").open(branch="wanted", head=head, title="x", at=AT).number == 1
    assert list(world.repo.pulls) == [1]


def test_an_opening_that_did_not_come_about_is_an_error(world: World) -> None:
    head = world.push("alice", "wanted")
    world.double.faults.server_error("POST", f"{ROOT}/pulls")
    fails(
        lambda: world.forge("alice").open(branch="wanted", head=head, title="x", at=AT),
        ApiError,
        f"GitHub answered 502 to POST {ROOT}/pulls: Server Error",
    )
    assert world.repo.pulls == {}


def test_ones_own_pull_request_for_the_same_head_is_returned(world: World) -> None:
    head = world.push("alice", "wanted")
    forge = world.forge("alice")
    first = forge.open(branch="wanted", head=head, title="x", at=AT)
    assert forge.open(branch="wanted", head=head, title="x", at=AT) == first


@pytest.mark.parametrize("who", ["bob", "app", "actions"])
def test_somebody_elses_pull_request_of_the_branch_is_a_conflict(world: World, who: str) -> None:
    world.opened("alice")
    hint = fails(
        lambda: world.forge(who).open(branch="wanted", head=world.head("wanted"), title="x", at=AT),
        ConflictError,
        "branch 'wanted' has an open pull request already: #1",
    )
    assert hint == "close #1 first, or use another branch"


def test_an_app_without_a_known_account_takes_no_pull_request_for_its_own(world: World) -> None:
    head = world.push("alice", "wanted")
    world.forge("app").open(branch="wanted", head=head, title="x", at=AT)
    assert world.forge("app").open(branch="wanted", head=head, title="x", at=AT).number == 1
    with pytest.raises(ConflictError):
        world.forge("app", bot=None).open(branch="wanted", head=head, title="x", at=AT)


def test_an_opening_that_github_refuses_is_told(world: World) -> None:
    head = world.push("alice", "wanted")
    world.double.faults.add(
        "POST", f"{ROOT}/pulls", status=403, body={"message": "Resource not accessible by integration"}
    )
    fails(
        lambda: world.forge("alice").open(branch="wanted", head=head, title="x", at=AT),
        ApiError,
        f"GitHub answered 403 to POST {ROOT}/pulls: Resource not accessible by integration",
    )


@pytest.mark.parametrize("branch", ["", "a b", "-x..", "x:y", "x\n", "a\x1bb", "ends.lock"])
def test_a_name_that_no_branch_can_have_is_refused(world: World, branch: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a branch"):
        world.forge("alice").open(branch=branch, head=ABSENT, title="x", at=AT)


def test_main_is_no_branch_for_a_request(world: World) -> None:
    fails(
        lambda: world.forge("alice").commit(branch="main", parent=world.main(), files=[], message="x", at=AT),
        UsageError,
        "branch 'main' is no branch for a request",
    )


def test_an_answer_about_another_branch_is_an_error(world: World) -> None:
    body = {"ref": "refs/heads/wanted-too", "object": {"sha": "a" * 40}}
    world.double.faults.add("GET", f"{ROOT}/git/ref/heads/wanted", status=200, body=body)
    fails(
        lambda: world.forge("alice").open(branch="wanted", head=ABSENT, title="x", at=AT),
        EdgeError,
        "GitHub's answer about branch wanted is about 'refs/heads/wanted-too'",
    )


# Push


def test_a_branch_that_has_moved_there_already_moves_the_head(world: World) -> None:
    number = world.opened("alice")
    head = world.push("alice", "wanted", {"grants/more.yaml": "x\n"})
    assert world.forge("alice").push(number, head=head, at=AT).head == head


def test_a_commit_of_this_clone_is_pushed_forward(world: World) -> None:
    number = world.opened("alice")
    forge = world.forge("alice")
    old = forge.pull(number).head
    head = local(world, old)
    assert forge.push(number, head=head, at=AT).head == head
    assert world.head("wanted") == head


def test_a_head_that_shows_a_moment_late_is_waited_for(world: World) -> None:
    number = world.opened("alice")
    world.double.faults.stale(f"{ROOT}/pulls/{number}", times=3)
    head = world.push("alice", "wanted", {"grants/more.yaml": "x\n"})
    assert world.forge("alice").push(number, head=head, at=AT).head == head
    assert world.waits == [1.0, 2.0]


def test_a_head_that_never_shows_is_a_conflict(world: World) -> None:
    number = world.opened("alice")
    world.double.faults.stale(f"{ROOT}/pulls/{number}", times=9)
    head = world.push("alice", "wanted", {"grants/more.yaml": "x\n"})
    fails(
        lambda: world.forge("alice").push(number, head=head, at=AT),
        ConflictError,
        f"pull request {number} does not show {head[:12]}",
    )


def test_a_closed_one_is_not_pushed_to(world: World) -> None:
    number = world.opened("alice")
    world.ask("alice", "PATCH", f"/pulls/{number}", {"state": "closed"})
    fails(
        lambda: world.forge("alice").push(number, head=world.main(), at=AT),
        ConflictError,
        f"pull request {number} is closed already",
    )


def test_a_forks_branch_is_not_pushed_to(public: World) -> None:
    fork = public.double.fork(public.repo, public.users["dora"])
    sent = {"message": "Ask", "tree": public.bare("rev-parse", "main^{tree}"), "parents": [public.main()]}
    made = public.api("dora").send("POST", f"/repos/{fork.full_name}/git/commits", sent)["sha"]
    public.api("dora").send("POST", f"/repos/{fork.full_name}/git/refs", {"ref": "refs/heads/mine", "sha": made})
    number = public.open_branch("dora", "dora-x:mine")
    fails(
        lambda: public.forge("alice").push(number, head=public.main(), at=AT),
        ConflictError,
        f"pull request {number} comes from a fork",
    )


# Review


def test_a_person_approves_rejects_and_withdraws(world: World) -> None:
    number = world.opened("alice")
    forge = world.forge("bob")
    head = world.head("wanted")
    for state in ("rejected", "approved", "withdrawn"):
        made = forge.review(number, commit=head, state=state, at=AT)
        assert (made.by, made.state, made.commit) == (Account("bob", "Bob", number=102), state, head)


def test_a_review_whose_answer_is_lost_is_found_again(world: World) -> None:
    number = world.opened("alice")
    world.double.faults.no_answer("POST", f"{ROOT}/pulls/{number}/reviews")
    world.forge("bob").review(number, commit=world.head("wanted"), state="approved", at=AT)
    assert len(world.repo.pulls[number].reviews) == 1


def test_a_review_that_did_not_come_about_is_an_error(world: World) -> None:
    number = world.opened("alice")
    world.double.faults.server_error("POST", f"{ROOT}/pulls/{number}/reviews")
    fails(
        lambda: world.forge("bob").review(number, commit=world.head("wanted"), state="approved", at=AT),
        EdgeError,
        f"GitHub has not taken the review of #{number}",
    )


def test_a_review_that_github_refuses_is_told(world: World) -> None:
    number = world.opened("alice")
    fails(
        lambda: world.forge("alice").review(number, commit=world.head("wanted"), state="approved", at=AT),
        RefusedError,
        f"GitHub takes no such review of #{number}: Unprocessable Entity; Can not approve your own pull request",
    )
    world.double.faults.add("POST", f"{ROOT}/pulls/{number}/reviews", status=403, body={"message": "no"})
    with pytest.raises(ApiError, match="GitHub answered 403"):
        world.forge("bob").review(number, commit=world.head("wanted"), state="approved", at=AT)


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("app", f"{BOT.login} (id {BOT.id}) is no person, and only people review"),
        ("actions", "github-actions[bot] (id 41898282) is no person, and only people review"),
        ("dora", "the directory does not know dora-x (id 104), so their review would count for nothing"),
    ],
)
def test_who_cannot_approve_does_not_review(world: World, who: str, message: str) -> None:
    number = world.opened("alice")
    fails(
        lambda: world.forge(who).review(number, commit=world.head("wanted"), state="approved", at=AT),
        RefusedError,
        message,
    )


def test_an_earlier_head_is_not_reviewed(world: World) -> None:
    number = world.opened("alice")
    old = world.head("wanted")
    new = world.push("alice", "wanted", {"grants/more.yaml": "x\n"})
    fails(
        lambda: world.forge("bob").review(number, commit=old, state="approved", at=AT),
        ConflictError,
        f"the head of #{number} is {new[:12]} now",
    )


def test_nothing_is_withdrawn_where_nothing_was_said(world: World) -> None:
    number = world.opened("alice")
    fails(
        lambda: world.forge("bob").review(number, commit=world.head("wanted"), state="withdrawn", at=AT),
        UsageError,
        f"bob has no review of #{number} to withdraw",
    )


def test_a_review_says_one_of_three_things(world: World) -> None:
    with pytest.raises(RuntimeError, match="a review is approved, rejected or withdrawn, got 'liked'"):
        world.forge("bob").review(1, commit=ABSENT, state="liked", at=AT)


# Merge


def merge(world: World, number: int = 1, **other: Oid):
    given = {"head": world.head("wanted"), "base": world.main(), **other}
    return world.forge("bob").merge(number, message=MESSAGE, at=AT, **given)


def test_a_merge_squashes_the_head_and_says_what_main_stood_at(world: World) -> None:
    world.opened("alice")
    head, base = world.head("wanted"), world.main()
    made = merge(world)
    assert (made.head, made.base, made.commit, made.by) == (head, base, world.main(), Account("bob", "Bob", number=102))
    assert world.bare("log", "-1", "--format=%P%n%B", "main").strip() == f"{base}\n{MESSAGE.strip()}"
    assert world.git.find("refs/remotes/daypass/main") == made.commit


def test_a_merge_of_a_branch_of_ours_tidies_it_away_and_leaves_others(world: World) -> None:
    number = world.opened("alice", "daypass/renew")
    world.forge("bob").merge(number, head=world.head("daypass/renew"), base=world.main(), message="x", at=AT)
    assert world.bare("for-each-ref", "--format=%(refname)", "refs/heads/") == "refs/heads/main"
    assert world.forge().pull(number).state == "merged"


def test_a_branch_that_cannot_be_tidied_away_is_no_fault_of_the_merge(world: World) -> None:
    number = world.opened("alice", "daypass/renew")
    world.double.ruleset(world.repo, "kept", [Rule("deletion")], include=["refs/heads/daypass/renew"])
    world.forge("bob").merge(number, head=world.head("daypass/renew"), base=world.main(), message="x", at=AT)
    assert world.head("daypass/renew")


def test_a_branch_of_ours_that_has_moved_on_stays(world: World) -> None:
    number = world.opened("alice", "daypass/renew")
    head = world.head("daypass/renew")
    forge = world.forge("bob")
    real = forge._merge

    def moved(fields):
        world.push("carol", "daypass/renew", {"x": "y\n"})
        return real(fields)

    forge._merge = moved
    forge.merge(number, head=head, base=world.main(), message="x", at=AT)
    assert world.head("daypass/renew") != head


def test_main_that_has_moved_is_a_conflict_and_nothing_is_sent(world: World) -> None:
    world.opened("alice")
    old = world.main()
    new = world.push("carol", "main", {"x": "y\n"})
    world.double.calls.clear()
    fails(lambda: merge(world, base=old), ConflictError, f"main stands at {new[:12]}, expected {old[:12]}")
    assert changes(world) == []


def test_a_head_that_has_moved_is_a_conflict(world: World) -> None:
    world.opened("alice")
    old = world.head("wanted")
    world.push("alice", "wanted", {"grants/more.yaml": "x\n"})
    fails(
        lambda: merge(world, head=old),
        ConflictError,
        "#1 was not merged: Head branch was modified. Review and try the merge again.",
    )


def test_what_does_not_apply_to_main_is_refused(world: World) -> None:
    world.opened("alice")
    world.push("carol", "main", {GRANT: "carol's\n"})
    fails(lambda: merge(world), NoMergeError, "GitHub's rules do not let #1 be merged: Pull Request is not mergeable")


def test_what_the_rules_forbid_is_told_with_githubs_reason(world: World) -> None:
    world.opened("alice")
    world.double.protect(world.repo)
    with pytest.raises(
        EdgeError, match=r"^GitHub's rules do not let #1 be merged: Repository rule violations found"
    ) as caught:
        merge(world)
    assert caught.value.hint == "see what the repository's rules ask for; `daypass doctor` reads them"


def test_a_merge_that_github_was_not_ready_for_is_sent_again(world: World) -> None:
    """It says so for a moment after another merge: https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request."""
    world.opened("alice")
    fault = world.double.faults.not_ready(times=3)
    assert merge(world).commit == world.main()
    assert fault.hits == 3
    assert world.waits == [1.0, 2.0, 3.0]


def test_a_merge_that_github_is_never_ready_for_is_given_up(world: World) -> None:
    world.opened("alice")
    fault = world.double.faults.not_ready(times=99)
    said = "GitHub's rules do not let #1 be merged: Base branch was modified. Review and try the merge again."
    fails(lambda: merge(world), NoMergeError, said)
    assert fault.hits == 4


def test_a_merge_is_not_sent_again_once_main_has_moved(world: World) -> None:
    world.opened("alice")
    fault, old = world.double.faults.not_ready(times=99), world.main()
    forge = world.forge("bob")
    sent = forge._api.send

    def meanwhile(*words, **more):
        try:
            return sent(*words, **more)
        finally:
            world.push("carol", "main", {"x": "y\n"})

    forge._api.send = meanwhile
    with pytest.raises(ConflictError, match="main stands at"):
        forge.merge(1, head=world.head("wanted"), base=old, message="x", at=AT)
    assert fault.hits == 1


def test_a_draft_is_not_merged(world: World) -> None:
    world.push("alice", "wanted")
    world.open_branch("alice", "wanted", draft=True)
    fails(lambda: merge(world), EdgeError, "GitHub's rules do not let #1 be merged: Pull Request is still a draft")


def test_a_token_that_may_not_merge_is_told(world: World) -> None:
    world.opened("alice")
    world.double.faults.add("PUT", f"{ROOT}/pulls/1/merge", status=403, body={"message": "Must have push access"})
    hint = fails(lambda: merge(world), NoMergeError, "GitHub refused to merge #1 (403): Must have push access")
    assert "docs/github.md" in hint


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 422, 451])
def test_a_merge_that_is_refused_is_a_refusal_whatever_its_status(world: World, status: int) -> None:
    world.opened("alice")
    world.double.faults.add("PUT", f"{ROOT}/pulls/1/merge", status=status, body={"message": "Not like this"})
    with pytest.raises(NoMergeError, match="Not like this"):
        merge(world)


def test_a_rate_limit_and_a_token_that_ended_are_no_refusal_of_the_request(world: World) -> None:
    world.opened("alice")
    world.double.faults.secondary_limit("PUT", f"{ROOT}/pulls/1/merge", retry_after=3600)
    world.double.faults.add("PUT", f"{ROOT}/pulls/1/merge", status=401, body={"message": "Bad credentials"})
    for said in ("rate limit", "Bad credentials"):
        with pytest.raises(ApiError, match=said):
            merge(world)


def test_a_refusal_after_main_moved_is_a_lost_race(world: World) -> None:
    world.opened("alice")
    world.double.faults.add(
        "PUT", f"{ROOT}/pulls/1/merge", status=405, body={"message": "Pull Request is not mergeable"}
    )
    forge, old = world.forge("bob"), world.main()
    sent = forge._api.send

    def meanwhile(*words, **more):
        world.push("carol", "main", {"x": "y\n"})
        return sent(*words, **more)

    forge._api.send = meanwhile
    with pytest.raises(ConflictError, match="main stands at"):
        forge.merge(1, head=world.head("wanted"), base=old, message="x", at=AT)


@pytest.mark.parametrize("how", ["no_answer", "half_answer", "server_error"])
def test_a_merge_whose_answer_is_lost_is_looked_for_and_never_sent_twice(world: World, how: str) -> None:
    world.opened("alice")
    path = f"{ROOT}/pulls/1/merge"
    getattr(world.double.faults, how)("PUT", path, **({"after_effect": True} if how == "server_error" else {}))
    made = merge(world)
    assert made.commit == world.main()
    assert len([call for call in world.double.calls if call.path == path and call.kind != "fault"]) == 1


def test_a_merge_that_did_not_come_about_is_an_error_and_not_sent_again(world: World) -> None:
    world.opened("alice")
    world.double.faults.server_error("PUT", f"{ROOT}/pulls/1/merge")
    base = world.main()
    hint = fails(
        lambda: merge(world),
        EdgeError,
        "GitHub did not say whether #1 was merged, and shows it as not merged: "
        f"GitHub answered 502 to PUT {ROOT}/pulls/1/merge: Server Error",
    )
    assert hint == "run the command again"
    assert world.main() == base
    assert world.waits == [1.0, 2.0, 3.0]


def test_a_merge_that_shows_a_moment_late_is_waited_for(world: World) -> None:
    world.opened("alice")
    world.double.faults.stale(f"{ROOT}/pulls/1", times=2)
    assert merge(world).commit == world.main()
    assert world.waits == [1.0, 2.0]


def test_a_merge_that_never_shows_is_an_error(world: World) -> None:
    world.opened("alice")
    world.double.faults.stale(f"{ROOT}/pulls/1", times=9)
    fails(lambda: merge(world), EdgeError, "GitHub took the merge of #1 and does not show it")


def test_a_merge_at_another_head_by_somebody_else_meanwhile_is_a_conflict(world: World) -> None:
    world.opened("alice")
    old = world.head("wanted")
    world.push("alice", "wanted", {"grants/more.yaml": "x\n"})
    world.squashed(1, "carol")
    world.double.faults.server_error("PUT", f"{ROOT}/pulls/1/merge")
    fails(
        lambda: merge(world, head=old), ConflictError, "pull request 1 was merged at another head, or to another branch"
    )


def test_a_base_that_was_changed_under_the_merge_is_a_conflict(world: World) -> None:
    world.opened("alice")
    world.push("carol", "release", {"x": "y\n"})
    world.ask("alice", "PATCH", "/pulls/1", {"base": "release"})
    base = world.main()
    fails(lambda: merge(world), ConflictError, "pull request 1 was merged at another head, or to another branch")
    assert world.main() == base


def test_the_merge_carries_the_main_that_it_really_met(world: World) -> None:
    """Nothing binds a merge to main: what came between is seen afterwards, and judged by the applier."""
    world.opened("alice")
    judged = world.main()
    forge, head = world.forge("bob"), world.head("wanted")
    forge._remote.heads = lambda *branches: {"main": judged}
    between = world.push("carol", "main", {"x": "y\n"})
    assert forge.merge(1, head=head, base=judged, message=MESSAGE, at=AT).base == between


def read_and_merge(world: World, meanwhile: Callable[[], object] = lambda: None) -> tuple[Merge, list[str]]:
    """Merge as the App's gate does, which has read the request; return what became of it, and the calls that it took."""
    forge, base = world.forge(), world.main()
    head = forge.pull(1).head
    meanwhile()
    before = len(world.double.calls)
    made = forge.merge(1, head=head, base=base, message=MESSAGE, at=AT)
    return made, [f"{call.method} {call.path}" for call in world.double.calls[before:] if call.template]


def test_a_request_that_was_read_is_merged_by_one_call(world: World) -> None:
    world.opened("alice")
    base, head = world.main(), world.head("wanted")
    made, calls = read_and_merge(world)
    assert calls == [f"PUT {ROOT}/pulls/1/merge"]
    assert (made.commit, made.base, made.head) == (world.main(), base, head)
    assert made == world.forge().pull(1).merge  # as GitHub's record has it


def test_a_branch_of_ours_is_tidied_away_at_no_call(world: World) -> None:
    world.opened("alice", "daypass/renew")
    _, calls = read_and_merge(world)
    assert calls == [f"PUT {ROOT}/pulls/1/merge"]
    assert world.bare("for-each-ref", "--format=%(refname)", "refs/heads/") == "refs/heads/main"


def test_a_base_that_was_changed_after_the_request_was_read_is_a_conflict(world: World) -> None:
    world.opened("alice")
    base = world.main()
    world.push("carol", "release", {"x": "y\n"})
    with pytest.raises(ConflictError, match="pull request 1 was merged at another head, or to another branch"):
        read_and_merge(world, lambda: world.ask("alice", "PATCH", "/pulls/1", {"base": "release"}))
    assert world.main() == base


def test_a_head_that_moved_after_the_request_was_read_is_a_conflict(world: World) -> None:
    world.opened("alice")
    with pytest.raises(ConflictError, match="Head branch was modified"):
        read_and_merge(world, lambda: world.push("alice", "wanted", {"grants/more.yaml": "x\n"}))


def test_what_landed_on_top_of_a_merge_has_it_read_from_githubs_record(world: World) -> None:
    world.opened("alice")
    forge, base = world.forge(), world.main()
    head = forge.pull(1).head
    sent, on_top = forge._api.send, []

    def meanwhile(*words, **more):
        try:
            return sent(*words, **more)
        finally:
            on_top.append(world.push("carol", "main", {"x": "y\n"}))

    forge._api.send = meanwhile
    made = forge.merge(1, head=head, base=base, message=MESSAGE, at=AT)
    assert world.main() == on_top[0]
    assert made == world.forge().pull(1).merge
    assert made.base == base


# Close


def test_closing_says_why(world: World) -> None:
    number = world.opened("alice")
    world.forge("app").close(number, reason="nobody answered within 7d", at=AT)
    assert world.ask("bob", "GET", f"/pulls/{number}")["state"] == "closed"
    assert [comment.body for comment in world.repo.comments.values()] == ["Closed: nobody answered within 7d."]
    assert world.head("wanted")


@pytest.mark.parametrize("how", ["no_answer", "server_error"])
def test_a_closing_whose_answers_are_lost_comes_about_with_one_comment(world: World, how: str) -> None:
    number = world.opened("alice")
    for method, path in (("POST", f"{ROOT}/issues/{number}/comments"), ("PATCH", f"{ROOT}/pulls/{number}")):
        getattr(world.double.faults, how)(method, path, after_effect=True)
    world.forge("app").close(number, reason="late", at=AT)
    assert world.ask("bob", "GET", f"/pulls/{number}")["state"] == "closed"
    assert len(world.repo.comments) == 1


def test_a_closing_that_was_cut_off_says_why_once(world: World) -> None:
    number = world.opened("alice")
    body = {"message": "Server Error"}
    world.double.faults.add("PATCH", f"{ROOT}/pulls/{number}", status=500, body=body, times=9)
    with pytest.raises(EdgeError):
        world.forge("app").close(number, reason="late", at=AT)
    world.double.faults.clear()
    world.forge("app").close(number, reason="late", at=AT)
    assert world.ask("bob", "GET", f"/pulls/{number}")["state"] == "closed"
    assert [comment.body for comment in world.repo.comments.values()] == ["Closed: late."]


def test_what_is_merged_is_not_closed(world: World) -> None:
    number = world.opened("alice")
    world.squashed(number)
    fails(
        lambda: world.forge("app").close(number, reason="x", at=AT),
        ConflictError,
        f"pull request {number} is merged already",
    )


def test_a_comment_that_github_refuses_keeps_it_open(world: World) -> None:
    number = world.opened("alice")
    world.double.faults.add("POST", f"{ROOT}/issues/{number}/comments", status=403, body={"message": "no"})
    with pytest.raises(ApiError, match="GitHub answered 403"):
        world.forge("app").close(number, reason="x", at=AT)
    assert world.ask("bob", "GET", f"/pulls/{number}")["state"] == "open"


# Commit


def put(world: World, *files: tuple[str, bytes | None], branch: str = "daypass/new", parent: str = "") -> Oid:
    forge = world.forge("app")
    forge._remote.bring("main")
    return forge.commit(branch=branch, parent=Oid(parent or world.main()), files=files, message="Remove it", at=AT)


def test_files_are_put_and_taken_out_on_a_new_branch(world: World) -> None:
    made = put(world, ("grants/new.yaml", "ünïcödé\n".encode()), ("grants/old.yaml", None))
    assert made == world.head("daypass/new")
    assert world.bare("log", "-1", "--format=%P %s", made) == f"{world.main()} Remove it"
    listed = world.bare("ls-tree", "-r", "--name-only", made).split()
    assert listed == ["README.md", "grants/new.yaml"]
    assert world.bare("show", f"{made}:grants/new.yaml") == "ünïcödé"


def test_what_is_no_text_is_committed_byte_for_byte(world: World) -> None:
    made = put(world, ("grants/raw", b"\xff\x00\xfe"))
    blob = world.bare("rev-parse", f"{made}:grants/raw")
    assert blob == world.git.run("hash-object", "--stdin", stdin=b"\xff\x00\xfe").decode().strip()


def test_many_files_are_sent_in_pieces(world: World) -> None:
    files = tuple((f"grants/many/{number}.yaml", b"x\n") for number in range(1001))
    made = put(world, *files)
    assert len(world.bare("ls-tree", "-r", "--name-only", made).split()) == 1003
    assert len([line for line in changes(world) if line.endswith("/git/trees")]) == 3


def test_a_branch_of_ours_is_made_anew(world: World) -> None:
    first = put(world, ("a", b"1\n"))
    second = put(world, ("b", b"2\n"))
    assert world.head("daypass/new") == second != first
    assert world.bare("rev-parse", f"{second}^") == world.main()


WORKFLOW = ".github/workflows/ci.yml"


def test_a_branch_of_ours_that_may_not_move_over_a_change_of_workflows_is_made_anew(world: World) -> None:
    """https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps: no permission `workflows`."""
    first = put(world, ("a", b"1\n"))
    number = world.forge("app").open(branch="daypass/new", head=first, title="x", at=AT).number
    world.push("carol", "main", {WORKFLOW: "on: push\n"})
    second = put(world, ("b", b"2\n"))
    assert world.head("daypass/new") == second
    assert world.bare("rev-parse", f"{second}^") == world.main()
    assert "DELETE /repos/acme/access/git/refs/heads/daypass/new" in changes(world)
    forge = world.forge("app")
    assert forge.pull(number).state == "closed"
    assert forge.open(branch="daypass/new", head=second, title="x", at=AT).number == number + 1


def test_somebody_elses_branch_is_never_made_anew(world: World) -> None:
    there = world.push("alice", "wanted")
    world.push("carol", "main", {WORKFLOW: "on: push\n"})
    world.double.faults.add(
        "PATCH", f"{ROOT}/git/refs/heads/wanted", status=403, body={"message": f"refusing `{WORKFLOW}`"}
    )
    world.forge("app")._remote.bring("wanted")
    with pytest.raises(ApiError, match="refusing"):
        put(world, ("a", b"1\n"), branch="wanted", parent=there)
    assert world.head("wanted") == there


def test_a_refusal_of_another_kind_deletes_nothing(world: World) -> None:
    first = put(world, ("a", b"1\n"))
    world.double.faults.add(
        "PATCH", f"{ROOT}/git/refs/heads/daypass/new", status=403, body={"message": "Repository was archived"}
    )
    with pytest.raises(ApiError, match="archived"):
        put(world, ("b", b"2\n"))
    assert world.head("daypass/new") == first


def test_another_branch_must_stand_at_the_parent(world: World) -> None:
    there = world.push("alice", "wanted")
    fails(
        lambda: put(world, ("a", b"1\n"), branch="wanted"),
        ConflictError,
        f"branch 'wanted' stands at {there[:12]}, expected {world.main()[:12]}",
    )
    world.forge("app")._remote.bring("wanted")
    assert world.bare("rev-parse", f"{put(world, ('a', b'1'), branch='wanted', parent=there)}^") == there


@pytest.mark.parametrize("how", ["no_answer", "server_error"])
@pytest.mark.parametrize("again", [False, True])
def test_a_commit_whose_answers_are_lost_comes_about_once(world: World, how: str, again: bool) -> None:
    if again:
        put(world, ("a", b"1\n"))
    for method, path in (("POST", "git/trees"), ("POST", "git/commits"), ("*", "git/refs.*")):
        getattr(world.double.faults, how)(method, f"{ROOT}/{path}", after_effect=True)
    made = put(world, ("b", b"2\n"))
    assert made == world.head("daypass/new")


def test_a_branch_that_somebody_made_meanwhile_is_a_conflict(world: World) -> None:
    there = world.push("carol", "daypass/new")
    world.double.faults.add("GET", f"{ROOT}/git/ref/heads/daypass/new", status=404, body={"message": "Not Found"})
    fails(
        lambda: put(world, ("a", b"1\n")),
        ConflictError,
        f"branch 'daypass/new' stands at {there[:12]}, expected {ABSENT[:12]}",
    )


def test_a_branch_that_cannot_be_pointed_is_an_error(world: World) -> None:
    world.double.faults.server_error("POST", f"{ROOT}/git/refs")
    fails(lambda: put(world, ("a", b"1\n")), ApiError, f"GitHub answered 502 to POST {ROOT}/git/refs: Server Error")
    world.double.faults.add("POST", f"{ROOT}/git/refs", status=403, body={"message": "no"})
    fails(lambda: put(world, ("a", b"1\n")), ApiError, f"GitHub answered 403 to POST {ROOT}/git/refs: no")


def test_what_an_app_commits_is_signed_by_github_and_its_machine_is_known(world: World) -> None:
    made = put(world, ("a", b"1\n"))
    assert made in world.repo.signed
    addresses = set(world.bare("log", "-1", "--format=%ae%n%ce", made).lower().split())
    number = world.forge("app").open(branch="daypass/new", head=made, title="x", at=AT).number
    assert addresses <= world.forge("app").pull(number).machines
