"""Compiling and evaluating conditions."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.finding import Place
from daypass.core.policy.cel.expression import (
    LONGEST_EXPRESSION,
    Condition,
    EvaluationFailure,
    combine,
    compile_condition,
    evaluate_all,
)
from daypass.core.policy.cel.source import spread
from daypass.core.policy.facts import ASKED, FUNCTIONS, KINDS, VOCABULARY, VariableKind

SAMPLES = {
    VariableKind.STRING: "x",
    VariableKind.STRINGS: ["x"],
    VariableKind.BOOL: True,
    VariableKind.DURATION: timedelta(hours=1),
    VariableKind.TIMESTAMP: datetime(2026, 11, 20, 10, tzinfo=UTC),
    VariableKind.INT: 1,
}
FACTS = {name: SAMPLES[kind] for name, kind in KINDS.items()}


def compiled(text):
    return compile_condition(text, Place("rules.yaml", 1, 1, "when"), spread(text, 1, 1, text))


def condition(text):
    found = compiled(text)
    assert isinstance(found, Condition), found
    return found


def wrong(text):
    found = compiled(text)
    assert isinstance(found, tuple)
    return [(f.place.line, f.place.column, f.code, f.message, f.hint) for f in found]


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_every_word_of_the_vocabulary_has_its_type(name, kind):
    tests = {
        VariableKind.STRING: "{} == 'x'",
        VariableKind.STRINGS: "'x' in {}",
        VariableKind.BOOL: "{}",
        VariableKind.DURATION: "{} == duration('1h')",
        VariableKind.TIMESTAMP: "{} == timestamp('2026-11-20T10:00:00Z')",
        VariableKind.INT: "{} == 1",
    }
    found = condition(tests[kind].format(name))
    assert found.names == (name,)
    assert found.asks is name.startswith(ASKED)
    assert found.holds(FACTS) is True
    assert VOCABULARY[name][1]


def test_our_functions_are_described():
    assert set(FUNCTIONS) == {"within_hours", "in_calendar", "covered_by", "meets"}


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0 == 1",
        "int(grant.ticket) > 1",
        "[1, 2][7] == 1",
        '{"a": true}["b"]',
        'duration(grant.ticket) > duration("1h")',
        "within_hours(request.opened_at, grant.ticket, 'UTC')",
        "within_hours(request.opened_at, 'Mon 08:00-09:00', grant.ticket)",
        'grant.ticket.matches(grant.ticket + "(")',
        "dyn(grant.role) < 1",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20].all(a, " * 4 + "true" + ")" * 4,
    ],
)
def test_an_evaluation_that_fails_is_never_true(text):
    found = condition(text).holds(FACTS)
    assert isinstance(found, EvaluationFailure), found
    assert found.message


def test_a_failure_says_why_without_the_engines_status_words():
    assert condition("1 / 0 == 1").holds(FACTS) == EvaluationFailure("divide by zero")
    endless = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20].all(a, " * 4 + "true" + ")" * 4
    assert condition(endless).holds(FACTS) == EvaluationFailure("Iteration budget exceeded")
    assert evaluate_all(combine(["true", endless]), {}, 2) is None
    assert condition("within_hours(request.opened_at, grant.ticket, 'UTC')").holds(FACTS) == EvaluationFailure(
        "'x' are no hours; write for example \"Mon-Fri 08:00-19:00\""
    )


def test_a_variable_without_a_value_is_a_failure():
    found = condition('grant.role == "x"').holds({})
    assert found == EvaluationFailure('No value with name "grant.role" found in Activation')


def test_a_value_of_another_type_is_a_failure():
    assert isinstance(condition('grant.role == "x"').holds({"grant.role": 5}), EvaluationFailure)
    assert isinstance(condition("grant.emergency").holds({"grant.emergency": "yes"}), EvaluationFailure)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'grant.duratoin == duration("4h")',
            [
                (
                    1,
                    1,
                    "condition-invalid",
                    "there is no variable or function 'grant.duratoin'",
                    "did you mean grant.duration?",
                )
            ],
        ),
        (
            "true &&\n  subject.gruops == []",
            [
                (
                    2,
                    3,
                    "condition-invalid",
                    "there is no variable or function 'subject.gruops'",
                    "did you mean subject.groups?",
                )
            ],
        ),
        (
            "within_hour(request.opened_at, 'x', 'UTC')",
            [
                (
                    1,
                    12,
                    "condition-invalid",
                    "there is no variable or function 'within_hour'",
                    "did you mean within_hours?",
                )
            ],
        ),
        (
            "foo",
            [
                (
                    1,
                    1,
                    "condition-invalid",
                    "there is no variable or function 'foo'",
                    "docs/rules.md lists the variables and functions",
                )
            ],
        ),
        (
            "grant.role == 1",
            [(1, 12, "condition-invalid", "'==' does not go between (string, int)", "both sides must be of one type")],
        ),
        (
            "within_hours(request.opened_at, 1, 'UTC')",
            [
                (
                    1,
                    13,
                    "condition-invalid",
                    "within_hours does not take (timestamp, int, string)",
                    "within_hours(timestamp, string, string) -> bool",
                )
            ],
        ),
        (
            "grant.role ==",
            [(1, 14, "condition-invalid", "the condition does not parse: mismatched input '<EOF>'", "")],
        ),
        (
            "true) || (true",
            [(1, 5, "condition-invalid", "the condition does not parse: mismatched input ')'", "")],
        ),
        (
            "has(grant.role)",
            [
                (
                    1,
                    1,
                    "condition-not-bool",
                    "the condition gives a string, where it must say true or false",
                    'compare it, for example grant.role == "admin"',
                )
            ],
        ),
        (
            'grant.duration > duration("8x")',
            [
                (
                    1,
                    27,
                    "condition-invalid",
                    'duration("8x") can only fail: String to Duration conversion failed',
                    'write for example "90m" or "8h"; CEL knows h, m and s',
                )
            ],
        ),
        (
            'request.opened_at > timestamp("2026-11-20")',
            [
                (
                    1,
                    31,
                    "condition-invalid",
                    'timestamp("2026-11-20") can only fail: String to Timestamp conversion failed',
                    'write for example "2026-11-21T09:00:00Z"',
                )
            ],
        ),
        (
            'grant.role.matches("(")',
            [
                (
                    1,
                    20,
                    "condition-invalid",
                    'matches("(") can only fail: invalid regular expression: missing ): (',
                    "",
                )
            ],
        ),
        (
            'within_hours(timestamp("2026-11-20T00:00:00Z"), "Mon 8-9", "Berlin")',
            [
                (
                    1,
                    49,
                    "condition-invalid",
                    "'Mon 8-9' are no hours; write for example \"Mon-Fri 08:00-19:00\"",
                    "",
                ),
                (
                    1,
                    60,
                    "condition-invalid",
                    '\'Berlin\' is no time zone; write for example "Europe/Berlin" or "UTC"',
                    "",
                ),
            ],
        ),
    ],
)
def test_what_cannot_work_is_refused_at_the_very_character(text, expected):
    assert wrong(text) == expected


def test_all_unknown_names_are_told_at_once():
    assert [message for *_, message, _ in wrong("grant.rol == resource.nme")] == [
        "there is no variable or function 'grant.rol'",
        "there is no variable or function 'resource.nme'",
    ]


def test_a_name_with_spaces_between_its_dots_is_placed_where_the_compiler_says():
    ((line, column, *_),) = wrong('grant . rol == "x"')
    assert (line, column) == (1, 7)


def test_an_overlong_condition_is_refused():
    text = "true || " * LONGEST_EXPRESSION + "true"
    ((_, _, _, message, hint),) = wrong(text)
    assert message == f"the condition has {len(text)} characters, more than the {LONGEST_EXPRESSION} allowed"
    assert hint == "split the rule"


def test_nesting_without_end_is_refused_and_not_a_crash():
    assert wrong("(" * 1500 + "true" + ")" * 1500)


def test_a_string_that_does_not_parse_is_told_once():
    (found,) = wrong('grant.role == duration("\\q")')[:1]
    assert "does not parse" in found[3]


def test_a_literal_where_another_kind_is_wanted_does_not_crash_the_hours_check():
    assert condition("within_hours(request.opened_at, ['Mon 08:00-09:00'][0], ('UTC'))")


def test_a_call_that_never_closes_is_told_as_it_is():
    assert [found[2] for found in wrong('within_hours(request.opened_at, "x"')] == ["condition-invalid"] * 2


def test_combining_keeps_comments_from_swallowing_the_next_condition():
    program = combine(["true // yes", "false", "grant.role == 'x'"])
    assert evaluate_all(program, {"grant.role": "x"}, 3) == (True, False, True)


def test_a_combined_program_with_a_failure_answers_nothing():
    program = combine(["true", "1 / 0 == 1"])
    assert evaluate_all(program, {}, 2) is None


def test_a_combined_program_must_give_as_many_answers_as_asked():
    assert evaluate_all(combine(["true"]), {}, 2) is None
    assert evaluate_all(combine(["dyn(1)"]), {}, 1) is None


def test_what_is_too_much_together_is_not_combined():
    assert combine(["nonsense"]) is None


@given(st.text(max_size=60))
def test_no_text_makes_compiling_raise(text):
    found = compiled(text)
    assert isinstance(found, Condition) or found


@given(
    st.lists(
        st.sampled_from(["grant.role", "==", '"x"', "&&", "||", "!", "(", ")", "1", "/", "0", "subject.groups", "in"]),
        max_size=8,
    )
)
def test_whatever_compiles_gives_true_false_or_a_failure(parts):
    found = compiled(" ".join(parts))
    if isinstance(found, Condition):
        answer = found.holds(FACTS)
        assert answer is True or answer is False or isinstance(answer, EvaluationFailure)


def test_names_are_those_that_the_compiler_knows():
    assert set(KINDS) == set(VOCABULARY)


OF_AN_INSTANT = [
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
]
"""https://github.com/google/cel-spec/blob/master/doc/langdef.md#abstract-types, those that take a zone."""


@pytest.mark.parametrize("name", OF_AN_INSTANT)
def test_what_cel_would_read_in_a_zone_of_the_machines_is_refused(name):
    for zone in ('"localtime"', '"US/Pacific"', '"UTC"', '"+02:00"', '"../etc/localtime"', '""', "grant.reason"):
        for at in ("request.opened_at", "dyn(request.opened_at)", 'timestamp("2026-11-20T10:00:00Z")'):
            ((*_, code, message, hint),) = wrong(f"{at}.{name}({zone}) == 1")
            assert code == "condition-invalid"
            assert message == f"{name} takes no time zone here: CEL's own zones differ from machine to machine"
            assert 'within_hours(access.from, "Mon-Fri 08:00-19:00", "Europe/Berlin")' in hint
    assert wrong(f"request.opened_at.{name}(dyn('UTC')) == 1")
    assert wrong(f"[1].exists(x, request.opened_at.{name}('UTC') == x)")


def test_an_instant_is_read_in_utc_whatever_the_machines_zone(monkeypatch):
    parts = dict(zip(OF_AN_INSTANT, (2026, 10, 20, 19, 5, 323, 10, 0, 0, 0), strict=True))
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        said = " && ".join(f"request.opened_at.{name}() == {value}" for name, value in parts.items())
        assert condition(said).holds(FACTS) is True
        assert condition('string(request.opened_at) == "2026-11-20T10:00:00Z"').holds(FACTS) is True
    monkeypatch.undo()
    time.tzset()


def test_a_condition_with_half_a_character_is_refused():
    assert wrong("grant.role == '\udcff'")[0][2:4] == (
        "condition-invalid",
        "the condition is no text: it holds half a character",
    )
