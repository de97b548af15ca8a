"""What drift says of each way in which a target differs: worst first, where to look, and what to do."""

from datetime import UTC, datetime, timedelta

from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Refusal
from daypass.core.plan import Action, Entitlement, Intended, Plan, Reason
from daypass.core.planning.drift import Inspection, OtherAccess, drift

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
E = Entitlement("embedded", "orders-db", "alice", "reader")
F = Entitlement("embedded", "orders-db", "bob", "reader")
A = GrantId("orders-db/a")
LATE = Intended(Action.REMOVE, E, (A,), Reason.EXPIRED, AT - timedelta(hours=2))


def said(plan: Plan, **more: object) -> list[tuple[str, str, str]]:
    return [(one.code, one.place.file, one.message) for one in drift(plan, **more)]


def test_access_that_nobody_gave_is_told_at_the_resource_whether_it_is_to_be_removed_or_not() -> None:
    told = ("access-unmanaged", "policies/resources/orders-db.yaml")
    words = "holds reader on orders-db at target embedded, and no grant gave it"
    removed = Intended(Action.REMOVE, F, (), Reason.UNMANAGED, AT)
    assert said(Plan(AT, "m", (removed,), unmanaged=(E,))) == [(*told, f"'alice' {words}"), (*told, f"'bob' {words}")]


def test_access_that_outlives_its_grant_says_for_how_long() -> None:
    ((code, file, message),) = said(Plan(AT, "m", (LATE,)))
    assert (code, file) == ("access-overdue", "grants/orders-db/a.yaml")
    assert message == (
        f"'alice' holds reader on orders-db at target embedded, which should be gone for 2h ({LATE.reason.value})"
    )


def test_access_that_something_ended_early_says_what_it_was() -> None:
    early = Intended(Action.REMOVE, E, (A,), Reason.BOUND, AT)
    words = "'alice' holds reader on orders-db at target embedded, which should be gone"
    ((_, _, message),) = said(Plan(AT, "m", (early,)), bounds={A: "issue acme/orders#8 was closed"})
    assert message == f"{words} (ended early: issue acme/orders#8 was closed)"
    ((_, _, message),) = said(Plan(AT, "m", (early,)), bounds={"orders-db/b": "another's"})
    assert message == f"{words} (ended early)"


def test_access_that_is_gone_and_not_written_down_yet_is_a_note() -> None:
    (found,) = drift(Plan(AT, "m", (LATE,), gone=frozenset({E})))
    assert found.message == "reader on orders-db for 'alice' is gone from the target, and the ledger has it still"
    assert not found.is_error


def test_what_was_taken_away_by_somebody_else_is_told_as_lost() -> None:
    lost = Intended(Action.ADD, E, (A,), Reason.LOST, AT, AT + timedelta(hours=1))
    ((code, _, message),) = said(Plan(AT, "m", (lost,)))
    assert code == "access-lost"
    assert message == (
        "reader on orders-db for 'alice' until 2026-11-20T11:00:00Z is gone from the target, "
        "where somebody else took it away"
    )


def test_other_ways_in_are_told_at_the_target() -> None:
    way = OtherAccess("mallory", "owns the database")
    ((code, file, message),) = said(Plan(AT, "m", ()), inspections={"embedded": Inspection((), (), (way,))})
    assert (code, file) == ("access-other", "policies/daypass.yaml")
    assert message.startswith("'mallory' owns the database at target embedded: no grant gives such access")


def test_what_nobody_could_read_is_drift_too() -> None:
    found = said(Plan(AT, "m", (), unreadable={"one": "no route"}), inspections={"two": "no rights"})
    assert found == [
        ("target-unread", "policies/daypass.yaml", "target one could not be read: no route"),
        ("target-unread", "policies/daypass.yaml", "target two could not be read: no rights"),
    ]


def test_grants_that_give_nothing_say_why() -> None:
    refused = Refusal(A, Oid("a" * 40), Oid("b" * 40), "unproved", "nobody approved it")
    first, second = said(Plan(AT, "m", ()), refusals=(refused,), unproved=(refused,))
    assert first[:2] == ("grant-refused", "grants/orders-db/a.yaml")
    assert "nobody approved it" in first[2]
    assert second == (
        "grant-unproved",
        "grants/orders-db/a.yaml",
        "nobody can tell whether it gives access: nobody approved it",
    )


def test_an_invitation_is_no_access_until_it_is_accepted() -> None:
    (found,) = drift(Plan(AT, "m", (), offered=(E,)))
    assert "'alice' was invited to reader on orders-db at target embedded, and has not accepted" in found.message
    assert not found.is_error
