"""Blobs, trees and commits: https://docs.github.com/en/rest/git."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Any

from github_double import gitfiles, gitio, writing
from github_double.commitshapes import git_commit
from github_double.pulling import WEB_FLOW
from github_double.registry import Refusal, Reply, Request, created, invalid, not_found, ok, route
from github_double.state import ZERO

_GIT = "/repos/{owner}/{repo}/git"
_MODES = {"100644": "blob", "100755": "blob", "040000": "tree", "160000": "commit", "120000": "blob"}
_LIMIT = 100_000


def _api(request: Request) -> str:
    return f"{request.hub.url}/repos/{request.repo.full_name}/git"


@route("POST", f"{_GIT}/blobs", permission="contents:write")
def create_blob(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/blobs#create-a-blob (text in utf-8, or base64)."""
    content, encoding = request.value("content", required=True), request.value("encoding", default="utf-8")
    try:
        raw = base64.b64decode(content, validate=False) if encoding == "base64" else content.encode()
    except (binascii.Error, ValueError) as error:
        raise invalid("content is not valid Base64") from error
    sha = gitio.blob(request.repo.path, raw)
    return created({"sha": sha, "url": f"{_api(request)}/blobs/{sha}"})


def _object(request: Request, sha: str, kind: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", sha) or gitio.kind(request.repo.path, sha) != kind:
        raise not_found()
    return sha


@route("GET", f"{_GIT}/blobs/{{sha}}", permission="contents:read")
def read_blob(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/blobs#get-a-blob (base64, up to 100 MB)."""
    sha = _object(request, request.params["sha"], "blob")
    raw = gitfiles.read(request.repo.path, sha)[1]
    content = base64.encodebytes(raw).decode()
    return ok({
        "sha": sha, "node_id": f"B_{sha}", "size": len(raw), "url": f"{_api(request)}/blobs/{sha}", "content": content,
        "encoding": "base64",
    })  # fmt: skip


@route("GET", f"{_GIT}/trees/{{sha*}}", permission="contents:read")
def read_tree(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/trees#get-a-tree (any ``recursive`` goes down; at most 100,000 entries)."""
    tree = gitio.tree_of(request.repo.path, request.params["sha"])
    if tree is None:
        raise not_found()
    return ok(_tree_body(request, tree, deep="recursive" in request.query))


def _tree_body(request: Request, sha: str, *, deep: bool) -> dict[str, Any]:
    entries = []
    for path, (mode, oid) in gitfiles.walk(request.repo.path, sha, deep=deep, trees=True):
        kind = _MODES[mode.zfill(6)]
        entry: dict[str, Any] = {"path": path, "mode": mode.zfill(6), "type": kind, "sha": oid}
        if kind != "commit":
            entry["url"] = f"{_api(request)}/{kind}s/{oid}"
        entries.append(entry | ({"size": len(gitfiles.read(request.repo.path, oid)[1])} if kind == "blob" else {}))
    return {
        "sha": sha, "url": f"{_api(request)}/trees/{sha}", "tree": entries[:_LIMIT], "truncated": len(entries) > _LIMIT,
    }  # fmt: skip


@route("POST", f"{_GIT}/trees", permission="contents:write")
def create_tree(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/trees#create-a-tree (on ``base_tree``; a sha of null takes out)."""
    path = request.repo.path
    base = request.value("base_tree")
    if base is not None:
        base = gitio.tree_of(path, base)
        if base is None:
            raise invalid("base_tree is not a valid tree")
    changes = [_entry(request, each) for each in request.value("tree", list, required=True)]
    held = {name for name, _ in gitfiles.walk(path, base, trees=True)} if base else set()
    if any(oid == ZERO and name not in held for _, oid, name in changes):
        raise invalid("GitRPC::BadObjectState")
    sha = writing.change_tree(path, base, changes)
    return created(_tree_body(request, sha, deep=False))


def _entry(request: Request, each: Any) -> tuple[str, str, str]:
    name, mode = each.get("path"), each.get("mode")
    if not isinstance(name, str) or any(p in {"", ".", ".."} or p.lower() == ".git" for p in name.split("/")):
        raise invalid("tree.path contains a malformed path component")
    if "sha" in each and each["sha"] is None:
        return "0", ZERO, name
    if mode not in _MODES:
        raise invalid("Must supply a valid tree.mode")
    if ("sha" in each) == ("content" in each):
        raise invalid("Must supply either tree.sha or tree.content")
    if "content" in each:
        return mode, gitio.blob(request.repo.path, each["content"].encode()), name
    kind = _MODES[mode]
    if kind != "commit" and gitio.kind(request.repo.path, each["sha"]) != kind:
        raise invalid(f"tree.sha {each['sha']} is not a valid {kind}")
    return mode, each["sha"], name


@route("GET", f"{_GIT}/commits/{{sha}}", permission="contents:read")
def read_commit(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/commits#get-a-commit-object."""
    return ok(git_commit(request.hub, request.repo, _object(request, request.params["sha"], "commit")))


@route("POST", f"{_GIT}/commits", permission="contents:write")
def create_commit(request: Request) -> Reply:
    """https://docs.github.com/en/rest/git/commits#create-a-commit.

    What a bot makes without naming author or committer GitHub signs:
    https://docs.github.com/en/authentication/managing-commit-signature-verification/about-commit-signature-verification#signature-verification-for-bots
    """
    path, hub, actor = request.repo.path, request.hub, request.actor
    tree = request.value("tree", required=True)
    if gitio.kind(path, tree) != "tree":
        raise invalid("Tree SHA does not exist")
    parents = request.value("parents", list, default=[])
    if any(not isinstance(p, str) or gitio.kind(path, p) != "commit" for p in parents):
        raise invalid("Parent SHA does not exist or is not a commit object")
    message = request.value("message", required=True)
    author = _person(request, request.value("author", dict))
    committer = _person(request, request.value("committer", dict))
    signed = actor.type == "Bot" and author is None and committer is None
    me = writing.identity(hub, actor, actor.noreply if actor.type == "Bot" else "")
    github = f"{WEB_FLOW} {int(hub.now().timestamp())} +0000"
    sha = gitio.commit(path, tree, parents, message, author or me, committer or author or (github if signed else me))
    if signed:
        request.repo.signed.add(sha)
    return created(git_commit(hub, request.repo, sha))


def _person(request: Request, given: dict[str, Any] | None) -> str | None:
    """Whoever the caller says, at whatever time: neither is proved by anything."""
    if given is None:
        return None
    if not isinstance(given.get("name"), str) or not isinstance(given.get("email"), str):
        raise invalid('Invalid request.\n\n"name" and "email" weren\'t supplied.')
    if set("<>\n") & set(given["name"] + given["email"]):
        raise Refusal(422, "author contains invalid characters")
    at = datetime.fromisoformat(given["date"]) if "date" in given else request.hub.now()
    return f"{given['name']} <{given['email']}> {int(at.timestamp())} +0000"
