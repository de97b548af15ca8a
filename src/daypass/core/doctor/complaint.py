"""What is unsafe, in words, with what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daypass.core.catalogue import Catalogue
from daypass.core.doctor.facts import App, Facts, Untold

BRANCH = "main"
CHECK = "daypass"
ENVIRONMENT = "daypass"


@dataclass(frozen=True, slots=True)
class Step:
    """One request to the API."""

    verb: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """What ``--fix`` would do, in words and as requests in order. Several complaints may have the same one."""

    words: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is unsafe, or (``told`` false) that could not be told.

    ``advice`` is where or how a person mends it: a link, or a command. ``remedy``: None where only a person can.
    """

    code: str
    message: str
    advice: str
    remedy: Remedy | None = None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: the facts, held against main's catalogue and files.

    ``page`` is the repository's address for people. ``by_app``: a GitHub App acts, else workflows' own tokens.
    """

    repository: str
    page: str
    catalogue: Catalogue
    codeowners: bytes | None
    by_app: bool
    facts: Facts

    @property
    def root(self) -> str:
        """The path of the repository in the API."""
        return f"/repos/{self.repository}"

    @property
    def organisation(self) -> str:
        """Who owns the repository."""
        return self.repository.partition("/")[0]

    @property
    def app(self) -> App | None:
        """Our App, where it is one that acts and is known."""
        found = self.facts.app
        return found if self.by_app and isinstance(found, App) else None

    def settings(self, tab: str) -> str:
        """Return the address of a page of the repository's settings."""
        return f"{self.page}/settings{'/' if tab else ''}{tab}"


def untold(code: str, what: str, why: Untold, advice: str) -> Complaint:
    """Return the complaint that something could not be told."""
    advice = f"run it with the token of somebody who administers the repository (GH_TOKEN), or look there: {advice}"
    return Complaint(code, f"cannot tell {what}: {why.why}", advice, told=False)


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence."""
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last}" if most else last
