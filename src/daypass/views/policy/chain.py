"""The stages of approvals in words: after whom each comes, since when its people are asked, and what comes of silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from daypass.core.approval.judgement import Status
from daypass.core.approval.stages import Due
from daypass.core.policy.order import before, in_order
from daypass.core.policy.requirement import Requirement
from daypass.core.window import format_instant
from daypass.views.findings import count


def approvals_words(needs: Sequence[Requirement]) -> str:
    """Write which approvals are asked, in the order in which they are: ``1 approval from manager, then 1 from …``."""
    comes_before = before(needs)
    steps: list[list[int]] = []
    for place in in_order(comes_before):
        depth = 1 + max((n for n, step in enumerate(steps) if comes_before[place] & set(step)), default=-1)
        steps += [[]] * (depth == len(steps))
        steps[depth] = [*steps[depth], place]
    # Where something comes after a part of a step alone, `then` would say more than is so.
    plain = all(set(one) <= comes_before[place] for one, other in pairwise(steps) for place in other)

    def words(place: int) -> str:
        after = [needs[n].source for n in sorted(comes_before[place])] if not plain else []
        said = f"{count(needs[place].at_least, 'approval')} from {needs[place].asked}"
        return f"{said} after {' and '.join(after)}" if after else said

    return (", then " if plain else ", ").join(", ".join(map(words, step)) for step in steps)


def chain_lines(need: Requirement, who: Callable[[frozenset[str]], str]) -> Iterator[str]:
    """Say after whom an approval is asked for, and what comes when nobody gives it; ``who`` names people."""
    if need.after:
        yield f"once what is asked from {' and '.join(need.after)} is met"
    yield from later_lines(need, who)


def later_lines(need: Requirement, who: Callable[[frozenset[str]], str] = lambda _: "") -> Iterator[str]:
    """Say what comes when nobody gives an approval; ``who`` names people."""
    of = f" of {need.clock}" if need.clock else ""
    if need.remind is not None:
        yield f"after {need.remind}{of} a reminder"
    for step in need.escalate:
        people = who(step.people)
        also = f"also {step.to}" + (f": {people}" if people else "")
        yield f"after {step.wait}{of} {'the request is closed' if step.closes else also}"


def waiting_words(status: Status, mark: Callable[[str], str] = str) -> str:
    """Say what a stage that is not met waits for and since when, and what comes of it."""
    if status.since is None:
        return f"is asked once {' and '.join(map(mark, status.waits))} is met"
    told = [f"asked since {mark(format_instant(status.since))}", *(due_words(one, mark) for one in status.due)]
    return "; ".join(told)


def due_words(due: Due, mark: Callable[[str], str] = str) -> str:
    """Say what comes of a stage, and when."""
    what = {"remind": "reminder", "close": "closed"}.get(due.what, f"also {mark(due.to)}")
    if due.at is None:
        return f"{what} when its calendar tells, which it does not yet"
    when = mark(format_instant(due.at))
    return f"{what} from {when} on" if due.what == "escalate" else f"{what} at {when}"
