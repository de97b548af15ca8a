"""Who holds what and who approved what, as of a place in the ledger."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from receipt_strategies import BEGIN, folded, proofs

from daypass.core.approval.held import HeldBook
from daypass.core.ids import GrantId, Oid, folder_of
from daypass.core.ledger.receipt import Admission, Ended, Genesis, Receipt, Refusal, Retirement, Settled
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Entitlement, Holding
from daypass.core.policy.held import Held
from daypass.core.window import Window

OID = Oid("a" * 40)
WIKI = {"wiki"}
E = Entitlement("embedded", "wiki", "alice", "{}")


def landing(number: int) -> Oid:
    return Oid(f"{number:040d}")


def admission(name: str = "one", place: int = 1, by: str = "bob", subject: str = "alice", **changes) -> Admission:
    """An admission on the wiki that lasts an hour from BEGIN on."""
    approvals = (ApprovalRecord(by, "owners", OID, BEGIN, "r"),)
    return Admission(
        **{
            "grant": GrantId(f"wiki/{name}"), "blob": OID, "landing": landing(place), "pull": 1, "head": OID, "base": OID,
            "merged_at": BEGIN, "requested_at": BEGIN, "requester": subject, "subject": subject, "resource": "wiki",
            "role": "editor", "window": Window(BEGIN, BEGIN + timedelta(hours=1)), "entitlement": E, "grant_digest": "",
            "policy": "", "meaning": "", "approvals": approvals, **changes,
        }
    )  # fmt: skip


def after(*bodies, at=BEGIN, place: str = "", standing: Standing | None = None) -> Held:
    book = HeldBook(standing or Standing())
    for body in bodies:
        book.add(body, BEGIN)
    return book.before(place).of(WIKI, at)


def told(held: Held) -> tuple[list[str], list[str]]:
    return sorted(held.holders["wiki"]), sorted(held.approvers["wiki"])


def test_subjects_hold_while_their_windows_last_and_approvers_count_for_thirty_days() -> None:
    assert told(after(admission())) == (["alice"], ["bob"])
    assert told(after(admission(), at=BEGIN + timedelta(hours=1))) == ([], ["bob"])
    assert told(after(admission(), at=BEGIN + timedelta(days=30))) == ([], [])
    assert told(after(admission(), at=BEGIN - timedelta(seconds=1))) == ([], ["bob"])


def test_what_is_gone_refused_or_ended_is_held_no_more_and_was_approved_all_the_same() -> None:
    gone = Retirement(GrantId("wiki/one"), OID, landing(2))
    refused = Refusal(GrantId("wiki/one"), OID, landing(2), "unproved", "")
    ended = Ended(GrantId("wiki/one"), OID, landing(1), BEGIN, "beyond-engagement", "")
    for body in (gone, refused, ended):
        assert told(after(admission(), body)) == ([], ["bob"])
    other = Ended(GrantId("wiki/other"), OID, landing(1), BEGIN, "beyond-engagement", "")
    assert told(after(admission(), other)) == (["alice"], ["bob"])


def test_what_one_landing_gave_counts_for_the_next_alone() -> None:
    assert told(after(admission(), place=landing(1))) == ([], [])
    assert told(after(admission(), place=landing(2))) == (["alice"], ["bob"])
    two = (admission(), admission("two", by="carol", subject="dan"))
    assert told(after(*two, place=landing(1))) == ([], [])
    assert told(after(*two, admission("three", 2, "erin"), place=landing(2))) == (["alice", "dan"], ["bob", "carol"])


def test_less_of_what_was_given_counts_at_once_and_approves_nothing() -> None:
    less = admission(by="carol", window=Window(BEGIN, BEGIN + timedelta(minutes=5)), narrowed_from=OID)
    assert told(after(admission(), less, at=BEGIN + timedelta(minutes=10))) == ([], ["bob"])


def test_what_a_standing_says_counts_as_what_its_receipts_said() -> None:
    assert told(after(standing=fold(chain(admission())))) == (["alice"], ["bob"])


def test_only_what_was_asked_for_is_told() -> None:
    assert HeldBook(Standing()).before().of((), BEGIN) == Held(known=True)


def test_the_latest_approval_counts_in_whatever_order_they_are_told() -> None:
    late = admission("two", 2, approvals=(ApprovalRecord("bob", "owners", OID, BEGIN - timedelta(days=40), "r"),))
    assert told(after(admission(), late, at=BEGIN + timedelta(days=1)))[1] == ["bob"]
    assert told(after(late, at=BEGIN)) == (["alice"], [])


def chain(*bodies) -> list[Receipt]:
    return [
        Receipt(n, f"sha256:{n:064d}" if n else "", BEGIN, OID, "run", body, f"sha256:{n + 1:064d}")
        for n, body in enumerate([Genesis(("key",)), *bodies])
    ]


@settings(deadline=None)
@given(st.lists(st.one_of(folded, proofs), max_size=14), st.integers(0, 15))
def test_a_standing_and_the_rest_say_what_all_receipts_say(bodies: list, cut: int) -> None:
    # A grant's folder has its resource's name: see `daypass.core.files.grants`.
    bodies = [replace(b, resource=folder_of(b.grant)) if isinstance(b, Admission) else b for b in bodies]
    found = chain(*bodies)
    book, whole = HeldBook(fold(found[:cut])), HeldBook(Standing())
    for receipt in found[cut:]:
        book.add(receipt.body, receipt.run_at)
    for receipt in found:
        whole.add(receipt.body, receipt.run_at)
    names = {body.resource for body in bodies if isinstance(body, Admission)}
    for at in (BEGIN, BEGIN + timedelta(hours=2), BEGIN + timedelta(days=29)):
        assert book.before().of(names, at) == whole.before().of(names, at)


def test_the_standing_keeps_who_approved_what_after_the_grant_is_gone() -> None:
    gone = Retirement(GrantId("wiki/one"), OID, landing(2))
    later = admission("two", 3, approvals=(ApprovalRecord("bob", "owners", OID, BEGIN + timedelta(days=1), "r"),))
    standing = fold(chain(admission(), gone))
    assert standing.approved == {("wiki", "bob"): BEGIN}
    assert fold(chain(admission(), gone, later)).approved == {("wiki", "bob"): BEGIN + timedelta(days=1)}
    assert fold(chain(later, replace(admission(), narrowed_from=OID))).approved == {
        ("wiki", "bob"): BEGIN + timedelta(days=1)
    }


# What stands beside a grant


def view(*bodies, place: str = "", standing: Standing | None = None):
    book = HeldBook(standing or Standing())
    for body in bodies:
        book.add(body, BEGIN)
    return book.before(place)


def names(found) -> list[str]:
    return sorted(one.grant for one in found)


def test_the_grants_of_a_subject_are_those_admitted_and_not_gone() -> None:
    two = (admission(), admission("two", 2), admission("other", 3, subject="dan"))
    assert names(view(*two).grants_of("alice")) == ["wiki/one", "wiki/two"]
    assert names(view(*two, Retirement(GrantId("wiki/two"), OID, landing(4))).grants_of("alice")) == ["wiki/one"]
    assert names(view(*two, place=landing(3)).grants_of("dan")) == []
    assert names(view(standing=fold(chain(*two))).grants_of("dan")) == ["wiki/other"]
    assert view(*two).grants_of("nobody") == ()


def test_a_grant_that_went_to_somebody_else_is_theirs_alone() -> None:
    moved = (admission(), admission(place=2, subject="dan"))
    assert names(view(*moved).grants_of("alice")) == []
    assert names(view(*moved).grants_of("dan")) == ["wiki/one"]


def test_an_end_shortens_what_is_held() -> None:
    ended = Ended(GrantId("wiki/one"), OID, landing(1), BEGIN, "beyond-engagement", "")
    assert [
        one.meets(Window(BEGIN, BEGIN + timedelta(hours=1))) for one in view(admission(), ended).grants_of("alice")
    ] == [False]


OTHER = Oid("b" * 40)


def test_files_that_no_receipt_settles_wait() -> None:
    files = [(GrantId("wiki/one"), OID, ""), (GrantId("wiki/two"), OID, ""), (GrantId("wiki/three"), OTHER, "")]
    assert [name for name, _ in view(admission(), admission("three")).waiting(files)] == ["wiki/two", "wiki/three"]
    for code, waits in (("unproved", True), ("around-the-gate", False)):
        refused = Refusal(GrantId("wiki/two"), OID, landing(2), code, "")
        assert ("wiki/two" in [name for name, _ in view(refused).waiting(files)]) is waits
        assert ("wiki/two" in [name for name, _ in view(standing=fold(chain(refused))).waiting(files)]) is waits
    again = Refusal(GrantId("wiki/two"), OTHER, landing(2), "around-the-gate", "")
    assert "wiki/two" in [name for name, _ in view(again).waiting(files)]


def test_receipts_that_nobody_asks_about_are_added_up_before_they_are_many() -> None:
    book = HeldBook(Standing())
    for place in range(1, 1_101):
        book.add(admission(f"n{place}", place), BEGIN)
    assert len(book.before().grants_of("alice")) == 1_100


def test_what_somebody_wrote_off_is_held_no_more() -> None:
    off = Settled(Holding(E, (GrantId("wiki/one"),)), False, "carol", "", ((GrantId("wiki/one"), OID, landing(1)),))
    assert told(after(admission(), off)) == ([], ["bob"])
