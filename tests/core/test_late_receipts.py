"""Receipts that waited in an outbox: what they may say, how they come behind others', and what they change then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from receipt_strategies import BEGIN, open_, sign

from daypass.core.audit.access import Holdings
from daypass.core.audit.differences import Comparison
from daypass.core.audit.events import Material, history
from daypass.core.audit.stats import Counter
from daypass.core.errors import LedgerError
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.chain import Envelope, Head, seal, verify_chain
from daypass.core.ledger.late import LastTold, rebase
from daypass.core.ledger.receipt import Away, Body, Genesis, Intent, Outcome, Pulse, Receipt, Settled
from daypass.core.ledger.records import Departed
from daypass.core.ledger.standing import Departure, fold
from daypass.core.ledger.statement import from_statement, to_statement
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason

MAIN = Oid("a" * 40)
MINE, THEIRS = "sha256:" + "1" * 64, "sha256:" + "2" * 64
GRANTS = (GrantId("orders-db/a"),)
ALICE, BOB = (Entitlement("embedded", "orders-db", who, "{}") for who in ("alice", "bob"))
HOUR = timedelta(hours=1)


def give(who: Entitlement, grant: str = "orders-db/a") -> Intended:
    return Intended(Action.ADD, who, (GrantId(grant),), Reason.WINDOW_OPENED, BEGIN, BEGIN + HOUR)


def take(who: Entitlement) -> Intended:
    return Intended(Action.REMOVE, who, GRANTS, Reason.EXPIRED, BEGIN + HOUR)


def removal(who: Entitlement, *, ok: bool = True) -> list[Body]:
    return [Intent((take(who),), "plan"), Outcome(take(who), ok=ok, error="" if ok else "it is down")]


class Chain:
    """A ledger in memory, signed by nobody."""

    def __init__(self, *bodies: Body, at: int = 0) -> None:
        self.envelopes: list[Envelope] = []
        self.add(Genesis(("key",)), *bodies, at=at)

    def add(self, *bodies: Body, at: int = 0, away: Away | None = None, run: str = "run") -> None:
        when = BEGIN + timedelta(minutes=at)
        self.put(seal(bodies, self.head, sign, at=when, main=MAIN, run=run, away=away))

    def put(self, envelopes: list[Envelope]) -> None:
        self.envelopes += envelopes
        _ = self.receipts  # all of it verifies

    @property
    def receipts(self) -> list[Receipt]:
        return list(verify_chain(self.envelopes, open_))

    @property
    def head(self) -> Head | None:
        head = None
        for receipt in self.receipts if self.envelopes else ():
            head = Head.of(receipt, head)
        return head

    def fork(self) -> Chain:
        other = Chain()
        other.envelopes = list(self.envelopes)
        return other

    def outbox(self, *bodies: Body, name: str = MINE, at: int = 70) -> list[Receipt]:
        """What a run writes that stands on this ledger and reaches no remote."""
        assert self.head is not None
        away = self.fork()
        away.add(*bodies, at=at, away=Away(name, self.head.sequence), run="away")
        return away.receipts[len(self.receipts) :]

    def deliver(self, waiting: list[Receipt]) -> list[Envelope]:
        """Take in what waited; return what that came to."""
        assert self.head is not None
        marked = [(receipt, receipt.away) for receipt in waiting if receipt.away is not None]
        found = rebase(marked, self.receipts[waiting[0].sequence :], self.head, sign)
        self.put(found)
        return found


def given(*who: Entitlement) -> Chain:
    changes = [give(one) for one in who]
    return Chain(Intent(tuple(changes), "plan"), *(Outcome(change, ok=True) for change in changes))


def codes(chain: Chain) -> list[str]:
    comparison = Comparison((), {MAIN: 0}, {})
    for receipt in chain.receipts:
        comparison.add(receipt)
    return [one.code for one in comparison.finish(BEGIN) if one.code != "access-without-admission"]


def marks(chain: Chain) -> list[tuple[str, bool]]:
    return [
        (type(receipt.body).__name__, receipt.seconds) for receipt in chain.receipts if receipt.away is not None
    ]  # fmt: skip


# What may stand in an outbox


@pytest.mark.parametrize(
    ("body", "away", "said"),
    [
        (Intent((give(ALICE),), "plan"), Away(MINE, 0), "takes access away or says who left, got intent"),
        (Intent((take(ALICE), give(BOB)), "plan"), Away(MINE, 0), "takes access away or says who left"),
        (Outcome(give(ALICE), ok=True), Away(MINE, 0), "takes access away or says who left, got outcome"),
        (Outcome(give(ALICE), ok=True, recovered=True), Away(MINE, 0), "takes access away or says who left"),
        (Pulse(3), Away(MINE, 0), "takes access away or says who left, got pulse"),
        (Intent((take(ALICE),), "plan"), Away(MINE, 9), "after of the mark of an outbox to be below 9, got 9"),
        (Outcome(take(ALICE), ok=True), Away(MINE, 0, witness=True), "an outcome or a departure that was sealed anew"),
        (
            Intent((take(ALICE),), "plan"),
            Away(MINE, 0, MINE, witness=True),
            "an outcome or a departure that was sealed anew",
        ),
        (Departed("alice", "7", "", "hr"), Away(MINE, 0), "takes access away or says who left, got departed"),
        (Departed("alice", "7", "account-gone", "hr"), Away(MINE, 0, witness=True), "a departure that was sealed anew"),
        (Intent((take(ALICE),), "plan"), Away("mine", 0), "outbox of the mark of an outbox to be a digest, got 'mine'"),
    ],
)
def test_what_is_no_removal_or_marked_wrongly_is_refused(body: Body, away: Away, said: str) -> None:
    statement = to_statement(Receipt(9, MINE, BEGIN, MAIN, "run", body, away=away))
    with pytest.raises(LedgerError) as caught:
        from_statement(statement)
    assert said in caught.value.message


def test_a_receipt_of_version_1_was_in_no_outbox() -> None:
    body = Intent((take(ALICE),), "plan")
    statement = to_statement(Receipt(9, MINE, BEGIN, MAIN, "run", body, version=1, away=Away(MINE, 0)))
    with pytest.raises(LedgerError, match="a receipt of version 1 was in no outbox"):
        from_statement(statement)


# How it comes behind what others wrote


def test_where_nobody_wrote_meanwhile_it_stands_as_it_was_signed() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    chain.add(*removal(ALICE), at=70, away=Away(MINE, 2), run="away")
    assert [r.digest for r in chain.receipts[3:]] == [r.digest for r in waiting]
    assert not fold(chain.receipts).holdings
    assert codes(chain) == []


def test_what_nobody_else_told_counts_and_keeps_its_own_instant() -> None:
    chain = given(ALICE, BOB)
    waiting = chain.outbox(*removal(ALICE))
    chain.add(*removal(BOB), at=90)
    chain.deliver(waiting)
    late = chain.receipts[-2:]
    assert [(r.at, r.run_at, r.told_at, r.run) for r in late] == [
        (BEGIN + timedelta(minutes=90), BEGIN + timedelta(minutes=70), BEGIN + timedelta(minutes=70), "away")
    ] * 2
    assert [r.away for r in late] == [Away(MINE, 3, r.digest) for r in waiting]
    assert [r.body for r in late] == [r.body for r in waiting]
    assert not fold(chain.receipts).holdings
    assert codes(chain) == []
    (left,) = Holdings.at(BEGIN + timedelta(minutes=75), chain.receipts).held
    assert left == BOB  # alice's was gone by then, though that was recorded later


def test_the_same_end_told_by_others_is_a_second_witness_and_changes_nothing() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    chain.add(*removal(ALICE), at=90)
    before = fold(chain.receipts)
    chain.deliver(waiting)
    after = fold(chain.receipts)
    assert marks(chain) == [("Intent", False), ("Outcome", True)]
    assert (after.holdings, after.pending, after.taken) == (before.holdings, before.pending, before.taken)
    assert codes(chain) == []
    (told,) = [event.detail for event in history(Material(chain.receipts)) if "bears out" in event.detail]
    assert (
        told == "expired; by a run that could not reach the remote; others told of it meanwhile, which this bears out"
    )


def test_access_that_was_given_again_meanwhile_stays_on_record() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    again = give(ALICE, "orders-db/b")
    chain.add(*removal(ALICE), Intent((again,), "plan"), Outcome(again, ok=True), at=90)
    chain.deliver(waiting)
    assert fold(chain.receipts).holdings == {ALICE: Holding(ALICE, again.grants, again.until)}
    assert list(Holdings.at(BEGIN + 3 * HOUR, chain.receipts).held) == [ALICE]
    assert codes(chain) == []


def test_what_was_handed_over_since_is_not_ended_by_a_removal_from_before() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    again = replace(give(ALICE, "orders-db/b"), until=BEGIN + 9 * HOUR)
    chain.add(*removal(ALICE), Intent((again,), "plan"), Outcome(again, ok=True, handover="certificate"), at=90)
    chain.deliver(waiting)
    (handed,) = fold(chain.receipts).handed("embedded", BEGIN)
    assert not handed.ended


def test_a_failure_of_others_is_the_later_word() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    chain.add(*removal(ALICE, ok=False), at=90)
    chain.deliver(waiting)
    assert list(fold(chain.receipts).holdings) == [ALICE]  # nobody forgets what others saw to be there
    assert codes(chain) == []


def test_a_doubt_that_a_person_ended_meanwhile_stays_ended() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    held = Holding(ALICE, GRANTS, BEGIN + HOUR)
    chain.add(Settled(held, True, "carol", MINE), at=90)
    chain.deliver(waiting)
    assert list(fold(chain.receipts).holdings) == [ALICE]
    assert codes(chain) == []


def test_what_an_earlier_run_left_open_and_two_looked_up_is_told_by_both() -> None:
    chain = given(ALICE)
    chain.add(Intent((take(ALICE),), "plan"), at=61)
    looked = Outcome(take(ALICE), ok=True, recovered=True)
    waiting = chain.outbox(looked)
    chain.add(looked, at=90)
    chain.deliver(waiting)
    assert marks(chain) == [("Outcome", True)]
    assert codes(chain) == []


def test_an_intent_alone_is_open_until_somebody_looks() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(Intent((take(ALICE),), "plan"))
    chain.add(Pulse(1), at=90)
    chain.deliver(waiting)
    assert list(fold(chain.receipts).pending.values()) == [take(ALICE)]
    assert codes(chain) == ["intent-without-outcome"]


def test_what_was_delivered_is_not_delivered_again_from_the_same_outbox_or_a_copy_of_it() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    chain.add(Pulse(1), at=90)
    sealed = chain.deliver(waiting)
    assert chain.deliver(waiting) == []
    assert chain.deliver(chain.receipts[-len(sealed) :]) == []
    plain = given(ALICE)
    plain.add(*removal(ALICE), at=70, away=Away(MINE, 2), run="away")
    assert plain.deliver(plain.receipts[3:]) == []


def test_what_is_left_of_an_outbox_whose_beginning_was_delivered_still_counts() -> None:
    chain = given(ALICE, BOB)
    waiting = chain.outbox(*removal(ALICE), *removal(BOB), *removal(ALICE))
    chain.put([Envelope(r.sequence, sign(to_statement(r))) for r in waiting[:2]])
    chain.add(Pulse(1), at=90)
    chain.deliver(waiting)
    assert marks(chain) == [("Intent", False), ("Outcome", False)] * 3
    assert not fold(chain.receipts).holdings


def test_of_two_outboxes_with_the_same_ends_the_later_one_is_the_witness() -> None:
    chain = given(ALICE, BOB)
    one = chain.outbox(*removal(ALICE), name=MINE)
    other = chain.outbox(*removal(ALICE), *removal(BOB), name=THEIRS, at=71)
    chain.put([Envelope(r.sequence, sign(to_statement(r))) for r in one])
    chain.deliver(other)
    assert marks(chain) == [
        ("Intent", False), ("Outcome", False), ("Intent", False), ("Outcome", True), ("Intent", False), ("Outcome", False),
    ]  # fmt: skip
    assert not fold(chain.receipts).holdings
    assert codes(chain) == []


def test_what_came_behind_others_twice_keeps_its_first_envelope_and_its_mark() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    chain.add(*removal(ALICE), at=90)
    lost = chain.fork()
    lost.deliver(waiting)
    moved = lost.receipts[-2:]
    chain.add(Pulse(0), at=95)
    chain.deliver(moved)
    assert [r.away for r in chain.receipts[-2:]] == [r.away for r in moved]
    assert {r.away.original for r in chain.receipts[-2:] if r.away} == {r.digest for r in waiting}
    assert codes(chain) == []


def test_a_second_witness_tells_nothing_that_a_third_would_have_to_bear_out() -> None:
    last = LastTold()
    outcome = Outcome(take(ALICE), ok=True)
    last.add(Receipt(7, MINE, BEGIN, MAIN, "run", outcome, away=Away(THEIRS, 3, THEIRS, witness=True)))
    assert last.since(outcome, Away(MINE, 5)) is None
    assert last.since(Intent((take(ALICE),), "plan"), Away(MINE, 5)) is None


# What an audit names


def test_a_witness_of_nothing_is_named() -> None:
    chain = given(ALICE)
    chain.add(Intent((take(ALICE),), "plan"), at=70, away=Away(MINE, 2, MINE))
    chain.add(Outcome(take(ALICE), ok=True), at=70, away=Away(MINE, 2, MINE, witness=True))
    assert "second-witness-wrong" in codes(chain)


@pytest.mark.parametrize("original", ["", MINE])
def test_a_late_removal_that_counts_though_others_had_told_is_named(original: str) -> None:
    chain = given(ALICE)
    stray = replace(take(ALICE), grants=())
    chain.add(*removal(ALICE), at=65)
    chain.add(Intent((stray,), "plan"), Outcome(stray, ok=True), at=70, away=Away(MINE, 2, original))
    assert codes(chain) == ["second-witness-wrong"]


def test_a_witness_counts_in_no_statistics() -> None:
    chain = given(ALICE)
    waiting = chain.outbox(*removal(ALICE))
    chain.add(*removal(ALICE), at=90)
    chain.deliver(waiting)
    counter = Counter()
    for receipt in chain.receipts:
        counter.add(receipt)
    assert counter._late == [30 * 60]


# Who left by the source of people

GONE, BACK = Departed("alice", "7", "account-gone", "hr"), Departed("alice", "7", "", "hr")


def test_who_left_is_on_record_as_of_when_the_source_said_so() -> None:
    chain = Chain()
    waiting = chain.outbox(GONE, at=70)
    assert fold(waiting, fold(chain.receipts)).departed == {"7": Departure("alice", "account-gone", waiting[0].at)}
    chain.add(Departed("bob", "8", "account-gone", "hr"), at=80)
    chain.deliver(waiting)
    assert marks(chain) == [("Departed", False)]
    assert fold(chain.receipts).departed["7"] == Departure("alice", "account-gone", BEGIN + timedelta(minutes=70))
    assert codes(chain) == []


@pytest.mark.parametrize(("meanwhile", "left"), [((GONE,), True), ((GONE, BACK), False)])
def test_what_others_have_told_of_somebody_since_is_borne_out_and_not_undone(
    meanwhile: tuple[Departed, ...], left: bool
) -> None:
    chain = Chain()
    waiting = chain.outbox(GONE, at=70)
    chain.add(*meanwhile, at=90)
    chain.deliver(waiting)
    assert marks(chain) == [("Departed", True)]
    found = fold(chain.receipts).departed
    assert found == ({"7": Departure("alice", "account-gone", BEGIN + timedelta(minutes=90))} if left else {})
    assert codes(chain) == []


def test_a_departure_that_counts_though_others_had_told_of_them_is_named() -> None:
    chain = Chain()
    assert chain.head is not None
    away = Away(MINE, chain.head.sequence, MINE)
    chain.add(GONE, BACK, at=80)
    chain.add(GONE, at=90, away=away)
    assert codes(chain) == ["second-witness-wrong"]
