"""The worked example at the double, set up as the documents recommend, and ways to spoil it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from github_double import Bypass, Rule, Ruleset
from github_double.rest.environments import Environment, of
from hub import ADMIN, Hub

CHECK = ("daypass", "app")


def sound(hub: Hub) -> None:
    """Set up everything that the hub does not by itself. The administrator is an owner of the organisation."""
    repo = hub.repo
    repo.allow_forking = False
    repo.squash_title, repo.squash_message = "PR_TITLE", "BLANK"
    repo.extras["actions"] = {"sha_pinning_required": True, "allowed_actions": "all"}
    environment = Environment(hub.double.next_id(), "daypass", hub.now(), custom=True)
    environment.policies[hub.double.next_id()] = ("main", "branch")
    environment.secrets = ["DAYPASS_LEDGER_KEY", *(["DAYPASS_APP_KEY"] if hub.auth == "app" else [])]
    of(repo)["daypass"] = environment
    hub.org.members[ADMIN[1]] = "admin"
    source = hub.app.id if hub.auth == "app" else 15368
    main(hub).rules.append(
        Rule(
            "required_status_checks",
            {
                "strict_required_status_checks_policy": False,
                "required_status_checks": [{"context": "daypass", "integration_id": source}],
            },
        )
    )
    if hub.auth == "token":
        only = [Rule("deletion"), Rule("non_fast_forward")]
        hub.double.ruleset(repo, "ledger", only, include=["refs/heads/daypass-ledger"])


def main(hub: Hub) -> Ruleset:
    return next(one for one in hub.repo.rulesets if one.name == "main")


def ledger(hub: Hub) -> Ruleset:
    return next(one for one in hub.repo.rulesets if one.name == "ledger")


def reviews(hub: Hub) -> dict[str, Any]:
    return next(rule for rule in main(hub).rules if rule.type == "pull_request").parameters


def without(ruleset: Ruleset, kind: str) -> None:
    ruleset.rules = [rule for rule in ruleset.rules if rule.type != kind]


def environment(hub: Hub) -> Environment:
    return of(hub.repo)["daypass"]


def write(hub: Hub, files: dict[str, str]) -> None:
    """Change main past all rules."""
    hub.double.seed(hub.repo, files)


def stranger(hub: Hub, ruleset: Ruleset, mode: str = "always") -> None:
    ruleset.bypass.append(Bypass("RepositoryRole", 5, mode))


__all__ = [
    "Hub", "Path", "environment", "ledger", "main", "reviews", "sound", "stranger", "without", "write",
]  # fmt: skip
