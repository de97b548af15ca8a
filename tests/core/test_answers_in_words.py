"""Answers of a form, whatever forge asked: each is read strictly, and all that is wrong is told at once."""

from datetime import timedelta

import pytest

from daypass.core.files.form import FormAnswers, read_answers
from daypass.core.window import Span

GOOD = {
    "role": "orders-db/readonly",
    "subject": "",
    "duration": "8h",
    "purpose": "",
    "ticket": "",
    "reason": "Duplicate charges,\nseen by support.",
}


def wrong(**changed: str) -> list[tuple[str, str, str]]:
    found = read_answers("issue 12", GOOD | changed)
    assert isinstance(found, tuple)
    assert {one.place.file for one in found} == {"issue 12"}
    return [(one.place.path, one.code, one.message) for one in found]


def test_answers_are_read() -> None:
    assert read_answers("issue 12", GOOD) == FormAnswers(
        "orders-db", "readonly", "", Span(duration=timedelta(hours=8)), "", "", "Duplicate charges,\nseen by support."
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"role": "orders-db"},
            ("role", "form-answer", "expected a resource and role such as orders-db/readonly, got 'orders-db'"),
        ),
        ({"role": ""}, ("role", "form-answer", "'Resource and role' was left empty")),
        ({"subject": "Bob Ray"}, ("subject", "form-answer", "expected the handle of a person, got 'Bob Ray'")),
        ({"ticket": "a\nb"}, ("ticket", "form-answer", "the answer to 'Ticket' has several lines, expected one")),
        ({"subject": "a\nb"}, ("subject", "form-answer", "the answer to 'Who receives the access' has several lines, expected one")),
        ({"duration": ""}, ("duration", "form-answer", "'How long' was left empty")),
        ({"ends_when": "a\nb"}, ("ends_when", "form-answer", "the answer to 'Ends when' has several lines, expected one")),
        ({"details": "rows"}, ("details", "form-answer", "expected a line such as due: 2026-12-20, got 'rows'")),
        ({"details": "rows: 1\nrows: 2"}, ("details", "form-answer", "the detail rows is answered twice")),
    ],
)  # fmt: skip
def test_one_wrong_answer_is_told_once(changed: dict[str, str], expected: tuple[str, str, str]) -> None:
    assert wrong(**changed) == [expected]


def test_text_that_cannot_be_seen_is_no_answer() -> None:
    ((path, code, message),) = wrong(reason="all \u202e well")
    assert (path, message.startswith("'Reason' holds ")) == ("reason", True)
    assert code != "form-answer"


def test_a_length_that_is_none_is_told_by_what_is_wrong_with_it() -> None:
    ((path, code, _),) = wrong(duration="soon")
    assert (path, code) == ("duration", "bad-duration")


def test_what_ends_access_must_be_something_that_is_watched() -> None:
    ((path, code, _),) = wrong(ends_when="whenever")
    assert (path, code) == ("ends_when", "form-answer")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert [path for path, _, _ in wrong(role="x", subject="Bob Ray", duration="soon")] == [
        "role",
        "subject",
        "duration",
    ]
