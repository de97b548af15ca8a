"""CODEOWNERS: reading it as GitHub does, and what it has to say for a catalogue.

Upholds: the last line that matches a file decides; what GitHub's documents do not settle is no answer but a doubt with
its reason, never a guess; no line that is made here leaves a file without an owner.

Source of every rule: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
(called "the page" below), which follows https://git-scm.com/docs/gitignore#_pattern_format for what it does not name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from daypass.core.catalogue import Catalogue
from daypass.core.errors import InvalidError, UsageError
from daypass.core.record import dataclass

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in this order; the first that is there is used, and no other."""

CODEOWNERS_FILE = PLACES[0]
LARGEST = 3 * 1024 * 1024
"""A file of this many bytes is not loaded at all, and then nobody owns anything."""

SECURITY = "security"
"""The group that owns policies, workflows and whatever no resource claims."""

_STARS = 20
"""More wildcards than this in one pattern are not matched: they could take for ever."""

_LOGIN = r"@[A-Za-z0-9](?:[A-Za-z0-9_-]*)"
_OWNER = re.compile(rf"{_LOGIN}(?:/[A-Za-z0-9](?:[A-Za-z0-9_.-]*))?|[^@\s\[\]]+@[A-Za-z0-9.-]*[A-Za-z0-9]")
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that says something. ``pattern`` is as written.

    ``doubt``: why it cannot be told what GitHub makes of it. ``skipped``: why GitHub certainly passes over it.
    """

    number: int
    pattern: str
    owners: tuple[str, ...]
    doubt: str = ""
    skipped: str = ""

    def matches(self, path: str) -> bool:
        """Say whether the pattern covers a file; only for a line without doubt that is not skipped."""
        return _expression(self.pattern).fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns a file. ``line`` is what decided, None where no line matches; ``doubt`` says why it cannot be told.

    No owners without a doubt means nobody: any approval by somebody who may write is enough for GitHub.
    """

    path: str
    owners: tuple[str, ...] = ()
    line: Line | None = None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Codeowners:
    """One file, read. ``file`` is where it lies."""

    file: str
    lines: tuple[Line, ...]

    def who(self, path: str) -> Ownership:
        """Return who owns a file. A doubtful line below the last certain match might decide, so it leaves a doubt."""
        for line in reversed(self.lines):
            if line.skipped:
                continue
            if line.doubt:
                return Ownership(path, line=line, doubt=f"line {line.number} may decide, and {line.doubt}")
            if line.matches(path):
                return Ownership(path, line.owners, line)
        return Ownership(path)


def read_codeowners(files: Mapping[str, bytes]) -> Codeowners | None:
    """Read the file that GitHub would use of those at `PLACES`, None where there is none.

    Raises InvalidError for one that GitHub would not load.
    """
    place = next((place for place in PLACES if place in files), None)
    if place is None:
        return None
    raw = files[place]
    admit_size(place, len(raw))
    numbered = enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), 1)
    return Codeowners(place, tuple(line for number, text in numbered if (line := _line(number, text)) is not None))


def admit_size(place: str, size: int) -> None:
    """Raise InvalidError for a file that is too large to be loaded."""
    if size >= LARGEST:
        raise InvalidError(
            f"{place} has {size} bytes; GitHub loads none of a file of {LARGEST} or more, and then nobody owns anything",
            hint="give resources the same owners, or split the repository",
        )


def _line(number: int, text: str) -> Line | None:
    words = text.replace("\t", " ").split(" ")
    words = [word for word in words if word]
    if not words or words[0].startswith("#"):
        return None
    pattern, rest = words[0], words[1:]
    # "*.js @js-owner #This is an inline comment." (the page)
    until = next((at for at, word in enumerate(rest) if word.startswith("#")), len(rest))
    owners = tuple(rest[:until])
    doubt = _doubt_of_text(text) or _doubt_of_pattern(pattern)
    if not owners and until < len(rest):
        doubt = doubt or "GitHub does not say what a comment means where owners are expected"
    if any(owner.endswith("[bot]") for owner in owners):
        doubt = doubt or "it names a bot, which cannot own files"
    bad = next((owner for owner in owners if not _OWNER.fullmatch(owner)), None)
    # "If any line in your CODEOWNERS file contains invalid syntax, that line will be skipped." (the page)
    skipped = f"{bad!r} is no owner: expected @login, @org/team or an address" if bad is not None and not doubt else ""
    return Line(number, pattern, owners, doubt, skipped)


def _doubt_of_text(text: str) -> str:
    if any(ord(c) < ord(" ") and c != "\t" for c in text):
        return "it holds a control character (is the file written with CR LF?)"
    if any((c.isspace() and c not in " \t") or not c.isprintable() for c in text.replace("\t", "")):
        return "it holds a character that cannot be seen, or is not UTF-8"
    return ""


def _doubt_of_pattern(pattern: str) -> str:
    """Say what of a pattern the page does not settle, "" for nothing."""
    parts = pattern.strip("/").split("/")
    for wrong, why in (
        (pattern.startswith("!"), "a pattern with ! does not work in CODEOWNERS"),
        ("[" in pattern or "]" in pattern, "ranges in [ ] do not work in CODEOWNERS"),
        ("\\" in pattern, "GitHub does not say what a backslash means in CODEOWNERS"),
        ("#" in pattern, "GitHub does not say what a # inside of a pattern means"),
        ("" in parts, "the pattern has an empty part"),
        (any("**" in part and part != "**" for part in parts), "** stands for whole folders only"),
        (pattern in {"/*", "/**", "/**/"}, "GitHub does not say how deep this goes; * alone means every file"),
        (sum(pattern.count(c) for c in "*?") > _STARS, f"it has more than {_STARS} wildcards"),
        (any(part in {".", ".."} for part in parts), "no path of a repository has . or .. in it"),
    ):
        if wrong:
            return why
    return ""


def _expression(pattern: str) -> re.Pattern[str]:
    """Return the expression for whole paths.

    As in gitignore: a slash at the start or inside anchors a pattern at the top, one at the end means a folder and all
    below it, and what names a folder covers all below it. But "docs/*" covers "docs/getting-started.md" and not "further
    nested files like docs/build-app/troubleshooting.md" (the page).
    """
    folder, body = pattern.endswith("/"), pattern.strip("/")
    parts = body.split("/")
    found = "" if pattern.startswith("/") or "/" in body else "(?:.*/)?"
    for part in parts[:-1]:
        found += "(?:.*/)?" if part == "**" else f"{_part(part)}/"
    last = parts[-1]
    if last == "**":
        found += ".+/.+" if folder else ".+"
    elif folder:
        found += f"{_part(last)}/.+"
    elif last == "*" and len(parts) > 1:
        found += "[^/]+"
    else:
        found += f"{_part(last)}(?:/.+)?"
    return re.compile(found, re.DOTALL)


def _part(part: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(c, re.escape(c)) for c in part)


def asked_path(text: str) -> str:
    """Return the path of a file as the repository has it. Raises UsageError for what is none."""
    path = text.removeprefix("./")
    if not path or path.startswith("/") or any(part in {"", ".", ".."} for part in path.split("/")):
        raise UsageError(
            f"expected the path of a file from the top of the repository, got {text!r}",
            hint="as grants/orders-db/one.yaml",
        )
    return path


# What the catalogue asks for


def wanted_lines(catalogue: Catalogue) -> tuple[Line, ...]:
    """Return the lines that a catalogue asks for: the strictest first, which catches all, since the last match wins.

    Everything belongs to the group ``security``, or without one to the owners of all resources together; each
    resource's folder to its own owners. Where nobody can be named for a folder its line is left out, so that it stays
    with the strictest: a pattern without owners would make its files everybody's.
    """
    strict = strictest(catalogue)
    rows = [("*", strict), ("/.github/", strict), ("/policies/", strict)]
    rows += [(folder_pattern(f"grants/{r.name}"), r.owners) for r in catalogue.resources.values()]
    named = [(pattern, _names(catalogue, groups)) for pattern, groups in rows]
    return tuple(Line(0, pattern, owners) for pattern, owners in named if owners)


def strictest(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the groups that own what no resource claims."""
    if SECURITY in catalogue.directory.groups:
        return (SECURITY,)
    return tuple(sorted({owner for resource in catalogue.resources.values() for owner in resource.owners}))


def folder_pattern(folder: str) -> str:
    """Return the pattern for a folder and all below it. Raises InvalidError for a name that no pattern is sure to name.

    Nothing can be escaped in CODEOWNERS (the page), so that only names without any special character will do; every
    legal name of a resource is one.
    """
    if not _PLAIN.fullmatch(folder) or any(part in {"", ".", ".."} for part in folder.split("/")):
        raise InvalidError(
            f"CODEOWNERS cannot name the folder {folder!r} for certain",
            hint="use letters, digits, '.', '_' and '-' only",
        )
    return f"/{folder}/"


def team_of(catalogue: Catalogue, group: str) -> str:
    """Return the team of a group as org/slug: as ``forge.teams`` says, else the one of the group's own name.

    "" where the forge has no teams.
    """
    options = catalogue.settings.forge_options
    if not catalogue.settings.forge.teams:
        return ""
    organisation = str(options.get("repository", "")).partition("/")[0]
    return str((options.get("teams") or {}).get(group) or f"{organisation}/{group}")


def _names(catalogue: Catalogue, groups: Iterable[str]) -> tuple[str, ...]:
    """Name groups as teams where the forge has teams, else their people by login or address."""
    if catalogue.settings.forge.teams:
        return tuple(dict.fromkeys(f"@{team_of(catalogue, group)}" for group in groups))
    directory = catalogue.directory
    people = [directory.subjects[h] for h in sorted({h for g in groups for h in directory.groups.get(g, frozenset())})]
    named = [f"@{p.login}" if p.login else next(iter(p.emails), "") for p in people]
    return tuple(name for name in named if _OWNER.fullmatch(name))  # any other would have the whole line skipped
