"""Reading policies/tests/*.yaml: examples of requests with the decision that policy must give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daypass.core.finding import Place
from daypass.core.grant import Grant, GrantId
from daypass.core.policy.policies.sheet import Key, Notes, Sheet
from daypass.core.window import Span, Window


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case expects: exactly one of approvals (number and source), denied (rule ids or codes), or automatic."""

    approvals: tuple[tuple[int, str], ...] | None = None
    denied: tuple[str, ...] = ()
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One example: this request, opened at this instant, must get this decision."""

    name: str
    grant: Grant
    requester: str
    at: datetime
    expected: Expected
    place: Place


def read_cases(sheet: Sheet, notes: Notes) -> tuple[Case, ...]:
    """Read a file of tests. A case that cannot be read is a finding and is left out."""
    found = [_case(sheet, index, case, notes) for index, case in enumerate(sheet.data["cases"])]
    return tuple(case for case in found if case is not None)


def _case(sheet: Sheet, index: int, case: Mapping[str, Any], notes: Notes) -> Case | None:
    asked = case["request"]
    at = notes.instant(sheet, case["at"], "cases", index, "at")
    span = _span(sheet, asked["window"], notes, "cases", index, "request", "window")
    if at is None or span is None:
        return None
    grant = Grant(
        id=GrantId(f"{asked['resource']}/test"),
        subject=asked["subject"],
        resource=asked["resource"],
        role=asked["role"],
        reason=asked.get("reason", "test"),
        span=span,
        ticket=asked.get("ticket", ""),
        purpose=asked.get("purpose", ""),
    )
    requester = asked.get("requester", asked["subject"])
    return Case(case["name"], grant, requester, at, _expected(case["expect"]), sheet.place("cases", index))


def _span(sheet: Sheet, window: Mapping[str, Any], notes: Notes, *keys: Key) -> Span | None:
    if "duration" in window:
        length = notes.duration(sheet, window["duration"], *keys, "duration")
        return None if length is None else Span(duration=length)
    start = notes.instant(sheet, window["from"], *keys, "from")
    end = notes.instant(sheet, window["until"], *keys, "until")
    if start is None or end is None:
        return None
    try:
        return Span(window=Window(start, end))
    except ValueError as error:
        notes.add("test-window", sheet.place(*keys), str(error))
        return None


def _expected(expect: Mapping[str, Any]) -> Expected:
    approvals = expect.get("approvals")
    return Expected(
        approvals=None if approvals is None else tuple(sorted((a["at_least"], a["from"]) for a in approvals)),
        denied=tuple(sorted(set(expect.get("denied", ())))),
        automatic="automatic" in expect,
    )
