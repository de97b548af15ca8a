"""Reading targets side by side, without one that is slow holding up what is to be done at the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from threading import Semaphore, Thread
from typing import cast

from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement, Holding, Observed
from daypass.ports import Inviting, TargetReader

AT_ONCE = 8
"""How many targets are worked with side by side."""

PATIENCE = 1.0
"""For how many seconds a run that writes waits for the slowest reading before it serves the other targets."""

Look = Callable[[Mapping[str, TargetReader | EdgeError], Mapping[Entitlement, Holding], datetime], Observed]
"""Reads targets, given what the ledger shows as held and an instant."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one target holds and offers, or why it could not be read."""

    entitlements: frozenset[Entitlement] = frozenset()
    offered: frozenset[Entitlement] = frozenset()
    error: str = ""


class Readings:
    """The readings of one run: each target is read once until it is forgotten, and one under way is never begun twice.

    A target's reading that did not end in time goes on in a thread of its own, and is there for whoever waits longer.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, tuple[TargetReader, Future[_Seen]]] = {}
        self._room = Semaphore(AT_ONCE)

    def look(
        self,
        targets: Mapping[str, TargetReader | EdgeError],
        holdings: Mapping[Entitlement, Holding],
        at: datetime,
        patience: float | None = None,
    ) -> Observed:
        """Return what the targets hold; who has not answered within ``patience`` seconds counts as not readable.

        Of a target that nobody can read, what the ledger says was given until later than ``at`` is taken for what
        exists. One that fails or is slow stops only itself (invariant 8).
        """
        asked = {
            name: self._begin(name, target)
            for name, target in sorted(targets.items())
            if not isinstance(target, EdgeError) and target.abilities.readable
        }
        late = {future for future in asked.values() if not future.done()}
        if late:
            late = wait(late, timeout=patience).not_done
        found: set[Entitlement] = set()
        offered: set[Entitlement] = set()
        unreadable: dict[str, str] = {}
        for name, target in targets.items():
            if isinstance(target, EdgeError):
                unreadable[name] = target.message
            elif name not in asked:
                mine = (held for held in holdings.values() if held.entitlement.target == name)
                found |= {held.entitlement for held in mine if held.until is None or held.until > at}
            elif asked[name] in late:
                unreadable[name] = f"it has not answered within {patience:g} s"
            else:
                seen = asked[name].result()
                found |= seen.entitlements
                offered |= seen.offered
                if seen.error:
                    unreadable[name] = seen.error
        slow = frozenset(name for name, future in asked.items() if future in late)
        return Observed(frozenset(found), unreadable, frozenset(offered), slow)

    def forget(self, names: Iterable[str] | None = None) -> None:
        """Read these targets anew when they are asked for again: all, where no names are given.

        What is under way stays: what it tells was not read before now.
        """
        for name in list(self._under_way) if names is None else names:
            if name in self._under_way and self._under_way[name][1].done():
                del self._under_way[name]

    def _begin(self, name: str, target: TargetReader) -> Future[_Seen]:
        known = self._under_way.get(name)
        if known is not None and known[0] is target:
            return known[1]
        future: Future[_Seen] = Future()
        self._under_way[name] = (target, future)
        # A thread of an executor would be waited for at the end of the process, however long its target hangs.
        Thread(target=self._read, args=(target, future), name=f"reading {name}", daemon=True).start()
        return future

    def _read(self, target: TargetReader, future: Future[_Seen]) -> None:
        with self._room:
            try:
                found = target.observe()
                offers = cast("Inviting", target).awaited() if target.abilities.invites else frozenset()
            except EdgeError as error:
                future.set_result(_Seen(error=error.message))
            except BaseException as error:  # noqa: BLE001  (raised again where the result is asked for)
                future.set_exception(error)
            else:
                future.set_result(_Seen(found, offers))


def observe(
    targets: Mapping[str, TargetReader | EdgeError], holdings: Mapping[Entitlement, Holding], at: datetime
) -> Observed:
    """Read every target, side by side, and wait for all of them."""
    return Readings().look(targets, holdings, at)
