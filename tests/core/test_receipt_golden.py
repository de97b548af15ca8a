"""Receipts that stand in ledgers already: the exact bytes that are signed, one statement of every kind and spelling.

``golden/receipts.jsonl`` is never written again for a receipt that is in it: what earlier releases signed must read as
what it meant, and be written as the same bytes, for as long as there are ledgers.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.receipt import (
    Admission,
    AskedFile,
    Away,
    Body,
    Certified,
    Decided,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Pulse,
    Receipt,
    Refusal,
    Release,
    Resolution,
    Retirement,
    Reviewed,
    Settled,
    Snapshot,
    Take,
)
from daypass.core.ledger.records import ActRecord, ApprovalRecord, Departed, Idle, RestingResource, Rests
from daypass.core.ledger.statement import KINDS, from_statement, to_statement
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason
from daypass.core.window import Window

LINES = (Path(__file__).parent / "golden" / "receipts.jsonl").read_text(encoding="utf-8").splitlines()

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
UNTIL = AT + timedelta(hours=8)
GRANT, OTHER = GrantId("orders-db/alice-1a2b3c4d"), GrantId("orders-db/zoë-5e6f7a8b")
BLOB, LANDING, HEAD, BASE = (Oid(c * 40) for c in "abcd")
LONG = Oid("e" * 64)
ONE = Entitlement("production", "orders-db", "alice", '{"member_of":"orders_read"}')
TWO = Entitlement("production", "orders-db", "zoë", '{"member_of":"orders_read"}')
NUMBERS = (("member", "16401"), ("system", "7312345678901234567"))
GIVE = Intended(Action.ADD, ONE, (GRANT, OTHER), Reason.WINDOW_OPENED, AT, UNTIL)
TAKE = Intended(Action.REMOVE, TWO, (OTHER,), Reason.EXPIRED, UNTIL)
STRAY = Intended(Action.REMOVE, TWO, (), Reason.UNMANAGED, AT)
DIGEST = "sha256:" + "0123456789abcdef" * 4

BARE = Admission(
    grant=GRANT,
    blob=BLOB,
    landing=LANDING,
    pull=7,
    head=HEAD,
    base=BASE,
    merged_at=AT,
    requested_at=AT - timedelta(minutes=5),
    requester="alice",
    subject="alice",
    resource="orders-db",
    role="readonly",
    window=Window(AT, UNTIL),
    entitlement=ONE,
    grant_digest=DIGEST,
    policy="sha256:" + "1" * 64,
    meaning="sha256:" + "2" * 64,
)
BODIES: list[Body] = [
    Genesis(("9f86d081", "60303ae2")),
    BARE,
    replace(
        BARE,
        blob=LONG,
        rules=("needs-two", "short-only"),
        approvals=(
            ApprovalRecord("bob", "owners", HEAD, AT - timedelta(minutes=2), "81"),
            ApprovalRecord("zoë", "group:security", HEAD, AT - timedelta(minutes=1), "82", "f" * 40),
        ),
        narrowed_from=BLOB,
        lack="not-owner",
        acts=(
            ActRecord("alice", "opened", AT - timedelta(minutes=5)),
            ActRecord("carol", "pushed", AT - timedelta(minutes=4), "f" * 40),
        ),
    ),
    Refusal(GRANT, BLOB, LANDING, "around-the-gate", 'no record of a "merge": ✗'),
    Retirement(GRANT, BLOB, LANDING),
    Retirement(GRANT, BLOB, LANDING, 9, "mallory", "end-unentitled", revoked=True),
    Intent((GIVE,), DIGEST),
    Intent((TAKE, STRAY), ""),
    Outcome(GIVE, ok=True),
    Outcome(TAKE, ok=False, error="the server said\nno", recovered=True),
    Outcome(STRAY, ok=True),
    Outcome(
        GIVE,
        ok=True,
        error="",
        handover="ssh-ed25519-cert-v01@openssh.com AAAA",
        numbers=NUMBERS,
        since=AT - timedelta(hours=1),
    ),
    Settled(Holding(ONE, (GRANT,)), True, "carol", DIGEST),
    Settled(Holding(TWO, (GRANT, OTHER), UNTIL, NUMBERS), False, "carol", DIGEST, ((GRANT, BLOB, LANDING),)),
    Pulse(3),
    Pulse(0, 16),
]
RECEIPTS = [
    Receipt(n, DIGEST if n else "", AT, BASE if n else "", "run-1", body, version=1) for n, body in enumerate(BODIES)
]
RECEIPTS.append(Receipt(len(BODIES), DIGEST, AT, LONG, "run-2", Pulse(1), clock=AT - timedelta(hours=7), version=1))
SECOND = len(RECEIPTS)
NEW: list[Body] = [
    Ended(GRANT, BLOB, LANDING, AT, "beyond-engagement", "alice is engaged until 2026-11-21T09:00:00Z"),
    Pulse(2),
    replace(
        BARE,
        approvals=(ApprovalRecord("bob", "owners", HEAD, AT - timedelta(minutes=2), "81", number=583231),),
        acts=(ActRecord("alice", "opened", AT - timedelta(minutes=5), number=583232),),
    ),
]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-3", body) for n, body in enumerate(NEW, SECOND)]
OUTBOX = "sha256:" + "4" * 64
AWAY = [
    Receipt(901, DIGEST, AT, BASE, "run-4", Intent((TAKE,), DIGEST), away=Away(OUTBOX, 900)),
    Receipt(902, DIGEST, AT, BASE, "run-4", Outcome(TAKE, ok=True), away=Away(OUTBOX, 0, DIGEST)),
    Receipt(
        903, DIGEST, AT, BASE, "run-4", Outcome(TAKE, ok=True), clock=AT - timedelta(hours=7),
        away=Away(OUTBOX, 7, DIGEST, witness=True),
    ),
]  # fmt: skip
RECEIPTS += AWAY
SNAPSHOT = Snapshot(
    3,
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    (
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
    ),
    DIGEST,
    "8.f9091586",
)
RECEIPTS.append(Receipt(904, DIGEST, AT, BASE, "run-5", SNAPSHOT))
DECIDED: list[Body] = [
    Decided(
        Resolution.DENIED, 7, HEAD, "alice", AT, BASE, (AskedFile(GRANT, BLOB, "new", "alice"),), codes=("too-long",)
    ),
    Decided(
        Resolution.CLOSED,
        8,
        HEAD,
        "alice",
        AT,
        BASE,
        (AskedFile(GRANT, BLOB, "remove"), AskedFile(OTHER, BLOB, "widen", "carol")),
        (ActRecord("", "closed", AT, number=41),),
        reason=DIGEST,
        number=583232,
    ),
    Decided(Resolution.WITHDRAWN, 9, HEAD, "alice", AT, BASE),
]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-6", body) for n, body in enumerate(DECIDED, len(RECEIPTS))]
BASIS: list[Body] = [Intent((GIVE,), DIGEST, ("sha256:" + "1" * 64, DIGEST.replace("0123", "2222", 1)))]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-7", body) for n, body in enumerate(BASIS, len(RECEIPTS))]
REVIEW = ApprovalRecord("bob", "owners", HEAD, UNTIL, "83", number=583231)
UNWRITTEN: list[Body] = [
    Reviewed(GRANT, BLOB, LANDING, 11, HEAD, True, (REVIEW,)),
    Reviewed(GRANT, BLOB, LANDING, 11, HEAD, False, (replace(REVIEW, source=""),), DIGEST),
    Certified(OTHER, BLOB, LANDING, 12, HEAD, True, (REVIEW, ApprovalRecord("carol", "manager", HEAD, UNTIL, "84"))),
    Certified(OTHER, LONG, LANDING, 13, HEAD, False, (REVIEW,), DIGEST),
    Release("production", "", "databases"),
    Take("production", "databases", "", 17, DIGEST),
]
"""Kinds that later releases write."""
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-8", body) for n, body in enumerate(UNWRITTEN, len(RECEIPTS))]
NUMBERED: list[Body] = [
    Retirement(GRANT, BLOB, LANDING, 9, "bob", revoked=True, number=583231),
    Settled(Holding(ONE, (GRANT,)), True, "carol", DIGEST, number=583232),
]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-9", body) for n, body in enumerate(NUMBERED, len(RECEIPTS))]
JUDGED: list[Body] = [replace(BARE, requester="carol", judged=2)]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-10", body) for n, body in enumerate(JUDGED, len(RECEIPTS))]
DUE: list[Body] = [
    replace(BARE, purpose="data-subject-request", due=(("due", AT + timedelta(hours=6)), ("ends", UNTIL))),
    replace(BARE, purpose="incident"),
]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-11", body) for n, body in enumerate(DUE, len(RECEIPTS))]
ACTING = ApprovalRecord("dan", "owners", HEAD, AT - timedelta(minutes=2), "85", acts_for="bob")
RECEIPTS.append(Receipt(len(RECEIPTS), DIGEST, AT, BASE, "run-12", replace(BARE, approvals=(ACTING,), judged=2)))
PARTS = ((AT, AT + timedelta(hours=1)), (AT + timedelta(days=7), AT + timedelta(days=7, hours=1)))
RECURRING: list[Body] = [
    replace(BARE, window=Window(AT, AT + timedelta(days=14), PARTS)),
    replace(BARE, window=Window(AT, AT + timedelta(days=14), PARTS, "office")),
]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-13", body) for n, body in enumerate(RECURRING, len(RECEIPTS))]
ENDING = (("issue_closed", "acme/orders#88"), ("pull_merged", "acme/orders#91"))
RECEIPTS.append(Receipt(len(RECEIPTS), DIGEST, AT, BASE, "run-14", replace(BARE, ends_when=ENDING)))
LEFT: list[Body] = [
    Departed("alice", "2819c223-7f76-453a-919d-413861904646", "account-disabled", "team acme/staff"),
    Departed("alice", "2819c223-7f76-453a-919d-413861904646", "", "team acme/staff"),
]
RECEIPTS += [Receipt(n, DIGEST, AT, BASE, "run-15", body) for n, body in enumerate(LEFT, len(RECEIPTS))]
RECEIPTS.append(Receipt(905, DIGEST, AT, BASE, "run-16", replace(SNAPSHOT, follows=HEAD)))
RECEIPTS.append(Receipt(906, DIGEST, AT, BASE, "run-17", Idle(DIGEST, HEAD, UNTIL, 3, 1)))
RECEIPTS.append(Receipt(907, DIGEST, AT, BASE, "run-18", replace(BARE, issue=12)))
RESTS = Rests(
    {"production": {"": DIGEST, "orders-db": DIGEST}},
    {"orders-db": RestingResource(UNTIL, 2, 1, 1, ("production",)), "wiki": RestingResource()},
    ("payroll",),
)
RECEIPTS.append(Receipt(908, DIGEST, AT, BASE, "run-19", Idle(DIGEST, HEAD, UNTIL, 3, 1, RESTS)))
PAIRS = list(zip(LINES, RECEIPTS, strict=True))


def test_a_receipt_of_every_kind_is_held() -> None:
    held = [json.loads(line)["predicate"]["kind"] for line in LINES]
    assert set(held) == set(KINDS)


@pytest.mark.parametrize(("line", "receipt"), PAIRS)
def test_the_bytes_that_are_signed_stay_as_they_are(line: str, receipt: Receipt) -> None:
    assert canonical(to_statement(receipt)) == line


@pytest.mark.parametrize(("line", "receipt"), PAIRS)
def test_what_was_signed_reads_as_what_it_meant(line: str, receipt: Receipt) -> None:
    read = from_statement(json.loads(line), "sha256:" + "9" * 64)
    assert read == replace(receipt, digest="sha256:" + "9" * 64)
    assert canonical(to_statement(read)) == line
