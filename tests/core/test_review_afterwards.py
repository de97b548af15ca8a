"""Who may review an emergency afterwards, and what an auditor says of a review again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from policy_samples import AT, DIRECTORY, RESOURCE, grant, policy
from receipt_strategies import BEGIN

from daypass.core.approval.held import HeldBook
from daypass.core.approval.review import ReviewRequest, branch_of, judge_review, records_of, reviewed_on, title_of
from daypass.core.audit.access import NO_TRAILERS
from daypass.core.audit.proof import check_admission
from daypass.core.audit.reviews import check_review
from daypass.core.bounds.purposes import detail_bounds
from daypass.core.forge import Account, Review
from daypass.core.grant import REVIEW, Bounded
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Admission, Receipt, Retirement, Reviewed
from daypass.core.ledger.records import ActRecord, ApprovalRecord, Awaited
from daypass.core.ledger.standing import Standing, fold, lifted
from daypass.core.plan import AdmittedGrant, Entitlement
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.held import Held
from daypass.core.policy.policies import Policy
from daypass.core.window import Window

GRANT, OTHER = GrantId("orders-db/a"), GrantId("orders-db/b")
HEAD, LANDING, BLOB = Oid("c" * 40), Oid("b" * 40), Oid("a" * 40)
PURPOSE = """version: 1
emergency: true
max_duration: 4h
review: {within: 2h, approvals: {at_least: 1, from: owners}, escalate: {after: 1h, to: group:security}}
"""


def admission(**more) -> Admission:
    fields = {
        "grant": GRANT, "blob": BLOB, "landing": LANDING, "pull": 7, "head": HEAD, "base": BLOB, "merged_at": AT,
        "requested_at": AT, "requester": "alice", "subject": "alice", "resource": "orders-db", "role": "readonly",
        "window": Window(AT, AT + timedelta(hours=4)),
        "entitlement": Entitlement("embedded", "orders-db", "alice", "{}"),
        "grant_digest": "sha256:" + "0" * 64, "policy": "sha256:" + "1" * 64, "meaning": "sha256:" + "2" * 64,
        "purpose": "incident", "due": ((REVIEW, AT + timedelta(hours=2)),),
    }  # fmt: skip
    return Admission(**{**fields, **more})


def awaited(of: Admission) -> Awaited:
    found = of.awaited
    assert found is not None
    return found


def word(by: str, state: str = "approved", minutes: int = 10, commit: Oid = HEAD) -> Review:
    return Review(Account(by, by), state, commit, AT + timedelta(minutes=minutes), f"{by}-{minutes}")


def rules(**more: str | None) -> Policy:
    return policy(purposes_incident=PURPOSE, **more)


def judged(*reviews: Review, of: Admission | None = None, at: datetime = AT + timedelta(minutes=90)):
    return judge_review(rules(), awaited(of or admission()), ReviewRequest(HEAD, AT), reviews, at)


def test_an_owner_who_had_no_part_in_it_reviews_it() -> None:
    found = judged(word("bob"))
    assert found.met
    assert [(r.by, r.source) for r in records_of(found)] == [("bob", "owners")]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"subject": "bob"}, "bob has the access"),
        ({"requester": "bob"}, "bob asked for it"),
        ({"approvals": (ApprovalRecord("bob", "owners", HEAD, AT, "1"),)}, "bob approved it"),
        ({"acts": (ActRecord("bob", "pushed", AT),)}, "bob pushed to its request"),
        ({"hands": ("bob",)}, "bob had a hand in its commits"),
    ],
)
def test_who_holds_asked_for_pushed_or_approved_it_does_not(more, why) -> None:
    found = judged(word("bob"), of=admission(**more))
    assert not found.met
    assert [one.why for one in found.ignored] == [why]


def test_who_has_another_name_by_now_is_kept_out_by_it_and_the_resource_has_its_owners() -> None:
    people = DIRECTORY.replace("  bob: {", "  robert: {was: [bob], ").replace("manager: bob", "manager: robert")
    people = people.replace("members: [bob, carol]", "members: [robert, carol]")
    now = rules(directory_people=people, resources_orders_db=None, resources_orders=RESOURCE + "was: [orders-db]\n")
    asked, at = ReviewRequest(HEAD, AT), AT + timedelta(minutes=50)
    found = judge_review(now, awaited(admission(subject="bob")), asked, [word("robert")], at)
    assert not found.met
    assert [one.why for one in found.ignored] == ["robert has the access"]
    assert judge_review(now, awaited(admission(subject="bob")), asked, [word("carol")], at).met


def test_a_word_on_another_head_or_of_somebody_who_left_or_who_is_not_asked_counts_for_nothing() -> None:
    assert not judged(word("bob", commit=BLOB)).met
    assert next(one.why for one in judged(word("vera")).ignored).startswith("vera ")
    assert not judged(word("dan", minutes=30)).met
    assert judged(word("dan", minutes=70)).met  # security, once nobody has answered for an hour
    assert not judged(word("bob"), at=AT + timedelta(minutes=5)).met


def test_a_rejection_is_told_with_who_gave_it() -> None:
    found = judged(word("carol", "rejected"), word("bob"))
    assert not found.met
    assert [(r.by, r.source) for r in records_of(found)] == [("carol", "")]


def test_where_the_purpose_is_gone_an_owner_reviews_it() -> None:
    found = judge_review(
        policy(purposes_incident=None),
        awaited(admission()),
        ReviewRequest(HEAD, AT),
        [word("bob")],
        AT + timedelta(hours=1),
    )
    assert found.met


def test_only_what_is_signed_counts_where_the_settings_say_so() -> None:
    strict = rules(
        daypass="version: 1\nforge: {kind: local}\ntargets: {embedded: {kind: embedded}}\nlimits: {unsigned: refuse}\n"
    )
    found = judge_review(strict, awaited(admission()), ReviewRequest(HEAD, AT), [word("bob")], AT + timedelta(hours=1))
    assert [one.why.partition(",")[0] for one in found.ignored] == ["bob has no SSH key in the directory"]


def test_the_branch_of_a_review_names_the_grant() -> None:
    assert reviewed_on(branch_of(GRANT)) == GRANT
    assert reviewed_on(branch_of(GRANT, 3)) == GRANT
    assert reviewed_on("daypass/removal") is None


# What a standing remembers


@dataclass
class Ledger:
    standing: Standing

    def add(self, *bodies) -> Ledger:
        head = self.standing.head
        first = head.sequence + 1 if head is not None else 0
        receipts = [
            Receipt(first + n, "", BEGIN, "d" * 40, "run", body, digest=f"sha256:{first + n:064}")
            for n, body in enumerate(bodies)
        ]
        return Ledger(fold(receipts, self.standing))


def review(*, approved: bool = True, grant: GrantId = GRANT) -> Reviewed:
    by = ApprovalRecord("bob", "owners" if approved else "", HEAD, AT + timedelta(minutes=10), "1")
    return Reviewed(grant, BLOB, LANDING, 8, HEAD, approved, (by,))


def test_an_emergency_waits_for_its_review_whatever_becomes_of_its_file() -> None:
    ledger = Ledger(Standing()).add(admission(), Retirement(GRANT, BLOB, LANDING))
    assert list(ledger.standing.unreviewed) == [(GRANT, LANDING)]
    assert ledger.add(review(approved=False)).standing.unreviewed == {}
    again = ledger.add(admission(landing=HEAD))
    assert list(again.standing.unreviewed) == [(GRANT, LANDING), (GRANT, HEAD)]


def test_an_approval_lifts_the_end_of_what_it_was_given_for_and_of_nothing_later() -> None:
    ledger = Ledger(Standing()).add(admission(), admission(grant=OTHER)).add(review())
    assert ledger.standing.admissions[GRANT].due == ()
    assert ledger.standing.rows[GRANT].due == ()
    assert ledger.standing.admissions[OTHER].due != ()
    assert ledger.add(admission(landing=HEAD, narrowed_from=BLOB)).standing.admissions[GRANT].due != ()
    assert ledger.add(admission(landing=HEAD)).standing.reviewed == {}
    rejected = Ledger(Standing()).add(admission(), review(approved=False)).standing
    assert rejected.admissions[GRANT].due != ()


# What an auditor says


def receipt(body: Reviewed) -> Receipt:
    return Receipt(9, "", AT + timedelta(minutes=90), "d" * 40, "run", body)


def test_a_review_that_stands_is_not_spoken_of() -> None:
    for body in (review(), review(approved=False)):
        assert check_review(receipt(body), body, awaited(admission()), rules()) == ()


@pytest.mark.parametrize(
    ("body", "of", "known", "why"),
    [
        (review(), None, True, "which was not admitted then, or was to have no review"),
        (review(), admission(blob=HEAD), True, "which was not admitted then, or was to have no review"),
        (review(), admission(due=()), True, "which was not admitted then, or was to have no review"),
        (review(), admission(), False, "and the policies of main dddddddddddd cannot be read"),
        (
            review(),
            admission(subject="bob"),
            True,
            "and those who are said to have approved it are not enough: bob: bob has the access; 1 approval from owners",
        ),
        (
            Reviewed(GRANT, BLOB, LANDING, 8, HEAD, False, (ApprovalRecord("vera", "", HEAD, AT, "1"),)),
            admission(),
            True,
            "and those who are said to have rejected it are not enough: vera: vera is in no group that is asked",
        ),
    ],
)
def test_a_review_by_nobody_who_may_give_it_is_an_error(body, of, known, why) -> None:
    (found,) = check_review(receipt(body), body, of.awaited if of else None, rules() if known else None)
    assert found.code == "review-without-grounds"
    assert f"receipt 9 says that orders-db/a was reviewed, {why}" in found.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PURPOSE.replace("emergency: true\n", ""), "review is for emergencies"),
        (PURPOSE.replace("to: group:security", "close: true"), "a review is not closed"),
    ],
)
def test_a_review_that_makes_no_sense_is_refused(text, message) -> None:
    (found,) = (fault for fault in policy(purposes_incident=text).broken if fault.code == "review-contradicts")
    assert message in found.message


def test_a_review_that_names_nobody_whom_anybody_knows_is_refused() -> None:
    found = policy(purposes_incident=PURPOSE.replace("from: owners", "from: group:nobody")).broken
    assert [fault.code for fault in found] == ["unknown-group"]


def test_a_review_may_go_by_a_calendar_and_need_not_escalate() -> None:
    office = "version: 1\nzone: Europe/Berlin\nhours: Mon-Fri 08:00-19:00\n"
    found = policy(
        purposes_incident=PURPOSE.replace("{within: 2h,", "{within: 2h, clock: office,"), calendars_office=office
    )
    assert found.broken == ()
    assert found.reviews["incident"].clock == "office"
    plain = policy(purposes_incident=PURPOSE.replace(", escalate: {after: 1h, to: group:security}", ""))
    assert plain.reviews["incident"].escalate == ()


def test_whose_review_is_missing_is_asked_of_each_by_itself() -> None:
    view = HeldBook(Ledger(Standing()).add(admission()).standing).before()
    assert view.unreviewed("alice", AT + timedelta(hours=2)) == (GRANT,)
    assert view.unreviewed("alice", AT + timedelta(hours=1)) == ()
    assert view.unreviewed("bob", AT + timedelta(hours=2)) == ()


def test_what_was_over_when_it_was_merged_was_never_had() -> None:
    past = admission(window=Window(AT - timedelta(hours=2), AT - timedelta(hours=1)))
    assert Ledger(Standing()).add(past).standing.held == {}


def test_a_narrowing_of_what_was_reviewed_since_is_no_widening() -> None:
    less = admission(narrowed_from=BLOB, due=(), window=Window(AT, AT + timedelta(hours=3)))
    told = Receipt(9, "", AT, "d" * 40, "run", less)
    found = check_admission(told, less, grant=None, parents=(), trailers=NO_TRAILERS, policy=None, before=admission())
    assert "widened" not in {one.code for one in found}
    more = admission(narrowed_from=BLOB, due=(("ends", AT),))
    found = check_admission(told, more, grant=None, parents=(), trailers=NO_TRAILERS, policy=None, before=admission())
    assert "widened" in {one.code for one in found}


def test_a_policy_test_says_how_many_are_not_reviewed() -> None:
    case = (
        "version: 1\ncases:\n  - name: again\n"
        "    request: {subject: alice, resource: orders-db, role: readonly, window: {duration: 1h}}\n"
        "    at: 2026-11-20T10:00:00Z\n    history: {unreviewed: 2}\n    expect: {automatic: true}\n"
    )
    (found,) = policy(tests_base=case).tests
    assert found.held.stated == {"subject.unreviewed": 2}


def test_the_title_of_a_review_says_whose_emergency_it_was() -> None:
    assert title_of(awaited(admission())).endswith(" alice: readonly on orders-db")


def test_only_the_review_of_what_a_landing_brought_lifts_its_end() -> None:
    proof = admission()
    assert lifted(proof, Oid("d" * 40)) is proof
    assert lifted(proof, LANDING).due == ()
    held = AdmittedGrant.of(proof)
    assert (lifted(held, LANDING).due, lifted(held, LANDING).window) == ((), proof.window)


def test_an_emergency_that_was_merged_since_a_snapshot_waits_for_its_review_too() -> None:
    book = HeldBook(Standing())
    book.add(admission(), AT)
    assert book.before().unreviewed("alice", AT + timedelta(hours=2)) == (GRANT,)
    book.add(review(), AT)
    assert book.before().unreviewed("alice", AT + timedelta(hours=2)) == ()


def test_access_that_nobody_reviewed_ends_when_it_is_due() -> None:
    (bound,) = detail_bounds(Bounded("alice", due=admission().due), None)
    assert (bound.limit, bound.cuts) == (AT + timedelta(hours=2), True)


def test_a_rule_over_what_is_not_reviewed_names_it_where_it_denies() -> None:
    found = rules(
        rules_base="version: 1\nrules:\n  - {id: reviewed-first, when: 'true', deny_unless: subject.unreviewed == 0}\n"
    )
    (denial,) = decide(found, Request(grant(), "alice", AT, held=Held(known=True, unreviewed=(OTHER,)))).denials
    assert denial.message.endswith(f"(not reviewed: {OTHER})")
