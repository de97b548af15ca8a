"""Proving the whole ledger, or what follows a snapshot, against the whole of main's history. No cache is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.approval.held import HeldBook
from daypass.core.approval.review import REJECTED
from daypass.core.audit.access import Sources
from daypass.core.audit.differences import Comparison
from daypass.core.audit.proof import JUDGED_KINDS, check_admission, check_denial
from daypass.core.audit.reviews import check_review
from daypass.core.audit.verified import Difference, Verified, in_order
from daypass.core.errors import EdgeError, LedgerError
from daypass.core.files.grants import read_grant
from daypass.core.finding import Severity
from daypass.core.grant import Grant
from daypass.core.ids import ABSENT, GrantId, Oid, grant_path
from daypass.core.ledger.codec import LATER
from daypass.core.ledger.receipt import (
    Admission,
    Body,
    Certified,
    Decided,
    Ended,
    Receipt,
    Resolution,
    Reviewed,
    Snapshot,
)
from daypass.core.ledger.records import Departed, Idle
from daypass.core.ledger.snapshot import Proof, SumUp
from daypass.core.ledger.standing import Departure
from daypass.core.people.leaving import is_end_of as is_end_of_departure
from daypass.core.planning.claims import given
from daypass.core.policy.decision import TOTALS, ending_denials, let_pass_then
from daypass.core.policy.held import UNREAD, Held, HeldGrant
from daypass.core.policy.rules import RULE_DENIES
from daypass.pipeline.audit.past import BATCH, Past
from daypass.pipeline.audit.unsettled import Unsettled
from daypass.pipeline.context import Context
from daypass.pipeline.judge.again import judge_again
from daypass.pipeline.judge.beside import Beside, grants_in

if TYPE_CHECKING:
    from daypass.core.policy.policies import Policy
from daypass.core.bounds.watch import is_end_of

_FEW = 5


def verify(
    context: Context,
    proved: Callable[[], Proof],
    *,
    at: datetime,
    progress: Callable[[int, int, str], None] | None = None,
) -> Verified:
    """Prove every receipt and name every difference.

    Each receipt's signature, place and link are proved; each admission is held against the file, the policies of its
    base and the merge message; what policy denied is judged again where it is in this clone; intents and outcomes are held
    against one another; each snapshot against the receipts before it; the ledger against what merge messages say it held.
    Where ``proved`` begins at a snapshot, what led to it is believed.
    What cannot be proved is a difference, and so is everything after it. Raises RefusedError for a shallow clone and
    LedgerError for a ledger that is missing.
    """
    tip = context.history.resolve(context.main)
    proof = proved()
    since = proof.start.head
    past = Past.read(context.history, tip)
    comparison = Comparison(past.steps, past.positions, past.named_after(since))
    comparison.begin_at(proof.start)
    run = _Run(context, past, comparison, proof)
    try:
        for receipt in proof.receipts:
            run.add(receipt)
            if progress is not None and receipt.sequence % 100 == 0:
                progress(receipt.sequence, proof.total(), "receipts")
        if progress is not None:
            progress(proof.total(), proof.total(), "receipts")
    except LedgerError as error:
        code = "ledger-of-later-release" if error.hint == LATER else "ledger-broken"
        run.found.append(Difference(code, error.message, receipt=run.proved))
    run.check()
    found = in_order([*run.found, *run.unread(), *comparison.finish(at)])
    sources = Sources(tip, proof.commit, run.proved + proof.start.next_sequence, run.last_at, at)
    return Verified(sources, run.proved, run.checked, len(past.positions), found, since)


def _asks(context: Context, commit: Oid) -> bool:
    """Say whether the rules of a commit ask who holds what else. Where they cannot be read nothing is judged by them."""
    try:
        rules = context.policy_at(commit).rules
    except EdgeError:
        return False
    return bool(rules.of_ledger or rules.of_beside)


class _Run:
    """Takes receipts as they are proved, and holds admissions against git in batches."""

    def __init__(self, context: Context, past: Past, comparison: Comparison, proof: Proof) -> None:
        self.found: list[Difference] = []
        self.proved = 0
        self.checked = 0
        self.last_at = proof.start.at
        self._proof = proof
        self._sums = SumUp(proof.start, proof.form)
        self._held_to: int | None = None
        self._read: tuple[str, Policy | None] = ("", None)
        self._context = context
        self._past = past
        self._comparison = comparison
        self._unread: list[int] = []
        self._reviews: list[int] = []
        self._rejected: set[GrantId] = set()
        self._awaited = dict(proof.start.unreviewed)
        self._earlier: list[int] = []
        self._departed = dict(proof.start.departed)
        self._waiting: list[tuple[Receipt, Admission, Admission | None, Held]] = []
        asks = any(_asks(context, past.commits[place]) for place in (0, *past.policies) if past.commits)
        self._book = HeldBook(proof.start, whole=asks)
        self._unsettled = Unsettled(past.steps)
        self._judged: tuple[str, Beside | None] = ("", None)

    def add(self, receipt: Receipt) -> None:
        body = receipt.body
        if receipt.void:  # it is named, and held against nothing; a snapshot tells of the additions in it
            self._sum(receipt)
            self._comparison.add(receipt)
            self.proved += 1
            return
        if isinstance(body, Admission) and self._comparison.brought(body) is not None:
            held = self._held(receipt.sequence, body)
            self._waiting.append((receipt, body, self._comparison.admitted.get(body.grant), held))
            if len(self._waiting) >= BATCH:
                self.check()
        if isinstance(body, Admission) and (awaited := body.awaited) is not None:
            self._awaited[body.grant, body.landing] = awaited
        if isinstance(body, Ended):
            self._end(receipt, body, self._comparison.admitted.get(body.grant))
        if isinstance(body, Snapshot):
            self._snapshot(receipt, body)
        if isinstance(body, Decided) and body.what is Resolution.DENIED and body.base in self._past.positions:
            self._denial(receipt, body)
        self._tell(receipt, body)
        self._book.add(body, receipt.run_at)
        self._sum(receipt)
        self._comparison.add(receipt)
        self.proved += 1
        self.last_at = receipt.at

    def _tell(self, receipt: Receipt, body: Body) -> None:
        """Take in what people, or their source, said."""
        if isinstance(body, Departed) and not receipt.seconds:
            self._depart(receipt, body)
        elif isinstance(body, Idle) and not self._proof.follows(receipt.sequence, body.follows):
            message = (
                f"receipt {receipt.sequence} says that nothing is to be done after commit {body.follows[:12]} of the "
                "ledger's branch, which is not the one before its own"
            )
            self.found.append(Difference("idle-without-grounds", message, receipt=receipt.sequence))
        elif isinstance(body, Certified):
            self._reviews.append(receipt.sequence)
        elif isinstance(body, Reviewed):
            self._rejected |= {body.grant} if not body.approved else set()
            self.found += check_review(
                receipt, body, self._awaited.pop((body.grant, body.landing), None), self._policies(receipt.main)
            )

    def _held(self, place: int, body: Admission) -> Held:
        """Return what was known beside an admitted grant just before this place, as far as the policies of its base ask."""
        policy = self._policies(body.base)
        if policy is None:
            return UNREAD  # it is named when the admission is held against git
        if body.judged < TOTALS and not (policy.rules.history or policy.rules.of_ledger):
            return UNREAD  # nobody asked then
        try:
            beside = self._of_landing(body, policy)
            grant = HeldGrant(body.grant, body.subject, body.resource, body.role, body.window)
            return beside.held(grant, body.requester)
        except EdgeError as error:
            # Judged as if nothing stood beside it, whoever has the ledger's key could hide what did.
            message = f"receipt {place}, {body.grant}: what was merged beside it cannot be read: {error.message}"
            self.found.append(Difference("beside-unreadable", message, grant=body.grant, receipt=place))
            return UNREAD

    def _of_landing(self, body: Admission, policy: Policy) -> Beside:
        """Return what stands beside the grants of a landing, which were judged at once; they come one after the other."""
        landing, beside = self._judged
        if landing != body.landing or beside is None:
            beside = self._beside(body.base, policy, body.merged_at, body.landing)
            files = self._past.brought(body.landing)
            if len(files) > 1:
                contents = dict(self._context.history.blobs(dict.fromkeys(files.values())))
                beside.ask_together(grants_in({grant: contents[blob] for grant, blob in files.items()}))
            self._judged = (body.landing, beside)
        return beside

    def _beside(self, base: Oid, policy: Policy, at: datetime, landing: str = "") -> Beside:
        view = self._book.before(landing)
        files = self._unsettled.waiting(self._past.positions.get(base, -1), view)
        return Beside(self._context.history, base, policy, view, at, files)

    def _sum(self, receipt: Receipt) -> None:
        """Add a receipt up for the snapshots that come after it: past the last of them all that is held is let go."""
        last = self._held_to = self._proof.last() if self._held_to is None else self._held_to
        if receipt.sequence < last:
            self._sums.add(receipt)
        elif receipt.sequence == last:
            self._sums = SumUp(expected=self._proof.form)

    def _snapshot(self, receipt: Receipt, body: Snapshot) -> None:
        """Work a snapshot out again, and hold what lies beside it to what must."""
        place = receipt.sequence
        wrong = self._sums.wrong(body, self._proof.tree, self._proof.beside(place))
        if wrong:
            message = f"snapshot {place} does not follow from the receipts before it: {wrong}"
            self.found.append(Difference("snapshot-does-not-follow", message, receipt=place))
        elif body.form != self._proof.form:
            message = (
                f"snapshot {place} is of the form {body.form}, which this release does not know, or from before a key was "
                "revoked: its tree alone follows"
            )
            self.found.append(Difference("snapshot-of-another-form", message, Severity.NOTE, receipt=place))

    def _denial(self, receipt: Receipt, body: Decided) -> None:
        """Judge again what policy denied, where the request's head is in this clone."""
        written = [file for file in body.asked if file.kind != "remove"]
        asked = [file for file in written if file.kind in JUDGED_KINDS]
        if self._context.history.find(body.head) is None:
            self._unread.append(receipt.sequence)
            return
        try:
            contents = dict(self._context.history.blobs([file.blob for file in written]))
            policy = self._context.policy_at(self._past.policies_of(body.base))
        except EdgeError:
            self._unread.append(receipt.sequence)
            return
        read = {file.grant: read_grant(grant_path(file.grant), contents[file.blob]) for file in asked}
        grants = {name: grant for name, grant in read.items() if isinstance(grant, Grant)}
        beside = self._beside(body.base, policy, receipt.run_at)
        beside.ask_together(grants_in({file.grant: contents[file.blob] for file in written}))
        held = {
            name: beside.held(HeldGrant.of(grant, policy.catalogue.window(grant.span, receipt.run_at)), body.requester)
            for name, grant in grants.items()
        }
        self.found += check_denial(receipt, body, grants, policy, held)

    def unread(self) -> Iterable[Difference]:
        """Say what is proved as receipts only: denials of what is not here, and what no rule of this release judges."""
        for code, sequences, what in (
            (
                "denial-not-judged",
                self._unread,
                "denials could not be judged again, since what was asked for is not in this clone",
            ),
            (
                "review-not-judged",
                self._reviews,
                "certifications of what runs on were not judged again: this release has no rule for who may give them",
            ),
            (
                "judged-as-then",
                self._earlier,
                "admissions passed without a person for somebody else, or by claims that nobody checks, as they did then",
            ),
        ):
            if sequences:
                named = ", ".join(map(str, sequences[:_FEW])) + (" …" if len(sequences) > _FEW else "")
                message = f"{len(sequences)} {what}: receipts {named}"
                yield Difference(code, message, Severity.NOTE, receipt=sequences[0])

    def _policies(self, main: str) -> Policy | None:
        """Return the policies of a main, None where they cannot be read."""
        first = self._past.policies_of(Oid(main))
        if first != self._read[0]:  # one after the other asks for the same
            try:
                self._read = (first, self._context.policy_at(first))
            except EdgeError:
                self._read = (first, None)
        return self._read[1]

    def _end(self, receipt: Receipt, body: Ended, proof: Admission | None) -> None:
        """Hold an end against the policies of the main that its run stood on. One of nothing admitted is named already."""
        if proof is None:
            return
        policy = self._policies(receipt.main)
        by_rule = body.code == RULE_DENIES and body.end <= receipt.run_at
        if by_rule and policy is not None and self._ended_by_rule(policy, body):
            return
        ends = policy.catalogue.ends(proof.bounded) if policy is not None else ()
        departed = body.end <= receipt.run_at and is_end_of_departure(body.code, body.bound, self._left(policy, proof))
        rejected = body.code == REJECTED and body.grant in self._rejected
        # Whether the task was done only the forge knew, and the run that asked it: that the grant was to end with it, git.
        watched = body.end <= receipt.run_at and is_end_of(proof.ends_when, body.code, body.bound)
        if (
            not rejected
            and not watched
            and not departed
            and not any(bound.code == body.code and bound.says(body.end, receipt.run_at) for bound in ends)
        ):
            message = (
                f"receipt {receipt.sequence} says that {body.grant} ended: {body.bound}; main's policies did not say so"
            )
            self.found.append(Difference("end-without-grounds", message, grant=body.grant, receipt=receipt.sequence))

    def _depart(self, receipt: Receipt, body: Departed) -> None:
        """Hold what the source said against the main it was asked by, which a seal put on anew hides; remember who left."""
        policy = self._policies(receipt.main)
        subject = policy.catalogue.directory.subjects.get(body.person) if policy is not None else None
        if (subject is None or subject.source_id != body.number) and not (receipt.away and receipt.away.original):
            message = f"receipt {receipt.sequence} says that {body.person} left; main's directory had nobody by that id"
            self.found.append(Difference("departure-of-nobody", message, receipt=receipt.sequence))
        elif body.code:
            self._departed[body.number] = Departure(body.person, body.code, receipt.run_at)
        else:
            self._departed.pop(body.number, None)

    def _left(self, policy: Policy | None, proof: Admission) -> Iterable[Departure]:
        """Return how a grant's subject left, by receipts before this one."""
        catalogue = policy.catalogue if policy is not None else None
        subjects = catalogue.directory.subjects if catalogue is not None else {}
        subject = subjects.get(catalogue.renames.subject(proof.subject)) if catalogue is not None else None
        mine = subject.source_id if subject is not None else ""
        # Where main's directory does not read, the name of then is all there is.
        return [one for number, one in self._departed.items() if number == mine or one.person == proof.subject]

    def _ended_by_rule(self, policy: Policy, body: Ended) -> bool:
        """Say whether a rule that ends what is live denies a grant; where its file is gone from git nothing shows it."""
        try:
            ((_, raw),) = self._context.history.blobs([body.blob])
        except EdgeError:
            return False
        grant = read_grant(grant_path(body.grant), raw)
        return isinstance(grant, Grant) and bool(ending_denials(policy, grant))

    def check(self) -> None:
        """Hold the admissions that wait against git. What no landing brought was named already, and is not read."""
        if not self._waiting:
            return
        contents = dict(self._context.history.blobs(dict.fromkeys(body.blob for _, body, *_ in self._waiting)))
        trailers = self._past.trailers(self._context.history, (body.landing for _, body, *_ in self._waiting))
        for receipt, body, before, held in self._waiting:
            read = read_grant(grant_path(body.grant), contents[body.blob])
            grant = read if isinstance(read, Grant) else None
            policy = self._policies(body.base)
            facts = None if policy is None else (policy.digest, given(policy, body.subject, body.resource, body.role))
            self.found += check_admission(
                receipt,
                body,
                grant=grant,
                parents=self._past.parents(body.landing),
                trailers=trailers[body.landing],
                policy=facts,
                before=before,
            )
            if grant is not None and policy is not None and not body.narrowed_from:
                self.found += self._judge_again(receipt, body, grant, policy, held)
        self.checked += len(self._waiting)
        self._waiting = []

    def _judge_again(
        self, receipt: Receipt, body: Admission, grant: Grant, policy: Policy, held: Held
    ) -> Iterable[Difference]:
        """Judge recorded approvals by the base's policies. What cannot be read was named as a difference already."""
        step = self._comparison.brought(body)
        widened = step is not None and step.old != ABSENT
        if let_pass_then(policy, body.judged, body.requester, grant, approved=bool(body.approvals)):
            self._earlier.append(receipt.sequence)
        then = self._then(body)
        brought = self._past.brought(body.landing) if policy.rules.of_ledger else {}
        beside = [name.partition("/")[0] for name in brought if name != body.grant]
        lack = (
            then
            if isinstance(then, str)
            else judge_again(policy, body, grant, widened=widened, then=then, held=held, together=beside)
        )
        message = f"receipt {receipt.sequence}, {body.grant}: {lack}"
        found = Difference(
            "approvals-insufficient", message, grant=body.grant, commit=body.landing, receipt=receipt.sequence
        )
        return (found,) if lack else ()

    def _then(self, body: Admission) -> Mapping[str, Policy] | str:
        """Return the policies of the mains that an admission names beside the base; why not, where they are none."""
        found: dict[str, Policy] = {}
        said = [(Oid(one.main), f"{one.by} approved") for one in body.approvals if one.main]
        said += [(Oid(act.main), f"{act.by} {act.did} the request") for act in body.acts if act.main]
        for main, what in said:
            if self._past.positions.get(main, len(self._past.commits)) > self._past.positions.get(body.base, -1):
                return f"{what} under {main[:12]}, which main did not have before the merge"
            try:
                found[main] = self._context.policy_at(self._past.policies_of(main))
            except EdgeError as error:
                return f"the policies that {what} under cannot be read: {error.message}"
        return found
