"""Conditions come to what CEL's definition says, by an evaluator that shares no code with the engine; an error is never a yes."""

from __future__ import annotations

import fuzz_conditions
import pytest
from hypothesis import given, settings
from second import FACTS, Term, Wrong, terms

from daypass.core.finding import Place
from daypass.core.policy.cel.expression import Condition, EvaluationFailure, combine, compile_condition, evaluate_all
from daypass.core.policy.cel.source import spread
from examples import examples


def compiled(text: str) -> Condition:
    found = compile_condition(text, Place("rules.yaml", 1, 1, "when"), spread(text, 1, 1, text))
    assert isinstance(found, Condition), f"{text}: {found}"
    return found


def meant(term: Term) -> bool | None:
    """Return what a condition comes to, None for an error."""
    try:
        return bool(term.means(FACTS))
    except Wrong:
        return None


@given(terms())
@settings(max_examples=examples(400))
def test_a_condition_comes_to_what_the_definition_says(term: Term) -> None:
    found = compiled(term.text).holds(FACTS)
    assert (None if isinstance(found, EvaluationFailure) else found) is meant(term), term.text


@given(terms(), terms())
@settings(max_examples=examples(100))
def test_two_conditions_at_once_come_to_what_each_does_or_to_nothing(one: Term, other: Term) -> None:
    program = combine([one.text, other.text])
    assert program is not None
    found, wanted = evaluate_all(program, FACTS, 2), (meant(one), meant(other))
    assert found == (None if None in wanted else wanted), (one.text, other.text)


@pytest.mark.parametrize(
    ("text", "comes_to"),
    [
        ("1 / size(resource.data) == 1", None),
        ("!(1 / size(resource.data) == 1)", None),
        ("grant.absolute && resource.data[0] == grant.subject", None),
        ("grant.emergency && resource.data[0] == grant.subject", False),
        ("resource.data[0] == grant.subject || grant.absolute", True),
        ("9223372036854775807 + 1 > 0", None),
        ("-7 / 2 == -3 && -7 % 2 == -1", True),
        ("grant.emergency ? resource.data[0] == grant.subject : grant.absolute", True),
    ],
)
def test_an_error_is_neither_yes_nor_no(text: str, comes_to: bool | None) -> None:
    found = compiled(text).holds(FACTS)
    assert (None if isinstance(found, EvaluationFailure) else found) is comes_to


def test_the_long_search_names_the_first_condition_that_they_differ_on(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, wrong = fuzz_conditions.fuzz(7, 0.01)
    assert (sum(counts.values()), wrong) == (fuzz_conditions.BATCH, "")
    agree = fuzz_conditions.agree

    def slipped(term: Term) -> tuple[bool | None, bool | None]:
        found, wanted = agree(term)
        return (None, wanted) if "||" in term.text else (found, wanted)

    monkeypatch.setattr(fuzz_conditions, "agree", slipped)
    _, wrong = fuzz_conditions.fuzz(7, 0.01)
    assert wrong.startswith("seed 7: ")
    assert "the engine says None, the definition " in wrong
