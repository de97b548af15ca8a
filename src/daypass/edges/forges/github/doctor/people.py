"""Who owns files, who is in the teams, whom accounts are known for, what our App may do, and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from msgspec import Struct

from daypass.core.catalogue import Catalogue, Directory
from daypass.core.errors import InvalidError
from daypass.core.files.codeowners import (
    CODEOWNERS_FILE,
    codeowners_text,
    read_codeowners,
    strictest,
    team_of,
    wanted_lines,
)
from daypass.core.finding import shown
from daypass.core.window import format_duration
from daypass.edges.forges.github.answers import Fields, lacking, needless
from daypass.edges.forges.github.doctor.facts import App, Setup, UntoldError, known, listed

GUARDED = (CODEOWNERS_FILE, ".github/workflows/apply.yml", ".github/daypass/run", "policies/daypass.yaml")
"""Files that decide who gets what: one of each folder that only the strictest may change."""

_COUPLE = 2
"""Nobody approves their own request, so a team of one cannot ask."""

_WRITES = {"push", "maintain", "admin"}

# CODEOWNERS


def unowned(case: Setup, raw: bytes | None) -> str:
    """Return which file that decides over access belongs to others than the strictest, or why nobody can tell."""
    if raw in {None, codeowners_text(case.catalogue).encode()}:
        return ""
    strict = wanted_lines(case.catalogue)[:1]
    allowed = set(strict[0].owners) if strict and strict[0].pattern == "*" else set()
    try:
        read = read_codeowners({CODEOWNERS_FILE: raw})
    except InvalidError as error:
        return error.message
    for answer in (read.who(path) for path in GUARDED) if read is not None else ():
        if answer.doubt or not answer.owners or set(answer.owners) - allowed:
            who = f"cannot be told: {answer.doubt}" if answer.doubt else f"is {' '.join(answer.owners) or 'nobody'}"
            whose = listed(allowed) or "nobody"
            return f"who owns {answer.path} on main {who}; it decides who gets access, and belongs to {whose}"
    return ""


def stale(case: Setup, raw: bytes | None) -> bool:
    """Say whether CODEOWNERS is another than the catalogue makes, and no worse than that."""
    return raw not in {None, codeowners_text(case.catalogue).encode()} and not unowned(case, raw)


def owners_faults(case: Setup) -> tuple[Fields, ...]:
    """Return what GitHub finds wrong with lines of main's CODEOWNERS.

    Why it does not know a team that is to own files is said by the team's own complaint.
    """
    if case.codeowners is None:
        return ()
    faults, judged = known(case.owners_faults), set[str]()
    if not isinstance(case.teams, UntoldError):
        judged = {f"@{team_of(case.catalogue, group)}".lower() for group in groups_wanted(case.catalogue)}
    return tuple(
        fault for fault in faults if fault.text("kind") != "Unknown owner" or _owner_at(fault).lower() not in judged
    )


def fault_text(_: Setup, fault: Fields) -> str:
    """Return where a fault is, of which kind, and the whole line."""
    return f"{fault.number('line')} of {CODEOWNERS_FILE}: {shown(fault.text('kind'))}: {_source(fault)}"


def _source(fault: Fields) -> str:
    return shown(fault.text("source")) if fault.data.get("source") is not None else ""


def _owner_at(fault: Fields) -> str:
    """Return the owner that a fault is about, of which GitHub says only where it begins."""
    return (_source(fault)[max(fault.number("column") - 1, 0) :].split() or [""])[0]


# Teams


class OwningTeam(Struct, frozen=True):
    """The team that stands for a group: ``name`` is ``organisation/slug``, ``page`` its address for people.

    ``foreign``: the organisation is not the repository's. ``found``: GitHub's answer, None where the repository has no
    such team; ``seen``: the organisation has one. ``members``: account numbers to logins.
    """

    group: str
    name: str
    slug: str
    page: str
    foreign: bool
    found: Fields | None
    seen: bool | UntoldError
    members: Mapping[int, str] | UntoldError


def groups_wanted(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the groups that CODEOWNERS names."""
    owners = {owner for resource in catalogue.resources.values() for owner in resource.owners}
    return tuple(sorted(owners | set(strictest(catalogue))))


def own_teams(catalogue: Catalogue, owner: str) -> tuple[str, ...]:
    """Return the slugs of those teams that are of the repository's own organisation."""
    teams = [team_of(catalogue, group).lower().partition("/") for group in groups_wanted(catalogue)]
    return tuple(dict.fromkeys(slug for organisation, _, slug in teams if organisation == owner.lower()))


def teams(case: Setup) -> tuple[OwningTeam, ...]:
    """Return the teams that are to own files; none where the repository is a person's."""
    if not case.organisation:
        return ()
    read, found = known(case.teams), []
    for group in groups_wanted(case.catalogue):
        name = team_of(case.catalogue, group)
        organisation, _, slug = name.lower().partition("/")
        page = f"{case.server}/orgs/{case.owner}/teams/{slug}"
        foreign = organisation != case.owner.lower()
        here = None if foreign else read.here.get(slug)
        seen = read.seen if isinstance(read.seen, UntoldError) else slug in read.seen
        members = read.members.get(slug, UntoldError("it was not asked for"))
        found.append(OwningTeam(group, name, slug, page, foreign, here, seen, members))
    return tuple(found)


def missing(_: Setup, team: OwningTeam) -> bool:
    """Say whether there is no such team in the repository's organisation."""
    if team.found is not None or team.foreign:
        return False
    return not known(team.seen, f"whether there is a team {team.name}")


def secret(_: Setup, team: OwningTeam) -> bool:
    """Say whether a team is secret."""
    if team.found is None:
        return False
    if (privacy := team.found.data.get("privacy")) is None:
        raise UntoldError("GitHub does not say", f"whether the team {team.name} is secret")
    return bool(privacy == "secret")


def cannot_write(_: Setup, team: OwningTeam) -> bool:
    """Say whether a team is there but may not write here."""
    if team.found is None:
        return team.seen is True and not team.foreign
    flags = team.found.data.get("permissions")
    if isinstance(flags, dict):
        return flags.get("push") is not True
    return team.found.text("permission") not in _WRITES


def differs(case: Setup, team: OwningTeam) -> str:
    """Return whom a team and its group have that the other has not."""
    if team.found is None:
        return ""
    members: Mapping[int, str] = known(team.members, f"who is in the team {team.name}")
    directory = case.catalogue.directory
    people = [directory.subjects[handle] for handle in sorted(directory.groups.get(team.group, frozenset()))]
    wanted = {person.forge_id: person.handle for person in people if person.forge_id is not None}
    lacks = [handle for number, handle in wanted.items() if number not in members]
    # Whose id the directory does not have is a complaint of its own; here their login has to do.
    logins = {person.login.lower() for person in people if person.forge_id is None}
    others = [(number, login) for number, login in sorted(members.items()) if number not in wanted]
    extra = [f"{login} (id {number})" for number, login in others if login.lower() not in logins]
    said = [f"the team lacks {listed(lacks)}"] if lacks else []
    return "; ".join([*said, f"the group lacks {listed(extra)}"] if extra else said)


def small(case: Setup, team: OwningTeam) -> bool:
    """Say whether a team that is its group has nobody who could approve for another."""
    few = team.found is not None and not isinstance(team.members, UntoldError) and len(team.members) < _COUPLE
    return few and not differs(case, team)


def other_writers(case: Setup, writers: tuple[Fields, ...]) -> str:
    """Return who may write here and neither owns files nor administers the repository."""
    people = [row for row in writers if not row.truth("permissions.admin")]
    if not people:
        return ""
    members = known(case.teams, "who in the teams that own files may write").members
    listing = [known(one, "who in the teams that own files may write") for one in members.values()]
    owners = {number for one in listing for number in one}
    others = [row for row in people if row.number("id") not in owners]
    return listed(f"{shown(row.text('login'))} (id {row.number('id')})" for row in others)


def without_id(_: Setup, directory: Directory) -> str:
    """Return who of the directory is nobody at GitHub."""
    unknown = [person.handle for person in directory.subjects.values() if person.is_person and person.forge_id is None]
    return f"{listed(unknown)} {'has' if len(unknown) == 1 else 'have'}" if unknown else ""


# The App

NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "checks": "write",
        "contents": "write",
        "issues": "write",
        "members": "read",
        "metadata": "read",
        "pull_requests": "write",
        "statuses": "write",
    }
)
"""What the App cannot do without: https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps.

It writes no status. But a required check can be bound to those Apps alone that may:
https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets#require-status-checks-to-pass-before-merging
"""

ALLOWED: Mapping[str, str] = MappingProxyType({"actions": "read", "administration": "read"})
"""What it may have beside, to look at settings with."""


def unnamed(_: Setup, app: App | None) -> bool:
    """Say nothing of an App that is known. Raises UntoldError where none is."""
    if app is None:
        raise UntoldError("the settings do not name its bot", "which App is ours")
    return False


def lacks_permissions(case: Setup, app: App) -> str:
    """Return what the App may not do and has to."""
    return listed(lacking(app.permissions, {**NEEDED, "members": "read" if case.organisation else "none"}))


def needless_permissions(_: Setup, app: App) -> str:
    """Return what the App may do and does not have to."""
    return listed(needless(app.permissions, {**ALLOWED, **NEEDED}))


# The clock

LARGEST_SKEW = timedelta(seconds=120)
"""A clock further off than this gives and ends access at wrong times."""


def clock_skew(_: Setup, skew: timedelta | None) -> str:
    """Return how far this machine's clock is off, where that is too far."""
    if skew is None:
        raise UntoldError("GitHub did not say the time")
    if abs(skew) <= LARGEST_SKEW:
        return ""
    amount = format_duration(timedelta(seconds=round(abs(skew).total_seconds())))
    return f"{amount} {'ahead of' if skew > timedelta() else 'behind'}"
