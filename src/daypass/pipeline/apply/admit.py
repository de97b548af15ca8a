"""Proving what landed on main, grant by grant, before any of it gives access (invariant 2).

No merge is trusted for being there: the forge's own record must say which pull request it was, the approvals on its
very head must satisfy the policy of the base it was merged into, and the bytes on main must be the bytes that were
reviewed. What was proved once is kept in a receipt and never asked again. What cannot be read stops only the grants
that hang on it (invariant 8): what may pass is tried again by every later run, what cannot is refused for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field

from daypass.core.approval.held import HeldBook, HeldView
from daypass.core.approval.roles import UNPROVED
from daypass.core.audit.access import read_trailers
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.forge import Change, Landing
from daypass.core.ids import FOLDER, SUFFIX, GrantId, Oid, folder_id, grant_id
from daypass.core.ledger.receipt import Admission, Body, Refusal, Retirement
from daypass.core.ledger.standing import Standing
from daypass.core.record import replace
from daypass.pipeline.apply.proof import Prover
from daypass.pipeline.context import Context

_NOT_YET = "it could not be proved yet"


class Admitted(Struct):
    """What became of the grants that landed since the ledger's last word.

    ``bodies`` are receipts to write, in order; ``changed`` holds what this run proved by grant (None: it is gone or was
    refused); ``refusals`` are all that stand on main without proof, old and new; ``unproved`` are to be tried again,
    each with why this run could not prove it.
    """

    bodies: list[Body] = field(default_factory=list)
    changed: dict[GrantId, Admission | None] = field(default_factory=dict)
    refusals: dict[GrantId, Refusal] = field(default_factory=dict)
    unproved: list[Refusal] = field(default_factory=list)

    @property
    def revoked(self) -> frozenset[GrantId]:
        """The grants that an emergency stop ended."""
        return frozenset(body.grant for body in self.bodies if isinstance(body, Retirement) and body.revoked)


def admit(
    context: Context,
    *,
    at: datetime,
    before: Callable[[], None] = lambda: None,
    anew: frozenset[str] | None = None,
) -> Admitted:
    """Prove every grant of main that the ledger has not settled; ``before`` is called before each landing is looked at.

    Where ``anew`` is given, each other folder held just what was proved, and nothing has moved there since, on main or in the
    ledger.
    Raises RefusedError when main is not a descendant of the main that the ledger last recorded (invariant 13), or was
    merged into when the ledger had more receipts than it has.
    """
    history, standing, tip = context.history, context.standing, context.tip
    if standing.main and (history.find(standing.main) is None or not history.is_ancestor(Oid(standing.main), tip)):
        raise RefusedError(
            f"main stands at {tip[:12]}, which does not contain {standing.main[:12]}, which the ledger recorded",
            hint="fetch main; if its history was rewritten, restore it: access is never taken back to an older state",
        )
    landings = (
        tuple(history.landings(Oid(standing.main) if standing.main else None, tip)) if standing.main != tip else ()
    )
    _check_whole(context, landings)
    settled = _Landings(context, at, before)
    folders = history.folders(tip, FOLDER.rstrip("/"))
    if anew is not None:
        standing = standing.within(anew)
    same = as_proved(standing, folders) | (frozenset() if anew is None else folders.keys() - anew)
    blobs = {grant_id(entry.path): entry.oid for entry in history.entries(tip, FOLDER.rstrip("/"), same)}
    known = {name: blob for name, blob in standing.blobs() if name.partition("/")[0] not in same}
    touched: set[GrantId] = set()
    for landing in landings:
        changes = [change for change in landing.changes if change.path.startswith(FOLDER)]
        touched.update(grant_id(change.path) for change in changes)
        settled.settle(landing, changes)
    settled.settle_rest(blobs, known, touched)
    for name, blob in known.items():
        if name not in blobs and name not in settled.found.changed:
            settled.retire(name, blob, tip)
    return settled.found


def as_proved(standing: Standing, folders: Mapping[str, str]) -> frozenset[str]:
    """Return the folders that hold just the files that were proved, each as it was, by what git calls such a folder."""
    proved: dict[str, list[tuple[str, Oid]]] = {}
    for grant, blob in standing.blobs():
        folder, _, name = grant.partition("/")
        proved.setdefault(folder, []).append((name + SUFFIX, blob))
    flat = {name: files for name, files in proved.items() if name in folders and not any("/" in f for f, _ in files)}
    return frozenset(name for name, files in flat.items() if folder_id(files) == folders[name])


def _check_whole(context: Context, landings: Sequence[Landing]) -> None:
    """Refuse a ledger that the gate has seen further, as its merges since the ledger's last main say: its end was cut off.

    What was cut may be who was refused, or that access was taken away. A merge by hand says whatever its author wrote,
    and must stop nobody: where the forge tells the gate from people it is asked who merged, once something is amiss.
    """
    head = context.standing.head
    last = head.sequence if head is not None else -1
    for landing in (one for one in landings if any(change.path.startswith(FOLDER) for change in one.changes)):
        named = read_trailers(landing.message).sequence
        if named is not None and named > last and by_the_gate(context, landing.oid):
            raise RefusedError(
                f"the ledger ends with receipt {last}, and commit {landing.oid[:12]} was merged when it had receipt {named}",
                hint="its end was cut off: restore its branch from a clone that has more",
            )


def by_the_gate(context: Context, commit: Oid) -> bool:
    """Say whether what a merge says of the ledger was written by the gate, or may have been."""
    if not context.policy_at(context.tip).catalogue.settings.forge.vouches:
        return True
    try:
        pull = context.forge.merged_as(commit)
    except EdgeError:
        return True  # nobody can tell: nothing is given on a ledger that may be short
    return pull is not None and pull.merge is not None and not pull.merge.by.person


class _Landings:
    """Settles one landing after the other, remembering what the ones before gave."""

    def __init__(self, context: Context, at: datetime, before: Callable[[], None]) -> None:
        self.found = Admitted()
        self._context = context
        self._before = before
        self._standing = context.standing
        self._at = at
        self._forge_silent = False
        self._book = HeldBook(context.standing)
        self._booked = 0

    def settle(self, landing: Landing, changes: Sequence[Change]) -> None:
        """Admit, refuse or retire what one landing did to grant files."""
        if changes:
            self._before()
        prover = Prover(self._context, self._at, self._current, self._held, landing, changes)
        for change in changes:
            name = grant_id(change.path)
            if change.deleted:
                self.retire(name, change.old, landing.oid, prover)
                continue
            try:
                current = self._current(name)
                proved = prover.prove(change)
            except EdgeError as error:
                self._leave_open(name, landing, change, error)
                continue
            if isinstance(proved, Admission):
                less = current is not None and proved.narrowed_from and proved.window != current.window
                if less and current is not None and self._takes(current):
                    ended = self._with_who_ended(Retirement(name, change.old, landing.oid), prover)
                    proved = replace(proved, lack=ended.lack)
                self.found.bodies.append(proved)
                self.found.changed[name] = proved
                self.found.refusals.pop(name, None)
            else:
                refusal = Refusal(name, change.new, landing.oid, proved.code, proved.message)
                self.found.bodies.append(replace(refusal, message=proved.kept) if proved.kept else refusal)
                self.found.changed[name] = None
                self.found.refusals[name] = refusal

    def settle_rest(self, blobs: Mapping[GrantId, Oid], known: Mapping[GrantId, Oid], touched: set[GrantId]) -> None:
        """Settle files that stand on main but that no receipt settles: an earlier run could not prove them.

        ``known`` is what was proved of these and other files.
        """
        open_ones: set[GrantId] = set()
        for name, blob in blobs.items():
            if name in touched or known.get(name) == blob:
                continue
            refusal = self._standing.refusal(name, blob)
            if refusal is None or refusal.code == UNPROVED:
                open_ones.add(name)
            else:
                self.found.refusals[name] = refusal
        if not open_ones:
            return
        last = {
            grant_id(change.path): (landing, change)
            for landing in self._context.history.landings(None, self._context.tip)
            for change in landing.changes
            if change.path.startswith(FOLDER) and grant_id(change.path) in open_ones
        }
        again: dict[Oid, tuple[Landing, list[Change]]] = {}
        for landing, change in last.values():
            again.setdefault(landing.oid, (landing, []))[1].append(change)
        for landing, changes in again.values():
            self.settle(landing, changes)

    def retire(self, name: GrantId, blob: Oid, commit: Oid, prover: Prover | None = None) -> None:
        """Record that an admitted grant is gone; what was never admitted needs no word.

        It ends whoever removed it. Who that was is only told, for the audit: a forge that does not answer is asked once.
        """
        current = self._current(name)
        if current is not None:
            body = Retirement(name, blob, commit)
            if prover is not None and self._takes(current):
                body = self._with_who_ended(body, prover)
            self.found.bodies.append(body)
        self.found.changed[name] = None
        self.found.refusals.pop(name, None)

    def _takes(self, current: Admission) -> bool:
        """Say whether it is told who takes away what a grant still had to give."""
        return not self._forge_silent and not current.window.ended(self._at)

    def _with_who_ended(self, body: Retirement, prover: Prover) -> Retirement:
        try:
            return prover.with_who_ended(body)
        except EdgeError:
            self._forge_silent = True
            return body

    def _leave_open(self, name: GrantId, landing: Landing, change: Change, error: EdgeError) -> None:
        """Say in the ledger, once, that a landing waits for its proof.

        It also takes back what was proved of the file before: those bytes are no longer on main, and would come to life
        again if a later landing brought them back while nobody could look.
        """
        refusal = Refusal(name, change.new, landing.oid, UNPROVED, _NOT_YET)
        self.found.unproved.append(replace(refusal, message=error.message))
        self.found.changed[name] = None
        self.found.refusals.pop(name, None)
        if self._standing.refusal(name, change.new, landing.oid) is None:
            self.found.bodies.append(refusal)

    def _held(self, landing: Oid) -> HeldView:
        """Return what is known of the ledger, and of what this run adds to it, where a landing stands in main's order."""
        for body in self.found.bodies[self._booked :]:
            self._book.add(body, self._at)
        self._booked = len(self.found.bodies)
        return self._book.before(landing)

    def _current(self, name: GrantId) -> Admission | None:
        return self.found.changed[name] if name in self.found.changed else self._standing.admission(name)
