"""Rulesets and classic protection as GitHub has them: https://docs.github.com/en/rest/repos/rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from daypass.core.doctor.complaint import BRANCH
from daypass.core.doctor.facts import CLASSIC, Actor, Rule, Rules, Ruleset, Untold
from daypass.edges.github.api import Api, ApiError
from daypass.edges.github.fields import Fields
from daypass.edges.shown import shown

_REFUSED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_HIDDEN = Untold("GitHub shows bypass lists only to those who may change them")
_ADMINISTRATOR = 5
"""The number of the role: https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset."""


def read_rules(api: Api, root: str, ledger: str) -> tuple[Rules | Untold, Mapping[int, Untold]]:
    """Return the rules of main and of the ledger's branch, and which of their rulesets are not shown.

    Raises ApiError for a failure that is no refusal.
    """
    try:
        main, books = _of_branch(api, root, BRANCH), _of_branch(api, root, ledger)
        listed = [Fields("a ruleset", row) for row in api.pages(f"{root}/rulesets")]
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
        return Untold(error.message), {}
    names = {one.text("name"): one.number("id") for one in listed if one.data.get("source_type") == "Repository"}
    sets: dict[int, Ruleset] = {}
    unread: dict[int, Untold] = {}
    for number in sorted({rule.ruleset for rule in (*main, *books)}):
        found = _ruleset(api, root, number)
        if isinstance(found, Untold):
            unread[number] = found
        else:
            sets[number] = found
    classic, whole = _classic(api, root)
    if whole is not None:
        sets[CLASSIC] = whole
    return Rules(main, books, classic, sets, names), unread


def _of_branch(api: Api, root: str, branch: str) -> tuple[Rule, ...]:
    """Active rules only: https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch."""
    rows = [Fields("a rule", row) for row in api.pages(f"{root}/rules/branches/{quote(branch)}")]
    return tuple(Rule(row.text("type"), _mapping(row.data.get("parameters")), row.number("ruleset_id")) for row in rows)


def _ruleset(api: Api, root: str, number: int) -> Ruleset | Untold:
    try:
        found = Fields("a ruleset", api.get(f"{root}/rulesets/{number}"))
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
        return Untold(error.message)
    names = _mapping(_mapping(found.data.get("conditions")).get("ref_name"))
    covers = () if names.get("exclude") else tuple(str(name) for name in _rows(names.get("include")))
    bypass: tuple[Actor, ...] | Untold = _HIDDEN
    if isinstance(found.data.get("bypass_actors"), list):
        bypass = tuple(_actor(Fields("a bypass list", row)) for row in found.data["bypass_actors"])
    return Ruleset(
        number=number,
        name=shown(found.text("name")),
        own=found.data.get("source_type") == "Repository",
        covers=covers,
        rules=tuple(_mapping(rule) for rule in _rows(found.data.get("rules"))),
        bypass=bypass,
    )


def _actor(row: Fields) -> Actor:
    number = row.data.get("actor_id")
    mode = row.data.get("bypass_mode", "always")
    return Actor(shown(row.text("actor_type")), number if type(number) is int else None, shown(str(mode)))


# Classic protection: https://docs.github.com/en/rest/branches/branch-protection#get-branch-protection


def _classic(api: Api, root: str) -> tuple[tuple[Rule, ...] | Untold, Ruleset | None]:
    try:
        found = Fields("main's protection", api.get(f"{root}/branches/{BRANCH}/protection"))
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND and "not protected" in error.said:
            return (), None
        if error.status not in _REFUSED:
            raise
        return Untold(error.message), None
    rules = tuple(Rule(kind, parameters, CLASSIC) for kind, parameters in _classic_rules(found))
    return rules, Ruleset(CLASSIC, "branch protection", own=False, covers=(), rules=(), bypass=_classic_bypass(found))


def _classic_rules(found: Fields) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Classic protection says the same in other words."""
    for name, kind, wanted in (
        ("allow_force_pushes", "non_fast_forward", False),
        ("allow_deletions", "deletion", False),
        ("required_linear_history", "required_linear_history", True),
    ):
        if _mapping(found.data.get(name)).get("enabled") is wanted:
            yield kind, {}
    if "required_pull_request_reviews" in found.data:
        asked = _mapping(found.data["required_pull_request_reviews"])
        yield (
            "pull_request",
            {
                "required_approving_review_count": asked.get("required_approving_review_count", 0),
                "require_code_owner_review": asked.get("require_code_owner_reviews"),
                "dismiss_stale_reviews_on_push": asked.get("dismiss_stale_reviews"),
                "require_last_push_approval": asked.get("require_last_push_approval"),
            },
        )
    if "required_status_checks" in found.data:
        checks = [_mapping(row) for row in _rows(_mapping(found.data["required_status_checks"]).get("checks"))]
        named = [{"context": row.get("context"), "integration_id": row.get("app_id")} for row in checks]
        yield "required_status_checks", {"required_status_checks": named}


def _classic_bypass(found: Fields) -> tuple[Actor, ...]:
    """Administrators pass unless it says otherwise; whoever may pass the reviews may push as well."""
    bound = _mapping(found.data.get("enforce_admins")).get("enabled") is True
    actors = [] if bound else [Actor("RepositoryRole", _ADMINISTRATOR, "always")]
    allowed = _mapping(_mapping(found.data.get("required_pull_request_reviews")).get("bypass_pull_request_allowances"))
    for name, kind in (("users", "User"), ("teams", "Team"), ("apps", "Integration")):
        rows = [_mapping(row) for row in _rows(allowed.get(name))]
        actors += [Actor(kind, row["id"] if type(row.get("id")) is int else None, "always") for row in rows]
    return tuple(actors)


def _mapping(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _rows(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []
