"""The answers of the issue form are read strictly: what is not exactly an answered form is refused, and told why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.files.form import BESIDES, QUESTIONS, FormAnswers, questions
from daypass.core.finding import Finding
from daypass.core.window import Recurrence, Span, Window
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
    return "\n\n".join(f"### {question.label}\n\n{said[question.key]}" for question in questions(said))


def refusal(text: str) -> Finding:
    found = read_form("issue 12", text)
    assert isinstance(found, tuple)
    (finding,) = found
    assert finding.place.file == "issue 12"
    return finding


def test_an_answered_form_is_read() -> None:
    assert read_form("issue 12", body()) == FormAnswers(
        "orders-db",
        "readonly",
        "",
        Span(duration=timedelta(hours=8)),
        "",
        "INC-1234",
        "Duplicate charges, seen by support.",
    )


def test_every_optional_question_may_be_answered() -> None:
    found = read_form("issue 12", body(subject="erin", purpose="incident"))
    assert isinstance(found, FormAnswers)
    assert (found.subject, found.purpose) == ("erin", "incident")


BERLIN = "2026-12-01 until 2027-01-15"


@pytest.mark.parametrize(
    ("said", "recurs", "bounds"),
    [
        ("2026-12-01T09:00:00Z until 2026-12-01T17:00:00Z", None, ("12-01T09:00", "12-01T17:00")),
        ("2026-12-01T09:00Z until 2026-12-01T17:00+01:00", None, ("12-01T09:00", "12-01T16:00")),
        (f"{BERLIN}, Mon 06:00-08:00, Europe/Berlin", Recurrence("Mon 06:00-08:00", "Europe/Berlin"), ()),
        (
            f"{BERLIN},Mon-Tue 06:00-08:00,Fri 09:00-10:00,Europe/Berlin",
            Recurrence("Mon-Tue 06:00-08:00, Fri 09:00-10:00", "Europe/Berlin"),
            (),
        ),
        (f"{BERLIN}, calendar office, Europe/Berlin", Recurrence("", "Europe/Berlin", "office"), ()),
        (
            "2026-12-01T09:00Z until 2026-12-08T09:00Z, calendar office",
            Recurrence(calendar="office"),
            ("12-01T09:00", "12-08T09:00"),
        ),
    ],
)
def test_how_long_may_be_a_window(said: str, recurs: Recurrence | None, bounds: tuple[str, ...]) -> None:
    found = read_form("issue 12", body(duration=said))
    assert isinstance(found, FormAnswers)
    assert found.span.recurs == recurs
    assert found.span.window is not None
    start, end = (
        [datetime.fromisoformat(f"2026-{bound}:00+00:00") for bound in bounds]
        if bounds
        else [datetime(2026, 11, 30, 23, tzinfo=UTC), datetime(2027, 1, 14, 23, tzinfo=UTC)]
    )
    assert Window(found.span.window.start, found.span.window.end) == Window(start, end)
    assert bool(found.span.window.parts) == (recurs is not None and bool(recurs.hours))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("_No response_", ()),
        ("acme/orders#88", (("issue_closed", "acme/orders#88"),)),
        ("issue_closed acme/orders#88", (("issue_closed", "acme/orders#88"),)),
        ("pull_merged = acme/orders#91", (("pull_merged", "acme/orders#91"),)),
        (
            "pull_merged acme/orders#91, issue_closed acme/orders#88",
            (("issue_closed", "acme/orders#88"), ("pull_merged", "acme/orders#91")),
        ),
    ],
)
def test_what_ends_the_access_is_read_where_the_form_asks_it(said: str, expected: tuple[tuple[str, str], ...]) -> None:
    for more in ({}, {"details": "due: 2026-12-20"}):
        found = read_form("issue 12", body(ends_when=said, **more))
        assert isinstance(found, FormAnswers)
        assert found.ends_when == expected
        assert bool(found.details) == bool(more)


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
        ({"duration": "0h"}, "bad-duration", "a duration of 0h is no time at all"),
        ({"duration": "until 2026-12-01T09:00Z"}, "bad-window", "expected FROM until UNTIL at the beginning, got 'until 2026-"),
        ({"duration": "2026-12-01"}, "bad-window", "expected FROM until UNTIL at the beginning, got '2026-12-01'"),
        ({"duration": "8h, Mon 06:00-08:00, UTC"}, "bad-window", "expected FROM until UNTIL at the beginning, got '8h'"),
        ({"duration": f"{BERLIN}, {'Mon 06:00-08:00, ' * 40}UTC"}, "bad-window", "characters, more than the 500 that are read"),
        ({"duration": f"{BERLIN}, calendar a, calendar b, UTC"}, "bad-window", "expected one calendar, got 2"),
        ({"duration": f"{BERLIN}, calendar a, Mon 06:00-08:00, UTC"}, "two-windows", "either hours or a calendar, not both"),
        ({"duration": f"{BERLIN}, Mon 06:00-08:00"}, "hours-without-zone", "hours need the zone whose clock shows them"),
        ({"duration": f"{BERLIN}, UTC"}, "zone-without-hours", "a zone says where hours hold, and there are none"),
        ({"duration": f"{BERLIN}, Mo 06:00-08:00, UTC"}, "bad-hours", "'Mo 06:00-08:00' are no hours"),
        ({"duration": f"{BERLIN}, Mon 06:00-08:00, Europe/Berln"}, "bad-zone", "'Europe/Berln' is no time zone"),
        ({"duration": f"{BERLIN}, calendar office"}, "bad-instant", "'2026-12-01' names no time zone"),
        ({"duration": BERLIN}, "bad-instant", "'2026-12-01' names no time zone"),
        ({"duration": "2026-12-01T25:00Z until 2026-12-02T09:00Z"}, "bad-instant", "'2026-12-01T25:00:00Z' is no possible time"),
        ({"duration": "tomorrow until 2026-12-02T09:00Z"}, "bad-instant", "'tomorrow' is not an instant"),
        ({"duration": "0001-01-01 until 2026-12-02, calendar a, Asia/Tokyo"}, "bad-instant", "0001-01-01 is no instant that"),
        ({"duration": "2026-12-02T09:00Z until 9999-12-01T09:00Z"}, "bad-instant", "is no instant that access could be given at"),
        ({"duration": "2026-12-02T09:00Z until 2026-12-02T09:00Z"}, "until-before-from", "is not after from"),
        ({"duration": "2026-12-01 until 2026-12-02, Sat 06:00-08:00, UTC"}, "window-without-interval", "holds at no time between"),
        ({"ends_when": "tomorrow"}, "form-answer", "'tomorrow' names nothing that ends access"),
        ({"ends_when": "issue_closed"}, "form-answer", "'issue_closed' names nothing that ends access"),
        ({"ends_when": "issue closed acme/orders#8"}, "form-answer", "names nothing that ends access"),
        ({"ends_when": "issue_opened acme/orders#8"}, "form-answer", "'issue_opened acme/orders#8' names nothing that ends"),
        ({"ends_when": "acme/orders#8,"}, "form-answer", "'' names nothing that ends access"),
        ({"ends_when": "acme/orders#8, acme/orders#9"}, "form-answer", "issue_closed is given twice"),
        ({"ends_when": "acme/orders#8\nacme/orders#9"}, "form-answer", "'Ends when' has several lines"),
        ({"ends_when": "acme/orders\u200b#8"}, "invisible-character", "'Ends when' holds the invisible character"),
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
    + [" until ", "2026-12-01", "T09:00Z", ", ", "Mon 06:00-08:00", "calendar ", "Europe/Berlin", "acme/orders#8", "="]
    + [f"### {question.label}" for question in (*QUESTIONS, *BESIDES)]
)  # fmt: skip


@given(reason=_words)
def test_what_somebody_wrote_as_reason_is_the_reason_and_nothing_else(reason: str) -> None:
    found = read_form("issue 12", body(reason=reason))
    if isinstance(found, FormAnswers):
        expected = read_form("issue 12", body())
        assert isinstance(expected, FormAnswers)
        assert found.reason == reason.strip(" \t\n")
        assert (found.resource, found.role, found.span) == (expected.resource, expected.role, expected.span)
        assert (found.subject, found.ticket, found.purpose) == (expected.subject, expected.ticket, expected.purpose)
    else:
        assert any(line.lstrip().startswith("###") for line in reason.split("\n")) or not reason.strip()


@given(st.lists(st.one_of(_pieces, st.text(max_size=10)), max_size=40).map("".join))
def test_no_text_makes_the_reader_fail_and_only_a_form_is_read(text: str) -> None:
    found = read_form("issue 12", text)
    headings = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip(" \t").startswith("###")]
    if isinstance(found, FormAnswers):
        besides = [question.key for question in BESIDES if f"### {question.label}" in headings]
        assert headings == [f"### {question.label}" for question in questions(besides)]
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
