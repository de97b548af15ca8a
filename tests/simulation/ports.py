"""The ports of a life: at their calls something may go wrong, and the forge and the targets say what time it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn

from daypass.core.errors import EdgeError
from daypass.core.plan import Done, Entitlement, Order
from fakes.target import FakeTarget
from simulation.faults import Faults


class Befallen:
    """A port at whose calls something may go wrong. ``before`` says of a call what it would have answered before."""

    def __init__(
        self,
        name: str,
        port: object,
        faults: Faults,
        before: Callable[[str, tuple[Any, ...]], Callable[[], Any] | None] = lambda *_: None,
    ) -> None:
        self._name = name
        self._port = port
        self._faults = faults
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            before = self._before(name, arguments) if self._faults.armed is not None else None
            return self._faults.call(self._name, name, found, arguments, options, before=before)

        return call


class SilentForge:
    """A forge that answers nobody."""

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> NoReturn:
            raise EdgeError("the forge does not answer")

        return call


class TimedForge:
    """A forge that says what time it is."""

    def __init__(self, forge: object, clock: Callable[[], datetime | None]) -> None:
        self._forge = forge
        self.clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._forge, name)


@dataclass
class SimulatedTarget(FakeTarget):
    """A fake at whose calls something may go wrong; its clock is the story's, and ``off`` by so many minutes.

    Its traits say that what it holds shows whose it is: elsewhere nobody can tell what a backup brought back from what
    somebody gave, and daypass leaves both.
    """

    faults: Faults = field(default_factory=Faults)
    time: Callable[[], datetime | None] = lambda: None
    off: int = 0
    last: frozenset[Entitlement] = frozenset()
    """What was seen when somebody looked last."""
    ends_by_itself: bool = False
    """Whether what it holds is gone, by its own clock, when what it was told is over."""

    def pass_time(self, now: datetime) -> None:
        """Let end what is over by now."""
        if self.ends_by_itself:
            now += timedelta(minutes=self.off)
            self.held = {one: until for one, until in self.held.items() if until is None or until > now}

    def clock(self) -> datetime | None:  # type: ignore[override]
        return self.faults.call("target", "clock", self._clock, whose=self.name)  # type: ignore[no-any-return]

    def _clock(self) -> datetime | None:
        now = self.time()
        return now + timedelta(minutes=self.off) if now is not None else None

    def observe(self) -> frozenset[Entitlement]:
        found: frozenset[Entitlement] = self.faults.call(
            "target", "observe", super().observe, whose=self.name, before=lambda before=self.last: before
        )
        self.last = frozenset(self.held)
        return found

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        some = partial(super().carry_out, orders[: len(orders) // 2])
        made: Sequence[Done] = self.faults.call(
            "target", "carry_out", super().carry_out, (orders,), whose=self.name, half=some
        )
        return made

    def _write(self, verb: str, entitlement: Entitlement, until: datetime | None) -> None:
        self.faults.call("target", "write", super()._write, (verb, entitlement, until), whose=self.name)
