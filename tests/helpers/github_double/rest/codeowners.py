"""What is wrong in a CODEOWNERS file, by the file that is really there."""

from __future__ import annotations

from typing import Any

from github_double import gitio, owners
from github_double.registry import Reply, Request, not_found, ok, route


@route("GET", "/repos/{owner}/{repo}/codeowners/errors", permission="contents:read")
def errors(request: Request) -> Reply:
    """One entry a line and reason; 404 without a file.

    https://docs.github.com/en/rest/repos/repos#list-codeowners-errors
    """
    repo = request.repo
    branch = request.query.get("ref", repo.default_branch).removeprefix("refs/heads/")
    if gitio.resolve(repo.path, f"refs/heads/{branch}") is None:
        raise not_found()
    place, text = owners.read(repo, branch)
    if not place:
        raise not_found()
    return ok({"errors": [one for line in owners.parse(text) for one in _wrong(request, place, line)]})


def _wrong(request: Request, place: str, line: owners.Line) -> list[dict[str, Any]]:
    if line.wrong:
        bad = line.pattern if line.wrong == "Invalid pattern" else next(iter(line.owners), line.pattern)
        return [_entry(place, line, line.wrong, bad, None)]
    found = []
    for owner in line.owners:
        if owners.eligible(request.hub, request.repo, owner) is None:
            hint = f"make sure {owner} exists and has write access to the repository"
            if "/" in owner:
                hint = f"make sure the team {owner} exists, is publicly visible, and has write access to the repository"
            found.append(_entry(place, line, "Unknown owner", owner, hint))
    return found


def _entry(place: str, line: owners.Line, kind: str, bad: str, hint: str | None) -> dict[str, Any]:
    column = line.text.find(bad) + 1
    pointer = " " * (column + 1) + "^"
    why = f": {hint}" if hint else ""
    return {
        "line": line.number, "column": column, "kind": kind, "source": line.text, "suggestion": hint, "path": place,
        "message": f"{kind} on line {line.number}{why}\n\n  {line.text}\n{pointer}",
    }  # fmt: skip
