"""When nothing is to be done, and until when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.ids import GrantId
from daypass.core.plan import Claim, Entitlement, Observed
from daypass.core.planning.compute import compute, next_boundary
from daypass.core.planning.resting import Unchanged
from daypass.core.window import FOREVER, Window

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


def claim(name: str, start: int, end: int) -> Claim:
    return Claim(GrantId(f"db/{name}"), Entitlement("t", "db", name, "ro"), Window(at(start), at(end)))


def test_the_next_boundary_is_the_first_start_or_end_still_to_come() -> None:
    claims = [claim("a", 0, 50), claim("b", 20, 90), claim("c", -60, -30)]
    assert next_boundary(claims, at(0)) == at(20)
    assert next_boundary(claims, at(20)) == at(50)
    assert next_boundary(claims, at(90)) == FOREVER
    assert next_boundary([], at(0)) == FOREVER


def test_calm_holds_on_its_grounds_and_inside_its_time_only() -> None:
    found = Unchanged("grounds", "beside", at(0), at(10), 3, 0)
    assert found.may_hold("beside", at(0))
    assert found.may_hold("beside", at(9))
    assert not found.may_hold("beside", at(10))
    assert not found.may_hold("beside", at(-1))
    assert not found.may_hold("grounds", at(5))


@pytest.mark.parametrize(
    ("privilege", "theirs"),
    [
        ('{"member_of":"a","unmanaged":true}', True),
        ('{"member_of":"a","unmanaged":"true"}', False),
        ('{"member_of":"unmanaged"}', False),
        ('["unmanaged",true]', False),
        ('"unmanaged" and no JSON', False),
        ('{"member_of":"a"}', False),
    ],
)
def test_access_that_others_gave_is_known_by_its_mark_alone(privilege: str, theirs: bool) -> None:
    assert Entitlement("t", "db", "eve", privilege).shown_as_others is theirs


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=5),
    st.integers(0, 60),
)
def test_between_two_boundaries_what_should_exist_never_changes(spans: list[tuple[int, int]], now: int) -> None:
    claims = [claim(f"p{n}", start, start + length) for n, (start, length) in enumerate(spans)]

    def live(instant: datetime) -> int:
        return compute(claims, {}, Observed(frozenset()), at=instant, main="m").live

    until = min(next_boundary(claims, at(now)), at(120))
    instant = at(now)
    while instant < until:
        assert live(instant) == live(at(now))
        instant += timedelta(minutes=1)
