"""What people are asked who ask in words, and their answers read strictly. How a forge asks them is the forge's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct

from daypass.core.files.text import quoted, unseen
from daypass.core.finding import Finding, Place
from daypass.core.window import parse_duration


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

DETAILS = Question("details", "Details", lines=True)
"""What a form asks for besides, before the reason, where some purpose has fields: one a line."""


def questions(*, details: bool) -> tuple[Question, ...]:
    """Return the questions of a form, with the one about details or without."""
    return (*QUESTIONS[:-1], DETAILS, QUESTIONS[-1]) if details else QUESTIONS


_PAIR = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9_-]{0,62})")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class FormAnswers(Struct, frozen=True):
    """What somebody asks for in the form. ``subject`` is "" where they left it empty: they ask for themselves."""

    resource: str
    role: str
    subject: str
    duration: timedelta
    purpose: str
    ticket: str
    reason: str
    details: tuple[tuple[str, str], ...] = ()


def read_answers(file: str, said: Mapping[str, str]) -> FormAnswers | tuple[Finding, ...]:
    """Read the answer to each question, "" for none, or say everything that is wrong. ``file`` names them in findings.

    Whether resource, role, subject and purpose exist is not judged here: that takes the catalogue.
    """
    found: list[Finding] = []
    for question in questions(details="details" in said):
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
    details = _details(file, said.get("details", ""), found)
    if pair is None or duration is None:
        return None
    words = (said["purpose"], said["ticket"], said["reason"])
    return FormAnswers(pair[1], pair[2], said["subject"], duration, *words, details)


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
