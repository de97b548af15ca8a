"""The settings of a repository (policies/daypass.yaml) and the targets that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct, field

from daypass.core.bounds.limits import Limits
from daypass.core.forge import FORGES, ForgeKind
from daypass.core.ids import GrantId


def nothing(_: Mapping[str, Any]) -> str:
    """Say "" of whatever is asked."""
    return ""


class Use(NamedTuple):
    """How a subject uses what they were given: in words, and what they run for it, "" for nothing."""

    words: str = ""
    command: str = ""


def no_use(*_: object) -> Use:
    """Say nothing of how anything is used."""
    return Use()


PINS = frozenset({"app", "host"})
"""Options that say what a secret or variable of the environment may name, and nothing of what is given."""


class TargetSettings(Struct, frozen=True):
    """How a target is reached: its kind (a row of the registry) and the kind's own options as plain data.

    ``leave_lost``: access of ours that somebody took away there by hand is not given again. ``known_by`` says who somebody
    is there of whom the directory names no identity: their "handle", their "account" at the forge, "" nobody.
    ``checks_claims``: what the directory says of a workload's token holds there. ``invites``: people there have to accept what
    they are given. ``hands_over`` says what a privilege's subject receives, anew each time it is given, "" for nothing.
    ``gives`` says what somebody does or has by a privilege (``joins role readers``), "" where there are no words for it;
    ``use`` how they use it, given the principal at the target, the privilege as the catalogue writes it and the grant.
    """

    name: str
    kind: str
    options: Mapping[str, Any]
    leave_lost: bool = False
    known_by: str = ""
    checks_claims: bool = False
    invites: bool = False
    hands_over: Callable[[Mapping[str, Any]], str] = nothing
    gives: Callable[[Mapping[str, Any]], str] = nothing
    use: Callable[[str, Mapping[str, Any], GrantId], Use] = no_use


class TargetFacts(NamedTuple):
    """What those who read policies have to know of a kind of target, as `TargetSettings` has it.

    ``known_by`` is asked with the options.
    """

    known_by: Callable[[Mapping[str, Any]], str]
    checks_claims: bool = False
    invites: bool = False
    hands_over: Callable[[Mapping[str, Any]], str] = nothing
    gives: Callable[[Mapping[str, Any]], str] = nothing
    use: Callable[[str, Mapping[str, Any], GrantId], Use] = no_use


TargetKinds = Mapping[str, TargetFacts]
"""The kinds of target that this program knows."""


class PeopleSource(NamedTuple):
    """Who says who people are, and that somebody has left: a ``team`` at the forge, or a service that speaks SCIM.

    ``url`` is that service's base address, and ``token_env`` the environment's variable with a token for it.
    """

    kind: str
    team: str = ""
    url: str = ""
    token_env: str = ""

    @property
    def said(self) -> str:
        """Name it for people."""
        return f"team {self.team}" if self.kind == "forge" else f"the directory service at {self.url}"


class Settings(Struct, frozen=True):
    """policies/daypass.yaml. ``simulated_clock`` lets writing verbs take ``--at``; for demonstrations only.

    ``ledger_keys`` are those that may sign now; ``ledger_retired`` and ``ledger_revoked`` bound others, each by a receipt:
    see `daypass.core.ledger.keys`.
    """

    forge_kind: str = "local"
    forge_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    targets: Mapping[str, TargetSettings] = field(default_factory=lambda: MappingProxyType({}))
    ledger_branch: str = "daypass-ledger"
    ledger_keys: tuple[str, ...] = ("ledger.pub",)
    ledger_retired: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    ledger_revoked: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    ledger_signer: str = ""
    ledger_host: str = ""
    ledger_heartbeat: timedelta | None = None
    environments: tuple[str, ...] = ("production", "staging", "development")
    classifications: tuple[str, ...] = ("public", "internal", "confidential", "restricted")
    limits: Limits = field(default_factory=Limits)
    simulated_clock: bool = False
    people: PeopleSource | None = None

    @property
    def ledger_bounded(self) -> tuple[str, ...]:
        """The keys of the ledger that sign no more."""
        return tuple(dict.fromkeys((*self.ledger_retired, *self.ledger_revoked)))

    @property
    def ledger_named(self) -> tuple[str, ...]:
        """Every key of the ledger, whether it may sign now or not."""
        return tuple(dict.fromkeys((*self.ledger_keys, *self.ledger_bounded)))

    @property
    def forge(self) -> ForgeKind:
        """What is so of the kind of forge."""
        return FORGES[self.forge_kind]

    @property
    def variables(self) -> frozenset[str]:
        """The environment's variables that targets are reached by, and what ends access: options that end in _env."""
        options = [item for target in self.targets.values() for item in target.options.items()]
        options += (self.forge_options.get("watch") or {}).items()
        options += self.people._asdict().items() if self.people is not None and self.people.token_env else ()
        return frozenset(str(value) for key, value in options if key.endswith("_env"))
