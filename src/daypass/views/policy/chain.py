"""The stages of approvals in words: after whom each comes, since when its people are asked, and what comes of silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from daypass.core.approval.judgement import Status
from daypass.core.approval.stages import Due
from daypass.core.policy.requirement import Requirement
from daypass.core.window import format_instant


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
