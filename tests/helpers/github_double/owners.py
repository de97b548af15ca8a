"""CODEOWNERS as GitHub reads it.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from github_double import gitio
from github_double.auth import role_in
from github_double.state import Org, Repo, Team, User, rank

if TYPE_CHECKING:
    from github_double.double import Double

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
LIMIT = 3 * 1024 * 1024


@dataclass(frozen=True)
class Line:
    """One line that says something. ``wrong``: why GitHub skips it, "" where it does not."""

    number: int
    text: str
    pattern: str
    owners: tuple[str, ...]
    wrong: str = ""

    def matches(self, path: str) -> bool:
        """Whether the pattern covers a file."""
        return not self.wrong and _compile(self.pattern).fullmatch(path) is not None


def read(repo: Repo, branch: str) -> tuple[str, str]:
    """Return where a branch's CODEOWNERS lies and its text; two empty texts without one, or with one too big to load."""
    for place in PLACES:
        raw = gitio.content(repo.path, gitio.resolve(repo.path, f"refs/heads/{branch}") or "", place)
        if raw is not None:
            return (place, raw.decode(errors="replace")) if len(raw) < LIMIT else ("", "")
    return "", ""


def parse(text: str) -> list[Line]:
    """Return the lines that say something, in order."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        words = re.findall(r"(?:\\.|[^\s\\])+", raw.strip())
        if not words or words[0].startswith("#"):
            continue
        until = next((i for i, word in enumerate(words) if word.startswith("#")), len(words))
        pattern, owners = words[0], tuple(words[1:until])
        wrong = ""
        if pattern.startswith(("!", "\\#")) or "[" in pattern:
            wrong = "Invalid pattern"
        elif any(not re.fullmatch(r"@[\w.-]+(?:\[bot\])?(?:/[\w.-]+)?|[^@\s]+@[^@\s]+", owner) for owner in owners):
            wrong = "Invalid owner"
        lines.append(Line(number, raw, pattern, owners, wrong))
    return lines


def line_of(lines: list[Line], path: str) -> Line | None:
    """Return the last line that covers a file, None where none does."""
    return next((line for line in reversed(lines) if line.matches(path)), None)


def eligible(hub: Double, repo: Repo, owner: str) -> User | Team | None:
    """Return whom an owner's name stands for; None for who does not exist, may not write, is secret, or is no person."""
    if not owner.startswith("@"):
        found = hub.by_email(owner)
    elif "/" in owner:
        org, _, slug = owner[1:].partition("/")
        account = repo.owner
        team = (
            account.teams.get(slug.lower())
            if isinstance(account, Org) and account.login.lower() == org.lower()
            else None
        )
        role = repo.team_roles.get(team.id, (None, "none"))[1] if team else "none"
        return team if team and team.privacy != "secret" and rank(role) >= rank("write") else None
    else:
        found = hub.account(owner[1:])
    if found is None or found.type != "User" or rank(role_in(found, repo)) < rank("write"):
        return None
    return found


def owners_of(hub: Double, repo: Repo, branch: str, paths: list[str]) -> dict[Line, list[User | Team]]:
    """Return, for each line that is some path's last match, the owners who count. Lines without any are left out."""
    lines = parse(read(repo, branch)[1])
    used = {line for path in paths if (line := line_of(lines, path)) is not None}
    counted = {line: [found for name in line.owners if (found := eligible(hub, repo, name))] for line in used}
    return {line: found for line, found in counted.items() if found}


def _compile(pattern: str) -> re.Pattern[str]:
    """A pattern as an expression over whole paths: as gitignore's, but ``x/*`` covers no deeper folders."""
    plain = re.sub(r"\\(.)", r"\1", pattern)
    folder = plain.endswith("/")
    body = plain.strip("/")
    anchored = plain.startswith("/") or "/" in body
    out = "" if anchored else "(?:.*/)?"
    at = 0
    while at < len(body):
        if body.startswith("**/", at):
            out, at = f"{out}(?:.*/)?", at + 3
        elif body.startswith("**", at):
            out, at = f"{out}.*", at + 2
        elif body[at] == "*":
            out, at = f"{out}[^/]*", at + 1
        elif body[at] == "?":
            out, at = f"{out}[^/]", at + 1
        else:
            out, at = out + re.escape(body[at]), at + 1
    if folder:
        return re.compile(f"{out}/.*")
    return re.compile(out if body.endswith("/*") else f"{out}(?:/.*)?")
