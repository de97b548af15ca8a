"""How the targets were found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from daypass.core.drift import TargetState
from daypass.core.window import format_duration
from daypass.views.findings import as_document, joined


def targets_text(looks: Sequence[TargetState]) -> str:
    """Write how targets were found, for people on a terminal."""
    if not looks:
        return "The settings name no target.\n"
    return joined(line for look in looks for line in _lines(look))


def _lines(look: TargetState) -> Iterable[str]:
    yield f"{look.name}{f' ({look.kind})' if look.kind else ''}: {_state(look)}"
    yield from (f"  {fact}" for fact in look.facts)
    if look.skew is not None and abs(look.skew) < timedelta(seconds=1):  # many clocks are told to the second
        yield "  its clock agrees with ours"
    elif look.skew is not None:
        side = "ahead of" if look.skew > timedelta(0) else "behind"
        yield f"  its clock is {format_duration(abs(look.skew))} {side} ours"
    if look.ours is not None:
        more = "; `daypass drift` lists it" if look.unmanaged else ""
        yield f"  {look.ours} ours, {look.unmanaged} unmanaged{more}"
    if look.awaited:
        yield f"  {look.awaited} invited, awaiting acceptance: no access until then"
    yield from (f"  unknown: {why}" for why in look.unknown)
    yield from (f"  concern: {concern}" for concern in look.concerns)
    if look.error:
        yield f"  error: {look.error}"
        yield from [f"    hint: {look.hint}"] if look.hint else []


def _state(look: TargetState) -> str:
    if look.error:
        return "cannot be read" if look.facts else "not reachable"
    if not look.concerns:
        return "well" if look.ours is not None else "well, and what it holds nobody can see"
    return f"reachable, {len(look.concerns)} concern{'s' if len(look.concerns) > 1 else ''}"


def targets_json(looks: Sequence[TargetState]) -> str:
    """Write how targets were found, as JSON (version 1)."""
    return as_document({"version": 1, "targets": [_data(look) for look in looks]})


def _data(look: TargetState) -> dict[str, Any]:
    return {
        "name": look.name,
        "kind": look.kind,
        "reachable": not look.error or bool(look.facts),
        "facts": list(look.facts),
        "concerns": list(look.concerns),
        "clock_skew_seconds": None if look.skew is None else look.skew.total_seconds(),
        "ours": look.ours,
        "unmanaged": look.unmanaged,
        "awaited": look.awaited,
        "unknown": list(look.unknown),
        "error": look.error,
        "hint": look.hint,
    }
