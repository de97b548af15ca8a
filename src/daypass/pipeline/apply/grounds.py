"""Naming all that a plan follows from but the instant, so that a run may go by what an earlier one found while it stays so.

Targets are looked at for that, each once: what was seen is what the run plans by where something did move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import astuple

from daypass.core.errors import EdgeError
from daypass.core.ids import FOLDER, Oid, digest, folder_of, grant_id
from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.records import LONGEST_IDLE, Idle
from daypass.core.ledger.standing import Standing
from daypass.core.ledger.standing.moved import EVERYTHING, resources_of
from daypass.core.plan import Entitlement
from daypass.core.planning.holdback import doubt
from daypass.core.planning.resting import Prints, Remembered, Scope, Unchanged, scope_of, shown_as_others
from daypass.pipeline.apply.readings import BackgroundCalls, Looked, look_at
from daypass.ports import Fingerprinting, History, Observing, TargetReader

if TYPE_CHECKING:
    from daypass.pipeline.apply.admit import Admitted
    from daypass.pipeline.context import Context

AT_RUN = timedelta(seconds=10)
"""How long a run that remembers waits for the looks at its targets, since there may be more to do than it remembers."""

AT_MOST = timedelta(seconds=3)
"""How long one waits at which something has moved: as long as it would take to reckon anew very much that has not."""

AT_REST = timedelta(minutes=5)
"""How long one waits that starts bare, and would else read everything. Targets have shorter patience with their servers."""


class Grounds(NamedTuple):
    """What a plan follows from beside the instant and the targets: the program, the ledger's commit, and main's."""

    program: str
    ledger: Oid | None
    main: Oid

    @property
    def beside(self) -> str:
        """Name these alone."""
        return digest(self._asdict())

    def named(self, prints: Prints) -> str:
        """Name these, and what each target holds by its fingerprint."""
        return digest({**self._asdict(), "targets": prints})


class AllSeen(NamedTuple):
    """What looks at all targets found: their fingerprints, what is there, and how far clocks are from ours."""

    prints: Prints
    there: tuple[frozenset[Entitlement], ...]
    skews: Mapping[str, timedelta]


class Looks:
    """Looks at all targets, begun at once. None of them is made where one could not be named."""

    def __init__(
        self, targets: Mapping[str, TargetReader | EdgeError], clock: Callable[[], datetime] | None = None
    ) -> None:
        self._nameable = _nameable(targets)
        self._targets = _fingerprinting(targets) if self._nameable else {}
        self._clock = clock
        self._only: frozenset[str] | None = None
        self._asked = BackgroundCalls({name: partial(_named, t, clock) for name, t in self._targets.items()})

    def prove(
        self, recalled: Unchanged, grounds: Grounds, at: datetime, patience: timedelta
    ) -> tuple[Entitlement, ...] | None:
        """Return what others gave, where a fresh reckoning would say at an instant what an earlier run found; else None.

        As far as that can be said without the targets it is known to hold. Targets are waited for no longer than until
        something is due. One that cannot be read, or whose clock is not ours, is told of by a run that reads it.
        """
        seen = self._answers(min(patience, recalled.until - at))
        if seen is None or doubt(at, None, seen.skews) is not None or recalled.grounds != grounds.named(seen.prints):
            return None
        return tuple(sorted(one for there in seen.there for one in shown_as_others(there)))

    def scope(self, found: Remembered, moved: frozenset[str], at: datetime) -> Scope | None:
        """Return what is to be reckoned anew where only ``moved`` has moved beside the targets; None for everything."""
        seen = self._answers(AT_MOST)
        if seen is None or doubt(at, None, seen.skews) is not None:
            return None
        there = frozenset[Entitlement]().union(*seen.there)
        scope = scope_of(found, moved | found.seen_otherwise(seen.prints, there), there, at)
        self._only = scope.resources
        return scope

    def _answers(self, patience: timedelta) -> AllSeen | None:
        """Wait for all looks; None where a target cannot be named, has not answered, or cannot tell."""
        if not self._nameable:
            return None
        self._asked.wait(patience.total_seconds())
        if self._asked.waiting:
            return None
        try:
            seen = {name: self._asked.answer(name) for name in self._targets}
        except Exception:  # noqa: BLE001  (whatever is wrong with a target is told by reading it)
            return None
        if not all(prints for _, prints in seen.values()):
            return None
        skews = {name: looked.skew for name, (looked, _) in seen.items() if looked.skew is not None}
        there = tuple(looked.seen for looked, _ in seen.values())
        return AllSeen({name: prints for name, (_, prints) in seen.items()}, there, skews)

    def of(self, name: str, target: object) -> Callable[[], Looked] | None:
        """Return what waits for the look that was made at this very target, None where none was.

        Of a run's scope, where it has one, is all that it tells of.
        """
        return partial(self._within, name) if self._targets.get(name) is target else None

    def _within(self, name: str) -> Looked:
        (there, skew), only = self._asked.result(name)[0], self._only
        return Looked(there if only is None else frozenset(one for one in there if one.resource in only), skew)


def prints_of(targets: Mapping[str, TargetReader | EdgeError]) -> Prints | None:
    """Name what the last look at each target saw; None where one cannot be named."""
    if not _nameable(targets):
        return None
    try:
        return {name: target.fingerprint() for name, target in _fingerprinting(targets).items()}
    except Exception:  # noqa: BLE001  (nothing is remembered then)
        return None


def _nameable(targets: Mapping[str, TargetReader | EdgeError]) -> bool:
    return not any(isinstance(t, EdgeError | Observing) and not isinstance(t, Fingerprinting) for t in targets.values())


def _fingerprinting(targets: Mapping[str, TargetReader | EdgeError]) -> dict[str, Fingerprinting]:
    return {name: target for name, target in sorted(targets.items()) if isinstance(target, Fingerprinting)}


def _named(target: Fingerprinting, clock: Callable[[], datetime] | None) -> tuple[Looked, Mapping[str, str]]:
    looked = look_at(target, clock)
    try:
        return looked, target.fingerprint()
    except Exception:  # noqa: BLE001  (what was seen can be planned by all the same)
        return looked, {}


class Recall(NamedTuple):
    """What an earlier run ``found``, what resources have ``moved`` since on main or in the ledger, and looks at targets."""

    found: Remembered
    moved: frozenset[str]
    looks: Looks

    @property
    def anew(self) -> frozenset[str]:
        """The resources whose grants are to be held against main again."""
        return self.moved | self.found.restless

    def unmoved(self, grounds: Grounds, at: datetime) -> tuple[Unchanged, tuple[Entitlement, ...]] | None:
        """Return what was found, and what others gave, where all is as it was and nothing was to be said; None else."""
        same = self.found.unchanged
        if same is None or not same.may_hold(grounds.beside, at):
            return None
        others = self.looks.prove(same, grounds, at, AT_RUN)
        return (same, others) if others is not None else None

    def scope(self, settled: frozenset[str] | None, at: datetime) -> Scope | None:
        """Return what is to be reckoned anew where the run ``settled`` grants of so many resources; None for everything."""
        return self.looks.scope(self.found, self.moved | settled, at) if settled is not None else None


def recall_of(
    found: Remembered | None,
    context: Context,
    program: str,
    at: datetime,
    targets: Mapping[str, TargetReader | EdgeError],
    clock: Callable[[], datetime] | None,
) -> Recall | None:
    """Begin to look at the targets, where something that was found may still stand; return None where anything has moved."""
    moved = moved_since(found, context, program, at) if found is not None else None
    return Recall(found, moved, Looks(targets, clock)) if found is not None and moved is not None else None


def told_by(receipt: Receipt | None, program: str, at: datetime) -> Remembered | None:
    """Return what the run found that left a word, as far as it tells; None where it tells of no resource.

    Nor where it is of another program, or too old. That its main, what it follows and what it saw at the targets are those
    that it went by, the grounds say that it names.
    """
    word = receipt.body if receipt is not None else None
    if receipt is None or not isinstance(word, Idle) or word.rests is None or at - receipt.at >= LONGEST_IDLE:
        return None
    main, (prints, resting, restless) = Oid(receipt.main), astuple(word.rests)
    if Grounds(program, word.follows, main).named(prints) != word.grounds:
        return None
    sequence = receipt.sequence - 1
    return Remembered(program, word.follows, sequence, main, receipt.at, prints, resting, frozenset(restless))


def moved_since(found: Remembered, context: Context, program: str, at: datetime) -> frozenset[str] | None:
    """Return the resources of which main's grants or the ledger have moved; None where anything may have."""
    standing, history, tip = context.standing, context.history, context.tip
    if found.program != program or found.since > at or standing.departed:
        return None
    if found.ledger != standing.commit and not _follows(history, found.ledger, standing.commit):
        return None
    moved = standing.moved_since(found.sequence)
    if moved is None or found.main == tip:
        return moved
    if not _follows(history, found.main, tip):
        return None
    paths = [change.path for change in history.changes(found.main, tip)]
    if any(path.startswith(POLICIES) for path in paths):
        return None
    return moved | {folder_of(grant_id(path)) for path in paths if path.startswith(FOLDER)}


def moved_by(admitted: Admitted, standing: Standing) -> frozenset[str] | None:
    """Return the resources of which a run has just proved, refused or retired grants; None where that may be any."""
    names = {folder_of(grant) for some in (admitted.changed, admitted.refusals) for grant in some}
    names |= {folder_of(one.grant) for one in admitted.unproved}
    names |= {name for body in admitted.bodies for name in resources_of(body)}
    names |= {row.entitlement.resource for one in admitted.changed if (row := standing.row(one)) is not None}
    return frozenset(names) if EVERYTHING not in names else None


def _follows(history: History, older: Oid, newer: Oid) -> bool:
    return history.find(older) is not None and history.is_ancestor(older, newer)


POLICIES = "policies/"
