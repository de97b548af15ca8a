"""Commits as GitHub's JSON shows them, read from git."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from github_double import gitfiles
from github_double.shapes import simple_user, stamp
from github_double.state import Repo

if TYPE_CHECKING:
    from github_double.double import Double

_WHO = re.compile(r"(.*?) ?<(.*?)> (-?\d+) [+-]\d{4}")


def read(repo: Repo, sha: str) -> dict[str, Any]:
    """A commit's own words: tree, parents, author, committer, message, and whether GitHub itself signed it."""
    raw = gitfiles.read(repo.path, sha)[1].decode("utf-8", "replace")
    head, _, message = raw.partition("\n\n")
    found: dict[str, Any] = {"parents": [], "message": message.removesuffix("\n"), "signature": None}
    for line in head.split("\n"):
        name, _, value = line.partition(" ")
        if name == "parent":
            found["parents"].append(value)
        elif name == "tree":
            found["tree"] = value
        elif name == "gpgsig":
            found["signature"] = "unknown"
        elif name in {"author", "committer"} and (match := _WHO.fullmatch(value)):
            at = datetime.fromtimestamp(int(match[3]), UTC)
            found[name] = {"name": match[1], "email": match[2], "date": stamp(at)}
    return found


def verification(repo: Repo, sha: str, signature: str | None) -> dict[str, Any]:
    """Whether a signature holds. Only what GitHub made itself is verified here; other keys are known to nobody.

    https://docs.github.com/en/rest/git/commits#signature-verification-object
    """
    if sha in repo.signed:
        text = "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"
        return {
            "verified": True,
            "reason": "valid",
            "signature": text,
            "payload": sha,
            "verified_at": "2026-01-01T00:00:00Z",
        }
    reason = "unknown_key" if signature else "unsigned"
    return {"verified": False, "reason": reason, "signature": signature, "payload": None, "verified_at": None}


def git_commit(hub: Double, repo: Repo, sha: str) -> dict[str, Any]:
    """The git data API's form: https://docs.github.com/en/rest/git/commits#get-a-commit-object."""
    said = read(repo, sha)
    api, page = f"{hub.url}/repos/{repo.full_name}/git", f"{hub.server_url}/{repo.full_name}/commit"
    return {
        "sha": sha, "node_id": f"C_{sha}", "url": f"{api}/commits/{sha}", "html_url": f"{page}/{sha}",
        "author": said["author"], "committer": said["committer"], "message": said["message"],
        "tree": {"sha": said["tree"], "url": f"{api}/trees/{said['tree']}"},
        "parents": [{"sha": p, "url": f"{api}/commits/{p}", "html_url": f"{page}/{p}"} for p in said["parents"]],
        "verification": verification(repo, sha, said["signature"]),
    }  # fmt: skip


def commit(hub: Double, repo: Repo, sha: str) -> dict[str, Any]:
    """The form of lists, with the accounts that the addresses belong to (null where they belong to none)."""
    said = git_commit(hub, repo, sha)
    api, page = f"{hub.url}/repos/{repo.full_name}", said["html_url"]
    people = {n: simple_user(hub, hub.by_email(said[n]["email"])) for n in ("author", "committer")}
    return {
        "sha": sha, "node_id": said["node_id"], "url": f"{api}/commits/{sha}", "html_url": page,
        "comments_url": f"{api}/commits/{sha}/comments",
        "commit": {
            **{n: said[n] for n in ("author", "committer", "message", "tree", "verification")},
            "url": said["url"], "comment_count": 0,
        },
        **people,
        "parents": [
            {"sha": p["sha"], "url": f"{api}/commits/{p['sha']}", "html_url": p["html_url"]} for p in said["parents"]
        ],
    }  # fmt: skip
