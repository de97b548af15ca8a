"""Holds each run that goes by what an earlier one found to what it would find if it reckoned all anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from daypass.core.audit.access import Holdings
from daypass.core.audit.idle import IdleGrounds
from daypass.core.errors import DaypassError, EdgeError
from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.records import LONGEST_IDLE, Idle
from daypass.core.ledger.statement import from_statement, to_statement
from daypass.core.plan import Observed
from daypass.core.planning.resting import Remembered
from daypass.core.record import replace
from daypass.pipeline.apply import inputs as preparing
from daypass.pipeline.apply.grounds import told_by
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

        def keep(said: Remembered) -> None:
            differ.extend(_untrue(arguments[0], said))
            remember(said)

        recalled = _as_told(recalled, more["program"], told)
        found = real(*arguments, recalled=recalled, remember=remember and keep, **extra, **more)
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


def _word(found: Remembered) -> Receipt | None:
    """Return the word that such a run leaves in the ledger of a repository at a forge."""
    same = found.unchanged
    if same is None:
        return None
    word = Idle(same.grounds, found.ledger, same.until, same.live, same.by_ledger, found.told)
    return Receipt(found.sequence + 1, "sha256:" + "0" * 64, found.since, found.main, "run", word)


def _as_told(found: Remembered | None, program: str, told: Counter[str]) -> Remembered | None:
    """Return what a run is told of an earlier one by its word, where it left one."""
    word = _word(found) if found is not None else None
    if found is None or word is None:
        return found
    told["told"] += 1
    said = told_by(from_statement(to_statement(word)), program, found.since)
    assert said == replace(found, unchanged=None)
    return replace(said, unchanged=found.unchanged)


def _untrue(context: Any, found: Remembered) -> Iterator[str]:
    """Yield what the audit has to say of the word that a run might leave, by the receipts until then."""
    word = _word(found)
    if word is None or not isinstance(word.body, Idle) or getattr(context.ledger.receipts, "thin", None) is not None:
        return  # all of a thin clone's ledger is read by the audit alone
    holdings = Holdings()
    with patch.object(Faults, "call", _as_if_all_were_well):
        for receipt in context.ledger.whole(found.ledger):
            holdings.add(receipt)
    body = replace(word.body, until=min(word.body.until, found.since + LONGEST_IDLE))
    if why := IdleGrounds(holdings).wrong(word, body, {}):
        yield f"the word after receipt {found.sequence}, {why}"


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
