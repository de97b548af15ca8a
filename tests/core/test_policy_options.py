"""What may be asked for: each way to ask, and what policy would say."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from policy_samples import AT, PURPOSE, RULES, files, grant, policy, rules

from daypass.core.policy.analysis.options import options, reasons
from daypass.core.policy.decision import Request, decide
from daypass.core.window import Span

NIGHT = AT + timedelta(hours=13)


def ways(found, subject="alice", resource="orders-db", role="readonly", at=AT, **more):
    """Write each way: purposes, over, up to in hours, what it brings, and the answer."""
    return [
        (
            ",".join(name or "-" for name in way.purposes),
            way.over / timedelta(hours=1),
            way.upto / timedelta(hours=1),
            ",".join(way.brings),
            ",".join(denial.rule or denial.code for denial in way.decision.denials)
            or ("at once" if way.decision.automatic else ", ".join(r.source for r in way.decision.requirements)),
        )
        for way in options(found, subject, resource, role, at=at, **more)
    ]


def test_each_purpose_is_a_way_with_its_own_limit_and_what_it_demands():
    assert ways(policy()) == [
        ("-", 0, 8, "", "group:security, owners"),
        ("incident", 0, 4, "a ticket", "group:security, owners"),
    ]


def test_purposes_with_the_same_answer_are_one_way():
    found = policy(purposes_deploy="version: 1\n", purposes_upkeep="version: 1\n")
    assert ways(found)[0] == ("-,deploy,upkeep", 0, 8, "", "group:security, owners")


def test_lengths_are_cut_where_a_rule_changes_its_mind():
    assert ways(policy(), resource="wiki", role="editor")[:2] == [
        ("-", 0, 4, "", "at once"),
        ("-", 4, 120, "", "owners"),
    ]


def test_what_is_denied_now_is_a_way_that_says_so():
    assert ways(policy(), at=NIGHT) == [
        ("-", 0, 8, "", "restricted-in-office-hours"),
        ("incident", 0, 4, "a ticket", "group:security, owners"),
    ]
    [denial] = reasons(options(policy(), "alice", "orders-db", "readonly", at=NIGHT))
    assert denial.message.startswith("Restricted data is opened in office hours only")


def test_what_a_request_can_bring_hides_no_other_denial():
    night = RULES.replace(" && !grant.emergency", "")
    assert ways(policy(rules_base=night), at=NIGHT)[1] == ("incident", 0, 4, "a ticket", "restricted-in-office-hours")


def test_who_asks_for_somebody_else_is_judged_as_who_asks():
    found = rules("  - {id: own, when: 'request.requester != grant.subject', deny: true}\n")
    assert [way[-1] for way in ways(found)] == ["owners", "owners"]
    assert [way[-1] for way in ways(found, requester="bob")] == ["own", "own"]


@pytest.mark.parametrize("what", [{"subject": "nobody"}, {"resource": "nothing"}, {"role": "owner"}])
def test_there_is_no_way_to_what_is_not_known(what):
    assert ways(policy(), **what) == []


def test_a_rule_about_lengths_answers_for_every_length_as_the_decision_does():
    found = rules(
        "  - {id: long, when: 'grant.duration >= duration(\"3h\")', require: [{approvals: {at_least: 2, from: owners}}]}\n"
        "  - {id: longer, when: 'grant.duration > duration(\"6h\")', deny: true}\n"
    )
    told = options(found, "alice", "orders-db", "readonly", at=AT)
    for hours in (1, 2.9997222222222222, 3, 6, 6.000277777777778, 8):
        length = timedelta(hours=hours)
        [way] = [way for way in told if "" in way.purposes and way.over < length <= way.upto]
        asked = Request(replace(grant(), span=Span(duration=length)), "alice", AT)
        decision = decide(found, asked)
        assert (decision.requirements, bool(decision.denials)) == (
            way.decision.requirements,
            bool(way.decision.denials),
        )


def test_a_takeover_of_access_that_is_there_is_no_way_to_ask():
    assert PURPOSE in files()["policies/purposes/incident.yaml"].decode()
    found = policy(purposes_import="version: 1\n")
    assert not any("import" in way[0] for way in ways(found))


def recurring(found, role="editor", at=AT):
    """Write how each way is answered that recurs: in which lengths, and what by."""
    return [
        (
            way.upto / timedelta(hours=1),
            way.recurring
            and (
                ",".join(denial.code for denial in way.recurring.denials)
                or ("at once" if way.recurring.automatic else ", ".join(r.source for r in way.recurring.requirements))
            ),
            way.total / timedelta(hours=1),
            way.span / timedelta(days=1),
        )
        for way in options(found, "alice", "wiki" if role == "editor" else "orders-db", role, at=at)
        if "" in way.purposes
    ]


def test_what_recurs_is_answered_by_itself_with_what_all_of_it_may_come_to():
    assert recurring(policy()) == [(4, "owners", 120, 92), (120, "owners", 120, 92)]
    assert recurring(policy(), "readonly") == [(8, "group:security, owners", 8, 92)]
    assert recurring(policy(), "readonly", AT + timedelta(hours=13)) == [(8, "rule-denies", 8, 92)]
    wiki = files()["policies/resources/wiki.yaml"].decode().replace("5d}", "5d, max_total: 10d, max_span: 20d}")
    assert recurring(policy(resources_wiki=wiki)) == [(4, "owners", 240, 20), (120, "owners", 240, 20)]


def test_of_lengths_that_no_day_holds_nothing_recurs():
    long = "  - {id: long, when: 'grant.duration >= duration(\"24h\")', require: [{approvals: {at_least: 2, from: owners}}]}\n"
    assert recurring(rules(long)) == [(24 - 1 / 3600, "owners", 120, 92), (120, None, 120, 92)]
