"""Who has left by a source, what ends by it, and when a source is not believed without a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.bounds.limits import Limits
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import RefusedError
from daypass.core.ledger.records import Departed
from daypass.core.ledger.standing import Departure
from daypass.core.people.leaving import (
    Departures,
    absent,
    departures,
    is_end_of,
    is_final,
    said,
    untils,
    without_leavers,
)
from daypass.core.people.source import SourcePerson

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
LEFT = Departure("p1", "account-gone", AT)


def directory(*subjects: Subject) -> Directory:
    return Directory({one.handle: one for one in subjects}, {})


def staff(count: int) -> Directory:
    people = [Subject(f"p{n}", source_id=str(n)) for n in range(count)]
    return directory(*people, Subject("outside"), Subject("robot", kind="workload"))


def there(*numbers: int, disabled: tuple[int, ...] = ()) -> list[SourcePerson]:
    return [SourcePerson(str(n), f"p{n}", active=n not in disabled) for n in numbers]


def ask(people: list[SourcePerson], known: Directory, departed: dict[str, Departure] | None = None) -> Departures:
    return departures(people, known, departed or {}, Limits(), source="team acme/staff", at=AT)


def test_who_is_disabled_or_gone_has_left_and_nobody_else() -> None:
    found = ask(there(0, 1, 2, 3, disabled=(1,)), staff(5))
    assert found.left == (
        Departed("p1", "1", "account-disabled", "team acme/staff"),
        Departed("p4", "4", "account-gone", "team acme/staff"),
    )
    assert (found.back, found.known, found.held) == ((), 5, "")


def test_what_is_on_record_is_not_told_again_and_who_is_there_again_is() -> None:
    departed = {"1": LEFT, "2": Departure("p2", "account-disabled", AT), "99": LEFT}
    found = ask(there(0, 2, 3, 4), staff(5), departed)
    assert found.left == ()
    assert found.back == (Departed("p2", "2", "", "team acme/staff"),)


def test_a_list_with_somebody_without_an_id_says_of_nobody_that_they_left_or_are_back() -> None:
    people = [*there(0, 2, 3, 4), SourcePerson("", "p9")]
    with pytest.raises(RefusedError, match="team acme/staff names 'p9' without an id"):
        ask(people, staff(5), {"1": LEFT})


@pytest.mark.parametrize(("seconds", "final"), [(-1, True), (0, False), (1, False)])
def test_a_departure_ends_for_good_only_what_had_been_merged_before_it(seconds: int, *, final: bool) -> None:
    assert is_final(LEFT, AT + timedelta(seconds=seconds)) is final


def test_whose_engagement_is_over_has_left_already() -> None:
    over = Subject("p1", source_id="1", until=AT)
    later = Subject("p2", source_id="2", until=AT + timedelta(days=1))
    people = [Subject(f"q{n}", source_id=f"q{n}") for n in range(4)]
    found = ask([SourcePerson(f"q{n}", "q") for n in range(4)], directory(over, later, *people))
    assert [one.person for one in found.left] == ["p2"]


def test_too_many_at_once_wait_for_a_person() -> None:
    assert ask(there(*range(30)), staff(40)).held == ""
    assert ask(there(*range(29)), staff(40)).held == "11 people have left at once, where the settings allow 10"
    assert ask(there(0), staff(3)).held == "2 of 3 people have left at once"
    assert ask(there(7), staff(1)).held == "the source has none of the 1 people whom the directory has from it"
    found = ask(there(0), staff(3))
    assert found.confirmed("sha256:0").held
    assert found.confirmed(found.digest).held == ""
    assert found.confirmed(found.digest).left == found.left
    assert ask(there(1), staff(3)).digest != found.digest


def test_a_departure_holds_for_as_long_as_main_has_them_from_the_source() -> None:
    departed = {"1": LEFT}
    assert absent(Subject("renamed", source_id="1"), departed) == LEFT
    assert absent(Subject("p1", source_id="2"), departed) is None
    assert absent(Subject("p1"), departed) is None
    assert absent(None, departed) is None
    assert said(LEFT) == "the source of people has p1 no more, since 2026-11-20T09:00:00Z"
    assert is_end_of("account-gone", said(LEFT), [LEFT])
    assert not is_end_of("account-disabled", said(LEFT), [LEFT])
    assert not is_end_of("account-gone", said(LEFT), [])


def test_who_left_is_engaged_no_more_before_the_directory_says_so() -> None:
    known = directory(Subject("p1", source_id="1"), Subject("p2", source_id="2"))
    found = without_leavers(known, {"1": LEFT})
    assert {one.handle: one.until for one in found.subjects.values()} == {"p1": AT, "p2": None}
    assert without_leavers(found, {"1": LEFT}) is found


def test_the_directory_is_to_say_until_when_they_were_there() -> None:
    known = directory(
        Subject("p1", source_id="1"),
        Subject("p2", source_id="2", until=AT - timedelta(days=1)),
        Subject("p3", source_id="3", until=AT + timedelta(days=1)),
        Subject("p4", source_id="4"),
    )
    departed = dict.fromkeys(("1", "2", "3"), LEFT)
    assert untils(known, departed) == {"p1": AT, "p3": AT}
