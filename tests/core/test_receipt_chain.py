"""The chain: sealing and proving. Signatures are tested with real keys beside the edges; here a seal is plain JSON."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from receipt_strategies import BEGIN, bodies, open_, sign

from daypass.core.errors import LedgerError
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.chain import Envelope, Head, open_idle, seal, verify_chain
from daypass.core.ledger.keys import Void
from daypass.core.ledger.receipt import Genesis, Receipt, Release, Retirement, Snapshot, Take, envelope_digest
from daypass.core.ledger.records import Idle
from daypass.core.ledger.statement import from_statement, to_statement

MAIN = "a" * 40
BODY = Retirement(GrantId("orders-db/a"), Oid("a" * 40), Oid("b" * 40))


@dataclass(frozen=True)
class Place:
    sequence: int
    raw: bytes


def chain(count, *, run="run", begin=BEGIN):
    sealed = []
    head = None
    for n in range(count):
        body = Genesis(("key",)) if n == 0 else BODY
        (made,) = seal([body], head, sign, at=begin + timedelta(minutes=n), main=MAIN, run=run)
        sealed.append(made)
        head = Head.of(opened(made), head)
    return sealed


def opened(envelope):
    return from_statement(open_(envelope.raw), envelope_digest(envelope.raw))


def placed(sealed):
    return [Place(n, item.raw) for n, item in enumerate(sealed)]


def refusal(envelopes, after=None):
    with pytest.raises(LedgerError) as caught:
        list(verify_chain(envelopes, open_, after))
    return caught.value.message


@settings(deadline=None)
@given(st.lists(bodies, max_size=6), st.integers(0, 7))
def test_what_is_sealed_verifies_whole_and_in_portions(found, cut):
    sealed = seal([Genesis(("key",)), *found], None, sign, at=BEGIN, main=MAIN, run="run")
    receipts = list(verify_chain(placed(sealed), open_))
    assert [r.body for r in receipts] == [Genesis(("key",)), *found]
    assert [r.digest for r in receipts] == [envelope_digest(item.raw) for item in sealed]
    assert receipts == [opened(item) for item in sealed]
    head = None
    for receipt in receipts[:cut]:
        head = Head.of(receipt, head)
    assert list(verify_chain(sealed[cut:], open_, head)) == receipts[cut:]


def test_sealing_goes_on_from_a_head():
    first = chain(3)
    head = Head(2, opened(first[-1]).digest, opened(first[-1]).at, MAIN)
    (made,) = seal([BODY], head, sign, at=head.at, main="", run="next")
    assert (made.sequence, opened(made).previous) == (3, head.digest)
    assert Head.of(opened(made), head).main == MAIN


def test_after_a_receipt_from_the_future_receipts_are_dated_as_it_is_and_say_what_their_clock_said():
    begun = seal([Genesis(("key",))], None, sign, at=BEGIN, main=MAIN, run="run")
    head = Head(0, opened(begun[0]).digest, BEGIN)
    late = seal([BODY, BODY], head, sign, at=BEGIN - timedelta(hours=7), main=MAIN, run="run")
    assert [(opened(one).at, opened(one).clock) for one in late] == [(BEGIN, BEGIN - timedelta(hours=7))] * 2
    assert list(verify_chain(late, open_, head)) == [opened(one) for one in late]
    assert {opened(one).run_at for one in late} == {BEGIN - timedelta(hours=7)}
    (after,) = seal([BODY], head, sign, at=BEGIN, main=MAIN, run="run")
    assert (opened(after).clock, opened(after).run_at) == (None, BEGIN)


@pytest.mark.parametrize(("body", "head"), [(BODY, None), (Genesis(("key",)), Head(0, "sha256:" + "0" * 64, BEGIN))])
def test_only_a_genesis_begins_a_ledger(body, head):
    with pytest.raises(RuntimeError, match="a ledger begins with its genesis and has no other"):
        seal([body], head, sign, at=BEGIN, main=MAIN, run="run")


def test_a_receipt_missing_in_the_middle_is_named():
    found = placed(chain(5))
    assert refusal(found[:2] + found[3:]) == "receipt 2 is missing: the next one there is 3"


def test_a_receipt_dropped_and_the_rest_moved_up_is_named():
    found = chain(5)
    del found[2]
    assert refusal(placed(found)) == "receipt 3 stands at place 2: 1 before it were dropped"


def test_receipts_that_changed_places_are_named():
    found = chain(5)
    found[2], found[3] = found[3], found[2]
    assert refusal(placed(found)) == "receipt 3 stands at place 2, and 2 after it: they were reordered"


def test_a_broken_receipt_further_on_does_not_hide_what_was_dropped():
    found = placed(chain(5))
    assert refusal([*found[:2], Place(2, found[3].raw), Place(3, b'{"a":1}')]) == (
        "receipt 3 stands at place 2: 1 before it were dropped"
    )


def test_a_receipt_that_came_again_is_named():
    found = chain(4)
    assert refusal(placed([*found, found[2]])) == "receipt 2 stands again at place 4: it was replayed"


def test_a_receipt_of_a_fork_is_named():
    found = chain(4)
    fork = chain(4, run="other")
    message = refusal(placed([*found[:2], *fork[2:]]))
    assert message == (
        f"receipt 2 follows another receipt 1 than the one that stands there: it names {opened(fork[1]).digest}, "
        f"expected {opened(found[1]).digest}; one of the two is from a fork or was replaced"
    )


def test_a_receipt_that_names_none_before_it_is_refused():
    found = chain(2)
    lonely = Receipt(1, "", BEGIN, MAIN, "run", BODY)
    message = refusal([*placed(found)[:1], Place(1, sign(to_statement(lonely)))])
    assert "it names none, expected sha256:" in message


def test_a_first_receipt_that_names_one_before_it_is_refused():
    early = Receipt(0, "sha256:" + "0" * 64, BEGIN, MAIN, "run", Genesis(("key",)))
    assert refusal([Place(0, sign(to_statement(early)))]) == (
        f"receipt 0 names one before it (sha256:{'0' * 64}), expected none"
    )


def test_time_that_goes_back_is_refused():
    first = chain(1)
    late = Receipt(1, opened(first[0]).digest, BEGIN - timedelta(hours=1), MAIN, "run", BODY)
    assert refusal([*placed(first), Place(1, sign(to_statement(late)))]) == (
        "receipt 1 was written at 2026-11-21T08:00:00Z, before receipt 0 at 2026-11-21T09:00:00Z"
    )


def test_a_ledger_without_a_genesis_is_refused():
    body = Receipt(0, "", BEGIN, MAIN, "run", BODY)
    assert refusal([Place(0, sign(to_statement(body)))]) == ("receipt 0 is no genesis, with which every ledger begins")


def test_a_second_genesis_is_refused():
    first = chain(1)
    again = Receipt(1, opened(first[0]).digest, BEGIN, MAIN, "run", Genesis(("mine",)))
    assert refusal([*placed(first), Place(1, sign(to_statement(again)))]) == "receipt 1 is a second genesis"


def test_what_cannot_be_read_is_named_by_its_number_and_keeps_its_hint():
    found = placed(chain(2))
    broken = json.loads(found[1].raw)
    del broken["predicate"]["run"]
    assert refusal([found[0], Place(1, sign(broken))]) == "receipt 1: the predicate has no 'run'"


def test_an_anchor_shows_that_the_end_was_cut_off():
    found = chain(5)
    anchor = Head(4, opened(found[4]).digest, opened(found[4]).at)
    last = list(verify_chain(placed(found[:3]), open_))[-1]
    assert last.sequence < anchor.sequence


def test_nothing_after_a_fault_is_given():
    found = placed(chain(4))
    seen = []
    with pytest.raises(LedgerError):
        seen.extend(r.sequence for r in verify_chain([*found[:2], *found[3:]], open_))
    given_before = []
    stream = verify_chain([*found[:2], *found[3:]], open_)
    given_before.append(next(stream).sequence)
    given_before.append(next(stream).sequence)
    with pytest.raises(LedgerError):
        next(stream)
    assert given_before == [0, 1]
    assert next(stream, None) is None


def test_a_sealed_receipt_stands_at_its_own_number():
    (made,) = chain(1)
    assert isinstance(made, Envelope)
    assert made.sequence == opened(made).sequence == 0


def test_no_receipt_of_version_1_follows_one_of_version_2():
    (begun,) = seal([Genesis(("key",))], None, sign, at=BEGIN, main=MAIN, run="run")
    head = Head.of(opened(begun), None)
    old = Receipt(1, head.digest, BEGIN, MAIN, "run", BODY, version=1)
    assert refusal([Envelope(1, sign(to_statement(old)))], head) == "receipt 1 is of version 1, after one of version 2"
    assert list(verify_chain([Envelope(1, sign(to_statement(old)))], open_, replace(head, version=1)))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (Release("postgres", "", "databases"), "a release of the target postgres"),
        (Take("postgres", "databases", "", 7, "sha256:" + "5" * 64), "a take of the target postgres"),
    ],
)
def test_what_moves_a_target_to_another_lane_is_refused_by_a_release_that_knows_one(body, what):
    sealed = seal([Genesis(("key",)), body], None, sign, at=BEGIN, main=MAIN, run="run")
    with pytest.raises(LedgerError) as caught:
        list(verify_chain(placed(sealed), open_))
    assert caught.value.message == f"receipt 1 is {what}, and this release knows one lane alone"
    assert caught.value.hint.startswith("a later release of daypass wrote it: install that one here.")
    void = list(verify_chain(placed(sealed), lambda raw: Void(open_(raw)) if b"postgres" in raw else open_(raw)))
    assert [receipt.void for receipt in void] == [False, True]


def test_a_snapshot_counts_the_receipts_before_it():
    told = Snapshot(2, "0" * 64, ("0" * 64,), "sha256:" + "0" * 64, "1")
    made = seal([Genesis(("key",)), told], None, sign, at=BEGIN, main=MAIN, run="run")
    assert refusal(made) == "receipt 1 is a snapshot of 2 receipts, expected 1"


IDLE = Idle("sha256:" + "1" * 64, Oid("c" * 40), BEGIN + timedelta(hours=8), 3, 0)


def alone(body=IDLE, *, main=MAIN, place=9, how=open_):
    (made,) = seal([body], Head(8, "sha256:" + "8" * 64, BEGIN), sign, at=BEGIN, main=main, run="run")
    return open_idle(Envelope(place, made.raw), how)


def test_a_word_that_nothing_is_to_be_done_is_proved_alone():
    receipt, body = alone()
    assert (receipt.sequence, receipt.main, body) == (9, MAIN, IDLE)


@pytest.mark.parametrize(
    "other",
    [{"body": BODY}, {"main": ""}, {"place": 10}, {"how": lambda raw: Void(open_(raw))}],
    ids=["another kind", "of no main", "elsewhere", "by a key that was revoked"],
)
def test_what_is_no_such_word_is_refused(other):
    with pytest.raises(LedgerError, match="does not say that nothing is to be done"):
        alone(**other)
