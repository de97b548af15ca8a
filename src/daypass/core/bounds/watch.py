"""What ends access when its task is done (``ends_when``): what is watched, and what the forge says of it.

Nothing is decided by it but an end: what nobody can look at, and what is undone later, gives no access and no more time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from daypass.core.files.text import quoted
from daypass.core.window import format_instant

if TYPE_CHECKING:
    from daypass.core.bounds.settings import Settings
    from daypass.core.ids import GrantId

Condition = tuple[str, str]
"""A key of ``ends_when`` and what it names: ``("issue_closed", "acme/orders#88")``."""


class EndKind(NamedTuple):
    """One key of ``ends_when``: the ``code`` of the end that it brings, and the ``words`` for what it names."""

    code: str
    words: str

    def said(self, what: str, came: datetime) -> str:
        """Say what came about, and when."""
        return f"{self.words.format(what)} at {format_instant(came)}"


ENDS_WHEN: Mapping[str, EndKind] = MappingProxyType(
    {
        "issue_closed": EndKind("issue-closed", "issue {} was closed"),
        "pull_merged": EndKind("pull-merged", "pull request {} was merged"),
    }
)


_SAID = r"(?:([a-z_]+)(?:\s*=\s*|\s+))?([^\s=#]+#[0-9]+)"


def ends_said(said: Sequence[str], sign: str) -> tuple[Condition, ...]:
    """Read what ends access as people say it: ``issue_closed acme/orders#88``, or with ``=`` between the two.

    An issue alone is one that is closed. ``sign`` is what examples have between the two. Whether it can be the name of an
    issue is not judged here: a grant's file is read for that. Raises ValueError, with a message for people.
    """
    found: dict[str, str] = {}
    for one in said:
        match = re.fullmatch(_SAID, one)
        key = (match[1] or "issue_closed") if match is not None else ""
        if match is None or key not in ENDS_WHEN:
            known = f"issue_closed{sign}acme/orders#88 or pull_merged{sign}acme/orders#91"
            raise ValueError(f"{quoted(one)} names nothing that ends access; write for example {known}")
        if key in found:
            raise ValueError(f"{key} is given twice; one of each is watched")
        found[key] = match[2]
    return tuple(sorted(found.items()))


def is_end_of(conditions: Iterable[Condition], code: str, bound: str) -> bool:
    """Say whether an end, by its code and its words, is that of one of a grant's conditions."""
    kinds = ((ENDS_WHEN[key], what) for key, what in conditions)
    return any(kind.code == code and bound.startswith(f"{kind.words.format(what)} at ") for kind, what in kinds)


class Watched(NamedTuple):
    """What the forge says of a condition: when it ``came`` about, None where it has not.

    ``unknown`` is why nobody can tell, "" where it was looked at.
    """

    came: datetime | None = None
    unknown: str = ""


class EndingTask(NamedTuple):
    """What ends a live grant: ``key`` and ``what`` of its ``ends_when``, and what the forge says of it (`Watched`)."""

    grant: GrantId
    key: str
    what: str
    came: datetime | None = None
    unknown: str = ""

    @property
    def said(self) -> str:
        """Say what came about."""
        assert self.came is not None  # noqa: S101  (asked of what came about)
        return ENDS_WHEN[self.key].said(self.what, self.came)


MOST = 5_000
"""So many conditions are looked at in one run: 50 questions, of the 5,000 points that GitHub gives an hour."""


def looked_at(conditions: Collection[Condition], at: datetime) -> tuple[Condition, ...]:
    """Return those of the conditions that are looked at now: all of them, or as many as one run may, each time others."""
    listed = sorted(conditions)
    if len(listed) <= MOST:
        return tuple(listed)
    # Turns that went round in order would meet the same ones each time where runs are as regular.
    turn = f"{int(at.timestamp())} "
    return tuple(sorted(listed, key=lambda one: hashlib.sha256(f"{turn}{one}".encode()).digest())[:MOST])


def repository_of(condition: Condition) -> str:
    """Return the repository, ``owner/name``, that a condition is about."""
    return condition[1].rpartition("#")[0]


def watched_there(settings: Settings, condition: Condition) -> bool:
    """Say whether the forge can be asked about a condition by the settings.

    It is asked about issues and pull requests of the access repository by the App, and by a credential of its own about
    those of the repositories that ``forge.watch`` names (``owner/name``, or ``owner/*``).
    """
    if not settings.forge.watches:
        return False
    watch = settings.forge_options.get("watch") or {}
    return names_it((settings.forge_options.get("repository", ""), *watch.get("repositories", ())), condition)


def names_it(repositories: Iterable[object], condition: Condition) -> bool:
    """Say whether a list of repositories (``owner/name``, or ``owner/*``) has the one that a condition is about."""
    repository = repository_of(condition).lower()
    known = {str(one).lower() for one in repositories}
    return not known.isdisjoint({repository, f"{repository.partition('/')[0]}/*"})


def unwatched(settings: Settings, conditions: Iterable[Condition]) -> list[tuple[str, str, str]]:
    """Return code, message and hint for each condition that nothing watches by the settings."""
    found = []
    for key, what in conditions:
        if not watched_there(settings, (key, what)):
            hint = (
                f"have {repository_of((key, what))} added to forge.watch in policies/daypass.yaml, or remove ends_when"
            )
            if not settings.forge.watches:
                hint = f"remove ends_when: the {settings.forge_kind} forge has no issues; the window ends the access"
            found.append(("ends-when-unwatched", f"ends_when: nobody can look at {key} {what}", hint))
    return found
