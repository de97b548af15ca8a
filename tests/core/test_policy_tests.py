"""The cases of policies/tests/."""

from datetime import timedelta

import pytest
from policy_samples import AT, files, read_policies, shown

from daypass.core.policy.analysis.probe import failures, run_tests

REQUEST = "request: {subject: alice, resource: orders-db, role: readonly, window: {duration: 8h}, reason: example one, ticket: INC-1}"
WIKI = "request: {subject: alice, resource: wiki, role: editor, window: {duration: 4h}}"
TWO = "approvals: [{at_least: 1, from: owners}, {at_least: 1, from: group:security}]"


def cases(*texts):
    body = "".join(f"  - {{name: case {n}, {text}}}\n" for n, text in enumerate(texts, 1))
    return read_policies({**files(), "policies/tests/a.yaml": ("version: 1\ncases:\n" + body).encode()})


def ran(*texts):
    found = cases(*texts)
    assert found.findings == ()
    return run_tests(found)


def test_a_case_is_read():
    (case,) = cases(f"{REQUEST}, at: 2026-11-20T10:00:00Z, expect: {{{TWO}}}").tests
    assert (case.name, case.requester, case.at) == ("case 1", "alice", AT)
    assert (case.grant.subject, case.grant.ticket, case.grant.span.duration) == ("alice", "INC-1", timedelta(hours=8))
    assert case.expected == ("1 from group:security", "1 from owners")
    assert str(case.place) == "policies/tests/a.yaml:3:5"


def test_cases_that_come_out_as_expected_pass():
    found = ran(
        f"{REQUEST}, at: 2026-11-20T10:00:00Z, expect: {{{TWO}}}",
        f"{REQUEST}, at: 2026-11-21T10:00:00Z, expect: {{denied: [restricted-in-office-hours]}}",
        f"{REQUEST}, at: 2026-11-21T10:00:00Z, expect: {{denied: [rule-denies]}}",
        f"{WIKI}, at: 2026-11-21T10:00:00Z, expect: {{automatic: true}}",
        f"{WIKI.replace('4h', '5h')}, at: 2026-11-21T10:00:00Z, expect: {{approvals: [{{at_least: 1, from: owners}}]}}",
        f"{WIKI.replace('duration: 4h', 'from: 2026-11-20T09:00:00Z, until: 2026-11-20T10:00:00Z')}, "
        "at: 2026-11-20T10:00:00Z, expect: {denied: [window-past]}",
    )
    assert [outcome.missing + outcome.surplus for outcome in found.outcomes] == [()] * 6
    assert found.passed
    assert found.untried == ()


@pytest.mark.parametrize(
    ("text", "missing", "surplus"),
    [
        (
            f"{REQUEST}, at: 2026-11-20T10:00:00Z, expect: {{approvals: [{{at_least: 2, from: owners}}]}}",
            ("2 from owners",),
            ("1 from group:security", "1 from owners"),
        ),
        (
            f"{REQUEST}, at: 2026-11-20T10:00:00Z, expect: {{automatic: true}}",
            ("automatic",),
            ("1 from group:security", "1 from owners"),
        ),
        (
            f"{REQUEST}, at: 2026-11-21T10:00:00Z, expect: {{{TWO}}}",
            ("1 from group:security", "1 from owners"),
            ("denied: restricted-in-office-hours",),
        ),
        (
            f"{REQUEST}, at: 2026-11-20T10:00:00Z, expect: {{denied: [restricted-in-office-hours]}}",
            ("denied: restricted-in-office-hours",),
            ("1 from group:security", "1 from owners"),
        ),
        (
            f"{REQUEST.replace('8h', '9h')}, at: 2026-11-21T10:00:00Z, expect: {{denied: [too-long]}}",
            (),
            ("denied: restricted-in-office-hours",),
        ),
        (
            f"{WIKI}, at: 2026-11-21T10:00:00Z, expect: {{denied: [too-long]}}",
            ("denied: too-long",),
            ("automatic",),
        ),
    ],
)
def test_a_case_that_comes_out_otherwise_says_what_is_missing_and_what_is_too_much(text, missing, surplus):
    found = ran(text)
    (outcome,) = found.outcomes
    assert (outcome.missing, outcome.surplus) == (missing, surplus)
    assert not outcome.passed
    assert not found.passed


def test_expected_and_got_are_written_alike():
    (outcome,) = ran(f"{REQUEST}, at: 2026-11-21T10:00:00Z, expect: {{automatic: true}}").outcomes
    assert (outcome.expected, outcome.got) == (("automatic",), ("denied: restricted-in-office-hours",))
    assert outcome.decision.traces


def test_rules_that_no_case_makes_apply_are_named():
    assert ran(f"{WIKI}, at: 2026-11-20T10:00:00Z, expect: {{automatic: true}}").untried == (
        "production-needs-two",
        "restricted-in-office-hours",
    )


def test_a_case_may_be_opened_by_somebody_else():
    (case,) = cases(f"{WIKI[:-1]}, requester: bob}}, at: 2026-11-20T10:00:00Z, expect: {{automatic: true}}").tests
    assert case.requester == "bob"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"{WIKI.replace('4h', '0h')}, at: 2026-11-20T10:00:00Z, expect: {{automatic: true}}",
            "3:95 bad-duration a duration of 0h is no time at all",
        ),
        (
            f"{WIKI}, at: 2026-11-31T10:00:00Z, expect: {{automatic: true}}",
            "3:105 bad-instant '2026-11-31T10:00:00Z' is no possible time: day is out of range for month",
        ),
        (
            f"{WIKI.replace('duration: 4h', 'from: 2026-11-20T10:00:00Z, until: 2026-11-20T10:00:00Z')}, "
            "at: 2026-11-20T10:00:00Z, expect: {automatic: true}",
            "3:84 test-window until (2026-11-20T10:00:00Z) is not after from (2026-11-20T10:00:00Z) "
            "[a window ends after it begins]",
        ),
        (
            f"{WIKI.replace('duration: 4h', 'from: 2026-11-31T10:00:00Z, until: 2026-12-20T10:00:00Z')}, "
            "at: 2026-11-20T10:00:00Z, expect: {automatic: true}",
            "3:91 bad-instant '2026-11-31T10:00:00Z' is no possible time: day is out of range for month",
        ),
    ],
)
def test_a_case_that_cannot_be_is_a_finding_that_denies_nothing(text, expected):
    found = cases(text)
    assert shown(found.findings) == [expected]
    assert found.broken == ()
    assert found.tests == ()


@pytest.mark.parametrize("expect", ["{automatic: true, approvals: []}", "{}", "{automatic: false}", "{denied: []}"])
def test_a_case_expects_exactly_one_thing(expect):
    found = cases(f"{WIKI}, at: 2026-11-20T10:00:00Z, expect: {expect}")
    assert found.findings
    assert found.tests == ()


@pytest.mark.parametrize(
    "window", ["{}", "{from: 2026-11-20T10:00:00Z}", "{duration: 1h, until: 2026-11-20T10:00:00Z}"]
)
def test_a_cases_window_has_a_duration_or_both_ends(window):
    found = cases(f"{WIKI.replace('{duration: 4h}', window)}, at: 2026-11-20T10:00:00Z, expect: {{automatic: true}}")
    assert found.findings
    assert found.tests == ()


def test_a_test_file_of_the_wrong_shape_denies_nothing():
    found = read_policies({**files(), "policies/tests/a.yaml": b"version: 1\ncases: {}\n"})
    assert found.findings
    assert found.broken == ()


def test_no_cases_leave_every_rule_untried():
    found = run_tests(read_policies(files()))
    assert found.passed
    assert len(found.untried) == 3


def test_a_case_that_fails_is_told_as_a_finding_at_its_place():
    found = failures(ran(f"{WIKI}, at: 2026-11-21T10:00:00Z, expect: {{denied: [too-long]}}"))
    assert [(finding.code, str(finding.place)) for finding in found] == [
        ("policy-test-fails", "policies/tests/a.yaml:3:5")
    ]
    assert found[0].message == "case 'case 1' expects denied: too-long, and policy decides automatic"
    assert failures(ran(f"{WIKI}, at: 2026-11-21T10:00:00Z, expect: {{automatic: true}}")) == ()


# What no case reaches


def unseen(rule, *cases):
    """Return what a rule's cases leave unseen; each is a role, and what is expected."""
    text = "version: 1\ncases:\n" + "".join(
        f"  - name: case {n}\n    request: {{subject: alice, resource: orders-db, role: {role}, window: {{duration: 1h}}}}\n"
        f"    at: 2026-11-20T10:00:00Z\n    expect: {expect}\n"
        for n, (role, expect) in enumerate(cases)
    )
    found = run_tests(read_policies(files(rules_base=f"version: 1\nrules:\n  - {rule}\n", tests_one=text)))
    assert found.passed
    return found.untried, [(rule, side.value) for rule, side in found.unseen]


OWNER = "{approvals: [{at_least: 1, from: owners}]}"


@pytest.mark.parametrize(
    ("rule", "cases", "expected"),
    [
        ("{id: a, when: 'grant.role == \"admin\"', deny: true}", [("readonly", OWNER)], (("a",), [])),
        (
            "{id: a, when: 'grant.role == \"admin\"', deny: true}",
            [("admin", "{denied: [a]}")],
            ((), [("a", "does not apply")]),
        ),
        (
            "{id: a, when: 'grant.role == \"admin\"', deny: true}",
            [("admin", "{denied: [a]}"), ("readonly", OWNER)],
            ((), []),
        ),
        ("{id: a, when: 'true', deny_unless: 'grant.role == \"admin\"'}", [("admin", OWNER)], ((), [("a", "denies")])),
        (
            "{id: a, when: 'true', deny_unless: 'grant.role == \"admin\"'}",
            [("readonly", "{denied: [a]}")],
            ((), [("a", "allows")]),
        ),
        ("{id: a, when: 'true', deny_unless: 'false'}", [("readonly", "{denied: [a]}")], ((), [])),
        (
            "{id: a, when: '1 / 0 == 1 || grant.role == \"admin\"', deny: true}",
            [("readonly", "{denied: [a]}")],
            (("a",), []),
        ),
    ],
)
def test_each_side_of_a_condition_that_no_case_comes_to_is_named(rule, cases, expected):
    assert unseen(rule, *cases) == expected


ASKS = (
    "version: 1\nrules:\n  - id: two\n    when: 'true'\n    require:\n"
    "      - {approvals: {at_least: 1, from: owners}}\n"
    "      - approvals: {at_least: 1, from: 'group:security'}\n        after: owners\n"
    "        escalate: [{after: 4h, to: 'group:engineering'}, {after: 2d, close: true}]\n"
)
ASK = REQUEST + ", at: 2026-11-20T10:00:00Z"
BOB, DAN = "bob: 2026-11-20T10:30:00Z", "dan: 2026-11-20T11:00:00Z"


def staged(*texts):
    body = "".join(f"  - {{name: case {n}, {ASK}, {text}}}\n" for n, text in enumerate(texts, 1))
    found = read_policies({**files(rules_base=ASKS), "policies/tests/a.yaml": ("version: 1\ncases:\n" + body).encode()})
    return found, run_tests(found)


@pytest.mark.parametrize(
    "text",
    [
        "expect: {waiting: [owners]}",
        "expect: {asked: [bob, carol]}",
        f"approved_by: {{{BOB}}}, expect: {{waiting: ['group:security']}}",
        f"approved_by: {{{BOB}}}, seen_at: 2026-11-20T14:29:59Z, expect: {{asked: [dan]}}",
        f"approved_by: {{{BOB}}}, seen_at: 2026-11-20T14:30:00Z, expect: {{asked: [dan, carol]}}",
        f"approved_by: {{{BOB}, carol: 2026-11-20T14:29:59Z}}, expect: {{waiting: ['group:security']}}",
        f"approved_by: {{{BOB}, carol: 2026-11-20T14:30:00Z}}, expect: {{met: true}}",
        f"approved_by: {{{DAN}}}, expect: {{waiting: [owners]}}",
        f"approved_by: {{{BOB}, {DAN}}}, expect: {{met: true}}",
        f"approved_by: {{{BOB}, {DAN}}}, seen_at: 2026-11-20T10:45:00Z, expect: {{waiting: ['group:security']}}",
        f"approved_by: {{{BOB}}}, seen_at: 2026-11-22T10:30:00Z, expect: {{closed: ['group:security']}}",
        "approved_by: {alice: 2026-11-20T10:30:00Z}, expect: {waiting: [owners]}",
    ],
)
def test_a_case_says_how_its_request_stands_once_people_approved(text):
    found, results = staged(text)
    assert found.findings == ()
    assert [(one.missing, one.surplus) for one in results.outcomes] == [((), ())]


def test_a_request_that_stands_otherwise_fails_the_case():
    _, results = staged(f"approved_by: {{{BOB}}}, expect: {{met: true}}")
    assert [(one.missing, one.surplus) for one in results.outcomes] == [(("met",), ("waiting: group:security",))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"approved_by: {{{BOB}}}, expect: {{denied: [two]}}",
            "test-approvals what policy asks for does not depend on who approved when "
            "[expect one of asked, waiting, met, closed, or remove approved_by and seen_at]",
        ),
        (
            "approved_by: {bop: 2026-11-20T10:30:00Z}, expect: {met: true}",
            "unknown-member there is no person 'bop' in the directory [did you mean bob?]",
        ),
        ("expect: {asked: [bop]}", "unknown-member there is no person 'bop' in the directory [did you mean bob?]"),
        (
            "expect: {waiting: ['group:dbas']}",
            "unknown-group there is no group 'dbas' in the directory [did you mean dba?]",
        ),
        (
            "expect: {closed: ['group:dbas']}",
            "unknown-group there is no group 'dbas' in the directory [did you mean dba?]",
        ),
        (
            "approved_by: {bob: 2026-11-31T10:30:00Z}, expect: {met: true}",
            "bad-instant '2026-11-31T10:30:00Z' is no possible time: day is out of range for month",
        ),
        (
            "seen_at: 2026-11-31T10:30:00Z, expect: {met: true}",
            "bad-instant '2026-11-31T10:30:00Z' is no possible time: day is out of range for month",
        ),
    ],
)
def test_what_a_case_says_of_approvals_is_checked(text, expected):
    found, _ = staged(text)
    assert [one.partition(" ")[2] for one in shown(found.findings)] == [expected]
