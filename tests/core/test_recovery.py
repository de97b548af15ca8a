"""What a run takes to have become of changes that an earlier one began, and of which no receipt says how they ended."""

from datetime import UTC, datetime, timedelta

import pytest

from daypass.core.ids import GrantId
from daypass.core.ledger.standing import FailedChange, Standing
from daypass.core.plan import Action, Entitlement, Found, Holding, Intended, Observed, Reason
from daypass.core.planning.recovery import recover, with_recovered

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER, LATEST = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
ONE = Entitlement("t", "db", "alice", "ro")
GRANTS = (GrantId("db/g"),)
ADD = Intended(Action.ADD, ONE, GRANTS, Reason.WINDOW_OPENED, NOW, LATER)
AGAIN = Intended(Action.ADD, ONE, GRANTS, Reason.WINDOW_MOVED, NOW, LATER)
REMOVE = Intended(Action.REMOVE, ONE, GRANTS, Reason.EXPIRED, NOW)
HELD = {ONE: Holding(ONE, GRANTS, LATEST)}
THERE, GONE = Observed(frozenset({ONE})), Observed(frozenset())


def begun(change: Intended, held=None, *, failed: bool = False) -> Standing:
    opened = FailedChange(change, "no", NOW, NOW, "m") if failed else change
    return Standing(begun={(change.action, ONE): opened}, holdings=held or {})


def known(there, why="") -> Observed:
    return Observed(frozenset({ONE} if there else ()), found={ONE: Found(there, why, numbers=(("role", "7"),))})


@pytest.mark.parametrize(
    ("standing", "seen", "told"),
    [
        (begun(ADD), THERE, [(True, "")]),
        (begun(ADD), GONE, [(False, "it is not there: an earlier run did not bring it about")]),
        (begun(REMOVE), GONE, [(True, "")]),
        (begun(REMOVE), THERE, [(False, "it is still there: an earlier run did not take it away")]),
        (
            begun(REMOVE),
            Observed(frozenset(), offered=frozenset({ONE})),
            [(False, "it is still there: an earlier run did not take it away")],
        ),
        (begun(ADD), Observed(frozenset(), offered=frozenset({ONE})), []),
        (begun(ADD), Observed(frozenset(), {"t": "no answer"}), []),
        (begun(ADD), known(None, "who?"), []),
        (begun(REMOVE, HELD), known(None, "who?"), []),
        (begun(REMOVE), known(None, "who?"), [(False, "who?")]),
        (begun(AGAIN, HELD), THERE, [(False, "nobody can see whether the target was told")]),
        (begun(AGAIN, {ONE: Holding(ONE, GRANTS, LATER)}), THERE, [(True, "")]),
        (
            begun(AGAIN, {ONE: Holding(ONE, GRANTS, LATER)}, failed=True),
            THERE,
            [(False, "nobody can see whether the target was told")],
        ),
    ],
)
def test_what_is_there_says_what_became_of_a_change(standing: Standing, seen: Observed, told: list) -> None:
    found = [*recover(standing, seen, set(), set())]
    assert [(one.ok, one.error) for one in found] == told
    assert all(one.recovered for one in found)


def test_where_nobody_can_look_a_change_is_made_again() -> None:
    (found,) = recover(begun(ADD), GONE, {"t"}, set())
    assert (found.ok, found.error) == (False, "nobody can see whether it was done; it is done again")


def test_what_a_target_that_invites_has_neither_nor_offers_did_not_come_about() -> None:
    (found,) = recover(begun(ADD), GONE, set(), {"t"})
    assert (found.ok, found.error) == (False, "it is not there, and not offered")


def test_what_came_about_is_ours_by_the_numbers_that_were_seen() -> None:
    (found,) = recover(begun(ADD), known(there=True), set(), set())
    assert with_recovered(begun(ADD), [found], set(), NOW) == {ONE: Holding(ONE, GRANTS, LATER, (("role", "7"),))}
    (gone,) = recover(begun(REMOVE, HELD), known(there=False), set(), set())
    assert (gone.numbers, with_recovered(begun(REMOVE, HELD), [gone], set(), NOW)) == ((), {})
    (not_done,) = recover(begun(REMOVE, HELD), THERE, set(), set())
    assert with_recovered(begun(REMOVE, HELD), [not_done], set(), NOW) == HELD


def test_what_was_to_be_handed_over_is_handed_over_again() -> None:
    (found,) = recover(begun(ADD), THERE, set(), set())
    assert with_recovered(begun(ADD), [found], {"t"}, NOW)[ONE].until is None
    failed = begun(AGAIN, HELD, failed=True)
    assert with_recovered(failed, [], {"t"}, NOW)[ONE].until is None
    assert with_recovered(failed, [], {"t"}, LATEST) == HELD
    assert with_recovered(failed, [], set(), NOW) == HELD
    assert with_recovered(begun(ADD, HELD, failed=True), [], {"t"}, NOW) == HELD
