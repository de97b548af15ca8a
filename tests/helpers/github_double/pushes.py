"""What a push may do, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from github_double import gitfiles, gitio, pulling, rules
from github_double.auth import grants
from github_double.commitshapes import read
from github_double.state import ZERO, Activity, Repo, Token

if TYPE_CHECKING:
    from github_double.double import Double

_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]+)")
WORKFLOWS = ".github/workflows"


@contextmanager
def receiving(hub: Double, repo: Repo, token: Token, body: bytes) -> Iterator[str]:
    """Let git receive a push: yields the rules for the repository's hook, then lets everything follow from what moved."""
    asked = commands(body)
    lines = [line for old, new, ref in asked if (line := _rule(repo, token, old, new, ref))]
    before = {ref: gitio.at(repo.path, ref) or ZERO for _, _, ref in asked}
    yield "\n".join(lines)
    for ref, old in before.items():
        new = gitio.at(repo.path, ref) or ZERO
        if old != new:
            moved(hub, repo, token, ref, old, new)


def push(hub: Double, repo: Repo, token: Token, branch: str, new: str, *, force: bool = False) -> None:
    """Move a branch to a commit that is there, with what follows, as a push by git would. Raises AssertionError."""
    ref = f"refs/heads/{branch}"
    with hub.lock:
        old = gitio.at(repo.path, ref) or ZERO
        if old == new:
            return
        verdict, why = rules.push_verdict(repo, branch, token, old=old != ZERO, new=True)
        assert verdict != "refuse", why
        forward = old == ZERO or gitio.ancestor(repo.path, old, new)
        assert forward or (force and not verdict), f"{branch} would not be moved forward by {new}"
        gitio.set_ref(repo.path, ref, new)
        moved(hub, repo, token, ref, old, new)


def commands(body: bytes) -> list[tuple[str, str, str]]:
    """The (old, new, ref) that a push asks for, from the first lines of its body."""
    found, at = [], 0
    while at + 4 <= len(body):
        size = int(body[at : at + 4], 16)
        if size == 0:
            break
        if match := _COMMAND.match(body[at + 4 : at + size]):
            found.append((match[1].decode(), match[2].decode(), match[3].decode("utf-8", "surrogateescape")))
        at += max(size, 4)
    return found


def _rule(repo: Repo, token: Token, old: str, new: str, ref: str) -> str:
    """One line for the hook; "" where nothing stands in the way."""
    verdict, why = "", ""
    if ref.startswith("refs/heads/"):
        branch = ref.removeprefix("refs/heads/")
        verdict, why = rules.push_verdict(repo, branch, token, old=old != ZERO, new=new != ZERO)
    if not verdict and not may_touch_workflows(token):
        verdict, why = "workflows", workflow_refusal(token)
    elif verdict == "forward" and not may_touch_workflows(token):
        verdict = "both"
    return f"{ref}|{verdict}|{why}" if verdict else ""


def may_touch_workflows(token: Token) -> bool:
    """Whether a token may change workflow files: classic ones may, others need the permission of that name.

    A job's GITHUB_TOKEN can never have it.
    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions
    """
    scoped = token.scopes is None or "workflow" in token.scopes
    return token.kind != "actions" and scoped and grants(token, "workflows:write")


def workflow_refusal(token: Token, name: str = WORKFLOWS) -> str:
    """What GitHub says to a token that may not change a workflow."""
    if token.scopes is not None:
        return f"refusing to allow an OAuth App to create or update workflow `{name}` without `workflow` scope"
    who = "Personal Access Token" if token.kind == "fine" else "GitHub App"
    return f"refusing to allow a {who} to create or update workflow `{name}` without `workflows` permission"


def touches_workflows(repo: Repo, old: str, new: str) -> bool:
    """Whether workflow files differ between what a branch had (ZERO: where it leaves the default one) and gets."""
    start = old
    if old == ZERO:
        start = gitio.merge_base(repo.path, f"refs/heads/{repo.default_branch}", new) or ""

    def workflows(commit: str) -> gitfiles.Entry | None:
        return gitfiles.find(repo.path, commit, WORKFLOWS) if commit else None

    return new != ZERO and bool(workflows(new)) and workflows(new) != workflows(start)


def moved(hub: Double, repo: Repo, token: Token, ref: str, old: str, new: str, *, kind: str = "") -> None:
    """Note that a ref has moved, and let events and pull requests follow."""
    kind = kind or _kind(repo, old, new)
    repo.activity.append(Activity(hub.next_id(), old, new, ref, hub.now(), kind, token.user))
    _emit(hub, repo, token, ref, old, new, forced=kind == "force_push")
    if not ref.startswith("refs/heads/"):
        return
    branch = ref.removeprefix("refs/heads/")
    for each in list(hub.repositories.values()):
        for pull in list(each.pulls.values()):
            if pull.open and pull.head_repo is repo and pull.head_ref == branch:
                pulling.head_moved(hub, token, pull, old, new)
            if pull.open and pull.repo is repo and pull.base_ref == branch:
                pulling.base_moved(hub, token, pull, old, new)


def _kind(repo: Repo, old: str, new: str) -> str:
    if old == ZERO:
        return "branch_creation"
    if new == ZERO:
        return "branch_deletion"
    return "push" if gitio.ancestor(repo.path, old, new) else "force_push"


_TOLD = 20
"""How many commits a push event tells of here; GitHub's own limit is 2,048."""


def _emit(hub: Double, repo: Repo, token: Token, ref: str, old: str, new: str, *, forced: bool) -> None:
    """Deliver a push event. https://docs.github.com/en/webhooks/webhook-events-and-payloads#push."""
    commits: list[dict[str, Any]] = []
    if new != ZERO:
        steps = gitio.commits(repo.path, new, "" if old == ZERO else old)
        commits = [_told(hub, repo, sha) for sha in steps[-_TOLD:]]
    who = {"name": token.user.login, "email": token.user.email or None}
    hub.emit("push", "", repo, {
        "ref": ref, "before": old, "after": new, "created": old == ZERO, "deleted": new == ZERO, "forced": forced,
        "base_ref": None, "compare": f"{hub.server_url}/{repo.full_name}/compare/{old[:12]}...{new[:12]}",
        "commits": commits, "head_commit": None if new == ZERO else _told(hub, repo, new), "pusher": who,
    }, token)  # fmt: skip


def _told(hub: Double, repo: Repo, sha: str) -> dict[str, Any]:
    said = read(repo, sha)
    return {
        "id": sha, "tree_id": said["tree"], "distinct": True, "message": said["message"],
        "timestamp": said["committer"]["date"], "url": f"{hub.server_url}/{repo.full_name}/commit/{sha}",
        "author": said["author"], "committer": said["committer"], "added": [], "removed": [], "modified": [],
    }  # fmt: skip
