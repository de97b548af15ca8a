"""How far the word of a key of the ledger reaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.errors import LedgerError
from daypass.core.ids import Oid, canonical
from daypass.core.ledger.chain import Envelope, seal, verify_chain
from daypass.core.ledger.keys import NO_LIMITS, KeyLimits, Void, held_to, limits_of
from daypass.core.ledger.receipt import Genesis, Pulse, Receipt
from daypass.core.ledger.statement import to_statement

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
MAIN = Oid("1" * 40)


def statement(sequence: object) -> dict[str, object]:
    return {"predicate": {"sequence": sequence}}


def test_what_a_key_without_limits_signed_is_as_it_is() -> None:
    said = {"anything": True}
    assert held_to(NO_LIMITS, said, "ledger.pub") is said


def test_a_retired_key_signed_up_to_its_last_receipt() -> None:
    said = statement(7)
    assert held_to(KeyLimits(last=7), said, "ledger.pub") is said
    with pytest.raises(LedgerError) as caught:
        held_to(KeyLimits(last=6), said, "ledger.pub")
    assert caught.value.message == "it is signed by ledger.pub, which main's settings retired with receipt 6"
    assert "daypass ledger restore" in caught.value.hint


def test_what_a_revoked_key_signed_counts_until_it_was_stolen() -> None:
    assert not isinstance(held_to(KeyLimits(first_void=7), statement(6), "k"), Void)
    assert isinstance(held_to(KeyLimits(first_void=7), statement(7), "k"), Void)
    assert isinstance(held_to(KeyLimits(last=8, first_void=7), statement(9), "k"), Void)
    with pytest.raises(LedgerError):
        held_to(KeyLimits(last=5, first_void=7), statement(6), "k")


@pytest.mark.parametrize("said", [{}, {"predicate": []}, statement(None), statement(True), statement("7")])
def test_what_a_bounded_key_signed_must_say_where_it_stands(said: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match="at which place of the ledger"):
        held_to(KeyLimits(last=7), said, "ledger.pub")


def test_the_stricter_limits_count_for_a_key_that_is_named_twice() -> None:
    assert KeyLimits(5, None).stricter(KeyLimits(3, 9)) == KeyLimits(3, 9)
    assert NO_LIMITS.stricter(KeyLimits(None, 4)) == KeyLimits(None, 4)


def test_limits_are_those_of_the_settings() -> None:
    found = limits_of({"a.pub": 5, "b.pub": 6}, {"b.pub": 2})
    assert found == {"a.pub": KeyLimits(5), "b.pub": KeyLimits(6, 2)}


def _sealed(*, thief_at: datetime) -> list[Envelope]:
    """A genesis, one receipt by a thief, dated as they like and of an older version, and one that goes on after it."""

    def sign(said: dict[str, object]) -> bytes:
        return canonical(said).encode()

    (first,) = seal([Genesis(("k",))], None, sign, at=BEGIN, main=MAIN, run="run")  # type: ignore[arg-type]
    (head,) = verify_chain([first], _open(99))
    stolen = Receipt(1, head.digest, thief_at, "2" * 40, "evil", Pulse(1), version=1)
    raw = sign(to_statement(stolen))
    second = Envelope(1, raw)
    *_, last = verify_chain([first, second], _open(1))
    after = Receipt(2, last.digest, BEGIN + timedelta(hours=1), MAIN, "run", Pulse(0))
    return [first, second, Envelope(2, sign(to_statement(after)))]


def _open(first_void: int):  # type: ignore[no-untyped-def]
    import json

    def open_(raw: bytes) -> dict[str, object]:
        said = json.loads(raw)
        return held_to(KeyLimits(first_void=first_void if "evil" in raw.decode() else None), said, "stolen.pub")

    return open_


@pytest.mark.parametrize("thief_at", [BEGIN - timedelta(days=1), BEGIN + timedelta(days=9000)])
def test_a_ledger_goes_on_after_what_is_void_whatever_it_was_dated(thief_at: datetime) -> None:
    found = list(verify_chain(_sealed(thief_at=thief_at), _open(1)))
    assert [receipt.void for receipt in found] == [False, True, False]


def test_without_the_limit_the_same_ledger_is_refused() -> None:
    with pytest.raises(LedgerError, match="of version 1, after one of version 2"):
        list(verify_chain(_sealed(thief_at=BEGIN + timedelta(days=9000)), _open(99)))


def test_what_is_void_leaves_no_main_behind() -> None:
    from daypass.core.ledger.standing import fold

    receipts = list(verify_chain(_sealed(thief_at=BEGIN + timedelta(days=9000)), _open(1)))
    standing = fold(receipts[:2])
    assert (standing.main, standing.at, standing.next_sequence) == (MAIN, BEGIN, 2)
    assert set(standing.seen) == {MAIN}
