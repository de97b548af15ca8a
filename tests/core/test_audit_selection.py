"""What of a history is asked for: grants are chosen with all that became of them, events one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.audit.access import Words
from daypass.core.audit.events import EventKind, HistoryEvent
from daypass.core.audit.selection import Selection
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Admission, Pulse, Receipt
from daypass.core.plan import Entitlement
from daypass.core.window import Window

T0 = datetime(2026, 11, 21, 9, tzinfo=UTC)
ONE, TWO = GrantId("orders-db/one"), GrantId("orders-db/two")
OID = Oid("a" * 40)


def event(kind: EventKind, grant: GrantId, hour: int | None, subject: str = "alice", **more: object) -> HistoryEvent:
    at = None if hour is None else T0 + timedelta(hours=hour)
    return HistoryEvent(kind, at, (grant,), subject, **more)  # type: ignore[arg-type]


ASKED = event(EventKind.REQUESTED, ONE, 0, words=Words("why", "INC-1", "incident"))
MERGED = event(EventKind.MERGED, ONE, 1, approvers=("bob (owners)",))
REMOVED = event(EventKind.REMOVED, ONE, 3)
OTHER = event(EventKind.REQUESTED, TWO, 1, "zoe", words=Words("why", "INC-2", ""), approvers=("bobby (owners)",))
REFUSED = event(EventKind.REFUSED, TWO, 2, "zoe")
FILE = event(EventKind.FILE_REMOVED, TWO, None, "zoe")
EVENTS = (ASKED, MERGED, OTHER, REFUSED, REMOVED, FILE)
WINDOW = Window(T0, T0 + timedelta(hours=2))
DIGEST = "sha256:" + "0" * 64
PROOF = Admission(
    ONE, OID, OID, 1, OID, OID, T0, T0, "alice", "alice", "orders-db", "readonly", WINDOW,
    Entitlement("t", "orders-db", "alice", "{}"), DIGEST, DIGEST, DIGEST, rules=("needs-two",),
)  # fmt: skip
RECEIPTS = [Receipt(0, "", T0, OID, "run", PROOF), Receipt(1, "", T0, OID, "run", Pulse(1))]


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        (Selection(), EVENTS),
        (Selection(ticket="INC-1"), (ASKED, MERGED, REMOVED)),
        (Selection(ticket="INC-3"), ()),
        (Selection(purpose="incident"), (ASKED, MERGED, REMOVED)),
        (Selection(approvers=frozenset({"bob"})), (ASKED, MERGED, REMOVED)),
        (Selection(rule="needs-two"), (ASKED, MERGED, REMOVED)),
        (Selection(rule="needs-two", ticket="INC-2"), ()),
        (Selection(ticket="INC-2", subjects=frozenset({"zoe"})), (OTHER, REFUSED, FILE)),
        (Selection(subjects=frozenset()), ()),
        (Selection(denied=True), (REFUSED,)),
        (Selection(since=T0 + timedelta(hours=1)), (MERGED, OTHER, REFUSED, REMOVED, FILE)),
        (Selection(until=T0 + timedelta(hours=1)), (ASKED, FILE)),
    ],
)
def test_events_are_told_of_what_is_asked_for(selection: Selection, told: tuple[HistoryEvent, ...]) -> None:
    assert selection.of(EVENTS, RECEIPTS) == told


def test_only_a_selection_of_nothing_is_the_whole() -> None:
    assert Selection().whole
    assert not Selection(denied=True).whole
