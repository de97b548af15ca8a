"""The whole ledger against the whole history: clean worlds are clean, and each fault is named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from audit_world import T0, World, minutes
from msgspec.structs import replace

from daypass.core.errors import LedgerError
from daypass.core.finding import Place
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.chain import Envelope, seal
from daypass.core.ledger.receipt import (
    Certified,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Refusal,
    Release,
    Retirement,
    Reviewed,
)
from daypass.core.ledger.records import ApprovalRecord, Idle
from daypass.core.plan import Action, Intended, Reason
from daypass.core.policy.cel.expression import compile_condition
from daypass.core.policy.cel.source import spread
from daypass.core.policy.requirement import Requirement
from daypass.core.policy.rules import Rule, Rules
from daypass.core.window import Window
from daypass.edges.git.trees import commit_tree
from daypass.edges.ledger.keyfiles import generate_key
from daypass.edges.ledger.signing import EnvelopeSigner
from git_trees import write_tree


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "repo")


def check(world, at=T0):
    return world.verified(at)


def codes(world, at=T0):
    return [found.code for found in check(world, at).differences]


def admitted(world, name="orders-db/one", **changes):
    """An admission that differs from the truth, written as if it were true."""
    content = world.file(reason=f"why {name}")
    admission = world.admission(name, content, world.merge(name, content), minutes(30))
    world.write([replace(admission, **changes)], minutes(31))
    return admission


def test_a_whole_life_is_clean(world):
    admission = world.life("orders-db/one", 30)
    world.take(admission, minutes(91))
    world.merge("orders-db/one", None)
    world.write([Retirement(admission.grant, admission.blob, world.main)], minutes(100))
    found = check(world, minutes(120))
    assert found.differences == ()
    assert found.clean
    assert (found.proved, found.checked, found.landings) == (7, 1, 3)
    assert found.sources.last_at == minutes(100)


def test_policies_are_read_once_for_all_bases_that_share_them(world):
    for n in range(5):
        world.life(f"orders-db/g{n}", 30 + 100 * n)
    world.policies_read = 0
    assert check(world).differences == ()
    assert world.policies_read == 1


def test_a_role_that_changed_later_does_not_make_old_receipts_wrong(world):
    world.life("orders-db/one", 30)
    world.land([("policies/privilege", b"rw\n")], "Policies")
    world.policies_read = 0
    assert check(world).differences == ()


def test_a_landing_that_no_run_has_seen_is_a_note(world):
    world.merge("orders-db/one", world.file())
    found = check(world)
    assert [item.code for item in found.differences] == ["not-applied-yet"]
    assert found.clean


def test_a_landing_without_a_receipt_is_named(world):
    landing = world.merge("orders-db/one", world.file())[2]
    world.life("orders-db/two", 30)
    (found,) = check(world).differences
    assert (found.code, found.commit) == ("landing-without-receipt", landing)
    assert found.message == (
        f"commit {landing[:12]} brought orders-db/one, and the runs since then wrote neither that it was admitted nor "
        "that it was refused"
    )


def test_a_landing_replaced_before_any_run_is_a_note(world):
    world.merge("orders-db/one", world.file(reason="first"))
    world.life("orders-db/one", 30)
    assert codes(world) == ["superseded-without-receipt"]


def test_a_grant_slipped_into_a_merge_is_named(world):
    content = world.file()
    landed = world.merge("orders-db/one", content, extra=world.file("mallory"))
    world.give(world.admission("orders-db/one", content, landed, minutes(30)), minutes(31))
    (found,) = check(world).differences
    assert (found.code, found.grant) == ("landing-without-receipt", "orders-db/evil")


def test_a_refused_landing_is_settled(world):
    landing = world.land([("grants/orders-db/hand.yaml", world.file())], "By hand")
    blob = Oid(world.git.text("rev-parse", f"{landing}:grants/orders-db/hand.yaml"))
    world.write([Refusal("orders-db/hand", blob, landing, "around-the-gate", "no record")], minutes(40))
    assert codes(world) == []


def test_a_receipt_for_what_never_landed_is_named(world):
    admission = world.life("orders-db/one", 30)
    world.write([replace(admission, grant="orders-db/ghost")], minutes(40))
    (found,) = check(world).differences
    assert found.message == (
        f"receipt 4 says that commit {admission.landing[:12]} brought blob {admission.blob[:12]} as orders-db/ghost; "
        "that commit did not bring it"
    )


def test_a_receipt_for_a_commit_outside_main_is_named(world):
    other = world.commit(world.main, [("grants/orders-db/side.yaml", world.file())], "Side")
    blob = Oid(world.git.text("rev-parse", f"{other}:grants/orders-db/side.yaml"))
    world.write([Refusal("orders-db/side", blob, other, "x", "y")], minutes(40))
    (found,) = check(world).differences
    assert found.code == "receipt-without-landing"
    assert found.message.endswith("that commit is not in main's history and did not bring it")


def test_a_ledger_cut_off_is_named_by_the_merges_that_saw_more(world):
    short = world.ledger_at
    world.life("orders-db/one", 30)
    seen = world.head.digest
    world.merge("orders-db/two", world.file())
    world.git.update_refs({"refs/heads/daypass-ledger": (world.ledger_at, short)}, reason="test")
    found = check(world)
    anchor = next(item for item in found.differences if item.code == "anchor-missing")
    assert anchor.message == (
        f"commit {world.main[:12]} was merged when the ledger's last receipt was {seen}, which the ledger does not have: "
        "it was cut off or replaced"
    )
    assert not found.clean


def broken(world, sequence, change):
    """Rewrite one envelope of the ledger, without a trace in the branch's history."""
    envelopes = list(world.ledger.envelopes())
    files = [
        (f"receipts/000/000/{n:03d}.json", change(e.raw) if n == sequence else e.raw) for n, e in enumerate(envelopes)
    ]
    made = commit_tree(world.git, write_tree(world.git, world.empty, files), (), "x", author=("a", "a@b"), at=T0)
    world.git.update_refs({"refs/heads/daypass-ledger": (world.ledger_at, made)}, reason="test")


def test_a_changed_byte_is_named_with_its_receipt(world):
    world.life("orders-db/one", 30)
    broken(world, 1, lambda raw: raw.replace(b'"sig":"', b'"sig":"00', 1) if b'"sig":"' in raw else raw + b" ")
    found = check(world)
    first = next(item for item in found.differences if item.code == "ledger-broken")
    assert first.receipt == 1
    assert first.message.startswith("receipt 1: ")
    assert found.proved == 1


def test_a_ledger_rewritten_with_another_key_is_named(world, tmp_path):
    private = tmp_path / "other.pem"
    other = EnvelopeSigner(private, generate_key(private))
    (sealed,) = seal([Genesis((other.key_id,))], None, other.sign, at=T0, main=world.main, run="evil")
    forged = world.ledger.__class__(world.git, "forged").append(ABSENT, [Envelope(0, sealed.raw)], message="x", at=T0)
    world.git.update_refs({"refs/heads/daypass-ledger": (world.ledger_at, forged)}, reason="test")
    (found,) = [item for item in check(world).differences if item.code == "ledger-broken"]
    assert found.message.startswith("receipt 0: it is signed by another key")


def test_a_receipt_removed_from_the_branch_is_named(world):
    world.life("orders-db/one", 30)
    tree = write_tree(world.git, world.ledger_at, [("receipts/000/000/002.json", None)])
    made = commit_tree(world.git, tree, (world.ledger_at,), "x", author=("a", "a@b"), at=T0)
    world.git.update_refs({"refs/heads/daypass-ledger": (world.ledger_at, made)}, reason="test")
    assert "ledger-broken" in codes(world)


def test_an_outcome_that_nobody_intended_is_named(world):
    admission = admitted(world)
    change = Intended(
        Action.ADD, admission.entitlement, (admission.grant,), Reason.WINDOW_OPENED, minutes(30), minutes(90)
    )
    world.write([Outcome(change, ok=True)], minutes(32))
    (found,) = check(world).differences
    assert (found.code, found.receipt) == ("outcome-without-intent", 2)


def test_an_intent_whose_end_nobody_wrote_is_named(world):
    admission = admitted(world)
    change = Intended(
        Action.ADD, admission.entitlement, (admission.grant,), Reason.WINDOW_OPENED, minutes(30), minutes(90)
    )
    world.write([Intent((change,), "sha256:" + "0" * 64)], minutes(32))
    (found,) = check(world).differences
    assert found.message == (
        'receipt 2 intends giving {"member_of":"ro"} on orders-db to alice, and no receipt says how it ended; the next '
        "`daypass apply` looks and says so"
    )


def test_a_run_that_died_and_was_settled_is_clean(world):
    admission = admitted(world)
    change = Intended(
        Action.ADD, admission.entitlement, (admission.grant,), Reason.WINDOW_OPENED, minutes(30), minutes(90)
    )
    world.write([Intent((change,), "sha256:" + "0" * 64)], minutes(32))
    world.write([Outcome(change, ok=False, error="the run died", recovered=True)], minutes(33))
    world.write([Intent((change,), "sha256:" + "0" * 64)], minutes(33))
    world.write([Outcome(change, ok=True)], minutes(33))
    assert codes(world) == []


@pytest.mark.parametrize(("code", "end"), [("beyond-engagement", 31), ("beyond-retention", 40)])
def test_an_end_that_mains_policies_did_not_make_is_named(world, code, end):
    admission = admitted(world)
    proof = (admission.grant, admission.blob, admission.landing)
    world.write([Ended(*proof, minutes(end), code, "the data is kept until then")], minutes(41))
    (found,) = check(world).differences
    assert (found.code, found.receipt) == ("end-without-grounds", 2)
    assert found.message.endswith("the data is kept until then; main's policies did not say so")


def test_an_end_with_a_task_is_one_that_the_grant_waited_for_and_lies_in_the_past(world):
    content = world.file() + b"ends_when:\n  issue_closed: acme/orders#8\n"
    admission = world.admission("orders-db/one", content, world.merge("orders-db/one", content), minutes(30))
    world.write([replace(admission, ends_when=(("issue_closed", "acme/orders#8"),))], minutes(31))
    proof = (admission.grant, admission.blob, admission.landing)
    for code, bound, end in (
        ("issue-closed", "issue acme/orders#8 was closed at 2026-11-21T09:40:00Z", 41),
        ("issue-closed", "issue acme/orders#9 was closed at 2026-11-21T09:40:00Z", 41),
        ("pull-merged", "pull request acme/orders#8 was merged at 2026-11-21T09:40:00Z", 41),
        ("issue-closed", "issue acme/orders#8 was closed at 2026-11-21T09:40:00Z", 43),
    ):
        world.write([Ended(*proof, minutes(end), code, bound)], minutes(42))
    wrong = {found.receipt for found in check(world).differences if found.code == "end-without-grounds"}
    assert wrong == {3, 4, 5}


def test_access_past_its_window_is_named(world):
    world.life("orders-db/one", 30)
    assert codes(world, minutes(89)) == []
    (found,) = check(world, minutes(90)).differences
    assert found.message == ('alice still has {"member_of":"ro"} on orders-db; its window ended 2026-11-21T10:30:00Z')


def test_access_without_an_admission_is_named(world):
    change = Intended(
        Action.ADD, world.entitlement("mallory"), ("orders-db/no",), Reason.WINDOW_OPENED, T0, minutes(90)
    )
    world.write([Intent((change,), "sha256:" + "0" * 64)], minutes(32))
    world.write([Outcome(change, ok=True)], minutes(32))
    assert codes(world) == ["access-without-admission"]


def test_access_longer_than_approved_is_named(world):
    admission = admitted(world)
    change = Intended(Action.ADD, admission.entitlement, (admission.grant,), Reason.WINDOW_OPENED, T0, minutes(500))
    world.write([Intent((change,), "sha256:" + "0" * 64)], minutes(32))
    world.write([Outcome(change, ok=True)], minutes(32))
    (found,) = check(world).differences
    assert (found.code, found.message.rpartition("; ")[2]) == (
        "access-beyond-window",
        "the window that was approved ends 2026-11-21T10:30:00Z",
    )


DIGEST = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"grant_digest": DIGEST}, {"grant-digest"}),
        ({"policy": DIGEST}, {"policy-digest", "trailer-policy"}),
        ({"meaning": DIGEST}, {"meaning-digest"}),
        ({"role": "admin"}, {"grant-fields", "meaning-digest", "entitlement"}),
        ({"window": Window(minutes(30), minutes(95))}, {"window"}),
        ({"base": Oid("1" * 40)}, {"base", "policy-unreadable"}),
        ({"pull": 7}, {"trailer-pull"}),
        ({"purpose": "incident"}, {"grant-fields"}),
        ({"due": (("due", minutes(90)),)}, {"approvals-insufficient"}),
        ({"requester": "carol"}, {"trailer-requester"}),
        ({"requester": "bob"}, {"trailer-requester", "approved-own", "approvals-insufficient"}),
        ({"head": Oid("1" * 40)}, {"trailer-head", "approval-commit", "approvals-insufficient"}),
        ({"rules": ("two",)}, {"trailer-rules"}),
        (
            {"approvals": (ApprovalRecord("dora", "owners", Oid("1" * 40), T0, "r"),)},
            {"trailer-approvers", "approval-commit", "approvals-insufficient"},
        ),
        ({"narrowed_from": "2" * 40}, {"narrowed-nothing"}),
    ],
)
def test_each_fact_of_an_admission_is_held_against_git(world, changes, expected):
    admitted(world, **changes)
    found = world.verified(T0)
    assert {item.code for item in found.differences} == expected
    assert all(item.receipt == 1 for item in found.differences)


def test_the_digest_that_moved_is_named(world):
    admission = admitted(world, grant_digest=DIGEST)
    (found,) = check(world).differences
    assert (
        found.message == f"receipt 1, orders-db/one: the file means {admission.grant_digest}, the receipt says {DIGEST}"
    )


def test_a_merge_at_the_forge_without_trailers_is_a_note(world):
    content = world.file()
    empty = dict.fromkeys(
        ["Daypass-Grant", "Daypass-Pull", "Daypass-Head", "Daypass-Requester", "Daypass-Approved-By", "Daypass-Policy"],
        "",
    )
    landed = world.merge("orders-db/one", content, trailers=empty | {"Daypass-Ledger": ""})
    world.give(world.admission("orders-db/one", content, landed, minutes(30)), minutes(31))
    assert codes(world) == ["no-trailers"]
    assert check(world).clean


def test_what_a_merge_message_says_is_held_against_each_admission_of_it(world, monkeypatch):
    monkeypatch.setattr("daypass.pipeline.audit.verify.BATCH", 1)
    content = world.file()
    landed = world.merge("orders-db/one", content, trailers={"Daypass-Requester": "dora"})
    admission = world.admission("orders-db/one", content, landed, minutes(30))
    world.write([admission, replace(admission, rules=("else",))], minutes(31))
    said = [(one.code, one.receipt) for one in check(world).differences if one.code.startswith("trailer-")]
    assert said == [("trailer-requester", 1), ("trailer-requester", 2), ("trailer-rules", 2)]


def test_a_narrowing_needs_no_proof_of_its_own_and_may_not_widen(world):
    first = world.life("orders-db/one", 30)
    content = world.file(hours=1, reason="for a shorter time")
    landed = world.merge("orders-db/one", content, trailers={"Daypass-Approved-By": ""})
    fresh = world.admission("orders-db/one", content, landed, minutes(30))
    narrow = replace(
        fresh, pull=1, head=first.head, base=first.base, approvals=first.approvals, narrowed_from=first.blob
    )
    world.write([replace(narrow, window=Window(minutes(30), minutes(80)))], minutes(50))
    assert codes(world) == []
    world.write([replace(narrow, narrowed_from=narrow.blob, window=Window(minutes(30), minutes(200)))], minutes(51))
    (found,) = check(world).differences
    assert found.message == "receipt 5, orders-db/one: it is called a narrowing and changes the window to a longer one"


def test_a_removal_that_no_receipt_tells_is_a_note(world):
    world.life("orders-db/one", 30)
    world.merge("orders-db/one", None)
    (found,) = check(world).differences
    assert (found.code, found.severity.value) == ("removal-without-receipt", "note")
    assert found.message.endswith("; no run has seen it yet")


def test_a_main_that_the_ledger_does_not_know_is_named(world):
    world.life("orders-db/one", 30)
    good, world.main = world.main, world.commit(world.main, [], "Elsewhere")
    world.write([Refusal("orders-db/one", Oid("1" * 40), good, "x", "y")], minutes(40))
    assert "main-unknown" in codes(world)


def test_a_run_on_an_older_main_is_named(world):
    older = world.main
    world.life("orders-db/one", 30)
    newest, world.main = world.main, older
    change = Intended(Action.REMOVE, world.entitlement(), (), Reason.UNMANAGED, T0)
    world.write([Intent((change,), "sha256:" + "0" * 64)], minutes(40))
    world.write([Outcome(change, ok=True)], minutes(40))
    world.main = newest
    assert codes(world) == ["main-went-back", "main-went-back"]


def test_progress_is_told(world):
    told = []
    world.life("orders-db/one", 30)
    world.verified(T0, progress=lambda *said: told.append(said))
    assert told == [(0, 4, "receipts"), (4, 4, "receipts")]


def test_lateness_of_the_clock_does_not_matter_before_the_end(world):
    admission = world.life("orders-db/one", 30)
    assert codes(world, admission.window.end - timedelta(seconds=1)) == []


def test_certifications_are_named_as_not_judged_and_a_review_of_what_was_to_have_none_as_wrong(world):
    admission = world.life("orders-db/one", 30)
    by = (ApprovalRecord("bob", "owners", admission.head, minutes(70), "9"),)
    told = (admission.grant, admission.blob, admission.landing, 8, admission.head)
    world.write([Reviewed(*told, True, by), Certified(*told, False, by)], minutes(80))
    wrong, found = check(world).differences
    assert (wrong.code, wrong.severity.value) == ("review-without-grounds", "error")
    assert (
        wrong.message
        == "receipt 4 says that orders-db/one was reviewed, which was not admitted then, or was to have no review"
    )
    assert (found.code, found.severity.value) == ("review-not-judged", "note")
    assert found.message == (
        "1 certifications of what runs on were not judged again: this release has no rule for who may give them: receipts 5"
    )


@pytest.mark.parametrize("begin", [False, True])
def test_an_approval_by_somebody_whom_the_ledger_takes_out_is_named(world, begin):
    place = Place("policies/rules/x.yaml")
    needs = (Requirement(1, "owners", ("eyes",), without=("approvers:orders-db",)),)
    eyes = Rule("eyes", compile_condition("true", place, spread("true", 1, 1, "true")), place, require=needs)
    plain = world.policy_at
    world.policy_at = lambda commit: replace(plain(commit), rules=Rules.of([eyes]))
    world.life("orders-db/one", 30)
    since = world.snapshot(minutes(40)) if begin else ""
    second = world.life("orders-db/two", 60)
    (found,) = world.verified(T0, since).differences
    assert (found.code, found.grant) == ("approvals-insufficient", second.grant)


def test_what_was_to_be_asked_apart_and_was_merged_together_is_named(world):
    place = Place("policies/rules/x.yaml")
    needs = (Requirement(1, "owners", ("eyes",), without=("holders:orders-db",)),)
    eyes = Rule("eyes", compile_condition("true", place, spread("true", 1, 1, "true")), place, require=needs)
    plain = world.policy_at
    world.policy_at = lambda commit: replace(plain(commit), rules=Rules.of([eyes]))
    content = world.file()
    landed = world.merge("orders-db/one", content, extra=world.file("carol", reason="both at once, in one request"))
    world.write([world.admission("orders-db/one", content, landed, minutes(30))], minutes(31))
    (found,) = [one for one in check(world).differences if one.code == "approvals-insufficient"]
    assert "it was merged together with a grant on orders-db" in found.message


def test_an_approval_in_the_place_of_whose_own_it_is_is_named(world):
    admission = admitted(world)
    (record,) = admission.approvals
    content = world.file(reason="another one")
    other = world.admission("orders-db/two", content, world.merge("orders-db/two", content), minutes(40))
    world.write([replace(other, approvals=(replace(record, commit=other.head, acts_for="alice"),))], minutes(41))
    found = [one.message for one in check(world).differences if one.code == "approved-own"]
    assert found == [
        "receipt 2, orders-db/two: bob approved for alice, whose own it is, or who asked for it or pushed it"
    ]


def test_what_stood_beside_and_cannot_be_read_is_named(world):
    place = Place("policies/rules/x.yaml")
    text = "subject.live_grants == 0"
    alone = Rule("alone", compile_condition(text, place, spread(text, 1, 1, text)), place, automatic=True)
    plain = world.policy_at
    world.policy_at = lambda commit: replace(plain(commit), rules=Rules.of([alone]))
    content, beside = world.file(), world.file("carol", reason="what was merged with it")
    landed = world.merge("orders-db/one", content, extra=beside)
    world.write([world.admission("orders-db/one", content, landed, minutes(30))], minutes(31))
    assert "beside-unreadable" not in codes(world)
    blob = world.git.text("hash-object", "--stdin", stdin=beside)
    (file,) = world.folder.rglob(f"objects/{blob[:2]}/{blob[2:]}")
    file.unlink()
    (found,) = [one for one in check(world).differences if one.code == "beside-unreadable"]
    assert found.receipt == 1
    assert "what was merged beside it cannot be read" in found.message


@pytest.mark.parametrize(("judged", "code"), [(1, "judged-as-then"), (2, "approvals-insufficient")])
def test_what_passed_at_once_for_somebody_else_is_judged_as_it_was_then(world, judged, code):
    place = Place("policies/rules/x.yaml")
    quick = Rule("quick", compile_condition("true", place, spread("true", 1, 1, "true")), place, automatic=True)
    plain = world.policy_at
    world.policy_at = lambda commit: replace(plain(commit), rules=Rules.of([quick]))
    content = world.file("carol")
    told = {"Daypass-Approved-By": "", "Daypass-Rules": "quick"}
    admission = world.admission(
        "orders-db/one", content, world.merge("orders-db/one", content, trailers=told), minutes(30)
    )
    world.write([replace(admission, approvals=(), rules=("quick",), judged=judged)], minutes(31))
    (found,) = check(world).differences
    assert (found.code, found.severity.value) == (code, "note" if judged == 1 else "error")


def test_nothing_is_believed_past_what_a_later_release_wrote(world):
    world.life("orders-db/one", 30)
    with pytest.raises(LedgerError):
        world.write([Release("embedded", "", "other")], minutes(80))
    (found,) = [one for one in check(world).differences if one.receipt == 4]
    assert (found.code, found.severity.value) == ("ledger-of-later-release", "error")
    assert found.message == "receipt 4 is a release of the target embedded, and this release knows one lane alone"


@pytest.mark.parametrize("named", ["before", "older", "main's", "none"])
def test_the_word_of_an_idle_run_names_the_commit_before_its_own(world, named):
    older = world.ledger_at
    world.write([Refusal("orders-db/one", Oid("1" * 40), world.main, "x", "y")], minutes(1))
    before = world.ledger_at
    said = {"before": before, "older": older, "main's": world.main, "none": Oid("0" * 40)}[named]
    world.write([Idle(f"sha256:{'0' * 64}", said, minutes(60), 0, 0)], minutes(2))
    world.write([Idle(f"sha256:{'0' * 64}", world.ledger_at, minutes(60), 0, 0)], minutes(3))
    found = [one for one in check(world).differences if one.code == "idle-without-grounds"]
    assert [one.receipt for one in found] == ([] if named == "before" else [2])
    assert all(f"after commit {said[:12]} of the ledger's branch" in one.message for one in found)
