"""Reading who is asked after whom, and what comes when nobody answers; and whether rules say the same of it.

Rules of different purposes never meet in one request; all others may.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from daypass.core.calendar.wait import Wait
from daypass.core.finding import Finding, Severity, near
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.order import circle
from daypass.core.policy.policies.file import Key, PolicyFile
from daypass.core.policy.policies.named import Nameable, check_known
from daypass.core.policy.requirement import Requirement, merge
from daypass.core.policy.sources import SPONSOR, parted, parts, written

if TYPE_CHECKING:
    from daypass.schema.rule_models import PurposeForm, RequireForm, RulesForm

Ruled: TypeAlias = "PolicyFile[RulesForm] | PolicyFile[PurposeForm]"
"""A file that has rules."""

Chain = tuple[tuple[str, ...], Wait | None, tuple[Escalation, ...], str]
"""What a requirement comes after, when its people are reminded, what it escalates to, and by which clock."""

_KEYS = ("after", "remind", "escalate", "clock")


def read_chain(file: Ruled, entry: RequireForm, known: Nameable, *keys: Key) -> Chain | None:
    """Read what a requirement says beside who approves; None, with a finding, where a time is none."""
    after = parts(written(entry["after"])) if "after" in entry else ()
    for part in after:
        check_known(file, part, known, *keys, "after")
    clock = entry.get("clock", "")
    names = [calendar.name for calendar in known.calendars]
    if clock and clock not in names:
        hint = near(clock, names, "calendars are the files of policies/calendars")
        file.fault("unknown-calendar", (*keys, "clock"), f"there is no calendar {clock!r}", hint)
    if clock and "remind" not in entry and "escalate" not in entry:
        message = f"nothing goes by the clock {clock}: nobody is reminded, and nothing escalates"
        file.fault("clock-idle", (*keys, "clock"), message, "add remind or escalate, or remove clock")
    steps = _steps(file, entry, known, *keys)
    remind = file.wait(*keys, "remind")
    if steps is None or (remind is None and "remind" in entry):
        return None
    for (earlier, _), (later, at) in pairwise(steps):
        if earlier.closes:
            message = f"nothing comes after the request was closed, {earlier.wait} after it was asked"
            file.fault("escalation-order", at, message, "put close last")
        elif not later.wait.exceeds(earlier.wait, by_calendar=bool(clock)):
            message = f"after {later.wait} is not later than the step before it, after {earlier.wait}"
            file.fault("escalation-order", (*at, "after"), message, "put the steps in the order in which they come")
    return after, remind, tuple(step for step, _ in steps), clock


def _steps(
    file: Ruled, entry: RequireForm, known: Nameable, *keys: Key
) -> list[tuple[Escalation, tuple[Key, ...]]] | None:
    """Return what a requirement escalates to, each with where it stands; None where a time is none."""
    said = entry.get("escalate", [])
    at = [(*keys, "escalate", n) for n in range(len(said))] if isinstance(said, list) else [(*keys, "escalate")]
    found = []
    for step, place in zip(said if isinstance(said, list) else [said], at, strict=True):
        wait = file.wait(*place, "after")
        if "to" in step:
            check_source(file, step["to"], known, *place, "to")
            own = parts(written(entry["approvals"]["from"]))
            if set(parts(written(step["to"]))) <= set(own):
                message = f"escalating to {written(step['to'])} adds nobody: they are asked already"
                file.fault("escalation-to-nobody", (*place, "to"), message, "name a source that is not asked yet")
        if wait is None:
            return None
        found.append((Escalation(wait, written(step.get("to", ""))), place))
    return found


def check_source(file: Ruled, source: str | list[str], known: Nameable, *keys: Key) -> None:
    """Check that a source, or each in a list of them, names somebody who is there."""
    for at, part in [(keys, source)] if isinstance(source, str) else [((*keys, n), s) for n, s in enumerate(source)]:
        directory = known.directory
        if not check_known(file, part, known, *at) or directory is None:
            continue
        kind, name = parted(part)
        there = {"group": directory.groups.get(name, ()), "person": (name,)}.get(kind)
        if there is not None and not any(directory.subjects[handle].is_person for handle in there):
            message = f"nobody could approve: {kind} {name} " + ("has no people" if kind == "group" else "is no person")
            file.fault("empty-approvers", at, message, "add people to it in policies/directory")


class AskedOf(NamedTuple):
    """A requirement of a rule, and where it stands; ``purpose`` is the one whose requests alone it is asked of, "" for all."""

    need: Requirement
    purpose: str
    file: Ruled
    keys: tuple[Key, ...]

    def meets(self, other: AskedOf) -> bool:
        """Say whether one request may need both."""
        return self.purpose == other.purpose or not self.purpose or not other.purpose


def check_chains(asked: Sequence[AskedOf]) -> None:
    """Find what rules together say of the order of approvals and cannot be: a circle, or two things of one source.

    What waits for a source that nobody asks is a warning.
    """
    if not any(any(one.need.chain) for one in asked):
        return
    _find_circle(asked)
    for number, one in enumerate(asked):
        for other in asked[:number]:
            key = _differs(one.need, other.need) if one.meets(other) else ""
            if key:
                message = (
                    f"rules {other.need.rules[0]} and {one.need.rules[0]} ask {one.need.source} with different {key}"
                )
                hint = "say the same in both, or nothing in one of them: a request may need both at once"
                one.file.fault("chain-differs", (*one.keys, *((key,) if _says(one.need, key) else ())), message, hint)
                break
        for part in _vacuous(one, asked):
            message = f"after {part} waits for nothing: no rule asks {part}"
            place = one.file.place(*one.keys, "after")
            hint = f"ask an approval from {part} as well, or remove it here"
            one.file.findings.append(Finding("chain-vacuous", place, message, hint, Severity.WARNING))


def _differs(one: Requirement, other: Requirement) -> str:
    """Return what two requirements of one source say otherwise, "" for nothing; who says nothing at all agrees with any."""
    if one.source != other.source or not any(one.chain) or not any(other.chain):
        return ""
    pairs = zip(_KEYS, one.chain, other.chain, strict=True)
    return next((key for key, mine, its in pairs if mine != its), "")


def _says(need: Requirement, key: str) -> bool:
    return bool(need.chain[_KEYS.index(key)])


def _vacuous(one: AskedOf, asked: Sequence[AskedOf]) -> Iterator[str]:
    """Yield what a requirement waits for that no rule asks. Sponsors are asked without any."""
    others = {part for other in asked if one.meets(other) for part in parts(other.need.source)} | {SPONSOR}
    return (part for part in one.need.after if part not in others)


def _find_circle(asked: Sequence[AskedOf]) -> None:
    """Find a circle among the rules that every request may need, and among these and a purpose's own."""
    for purpose in sorted({"", *(one.purpose for one in asked)}):
        met = [one for one in asked if one.purpose in ("", purpose)]
        sources = circle(merge(one.need for one in met))
        if sources:
            first = next(one for one in met if one.need.source == sources[-1] and one.need.after)
            message = f"the order of approvals is a circle: {', then '.join(sources)}"
            hint = "take out one `after` of it; what asks one source is one stage, whichever rules ask it"
            first.file.fault("chain-circle", (*first.keys, "after"), message, hint)
            return
