"""Teams, their members and their rights in a repository: https://docs.github.com/en/rest/teams."""

from __future__ import annotations

import pytest

from github_double.auth import issue_installation_token


@pytest.fixture
def org(world, hub):
    org = world.repo.owner
    org.members |= {world.alice.id: "admin", world.bob.id: "member"}
    team = hub.team(org, "dba", [world.bob])
    team.pending[world.rita.id] = "member"
    world.repo.team(team, "write")
    return org


def test_members_of_the_organisation_see_its_teams_and_nobody_else(world, visit, org, hub):
    assert [one["slug"] for one in visit(world.bob).get("/orgs/acme/teams")] == ["dba"]
    assert visit(world.bob).get("/orgs/acme/teams/DBA")["members_count"] == 1
    assert visit(world.rita).ask("GET", "/orgs/acme/teams/dba").status_code == 404
    assert visit(world.bob).ask("GET", "/orgs/acme/teams/none").status_code == 404
    assert visit(world.bob).ask("GET", "/orgs/alice/teams").status_code == 404
    assert visit(world.rita).get("/orgs/acme")["login"] == "acme"


def test_an_app_needs_the_permission_and_a_job_cannot_have_it(world, visit, org, hub):
    app = hub.app("daypass", permissions={"members": "read"}, repositories=["acme/access"])
    reader = visit(issue_installation_token(hub, app, None, None).value)
    assert [one["id"] for one in reader.get("/orgs/acme/teams/dba/members")] == [102]
    blind = hub.app("blind", permissions={"contents": "read"}, repositories=["acme/access"])
    assert (
        visit(issue_installation_token(hub, blind, None, None).value).ask("GET", "/orgs/acme/teams").status_code == 403
    )
    job = visit(hub.actions_token(world.repo, {"contents": "write"}))
    assert job.ask("GET", "/orgs/acme/teams/dba/members").status_code == 403


def test_a_secret_team_is_there_for_its_members_and_owners_only(world, visit, org, hub):
    hub.team(org, "hidden").privacy = "secret"
    assert visit(world.bob).ask("GET", "/orgs/acme/teams/hidden").status_code == 404
    assert visit(world.alice).get("/orgs/acme/teams/hidden")["privacy"] == "secret"
    assert [one["slug"] for one in visit(world.bob).get("/orgs/acme/teams")] == ["dba"]


def test_a_membership_is_active_pending_or_none(world, visit, org):
    bob = visit(world.bob)
    path = "/orgs/acme/teams/dba/memberships"
    assert (bob.get(f"{path}/bob")["state"], bob.get(f"{path}/rita")["state"]) == ("active", "pending")
    assert bob.ask("GET", f"{path}/alice").status_code == 404
    assert bob.ask("GET", f"{path}/nobody").status_code == 404
    assert [one["login"] for one in bob.get("/orgs/acme/teams/dba/members")] == ["bob"]


def test_members_of_a_child_team_are_members_of_its_parent(world, visit, org, hub):
    child = hub.team(org, "night", [world.rita])
    child.parent = org.teams["dba"]
    org.teams["dba"].members[world.alice.id] = "maintainer"
    bob = visit(world.bob)
    assert {one["login"] for one in bob.get("/orgs/acme/teams/dba/members")} == {"alice", "bob", "rita"}
    assert [one["login"] for one in bob.get("/orgs/acme/teams/dba/members", role="maintainer")] == ["alice"]
    assert bob.ask("GET", "/orgs/acme/teams/dba/members", role="boss").status_code == 422
    assert bob.get("/orgs/acme/teams/night")["parent"]["slug"] == "dba"


def test_what_a_team_may_do_in_a_repository(world, visit, org):
    alice = visit(world.alice)
    path = "/orgs/acme/teams/dba/repos/acme/access"
    assert alice.ask("GET", path).status_code == 204
    [listed] = alice.get("/repos/acme/access/teams")
    assert (listed["slug"], listed["permission"], listed["permissions"]["maintain"]) == ("dba", "push", False)
    alice.send("PUT", path, {"permission": "maintain"}, expect=204)
    assert alice.get("/orgs/acme/teams/dba/repos")[0]["role_name"] == "maintain"
    assert visit(world.bob).ask("PUT", path, {"permission": "admin"}).status_code == 403
    assert alice.ask("PUT", path, {"permission": "owner"}).status_code == 422


def test_a_team_without_access_is_none_there(world, visit, org, hub):
    hub.team(org, "sre", [world.bob])
    assert visit(world.alice).ask("GET", "/orgs/acme/teams/sre/repos/acme/access").status_code == 404


def test_members_of_the_organisation(world, visit, org):
    bob = visit(world.bob)
    assert {one["login"] for one in bob.get("/orgs/acme/members")} == {"alice", "bob"}
    assert [one["login"] for one in bob.get("/orgs/acme/members", role="admin")] == ["alice"]
    assert bob.get("/orgs/acme/memberships/alice")["role"] == "admin"
    assert bob.ask("GET", "/orgs/acme/memberships/rita").status_code == 404


@pytest.mark.parametrize(
    ("role", "old"),
    [
        ("read", "read"),
        ("triage", "read"),
        ("write", "write"),
        ("maintain", "write"),
        ("admin", "admin"),
        ("none", "none"),
    ],
)
def test_a_persons_permission_in_old_words_and_in_true_ones(world, visit, hub, role, old):
    person = hub.user("pat", 500)
    world.repo.collaborators[person.id] = role
    found = visit(world.alice).get("/repos/acme/access/collaborators/pat/permission")
    assert (found["permission"], found["role_name"], found["user"]["id"]) == (old, role, 500)


def test_who_has_access_is_told_to_those_who_write(world, visit, org):
    path = "/repos/acme/access/collaborators"
    assert visit(world.rita).ask("GET", path).status_code == 403
    assert visit(world.rita).ask("GET", f"{path}/bob/permission").status_code == 403
    assert visit(world.bob).ask("GET", f"{path}/nobody/permission").status_code == 404
    bob = visit(world.bob)
    assert {one["login"] for one in bob.get(path)} == {"alice", "bob", "rita"}
    assert {one["login"] for one in bob.get(path, affiliation="outside")} == {"rita"}
    assert {one["login"] for one in bob.get(path, permission="admin")} == {"alice"}
    assert bob.ask("GET", path, affiliation="odd").status_code == 422
