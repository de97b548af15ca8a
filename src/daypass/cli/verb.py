"""What every verb shares: how it is opened and exits, its usual options, and how it writes."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, cast

import click

from daypass.cli.quick.around import Said, folded, read_instant
from daypass.core.errors import AwayError, ExitCode, UsageError, worst

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from daypass.cli.main import Invocation
    from daypass.cli.quick.options import QuickVerb
    from daypass.cli.repository import AccessRepository
    from daypass.core.ledger.standing import Standing

_F = TypeVar("_F", bound=Callable[..., Any])
_P = ParamSpec("_P")

Codes = ExitCode | Iterable[ExitCode] | None
"""What a verb returns: its exit code, several of which the worst counts, or nothing where all is well."""


def verb(
    name: str | None = None,
    *,
    group: click.Group | None = None,
    follow: bool | Literal["or away"] = True,
    at: Literal["reads", "writes", "past", "as given"] = "reads",
    formats: Sequence[str] = ("text", "json"),
) -> Callable[[Callable[Concatenate[AccessRepository, _P], Codes]], click.Command]:
    """Make a verb of a function that takes the repository and the options, and returns its exit codes.

    ``follow``: the repository is brought up to where it stands at its forge first; "or away" for what also runs while
    that cannot be reached. A parameter ``at`` comes by ``--at``,
    and ``output`` by ``--format`` and one of ``formats``, where the function has no options of these names itself. ``at``
    here says what the parameter is: the instant of a verb that reads, of one that writes, of one that tells what is on
    record (``past``), or what was typed.
    """

    def decorate(function: Callable[Concatenate[AccessRepository, _P], Codes]) -> click.Command:
        @functools.wraps(function)
        @click.pass_obj
        def run(invocation: Invocation, /, *arguments: _P.args, **options: _P.kwargs) -> int:
            repo = invocation.repo()
            try:
                if follow:
                    repo = _followed(repo, or_away=follow == "or away")
                if "at" in options and at != "as given":
                    typed = options["at"]
                    given = typed if isinstance(typed, datetime) else None
                    options["at"] = repo.instant(given, writes=at == "writes", past=at == "past")
                codes = function(repo, *arguments, **options)
                return int(worst([codes] if isinstance(codes, ExitCode) else codes or ()))
            finally:
                repo.close()

        command = group.command(name)(run) if group is not None else click.command(name)(run)
        wanted = inspect.signature(function).parameters.keys() - {option.name for option in command.params}
        command.params += [click.Option(["--at"], **_AT)] if "at" in wanted else []
        command.params += [click.Option(_FORMAT, **_format(formats))] if "output" in wanted else []
        return command

    return decorate


def stated(question: QuickVerb) -> Callable[[_F], _F]:
    """Give a verb the arguments and options that a question states, which may be answered without any verb."""

    def decorate(function: _F) -> _F:
        for option in reversed(question.options):
            kind: Mapping[str, Any] = {"is_flag": True} if option.kind == "flag" else {"type": _type(option.kind)}
            rest = (
                {"required": True} if option.required else {} if option.kind in ("flag", "instant") else {"default": ""}
            )
            names = (*filter(None, (option.short,)), f"--{option.name}")
            function = click.option(*names, help=option.help, **kind, **rest)(function)
        for name, named in reversed(question.arguments):
            function = click.argument(name, type=_type(named))(function)
        return function

    return decorate


def _type(kind: str) -> click.ParamType[Any]:
    if kind in ("text", "instant", "grant"):
        return click.STRING if kind == "text" else Instant() if kind == "instant" else GrantName()
    return Named(kind)


def _followed(repo: AccessRepository, *, or_away: bool) -> AccessRepository:
    """Bring a repository up to where it stands at its forge; what waits to be told there is told of where that fails."""
    try:
        repo.follow()
    except AwayError as error:
        from daypass.cli.runs.away import left, say_waiting

        if or_away:
            return left(repo, error)
        say_waiting(repo)
        raise
    return repo


class Instant(click.ParamType[datetime]):
    """An RFC 3339 instant."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read an instant or fail with its message."""
        if isinstance(value, datetime):
            return value
        try:
            return read_instant(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class WindowBound(click.ParamType[str]):
    """Where a window begins or ends: an RFC 3339 instant, or a date of the zone that the window names; as it is written."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read an instant or a date or fail with its message."""
        from daypass.core.calendar.asked import with_seconds
        from daypass.core.window import NO_ACCESS_THEN, YEARS, as_day

        said = with_seconds(str(value))
        day = as_day(said)
        if day is not None and day.year not in YEARS:
            self.fail(f"{said} {NO_ACCESS_THEN}", param, ctx)
        if said and day is None:
            Instant().convert(said, param, ctx)
        return said


class Duration(click.ParamType[timedelta]):
    """A duration such as 8h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read a duration or fail with its message."""
        from daypass.core.window import parse_duration

        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Named(click.ParamType[str]):
    """A name that the shell can complete: ``kind`` is handle, resource, role or grant."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer what main has of the kind."""
        from daypass.cli.completion import offers

        return offers(self.name, ctx, incomplete)


class GrantName(Named):
    """A grant by its id (``orders-db/alice-1a2b``), or by the path of its file from where one stands.

    The file need not be there: what is asked of it may be in the ledger alone.
    """

    def __init__(self) -> None:
        super().__init__("grant")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id."""
        from daypass.core.ids import SUFFIX

        if not str(value).endswith(SUFFIX):
            return str(value)
        folder = ctx.obj.folder if ctx is not None and ctx.obj else ""
        whole = Path(os.path.normpath(Path(folder, value).absolute()))
        return "/".join(whole.parts[-2:])[: -len(SUFFIX)]


class PullNumber(click.IntRange):
    """The number of a pull request; the shell offers the open ones."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a number or fail in words."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{value!r} is no number of a request; `daypass status` lists them", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the open requests."""
        from daypass.cli.completion import offers

        return offers("request", ctx, incomplete)


def inside(top: Path, path: Path) -> str:
    """Return a path from the top. Raises UsageError for one that is outside."""
    # The last part is not followed: a symbolic link is to be refused as one, not read as what it points to.
    place = path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    try:
        return place.relative_to(top).as_posix()
    except ValueError:
        raise UsageError(f"{path} is outside the repository {top}") from None


_AT: Mapping[str, Any] = {
    "type": Instant(),
    "help": "The instant to reckon at, as 2026-11-21T09:00:00Z; now by default. "
    "Verbs that write take it only where the settings say `clock: simulated`.",
}
_FORMAT = ("--format", "output")


def _format(formats: Sequence[str]) -> Mapping[str, Any]:
    return {
        "type": click.Choice(list(formats)),
        "default": formats[0],
        "show_default": True,
        "help": "How to print.",
    }


at_option = click.option("--at", **_AT)


def format_option(formats: Sequence[str]) -> Callable[[_F], _F]:
    """Return the ``--format`` option with these choices, the first being the default, for what is no `verb`."""
    return click.option(*_FORMAT, **_format(formats))


def show(text: str, output: str = "text") -> None:
    """Write a view to stdout, as `folded` has it."""
    click.echo(folded(text, output), nl=False)


def tell(said: Said) -> ExitCode:
    """Write what a question says, and return its exit code."""
    show(said.out, said.output)
    if said.lines:
        say(*said.lines)
    return said.code


def show_data(told: Mapping[str, Any], indent: int | None = 2) -> None:
    """Write an answer to stdout as JSON, version 1."""
    from daypass.views.findings import as_output

    click.echo(as_output(told, indent), nl=False)


def say(*lines: str) -> None:
    """Write lines to stderr; what others wrote stands in them and acts on nothing."""
    from daypass.views.findings import joined

    with spoken():
        click.echo(joined(lines), nl=False, err=True)


@contextmanager
def spoken() -> Iterator[None]:
    """Go on where what is said cannot be written: access that has ended waits for no room on the disk of a log.

    Whoever was listening and went away ends what was said to them.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        return


def progress(done: int, total: int, what: str) -> None:
    """Say on stderr how far long work has come, where somebody is looking."""
    if total > 1000 and sys.stderr.isatty():  # noqa: PLR2004  (short work needs no progress)
        end = "\n" if done >= total else ""
        click.echo(f"\r{what}: {done}/{total}{end}", nl=False, err=True)


Words = Mapping[str, tuple[str, Callable[[Any], str]]]
"""Of each method that writes: its name while it is made, and what is said of it afterwards."""
_Port = TypeVar("_Port")
_IN_DOUBT = "may have gone through: the interruption came while it was made"

FORGE: Words = {
    "commit": ("a commit on a branch of its own", lambda oid: f"commit {oid[:12]}, on a branch of its own"),
    "open": ("opening the pull request", lambda pull: f"pull request #{pull.number} was opened"),
    "push": ("moving a pull request's head", lambda pull: f"the head of pull request #{pull.number} was moved"),
    "review": ("recording the review", lambda review: f"the review of {review.commit[:12]} was recorded"),
    "merge": ("the merge", lambda merge: f"{merge.head[:12]} was merged as {merge.commit[:12]}"),
    "close": ("closing a pull request", lambda _: "a pull request was closed"),
}
"""What writes at a forge: its name while it is made, and what is said of it afterwards."""


def _reach(standing: Standing | None) -> str:
    return f"the ledger has every receipt up to {standing.next_sequence - 1}" if standing is not None else ""


LEDGER: Words = {
    "begin": ("the ledger's first receipt", lambda _: "the ledger was begun"),
    "append": ("a receipt", _reach),
    "snapshot": ("a snapshot of the ledger", _reach),
    "deliver": ("what waited in the outbox", lambda count: f"{count} receipts of the outbox were recorded"),
}
"""What writes to the ledger."""

OUTBOX: Words = {
    "append": (
        "a receipt in the outbox",
        lambda standing: f"the outbox ends with receipt {standing.next_sequence - 1}",
    ),
}
"""What writes to the outbox."""


PAGES: Words = {
    name: ("telling people at the forge", lambda _: "people were told at the forge")
    for name in ("show", "say", "issue")
}
"""What writes for people at a forge."""

SETTINGS: Words = {
    "send": ("a change of the repository's settings", lambda _: "settings of the repository were changed"),
}
"""What changes how a forge is set up."""

SHARING: Words = {
    "run": ("what was brought from and pushed to the remote", lambda _: "what was brought and pushed stands"),
}
"""What exchanges with other clones."""


class _Noting:
    """A port whose writing methods note what they did; everything else is the port's own."""

    def __init__(self, port: object, words: Words) -> None:
        context = click.get_current_context(silent=True)
        self._port = port
        self._words = words
        self._written: dict[object, str] = context.obj.written if context is not None and context.obj else {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in self._words:
            return found
        begun, done = self._words[name]

        def noted(*arguments: Any, **options: Any) -> Any:
            entry = object()
            self._written[entry] = f"{begun} {_IN_DOUBT}"
            try:
                result = found(*arguments, **options)
            except Exception:
                del self._written[entry]
                raise
            self._written[entry] = done(result)
            return result

        return noted


def noting(port: _Port, words: Words) -> _Port:
    """Return a port that notes what is written through it, for who interrupts the run."""
    return cast("_Port", _Noting(port, words))


def interrupted(written: Mapping[object, str]) -> list[str]:
    """Say to who interrupted a run what it had written, each thing once and the last word on the ledger only."""
    lines = list(dict.fromkeys(written.values()))
    ledger = [line for line in lines if line.startswith("the ledger has")]
    told = [line for line in lines if line and line not in ledger[:-1]]
    if not told:
        return ["daypass: interrupted; nothing was written at the forge or in the ledger"]
    more = ["the next run looks at every change that was begun and not recorded"] if ledger else []
    return ["daypass: interrupted; this was written and stands:", *(f"  {line}" for line in [*told, *more])]
