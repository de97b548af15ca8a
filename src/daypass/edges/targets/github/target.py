"""The GitHub target: membership in teams, repositories' collaborators, and the roles of one organisation.

A principal is the number of a GitHub account, as text. At GitHub a person has one role in a team and one permission on
a repository, so that somebody who holds another one already is refused: to raise it would lose, at the end, what was
there before.

What is looked at is what roles of the catalogue name and what the ledger shows as ours, and nothing else: a run's
requests depend on how many teams, repositories and roles these are and on how many people are in them, not on grants.

An invitation is no access: `observe` leaves it out, `awaited` names it, and removing the entitlement takes it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.errors import EdgeError
from daypass.core.ids import digest
from daypass.core.plan import Action, Done, Entitlement, Found, Numbers, Order
from daypass.core.planning.drift import Health, Inspection, Traits
from daypass.edges.forges.github.answers import ApiError
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.transport import Transport, credential_from
from daypass.edges.pins import hold_app
from daypass.edges.targets.common import NumberTrace, join, one_by_one, trace, understood
from daypass.edges.targets.github.health import health, inspect
from daypass.edges.targets.github.organisation import INVITED, Organisation
from daypass.edges.targets.github.policy import ACCOUNT, GitHubPlace, GitHubPrivilege, read_options, read_privilege
from daypass.ports import Dated, Fingerprinting, Inviting, Numbering, Timed

if TYPE_CHECKING:
    from daypass.core.bounds.settings import TargetSettings
    from daypass.edges.targets.registry import Known


class GitHubTarget(Fingerprinting, Inviting, Dated, Numbering, Timed):
    """What one organisation gives to people. Implements ports.Target."""

    traits = Traits()

    def __init__(
        self, name: str, organisation: str, api: Api, known: Known, expected: frozenset[str] = frozenset()
    ) -> None:
        self.name = name
        self.api = api
        self._organisation = organisation
        self._expected = expected
        self._offered: frozenset[Entitlement] = frozenset()
        self._last = Organisation(api, organisation)
        self._named: dict[GitHubPlace, dict[str, list[tuple[str, str]]]] = {}
        """Place to level to the (resource, privilege) pairs that mean it."""
        for resource, privilege, what in understood(
            known.named | known.held, lambda text: read_privilege(text, organisation)
        ):
            self._name(what, resource, privilege)

    def _name(self, what: GitHubPrivilege, resource: str, privilege: str) -> None:
        pairs = self._named.setdefault(what.place, {}).setdefault(what.level, [])
        if (resource, privilege) not in pairs:
            pairs.append((resource, privilege))

    def health(self) -> Health:
        """Say who we are at GitHub, and what that may do that is needed or is not. Raises EdgeError without an answer."""
        return health(self.api, self._organisation, self._named)

    def inspect(self) -> Inspection:
        """Look for owners and at the base permission; say what of an organisation cannot be seen. Raises EdgeError."""
        return inspect(self.api, self._organisation, self._named, self._expected)

    def observe(self) -> frozenset[Entitlement]:
        """Return who has a part in what roles of the catalogue name. Raises EdgeError when any of it cannot be seen."""
        self._last = Organisation(self.api, self._organisation)
        there: set[Entitlement] = set()
        offered: set[Entitlement] = set()
        for place in sorted(self._named):
            seen = self._last.look(place)
            for number, level in seen.holders.items():
                there.update(self._entitlements(place, level, number))
            for number, offer in seen.offers.items():
                offered.update(self._entitlements(place, offer.level, number))
        self._offered = frozenset(offered - there)
        return frozenset(there)

    def fingerprint(self) -> Mapping[str, str]:
        """Return a digest of who has which part in which place, and of invitations, as the last `observe` saw them.

        Places are named by their numbers as well, which GitHub is asked for where only `find` would: an empty one holds
        nothing of ours.
        """
        places = []
        for place in sorted(self._named):
            seen = self._last.seen.get(place)
            if seen is None:
                raise EdgeError(f"target {self.name} was not looked at yet: {place} was not seen")
            number = self._last.number(place) if seen.holders or seen.offers else ""
            offers = [[who, one.level, one.number, one.alone] for who, one in sorted(seen.offers.items())]
            places.append([*place, number, sorted(seen.holders.items()), offers, seen.closed])
        return {"": digest([self._organisation, places])}

    def clock(self) -> datetime | None:
        """Return the Date of GitHub's last answer."""
        return self.api.clock

    def awaited(self) -> frozenset[Entitlement]:
        """Return what the last `observe` saw offered and not yet accepted."""
        return self._offered

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        """Say what the last `observe` saw of entitlements, by the numbers of teams, repositories and roles.

        A principal is a number itself. Who is in no complete list of a place's people has no part in it, whatever became
        of the account.
        """
        return {entitlement: self._find(entitlement, dict(known)) for entitlement, known in ours.items()}

    def _find(self, entitlement: Entitlement, known: Mapping[str, str]) -> Found:
        try:
            what, number = read_privilege(entitlement.privilege, self._organisation), _account(entitlement.principal)
        except EdgeError as error:
            return Found(None, error.message) if known else Found(False)
        one = _trace(self._last, what.place, known)
        place = GitHubPlace(what.place.kind, one.name)
        there = bool(one.name) and self._last.look(place).holders.get(number) == what.level
        called = self._entitlements(place, what.level, number) if place in self._named else ()
        return join([one], there=there, called=called, numbers=((place.kind, one.number),))

    def ends(self, entitlements: Iterable[Entitlement]) -> Mapping[Entitlement, datetime | None]:
        """Return that nothing of it ends: GitHub has no membership, permission or role with an end."""
        return dict.fromkeys(entitlements)

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make changes; each place is looked at once, then each change is two requests."""
        now = Organisation(self.api, self._organisation)
        return one_by_one(self.name, orders, lambda order: self._change(now, order))

    def _change(self, now: Organisation, order: Order) -> None:
        try:
            what = _today(now, self._read(order.entitlement), dict(order.numbers))
            if order.action is Action.REMOVE:
                _take(now, what, order.entitlement.principal)
            else:
                self._check_alone(what)
                _give(now, what, order.entitlement.principal)
        except ApiError as error:
            now.seen.clear()  # whether it came about is not known: look again before the next change
            lacking = error.hint if error.hint.startswith("it needs the permission") else ""
            raise EdgeError(f"{error.message} ({lacking})" if lacking else error.message) from error

    def _read(self, entitlement: Entitlement) -> GitHubPrivilege:
        what = read_privilege(entitlement.privilege, self._organisation)
        # From here on it is looked at, whatever the catalogue says: what cannot be read back is not recorded.
        self._name(what, entitlement.resource, entitlement.privilege)
        return what

    def _check_alone(self, what: GitHubPrivilege) -> None:
        """Refuse what two resources mean: at the end of one, nobody could tell whether the other still gives it."""
        resources = sorted({resource for resource, _ in self._named[what.place][what.level]})
        if len(resources) > 1:
            as_what = f" as {what.level}" if what.level else ""
            raise EdgeError(
                f"{what.place}{as_what} is what roles of {' and of '.join(resources)} give: the end of one would take the "
                "other's; give each resource a place of its own"
            )

    def _entitlements(self, place: GitHubPlace, level: str, number: int) -> list[Entitlement]:
        """Name what somebody holds as the catalogue does; what no role of it means, by the place's resources."""
        levels = self._named[place]
        pairs = levels.get(level)
        if pairs is None:
            text = GitHubPrivilege(place, level).text(self._organisation)
            pairs = [(resource, text) for resource in {r for known in levels.values() for r, _ in known}]
        return [Entitlement(self.name, resource, str(number), privilege) for resource, privilege in pairs]


def _today(organisation: Organisation, what: GitHubPrivilege, known: Mapping[str, str]) -> GitHubPrivilege:
    """Return what was given, under its name of today. Raises EdgeError where its number is recorded and not found."""
    if not known:
        return what
    one = _trace(organisation, what.place, known)
    if not one.name:
        raise EdgeError(one.unknown or one.gone)
    return what._replace(place=GitHubPlace(what.place.kind, one.name))


def _give(organisation: Organisation, what: GitHubPrivilege, principal: str) -> None:
    """Add somebody. Raises EdgeError, for somebody who must accept first as well."""
    number, seen = _account(principal), organisation.look(what.place)
    held = seen.holders.get(number)
    if held == what.level:
        return
    offer = seen.offers.get(number)
    if held is None and offer is not None and offer.level == what.level:
        raise EdgeError(INVITED)
    if held is not None or offer is not None:
        before = (
            f"already holds {held}" if held is not None else f"is already invited as {offer.level if offer else ''}"
        )
        raise EdgeError(
            f"{number} {before} of {what.place}, and GitHub keeps one for each person: {what.level} in its place would "
            "lose it; end that first"
        )
    if seen.closed:
        raise EdgeError(seen.closed)
    made = organisation.give(what.place, number, organisation.login(number), what.level)
    if made is not None:
        del organisation.seen[what.place]  # its number is known to whoever looks
        raise EdgeError(INVITED)
    seen.holders[number] = what.level


def _take(organisation: Organisation, what: GitHubPrivilege, principal: str) -> None:
    """Remove somebody, or take an invitation back; what is held of another level is not what this is about."""
    if not ACCOUNT.fullmatch(principal):
        return  # nobody of that name was ever added
    number, seen = int(principal), organisation.look(what.place)
    if seen.holders.get(number) == what.level:
        organisation.take(what.place, organisation.login(number, seen.logins.get(number, "")))
        del seen.holders[number]
    offer = seen.offers.get(number)
    if offer is not None and offer.level == what.level:
        organisation.cancel(what.place, number, offer, seen)
        del seen.offers[number]


def _trace(organisation: Organisation, place: GitHubPlace, known: Mapping[str, str]) -> NumberTrace:
    return trace(
        place.kind.replace("_", " "),
        place.name,
        known.get(place.kind, ""),
        lambda name: organisation.number(GitHubPlace(place.kind, name)),
        lambda number: organisation.place(place.kind, number),
    )


def _account(principal: str) -> int:
    if not ACCOUNT.fullmatch(principal):
        raise EdgeError(
            f"expected the number of a GitHub account, got {principal[:100]!r}",
            hint="`curl https://api.github.com/users/LOGIN` shows it as id; write that in policies/directory",
        )
    return int(principal)


def open_github(
    settings: TargetSettings,
    environ: Mapping[str, str],
    known: Known,
    wait: Callable[[float], None] = time.sleep,
) -> GitHubTarget:
    """Open the target with the credential in the variables that the settings name; nothing is sent yet.

    ``wait`` pauses for so many seconds. Raises InvalidError for options that make no sense and EdgeError for a variable
    that is not set.
    """
    organisation, url, variables, expected, app = read_options(settings)
    values = {option: _value(settings, option, variable, environ) for option, variable in variables.items()}
    if "token_env" in values:
        access = credential_from({"GITHUB_TOKEN": values["token_env"]})
    else:
        hold_app(f"target {settings.name}", variables["app_id_env"], values["app_id_env"], app)
        access = credential_from({"DAYPASS_APP_ID": values["app_id_env"], "DAYPASS_APP_KEY": values["app_key_env"]})
    api = Api(Transport(url), access, organisation, wait=wait)
    return GitHubTarget(settings.name, organisation, api, known, expected)


def _value(settings: TargetSettings, option: str, variable: str, environ: Mapping[str, str]) -> str:
    found = environ.get(variable, "")
    if not found:
        raise EdgeError(f"the variable {variable}, which {option} of target {settings.name} names, is not set")
    return found
