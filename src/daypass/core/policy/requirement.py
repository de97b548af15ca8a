"""What rules require, and who can meet it: one value, from the decision to its judgement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from daypass.core.calendar.calendars import Calendar
from daypass.core.calendar.wait import Wait, elapse
from daypass.core.catalogue import Catalogue, Subject
from daypass.core.grant import Bounded
from daypass.core.policy.escalation import Escalation, Turn, able_at, joined
from daypass.core.policy.held import LATELY, UNREAD, Held
from daypass.core.policy.sources import (
    OF_THE_ACCESS,
    ON_CALL,
    OWNERS,
    SPONSOR,
    TAKEN_OUT,
    Ending,
    line_above,
    line_from,
    parted,
    parts,
    persons,
)
from daypass.core.record import replace

_NONE: frozenset[str] = frozenset()
REMEMBERED = 4096
"""So many answers of each kind are remembered: few things are required of very many requests."""


class Requirement(Struct, frozen=True, cache_hash=True):
    """Approvals that must be there: how many, from whom, which rules ask ("default" when none did).

    ``without`` are sources whose people are taken out, in the one order that they are written in. It is a stage where
    there is an order: it opens once what asks a source of ``after`` is met. From then on its people are reminded each time
    that ``remind`` is over and what ``escalate`` says comes of it, by the calendar of ``clock``, or by the plain clock ("").

    Once `resolve` has found them, ``eligible`` are the people who can meet it, and ``out`` who is taken out, each with why.
    Who counts only while they are on call is in ``turns`` with when that is; ``acting`` are who acts for somebody, with for
    whom; ``calendar`` is the clock's.
    """

    at_least: int
    source: str
    rules: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    remind: Wait | None = None
    escalate: tuple[Escalation, ...] = ()
    clock: str = ""
    eligible: frozenset[str] = frozenset()
    out: tuple[tuple[str, str], ...] = ()
    turns: tuple[Turn, ...] = ()
    acting: tuple[tuple[str, str], ...] = ()
    calendar: Calendar | None = None

    def __post_init__(self) -> None:
        if self.at_least < 1:
            raise RuntimeError(f"a requirement asks for at least one approval, got {self.at_least}")

    @property
    def asked(self) -> str:
        """From whom it asks approvals, in words."""
        return f"{self.source} except {', '.join(self.without)}" if self.without else self.source

    @property
    def of_ledger(self) -> frozenset[str]:
        """The resources of which it asks the ledger who holds, or approved, something there."""
        return (
            frozenset(name for kind, name in map(parted, self.without) if kind in TAKEN_OUT) if self.without else _NONE
        )

    @property
    def chain(self) -> tuple[object, ...]:
        """All that it says beside who approves; the same empty words where it says nothing."""
        return (self.after, self.remind, self.escalate, self.clock)

    @property
    def escalated(self) -> frozenset[str]:
        """The people who can meet it once it escalates."""
        return frozenset[str]().union(*(step.people for step in self.escalate))

    def includes(self, handle: str) -> bool:
        """Say whether somebody can give an approval that it asks for, at some time."""
        if handle in self.eligible:
            return True
        more = bool(self.escalate or self.turns)
        return more and (handle in self.escalated or any(handle == one for one, *_ in self.turns))

    def names(self, handle: str) -> bool:
        """Say whether somebody is among those whom it names, taken out or not: their no is heard."""
        return self.includes(handle) or (bool(self.out) and any(handle == one for one, _ in self.out))

    def over(self, wait: Wait, opened: datetime) -> datetime | None:
        """Return when a wait is over that began as it opened; None where its calendar does not say."""
        try:
            return elapse(self.calendar, opened, wait) if self.calendar is not None or not self.clock else None
        except ValueError:
            return None

    def allows(self, handle: str, given_at: datetime, opened: datetime | None) -> bool:
        """Say whether an approval by this person, given then, is of the kind that is asked for.

        ``opened`` is since when people are asked, None where they are not yet: then nobody has come in by an escalation.
        """
        if able_at(handle, given_at, self.eligible, self.turns):
            return True
        if opened is None:
            return False
        steps = (step for step in self.escalate if able_at(handle, given_at, step.eligible, step.turns))
        return any((since := self.over(step.wait, opened)) is not None and given_at >= since for step in steps)

    def acts_for(self, handle: str) -> str:
        """Return in whose place somebody would approve, "" for their own."""
        return dict(self.acting).get(handle, "")


def sponsored(catalogue: Catalogue, handle: str) -> Iterator[Requirement]:
    """Yield what is asked beside all others, and lifted by no rule: the sponsor of a vendor's worker, or of an agent."""
    subject, vendor = catalogue.directory.subjects[handle], catalogue.directory.vendor_of(handle)
    if subject.is_person and vendor is not None and vendor.stated:
        yield Requirement(1, SPONSOR, (f"vendor {vendor.name}",))
    elif subject.kind == "agent":
        yield Requirement(1, SPONSOR, (f"agent {handle}",))


def merge(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Join requirements of the same source into one that is as strict as each of them, sorted by source.

    The highest number counts. People come in by an escalation only where all that ask this source let them, and then the
    longest wait counts. Whom any of them takes out is out. Of order, reminders and clock any of them may speak, and those
    that do say the same. Different sources stay apart, and need different people.
    """
    return _joined(tuple(requirements))


@lru_cache(maxsize=REMEMBERED)
def _joined(requirements: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    found: dict[str, Requirement] = {}
    for new in sorted(requirements, key=lambda r: (r.source, r.rules)):
        old = found.get(new.source)
        found[new.source] = new if old is None else _merged(old, new)
    return tuple(found[source] for source in sorted(found))


def _merged(old: Requirement, new: Requirement) -> Requirement:
    reminders = sorted((one.remind for one in (old, new) if one.remind is not None), key=lambda wait: wait.plain)
    return Requirement(
        max(old.at_least, new.at_least),
        new.source,
        tuple(sorted({*old.rules, *new.rules})),
        tuple(sorted({*old.without, *new.without})),
        tuple(sorted({*old.after, *new.after})),
        reminders[0] if reminders else None,
        joined(old.escalate, new.escalate),
        max(old.clock, new.clock),
    )


def approvers(catalogue: Catalogue, access: Ending, source: str, at: datetime | None = None) -> tuple[str, ...]:
    """Return the handles of the people who can give a source's approval, sorted; nobody for an unknown source.

    Workloads never count, nor does whose kind of employment the settings leave out, or who has no key where they ask
    for signatures; with ``at``, only whose engagement is not over by then and who is on call then. Subject and requester
    are still among them: the caller excludes whoever may not approve *this*.
    """
    return tuple(sorted({handle for part in parts(source) for handle in _behind(catalogue, access, part, at)}))


def _behind(catalogue: Catalogue, access: Ending, part: str, at: datetime | None) -> Iterator[str]:
    kind, name = parted(part)
    if kind in OF_THE_ACCESS:

        def able(one: Subject) -> bool:
            return may_approve(catalogue, one) and not (at is not None and catalogue.absence(one.handle, at))

        yield from (one.handle for one in persons(catalogue, access, part, able) if able(one))
        return
    key = (part, access.resource)
    known: tuple[tuple[str, datetime | None, datetime | None], ...] | None = catalogue.remembered.get(key)
    if known is None:
        there = [one for one in persons(catalogue, access, part) if may_approve(catalogue, one)]
        known = tuple((one.handle, begins_at(catalogue, one), gone_at(catalogue, one)) for one in there)
        catalogue.remembered[key] = known
    on_call = catalogue.rotas[name].on_call(at) if kind == ON_CALL and at is not None and known else None
    for handle, begun, left in known:
        there_then = at is None or ((begun is None or begun <= at) and (left is None or at < left))
        if there_then and on_call in (None, handle):
            yield handle


def begins_at(catalogue: Catalogue, person: Subject) -> datetime | None:
    """Return when the agreement with somebody's vendor begins, None where nothing does."""
    vendor = catalogue.directory.vendor_of(person.handle)
    return vendor.start if vendor is not None else None


def gone_at(catalogue: Catalogue, person: Subject) -> datetime | None:
    """Return when somebody's engagement ends, None where that is not known."""
    ends = catalogue.ends(Bounded(person.handle))
    return ends[0].limit if ends else None


def resolve(
    catalogue: Catalogue,
    access: Ending,
    requirements: Iterable[Requirement],
    at: datetime,
    held: Held = UNREAD,
    since: datetime | None = None,
) -> tuple[Requirement, ...]:
    """Return requirements with the people who could meet them at an instant, by what is known of the ledger.

    With ``since``, when the request was opened, who was on call from then on counts for as long as they were.
    """
    wanted = tuple(requirements)
    lasting = _lasting(catalogue, access, wanted)
    return lasting or tuple(_resolved(catalogue, access, one, at, held, since or at) for one in wanted)


def _resolved(
    catalogue: Catalogue, access: Ending, one: Requirement, at: datetime, held: Held, since: datetime
) -> Requirement:
    calendar = catalogue.calendars.get(one.clock) if one.clock else None
    sources = [one.source, *(step.to for step in one.escalate)]
    every, *more = [frozenset(approvers(catalogue, access, source, at)) for source in sources]
    turns, *later = [[t for part in parts(source) for t in _turns(catalogue, part, since, at)] for source in sources]
    named = every.union(*more, *({handle for handle, _, _ in taken} for taken in (turns, *later)))
    barred = {part: _taken_out(catalogue, access, part, held) for part in one.without}
    out = {handle: _why_out(part) for part, people in barred.items() for handle in named & people}
    acting = _acting(
        catalogue, access, every.union(*more) - frozenset(out), frozenset[str]().union(*barred.values()), at
    )

    def left(people: frozenset[str]) -> frozenset[str]:
        return people - frozenset(out) | {by for by, of in acting.items() if of in people}

    def only(source: str, taken: Sequence[Turn]) -> tuple[Turn, ...]:
        rest = [part for part in parts(source) if parted(part)[0] != ON_CALL] if taken else []
        fixed = {handle for part in rest for handle in _behind(catalogue, access, part, at)}
        return tuple(sorted(turn for turn in taken if turn[0] not in {*out, *fixed}))

    return replace(
        one,
        eligible=left(every),
        escalate=tuple(
            replace(step, eligible=left(people), turns=only(step.to, taken))
            for step, people, taken in zip(one.escalate, more, later, strict=True)
        ),
        out=tuple(sorted(out.items())),
        turns=only(one.source, turns),
        acting=tuple(sorted(acting.items())),
        calendar=calendar,
    )


def _lasting(catalogue: Catalogue, access: Ending, wanted: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    """Return requirements with who can meet them, where that is so of each at any instant; nothing elsewhere.

    An audit asks this with each grant that was ever approved, and of nearly all of them it is so.
    """
    key = ("lasting", wanted, access.resource)
    lasting: tuple[Requirement, ...] | None = catalogue.remembered.get(key)
    if lasting is None:
        found = [_at_any_time(catalogue, access, one) for one in wanted]
        known = tuple(one for one in found if one is not None)
        lasting = catalogue.remembered[key] = known if len(known) == len(wanted) else ()
    return lasting


def _at_any_time(catalogue: Catalogue, access: Ending, one: Requirement) -> Requirement | None:
    if one.without or catalogue.directory.deputies:
        return None
    sources = (one.source, *(step.to for step in one.escalate))
    fixed = not any(parted(part)[0] in (*OF_THE_ACCESS, ON_CALL) for source in sources for part in parts(source))
    people = tuple(frozenset(approvers(catalogue, access, source)) for source in sources)
    there = [catalogue.directory.subjects[handle] for some in people for handle in some]
    if not fixed or not all(gone_at(catalogue, one) is begins_at(catalogue, one) is None for one in there):
        return None
    escalate = tuple(replace(step, eligible=some) for step, some in zip(one.escalate, people[1:], strict=True))
    calendar = catalogue.calendars.get(one.clock) if one.clock else None
    return replace(one, eligible=people[0], escalate=escalate, calendar=calendar)


def _turns(catalogue: Catalogue, part: str, since: datetime, at: datetime) -> Iterator[Turn]:
    """Yield who was on call from an instant until another, and may approve at the later one; the others for no time."""
    kind, name = parted(part)
    if kind != ON_CALL or name not in catalogue.rotas:
        return
    able = {handle for handle, left in _able_ever(catalogue, part) if left is None or at < left}
    shifts = [s for s in catalogue.rotas[name].shifts(since, at + timedelta(seconds=1)) if s.person in able]
    yield from ((shift.person, shift.window.start, shift.window.end) for shift in shifts)
    yield from ((handle, at, at) for handle in sorted(able - {shift.person for shift in shifts}))


def _able_ever(catalogue: Catalogue, part: str) -> Iterator[tuple[str, datetime | None]]:
    there = persons(catalogue, Ending("", ""), part)
    return ((one.handle, gone_at(catalogue, one)) for one in there if may_approve(catalogue, one))


def _acting(
    catalogue: Catalogue, access: Ending, people: frozenset[str], out: frozenset[str], at: datetime
) -> dict[str, str]:
    """Return who acts in the place of one of some people at an instant, by their own handle.

    Nobody acts for who could not approve this themselves, nor does who receives the access, asks for it, or is taken out;
    who can approve of their own right does that.
    """
    subjects, barred = catalogue.directory.subjects, {access.subject, access.requester, *out}
    found: dict[str, str] = {}
    for handle, (by, window) in catalogue.directory.deputies.items():
        if handle in people - barred and by not in {*people, *barred, *found} and window.holds(at):
            able = may_approve(catalogue, subjects[by]) and not catalogue.absence(by, at)
            found |= {by: handle} if able else {}
    return found


def _taken_out(catalogue: Catalogue, access: Ending, part: str, held: Held) -> frozenset[str]:
    kind, name = parted(part)
    if kind in TAKEN_OUT:
        return (held.holders if kind == "holders" else held.approvers).get(name, frozenset())
    return frozenset(one.handle for one in persons(catalogue, access, part))


def _why_out(part: str) -> str:
    kind, name = parted(part)
    if kind == "holders":
        return f"holds something on {name}"
    if kind == "approvers":
        return f"approved something on {name} in the last {LATELY.days} days"
    return f"is of {part}, who may not approve this"


def may_approve(catalogue: Catalogue, subject: Subject) -> bool:
    """Say whether the settings let somebody approve anything."""
    kinds = catalogue.settings.limits.approvers
    return (not kinds or subject.employment in kinds) and not catalogue.unheard(subject)


def outsiders(catalogue: Catalogue, requirements: Iterable[Requirement]) -> tuple[Subject, ...]:
    """Return the people who can approve something and are no employees, by handle; nobody where the settings say who may."""
    if catalogue.settings.limits.approvers:
        return ()
    able = (one for one in possible(catalogue, requirements) if not catalogue.unheard(one))
    return tuple(one for one in able if one.employment != "employee")


def possible(catalogue: Catalogue, requirements: Iterable[Requirement]) -> tuple[Subject, ...]:
    """Return the people who can approve something, by handle: owners, and whoever these requirements name."""
    sources = [source for each in requirements for source in (each.source, *(step.to for step in each.escalate))]
    named = {part for source in sources for part in parts(source)}
    places = [Ending(resource, "") for resource in catalogue.resources] or [Ending("", "")]
    found = {one.handle: one for access in places for one in persons(catalogue, access, OWNERS)}
    named |= {SPONSOR for one in catalogue.directory.subjects for _ in sponsored(catalogue, one)}
    for part in named - {OWNERS}:
        found |= {one.handle: one for one in ever(catalogue, part)}
    return tuple(found[handle] for handle in sorted(found))


def varies(catalogue: Catalogue, requirements: Iterable[Requirement]) -> bool:
    """Say whether who can meet requirements changes as time passes, in other ways than that people leave."""
    return bool(catalogue.directory.deputies) or _asks_by_turns(tuple(requirements))


@lru_cache(maxsize=REMEMBERED)
def _asks_by_turns(requirements: tuple[Requirement, ...]) -> bool:
    sources = [source for one in requirements for source in (one.source, *(step.to for step in one.escalate))]
    asked = {parted(part)[0] for source in sources for part in parts(source)}
    return not asked.isdisjoint(("manager", SPONSOR, ON_CALL))


def ever(catalogue: Catalogue, part: str) -> list[Subject]:
    """Return the persons behind a part of a source that is not of a resource, whoever receives access."""
    kind, steps = parted(part)
    if kind not in ("manager", SPONSOR):
        return persons(catalogue, Ending("", ""), part)
    directory, walk = catalogue.directory, line_above if kind == "manager" else line_from
    of = (
        directory.subjects
        if kind == "manager"
        else {by for one in directory.subjects for by in directory.sponsors_of(one)}
    )
    lines = [list(walk(catalogue, handle)) for handle in of]
    above = {one.handle: one for line in lines for one in line[int(steps or 0) :] if one.is_person}
    return [above[handle] for handle in sorted(above)]
