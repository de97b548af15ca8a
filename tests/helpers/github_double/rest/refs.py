"""Refs and branches: https://docs.github.com/en/rest/git/refs and https://docs.github.com/en/rest/branches/branches."""

from __future__ import annotations

from typing import Any

from github_double import gitio, pushes, rules
from github_double.commitshapes import commit
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, nothing, ok, paged, route
from github_double.state import ZERO

_GIT = "/repos/{owner}/{repo}/git"
_REFS = ("refs/heads", "refs/tags", "refs/pull")


def _shape(request: Request, ref: str, sha: str) -> dict[str, Any]:
    api = f"{request.hub.url}/repos/{request.repo.full_name}/git"
    kind = gitio.kind(request.repo.path, sha) or "commit"
    return {
        "ref": ref,
        "node_id": f"REF_{ref}",
        "url": f"{api}/{ref}",
        "object": {"sha": sha, "type": kind, "url": f"{api}/{kind}s/{sha}"},
    }


def _all(request: Request) -> dict[str, str]:
    return {name: sha for under in _REFS for name, sha in gitio.refs(request.repo.path, under).items()}


@route("GET", f"{_GIT}/ref/{{ref*}}", permission="contents:read")
def one(request: Request) -> Reply:
    """One ref by its whole name below refs/: 404 where there is none of just that name."""
    name = f"refs/{request.params['ref']}"
    every = _all(request)
    if name not in every:
        raise not_found()
    return ok(_shape(request, name, every[name]))


@route("GET", f"{_GIT}/matching-refs/{{ref*}}", permission="contents:read")
def matching(request: Request) -> Reply:
    """Refs whose names begin so; none is an empty list."""
    start = f"refs/{request.params['ref']}"
    found = sorted((name, sha) for name, sha in _all(request).items() if name.startswith(start))
    return paged(request, found, lambda pair: _shape(request, *pair))


def _guard(request: Request, ref: str, old: str, new: str) -> None:
    """Refuse what rules, permissions for workflows or GitHub's own names forbid."""
    repo, token = request.repo, request.token
    if not ref.startswith(("refs/heads/", "refs/tags/")):
        raise invalid("Reference cannot be created or updated in this namespace")
    if ref.startswith("refs/heads/"):
        verdict, why = rules.push_verdict(
            repo, ref.removeprefix("refs/heads/"), token, old=old != ZERO, new=new != ZERO
        )
        if verdict == "refuse" or (verdict == "forward" and not gitio.ancestor(repo.path, old, new)):
            raise invalid(f"Repository rule violations found\n\n{why.removeprefix('- ')}\n\n")
    if pushes.touches_workflows(repo, old, new) and not pushes.may_touch_workflows(token):
        raise Refusal(403, pushes.workflow_refusal(token))


def _move(request: Request, ref: str, old: str, new: str) -> None:
    try:
        gitio.set_ref(request.repo.path, ref, new, old)
    except gitio.GitError as error:
        raise invalid(f"{ref} is not a valid ref name.") from error
    pushes.moved(request.hub, request.repo, request.token, ref, old, new)


@route("POST", f"{_GIT}/refs", permission="contents:write")
def create(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/refs#create-a-reference."""
    ref, sha = request.value("ref", required=True), request.value("sha", required=True)
    if not ref.startswith("refs/") or ref.count("/") < 2 or not gitio.valid_ref(ref):
        raise invalid("Reference name must start with 'refs/' and contain at least two slashes.")
    if gitio.kind(request.repo.path, sha) is None or len(sha) != 40:
        raise invalid("Object does not exist")
    if ref in _all(request):
        raise invalid("Reference already exists")
    _guard(request, ref, ZERO, sha)
    _move(request, ref, ZERO, sha)
    return created(_shape(request, ref, sha))


@route("PATCH", f"{_GIT}/refs/{{ref*}}", permission="contents:write")
def update(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/refs#update-a-reference (forward only, unless ``force``)."""
    ref, sha = f"refs/{request.params['ref']}", request.value("sha", required=True)
    old = _all(request).get(ref)
    if old is None:
        raise invalid("Reference does not exist")
    if gitio.kind(request.repo.path, sha) is None or len(sha) != 40:
        raise invalid("Object does not exist")
    if not request.value("force", bool, default=False) and not gitio.ancestor(request.repo.path, old, sha):
        raise invalid("Update is not a fast forward")
    if old != sha:
        _guard(request, ref, old, sha)
        _move(request, ref, old, sha)
    return ok(_shape(request, ref, sha))


@route("DELETE", f"{_GIT}/refs/{{ref*}}", permission="contents:write")
def delete(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/refs#delete-a-reference."""
    ref = f"refs/{request.params['ref']}"
    old = _all(request).get(ref)
    if old is None:
        raise invalid("Reference does not exist")
    if ref == f"refs/heads/{request.repo.default_branch}":
        raise invalid("Cannot delete the default branch")
    _guard(request, ref, old, ZERO)
    _move(request, ref, old, ZERO)
    return nothing()


def _protected(request: Request, branch: str) -> bool:
    return any(True for _ in rules.active(request.repo, branch))


@route("GET", "/repos/{owner}/{repo}/branches", permission="contents:read")
def branches(request: Request) -> Reply:
    """https://docs.github.com/en/rest/branches/branches#list-branches (``protected`` chooses)."""
    repo = request.repo
    named = [(ref.removeprefix("refs/heads/"), sha) for ref, sha in gitio.refs(repo.path).items()]
    wanted = request.query.get("protected")
    if wanted is not None:
        named = [(name, sha) for name, sha in named if _protected(request, name) == (wanted == "true")]

    def shape(pair: tuple[str, str]) -> dict[str, Any]:
        url = f"{request.hub.url}/repos/{repo.full_name}/commits/{pair[1]}"
        return {"name": pair[0], "commit": {"sha": pair[1], "url": url}, "protected": _protected(request, pair[0])}

    return paged(request, named, shape)


@route("GET", "/repos/{owner}/{repo}/branches/{branch*}", permission="contents:read")
def branch(request: Request) -> Reply:
    """https://docs.github.com/en/rest/branches/branches#get-a-branch."""
    repo, name = request.repo, request.params["branch"]
    sha = gitio.refs(repo.path).get(f"refs/heads/{name}")
    if sha is None:
        raise Refusal(404, "Branch not found")
    api, page = (
        f"{request.hub.url}/repos/{repo.full_name}/branches/{name}",
        f"{request.hub.server_url}/{repo.full_name}/tree/{name}",
    )
    held = _protected(request, name)
    return ok({
        "name": name, "commit": commit(request.hub, repo, sha), "_links": {"self": api, "html": page}, "protected": held,
        "protection": {"enabled": name in repo.protections}, "protection_url": f"{api}/protection",
    })  # fmt: skip
