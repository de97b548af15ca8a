"""Who acts, and what they may do: tokens, their permissions, and people's roles in a repository.

https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api
https://docs.github.com/en/rest/overview/permissions-required-for-github-apps
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import jwt

from github_double.registry import Refusal, Request, Route, not_found
from github_double.state import App, Org, Repo, Token, User, rank

if TYPE_CHECKING:
    from github_double.double import Double

LEVELS = {"read": 1, "write": 2, "admin": 3}
ANONYMOUS = User("", 0, "User")


def authenticate(hub: Double, header: str) -> Token:
    """Return what an Authorization header stands for. Refuses (401) an unknown, ended or revoked one."""
    if not header:
        return Token("", "anonymous", ANONYMOUS, limit=60)
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        value = _password(value)
    elif scheme.lower() not in {"bearer", "token"}:
        raise Refusal(401, "Bad credentials")
    token = hub.tokens.get(value)
    if token is None and value.count(".") == 2:
        return _app_token(hub, value)
    if token is None or token.revoked or (token.expires_at is not None and hub.now() >= token.expires_at):
        raise Refusal(401, "Bad credentials")
    if token.app is not None and token.app.uninstalled:
        raise Refusal(401, "Bad credentials")
    if token.app is not None and token.app.suspended:
        raise Refusal(403, "This installation has been suspended")
    if token.user.suspended:
        raise Refusal(403, "Sorry. Your account was suspended. Please contact GitHub Support.")
    if token.user.deleted:
        raise Refusal(401, "Bad credentials")
    return token


def _password(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refusal(401, "Bad credentials") from error


def _app_token(hub: Double, value: str) -> Token:
    """Verify an App's JWT: RS256 with its key, at most ten minutes, by the real clock since its maker has no other.

    https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
    """
    try:
        issuer = str(jwt.decode(value, options={"verify_signature": False}).get("iss", ""))
        app = next((a for a in hub.apps.values() if issuer in {str(a.id), a.client_id}), None)
        if app is None:
            raise Refusal(404, "Integration not found")
        claims = jwt.decode(
            value, app.public_key, algorithms=["RS256"], leeway=60, options={"require": ["exp", "iat", "iss"]}
        )
    except jwt.ExpiredSignatureError as error:
        raise Refusal(
            401, "'Expiration time' claim ('exp') must be a numeric value representing the future time"
        ) from error
    except jwt.PyJWTError as error:
        raise Refusal(401, "A JSON web token could not be decoded") from error
    if claims["exp"] - claims["iat"] > 600 + 60:
        raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
    return hub.jwt_tokens.setdefault(app.id, Token("", "jwt", app.bot, {}, [], app))


def role_in(user: User, repo: Repo) -> str:
    """The highest role that a person has in a repository: as owner, collaborator, member or through a team."""
    roles = ["none" if repo.private else "read", repo.collaborators.get(user.id, "none")]
    if repo.owner is user:
        roles.append("admin")
    if isinstance(repo.owner, Org) and user.id in repo.owner.members:
        roles.append("admin" if repo.owner.members[user.id] == "admin" else repo.owner.base)
    if repo.private and repo.fork_of is not None and rank(role_in(user, repo.fork_of)) >= rank("read"):
        roles.append("read")  # a private fork inherits who may see what it was forked from
    roles += [role for team, role in repo.team_roles.values() if team.has(user.id)]
    return max(roles, key=rank)


def sees(hub: Double, token: Token, repo: Repo) -> bool:
    """Whether a token may know that the repository exists."""
    if not repo.private:
        return True
    if token.repositories is not None and repo.full_name not in token.repositories:
        return False
    return token.kind in {"app", "actions"} or rank(role_in(token.user, repo)) >= rank("read")


def grants(token: Token, permission: str) -> bool:
    """Whether the token's own permissions hold one of "name:level|name:level"; a classic token's hold everything."""
    if token.permissions is None or not permission:
        return True
    held = {"metadata": "read", **token.permissions}
    return any(
        LEVELS.get(held.get(name, ""), 0) >= LEVELS[level or "read"]
        for name, _, level in (each.partition(":") for each in permission.split("|"))
    )


def has_role(hub: Double, token: Token, repo: Repo, role: str) -> bool:
    """Whether the actor's role is at least that. An installation has what its permissions say, whatever its role."""
    if token.kind in {"app", "actions"}:
        inside = token.repositories is None or repo.full_name in token.repositories
        return inside if rank(role) > rank("read") else inside or not repo.private
    return rank(role_in(token.user, repo)) >= rank(role)


def need_role(request: Request, role: str) -> None:
    """Refuse (403) a lower role."""
    if not has_role(request.hub, request.token, request.repo, role):
        if role == "admin":
            raise Refusal(403, "Must have admin rights to Repository.")
        raise Refusal(
            403, f"Must have {role} access to repository." if role != "write" else "Must have push access to repository"
        )


def fenced(hub: Double, token: Token, owner: str) -> Refusal | None:
    """Return what an organisation's own fences say to who comes from elsewhere, or with a token that it did not authorise.

    https://docs.github.com/en/enterprise-cloud@latest/organizations/keeping-your-organization-secure/managing-allowed-ip-addresses-for-your-organization
    https://docs.github.com/en/enterprise-cloud@latest/rest/authentication/authenticating-to-the-rest-api
    """
    if owner.lower() in hub.allow_lists:
        return Refusal(
            403,
            f"Although you appear to have the correct authorization credentials, the `{owner}` organization has an IP allow "
            "list enabled, and your IP address is not permitted to access this resource.",
        )
    if owner.lower() in hub.sso and token.kind in {"user", "fine"}:
        return Refusal(
            403,
            "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this "
            "organization.",
            headers={"X-GitHub-SSO": f"required; url={hub.server_url}/orgs/{owner}/sso?authorization_request=A1"},
        )
    return None


def check(request: Request) -> None:
    """Refuse a request that its token does not allow: 401, 403, or 404 for what it may not know of."""
    route, token = request.route, request.token
    turned = fenced(request.hub, token, request.params.get("owner") or request.params.get("org") or "")
    if turned is not None:
        raise turned
    if _app_itself(request):
        return
    reading = request.method in {"GET", "HEAD"}
    repo = request.found
    if token.kind == "anonymous" and route.auth != "anyone" and not (reading and repo is not None and not repo.private):
        raise not_found() if repo is not None and repo.private else Refusal(401, "Requires authentication")
    if repo is not None and not sees(request.hub, token, repo):
        raise not_found()
    foreign = repo is not None and token.repositories is not None and repo.full_name not in token.repositories
    if not (reading and repo is not None and not repo.private and _public(route)):
        headers = {"X-Accepted-GitHub-Permissions": route.permission.replace(":", "=").replace("|", "; ")}
        if not grants(token, route.permission) or (foreign and not reading):
            who = "personal access token" if token.kind == "fine" else "integration"
            raise Refusal(403, f"Resource not accessible by {who}", headers=headers)
    if repo is not None:
        if repo.archived and not reading:
            raise Refusal(403, "Repository was archived so is read-only.")
        need_role(request, route.role or _least(route))


def _app_itself(request: Request) -> bool:
    """Whether an App asks as itself. Refuses its token elsewhere, and others where it alone may ask.

    It knows where it is installed, whatever it may do there, and of no other repository.
    """
    token, repo = request.token, request.found
    if (request.route.auth == "jwt") != (token.kind == "jwt"):
        if token.kind == "jwt":
            raise Refusal(403, "Resource not accessible by integration")
        raise Refusal(401, "A JSON web token could not be decoded")
    if token.kind == "jwt" and repo is not None and (token.app is None or repo.full_name not in token.app.repositories):
        raise not_found()
    return token.kind == "jwt"


def _public(route: Route) -> bool:
    """Whether a public repository shows this to everybody: everything that is read but its administration."""
    return not any(
        word in route.permission for word in ("administration", "secrets", "environments", "actions_variables")
    )


def _least(route: Route) -> str:
    names = route.permission.split("|")
    if any(n.startswith("administration") for n in names):
        return "admin" if route.method != "GET" else "read"
    return "write" if names in (["contents:write"], ["statuses:write"]) else "read"


def issue_installation_token(
    hub: Double, app: App, permissions: dict[str, str] | None, repositories: list[str] | None
) -> Token:
    """Make an installation's token, narrowed to some repositories and permissions; it lives an hour."""
    for name, level in (permissions or {}).items():
        if LEVELS.get(level, 9) > LEVELS.get({"metadata": "read", **app.permissions}.get(name, ""), 0):
            raise Refusal(422, "The permissions requested are not granted to this installation.")
    unknown = [name for name in repositories or [] if name not in app.repositories]
    if unknown:
        raise Refusal(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    value = hub.secret("ghs_")
    token = Token(
        value, "app", app.bot, permissions or dict(app.permissions), repositories or list(app.repositories), app
    )
    token.expires_at = hub.now() + hub.HOUR
    hub.tokens[value] = token
    return token
