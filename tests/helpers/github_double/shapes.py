"""Accounts and repositories as GitHub's JSON shows them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from github_double.state import Repo, User, rank

if TYPE_CHECKING:
    from github_double.double import Double
    from github_double.state import Token


def stamp(at: datetime | None) -> str | None:
    """An instant as GitHub writes it."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def simple_user(hub: Double, user: User | None) -> dict[str, Any] | None:
    """The short form of an account. What a deleted one opened is shown as the ghost's.

    https://docs.github.com/en/account-and-profile/how-tos/account-management/deleting-your-personal-account
    """
    if user is None:
        return None
    if user.deleted:
        user = User("ghost", 10137)
    api = f"{hub.url}/users/{quote(user.login)}"
    page = f"apps/{user.login.removesuffix('[bot]')}" if user.type == "Bot" else user.login
    return {
        "login": user.login, "id": user.id, "node_id": f"U_{user.id}", "type": user.type, "site_admin": False,
        "avatar_url": f"{hub.server_url}/avatars/{user.id}", "gravatar_id": "", "url": api,
        "html_url": f"{hub.server_url}/{page}", "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}", "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}", "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs", "repos_url": f"{api}/repos", "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
    }  # fmt: skip


def person(hub: Double, user: User | None) -> dict[str, Any] | None:
    """An account where GitHub says null once it is gone: in reviews, events and activity."""
    return None if user is None or user.deleted else simple_user(hub, user)


_URLS = {
    "archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}", "commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments",
    "downloads_url": "/downloads", "events_url": "/events", "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}",
    "languages_url": "/languages", "merges_url": "/merges", "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}", "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}  # fmt: skip


def repository(hub: Double, repo: Repo) -> dict[str, Any]:
    """The form of a repository that stands inside other bodies and lists."""
    api = f"{hub.url}/repos/{repo.full_name}"
    host = hub.server_url.removeprefix("http://")
    created = stamp(repo.created_at)
    return {
        "id": repo.id, "node_id": f"R_{repo.id}", "name": repo.name, "full_name": repo.full_name,
        "owner": simple_user(hub, repo.owner), "private": repo.private, "html_url": f"{hub.server_url}/{repo.full_name}",
        "description": None, "fork": repo.fork_of is not None, "url": api, **{n: api + end for n, end in _URLS.items()},
        "clone_url": f"{hub.server_url}/{repo.full_name}.git", "git_url": f"git://{host}/{repo.full_name}.git",
        "ssh_url": f"git@{host}:{repo.full_name}.git", "svn_url": f"{hub.server_url}/{repo.full_name}", "mirror_url": None,
        "homepage": None, "language": None, "forks_count": 0, "forks": 0, "stargazers_count": 0, "watchers_count": 0,
        "watchers": 0, "size": 0, "default_branch": repo.default_branch, "open_issues_count": 0, "open_issues": 0,
        "is_template": False, "topics": [], "has_projects": False, "has_wiki": False,
        "has_issues": repo.extras.get("has_issues", True),
        "has_pages": False, "has_downloads": False, "has_discussions": False, "archived": repo.archived,
        "disabled": False, "visibility": "private" if repo.private else "public", "pushed_at": created,
        "created_at": created, "updated_at": created, "license": None, "allow_forking": repo.allow_forking,
        "web_commit_signoff_required": False,
    }  # fmt: skip


def full_repository(hub: Double, repo: Repo, token: Token) -> dict[str, Any]:
    """The long form, with merge settings for those who may write and the caller's permissions.

    https://docs.github.com/en/rest/repos/repos#get-a-repository
    """
    from github_double.auth import has_role

    body = repository(hub, repo)
    held = {
        name: has_role(hub, token, repo, role)
        for name, role in (
            ("admin", "admin"),
            ("maintain", "maintain"),
            ("push", "write"),
            ("triage", "triage"),
            ("pull", "read"),
        )
    }
    body |= {"permissions": held, "temp_clone_token": None, "network_count": 0, "subscribers_count": 0}
    if rank("write") and held["push"]:
        body |= {
            "allow_merge_commit": "merge" in repo.methods, "allow_squash_merge": "squash" in repo.methods,
            "allow_rebase_merge": "rebase" in repo.methods, "allow_auto_merge": False, "allow_update_branch": False,
            "delete_branch_on_merge": repo.delete_branch_on_merge, "squash_merge_commit_title": repo.squash_title,
            "squash_merge_commit_message": repo.squash_message, "merge_commit_title": "MERGE_MESSAGE",
            "merge_commit_message": "PR_TITLE", "use_squash_pr_title_as_default": False,
            **repo.extras.get("settings", {}),
        }  # fmt: skip
    if repo.fork_of is not None:
        body |= {"parent": repository(hub, repo.fork_of), "source": repository(hub, repo.fork_of)}
    if repo.owner.type == "Organization":
        body["organization"] = simple_user(hub, repo.owner)
    return body
