"""How a request stands, read off what was found of it."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace
from policy_samples import grant, policy

from daypass.core.approval.judgement import Judgement, Status
from daypass.core.errors import ExitCode
from daypass.core.finding import Finding, Place
from daypass.core.forge import Account, Pull
from daypass.core.ids import GrantId, Oid
from daypass.core.policy.decision import Decision, Denial
from daypass.core.request import Gated, Item, ItemVerdict, Proposal, Report

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
HEAD = Oid("a" * 40)
PASSED = Decision((), (), True, "sha256:0", ("short-work",))
ITEM = Item(GrantId("staging/x"), "new", HEAD, None, None, PASSED)
WRONG = Finding("moved", Place("grants/staging/x.yaml"), "it is not the same file any more")
PULL = Pull(1, "Ask", "open", Account("alice", "alice"), AT, "ask", HEAD)


def gated(item: Item, *problems: Finding) -> Gated:
    proposal = Proposal(HEAD, HEAD, (item,), (), (), policy())
    return Gated(PULL, proposal, (ItemVerdict(item, None, problems),))


def test_what_passes_by_a_rule_is_met() -> None:
    assert gated(ITEM).met
    assert gated(ITEM).exit_code is ExitCode.OK


def test_a_problem_forbids_what_would_pass() -> None:
    assert not gated(ITEM, WRONG).met
    assert gated(ITEM, WRONG).exit_code is ExitCode.INVALID


def test_what_policy_denies_is_not_met() -> None:
    denied = replace(PASSED, denials=(Denial("too-long", "8h is longer than 2h"),), automatic=False)
    found = gated(replace(ITEM, decision=denied))
    assert found.proposal.denied
    assert found.exit_code is ExitCode.DENIED


def test_a_forge_that_refuses_what_is_there_is_a_failure() -> None:
    assert replace(gated(ITEM), refused="the branch is protected").exit_code is ExitCode.FAILED


def test_an_emergency_stop_is_what_takes_away_and_no_name_of_a_branch_alone() -> None:
    stop = replace(PULL, branch="daypass/revoke/alice-20261120T100000Z")
    taken = replace(ITEM, kind="remove", decision=None)
    assert replace(gated(taken), pull=stop).emergency
    assert not replace(gated(ITEM), pull=stop).emergency
    assert not replace(gated(ITEM), pull=stop, proposal=replace(gated(ITEM).proposal, items=())).emergency
    assert not gated(taken).emergency


def test_a_missing_approval_is_asked_of_the_groups_team_for_those_who_could_give_it() -> None:
    found = policy(
        daypass="version: 1\nforge: {kind: github, repository: acme/access}\ntargets: {embedded: {kind: embedded}}\n"
    )
    missing = Status("owners", (), 1, ("bob", "dan"))
    met = Status("group:security", ("dan",), 0, ("dan",))
    item = replace(ITEM, grant=grant())
    judgement = Judgement((missing, met), (), ())
    one = Gated(PULL, Proposal(HEAD, HEAD, (item,), (), (), found), (ItemVerdict(item, judgement, ()),))
    assert Report(one, (), ()).teams == (("acme/dba", ("bob",)),)
