"""In a life nothing is done side by side, so that the same story always makes the same calls in the same order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future


class AtOnce:
    """Stands in for a thread: what it is to do is done when it is started."""

    def __init__(self, *, target: Callable[..., None], args: tuple[object, ...], **_: object) -> None:
        self._target = target
        self._args = args

    def start(self) -> None:
        self._target(*self._args)


class Pool:
    """Stands in for threads that work side by side: each piece of work is done at once."""

    def __init__(self, _: int) -> None:
        return

    def submit(self, work: Callable[..., object], *arguments: object) -> Future[object]:
        """Do it, and keep its answer; who dies has died."""
        done = Future[object]()
        try:
            done.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001  (raised again for whoever asks for the answer)
            done.set_exception(error)
        return done

    def shutdown(self, *, wait: bool) -> None:
        """Do nothing: all was done."""
