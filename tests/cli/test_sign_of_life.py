"""When a watch looks again, and when a heartbeat is alive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daypass.cli.verbs.apply import LONGEST, is_alive, pause
from daypass.views.plan import heartbeat_text

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("wake", "failures", "seconds"),
    [(60, 0, 15), (3, 0, 3), (-5, 0, 0.001), (60, 1, 1), (60, 2, 2), (60, 4, 8), (0, 20, 60)],
)
def test_a_watch_sleeps_to_the_boundary_and_longer_the_longer_it_fails(
    wake: int, failures: int, seconds: float
) -> None:
    found = pause(T0 + wake * SECOND, T0, poll=15 * SECOND, failures=failures)
    assert found.total_seconds() == seconds
    assert found <= LONGEST


@pytest.mark.parametrize(
    ("last", "alive", "words"),
    [
        (None, False, "No run is in the ledger."),
        (T0 - 60 * SECOND, True, "The last run in the ledger was at 2026-11-20T11:59:00Z, 1m ago."),
        (T0, True, "The last run in the ledger was at 2026-11-20T12:00:00Z, this instant."),
        (
            T0 - 3600 * SECOND,
            False,
            "The last run in the ledger was at 2026-11-20T11:00:00Z, 1h ago, more than the 5m that it may be.",
        ),
        (T0 + SECOND, False, "The last run is dated 2026-11-20T12:00:01Z, which is still to come: a clock is wrong."),
    ],
)
def test_only_a_recent_sign_of_the_past_is_one_of_life(last: datetime | None, alive: bool, words: str) -> None:
    age, limit = T0 - last if last is not None else None, 300 * SECOND
    assert (is_alive(age, limit), heartbeat_text(last, age, limit, alive=alive)) == (alive, words)
