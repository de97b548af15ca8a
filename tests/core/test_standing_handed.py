"""What was handed over, and which of it has ended before its time."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from receipt_strategies import BEGIN

from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Genesis, Outcome, Receipt
from daypass.core.ledger.records import forget_before
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Action, Entitlement, Intended, Reason
from standings import same_state

E = Entitlement("bastion", "orders-db", "alice", "{}")
OTHER = E._replace(principal="bob")
GRANTS = (GrantId("orders-db/a"),)
HOUR = timedelta(hours=1)
OID = Oid("a" * 40)


def given(text: str, hours: int = 2, entitlement: Entitlement = E, **more: bool) -> Outcome:
    change = Intended(Action.ADD, entitlement, GRANTS, Reason.WINDOW_OPENED, BEGIN, BEGIN + hours * HOUR)
    return Outcome(change, **({"ok": True} | more), handover=text)


def taken(ok: bool = True) -> Outcome:
    return Outcome(Intended(Action.REMOVE, E, GRANTS, Reason.GRANT_REMOVED, BEGIN), ok=ok)


def chain(*found: Outcome) -> list[Receipt]:
    bodies = enumerate([Genesis(("key",)), *found])
    return [Receipt(n, "", BEGIN + timedelta(seconds=n), OID, "run", body, f"sha256:{n:064d}") for n, body in bodies]


def handed(standing: Standing) -> list[tuple[str, bool]]:
    return [(one.text, one.ended) for one in standing.handed("bastion", standing.at or BEGIN)]


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ([given("one")], [("one", False)]),
        ([given("one"), given("two", 3)], [("one", False), ("two", False)]),
        ([given("one", 3), given("two", 2)], [("one", True), ("two", False)]),
        ([given("one"), taken()], [("one", True)]),
        ([given("one"), taken(ok=False)], [("one", False)]),
        ([given("one"), taken(), given("two")], [("one", True), ("two", False)]),
        ([given("one"), given("two", 3), taken()], [("one", True), ("two", True)]),
        ([given("one", ok=False)], []),
        ([given("")], []),
        ([given("one"), given("his", 1, OTHER)], [("one", False), ("his", False)]),
        ([taken(), given("one")], [("one", False)]),
    ],
    ids=[
        "given",
        "longer",
        "shorter ends the longer one",
        "taken",
        "not taken",
        "given again leaves the first one ended",
        "all that were given are taken",
        "failed",
        "nothing",
        "of others nothing ends",
        "an earlier end does not count",
    ],
)
def test_what_was_handed_over_ends_with_its_entitlement(found, left) -> None:
    receipts = chain(*found)
    assert handed(fold(receipts)) == left
    for cut in range(1, len(receipts)):
        assert same_state(fold(receipts[cut:], fold(receipts[:cut])), fold(receipts))


def test_it_names_its_receipt_and_whose_it_is() -> None:
    (one,) = fold(chain(given("one"))).handed("bastion", BEGIN)
    assert one == (1, E, GRANTS, BEGIN + 2 * HOUR, "one", False)


def test_only_the_targets_own_is_told_and_only_until_it_ends_by_itself() -> None:
    standing = fold(chain(given("one")))
    assert standing.handed("elsewhere", BEGIN) == ()
    assert len(standing.handed("bastion", BEGIN + 2 * HOUR - timedelta(seconds=1))) == 1
    assert standing.handed("bastion", BEGIN + 2 * HOUR) == ()


def test_what_has_ended_by_itself_is_forgotten_long_after() -> None:
    receipts = chain(given("one", 1), given("his", 3, OTHER))
    receipts[2] = replace(receipts[2], at=BEGIN + HOUR + timedelta(days=90))
    standing = fold(receipts)
    assert [one.text for one in standing.handovers.values()] == ["his"]
    assert same_state(fold(receipts[2:], fold(receipts[:2])), standing)


def test_a_receipt_from_the_future_lets_nothing_be_forgotten_that_may_still_be_good() -> None:
    receipts = chain(given("one", 1), given("his", 3, OTHER), taken())
    receipts[2] = replace(receipts[2], at=BEGIN + timedelta(days=30))
    assert [(one.text, one.ended) for one in fold(receipts).handed("bastion", BEGIN)] == [("one", True), ("his", False)]


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_what_is_forgotten_can_be_told_at_either_end_of_the_calendar(at) -> None:
    assert forget_before(at) <= at


def test_an_addition_without_an_end_hands_nothing_over() -> None:
    outcome = given("one")
    assert fold(chain(replace(outcome, change=replace(outcome.change, until=None)))).handovers == {}


def test_standings_that_differ_in_what_was_handed_over_are_not_the_same() -> None:
    assert not same_state(fold(chain(given("one"))), fold(chain(given("two"))))
