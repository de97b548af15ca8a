"""Compiling and evaluating conditions.

Upholds invariant 7 for rules: an evaluation that fails in CEL gives back a *value* that is an error, and that Python
takes for true. Here nothing but a BOOL is an answer; everything else is a `EvaluationFailure`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel
from msgspec import Struct

from daypass.core.calendar.calendars import RUNS_OUT, Calendar, covered_by, meets
from daypass.core.calendar.hours import check_zone, parse_hours, within_hours
from daypass.core.finding import Finding, Place, near
from daypass.core.policy.cel.cost import check_cost
from daypass.core.policy.cel.source import Places, Token, mentions, tokens
from daypass.core.policy.cel.tree import UnboundedError
from daypass.core.policy.facts import ASKED, FUNCTIONS, KINDS, Declared, VariableKind

LONGEST_EXPRESSION = 4000
"""Characters that one condition may have."""

_TYPES = {
    VariableKind.STRING: cel.Type.STRING,
    VariableKind.STRINGS: cel.Type.List(cel.Type.STRING),
    VariableKind.BOOL: cel.Type.BOOL,
    VariableKind.DURATION: cel.Type.DURATION,
    VariableKind.TIMESTAMP: cel.Type.TIMESTAMP,
    VariableKind.INT: cel.Type.INT,
}
_ZONED: Mapping[str, str] = MappingProxyType(
    {
        "getFullYear": "timestamp_to_year_with_tz",
        "getMonth": "timestamp_to_month_with_tz",
        "getDate": "timestamp_to_day_of_month_1_based_with_tz",
        "getDayOfMonth": "timestamp_to_day_of_month_with_tz",
        "getDayOfWeek": "timestamp_to_day_of_week_with_tz",
        "getDayOfYear": "timestamp_to_day_of_year_with_tz",
        "getHours": "timestamp_to_hours_with_tz",
        "getMinutes": "timestamp_to_minutes_with_tz",
        "getSeconds": "timestamp_to_seconds_tz",
        "getMilliseconds": "timestamp_to_milliseconds_with_tz",
    }
)
"""What CEL would read with the machine's own files of zones, ``localtime`` and paths among them: it differs by machine."""
_WITHOUT_ZONES = "stdlib:\n  exclude_functions:\n" + "".join(
    f"  - {{name: {name}, overloads: [{{id: {overload}}}]}}\n" for name, overload in _ZONED.items()
)
_TOPIC = r"ERROR: <input>:([0-9]+):([0-9]+): (.*)"
_UNDECLARED = r"undeclared reference to '([^']*)'"
_OVERLOAD = r"found no matching overload for '([^']*)' applied to '\((.*)\)'"
_SIGN = r"_(.+)_"
_KNOWN = frozenset(KINDS)
_STATUS = r"^[A-Z_]+: | \[[A-Z_]+\]$"

Facts = Mapping[str, Any]
"""Variable name to value: text, bool, timedelta, aware datetime, list of text."""


Calendars = tuple[Calendar, ...]
"""The calendars that conditions may name."""


class EvaluationFailure(Struct, frozen=True):
    """An evaluation that gave no answer, and why. ``code`` is `RUNS_OUT` where a calendar had none, "" else."""

    message: str
    code: str = ""


class Condition(Struct, frozen=True):
    """A condition that compiled. ``names`` are the variables it mentions, the rest what it was compiled with."""

    text: str
    names: tuple[str, ...]
    program: Any
    place: Place
    spread: Places
    calendars: Calendars = ()
    details: Declared = ()

    @property
    def asks(self) -> bool:
        """Whether it needs a request."""
        return any(name.startswith(ASKED) for name in self.names)

    def at(self, offset: int) -> Place:
        """Return the file's place of a character of the condition, counted from 0."""
        return _put(self.place, self.spread, offset)

    def holds(self, facts: Facts) -> bool | EvaluationFailure:
        """Evaluate. Only variables that are mentioned are given: one that was overlooked is a failure, not a guess."""
        try:
            answer = self.program.eval(data={name: facts[name] for name in self.names if name in facts})
        except RuntimeError as error:  # the one failure that is raised: loops beyond CEL's budget
            return EvaluationFailure(_plain(str(error)))
        value = answer.value()
        if answer.type() == cel.Type.BOOL and isinstance(value, bool):
            return value
        said = _plain(str(value))
        _, ran_out, why = said.partition(f"{RUNS_OUT}: ")
        return EvaluationFailure(why, RUNS_OUT) if ran_out else EvaluationFailure(said)


def compile_condition(
    text: str, place: Place, spread: Places, calendars: Calendars = (), details: Declared = ()
) -> Condition | tuple[Finding, ...]:
    """Compile and type-check a condition; findings stand at the very character.

    Literals that could only ever fail (hours, zones, durations, instants, patterns) are tried here as well, and calendars
    that it names must be there. ``details`` are the variables that it has beside everybody's.
    """
    if len(text) > LONGEST_EXPRESSION:
        message = f"the condition has {len(text)} characters, more than the {LONGEST_EXPRESSION} allowed"
        return (Finding("condition-invalid", place, message, "split the rule"),)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return (Finding("condition-invalid", place, "the condition is no text: it holds half a character"),)
    constants = tuple(
        Finding("condition-invalid", _put(place, spread, offset), message, hint)
        for offset, message, hint in _bad_literals(text, calendars)
    )
    try:
        program = _environment(calendars, details).compile(text)
    except RuntimeError as error:
        return (*_explain(str(error), text, place, spread, details), *constants)
    if program.return_type() != cel.Type.BOOL:
        message = f"the condition gives a {program.return_type().name().lower()}, where it must say true or false"
        return (Finding("condition-not-bool", place, message, 'compare it, for example grant.role == "admin"'),)
    try:
        check_cost(program.serialize())
    except UnboundedError as error:
        hint = "compare plain values; nest fewer loops, and join fewer lists and texts"
        return (Finding("condition-too-costly", place, f"the condition is refused: {error}", hint), *constants)
    return constants or Condition(
        text, mentions(text, _KNOWN | dict(details).keys()), program, place, spread, calendars, details
    )


def combine(expressions: Sequence[str], calendars: Calendars = (), details: Declared = ()) -> Any | None:
    """Compile expressions, each known to compile, into one program that gives a list; None when that is too much.

    A line break after each ends a comment that would otherwise swallow the next.
    """
    try:
        return _environment(calendars, details).compile("[" + ",\n".join(f"({text}\n)" for text in expressions) + "]")
    except RuntimeError:
        return None


def evaluate_all(program: Any, facts: Facts, count: int) -> tuple[bool, ...] | None:
    """Evaluate a combined program; None unless it gave exactly ``count`` answers, each true or false."""
    try:
        answer = program.eval(data=facts)
    except RuntimeError:
        return None
    if answer.type().name() not in ("LIST<DYN>", "LIST<BOOL>", "LIST"):
        return None
    values = answer.plain_value()
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(value is True or value is False for value in values)
    ):
        return None
    return tuple(values)


@lru_cache(maxsize=64)
def _environment(calendars: Calendars, details: Declared = ()) -> Any:
    named = {calendar.name: calendar for calendar in calendars}
    instant, text = cel.Type.TIMESTAMP, cel.Type.STRING
    ours = {
        "within_hours": ([instant, text, text], within_hours),
        "in_calendar": ([instant, text], lambda at, name: named[name].holds(at)),
        "covered_by": ([instant, instant, text], lambda start, end, name: covered_by(named[name], start, end)),
        "meets": ([instant, instant, text], lambda start, end, name: meets(named[name], start, end)),
    }
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_WITHOUT_ZONES),
        variables={name: _TYPES[kind] for name, kind in (*KINDS.items(), *details)},
        functions=[
            cel.FunctionDecl(
                name, [cel.Overload(name, return_type=cel.Type.BOOL, parameters=parameters, impl=implementation)]
            )
            for name, (parameters, implementation) in ours.items()
        ],
    )


def _put(place: Place, spread: Places, offset: int) -> Place:
    line, column = spread.at(offset)
    return Place(place.file, line, column, place.path)


def _explain(error: str, text: str, place: Place, spread: Places, details: Declared) -> tuple[Finding, ...]:
    """Turn the compiler's text into findings; one a topic."""
    found = []
    lines = text.split("\n")
    for line, column, message in re.findall(_TOPIC, error):
        row, at = int(line), int(column)
        offset = sum(len(previous) + 1 for previous in lines[: row - 1]) + at - 1
        offset, said, hint = _reword(message.split(" [INVALID_ARGUMENT]")[0], text, offset, details)
        found.append(Finding("condition-invalid", _put(place, spread, offset), said, hint))
    if not found:
        return (Finding("condition-invalid", place, f"the condition does not compile: {_plain(error)}"),)
    return tuple(dict.fromkeys(found))


def _reword(message: str, text: str, offset: int, details: Declared) -> tuple[int, str, str]:
    unknown = re.match(_UNDECLARED, message)
    if unknown is not None:
        name = unknown[1]
        if name in _ZONED:
            hint = f"{name}() alone reads the instant in UTC; for a zone use {FUNCTIONS['within_hours'][1].partition(': ')[2]}"
            return offset, f"{name} takes no time zone here: CEL's own zones differ from machine to machine", hint
        # CEL points at the last dot of a dotted name; people look for where the name begins.
        begin = offset - name.rindex(".") if "." in name else offset
        begin = begin if text[begin : begin + len(name)] == name else offset
        known = "docs/rules.md lists the variables and functions"
        if name.startswith("details.") and not details:
            known = "only a rule in a purpose's own file reads the details that the purpose asks for"
        hint = near(name, [*KINDS, *FUNCTIONS, *dict(details)], known)
        return begin, f"there is no variable or function {name!r}", hint
    overload = re.match(_OVERLOAD, message)
    if overload is not None:
        sign = re.fullmatch(_SIGN, overload[1])
        operands = overload[2].replace("google.protobuf.", "").lower()
        if sign is not None:
            return offset, f"{sign[1]!r} does not go between ({operands})", "both sides must be of one type"
        return offset, f"{overload[1]} does not take ({operands})", FUNCTIONS.get(overload[1], ("", ""))[0]
    plain = message.split(" expecting ", maxsplit=1)[0].removeprefix("Syntax error: ")
    return offset, f"the condition does not parse: {plain}", ""


def _bad_literals(text: str, calendars: Calendars) -> list[tuple[int, str, str]]:
    """Find constants that would fail at each evaluation: (offset, message, hint)."""
    found = []
    pieces = tokens(text)
    for index, piece in enumerate(pieces):
        if piece.kind != "name" or index + 1 >= len(pieces) or pieces[index + 1].text != "(":
            continue
        arguments = pieces[index + 2 :]
        last = piece.text.rpartition(".")[2]
        if piece.text in FUNCTIONS:
            found += _bad_arguments(piece, arguments, calendars)
        elif (
            (piece.text in ("duration", "timestamp") or last == "matches")
            and arguments[:1]
            and arguments[0].kind == "string"
        ):
            found += _bad_constant(last, arguments[0])
    return found


CALENDAR_PLACES = {"in_calendar": 1, "covered_by": 2, "meets": 2}
"""Which argument of a function names a calendar, counted from 0."""


def _bad_arguments(function: Token, rest: Sequence[Token], calendars: Calendars) -> list[tuple[int, str, str]]:
    """Try the arguments of a call of ours that are plain strings; the calendar's name has to be one."""
    readers: dict[int, Callable[[str], object]] = {1: parse_hours, 2: check_zone}
    place = CALENDAR_PLACES.get(function.text)
    found = []
    for position, argument in enumerate(_arguments(rest)):
        literal = argument[0].literal if len(argument) == 1 else None
        if position == place:
            found += _bad_calendar(argument[0] if argument else function, literal, calendars)
        elif place is None and literal is not None and position in readers:
            try:
                readers[position](literal)
            except ValueError as error:
                found.append((argument[0].start, str(error), ""))
    return found


def _arguments(rest: Sequence[Token]) -> list[list[Token]]:
    """Cut what follows an opening parenthesis into arguments, up to the closing one."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in rest:
        depth += (token.text in "([{") - (token.text in ")]}")
        if depth < 0:
            break
        if depth == 0 and token.text == ",":
            found.append([])
        else:
            found[-1].append(token)
    return found


def _bad_calendar(at: Token, literal: str | None, calendars: Calendars) -> list[tuple[int, str, str]]:
    """Refuse a calendar that nobody finds by reading: one that is not there, or whose name is only put together later."""
    names = [calendar.name for calendar in calendars]
    if literal is None:
        return [
            (at.start, "the name of a calendar is written out, in quotes", f"there are: {', '.join(names) or 'none'}")
        ]
    if literal in names:
        return []
    hint = near(literal, names, "calendars are the files of policies/calendars")
    return [(at.start, f"there is no calendar {literal!r}", hint)]


def _bad_constant(function: str, argument: Token) -> list[tuple[int, str, str]]:
    call = (
        f'"".matches({argument.text})'
        if function == "matches"
        else f"{function}({argument.text}) == {function}({argument.text})"
    )
    try:
        answer = _environment(()).compile(call).eval(data={})
    except RuntimeError:
        return []  # the compiler says what is wrong with the text itself
    if answer.type() == cel.Type.BOOL:
        return []
    examples = {"duration": '"90m" or "8h"; CEL knows h, m and s', "timestamp": '"2026-11-21T09:00:00Z"'}
    hint = f"write for example {examples[function]}" if function in examples else ""
    return [(argument.start, f"{function}({argument.text}) can only fail: {_plain(str(answer.value()))}", hint)]


def _plain(text: str) -> str:
    """Keep the first line of the engine's words, without its status codes."""
    first = next(iter(text.splitlines()), "")
    return re.sub(_STATUS, "", first).removeprefix("ERROR: ") or "no answer"
