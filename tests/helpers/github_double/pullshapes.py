"""Pull requests, reviews and teams as GitHub's JSON shows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from github_double import gitfiles, gitio
from github_double.shapes import person, repository, simple_user, stamp
from github_double.state import Label, Org, Pull, Repo, Review, Team, User

if TYPE_CHECKING:
    from github_double.double import Double


def association(repo: Repo, user: User | None) -> str:
    """How an author stands to a repository."""
    if user is None or user.deleted:
        return "NONE"
    if repo.owner is user:
        return "OWNER"
    if isinstance(repo.owner, Org) and user.id in repo.owner.members:
        return "MEMBER"
    if user.id in repo.collaborators:
        return "COLLABORATOR"
    return "CONTRIBUTOR" if any(p.merged and p.user is user for p in repo.pulls.values()) else "NONE"


def label(hub: Double, repo: Repo, one: Label) -> dict[str, Any]:
    """A label."""
    return {
        "id": one.id, "node_id": f"LA_{one.id}", "url": f"{hub.url}/repos/{repo.full_name}/labels/{quote(one.name)}",
        "name": one.name, "color": one.color, "default": False, "description": one.description or None,
    }  # fmt: skip


def team(hub: Double, one: Team, permission: str = "pull") -> dict[str, Any]:
    """A team."""
    api = f"{hub.url}/organizations/{one.org.id}/team/{one.id}"
    return {
        "id": one.id, "node_id": f"T_{one.id}", "url": api, "members_url": f"{api}/members{{/member}}",
        "name": one.slug, "slug": one.slug, "description": one.description or None, "permission": permission,
        "privacy": one.privacy, "html_url": f"{hub.server_url}/orgs/{one.org.login}/teams/{one.slug}",
        "repositories_url": f"{api}/repos", "type": one.type, "organization_id": one.org.id,
        "notification_setting": "notifications_enabled",
        "parent": None if one.parent is None else _flat(hub, one.parent),
    }  # fmt: skip


def _flat(hub: Double, one: Team) -> dict[str, Any]:
    """A team without the one above it, as a pull request shows it."""
    return {name: value for name, value in team(hub, one).items() if name != "parent"}


def event_team(hub: Double, one: Team) -> dict[str, Any]:
    """A team as events show it."""
    return {n: v for n, v in team(hub, one).items() if n not in {"type", "organization_id", "notification_setting"}}


def _end(hub: Double, repo: Repo | None, ref: str, sha: str, named: str) -> dict[str, Any]:
    return {
        "label": named, "ref": ref, "sha": sha, "user": simple_user(hub, repo.owner) if repo else None,
        "repo": repository(hub, repo) if repo else None,
    }  # fmt: skip


def pull_simple(hub: Double, pull: Pull) -> dict[str, Any]:
    """The form of lists. https://docs.github.com/en/rest/pulls/pulls#list-pull-requests."""
    repo, issue, number = pull.repo, pull.issue, pull.number
    api, page = f"{hub.url}/repos/{repo.full_name}", f"{hub.server_url}/{repo.full_name}/pull/{number}"
    one = f"{api}/pulls/{number}"
    links = {
        "self": one, "html": page, "issue": f"{api}/issues/{number}", "comments": f"{api}/issues/{number}/comments",
        "review_comments": f"{one}/comments", "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{one}/commits", "statuses": f"{api}/statuses/{pull.head_sha}",
    }  # fmt: skip
    base_label = f"{repo.owner.login}:{pull.base_ref}"
    return {
        "url": one, "id": pull.id, "node_id": f"PR_{pull.id}", "html_url": page, "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch", "issue_url": links["issue"], "commits_url": links["commits"],
        "review_comments_url": links["review_comments"], "review_comment_url": links["review_comment"],
        "comments_url": links["comments"], "statuses_url": links["statuses"], "number": number, "state": issue.state,
        "locked": issue.locked, "title": issue.title, "user": simple_user(hub, issue.user), "body": issue.body,
        "labels": [{**label(hub, repo, each), "description": each.description} for each in issue.labels],
        "milestone": None, "active_lock_reason": None,
        "created_at": stamp(issue.created_at), "updated_at": stamp(issue.updated_at), "closed_at": stamp(issue.closed_at),
        "merged_at": stamp(pull.merged_at), "merge_commit_sha": pull.merge_sha,
        "assignee": next((simple_user(hub, u) for u in issue.assignees), None),
        "assignees": [simple_user(hub, u) for u in issue.assignees],
        "requested_reviewers": [simple_user(hub, u) for u in pull.asked_users],
        "requested_teams": [team(hub, t) for t in pull.asked_teams],
        "head": _end(hub, pull.head_repo, pull.head_ref, pull.head_sha, pull.head_label),
        "base": _end(hub, repo, pull.base_ref, pull.base_sha, base_label),
        "_links": {name: {"href": url} for name, url in links.items()},
        "author_association": association(repo, issue.user), "auto_merge": None, "draft": pull.draft,
    }  # fmt: skip


def pull_request(hub: Double, pull: Pull) -> dict[str, Any]:
    """The full form. https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request."""
    numbers = files(pull)
    commits = pull.own or _commits(pull)
    comments = sum(c.number == pull.number for c in pull.repo.comments.values())
    return {
        **pull_simple(hub, pull), "requested_teams": [_flat(hub, t) for t in pull.asked_teams], "merged": pull.merged, "mergeable": pull.mergeable, "rebaseable": pull.mergeable,
        "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[pull.mergeable],
        "merged_by": simple_user(hub, pull.merged_by), "comments": comments, "review_comments": 0,
        "maintainer_can_modify": False, "commits": len(commits), "additions": sum(f["additions"] for f in numbers),
        "deletions": sum(f["deletions"] for f in numbers), "changed_files": len(numbers),
    }  # fmt: skip


def _commits(pull: Pull) -> list[str]:
    base = gitio.resolve(pull.repo.path, f"refs/heads/{pull.base_ref}")
    if base is None:
        return []
    return gitio.commits(pull.repo.path, pull.head_sha, base, "--topo-order")


def commits_of(pull: Pull) -> list[str]:
    """The pull request's own commits, oldest first."""
    return pull.own or _commits(pull)


def files(pull: Pull) -> list[dict[str, Any]]:
    """What is changed, a path each, against the merge base: filename, status, additions, deletions, sha."""
    path = pull.repo.path
    start = gitio.merge_base(path, pull.base_sha, pull.head_sha)
    if start is None:
        return []
    if (plain := _plain(path, gitfiles.changed(path, start, pull.head_sha))) is not None:
        return plain
    raw = gitio.text(path, "diff", "--raw", "--numstat", "--full-index", "-M", "-z", start, pull.head_sha)
    return _read_diff(raw.split("\0"))


def _plain(path: Path, changes: list[gitfiles.Changed]) -> list[dict[str, Any]] | None:
    """Read what only adds files or only takes some away: no lines to compare, and nothing was renamed."""
    if not (all(each.old is None for each in changes) or all(each.new is None for each in changes)):
        return None
    if len(changes) > _FEW or any("160000" in {entry.mode for entry in (old, new) if entry} for _, old, new in changes):
        return None
    found = []
    for name, old, new in changes:
        entry = new or old
        raw = gitfiles.read(path, entry.oid)[1] if entry is not None else b""
        lines = 0 if b"\0" in raw[:8000] else raw.count(b"\n") + (raw[-1:] not in (b"", b"\n"))  # as git counts them
        more, less = (lines, 0) if new else (0, lines)
        found.append({
            "sha": entry.oid if entry else "", "filename": name, "status": "added" if new else "removed",
            "additions": more, "deletions": less, "changes": lines,
        })  # fmt: skip
    return found


_FEW = 100
"""Files of which the double looks at each by itself."""
_STATES = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}


def _read_diff(parts: list[str]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    at = 0
    while at < len(parts) and parts[at]:
        if parts[at].startswith(":"):
            _, _, old, new, state = parts[at].split(" ")
            moved = state[0] in "RC"
            name = parts[at + 2] if moved else parts[at + 1]
            found[name] = {"sha": new if set(new) != {"0"} else old, "filename": name, "status": _STATES[state[0]]}
            if moved:
                found[name]["previous_filename"] = parts[at + 1]
            at += 3 if moved else 2
        else:
            plus, minus, name = parts[at].split("\t")
            at += 1
            if not name:
                name, at = parts[at + 1], at + 2
            more, less = (0 if n == "-" else int(n) for n in (plus, minus))
            found[name] |= {"additions": more, "deletions": less, "changes": more + less}
    return list(found.values())


def review_body(hub: Double, pull: Pull, review: Review) -> dict[str, Any]:
    """A review. https://docs.github.com/en/rest/pulls/reviews#list-reviews-for-a-pull-request."""
    page = f"{hub.server_url}/{pull.repo.full_name}/pull/{pull.number}#pullrequestreview-{review.id}"
    api = f"{hub.url}/repos/{pull.repo.full_name}/pulls/{pull.number}"
    body: dict[str, Any] = {
        "id": review.id, "node_id": f"PRR_{review.id}", "user": person(hub, review.user), "body": review.body,
        "state": review.state, "html_url": page, "pull_request_url": api, "commit_id": review.commit,
        "_links": {"html": {"href": page}, "pull_request": {"href": api}},
        "author_association": association(pull.repo, review.user),
    }  # fmt: skip
    if review.state != "PENDING":
        body["submitted_at"] = stamp(review.submitted_at)
    return body
