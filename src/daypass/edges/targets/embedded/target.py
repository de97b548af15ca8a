"""The embedded target: what one store holds under the name of one target."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import msgspec

from daypass.core.errors import EdgeError, InvalidError
from daypass.core.plan import Action, Done, Entitlement, Found, Numbers, Order
from daypass.core.planning.drift import Health, Inspection, Traits
from daypass.core.window import format_instant, parse_instant
from daypass.edges.targets.common import one_by_one, place_below
from daypass.edges.targets.embedded.store import ADD, REMOVE, exists, holding, key_of, open_writer, write
from daypass.edges.targets.embedded.unkept import UnkeptTarget
from daypass.ports import Dated, Fingerprinting, Numbering

if TYPE_CHECKING:
    from daypass.core.bounds.settings import TargetSettings


_texts = msgspec.json.Decoder(list[str]).decode


class EmbeddedTarget(Fingerprinting, Dated, Numbering):
    """The entitlements of one target, ``name``, in the store at ``path``. Implements ports.Target.

    Several targets may share a store; each sees its own rows. The store is made at the first write, mode 0600.
    """

    traits = Traits(marks=True)

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._writer: sqlite3.Connection | None = None
        self._seen: frozenset[Entitlement] = frozenset()
        self._store = ""
        """The number of the store that the last `observe` saw, "" where there was none."""
        self._prints: Mapping[str, str] = {}

    def health(self) -> Health:
        """Say where the store is and whether it is whole. Raises EdgeError when it cannot be read."""
        count = len(self.observe())
        place = f"the store {self.path}"
        if not exists(self.path):
            return Health((f"{place} is not there yet; the first change makes it",))
        concerns = () if os.access(self.path, os.W_OK) else (f"{place} cannot be written",)
        return Health(
            (f"{place} holds {count} {'entitlement' if count == 1 else 'entitlements'} of {self.name}",), concerns
        )

    def inspect(self) -> Inspection:
        """Say that the file holds nothing but entitlements. Raises EdgeError when it cannot be read."""
        self.observe()
        unseen = "whom the programs that read this file let in besides, and who may write the file"
        there = exists(self.path)
        what = f"every row of {self.path}" if there else f"whether there is a store {self.path}: there is none"
        return Inspection((what,), (unseen,))

    def observe(self) -> frozenset[Entitlement]:
        """Return every entitlement that exists now. Raises EdgeError when the store cannot be read whole."""
        # Few texts stand in many rows: one copy of each is smaller, and is hashed once.
        known: dict[str, str] = {}
        one, make, name = known.setdefault, tuple.__new__, self.name
        there: set[Entitlement] = set()
        with holding(self.path, name) as (number, groups):
            prints = {"": _digest(number)}
            for resource, *columns in groups:
                prints[resource] = _digest(*columns)
                who, what, _ = map(_texts, columns)
                there.update(
                    make(Entitlement, (name, resource, one(p, p), one(q, q))) for p, q in zip(who, what, strict=True)
                )
        self._seen, self._store, self._prints = frozenset(there), number, prints
        return self._seen

    def ends(self, entitlements: Iterable[Entitlement]) -> Mapping[Entitlement, datetime | None]:
        """Return the ends that are noted; one that somebody noted in another form is nobody's knowledge."""
        wanted = set(entitlements)
        found: dict[Entitlement, datetime | None] = {}
        with holding(self.path, self.name) as (_, groups):
            for resource, *columns in groups if wanted else ():
                for who, what, until in zip(*map(_texts, columns), strict=True):
                    one = Entitlement(self.name, resource, who, what)
                    if one in wanted:
                        with suppress(ValueError):
                            found[one] = parse_instant(until)
        return found

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        """Say what the last `observe` saw of entitlements: of those that were given in another store nobody can tell."""
        number = self._store
        numbers = (("store", number),) if number else ()
        there = (Found(there=False, numbers=numbers), Found(there=True, numbers=numbers))
        unknown = {known: self._elsewhere(known, number) for known in set(ours.values())}
        return {entitlement: unknown[known] or there[entitlement in self._seen] for entitlement, known in ours.items()}

    def _elsewhere(self, known: Numbers, number: str) -> Found | None:
        """Say that nobody can tell of what was given in another store; None where it was given in this one."""
        given = dict(known).get("store", "")
        if not given or given == number:
            return None
        what = "is another one than it was given in" if number else "is not there"
        return Found(None, f"the store {self.path} {what}; that had the number {given}")

    def fingerprint(self) -> Mapping[str, str]:
        """Return digests of each resource's rows, as the last `observe` saw them, and under "" the store's number."""
        if not self._prints:
            raise EdgeError(f"target {self.name} was not looked at yet")
        return self._prints

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make changes, each synced to the disk before the next."""
        return one_by_one(self.name, orders, self._change)

    def _change(self, order: Order) -> None:
        key = key_of(order.entitlement)
        if order.action is Action.ADD:
            assert order.until is not None  # noqa: S101  (every addition has an end)
            self._write(ADD, (*key, format_instant(order.until)))
        elif exists(self.path):
            self._write(REMOVE, key)

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        if self._writer is None:
            self._writer = open_writer(self.path)
            weakref.finalize(self, self._writer.close)
        write(self.path, self._writer, statement, values)


def _digest(*texts: str) -> str:
    """Return a digest of texts: of JSON, in which none can pass for two."""
    return hashlib.sha256(msgspec.json.encode(texts)).hexdigest()


def read_options(settings: TargetSettings) -> PurePath:
    """Read the options: where the store lies below daypass's own folder. Raises InvalidError."""
    kept = settings.options.get("keep", "store")
    if kept not in {"store", "nothing"}:
        raise InvalidError(
            f"keep of target {settings.name} is {kept!r}, expected store or nothing", hint="leave it out for a store"
        )
    if kept == "nothing" and "path" in settings.options:
        raise InvalidError(f"target {settings.name} keeps nothing, and names the path of a store", hint="leave one out")
    return place_below(settings, "path", "embedded.sqlite")


def open_embedded(settings: TargetSettings, base_dir: Path) -> EmbeddedTarget | UnkeptTarget:
    """Open the target; its store need not exist yet."""
    place = read_options(settings)
    if settings.options.get("keep") == "nothing":
        return UnkeptTarget(settings.name)
    return EmbeddedTarget(base_dir / place, settings.name)
