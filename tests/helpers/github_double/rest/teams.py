"""Organisations and their teams: https://docs.github.com/en/rest/teams."""

from __future__ import annotations

from github_double import bodies
from github_double.auth import has_role, role_in
from github_double.pullshapes import team as team_body
from github_double.registry import Refusal, Reply, Request, invalid, not_found, nothing, ok, paged, route
from github_double.shapes import repository, simple_user
from github_double.state import Org, Repo, Team, User, rank

_ORG = "/orgs/{org}"
_TEAM = "/orgs/{org}/teams/{slug}"
_READ = "members:read"


def _org(request: Request, *, inside: bool = True) -> Org:
    """Return the organisation. ``inside``: 404 for who is no member of it, and for an App that is not installed there."""
    found = request.hub.account(request.params["org"])
    if not isinstance(found, Org):
        raise not_found()
    token = request.token
    if token.app is not None:
        there = [name for name in token.repositories or [] if name.lower().startswith(f"{found.login.lower()}/")]
        known = bool(there)
    else:
        known = token.user.id in found.members
    if inside and not known:
        raise not_found()
    return found


def _team(request: Request) -> Team:
    """Return the team. A secret one is there for its members and the organisation's owners only."""
    found = _org(request).teams.get(request.params["slug"].lower())
    if found is None:
        raise not_found()
    if not _visible(request, found):
        raise not_found()
    return found


def _visible(request: Request, team: Team) -> bool:
    member, owner = request.actor.id in team.members, team.org.members.get(request.actor.id) == "admin"
    return team.privacy != "secret" or request.token.app is not None or member or owner


def _below(team: Team) -> list[Team]:
    """A team and those whose parent it is, at any depth: their members are its members too."""
    below = [each for each in team.org.teams.values() if each.parent is team]
    return [team, *(deeper for each in below for deeper in _below(each))]


def _members(team: Team) -> dict[int, str]:
    """Account ids to roles; from a child team one is a plain member."""
    found: dict[int, str] = {}
    for each in _below(team)[1:]:
        found |= dict.fromkeys(each.members, "member")
    return found | team.members


@route("GET", _ORG, auth="anyone")
def organisation(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/orgs#get-an-organization."""
    return ok(bodies.org_full(request.hub, _org(request, inside=False)))


@route("GET", f"{_ORG}/members", permission=_READ)
def people(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/members#list-organization-members (``role`` chooses admin or member)."""
    org, wanted = _org(request), request.query.get("role", "all")
    found = [request.hub.accounts[i] for i, role in org.members.items() if wanted in {"all", role}]
    return paged(request, found, lambda user: simple_user(request.hub, user))


@route("GET", f"{_ORG}/memberships/{{login}}", permission=_READ)
def membership_in_org(request: Request) -> Reply:
    """https://docs.github.com/en/rest/orgs/members#get-organization-membership-for-a-user."""
    org, hub = _org(request), request.hub
    user = hub.account(request.params["login"])
    if user is None or user.id not in org.members:
        raise not_found()
    api = f"{hub.url}/orgs/{org.login}"
    return ok({
        "url": f"{api}/memberships/{user.login}", "state": "active", "role": org.members[user.id],
        "organization_url": api, "organization": bodies.org_simple(hub, org), "user": simple_user(hub, user),
    })  # fmt: skip


@route("GET", f"{_ORG}/teams", permission=_READ)
def listing(request: Request) -> Reply:
    """https://docs.github.com/en/rest/teams/teams#list-teams."""
    seen = [team for team in _org(request).teams.values() if _visible(request, team)]
    return paged(request, seen, lambda team: team_body(request.hub, team))


@route("GET", f"{_ORG}/repos", permission="metadata:read")
def organisation_repositories(request: Request) -> Reply:
    """What the token may see: https://docs.github.com/en/rest/repos/repos#list-organization-repositories."""
    org, names = _org(request), request.token.repositories
    every = [repo for repo in request.hub.repositories.values() if repo.owner is org]
    seen = [repo for repo in every if names is None or repo.full_name in names]
    return paged(request, seen, lambda repo: repository(request.hub, repo))


@route("GET", _TEAM, permission=_READ)
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/teams/teams#get-a-team-by-name."""
    return ok(bodies.team_full(request.hub, _team(request)))


@route("PATCH", _TEAM, permission="members:write")
def change(request: Request) -> Reply:
    """By the organisation's owners and the team's maintainers: https://docs.github.com/en/rest/teams/teams#update-a-team."""
    team, privacy = _team(request), request.value("privacy")
    if team.org.members.get(request.actor.id) != "admin" and team.members.get(request.actor.id) != "maintainer":
        raise Refusal(403, "Must be a maintainer of the team.")
    if privacy not in {None, "secret", "closed"} or (privacy == "secret" and team.parent is not None):
        raise invalid()
    team.privacy = privacy or team.privacy
    return ok(bodies.team_full(request.hub, team))


@route("GET", f"{_TEAM}/members", permission=_READ)
def members(request: Request) -> Reply:
    """Child teams' members included, whoever has not accepted yet left out; ``role`` chooses."""
    wanted = request.query.get("role", "all")
    if wanted not in {"all", "member", "maintainer"}:
        raise invalid()
    found = [request.hub.accounts[i] for i, role in _members(_team(request)).items() if wanted in {"all", role}]
    return paged(request, found, lambda user: simple_user(request.hub, user))


@route("GET", f"{_TEAM}/memberships/{{login}}", permission=_READ)
def membership(request: Request) -> Reply:
    """Active, or pending until accepted; 404 for who is neither."""
    team, hub = _team(request), request.hub
    user = hub.account(request.params["login"])
    held = _members(team)
    if user is None or user.id not in held | team.pending:
        raise not_found()
    state = "active" if user.id in held else "pending"
    url = f"{hub.url}/organizations/{team.org.id}/team/{team.id}/memberships/{user.login}"
    return ok({"url": url, "role": (held | team.pending)[user.id], "state": state})


def _repository(request: Request) -> Repo:
    assert request.found is not None
    return request.found


@route("GET", f"{_TEAM}/repos", permission=_READ)
def repositories(request: Request) -> Reply:
    """https://docs.github.com/en/rest/teams/teams#list-team-repositories."""
    team = _team(request)
    found = [(r, r.team_roles[team.id][1]) for r in request.hub.repositories.values() if team.id in r.team_roles]

    def shape(pair: tuple[Repo, str]) -> dict[str, object]:
        return bodies.team_repository(request.hub, *pair, request.token)

    return paged(request, found, shape)


@route("GET", f"{_TEAM}/repos/{{owner}}/{{repo}}", permission=_READ, role="read")
def access(request: Request) -> Reply:
    """204 for access; what kind only for who asks with ``application/vnd.github.v3.repository+json``; 404 for none."""
    team, repo = _team(request), _repository(request)
    if team.id not in repo.team_roles:
        raise not_found()
    if "repository+json" not in request.headers.get("accept", ""):
        return nothing()
    return ok(bodies.team_repository(request.hub, repo, repo.team_roles[team.id][1], request.token))


@route("PUT", f"{_TEAM}/repos/{{owner}}/{{repo}}", permission="administration:write", role="admin")
def give(request: Request) -> Reply:
    """https://docs.github.com/en/rest/teams/teams#add-or-update-team-repository-permissions."""
    role = {"pull": "read", "push": "write"}.get(word := request.value("permission", default="push"), word)
    if role not in {"read", "triage", "write", "maintain", "admin"}:
        raise invalid("Validation Failed", {"resource": "Team", "code": "invalid", "field": "permission"})
    _repository(request).team(_team(request), role)
    return nothing()


@route("GET", "/repos/{owner}/{repo}/teams", permission="administration:read")
def of_repository(request: Request) -> Reply:
    """https://docs.github.com/en/rest/repos/repos#list-repository-teams."""
    found = request.repo.team_roles.values()
    return paged(request, found, lambda p: team_body(request.hub, p[0], bodies.short_role(p[1])) | _flags(p[1]))


def _flags(role: str) -> dict[str, dict[str, bool]]:
    return {"permissions": bodies.permissions(role)}


@route("GET", "/repos/{owner}/{repo}/collaborators", permission="metadata:read")
def collaborators(request: Request) -> Reply:
    """Everybody with access, or those outside the organisation, or those named themselves: ``affiliation``."""
    if not has_role(request.hub, request.token, request.repo, "write"):
        raise Refusal(403, "Must have push access to view repository collaborators.")
    hub, repo = request.hub, request.repo
    which, least = request.query.get("affiliation", "all"), request.query.get("permission", "pull")
    if which not in {"all", "direct", "outside"}:
        raise invalid()
    org = repo.owner.members if isinstance(repo.owner, Org) else {}
    held = [(user, role_in(user, repo)) for user in hub.accounts.values() if user.type == "User" and not user.deleted]
    found = [
        (user, role) for user, role in held
        if (user.id in repo.collaborators if which != "all" else _named(user, repo))
        and rank(role) >= rank(least) and not (which == "outside" and user.id in org)
    ]  # fmt: skip
    return paged(request, found, lambda pair: bodies.collaborator(hub, *pair))


def _named(user: User, repo: Repo) -> bool:
    """Whether a person has access by more than the repository's being public."""
    teams = (team for team, _ in repo.team_roles.values())
    inside = isinstance(repo.owner, Org) and user.id in repo.owner.members and rank(role_in(user, repo)) > 0
    return user is repo.owner or user.id in repo.collaborators or inside or any(user.id in t.members for t in teams)


@route("GET", "/repos/{owner}/{repo}/collaborators/{login}/permission", permission="metadata:read")
def permission(request: Request) -> Reply:
    """In the old words (maintain is write, triage is read), and by ``role_name`` in the true ones.

    https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
    """
    if not has_role(request.hub, request.token, request.repo, "write"):
        raise Refusal(403, "Must have push access to view collaborator permission.")
    user = request.hub.account(request.params["login"])
    if user is None:
        raise not_found()
    role = role_in(user, request.repo)
    old = {"maintain": "write", "triage": "read"}.get(role, role)
    return ok({"permission": old, "role_name": role, "user": bodies.collaborator(request.hub, user, role)})
