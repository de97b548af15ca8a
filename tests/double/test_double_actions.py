"""Workflows, the two ways of starting one by hand, and environments, as GitHub documents them.

https://docs.github.com/en/rest/actions/workflows, https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event
and https://docs.github.com/en/rest/deployments/environments
"""

from __future__ import annotations

import pytest

REPO = "/repos/acme/access"
FLOWS = f"{REPO}/actions/workflows"
APPLY = """\
name: apply
on:
  push: {branches: [main]}
  workflow_dispatch:
    inputs:
      full: {required: false, default: "no"}
      why: {required: true}
"""


@pytest.fixture
def alice(hub, world, visit):
    hub.seed(world.repo, {".github/workflows/apply.yml": APPLY, ".github/workflows/ci.yml": "on: push\n"})
    return visit(world.alice)


@pytest.fixture
def admin(hub, world, visit):
    world.repo.collaborate(olga := hub.user("olga", 100), "admin")
    return visit(olga)


def test_workflows_are_the_files_that_are_there(alice, hub, world):
    hub.seed(world.repo, {".github/workflows/branch.yml": "on: push\n"}, branch="other")
    listed = alice.get(FLOWS)
    named = {one["path"]: (one["name"], one["state"]) for one in listed["workflows"]}
    assert named == {
        ".github/workflows/apply.yml": ("apply", "active"),
        ".github/workflows/ci.yml": (".github/workflows/ci.yml", "active"),
    }
    number = listed["workflows"][0]["id"]
    assert alice.get(f"{FLOWS}/{number}") == alice.get(f"{FLOWS}/apply.yml")
    assert alice.ask("GET", f"{FLOWS}/none.yml").status_code == 404


def test_a_repository_without_workflows_has_none(world, visit):
    assert visit(world.alice).get(FLOWS) == {"total_count": 0, "workflows": []}


def test_a_disabled_workflow_is_enabled_by_who_may_write(alice, world, visit):
    """Schedules of public repositories end after 60 days without activity.

    https://docs.github.com/en/actions/how-tos/manage-workflow-runs/disable-and-enable-workflows
    """
    world.repo.extras["workflow_states"] = {".github/workflows/apply.yml": "disabled_inactivity"}
    assert alice.get(f"{FLOWS}/apply.yml")["state"] == "disabled_inactivity"
    assert (
        alice.ask("POST", f"{FLOWS}/apply.yml/dispatches", {"ref": "main", "inputs": {"why": "x"}}).status_code == 422
    )
    assert visit(world.rita).ask("PUT", f"{FLOWS}/apply.yml/enable").status_code == 403
    alice.send("PUT", f"{FLOWS}/apply.yml/enable", expect=204)
    assert alice.get(f"{FLOWS}/apply.yml")["state"] == "active"
    alice.send("PUT", f"{FLOWS}/apply.yml/disable", expect=204)
    assert alice.get(f"{FLOWS}/apply.yml")["state"] == "disabled_manually"


def test_a_dispatch_is_an_event_with_its_inputs_also_by_a_jobs_own_token(alice, hub, world, visit):
    """https://docs.github.com/en/actions/concepts/security/github_token#when-github_token-triggers-workflow-runs"""
    job = visit(hub.actions_token(world.repo, {"actions": "write"}))
    job.send("POST", f"{FLOWS}/apply.yml/dispatches", {"ref": "main", "inputs": {"why": "grant"}}, expect=204)
    told = hub.events[-1]
    assert (told.name, told.by_token_kind, told.payload["ref"]) == ("workflow_dispatch", "actions", "refs/heads/main")
    assert told.payload["inputs"] == {"full": "no", "why": "grant"}
    assert told.payload["workflow"] == ".github/workflows/apply.yml"


@pytest.mark.parametrize(
    ("file", "body", "message"),
    [
        ("apply.yml", {"ref": "none", "inputs": {"why": "x"}}, "No ref found for: none"),
        ("apply.yml", {"ref": "main"}, "Required input 'why' not provided"),
        ("apply.yml", {"ref": "main", "inputs": {"why": "x", "who": "y"}}, "Unexpected inputs provided: ['who']"),
        ("ci.yml", {"ref": "main"}, "Workflow does not have 'workflow_dispatch' trigger"),
        ("apply.yml", {}, 'Invalid request.\n\n"ref" wasn\'t supplied.'),
    ],
)
def test_a_dispatch_that_fits_no_workflow_is_refused(alice, hub, file, body, message):
    refused = alice.ask("POST", f"{FLOWS}/{file}/dispatches", body)
    assert (refused.status_code, refused.json()["message"]) == (422, message)
    assert hub.events == []


def test_a_job_without_the_permission_dispatches_nothing(alice, hub, world, visit):
    job = visit(hub.actions_token(world.repo, {"actions": "read"}))
    assert job.ask("POST", f"{FLOWS}/apply.yml/dispatches", {"ref": "main", "inputs": {"why": "x"}}).status_code == 403


def test_a_repository_dispatch_is_an_event_of_its_type(alice, hub, world, visit):
    alice.send(
        "POST", f"{REPO}/dispatches", {"event_type": "daypass-apply", "client_payload": {"grant": "one"}}, expect=204
    )
    told = hub.events[-1]
    assert (told.name, told.action, told.payload["branch"]) == ("repository_dispatch", "daypass-apply", "main")
    assert told.payload["client_payload"] == {"grant": "one"}
    many = {str(n): n for n in range(11)}
    for body in ({"event_type": "x", "client_payload": many}, {"event_type": "x" * 101}, {}):
        assert alice.ask("POST", f"{REPO}/dispatches", body).status_code == 422
    assert visit(world.rita).ask("POST", f"{REPO}/dispatches", {"event_type": "x"}).status_code == 403


# -- environments -------------------------------------------------------------------------------------------------------

ENVIRONMENT = f"{REPO}/environments/daypass"
CUSTOM = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}


def test_an_environment_for_main_only(admin, visit, world):
    made = admin.send("PUT", ENVIRONMENT, CUSTOM)
    assert made["deployment_branch_policy"] == CUSTOM["deployment_branch_policy"]
    policies = f"{ENVIRONMENT}/deployment-branch-policies"
    one = admin.send("POST", policies, {"name": "main"})
    assert (one["name"], one["type"]) == ("main", "branch")
    listed = visit(world.alice).get(policies)
    assert (listed["total_count"], listed["branch_policies"]) == (1, [one])
    assert admin.ask("POST", policies, {"name": "main"}).status_code == 303
    assert visit(world.alice).get(f"{REPO}/environments")["environments"][0]["name"] == "daypass"
    admin.send("DELETE", f"{policies}/{one['id']}", expect=204)
    assert admin.get(policies)["total_count"] == 0
    assert admin.ask("DELETE", f"{policies}/{one['id']}").status_code == 404


def test_an_environment_without_rules_lets_every_branch_deploy(admin):
    made = admin.send("PUT", ENVIRONMENT, None)
    assert (made["deployment_branch_policy"], made["protection_rules"]) == (None, [])
    assert admin.ask("POST", f"{ENVIRONMENT}/deployment-branch-policies", {"name": "main"}).status_code == 404
    assert admin.ask("GET", f"{REPO}/environments/other").status_code == 404


def test_protected_branches_and_named_ones_cannot_be_meant_at_once(admin):
    both = {"deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": True}}
    assert admin.ask("PUT", ENVIRONMENT, both).status_code == 422
    protected = {"deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": False}}
    made = admin.send("PUT", ENVIRONMENT, {**protected, "wait_timer": 5})
    assert [gate["type"] for gate in made["protection_rules"]] == ["wait_timer", "branch_policy"]


def test_environments_are_changed_by_administrators_and_read_by_all(admin, visit, world):
    admin.send("PUT", ENVIRONMENT, CUSTOM)
    assert visit(world.alice).ask("PUT", ENVIRONMENT, CUSTOM).status_code == 403
    assert visit(world.rita).get(ENVIRONMENT)["name"] == "daypass"


def test_secrets_are_told_by_name_to_those_who_write(admin, visit, world):
    from github_double.rest import environments

    admin.send("PUT", ENVIRONMENT, CUSTOM)
    environments.of(world.repo)["daypass"].secrets.append("DAYPASS_APP_KEY")
    world.repo.extras["secrets"] = ["OLD"]
    alice = visit(world.alice)
    assert [one["name"] for one in alice.get(f"{ENVIRONMENT}/secrets")["secrets"]] == ["DAYPASS_APP_KEY"]
    assert [one["name"] for one in alice.get(f"{REPO}/actions/secrets")["secrets"]] == ["OLD"]
    assert visit(world.rita).ask("GET", f"{REPO}/actions/secrets").status_code == 403
