"""Receipts of every kind for property tests, and a seal without keys: what signatures do is tested with real keys elsewhere."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.receipt import (
    ActRecord,
    Admission,
    ApprovalRecord,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Pulse,
    Receipt,
    Refusal,
    Retirement,
    Settled,
)
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason
from daypass.core.window import Window

BEGIN = datetime(2026, 11, 21, 9, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.sampled_from(["alice", "bob", "carol", "Zoë"])
grants = st.sampled_from([GrantId("orders-db/a"), GrantId("orders-db/b"), GrantId("payroll/a")])
oids = st.sampled_from([Oid(c * 40) for c in "abc"] + [Oid("d" * 64)])
digests = st.sampled_from(["sha256:" + c * 64 for c in "012"])
instants = st.integers(0, 4_000_000).map(lambda s: BEGIN + timedelta(seconds=s))
entitlements = st.builds(
    Entitlement,
    st.sampled_from(["postgres", "embedded"]),
    st.sampled_from(["orders-db", "payroll"]),
    names,
    st.sampled_from(['{"member_of":"r"}', "{}"]),
)
windows = st.builds(
    lambda start, length: Window(start, start + timedelta(seconds=length)), instants, st.integers(1, 9999)
)
approvals = st.builds(
    ApprovalRecord,
    names,
    st.sampled_from(["owners", "group:security"]),
    oids,
    instants,
    texts,
    st.just("") | oids,
    st.sampled_from([0, 583231]),
)
acts = st.builds(
    ActRecord,
    names,
    st.sampled_from(["opened", "made", "pushed"]),
    instants,
    st.just("") | oids,
    st.sampled_from([0, 7]),
)
admissions = st.builds(
    Admission,
    acts=st.lists(acts, max_size=2).map(tuple),
    grant=grants,
    blob=oids,
    landing=oids,
    pull=st.integers(0, 10**9),
    head=oids,
    base=oids,
    merged_at=instants,
    requested_at=instants,
    requester=names,
    subject=names,
    resource=st.sampled_from(["orders-db", "payroll"]),
    role=st.sampled_from(["readonly", "admin"]),
    window=windows,
    entitlement=entitlements,
    grant_digest=digests,
    policy=digests,
    meaning=digests,
    rules=st.lists(texts, max_size=3).map(tuple),
    approvals=st.lists(approvals, max_size=3).map(tuple),
    narrowed_from=st.one_of(st.just(""), oids),
    lack=st.one_of(st.just(""), names),
)
numbers = st.sampled_from([(), (("member", "16401"),), (("member", "16402"), ("system", "7"))])
changes = st.builds(
    Intended,
    st.sampled_from(Action),
    entitlements,
    st.lists(grants, max_size=3, unique=True).map(lambda found: tuple(sorted(found))),
    st.sampled_from(Reason),
    instants,
    st.one_of(st.none(), instants),
)
bodies = st.one_of(
    admissions,
    st.builds(Refusal, grants, oids, oids, texts, texts),
    st.builds(Retirement, grants, oids, oids),
    st.builds(Ended, grants, oids, oids, instants, texts, texts),
    st.builds(Pulse, st.integers(0, 10**9), st.integers(0, 20)),
    st.builds(Intent, st.lists(changes, min_size=1, max_size=4).map(tuple), digests),
    st.builds(
        Outcome,
        changes,
        ok=st.booleans(),
        error=texts,
        recovered=st.booleans(),
        handover=st.just("") | texts,
        numbers=numbers,
        since=st.none() | instants,
    ),
    st.builds(
        Settled,
        st.builds(
            Holding,
            entitlements,
            st.lists(grants, min_size=1, max_size=3, unique=True).map(tuple),
            st.one_of(st.none(), instants),
            numbers,
        ),
        adopted=st.booleans(),
        by=texts,
        reason=digests,
        files=st.lists(st.tuples(grants, oids, oids), max_size=2).map(tuple),
    ),
)
any_body = st.one_of(bodies, st.builds(Genesis, st.lists(texts, max_size=2).map(tuple)))
plain_receipts = st.builds(
    Receipt,
    st.integers(0, 10**9),
    st.one_of(st.just(""), digests),
    instants,
    st.one_of(st.just(""), oids),
    texts,
    any_body,
)
receipts = st.one_of(
    plain_receipts,
    st.builds(lambda one: replace(one, clock=one.at - timedelta(hours=7)), plain_receipts),
    plain_receipts.filter(lambda one: not isinstance(one.body, Ended)).map(lambda one: replace(one, version=1)),
)


def sign(statement):
    """Write a statement as if signed."""
    return canonical(statement).encode()


def open_(raw):
    """Read it back."""
    return json.loads(raw)
