from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.approval.judgement import Judgement, judge
from daypass.core.approval.stages import Excluded, Then
from daypass.core.calendar.wait import Wait
from daypass.core.forge import Account, Review
from daypass.core.ids import Oid
from daypass.core.policy.escalation import Escalation
from daypass.core.policy.requirement import Requirement
from examples import examples

T0 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
HEAD, OLD = Oid("a" * 40), Oid("b" * 40)
NOBODY = Excluded({})


def needed(source, at_least, eligible, escalate_after=None, escalated=frozenset()) -> Requirement:
    steps = () if escalate_after is None else (Escalation(Wait(rest=escalate_after), "group:leads", escalated),)
    return Requirement(at_least, source, escalate=steps, eligible=eligible)


OWNERS = needed("owners", 1, frozenset({"bob", "carol"}))
SECURITY = needed("group:security", 1, frozenset({"carol", "dave"}))


def account(handle: str, *, person: bool = True, proved: bool = True) -> Account:
    return Account(handle, handle.title() or "Eve <eve@elsewhere.example>", person, proved)


def review(
    who: str | Account, state: str = "approved", commit: Oid = HEAD, after: timedelta = timedelta(0), number: int = 0
) -> Review:
    by = account(who) if isinstance(who, str) else who
    return Review(by, state, commit, T0 + after, f"{by.name} {state} {commit[:2]} {after} {number}")


def judged(
    needs: list[Requirement], reviews: list[Review], excluded: Excluded = NOBODY, at: timedelta = timedelta(hours=9)
) -> Judgement:
    return judge(needs, reviews, head=HEAD, excluded=excluded, opened_at=T0, at=T0 + at)


def whys(found: Judgement) -> list[tuple[str, str]]:
    return [(ignored.review.by.handle or ignored.review.by.name, ignored.why) for ignored in found.ignored]


def test_an_approval_from_before_the_request_was_opened_does_not_count() -> None:
    found = judged([OWNERS], [review("bob", after=timedelta(seconds=-1))])
    assert not found.met
    assert whys(found) == [
        ("bob", "it was given at 2026-11-20T09:59:59Z, and the request was opened at 2026-11-20T10:00:00Z")
    ]


def test_an_approval_by_an_owner_is_enough() -> None:
    found = judged([OWNERS], [review("bob")])
    assert found.met
    assert found.missing() == ()
    assert found.ignored == ()
    assert [(c.handle, c.source, c.review.commit) for c in found.counted] == [("bob", "owners", HEAD)]
    assert found.statuses[0].approved_by == ("bob",)
    assert found.statuses[0].could == ()


def test_what_is_missing_names_who_could_give_it() -> None:
    found = judged([OWNERS, SECURITY], [])
    assert not found.met
    assert found.missing() == (
        "1 approval from owners (bob, carol)",
        "1 approval from group:security (carol, dave)",
    )


def test_several_are_missing() -> None:
    need = needed("owners", 3, frozenset({"bob", "carol", "dave"}))
    assert judged([need], [review("bob")]).missing() == ("2 approvals from owners (carol, dave)",)


def test_no_requirement_is_never_a_pass() -> None:
    found = judged([], [review("bob")])
    assert not found.met
    assert found.missing() == ("no approval is asked for, and no rule lets it pass without one",)
    assert whys(found) == [("bob", "bob is in no group that is asked")]


def test_an_empty_group_is_never_a_pass() -> None:
    found = judged([needed("group:nobody", 1, frozenset())], [review("bob")])
    assert not found.met
    assert found.missing() == ("1 approval from group:nobody, and nobody is left who could give it",)


@pytest.mark.parametrize("count", [0, -1])
def test_a_requirement_of_nobody_is_misuse(count: int) -> None:
    with pytest.raises(RuntimeError, match=rf"^a requirement asks for at least one approval, got {count}$"):
        needed("owners", count, frozenset({"bob"}))


def test_one_person_counts_for_one_requirement_only() -> None:
    found = judged([OWNERS, SECURITY], [review("carol")])
    assert not found.met
    assert found.missing() == ("1 approval from group:security (dave)",)


def test_people_are_shared_out_so_that_most_is_filled() -> None:
    found = judged([OWNERS, SECURITY], [review("carol"), review("bob")])
    assert found.met
    assert [(c.handle, c.source) for c in found.counted] == [("bob", "owners"), ("carol", "group:security")]


def test_a_second_approval_of_one_person_is_one() -> None:
    need = needed("owners", 2, frozenset({"bob", "carol"}))
    found = judged([need], [review("bob"), review("bob", number=2)])
    assert found.missing() == ("1 approval from owners (carol)",)
    assert whys(found) == [("bob", "bob reviewed again later")]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (account("robot", person=False), "robot is no person"),
        (account("", person=False), "Eve <eve@elsewhere.example> is no person"),
        (account(""), "the directory does not know Eve <eve@elsewhere.example>"),
        (account("bob", proved=False), "it is not signed with a key that the directory gives bob"),
        (account("frank"), "frank is in no group that is asked"),
        (account("Bob"), "Bob is in no group that is asked"),
    ],
)
@pytest.mark.parametrize("state", ["approved", "rejected"])
def test_who_does_not_count_neither_passes_nor_blocks(who: Account, why: str, state: str) -> None:
    found = judged([needed("owners", 1, frozenset({"bob", "robot"}))], [review(who, state)])
    assert not found.met
    assert found.blocks == ()
    assert found.counted == ()
    assert [ignored.why for ignored in found.ignored] == [why]


def test_an_excluded_person_does_not_count() -> None:
    excluded = Excluded({"bob": "receives the access and opened the request"})
    found = judged([OWNERS], [review("bob")], excluded)
    assert whys(found) == [("bob", "bob receives the access and opened the request")]
    assert found.missing() == ("1 approval from owners (carol)",)


def test_an_unresolved_identity_spoils_everything() -> None:
    found = judged([OWNERS], [review("bob")], Excluded({}, ("commit abc was authored by 'x', which nobody has",)))
    assert not found.met
    assert found.missing() == ("commit abc was authored by 'x', which nobody has",)


def test_an_approval_of_an_older_head_does_not_count() -> None:
    found = judged([OWNERS], [review("bob", commit=OLD)])
    assert whys(found) == [("bob", "it was given on bbbbbbbbbbbb, the head is aaaaaaaaaaaa now")]
    assert not found.met


def test_a_withdrawn_approval_does_not_count() -> None:
    found = judged([OWNERS], [review("bob"), review("bob", "withdrawn")])
    assert not found.met
    assert whys(found) == [("bob", "bob reviewed again later")]
    assert judged([OWNERS], [review("bob"), review("bob", "withdrawn"), review("bob", number=2)]).met


def test_a_rejection_blocks_until_that_person_changes_it() -> None:
    approvals = [review("carol")]
    found = judged([OWNERS], [*approvals, review("bob", "rejected")])
    assert not found.met
    assert found.missing() == ("bob rejected it at aaaaaaaaaaaa; only bob can take that back",)
    assert judged([OWNERS], [*approvals, review("bob", "rejected"), review("bob", "withdrawn")]).met
    assert judged([OWNERS], [*approvals, review("bob", "rejected"), review("bob")]).met


def test_new_commits_do_not_lift_a_rejection() -> None:
    found = judged([OWNERS], [review("bob", "rejected", OLD), review("carol")])
    assert found.missing() == ("bob rejected it at bbbbbbbbbbbb; only bob can take that back",)


def test_a_rejection_counts_even_from_who_may_not_approve() -> None:
    found = judged([OWNERS], [review("carol"), review("bob", "rejected")], Excluded({"bob": "opened the request"}))
    assert not found.met


def test_a_forged_withdrawal_or_rejection_changes_nothing() -> None:
    forged = account("bob", proved=False)
    assert judged([OWNERS], [review("bob"), review(forged, "withdrawn"), review(forged, "rejected")]).met
    assert not judged([OWNERS], [review("carol"), review("bob", "rejected"), review(forged)]).met


def test_a_review_given_later_is_not_known_yet() -> None:
    late = review("bob", after=timedelta(hours=5))
    assert judged([OWNERS], [late], at=timedelta(hours=5)).met
    found = judged([OWNERS], [late], at=timedelta(hours=4))
    assert not found.met
    assert whys(found) == [("bob", "it was given after this instant")]
    assert judged(
        [OWNERS], [review("bob"), review("bob", "withdrawn", after=timedelta(hours=5))], at=timedelta(hours=4)
    ).met


def test_an_unknown_state_is_misuse() -> None:
    with pytest.raises(RuntimeError, match=r"^a review is approved, rejected or withdrawn, got 'commented'$"):
        judged([OWNERS], [review("bob", "commented")])


LATER = needed("group:security", 1, frozenset({"dave"}), timedelta(hours=4), frozenset({"erin"}))


def test_escalation_lets_others_approve_after_its_time() -> None:
    assert judged([LATER], [review("erin", after=timedelta(hours=4))]).met
    assert judged([LATER], [review("dave", after=timedelta(hours=5))]).met
    found = judged([LATER], [review("erin", after=timedelta(hours=4, seconds=-1))])
    assert not found.met
    assert whys(found) == [("erin", "erin may approve only after the escalation, and approved before")]
    assert found.missing() == ("1 approval from group:security (dave, erin)",)


def test_before_the_escalation_it_is_told_who_will_join() -> None:
    found = judged([LATER], [], at=timedelta(hours=1))
    assert found.missing() == ("1 approval from group:security (dave); from 2026-11-20T14:00:00Z on also erin",)
    assert found.statuses[0].joining_at == T0 + timedelta(hours=4)


def test_an_escalation_to_nobody_adds_nobody() -> None:
    need = needed("owners", 1, frozenset({"bob"}), timedelta(hours=4))
    assert judged([need], [review("erin", after=timedelta(hours=6))]).missing() == ("1 approval from owners (bob)",)


def test_a_rejection_by_the_escalation_group_blocks() -> None:
    assert not judged([LATER], [review("dave"), review("erin", "rejected")]).met


PEOPLE = ("ann", "ben", "cat", "dan", "eve", "fay")
needs_ = st.lists(
    st.builds(needed, st.sampled_from(["a", "b", "c"]), st.integers(1, 3), st.frozensets(st.sampled_from(PEOPLE))),
    min_size=1,
    max_size=4,
)
states_ = st.sampled_from(["approved", "rejected", "withdrawn"])
reviews_ = st.lists(
    st.builds(
        review,
        st.sampled_from([account(p) for p in PEOPLE] + [account("ann", proved=False), account("")]),
        states_,
        st.sampled_from([HEAD, HEAD, OLD]),
        st.sampled_from([timedelta(0), timedelta(hours=5)]),
        st.integers(0, 9),
    ),
    max_size=12,
)


def could_fill(needs: list[Requirement], people: frozenset[str]) -> int:
    """Try every way to give each person one place or none; return how many places can be filled at most."""
    places = [need.eligible for need in needs for _ in range(need.at_least)]

    def best(left: list[str], free: list[int]) -> int:
        if not left:
            return 0
        who, rest = left[0], left[1:]
        placed = [1 + best(rest, [f for f in free if f != place]) for place in free if who in places[place]]
        return max([best(rest, free), *placed])

    return best(sorted(people), list(range(len(places))))


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(
        st.builds(needed, st.just("a"), st.integers(1, 2), st.frozensets(st.sampled_from(PEOPLE[:5]))),
        min_size=1,
        max_size=3,
    ),
    st.frozensets(st.sampled_from(PEOPLE[:5])),
)
def test_the_assignment_fills_as_much_as_any_could(needs: list[Requirement], people: frozenset[str]) -> None:
    found = judged(needs, [review(handle) for handle in sorted(people)])
    filled = [len(status.approved_by) for status in found.statuses]
    assert sum(filled) == could_fill(needs, people)
    assert found.met == (sum(filled) == sum(need.at_least for need in needs))
    taken = [handle for status in found.statuses for handle in status.approved_by]
    assert len(taken) == len(set(taken))
    for need, status in zip(needs, found.statuses, strict=True):
        assert set(status.approved_by) <= need.eligible
        assert status.missing == need.at_least - len(status.approved_by)


@given(needs_, reviews_, st.sampled_from(PEOPLE), st.frozensets(st.sampled_from(PEOPLE)))
def test_one_more_approval_never_unmeets(
    needs: list[Requirement], reviews: list[Review], who: str, excluded: frozenset[str]
) -> None:
    out = Excluded(dict.fromkeys(excluded, "opened the request"))
    before = judged(needs, reviews, out)
    after = judged(needs, [*reviews, review(who, after=timedelta(hours=6), number=10)], out)
    assert after.met or not before.met
    assert sum(s.missing for s in after.statuses) <= sum(s.missing for s in before.statuses)


@given(needs_, reviews_, st.sampled_from(PEOPLE))
def test_one_approval_less_never_meets(needs: list[Requirement], reviews: list[Review], who: str) -> None:
    others = [found for found in reviews if found.by.handle != who]
    assert judged(needs, [*others, review(who)]).met or not judged(needs, others).met


@given(needs_, reviews_, st.frozensets(st.sampled_from(PEOPLE)), st.sampled_from(PEOPLE))
def test_one_more_exclusion_never_meets(
    needs: list[Requirement], reviews: list[Review], excluded: frozenset[str], who: str
) -> None:
    fewer = Excluded(dict.fromkeys(excluded, "x"))
    more = Excluded(dict.fromkeys(excluded | {who}, "x"))
    assert judged(needs, reviews, fewer).met or not judged(needs, reviews, more).met


@given(needs_, reviews_)
def test_met_says_the_same_as_missing_and_each_time(needs: list[Requirement], reviews: list[Review]) -> None:
    found = judged(needs, reviews)
    assert found == judged(needs, reviews)
    assert found.met == (found.missing() == ())


@given(needs_, reviews_)
def test_every_review_is_counted_or_told_of(needs: list[Requirement], reviews: list[Review]) -> None:
    found = judged(needs, reviews)
    told = [id(c.review) for c in found.counted] + [id(i.review) for i in found.ignored]
    assert len(told) == len(set(told))
    for each in reviews:
        if each.state == "approved" and id(each) not in told:  # only one that nobody needed any more
            assert found.met or all(each.by.handle not in n.eligible or n.at_least <= len(s.approved_by)
                                    for n, s in zip(needs, found.statuses, strict=True))  # fmt: skip


MINUTE = timedelta(minutes=1)


def since(moved_at: timedelta | None, *reviews: Review, then: dict[str, list[Then]] | None = None) -> Judgement:
    moved = None if moved_at is None else T0 + moved_at
    needs = [OWNERS, SECURITY]
    return judge(
        needs, reviews, head=HEAD, excluded=NOBODY, opened_at=T0, at=T0 + 9 * MINUTE, moved_at=moved, then=then or {}
    )


def test_an_approval_from_before_the_last_push_does_not_count_whatever_commit_it_shows() -> None:
    found = since(2 * MINUTE, review("bob", after=MINUTE), review("dave", after=3 * MINUTE))
    assert [c.handle for c in found.counted] == ["dave"]
    (ignored,) = found.ignored
    assert ignored.why == "it was given at 2026-11-20T10:01:00Z, and the branch was pushed to at 2026-11-20T10:02:00Z"
    assert ignored.again


def test_an_approval_in_the_second_of_the_last_push_does_not_count_and_one_in_the_next_does() -> None:
    assert not since(MINUTE, review("bob", after=MINUTE)).counted
    assert since(MINUTE, review("bob", after=MINUTE + timedelta(seconds=1))).counted


def test_an_approval_that_the_forges_record_voids_does_not_count() -> None:
    found = since(None, replace(review("bob"), void="the base was changed"))
    assert whys(found) == [("bob", "the base was changed")]


def test_an_approval_counts_only_for_what_main_asked_for_when_it_was_given() -> None:
    given = review("dave")
    assert since(None, given, then={given.id: [Then((OWNERS, SECURITY))]}).counted
    found = since(None, given, then={given.id: [Then((OWNERS, SECURITY)), Then((OWNERS,))]})
    assert whys(found) == [("dave", "main asked for no approval from group:security when it was given")]


def test_an_approval_counts_only_if_its_giver_could_give_it_then() -> None:
    given = review("dave")
    before = Then((OWNERS, needed("group:security", 1, frozenset({"erin"}))))
    found = since(None, given, then={given.id: [before]})
    assert whys(found) == [("dave", "dave could not give the approval from group:security when it was given")]


def test_an_approval_of_something_else_counts_for_nothing() -> None:
    given = review("carol")
    found = since(None, given, then={given.id: [Then((OWNERS, SECURITY), moved="the role meant something else")]})
    assert whys(found) == [("carol", "the role meant something else")]


def test_who_could_give_one_of_two_then_gives_that_one() -> None:
    given = review("carol")
    found = since(None, given, review("bob"), then={given.id: [Then((SECURITY,))]})
    assert [(c.handle, c.source) for c in found.counted] == [("bob", "owners"), ("carol", "group:security")]
