"""Commits, what they belong to and how they differ: https://docs.github.com/en/rest/commits/commits."""

from __future__ import annotations

from github_double import gitio
from github_double.commitshapes import commit
from github_double.pullshapes import commits_of, pull_simple
from github_double.registry import Reply, Request, invalid, not_found, ok, paged, route
from github_double.state import Pull, Repo


def _commit_of(request: Request, text: str) -> str:
    found = gitio.resolve(request.repo.path, text) or gitio.resolve(request.repo.path, f"refs/heads/{text}")
    if found is None:
        raise invalid(f"No commit found for SHA: {text}")
    return found


@route("GET", "/repos/{owner}/{repo}/commits", permission="contents:read")
def listing(request: Request) -> Reply:
    """The history of ``sha`` (the default branch), newest first."""
    start = request.query.get("sha") or f"refs/heads/{request.repo.default_branch}"
    paths = ["--", request.query["path"]] if "path" in request.query else []
    every = gitio.text(request.repo.path, "rev-list", _commit_of(request, start), *paths).split()
    return paged(request, every, lambda sha: commit(request.hub, request.repo, sha))


@route("GET", "/repos/{owner}/{repo}/commits/{ref*}", permission="contents:read")
def one(request: Request) -> Reply:
    return ok(commit(request.hub, request.repo, _commit_of(request, request.params["ref"])))


@route("GET", "/repos/{owner}/{repo}/commits/{ref}/pulls", permission="pull_requests:read")
def pulls(request: Request) -> Reply:
    """The merged pull request that brought a commit to the default branch; for another, those it belongs to.

    https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit
    """
    repo = request.repo
    sha = _commit_of(request, request.params["ref"])
    on_main = gitio.ancestor(repo.path, sha, f"refs/heads/{repo.default_branch}")
    found = [p for p in repo.pulls.values() if (p.merged or (not on_main and p.open)) and _holds(repo, p, sha)]
    return paged(request, found, lambda p: pull_simple(request.hub, p))


def _holds(repo: Repo, pull: Pull, sha: str) -> bool:
    return (pull.merged and sha == pull.merge_sha) or sha in commits_of(pull)


@route("GET", "/repos/{owner}/{repo}/compare/{basehead*}", permission="contents:read")
def compare(request: Request) -> Reply:
    """How ``base...head`` differ: https://docs.github.com/en/rest/commits/commits#compare-two-commits."""
    hub, repo, path = request.hub, request.repo, request.repo.path
    base_text, dots, head_text = request.params["basehead"].partition("...")
    base, head = (gitio.resolve(path, t) for t in (base_text, head_text))
    start = gitio.merge_base(path, base, head) if base and head else None
    if not dots or base is None or head is None or start is None:
        raise not_found()
    ahead = gitio.commits(path, head, base)
    behind = gitio.commits(path, base, head)
    kinds = {(False, False): "identical", (True, False): "ahead", (False, True): "behind", (True, True): "diverged"}
    api, page = f"{hub.url}{request.path}", f"{hub.server_url}/{repo.full_name}/compare/{base_text}...{head_text}"
    return ok({
        "url": api, "html_url": page, "permalink_url": page, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch",
        "base_commit": commit(hub, repo, base), "merge_base_commit": commit(hub, repo, start),
        "status": kinds[bool(ahead), bool(behind)], "ahead_by": len(ahead), "behind_by": len(behind),
        "total_commits": len(ahead), "commits": [commit(hub, repo, sha) for sha in ahead[:250]],
    })  # fmt: skip
