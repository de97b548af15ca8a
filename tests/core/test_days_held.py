"""On how many days somebody has had a role, and for how long without a gap."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.ids import GrantId
from daypass.core.policy.held import FRAME, GAP, HeldGrant, days_held, held_too_long, unbroken
from daypass.core.window import Window

BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def had(start: timedelta, length: timedelta, name: str = "one") -> HeldGrant:
    """Return a grant that began so long after BEGIN."""
    window = Window(BEGIN + start, BEGIN + start + length)
    return HeldGrant(GrantId(f"orders-db/{name}"), "alice", "orders-db", "readonly", window, length)


def undated(length: timedelta) -> HeldGrant:
    return HeldGrant(GrantId("orders-db/new"), "alice", "orders-db", "readonly", None, length)


ASKED = Window(BEGIN, BEGIN + 4 * HOUR)


@pytest.mark.parametrize(
    ("others", "days"),
    [
        ([], 1),
        ([had(-2 * HOUR, HOUR)], 1),
        ([had(-DAY, HOUR)], 2),
        ([had(-DAY, DAY)], 2),
        ([had(-DAY, 14 * HOUR)], 2),  # it ends at midnight, and has nothing of the next day
        ([had(-2 * DAY, 14 * HOUR + timedelta(seconds=1))], 3),
        ([had(-89 * DAY, HOUR)], 2),
        ([had(-90 * DAY, HOUR)], 1),
        ([had(-90 * DAY, DAY)], 2),
        ([had(89 * DAY, HOUR)], 2),  # what is given for later counts as well
        ([had(90 * DAY, HOUR)], 1),
        ([had(-80 * DAY, 5 * DAY), had(80 * DAY, 3 * DAY)], 7),  # the days in a row that come to most
        ([had(-200 * DAY, 300 * DAY)], 90),
        ([undated(timedelta(seconds=1))], 2),
        ([undated(8 * HOUR)], 3),  # it may run over midnight
        ([undated(DAY + timedelta(seconds=1))], 3),
        ([undated(60 * DAY), undated(60 * DAY)], 90),
    ],
)
def test_days_of_the_calendar_in_utc_count_that_have_any_of_it(others: list[HeldGrant], days: int) -> None:
    assert days_held(others, ASKED) == days


lengths = st.integers(1, 40 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
windows = st.builds(
    had, st.integers(-140 * 24 * 60, 140 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)), lengths
)


def days_of(window: Window) -> set[int]:
    """Go through a window hour by hour, and to its very end."""
    hours = int(window.length / HOUR)
    instants = [window.start + n * HOUR for n in range(hours + 1) if window.start + n * HOUR < window.end]
    return {at.toordinal() for at in (*instants, window.end - timedelta(microseconds=1))}


@given(st.lists(windows, max_size=8), windows)
def test_it_is_what_counting_day_by_day_comes_to(others: list[HeldGrant], asked: HeldGrant) -> None:
    assert asked.window is not None
    mine = days_of(asked.window)
    all_days = mine.union(*(days_of(one.window) for one in others if one.window is not None))
    frames = ({*range(first, first + FRAME)} for first in range(min(mine) - FRAME, max(mine) + FRAME))
    expected = max(len(all_days & frame) for frame in frames if frame & mine)
    assert days_held(others, asked.window) == expected


@given(st.lists(windows, max_size=8), windows, windows)
def test_one_grant_more_never_makes_it_less(others: list[HeldGrant], more: HeldGrant, asked: HeldGrant) -> None:
    assert asked.window is not None
    assert days_held(others, asked.window) <= days_held([*others, more], asked.window) <= FRAME
    assert days_held(others, asked.window) <= days_held([*others, undated(HOUR)], asked.window)


# Without a gap


def told(*others: HeldGrant, window: Window = ASKED) -> tuple[timedelta, timedelta]:
    found = unbroken(others, window)
    return found.total, found.others


def test_grants_that_abut_or_overlap_add_up_and_what_lies_apart_does_not() -> None:
    assert told() == (4 * HOUR, 0 * HOUR)
    assert told(had(-2 * HOUR, 2 * HOUR)) == (6 * HOUR, 2 * HOUR)
    assert told(had(-2 * HOUR, 3 * HOUR)) == (6 * HOUR, 3 * HOUR)
    assert told(had(4 * HOUR, HOUR)) == (5 * HOUR, HOUR)
    assert told(had(-2 * HOUR, 2 * HOUR), had(-5 * HOUR, 3 * HOUR)) == (9 * HOUR, 5 * HOUR)
    assert told(had(-2 * HOUR, 2 * HOUR), had(-2 * HOUR, HOUR)) == (6 * HOUR, 2 * HOUR)
    assert told(had(-2 * HOUR - GAP, 2 * HOUR)) == (4 * HOUR, 0 * HOUR)
    second = timedelta(seconds=1)
    assert told(had(-2 * HOUR - GAP + second, 2 * HOUR)) == (6 * HOUR + GAP - second, 2 * HOUR)
    assert told(undated(HOUR)) == (5 * HOUR, HOUR)


def test_what_is_left_is_said() -> None:
    [(code, message, hint)] = held_too_long(
        "alice would have it", 8 * HOUR, [had(-2 * HOUR, 2 * HOUR)], Window(BEGIN, BEGIN + 7 * HOUR)
    )
    assert code == "held-too-long"
    assert message == (
        "alice would have it for 9h without a gap, longer than the 8h that the role allows in all: at most 6h more "
        "(with orders-db/one until 2026-11-20T10:00:00Z)"
    )
    assert hint == "ask for less, or for a window that begins 15m after the others end"
    [(_, message, _)] = held_too_long("alice would have it", 8 * HOUR, [undated(8 * HOUR)], ASKED)
    assert message.endswith("in all: no more (with orders-db/new, not admitted yet)")
    assert not list(held_too_long("alice would have it", 8 * HOUR, [had(-4 * HOUR, 4 * HOUR)], ASKED))
    assert not list(held_too_long("alice would have it", HOUR, [], ASKED))  # too long by itself


@given(st.lists(windows, max_size=8), windows)
def test_without_a_gap_is_what_minutes_in_a_row_say(others: list[HeldGrant], asked: HeldGrant) -> None:
    assert asked.window is not None
    found = unbroken(others, asked.window)
    ends = [one.window for one in (*others, asked) if one.window is not None]
    start, end = asked.window.start, asked.window.end
    for _ in ends:  # each round reaches at least one further
        start = min([start, *(w.start for w in ends if w.start - end < GAP and start - w.end < GAP)])
        end = max([end, *(w.end for w in ends if w.start - end < GAP and start - w.end < GAP)])
    assert found.total == end - start
    assert asked.window.length <= found.total <= found.others + asked.window.length + GAP * (len(found.grants))
