"""A target of a life on disk: what it holds lies in the embedded target's own store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daypass.core.errors import EdgeError
from daypass.core.plan import Action, Entitlement, Found, Numbers, Order
from daypass.edges.targets.embedded.target import EmbeddedTarget
from daypass.ports import Dated, Numbering
from simulation.targets import SimulatedTarget

_NEVER = datetime(9998, 12, 31, tzinfo=UTC)
"""Stands in the store for access that has no end."""


class _Rows(MutableMapping[Entitlement, datetime | None]):
    """What a store holds, each with its end; each change is the embedded target's own."""

    def __init__(self, store: EmbeddedTarget) -> None:
        self._store = store

    def __iter__(self) -> Iterator[Entitlement]:
        return iter(self._store.observe())

    def __len__(self) -> int:
        return len(self._store.observe())

    def __getitem__(self, one: Entitlement) -> datetime | None:
        if one not in self._store.observe():
            raise KeyError(one)
        until = self._store.ends([one])[one]
        return None if until == _NEVER else until

    def __setitem__(self, one: Entitlement, until: datetime | None) -> None:
        self._make(Action.ADD, one, until or _NEVER)

    def __delitem__(self, one: Entitlement) -> None:
        self._make(Action.REMOVE, one, None)

    def _make(self, action: Action, one: Entitlement, until: datetime | None) -> None:
        (done,) = self._store.carry_out([Order(action, one, _NEVER, until)])
        if done.error:
            raise EdgeError(done.error)


class StoredTarget(SimulatedTarget, Numbering, Dated):
    """Holds what is in a store at ``path``."""

    def __init__(self, name: str, path: Path, **more: Any) -> None:
        self._store = EmbeddedTarget(path, name)
        super().__init__(name, **more)

    @property
    def held(self) -> MutableMapping[Entitlement, datetime | None]:  # type: ignore[override]
        return _Rows(self._store)

    @held.setter
    def held(self, wanted: Mapping[Entitlement, datetime | None]) -> None:
        rows = _Rows(self._store)
        for one in [one for one in rows if one not in wanted]:
            del rows[one]
        for one, until in wanted.items():
            rows[one] = until

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        return self._store.find(ours)

    def apart(self) -> object:
        return self._store.fingerprint()

    def ends(self, entitlements: Iterable[Entitlement]) -> Mapping[Entitlement, datetime | None]:
        return self._store.ends(entitlements)
