"""What may be asked for: each way to ask for a role, for how long, and what policy would say of it.

A way is a purpose (or none) and a length. What is decided changes with the length where a limit or a rule says so: each
option spans the lengths with one answer. Rules that go by the hour answer for the instant that is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from daypass.core.calendar.hours import DAYS
from daypass.core.calendar.recurrence import spanning
from daypass.core.grant import IMPORT, Bounded, Grant
from daypass.core.ids import GrantId
from daypass.core.policy.analysis.samples import durations_in
from daypass.core.policy.decision import Decision, Denial, Request, decide
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.window import Recurrence, Span, Window

_DETAILS = "its details"
BROUGHT = {"ticket-missing": "a ticket", "detail-missing": _DETAILS}
"""Denials of a request that only lacks something it can bring, and what that is."""

_REASON = "asked about, and not asked for"
_SECOND, _MINUTE, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


class Option(Struct, frozen=True):
    """One way to ask. ``purposes`` are those under which the answer is the same, "" among them for none.

    ``over`` and ``upto`` bound the lengths that it holds for: longer than the one, which may be nothing, and at most the
    other. ``brings`` says what the request has to bring beside its reason. ``recurring`` is what is decided of a window that
    recurs each week, an interval of which is as long; None of those so long that no day holds them. Such a window lasts for
    ``span`` at most as a whole, and all grants without a gap between them for ``total``.
    """

    purposes: tuple[str, ...]
    over: timedelta
    upto: timedelta
    brings: tuple[str, ...]
    decision: Decision
    recurring: Decision | None
    total: timedelta
    span: timedelta

    @property
    def answer(self) -> tuple[object, ...]:
        """What is the same of two ways that need not be told apart."""
        recurring = _said(self.recurring) if self.recurring is not None else None
        return (self.over, self.upto, self.brings, _said(self.decision), recurring, self.total, self.span)


def _said(decision: Decision) -> tuple[object, ...]:
    denials = tuple((denial.code, denial.rule) for denial in decision.denials)
    return (denials, decision.requirements, decision.automatic)


def options(
    policy: Policy, subject: str, resource: str, role: str, *, at: datetime, requester: str = ""
) -> tuple[Option, ...]:
    """Return every way in which a role may be asked for at an instant, what is denied too; nothing without the role.

    ``requester`` asks for the subject; by default the subject does.
    """
    known = policy.catalogue.resources.get(resource)
    if known is None or role not in known.roles or subject not in policy.catalogue.directory.subjects:
        return ()
    purposes = ["", *(name for name in policy.catalogue.purposes if name != IMPORT)]
    found: dict[tuple[tuple[object, ...], ...], tuple[list[str], tuple[Option, ...]]] = {}
    for purpose in purposes:
        ways = tuple(_by_length(policy, _Choice(subject, requester or subject, resource, role, purpose), at))
        found.setdefault(tuple(way.answer for way in ways), ([], ways))[0].append(purpose)
    return tuple(replace(way, purposes=tuple(names)) for names, ways in found.values() for way in ways)


class _Choice(Struct, frozen=True):
    subject: str
    requester: str
    resource: str
    role: str
    purpose: str


def _by_length(policy: Policy, asked: _Choice, at: datetime) -> list[Option]:
    """Return what is decided of each length, shortest first; neighbours with one answer are one."""
    bounds = policy.catalogue.bounds(Bounded(asked.subject, asked.resource, asked.role, asked.purpose))
    role = policy.catalogue.resources[asked.resource].roles[asked.role]
    total, span = role.max_total or role.max_duration, min(bound.limit for bound in bounds.spans)
    found: list[Option] = []
    for over, upto in _lengths(policy, bounds.longest):
        decision, brings = _decided(policy, asked, Span(duration=upto), at)
        weekly = _weekly(at, over, upto)
        recurring = _decided(policy, asked, weekly, at)[0] if weekly is not None else None
        option = Option((asked.purpose,), over, upto, brings, decision, recurring, total, span)
        if found and option.answer[2:] == found[-1].answer[2:]:
            option = replace(option, over=found.pop().over)
        found.append(option)
    return found


def _lengths(policy: Policy, longest: timedelta) -> Iterator[tuple[timedelta, timedelta]]:
    """Cut the lengths up to the longest where a rule that reads the length may change its mind."""
    named: set[timedelta] = set()
    for rule in policy.rules.rules:
        if "grant.duration" in rule.names:
            named |= {length + step for length in durations_in(rule) for step in (-_SECOND, timedelta(0))}
    over = timedelta(0)
    for upto in sorted(length for length in {*named, longest} if timedelta(0) < length <= longest):
        yield over, upto
        over = upto


def _weekly(at: datetime, over: timedelta, upto: timedelta) -> Span | None:
    """Return a window that recurs and has one interval, as long as a length can be, at the same time of the next week."""
    length = min(upto, _DAY - _MINUTE) // _MINUTE * _MINUTE
    if length <= over:
        return None
    start = at.astimezone(UTC).replace(second=0, microsecond=0)
    hours = f"{DAYS[start.weekday()]} {start:%H:%M}-{start + length:%H:%M}"
    return spanning(Window(start + 7 * _DAY, start + 8 * _DAY), Recurrence(hours, "UTC"))


def _decided(policy: Policy, asked: _Choice, span: Span, at: datetime) -> tuple[Decision, tuple[str, ...]]:
    """Decide on a request that brings what it can, and say what that is."""
    grant = Grant(
        GrantId(f"{asked.resource}/asked"),
        asked.subject,
        asked.resource,
        asked.role,
        _REASON,
        span,
        purpose=asked.purpose,
    )
    decision, brings = as_brought(decide(policy, Request(grant, asked.requester, at)))
    own = any(rule.purpose == asked.purpose for rule in policy.rules.rules if rule.purpose)
    return decision, tuple(f"{each}, which its rules judge" if own and each == _DETAILS else each for each in brings)


def as_brought(decision: Decision) -> tuple[Decision, tuple[str, ...]]:
    """Return what is decided once a request brings what it lacks, and what that is."""
    lacking = tuple(denial for denial in decision.denials if denial.code in BROUGHT)
    if not lacking:
        return decision, ()
    rest = tuple(denial for denial in decision.denials if denial.code not in BROUGHT)
    passes = not decision.requirements and not rest
    brought = replace(decision, denials=rest, automatic=passes)
    return brought, tuple(dict.fromkeys(BROUGHT[denial.code] for denial in lacking))


def reasons(found: Iterable[Option]) -> tuple[Denial, ...]:
    """Return why ways are denied, each reason once."""
    return tuple(dict.fromkeys(denial for way in found for denial in way.decision.denials))
