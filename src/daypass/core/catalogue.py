"""What the base branch says about the world: resources and roles, people and groups, settings.

These are plain frozen values; ``daypass.core.policy.policies`` reads them from files and checks that every reference
resolves. `Catalogue.meaning` is what an approval is bound to: if a role has come to mean something else since, the
digest moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from msgspec import Struct, field

from daypass.core.bounds.purposes import DetailField, Purpose, detail_bounds
from daypass.core.bounds.renames import Renames, known_as
from daypass.core.bounds.settings import PINS, Settings, TargetSettings
from daypass.core.bounds.vendors import ENGAGED, Vendor
from daypass.core.calendar.calendars import Calendar
from daypass.core.calendar.recurrence import RecurrenceError, window_of
from daypass.core.calendar.rota import Deputy, Rota
from daypass.core.grant import REVIEW, Bounded, Grant, Moments
from daypass.core.ids import canonical, digest
from daypass.core.record import replace
from daypass.core.window import AccessBound, Bounds, Span, Window, format_instant, moment_of

_V = TypeVar("_V")


def frozen(mapping: Mapping[str, _V]) -> Mapping[str, _V]:
    """Return a read-only view of a copy, keys in order."""
    return MappingProxyType({key: mapping[key] for key in sorted(mapping)})


class Role(Struct, frozen=True, dict=True):
    """A named level of access on a resource. ``privilege`` is the target's, ``max_total`` what all grants may add up to.

    ``max_duration`` is how long access lasts at most, and an interval of a window that recurs; ``max_span`` is how long such
    a window is as a whole.
    """

    name: str
    max_duration: timedelta
    privilege: Mapping[str, Any]
    title: str = ""
    max_total: timedelta | None = None
    max_span: timedelta | None = None
    was: tuple[str, ...] = ()

    @cached_property
    def privilege_text(self) -> str:
        """The privilege as entitlements have it: canonical JSON."""
        return canonical(dict(self.privilege))


class Resource(Struct, frozen=True):
    """One system that access is given to. ``target`` names one of the settings' targets.

    ``says_data``: the file says what it holds, be it nothing. ``was`` are names that it had before.
    """

    name: str
    title: str
    target: str
    environment: str
    classification: str
    owners: tuple[str, ...]
    roles: Mapping[str, Role]
    data: tuple[str, ...] = ()
    retention_until: datetime | None = None
    exclusive: bool = False
    file: str = ""
    says_data: bool = False
    was: tuple[str, ...] = ()


class Subject(Struct, frozen=True):
    """A person or a workload (of the kind agent: one that acts by itself) of the directory, by handle.

    ``emails`` holds every address, lower case; ``login`` and ``forge_id`` are the forge's; ``keys`` are public SSH
    keys as in authorized_keys (type and base64, no comment); ``until`` is when the person's own engagement ends;
    ``identities`` maps a target's name or kind to the principal there. A workload has ``claims``, which its tokens
    must carry, ``owners``, the groups that answer for it, and ``sponsors``, people who do. ``was`` are handles of before.
    ``source_id`` is what the source of people (`daypass.core.people`) knows a person by, "" for who is not from there.
    """

    handle: str
    kind: str = "person"
    name: str = ""
    emails: tuple[str, ...] = ()
    login: str = ""
    forge_id: int | None = None
    manager: str = ""
    employment: str = "employee"
    vendor: str = ""
    until: datetime | None = None
    keys: tuple[str, ...] = ()
    identities: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    claims: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    owners: tuple[str, ...] = ()
    sponsors: tuple[str, ...] = ()
    was: tuple[str, ...] = ()
    source_id: str = ""

    @property
    def is_person(self) -> bool:
        """Only people may approve."""
        return self.kind == "person"

    def identity_at(self, target: TargetSettings) -> str:
        """Return who this is at a target, "" where nobody says; see `Catalogue.principal`.

        Where the target checks claims they alone say it, as canonical JSON: an approval is of what they are.
        """
        if target.checks_claims and self.claims:
            return canonical(dict(self.claims))
        found = self.identities.get(target.name) or self.identities.get(target.kind)
        if not found and target.known_by == "account" and self.forge_id is not None:
            return str(self.forge_id)
        return found or (self.handle if target.known_by == "handle" else "")


class Directory(Struct, frozen=True, dict=True):
    """People, workloads, groups and vendors.

    ``groups`` maps a group's name to the handles in it, includes followed. ``vendors`` are the sub-processors whose
    people may receive access. ``deputies`` are by the handle of whose place they act in. ``old_groups`` maps the names that
    groups had before to those of today.
    """

    subjects: Mapping[str, Subject]
    groups: Mapping[str, frozenset[str]]
    vendors: Mapping[str, Vendor] = field(default_factory=lambda: MappingProxyType({}))
    deputies: Mapping[str, Deputy] = field(default_factory=lambda: MappingProxyType({}))
    old_groups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    # Made once: a request may name people a hundred thousand times. Of two with the same name the first is meant.
    @cached_property
    def _by_email(self) -> Mapping[str, Subject]:
        return {email: s for s in reversed(list(self.subjects.values())) for email in s.emails if email}

    @cached_property
    def _by_login(self) -> Mapping[str, Subject]:
        return {s.login.lower(): s for s in reversed(list(self.subjects.values())) if s.login}

    @cached_property
    def _by_number(self) -> Mapping[int, Subject]:
        return {s.forge_id: s for s in reversed(list(self.subjects.values())) if s.forge_id is not None}

    def vendor_of(self, handle: str) -> Vendor | None:
        """Return the vendor that somebody works for; None for nobody's worker, and for what is not known."""
        subject = self.subjects.get(handle)
        return self.vendors.get(subject.vendor) if subject is not None else None

    def sponsors_of(self, handle: str) -> tuple[str, ...]:
        """Return who answers for somebody: for a workload, or for the vendor that a person works for."""
        subject, vendor = self.subjects.get(handle), self.vendor_of(handle)
        return subject.sponsors if subject is not None and not subject.is_person else vendor.sponsors if vendor else ()

    def groups_of(self, handle: str) -> tuple[str, ...]:
        """Return the names of the groups that hold a handle, sorted."""
        return tuple(sorted(name for name, members in self.groups.items() if handle in members))

    def by_email(self, email: str) -> Subject | None:
        """Find who has an address (case does not count); None when nobody has."""
        return self._by_email.get(email.strip().lower())

    def by_login(self, login: str) -> Subject | None:
        """Find who has a login at the forge (case does not count); None when nobody has."""
        return self._by_login.get(login.strip().lower())

    def by_forge_id(self, number: int) -> Subject | None:
        """Find who has an account at the forge by its numeric id, which outlives renaming; None when nobody has."""
        return self._by_number.get(number)


def _ends(of: DetailField | None) -> bool:
    return of is not None and of.ends_access


_MOST_BOUNDS = 10_000
"""So many bounds are remembered at once."""


class Catalogue(Struct, frozen=True, dict=True):
    """Everything but the rules, joined and resolved."""

    settings: Settings
    resources: Mapping[str, Resource]
    directory: Directory
    purposes: Mapping[str, Purpose]
    calendars: Mapping[str, Calendar] = field(default_factory=lambda: MappingProxyType({}))
    rotas: Mapping[str, Rota] = field(default_factory=lambda: MappingProxyType({}))

    # Worked out once: an audit asks for them with each grant that was ever approved.
    @cached_property
    def remembered(self) -> dict[tuple[Any, ...], Any]:
        """What is known of sources (`daypass.core.policy.requirement`), as far as it was asked."""
        return {}

    @cached_property
    def _known_lengths(self) -> dict[tuple[str, str, str], tuple[AccessBound[timedelta], ...]]:
        return {}

    @cached_property
    def _known_bounds(self) -> dict[tuple[str, ...], Bounds]:
        return {}

    @cached_property
    def _meanings(self) -> dict[tuple[str, str], tuple[Resource, Role, str]]:
        return {}

    @cached_property
    def renames(self) -> Renames:
        """What had another name before."""
        roles = {
            (resource.name, old): new
            for resource in self.resources.values()
            for old, new in known_as({name: role.was for name, role in resource.roles.items()}).items()
        }
        return Renames(
            known_as({name: one.was for name, one in self.directory.subjects.items()}),
            known_as({name: one.was for name, one in self.resources.items()}),
            roles,
        )

    def by_todays_names(self, grant: Grant) -> Grant:
        """Return a merged grant with its subject, resource and role as they are called today. Its id stays."""
        if not self.renames:
            return grant
        subject, resource, role = self.renames.of(grant.subject, grant.resource, grant.role)
        return replace(grant, subject=subject, resource=resource, role=role)

    def principal(self, handle: str, resource: Resource) -> str:
        """Return who a subject is at the resource's target: the identity under the target's name, then under its kind.

        Where the directory names none, it is what the target's kind knows people by, and ``""`` where that is nothing.
        """
        subject = self.directory.subjects.get(handle)
        target = self.settings.targets.get(resource.target)
        if subject is None or target is None:
            return ""
        return subject.identity_at(target)

    def window(self, span: Span, merged_at: datetime) -> Window:
        """Return the window that a merge gives; where its intervals cannot be told, which denies it, the whole of it."""
        try:
            return window_of(span, merged_at, self.calendars)
        except RecurrenceError:
            return span.starting(merged_at)

    def bounded(self, grant: Grant) -> Bounded:
        """Return what bounds are asked of for a grant: which of its details end the access, its purpose says."""
        purpose = self.purposes.get(grant.purpose) if grant.details else None
        due: Moments = ()
        if purpose is not None:
            ending = [(name, value) for name, value in grant.details if _ends(purpose.fields.get(name))]
            read = [(name, moment_of(value)) for name, value in ending]
            due = tuple((name, moment) for name, moment in read if moment is not None)
        since = grant.span.window.start if grant.span.window is not None else None
        return Bounded(grant.subject, grant.resource, grant.role, grant.purpose, due, since)

    def due(self, grant: Grant, merged_at: datetime) -> Moments:
        """Return when the access of a grant that merges ends by its own details, and by when it is to be reviewed."""
        within = purpose.review_within if (purpose := self.purposes.get(grant.purpose)) is not None else None
        review = ((REVIEW, merged_at + within),) if within is not None else ()
        return (*review, *self.bounded(grant).due) if grant.details else review

    def bounds(self, of: Bounded) -> Bounds:
        """Return everything that limits how long access lasts, or ends it. What bounds access stands here, and nowhere else.

        Names that are not known bound nothing; a grant that names them is refused for that. Old names are those of today.
        """
        of = self._today(of)
        if of.due or self.directory.vendor_of(of.subject) is not None:
            return Bounds(self._lengths(of.resource, of.role, of.purpose), self._ends(of), self._spans(of))
        # Of most grants neither when access begins nor whose it is changes anything, and one decision asks several times.
        found = self._known_bounds.get(of[1:4])
        if found is None:
            if len(self._known_bounds) >= _MOST_BOUNDS:
                self._known_bounds.clear()
            lengths = self._lengths(of.resource, of.role, of.purpose)
            found = self._known_bounds[of[1:4]] = Bounds(lengths, self._kept(of.resource), self._spans(of))
        hired = self._hired(of.subject)
        return found._replace(ends=tuple(sorted((*found.ends, *hired)))) if hired else found

    def ends(self, of: Bounded) -> tuple[AccessBound[datetime], ...]:
        """Return the ends of `bounds` alone: a run asks for those of every grant that is live."""
        of = self._today(of)
        if of.due or self.directory.vendor_of(of.subject) is not None:
            return self._ends(of)
        kept, hired = self._kept(of.resource), self._hired(of.subject)
        return tuple(sorted((*kept, *hired))) if kept and hired else kept or hired

    def endless(self, subject: str = "", resource: str = "") -> bool:
        """Say whether no `ends` are of somebody, and of a resource, whatever else is asked, but for moments of its own."""
        who, where = self.renames.subject(subject), self.renames.resource(resource)
        return self.directory.vendor_of(who) is None and not self._hired(who) and not self._kept(where)

    def _today(self, of: Bounded) -> Bounded:
        if not self.renames:
            return of
        subject, resource, role = self.renames.of(of.subject, of.resource, of.role)
        return of._replace(subject=subject, resource=resource, role=role)

    def _kept(self, resource: str) -> tuple[AccessBound[datetime], ...]:
        """Return until when a resource's data is kept."""
        known = self.resources.get(resource)
        if known is None or known.retention_until is None:
            return ()
        return (AccessBound(known.retention_until, "beyond-retention", f"the data of {known.name} is kept"),)

    def _hired(self, handle: str) -> tuple[AccessBound[datetime], ...]:
        """Return until when somebody is engaged."""
        subject = self.directory.subjects.get(handle)
        if subject is None or subject.until is None:
            return ()
        return (AccessBound(subject.until, ENGAGED, f"{subject.handle} is engaged"),)

    def _lengths(self, resource: str, role: str, purpose: str) -> tuple[AccessBound[timedelta], ...]:
        """Return how long access may last at most, whoever has it; the settings always say."""
        there = self._known_lengths.get((resource, role, purpose))
        if there is not None:
            return there
        found = [AccessBound(self.settings.limits.max_duration, "too-long", "the settings allow")]
        known = self.resources.get(resource)
        if known is not None and role in known.roles:
            found.append(AccessBound(known.roles[role].max_duration, "too-long", f"role {role} of {resource} allows"))
        kind = self.purposes.get(purpose)
        if kind is not None and kind.max_duration is not None:
            found.append(AccessBound(kind.max_duration, "too-long", f"purpose {purpose} allows"))
        if kind is not None or not purpose:  # of names that are made up there is no end
            self._known_lengths[resource, role, purpose] = tuple(found)
        return tuple(found)

    def _spans(self, of: Bounded) -> tuple[AccessBound[timedelta], ...]:
        """Return how long a window that recurs may be as a whole; the settings always say."""
        found = [AccessBound(self.settings.limits.max_span, "span-too-long", "the settings allow")]
        known = self.resources.get(of.resource)
        role = known.roles.get(of.role) if known is not None else None
        if role is not None and role.max_span is not None:
            found.append(AccessBound(role.max_span, "span-too-long", f"role {of.role} of {of.resource} allows"))
        kind = self.purposes.get(of.purpose)
        if kind is not None and kind.max_span is not None:
            found.append(AccessBound(kind.max_span, "span-too-long", f"purpose {of.purpose} allows"))
        return tuple(found)

    def _ends(self, of: Bounded) -> tuple[AccessBound[datetime], ...]:
        """Return the instants after which somebody has no access, the earliest first."""
        found = [*self._kept(of.resource), *self._hired(of.subject)]
        known = self.resources.get(of.resource)
        vendor = self.directory.vendor_of(of.subject)
        if vendor is not None:
            there = of if known is not None else of._replace(resource="")
            found += vendor.bounds(there, known.data if known is not None and known.says_data else None)
        found += detail_bounds(of, self.purposes.get(of.purpose))
        return tuple(sorted(found))

    def absence(self, handle: str, at: datetime) -> str:
        """Say why somebody is not there at an instant, in words that go after their name; "" while they are.

        Whoever acts must be there when they act and when what they did takes effect.
        """
        if handle not in self.directory.subjects:
            return "is not in the directory"
        over = self.bounds(Bounded(handle, since=at)).over(at) if not self.endless(handle) else None
        if over is not None and over.code == ENGAGED:
            return f"was engaged until {format_instant(over.limit)} only"
        return f"was not there then: {over.said}" if over is not None else ""

    def unheard(self, subject: Subject) -> bool:
        """Say whether what somebody does counts for nothing, since nothing proves that it was they (`limits.unsigned`)."""
        settings = self.settings
        return not settings.forge.vouches and settings.limits.unsigned == "refuse" and not subject.keys

    def meaning(self, resource: Resource, role: Role, called: str = "") -> str:
        """Return the digest of what a role gives: the target, how it is reached, and the privilege there.

        What a secret may say besides (`PINS`) is left out: a repository that begins to say it ends nobody's access by that.

        ``called`` is the old name by which a grant has the resource, "" for today's.
        """
        name = called or resource.name
        known = self._meanings.get((name, role.name))
        if known is not None and known[0] is resource and known[1] is role:
            return known[2]
        target = self.settings.targets[resource.target]
        own = {key: value for key, value in target.options.items() if key not in PINS}
        found = digest(
            {
                "resource": name,
                "target": {"name": target.name, "kind": target.kind, "options": own},
                "privilege": role.privilege_text,
            }
        )
        self._meanings[name, role.name] = (resource, role, found)
        return found
