"""Giving people a part in teams, repositories and organisation roles, and the invitations that come before.

https://docs.github.com/en/rest/teams/members, https://docs.github.com/en/rest/orgs/members,
https://docs.github.com/en/rest/collaborators, https://docs.github.com/en/rest/orgs/organization-roles
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from github_double import Double, bodies
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, nothing, ok, paged, route
from github_double.rest.teams import _org, _team
from github_double.shapes import repository, simple_user, stamp
from github_double.state import Org, Repo, Team, User, rank

_ORG = "/orgs/{org}"
_TEAM = "/orgs/{org}/teams/{slug}"
_REPO = "/repos/{owner}/{repo}"
_WORDS = {"pull": "read", "push": "write"}
_CHANGE = "members:write"


@dataclass(eq=False)
class Invitation:
    """To an organisation with its teams, or to a repository with a role."""

    id: int
    user: User
    inviter: User
    at: str
    teams: list[Team] = field(default_factory=list)
    role: str = ""
    expired: bool = False


@dataclass(eq=False)
class OrgRole:
    """A role of an organisation: who has it directly, and through which teams."""

    id: int
    name: str
    users: set[int] = field(default_factory=set)
    teams: list[Team] = field(default_factory=list)


class Extra:
    """What these endpoints keep beside the double's state: of each organisation or repository, by its id."""

    def __init__(self) -> None:
        self.invitations: dict[int, dict[int, Invitation]] = {}
        self.roles: dict[int, dict[int, OrgRole]] = {}
        self.synchronised: dict[int, str] = {}
        """Ids of teams whose members an identity provider keeps, to what GitHub says when somebody else changes them."""


def beside(hub: Double) -> Extra:
    """The hub's own."""
    found: Extra = hub.extras.setdefault("people", Extra())
    return found


def invitations(hub: Double, of: Org | Repo) -> dict[int, Invitation]:
    """The invitations that nobody has accepted yet, by id."""
    return beside(hub).invitations.setdefault(of.id, {})


def org_role(hub: Double, org: Org, name: str) -> OrgRole:
    """Make a role of an organisation."""
    made = OrgRole(hub.next_id(), name)
    beside(hub).roles.setdefault(org.id, {})[made.id] = made
    return made


def accept(hub: Double, of: Org | Repo, user: User) -> None:
    """Let somebody accept what they were invited to."""
    with hub.lock:
        open_ones = invitations(hub, of)
        one = next(each for each in open_ones.values() if each.user is user)
        del open_ones[one.id]
        if isinstance(of, Repo):
            of.collaborators[user.id] = one.role
            return
        of.members.setdefault(user.id, "member")
        for team in one.teams:
            team.members[user.id] = team.pending.pop(user.id)


def expire(hub: Double, of: Org | Repo, user: User) -> None:
    """Let an invitation run out, as GitHub does after seven days."""
    with hub.lock:
        for one in [each for each in invitations(hub, of).values() if each.user is user]:
            if isinstance(of, Repo):
                one.expired = True
            else:
                _withdraw(hub, of, one)


def _withdraw(hub: Double, org: Org, one: Invitation) -> None:
    del invitations(hub, org)[one.id]
    for team in one.teams:
        team.pending.pop(one.user.id, None)


def _person(request: Request) -> User:
    found = request.hub.account(request.params["login"])
    if found is None or found.suspended:
        raise not_found()
    return found


def _may_change(request: Request, team: Team) -> None:
    owner = team.org.members.get(request.actor.id) == "admin"
    if request.token.app is None and not owner and team.members.get(request.actor.id) != "maintainer":
        raise Refusal(403, "You must be an admin of the organization or a maintainer of the team.")
    said = beside(request.hub).synchronised.get(team.id)
    if said:
        raise Refusal(403, said)
    if team.type == "enterprise":
        raise invalid("Enterprise teams cannot be modified at the organization level.")


def _owner(request: Request, org: Org) -> None:
    if request.token.app is None and org.members.get(request.actor.id) != "admin":
        raise Refusal(403, "You must be an owner of the organization.")


# Organisations


@route("GET", f"{_ORG}/installation", auth="jwt")
def installed(request: Request) -> Reply:
    """https://docs.github.com/en/rest/apps/apps#get-an-organization-installation-for-the-authenticated-app."""
    app = request.token.app
    assert app is not None
    if app.uninstalled or app.owner is not request.hub.account(request.params["org"]):
        raise not_found()
    return ok(bodies.installation(request.hub, app))


def _invitation(hub: Double, org: Org, one: Invitation) -> dict[str, Any]:
    return {
        "id": one.id, "node_id": f"OI_{one.id}", "login": one.user.login, "email": None, "role": "direct_member",
        "created_at": one.at, "failed_at": None, "failed_reason": None, "inviter": simple_user(hub, one.inviter),
        "team_count": len(one.teams), "invitation_source": "member",
        "invitation_teams_url": f"{hub.url}/organizations/{org.id}/invitations/{one.id}/teams",
    }  # fmt: skip


@route("GET", f"{_ORG}/invitations", permission="members:read")
def invited(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/members#list-pending-organization-invitations."""
    org, hub = _org(request), request.hub
    return paged(request, invitations(hub, org).values(), lambda one: _invitation(hub, org, one))


@route("POST", f"{_ORG}/invitations", permission=_CHANGE)
def invite(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/members#create-an-organization-invitation (by account number)."""
    org, hub = _org(request), request.hub
    _owner(request, org)
    user = hub.accounts.get(request.value("invitee_id", int, required=True))
    if user is None or user.id in org.members or any(o.user is user for o in invitations(hub, org).values()):
        raise invalid("Validation Failed", {"resource": "OrganizationInvitation", "code": "unprocessable"})
    one = Invitation(hub.next_id(), user, request.actor, stamp(hub.now()) or "")
    invitations(hub, org)[one.id] = one
    return created(_invitation(hub, org, one))


@route("DELETE", f"{_ORG}/invitations/{{id}}", permission=_CHANGE)
def cancel(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/members#cancel-an-organization-invitation."""
    org = _org(request)
    _owner(request, org)
    one = invitations(request.hub, org).get(request.integer("id"))
    if one is None:
        raise not_found()
    _withdraw(request.hub, org, one)
    return nothing()


# Teams


@route("GET", f"{_TEAM}/invitations", permission="members:read")
def awaited(request: Request) -> Reply:
    """https://docs.github.com/en/rest/teams/members#list-pending-team-invitations."""
    team, hub = _team(request), request.hub
    found = [one for one in invitations(hub, team.org).values() if team in one.teams]
    return paged(request, found, lambda one: _invitation(hub, team.org, one))


@route("PUT", f"{_TEAM}/memberships/{{login}}", permission=_CHANGE)
def join(request: Request) -> Reply:
    """Members of the organisation are in at once, owners as maintainers; others are invited to the organisation.

    https://docs.github.com/en/rest/teams/members#add-or-update-team-membership-for-a-user
    """
    team, hub, user = _team(request), request.hub, _person(request)
    _may_change(request, team)
    role = request.value("role", default="member")
    if role not in {"member", "maintainer"} or user.type != "User":
        raise invalid("Validation Failed", {"resource": "TeamMember", "code": "org", "field": "user"})
    state = "active"
    if user.id in team.org.members:
        role = "maintainer" if team.org.members[user.id] == "admin" else role
        team.members[user.id] = role
    else:
        _owner(request, team.org)
        state, team.pending[user.id] = "pending", role
        one = next((o for o in invitations(hub, team.org).values() if o.user is user), None)
        if one is None:
            one = Invitation(hub.next_id(), user, request.actor, stamp(hub.now()) or "")
            invitations(hub, team.org)[one.id] = one
        if team not in one.teams:
            one.teams.append(team)
    url = f"{hub.url}/organizations/{team.org.id}/team/{team.id}/memberships/{user.login}"
    return ok({"url": url, "role": role, "state": state})


@route("DELETE", f"{_TEAM}/memberships/{{login}}", permission=_CHANGE)
def leave(request: Request) -> Reply:
    """The invitation to the organisation stays, though it leads to this team no longer.

    https://docs.github.com/en/rest/teams/members#remove-team-membership-for-a-user
    """
    team, hub, user = _team(request), request.hub, _person(request)
    _may_change(request, team)
    if user.id not in team.members | team.pending:
        raise not_found()
    team.members.pop(user.id, None)
    team.pending.pop(user.id, None)
    for one in invitations(hub, team.org).values():
        if one.user is user and team in one.teams:
            one.teams.remove(team)
    return nothing()


# Repositories


def _repo_invitation(hub: Double, repo: Repo, one: Invitation) -> dict[str, Any]:
    api = f"{hub.url}/repos/{repo.full_name}/invitations/{one.id}"
    page = f"{hub.server_url}/{repo.full_name}/invitations"
    return {
        "id": one.id, "node_id": f"RI_{one.id}", "permissions": one.role, "expired": one.expired, "created_at": one.at,
        "invitee": simple_user(hub, one.user), "inviter": simple_user(hub, one.inviter), "url": api, "html_url": page,
        "repository": repository(hub, repo),
    }  # fmt: skip


@route("PUT", f"{_REPO}/collaborators/{{login}}", permission="administration:write", role="admin")
def collaborate(request: Request) -> Reply:
    """Who is in the organisation, or in the repository already, has it at once; others are invited.

    https://docs.github.com/en/rest/collaborators/collaborators#add-a-repository-collaborator
    """
    repo, hub, user = request.repo, request.hub, _person(request)
    word = request.value("permission", default="push")
    role = _WORDS.get(word, word)
    if role not in {"read", "triage", "write", "maintain", "admin"} or user.type != "User":
        raise invalid("Validation Failed", {"resource": "Repository", "code": "invalid", "field": "permission"})
    org = repo.owner if isinstance(repo.owner, Org) else None
    inside = org is not None and user.id in org.members
    if org is not None and inside and rank(role) < rank(org.base):
        raise invalid(f"Cannot assign {user.login} permission of {role}")
    if inside or user.id in repo.collaborators:
        repo.collaborate(user, role)
        return nothing()
    one = next((o for o in invitations(hub, repo).values() if o.user is user and not o.expired), None)
    if one is None:
        one = Invitation(hub.next_id(), user, request.actor, stamp(hub.now()) or "")
        invitations(hub, repo)[one.id] = one
    one.role = role
    return created(_repo_invitation(hub, repo, one))


@route("DELETE", f"{_REPO}/collaborators/{{login}}", permission="administration:write", role="admin")
def part(request: Request) -> Reply:
    """204 for who was none, too: https://docs.github.com/en/rest/collaborators/collaborators#remove-a-repository-collaborator."""
    request.repo.collaborators.pop(_person(request).id, None)
    return nothing()


@route("GET", f"{_REPO}/invitations", permission="administration:read", role="admin")
def waiting(request: Request) -> Reply:
    """https://docs.github.com/en/rest/collaborators/invitations#list-repository-invitations."""
    hub, repo = request.hub, request.repo
    return paged(request, invitations(hub, repo).values(), lambda one: _repo_invitation(hub, repo, one))


@route("DELETE", f"{_REPO}/invitations/{{id}}", permission="administration:write", role="admin")
def uninvite(request: Request) -> Reply:
    """https://docs.github.com/en/rest/collaborators/invitations#delete-a-repository-invitation."""
    if invitations(request.hub, request.repo).pop(request.integer("id"), None) is None:
        raise not_found()
    return nothing()


# Roles


def _roles(request: Request) -> dict[int, OrgRole]:
    return beside(request.hub).roles.get(_org(request).id, {})


def _role(request: Request) -> OrgRole:
    found = _roles(request).get(request.integer("role"))
    if found is None:
        raise not_found()
    return found


@route("GET", f"{_ORG}/organization-roles", permission="organization_custom_org_roles:read")
def roles(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/organization-roles#get-all-organization-roles-for-an-organization."""
    hub, org, begun = request.hub, _org(request), stamp(request.hub.now())
    found = [
        {
            "id": one.id, "name": one.name, "description": None, "base_role": None, "source": "Organization",
            "permissions": [], "organization": simple_user(hub, org), "created_at": begun, "updated_at": begun,
        }
        for one in _roles(request).values()
    ]  # fmt: skip
    return ok({"total_count": len(found), "roles": found})


@route("GET", f"{_ORG}/organization-roles/{{role}}/users", permission="members:read")
def assigned(request: Request) -> Reply:
    """Who has it directly, through a team, or both: https://docs.github.com/en/rest/orgs/organization-roles."""
    hub, role = request.hub, _role(request)
    through = {number for team in role.teams for number in team.members}

    def shape(number: int) -> dict[str, Any]:
        ways = ("direct" if number in role.users else "") + ("indirect" if number in through else "")
        how = {"directindirect": "mixed"}.get(ways, ways)
        return {**(simple_user(hub, hub.accounts[number]) or {}), "assignment": how, "inherited_from": []}

    return paged(request, sorted(role.users | through), shape)


@route("PUT", f"{_ORG}/organization-roles/users/{{login}}/{{role}}", permission=_CHANGE)
def assign(request: Request) -> Reply:
    """For members alone: https://docs.github.com/en/rest/orgs/organization-roles#assign-an-organization-role-to-a-user."""
    org, role, user = _org(request), _role(request), _person(request)
    _owner(request, org)
    if user.id not in org.members:
        raise invalid("The user is not a member of the organization.")
    role.users.add(user.id)
    return nothing()


@route("DELETE", f"{_ORG}/organization-roles/users/{{login}}/{{role}}", permission=_CHANGE)
def unassign(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/organization-roles#remove-an-organization-role-from-a-user."""
    org, role, user = _org(request), _role(request), _person(request)
    _owner(request, org)
    role.users.discard(user.id)
    return nothing()
