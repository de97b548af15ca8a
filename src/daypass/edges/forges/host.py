"""One repository at its forge, as one run reaches it: what a kind of forge gives beside pull requests.

What does not depend on the kind that the settings name is GitHub's: its workflows may run daypass for any repository,
and a repository whose forge lets nobody ask keeps the form that GitHub would offer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from daypass.core.errors import InvalidError
from daypass.core.forge import FORGES
from daypass.edges.forges.environment import read_occasion, summary_file

if TYPE_CHECKING:
    from daypass.core.bounds.settings import Settings
    from daypass.core.catalogue import Catalogue, Directory
    from daypass.core.forge import Basis, Glance, Links, Quiet
    from daypass.core.people.source import SourcePerson
    from daypass.core.policy.policies import Policy
    from daypass.edges.forges.founding import SetupClone, Stage, Talk
    from daypass.edges.forges.local.sharing import Sharing
    from daypass.edges.git.remote import Remote
    from daypass.edges.git.repository import Repository
    from daypass.ports import Forge, ForgeSettings, Inbox, Pages


__all__ = ["ForgeSetup", "Host", "Run", "open_host", "open_setup", "read_occasion", "request_form", "summary_file"]


class Run(Struct, frozen=True):
    """What a run gives to a forge: this clone and its main, whom ``--as`` names, the environment, and how to wait."""

    repository: Repository
    main: str
    acting: str
    environ: Mapping[str, str]
    wait: Callable[[float], None]


Moved = Callable[["Basis"], frozenset[str] | None]
"""Returns what came to main and the ledger since requests were judged by a basis, None where that may be anything."""


class Sweep(Protocol):
    """All open pull requests at once, and which of them are as they were when they were judged last."""

    def look(self, main: str, ledger: str, program: str, at: datetime, moved: Moved) -> tuple[Glance, ...]:
        """Return them by number, by main's commit and the ledger's branch; ``program`` names what judges them.

        ``moved`` tells what has come since those were judged of which something was kept.
        """
        ...

    def keep(self, found: Mapping[int, Quiet], basis: Basis) -> None:
        """Keep of those that were judged, by a basis, until when what was found holds, where nothing else changes."""
        ...


class Host(ABC):
    """Opens the parts of a forge for one run. What a forge has not stays as it is here: None, nothing, "".

    `daypass.core.forge.ForgeKind` says the same of the kind, without opening it.
    """

    calls = 0
    """How many requests were sent."""
    opens_for_others = False
    """Whether we may open pull requests in somebody's name."""
    links: Links | None = None
    """Where people ask there."""

    @abstractmethod
    def forge(self, directory: Directory) -> Forge:
        """Return its pull requests."""

    @property
    def remote(self) -> Remote | None:
        """Git's way there, where main and the ledger live there."""
        return None

    def pages(self, directory: Directory) -> Pages | None:  # noqa: ARG002  (for those that have one)
        """Return where people are told how things stand."""
        return None

    def inbox(self, directory: Directory) -> Inbox | None:  # noqa: ARG002  (likewise)
        """Return where people ask in words."""
        return None

    def sweep(self, directory: Directory) -> Sweep | None:  # noqa: ARG002  (likewise)
        """Return what looks at all open pull requests at once, None where each has to be asked for."""
        return None

    def settings(self, clock: Callable[[], datetime]) -> ForgeSettings | None:  # noqa: ARG002  (likewise)
        """Return how the repository is set up there. ``clock`` says the time of this machine."""
        return None

    def sharing(self, remote: str, ledger: str) -> Sharing | None:  # noqa: ARG002  (likewise)
        """Return what joins this clone's requests, main and ledger with a remote's."""
        return None

    def founding(self, place: SetupClone, talk: Talk, *, browser: bool) -> tuple[Stage, ...]:  # noqa: ARG002  (likewise)
        """Return the steps that set the repository up there. ``browser``: this machine has one."""
        return ()

    def behind(self, ledger: str) -> tuple[str, ...]:  # noqa: ARG002  (likewise)
        """Return the remotes that had more than this clone when they were last looked at. Reads no network."""
        return ()

    def team(self, name: str) -> tuple[SourcePerson, ...] | None:  # noqa: ARG002  (likewise)
        """Return the people of a team, ``organisation/team``; None where the forge has no teams. Raises EdgeError."""
        return None

    def run_name(self) -> str:
        """Name the forge's own run that this is, "" where it is none."""
        return ""

    def start_applier(self) -> str:
        """Start the apply workflow where nothing else would; return what went wrong, "" for nothing."""
        return ""

    def bring_along(self) -> None:
        """Bring a work tree that has main checked out to where main stands, if a run was killed before it did."""
        return

    @property
    def left_behind(self) -> tuple[Path, str] | None:
        """The work tree that could not be brought along after the last merge, and what is in the way there."""
        return None


def open_host(settings: Settings, run: Run) -> Host:
    """Return the repository at the forge that settings name. Raises InvalidError for a kind that is not known here."""
    if settings.forge_kind not in FORGES:
        raise InvalidError(
            f"the settings name a forge of kind {settings.forge_kind!r}",
            hint=f"kinds known here: {', '.join(sorted(FORGES))}",
        )
    found: Host = import_module(f"daypass.edges.forges.{settings.forge_kind}.host").open_host(settings, run)
    return found


def request_form(catalogue: Catalogue, introduction: str) -> tuple[str, str]:
    """Return path and text of the form that people ask with, made from a catalogue, below an introduction in Markdown."""
    from daypass.edges.forges.github.inbox import FORM_FILE, form_text  # noqa: PLC0415  (few verbs need it)

    return FORM_FILE, form_text(catalogue, introduction)


class ForgeSetup(ABC):
    """Takes a repository to a forge. What was in its folder before is changed in the work tree and never committed."""

    generated: dict[str, str | bytes]
    """What daypass makes and an upgrade makes anew, once `files` was asked."""

    @abstractmethod
    def files(self, wanted: dict[str, str]) -> dict[str, str | bytes]:
        """Return the files to write where there are none: those of every repository, and the forge's."""

    @abstractmethod
    def change(self, kept: list[str]) -> list[str]:
        """Change what init kept, where it was asked to; return the paths, which are for a person to commit."""

    @abstractmethod
    def form(self, introduction: Callable[[Catalogue], str]) -> list[str]:
        """Write the form that people ask with, unless there is one; return the path that was written."""

    @abstractmethod
    def next_steps(self, key: Path | None) -> str:
        """Tell what is left to do at the forge. ``key`` is the new signing key's file."""


def open_setup(kind: str, top: Path, policy: Callable[..., Policy], **options: str | bool) -> ForgeSetup | None:
    """Return what takes the repository in a folder to a kind of forge, by the options of ``init``; None where it stays.

    Raises UsageError.
    """
    found: ForgeSetup | None = import_module(f"daypass.edges.forges.{kind}.setup").open_setup(top, policy, **options)
    return found
