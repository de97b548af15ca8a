"""What is known by numbers: what a plan makes of it, what receipts keep of it, and how a person ends a doubt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from test_audit_core import admission

from daypass.core.audit.access import Holdings, access
from daypass.core.audit.events import EventKind, Material, history
from daypass.core.errors import LedgerError, RefusedError, UsageError
from daypass.core.finding import Severity
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Body, Intent, Outcome, Receipt, Settled
from daypass.core.ledger.standing import Standing, fold
from daypass.core.ledger.statement import body_from_dict, body_to_dict
from daypass.core.plan import (
    Action,
    AdmittedGrant,
    Claim,
    Doubt,
    Entitlement,
    Found,
    Holding,
    Intended,
    Observed,
    Plan,
    Reason,
    by_number,
)
from daypass.core.planning.compute import compute
from daypass.core.planning.drift import drift, settle
from daypass.core.window import Window

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
END = AT + timedelta(hours=1)
ONE = Entitlement("postgres", "orders-db", "alice", '{"member_of":"readers"}')
TODAY = ONE._replace(principal="alice2")
GRANT = GrantId("orders-db/alice")
NUMBERS = (("member", "16401"), ("system", "7"))
LIVE = Claim(GRANT, ONE, Window(AT - timedelta(hours=1), END))
OVER = Claim(GRANT, ONE, Window(AT - timedelta(hours=2), AT))
OURS = {ONE: Holding(ONE, (GRANT,), END, NUMBERS)}
OIDS = tuple(Oid(letter * 40) for letter in "ab")
DIGEST = "sha256:" + "0" * 64


def plan(claims: list[Claim], found: Found, seen: frozenset[Entitlement] = frozenset()) -> Plan:
    one = {ONE: found}
    return compute(claims, OURS, Observed(by_number(seen, one), found=one), at=AT, main="m")


@pytest.mark.parametrize("claims", [[LIVE], [OVER], []], ids=["live", "over", "its file is gone"])
def test_of_what_is_unknown_nothing_is_planned_and_it_is_told(claims: list[Claim]) -> None:
    made = plan(claims, Found(None, "no such role"))
    assert made.changes == ()
    assert made.unknown == (Doubt(ONE, (GRANT,), "no such role"),)
    assert (made.live, made.unmanaged) == (0, ())


def test_what_is_gone_by_its_number_is_taken_away_and_not_given_to_who_has_its_name() -> None:
    gone = Found(False, "alice, number 16401, is no more; another has its name")
    assert [change.action for change in plan([OVER], gone).changes] == [Action.REMOVE]
    assert plan([OVER], gone).unknown == ()
    made = plan([LIVE], gone, frozenset({ONE}))
    assert (made.changes, made.unmanaged) == ((), ())
    assert made.unknown == (Doubt(ONE, (GRANT,), gone.why),)


def test_what_somebody_took_away_is_given_again_where_it_is_what_it_was() -> None:
    assert [change.reason for change in plan([LIVE], Found(False)).changes] == [Reason.LOST]


def test_what_has_another_name_is_ours_under_the_recorded_one_and_nobody_elses_under_todays() -> None:
    renamed = Found(True, "alice is called alice2 now", (TODAY,), NUMBERS)
    made = plan([LIVE], renamed, frozenset({TODAY}))
    assert (made.changes, made.unmanaged, made.live) == ((), (), 1)
    assert made.renamed == (Doubt(ONE, (GRANT,), renamed.why),)
    (removal,) = plan([OVER], renamed, frozenset({TODAY})).changes
    assert (removal.action, removal.entitlement) == (Action.REMOVE, ONE)


def test_what_was_begun_and_is_unknown_names_the_grants_that_it_was_begun_for() -> None:
    seen = Observed(frozenset(), found={ONE: Found(None, "no such role")})
    begun = {ONE: Holding(ONE, (GRANT,), END)}
    assert compute([LIVE], {}, seen, at=AT, main="m", begun=begun).unknown == (Doubt(ONE, (GRANT,), "no such role"),)
    assert compute([LIVE], {}, seen, at=AT, main="m").unknown == (Doubt(ONE, (), "no such role"),)


def test_drift_names_what_is_unknown_renamed_and_awaited() -> None:
    made = Plan(
        AT,
        "m",
        (),
        offered=(ONE,),
        unknown=(Doubt(ONE, (GRANT,), "no such role"), Doubt(TODAY, (), "nor this")),
        renamed=(Doubt(ONE, (GRANT,), "called alice2 now"),),
    )
    found = drift(made)
    assert [(f.code, f.severity) for f in found] == [
        ("access-unknown", Severity.ERROR),
        ("access-unknown", Severity.ERROR),
        ("access-awaited", Severity.NOTE),
        ("access-renamed", Severity.WARNING),
    ]
    assert "no such role" in found[0].message
    assert f"daypass ledger settle {GRANT}" in found[0].hint
    assert "daypass ledger settle GRANT" in found[1].hint


# Receipts.

ADD = Intended(Action.ADD, ONE, (GRANT,), Reason.WINDOW_OPENED, AT, END)
GIVEN = Outcome(ADD, True, numbers=NUMBERS)


def chain(*bodies: Body) -> list[Receipt]:
    return [Receipt(n, "", AT, OIDS[0], "run", body) for n, body in enumerate(bodies)]


def settled(adopted: bool) -> Settled:
    files = () if adopted else ((GRANT, OIDS[0], OIDS[1]),)
    return Settled(OURS[ONE], adopted, "carol", DIGEST, files)


def test_an_outcome_without_numbers_is_written_as_before() -> None:
    assert list(body_to_dict(Outcome(ADD, True))[1]) == ["change", "ok", "error", "recovered"]
    assert body_to_dict(GIVEN)[1]["numbers"] == dict(NUMBERS)


@pytest.mark.parametrize("numbers", [{}, {"member": 16401}, {"member": ""}])
def test_numbers_that_say_nothing_are_refused(numbers: dict[str, Any]) -> None:
    kind, data = body_to_dict(GIVEN)
    with pytest.raises(LedgerError, match="expected numbers to be texts by name"):
        body_from_dict(kind, data | {"numbers": numbers})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"grants": []}, "a settlement names no grant"),
        ({"reason": "since I say so"}, "expected reason of a settlement to be a digest"),
        ({"adopted": "yes"}, "expected adopted of a settlement to be true or false"),
        ({"words": ""}, "a settlement has an unknown key 'words'"),
    ],
)
def test_a_settlement_that_is_none_is_refused(wrong: dict[str, Any], said: str) -> None:
    kind, data = body_to_dict(settled(adopted=True))
    with pytest.raises(LedgerError, match=said):
        body_from_dict(kind, data | wrong)


def test_numbers_are_held_with_what_was_given() -> None:
    assert fold(chain(GIVEN)).holdings == OURS


def test_what_was_adopted_is_ours_by_its_name_of_today() -> None:
    after = fold(chain(GIVEN, settled(adopted=True)))
    assert after.holdings == {ONE: replace(OURS[ONE], numbers=())}
    assert after.refusals == {}


def test_what_was_written_off_is_ours_no_more_and_its_files_give_nothing() -> None:
    proof = admission(GRANT, landing=2, blob=1)
    off = replace(settled(adopted=False), files=((GRANT, proof.blob, proof.landing),))
    after = fold(chain(proof, GIVEN, Intent((ADD,), ""), off))
    assert (after.holdings, after.pending, list(after.admitted())) == ({}, {}, [])
    assert after.refusal(GRANT, proof.blob, proof.landing)
    assert after.refusals[GRANT].code == "written-off"
    assert after.taken == {ONE: (NUMBERS,)}


def test_what_was_handed_over_counts_no_longer_once_it_is_written_off() -> None:
    after = fold(chain(replace(GIVEN, handover="a certificate"), settled(adopted=False)))
    assert [handed.ended for handed in after.handed("postgres", AT)] == [True]


@pytest.mark.parametrize("adopted", [True, False])
def test_the_audit_tells_a_settlement_and_keeps_what_nobody_saw_gone_in_doubt(adopted: bool) -> None:
    receipts = chain(GIVEN, settled(adopted))
    (found,) = access(Holdings.at(AT, receipts), "orders-db", AT)
    assert found.doubt == ("" if adopted else "carol wrote it off, and nobody has seen it gone")
    (event,) = [event for event in history(Material(receipts)) if event.kind is EventKind.SETTLED]
    assert (event.by, event.grants, event.receipt) == ("carol", (GRANT,), 1)
    assert access(Holdings.at(AT, chain(settled(adopted))), "orders-db", AT) == ()


DOUBTFUL = Plan(AT, "m", (), unknown=(Doubt(ONE, (GRANT,), "no such role"),))
OTHER = GrantId("orders-db/bob")
KNOWN = Standing(holdings=OURS)


def ended(plan: Plan, known: Standing, grant: GrantId = GRANT, *, adopt: bool) -> tuple[Settled, ...]:
    return settle(plan, known, [grant], adopt=adopt, by="carol", number=7, reason="looked")


def test_a_doubt_is_ended_by_adopting_what_the_ledger_has_or_by_writing_it_and_its_files_off() -> None:
    row = AdmittedGrant.of(admission(entitlement=ONE, grant=GRANT))
    known = Standing(holdings=OURS, rows={GRANT: row})
    (kept,) = ended(DOUBTFUL, known, adopt=True)
    assert (kept.holding, kept.adopted, kept.by, kept.number, kept.files) == (OURS[ONE], True, "carol", 7, ())
    (off,) = ended(DOUBTFUL, known, adopt=False)
    assert (off.adopted, off.files) == (False, ((GRANT, row.blob, row.landing),))


def test_what_was_only_begun_can_be_written_off_and_not_adopted() -> None:
    begun = Intended(Action.ADD, ONE, (GRANT,), Reason.WINDOW_OPENED, AT, END)
    known = Standing(begun={(Action.ADD, ONE): begun})
    (off,) = ended(DOUBTFUL, known, adopt=False)
    assert off.holding == Holding(ONE, (GRANT,), END)
    with pytest.raises(RefusedError, match="nothing to adopt"):
        ended(DOUBTFUL, known, adopt=True)


def test_a_grant_of_which_there_is_no_doubt_is_refused_with_those_of_which_there_is() -> None:
    with pytest.raises(UsageError) as unknown:
        ended(DOUBTFUL, KNOWN, OTHER, adopt=True)
    assert unknown.value.hint == "there is doubt about orders-db/alice"
    with pytest.raises(RefusedError) as certain:
        ended(Plan(AT, "m", ()), KNOWN, adopt=True)
    assert certain.value.hint == "`daypass drift` lists what nobody can tell of"
