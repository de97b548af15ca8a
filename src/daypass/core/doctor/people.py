"""Judging who owns files, who is in the teams, whom accounts are known for, what our App may do, and the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType

from daypass.core.catalogue import Catalogue
from daypass.core.doctor.facts import (
    App,
    Call,
    Complaint,
    OwnersFault,
    Remedy,
    Setup,
    Team,
    Teams,
    Untold,
    listed,
    untold,
)
from daypass.core.errors import InvalidError
from daypass.core.owners import CODEOWNERS_FILE, read_codeowners, strictest, team_of, wanted_lines
from daypass.core.window import format_duration

GUARDED = (CODEOWNERS_FILE, ".github/workflows/apply.yml", ".github/daypass/run", "policies/daypass.yaml")
"""Files that decide who gets what: one of each folder that only the strictest may change."""

_COUPLE = 2
"""Nobody approves their own request, so a team of one cannot ask."""


def groups_wanted(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the groups that CODEOWNERS names."""
    owners = {owner for resource in catalogue.resources.values() for owner in resource.owners}
    return tuple(sorted(owners | set(strictest(catalogue))))


def judge_owners(case: Setup, wanted: bytes) -> Iterator[Complaint]:
    """Say what is wrong with main's CODEOWNERS; ``wanted`` is the file that the catalogue makes."""
    fix = "daypass codeowners, then commit it on main by a pull request"
    if case.codeowners is None:
        yield Complaint("codeowners-missing", f"main has no {CODEOWNERS_FILE}: nobody's review is asked for", fix)
        return
    yield from _judge_file(case, wanted, fix)
    faults = case.facts.owners_faults
    if isinstance(faults, Untold):
        yield untold("codeowners-errors", f"whether GitHub reads all of {CODEOWNERS_FILE}", faults, fix)
        return
    judged = _judged_teams(case)
    for fault in faults:
        if fault.kind == "Unknown owner" and _owner_at(fault).lower() in judged:
            continue  # why GitHub does not know the team is said by its own complaint
        message = f"GitHub skips a part of line {fault.line} of {CODEOWNERS_FILE}: {fault.kind}: {fault.source}"
        yield Complaint("codeowners-errors", message, f"{case.page}/blob/main/{CODEOWNERS_FILE}")


def _judge_file(case: Setup, wanted: bytes, fix: str) -> Iterator[Complaint]:
    assert case.codeowners is not None  # noqa: S101  (its caller has looked)
    if case.codeowners == wanted:
        return
    strict = wanted_lines(case.catalogue)[:1]
    allowed = set(strict[0].owners) if strict and strict[0].pattern == "*" else set()
    try:
        read = read_codeowners({CODEOWNERS_FILE: case.codeowners})
    except InvalidError as error:
        yield Complaint("workflows-unowned", error.message, fix)
        return
    for path in GUARDED:
        answer = read.who(path) if read is not None else None
        loose = answer is None or answer.doubt or not answer.owners or set(answer.owners) - allowed
        if answer is not None and loose:
            who = f"cannot be told: {answer.doubt}" if answer.doubt else f"is {' '.join(answer.owners) or 'nobody'}"
            names = listed(allowed) if allowed else "nobody"
            message = f"who owns {path} on main {who}; it decides who gets access, and belongs to {names}"
            yield Complaint("workflows-unowned", message, fix)
            return
    yield Complaint("codeowners-stale", f"main's {CODEOWNERS_FILE} is not what main's catalogue makes", fix)


def _owner_at(fault: OwnersFault) -> str:
    """Return the owner that a fault is about, of which GitHub says only where it begins."""
    return (fault.source[max(fault.column - 1, 0) :].split() or [""])[0]


def _judged_teams(case: Setup) -> set[str]:
    if not isinstance(case.facts.teams, Teams):
        return set()
    return {f"@{team_of(case.catalogue, group)}".lower() for group in groups_wanted(case.catalogue)}


def judge_teams(case: Setup) -> Iterator[Complaint]:
    """Say which teams do not stand for their groups."""
    facts = case.facts
    groups = groups_wanted(case.catalogue)
    if not facts.repository.organisation:
        message = f"{case.organisation} is a person's account, and has no teams: {CODEOWNERS_FILE} names nobody"
        yield Complaint(
            "no-organisation", message, "move the repository to an organisation: https://github.com/organizations/new"
        )
        return
    link = f"{case.page.rsplit('/', 2)[0]}/orgs/{case.organisation}/teams"
    if isinstance(facts.teams, Untold):
        yield untold("teams", "whether the teams that own files may write here", facts.teams, link)
        return
    for group in groups:
        yield from _judge_team(case, facts.teams, group, link)


def _judge_team(case: Setup, teams: Teams, group: str, link: str) -> Iterator[Complaint]:
    name = team_of(case.catalogue, group)
    organisation, _, slug = name.lower().partition("/")
    give = Call("PUT", f"/orgs/{case.organisation}/teams/{slug}{case.root}", {"permission": "push"})
    if organisation != case.organisation.lower():
        message = f"the team {name} of the group {group} is of another organisation than the repository"
        yield Complaint("team-missing", message, "correct forge.teams in policies/daypass.yaml")
        return
    team = teams.here.get(slug)
    if team is None:
        yield _absent(teams, name, group, give, link)
        return
    page = f"{link}/{slug}"
    if team.secret:
        step = Call("PATCH", f"/orgs/{case.organisation}/teams/{slug}", {"privacy": "closed"})
        message = f"the team {name} is secret, and GitHub asks no secret team to review"
        yield Complaint("team-secret", message, f"{page}/edit", Remedy(f"make the team {name} visible", (step,)))
    if team.secret is None:
        yield untold("team-secret", f"whether the team {name} is secret", Untold("GitHub does not say"), page)
    if not team.writes:
        message = f"the team {name} may not write here, so that GitHub does not ask it to review"
        yield Complaint(
            "team-cannot-write", message, f"{page}/repositories", Remedy(f"let the team {name} write here", (give,))
        )
    yield from _judge_members(case, teams, team, group, name, page)


def _absent(teams: Teams, name: str, group: str, give: Call, link: str) -> Complaint:
    slug = name.lower().partition("/")[2]
    if isinstance(teams.seen, Untold):
        return untold("team-missing", f"whether there is a team {name}", teams.seen, link)
    if slug in teams.seen:
        message = f"the team {name} may not write here, so that GitHub does not ask it to review"
        return Complaint(
            "team-cannot-write",
            message,
            f"{link}/{slug}/repositories",
            Remedy(f"let the team {name} write here", (give,)),
        )
    message = f"no team {name} for the group {group} can be seen: files that it owns are nobody's"
    return Complaint("team-missing", message, f"{link.removesuffix('/teams')}/new-team, or correct forge.teams")


def _judge_members(case: Setup, teams: Teams, team: Team, group: str, name: str, page: str) -> Iterator[Complaint]:
    found = teams.members.get(team.slug, Untold("it was not asked for"))
    if isinstance(found, Untold):
        yield untold("team-differs", f"who is in the team {name}", found, f"{page}/members")
        return
    directory = case.catalogue.directory
    people = [directory.subjects[handle] for handle in sorted(directory.groups.get(group, frozenset()))]
    wanted = {person.forge_id: person.handle for person in people if person.forge_id is not None}
    lacks = [handle for number, handle in wanted.items() if number not in found]
    # Whose id the directory does not have is a complaint of its own; here their login has to do.
    logins = {person.login.lower() for person in people if person.forge_id is None}
    others = [(number, login) for number, login in sorted(found.items()) if number not in wanted]
    extra = [f"{login} (id {number})" for number, login in others if login.lower() not in logins]
    if lacks or extra:
        said = [f"the team lacks {listed(lacks)}"] if lacks else []
        said += [f"the group lacks {listed(extra)}"] if extra else []
        message = f"the team {name} and the group {group} differ: {'; '.join(said)}"
        yield Complaint("team-differs", message, f"{page}/members, or correct policies/directory")
    elif len(found) < _COUPLE:
        message = f"the team {name} has fewer than two people, so that none of them can get access by it"
        yield Complaint("team-small", message, f"{page}/members, and policies/directory")


def judge_directory(case: Setup) -> Iterator[Complaint]:
    """Say who of the directory is nobody at GitHub."""
    subjects = case.catalogue.directory.subjects.values()
    unknown = [person.handle for person in subjects if person.is_person and person.forge_id is None]
    if unknown:
        verb = "has" if len(unknown) == 1 else "have"
        message = f"{listed(unknown)} {verb} no numeric id in the directory, and can neither ask nor approve"
        advice = "write forge: {login: …, id: …} into policies/directory; https://api.github.com/users/LOGIN has the id"
        yield Complaint("person-without-id", message, advice)


NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "checks": "write",
        "contents": "write",
        "issues": "write",
        "members": "read",
        "metadata": "read",
        "pull_requests": "write",
    }
)
"""What the App cannot do without: https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps."""

ALLOWED: Mapping[str, str] = MappingProxyType({"actions": "read", "administration": "read"})
"""What it may have beside, to look at settings with."""

_LEVELS = ("none", "read", "write", "admin")

LARGEST_SKEW = timedelta(seconds=120)
"""A clock further off than this gives and ends access at wrong times."""


def judge_app(case: Setup) -> Iterator[Complaint]:
    """Say what the App may do too much of, and what too little."""
    found = case.facts.app
    if not case.by_app:
        return
    if isinstance(found, Untold):
        yield untold("app", "what our App may do", found, "docs/github.md")
        return
    if found is None:
        why = Untold("the settings do not name its bot")
        yield untold("app", "which App is ours", why, "forge: {bot: {login: …, id: …}} in policies/daypass.yaml")
        return
    page = f"{case.page.rsplit('/', 2)[0]}/organizations/{case.organisation}/settings"
    yield from _judge_permissions(case, found, f"{page}/apps/{found.slug}/permissions")
    if found.everywhere:
        message = f"the App {found.slug} is installed on all repositories, so that its key opens them all"
        yield Complaint("app-everywhere", message, f"{page}/installations")


def _judge_permissions(case: Setup, app: App, link: str) -> Iterator[Complaint]:
    held = dict(app.permissions)
    narrow = [f"{name}: {level}" for name, level in NEEDED.items() if _level(held.get(name, "none")) < _level(level)]
    if not case.facts.repository.organisation:
        narrow = [each for each in narrow if not each.startswith("members:")]
    if narrow:
        yield Complaint("app-narrow", f"the App {app.slug} lacks {listed(narrow)}", link)
    most = {**ALLOWED, **NEEDED}
    wide = [f"{name}: {level}" for name, level in held.items() if _level(level) > _level(most.get(name, "none"))]
    if wide:
        yield Complaint("app-wide", f"the App {app.slug} may do more than it needs: {listed(wide)}", link)


def _level(name: str) -> int:
    """How much a level allows; one that is not known is more than any."""
    return _LEVELS.index(name) if name in _LEVELS else len(_LEVELS)


def judge_clock(case: Setup) -> Iterator[Complaint]:
    """Say when this machine's clock is wrong."""
    skew = case.facts.skew
    advice = "set this machine's clock by NTP: timedatectl set-ntp true"
    if skew is None:
        yield untold("clock-skew", "how far this machine's clock is off", Untold("GitHub did not say the time"), advice)
    elif abs(skew) > LARGEST_SKEW:
        way = "ahead of" if skew > timedelta() else "behind"
        amount = format_duration(timedelta(seconds=round(abs(skew).total_seconds())))
        yield Complaint("clock-skew", f"this machine's clock is {amount} {way} GitHub's", advice)
