"""Access of which only receipts tell that count for nothing: ours by other proof, or in doubt, and never forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.audit.access import VOID, Sources
from daypass.core.audit.events import EventKind, Material, history
from daypass.core.audit.stats import Counter
from daypass.core.errors import RefusedError
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Admission, Genesis, Intent, Outcome, Receipt
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Action, Doubt, Entitlement, Holding, Intended, Observed, Plan, Reason
from daypass.core.planning.drift import settle
from daypass.core.planning.voided import Judged, judge_voided
from daypass.core.window import Window

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
END = BEGIN + timedelta(hours=2)
G, H = GrantId("db/one"), GrantId("db/two")
E = Entitlement("pg", "db", "alice", "p")
NAMED = {("pg", "db", "p")}
ADD = Intended(Action.ADD, E, (G, H), Reason.WINDOW_OPENED, BEGIN, BEGIN + timedelta(days=999))


@dataclass
class Case:
    """One void addition, and what is known beside it."""

    there: bool = True
    offered: bool = False
    proved: dict[tuple[GrantId, Entitlement], datetime] = field(default_factory=dict)
    held: bool = False
    named: bool = True
    unread: bool = False
    by_ledger: bool = False

    def judge(self) -> Judged:
        observed = Observed(
            frozenset({E} if self.there else ()),
            {"pg": "down"} if self.unread else {},
            frozenset({E} if self.offered else ()),
            by_ledger=frozenset({"pg"} if self.by_ledger else ()),
        )
        holdings = {E: Holding(E, (G,))} if self.held else {}
        return judge_voided({E: ADD}, holdings, observed, self.proved, NAMED if self.named else set())


def test_what_a_proved_grant_gives_is_ours_by_that_grant_alone_and_until_its_end() -> None:
    for case in (
        Case(proved={(H, E): END}),
        Case(proved={(H, E): END}, there=False, offered=True),
        Case(proved={(H, E): END}, there=False, by_ledger=True),
    ):
        found = case.judge()
        (outcome,) = found.outcomes
        assert (outcome.ok, outcome.recovered) == (True, True)
        assert (outcome.change.grants, outcome.change.until) == ((H,), END)
        assert not found.seen.found


def test_what_no_proved_grant_gives_is_in_doubt() -> None:
    cases = (
        Case(),
        Case(there=False, offered=True),
        Case(there=False, named=False),
        Case(there=False, unread=True),
        Case(there=False, by_ledger=True),
        Case(there=False, named=False, proved={(G, E): END}),
        Case(proved={(G, E._replace(privilege="other")): END}),
    )
    for case in cases:
        found = case.judge()
        assert found.outcomes == ()
        assert found.seen.found[E].there is None, case
        assert E not in found.seen.entitlements | found.seen.offered


def test_what_is_seen_not_to_be_there_is_written_down() -> None:
    for case in (Case(there=False), Case(there=False, proved={(G, E): END})):
        found = case.judge()
        assert [(o.ok, o.error) for o in found.outcomes] == [(False, "it is not there")]


def test_what_is_ours_by_other_receipts_stays_as_these_say() -> None:
    found = Case(held=True).judge()
    assert [(o.ok, o.error) for o in found.outcomes] == [(False, "it is ours by other receipts")]


def test_a_proved_grant_at_a_target_that_cannot_be_read_waits_for_it() -> None:
    found = Case(there=False, unread=True, proved={(G, E): END}).judge()
    assert found == Judged(found.seen, ())
    assert not found.seen.found


def _chain(*bodies: object, void: bool) -> list[Receipt]:
    first = Receipt(0, "", BEGIN, Oid("1" * 40), "run", Genesis(("k",)))
    return [first, *(Receipt(n, "", BEGIN, "", "run", body, void=void) for n, body in enumerate(bodies, 1))]  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [Intent((ADD,), "plan"), Outcome(ADD, ok=True), Outcome(ADD, ok=False, error="no")])
def test_a_void_addition_holds_nothing_and_is_remembered(body: Intent | Outcome) -> None:
    standing = fold(_chain(body, void=True))
    assert standing.voided == {E: ADD}
    assert not standing.holdings
    assert not standing.pending
    assert not standing.unfinished


def test_a_void_removal_takes_nothing_away_and_no_void_admission_gives() -> None:
    remove = Intended(Action.REMOVE, E, (G,), Reason.EXPIRED, BEGIN)
    given = fold(_chain(Outcome(ADD, ok=True), void=False))
    after = fold([Receipt(2, "", BEGIN, "", "run", Outcome(remove, ok=True), void=True)], given)
    assert after.holdings == given.holdings
    assert Receipt(2, "", BEGIN, "", "run", Outcome(remove, ok=True)).additions == ()


def test_what_a_later_run_says_of_it_ends_that_it_is_remembered() -> None:
    void = fold(_chain(Outcome(ADD, ok=True), void=True))
    after = fold([Receipt(2, "", BEGIN, "", "run", Outcome(ADD, ok=False, error="x", recovered=True))], void)
    assert not after.voided


def test_a_person_may_adopt_what_only_void_receipts_tell_of() -> None:
    plan = Plan(BEGIN, "1" * 40, (), unknown=(Doubt(E, (G, H), "why"),))
    standing = Standing(voided={E: ADD})
    (settled,) = settle(plan, standing, [G], adopt=True, by="olga", reason="looked")
    assert settled.holding == Holding(E, (G, H), ADD.until)
    (settled,) = settle(plan, standing, [G], adopt=False, by="olga", reason="looked")
    assert not settled.adopted
    with pytest.raises(RefusedError, match="nothing to adopt"):
        settle(plan, Standing(begun={(Action.ADD, E): ADD}), [G], adopt=True, by="olga", reason="looked")


def _admitted(void: bool) -> Receipt:
    proof = Admission(
        G, Oid("b" * 40), Oid("c" * 40), 1, Oid("d" * 40), Oid("e" * 40), BEGIN, BEGIN, "alice", "alice", "db", "p",
        Window(BEGIN, END), E, "sha256:" + "0" * 64, "policy", "meaning",
        approvals=(ApprovalRecord("mallory", "owners", Oid("d" * 40), BEGIN, "1"),),
    )  # fmt: skip
    return Receipt(1, "", BEGIN, Oid("1" * 40), "run", proof, void=void)


def test_a_history_says_that_it_counts_for_nothing_and_not_who_is_said_to_have_approved() -> None:
    added = Receipt(2, "", BEGIN, Oid("1" * 40), "run", Outcome(ADD, ok=True), void=True)
    found = history(Material(receipts=(_admitted(void=True), added)))
    assert [event.kind for event in found] == [EventKind.ADMITTED, EventKind.ADDED]
    assert [event.detail.startswith(VOID) for event in found] == [True, True]
    assert not any("mallory" in event.by for event in found)
    assert found[1].approvers == ()
    assert EventKind.APPROVED in [event.kind for event in history(Material(receipts=(_admitted(void=False),)))]


def test_it_measures_nothing_and_what_it_gave_is_in_doubt() -> None:
    counter = Counter()
    for receipt in (_admitted(void=True), Receipt(2, "", BEGIN, "", "run", Outcome(ADD, ok=True), void=True)):
        counter.add(receipt)
    found = counter.result(Sources(Oid("1" * 40), Oid("2" * 40), 3, None, BEGIN))
    assert (found.live, found.doubtful, found.request_to_usable.count) == (0, 1, 0)
