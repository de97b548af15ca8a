"""A repository's settings, rulesets and classic protection, as its administrators and others see them.

https://docs.github.com/en/rest/repos/repos#update-a-repository, https://docs.github.com/en/rest/repos/rules,
https://docs.github.com/en/rest/branches/branch-protection and https://docs.github.com/en/rest/actions/permissions
"""

from __future__ import annotations

import pytest

from github_double import Bypass, Rule

REPO = "/repos/acme/access"


@pytest.fixture
def admin(hub, world, visit):
    world.repo.collaborate(olga := hub.user("olga", 100), "admin")
    return visit(olga)


def ruleset(**more):
    conditions = {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}}
    return {"name": "main", "enforcement": "active", "conditions": conditions, "rules": [{"type": "deletion"}], **more}


def test_merge_settings_are_changed_by_administrators(world, visit, admin):
    before = admin.get(REPO)
    assert (before["allow_merge_commit"], before["squash_merge_commit_message"]) == (True, "COMMIT_MESSAGES")
    wanted = {
        "allow_merge_commit": False, "allow_rebase_merge": False, "squash_merge_commit_title": "PR_TITLE",
        "squash_merge_commit_message": "BLANK", "delete_branch_on_merge": True, "allow_auto_merge": True,
        "allow_forking": False,
    }  # fmt: skip
    answered = admin.send("PATCH", REPO, wanted)
    assert {name: answered[name] for name in wanted} == wanted
    assert admin.get(REPO)["allow_squash_merge"] is True
    refused = visit(world.alice).ask("PATCH", REPO, {"allow_forking": True})
    assert (refused.status_code, refused.json()["message"]) == (403, "Must have admin rights to Repository.")


def test_merge_settings_are_told_to_those_who_write_only(world, visit):
    assert "allow_squash_merge" in visit(world.alice).get(REPO)
    assert "allow_squash_merge" not in visit(world.rita).get(REPO)


@pytest.mark.parametrize(
    "body",
    [
        {"allow_merge_commit": False, "allow_squash_merge": False, "allow_rebase_merge": False},
        {"squash_merge_commit_title": "COMMIT_OR_PR_TITLE", "squash_merge_commit_message": "BLANK"},
    ],
)
def test_settings_that_make_no_sense_are_refused(admin, body):
    assert admin.ask("PATCH", REPO, body).status_code == 422
    assert admin.get(REPO)["allow_squash_merge"] is True


def test_visibility_issues_and_archiving(world, visit, admin, hub):
    stranger = visit(hub.user("sam", 900))
    assert stranger.ask("GET", REPO).status_code == 404
    admin.send("PATCH", REPO, {"private": False, "has_issues": False})
    assert stranger.get(REPO)["visibility"] == "public"
    admin.send("PATCH", REPO, {"visibility": "private", "archived": True})
    assert stranger.ask("GET", REPO).status_code == 404
    assert visit(world.alice).ask("POST", f"{REPO}/labels", {"name": "x"}).status_code == 403


def test_rules_are_read_by_all_and_who_bypasses_them_by_administrators(world, visit, admin):
    made = admin.send("POST", f"{REPO}/rulesets", ruleset(
        bypass_actors=[{"actor_id": 77, "actor_type": "Integration", "bypass_mode": "always"}]
    ), expect=201)  # fmt: skip
    path = f"{REPO}/rulesets/{made['id']}"
    assert made["bypass_actors"][0]["actor_id"] == 77
    assert admin.get(path)["bypass_actors"] == made["bypass_actors"]
    seen = visit(world.rita).get(path)
    assert "bypass_actors" not in seen
    assert seen["rules"] == [{"type": "deletion"}]
    [listed] = visit(world.rita).get(f"{REPO}/rulesets")
    assert (listed["name"], "rules" in listed) == ("main", False)
    assert visit(world.alice).ask("POST", f"{REPO}/rulesets", ruleset(name="mine")).status_code == 403


def test_a_reading_administrations_token_is_not_told_who_bypasses(world, visit, admin, hub):
    made = admin.send("POST", f"{REPO}/rulesets", ruleset(bypass_actors=[{"actor_type": "OrganizationAdmin"}]))
    holder = hub.account("olga")
    assert holder is not None
    reading = visit(holder, {"administration": "read"})
    writing = visit(holder, {"administration": "write"})
    assert "bypass_actors" not in reading.get(f"{REPO}/rulesets/{made['id']}")
    assert len(writing.get(f"{REPO}/rulesets/{made['id']}")["bypass_actors"]) == 1
    assert reading.ask("DELETE", f"{REPO}/rulesets/{made['id']}").status_code == 403


def test_whether_one_bypasses_is_told_to_oneself(world, visit, admin, hub):
    hub.ruleset(
        world.repo, "for bob", [Rule("deletion")], include=["main"], bypass=[Bypass("User", 102, "pull_request")]
    )
    own = [(who, visit(who).get(f"{REPO}/rulesets/{world.repo.rulesets[0].id}")["current_user_can_bypass"])
           for who in (world.alice, world.bob)]  # fmt: skip
    assert [each for _, each in own] == ["never", "pull_requests_only"]


def test_a_ruleset_is_changed_in_part_and_deleted(admin):
    made = admin.send("POST", f"{REPO}/rulesets", ruleset())
    path = f"{REPO}/rulesets/{made['id']}"
    changed = admin.send("PUT", path, {"enforcement": "disabled"})
    assert (changed["enforcement"], changed["rules"]) == ("disabled", [{"type": "deletion"}])
    assert admin.get(f"{REPO}/rules/branches/main") == []
    admin.send("PUT", path, {"enforcement": "active", "rules": [{"type": "creation"}, {"type": "update"}]})
    assert [one["type"] for one in admin.get(f"{REPO}/rules/branches/main")] == ["creation", "update"]
    admin.send("DELETE", path, expect=204)
    assert admin.ask("GET", path).status_code == 404


@pytest.mark.parametrize(
    "more",
    [
        {"name": "taken"}, {"enforcement": "sometimes"}, {"bypass_actors": [{"actor_type": "Everybody"}]},
        {"bypass_actors": [{"actor_type": "Team"}]},
        {"bypass_actors": [{"actor_type": "OrganizationAdmin", "bypass_mode": "often"}]},
    ],
)  # fmt: skip
def test_rulesets_that_make_no_sense_are_refused(admin, more):
    admin.send("POST", f"{REPO}/rulesets", ruleset(name="taken"))
    assert admin.ask("POST", f"{REPO}/rulesets", ruleset(**more)).status_code == 422


def test_an_organisations_rulesets_are_seen_and_not_changed_here(world, admin, hub):
    made = hub.ruleset(world.repo, "everywhere", [Rule("non_fast_forward")], include=["~ALL"])
    world.repo.rulesets.remove(made)
    made.source_type, made.source = "Organization", "acme"
    world.repo.owner.rulesets.append(made)
    [rule] = admin.get(f"{REPO}/rules/branches/any/branch")
    assert (rule["ruleset_source_type"], rule["ruleset_id"]) == ("Organization", made.id)
    assert [one["id"] for one in admin.get(f"{REPO}/rulesets")] == [made.id]
    assert admin.get(f"{REPO}/rulesets", includes_parents="false") == []
    assert admin.ask("PUT", f"{REPO}/rulesets/{made.id}", {"enforcement": "disabled"}).status_code == 404


def test_classic_protection_is_for_administrators_and_no_rule_of_the_branch(world, visit, admin):
    path = f"{REPO}/branches/main/protection"
    assert admin.ask("GET", path).json()["message"] == "Branch not protected"
    assert admin.ask("GET", f"{REPO}/branches/none/protection").json()["message"] == "Branch not found"
    wanted = {
        "required_status_checks": {"strict": True, "contexts": [], "checks": [{"context": "daypass", "app_id": 15368}]},
        "enforce_admins": True, "restrictions": None,
        "required_pull_request_reviews": {"require_code_owner_reviews": True, "dismiss_stale_reviews": True},
    }  # fmt: skip
    admin.send("PUT", path, wanted)
    found = admin.get(path)
    assert found["required_status_checks"]["checks"] == [{"context": "daypass", "app_id": 15368}]
    assert found["required_pull_request_reviews"]["require_code_owner_reviews"] is True
    assert (found["enforce_admins"]["enabled"], found["allow_force_pushes"]["enabled"]) == (True, False)
    assert visit(world.alice).ask("GET", path).status_code == 403
    assert visit(world.alice).get(f"{REPO}/rules/branches/main") == []
    assert admin.ask("PUT", path, {"enforce_admins": None}).status_code == 422
    admin.send("DELETE", path, expect=204)
    assert admin.ask("DELETE", path).status_code == 404


def test_what_actions_may_do_is_read_and_set_by_administrators(world, visit, admin):
    path = f"{REPO}/actions/permissions"
    assert admin.get(path) == {"enabled": True, "allowed_actions": "all", "sha_pinning_required": False}
    admin.send("PUT", path, {"enabled": True, "allowed_actions": "selected", "sha_pinning_required": True}, expect=204)
    assert admin.get(path)["sha_pinning_required"] is True
    admin.send("PUT", path, {"enabled": False}, expect=204)
    assert admin.get(path) == {"enabled": False}
    assert admin.ask("PUT", path, {}).status_code == 422
    assert visit(world.alice).ask("GET", path).status_code == 403


def test_what_a_job_may_do_by_default(world, visit, admin):
    path = f"{REPO}/actions/permissions/workflow"
    assert admin.get(path) == {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}
    admin.send(
        "PUT", path, {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True}, expect=204
    )
    assert admin.get(path) == {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True}
    assert admin.ask("PUT", path, {"default_workflow_permissions": "all"}).status_code == 422
    world.repo.extras["actions"]["capped"] = True
    assert admin.ask("PUT", path, {"default_workflow_permissions": "write"}).status_code == 409
    assert visit(world.alice).ask("PUT", path, {}).status_code == 403
    assert admin.get(f"{REPO}/actions/permissions/fork-pr-contributor-approval")["approval_policy"]
