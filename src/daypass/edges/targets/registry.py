"""Which kinds of target there are. A new one costs one file or folder beside this one and one row here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from daypass.core.bounds.settings import TargetFacts, no_use, nothing
from daypass.core.errors import InvalidError
from daypass.core.finding import near

if TYPE_CHECKING:
    from daypass.core.bounds.settings import TargetKinds, TargetSettings
    from daypass.ports import Target


class Known(NamedTuple):
    """What is known of a target without asking it: pairs of a resource and a privilege's canonical JSON.

    ``named`` are those that roles of the catalogue give there, ``held`` those that the ledger shows as ours or begun.
    ``exclusive`` are the resources that lose what nobody granted.
    """

    named: frozenset[tuple[str, str]] = frozenset()
    held: frozenset[tuple[str, str]] = frozenset()
    exclusive: frozenset[str] = frozenset()


NOTHING = Known()


class TargetKind(Struct, frozen=True):
    """One kind, each function of it named by its module and name, joined by a colon, and imported when it is used.

    ``opens`` is its factory ``(TargetSettings, Path) -> Target``. ``asks``: the factory is given the environment and `Known`
    instead of a folder. Such a system is another machine's, holds more than anybody could look through, and does not know
    itself which of it is whose.
    """

    opens: str
    options: frozenset[str]
    """The keys that the settings may give beside ``kind``."""
    asks: bool = False
    fingerprints: bool = False
    """Whether it can name all that it holds, and is told nothing by the ledger: a run may go by what the last one found."""
    reads: str = ""
    """Reads the options, asking neither environment nor target: ``(TargetSettings)``, which raises InvalidError for what
    opening would refuse for its text alone. "": any value is fine."""
    privilege: str = ""
    """Reads a role's privilege, likewise: ``(TargetSettings, canonical JSON)``, which raises EdgeError for one that this
    kind cannot mean. "": whatever it says is left to the target."""
    known_by: Callable[[Mapping[str, Any]], str] = lambda _: ""
    """Says by what a target with some options knows people of whom the directory names no identity there, as
    ``TargetSettings.known_by`` has it."""
    checks_claims: bool = False
    """Whether it binds what it gives a workload to the claims of its token, which the directory states: only what comes with
    such a token has the access. Elsewhere nobody would check them, and a workload with claims is refused."""
    invites: bool = False
    """Whether people there have to accept what they are given, so that nothing can be given again and again."""
    hands_over: Callable[[Mapping[str, Any]], str] = lambda _: ""
    """Says what a privilege's subject is handed over, anew each time it is given; "": nothing."""
    gives: str = ""
    """Says in words what a privilege gives, as ``TargetSettings.gives`` has it; "": there are none."""
    use: str = ""
    """Says how its subject uses it, as ``TargetSettings.use`` has it; "": there is nothing to say."""


def _once_asked(place: str, without: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function at a place, imported once it is asked; ``without`` stands for no place."""
    if not place:
        return without

    def ask(*asked: Any) -> Any:
        return _function(place)(*asked)

    return ask


def _account(options: Mapping[str, Any]) -> str:
    return "" if "api_url" in options else "account"  # at another server the number would be somebody else's


TARGETS: Mapping[str, TargetKind] = MappingProxyType(
    {
        "embedded": TargetKind(
            "daypass.edges.targets.embedded.target:open_embedded",
            frozenset({"path", "keep"}),
            fingerprints=True,
            reads="daypass.edges.targets.embedded.target:read_options",
            known_by=lambda _: "handle",
            gives="daypass.edges.targets.embedded.words:gives",
            use="daypass.edges.targets.embedded.words:use",
        ),
        "github": TargetKind(
            "daypass.edges.targets.github.target:open_github",
            frozenset({"organisation", "api_url", "app", "app_id_env", "app_key_env", "token_env", "expected"}),
            asks=True,
            reads="daypass.edges.targets.github.policy:read_options",
            privilege="daypass.edges.targets.github.policy:check_privilege",
            known_by=_account,
            invites=True,
            fingerprints=True,
            gives="daypass.edges.targets.github.words:gives",
            use="daypass.edges.targets.github.words:use",
        ),
        "postgres": TargetKind(
            "daypass.edges.targets.postgres.target:open_postgres",
            frozenset({"url_env", "host", "databases", "tls", "expected"}),
            asks=True,
            fingerprints=True,
            reads="daypass.edges.targets.postgres.policy:read_options",
            privilege="daypass.edges.targets.postgres.policy:check_privilege",
            hands_over=lambda fields: "password" if str(fields.get("login")).lower() == "true" else "",
            gives="daypass.edges.targets.postgres.words:gives",
            use="daypass.edges.targets.postgres.words:use",
        ),
        "ssh": TargetKind(
            "daypass.edges.targets.ssh.target:open_ssh",
            frozenset({"ca", "ca_key_env", "ca_uri", "host", "krl"}),
            reads="daypass.edges.targets.ssh.authority:read_options",
            privilege="daypass.edges.targets.ssh.certificate:check_privilege",
            hands_over=lambda _: "certificate",
            gives="daypass.edges.targets.ssh.words:gives",
            use="daypass.edges.targets.ssh.words:use",
        ),
        "vault": TargetKind(
            "daypass.edges.targets.vault.target:open_vault",
            frozenset({"url_env", "host", "token_env", "auth", "audience", "token_ttl", "namespace"}),
            asks=True,
            fingerprints=True,
            reads="daypass.edges.targets.vault.policy:read_options",
            privilege="daypass.edges.targets.vault.policy:check_privilege",
            checks_claims=True,
            gives="daypass.edges.targets.vault.words:gives",
            use="daypass.edges.targets.vault.words:use",
        ),
    }
)
"""Kind, as the settings name it, to how it is opened."""

KINDS: TargetKinds = MappingProxyType(
    {
        name: TargetFacts(
            kind.known_by,
            kind.checks_claims,
            kind.invites,
            kind.hands_over,
            _once_asked(kind.gives, nothing),
            _once_asked(kind.use, no_use),
        )
        for name, kind in TARGETS.items()
    }
)
"""What those who read policies have to know of each kind."""


def asks(kind: str) -> bool:
    """Say whether a kind of target wants to be told what is known of it."""
    found = TARGETS.get(kind)
    return found is not None and found.asks


def fingerprints(kind: str) -> bool:
    """Say whether a run may go by what the last one found at a kind of target, where it holds the very same."""
    found = TARGETS.get(kind)
    return found is not None and found.fingerprints


def open_target(settings: TargetSettings, base_dir: Path, known: Known = NOTHING) -> Target:
    """Open a target. ``base_dir`` is this machine's own folder for the repository.

    Raises InvalidError for an unknown kind, an unknown option or an option's bad value; EdgeError when the target says
    no at once.
    """
    kind = check_settings(settings)
    factory = _function(kind.opens)
    target: Target = factory(settings, os.environ, known) if kind.asks else factory(settings, base_dir)
    return target


def check_settings(settings: TargetSettings) -> TargetKind:
    """Return the kind of a target. Raises InvalidError for all that opening refuses without asking the environment."""
    kind = _kind_of(settings)
    for option in sorted(settings.options):
        if option not in kind.options:
            options = ", ".join(sorted(kind.options)) or "none"
            raise InvalidError(
                f"target {settings.name} has an option {option!r}; kind {settings.kind} knows: {options}",
                hint=near(option, kind.options),
            )
    if kind.reads:
        _function(kind.reads)(settings)
    return kind


def check_privilege(settings: TargetSettings, privilege: str) -> None:
    """Refuse a role's privilege that the target can never give, as far as that shows without asking it.

    The settings are taken to be fit, see `check_settings`. Raises InvalidError for an unknown kind, and EdgeError.
    """
    kind = _kind_of(settings)
    if kind.privilege:
        _function(kind.privilege)(settings, privilege)


def _kind_of(settings: TargetSettings) -> TargetKind:
    kind = TARGETS.get(settings.kind)
    if kind is None:
        raise InvalidError(
            f"target {settings.name} is of kind {settings.kind!r}, expected one of {', '.join(sorted(TARGETS))}",
            hint=near(settings.kind, TARGETS),
        )
    return kind


def _function(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
