"""One account of each grant: where it is in its life, and why it gives nothing where it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from policy_samples import grant as asked_grant
from policy_samples import policy

from daypass.core.approval.judgement import Counted, Ignored, Judgement, Status
from daypass.core.finding import Finding, Place
from daypass.core.forge import Account, Merge, Pull, Review
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Refusal
from daypass.core.plan import AdmittedGrant, Claim, Denied, Entitlement, Holding, Reason
from daypass.core.policy.decision import Decision, Denial, Request, decide
from daypass.core.request import Gated, Item, ItemVerdict, Proposal
from daypass.core.state import GrantState, Overview, draft_state, requested
from daypass.core.window import Span, Window

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOW = Window(AT - HOUR, AT + HOUR)
HEAD = Oid("a" * 40)
NAME = GrantId("orders-db/x")
ENTITLEMENT = Entitlement("embedded", "orders-db", "alice", '{"member_of":"orders_readonly"}')
PULL = Pull(1, "Ask", "open", Account("alice", "alice"), AT, "ask", HEAD)
ALONE = Decision((), (), automatic=True, policy="sha256:0", rules=("low-risk-passes",))
NO = Denial("too-long", "9h is longer than 8h")
WRONG = Finding("moved", Place("grants/orders-db/x.yaml"), "it is not the same file any more")
LACKS = Judgement((Status("owners", (), 1, ("bob", "carol")),), (), ())


def state(
    decision: Decision | None = ALONE,
    judgement: Judgement | None = None,
    problems: tuple[Finding, ...] = (),
    **more: object,
) -> GrantState:
    item = Item(NAME, "new", HEAD, asked_grant(), None, decision)
    found = Gated(PULL, Proposal(HEAD, HEAD, (item,), (), (), policy()), (ItemVerdict(item, judgement, problems),))
    (told,) = requested(replace(found, **more))  # type: ignore[arg-type]
    return told


def test_a_request_waits_for_those_who_are_missing() -> None:
    told = state(replace(ALONE, automatic=False), LACKS)
    assert (told.state, told.why, told.pull, told.met) == ("asked", "", 1, False)
    assert [(status.source, status.missing, status.could) for status in told.missing] == [
        ("owners", 1, ("bob", "carol"))
    ]
    assert told.entitlement == ENTITLEMENT
    assert (told.start, told.until, told.length) == (None, None, asked_grant().span.length)


def test_a_request_that_lacks_nothing_is_approved() -> None:
    review = Review(Account("bob", "bob"), "approved", HEAD, AT, "1")
    given = Judgement((Status("owners", ("bob",), 0, ()),), (Counted("bob", "owners", review),), ())
    told = state(replace(ALONE, automatic=False), given)
    assert (told.state, told.met, told.missing) == ("approved", True, ())
    assert [counted.handle for counted in told.approved_by] == ["bob"]
    assert state().state == "approved"


def test_a_request_that_nothing_lets_pass_says_so() -> None:
    told = state(replace(ALONE, automatic=False), Judgement((), (), ()))
    assert told.state == "asked"
    assert told.blocks == ("no approval is asked for, and no rule lets it pass without one",)


def test_what_is_wrong_comes_before_what_is_denied_and_that_before_a_rejection() -> None:
    rejected = replace(LACKS, blocks=("bob rejected it",))
    told = state(replace(ALONE, denials=(NO,)), rejected, (WRONG,))
    assert (told.state, told.code, told.why) == ("invalid", "moved", WRONG.message)
    told = state(replace(ALONE, denials=(NO,)), Judgement((), (), ()))
    assert (told.state, told.blocks) == ("denied", ()), "that nobody was asked is no reason there"
    told = state(replace(ALONE, denials=(NO,)), rejected)
    assert (told.state, told.code, told.why) == ("denied", "too-long", NO.message)
    told = state(replace(ALONE, automatic=False), rejected)
    assert (told.state, told.code, told.why) == ("denied", "blocked", "bob rejected it")


def test_reviews_that_do_not_count_and_those_that_reject_are_told() -> None:
    review = Review(Account("bob", "bob"), "approved", HEAD, AT, "1")
    no = replace(review, state="rejected", reason="The staging copy will do")
    told = state(
        replace(ALONE, automatic=False), replace(LACKS, ignored=(Ignored(review, "too old"),), rejections=(no,))
    )
    assert told.ignored == (Ignored(review, "too old"),)
    assert told.rejected_by == (no,)


def test_a_privilege_has_fields_where_the_catalogue_could_have_written_it() -> None:
    assert ENTITLEMENT.fields == {"member_of": "orders_readonly"}
    assert [ENTITLEMENT._replace(privilege=text).fields for text in ("SUPERUSER", "[1]")] == [None, None]


def test_a_finished_request_is_merged_or_closed() -> None:
    merge = Merge(HEAD, HEAD, HEAD, AT, PULL.opened_by)
    assert state(pull=replace(PULL, state="merged", merge=merge)).state == "merged"
    told = state(pull=replace(PULL, state="closed", closed_reason="closed by alice"))
    assert (told.state, told.why) == ("closed", "closed by alice")


def test_a_removal_has_the_grant_that_it_removes_where_it_can_be_read() -> None:
    for old, subject in ((asked_grant(), "alice"), (None, "")):
        item = Item(NAME, "remove", HEAD, None, old, None)
        found = Gated(PULL, Proposal(HEAD, HEAD, (item,), (), (), policy()), (ItemVerdict(item, None),))
        assert [(one.subject, one.kind) for one in requested(found)] == [(subject, "remove")]


def test_a_draft_says_whose_approval_it_would_need_or_why_it_would_be_denied() -> None:
    grant = asked_grant()
    rules = policy()
    told = draft_state(grant, decide(rules, Request(grant, "alice", AT)), rules, "bob")
    assert (told.state, told.pull) == ("draft", 0)
    assert [(s.source, s.missing, s.could) for s in told.missing] == [
        ("group:security", 1, ("dan",)),
        ("owners", 1, ("carol",)),
    ]
    long = replace(grant, span=Span(duration=9 * HOUR))
    told = draft_state(long, decide(rules, Request(long, "alice", AT)), rules, "alice")
    assert (told.state, told.code, told.missing) == ("denied", "too-long", ())


@pytest.mark.parametrize("field", ["resource", "role", "subject"])
def test_what_nobody_knows_gives_nothing_that_could_be_named(field: str) -> None:
    grant = replace(asked_grant(), **{field: "nobody-knows"})  # type: ignore[arg-type]
    assert draft_state(grant, ALONE, policy(), "alice").entitlement is None


ROW = AdmittedGrant(NAME, HEAD, HEAD, "alice", "orders-db", "readonly", WINDOW, ENTITLEMENT, "sha256:0")
HELD = {ENTITLEMENT: Holding(ENTITLEMENT, (NAME,), WINDOW.end)}


def proved(claim: Claim | None = None, **more: object) -> GrantState:
    view = Overview(AT, (), (ROW,), {}, claims={NAME: claim} if claim is not None else {})
    (told,) = replace(view, **more).granted  # type: ignore[arg-type]
    return told


def test_what_was_proved_is_live_once_it_was_given() -> None:
    told = proved(holdings=HELD, notes={ENTITLEMENT: "invited"})
    assert (told.state, told.provisioned, told.note) == ("live", True, "invited")
    assert (told.start, told.until, told.length) == (WINDOW.start, WINDOW.end, 2 * HOUR)
    assert proved().state == "pending"
    assert proved(at=AT - 2 * HOUR).state == "scheduled"


def test_what_was_proved_and_gives_nothing_says_why() -> None:
    told = proved(Claim(NAME, ENTITLEMENT, WINDOW, Reason.MEANING_MOVED))
    assert (told.state, told.code, told.why) == ("blocked", "meaning-moved", Reason.MEANING_MOVED.value)


def test_what_has_ended_says_by_which_bound() -> None:
    told = proved(Claim(NAME, ENTITLEMENT, WINDOW), at=WINDOW.end)
    assert (told.state, told.code, told.why) == ("ended", "expired", "its window is over")
    said = "alice is engaged until 2026-11-20T09:30:00Z"
    told = proved(Claim(NAME, ENTITLEMENT, Window(WINDOW.start, AT - HOUR / 2), bound=said))
    assert (told.state, told.code, told.why, told.bound) == ("ended", "bound", said, said)
    told = proved(landed={NAME: "removed"})
    assert (told.state, told.code) == ("ended", "removed")


def test_what_policies_deny_today_stands_with_the_grant_that_it_is_about() -> None:
    mine = Denied(NAME, ENTITLEMENT, "no-readonly", "rule-denies", "nobody reads orders any more")
    told = proved(Claim(NAME, ENTITLEMENT, WINDOW), denied=(mine, mine._replace(grant=GrantId("orders-db/y"))))
    assert told.policy_denies == (mine,)


def test_what_stands_on_main_and_gives_nothing_has_an_account() -> None:
    view = Overview(
        AT,
        (),
        (ROW,),
        {},
        landed={NAME: "changed", GrantId("a/new"): "added", GrantId("a/gone"): "removed"},
        refused=(Refusal(GrantId("a/planted"), HEAD, HEAD, "no-pull", "no request brought it"),),
        unproved=(Refusal(GrantId("a/late"), HEAD, HEAD, "unproved", "the forge could not be read"),),
        gone={GrantId("a/over"): ENTITLEMENT},
    )
    assert [(one.grant, one.state, one.code) for one in view.grants] == [
        ("a/late", "unproved", "untold"),
        ("a/new", "merged", ""),
        ("a/over", "ended", "removed"),
        ("a/planted", "unproved", "no-pull"),
        (NAME, "pending", ""),
    ]


def test_what_should_be_gone_comes_longest_first() -> None:
    other = ENTITLEMENT._replace(principal="bob")
    holdings = {
        other: Holding(other, (GrantId("orders-db/gone"),)),
        **HELD,
    }
    view = Overview(AT, (), (ROW,), holdings)
    assert [held.entitlement for held in view.overdue] == [other]
    assert [held.entitlement for held in replace(view, at=WINDOW.end).overdue] == [ENTITLEMENT, other]


@pytest.mark.parametrize(("origin", "issue"), [("issue 12", 12), ("comment 12 on #7", 0), ("", 0)])
def test_a_request_names_the_issue_that_asked_for_it(origin: str, issue: int) -> None:
    assert replace(PULL, origin=origin).issue == issue
