"""What is known of a repository at GitHub, and what is unsafe in it, in words, with what mends it.

What could not be read is `Untold`, which never looks like fine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import timedelta
from typing import Any

from daypass.core.catalogue import Catalogue
from daypass.core.record import dataclass

ACTIONS_APP = 15368
"""GitHub Actions itself, as rules name who a check has to come from."""


@dataclass(frozen=True, slots=True)
class Untold:
    """GitHub did not show it to who asks; ``why`` in its words."""

    why: str


@dataclass(frozen=True, slots=True)
class Questions:
    """What to ask about, beside the repository itself.

    ``teams`` are slugs of its organisation's teams; ``app`` is the slug of the App where it is known.
    """

    ledger_branch: str
    teams: tuple[str, ...]
    app: str


@dataclass(frozen=True, slots=True)
class RepositorySettings:
    """``visibility``: private, internal or public. ``merging`` is what is told to those who may write."""

    archived: bool
    default_branch: str
    visibility: str
    forking: bool
    organisation: bool
    merging: Merging | Untold


@dataclass(frozen=True, slots=True)
class Merging:
    """How pull requests may be merged, and what a squashed commit's message is made of."""

    methods: frozenset[str]
    squash_title: str
    squash_message: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who a ruleset does not bind: https://docs.github.com/en/rest/repos/rules#get-a-repository-ruleset."""

    kind: str
    number: int | None
    mode: str

    def __str__(self) -> str:
        """Name the actor as a reader would look for it."""
        number = "" if self.number is None else f" {self.number}"
        return f"{self.kind}{number} ({self.mode})"


@dataclass(frozen=True, slots=True)
class BranchRule:
    """One rule that stands for a branch, and the number of its ruleset."""

    kind: str
    parameters: Mapping[str, Any]
    ruleset: int


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One ruleset. ``own``: it is the repository's, not its organisation's. ``covers``: the names that it includes.

    ``rules`` are as the API has them. Classic branch protection is told as a ruleset with the number 0.
    """

    number: int
    name: str
    own: bool
    covers: tuple[str, ...]
    rules: tuple[Mapping[str, Any], ...]
    bypass: tuple[Actor, ...] | Untold


CLASSIC = 0
"""The number under which classic branch protection is told."""


@dataclass(frozen=True, slots=True)
class BranchRules:
    """The rules of main and of the ledger's branch, and the rulesets that they are of.

    ``classic``: the classic protection of main as rules, none where there is none. ``names`` are the numbers of the
    repository's own rulesets by name, of those that are switched off too.
    """

    main: tuple[BranchRule, ...]
    ledger: tuple[BranchRule, ...]
    classic: tuple[BranchRule, ...] | Untold
    rulesets: Mapping[int, Ruleset]
    names: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Actions:
    """Whether workflows run at all, and whether actions have to be pinned to a commit; ``allowed`` is which may run."""

    enabled: bool
    pinned: bool
    allowed: str


@dataclass(frozen=True, slots=True)
class Jobs:
    """What a workflow's own token may do unless the workflow says less."""

    default: str
    approves: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """``branches`` are the rules for who deploys, as (number, kind, name), 0 for one that GitHub keeps itself.

    None: any branch may. ``secrets`` are names.
    """

    branches: tuple[tuple[int, str, str], ...] | Untold | None
    secrets: frozenset[str] | Untold


@dataclass(frozen=True, slots=True)
class OwnersFault:
    """What GitHub finds wrong with one line of CODEOWNERS."""

    line: int
    kind: str
    source: str
    column: int


@dataclass(frozen=True, slots=True)
class Team:
    """A team of the repository. ``secret``: None where GitHub does not say."""

    slug: str
    secret: bool | None
    writes: bool


@dataclass(frozen=True, slots=True)
class Teams:
    """The repository's teams by slug; ``members``: account numbers to logins, of those asked about.

    ``seen`` are all the organisation's teams that can be seen, asked for only where one was missing.
    """

    here: Mapping[str, Team]
    members: Mapping[str, Mapping[int, str] | Untold]
    seen: frozenset[str] | Untold = frozenset()


@dataclass(frozen=True, slots=True)
class App:
    """Our GitHub App. ``everywhere``: it is installed on all repositories of its account, None where it is not told."""

    number: int
    slug: str
    permissions: Mapping[str, str]
    everywhere: bool | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was read, at one time.

    ``workflows``: path to state. ``app`` is None where none is known of. ``skew``: how far this machine's clock is ahead of
    GitHub's, None where GitHub did not say the time.
    """

    repository: RepositorySettings
    rules: BranchRules | Untold
    actions: Actions | Untold
    jobs: Jobs | Untold
    workflows: Mapping[str, str] | Untold
    environment: Environment | Untold | None
    secrets: frozenset[str] | Untold
    owners_faults: tuple[OwnersFault, ...] | Untold
    teams: Teams | Untold
    app: App | Untold | None
    skew: timedelta | None = None
    unread: Mapping[int, Untold] = field(default_factory=dict)
    """Rulesets that rules are of, but that are not shown."""


BRANCH = "main"
CHECK = "daypass"
ENVIRONMENT = "daypass"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API."""

    verb: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """What ``--fix`` would do, in words and as requests in order. Several complaints may have the same one."""

    words: str
    steps: tuple[Call, ...]


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
class Setup:
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
