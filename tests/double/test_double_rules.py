"""Rulesets and branch protection of the double bind as GitHub documents them."""

from __future__ import annotations

import pytest

from github_double import Bypass, Rule
from github_double.state import CheckRun


def _merge(visitor, path, expect=None, method="squash"):
    return visitor.send("PUT", f"{path}/merge", {"merge_method": method}, expect=expect)


@pytest.fixture
def alice(world, visit):
    return visit(world.alice, clone=world.repo)


@pytest.fixture
def pull(world, alice):
    return f"{world.path}/pulls/{alice.propose(world.repo, 'ask', {'grants/prod/x.yaml': '1'})}"


def test_a_team_can_be_required_for_some_files(hub, world, alice, visit, pull):
    """https://github.blog/changelog/2026-02-17-required-reviewer-rule-is-now-generally-available/."""
    security = hub.team(world.repo.owner, "security", [hub.user("sam")])
    world.repo.team(security, "write")
    asked = {
        "file_patterns": ["grants/prod/**"],
        "minimum_approvals": 1,
        "reviewer": {"id": security.id, "type": "Team"},
    }
    hub.ruleset(world.repo, "teams", [Rule("pull_request", {"required_reviewers": [asked]})], include=["~ALL"])
    visit(world.bob).send("POST", f"{pull}/reviews", {"event": "APPROVE"})
    assert "A required team review is missing." in _merge(alice, pull, 405)["message"]
    visit(hub.account("sam")).send("POST", f"{pull}/reviews", {"event": "APPROVE"})
    _merge(alice, pull)


def test_a_strict_check_wants_the_head_up_to_date(hub, world, alice, pull):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-protected-branches/about-protected-branches#require-status-checks-before-merging."""
    checks = {"strict_required_status_checks_policy": True, "required_status_checks": [{"context": "check"}]}
    hub.ruleset(world.repo, "checks", [Rule("required_status_checks", checks)], include=["~DEFAULT_BRANCH"])
    head = alice.get(pull)["head"]["sha"]
    run = CheckRun(hub.next_id(), "check", head, hub.actions_app, "completed", "failure")
    world.repo.checks[run.id] = run
    assert 'Required status check "check" has not succeeded.' in _merge(alice, pull, 405)["message"]
    run.conclusion = "skipped"  # which counts as success, as documented
    hub.seed(world.repo, {"elsewhere": "1\n"})
    assert "not up to date" in _merge(alice, pull, 405)["message"]


@pytest.mark.parametrize(("admins_too", "status"), [(True, 405), (False, 200)])
def test_classic_protection_binds_administrators_only_where_it_says_so(hub, world, visit, pull, admins_too, status):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-protected-branches/about-protected-branches#do-not-allow-bypassing-the-above-settings."""
    olga = hub.user("olga")
    world.repo.collaborate(olga, "admin")
    world.repo.protections["main"] = {
        "required_pull_request_reviews": {"required_approving_review_count": 1}, "enforce_admins": admins_too,
        "required_status_checks": None, "restrictions": None, "required_linear_history": True,
    }  # fmt: skip
    admin = visit(olga, clone=world.repo)
    admin.commit({"b": "1\n"})
    assert (admin.git("push", "origin", "main", check=False).returncode == 0) is (not admins_too)
    _merge(admin, pull, status)


def test_a_linear_history_has_no_merge_commits(hub, world, alice, pull):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#require-linear-history."""
    hub.ruleset(world.repo, "linear", [Rule("required_linear_history")], include=["main"])
    assert "must not contain merge commits" in _merge(alice, pull, 405, "merge")["message"]
    _merge(alice, pull, method="rebase")


def test_rulesets_add_up_and_only_active_ones_count(hub, world, alice, pull):
    """https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/about-rulesets."""
    one = hub.protect(world.repo, approvals=0, code_owners=False, last_push=False)
    two = hub.protect(world.repo, approvals=2, code_owners=False, last_push=False)
    assert "At least 2 approving reviews are required" in _merge(alice, pull, 405)["message"]
    two.enforcement = "evaluate"
    two.exclude, one.include = ["refs/heads/main"], ["refs/heads/ma*"]
    _merge(alice, pull)


@pytest.mark.parametrize("kind", ["User", "Team", "RepositoryRole", "OrganizationAdmin"])
def test_each_kind_of_bypass_is_for_those_it_names(hub, world, visit, kind):
    """https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset (bypass_actors)."""
    org, olga = world.repo.owner, hub.user("olga")
    world.repo.collaborate(olga, "admin")
    org.members[olga.id] = "admin"
    team = hub.team(org, "owners", [])
    team.members[olga.id] = "member"
    named = {"User": olga.id, "Team": team.id, "RepositoryRole": 5, "OrganizationAdmin": 1}[kind]
    hub.protect(world.repo, bypass=[Bypass(kind, named)])
    for person, passes in ((olga, True), (world.bob, False)):
        visitor = visit(person, clone=world.repo)
        visitor.commit({person.login: "1\n"})
        assert (visitor.git("push", "origin", "main", check=False).returncode == 0) is passes


def test_an_app_without_the_permission_changes_no_workflow_by_any_way(hub, world, visit):
    """https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/choosing-permissions-for-a-github-app."""
    names = {"contents": "write", "pull_requests": "write"}
    app = hub.app("robot", permissions=names, repositories=["acme/access"])
    robot = visit(hub.installation_token(app))
    tip = robot.get(f"{world.path}/git/ref/heads/main")["object"]["sha"]
    entry = {"path": ".github/workflows/x.yml", "mode": "100644", "content": "on: push\n"}
    tree = robot.send("POST", f"{world.path}/git/trees", {"base_tree": tip, "tree": [entry]})
    made = robot.send("POST", f"{world.path}/git/commits", {"message": "m", "tree": tree["sha"], "parents": [tip]})
    refused = robot.send("POST", f"{world.path}/git/refs", {"ref": "refs/heads/x", "sha": made["sha"]}, expect=403)
    assert "without `workflows` permission" in refused["message"]
    alice = visit(world.alice, clone=world.repo)
    number = alice.propose(world.repo, "ask", {".github/workflows/x.yml": "on: push\n"})
    _merge(robot, f"{world.path}/pulls/{number}", 403)
    app.permissions["workflows"] = "write"
    _merge(visit(hub.installation_token(app)), f"{world.path}/pulls/{number}")


def test_a_pull_request_of_many_files_is_listed_up_to_the_limit(hub, world, alice):
    """https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files (at most 3,000)."""
    files = {f"grants/many/{n}.yaml": f"{n}\n" for n in range(3100)}
    number = alice.propose(world.repo, "many", files)
    assert alice.get(f"{world.path}/pulls/{number}")["changed_files"] == 3100
    last = alice.ask("GET", f"{world.path}/pulls/{number}/files", per_page=100, page=30)
    assert len(last.json()) == 100
    assert "next" not in last.links
