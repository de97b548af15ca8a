"""Memberships, collaborators, roles and the invitations that come before them."""

from __future__ import annotations

import pytest

from github_double.auth import issue_installation_token
from github_double.rest import people

TEAM = "/orgs/acme/teams/dba"


@pytest.fixture
def org(world, hub):
    org = world.repo.owner
    org.members |= {world.alice.id: "admin", world.bob.id: "member"}
    hub.team(org, "dba")
    return org


def test_members_join_at_once_and_owners_as_maintainers(world, visit, org):
    alice = visit(world.alice)
    assert alice.ask("PUT", f"{TEAM}/memberships/bob", {"role": "member"}).json()["state"] == "active"
    assert alice.ask("PUT", f"{TEAM}/memberships/alice", {"role": "member"}).json()["role"] == "maintainer"
    assert alice.ask("DELETE", f"{TEAM}/memberships/bob").status_code == 204
    assert alice.ask("DELETE", f"{TEAM}/memberships/bob").status_code == 404
    assert org.teams["dba"].members == {world.alice.id: "maintainer"}


def test_others_are_invited_and_leaving_the_team_leaves_the_invitation(world, visit, org, hub):
    alice = visit(world.alice)
    assert alice.ask("PUT", f"{TEAM}/memberships/rita", {"role": "member"}).json()["state"] == "pending"
    (row,) = alice.get(f"{TEAM}/invitations")
    assert (row["login"], row["team_count"], row["inviter"]["login"]) == ("rita", 1, "alice")
    assert alice.get(f"{TEAM}/memberships/rita")["state"] == "pending"
    assert alice.ask("DELETE", f"{TEAM}/memberships/rita").status_code == 204
    assert [one["team_count"] for one in alice.get("/orgs/acme/invitations")] == [0]
    assert alice.ask("DELETE", f"/orgs/acme/invitations/{row['id']}").status_code == 204
    assert alice.ask("DELETE", f"/orgs/acme/invitations/{row['id']}").status_code == 404
    made = alice.ask("POST", "/orgs/acme/invitations", {"invitee_id": world.rita.id})
    assert made.status_code == 201
    assert alice.ask("POST", "/orgs/acme/invitations", {"invitee_id": world.rita.id}).status_code == 422
    people.expire(hub, org, world.rita)
    assert alice.get("/orgs/acme/invitations") == []


def test_a_plain_member_may_change_no_team(world, visit, org):
    bob = visit(world.bob)
    assert bob.ask("PUT", f"{TEAM}/memberships/bob", {"role": "member"}).status_code == 403
    assert bob.ask("POST", "/orgs/acme/invitations", {"invitee_id": world.rita.id}).status_code == 403
    assert visit(world.alice).ask("PUT", f"{TEAM}/memberships/nobody").status_code == 404
    assert visit(world.alice).ask("PUT", f"{TEAM}/memberships/bob", {"role": "boss"}).status_code == 422


def test_an_enterprises_and_a_synchronised_team_are_kept(world, visit, org, hub):
    alice, team = visit(world.alice), org.teams["dba"]
    people.beside(hub).synchronised[team.id] = "kept elsewhere"
    assert alice.ask("PUT", f"{TEAM}/memberships/bob", {}).json()["message"] == "kept elsewhere"
    people.beside(hub).synchronised.clear()
    team.type = "enterprise"
    assert alice.ask("PUT", f"{TEAM}/memberships/bob", {}).status_code == 422


def test_collaborators_inside_are_there_at_once_and_outsiders_accept_first(world, visit, org, hub):
    alice, stranger = visit(world.alice), hub.user("zoe", 109)
    assert alice.ask("PUT", f"{world.path}/collaborators/bob", {"permission": "admin"}).status_code == 204
    first = alice.ask("PUT", f"{world.path}/collaborators/zoe", {"permission": "pull"}).json()
    again = alice.ask("PUT", f"{world.path}/collaborators/zoe", {"permission": "push"}).json()
    assert (first["id"], first["permissions"], again["permissions"]) == (again["id"], "read", "write")
    people.accept(hub, world.repo, stranger)
    assert world.repo.collaborators[109] == "write"
    assert alice.get(f"{world.path}/invitations") == []
    assert alice.ask("DELETE", f"{world.path}/collaborators/zoe").status_code == 204
    assert alice.ask("PUT", f"{world.path}/collaborators/zoe", {"permission": "all"}).status_code == 422
    org.base = "write"
    lower = alice.ask("PUT", f"{world.path}/collaborators/bob", {"permission": "pull"})
    assert lower.json()["message"] == "Cannot assign bob permission of read"
    assert alice.ask("DELETE", f"{world.path}/invitations/7").status_code == 404


def test_roles_are_for_members_and_come_directly_or_through_a_team(world, visit, org, hub):
    alice, role = visit(world.alice), people.org_role(hub, org, "auditor")
    path = "/orgs/acme/organization-roles"
    assert [one["name"] for one in alice.get(path)["roles"]] == ["auditor"]
    assert alice.ask("PUT", f"{path}/users/rita/{role.id}").status_code == 422
    assert alice.ask("PUT", f"{path}/users/bob/{role.id}").status_code == 204
    role.teams.append(org.teams["dba"])
    org.teams["dba"].members |= {world.bob.id: "member", world.alice.id: "maintainer"}
    assert {one["login"]: one["assignment"] for one in alice.get(f"{path}/{role.id}/users")} == {
        "bob": "mixed",
        "alice": "indirect",
    }
    assert alice.ask("DELETE", f"{path}/users/bob/{role.id}").status_code == 204
    assert alice.ask("PUT", f"{path}/users/bob/7").status_code == 404


def test_an_app_finds_its_installation_on_the_organisation_and_needs_the_permission(world, visit, org, hub):
    app = hub.app("daypass", permissions={"members": "read"}, repositories=["acme/access"])
    reader = visit(issue_installation_token(hub, app, None, None).value)
    assert reader.get("/orgs/acme/invitations") == []
    assert reader.ask("PUT", f"{TEAM}/memberships/bob", {}).status_code == 403
