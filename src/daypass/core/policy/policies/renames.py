"""Checking `was`: an old name is claimed once, and nothing that exists is called by it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from daypass.core.policy.policies.file import Key, PolicyFile


def check_was(
    file: PolicyFile[Any],
    at: tuple[Key, ...],
    what: str,
    name: str,
    was: Iterable[str],
    there: Collection[str],
    claimed: dict[str, str],
) -> None:
    """Refuse an old name of something (``what``, at a place of a file) that is there still, or that another has claimed.

    ``there`` are the names of all of the kind, ``claimed`` who had which old name so far.
    """
    for index, old in enumerate(was):
        place = (*at, "was", index)
        if old in there:
            message = f"{what} {name} was called {old!r}, which is the name of a {what} that exists"
            file.fault("rename-of-existing", place, message, "remove it from was, or remove the other one")
        elif claimed.setdefault(old, name) != name:
            message = f"both {claimed[old]} and {name} were called {old!r}: nobody can tell whose its grants are"
            file.fault("rename-twice", place, message, "leave the old name to one of them")


def called_now(kind: str, old: str, renamed: Mapping[str, str]) -> str:
    """Return a hint that says what something is called today, "" where it was not renamed."""
    return f"{kind} {old} is called {renamed[old]} now".lstrip() if old in renamed else ""
