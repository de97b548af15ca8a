"""For how long what was found of an open request holds by the clock alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from daypass.core.approval.quiet import LONGEST, MOST, quiet_until
from daypass.core.approval.stages import Due
from daypass.core.forge import Account, Review
from daypass.core.record import replace
from daypass.core.request import Gated
from daypass.pipeline.judge.gate import look
from driver import Access
from report_world import GRANT, T, propose

AT = T("10:00")


def found(access: Access, text: str = GRANT, **files: str) -> Gated:
    number = propose(access, T("09:00"), {"grants/orders-db/a.yaml": text, **files})
    return look(access.repo(), int(number), at=datetime.fromisoformat(AT))


def until(gated: Gated, at: str = AT) -> datetime | None:
    return quiet_until(gated, at=datetime.fromisoformat(at))


def test_it_holds_until_the_next_thing_that_is_due(access: Access) -> None:
    gated = found(access)
    (verdict,) = gated.verdicts
    assert verdict.judgement is not None
    first, *rest = verdict.judgement.statuses
    reminded = Due("remind", datetime.fromisoformat(T("13:00")), "4h")
    first = replace(first, due=(reminded, Due("remind", None, "1 day")), joining_at=datetime.fromisoformat(T("14:00")))
    judgement = replace(verdict.judgement, statuses=(first, *rest))
    gated = replace(gated, verdicts=(replace(verdict, judgement=judgement),))
    assert until(gated) == datetime.fromisoformat(T("13:00"))
    assert until(gated, T("13:00")) == datetime.fromisoformat(T("14:00"))
    assert until(gated, T("14:00")) == datetime.fromisoformat(T("14:00")) + LONGEST


def test_a_rule_of_hours_has_it_looked_at_when_it_turns(access: Access) -> None:
    text = GRANT.replace("orders-db", "payroll").replace("8h", "2h")
    number = propose(access, T("09:00"), {"grants/payroll/a.yaml": text})
    gated = look(access.repo(), int(number), at=datetime.fromisoformat(AT))
    assert until(gated, T("17:00")) == datetime.fromisoformat(T("18:00"))  # seven in the evening in Berlin


def test_a_request_that_nobody_answers_ends_by_its_limit(access: Access) -> None:
    gated = found(access)
    late = datetime.fromisoformat(T("09:00")) + timedelta(days=6, hours=20)
    assert quiet_until(gated, at=late) == datetime.fromisoformat(T("09:00")) + timedelta(days=7)


def test_a_request_of_many_grants_is_looked_at_each_time(access: Access) -> None:
    gated = found(access)
    assert until(replace(gated, verdicts=gated.verdicts * MOST)) is not None
    assert until(replace(gated, verdicts=gated.verdicts * (MOST + 1))) is None


def test_what_is_to_be_merged_or_closed_or_was_refused_is_looked_at_again(access: Access) -> None:
    gated = found(access)
    assert until(replace(gated, refused="GitHub says no")) is None
    assert until(replace(gated, pull=replace(gated.pull, state="closed"))) is None
    assert until(gated, T("08:00")) is None


def test_windows_that_name_instants_are_looked_at_again(access: Access) -> None:
    window = "window: {from: 2026-11-21T09:00:00Z, until: 2026-11-21T12:00:00Z}"
    assert until(found(access, GRANT.replace("window:\n  duration: 8h", window))) is None


def test_a_review_from_later_counts_then(access: Access) -> None:
    gated = found(access)
    assert gated.evidence is not None
    later = datetime.fromisoformat(T("10:01"))
    review = Review(Account("bob", "bob"), "approved", gated.pull.head, later, "1")
    assert until(replace(gated, evidence=replace(gated.evidence, reviews=(review,)))) == later


def test_what_takes_access_away_or_is_judged_by_nobody_has_no_rules_to_turn(access: Access) -> None:
    gated = found(access)
    item = replace(gated.verdicts[0].item, decision=None)
    alone = replace(gated, verdicts=(replace(gated.verdicts[0], item=item, judgement=None),), evidence=None)
    assert until(alone) == datetime.fromisoformat(AT) + LONGEST


@pytest.mark.parametrize("part", ["rotas", "deputies", "of_ledger", "history"])
def test_what_moves_with_time_beside_the_request_has_it_looked_at_again(access: Access, part: str) -> None:
    gated = found(access)
    policy = gated.proposal.policy
    catalogue, rules = policy.catalogue, policy.rules
    if part == "rotas":
        policy = replace(policy, catalogue=replace(catalogue, rotas={"night": object()}))
    elif part == "deputies":
        people = replace(catalogue.directory, deputies={"bob": object()})
        policy = replace(policy, catalogue=replace(catalogue, directory=people))
    else:
        policy = replace(policy, rules=replace(rules, **{part: frozenset({"orders-db"})}))
    assert until(replace(gated, proposal=replace(gated.proposal, policy=policy))) is None
