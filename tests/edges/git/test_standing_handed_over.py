"""The cache remembers what was handed over as a fold of the whole ledger does."""

from datetime import timedelta

import pytest
from ledger_making import BEGIN, addition, life, make

from daypass.core.ledger.receipt import Genesis, Outcome
from daypass.core.ledger.standing import fold
from daypass.core.plan import Action, Intended, Reason
from standings import same_state


@pytest.fixture
def made(tmp_path):
    return make(tmp_path / "repo")


def removal(n):
    change = addition(n)
    return Outcome(Intended(Action.REMOVE, change.entitlement, change.grants, Reason.GRANT_REMOVED, BEGIN), ok=True)


def given(n, text):
    return [*life(n)[:2], Outcome(addition(n), ok=True, handover=text)]


def test_portion_by_portion_it_is_what_a_fold_of_all_is(made):
    early = BEGIN + timedelta(minutes=1)
    portions = [
        (given(1, "one") + given(2, "two\nlines"), early),
        ([removal(1)], early),
        (given(1, "one again"), early),
        (given(3, "three"), BEGIN + timedelta(days=91)),
    ]
    made.load()
    for bodies, at in portions:
        made.write(bodies, at=at)
        assert same_state(made.load().standing, fold(made.receipts()))
    assert made.load().standing.handovers == {}


def test_what_ended_early_is_told_so_until_it_ends_by_itself(made):
    early = BEGIN + timedelta(minutes=1)
    made.write([*given(1, "one"), removal(1), *given(1, "again")], at=early)
    standing = made.load().standing
    assert [(h.text, h.ended) for h in standing.handed("postgres", early)] == [("one", True), ("again", False)]
    assert standing.handed("postgres", early)[0].grants == addition(1).grants
    assert standing.handed("postgres", BEGIN + timedelta(hours=1)) == ()


def test_a_genesis_alone_hands_nothing_over(made):
    assert isinstance(made.receipts()[0].body, Genesis)
    assert made.load().standing.handed("postgres", BEGIN) == ()
