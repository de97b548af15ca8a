"""What people are asked who ask in words, and their answers read strictly. How a forge asks them is the forge's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from daypass.core.bounds.watch import Condition, ends_said
from daypass.core.calendar.asked import span_said
from daypass.core.calendar.recurrence import SpanError
from daypass.core.files.text import quoted, unseen
from daypass.core.finding import Finding, Place
from daypass.core.ids import HANDLE
from daypass.core.window import Span


class Question(Struct, frozen=True):
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
"""In the order of the form. The reason comes last: it has several lines."""

ENDS_WHEN = Question("ends_when", "Ends when")
"""What a form asks for besides, before the reason, where the forge watches issues and pull requests."""

DETAILS = Question("details", "Details", lines=True)
"""... and where some purpose has fields: one a line."""

BESIDES = (ENDS_WHEN, DETAILS)
"""In the order of the form. A form of an earlier release may lack any of them, and is read all the same."""


def questions(besides: Collection[str] = ()) -> tuple[Question, ...]:
    """Return the questions of a form, with those of ``BESIDES`` whose keys are given."""
    return (*QUESTIONS[:-1], *(one for one in BESIDES if one.key in besides), QUESTIONS[-1])


_PAIR = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9_-]{0,62})")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")


class FormAnswers(Struct, frozen=True):
    """What somebody asks for in the form. ``subject`` is "" where they left it empty: they ask for themselves."""

    resource: str
    role: str
    subject: str
    span: Span
    purpose: str
    ticket: str
    reason: str
    ends_when: tuple[Condition, ...] = ()
    details: tuple[tuple[str, str], ...] = ()


def read_answers(file: str, said: Mapping[str, str]) -> FormAnswers | tuple[Finding, ...]:
    """Read the answer to each question, "" for none, or say everything that is wrong. ``file`` names them in findings.

    Whether resource, role, subject and purpose exist is not judged here: that takes the catalogue.
    """
    found: list[Finding] = []
    for question in questions(said):
        found += _look(file, question, said[question.key])
    answers = _answers(file, said, found)
    return tuple(found) if answers is None or found else answers


def _look(file: str, question: Question, value: str) -> list[Finding]:
    """Say what no answer to a question may hold."""
    place = Place(file, path=question.key)
    odd = unseen(value)
    if odd is not None:
        code, message, hint = odd
        return [Finding(code, place, f"{question.label!r} holds {message}", hint)]
    if "\n" in value and not question.lines:
        message = f"the answer to {question.label!r} has several lines, expected one"
        return [Finding("form-answer", place, message, "answer in one line")]
    if not value and question.required:
        message = f"{question.label!r} was left empty"
        return [Finding("form-answer", place, message, "answer it; only people with an answer get access")]
    return []


def _answers(file: str, said: Mapping[str, str], found: list[Finding]) -> FormAnswers | None:
    """Give the answers their types; what is wrong already is not judged a second time."""
    wrong = {finding.place.path for finding in found}
    pair = _PAIR.fullmatch(said["role"])
    if pair is None and "role" not in wrong:
        message = f"expected a resource and role such as orders-db/readonly, got {quoted(said['role'])}"
        found.append(Finding("form-answer", Place(file, path="role"), message, "choose one of the form's"))
    if said["subject"] and not HANDLE.fullmatch(said["subject"]) and "subject" not in wrong:
        message = f"expected the handle of a person, got {quoted(said['subject'])}"
        hint = "write the name that policies/directory has for them, such as alice; leave it empty to ask for yourself"
        found.append(Finding("form-answer", Place(file, path="subject"), message, hint))
    span = None
    try:
        span = span_said(said["duration"])
    except SpanError as error:
        if "duration" not in wrong:
            found.append(Finding(error.code, Place(file, path="duration"), error.message, error.hint))
    ends_when = () if "ends_when" in wrong else _ends_when(file, said.get("ends_when", ""), found)
    details = _details(file, said.get("details", ""), found)
    if pair is None or span is None:
        return None
    words = (said["purpose"], said["ticket"], said["reason"])
    return FormAnswers(pair[1], pair[2], said["subject"], span, *words, ends_when, details)


def _ends_when(file: str, said: str, found: list[Finding]) -> tuple[Condition, ...]:
    """Read what ends the access, with commas between."""
    try:
        return ends_said([part.strip() for part in said.split(",")], " ") if said else ()
    except ValueError as error:
        message, _, hint = str(error).rpartition("; ")
        found.append(Finding("form-answer", Place(file, path="ends_when"), message, hint))
        return ()


def _details(file: str, said: str, found: list[Finding]) -> tuple[tuple[str, str], ...]:
    """Read ``name: value``, one a line."""
    told: dict[str, str] = {}
    for line in filter(None, map(str.strip, said.split("\n"))):
        name, _, value = (part.strip() for part in line.partition(":"))
        place = Place(file, path="details")
        if not _FIELD.fullmatch(name) or not value:
            message = f"expected a line such as due: 2026-12-20, got {quoted(line)}"
            found.append(Finding("form-answer", place, message, "write each detail on a line of its own"))
        elif name in told:
            found.append(Finding("form-answer", place, f"the detail {name} is answered twice", "keep one of the lines"))
        told[name] = value
    return tuple(told.items())
