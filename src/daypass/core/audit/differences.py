"""Every difference between the ledger, main's history and what a receipt claims to have been proved by.

`Comparison` takes the steps of main once and the receipts in order; nothing else is kept, so a ledger of any length
can be compared. An *error* is something that cannot come about by itself; a *note* is something that has an innocent
reading, which the message gives. Each code stands in docs/findings.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from daypass.core.audit.access import GrantStep, HeldAccess, Holdings
from daypass.core.audit.idle import IdleGrounds
from daypass.core.audit.steps import Steps
from daypass.core.audit.verified import Difference, entitlement_words, in_order, unentitled, words_of
from daypass.core.finding import Severity
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.chain import Head
from daypass.core.ledger.late import LastTold
from daypass.core.ledger.receipt import (
    Admission,
    Decided,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Receipt,
    Refusal,
    Retirement,
)
from daypass.core.ledger.records import Idle
from daypass.core.ledger.standing import Standing
from daypass.core.ledger.statement import admission_digest, kind_of
from daypass.core.ledger.subject import changes_of
from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.core.record import replace
from daypass.core.window import EVER, format_instant


class Comparison:
    """Holds receipts, in order, against main's steps."""

    def __init__(self, steps: Iterable[GrantStep], positions: Mapping[Oid, int], anchors: Mapping[str, Oid]) -> None:
        """Take the positions of main's commits, and the first of these that names each digest as the ledger's last."""
        self._steps = Steps(steps, positions)
        self._positions = positions
        self._anchors = dict(anchors)
        self._settled = bytearray(len(self._steps.each))  # of each step whether a receipt tells of it
        self._removed = {(step.grant, step.old) for step in self._steps.each if step.removed}
        self._retired: set[tuple[GrantId, Oid]] = set()
        self._admitted: set[tuple[GrantId, Oid]] = set()
        self._open: dict[Intended, list[int]] = {}
        self._failed: set[Intended] = set()
        self._recovered: set[Intended] = set()
        self._meant: dict[Intended, datetime] = {}
        """Until when an addition might last by the admissions of when it was intended."""
        self._ends: dict[GrantId, Ended] = {}
        self._last = LastTold()
        self._seen_main = self._main_before = -1
        self._before: frozenset[Intended] = frozenset()
        self._since: Head | None = None
        self._voided: set[Entitlement] = set()
        self._holdings = Holdings()
        self._idle_grounds = IdleGrounds(self._holdings)
        self._found: list[Difference] = []

    def brought(self, body: Admission | Refusal) -> GrantStep | None:
        """Return the step of main by which what a receipt tells of landed, None where none did."""
        place = self._steps.brought(body)
        return self._steps.each[place] if place is not None else None

    @property
    def admitted(self) -> Mapping[GrantId, Admission]:
        """The admissions in force so far."""
        return self._holdings.admitted

    def begin_at(self, standing: Standing) -> None:
        """Go on from a standing that is believed: what led to it, and what main held by then, is not looked at."""
        head = self._since = standing.head
        if head is None:
            return
        self._main(head.sequence, head.main)
        self._main_before = self._seen_main
        self._admitted = {(grant, proof.blob) for grant, proof in standing.admissions.items()}
        self._ends = dict(standing.ends)
        self._before = frozenset(standing.pending.values())
        self._voided = set(standing.voided)
        self._failed = {failed.change for failed in standing.failures.values()}
        self._open = {change: [head.sequence] for change in self._before - self._failed}
        # A standing cuts the windows of what has ended: what they were before is not known.
        self._holdings.admitted = {
            grant: replace(proof, window=EVER) if grant in self._ends else proof
            for grant, proof in standing.admissions.items()
        }
        for entitlement, held in standing.holdings.items():
            change = Intended(Action.ADD, entitlement, held.grants, Reason.WINDOW_OPENED, head.at, held.until)
            self._holdings.held[entitlement] = HeldAccess(change, head.at, head.sequence)

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt."""
        body = receipt.body
        self._anchors.pop(receipt.digest, None)
        if receipt.void:
            self._void(receipt)
            return
        if not isinstance(body, Genesis):  # the first receipt is no run: it has settled nothing of what main held
            self._main(receipt.sequence, receipt.main)
        self._found += unentitled(receipt)
        self._idle(receipt)
        if isinstance(body, Refusal | Retirement) or (isinstance(body, Admission) and not body.narrowed_from):
            self._ends.pop(body.grant, None)
        if isinstance(body, Admission | Refusal):
            self._landed(receipt, body)
        elif isinstance(body, Ended):
            self._ended(receipt, body)
        elif isinstance(body, Retirement):
            self._retired.add((body.grant, body.blob))
        elif isinstance(body, Intent):
            self._intended(receipt, body)
        elif isinstance(body, Outcome):
            self._outcome(receipt, body)
        elif isinstance(body, Decided) and body.base not in self._positions:
            self._say(
                "decision-without-grounds",
                f"receipt {receipt.sequence} says that request {body.pull} was {body.what.value} as judged by main "
                f"{body.base[:12]}, which is not in main's history",
                receipt=receipt.sequence,
                commit=body.base,
            )
        self._late(receipt)
        self._last.add(receipt)
        self._holdings.add(receipt)
        self._idle_grounds.add(receipt)

    def _intended(self, receipt: Receipt, body: Intent) -> None:
        self._standing_on(receipt, body)
        for change in body.changes:
            self._open.setdefault(change, []).append(receipt.sequence)
            self._meant.update(
                (change, proof.window.end_from(change.due, receipt.at)) for proof in self._giving(receipt, change)[-1:]
            )
            self._revived(receipt, change)

    def _void(self, receipt: Receipt) -> None:
        """Name a receipt that counts for nothing. Additions that it tells of may have come about, and a later run says."""
        self._voided |= {change.entitlement for change in receipt.additions}
        self._holdings.add(receipt)
        what = f"receipt {receipt.sequence} ({kind_of(receipt.body)})"
        message = f"{what} counts for nothing: the key that signed it was revoked"
        self._say("receipt-void", message, Severity.WARNING, receipt=receipt.sequence)

    def _main(self, sequence: int, main: str) -> None:
        position = self._positions.get(Oid(main))
        if position is None:
            code, why = "main-unknown", "which is not in main's history"
        elif position < self._seen_main:
            code, why = "main-went-back", "which is older than the main of an earlier receipt"
        else:
            self._seen_main = position
            return
        message = f"receipt {sequence} was written on main {main[:12]}, {why}"
        self._say(code, message, receipt=sequence, commit=main)

    def _landed(self, receipt: Receipt, body: Admission | Refusal) -> None:
        if (place := self._steps.brought(body)) is None:
            where = "did not" if body.landing in self._positions else "is not in main's history and did not"
            self._say(
                "receipt-without-landing",
                f"receipt {receipt.sequence} says that commit {body.landing[:12]} brought blob {body.blob[:12]} as "
                f"{body.grant}; that commit {where} bring it",
                grant=body.grant,
                commit=body.landing,
                receipt=receipt.sequence,
            )
            return
        self._settled[place] = True
        if isinstance(body, Admission):
            self._admitted |= self._removed & {(body.grant, body.blob)}

    def _outcome(self, receipt: Receipt, body: Outcome) -> None:
        change = body.change
        opened = self._open.get(change)
        # A change that failed may have come about all the same, and is tried again: later runs say so of the same intent.
        tried = change in self._failed
        self._failed.discard(change)
        if not body.ok and not body.recovered:
            self._failed.add(change)
        # Another run may look, and tell how a change ended, before the run that makes it can: both tell of one intent.
        seconded = opened is None and not body.recovered and change in self._recovered
        if body.recovered:
            self._recovered.add(change)
        elif seconded:  # else it ends the intent of a run that began it anew, and the first may tell of its own still
            self._recovered.discard(change)
        looked = body.recovered and change.entitlement in self._voided
        if opened is None:
            if not (tried or seconded or looked or receipt.seconds):
                self._unintended(receipt, body)
        elif len(opened) == 1:
            del self._open[change]
        else:
            opened.pop()
        if change.action is Action.ADD and body.ok:
            self._given(receipt, change)
            if not body.recovered:  # what a later run found there it takes away
                self._revived(receipt, change)
        if change not in self._failed and change not in self._recovered and change not in self._open:
            self._meant.pop(change, None)

    def _unintended(self, receipt: Receipt, body: Outcome) -> None:
        change = body.change
        # Where another run looked and told of it before the snapshot, the intent is in none that was read.
        earlier = self._since is not None and change.due <= self._since.at and not body.recovered
        message = (
            f"receipt {receipt.sequence} tells how {words_of(change)} ended, and no receipt before it intends that"
        )
        message += ", of those that were read" if earlier else ""
        severity = Severity.NOTE if earlier else Severity.ERROR
        self._say("outcome-without-intent", message, severity, receipt=receipt.sequence)

    def _late(self, receipt: Receipt) -> None:
        """Hold what waited in an outbox against what others told meanwhile: it counts where they told nothing, only there."""
        if receipt.away is None or (self._since is not None and receipt.away.after < self._since.sequence):
            return  # of what others told before a snapshot nothing is known
        other = self._last.since(receipt.body, receipt.away)
        if (other is not None) == receipt.seconds:
            return
        if other is None:
            why = "bears out what others had told, and none had"
        else:
            why = f"waited in an outbox and counts, though receipt {other} had told of the same"
        changes = changes_of(receipt.body)
        about = ", ".join(map(words_of, changes)) or "who left"
        grant = next((grant for change in changes for grant in change.grants), "")
        message = f"receipt {receipt.sequence}, {about}, {why}"
        self._say("second-witness-wrong", message, grant=grant, receipt=receipt.sequence)

    def _ended(self, receipt: Receipt, body: Ended) -> None:
        proof = self.admitted.get(body.grant)
        if proof is None or (proof.blob, proof.landing) != (body.blob, body.landing):
            why = f"of blob {body.blob[:12]}, which was not admitted then"
        elif body.end > receipt.at:
            why = f"at {format_instant(body.end)}, which was still to come"
        else:
            self._ends[body.grant] = body
            return
        self._say(
            "end-without-grounds",
            f"receipt {receipt.sequence} says that {body.grant} ended, {why}",
            grant=body.grant,
            receipt=receipt.sequence,
        )

    def _idle(self, receipt: Receipt) -> None:
        body = receipt.body
        if not isinstance(body, Idle):
            return
        why = self._idle_grounds.wrong(receipt, body, self._open)
        if not why and self._positions.get(Oid(receipt.main), -1) < self._seen_main:
            why = f"and stands on main {receipt.main[:12]}, behind the main of an earlier receipt"
        if why:
            until = format_instant(body.until)
            message = f"receipt {receipt.sequence} says that nothing is to be done until {until}, {why}"
            self._say("idle-without-grounds", message, receipt=receipt.sequence)

    def _standing_on(self, receipt: Receipt, body: Intent) -> None:
        """Hold what an intent's additions are said to stand on to what was admitted; earlier releases say nothing."""
        added = [change for change in body.changes if change.action is Action.ADD] if body.basis else []
        proofs = {proof.grant: proof for change in added for proof in self._holdings.basis(change.grants)}
        if added and {admission_digest(proof) for proof in proofs.values()} != set(body.basis):
            self._say(
                "intent-on-other-admission",
                f"receipt {receipt.sequence} gives access on other admissions than those in force before it",
                receipt=receipt.sequence,
            )

    def _revived(self, receipt: Receipt, change: Intended) -> None:
        """Name an addition that stands on nothing but grants which have ended for good."""
        if change.action is Action.ADD and change.grants and self._ends.keys() >= set(change.grants):
            self._say(
                "access-after-end",
                f"receipt {receipt.sequence} gives {entitlement_words(change)} by {', '.join(change.grants)}, which had ended",
                grant=change.grants[0],
                receipt=receipt.sequence,
            )

    def _given(self, receipt: Receipt, change: Intended) -> None:
        if change in self._before:  # of what was begun before the snapshot the admissions of then are not known
            return
        giving = self._giving(receipt, change)
        if not giving:
            self._say(
                "access-without-admission",
                f"receipt {receipt.sequence} gives {entitlement_words(change)}, and no admission before it does",
                receipt=receipt.sequence,
            )
            return
        last = giving[-1].window.end_from(change.due, receipt.at)
        # What a run had begun may come about after its grant was narrowed; the run that sees that takes the rest away.
        if change.until is None or change.until > max(last, self._meant.get(change, last)):
            self._say(
                "access-beyond-window",
                f"receipt {receipt.sequence} gives {entitlement_words(change)} until "
                f"{format_instant(change.until) if change.until else 'further notice'}; the window that was approved "
                f"ends {format_instant(last)}",
                receipt=receipt.sequence,
            )

    def _giving(self, receipt: Receipt, change: Intended) -> list[Admission]:
        """Return the admissions in force that an addition may stand on, the one that ends last at the end."""
        basis = self._holdings.basis(change.grants)
        giving = [proof for proof in basis if change.action is Action.ADD and proof.entitlement == change.entitlement]
        return sorted(giving, key=lambda proof: proof.window.end_from(change.due, receipt.at))

    def finish(self, at: datetime) -> tuple[Difference, ...]:
        """Return all that was found once the last receipt was taken, errors first."""
        self._unsettled()
        self._unretired()
        for digest, commit in self._anchors.items():
            self._say(
                "anchor-missing",
                f"commit {commit[:12]} was merged when the ledger's last receipt was {digest}, which the ledger does "
                "not have: it was cut off or replaced",
                commit=commit,
            )
        for change, sequences in self._open.items():
            self._say(
                "intent-without-outcome",
                f"receipt {sequences[-1]} intends {words_of(change)}, and no receipt says how it ended; the next "
                "`daypass apply` looks and says so",
                receipt=sequences[-1],
            )
        for entitlement, held in self._holdings.held.items():
            if held.overdue(at) and not held.doubt and held.change.until is not None:
                self._say(
                    "held-past-window",
                    f"{entitlement.principal} still has {entitlement.privilege} on {entitlement.resource}; its window "
                    f"ended {format_instant(held.change.until)}",
                    grant=held.change.grants[0] if held.change.grants else "",
                    receipt=held.receipt,
                )
        return in_order(self._found)

    def _unsettled(self) -> None:
        """Name what landed without a receipt. Superseded and later files may have none; one that stands may not."""
        unsettled = [
            step
            for step, settled in zip(self._steps.each, self._settled, strict=True)
            if not (step.removed or settled or step.position <= self._main_before)
        ]
        of = {step.grant for step in unsettled}
        latest: dict[GrantId, GrantStep] = {}
        for step in self._steps.each if of else ():
            if step.grant in of and latest.get(step.grant, step).position <= step.position <= self._seen_main:
                latest[step.grant] = step
        for step in unsettled:
            if step.position > self._seen_main:
                code, severity = "not-applied-yet", Severity.NOTE
                why = "no run has seen it yet"
            elif latest[step.grant] is step:
                code, severity = "landing-without-receipt", Severity.ERROR
                why = "the runs since then wrote neither that it was admitted nor that it was refused"
            else:
                code, severity = "superseded-without-receipt", Severity.NOTE
                why = "it was replaced before a run could settle it"
            self._say(
                code,
                f"commit {step.commit[:12]} brought {step.grant}, and {why}",
                severity,
                grant=step.grant,
                commit=step.commit,
            )

    def _unretired(self) -> None:
        for step in self._steps.each:
            fresh, gone = step.position > self._main_before, (step.grant, step.old)
            if fresh and step.removed and gone in self._admitted and gone not in self._retired:
                later = step.position > self._seen_main
                self._say(
                    "removal-without-receipt",
                    f"commit {step.commit[:12]} removed {step.grant}, and no receipt says so"
                    + ("; no run has seen it yet" if later else ""),
                    Severity.NOTE,
                    grant=step.grant,
                    commit=step.commit,
                )

    def _say(
        self,
        code: str,
        message: str,
        severity: Severity = Severity.ERROR,
        *,
        grant: str = "",
        commit: str = "",
        receipt: int | None = None,
    ) -> None:
        self._found.append(Difference(code, message, severity, grant, commit, receipt))
