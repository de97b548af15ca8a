"""Proving what landed on main, grant by grant, before any of it gives access (invariant 2).

No merge is trusted for being there: the forge's own record must say which pull request it was, the approvals on its
very head must satisfy the policy of the base it was merged into, and the bytes on main must be the bytes that were
reviewed. What was proved once is kept in a receipt and never asked again. What cannot be read stops only the grants
that hang on it (invariant 8): what may pass is tried again by every later run, what cannot is refused for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from daypass.core.drift import Unproved
from daypass.core.errors import EdgeError, RefusedError
from daypass.core.files.paths import check_path
from daypass.core.files.reading import read_grant
from daypass.core.finding import Place
from daypass.core.forge import Merge, Pull
from daypass.core.grant import ABSENT, FOLDER, Grant, GrantId, Oid, canonical, grant_id, narrows
from daypass.core.ledger.receipt import ActRecord, Admission, ApprovalRecord, Body, Refusal, Retirement
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Entitlement
from daypass.core.policy.policies import Policy
from daypass.core.request import ItemVerdict, Proposal
from daypass.core.window import Window, format_instant
from daypass.pipeline.judge.evidence import Evidence, ended_by, gather, weigh
from daypass.pipeline.judge.policies import FOLDER as POLICIES
from daypass.pipeline.judge.policies import Mains, PolicyAt
from daypass.pipeline.judge.proposal import Asked, read_proposal
from daypass.ports import Change, Entry, ForgeReader, History, Landing

_MANY_FOLDERS = 20
"""When a landing touches more, the whole of grants/ is listed rather than folder by folder."""

_NOT_YET = "it could not be proved yet"
UNPROVED = "unproved"
"""The code of a refusal that later runs try again."""


@dataclass(slots=True)
class Admitted:
    """What became of the grants that landed since the ledger's last word.

    ``bodies`` are receipts to write, in order; ``changed`` holds what this run proved by grant (None: it is gone or was
    refused); ``refusals`` are all that stand on main without proof, old and new; ``unproved`` are to be tried again.
    """

    bodies: list[Body] = field(default_factory=list)
    changed: dict[GrantId, Admission | None] = field(default_factory=dict)
    refusals: dict[GrantId, Refusal] = field(default_factory=dict)
    unproved: list[Unproved] = field(default_factory=list)

    @property
    def revoked(self) -> frozenset[GrantId]:
        """The grants that an emergency stop ended."""
        return frozenset(body.grant for body in self.bodies if isinstance(body, Retirement) and body.revoked)


def admit(
    history: History,
    forge: ForgeReader,
    policy_at: PolicyAt,
    standing: Standing,
    *,
    tip: Oid,
    at: datetime,
    before: Callable[[], None] = lambda: None,
) -> Admitted:
    """Prove every grant of main that the ledger has not settled; ``before`` is called before each landing is looked at.

    Raises RefusedError when main is not a descendant of the main that the ledger last recorded (invariant 13).
    """
    if standing.main and (history.find(standing.main) is None or not history.is_ancestor(Oid(standing.main), tip)):
        raise RefusedError(
            f"main stands at {tip[:12]}, which does not contain {standing.main[:12]}, which the ledger recorded",
            hint="fetch main; if its history was rewritten, restore it: access is never taken back to an older state",
        )
    prover = _Prover(history, forge, policy_at, standing, at, before)
    blobs = {grant_id(entry.path): entry.oid for entry in history.entries(tip, FOLDER.rstrip("/"))}
    landings = history.landings(Oid(standing.main) if standing.main else None, tip) if standing.main != tip else ()
    touched: set[GrantId] = set()
    for landing in list(landings):
        changes = [change for change in landing.changes if change.path.startswith(FOLDER)]
        touched.update(grant_id(change.path) for change in changes)
        prover.settle(landing, changes)
    _settle_rest(history, prover, standing, blobs, touched, tip)
    for name, blob in standing.blobs():
        if name not in blobs and name not in prover.found.changed:
            prover.retire(name, blob, tip)
    return prover.found


def _settle_rest(
    history: History,
    prover: _Prover,
    standing: Standing,
    blobs: Mapping[GrantId, Oid],
    touched: set[GrantId],
    tip: Oid,
) -> None:
    """Settle files that stand on main but that no receipt settles: an earlier run could not prove them."""
    known = dict(standing.blobs())
    open_ones: set[GrantId] = set()
    for name, blob in blobs.items():
        if name in touched or known.get(name) == blob:
            continue
        refusal = standing.refusal(name, blob)
        if refusal is None or refusal.code == UNPROVED:
            open_ones.add(name)
        else:
            prover.found.refusals[name] = refusal
    if not open_ones:
        return
    last: dict[GrantId, tuple[Landing, Change]] = {}
    for landing in history.landings(None, tip):
        for change in landing.changes:
            if change.path.startswith(FOLDER) and grant_id(change.path) in open_ones:
                last[grant_id(change.path)] = (landing, change)
    again: dict[Oid, tuple[Landing, list[Change]]] = {}
    for landing, change in last.values():
        again.setdefault(landing.oid, (landing, []))[1].append(change)
    for landing, changes in again.values():
        prover.settle(landing, changes)


@dataclass(frozen=True, slots=True)
class _Case:
    """What the record of one merge leads to, read once however many files the merge brought.

    ``reviewed`` maps the paths below grants/ in the head that was reviewed to their blobs.
    """

    pull: Pull
    merge: Merge
    reviewed: Mapping[str, Oid]
    proposal: Proposal
    verdicts: Mapping[GrantId, ItemVerdict]
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Why nothing that a merge brought can be proved, ever."""

    code: str
    message: str
    kept: str = ""


class _Prover:
    """Settles one landing after the other, remembering what the ones before gave."""

    def __init__(
        self,
        history: History,
        forge: ForgeReader,
        policy_at: PolicyAt,
        standing: Standing,
        at: datetime,
        before: Callable[[], None],
    ) -> None:
        self.found = Admitted()
        self._before = before
        self._kept = ""
        self._history = history
        self._forge = forge
        self._policy_at = _by_files(history, policy_at)
        self._standing = standing
        self._at = at
        self._unheard = False
        self._landing: Oid | None = None
        self._case: _Case | _Flaw | EdgeError = _Flaw("", "")

    def settle(self, landing: Landing, changes: Iterable[Change]) -> None:
        """Admit, refuse or retire what one landing did to grant files."""
        wanted = list(changes)
        if wanted:
            self._before()
        texts = self._texts(wanted)
        for change in wanted:
            name = grant_id(change.path)
            if change.deleted:
                self.retire(name, change.old, landing.oid, landing)
                continue
            try:
                current = self._current(name)
                proved = self._prove(landing, change, texts)
            except EdgeError as error:
                self._leave_open(name, landing, change, error)
                continue
            if isinstance(proved, Admission):
                less = current is not None and proved.narrowed_from and proved.window != current.window
                if less and current is not None and self._takes(current):
                    told = self._told(Retirement(name, change.old, landing.oid), landing)
                    proved = replace(proved, lack=told.lack)
                self.found.bodies.append(proved)
                self.found.changed[name] = proved
                self.found.refusals.pop(name, None)
            else:
                self.found.bodies.append(replace(proved, message=self._kept))
                self.found.changed[name] = None
                self.found.refusals[name] = proved

    def retire(self, name: GrantId, blob: Oid, commit: Oid, landing: Landing | None = None) -> None:
        """Record that an admitted grant is gone; what was never admitted needs no word.

        It ends whoever removed it. Who that was is only told, for the audit: a forge that does not answer is asked once.
        """
        current = self._current(name)
        if current is not None:
            body = Retirement(name, blob, commit)
            if landing is not None and self._takes(current):
                body = self._told(body, landing)
            self.found.bodies.append(body)
        self.found.changed[name] = None
        self.found.refusals.pop(name, None)

    def _takes(self, current: Admission) -> bool:
        """Say whether it is told who takes away what a grant still had to give."""
        return not self._unheard and not current.window.ended(self._at)

    def _told(self, body: Retirement, landing: Landing) -> Retirement:
        try:
            case = self._case_of(landing)
        except EdgeError:
            self._unheard = True
            return body
        if isinstance(case, _Flaw):
            return replace(body, lack=case.code)
        return ended_by(body, case.proposal, case.pull, case.verdicts.get(body.grant), at=case.merge.at)

    def _leave_open(self, name: GrantId, landing: Landing, change: Change, error: EdgeError) -> None:
        """Say in the ledger, once, that a landing waits for its proof.

        It also takes back what was proved of the file before: those bytes are no longer on main, and would come to life
        again if a later landing brought them back while nobody could look.
        """
        self.found.unproved.append(Unproved(name, error.message))
        self.found.changed[name] = None
        self.found.refusals.pop(name, None)
        if not self._standing.refused(name, change.new, landing.oid):
            self.found.bodies.append(Refusal(name, change.new, landing.oid, UNPROVED, _NOT_YET))

    def _current(self, name: GrantId) -> Admission | None:
        return self.found.changed[name] if name in self.found.changed else self._standing.admission(name)

    def _is_current(self, name: GrantId, blob: Oid) -> bool:
        current = self._current(name)
        return current is not None and current.blob == blob

    def _texts(self, changes: Iterable[Change]) -> Mapping[Oid, bytes] | EdgeError:
        """Read both sides of the files that may have been narrowed, at once: a landing may touch thousands."""
        wanted: list[Oid] = []
        for change in changes:
            old_side = not change.deleted and not check_path(change.path, change.new_mode)
            if old_side and self._is_current(grant_id(change.path), change.old):
                wanted += [change.old, change.new]
        try:
            return dict(self._history.blobs(dict.fromkeys(wanted)))
        except EdgeError as error:
            return error

    def _prove(self, landing: Landing, change: Change, texts: Mapping[Oid, bytes] | EdgeError) -> Admission | Refusal:
        name = grant_id(change.path)

        def refuse(code: str, message: str, kept: str = "") -> Refusal:
            self._kept = kept or message
            return Refusal(name, change.new, landing.oid, code, message)

        wrong = check_path(change.path, change.new_mode)
        if wrong:
            return refuse(wrong[0].code, wrong[0].message, _kept(wrong[0].code))
        narrowed = self._narrowed(landing, change, texts)
        if narrowed is not None:
            return narrowed
        case = self._case_of(landing)
        if isinstance(case, _Flaw):
            return refuse(case.code, case.message, case.kept)
        number = case.pull.number
        if case.reviewed.get(change.path) != change.new:
            return refuse("bytes-differ", f"the file on main is not the one that was reviewed in pull request {number}")
        errors = [finding for finding in case.proposal.findings if finding.is_error]
        if errors:
            return refuse(errors[0].code, errors[0].message, _kept(errors[0].code, errors[0].place))
        verdict = case.verdicts.get(name)
        if verdict is None or verdict.item.grant is None or verdict.item.blob != change.new:
            return refuse("not-in-request", f"pull request {number} did not propose these bytes")
        if not verdict.met or verdict.item.decision is None:
            # What only takes away needs no approval, but was settled above, or takes away from nothing proved.
            return refuse(*_why_not(verdict))
        return self._admission(landing, case, verdict)

    def _case_of(self, landing: Landing) -> _Case | _Flaw:
        """Return what a landing's record leads to. Raises EdgeError for what may pass, the same for each of its files."""
        if self._landing != landing.oid:
            self._landing = landing.oid
            try:
                self._case = self._open_case(landing)
            except EdgeError as error:
                self._case = error
            except RefusedError as error:
                # A commit that can be read in two ways will never be read in one.
                code = "evidence-unreadable"
                self._case = _Flaw(code, error.message, _kept(code))
        if isinstance(self._case, EdgeError):
            raise self._case
        return self._case

    def _open_case(self, landing: Landing) -> _Case | _Flaw:
        pull = self._forge.merged_as(landing.oid)
        if pull is None or pull.merge is None:
            return _Flaw(
                "around-the-gate",
                f"commit {landing.oid[:12]} brought it to main, and the forge has no record of such a merge",
            )
        merge = pull.merge
        if merge.commit != landing.oid or not landing.parents or merge.base != landing.parents[0]:
            return _Flaw("merge-record", f"the forge's record of pull request {pull.number} names another merge")
        if pull.opened_at > merge.at:
            return _Flaw(
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
        reviewed = {entry.path: entry.oid for under in listed for entry in self._history.entries(merge.head, under)}
        asked = Asked(pull.opened_by.handle, pull.asked_at, self._current, self._is_current)
        proposal = read_proposal(
            self._history, self._policy_at, base=merge.base, head=merge.head, asked=asked, at=merge.at
        )
        verdicts: tuple[ItemVerdict, ...] = ()
        evidence = None
        if proposal.items:  # what is too much to be judged has none, and its findings refuse it
            evidence = gather(
                self._history,
                self._forge,
                self._policy_at,
                pull,
                base=merge.base,
                head=merge.head,
                known=self._standing,
            )
            verdicts = weigh(proposal, evidence, at=merge.at)
        return _Case(pull, merge, reviewed, proposal, {verdict.item.id: verdict for verdict in verdicts}, evidence)

    def _narrowed(self, landing: Landing, change: Change, texts: Mapping[Oid, bytes] | EdgeError) -> Admission | None:
        """Admit a change that only takes away, by the proof that the old bytes had; whoever brought it."""
        old = self._current(grant_id(change.path))
        if old is None or old.blob != change.old or change.old == ABSENT:
            return None
        if isinstance(texts, EdgeError):
            raise texts
        before, after = read_grant(change.path, texts[change.old]), read_grant(change.path, texts[change.new])
        if not isinstance(before, Grant) or not isinstance(after, Grant) or not narrows(before, old.window, after):
            return None
        window = after.span.window or Window(old.window.start, old.window.start + after.span.length)
        cut = window.until(old.window.end)
        if cut is None:
            return None
        return replace(
            old,
            blob=change.new,
            landing=landing.oid,
            window=cut,
            grant_digest=after.digest,
            narrowed_from=change.old,
            lack="",
        )

    def _admission(self, landing: Landing, case: _Case, verdict: ItemVerdict) -> Admission:
        grant, decision, pull, merge = verdict.item.grant, verdict.item.decision, case.pull, case.merge
        evidence = case.evidence
        assert evidence is not None  # noqa: S101  (there is a verdict)
        assert grant is not None  # noqa: S101  (asked by the caller)
        assert decision is not None  # noqa: S101  (asked by the caller)
        catalogue = case.proposal.policy.catalogue
        resource = catalogue.resources[grant.resource]
        role = resource.roles[grant.role]
        counted = verdict.judgement.counted if verdict.judgement is not None else ()
        return Admission(
            grant=grant.id,
            blob=verdict.item.blob,
            landing=landing.oid,
            pull=pull.number,
            head=merge.head,
            base=merge.base,
            merged_at=merge.at,
            requested_at=pull.asked_at,
            requester=pull.opened_by.handle,
            subject=grant.subject,
            resource=grant.resource,
            role=grant.role,
            window=grant.span.starting(merge.at),
            entitlement=Entitlement(
                resource.target,
                resource.name,
                catalogue.principal(grant.subject, resource),
                canonical(dict(role.privilege)),
            ),
            grant_digest=grant.digest,
            policy=case.proposal.policy.digest,
            meaning=catalogue.meaning(resource, role),
            rules=decision.rules,
            approvals=tuple(
                ApprovalRecord(
                    c.handle,
                    c.source,
                    c.review.commit,
                    c.review.at,
                    c.review.id,
                    _main(evidence.then.get(c.review.id, ())),
                )
                for c in counted
            ),
            acts=_acts(evidence),
        )


def _main(mains: Mains) -> Oid | str:
    return mains[0][0] if mains else ""


def _acts(evidence: Evidence) -> tuple[ActRecord, ...]:
    """Return who opened and pushed; of what somebody did several times under the same policies the last, oldest first."""
    acts = sorted(((act, _main(mains)) for act, mains in evidence.acts), key=lambda one: one[0].at)
    last = {(act.by.handle, act.did, main): act.at for act, main in acts}
    found = (ActRecord(by, did, at, main) for (by, did, main), at in last.items())
    return tuple(sorted(found, key=lambda record: record.at))


def _by_files(history: History, policy_at: PolicyAt) -> PolicyAt:
    """Read policies once for all commits that have the same files: each landing has a base of its own."""
    known: dict[tuple[Entry, ...], Policy] = {}

    def read(commit: Oid) -> Policy:
        files = tuple(history.entries(commit, POLICIES))
        if files not in known:
            known[files] = policy_at(commit)
        return known[files]

    return read


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


__all__ = ["UNPROVED", "Admitted", "PolicyAt", "admit", "missing_text"]
