"""Options that many verbs share, and the one place that reads the clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from daypass.core.grant import SUFFIX
from daypass.core.window import parse_duration, parse_instant

_F = TypeVar("_F", bound=Callable[..., Any])


_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class Instant(click.ParamType[datetime]):
    """An RFC 3339 instant."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read an instant or fail with its message."""
        if isinstance(value, datetime):
            return value
        try:
            found = parse_instant(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not _FIRST <= found < _LAST:
            # Nothing happened before, and at the end of the calendar there is no instant after that could be reckoned.
            self.fail(
                f"{value} is no instant that access could be given at; write a year from 1970 to 8999", param, ctx
            )
        return found


class Duration(click.ParamType[timedelta]):
    """A duration such as 8h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read a duration or fail with its message."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class GrantName(click.ParamType[str]):
    """A grant by its id (``orders-db/alice-1a2b``), or by the path of its file from where one stands.

    The file need not be there: what is asked of it may be in the ledger alone.
    """

    name = "grant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id."""
        if not str(value).endswith(SUFFIX):
            return str(value)
        folder = ctx.obj["folder"] if ctx is not None and ctx.obj else ""
        whole = Path(os.path.normpath(Path(folder, value).absolute()))
        return "/".join(whole.parts[-2:])[: -len(SUFFIX)]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Offer the grants of main."""
        from daypass.cli.offers import offers

        return offers("grant", ctx, incomplete)


class Named(click.ParamType[str]):
    """A name that the shell can complete: ``kind`` is handle, resource or role."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Offer what main has of the kind."""
        from daypass.cli.offers import offers

        return offers(self.name, ctx, incomplete)


class PullNumber(click.IntRange):
    """The number of a pull request; the shell offers the open ones."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Offer the open requests."""
        from daypass.cli.offers import offers

        return offers("request", ctx, incomplete)


def clock() -> datetime:
    """Read the clock, aware UTC, as finely as it runs: to know how long to sleep."""
    return datetime.now(UTC)


def now() -> datetime:
    """Read the clock: aware UTC, cut to the second, which is as fine as anything daypass writes."""
    return clock().replace(microsecond=0)


at_option = click.option(
    "--at",
    type=Instant(),
    default=None,
    help="The instant to reckon at, as 2026-11-21T09:00:00Z; now by default. "
    "Verbs that write take it only where the settings say `clock: simulated`.",
)


def format_option(formats: Sequence[str]) -> Callable[[_F], _F]:
    """Return the ``--format`` option with these choices, the first being the default."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(list(formats)),
        default=formats[0],
        show_default=True,
        help="How to print.",
    )


def say(*lines: str) -> None:
    """Write lines to stderr; what others wrote stands in them and acts on nothing."""
    from daypass.views.findings import joined

    click.echo(joined(lines), nl=False, err=True)
