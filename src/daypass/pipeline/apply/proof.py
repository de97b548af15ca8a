"""Proving one merge: whether the forge's record, the reviews and the bytes on main bear out what it brought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from daypass.core.approval.exclusion import excluded_people
from daypass.core.approval.held import HeldView
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.files.grants import check_path, read_grant
from daypass.core.finding import Place
from daypass.core.forge import Change, Landing, Pull
from daypass.core.grant import Grant, narrowed, narrows
from daypass.core.ids import ABSENT, FOLDER, GrantId, Oid, grant_id
from daypass.core.ledger.receipt import Admission, Retirement
from daypass.core.ledger.records import ActRecord, ApprovalRecord
from daypass.core.planning.claims import given
from daypass.core.policy.decision import JUDGING
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.request import Evidence, Gated, ItemVerdict, Mains
from daypass.core.window import format_instant
from daypass.pipeline.context import Context
from daypass.pipeline.judge.evidence import ended_by, judge_request
from daypass.pipeline.judge.proposal import Asked, read_proposal

_MANY_FOLDERS = 20
"""When a landing touches more, the whole of grants/ is listed rather than folder by folder."""


class Flaw(Struct, frozen=True):
    """Why something that a merge brought cannot be proved, ever.

    ``message`` is shown, and ``kept`` is what a receipt says in its place, "" for the same: none of people's words stand
    there.
    """

    code: str
    message: str
    kept: str = ""


class Prover:
    """Proves what one landing did to grant files. ``current`` and ``held`` are what the landings before left."""

    def __init__(
        self,
        context: Context,
        at: datetime,
        current: Callable[[GrantId], Admission | None],
        held: Callable[[Oid], HeldView],
        landing: Landing,
        changes: Iterable[Change],
    ) -> None:
        self._context = context
        self._history = context.history
        self._at = at
        self._current = current
        self._held = held
        self._landing = landing
        self._texts = self._both_sides(changes)
        # What the record of the merge leads to, read once however many files it brought: what is judged of its request,
        # by grant too, and the blobs by path below grants/ in the head that was reviewed.
        self._case: Gated | Flaw | EdgeError | None = None
        self._verdicts: Mapping[GrantId, ItemVerdict] = {}
        self._reviewed: Mapping[str, Oid] = {}

    def _both_sides(self, changes: Iterable[Change]) -> Mapping[Oid, bytes] | EdgeError:
        """Read both sides of the files that may have been narrowed, at once: a landing may touch thousands."""
        wanted: list[Oid] = []
        for change in changes:
            current = self._current(grant_id(change.path))
            same = current is not None and current.blob == change.old
            if same and not change.deleted and not check_path(change.path, change.new_mode):
                wanted += [change.old, change.new]
        try:
            return dict(self._history.blobs(dict.fromkeys(wanted)))
        except EdgeError as error:
            return error

    def prove(self, change: Change) -> Admission | Flaw:
        """Say what the landing's change of a grant file comes to. Raises EdgeError for what may pass."""
        wrong = check_path(change.path, change.new_mode)
        if wrong:
            return Flaw(wrong[0].code, wrong[0].message, _kept(wrong[0].code))
        narrowed = self._narrowed(change)
        if narrowed is not None:
            return narrowed
        case = self._read_case()
        if isinstance(case, Flaw):
            return case
        number = case.pull.number
        if self._reviewed.get(change.path) != change.new:
            return Flaw("bytes-differ", f"the file on main is not the one that was reviewed in pull request {number}")
        errors = [finding for finding in case.proposal.findings if finding.is_error]
        if errors:
            return Flaw(errors[0].code, errors[0].message, _kept(errors[0].code, errors[0].place))
        verdict = self._verdicts.get(grant_id(change.path))
        if verdict is None or verdict.item.grant is None or verdict.item.blob != change.new:
            return Flaw("not-in-request", f"pull request {number} did not propose these bytes")
        if not verdict.met or verdict.item.decision is None:
            # What only takes away needs no approval, but was settled above, or takes away from nothing proved.
            return Flaw(*_why_not(verdict))
        return self._admission(case, verdict, change.old)

    def with_who_ended(self, body: Retirement) -> Retirement:
        """Return a retirement with who took the grant from main. Raises EdgeError where the forge does not tell."""
        case = self._read_case()
        if isinstance(case, Flaw):
            return replace(body, lack=case.code)
        return ended_by(body, case, self._verdicts.get(body.grant))

    def _read_case(self) -> Gated | Flaw:
        """Return what the landing's record leads to. Raises EdgeError for what may pass, the same for each of its files."""
        if self._case is None:
            try:
                self._case = self._open_case()
            except EdgeError as error:
                self._case = error
            except RefusedError as error:
                # A commit that can be read in two ways will never be read in one.
                code = "evidence-unreadable"
                self._case = Flaw(code, error.message, _kept(code))
        if isinstance(self._case, EdgeError):
            raise self._case
        return self._case

    def _open_case(self) -> Gated | Flaw:
        landing = self._landing
        pull = self._context.forge.merged_as(landing.oid)
        if pull is None or pull.merge is None:
            return Flaw(
                "around-the-gate",
                f"commit {landing.oid[:12]} brought it to main, and the forge has no record of such a merge",
            )
        merge = pull.merge
        if merge.commit != landing.oid or not landing.parents or merge.base != landing.parents[0]:
            return Flaw("merge-record", f"the forge's record of pull request {pull.number} names another merge")
        if pull.opened_at > merge.at:
            return Flaw(
                "merge-time",
                f"pull request {pull.number} was merged at {format_instant(merge.at)}, before it was opened",
            )
        if merge.at > self._at:
            # The clock of the machine that merged may be a little ahead: not refused for good, but not believed yet.
            raise EdgeError(
                f"pull request {pull.number} was merged at {format_instant(merge.at)}, which is still to come"
            )
        folders = {change.path.rpartition("/")[0] for change in landing.changes if change.path.startswith(FOLDER)}
        listed = sorted(folders) if len(folders) <= _MANY_FOLDERS else [FOLDER.rstrip("/")]
        self._reviewed = {e.path: e.oid for under in listed for e in self._history.entries(merge.head, under)}
        asked = Asked(pull.opened_by.handle, pull.asked_at, self._current, held=self._held(self._landing.oid))
        proposal = read_proposal(self._context, base=merge.base, head=merge.head, asked=asked, at=merge.at)
        case = judge_request(self._context, pull, proposal, at=merge.at)
        self._verdicts = {verdict.item.id: verdict for verdict in case.verdicts}
        return case

    def _narrowed(self, change: Change) -> Admission | None:
        """Admit a change that only takes away, by the proof that the old bytes had; whoever brought it."""
        old = self._current(grant_id(change.path))
        if old is None or old.blob != change.old or change.old == ABSENT:
            return None
        texts = self._texts
        if isinstance(texts, EdgeError):
            raise texts
        before, after = read_grant(change.path, texts[change.old]), read_grant(change.path, texts[change.new])
        if not isinstance(before, Grant) or not isinstance(after, Grant) or not narrows(before, old.window, after):
            return None
        cut = narrowed(old.window, after)
        if cut is None:
            return None
        return replace(
            old,
            blob=change.new,
            landing=self._landing.oid,
            window=cut,
            grant_digest=after.digest,
            narrowed_from=change.old,
            lack="",
            ends_when=after.ends_when,
        )

    def _admission(self, case: Gated, verdict: ItemVerdict, former: Oid) -> Admission:
        grant, decision, pull, merge = verdict.item.grant, verdict.item.decision, case.pull, case.merge
        evidence = case.evidence
        assert merge is not None  # noqa: S101  (it has landed)
        assert evidence is not None  # noqa: S101  (there is a verdict)
        assert grant is not None  # noqa: S101  (asked by the caller)
        assert decision is not None  # noqa: S101  (asked by the caller)
        policy = case.proposal.policy
        gives = given(policy, grant.subject, grant.resource, grant.role)
        assert gives is not None  # noqa: S101  (what policy does not know it denies)
        counted = verdict.judgement.counted if verdict.judgement is not None else ()
        old = self._current(grant.id)
        goes_on = old is not None and old.blob == former and old.subject == grant.subject
        return Admission(
            grant=grant.id,
            blob=verdict.item.blob,
            landing=self._landing.oid,
            pull=pull.number,
            head=merge.head,
            base=merge.base,
            merged_at=merge.at,
            requested_at=pull.asked_at,
            requester=pull.opened_by.handle,
            subject=grant.subject,
            resource=grant.resource,
            role=grant.role,
            window=policy.catalogue.window(grant.span, merge.at),
            entitlement=gives[1],
            grant_digest=grant.digest,
            policy=policy.digest,
            meaning=gives[0],
            rules=decision.rules,
            approvals=tuple(
                ApprovalRecord(
                    c.handle,
                    c.source,
                    c.review.commit,
                    c.review.at,
                    c.review.id,
                    _main(evidence.then.get(c.review.id, ())),
                    c.review.by.number,
                    c.acts_for,
                )
                for c in counted
            ),
            acts=_acts(evidence),
            judged=JUDGING,
            purpose=grant.purpose,
            due=policy.catalogue.due(grant, merge.at),
            hands=_hands(policy, grant, pull, evidence),
            ends_when=grant.ends_when,
            # Whose issue asked first is told nothing of what somebody else makes of it.
            issue=pull.issue or (old.issue if old is not None and goes_on else 0),
        )


def _hands(policy: Policy, grant: Grant, pull: Pull, evidence: Evidence) -> tuple[str, ...]:
    """Return who had a hand in the commits of an emergency, as far as they are known: none of them may review it."""
    purpose = policy.catalogue.purposes.get(grant.purpose)
    if purpose is None or purpose.review_within is None:
        return ()
    return tuple(sorted(excluded_people(pull, evidence.commits, grant.subject, policy.catalogue.directory).people))


def _main(mains: Mains) -> Oid | str:
    return mains[0][0] if mains else ""


def _acts(evidence: Evidence) -> tuple[ActRecord, ...]:
    """Return who opened and pushed; of what somebody did several times under the same policies the last, oldest first."""
    acts = sorted(((act, _main(mains)) for act, mains in evidence.acts), key=lambda one: one[0].at)
    last = {(act.by.handle, act.did, main, act.by.number): act.at for act, main in acts}
    found = (ActRecord(by, did, at, main, number) for (by, did, main, number), at in last.items())
    return tuple(sorted(found, key=lambda record: record.at))


def _kept(code: str, place: Place | None = None) -> str:
    """Return what a receipt says of a fault: which, and where. Words that people wrote would stay in it for ever."""
    return f"refused as {code}" + (f" at line {place.line}, column {place.column}" if place and place.line else "")


def _why_not(verdict: ItemVerdict) -> tuple[str, str, str]:
    """Return code, message, and what a receipt keeps of it."""
    if verdict.problems:
        first = verdict.problems[0]
        return first.code, first.message, _kept(first.code)
    decision = verdict.item.decision
    if decision is not None and decision.denials:
        denial = decision.denials[0]
        return denial.code, denial.message, f"denied by rule {denial.rule}" if denial.rule else _kept(denial.code)
    return "evidence-missing", missing_text(verdict), "approvals are missing"


def missing_text(verdict: ItemVerdict) -> str:
    """Say in one line what a verdict still waits for."""
    if verdict.judgement is None:
        return "nobody approved it and no rule lets it pass without a person"
    return "; ".join(verdict.judgement.missing()) or "approvals are missing"
