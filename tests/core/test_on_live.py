"""Rules that end what is live: those that deny, and need no request to say so."""

import pytest
from policy_samples import AT, grant, rules
from test_claims import GIVEN, HOUR, WINDOW

from daypass.core.ids import GrantId
from daypass.core.plan import Claim
from daypass.core.policy.decision import ending_denials

DENY = "  - {id: one, when: grant.role == 'readonly', deny: true, on_live: end}\n"


def test_a_rule_ends_what_it_denies_and_only_where_it_says_so():
    assert [one.rule for one in ending_denials(rules(DENY), grant())] == ["one"]
    assert ending_denials(rules(DENY), grant(role="admin")) == ()
    assert ending_denials(rules(DENY.replace("end}", "report}")), grant()) == ()
    assert ending_denials(rules(DENY.replace(", on_live: end", "")), grant()) == ()
    assert "ends what is live and denied by it" in rules(DENY).rules.rules[0].effect


def test_a_rule_that_fails_ends_nothing():
    failing = "  - {id: one, when: '1 / size(subject.groups) > 0', deny: true, on_live: end}\n"
    now = rules(failing)
    assert not now.broken
    assert ending_denials(now, grant(subject="vera")) == ()


@pytest.mark.parametrize(
    ("rule", "code", "message"),
    [
        (
            "{id: one, when: 'true', approve: automatically, on_live: end}",
            "rule-contradicts",
            "rule one has on_live: end, and denies nothing",
        ),
        (
            "{id: one, when: request.requester == 'bob', deny: true, on_live: end}",
            "on-live-asks",
            "rule one has on_live: end, and asks about a request; nobody asks for what is live any more",
        ),
    ],
)
def test_a_rule_that_cannot_end_what_is_live_is_a_finding(rule, code, message):
    (found,) = rules(f"  - {rule}\n").findings
    assert (found.code, found.message, found.place.path) == (code, message, "rules[0].on_live")
    assert ending_denials(rules(f"  - {rule}\n"), grant()) == ()


def test_what_ends_what_is_live_cuts_its_window_there_or_leaves_nothing_of_it():
    claim = Claim(GrantId("orders-db/one"), GIVEN, WINDOW)
    ended = claim.ending(AT + HOUR, "rule one denies it")
    assert (ended.window.end, ended.blocked, ended.bound) == (AT + HOUR, None, "rule one denies it")
    assert ended.ended(AT + HOUR)
    assert claim.ending(AT, "rule one denies it").ended(AT)
