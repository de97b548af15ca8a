"""Git over HTTP through git's own `git http-backend`, with tokens as passwords.

https://docs.github.com/en/get-started/git-basics/about-remote-repositories#cloning-with-https-urls
"""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from github_double import auth, gitio, pushes
from github_double.registry import Refusal, Reply
from github_double.state import Call, Repo, Token

if TYPE_CHECKING:
    from github_double.double import Double

_PATH = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")

_offers: dict[tuple[Path, str, int], bytes] = {}


def serve(hub: Double, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[Reply, bytes]:
    """Answer one request of git's smart protocol. Reading needs no lock; a push is one step with what follows it."""
    lower = {name.lower(): text for name, text in headers.items()}
    if lower.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    match = _PATH.fullmatch(path)
    login, kind = "", ""
    try:
        with hub.lock:
            token = auth.authenticate(hub, lower.get("authorization", ""))
            login, kind = token.user.login, token.kind
            repo = hub.find(match[1]) if match else None
            pushing = match is not None and (match[2] == "git-receive-pack" or "service=git-receive-pack" in query)
            _allow(hub, token, repo, pushing=pushing)
        assert repo is not None
        assert match is not None
        if match[2] == "git-receive-pack":
            with hub.lock, pushes.receiving(hub, repo, token, body) as rules:
                reply, raw = _backend(repo, method, match[2], query, lower, body, login, rules)
        else:
            reply, raw = _backend(repo, method, match[2], query, lower, body, login, "")
    except Refusal as refusal:
        reply, raw = refusal.reply, str(refusal.reply.body["message"]).encode()
        reply.headers["Content-Type"] = "text/plain; charset=utf-8"
    call = Call(method, path, reply.status, login, kind)
    with hub.lock:
        if match:
            hub.log(call)
        else:
            hub.calls.append(call)  # no part of git's protocol, nor of the API
    return reply, raw


def _allow(hub: Double, token: Token, repo: Repo | None, *, pushing: bool) -> None:
    """Refuse who may not read or push. Who has shown no token is asked for one, be the repository there or not."""
    if token.kind == "anonymous" and (pushing or repo is None or repo.private):
        raise Refusal(401, "Repository not found.", headers={"WWW-Authenticate": 'Basic realm="GitHub"'})
    if repo is None or token.kind == "jwt" or not auth.sees(hub, token, repo):
        raise Refusal(404, "Repository not found.")
    if repo.private and not auth.grants(token, "contents:read"):
        raise Refusal(403, f"Permission to {repo.full_name}.git denied to {token.user.login}.")
    if pushing and not (auth.grants(token, "contents:write") and auth.has_role(hub, token, repo, "write")):
        raise Refusal(403, f"Permission to {repo.full_name}.git denied to {token.user.login}.")
    if pushing and repo.archived:
        raise Refusal(403, "This repository was archived so it is read-only.")


def _backend(
    repo: Repo, method: str, service: str, query: str, headers: dict[str, str], body: bytes, login: str, rules: str
) -> tuple[Reply, bytes]:
    env = gitio.environment(
        GIT_PROJECT_ROOT=str(repo.path), GIT_HTTP_EXPORT_ALL="1", PATH_INFO=f"/{service}", QUERY_STRING=query,
        REQUEST_METHOD=method, CONTENT_TYPE=headers.get("content-type", ""), CONTENT_LENGTH=str(len(body)),
        REMOTE_USER=login or "anonymous", REMOTE_ADDR="127.0.0.1", GIT_PROTOCOL=headers.get("git-protocol", ""),
        DOUBLE_RULES=rules,
    )  # fmt: skip
    # What a server offers by the second version of the protocol depends on its settings alone.
    fixed = service == "info/refs" and "git-upload-pack" in query and env["GIT_PROTOCOL"] == "version=2"
    key = (repo.path, query, (repo.path / "config").stat().st_mtime_ns)
    said = _offers.get(key) if fixed else None
    if said is None:
        command = ["git", "http-backend"]
        said = subprocess.run(command, input=body, capture_output=True, check=False, env=env).stdout
        if fixed:
            _offers[key] = said
    head, _, raw = said.partition(b"\r\n\r\n")
    reply = Reply(200 if head else 500)
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "status":
            reply.status = int(value.split()[0])
        elif name:
            reply.headers[name] = value
    return reply, raw
