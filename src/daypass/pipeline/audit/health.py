"""Looking at what daypass stands on: the repository's settings at its forge, and every target.

Whether a target answers, what our credential may do there, and what is there beside our own; settings are held against
what keeps access safe, and mended one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from daypass.core.catalogue import Catalogue
from daypass.core.errors import EdgeError
from daypass.core.forge import Complaint, Entry, Remedy
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Entitlement, Holding
from daypass.core.planning.drift import Inspection, TargetState
from daypass.core.record import replace
from daypass.core.window import apart, skew
from daypass.pipeline.apply.readings import AT_ONCE, numbers_of, seen_at, unforeseen
from daypass.ports import ForgeSettings, History, Observing, TargetReader

_PLAIN = {"100644", "100755"}


def examine(history: History, main: str, catalogue: Catalogue, settings: ForgeSettings) -> tuple[Complaint, ...]:
    """Return every complaint about how the repository is set up at its forge. Raises EdgeError."""

    def wanted(entry: Entry) -> bool:
        return entry.path in settings.files and entry.mode in _PLAIN

    found: dict[str, bytes] = {}
    for folder in sorted({path.rpartition("/")[0] for path in settings.files}):
        found |= {entry.path: raw for entry, raw in history.files(main, folder, wanted)}
    return settings.examine(catalogue, found)


def mend(
    complaints: Sequence[Complaint], settings: ForgeSettings, agreed: Callable[[Remedy, tuple[Complaint, ...]], bool]
) -> Iterator[tuple[Remedy, str | None]]:
    """Carry out the remedies that somebody agrees to, each once however many complaints it is for.

    Yields each with why it failed, "" where it is done and None where nobody agreed. One that fails stops neither the
    others nor is it tried again.
    """
    remedies: list[Remedy] = []
    for complaint in complaints:
        if complaint.remedy is not None and complaint.remedy not in remedies:
            remedies.append(complaint.remedy)
    for remedy in remedies:
        if not agreed(remedy, tuple(one for one in complaints if one.remedy == remedy)):
            yield remedy, None
            continue
        try:
            for step in remedy.steps:
                settings.send(step)
        except EdgeError as error:
            yield remedy, error.message
        else:
            yield remedy, ""


TOLERANCE = timedelta(seconds=5)
"""How far a target's clock may be from ours: what it ends by itself ends that much earlier or later."""


def look_at(
    targets: Mapping[str, TargetReader | EdgeError],
    kinds: Mapping[str, str],
    standing: Standing,
    *,
    clock: Callable[[], datetime],
    only: Collection[str] = (),
) -> tuple[TargetState, ...]:
    """Look at targets side by side, in the order of their names; one that fails or is slow stops only itself.

    ``kinds`` maps a target's name to its kind. A target that holds access of ours and that nobody names any more is told
    as well. ``only`` are the names to look at, all when it is empty. ``clock`` is read before and after each answer, as
    the difference of two clocks needs both.
    """
    ours = standing.holdings
    begun = standing.unfinished
    lost = {entitlement.target for entitlement in ours.keys() | begun} - set(targets)
    every = {**targets, **{name: _unnamed(name) for name in lost}}

    def look(item: tuple[str, TargetReader | EdgeError]) -> TargetState:
        name, target = item
        return _look(name, kinds.get(name, ""), target, ours, begun, clock)

    ordered = [(name, every[name]) for name in sorted(every) if not only or name in only]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(look, ordered))


def _unnamed(name: str) -> EdgeError:
    return EdgeError(
        f"the settings name no target {name!r}, and the ledger holds access of ours there",
        hint="name it again in policies/daypass.yaml until that access has ended",
    )


def _look(
    name: str,
    kind: str,
    target: TargetReader | EdgeError,
    ours: Mapping[Entitlement, Holding],
    begun: frozenset[Entitlement],
    clock: Callable[[], datetime],
) -> TargetState:
    before = clock()
    try:
        if isinstance(target, EdgeError):
            raise target
        health = target.health()
    except EdgeError as error:
        return TargetState(name, kind, error=error.message, hint=error.hint)
    off = None if health.clock is None else skew(before, health.clock, clock())
    found = TargetState(name, kind, health.facts, (*health.concerns, *_apart(off)), skew=off)
    if not isinstance(target, Observing):
        return found
    try:
        seen = seen_at(target, numbers_of({e: held for e, held in ours.items() if e.target == name}))
    except EdgeError as error:
        return replace(found, error=error.message, hint=error.hint)
    return replace(
        found,
        ours=len(seen.entitlements & ours.keys()),
        # What a run that died may have given is not called somebody else's.
        unmanaged=len(seen.entitlements - ours.keys() - begun),
        awaited=len(seen.offered),
        unknown=tuple(
            f"{e.principal} on {e.resource}: {f.why}" for e, f in sorted(seen.found.items()) if f.there is None
        ),
    )


def _apart(off: timedelta | None) -> Iterable[str]:
    if off is not None and abs(off) > TOLERANCE:
        yield f"its clock is {apart(off)}: what it ends by itself ends at another time"


def inspect(targets: Mapping[str, TargetReader | EdgeError]) -> Mapping[str, Inspection | str]:
    """Look for ways in beside entitlements, at targets side by side; one that fails is the reason in its place.

    One that cannot be opened is left out: that it cannot be read is told anyway.
    """

    def look(target: TargetReader) -> Inspection | str:
        try:
            return target.inspect()
        except EdgeError as error:
            return error.message
        except Exception as error:  # noqa: BLE001  (what is wrong with one target must not hide what others hold)
            return unforeseen(error)

    opened = {name: target for name, target in sorted(targets.items()) if not isinstance(target, EdgeError)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(opened, pool.map(look, opened.values()), strict=True))
