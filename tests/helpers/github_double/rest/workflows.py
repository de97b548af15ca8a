"""Workflows by the files that are really there, and the two ways of starting one by hand.

https://docs.github.com/en/rest/actions/workflows
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import yaml

from github_double import gitfiles, gitio
from github_double.registry import Refusal, Reply, Request, invalid, not_found, nothing, ok, paged, route
from github_double.shapes import stamp
from github_double.state import Repo

_FOLDER = ".github/workflows"
_BASE = "/repos/{owner}/{repo}/actions/workflows"
_READ, _WRITE = "actions:read", "actions:write"


def files(repo: Repo, revision: str) -> dict[str, Any]:
    """The workflow files of a revision, read as YAML."""
    commit = gitio.resolve(repo.path, revision)
    folder = gitfiles.find(repo.path, commit, _FOLDER) if commit else None
    if commit is None or folder is None or folder.mode != gitfiles.TREE:
        return {}
    names = [f"{_FOLDER}/{name}" for name in gitfiles.tree(repo.path, folder.oid)]
    found = {}
    for name in names:
        if name.endswith((".yml", ".yaml")):
            found[name] = _read(gitio.content(repo.path, commit, name) or b"")
    return found


@lru_cache(maxsize=200)
def _read(raw: bytes) -> Any:
    """Read a file once, since every listing asks for all of them; nobody changes what was read."""
    return yaml.safe_load(raw)


def triggers(workflow: Any) -> dict[str, Any]:
    """What a workflow file starts on. YAML 1.1 reads the word ``on`` as true."""
    on = workflow.get("on", workflow.get(True)) if isinstance(workflow, dict) else None
    names = [on] if isinstance(on, str) else on if isinstance(on, list) else []
    return dict(on) if isinstance(on, dict) else dict.fromkeys(names)


def states(repo: Repo) -> dict[str, str]:
    """The state of each workflow that is not active, by path: disabled_manually, disabled_inactivity. A dial for tests."""
    found: dict[str, str] = repo.extras.setdefault("workflow_states", {})
    return found


def _number(path: str) -> int:
    return zlib.crc32(path.encode())


def _body(request: Request, path: str, read: Any) -> dict[str, Any]:
    repo, hub, number, at = request.repo, request.hub, _number(path), stamp(request.repo.created_at)
    page = f"{hub.server_url}/{repo.full_name}"
    return {
        "id": number, "node_id": f"W_{number}", "name": str((read or {}).get("name", path)), "path": path,
        "state": states(repo).get(path, "active"), "created_at": at, "updated_at": at,
        "url": f"{hub.url}/repos/{repo.full_name}/actions/workflows/{number}",
        "html_url": f"{page}/blob/{repo.default_branch}/{path}",
        "badge_url": f"{page}/workflows/{number}/badge.svg",
    }  # fmt: skip


def _named(request: Request) -> tuple[str, Any]:
    """The workflow by number or file name; only those of the default branch are known."""
    text = request.params["workflow"]
    for path, read in files(request.repo, f"refs/heads/{request.repo.default_branch}").items():
        if text in {str(_number(path)), path.rpartition("/")[2], path}:
            return path, read
    raise not_found()


@route("GET", _BASE, permission=_READ)
def listing(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/workflows#list-repository-workflows."""
    found = files(request.repo, f"refs/heads/{request.repo.default_branch}").items()
    return paged(request, found, lambda pair: _body(request, *pair), key="workflows")


@route("GET", f"{_BASE}/{{workflow}}", permission=_READ)
def one(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/workflows#get-a-workflow."""
    return ok(_body(request, *_named(request)))


@route("PUT", f"{_BASE}/{{workflow}}/enable", permission=_WRITE, role="write")
def enable(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/workflows#enable-a-workflow."""
    states(request.repo).pop(_named(request)[0], None)
    return nothing()


@route("PUT", f"{_BASE}/{{workflow}}/disable", permission=_WRITE, role="write")
def disable(request: Request) -> Reply:
    """https://docs.github.com/en/rest/actions/workflows#disable-a-workflow."""
    states(request.repo)[_named(request)[0]] = "disabled_manually"
    return nothing()


@route("POST", f"{_BASE}/{{workflow}}/dispatches", permission=_WRITE, role="write")
def dispatch(request: Request) -> Reply:
    """Starts the workflow as it is at ``ref``, also by a workflow's own token.

    https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event
    """
    path, _ = _named(request)
    ref, inputs = request.value("ref", required=True), request.value("inputs", dict, default={})
    repo = request.repo
    full = next((n for n in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}") if n in _refs(repo)), None)
    if full is None:
        raise invalid(f"No ref found for: {ref}")
    if states(repo).get(path, "active") != "active":
        raise invalid("Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    read = files(repo, full).get(path)
    if read is None or "workflow_dispatch" not in triggers(read):
        raise invalid("Workflow does not have 'workflow_dispatch' trigger")
    known = (triggers(read)["workflow_dispatch"] or {}).get("inputs") or {}
    if unknown := [name for name in inputs if name not in known]:
        raise invalid(f"Unexpected inputs provided: {unknown}")
    if missing := [n for n, i in known.items() if (i or {}).get("required") and n not in inputs and "default" not in i]:
        raise invalid(f"Required input '{missing[0]}' not provided")
    filled = {name: (each or {}).get("default", "") for name, each in known.items()} | inputs
    payload = {"inputs": filled, "ref": full, "workflow": path}
    request.hub.emit("workflow_dispatch", "", repo, payload, request.token)
    return nothing()


def _refs(repo: Repo) -> set[str]:
    return {*gitio.refs(repo.path), *gitio.refs(repo.path, "refs/tags")}


@route("POST", "/repos/{owner}/{repo}/dispatches", permission="contents:write")
def repository_dispatch(request: Request) -> Reply:
    """Starts what listens for the type, on the default branch, also by a workflow's own token.

    https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event
    """
    kind, sent = request.value("event_type", required=True), request.value("client_payload", dict, default={})
    if not 0 < len(kind) <= 100:
        raise invalid("event_type is too long (maximum is 100 characters)")
    if len(sent) > 10:
        raise Refusal(422, f"Invalid request.\n\nNo more than 10 properties are allowed; {len(sent)} were supplied.")
    payload = {"branch": request.repo.default_branch, "client_payload": sent}
    request.hub.emit("repository_dispatch", kind, request.repo, payload, request.token)
    return nothing()
