"""Receipts and in-toto statements: one receipt, one statement, and nothing else is read."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from receipt_strategies import BEGIN, receipts, snapshot

from daypass.core.errors import LedgerError
from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.receipt import (
    PREDICATE_TYPES,
    Admission,
    Certified,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Pulse,
    Receipt,
    Refusal,
    Release,
    Retirement,
    Reviewed,
    Take,
)
from daypass.core.ledger.records import ApprovalRecord, Idle, RestingResource, Rests
from daypass.core.ledger.statement import CHANGE as CHANGES
from daypass.core.ledger.statement import from_statement, kind_of, to_statement
from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.core.window import Window, format_instant

OID = Oid("a" * 40)
ENTITLEMENT = Entitlement("postgres", "orders-db", "alice", "{}")
CHANGE = Intended(
    Action.ADD, ENTITLEMENT, (GrantId("orders-db/a"),), Reason.WINDOW_OPENED, BEGIN, BEGIN + timedelta(hours=1)
)
ADMISSION = Admission(
    grant=GrantId("orders-db/a"),
    blob=OID,
    landing=OID,
    pull=7,
    head=OID,
    base=OID,
    merged_at=BEGIN,
    requested_at=BEGIN,
    requester="alice",
    subject="alice",
    resource="orders-db",
    role="readonly",
    window=Window(BEGIN, BEGIN + timedelta(hours=1)),
    entitlement=ENTITLEMENT,
    grant_digest="sha256:" + "0" * 64,
    policy="sha256:" + "1" * 64,
    meaning="sha256:" + "2" * 64,
    rules=("production-needs-two",),
    approvals=(ApprovalRecord("bob", "owners", OID, BEGIN, "1"),),
)
SNAPSHOT = snapshot([b"0", b"1", b"2"], "sha256:" + "4" * 64)
REVIEW = (GrantId("orders-db/a"), OID, OID, 8, OID, True, (ApprovalRecord("bob", "owners", OID, BEGIN, "2"),))
BODIES = {
    "genesis": Genesis(("key",)),
    "admitted": ADMISSION,
    "ended": Ended(GrantId("orders-db/a"), OID, OID, BEGIN, "beyond-engagement", "alice is engaged until then"),
    "refused": Refusal(GrantId("orders-db/a"), OID, OID, "around-the-gate", "no record"),
    "pulse": Pulse(3),
    "retired": Retirement(GrantId("orders-db/a"), OID, OID),
    "intent": Intent((CHANGE,), "sha256:" + "3" * 64),
    "outcome": Outcome(CHANGE, ok=True),
    "snapshot": SNAPSHOT,
    "reviewed": Reviewed(*REVIEW),
    "certified": Certified(*REVIEW),
    "release": Release("postgres", "", "databases"),
    "take": Take("postgres", "databases", "", 7, "sha256:" + "5" * 64),
}


def statement(kind):
    return to_statement(Receipt(3, "sha256:" + "f" * 64, BEGIN, OID, "run", BODIES[kind]))


@settings(deadline=None)
@given(receipts)
def test_reading_what_was_written_gives_the_same_receipt(receipt):
    assert from_statement(to_statement(receipt)) == receipt


@settings(deadline=None)
@given(receipts)
def test_a_statement_survives_json(receipt):
    assert from_statement(json.loads(canonical(to_statement(receipt)))) == receipt


@settings(deadline=None)
@given(receipts, receipts)
def test_two_receipts_never_share_a_statement(one, other):
    assert (to_statement(one) == to_statement(other)) == (one == other)


def test_the_digest_of_the_envelope_is_kept_and_is_no_part_of_the_receipt():
    read = from_statement(statement("retired"), "sha256:" + "9" * 64)
    assert read.digest == "sha256:" + "9" * 64
    assert replace(read, digest="") == from_statement(statement("retired"))


@pytest.mark.parametrize(
    ("kind", "name", "digest"),
    [
        ("genesis", "ledger", None),
        ("admitted", "orders-db/a", "0" * 64),
        ("retired", "orders-db/a", None),
        ("intent", "orders-db/a", None),
        ("reviewed", "orders-db/a", None),
        ("certified", "orders-db/a", None),
        ("release", "postgres", None),
        ("take", "postgres", None),
    ],
)
def test_the_subject_names_the_grants_with_a_digest(kind, name, digest):
    (subject,) = statement(kind)["subject"]
    assert subject["name"] == name
    assert set(subject["digest"]) == {"sha256"}
    assert len(subject["digest"]["sha256"]) == 64
    if kind == "admitted":
        assert subject["digest"]["sha256"] == digest


def test_a_change_that_no_grant_asked_for_names_its_resource():
    stray = Intended(Action.REMOVE, ENTITLEMENT, (), Reason.UNMANAGED, BEGIN)
    (subject,) = to_statement(Receipt(1, "", BEGIN, "", "run", Outcome(stray, ok=True)))["subject"]
    assert subject["name"] == "orders-db"


def _paths(data, path=()):
    """Yield the path of every mapping and of every key in it."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*path, key)
            yield from _paths(value, (*path, key))
    elif isinstance(data, list):
        for n, value in enumerate(data):
            yield from _paths(value, (*path, n))


def _at(data, path):
    for step in path:
        data = data[step]
    return data


MUTANTS = [(kind, path) for kind in BODIES for path in _paths(statement(kind))]


@pytest.mark.parametrize(("kind", "path"), MUTANTS)
def test_a_dropped_key_is_refused_unless_it_is_the_end_of_an_addition(kind, path):
    changed = statement(kind)
    del _at(changed, path[:-1])[path[-1]]
    if path[-1] == "until" and "window" not in path:
        assert from_statement(changed) != from_statement(statement(kind))
    else:
        with pytest.raises(LedgerError):
            from_statement(changed)


@pytest.mark.parametrize(("kind", "path"), MUTANTS)
def test_a_renamed_key_is_refused(kind, path):
    changed = statement(kind)
    parent = _at(changed, path[:-1])
    parent[path[-1] + "x"] = parent.pop(path[-1])
    with pytest.raises(LedgerError):
        from_statement(changed)


@pytest.mark.parametrize(("kind", "path"), MUTANTS)
def test_a_value_of_another_type_is_refused(kind, path):
    for value in (None, 0.5, [[]], {"a": 1}, -1):
        changed = statement(kind)
        _at(changed, path[:-1])[path[-1]] = value
        with pytest.raises(LedgerError):
            from_statement(changed)


def _refusal(kind, change):
    changed = statement(kind)
    change(changed)
    with pytest.raises(LedgerError) as caught:
        from_statement(changed)
    return caught.value.message


def test_an_unknown_key_is_named():
    assert _refusal("retired", lambda s: s["predicate"].update(extra=1)) == "the predicate has an unknown key 'extra'"


def test_a_missing_key_is_named():
    assert _refusal("retired", lambda s: s["predicate"]["body"].pop("blob")) == "a retirement has no 'blob'"


def test_an_outcome_that_hands_nothing_over_has_one_spelling():
    assert _refusal("outcome", lambda s: s["predicate"]["body"].update(handover="")) == (
        "an outcome that hands nothing over does not say so"
    )


def test_what_a_word_tells_of_resources_has_one_spelling():
    told = {"prints": {"t": {"db": "1"}}, "resting": {"db": {"until": "2026-11-21T09:00:00Z", "live": 1}}}
    receipt = Receipt(1, "", BEGIN, OID, "run", Idle("sha256:" + "0" * 64, OID, BEGIN, 1, 0))
    plain = to_statement(receipt)
    assert "rests" not in plain["predicate"]["body"]
    plain["predicate"]["body"]["rests"] = told
    read = from_statement(plain)
    assert read.body.rests == Rests({"t": {"db": "1"}}, {"db": RestingResource(BEGIN, 1)})
    assert to_statement(read) == plain
    for wrong in (
        {"restless": []},
        {"more": 1},
        {"prints": {"t": 1}},
        {"resting": {"db": {"held": 0}}},
        {"resting": {"db": {"held": -1}}},
        {"resting": {"db": {"until": "2026-11-21T09:00:00"}}},
        {"resting": {"db": {"until": "2026-11-21T09:00:00+00:00"}}},
    ):
        plain["predicate"]["body"]["rests"] = {**told, **wrong}
        with pytest.raises(LedgerError, match="rests of an idle run"):
            from_statement(plain)


def test_an_approval_names_the_main_it_was_given_under_only_where_that_said_something_else():
    changed = statement("admitted")
    (approval,) = changed["predicate"]["body"]["approvals"]
    assert "main" not in approval  # as earlier releases wrote it
    approval["main"] = "d" * 40
    assert from_statement(changed).body.approvals[0].main == "d" * 40
    assert _refusal("admitted", lambda s: s["predicate"]["body"]["approvals"][0].update(main="")) == (
        "an approval under the policies of the base names no main"
    )


def test_an_admission_names_its_purpose_and_the_moments_that_end_it():
    changed = statement("admitted")
    body = changed["predicate"]["body"]
    assert not {"purpose", "due"} & body.keys()  # as earlier releases wrote it
    body |= {"purpose": "case", "due": {"due": "2026-12-20T00:00:00Z"}}
    read = from_statement(changed)
    assert (read.body.purpose, read.body.due) == ("case", (("due", datetime(2026, 12, 20, tzinfo=UTC)),))
    assert to_statement(read) == changed
    for wrong, said in (
        ({"purpose": ""}, "an admission without a purpose does not say so"),
        ({"due": {}}, "expected due of an admission to be instants by name, at least one, got {}"),
        ({"due": {"a": 1}}, 'expected due of an admission to be instants by name, at least one, got {"a":1}'),
        ({"due": []}, "expected due of an admission to be a mapping, got []"),
        (
            {"due": {"a": "2026-12-20"}},
            "due of an admission: '2026-12-20' names no time zone; write for example 2026-11-21T09:00:00Z",
        ),
    ):
        assert _refusal("admitted", lambda s, more=wrong: s["predicate"]["body"].update(more)) == said


def test_an_admission_names_who_opened_and_pushed_where_that_is_known():
    changed = statement("admitted")
    body = changed["predicate"]["body"]
    assert "acts" not in body  # as earlier releases wrote it
    act = {"by": "alice", "did": "opened", "at": "2026-11-20T10:00:00Z"}
    body["acts"] = [act, {**act, "did": "pushed", "main": "d" * 40}]
    read = from_statement(changed)
    assert [(one.by, one.did, one.main) for one in read.body.acts] == [
        ("alice", "opened", ""),
        ("alice", "pushed", "d" * 40),
    ]
    assert to_statement(read) == changed
    for wrong, said in (
        ([], "an admission that tells of no acts does not say so"),
        ([{**act, "main": ""}], "an act under the policies of the base names no main"),
        ([{**act, "number": 0}], "an account without a number does not say so"),
        ([{**act, "why": "x"}], "an act has an unknown key 'why'"),
    ):
        assert _refusal("admitted", lambda s, acts=wrong: s["predicate"]["body"].update(acts=acts)) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"size": 2}, "frontier of a snapshot: a tree of 2 leaves has a frontier of 1 SHA-256 hashes"),
        ({"frontier": ["zz", "zz"]}, "frontier of a snapshot: "),
        ({"root": "0" * 64}, "root and frontier of a snapshot are of two trees"),
        ({"root": SNAPSHOT.root.upper()}, "root and frontier of a snapshot are of two trees"),
        (
            {"frontier": [node.upper() for node in SNAPSHOT.frontier]},
            "root and frontier of a snapshot are of two trees",
        ),
    ],
)
def test_a_snapshot_whose_tree_contradicts_itself_is_refused(changed, said):
    assert _refusal("snapshot", lambda s: s["predicate"]["body"].update(changed)).startswith(said)


@pytest.mark.parametrize("kind", ["snapshot", "reviewed", "certified", "release", "take"])
def test_kinds_of_version_2_are_none_of_version_1(kind):
    assert _refusal(kind, lambda s: s.update(predicateType="urn:daypass:receipt:v1")) == (
        f"a receipt of version 1 has no kind {kind!r}"
    )


def test_a_review_of_nobody_is_refused_and_one_without_words_does_not_say_so():
    nobody = {"reviews": []}
    assert _refusal("reviewed", lambda s: s["predicate"]["body"].update(nobody)) == "a review names nobody who gave it"
    assert _refusal("certified", lambda s: s["predicate"]["body"].update(nobody)) == (
        "a certification names nobody who gave it"
    )
    assert _refusal("reviewed", lambda s: s["predicate"]["body"].update(reason="")) == (
        "expected reason of a review to be a digest, got ''"
    )


@pytest.mark.parametrize(
    "changed",
    [
        lambda s: s.update(predicateType="urn:daypass:receipt:v3"),
        lambda s: s["predicate"].update(kind="burnt"),
        lambda s: s["predicate"].update(burnt=1),
        lambda s: s["predicate"]["body"].update(burnt=1),
    ],
    ids=["version", "kind", "key", "key of the body"],
)
def test_what_a_later_release_wrote_is_refused_with_that_word(changed):
    told = statement("retired")
    changed(told)
    with pytest.raises(LedgerError) as caught:
        from_statement(told)
    assert caught.value.hint.startswith("a later release of daypass wrote it: install that one here.")


def test_an_unknown_kind_is_refused_with_the_known_ones():
    assert _refusal("retired", lambda s: s["predicate"].update(kind="burnt")) == (
        "expected a kind of receipt (genesis, admitted, refused, retired, intent, outcome, settled, pulse, ended, snapshot, decided, reviewed, certified, release, take, departed, idle), got 'burnt'"
    )


def test_another_statement_type_is_refused():
    assert _refusal("retired", lambda s: s.update(_type="https://in-toto.io/Statement/v2")) == (
        "expected _type of the statement to be 'https://in-toto.io/Statement/v1', got \"https://in-toto.io/Statement/v2\""
    )


def test_a_subject_that_the_body_is_not_about_is_refused():
    message = _refusal("retired", lambda s: s["subject"][0].update(name="payroll/a"))
    assert message.startswith('expected the subject that the body is about, got [{"digest":')


def test_a_previous_that_is_no_digest_is_refused():
    assert (
        _refusal("retired", lambda s: s["predicate"].update(previous="abc"))
        == "expected previous to be a digest, got 'abc'"
    )


def test_a_boolean_is_no_number():
    assert _refusal("retired", lambda s: s["predicate"].update(sequence=True)) == (
        "expected sequence of the predicate to be a whole number, got true"
    )


def test_a_negative_number_is_refused():
    assert _refusal("retired", lambda s: s["predicate"].update(sequence=-1)) == (
        "expected sequence of the predicate to be 0 or more, got -1"
    )


def test_a_list_with_something_else_in_it_is_refused():
    assert _refusal("genesis", lambda s: s["predicate"]["body"].update(keys=[1])) == (
        "expected keys of a genesis to be a list of texts, got [1]"
    )
    assert _refusal("intent", lambda s: s["predicate"]["body"].update(changes=[1])) == (
        "expected changes of an intent to be a list of mappings, got [1]"
    )


def test_an_intent_without_changes_is_refused():
    assert _refusal("intent", lambda s: s["predicate"]["body"].update(changes=[])) == "an intent names no change"
    with pytest.raises(RuntimeError, match="an intent without changes says nothing"):
        to_statement(Receipt(1, "", BEGIN, "", "run", Intent((), "")))


def test_an_instant_in_another_spelling_is_refused():
    assert _refusal("retired", lambda s: s["predicate"].update(at="2026-11-21T10:00:00+01:00")) == (
        "at of the predicate: expected an instant in UTC, written with Z, got '2026-11-21T10:00:00+01:00'"
    )
    assert _refusal("retired", lambda s: s["predicate"].update(at="yesterday")) == (
        "at of the predicate: 'yesterday' is not an instant; write for example 2026-11-21T09:00:00Z"
    )


def test_a_window_that_ends_before_it_starts_is_refused():
    assert _refusal("admitted", lambda s: s["predicate"]["body"]["window"].update(until="2026-11-21T09:00:00Z")) == (
        "window of an admission: until (2026-11-21T09:00:00Z) is not after from (2026-11-21T09:00:00Z)"
    )


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"intervals": []}, "a window that does not recur has no intervals"),
        ({"calendar": "office"}, "a window without intervals is of no calendar"),
        (
            {"intervals": [{"from": "2026-11-21T09:10:00Z", "until": "2026-11-21T09:05:00Z"}]},
            "expected the intervals of a window to lie in it, in order and apart from each other",
        ),
        (
            {"intervals": [{"from": "2026-11-21T08:10:00Z", "until": "2026-11-21T09:05:00Z"}]},
            "expected the intervals of a window to lie in it, in order and apart from each other",
        ),
    ],
)
def test_intervals_lie_in_their_window_in_order(more, why):
    assert why in _refusal("admitted", lambda s: s["predicate"]["body"]["window"].update(more))


def test_an_object_id_and_a_digest_must_look_like_one():
    assert _refusal("retired", lambda s: s["predicate"]["body"].update(blob="HEAD")) == (
        "expected blob of a retirement to be a git object id, got 'HEAD'"
    )
    assert _refusal("admitted", lambda s: s["predicate"]["body"].update(grant_digest="md5:1")) == (
        "expected grant_digest of an admission to be a digest, got 'md5:1'"
    )


def test_an_unknown_action_or_reason_is_refused():
    assert _refusal("outcome", lambda s: s["predicate"]["body"]["change"].update(reason="whim")) == (
        "expected reason of a change to be one that is known, got 'whim'"
    )


def test_a_change_can_be_read_by_itself():
    assert CHANGES.read(CHANGE.to_dict()) == CHANGE


def test_an_instant_finer_than_a_second_is_our_own_mistake():
    with pytest.raises(RuntimeError, match="receipts are written to the second"):
        to_statement(Receipt(1, "", BEGIN.replace(microsecond=5), "", "run", BODIES["retired"]))


def test_a_clock_says_that_the_receipt_before_lies_ahead_of_it():
    made = replace(
        Receipt(1, "sha256:" + "f" * 64, BEGIN, "", "run", BODIES["retired"]), clock=BEGIN - timedelta(hours=7)
    )
    assert to_statement(made)["predicate"]["clock"] == format_instant(BEGIN - timedelta(hours=7))
    assert from_statement(to_statement(made)) == made
    assert _refusal("retired", lambda s: s["predicate"].update(clock=format_instant(BEGIN))) == (
        f"expected clock of the predicate to be before at, got {format_instant(BEGIN)}"
    )


def test_a_retirement_says_only_what_somebody_looked_at():
    bare = to_statement(Receipt(3, "sha256:" + "f" * 64, BEGIN, OID, "run", BODIES["retired"]))
    assert set(bare["predicate"]["body"]) == {"grant", "blob", "commit"}
    told = Retirement(GrantId("orders-db/a"), OID, OID, 7, "mallory", "end-unentitled", revoked=True)
    receipt = Receipt(3, "sha256:" + "f" * 64, BEGIN, OID, "run", told)
    assert from_statement(to_statement(receipt)) == receipt


def test_version_1_has_none_of_the_kinds_that_are_new_in_version_2():
    old = PREDICATE_TYPES[1]
    assert _refusal("ended", lambda s: s.update(predicateType=old)) == "a receipt of version 1 has no kind 'ended'"


def test_another_version_is_refused():
    assert _refusal("retired", lambda s: s.update(predicateType="urn:daypass:receipt:v3")) == (
        "expected predicateType of the statement to be 'urn:daypass:receipt:v1' or 'urn:daypass:receipt:v2', "
        'got "urn:daypass:receipt:v3"'
    )


@pytest.mark.parametrize(
    "basis", [["sha256:" + "1" * 64, "sha256:" + "0" * 64], ["sha256:" + "1" * 64] * 2, ["x"], [7]]
)
def test_what_an_intent_stands_on_has_one_spelling(basis):
    assert "basis of an intent to be" in _refusal("intent", lambda s: s["predicate"]["body"].update(basis=basis))


@given(receipts)
def test_a_kind_is_named_as_its_bodies_are(receipt):
    assert kind_of(receipt.body) == to_statement(receipt)["predicate"]["kind"]
