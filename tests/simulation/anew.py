"""Holds each run that goes by what an earlier one found to what it would find if it reckoned all anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from daypass.core.errors import DaypassError, EdgeError
from daypass.core.plan import Observed
from daypass.pipeline.apply import inputs as preparing
from daypass.pipeline.apply.readings import numbers_of, seen_at
from daypass.pipeline.apply.survey import Inputs, Survey, plan_on
from daypass.ports import Observing
from simulation.faults import Faults


@contextmanager
def comparing(told: Counter[str], differ: list[str]) -> Iterator[None]:
    """Count how runs came to their plans, and gather what a run planned otherwise than one that reckons all anew."""
    real = preparing.prepare

    def prepare(*arguments: Any, recalled: Any, remember: Any, attend: Any = None, **more: Any) -> Inputs:
        extra = {} if attend is None else {"attend": attend}
        found = real(*arguments, recalled=recalled, remember=remember, **extra, **more)
        told["unchanged" if found.unchanged is not None else "anew" if found.scope is None else "by resource"] += 1
        if found.scope is not None:
            told["resting"] += len(found.scope.resting)
            with patch.object(Faults, "call", _as_if_all_were_well):
                try:
                    whole = real(*arguments, **more)
                except DaypassError:
                    return found
                if [*map(repr, whole.admitted.bodies)] == [*map(repr, found.admitted.bodies)]:  # both proved the same
                    seen = _observed(whole)
                    plans = (plan_on(one, one.standing, seen, one.at) for one in (whole, found))
                    differ.extend(_differences(*plans))
        return found

    with patch.object(preparing, "prepare", prepare):
        yield


def _as_if_all_were_well(
    _self: Faults, _port: str, _name: str, make: Callable[..., Any], arguments: Any = (), options: Any = None, **_: Any
) -> Any:
    return make(*arguments, **(options or {}))


def _observed(inputs: Inputs) -> Observed:
    """Look at every target now."""
    ours = numbers_of(inputs.standing.holdings, inputs.standing.unfinished)
    parts = []
    for name, target in inputs.targets.items():
        mine = {one: numbers for one, numbers in ours.items() if one.target == name}
        if isinstance(target, EdgeError):
            parts.append(Observed(frozenset(), {name: target.message}))
        elif isinstance(target, Observing):
            try:
                parts.append(seen_at(target, mine))
            except EdgeError as error:
                parts.append(Observed(frozenset(), {name: error.message}))
        else:
            good = (one for one in mine if _runs(inputs.standing.holding(one), inputs.at))
            parts.append(Observed(frozenset(good), by_ledger=frozenset({name})))
    return Observed.joined(parts)


def _runs(holding: Any, at: datetime) -> bool:
    return holding is not None and (holding.until is None or holding.until > at)


def _differences(whole: Survey, part: Survey) -> Iterator[str]:
    for name in whole.plan.__struct_fields__:
        if (one := getattr(whole.plan, name)) != (other := getattr(part.plan, name)):
            yield f"{name}: {other}, and anew {one}"
    for name in ("removals_allowed", "additions_allowed", "boundary", "ended", "recovered", "doubts"):
        if (one := getattr(whole, name)) != (other := getattr(part, name)):
            yield f"{name}: {other}, and anew {one}"
