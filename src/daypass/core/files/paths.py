"""What may lie below ``grants/``: plain files named ``grants/<resource>/<name>.yaml``, and no two that look alike.

A path decides who must approve (code owners go by folder), so nothing may be one thing to git, another to a file system
and a third to the eye.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from daypass.core.finding import Finding, Place

LONGEST_NAME = 100
LONGEST_RESOURCE = 63

_GOOD = re.compile(r"grants/[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,99}\.yaml")
_PART = re.compile(r"[a-z0-9][a-z0-9-]*")
_REGULAR = "100644"
_MODES = {
    "100755": ("executable", "a grant must not be executable", "git update-index --chmod=-x"),
    "120000": ("symlink", "a grant must be a file, not a symbolic link", "put the file itself here"),
    "160000": ("submodule", "a grant must be a file, not a submodule", "remove the submodule"),
}
_FORM = "grants/<resource>/<name>.yaml"
_DEPTH = 3


def check_path(path: str, mode: str) -> tuple[Finding, ...]:
    """Return what is wrong with one entry of the tree, given its path and git's mode; empty when nothing is."""
    if mode == _REGULAR and _GOOD.fullmatch(path):
        return ()
    place = Place(path)
    found = [_mode(place, mode)] if mode != _REGULAR else []
    if not _GOOD.fullmatch(path):
        found += [Finding(code, place, message, hint) for code, message, hint in _faults(path)]
    return tuple(found)


def check_names(paths: Iterable[str]) -> tuple[Finding, ...]:
    """Return a finding for each path that is the same as an earlier one to a file system that ignores case or form."""
    first: dict[str, str] = {}
    found = []
    for path in paths:
        folded = path if _GOOD.fullmatch(path) else _fold(path)
        other = first.setdefault(folded, path)
        if other != path:
            message = f"{path!r} and {other!r} are one file to systems that ignore case or Unicode forms"
            found.append(Finding("colliding-names", Place(path), message, "rename one of them"))
    return tuple(found)


def _fold(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _mode(place: Place, mode: str) -> Finding:
    code, message, hint = _MODES.get(
        mode, ("unknown-mode", f"a grant must be a plain file (100644), got mode {mode}", "")
    )
    return Finding(code, place, message, hint)


def _faults(path: str) -> list[tuple[str, str, str]]:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return [("path-trick", f"{path!r} holds an empty, '.' or '..' step", f"write {_FORM}")]
    if not path.isascii() or not path.isprintable():
        odd = next(character for character in path if not (character.isascii() and character.isprintable()))
        name = unicodedata.name(odd, "a character without a name")
        return [("unicode-path", f"{path!a} holds U+{ord(odd):04X} ({name})", "use a-z, 0-9 and hyphens")]
    if len(parts) != _DEPTH or parts[0] != "grants":
        return [("wrong-depth", f"{path!r} is not of the form {_FORM}", "put the file into the folder of its resource")]
    return _part_faults(parts[1], parts[2])


def _part_faults(resource: str, file: str) -> list[tuple[str, str, str]]:
    name, dot, ending = file.rpartition(".")
    found = []
    if not dot or not name or ending != "yaml":
        name = name if dot and name else file
        found.append(
            ("wrong-ending", f"{file!r} does not end in .yaml", "rename it; .yml and other endings are not read")
        )
    for what, part, longest in (("resource", resource, LONGEST_RESOURCE), ("name", name, LONGEST_NAME)):
        if len(part) > longest:
            found.append(
                ("long-name", f"the {what} in the path has {len(part)} characters, more than {longest}", "shorten it")
            )
        if not _PART.fullmatch(part):
            hint = "use a-z, 0-9 and hyphens, a letter or digit first"
            found.append(("bad-path", f"{part!r} cannot be a {what} in a path", hint))
    return found
