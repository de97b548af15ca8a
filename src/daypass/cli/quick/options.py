"""The questions that are answered at once, and their options, stated once.

Loading click takes longer than such an answer. What scripts write is read here; click is given the same options, and
whatever is not read here (help, completion, an error) is click's.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from daypass.core.errors import DaypassError

if TYPE_CHECKING:
    from daypass.cli.quick.around import Said


class QuickOption(NamedTuple):
    """One option. ``kind`` is text, flag, instant, or what the shell completes: handle, resource, grant, purpose, vendor."""

    name: str
    kind: str
    help: str
    short: str = ""
    required: bool = False


class QuickVerb(NamedTuple):
    """A verb that only asks. ``answer`` is where (module:function below this folder), ``arguments`` are (name, kind).

    The first of ``formats`` is the default. ``at``: whether it takes the instant to reckon at.
    """

    words: tuple[str, ...]
    answer: str
    arguments: tuple[tuple[str, str], ...] = ()
    options: tuple[QuickOption, ...] = ()
    formats: tuple[str, ...] = ("text", "json", "csv")
    at: bool = True


CAN = QuickVerb(
    ("can",),
    "can:answer",
    arguments=(("subject", "handle"), ("resource", "resource"), ("role", "role")),
    options=(QuickOption("quiet", "flag", "Print nothing; the exit code says it.", short="-q"),),
    formats=("text", "json"),
    at=False,
)
ACCESS = QuickVerb(
    ("audit", "access"),
    "audit:access",
    options=(QuickOption("resource", "resource", "The resource.", required=True),),
)
HISTORY = QuickVerb(
    ("audit", "history"),
    "audit:history",
    options=(
        QuickOption("subject", "handle", "Everything about one person."),
        QuickOption("resource", "resource", "Everything about one resource."),
        QuickOption("grant", "grant", "Everything about one grant."),
        QuickOption("denied", "flag", "Only what was denied, rejected or refused, or failed."),
        QuickOption("ticket", "text", "Only grants for this ticket."),
        QuickOption("purpose", "purpose", "Only grants for this purpose."),
        QuickOption("vendor", "vendor", "Only grants of this vendor's people, by main's directory."),
        QuickOption("approver", "handle", "Only grants that this person approved."),
        QuickOption("rule", "text", "Only grants to which this rule applied."),
        QuickOption("since", "instant", "Only from this instant on."),
        QuickOption("until", "instant", "Only before this instant."),
    ),
)
CASE = QuickVerb(("audit", "case"), "audit:case", arguments=(("ticket", "text"),))
QUESTIONS = (CAN, ACCESS, HISTORY, CASE)


def read(words: Sequence[str]) -> tuple[str, QuickVerb, dict[str, Any]] | None:
    """Return the folder, the question and the values of its parameters by name; None for what click is to read.

    An instant is still the text that was typed, None where it was not.
    """
    folder, left = (words[1], words[2:]) if words[:1] == ["-C"] and len(words) > 1 else (".", words)
    asked = next((one for one in QUESTIONS if tuple(left[: len(one.words)]) == one.words), None)
    if asked is None or not folder or "_DAYPASS_COMPLETE" in os.environ:
        return None
    options = [
        *asked.options,
        QuickOption("format", "format", ""),
        *([QuickOption("at", "instant", "")] if asked.at else []),
    ]
    named = {f"--{option.name}": option for option in options} | {o.short: o for o in options if o.short}
    given: dict[str, Any] = {
        o.name: False if o.kind == "flag" else None if o.kind == "instant" else "" for o in options
    }
    given["format"] = asked.formats[0]
    plain: list[str] = []
    rest = iter(left[len(asked.words) :])
    for word in rest:
        if not word.startswith("-"):
            plain.append(word)
        elif not _read_option(word, rest, named, given):
            return None
    if str(given.get("grant", "")).endswith(".yaml"):  # a grant that is named by its file
        return None
    lacks = any(option.required and not given[option.name] for option in options)
    if lacks or len(plain) != len(asked.arguments) or not all(plain) or given["format"] not in asked.formats:
        return None
    given["output"] = given.pop("format")
    return folder, asked, given | {name: text for (name, _), text in zip(asked.arguments, plain, strict=True)}


def _read_option(word: str, rest: Iterator[str], named: dict[str, QuickOption], given: dict[str, Any]) -> bool:
    """Take one option with its value; False where click is to read it."""
    name, equals, value = word.partition("=")
    option = named.get(name)
    if option is None or (equals and not name.startswith("--")):
        return False
    if option.kind == "flag":
        given[option.name] = True
        return not equals
    given[option.name] = value = value if equals else next(rest, "")
    return bool(value) and not value.startswith("-")


def at_once(words: Sequence[str]) -> int | None:
    """Answer a question as its verb would, and return the exit code.

    None where anything else was typed, and where no answer was found: the verb then says why. It is not asked again once
    something was written, since that would stand there twice.
    """
    found = read(words)
    if found is None:
        return None
    try:
        said = _answer(*found)
        if said is None:
            return None
        _write(said)
    except (KeyboardInterrupt, OSError) as error:
        from daypass.cli.main import failed

        return int(failed(error))
    return int(said.code)


def _answer(folder: str, asked: QuickVerb, given: dict[str, Any]) -> Said | None:
    """Return the answer as it is to be shown, None where there is none."""
    if asked.at:
        _load_msgspec()
    from importlib import import_module
    from pathlib import Path

    from daypass.cli.quick.around import folded, now, read_instant
    from daypass.cli.quick.place import QuickPlace

    module, name = asked.answer.split(":")
    try:
        instants = [option.name for option in asked.options if option.kind == "instant" and given[option.name]]
        for option in [*instants, *(["at"] if given.get("at") else [])]:
            given[option] = read_instant(given[option])
        if asked.at and given["at"] is None:
            given["at"] = now()
        if asked.at and given["at"] > now():  # the verb knows whether main's settings allow it
            return None
        said: Said = getattr(import_module(f"daypass.cli.quick.{module}"), name)(QuickPlace(Path(folder)), **given)
        return said._replace(out=folded(said.out, said.output))
    except (DaypassError, OSError, ValueError):
        return None


def _write(said: Said) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # as the other verbs do
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(said.out)
    sys.stdout.flush()
    if said.lines:
        from daypass.views.findings import joined

        sys.stderr.write(joined(said.lines))
        sys.stderr.flush()


def _load_msgspec() -> None:
    """Load msgspec with what `typing` has: loading typing_extensions, which it prefers, takes as long as starting Python.

    From Python 3.11 on they have the same of what it takes. Whoever asks for typing_extensions later gets it.
    """
    if "typing_extensions" in sys.modules:
        return
    # To import it fails now, as where it is not installed.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
