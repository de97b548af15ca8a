"""What is known of how a repository is set up at GitHub, and the catalogue that it is held against.

Answers are kept as GitHub gave them; only what it says in more than one way has a record of its own. What could not be
read is an `UntoldError`, raised when it is asked for: it never looks like fine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from msgspec import Struct

from daypass.core.catalogue import Catalogue
from daypass.edges.forges.github.answers import Fields

_T = TypeVar("_T")

SELF_TEST = "daypass-self-test"
"""The resource that main has while `daypass setup` tries a request."""
ENVIRONMENT = "daypass"


class UntoldError(Exception):
    """GitHub did not show it to who asks; ``why`` in its words. ``what`` that leaves open, "" for what it usually does."""

    def __init__(self, why: str, what: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.what = what


def known(found: _T | UntoldError, what: str = "") -> _T:
    """Return what was read. Raises UntoldError where it was not shown; ``what`` says what that leaves open."""
    if isinstance(found, UntoldError):
        raise UntoldError(found.why, what or found.what)
    return found


HIDDEN = "GitHub shows bypass lists only to those who may change them"


class Actor(Struct, frozen=True):
    """Who a ruleset does not bind: https://docs.github.com/en/rest/repos/rules#get-a-repository-ruleset."""

    kind: str
    number: int | None
    mode: str

    def __str__(self) -> str:
        """Name the actor as a reader would look for it."""
        number = "" if self.number is None else f" {self.number}"
        return f"{self.kind}{number} ({self.mode})"


class BranchRule(Struct, frozen=True):
    """One rule that stands for a branch, and the number of its ruleset."""

    kind: str
    parameters: Mapping[str, Any]
    ruleset: int


class Ruleset(Struct, frozen=True):
    """One ruleset. ``own``: it is the repository's, not its organisation's. ``covers``: the names that it includes.

    ``rules`` are as the API has them. Classic branch protection is told as a ruleset with the number 0.
    """

    number: int
    name: str
    own: bool
    covers: tuple[str, ...]
    rules: tuple[Mapping[str, Any], ...]
    bypass: tuple[Actor, ...] | UntoldError


CLASSIC = 0
"""The number under which classic branch protection is told."""


class BranchRules(Struct, frozen=True):
    """The rules of main and of the ledger's branches, and every ruleset that one of them is of.

    ``ledger`` are those of the ledger's branch, ``lanes`` those of any branch that a lane of it would have: there is none yet,
    and who makes one first would stand in its way.

    ``classic``: the classic protection of main as rules, none where there is none. ``names`` are the numbers of the
    repository's own rulesets by name, of those that are switched off too.
    """

    main: tuple[BranchRule, ...]
    ledger: tuple[BranchRule, ...]
    lanes: tuple[BranchRule, ...]
    classic: tuple[BranchRule, ...] | UntoldError
    rulesets: Mapping[int, Ruleset]
    names: Mapping[str, int]

    @property
    def of_main(self) -> tuple[BranchRule, ...]:
        """All that is known to stand for main."""
        return self.main if isinstance(self.classic, UntoldError) else (*self.main, *self.classic)

    @property
    def pulls(self) -> list[Mapping[str, Any]]:
        """What main asks of pull requests, as each of its rules has it."""
        return [rule.parameters for rule in self.of_main if rule.kind == "pull_request"]


class Environment(Struct, frozen=True):
    """``branches`` are the rules for who deploys, as (number, kind, name), 0 for one that GitHub keeps itself.

    None: any branch may. ``secrets`` are names. ``waits`` are what each run waits for before it may use it.
    """

    branches: tuple[tuple[int, str, str], ...] | UntoldError | None
    secrets: frozenset[str] | UntoldError
    waits: tuple[str, ...] = ()


class Teams(Struct, frozen=True):
    """The repository's teams by slug; ``members``: account numbers to logins, of those asked about.

    ``seen`` are all the organisation's teams that can be seen, asked for only where one was missing.
    """

    here: Mapping[str, Fields]
    members: Mapping[str, Mapping[int, str] | UntoldError]
    seen: frozenset[str] | UntoldError = frozenset()


class App(Struct, frozen=True):
    """Our GitHub App. ``everywhere``: it is installed on all repositories of its account, None where it is not told."""

    number: int
    slug: str
    permissions: Mapping[str, str]
    everywhere: bool | None


class Setup(Struct, frozen=True):
    """What is judged: all that was read, at one time, with main's catalogue and CODEOWNERS that it is held against.

    ``page`` is the repository's address for people. ``by_app``: a GitHub App acts, else workflows' own tokens.
    ``general`` is the repository itself. ``workflows``: path to state. ``environment`` and ``app`` are None where there
    is none, or none is known. ``secrets`` are the names of the repository's own.
    ``writers`` are the people who may write. ``skew``: how far this machine's clock is
    ahead of GitHub's, None where GitHub did not say the time.
    """

    repository: str
    page: str
    catalogue: Catalogue
    codeowners: bytes | None
    by_app: bool
    general: Fields
    skew: timedelta | None
    rules: BranchRules | UntoldError
    actions: Fields | UntoldError
    jobs: Fields | UntoldError
    workflows: Mapping[str, str] | UntoldError
    environment: Environment | UntoldError | None
    secrets: frozenset[str] | UntoldError
    owners_faults: tuple[Fields, ...] | UntoldError
    teams: Teams | UntoldError
    writers: tuple[Fields, ...] | UntoldError
    any_app: App | UntoldError | None

    @property
    def organisation(self) -> bool:
        """Whether an organisation owns the repository."""
        return self.general.text("owner.type") == "Organization"

    @property
    def root(self) -> str:
        """The path of the repository in the API."""
        return f"/repos/{self.repository}"

    @property
    def owner(self) -> str:
        """Who owns the repository."""
        return self.repository.partition("/")[0]

    @property
    def server(self) -> str:
        """GitHub's address for people."""
        return self.page.rsplit("/", 2)[0]

    @property
    def ledger(self) -> str:
        """The ledger's branch."""
        return self.catalogue.settings.ledger_branch

    @property
    def lanes(self) -> str:
        """The branches of the ledger's lanes, as a pattern."""
        return f"{self.ledger}-lane/*"

    @property
    def app(self) -> App | None:
        """Our App, where it is one that acts and is known."""
        return self.any_app if self.by_app and isinstance(self.any_app, App) else None


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence, "" for none."""
    *most, last = sorted(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last
