"""Receipts of every kind for property tests, and a seal without keys: what signatures do is tested with real keys elsewhere."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import (
    Admission,
    AskedFile,
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
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason
from daypass.core.window import Window

BEGIN = datetime(2026, 11, 21, 9, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.sampled_from(["alice", "bob", "carol", "Zoë"])
grants = st.sampled_from([GrantId("orders-db/a"), GrantId("orders-db/b"), GrantId("payroll/a")])
oids = st.sampled_from([Oid(c * 40) for c in "abc"] + [Oid("d" * 64)])
digests = st.sampled_from(["sha256:" + c * 64 for c in "012"])
instants = st.integers(0, 4_000_000).map(lambda s: BEGIN + timedelta(seconds=s))
counts = st.integers(0, 10**9)
rests = st.builds(
    Rests,
    st.dictionaries(texts, st.dictionaries(texts, digests, max_size=2), max_size=2),
    st.dictionaries(
        texts,
        st.builds(RestingResource, instants, counts, counts, counts, st.lists(texts, max_size=2).map(tuple)),
        max_size=2,
    ),
    st.lists(texts, max_size=2).map(tuple),
)
entitlements = st.builds(
    Entitlement,
    st.sampled_from(["postgres", "embedded"]),
    st.sampled_from(["orders-db", "payroll"]),
    names,
    st.sampled_from(['{"member_of":"r"}', "{}"]),
)


def _window(start: datetime, length: int, cuts: list[int], calendar: str) -> Window:
    ends = sorted({start + timedelta(seconds=cut) for cut in cuts if cut <= length})
    parts = tuple(zip(ends[::2], ends[1::2], strict=False))
    return Window(start, start + timedelta(seconds=length), parts, calendar if parts else "")


windows = st.builds(
    _window,
    instants,
    st.integers(1, 9999),
    st.lists(st.integers(0, 9999), max_size=5),
    st.sampled_from(["", "office"]),
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
    purpose=st.sampled_from(["", "incident"]),
    issue=st.sampled_from([0, 12]),
    due=st.dictionaries(st.sampled_from(["due", "until"]), instants).map(lambda found: tuple(sorted(found.items()))),
)
_PLAIN = Admission(
    grant=GrantId("orders-db/a"),
    blob=Oid("a" * 40),
    landing=Oid("b" * 40),
    pull=7,
    head=Oid("c" * 40),
    base=Oid("a" * 40),
    merged_at=BEGIN,
    requested_at=BEGIN,
    requester="alice",
    subject="bob",
    resource="orders-db",
    role="readonly",
    window=Window(BEGIN, BEGIN + timedelta(hours=1)),
    entitlement=Entitlement("postgres", "orders-db", "bob", '{"member_of":"r"}'),
    grant_digest="sha256:" + "0" * 64,
    policy="sha256:" + "1" * 64,
    meaning="sha256:" + "2" * 64,
    rules=(),
    approvals=(),
)
_FULL = Admission(
    grant=GrantId("payroll/a"),
    blob=Oid("d" * 64),
    landing=Oid("c" * 40),
    pull=10**9,
    head=Oid("b" * 40),
    base=Oid("d" * 64),
    merged_at=BEGIN + timedelta(hours=2),
    requested_at=BEGIN + timedelta(hours=1),
    requester="carol",
    subject="Zoë",
    resource="payroll",
    role="admin",
    window=Window(BEGIN + timedelta(days=1), BEGIN + timedelta(days=2)),
    entitlement=Entitlement("embedded", "payroll", "Zoë", "{}"),
    grant_digest="sha256:" + "2" * 64,
    policy="sha256:" + "0" * 64,
    meaning="sha256:" + "1" * 64,
    rules=("owners", "two"),
    approvals=(ApprovalRecord("bob", "owners", Oid("a" * 40), BEGIN, "1", Oid("b" * 40)),),
    acts=(ActRecord("carol", "opened", BEGIN, Oid("c" * 40)),),
    narrowed_from=Oid("a" * 40),
    lack="alice",
)
proofs = st.builds(
    lambda proof, grant, blob: replace(proof, grant=grant, blob=blob), st.sampled_from([_PLAIN, _FULL]), grants, oids
)
"""Admissions for tests where a proof counts by its grant and its blob: to draw 22 fields takes most of a test's time."""
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
_reviews = (
    grants,
    oids,
    oids,
    st.integers(1, 9),
    oids,
    st.booleans(),
    st.lists(approvals, min_size=1, max_size=2).map(tuple),
)
_others = st.one_of(
    st.builds(Reviewed, *_reviews, st.just("") | digests),
    st.builds(Certified, *_reviews, st.just("") | digests),
    st.builds(Refusal, grants, oids, oids, texts, texts),
    st.builds(Retirement, grants, oids, oids, number=st.sampled_from([0, 7])),
    st.builds(
        Decided,
        st.sampled_from(Resolution),
        st.integers(1, 10**9),
        oids,
        names,
        instants,
        oids,
        st.lists(
            st.builds(AskedFile, grants, oids, st.sampled_from(["new", "widen"]), st.just("") | names), max_size=2
        ).map(tuple),
        st.lists(acts, max_size=2).map(tuple),
        st.lists(texts, max_size=2).map(tuple),
        st.just("") | digests,
        st.sampled_from([0, 7]),
    ),
    st.builds(Ended, grants, oids, oids, instants, texts, texts),
    st.builds(Departed, names, st.sampled_from(["1", "2"]), st.sampled_from(["", "account-gone"]), texts),
    st.builds(Idle, digests, oids, instants, st.integers(0, 10**9), st.sampled_from([0, 7]), st.none() | rests),
    st.builds(Pulse, st.integers(0, 10**9), st.integers(0, 20)),
    st.builds(
        Intent,
        st.lists(changes, min_size=1, max_size=4).map(tuple),
        digests,
        st.sets(digests).map(lambda found: tuple(sorted(found))),
    ),
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
bodies = admissions | _others
folded = proofs | _others
"""Bodies whose admissions are `proofs`."""


def snapshot(leaves, standing, form="1", follows=""):
    """Return a snapshot over envelopes."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return Snapshot(tree.size, tree.root, tree.frontier, standing, form, follows)


any_body = st.one_of(
    bodies,
    st.builds(Genesis, st.lists(texts, max_size=2).map(tuple)),
    st.builds(snapshot, st.lists(st.binary(max_size=3), max_size=20), digests, texts, st.just("") | oids),
    st.builds(Release, texts, texts, texts),
    st.builds(Take, texts, texts, texts, st.integers(0, 10**9), digests),
)
"""Every kind, of which a genesis and snapshots do not fit at every place, and what moves targets at none."""
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
    plain_receipts.filter(
        lambda one: not isinstance(one.body, Ended | Snapshot | Decided | Reviewed | Release | Take | Departed | Idle)
    ).map(lambda one: replace(one, version=1)),
)


def sign(statement):
    """Write a statement as if signed."""
    return canonical(statement).encode()


def open_(raw):
    """Read it back."""
    return json.loads(raw)
