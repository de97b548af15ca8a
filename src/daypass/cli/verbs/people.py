"""people import, people check: the directory by a source of people, and the end of access of those who left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daypass.cli.below import Below
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, say, show, show_data, verb
from daypass.core.errors import ConflictError, ExitCode, InvalidError, UsageError

if TYPE_CHECKING:
    from daypass.core.bounds.settings import PeopleSource
    from daypass.core.ids import Oid
    from daypass.core.people.leaving import Departures
    from daypass.core.people.source import SourcePerson
    from daypass.core.request import Gated
    from daypass.pipeline.ask.people import EndedEngagements

_AGAIN = 4
"""So many times receipts are written anew where another run was first."""


@click.group(cls=Below)
def people() -> None:
    """Bring people into the directory from where they are kept, and end access of those who are there no more."""


@verb("import", group=people, follow=False, at="writes")
@click.option("--team", metavar="ORG/TEAM", default="", help="The members of this team at the forge.")
@click.option(
    "--csv",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A table: handle, and any of id, name, email, login, forge_id, manager, employment, active.",
)
@click.option("--scim", is_flag=True, help="The directory service that people.source of the settings names.")
@click.option("--open", "opening", is_flag=True, help="Open a request with the change; write nothing here.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
def import_(
    repo: AccessRepository,
    team: str,
    table: Path | None,
    scim: bool,
    opening: bool,
    dry_run: bool,
    at: datetime,
    output: str,
) -> Codes:
    """Write people into policies/directory/ as their source has them, with their numbers, as a change to review.

    \b
    daypass people import --team acme/staff
    daypass people import --scim --open

    New people come into policies/directory/imported.yaml; entries that are there are changed where they stand, and all else in
    those files stays as it is. Somebody whose name is there with another number is refused, and never overwritten. Nobody
    is taken out: who is gone is told. Exit 14 when somebody was refused.
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.core.forge import by_hand
    from daypass.pipeline.ask.people import bring, directory_files, propose
    from daypass.views.policy.people import import_data, import_markdown, import_text

    if table is None or opening:  # a table is all that is read otherwise: no forge, no token
        repo.follow()
    listed, source = _read(repo, team, table, scim=scim)
    policy = repo.policy if opening else repo.worktree_policy()
    files = directory_files(repo, repo.tip) if opening else _worktree(repo)
    found, written = bring(listed, policy, files)
    pull, how = None, ""
    if opening and not dry_run and written:
        kept = propose(repo, written, body=import_markdown(found, source), at=at)
        if kept.pull is not None:
            pull, how = kept.pull.number, by_hand(repo.settings.forge, kept.pull)
    elif not dry_run:
        _write(repo.top, written)
    if output == "json":
        show_data(import_data(found, source, sorted(written), pull))
    else:
        show(import_text(found, source, sorted(written)))
        if pull is not None:
            say(f"#{pull} brings them; the people who own policies/ merge it" + (f": {how}" if how else ""))
        elif written and not dry_run:
            say("Next: `daypass check`, look at the difference, and commit it on a branch")
    return ExitCode.PARTIAL if found.refused else ExitCode.OK


def _read(repo: AccessRepository, team: str, table: Path | None, *, scim: bool) -> tuple[tuple[SourcePerson, ...], str]:
    """Return the people of the source that was named, of the settings' where none was, and what it is called."""
    from daypass.core.bounds.settings import PeopleSource
    from daypass.core.people.source import believable
    from daypass.edges.people.table import read_table

    if sum(map(bool, (team, table, scim))) > 1:
        raise UsageError("--team, --csv and --scim name several sources", hint="name one")
    if table is not None:
        return believable(read_table(table), str(table)), str(table)
    if team and team.count("/") != 1:
        raise UsageError(f"{team!r} names no team", hint="write it as ORG/TEAM")
    source = PeopleSource("forge", team=team) if team else repo.settings.people
    if source is None or (scim and source.kind != "scim"):
        hint = "policies/daypass.yaml: people: {source: {kind: scim, url: https://…, token_env: NAME}}; docs/people.md"
        raise UsageError("the settings of main name no such source of people", hint=hint)
    return _from_source(repo, source), source.said


def _from_source(repo: AccessRepository, source: PeopleSource) -> tuple[SourcePerson, ...]:
    from daypass.core.people.source import believable
    from daypass.edges.people.scim import scim_people

    found = repo.given(repo.host.team(source.team)) if source.kind == "forge" else scim_people(source, os.environ)
    return believable(found, source.said)


def _worktree(repo: AccessRepository) -> Mapping[str, bytes]:
    from daypass.edges.git.repository import worktree_files

    listed = worktree_files(repo.top, "policies/directory")
    return {path: raw for path, mode, raw in listed if mode.startswith("100") and path.endswith(".yaml")}


def _write(top: Path, files: Mapping[str, bytes]) -> None:
    folder = top / "policies" / "directory"
    if any(place.is_symlink() for place in (folder, folder.parent, *(top / path for path in files))):
        raise InvalidError("policies/directory lies behind a symbolic link", hint="put the folder in its place")
    for path, raw in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(raw)


@verb("check", group=people, at="writes", follow="or away")
@click.option("--dry-run", is_flag=True, help="Say who left; write nothing.")
@click.option(
    "--confirm", metavar="DIGEST", default="", help="End these people though they are many: the digest that was told."
)
def check(repo: AccessRepository, dry_run: bool, confirm: str, at: datetime, output: str) -> Codes:
    """End the access of people who are disabled in the source that the settings name, or are there no more.

    \b
    daypass people check --dry-run

    A signed receipt says who left; the next apply or expire ends what they hold, for good, and a request that writes
    `until` for them is merged by itself. Only people with a source_id in the directory are looked at. Where many left at
    once nothing is written, and exit is 14; where the source cannot be read whole nobody has left, and exit is 1. While
    the remote cannot be reached who left waits in the outbox, the next expire here ends what they hold, and exit is 14.
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.views.policy.people import leavers_data, leavers_text

    source = repo.settings.people
    if source is None:
        return _no_source(output)
    if repo.away is not None:
        return _check_away(repo, source, at, output, confirm=confirm, dry_run=dry_run)
    after, found = _told(repo, _from_source(repo, source), source, at, confirm=confirm, dry_run=dry_run)
    writes = not dry_run and not found.held
    ending = _end(after, at, back=bool(found.back)) if writes else None
    pull = ending.kept.pull if ending is not None and ending.kept is not None else None
    merged = ending is not None and ending.gated is not None and ending.gated.merge is not None
    if ending is not None and ending.gated is not None and ending.gated.refused:
        _tell_refused(after, ending.gated, at)
    if output == "json":
        number = pull.number if pull is not None else None
        show_data(leavers_data(found, source.said, number, merged=merged, recorded=writes and bool(found.left)))
    else:
        show(leavers_text(found, source.said, _ended(ending, merged=merged)))
    if found.held:
        _say_held(found)
        return ExitCode.PARTIAL
    return ExitCode.PARTIAL if pull is not None and not merged else ExitCode.OK


def _say_held(found: Departures) -> None:
    say(
        f"daypass: {found.held}: nobody's access was ended",
        f"  hint: look at the source; if it is meant, run this with --confirm {found.digest}",
    )


def _check_away(
    repo: AccessRepository, source: PeopleSource, at: datetime, output: str, *, confirm: str, dry_run: bool
) -> ExitCode:
    """Have who left wait in the outbox. Raises AwayError where the source is at the forge, which is away."""
    from daypass.cli.runs.away import leave_away, say_waiting
    from daypass.views.policy.people import leavers_data, leavers_text

    if repo.away is not None and source.kind == "forge":
        say_waiting(repo)
        raise repo.away
    found = leave_away(repo, _from_source(repo, source), source.said, at, confirm=confirm, dry_run=dry_run)
    recorded = bool(found.left) and not found.held and not dry_run
    if output == "json":
        show_data(leavers_data(found, source.said, None, merged=False, recorded=recorded))
    else:
        show(leavers_text(found, source.said, "`daypass expire` here ends what they hold" if recorded else ""))
    if found.held:
        _say_held(found)
    return ExitCode.PARTIAL


def _tell_refused(repo: AccessRepository, found: Gated, at: datetime) -> None:
    """Say on the request why it was not merged, and note where that is told there."""
    from daypass.cli.runs.told import told_of_gate
    from daypass.cli.verbs.review import show_people

    told = show_people(repo, found, at)
    told_of_gate([found], [] if told else [found.pull.number])


def _no_source(output: str) -> ExitCode:
    """Say that nobody is asked: a workflow runs this for every repository."""
    from daypass.core.people.leaving import Departures
    from daypass.views.policy.people import leavers_data

    if output == "json":
        show_data(leavers_data(Departures((), (), 0), "", None, merged=False, recorded=False))
    say("The settings of main name no source of people, so nobody is asked who has left; docs/people.md says how.")
    return ExitCode.OK


def _told(
    repo: AccessRepository,
    people: tuple[SourcePerson, ...],
    source: PeopleSource,
    at: datetime,
    *,
    confirm: str,
    dry_run: bool,
) -> tuple[AccessRepository, Departures]:
    """Say who left and who is back, and write receipts of it where that is to be; return the place as it is then."""
    from daypass.pipeline.ask.people import leavers

    left = _AGAIN
    while True:
        told = leavers(repo, people, source.said, at=at)
        found = told.found.confirmed(confirm) if confirm else told.found
        if dry_run or found.held:
            return repo, found
        try:
            return _record(repo, found, told.main, at), found
        except ConflictError:  # another run was first: who left is told anew, by the main that it knows
            if not left:
                raise
            repo, left = repo.again(), left - 1


def _record(repo: AccessRepository, found: Departures, main: Oid, at: datetime) -> AccessRepository:
    """Write receipts of who left and who is back; return the place as it is then. Raises ConflictError."""
    bodies = (*found.back, *found.left)
    if not bodies:
        return repo
    if repo.elsewhere or repo.signs:
        repo.ledger.ready()
    repo.ledger.append(repo.standing, bodies, at=at, main=main, run=repo.run_name(at))
    return repo.again()


def _end(repo: AccessRepository, at: datetime, *, back: bool) -> EndedEngagements | None:
    """Keep the request that ends engagements in the directory, where there is or may be one."""
    from daypass.pipeline.ask.people import end_engagements

    if not repo.standing.departed and not back:
        return None
    return end_engagements(repo, repo.again, at=at)


def _ended(ending: EndedEngagements | None, *, merged: bool) -> str:
    if ending is None or ending.kept is None or ending.kept.pull is None:
        return ""
    number = ending.kept.pull.number
    if merged:
        return f"#{number} ended their engagement in the directory"
    why = f": {ending.why}" if ending.why else ""
    return f"#{number} ends their engagement in the directory, and waits to be merged{why}"
