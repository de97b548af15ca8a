"""The issue form's answers: its questions, and strict reading of the Markdown that the forge makes of what was answered.

https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-issue-forms
An answered form is an issue whose text is, question by question, ``### <label>``, an empty line and the answer. Anybody
can write such a text by hand, and an answer can hold what looks like the next question. So nothing is guessed: a text
that does not have exactly the form's questions, each once and in order, is no answer to it.
"""

from __future__ import annotations

import re
from datetime import timedelta

from daypass.core.files.text import quoted, unseen
from daypass.core.finding import Finding, Place
from daypass.core.record import dataclass
from daypass.core.window import parse_duration

LABEL = "daypass-request"
"""The label that the form puts on its issues. It says that somebody means us, and nothing else."""

FORM_FILE = f".github/ISSUE_TEMPLATE/{LABEL}.yml"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the form. ``key`` is the field's id there, ``label`` the heading above its answer."""

    key: str
    label: str
    required: bool = False
    lines: bool = False


QUESTIONS = (
    Question("role", "Resource and role", required=True),
    Question("subject", "Who receives the access"),
    Question("duration", "How long", required=True),
    Question("purpose", "Purpose"),
    Question("ticket", "Ticket"),
    Question("reason", "Reason", required=True, lines=True),
)
"""In the order of the form. The reason comes last, as it alone has several lines."""

_LONGEST = 20_000
_HEADING = re.compile(r"[ \t]*###(?!#)")
_NOTHING = "_No response_"  # what the forge writes for a text that was left empty
_NO_CHOICE = "none"  # ... and for a list of which nothing was chosen; hence a reserved word there
_NAMED_NONE = "purpose none"
_PAIR = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9_-]{0,62})")
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_AGAIN = "open a new issue with the form, and leave its headings as they are"


@dataclass(frozen=True, slots=True)
class FormAnswers:
    """What somebody asks for in the form. ``subject`` is "" where they left it empty: they ask for themselves."""

    resource: str
    role: str
    subject: str
    duration: timedelta
    purpose: str
    ticket: str
    reason: str


def purpose_choice(name: str) -> str:
    """Return how a purpose is written in the form, where the word ``none`` means that none was chosen."""
    return _NAMED_NONE if name == _NO_CHOICE else name


def looks_like_form(body: str) -> bool:
    """Say whether a text begins as an answered form does; whether it is one, `read_form` says."""
    return body.lstrip().startswith(f"### {QUESTIONS[0].label}")


def read_form(file: str, body: str) -> FormAnswers | tuple[Finding, ...]:
    """Read the text of an issue (``file`` names it in findings), or say everything that is wrong with it.

    Whether resource, role, subject and purpose exist is not judged here: that takes the catalogue.
    """
    if len(body) > _LONGEST:
        message = f"the text has {len(body)} characters, more than the {_LONGEST} that are read"
        return (Finding("form-broken", Place(file), message, "shorten the reason, and open a new issue"),)
    lines = body.replace("\r\n", "\n").split("\n")
    places = [number for number, line in enumerate(lines) if _HEADING.match(line)]
    headings = [lines[number] for number in places]
    if headings != [f"### {question.label}" for question in QUESTIONS] or "".join(lines[: places[0]]).strip():
        return (Finding("form-broken", Place(file), _what_is_wrong(headings), _AGAIN),)
    found: list[Finding] = []
    ends = (*places[1:], len(lines))
    said = {
        question.key: _value(file, question, "\n".join(lines[start + 1 : end]).strip(" \t\n"), found)
        for question, start, end in zip(QUESTIONS, places, ends, strict=True)
    }
    answers = _answers(file, said, found)
    return tuple(found) if answers is None or found else answers


def _what_is_wrong(headings: list[str]) -> str:
    """Say how the headings differ from the form's, the first difference only."""
    wanted = [f"### {question.label}" for question in QUESTIONS]
    for heading in wanted:
        if headings.count(heading) != 1:
            times = "is missing" if heading not in headings else f"stands {headings.count(heading)} times"
            return f"the heading {quoted(heading)} {times}; the form has it once"
    for heading in headings:
        if heading not in wanted:
            return (
                f"the line {quoted(heading)} is no heading of the form; an answer may hold no line that begins with ###"
            )
    if headings != wanted:
        return "the headings are not in the form's order"
    return "there is text above the form's first heading"


def _value(file: str, question: Question, text: str, found: list[Finding]) -> str:
    """Return one answer, "" for none; tell what no answer may hold."""
    value = "" if text == _NOTHING else text
    place = Place(file, path=question.key)
    odd = unseen(value)
    if odd is not None:
        code, message, hint = odd
        found.append(Finding(code, place, f"{question.label!r} holds {message}", hint))
    elif "\n" in value and not question.lines:
        message = f"the answer to {question.label!r} has several lines, expected one"
        found.append(Finding("form-answer", place, message, "answer in one line"))
    elif not value and question.required:
        message = f"{question.label!r} was left empty"
        found.append(Finding("form-answer", place, message, "answer it; only people with an answer get access"))
    return value


def _answers(file: str, said: dict[str, str], found: list[Finding]) -> FormAnswers | None:
    """Give the answers their types; what is wrong already is not judged a second time."""
    wrong = {finding.place.path for finding in found}
    pair = _PAIR.fullmatch(said["role"])
    if pair is None and "role" not in wrong:
        message = f"expected a resource and role such as orders-db/readonly, got {quoted(said['role'])}"
        found.append(Finding("form-answer", Place(file, path="role"), message, "choose one of the form's"))
    if said["subject"] and not _HANDLE.fullmatch(said["subject"]) and "subject" not in wrong:
        message = f"expected the handle of a person, got {quoted(said['subject'])}"
        hint = "write the name that policies/directory has for them, such as alice; leave it empty to ask for yourself"
        found.append(Finding("form-answer", Place(file, path="subject"), message, hint))
    duration = None
    try:
        duration = parse_duration(said["duration"])
    except ValueError as error:
        if "duration" not in wrong:
            message, _, hint = str(error).partition("; ")
            found.append(Finding("bad-duration", Place(file, path="duration"), message, hint))
    if pair is None or duration is None:
        return None
    purpose = "" if said["purpose"].casefold() == _NO_CHOICE else said["purpose"]
    purpose = _NO_CHOICE if purpose == _NAMED_NONE else purpose
    return FormAnswers(pair[1], pair[2], said["subject"], duration, purpose, said["ticket"], said["reason"])
