"""The ports of a life: at their calls something may go wrong, and the forge says what time it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from daypass.core.errors import EdgeError
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
