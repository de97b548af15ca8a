"""Access that was taken away and is there again: ours by the numbers on record, whatever it is called by now."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faults_world import FaultyWorld, two_targets

from daypass.core.plan import Entitlement, Reason
from daypass.core.planning.drift import Traits
from daypass.pipeline.apply.run import Applied
from driver import Access
from fakes.target import FakeTarget, NumberedFake

MARKS = Traits(marks=True)
T = "2026-11-20T{}:00Z".format


class Life:
    """Alice was given access from 10:05 to 12:05, and it was taken away at 12:06."""

    def __init__(self, access: Access, target: FakeTarget | None = None) -> None:
        self.world: FaultyWorld = two_targets(access)
        self.use(target or NumberedFake("embedded", traits=MARKS))
        access.grant(T("10:00"), T("10:05"))
        self.world.apply("10:06")
        (self.one,) = self.world.held()
        self.world.apply("12:06")
        assert (self.world.held(), self.world.ours()) == (set(), set())

    def use(self, target: FakeTarget) -> None:
        self.target = target
        self.world.targets["embedded"] = target

    @property
    def numbered(self) -> NumberedFake:
        assert isinstance(self.target, NumberedFake)
        return self.target

    def renamed(self, new: str = "alice-2") -> Entitlement:
        """Give alice's account another name; return what she had, as it is called now."""
        self.numbered.rename("principal", self.one.principal, new)
        return self.one._replace(principal=new)

    def apply(self, at: str) -> tuple[list[tuple[str, str, Reason, bool]], Applied]:
        done = self.world.apply(at)
        said = [(o.change.action.value, o.change.entitlement.principal, o.change.reason, o.ok) for o in done.outcomes]
        return said, done


@pytest.fixture
def life(access: Access) -> Life:
    return Life(access)


def test_what_is_back_under_another_name_of_the_account_is_taken_away_each_time(life: Life) -> None:
    today = life.renamed()
    for minute in ("10", "20"):
        life.target.give_unmanaged([today])
        assert life.apply(f"13:{minute}")[0] == [("remove", "alice-2", Reason.RETURNED, True)]
        assert (life.world.held(), life.world.standing().pending) == (set(), {})
        assert life.apply(f"13:{minute[0]}5")[0] == []
    life.world.verify("14:00")


def test_what_is_back_in_a_place_of_another_name_is_taken_away(life: Life) -> None:
    there = '{"member_of":"renamed"}'
    life.numbered.rename("privilege", life.one.privilege, there)
    life.target.give_unmanaged([life.one._replace(privilege=there)])
    assert life.apply("13:10")[0] == [("remove", "alice", Reason.RETURNED, True)]
    assert life.world.held() == set()


def test_whoever_has_the_name_since_keeps_what_others_gave_them(life: Life) -> None:
    life.renamed()
    life.target.give_unmanaged([life.one])
    said, done = life.apply("13:10")
    assert (said, done.survey.plan.unmanaged) == ([], (life.one,))
    assert life.world.held() == {life.one}


def test_of_two_accounts_only_the_one_that_had_it_from_us_loses_it(life: Life) -> None:
    today = life.renamed()
    life.target.give_unmanaged([life.one, today])
    said, done = life.apply("13:10")
    assert (said, done.survey.plan.unmanaged) == ([("remove", "alice-2", Reason.RETURNED, True)], (life.one,))
    assert life.world.held() == {life.one}


def test_what_two_accounts_of_one_name_had_after_each_other_is_taken_from_both(life: Life) -> None:
    today = life.renamed()
    life.world.access.grant(T("13:00"), T("13:05"))
    life.world.apply("13:06")
    life.world.apply("15:06")
    life.target.give_unmanaged([life.one, today])
    assert life.apply("15:10")[0] == [
        ("remove", "alice", Reason.RETURNED, True),
        ("remove", "alice-2", Reason.RETURNED, True),
    ]
    assert life.world.held() == set()


def test_what_is_held_by_whoever_has_the_name_now_stays_while_the_other_loses_theirs(life: Life) -> None:
    today = life.renamed()
    life.world.access.grant(T("13:00"), T("13:05"))
    life.world.apply("13:06")
    life.target.give_unmanaged([today])
    assert life.apply("13:10")[0] == [("remove", "alice-2", Reason.RETURNED, True)]
    assert life.world.held() == life.world.ours() == {life.one}
    assert life.apply("15:06")[0] == [("remove", "alice", Reason.EXPIRED, True)]


def test_what_no_number_is_on_record_of_is_known_by_its_name(access: Access) -> None:
    life = Life(access, FakeTarget("embedded", traits=MARKS))
    today = life.one._replace(principal="alice-2")
    life.use(NumberedFake("embedded", traits=MARKS))
    life.target.give_unmanaged([life.one, today])
    said, done = life.apply("13:10")
    assert (said, done.survey.plan.unmanaged) == ([("remove", "alice", Reason.RETURNED, True)], (today,))


def test_where_others_may_have_given_the_same_nothing_is_taken_for_ours(access: Access) -> None:
    life = Life(access, NumberedFake("embedded"))
    life.target.give_unmanaged([life.one])
    assert life.apply("13:10")[0] == []
    assert life.world.held() == {life.one}


def test_who_is_renamed_before_the_next_try_loses_it_all_the_same_and_nothing_stays_open(life: Life) -> None:
    today = life.renamed()
    life.target.give_unmanaged([today])
    life.target.dials.fail_before_write = True
    assert life.apply("13:10")[0] == [("remove", "alice-2", Reason.RETURNED, False)]
    life.target.dials = replace(life.target.dials, fail_before_write=False, known=frozenset({"alice-3"}))
    life.numbered.rename("principal", "alice-2", "alice-3")
    said, done = life.apply("13:20")
    assert ("remove", "alice-3", Reason.RETURNED, True) in said
    assert life.world.held() == set()
    assert life.world.standing().pending == {}
    said, done = life.apply("13:30")
    assert (said, done.survey.plan.unknown) == ([], ())


def test_what_others_gave_while_a_resource_was_exclusive_is_not_ours_once_it_is_not(life: Life) -> None:
    place, access = "policies/resources/orders-db.yaml", life.world.access
    text, theirs = (access.top / place).read_text(), life.one._replace(principal="zoe")
    for line, minute, expected in (
        ("exclusive: true\n", 10, [("remove", "zoe", Reason.UNMANAGED, True)]),
        ("", 20, []),
    ):
        access.write(place, text + line)
        access.commit("what the resource is")
        life.target.give_unmanaged([theirs])
        assert life.apply(f"13:{minute}")[0] == expected
    assert life.world.held() == {theirs}
