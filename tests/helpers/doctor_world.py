"""The worked example at the double, set up as docs/github.md recommends, and ways to spoil it and put it back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from github_double import Bypass, Rule, Ruleset, gitio
from github_double.rest.environments import Environment, of
from github_double.state import CheckRun
from hub import ADMIN, LEDGER_BRANCHES, Hub


def sound(hub: Hub) -> None:
    """Set up everything that the hub does not by itself. The administrator is an owner of the organisation."""
    repo = hub.repo
    repo.allow_forking = False
    repo.collaborate(hub.people["frank"], "read")  # who owns nothing asks by the form
    repo.squash_title, repo.squash_message = "PR_TITLE", "BLANK"
    repo.extras["actions"] = {"sha_pinning_required": True, "allowed_actions": "all"}
    made = Environment(hub.double.next_id(), "daypass", hub.now(), custom=True)
    made.policies[hub.double.next_id()] = ("main", "branch")
    made.secrets = ["DAYPASS_LEDGER_KEY", *(["DAYPASS_APP_KEY"] if hub.auth == "app" else [])]
    of(repo)["daypass"] = made
    hub.org.members[ADMIN[1]] = "admin"
    source = hub.app.id if hub.auth == "app" else 15368
    checks = [{"context": "daypass", "integration_id": source}]
    asked = {"strict_required_status_checks_policy": False, "required_status_checks": checks}
    main(hub).rules.append(Rule("required_status_checks", asked))
    ran(hub)
    if hub.auth == "token":
        only = [Rule("deletion"), Rule("non_fast_forward")]
        hub.double.ruleset(repo, "ledger", only, include=LEDGER_BRANCHES)


def ran(hub: Hub) -> None:
    """Have the check posted a moment ago, as it is once there was a request."""
    by = hub.app if hub.auth == "app" else hub.double.actions_app
    number = hub.double.next_id()
    hub.repo.checks[number] = CheckRun(number, "daypass", hub.head(), by, started_at=hub.now())


@contextmanager
def restored(hub: Hub) -> Iterator[Hub]:
    """Put back, at the end, whatever was changed of the repository, its organisation, its App and its main."""
    repo, org, app = hub.repo, hub.org, hub.app
    plain = (
        "private",
        "archived",
        "default_branch",
        "allow_forking",
        "squash_title",
        "squash_message",
        "methods",
        "rulesets",
    )
    kept = copy.deepcopy({name: getattr(repo, name) for name in (*plain, "extras", "protections")})
    roles, teams = dict(repo.team_roles), dict(org.teams)
    inside = {slug: (team.privacy, dict(team.members)) for slug, team in teams.items()}
    people, permissions, clock, head = dict(org.members), dict(app.permissions), hub.double.clock, hub.head()
    checks, collaborators = dict(repo.checks), dict(repo.collaborators)
    try:
        yield hub
    finally:
        for name, value in kept.items():
            setattr(repo, name, value)
        repo.team_roles, org.teams, org.members = roles, teams, people
        for slug, team in teams.items():
            team.privacy, team.members = inside[slug]
        app.permissions, hub.double.clock, repo.checks = permissions, clock, checks
        repo.collaborators = collaborators
        gitio.set_ref(repo.path, "refs/heads/main", head)


def main(hub: Hub) -> Ruleset:
    return next(one for one in hub.repo.rulesets if one.name == "main")


def ledger(hub: Hub) -> Ruleset:
    return next(one for one in hub.repo.rulesets if one.name == "ledger")


def asked(hub: Hub, kind: str = "pull_request") -> dict[str, Any]:
    return next(rule for rule in main(hub).rules if rule.type == kind).parameters


def environment(hub: Hub) -> Environment:
    return of(hub.repo)["daypass"]


def write(hub: Hub, path: str, change: Callable[[str], str] | None) -> None:
    """Change a file of main past all rules; None takes it out."""
    from github_double.writing import write_files

    text = None if change is None else change(hub.bare("cat-file", "blob", f"main:{path}") + "\n")
    write_files(hub.double, hub.repo, "main", {path: text}, "Change it")


# One defect each


def without(find: Callable[[Hub], Ruleset], kind: str) -> Callable[[Hub], None]:
    """A ruleset that lacks a rule."""

    def spoil(hub: Hub) -> None:
        ruleset = find(hub)
        ruleset.rules = [rule for rule in ruleset.rules if rule.type != kind]

    return spoil


def asking(**wanted: Any) -> Callable[[Hub], None]:
    """A rule about reviews that asks for something else."""
    return lambda hub: asked(hub).update(wanted)


def source(number: int | None) -> Callable[[Hub], None]:
    """A check that may come from another App, or from anybody."""

    def spoil(hub: Hub) -> None:
        check = {"context": "daypass", **({"integration_id": number} if number else {})}
        asked(hub, "required_status_checks")["required_status_checks"] = [{"context": "lint"}, check]

    return spoil


def passing(find: Callable[[Hub], Ruleset], kind: str, number: int | None, mode: str) -> Callable[[Hub], None]:
    """Somebody more whom a ruleset does not bind."""
    return lambda hub: find(hub).bypass.append(Bypass(kind, number, mode))


def our_mode(find: Callable[[Hub], Ruleset], mode: str) -> Callable[[Hub], None]:
    """Our App passes otherwise than it should."""
    return lambda hub: setattr(find(hub), "bypass", [Bypass("Integration", hub.app.id, mode)])


def unheard(find: Callable[[Hub], Ruleset]) -> Callable[[Hub], None]:
    """A ruleset that binds everybody, our App too."""
    return lambda hub: find(hub).bypass.clear()


def of_repository(**wanted: Any) -> Callable[[Hub], None]:
    """A general setting."""

    def spoil(hub: Hub) -> None:
        for name, value in wanted.items():
            setattr(hub.repo, name, value)

    return spoil


def of_actions(**wanted: Any) -> Callable[[Hub], None]:
    """A setting of Actions."""
    return lambda hub: hub.repo.extras["actions"].update(wanted)


def state(name: str, text: str) -> Callable[[Hub], None]:
    """A workflow that is switched off."""
    return lambda hub: hub.repo.extras.setdefault("workflow_states", {}).update({f".github/workflows/{name}.yml": text})


def file(path: str, change: Callable[[str], str] | None) -> Callable[[Hub], None]:
    """A file of main that is another."""
    return lambda hub: write(hub, path, change)


def of_environment(*, policies: dict[int, tuple[str, str]] | None = None, **wanted: Any) -> Callable[[Hub], None]:
    """An environment that lets others in, or lacks something."""

    def spoil(hub: Hub) -> None:
        for name, value in wanted.items():
            setattr(environment(hub), name, value)
        if policies is not None:
            environment(hub).policies = dict(policies)

    return spoil


def team(slug: str, **wanted: Any) -> Callable[[Hub], None]:
    """A team that is gone (``gone``), secret, without its role, or has other people (``members`` as handles)."""

    def spoil(hub: Hub) -> None:
        found = hub.org.teams[slug]
        if wanted.get("gone"):
            del hub.org.teams[slug], hub.repo.team_roles[found.id]
        if "role" in wanted:
            hub.repo.team_roles.pop(found.id)
            if wanted["role"]:
                hub.repo.team(found, wanted["role"])
        if "members" in wanted:
            found.members = {hub.people[handle].id: "member" for handle in wanted["members"]}
        found.privacy = wanted.get("privacy", found.privacy)

    return spoil


def may(**wanted: str) -> Callable[[Hub], None]:
    """An App that may do something else."""

    def spoil(hub: Hub) -> None:
        held = {**hub.app.permissions, **wanted}
        hub.app.permissions = {name: level for name, level in held.items() if level != "none"}

    return spoil


def all_of(*spoils: Callable[[Hub], None]) -> Callable[[Hub], None]:
    """Several changes that make one defect."""

    def spoil(hub: Hub) -> None:
        for each in spoils:
            each(hub)

    return spoil
