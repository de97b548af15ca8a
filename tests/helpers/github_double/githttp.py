"""Git over HTTP through git's own `upload-pack` and `receive-pack`, with tokens as passwords.

https://docs.github.com/en/get-started/git-basics/about-remote-repositories#cloning-with-https-urls
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from github_double import auth, gitio, lsrefs, pushes
from github_double.registry import Refusal, Reply
from github_double.state import Call, Repo, Token

if TYPE_CHECKING:
    from github_double.double import Double

_PATH = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")

_FRESH = {
    "Expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache, max-age=0, must-revalidate",
}
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
            named, rest = match.groups() if match else ("", "")
            _allow(hub, token, repo, named, f"{rest}?{query}" if query else rest, pushing=pushing)
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


def _allow(hub: Double, token: Token, repo: Repo | None, name: str, rest: str, *, pushing: bool) -> None:
    """Refuse who may not read or push. Who has shown no token is asked for one, be the repository there or not."""
    if token.kind == "anonymous" and (pushing or repo is None or repo.private):
        raise Refusal(401, "Repository not found.", headers={"WWW-Authenticate": 'Basic realm="GitHub"'})
    if repo is None and name.lower() in hub.moved:
        now = next(one for one in hub.repositories.values() if one.id == hub.moved[name.lower()])
        raise Refusal(301, "", headers={"Location": f"{hub.server_url}/{now.full_name}.git/{rest}"})
    if repo is None or token.kind == "jwt" or not auth.sees(hub, token, repo):
        raise Refusal(404, "Repository not found.")
    turned = auth.fenced(hub, token, repo.owner.login)
    if turned is not None:
        what = (
            "has an IP allow list enabled, and your IP address is not permitted"
            if hub.allow_lists
            else "has enabled or enforced SAML SSO"
        )
        raise Refusal(403, f"The `{repo.owner.login}' organization {what}.")
    if repo.private and not auth.grants(token, "contents:read"):
        raise Refusal(403, f"Permission to {repo.full_name}.git denied to {token.user.login}.")
    if pushing and not (auth.grants(token, "contents:write") and auth.has_role(hub, token, repo, "write")):
        raise Refusal(403, f"Permission to {repo.full_name}.git denied to {token.user.login}.")
    if pushing and repo.archived:
        raise Refusal(403, "This repository was archived so it is read-only.")


def _backend(
    repo: Repo, method: str, service: str, query: str, headers: dict[str, str], body: bytes, login: str, rules: str
) -> tuple[Reply, bytes]:
    """Answer as git-http-backend does, which runs the same two programs: https://git-scm.com/docs/http-protocol."""
    program = query.removeprefix("service=") if service == "info/refs" else service
    kind = "advertisement" if service == "info/refs" else "result"
    asked = "" if kind == "advertisement" else f"application/x-{program}-request"
    if program not in {"git-upload-pack", "git-receive-pack"} or method != ("POST" if asked else "GET"):
        return Reply(403), b""
    if asked and headers.get("content-type") != asked:
        return Reply(415), b""
    reply = Reply(200, headers={**_FRESH, "Content-Type": f"application/x-{program}-{kind}"})
    env = gitio.environment(
        GIT_PROTOCOL=headers.get("git-protocol", ""), DOUBLE_RULES=rules, GIT_COMMITTER_NAME=login or "anonymous",
        GIT_COMMITTER_EMAIL=f"{login or 'anonymous'}@http.127.0.0.1",
    )  # fmt: skip
    second = env["GIT_PROTOCOL"] == "version=2"
    if second and service == "git-upload-pack" and (listed := lsrefs.answer(repo.path, body)) is not None:
        return reply, listed
    # What a server offers by the second version of the protocol depends on its settings alone.
    fixed = second and service == "info/refs" and program == "git-upload-pack"
    key = (repo.path, query, (repo.path / "config").stat().st_mtime_ns)
    said = _offers.get(key) if fixed else None
    if said is None:
        offer = ["--http-backend-info-refs"] if kind == "advertisement" else []
        # Without rules for the branches that are pushed, the hook has nothing to say.
        hooks = ["-c", f"core.hooksPath={os.devnull}"] if not rules else []
        command = ["git", *hooks, program.removeprefix("git-"), "--stateless-rpc", *offer, str(repo.path)]
        said = subprocess.run(command, input=body, capture_output=True, check=False, env=env).stdout
        if kind == "advertisement" and not second:
            said = lsrefs.line(f"# service={program}\n") + lsrefs.FLUSH + said
        if fixed:
            _offers[key] = said
    return reply, said
