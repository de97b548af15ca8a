"""Reading targets side by side, so that one that is slow holds up nothing that is to be done at the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from threading import Condition, Semaphore, Thread
from typing import Generic, NamedTuple, Protocol, TypeVar

from daypass.core.errors import EdgeError
from daypass.core.ledger.standing import TakenAway
from daypass.core.plan import Entitlement, Holding, Numbers, Observed, by_number, renamed_of, unknown_of
from daypass.core.record import replace
from daypass.core.window import skew
from daypass.ports import Inviting, Numbering, Observing, TargetReader, Timed

AT_ONCE = 8
"""How many targets are changed side by side."""

READ_AT_ONCE = 32
"""How many are read side by side: more, since those that hang take up room and leave less for the others."""

PATIENCE = 1.0
"""For how many seconds a run that writes waits for the slowest reading before it serves the other targets."""

_SLICE = 0.25
"""Seconds after which somebody who waits looks whether they still should."""

_T = TypeVar("_T")


class BackgroundCalls(Generic[_T]):
    """Calls by name, each in a thread of its own that nobody has to wait for.

    A thread of an executor would be waited for at the end of the process, however long its target hangs. What executors
    answer with is not used either: importing it would take longer than reading most targets.
    """

    def __init__(self, calls: Mapping[str, Callable[[], _T]]) -> None:
        self._room = Semaphore(READ_AT_ONCE)
        self._changed = Condition()
        self._names = frozenset(calls)
        self._answers: dict[str, _T] = {}
        self._errors: dict[str, BaseException] = {}
        for name, call in calls.items():
            Thread(target=self._run, args=(name, call), name=name, daemon=True).start()

    @property
    def waiting(self) -> frozenset[str]:
        """The names of those that have not answered."""
        return frozenset(name for name in self._names if name not in self._answers and name not in self._errors)

    def answer(self, name: str) -> _T:
        """Return what a call that has ended gave, or raise what it raised."""
        if name in self._errors:
            raise self._errors[name]
        return self._answers[name]

    def result(self, name: str) -> _T:
        """Wait for a call as long as it takes; return what it gave, or raise what it raised."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self.waiting)
        return self.answer(name)

    def wait(
        self,
        patience: float | None,
        *,
        known: frozenset[str] = frozenset(),
        first: bool = False,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait for all calls but ``known``, or for the ``first`` of them that ends; at most ``patience`` seconds.

        ``enough`` ends the waiting at any time.
        """
        mine = self._names - known

        def ended() -> bool:
            pending = mine & self.waiting
            return not pending or (first and pending != mine)

        with self._changed:
            while not enough() and not ended():
                turn = _SLICE if patience is None else min(_SLICE, patience)
                if turn <= 0:
                    return
                # It takes its whole turn, but where it is the last one.
                self._changed.wait_for(ended, turn)
                patience = None if patience is None else patience - turn

    def _run(self, name: str, call: Callable[[], _T]) -> None:
        with self._room:
            try:
                self._answers[name] = call()
            except BaseException as error:  # noqa: BLE001  (raised again for whoever asks for the answer)
                self._errors[name] = error
        with self._changed:
            self._changed.notify_all()


class Looked(NamedTuple):
    """One look at a target: what exists there, and how far its clock is ahead of ours, None where that is not known."""

    seen: frozenset[Entitlement]
    skew: timedelta | None = None


class EarlierLooks(Protocol):
    """Looks at targets that a run began before it planned."""

    def of(self, name: str, target: object) -> Callable[[], Looked] | None:
        """Return what waits for the look that was made at this very target, None where none was."""
        ...


class Readings:
    """The readings of one run, all begun at once, each told of once.

    ``holdings`` are what is ours, to be looked for by numbers where these were recorded; with ``at`` they stand in for a
    target that nobody can read: what the ledger says was given until later is taken for what exists. ``begun`` is what may
    be ours, which has no numbers yet. ``clock`` is ours, read before and after each answer of a target that says the time;
    None where the run's instant is not the clock's. ``looks`` are taken for the first half of a reading where there are any.
    ``taken`` is asked for what we took away, where something is there that is not ours; None: that is not looked for.
    """

    def __init__(
        self,
        targets: Mapping[str, TargetReader | EdgeError],
        holdings: Mapping[Entitlement, Holding],
        at: datetime,
        begun: Collection[Entitlement] = (),
        clock: Callable[[], datetime] | None = None,
        looks: EarlierLooks | None = None,
        taken: Callable[[], TakenAway] | None = None,
    ) -> None:
        mine: dict[str, dict[Entitlement, Numbers]] = {n: {} for n, t in targets.items() if isinstance(t, Numbering)}
        for ours in (dict.fromkeys(begun, ()), holdings) if mine else ():
            for entitlement, known in ours.items():
                if (there := mine.get(entitlement.target)) is not None:
                    there[entitlement] = known.numbers if isinstance(known, Holding) else ()
        self._targets = targets
        self._holdings = holdings
        self._at = at
        self._reported: frozenset[str] = frozenset()
        self._asked = BackgroundCalls(
            {
                name: _reading(
                    name,
                    target,
                    mine.get(name, {}),
                    (looks.of(name, target) if looks is not None else None) or partial(look_at, target, clock),
                    partial(_returned, target, holdings, frozenset(begun), taken),
                )
                for name, target in sorted(targets.items())
                if isinstance(target, Observing) and not isinstance(target, EdgeError)
            }
        )

    @property
    def late(self) -> frozenset[str]:
        """Those that have not answered, or of whose answer nobody was told."""
        return frozenset(self._targets) - self._reported

    def look(
        self, patience: float | None = None, *, first: bool = False, enough: Callable[[], bool] = lambda: False
    ) -> Observed:
        """Wait, and return what was not told before.

        For all targets, or with ``first`` for the next that answers; at most for ``patience`` seconds, and no longer
        than until ``enough``. The others are among the unreadable, so that nothing is planned there: who was told of
        before, and who is late. One that fails or is slow stops only itself (invariant 8).
        """
        self._asked.wait(patience, known=self._reported, first=first, enough=enough)
        waiting = self._asked.waiting
        unreadable: dict[str, str] = {}
        seen: list[Observed] = []
        for name, target in self._targets.items():
            if name in self._reported:
                unreadable[name] = "it was read before"
            elif isinstance(target, EdgeError):
                unreadable[name] = target.message
            elif not isinstance(target, Observing):
                mine = (held for held in self._holdings.values() if held.entitlement.target == name)
                good = frozenset(h.entitlement for h in mine if h.until is None or h.until > self._at)
                seen.append(Observed(good, by_ledger=frozenset({name})))
            elif name in waiting:
                unreadable[name] = "it has not answered in time"
            else:
                seen.append(self._asked.answer(name))
        self._reported = frozenset(self._targets) - waiting
        return Observed.joined([Observed(frozenset(), unreadable), *seen])


_MISSING = ("its target was seen without it already", "missing at its target: `daypass apply` gives it again")
"""Said of what the ledger has as given and its target has not: of what should be gone, and of what should be there."""


def notes_of(seen: Observed, live: Container[Entitlement], held: Iterable[Entitlement] = ()) -> dict[Entitlement, str]:
    """Return what is to be said of entitlements beside that they are given; ``live`` are those that should exist.

    ``held`` are those that the ledger has as given: one that its target was seen without is missing there.
    """
    renamed = renamed_of(seen)
    unknown = {e: f"nobody can tell whether it is there: {why}" for e, why in unknown_of(seen, live).items()}
    looked = (e for e in held if e.target not in seen.unreadable and e.target not in seen.by_ledger)
    gone = {e: _MISSING[e in live] for e in looked if e not in seen.entitlements}
    return gone | dict.fromkeys(seen.offered, "invited, awaiting acceptance") | renamed | unknown


def numbers_of(
    holdings: Mapping[Entitlement, Holding], begun: Iterable[Entitlement] = ()
) -> dict[Entitlement, Numbers]:
    """Return the numbers of what is ours or may be, () where none were recorded."""
    return dict.fromkeys(begun, ()) | {entitlement: held.numbers for entitlement, held in holdings.items()}


def _reading(
    name: str,
    target: Observing,
    ours: Mapping[Entitlement, Numbers],
    look: Callable[[], Looked],
    returned: Callable[[Observed], Mapping[Entitlement, Numbers]],
) -> Callable[[], Observed]:
    def read() -> Observed:
        try:
            there, apart = look()
            seen = seen_at(target, ours, there)
            return replace(seen, skews={} if apart is None else {name: apart}, returned=returned(seen))
        except EdgeError as error:
            return Observed(frozenset(), {name: error.message})
        except Exception as error:  # noqa: BLE001  (what one server answers must not stop the others' ends)
            return Observed(frozenset(), {name: unforeseen(error)})

    return read


def look_at(target: Observing, clock: Callable[[], datetime] | None) -> Looked:
    """Look at one target. Raises EdgeError when it cannot tell."""
    before = clock() if clock is not None else None
    seen = target.observe()
    theirs = target.clock() if isinstance(target, Timed) else None
    if clock is None or before is None or theirs is None:
        return Looked(seen)
    return Looked(seen, skew(before, theirs, clock()))


def seen_at(
    target: Observing, ours: Mapping[Entitlement, Numbers], there: frozenset[Entitlement] | None = None
) -> Observed:
    """Read one target, what is ours by its numbers; ``there`` is what it was just seen to hold, None for a look now.

    Raises EdgeError when it cannot tell.
    """
    seen = target.observe() if there is None else there
    found = target.find(ours) if isinstance(target, Numbering) and ours else {}
    offers = target.awaited() if isinstance(target, Inviting) else frozenset()
    return Observed(by_number(seen, found), offered=offers, found=found)


def _returned(
    target: TargetReader,
    holdings: Mapping[Entitlement, Holding],
    begun: frozenset[Entitlement],
    taken: Callable[[], TakenAway] | None,
    seen: Observed,
) -> Mapping[Entitlement, Numbers]:
    """Return what of what is there and not held we took away, where the target knows ours from others'.

    It is known by the numbers that were on record when it was taken, whatever it is called by now: who has its name since
    was given nothing by us. Where none were, it is known by its names. Raises EdgeError when the target cannot tell.
    """
    if taken is None or not target.traits.marks:
        return {}
    there = seen.entitlements
    if len(there) == len(seen.found) and all(one.there for one in seen.found.values()):
        there = there & begun  # as most targets are found: nothing else is there but what is held
    strays = {e for e in there.difference(holdings) if not e.shown_as_others}
    if not strays:
        return {}
    gone = taken()
    found: dict[Entitlement, Numbers] = {e: () for e in strays if () in gone.get(e, ())}
    places = {(e.target, e.resource) for e in strays} if isinstance(target, Numbering) else ()
    left = [(e, known) for e, every in gone.items() if (e.target, e.resource) in places for known in every if known]
    while isinstance(target, Numbering) and left:
        turn = dict(left)  # what was taken from several accounts of one name is asked for one by one
        left = [(e, known) for e, known in left if turn[e] != known]
        for e, one in target.find(turn).items():
            found |= dict.fromkeys(strays.intersection(one.called or (e,)) if one.there else (), turn[e])
    return found


def unforeseen(error: Exception) -> str:
    """Say that something failed in a way that nobody thought of; its words may hold anything, and are not repeated."""
    return f"it failed in a way that was not foreseen ({type(error).__name__})"
