"""What is told of a vendor, as people, programs and spreadsheets read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from test_audit_view import T0, admission, sources

from daypass.core.audit.access import Words
from daypass.core.audit.events import EventKind, HistoryEvent
from daypass.core.audit.vendors import GivenGrant, VendorAnswer, Worker, admissions, endings
from daypass.core.bounds.vendors import Vendor
from daypass.core.grant import Bounded
from daypass.core.ids import GrantId
from daypass.core.record import replace
from daypass.views.policy.vendor import vendor_json, vendor_text

DAY = timedelta(days=1)
ONE = GrantId("orders-db/one")
TERMS = Vendor("acme", "Acme", ("bob",), T0 + DAY, T0 + 2 * DAY, T0, ("orders-db",), (), ("support",), stated=True)


def answer(**changes) -> VendorAnswer:
    fields = {"terms": TERMS, "workers": (), "live": (), "given": ()}
    return VendorAnswer(sources(), "acme", **(fields | changes))


def test_an_agreement_that_has_not_begun_and_one_that_is_over_say_so() -> None:
    told = vendor_text(answer())
    assert "agreement    from 2026-11-22T09:00:00Z until 2026-11-23T09:00:00Z: not begun\n" in told
    assert "dpa          until 2026-11-21T09:00:00Z: over\n" in told
    assert "data         none\n" in told
    data = json.loads(vendor_json(answer()))["terms"]
    assert (data["agreement"]["state"], data["dpa"]["state"], data["stated"]) == ("not begun", "over", True)


def test_a_contract_of_an_earlier_release_has_no_terms() -> None:
    assert "contract     no end; its terms are not stated" in vendor_text(answer(terms=Vendor("acme")))


def test_workers_are_told_with_when_they_leave_and_grants_with_what_passed_them() -> None:
    proof = replace(admission(), approvals=())
    given = GivenGrant(proof, 3, "ended", "its window is over", T0 + timedelta(hours=1), Words("", "SUP-1", "support"))
    told = vendor_text(answer(workers=(Worker("vera", until=T0),), given=(given,), unread=2))
    assert "1 worker:\n  vera, until 2026-11-21T09:00:00Z\n" in told
    assert "a rule, by itself" in told
    assert "its window is over; gone by 2026-11-21T10:00:00Z" in told
    assert "of 2 the directory of then cannot be read: whose worker it was is taken from main's" in told


def test_what_ended_a_grant_is_the_ledgers_word_else_gits_and_starts_anew_with_each_admission() -> None:
    def event(kind: EventKind, hours: int, **more: object) -> HistoryEvent:
        return HistoryEvent(kind, T0 + timedelta(hours=hours), (ONE,), **more)

    removed = event(EventKind.FILE_REMOVED, 3, words=Words("done early"))
    ended, gone = event(EventKind.ENDED, 1, detail="vendor-data: not covered"), event(EventKind.REMOVED, 2)
    assert endings([removed, gone]) == ({ONE: "done early"}, {ONE: T0 + timedelta(hours=2)})
    assert endings([ended, gone, removed])[0] == {ONE: "vendor-data: not covered"}
    assert endings([ended, gone, event(EventKind.ADMITTED, 4)]) == ({}, {})
    assert endings([replace(gone, at=None)]) == ({}, {})


@dataclass
class Then:
    """A receipt as far as it is read."""

    body: object
    sequence: int
    run_at: object = T0
    void: bool = False


def test_only_what_was_proved_and_counts_is_told_and_no_narrowing() -> None:
    whole = admission()
    receipts = [
        Then(whole, 1),
        Then(replace(whole, narrowed_from="1" * 40), 2),
        Then(whole, 3, void=True),
        Then(whole, 4, run_at=T0 + DAY),
        Then("else", 5),
    ]
    assert list(admissions(receipts, T0)) == [(1, whole)]


def test_a_vendor_whose_terms_are_half_stated_is_bounded_by_what_there_is() -> None:
    half = Vendor("acme", stated=True, resources=("orders-db",), purposes=("",))
    assert [*half.bounds(Bounded("vera", "orders-db", since=T0), ())] == []
