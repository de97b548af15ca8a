"""What may go wrong at one call of a port, and how often each was played.

Every call that a run makes of a port goes through `Faults.call`. A run may be armed with one kind of fault, which befalls
the first of its calls, after so many others, that it can befall. `TABLE` says which kinds can befall which call, so that
what was `seen` can be held against it: each pair of call and kind has to be played at least once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass, field
from enum import Enum
from threading import Event, Thread, get_ident
from typing import Any

from daypass.core.errors import EdgeError
from fakes.target import Died


class Kind(Enum):
    """What goes wrong."""

    DIES_BEFORE = "the run dies before it"
    DIES_AFTER = "the run dies after it"
    SILENT = "no answer, nothing done"
    LOST = "done, and the answer is lost"
    TWICE = "done twice"
    STALE = "an answer of before"
    HALF = "half of it, then nothing"
    LIMITED = "no answer from then on"
    OVERTAKEN = "another run meanwhile, from beginning to end"
    CROSSED = "another run meanwhile, that goes on after this one"


_PATIENCE = 60.0
"""How many seconds are waited for a run that has to end."""

_DEATHS = (Kind.DIES_BEFORE, Kind.DIES_AFTER)
_MEETINGS = (Kind.OVERTAKEN, Kind.CROSSED)
_ALWAYS = (*_DEATHS, Kind.SILENT, *_MEETINGS)
_REMOTE = (*_ALWAYS, Kind.LIMITED)
_WRITE = (*_REMOTE, Kind.LOST, Kind.TWICE)

TABLE: dict[tuple[str, str], tuple[Kind, ...]] = {
    ("history", "find"): (*_ALWAYS, Kind.STALE),
    ("history", "resolve"): _ALWAYS,
    ("history", "entries"): (*_ALWAYS, Kind.HALF),
    ("history", "blobs"): (*_ALWAYS, Kind.HALF),
    ("history", "files"): _ALWAYS,
    ("history", "sizes"): _ALWAYS,
    ("history", "changes"): _ALWAYS,
    ("history", "merge_base"): _ALWAYS,
    ("history", "merge_bases"): _ALWAYS,
    ("history", "commits"): _ALWAYS,
    ("history", "landings"): (*_ALWAYS, Kind.HALF),
    ("history", "is_ancestor"): _ALWAYS,
    ("forge", "pull"): (*_REMOTE, Kind.STALE),
    ("forge", "open_pulls"): (*_REMOTE, Kind.STALE, Kind.HALF),
    ("forge", "unmerged_pulls"): (*_REMOTE, Kind.STALE, Kind.HALF),
    ("forge", "reviews"): (*_REMOTE, Kind.STALE, Kind.HALF),
    ("forge", "merged_as"): (*_REMOTE, Kind.STALE),
    ("forge", "acting"): _REMOTE,
    ("forge", "clock"): _REMOTE,
    ("forge", "open"): _WRITE,
    ("forge", "push"): _WRITE,
    ("forge", "review"): _WRITE,
    ("forge", "merge"): _WRITE,
    ("forge", "close"): _WRITE,
    ("forge", "commit"): _WRITE,
    ("ledger", "load"): (*_ALWAYS, Kind.STALE),
    ("ledger", "append"): (*_ALWAYS, Kind.LOST, Kind.TWICE),
    ("ledger", "snapshot"): (*_ALWAYS, Kind.LOST, Kind.TWICE),
    ("ledger", "deliver"): (*_ALWAYS, Kind.LOST, Kind.TWICE),
    ("ledger", "put"): (*_ALWAYS, Kind.LOST, Kind.TWICE),
    ("target", "observe"): (*_REMOTE, Kind.STALE, Kind.HALF),
    ("target", "find"): _ALWAYS,
    ("target", "awaited"): _ALWAYS,
    ("target", "recall"): _REMOTE,
    ("target", "clock"): _REMOTE,
    ("target", "carry_out"): (*_WRITE, Kind.HALF),
    ("target", "write"): (*_DEATHS, Kind.SILENT, Kind.LOST),
}
"""Which kinds can befall which call. What has no call below the verbs that lives run is not here: see `LEFT_OUT`."""

WITHIN = {("target", "write"), ("ledger", "deliver"), ("ledger", "put")}
"""Of these no port is asked: a write is one of the changes that `carry_out` makes; an outbox is delivered by an edge alone,
and puts what waits in it behind the ledger's last receipt."""

LEFT_OUT = {
    "History.folder": "`check` asks it, which changes nothing",
    "History.folders": "likewise",
    "History.is_shallow": "likewise",
    "History.is_partial": "likewise",
    "History.messages": "audits ask it, which change nothing; runs read messages with the landings",
    "ForgeReader.mains_at": "a forge that says with each review where main stood is not asked; the suite of forges asks it",
    "ForgeReader.watch": "asked only of what ends with its task, which no life asks for; it fails for nothing it is asked",
    "TargetReader.health": "`targets` and `doctor` ask it, which change nothing",
    "TargetReader.inspect": "likewise",
    "Fingerprinting.fingerprint": "it names what `observe` saw and asks for nothing; the suite of targets holds it to that",
    "Dated.ends": "`drift` asks it, which changes nothing",
}
"""Calls of ports that no life makes, and why."""

Seen = Counter[tuple[str, str, Kind]]
"""How often what befell which call."""


@dataclass
class Armed:
    """One kind of fault, to befall one of a run's calls after ``left`` others that it could befall; ``call`` alone, if any."""

    kind: Kind
    left: int
    call: tuple[str, ...] | None = None


class Crossing:
    """Another run that begins, stands still after some of its calls, and goes on when told to: one of both runs at a time."""

    def __init__(self, work: Callable[[], object], calls: int) -> None:
        self._calls = calls
        self._work = work
        self._mine, self._others = Event(), Event()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Let it run until it stands still or has ended."""
        self._thread.start()
        self._wait(self._others)

    def step(self) -> None:
        """Count a call that is made; stand still where it is the other run's, and its last for now."""
        if get_ident() != self._thread.ident:
            return
        self._calls -= 1
        if self._calls == 0:
            self._others.set()
            self._wait(self._mine)

    def finish(self) -> None:
        """Let it go on to its end. Raises what it raised."""
        self._mine.set()
        self._thread.join(_PATIENCE)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            self._error = error
        self._others.set()

    @staticmethod
    def _wait(event: Event) -> None:
        if not event.wait(_PATIENCE):
            raise RuntimeError("two runs wait for each other")


@dataclass
class Faults:
    """What goes wrong in one life. ``seen`` counts, by call and kind, what was played by all that share it."""

    seen: Seen = field(default_factory=Counter)
    armed: Armed | None = None
    dead: bool = False
    """The run has died: no call of it does anything any more."""
    silent: set[str] = field(default_factory=set)
    """The ports that answer no more in this run."""
    befell: set[tuple[str, str]] = field(default_factory=set)
    """Where this run was befallen: port and name, which is a target's own for a target."""
    meanwhile: Callable[[Kind], None] = lambda _: None
    """What happens at the call, where another run comes between."""
    crossing: Crossing | None = None
    """The other run that has begun and goes on when this one has ended."""

    def begin(self, armed: Armed | None) -> None:
        """Begin a run."""
        self.armed, self.dead = armed, False
        self.silent.clear()
        self.befell.clear()

    def end(self) -> None:
        """End it."""
        self.armed, self.dead = None, False

    def call(
        self,
        port: str,
        name: str,
        make: Callable[..., Any],
        arguments: Sequence[Any] = (),
        options: Any = None,
        *,
        whose: str = "",
        before: Callable[[], Any] | None = None,
        half: Callable[[], Any] | None = None,
    ) -> Any:
        """Make a call of a port; ``whose`` names a target.

        ``before`` answers as it would have been answered before, and ``half`` does half of what it asks for. Raises Died, EdgeError and whatever the call raises.
        """
        options = options or {}
        if self.crossing is not None:
            self.crossing.step()
        armed = self.armed
        if armed is None and not self.silent and not self.dead:
            return make(*arguments, **options)
        if self.dead:
            raise Died(name)
        if (whose or port) in self.silent:
            raise EdgeError(f"{whose or port} answers no more: too much was asked of it")
        if armed is None or armed.call not in (None, (port, name)) or armed.kind not in TABLE.get((port, name), ()):
            return make(*arguments, **options)
        if armed.kind is Kind.STALE and before is None:
            return make(*arguments, **options)
        if armed.left > 0:
            armed.left -= 1
            return make(*arguments, **options)
        self.armed = None
        self.seen[port, name, armed.kind] += 1
        self.befell.add((port, whose or name))
        other = half if armed.kind is Kind.HALF else before
        return self._befall(armed.kind, whose or port, name, lambda: make(*arguments, **options), other)

    def _befall(
        self, kind: Kind, port: str, name: str, make: Callable[[], Any], other: Callable[[], Any] | None
    ) -> Any:
        silent = EdgeError(f"{port} does not answer when asked to {name}")
        match kind:
            case Kind.DIES_BEFORE | Kind.DIES_AFTER:
                if kind is Kind.DIES_AFTER:
                    _whole(make())
                self.dead = True
                raise Died(name)
            case Kind.SILENT | Kind.LIMITED:
                self.silent |= {port} if kind is Kind.LIMITED else set()
                raise silent
            case Kind.LOST:
                make()
                raise silent
            case Kind.TWICE:
                make()
                return make()
            case Kind.STALE:
                assert other is not None
                return other()
            case Kind.HALF if other is not None:
                other()
                raise silent
            case Kind.HALF:
                found = make()
                if isinstance(found, Sized):
                    raise EdgeError(f"{port} gave only a part of {len(found)}")
                return _half(found, silent)
            case _:
                self.meanwhile(kind)
                return make()


def _whole(answer: Any) -> None:
    """Take in a stream to its end, since what dies after it has had all of it."""
    if isinstance(answer, Iterator):
        for _ in answer:
            pass


def _half(answer: Iterator[Any], then: EdgeError) -> Iterator[Any]:
    """Yield the first half of a stream."""
    whole = list(answer)
    yield from whole[: len(whole) // 2]
    raise then


def unseen(seen: Seen) -> list[tuple[str, str, Kind]]:
    """Return the pairs of call and kind that were never played."""
    return [(*call, kind) for call, kinds in TABLE.items() for kind in kinds if not seen[(*call, kind)]]


def table(seen: Seen) -> str:
    """Write what was played, a line for each call: how often each kind befell it, "-" where it cannot."""
    short = {kind: kind.name.lower().replace("_", " ") for kind in Kind}
    lines = [" ".join([f"{'call':24}", *(f"{short[kind]:>11}" for kind in Kind)])]
    for call, kinds in TABLE.items():
        counts = (f"{seen[(*call, kind)] if kind in kinds else '-':>11}" for kind in Kind)
        lines.append(" ".join([f"{'.'.join(call):24}", *counts]))
    return "\n".join(lines)
