"""codeowners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.core.errors import DaypassError, ExitCode, InvalidError, UsageError

if TYPE_CHECKING:
    from daypass.cli.site import Site


@click.command()
@click.option("--check", "checking", is_flag=True, help="Write nothing; exit 13 when the file would change.")
@click.option(
    "--who",
    "paths",
    metavar="PATH",
    multiple=True,
    help="Write nothing; say who owns this file by the CODEOWNERS of the working tree, as GitHub would. May be repeated.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print what --who asks.",
)
@click.argument("more", metavar="[PATH]...", nargs=-1)
@click.pass_obj
def codeowners(obj: dict[str, Any], checking: bool, paths: tuple[str, ...], output: str, more: tuple[str, ...]) -> int:
    """Write .github/CODEOWNERS from the catalogue and the directory of the working tree.

    With --who, further PATHs may follow. Exit 14 where GitHub's documents do not settle who owns one of them.
    """
    from daypass.cli.site import Site

    if more and not paths:
        raise UsageError(
            f"got the path {more[0]!r} without --who", hint="`daypass codeowners --who PATH` says who owns it"
        )
    if paths and checking:
        raise UsageError("--check and --who are two questions", hint="ask one of them")
    site = Site(obj["folder"], obj["acting"])
    if paths:
        return _who(site.top(), (*paths, *more), output)
    if output != "text":
        raise UsageError("--format goes with --who")
    return _write(site, checking)


def _who(top: Path, asked: tuple[str, ...], output: str) -> int:
    from daypass.core.owners import LARGEST, PLACES, Answer, asked_path, read_codeowners
    from daypass.edges.git.worktree import worktree_files
    from daypass.views.settings import owners_json, owners_text

    paths = [asked_path(path) for path in asked]
    found = {path: (mode, raw) for place in PLACES for path, mode, raw in worktree_files(top, place, limit=LARGEST)}
    link = next((path for path, (mode, _) in found.items() if path in PLACES and not mode.startswith("100")), None)
    if link is not None:
        raise InvalidError(f"{link} is no plain file", hint="GitHub does not say what it makes of one: write the file")
    read = read_codeowners({path: raw for path, (_, raw) in found.items()})
    answers = [read.who(path) if read else Answer(path) for path in paths]
    click.echo((owners_json if output == "json" else owners_text)(read, answers), nl=False)
    return int(ExitCode.PARTIAL if any(answer.doubt for answer in answers) else ExitCode.OK)


def _write(site: Site, checking: bool) -> int:
    from daypass.core.owners import CODEOWNERS_FILE
    from daypass.views.settings import codeowners_text

    policy = site.worktree_policy()
    if policy.holes:  # a group or resource that is not read would leave its files to somebody else
        raise InvalidError("the policies do not read, so nobody can tell who owns what", policy.holes)
    wanted = codeowners_text(policy.catalogue)
    path = site.top() / CODEOWNERS_FILE
    if path.is_symlink() or path.parent.is_symlink():
        raise InvalidError(f"{CODEOWNERS_FILE} is or lies behind a symbolic link", hint="put the file in its place")
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    if there == wanted:
        click.echo(f"{CODEOWNERS_FILE} is up to date.")
        return 0
    if checking:
        raise _DriftError(f"{CODEOWNERS_FILE} does not match the catalogue", hint="run `daypass codeowners`")
    path.parent.mkdir(exist_ok=True)
    path.write_text(wanted, encoding="utf-8")
    click.echo(f"Wrote {CODEOWNERS_FILE}.")
    return int(ExitCode.OK)


class _DriftError(DaypassError):
    """A generated file is out of date."""

    exit_code = ExitCode.CHANGES
