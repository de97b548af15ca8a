"""A repository's settings at GitHub, read whole: what GitHub does not show is told as such, never left out.

A refusal (403, 404) is something that this reader may not see; whatever else fails is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from daypass.core.doctor.facts import (
    BRANCH,
    CLASSIC,
    ENVIRONMENT,
    Actions,
    Actor,
    App,
    BranchRule,
    BranchRules,
    Call,
    Environment,
    Facts,
    Jobs,
    Merging,
    OwnersFault,
    Questions,
    RepositorySettings,
    Ruleset,
    Team,
    Teams,
    Untold,
)
from daypass.edges.forges.github.answers import Fields, as_documented
from daypass.edges.forges.github.api import Api, ApiError
from daypass.edges.shown import shown

_T = TypeVar("_T")
_METHODS = {"squash": "allow_squash_merge", "merge": "allow_merge_commit", "rebase": "allow_rebase_merge"}
_WRITES = {"push", "maintain", "admin"}


def told(read: Callable[[], _T]) -> _T | Untold:
    """Read something that may be refused. Raises ApiError for any other failure."""
    try:
        return read()
    except ApiError as error:
        if error.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise
        return Untold(error.message)


class GitHubSettings:
    """The settings of one repository. ``clock`` says the time of this machine."""

    def __init__(self, api: Api, *, repository: str, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._root = f"/repos/{repository}"
        self._owner = repository.partition("/")[0]
        self._clock = clock

    @property
    def by_app(self) -> bool:
        """Whether it is the App that asks."""
        return self._api.kind == "app"

    def send(self, step: Call) -> None:
        """Change something, once. Raises ApiError.

        303 says that a branch rule is there already:
        https://docs.github.com/en/rest/deployments/branch-policies#create-a-deployment-branch-policy
        """
        try:
            self._api.send(step.verb, step.path, dict(step.body) if step.body is not None else None)
        except ApiError as error:
            if error.status != HTTPStatus.SEE_OTHER:
                raise

    @as_documented("the repository's settings")
    def read(self, questions: Questions) -> Facts:
        """Read everything. Raises EdgeError where the repository itself cannot be read, and for half answers."""
        repository = self._repository()
        skew = self._skew()
        rules, unread = read_rules(self._api, self._root, questions.ledger_branch)
        return Facts(
            repository=repository,
            rules=rules,
            actions=told(self._actions),
            jobs=told(self._jobs),
            workflows=told(self._workflows),
            environment=self._environment(),
            secrets=told(lambda: self._secrets(f"{self._root}/actions/secrets")),
            owners_faults=told(self._owners_faults),
            teams=told(lambda: self._teams(questions.teams)) if repository.organisation else Teams({}, {}),
            app=told(lambda: self._app(questions.app)),
            skew=skew,
            unread=unread,
        )

    def _skew(self) -> timedelta | None:
        """Compare this machine's clock with the one of the answer that has just come."""
        return self._clock() - self._api.clock if self._api.clock is not None else None

    # The repository: https://docs.github.com/en/rest/repos/repos#get-a-repository

    def _repository(self) -> RepositorySettings:
        found = Fields("the repository", self._api.get(self._root))
        named = all(name in found.data for name in (*_METHODS.values(), "squash_merge_commit_message"))
        merging: Merging | Untold = Untold("GitHub shows it only to those who may write")
        if named:
            methods = frozenset(method for method, name in _METHODS.items() if found.truth(name))
            merging = Merging(
                methods, found.text("squash_merge_commit_title"), found.text("squash_merge_commit_message")
            )
        return RepositorySettings(
            archived=found.truth("archived"),
            default_branch=found.text("default_branch"),
            visibility=found.text("visibility"),
            forking=found.truth("allow_forking"),
            organisation=found.text("owner.type") == "Organization",
            merging=merging,
        )

    # Actions: https://docs.github.com/en/rest/actions/permissions, https://docs.github.com/en/rest/actions/workflows

    def _actions(self) -> Actions:
        found = Fields("Actions", self._api.get(f"{self._root}/actions/permissions"))
        enabled = found.truth("enabled")
        allowed = found.text("allowed_actions") if "allowed_actions" in found.data else "all"
        return Actions(enabled, found.data.get("sha_pinning_required") is True, allowed)

    def _jobs(self) -> Jobs:
        found = Fields("workflows' permissions", self._api.get(f"{self._root}/actions/permissions/workflow"))
        return Jobs(found.text("default_workflow_permissions"), found.truth("can_approve_pull_request_reviews"))

    def _workflows(self) -> Mapping[str, str]:
        rows = self._api.pages(f"{self._root}/actions/workflows", key="workflows")
        every = [Fields("a workflow", row) for row in rows]
        return {one.text("path"): one.text("state") for one in every}

    # https://docs.github.com/en/rest/deployments/environments, https://docs.github.com/en/rest/actions/secrets

    def _environment(self) -> Environment | Untold | None:
        path = f"{self._root}/environments/{ENVIRONMENT}"
        try:
            data = self._api.get(path)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            if error.status == HTTPStatus.FORBIDDEN:
                return Untold(error.message)
            raise
        found = Fields(f"the environment {ENVIRONMENT}", data)
        branches = told(lambda: self._branches(found, path))
        return Environment(branches, told(lambda: self._secrets(f"{path}/secrets")))

    def _branches(self, environment: Fields, path: str) -> tuple[tuple[int, str, str], ...] | None:
        if environment.value("deployment_branch_policy") is None:
            return None
        if environment.truth("deployment_branch_policy.protected_branches"):
            return ((0, "set of all", "protected branches"),)
        rows = self._api.pages(f"{path}/deployment-branch-policies", key="branch_policies")
        every = [Fields("a deployment branch policy", row) for row in rows]
        return tuple((one.number("id"), str(one.data.get("type", "branch")), shown(one.text("name"))) for one in every)

    def _secrets(self, path: str) -> frozenset[str]:
        return frozenset(Fields("a secret", row).text("name") for row in self._api.pages(path, key="secrets"))

    # CODEOWNERS: https://docs.github.com/en/rest/repos/repos#list-codeowners-errors

    def _owners_faults(self) -> tuple[OwnersFault, ...]:
        data = Fields("CODEOWNERS", self._api.get(f"{self._root}/codeowners/errors", ref="main"))
        rows = data.value("errors")
        every = [Fields("a fault of CODEOWNERS", row) for row in (rows if isinstance(rows, list) else [None])]
        return tuple(
            OwnersFault(one.number("line"), shown(one.text("kind")), shown(_source(one)), one.number("column"))
            for one in every
        )

    # Teams: https://docs.github.com/en/rest/repos/repos#list-repository-teams, https://docs.github.com/en/rest/teams

    def _teams(self, slugs: tuple[str, ...]) -> Teams:
        rows = [Fields("a team", row) for row in self._api.pages(f"{self._root}/teams")]
        here = {(one := _team(row)).slug: one for row in rows}
        members = {slug: told(lambda slug=slug: self._members(slug)) for slug in slugs if slug in here}  # type: ignore[misc]  # mypy cannot type a default of a lambda
        if all(slug in here for slug in slugs):
            return Teams(here, members)
        return Teams(here, members, told(self._seen))

    def _members(self, slug: str) -> Mapping[int, str]:
        rows = self._api.pages(f"/orgs/{self._owner}/teams/{quote(slug)}/members")
        every = [Fields("a member of a team", row) for row in rows]
        return {one.number("id"): shown(one.text("login")) for one in every}

    def _seen(self) -> frozenset[str]:
        rows = self._api.pages(f"/orgs/{self._owner}/teams")
        return frozenset(Fields("a team", row).text("slug") for row in rows)

    # The App: https://docs.github.com/en/rest/apps/apps

    def _app(self, slug: str) -> App | None:
        if self.by_app:
            found = Fields("the App's installation", self._api.own_installation())
            everywhere = found.text("repository_selection") == "all"
            return App(found.number("app_id"), shown(found.text("app_slug")), _levels(found), everywhere)
        if not slug:
            return None
        found = Fields("the App", self._api.get(f"/apps/{quote(slug)}"))
        return App(found.number("id"), shown(found.text("slug")), _levels(found), None)


def _source(fault: Fields) -> str:
    return fault.text("source") if fault.data.get("source") is not None else ""


def _team(row: Fields) -> Team:
    privacy: Any = row.data.get("privacy")
    flags = row.data.get("permissions")
    writes = flags.get("push") is True if isinstance(flags, dict) else row.text("permission") in _WRITES
    return Team(row.text("slug"), None if privacy is None else privacy == "secret", writes)


def _levels(found: Fields) -> Mapping[str, str]:
    held = found.value("permissions")
    return {str(name): str(level) for name, level in held.items()} if isinstance(held, dict) else {}


_REFUSED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_HIDDEN = Untold("GitHub shows bypass lists only to those who may change them")
_ADMINISTRATOR = 5
"""The number of the role: https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset."""


def read_rules(api: Api, root: str, ledger: str) -> tuple[BranchRules | Untold, Mapping[int, Untold]]:
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
    return BranchRules(main, books, classic, sets, names), unread


def _of_branch(api: Api, root: str, branch: str) -> tuple[BranchRule, ...]:
    """Active rules only: https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch."""
    rows = [Fields("a rule", row) for row in api.pages(f"{root}/rules/branches/{quote(branch)}")]
    return tuple(
        BranchRule(row.text("type"), _mapping(row.data.get("parameters")), row.number("ruleset_id")) for row in rows
    )


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


def _classic(api: Api, root: str) -> tuple[tuple[BranchRule, ...] | Untold, Ruleset | None]:
    try:
        found = Fields("main's protection", api.get(f"{root}/branches/{BRANCH}/protection"))
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND and "not protected" in error.said:
            return (), None
        if error.status not in _REFUSED:
            raise
        return Untold(error.message), None
    rules = tuple(BranchRule(kind, parameters, CLASSIC) for kind, parameters in _classic_rules(found))
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
