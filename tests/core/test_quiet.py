"""For how long what was found of an open request holds by the clock alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from daypass.core.approval.quiet import LONGEST, MOST, MOST_NAMED, hangs_on, quiet, quiet_until, short_id
from daypass.core.approval.review import REVIEWS
from daypass.core.approval.stages import Due
from daypass.core.forge import Account, Act, Quiet, Review
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
    assert hangs_on(gated) is not None
    if part == "rotas":
        policy = replace(policy, catalogue=replace(catalogue, rotas={"night": object()}))
    elif part == "deputies":
        people = replace(catalogue.directory, deputies={"bob": object()})
        policy = replace(policy, catalogue=replace(catalogue, directory=people))
    else:
        policy = replace(policy, rules=replace(rules, **{part: frozenset({"orders-db"})}))
    moving = replace(gated, proposal=replace(gated.proposal, policy=policy))
    assert until(moving) is None
    assert hangs_on(moving) is None
    assert quiet(moving, at=datetime.fromisoformat(AT)) is None


def test_it_hangs_on_its_resources_and_on_the_commits_that_left_main(access: Access) -> None:
    other = {"grants/payroll/b.yaml": GRANT.replace("orders-db", "payroll").replace("8h", "2h")}
    gated = found(access, **other)
    named = {"orders-db", "payroll", short_id(gated.pull.head)}
    assert hangs_on(gated) == named
    held = quiet(gated, at=datetime.fromisoformat(AT))
    assert held == Quiet(datetime.fromisoformat(T("18:00")), frozenset(named))  # the hours of the payroll
    assert gated.evidence is not None
    (first,) = gated.evidence.commits
    later = replace(first, oid="1" * 40, parents=(first.oid,))
    merged = replace(first, oid="2" * 40, parents=(gated.proposal.base, later.oid))
    more = replace(gated, evidence=replace(gated.evidence, commits=(first, later, merged)))
    assert hangs_on(more) == named


def test_it_hangs_on_what_its_resources_were_called_and_on_what_it_reviews(access: Access) -> None:
    gated = found(access)
    policy = gated.proposal.policy
    was = {"orders-db": ("orders", "old-orders"), "payroll": ("wages",)}
    there = policy.catalogue.resources
    renamed = {**there, **{name: replace(there[name], was=names) for name, names in was.items()}}
    policy = replace(policy, catalogue=replace(policy.catalogue, resources=renamed))
    proposal = replace(gated.proposal, policy=policy)
    named = {"orders-db", "orders", "old-orders", short_id(gated.pull.head)}
    assert hangs_on(replace(gated, proposal=proposal)) == named
    by_old_name = replace(proposal, changed=("grants/orders/a.yaml",))
    assert hangs_on(replace(gated, proposal=by_old_name)) == named
    reviews = replace(gated.pull, branch=f"{REVIEWS}wages/x.1")
    assert hangs_on(replace(gated, proposal=proposal, pull=reviews)) == named | {"wages", "payroll"}


@pytest.mark.parametrize("part", ["unjudged", "others", "then", "acts", "many"])
def test_it_may_hang_on_anything_where_nobody_can_tell(access: Access, part: str) -> None:
    gated = found(access)
    evidence, mains = gated.evidence, ((gated.proposal.base, None),)
    assert evidence is not None
    if part == "unjudged":
        gated = replace(gated, evidence=None)
    elif part == "others":
        gated = replace(gated, proposal=replace(gated.proposal, others=("README.md",)))
    elif part == "then":
        gated = replace(gated, evidence=replace(evidence, then={"1": ()}))
        assert hangs_on(gated) is not None
        gated = replace(gated, evidence=replace(evidence, then={"1": mains}))
    elif part == "acts":
        act = Act(Account("alice", "alice"), "opened", gated.pull.opened_at)
        gated = replace(gated, evidence=replace(evidence, acts=((act, mains),)))
    else:
        room = MOST_NAMED - len(short_id(gated.pull.head))
        just = replace(gated, proposal=replace(gated.proposal, changed=(f"grants/{'r' * room}/a.yaml",)))
        assert hangs_on(just) is not None
        gated = replace(gated, proposal=replace(gated.proposal, changed=(f"grants/{'r' * room}s/a.yaml",)))
    assert hangs_on(gated) is None
