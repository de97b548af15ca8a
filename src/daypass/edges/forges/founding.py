"""Setting a repository up at its forge, step by step: what a step looks at, says and does, and whom it talks with.

Upholds: a step looks before it acts, so that all of it may be run again; what it would do is said before it is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from daypass.core.policy.policies import Policy
from daypass.edges.git.plumbing import Git


class Talk(Struct, frozen=True):
    """How steps talk with whoever sets up, as the command line does it.

    ``tell`` shows a line, ``ask`` returns an answer (unseen where it is a secret), ``browse`` opens an address in a browser
    of this machine and says whether there is one, ``wait`` lets so many seconds pass.
    """

    tell: Callable[[str], None]
    ask: Callable[[str, bool], str]
    browse: Callable[[str], bool]
    wait: Callable[[float], None]


class SetupClone(Struct, frozen=True):
    """The clone that is set up: its work tree, git, main's policies as they are when asked, and what the caller gives.

    ``ledger_key`` reads the private key of the ledger, "" where it is nowhere here. ``given`` says whether the ledger at the
    forge, verified, shows that a grant whose id begins so is given at this moment. ``generated`` makes the files that follow
    from main's catalogue. ``environ`` may hold values of secrets. ``app_key_file``: where the App's key is kept beside, None
    for nowhere. ``people_team`` is to say who has left, "" where nobody named one.
    """

    top: Path
    git: Git
    policy: Callable[[], Policy]
    ledger_key: Callable[[], str]
    given: Callable[[str], bool]
    generated: Callable[[], Mapping[str, str]]
    environ: Mapping[str, str]
    app_key_file: Path | None = None
    people_team: str = ""


class Step(ABC):
    """One step. ``name`` is what it is about, as a heading.

    ``unsafe`` says what is less safe than it will be once all steps are done, "" for nothing: told where they are broken off.
    """

    name: str
    unsafe: str = ""

    @abstractmethod
    def look(self) -> str:
        """Return what is there already, "" where something is left to do. Raises EdgeError."""

    @abstractmethod
    def say(self) -> Sequence[str]:
        """Return what it would do, a line each."""

    def asks(self) -> bool:
        """Say whether doing it asks for something, which nobody gives who does not agree."""
        return False

    @abstractmethod
    def do(self) -> str:
        """Do it, and return what was done. Raises EdgeError."""


class Stage(Struct, frozen=True):
    """Steps that are asked about together, by one question."""

    question: str
    steps: tuple[Step, ...]
