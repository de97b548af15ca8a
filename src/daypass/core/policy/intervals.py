"""What a window that recurs takes: its limits, interval by interval and as a whole, and every rule asked of each interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from daypass.core.calendar.recurrence import RecurrenceError, window_of
from daypass.core.catalogue import Catalogue
from daypass.core.grant import Grant
from daypass.core.policy.held import GAP
from daypass.core.policy.rules import Rules, Verdict
from daypass.core.window import EVER, AccessBound, Bounds, Window, format_duration

ACCESS = frozenset({"access.from", "access.until"})
"""What rules read of the time of access: where a window recurs, of one interval."""


def bounds_of(catalogue: Catalogue, grant: Grant, window: Window | None = None) -> Bounds:
    """Return what bounds a grant, whose access begins with a window where that is known."""
    of = catalogue.bounded(grant)
    return catalogue.bounds(of._replace(since=window.start) if window is not None else of)


def room(catalogue: Catalogue, grant: Grant, window: Window) -> timedelta:
    """Return how much later than a window a grant may end, its start staying as it is; nothing or less: it may not."""
    bounds = bounds_of(catalogue, grant, window)
    return bounds.latest(window.start, recurs=grant.span.recurs is not None) - window.end


def too_long(catalogue: Catalogue, grant: Grant) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield why a grant lasts too long, or its intervals cannot be told: the parts of a denial, in order."""
    bounds, span = catalogue.bounds(catalogue.bounded(grant)), grant.span
    if span.recurs is None:
        yield from _longer(span.length, bounds.lengths)
        return
    resource = catalogue.resources.get(grant.resource)
    target = catalogue.settings.targets.get(resource.target) if resource is not None else None
    if target is not None and target.invites:
        message = f"target {target.name} invites people, who would have to accept each interval anew"
        yield "window-at-inviting", message, "ask for a window that does not recur", "", "window"
    try:
        window = window_of(span, EVER.start, catalogue.calendars)
    except RecurrenceError as error:
        yield error.code, error.message, error.hint, "", "window"
        return
    yield from _longer(window.longest_run(GAP), bounds.lengths, "an interval of ")
    yield from _longer(span.length, bounds.spans, "a window of ")


def _longer(
    length: timedelta, bounds: Iterable[AccessBound[timedelta]], of: str = ""
) -> Iterator[tuple[str, str, str, str, str]]:
    over = [bound for bound in bounds if length > bound.limit]
    for bound in over:
        most = format_duration(min(one.limit for one in over))
        message = f"{of}{format_duration(length)} is longer than the {format_duration(bound.limit)} that {bound.what}"
        yield bound.code, message, f"ask for at most {most}", "", ""


class IntervalVerdicts(NamedTuple):
    """What rules say of a window: of each rule the first interval that it denies or fails in, else one that it applies in.

    ``throughout`` are the ids of the rules that apply in every interval, ``during`` says of a rule which interval is meant,
    where the window has several.
    """

    each: tuple[Verdict, ...]
    throughout: frozenset[str]
    during: Mapping[str, Window]

    def beside(self, other: IntervalVerdicts) -> IntervalVerdicts:
        """Return these with what other rules said of the same window, by rule id."""
        each = tuple(sorted((*self.each, *other.each), key=lambda verdict: verdict.rule.id))
        return IntervalVerdicts(each, self.throughout | other.throughout, {**self.during, **other.during})


NOTHING = IntervalVerdicts((), frozenset(), {})
"""What no rule says."""


def judge(rules: Rules, facts: Mapping[str, object], window: Window, at: datetime) -> IntervalVerdicts:
    """Ask every rule, once for each interval that is not over at an instant where any reads the time of access."""
    if not window.parts or not any(ACCESS & set(rule.names) for rule in rules.rules):
        # Where no rule reads it the whole is as good as any part.
        verdicts = rules.judge(facts)
        return IntervalVerdicts(verdicts, frozenset([verdict.rule.id for verdict in verdicts if verdict.applies]), {})
    # What is over is no access any more that somebody asks for.
    intervals = tuple(one for one in window.intervals if one.end > at) or window.intervals
    said: dict[str, Verdict] = {}
    during: dict[str, Window] = {}
    throughout: frozenset[str] | None = None
    for one in intervals:
        verdicts = rules.judge({**facts, "access.from": one.start, "access.until": one.end})
        applies = frozenset(verdict.rule.id for verdict in verdicts if verdict.applies)
        throughout = applies if throughout is None else throughout & applies
        for verdict in verdicts:
            known = said.get(verdict.rule.id)
            if known is None or _weight(verdict) > _weight(known):
                said[verdict.rule.id] = verdict
                if len(intervals) > 1 and ACCESS & set(verdict.rule.names):
                    during[verdict.rule.id] = one
    return IntervalVerdicts(tuple(said.values()), throughout or frozenset(), during)


def _weight(verdict: Verdict) -> int:
    return 2 * (verdict.failure is not None or verdict.denies) + verdict.applies
