"""Telling all of a vendor from git and the ledger: whoever was its worker when they received access is told of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from daypass.core.audit.access import Words
from daypass.core.audit.selection import Selection
from daypass.core.audit.vendors import GivenGrant, VendorAnswer, Worker, admissions, endings
from daypass.core.errors import EdgeError, UsageError
from daypass.core.finding import near
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Admission
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Reason
from daypass.core.planning.claims import ClaimMaker
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.state import GrantState, Overview
from daypass.pipeline.apply.current import last_policies
from daypass.pipeline.audit.questions import Index, history
from daypass.pipeline.context import Context


def audit_vendor(context: Context, index: Index, name: str, *, at: datetime) -> VendorAnswer:
    """Tell all of a vendor, as of an instant: by what the ledger had then, and by main's directory of then.

    Raises UsageError for one that neither that directory nor what was given has.
    """
    sources = index.follow(at)
    known = _Known.at(context, index, at)
    directory = known.policy.catalogue.directory
    told = _Workers(context, name)
    mine = [(sequence, one) for sequence, one in admissions(index.all_receipts(), at) if told.works(one)]
    now = {subject.handle: Worker.of(subject) for subject in directory.subjects.values() if subject.vendor == name}
    if name not in directory.vendors and not mine:
        raise UsageError(
            f"there is no vendor {name!r} in main's directory, and nobody of it was ever given access",
            hint=near(name, directory.vendors, "check the spelling"),
        )
    before = {one.subject: Worker(one.subject, now=False) for _, one in mine}
    people = frozenset({*now, *before})
    answer = history(index, selection=Selection(subjects=people), known=frozenset, at=at) if mine else None
    events = answer.events if answer is not None else ()
    why, gone = endings(event for event in events if event.at is None or event.at <= at)
    words: dict[tuple[GrantId, str], Words] = {}
    for event in events:
        words |= {(grant, event.commit): event.words for grant in event.grants if event.words != Words()}
    states = known.states({one.grant for _, one in mine}, at)
    latest = {one.grant: sequence for sequence, one in mine}
    given = [
        GivenGrant(
            one,
            sequence,
            "widened" if latest[one.grant] != sequence else states[one.grant].state if one.grant in states else "ended",
            _why_over(one, states, why) if latest[one.grant] == sequence else "",
            gone.get(one.grant) if latest[one.grant] == sequence else None,
            words.get((one.grant, one.landing), Words()),
        )
        for sequence, one in mine
    ]
    return VendorAnswer(
        sources,
        name,
        directory.vendors.get(name),
        tuple(sorted((before | now).values(), key=lambda worker: worker.handle)),
        tuple(state for _, state in sorted(states.items()) if state.state != "ended"),
        tuple(given),
        told.unread,
    )


def _why_over(one: Admission, states: Mapping[GrantId, GrantState], why: Mapping[GrantId, str]) -> str:
    state = states.get(one.grant)
    if state is not None and state.state != "ended":
        return ""
    return why.get(one.grant) or (state.why if state is not None else "its file is gone from main")


class _Known(Struct, frozen=True):
    """What the ledger adds up to at an instant, main's policies of then, and those that ends are taken from."""

    standing: Standing
    policy: Policy
    read: Policy

    @classmethod
    def at(cls, context: Context, index: Index, at: datetime) -> _Known:
        standing, tip = context.standing, context.tip
        if standing.at is None or standing.at <= at:
            return cls(standing, context.policy_at(tip), last_policies(context, standing, tip))
        past = fold(receipt for receipt in index.all_receipts() if receipt.run_at <= at)
        main = Oid(past.main) if past.main and context.history.find(past.main) is not None else tip
        return cls(past, context.policy_at(main), last_policies(context, past, main))

    def states(self, grants: set[GrantId], at: datetime) -> dict[GrantId, GrantState]:
        """Return how those of some grants stand that the ledger has."""
        standing = self.standing
        maker = ClaimMaker(self.policy, self.read, standing.holdings)
        rows = [row for row in standing.admitted() if row.grant in grants]
        ended = {name: one.bound for name, one in standing.ends.items()}
        claims = {row.grant: maker.claim(row, ended.get(row.grant, "")) for row in rows}
        stopped = {name: replace(claims[name], blocked=Reason.REVOKED) for name in standing.revoked if name in claims}
        held = {
            row.entitlement: standing.holdings[row.entitlement] for row in rows if row.entitlement in standing.holdings
        }
        overview = Overview(at, (), rows, held, claims=claims | stopped)
        return {state.grant: state for state in overview.granted}


class _Workers:
    """Says of admissions whether their subject worked for a vendor then, by the directory that they were judged by."""

    def __init__(self, context: Context, name: str) -> None:
        self._context = context
        self._name = name
        self._known: dict[tuple[str, str], bool] = {}
        self.unread = 0

    def works(self, admission: Admission) -> bool:
        """Say whether the subject did."""
        key = (admission.policy, admission.subject)
        if key not in self._known:
            self._known[key] = self._look(admission)
        return self._known[key]

    def _look(self, admission: Admission) -> bool:
        try:
            policy = self._context.policy_at(Oid(admission.base))
        except EdgeError:
            self.unread += 1
            policy = self._context.policy_at(self._context.tip)
        subject = policy.catalogue.directory.subjects.get(admission.subject)
        return subject is not None and subject.vendor == self._name
