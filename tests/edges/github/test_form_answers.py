"""The answers of the issue form are read strictly: what is not exactly an answered form is refused, and told why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.files.form import QUESTIONS, FormAnswers
from daypass.core.finding import Finding
from daypass.edges.forges.github.inbox import looks_like_form, purpose_choice, read_form

GOOD = {
    "role": "orders-db/readonly",
    "subject": "_No response_",
    "duration": "8h",
    "purpose": "None",
    "ticket": "INC-1234",
    "reason": "Duplicate charges, seen by support.",
}


def body(**changed: str) -> str:
    """Write what the forge writes of an answered form."""
    said = GOOD | changed
    return "\n\n".join(f"### {question.label}\n\n{said[question.key]}" for question in QUESTIONS)


def refusal(text: str) -> Finding:
    found = read_form("issue 12", text)
    assert isinstance(found, tuple)
    (finding,) = found
    assert finding.place.file == "issue 12"
    return finding


def test_an_answered_form_is_read() -> None:
    assert read_form("issue 12", body()) == FormAnswers(
        "orders-db", "readonly", "", timedelta(hours=8), "", "INC-1234", "Duplicate charges, seen by support."
    )


def test_every_optional_question_may_be_answered() -> None:
    found = read_form("issue 12", body(subject="erin", purpose="incident"))
    assert isinstance(found, FormAnswers)
    assert (found.subject, found.purpose) == ("erin", "incident")


def test_windows_line_ends_are_the_same_text() -> None:
    assert read_form("issue 12", body(reason="one line\nanother").replace("\n", "\r\n")) == read_form(
        "issue 12", body(reason="one line\nanother")
    )


def test_a_reason_keeps_its_lines_and_its_markdown() -> None:
    reason = "First.\n\n```sh\n# a comment\n```\n<b>bold</b>\n#### small\n#12"
    found = read_form("issue 12", body(reason=reason))
    assert isinstance(found, FormAnswers)
    assert found.reason == reason


def test_a_purpose_named_none_can_be_chosen_and_is_not_the_choice_of_nothing() -> None:
    found = read_form("issue 12", body(purpose=purpose_choice("none")))
    assert isinstance(found, FormAnswers)
    assert found.purpose == "none"
    assert purpose_choice("incident") == "incident"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the heading '### Resource and role' is missing; the form has it once"),
        ("please let me in", "the heading '### Resource and role' is missing; the form has it once"),
        (body().replace("### Ticket\n\nINC-1234\n\n", ""), "the heading '### Ticket' is missing; the form has it once"),
        (body() + "\n\n### Ticket\n\nINC-9", "the heading '### Ticket' stands 2 times; the form has it once"),
        (body(reason="x\n### Resource and role\n\npayroll/readonly"), "the heading '### Resource and role' stands 2 times"),
        (body(reason="```\n### How long\n\n30d\n```"), "the heading '### How long' stands 2 times; the form has it once"),
        (body(ticket="A-1\n  ### Reason\n\nforged"), "'  ### Reason' is no heading of the form"),
        (body(reason="x\n### Approved by bob"), "an answer may hold no line that begins with ###"),
        (body().replace("### How long", "### Purpose ", 1), "the heading '### How long' is missing"),
        ("hello\n\n" + body(), "there is text above the form's first heading"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_the_form_is_refused(text: str, message: str) -> None:
    finding = refusal(text)
    assert finding.code == "form-broken"
    assert message in finding.message
    assert finding.hint == "open a new issue with the form, and leave its headings as they are"


def test_headings_in_another_order_are_refused() -> None:
    parts = body().split("\n\n### ")
    shuffled = "\n\n### ".join([parts[0], *reversed(parts[1:])])
    assert refusal(shuffled).message == "the headings are not in the form's order"


def test_a_text_beyond_measure_is_refused_unread() -> None:
    finding = refusal(body(reason="x" * 30_000))
    assert "more than the 20000 that are read" in finding.message
    assert finding.hint == "shorten the reason, and open a new issue"


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"role": "None"}, "form-answer", "expected a resource and role such as orders-db/readonly, got 'None'"),
        ({"role": "_No response_"}, "form-answer", "'Resource and role' was left empty"),
        ({"role": "orders-db"}, "form-answer", "got 'orders-db'"),
        ({"role": "../../policies/x"}, "form-answer", "got '../../policies/x'"),
        ({"role": "orders-db/readonly\npayroll/readonly"}, "form-answer", "has several lines, expected one"),
        ({"subject": "@alice-ngo"}, "form-answer", "expected the handle of a person, got '@alice-ngo'"),
        ({"subject": "Alice Ngo"}, "form-answer", "expected the handle of a person, got 'Alice Ngo'"),
        ({"duration": "two hours"}, "bad-duration", "'two hours' is not a duration"),
        ({"duration": "_No response_"}, "form-answer", "'How long' was left empty"),
        ({"duration": "8h\n30d"}, "form-answer", "'How long' has several lines"),
        ({"reason": "_No response_"}, "form-answer", "'Reason' was left empty"),
        ({"reason": "go \u202e od reason"}, "bidirectional-character", "'Reason' holds the bidirectional control U+202E"),
        ({"reason": "a reason\r### Ticket\r"}, "carriage-return", "'Reason' holds a carriage return"),
        ({"reason": "a reason\u2028### Ticket"}, "line-separator", "'Reason' holds the line break U+2028"),
        ({"ticket": "INC\u200b1"}, "invisible-character", "'Ticket' holds the invisible character U+200B"),
        ({"subject": "bob\u200b"}, "invisible-character", "'Who receives the access' holds"),
        ({"role": "orders\u200b-db/readonly"}, "invisible-character", "'Resource and role' holds"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused(changed: dict[str, str], code: str, message: str) -> None:
    finding = refusal(body(**changed))
    assert finding.code == code
    assert message in finding.message
    assert finding.hint


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = read_form("issue 12", body(role="x", subject="?", duration="long", reason="_No response_"))
    assert isinstance(found, tuple)
    assert [finding.place.path for finding in found] == ["reason", "role", "subject", "duration"]


_words = st.text(alphabet=st.sampled_from("abc XYZ`*_<>&|#@:-'\"\\\n"), min_size=1, max_size=80)
_pieces = st.sampled_from(
    ["\n", "\r\n", "\r", " ", "```", "<!--", "-->", "\u202e", "\x00", "orders-db/readonly", "8h", "_No response_", "None"]
    + [f"### {question.label}" for question in QUESTIONS]
)  # fmt: skip


@given(reason=_words)
def test_what_somebody_wrote_as_reason_is_the_reason_and_nothing_else(reason: str) -> None:
    found = read_form("issue 12", body(reason=reason))
    if isinstance(found, FormAnswers):
        expected = read_form("issue 12", body())
        assert isinstance(expected, FormAnswers)
        assert found.reason == reason.strip(" \t\n")
        assert (found.resource, found.role, found.duration) == (expected.resource, expected.role, expected.duration)
        assert (found.subject, found.ticket, found.purpose) == (expected.subject, expected.ticket, expected.purpose)
    else:
        assert any(line.lstrip().startswith("###") for line in reason.split("\n")) or not reason.strip()


@given(st.lists(st.one_of(_pieces, st.text(max_size=10)), max_size=40).map("".join))
def test_no_text_makes_the_reader_fail_and_only_a_form_is_read(text: str) -> None:
    found = read_form("issue 12", text)
    headings = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip(" \t").startswith("###")]
    if isinstance(found, FormAnswers):
        assert headings == [f"### {question.label}" for question in QUESTIONS]
    else:
        assert found
        assert all(finding.message and finding.hint for finding in found)


@given(
    key=st.sampled_from([q.key for q in QUESTIONS]), question=st.sampled_from(QUESTIONS), value=_words, before=_words
)
def test_no_answer_can_answer_another_question(key: str, question: object, value: str, before: str) -> None:
    label = getattr(question, "label", "")
    found = read_form("issue 12", body(**{key: f"{before}\n### {label}\n\n{value}"}))
    assert isinstance(found, tuple)


def test_a_form_is_told_from_other_issues_by_its_first_line() -> None:
    assert looks_like_form("\r\n" + body())
    assert not looks_like_form("It does not work\n\n" + body())
