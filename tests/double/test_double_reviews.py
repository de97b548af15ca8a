"""Reviews and rules of the double behave as GitHub documents them."""

from __future__ import annotations

import pytest

from github_double import Bypass, Rule


@pytest.fixture
def asked(hub, world, visit):
    """A protected main, alice's pull request, and both writers with clones."""
    hub.protect(world.repo, code_owners=False)
    world.a, world.b = visit(world.alice, clone=world.repo), visit(world.bob, clone=world.repo)
    world.number = world.a.propose(world.repo, "ask", {"grants/orders-db/two.yaml": "a\n"})
    world.pull = f"{world.path}/pulls/{world.number}"
    return world


def _merge(visitor, world, expect=None, **more):
    return visitor.send("PUT", f"{world.pull}/merge", {"merge_method": "squash", **more}, expect=expect)


def test_nobody_approves_their_own(asked):
    """https://docs.github.com/en/rest/pulls/reviews#create-a-review-for-a-pull-request."""
    said = asked.a.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE"}, expect=422)
    assert said["errors"] == ["Can not approve your own pull request"]
    asked.a.send("POST", f"{asked.pull}/reviews", {"event": "COMMENT", "body": "mine"})


def test_a_review_is_given_on_a_commit_and_stays_on_it(asked):
    """https://docs.github.com/en/rest/pulls/reviews#create-a-review-for-a-pull-request (commit_id)."""
    first = asked.a.get(asked.pull)["head"]["sha"]
    asked.a.commit({"x": "1\n"})
    asked.a.git("push", "-q", "origin", "ask")
    given = asked.b.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE", "commit_id": first})
    assert (given["state"], given["commit_id"], given["user"]["id"]) == ("APPROVED", first, 102)
    asked.b.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE", "commit_id": "0" * 40}, expect=422)


def test_without_an_approval_no_merge_with_one_a_squash_by_the_author(asked, hub):
    """https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request."""
    said = _merge(asked.b, asked, 405)
    assert "At least 1 approving review is required by reviewers with write access." in said["message"]
    asked.b.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE"})
    head = asked.a.get(asked.pull)["head"]["sha"]
    assert _merge(asked.b, asked, 409, sha="1" * 40)["message"].startswith("Head branch was modified")
    done = _merge(asked.b, asked, sha=head, commit_title="One grant", commit_message="Grant: two")
    commit = asked.a.get(f"{asked.path}/commits/{done['sha']}")
    assert commit["commit"]["message"] == "One grant\n\nGrant: two"
    assert (commit["author"]["login"], commit["committer"]["login"], len(commit["parents"])) == ("alice", "web-flow", 1)
    assert commit["commit"]["verification"]["verified"] is True
    pull = asked.a.get(asked.pull)
    assert (pull["merged"], pull["merge_commit_sha"], pull["merged_by"]["login"]) == (True, done["sha"], "bob")
    assert [p["number"] for p in asked.a.get(f"{asked.path}/commits/{done['sha']}/pulls")] == [asked.number]
    assert asked.a.get(f"{asked.path}/activity", ref="refs/heads/main")[0]["activity_type"] == "pr_merge"
    assert _merge(asked.b, asked, 405)["message"] == "Pull Request is not mergeable"


def test_a_push_takes_approvals_away_and_says_who_pushed(asked):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#require-a-pull-request-before-merging (stale)."""
    given = asked.b.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE"})
    asked.a.commit({"grants/orders-db/two.yaml": "more\n"})
    asked.a.git("push", "-q", "origin", "ask")
    assert [r["state"] for r in asked.a.get(f"{asked.pull}/reviews")] == ["DISMISSED"]
    [event] = [e for e in asked.a.get(f"{asked.path}/issues/{asked.number}/events") if e["event"] == "review_dismissed"]
    assert event["dismissed_review"]["review_id"] == given["id"]
    assert (event["dismissed_review"]["state"], event["actor"]["login"]) == ("approved", "alice")


def test_a_push_that_changes_nothing_to_review_leaves_approvals(asked, hub):
    """As above: a merge of the base into the head, say."""
    asked.b.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE"})
    hub.seed(asked.repo, {"elsewhere": "1\n"})
    asked.a.send("PUT", f"{asked.pull}/update-branch")
    assert [r["state"] for r in asked.a.get(f"{asked.pull}/reviews")] == ["APPROVED"]
    _merge(asked.b, asked)


def test_the_last_pusher_cannot_be_the_one_who_approves(asked, world, visit, hub):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#require-approval-of-the-most-recent-reviewable-push."""
    asked.b.git("fetch", "-q", "origin")
    asked.b.git("checkout", "-q", "ask")
    asked.b.commit({"grants/orders-db/two.yaml": "bob's\n"})
    asked.b.git("push", "-q", "origin", "ask")
    asked.b.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE"})
    assert "someone other than the last pusher" in _merge(asked.a, asked, 405)["message"]


def test_a_reader_may_approve_and_it_does_not_count(asked, visit):
    """https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/reviewing-changes-in-pull-requests/about-pull-request-reviews."""
    rita = visit(asked.rita)
    assert rita.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE"})["state"] == "APPROVED"
    assert "At least 1 approving review" in _merge(asked.b, asked, 405)["message"]
    rita.send("PUT", f"{asked.pull}/reviews/1/dismissals", {"message": "x"}, expect=403)


def test_requested_changes_block_until_dismissed(asked, visit, hub):
    """https://docs.github.com/en/rest/pulls/reviews#dismiss-a-review-for-a-pull-request."""
    carol = hub.user("carol")
    asked.repo.collaborate(carol, "write")
    c = visit(carol)
    said = c.send("POST", f"{asked.pull}/reviews", {"event": "REQUEST_CHANGES", "body": "no"})
    asked.b.send("POST", f"{asked.pull}/reviews", {"event": "APPROVE"})
    assert "Changes have been requested" in _merge(asked.b, asked, 405)["message"]
    gone = asked.b.send("PUT", f"{asked.pull}/reviews/{said['id']}/dismissals", {"message": "away", "event": "DISMISS"})
    assert gone["state"] == "DISMISSED"
    asked.b.send("PUT", f"{asked.pull}/reviews/{said['id']}/dismissals", {"message": "again"}, expect=422)
    _merge(asked.b, asked)


def test_code_owners_are_those_of_the_base_and_the_last_match_wins(hub, world, visit):
    """https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners."""
    org = world.repo.owner
    carol = hub.user("carol")
    dba = hub.team(org, "dba", [carol])
    world.repo.team(dba, "write")
    hub.seed(world.repo, {".github/CODEOWNERS": "* @bob\n/grants/orders-db/ @acme/dba # theirs\n"})
    hub.protect(world.repo, dismiss_stale=False, last_push=False)
    a, b, c = (visit(u, clone=world.repo) for u in (world.alice, world.bob, carol))
    lines = "* @alice @bob\n"
    world.number = a.propose(world.repo, "ask", {"grants/orders-db/two.yaml": "1\n", ".github/CODEOWNERS": lines})
    world.pull = f"{world.path}/pulls/{world.number}"
    asked = a.get(f"{world.pull}/requested_reviewers")
    assert ([u["login"] for u in asked["users"]], [t["slug"] for t in asked["teams"]]) == (["bob"], ["dba"])
    b.send("POST", f"{world.pull}/reviews", {"event": "APPROVE"})
    assert "Waiting on code owner review." in _merge(b, world, 405)["message"]
    c.send("POST", f"{world.pull}/reviews", {"event": "APPROVE"})
    _merge(b, world)


def test_a_required_check_must_be_green_from_its_app(hub, world, visit):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#require-status-checks-to-pass-before-merging."""
    from github_double.state import CheckRun

    hub.protect(world.repo, approvals=0, code_owners=False, last_push=False, checks=[("check", 15368)])
    a = visit(world.alice, clone=world.repo)
    world.number = a.propose(world.repo, "ask", {"a": "1\n"})
    world.pull = f"{world.path}/pulls/{world.number}"
    assert 'Required status check "check" is expected.' in _merge(a, world, 405)["message"]
    head = a.get(world.pull)["head"]["sha"]
    other = hub.app("other", permissions={"checks": "write"}, repositories=["acme/access"])
    for app, goes in ((other, 405), (hub.actions_app, 200)):
        run = CheckRun(hub.next_id(), "check", head, app, "completed", "success")
        world.repo.checks[run.id] = run
        _merge(a, world, goes)


@pytest.mark.parametrize(("mode", "goes"), [("always", 200), ("pull_request", 200), (None, 405)])
def test_only_named_actors_bypass(hub, world, visit, mode, goes):
    """https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset (bypass_actors)."""
    app = hub.app("robot", permissions={"contents": "write", "pull_requests": "write"}, repositories=["acme/access"])
    hub.protect(world.repo, bypass=[Bypass("Integration", app.id, mode)] if mode else [])
    a = visit(world.alice, clone=world.repo)
    world.number = a.propose(world.repo, "ask", {"a": "1\n"})
    world.pull = f"{world.path}/pulls/{world.number}"
    robot = visit(hub.installation_token(app))
    _merge(robot, world, goes)
    robot.folder.mkdir(parents=True)
    robot.clone(world.repo)
    robot.commit({"direct": "1\n"})
    pushed = robot.git("push", "-q", "origin", "main", check=False)
    assert (pushed.returncode == 0) == (mode == "always")


def test_merge_and_rebase_land_as_git_makes_them(hub, world, visit):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/about-merge-methods-on-github."""
    a = visit(world.alice, clone=world.repo)
    b = visit(world.bob)
    for method in ("merge", "rebase"):
        number = a.propose(world.repo, method, {method: "1\n"}, title=method)
        second = a.commit({method: "2\n"}, "second")
        a.git("push", "-q", "origin", method)
        done = b.send("PUT", f"{world.path}/pulls/{number}/merge", {"merge_method": method})
        commit = a.get(f"{world.path}/commits/{done['sha']}")
        assert commit["commit"]["verification"]["verified"] is (method == "merge")
        assert len(commit["parents"]) == (2 if method == "merge" else 1)
        assert commit["sha"] != second
        listed = a.get(f"{world.path}/commits/{done['sha']}/pulls")
        assert [p["number"] for p in listed] == [number]
    world.repo.methods = {"squash"}
    number = a.propose(world.repo, "third", {"third": "1\n"})
    said = b.send("PUT", f"{world.path}/pulls/{number}/merge", {"merge_method": "merge"}, expect=405)
    assert said["message"] == "Merge commits are not allowed on this repository."


def test_pushes_to_a_protected_branch_are_refused_and_others_pass(hub, world, visit):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#restrict-updates."""
    hub.protect(world.repo)
    a = visit(world.alice, clone=world.repo)
    a.commit({"a": "1\n"})
    said = a.git("push", "origin", "main", check=False)
    assert said.returncode != 0
    assert "Changes must be made through a pull request" in said.stderr
    a.git("push", "-q", "origin", "main:free")
    app = hub.app("robot", permissions={"contents": "write"}, repositories=["acme/access"])
    rules = [Rule("creation"), Rule("update"), Rule("deletion"), Rule("non_fast_forward")]
    hub.ruleset(world.repo, "ledger", rules, include=["refs/heads/ledger"], bypass=[Bypass("Integration", app.id)])
    assert a.git("push", "origin", "main:ledger", check=False).returncode != 0
    robot = visit(hub.installation_token(app), clone=world.repo)
    robot.git("push", "-q", "origin", "HEAD:ledger")
    assert "refs/heads/ledger" in a.git("ls-remote", "origin").stdout


def test_the_forward_only_rule_lets_fast_forwards_pass(hub, world, visit):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#block-force-pushes."""
    hub.ruleset(world.repo, "ledger", [Rule("non_fast_forward"), Rule("deletion")], include=["refs/heads/ledger"])
    a = visit(world.alice, clone=world.repo)
    a.git("push", "-q", "origin", "main:ledger")
    a.commit({"a": "1\n"})
    a.git("push", "-q", "origin", "main:ledger")
    said = a.git("push", "-f", "origin", "main~1:ledger", check=False)
    assert "Cannot force-push to this branch" in said.stderr
    assert a.git("push", "origin", ":ledger", check=False).returncode != 0
    assert "deny updating a hidden ref" in a.git("push", "origin", "main:refs/pull/9/head", check=False).stderr
