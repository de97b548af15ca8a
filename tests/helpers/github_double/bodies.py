"""Issues, checks, teams, rules, environments and Apps as GitHub's JSON shows them; all of GitHub's required members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from github_double.pullshapes import association, label, team
from github_double.shapes import full_repository, simple_user, stamp
from github_double.state import App, CheckRun, Comment, Issue, Org, Repo, Ruleset, Team, Token, User, rank

if TYPE_CHECKING:
    from github_double.double import Double

_REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def _reactions(url: str) -> dict[str, Any]:
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(_REACTIONS, 0)}


def app(hub: Double, one: App) -> dict[str, Any]:
    """A GitHub App. https://docs.github.com/en/rest/apps/apps#get-an-app."""
    begun = stamp(hub.now())
    return {
        "id": one.id, "slug": one.slug, "node_id": f"A_{one.id}", "client_id": one.client_id or f"Iv1.{one.id}",
        "owner": simple_user(hub, one.owner), "name": one.slug, "description": "", "external_url": hub.server_url,
        "html_url": f"{hub.server_url}/apps/{one.slug}", "created_at": begun, "updated_at": begun,
        "permissions": {"metadata": "read", **one.permissions}, "events": [],
    }  # fmt: skip


def installation(hub: Double, one: App) -> dict[str, Any]:
    """An App's installation. https://docs.github.com/en/rest/apps/apps#get-an-installation-for-the-authenticated-app."""
    api, begun = f"{hub.url}/app/installations/{one.installation}", stamp(hub.now())
    return {
        "id": one.installation, "account": simple_user(hub, one.owner), "repository_selection": "all" if one.everywhere else "selected",
        "access_tokens_url": f"{api}/access_tokens", "repositories_url": f"{hub.url}/installation/repositories",
        "html_url": f"{hub.server_url}/settings/installations/{one.installation}", "app_id": one.id, "app_slug": one.slug,
        "client_id": one.client_id or f"Iv1.{one.id}", "target_id": one.owner.id, "target_type": one.owner.type,
        "permissions": {"metadata": "read", **one.permissions}, "events": [], "created_at": begun, "updated_at": begun,
        "single_file_name": None, "has_multiple_single_files": False, "single_file_paths": [],
        "suspended_by": simple_user(hub, one.owner) if one.suspended else None,
        "suspended_at": stamp(hub.now()) if one.suspended else None,
    }  # fmt: skip


def issue(hub: Double, repo: Repo, one: Issue) -> dict[str, Any]:
    """An issue, or a pull request seen as one. https://docs.github.com/en/rest/issues/issues#get-an-issue."""
    api = f"{hub.url}/repos/{repo.full_name}"
    kind = "pull" if one.is_pull else "issues"
    url, page = f"{api}/issues/{one.number}", f"{hub.server_url}/{repo.full_name}/{kind}/{one.number}"
    people = [simple_user(hub, user) for user in one.assignees]
    body = {
        "id": one.id, "node_id": f"I_{one.id}", "url": url, "repository_url": api, "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments", "events_url": f"{url}/events", "timeline_url": f"{url}/timeline",
        "html_url": page, "number": one.number, "state": one.state, "state_reason": one.state_reason, "title": one.title,
        "body": one.body, "user": simple_user(hub, one.user), "labels": [label(hub, repo, each) for each in one.labels],
        "assignee": people[0] if people else None, "assignees": people, "milestone": None, "locked": one.locked,
        "active_lock_reason": None, "comments": sum(c.number == one.number for c in repo.comments.values()),
        "closed_at": stamp(one.closed_at), "created_at": stamp(one.created_at), "updated_at": stamp(one.updated_at),
        "closed_by": simple_user(hub, one.closed_by), "author_association": association(repo, one.user),
        "performed_via_github_app": app(hub, one.app) if one.app else None, "reactions": _reactions(url),
    }  # fmt: skip
    if one.is_pull:
        pull = repo.pulls[one.number]
        end = {"html_url": page, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
        merged = {"url": f"{api}/pulls/{one.number}", "merged_at": stamp(pull.merged_at)}
        body |= {"draft": pull.draft, "pull_request": {**end, **merged}}
    return body


def told_issue(hub: Double, repo: Repo, one: Issue) -> dict[str, Any]:
    """An issue as events tell it: without who closed it, and its App without its client id."""
    body = {name: value for name, value in issue(hub, repo, one).items() if name != "closed_by"}
    if by := body["performed_via_github_app"]:
        body["performed_via_github_app"] = {name: value for name, value in by.items() if name != "client_id"}
    return body


def comment(hub: Double, repo: Repo, one: Comment) -> dict[str, Any]:
    """A comment. https://docs.github.com/en/rest/issues/comments#get-an-issue-comment."""
    api = f"{hub.url}/repos/{repo.full_name}/issues"
    kind = "pull" if repo.issues[one.number].is_pull else "issues"
    return {
        "id": one.id, "node_id": f"IC_{one.id}", "url": f"{api}/comments/{one.id}",
        "html_url": f"{hub.server_url}/{repo.full_name}/{kind}/{one.number}#issuecomment-{one.id}", "body": one.body,
        "user": simple_user(hub, one.user), "created_at": stamp(one.created_at), "updated_at": stamp(one.updated_at),
        "issue_url": f"{api}/{one.number}", "author_association": association(repo, one.user),
        "performed_via_github_app": app(hub, one.app) if one.app else None,
        "reactions": _reactions(f"{api}/comments/{one.id}"),
    }  # fmt: skip


def check_run(hub: Double, repo: Repo, one: CheckRun) -> dict[str, Any]:
    """A check run. https://docs.github.com/en/rest/checks/runs#get-a-check-run."""
    url = f"{hub.url}/repos/{repo.full_name}/check-runs/{one.id}"
    page = f"{hub.server_url}/{repo.full_name}/runs/{one.id}"
    said = {name: one.output.get(name) for name in ("title", "summary", "text")}
    numbers = {"annotations_count": len(one.annotations), "annotations_url": f"{url}/annotations"}
    api = f"{hub.url}/repos/{repo.full_name}"
    inside = {"id": repo.id, "url": api, "name": repo.name}
    of = [
        {
            "id": pull.id, "number": pull.number, "url": f"{api}/pulls/{pull.number}",
            "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": inside},
            "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": inside},
        }
        for pull in repo.pulls.values()
        if pull.open and pull.head_sha == one.head_sha and pull.head_repo is repo
    ]  # fmt: skip
    return {
        "id": one.id, "head_sha": one.head_sha, "node_id": f"CR_{one.id}", "external_id": one.external_id, "url": url,
        "html_url": page, "details_url": one.details_url or page, "status": one.status, "conclusion": one.conclusion,
        "started_at": stamp(one.started_at), "completed_at": stamp(one.completed_at), "output": {**said, **numbers},
        "name": one.name, "check_suite": {"id": one.suite}, "app": app(hub, one.app), "pull_requests": of,
    }  # fmt: skip


def org_simple(hub: Double, one: Org) -> dict[str, Any]:
    """The short form of an organisation."""
    api = f"{hub.url}/orgs/{one.login}"
    return {
        "login": one.login, "id": one.id, "node_id": f"O_{one.id}", "url": api, "repos_url": f"{api}/repos",
        "events_url": f"{api}/events", "hooks_url": f"{api}/hooks", "issues_url": f"{api}/issues",
        "members_url": f"{api}/members{{/member}}", "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"{hub.server_url}/avatars/{one.id}", "description": None,
    }  # fmt: skip


def org_full(hub: Double, one: Org) -> dict[str, Any]:
    """The long form of an organisation. https://docs.github.com/en/rest/orgs/orgs#get-an-organization."""
    begun = stamp(hub.now())
    return {
        **org_simple(hub, one), "name": one.login, "has_organization_projects": True, "has_repository_projects": True,
        "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "type": "Organization",
        "html_url": f"{hub.server_url}/{one.login}", "created_at": begun, "updated_at": begun, "archived_at": None,
        "default_repository_permission": one.base,
    }  # fmt: skip


def team_full(hub: Double, one: Team) -> dict[str, Any]:
    """The long form of a team. https://docs.github.com/en/rest/teams/teams#get-a-team-by-name."""
    begun = stamp(hub.now())
    repos = sum(one.id in repo.team_roles for repo in hub.repositories.values())
    return {
        **team(hub, one), "members_count": len(one.members), "repos_count": repos, "created_at": begun,
        "updated_at": begun, "organization": org_full(hub, one.org),
    }  # fmt: skip


def permissions(role: str) -> dict[str, bool]:
    """A role as the five flags that say what it may do."""
    steps = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
    return {name: rank(role) >= rank(least) for name, least in steps.items()}


def short_role(role: str) -> str:
    """A role in the words of the older lists: pull, triage, push, maintain or admin."""
    return {"read": "pull", "write": "push"}.get(role, role)


def collaborator(hub: Double, user: User, role: str) -> dict[str, Any]:
    """A person with what they may do in a repository."""
    return {**(simple_user(hub, user) or {}), "permissions": permissions(role), "role_name": role}


_MERGING = (
    "allow_merge_commit",
    "allow_squash",
    "allow_rebase",
    "allow_auto",
    "allow_update",
    "squash_",
    "merge_commit_",
    "use_",
    "organization",
)


def team_repository(hub: Double, repo: Repo, role: str, token: Token) -> dict[str, Any]:
    """A repository with what a team may do there."""
    held = {name: value for name, value in full_repository(hub, repo, token).items() if not name.startswith(_MERGING)}
    return {**held, "temp_clone_token": "", "permissions": permissions(role), "role_name": role}


def ruleset(hub: Double, repo: Repo, one: Ruleset, *, whole: bool, bypass: bool, own_bypass: str) -> dict[str, Any]:
    """A ruleset: short as in lists, or whole; who bypasses it only for those who may change it.

    https://docs.github.com/en/rest/repos/rules#get-a-repository-ruleset
    """
    api = f"{hub.url}/repos/{repo.full_name}/rulesets/{one.id}"
    body: dict[str, Any] = {
        "id": one.id, "name": one.name, "target": one.target, "source_type": one.source_type,
        "source": one.source or repo.full_name, "enforcement": one.enforcement, "node_id": f"RRS_{one.id}",
        "_links": {"self": {"href": api}, "html": {"href": f"{hub.server_url}/{repo.full_name}/rules/{one.id}"}},
        "created_at": stamp(one.created_at), "updated_at": stamp(one.updated_at),
    }  # fmt: skip
    if not whole:
        return body
    body["conditions"] = {"ref_name": {"include": list(one.include), "exclude": list(one.exclude)}}
    body["rules"] = [{"type": r.type, **({"parameters": r.parameters} if r.parameters else {})} for r in one.rules]
    body["current_user_can_bypass"] = own_bypass
    if bypass:
        body["bypass_actors"] = [
            {"actor_id": b.actor_id, "actor_type": b.actor_type, "bypass_mode": b.mode} for b in one.bypass
        ]
    return body
