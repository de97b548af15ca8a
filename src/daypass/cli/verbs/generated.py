"""form, codeowners, refresh: the files that are made from the catalogue; calendar: the ones that rules ask."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daypass.cli.below import Below
from daypass.cli.quick.around import FIRST, LAST
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Instant, say, show, show_data, verb
from daypass.core.errors import ExitCode, InvalidError, UsageError
from daypass.core.finding import near

if TYPE_CHECKING:
    from daypass.core.catalogue import Catalogue
    from daypass.core.policy.policies import Policy

_checking = click.option("--check", "checking", is_flag=True, help="Write nothing; exit 13 when the file would change.")


@verb(follow=False)
@_checking
def form(repo: AccessRepository, checking: bool, output: str) -> Codes:
    """Write the issue form from the catalogue of the working tree: real resources, roles and purposes to choose from.

    The file is .github/ISSUE_TEMPLATE/daypass-request.yml; GitHub offers the one on main.
    """
    from daypass.edges.forges.host import request_form
    from daypass.views.form import form_introduction

    catalogue = _read_whole(repo, "nobody knows what there is to ask for")
    path, text = request_form(catalogue, form_introduction(catalogue))
    return _write(repo.top, path, text, checking, output, hint="run `daypass form` and commit it")


@verb(follow=False)
@_checking
@click.option(
    "--who",
    "paths",
    metavar="PATH",
    multiple=True,
    help="Write nothing; say who owns this file by the CODEOWNERS of the working tree, as GitHub would. May be repeated.",
)
@click.argument("more", metavar="[PATH]...", nargs=-1)
def codeowners(
    repo: AccessRepository, checking: bool, paths: tuple[str, ...], output: str, more: tuple[str, ...]
) -> Codes:
    """Write .github/CODEOWNERS from the catalogue and the directory of the working tree.

    With --who, further PATHs may follow. Exit 14 where GitHub's documents do not settle who owns one of them.
    """
    if more and not paths:
        raise UsageError(
            f"got the path {more[0]!r} without --who", hint="`daypass codeowners --who PATH` says who owns it"
        )
    if paths and checking:
        raise UsageError("--check and --who are two questions", hint="ask one of them")
    if paths:
        return _who(repo.top, (*paths, *more), output)
    return _codeowners(repo, checking, output)


def _who(top: Path, asked: tuple[str, ...], output: str) -> ExitCode:
    from daypass.core.files.codeowners import LARGEST, PLACES, Ownership, asked_path, read_codeowners
    from daypass.edges.git.repository import worktree_files
    from daypass.views.settings import owners_json, owners_text

    paths = [asked_path(path) for path in asked]
    found = {path: (mode, raw) for place in PLACES for path, mode, raw in worktree_files(top, place, limit=LARGEST)}
    link = next((path for path, (mode, _) in found.items() if path in PLACES and not mode.startswith("100")), None)
    if link is not None:
        raise InvalidError(f"{link} is no plain file", hint="GitHub does not say what it makes of one: write the file")
    read = read_codeowners({path: raw for path, (_, raw) in found.items()})
    answers = [read.who(path) if read else Ownership(path) for path in paths]
    show((owners_json if output == "json" else owners_text)(read, answers), output)
    return ExitCode.PARTIAL if any(answer.doubt for answer in answers) else ExitCode.OK


def _codeowners(repo: AccessRepository, checking: bool, output: str) -> Codes:
    from daypass.core.files.codeowners import CODEOWNERS_FILE, codeowners_text

    # A group or resource that is not read would leave its files to somebody else.
    wanted = codeowners_text(_read_whole(repo, "nobody can tell who owns what"))
    return _write(repo.top, CODEOWNERS_FILE, wanted, checking, output, hint="run `daypass codeowners`")


def _read_whole(repo: AccessRepository, means: str) -> Catalogue:
    """Return the catalogue of the working tree. Raises InvalidError where it has holes; ``means`` is what follows."""
    policy = repo.worktree_policy()
    if policy.holes:
        raise InvalidError(f"the policies do not read, so {means}", policy.holes)
    return policy.catalogue


def _write(top: Path, name: str, wanted: str, checking: bool, output: str, *, hint: str) -> ExitCode:
    """Write a generated file where it is not as it should be, whatever ends its lines; with ``checking``, say so alone."""
    path = top / name
    if path.is_symlink() or path.parent.is_symlink():
        raise InvalidError(f"{name} is or lies behind a symbolic link", hint="put the file in its place")
    same = path.is_file() and path.read_text(encoding="utf-8", errors="replace") == wanted
    if not same and not checking:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, encoding="utf-8")
    if output == "json":
        show_data({"file": name, "what": "unchanged" if same else "stale" if checking else "written"})
    elif same:
        click.echo(f"{name} is up to date.")
    elif not checking:
        click.echo(f"Wrote {name}.")
    if same or not checking:
        return ExitCode.OK
    say(f"daypass: {name} does not match the catalogue", f"  hint: {hint}")
    return ExitCode.CHANGES


def write_schema(repo: AccessRepository, *, checking: bool) -> ExitCode:
    """Write the schema of grants with what the purposes of the work tree ask for, or say whether it would change."""
    from daypass.views.policy.editor import GRANT_SCHEMA, editor_schema

    wanted = editor_schema(_read_whole(repo, "nobody knows what there is to ask for").purposes)
    return _write(repo.top, GRANT_SCHEMA, wanted, checking, "text", hint="run `daypass schema --write` and commit it")


@verb(at="writes")
def refresh(repo: AccessRepository, at: datetime, output: str) -> None:
    """Open a pull request with the files that main's catalogue makes, where main has others; keep it up to date.

    These are .github/CODEOWNERS, the issue form, and the schema of grants where main has one for editors. Whoever owns them
    merges it. For a forge at GitHub; elsewhere `daypass codeowners`, `daypass form` and `daypass schema --write` write them
    here.
    """
    from daypass.core.files.codeowners import CODEOWNERS_FILE, codeowners_text
    from daypass.edges.forges.host import request_form
    from daypass.pipeline.apply.tidy import refresh as bring
    from daypass.views.form import form_introduction
    from daypass.views.policy.editor import GRANT_SCHEMA, editor_schema

    if not repo.settings.forge.merges_all:  # one that merges grants alone never merges it
        raise UsageError(
            "refresh is for a forge at GitHub", hint="run `daypass codeowners` and `daypass form` here, and commit"
        )
    if repo.policy.holes:  # the lines of a resource that is not read would be proposed to be taken out
        raise InvalidError("the policies of main do not read, so nothing can be made from them", repo.policy.holes)
    catalogue = repo.policy.catalogue
    form_file, text = request_form(catalogue, form_introduction(catalogue))
    wanted = {CODEOWNERS_FILE: codeowners_text(catalogue).encode(), form_file: text.encode()}
    if _schema_on_main(repo):
        wanted[GRANT_SCHEMA] = editor_schema(catalogue.purposes).encode()
    found = bring(repo, wanted, at=at)
    if output == "json":
        told = {"pull": found.pull.number if found.pull is not None else None, "what": found.what}
        show_data(told | {"paths": list(found.paths)})
    elif found.pull is None:
        click.echo("The generated files on main are up to date.")
    else:
        click.echo(f"Pull request #{found.pull.number} {found.what}: {', '.join(found.paths)}")


def _schema_on_main(repo: AccessRepository) -> bool:
    """Whether main has a schema of grants for editors: a file, and no link to what somebody else keeps."""
    from daypass.views.policy.editor import GRANT_SCHEMA

    folder = GRANT_SCHEMA.rpartition("/")[0]
    found = repo.history.files(repo.tip, folder, lambda entry: entry.path == GRANT_SCHEMA and entry.mode == "100644")
    return next(iter(found), None) is not None


@click.group(cls=Below)
def calendar() -> None:
    """Look at the calendars that rules ask, or print one of public holidays for somebody to review."""


def _check_read(policy: Policy, under: str) -> None:
    """Show nothing of a file that has a fault, or of a folder with one: what is left of it is not what its author wrote."""
    wrong = tuple(finding for finding in policy.broken if finding.is_error and finding.place.file.startswith(under))
    if wrong:
        raise InvalidError("what is to be shown does not read", wrong)


_AHEAD = timedelta(days=92)
"""So far ahead `calendar show` looks."""


@verb("show", group=calendar, follow=False)
@click.argument("name", required=False, default="")
def show_calendar(repo: AccessRepository, name: str, at: datetime, output: str) -> None:
    """List the calendars of the working tree, or what NAME holds in the 92 days to come.

    \b
    daypass calendar show office
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.views.settings import calendars_json, calendars_text

    policy = repo.worktree_policy()
    _check_read(policy, f"policies/calendars/{name}.yaml" if name else "policies/calendars/")
    calendars = policy.catalogue.calendars
    if name and name not in calendars:
        hint = near(name, calendars, "`daypass calendar show` lists them")
        raise UsageError(f"there is no calendar {name!r} in policies/calendars", hint=hint)
    chosen = [calendars[name]] if name else list(calendars.values())
    ahead = (at, at + _AHEAD) if name else None
    show((calendars_json if output == "json" else calendars_text)(chosen, ahead), output)


@calendar.command()
@click.argument("place", metavar="COUNTRY[-PART]")
@click.option("--years", required=True, metavar="YEAR[,YEAR]...", help="The years to print.")
@click.option("--zone", default="", help="Whose midnights; the first zone of the country in the database by default.")
def holidays(place: str, years: str, zone: str) -> None:
    """Print a calendar with the public holidays of a country (ISO 3166-1) or a part of it (ISO 3166-2), to be reviewed.

    They are those of the library holidays, which knows nothing of your agreements: read what it prints, and commit it as
    policies/calendars/NAME.yaml. No library decides at run time. It needs `pip install "daypass[holidays]"`.

    \b
    daypass calendar holidays DE-BE --years 2027,2028
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.edges.holidays import public_holidays
    from daypass.views.settings import holidays_text

    wanted = [int(year) for year in years.split(",") if year.isascii() and year.isdecimal()]
    if not wanted or len(wanted) != len(years.split(",")):
        raise UsageError(f"{years!r} are no years", hint="write --years 2027, or --years 2027,2028")
    show(holidays_text(public_holidays(place, wanted, zone)))


@click.group(cls=Below)
def rota() -> None:
    """Look at the rotas that say who is on call, or print one that is kept elsewhere."""


@verb("show", group=rota, follow=False)
@click.argument("name", required=False, default="")
def show_rota(repo: AccessRepository, name: str, at: datetime, output: str) -> None:
    """Say who is on call by the rotas of the working tree, or by NAME, and when that changes.

    \b
    daypass rota show payments
    daypass rota show payments --at 2026-12-24T18:00:00Z
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.views.settings import rotas_json, rotas_text

    policy = repo.worktree_policy()
    _check_read(policy, f"policies/rotas/{name}.yaml" if name else "policies/rotas/")
    rotas = policy.catalogue.rotas
    if name and name not in rotas:
        hint = near(name, rotas, "`daypass rota show` lists them")
        raise UsageError(f"there is no rota {name!r} in policies/rotas", hint=hint)
    chosen = [rotas[name]] if name else list(rotas.values())
    show((rotas_json if output == "json" else rotas_text)(chosen, at), output)


@verb("import", group=rota, follow=False, formats=("text",))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--name", required=True, help="The name of the rota that is to be.")
@click.option("--from", "start", type=Instant(), help="Only what lies after this instant.")
@click.option(
    "--until", "end", type=Instant(), help="Only what lies before this instant; needed by a series without an end."
)
@click.option("--zone", default="", help="Of a calendar: whose midnights its days begin at, in place of what it says.")
@click.option("--only", default="", metavar="TEXT", help="Of a calendar: only the events whose title has this text.")
def import_rota(
    repo: AccessRepository, file: Path, name: str, start: datetime | None, end: datetime | None, zone: str, only: str
) -> None:
    """Print a rota of the shifts in FILE, to be reviewed: a schedule as PagerDuty's API gives it, or an iCalendar feed.

    FILE may be - for standard input. Its people must be in the directory of the working tree, by the address or the name
    that they have there. Read what it prints, and commit it as policies/rotas/NAME.yaml: no service is asked at run time,
    and by no verb here. A feed needs `pip install "daypass[icalendar]"`.

    \b
    daypass rota import schedule.json --name payments > policies/rotas/payments.yaml
    daypass rota import oncall.ics --name payments --until 2027-07-01T00:00:00Z
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.calendar.feed import from_feed
    from daypass.core.calendar.imported import from_pagerduty
    from daypass.core.window import Window
    from daypass.edges.feeds import LARGEST, is_calendar, read_feed
    from daypass.views.settings import gaps_text, imported_text

    policy = repo.worktree_policy()
    _check_read(policy, "policies/directory/")
    if start is not None and end is not None and start >= end:
        raise UsageError("--until is not after --from", hint="correct one of the two")
    within = Window(start or FIRST, end or LAST)
    with click.open_file(str(file), "rb") as stream:
        raw = stream.read(LARGEST + 1)
    directory = policy.catalogue.directory
    if is_calendar(raw):
        feed = read_feed(raw, within, zone=zone, only=only, bounded=end is not None)
        found = from_feed(name, feed, directory, within)
    elif zone or only:
        raise UsageError("--zone and --only are for calendars, and this is none", hint="leave them out")
    else:
        found = from_pagerduty(name, _as_json(raw, file), directory, within)
    show(imported_text(found))
    said = gaps_text(found)
    if said:
        say(
            *said.splitlines(),
            "  hint: `daypass check` refuses these gaps: add who is on call, or turns that fill them",
        )


def _as_json(raw: bytes, file: Path) -> object:
    import json

    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no JSON, and no calendar: {error}") from None
