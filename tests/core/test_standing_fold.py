"""What receipts add up to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from receipt_strategies import BEGIN, folded, proofs

from daypass.core.ids import ABSENT, GrantId, Oid
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import Certified, Genesis, Intent, Outcome, Receipt, Refusal, Retirement, Reviewed
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.ledger.standing import Delta, Standing, fold
from daypass.core.plan import Action, AdmittedGrant, Entitlement, Holding, Intended, Reason
from standings import same_state

E = Entitlement("postgres", "orders-db", "alice", "{}")
G = GrantId("orders-db/a")
UNTIL = BEGIN + timedelta(hours=1)
ADD = Intended(Action.ADD, E, (G,), Reason.WINDOW_OPENED, BEGIN, UNTIL)
REMOVE = Intended(Action.REMOVE, E, (G,), Reason.EXPIRED, UNTIL)
OID = Oid("a" * 40)


def receipts(*found):
    return [
        Receipt(n, f"sha256:{n:064d}" if n else "", BEGIN, OID, "run", body, f"sha256:{n + 1:064d}")
        for n, body in enumerate([Genesis(("key",)), *found])
    ]


def after(*found):
    return fold(receipts(*found))


@settings(deadline=None)
@given(st.lists(folded, max_size=14), st.integers(0, 15))
def test_a_prefix_and_then_the_rest_add_up_to_the_whole(found, cut):
    chain = receipts(*found)
    assert same_state(fold(chain[cut:], fold(chain[:cut])), fold(chain))


@settings(deadline=None)
@given(st.lists(folded, max_size=14))
def test_rows_and_whole_admissions_say_the_same(found):
    standing = after(*found)
    proofs, rows = standing.admissions, standing.rows
    assert {g: AdmittedGrant.of(a) for g, a in proofs.items()} == rows
    assert list(rows) == sorted(rows)
    assert list(standing.holdings) == sorted(standing.holdings)
    assert not set(proofs) & set(standing.refusals)


@settings(deadline=None)
@given(proofs)
def test_an_admission_is_found_by_its_grant(admission):
    standing = after(admission)
    assert standing.admission(admission.grant) == admission
    assert list(standing.blobs()) == [(admission.grant, admission.blob)]
    assert [row.entitlement for row in standing.admitted()] == [admission.entitlement]
    assert standing.admission(GrantId("none/such")) is None


@settings(deadline=None)
@given(proofs, proofs)
def test_the_latest_admission_of_a_grant_counts(one, other):
    other = replace(other, grant=one.grant)
    assert after(one, other).admission(one.grant) == other


@settings(deadline=None)
@given(proofs)
def test_a_retired_grant_is_no_longer_admitted(admission):
    standing = after(admission, Retirement(admission.grant, admission.blob, OID))
    assert standing.admission(admission.grant) is None


@settings(deadline=None)
@given(proofs)
def test_a_refusal_of_new_bytes_takes_the_old_proof_back(admission):
    refusal = Refusal(admission.grant, Oid("e" * 40), OID, "around-the-gate", "no record")
    standing = after(admission, refusal)
    assert standing.admission(admission.grant) is None
    assert standing.refusal(admission.grant, Oid("e" * 40)) == refusal
    assert standing.refusal(admission.grant, Oid("e" * 40), OID)


def test_a_refusal_counts_for_the_bytes_as_that_commit_brought_them():
    standing = after(Refusal(G, OID, Oid("b" * 40), "around-the-gate", "no record"))
    assert standing.refusal(G, OID, Oid("b" * 40))
    assert not standing.refusal(G, OID, Oid("c" * 40))
    assert not standing.refusal(G, Oid("c" * 40), Oid("b" * 40))
    assert standing.refusal(GrantId("none/such"), OID) is None


@settings(deadline=None)
@given(proofs)
def test_a_later_admission_lifts_a_refusal(admission):
    standing = after(Refusal(admission.grant, admission.blob, OID, "code", "message"), admission)
    assert not standing.refusals


def test_an_addition_that_came_about_is_ours_until_its_removal_was_seen():
    assert dict(after(Outcome(ADD, ok=True)).holdings) == {E: Holding(E, (G,), UNTIL)}
    assert not after(Outcome(ADD, ok=True), Outcome(REMOVE, ok=True)).holdings
    assert E in after(Outcome(ADD, ok=True), Outcome(REMOVE, ok=False)).holdings


def test_removing_what_was_never_ours_leaves_nothing():
    stray = Intended(Action.REMOVE, E, (), Reason.UNMANAGED, BEGIN)
    assert not after(Outcome(stray, ok=True)).holdings


NUMBERS, OTHERS = (("member", "5"),), (("member", "6"),)
GIVEN, GIVEN_TO_ANOTHER = (Outcome(ADD, ok=True, numbers=numbers) for numbers in (NUMBERS, OTHERS))
GONE = Outcome(REMOVE, ok=True)
CAME_BACK, NOT_OURS = (
    Outcome(Intended(Action.REMOVE, E, (), why, UNTIL), ok=True) for why in (Reason.RETURNED, Reason.UNMANAGED)
)


@pytest.mark.parametrize("cut", range(1, 7))
@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ((GIVEN, GONE), (NUMBERS,)),
        ((GIVEN, GONE, GONE), (NUMBERS,)),
        ((GIVEN, GONE, CAME_BACK), (NUMBERS,)),
        ((CAME_BACK,), ()),
        ((NOT_OURS,), ()),
        ((GIVEN, GONE, GIVEN, GONE), (NUMBERS,)),
        ((GIVEN, GONE, GIVEN_TO_ANOTHER, GONE), (NUMBERS, OTHERS)),
        ((GIVEN, GIVEN_TO_ANOTHER, GONE), (OTHERS,)),
        ((Outcome(ADD, ok=True), GONE), ((),)),
        ((Outcome(ADD, ok=True), GONE, GIVEN, GONE), ((), NUMBERS)),
        ((GONE,), ((),)),
        ((GIVEN, GONE, GIVEN), (NUMBERS,)),
        ((GIVEN,), ()),
    ],
)
def test_what_was_taken_is_remembered_with_the_numbers_by_which_it_was_held(told, taken, cut):
    chain = receipts(*told)
    for standing in (fold(chain), fold(chain[cut:], fold(chain[:cut]))):
        assert standing.taken.get(E, ()) == taken


def test_an_intent_stays_open_until_its_outcome():
    standing = after(Intent((ADD,), "plan"))
    assert dict(standing.pending) == {(Action.ADD, E): ADD}
    assert not after(Intent((ADD,), "plan"), Outcome(ADD, ok=True)).pending
    assert after(Intent((REMOVE,), "plan"), Outcome(REMOVE, ok=False)).pending  # it is tried again on this intent
    assert not after(Intent((REMOVE,), "plan"), Outcome(REMOVE, ok=False, recovered=True)).pending


def test_an_outcome_of_another_action_closes_nothing():
    assert (Action.REMOVE, E) in after(Intent((REMOVE,), "plan"), Outcome(ADD, ok=True)).pending


def test_an_addition_that_failed_stays_open_until_somebody_looked():
    failed = after(Intent((ADD,), "plan"), Outcome(ADD, ok=False, error="timeout"))
    assert dict(failed.pending) == {(Action.ADD, E): ADD}
    looked = Outcome(ADD, ok=False, error="was not made", recovered=True)
    assert not after(Intent((ADD,), "plan"), Outcome(ADD, ok=False), looked).pending
    found = Outcome(ADD, ok=True, recovered=True)
    assert E in after(Intent((ADD,), "plan"), Outcome(ADD, ok=False), found).holdings


def test_the_empty_standing_has_no_head():
    empty = Standing()
    assert (empty.head, empty.commit, empty.digest, empty.at, empty.main, empty.next_sequence) == (
        None,
        ABSENT,
        "",
        None,
        "",
        0,
    )


def test_the_head_is_that_of_the_last_receipt():
    chain = receipts(Outcome(ADD, ok=True))
    standing = fold(chain, commit=OID)
    assert standing.head == Head(1, chain[1].digest, BEGIN, OID, 2)
    assert (standing.digest, standing.at, standing.main, standing.next_sequence) == (chain[1].digest, BEGIN, OID, 2)
    assert standing.commit == OID


def test_a_receipt_that_names_no_main_keeps_the_main_known_before():
    chain = receipts(Outcome(ADD, ok=True))
    chain[1] = replace(chain[1], main="")
    assert fold(chain).main == OID


def test_no_receipts_change_nothing():
    standing = after(Outcome(ADD, ok=True))
    assert same_state(fold([], standing), standing)
    assert same_state(Delta().onto(standing), standing)


def test_standings_after_other_receipts_are_not_the_same():
    assert not same_state(after(Outcome(ADD, ok=True)), Standing())


def test_an_emergency_stop_is_remembered_until_the_grant_is_proved_again():
    stop = Retirement(G, OID, OID, 3, "bob", revoked=True)
    assert after(stop).revoked == {G}
    assert fold(receipts(stop)[2:], after(stop)).revoked == {G}
    assert after(stop, Retirement(G, OID, OID)).revoked == frozenset()


@settings(deadline=None)
@given(proofs)
def test_a_grant_that_is_proved_again_is_stopped_no_more(admission):
    stop = Retirement(admission.grant, admission.blob, OID, 3, "bob", revoked=True)
    assert after(admission, stop).revoked == {admission.grant}
    assert after(stop, admission).revoked == frozenset()


def test_where_main_certainly_was_before_an_instant_is_what_the_receipts_saw() -> None:
    later = Oid("b" * 40)
    first, second = receipts(Refusal(G, OID, OID, "x", "y"))
    hour, second = timedelta(hours=1), replace(second, at=BEGIN + timedelta(hours=1), main=later)
    standing = fold([replace(first, main=OID), second, replace(second, sequence=2, at=BEGIN + 2 * hour)])
    assert standing.main_before(BEGIN) == ""
    assert standing.main_before(BEGIN + timedelta(seconds=59)) == ""  # by another clock it may have been before
    assert standing.main_before(BEGIN + timedelta(minutes=1)) == OID
    assert standing.main_before(BEGIN + hour) == OID
    assert standing.main_before(BEGIN + 3 * hour) == later
    assert fold([replace(first, main="")]).main_before(BEGIN + hour) == ""
    assert standing.main_before(datetime.min.replace(tzinfo=UTC)) == ""


def test_what_people_said_afterwards_changes_no_access():
    told = (G, OID, OID, 8, OID, False, (ApprovalRecord("bob", "owners", OID, UNTIL, "1"),))
    given_ = [Intent((ADD,), ""), Outcome(ADD, ok=True)]
    before, reviewed = after(*given_), after(*given_, Reviewed(*told), Certified(*told))
    assert (reviewed.holdings, reviewed.begun, reviewed.ends) == (before.holdings, before.begun, before.ends)
    assert reviewed.next_sequence == before.next_sequence + 2
