"""Naming all that a plan follows from but the instant, so that a run may go by what an earlier one found while it stays so.

Targets are looked at for that, each once: what was seen is what the run plans by where something did move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from daypass.core.errors import EdgeError
from daypass.core.ids import Oid, digest
from daypass.core.plan import Entitlement, Unchanged
from daypass.core.planning.holdback import doubt
from daypass.pipeline.apply.readings import BackgroundCalls, Looked, look_at
from daypass.ports import Fingerprinting, Observing, TargetReader

AT_RUN = timedelta(seconds=10)
"""How long a run that remembers waits for the looks at its targets, since there may be more to do than it remembers."""

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

    def named(self, prints: Mapping[str, str]) -> str:
        """Name these, and what each target holds by its fingerprint."""
        return digest({**self._asdict(), "targets": prints})


class Looks:
    """Looks at all targets, begun at once. None of them is made where one could not be named."""

    def __init__(
        self, targets: Mapping[str, TargetReader | EdgeError], clock: Callable[[], datetime] | None = None
    ) -> None:
        self._nameable = _nameable(targets)
        self._targets = _fingerprinting(targets) if self._nameable else {}
        self._clock = clock
        self._asked = BackgroundCalls({name: partial(_named, t, clock) for name, t in self._targets.items()})

    def prove(
        self, recalled: Unchanged, grounds: Grounds, at: datetime, patience: timedelta
    ) -> tuple[Entitlement, ...] | None:
        """Return what others gave, where a fresh reckoning would say at an instant what an earlier run found; else None.

        As far as that can be said without the targets it is known to hold. Targets are waited for no longer than until
        something is due. One that cannot be read, or whose clock is not ours, is told of by a run that reads it.
        """
        if not self._nameable:
            return None
        self._asked.wait(min(patience, recalled.until - at).total_seconds())
        if self._asked.waiting:
            return None
        try:
            seen = {name: self._asked.answer(name) for name in self._targets}
        except Exception:  # noqa: BLE001  (whatever is wrong with a target is told by reading it)
            return None
        skews = {name: looked.skew for name, (looked, _) in seen.items() if looked.skew is not None}
        prints = {name: text for name, (_, text) in seen.items()}
        if doubt(at, None, skews) is not None or recalled.grounds != grounds.named(prints):
            return None
        return tuple(sorted(one for looked, _ in seen.values() for one in looked.seen if one.shown_as_others))

    def of(self, name: str, target: object) -> Callable[[], Looked] | None:
        """Return what waits for the look that was made at this very target, None where none was."""
        return (lambda: self._asked.result(name)[0]) if self._targets.get(name) is target else None


def prints_of(targets: Mapping[str, TargetReader | EdgeError]) -> Mapping[str, str] | None:
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


def _named(target: Fingerprinting, clock: Callable[[], datetime] | None) -> tuple[Looked, str]:
    looked = look_at(target, clock)
    try:
        return looked, target.fingerprint()
    except Exception:  # noqa: BLE001  (what was seen can be planned by all the same)
        return looked, ""
