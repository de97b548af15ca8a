"""The settings of a repository at GitHub, read whole and judged: what GitHub does not show is told as such, never left out.

A refusal (403, 404) is something that this reader may not see; whatever else fails is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from daypass.core.catalogue import Catalogue
from daypass.core.files.codeowners import CODEOWNERS_FILE, team_of
from daypass.core.finding import shown
from daypass.core.forge import Call, Complaint
from daypass.edges.forges.github.answers import MAIN, ApiError, Bot, Fields, as_documented
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.doctor.checks import judge
from daypass.edges.forges.github.doctor.facts import (
    CLASSIC,
    ENVIRONMENT,
    HIDDEN,
    Actor,
    App,
    BranchRule,
    BranchRules,
    Environment,
    Ruleset,
    Setup,
    Teams,
    UntoldError,
    listed,
)
from daypass.edges.forges.github.doctor.people import groups_wanted, own_teams

_T = TypeVar("_T")
_REFUSED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_GATE = ".github/workflows/gate.yml"
_KEY = b"DAYPASS_APP_KEY"
_ADMINISTRATOR = 5
"""The number of the role: https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset."""


def told(read: Callable[[], _T]) -> _T | UntoldError:
    """Read something that may be refused. Raises ApiError for any other failure."""
    try:
        return read()
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
        return UntoldError(error.message)


class GitHubSettings:
    """Implements ports.ForgeSettings. ``page`` is the repository's address for people, ``clock`` this machine's."""

    files = frozenset({CODEOWNERS_FILE, _GATE})

    def __init__(self, api: Api, *, page: str, bot: Bot | None, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._page = page
        self._bot = bot
        self._clock = clock
        self._root = f"/repos/{api.repository}"
        self._organisation = f"/orgs/{api.repository.partition('/')[0]}"

    def risks(self, catalogue: Catalogue) -> tuple[str, ...]:
        """Say that owners may overwrite secrets: they have to be able to write, or GitHub asks them for no review."""
        owning = listed({team_of(catalogue, group) for group in groups_wanted(catalogue)})
        if not owning:
            return ()
        words = f"who is in {owning} has to be able to write here, and so may overwrite Actions secrets"
        return (f"{words}: docs/trust.md#who-can-write-secrets says what that reaches. Asking takes only read",)

    @as_documented("the repository's settings")
    def examine(self, catalogue: Catalogue, files: Mapping[str, bytes]) -> tuple[Complaint, ...]:
        """Read everything and return what is unsafe. Raises EdgeError for what fails, and for half answers."""
        # Which way it is set up shows in what main's gate takes, whoever asks and whatever the settings leave out.
        by_app = bool(self._bot) or self._api.kind == "app" or _KEY in files.get(_GATE, b"")
        return judge(self._read(catalogue, files.get(CODEOWNERS_FILE), by_app=by_app))

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

    def _read(self, catalogue: Catalogue, codeowners: bytes | None, *, by_app: bool) -> Setup:
        # https://docs.github.com/en/rest/repos/repos#get-a-repository
        general = self._one("the repository", self._root)
        skew = self._clock() - self._api.clock if self._api.clock is not None else None  # of the answer just now
        permissions = f"{self._root}/actions/permissions"  # https://docs.github.com/en/rest/actions/permissions
        organisation = general.text("owner.type") == "Organization"
        teams, ledger = own_teams(catalogue, self._api.repository.partition("/")[0]), catalogue.settings.ledger_branch
        return Setup(
            self._api.repository,
            self._page,
            catalogue,
            codeowners,
            by_app,
            general=general,
            skew=skew,
            rules=told(lambda: self._rules(ledger)),
            actions=told(lambda: self._one("Actions", permissions)),
            jobs=told(lambda: self._one("workflows' permissions", f"{permissions}/workflow")),
            workflows=told(self._workflows),
            environment=told(self._environment),
            secrets=told(lambda: self._secrets(f"{self._root}/actions")),
            owners_faults=told(self._owners_faults),
            teams=told(lambda: self._teams(teams)) if organisation else Teams({}, {}),
            writers=told(self._writers),
            any_app=told(self._app),
        )

    def _one(self, what: str, path: str) -> Fields:
        return Fields(what, self._api.get(path))

    def _every(self, what: str, path: str, key: str = "") -> list[Fields]:
        return [Fields(what, row) for row in self._api.pages(path, key=key)]

    # https://docs.github.com/en/rest/actions/workflows, https://docs.github.com/en/rest/actions/secrets

    def _workflows(self) -> Mapping[str, str]:
        rows = self._every("a workflow", f"{self._root}/actions/workflows", "workflows")
        return {row.text("path"): row.text("state") for row in rows}

    def _secrets(self, path: str) -> frozenset[str]:
        return frozenset(row.text("name") for row in self._every("a secret", f"{path}/secrets", "secrets"))

    # https://docs.github.com/en/rest/deployments/environments

    def _environment(self) -> Environment | None:
        path = f"{self._root}/environments/{ENVIRONMENT}"
        answer = self._api.find(path)
        if answer is None:
            return None
        found = Fields(f"the environment {ENVIRONMENT}", answer)
        listed = found.data.get("protection_rules")
        rules = [Fields("a rule of the environment", one) for one in (listed if isinstance(listed, list) else [])]
        waits = [f"{rule.number('wait_timer')} minutes" for rule in rules if rule.text("type") == "wait_timer"]
        waits += ["somebody's approval" for rule in rules if rule.text("type") == "required_reviewers"]
        return Environment(told(lambda: self._branches(found, path)), told(lambda: self._secrets(path)), tuple(waits))

    def _branches(self, environment: Fields, path: str) -> tuple[tuple[int, str, str], ...] | None:
        if environment.value("deployment_branch_policy") is None:
            return None
        if environment.truth("deployment_branch_policy.protected_branches"):
            return ((0, "set of all", "protected branches"),)
        rows = self._every("a deployment branch policy", f"{path}/deployment-branch-policies", "branch_policies")
        return tuple((row.number("id"), str(row.data.get("type", "branch")), shown(row.text("name"))) for row in rows)

    # https://docs.github.com/en/rest/repos/repos#list-codeowners-errors

    def _owners_faults(self) -> tuple[Fields, ...]:
        answer = Fields("CODEOWNERS", self._api.get(f"{self._root}/codeowners/errors", ref=MAIN))
        rows = answer.value("errors")
        return tuple(Fields("a fault of CODEOWNERS", row) for row in (rows if isinstance(rows, list) else [None]))

    # https://docs.github.com/en/rest/repos/repos#list-repository-teams, https://docs.github.com/en/rest/teams

    def _teams(self, slugs: Iterable[str]) -> Teams:
        here = {row.text("slug"): row for row in self._every("a team", f"{self._root}/teams")}
        members = {slug: told(lambda slug=slug: self._members(slug)) for slug in slugs if slug in here}  # type: ignore[misc]  # mypy cannot type a default of a lambda
        return Teams(here, members, frozenset() if here.keys() >= set(slugs) else told(self._every_team))

    def _members(self, slug: str) -> Mapping[int, str]:
        rows = self._every("a member of a team", f"{self._organisation}/teams/{quote(slug)}/members")
        return {row.number("id"): shown(row.text("login")) for row in rows}

    def _every_team(self) -> frozenset[str]:
        return frozenset(row.text("slug") for row in self._every("a team", f"{self._organisation}/teams"))

    # https://docs.github.com/en/rest/collaborators/collaborators#list-repository-collaborators

    def _writers(self) -> tuple[Fields, ...]:
        rows = self._api.pages(f"{self._root}/collaborators", permission="push")
        return tuple(Fields("who may write", row) for row in rows)

    # https://docs.github.com/en/rest/apps/apps

    def _app(self) -> App | None:
        if self._api.kind == "app":
            found = Fields("the App's installation", self._api.own_installation())
            everywhere = found.text("repository_selection") == "all"
            return App(found.number("app_id"), shown(found.text("app_slug")), _levels(found), everywhere)
        if self._bot is None:
            return None
        found = self._one("the App", f"/apps/{quote(self._bot.login.removesuffix('[bot]'))}")
        return App(found.number("id"), shown(found.text("slug")), _levels(found), None)

    # https://docs.github.com/en/rest/repos/rules

    def _rules(self, ledger: str) -> BranchRules:
        """Return the rules of main and of the ledger's branches, with every ruleset that one of them is of."""
        main, of_ledger, lanes = (self._of_branch(branch) for branch in (MAIN, ledger, f"{ledger}-lane/any"))
        rows = self._every("a ruleset", f"{self._root}/rulesets")
        names = {row.text("name"): row.number("id") for row in rows if row.data.get("source_type") == "Repository"}
        sets = {
            number: self._ruleset(number) for number in sorted({rule.ruleset for rule in (*main, *of_ledger, *lanes)})
        }
        # https://docs.github.com/en/rest/branches/branch-protection#get-branch-protection
        path = f"{self._root}/branches/{MAIN}/protection"
        answer = told(lambda: self._api.find(path, words="not protected"))
        if answer is None or isinstance(answer, UntoldError):
            return BranchRules(main, of_ledger, lanes, answer or (), sets, names)
        protection = _mapping(answer)
        classic = tuple(BranchRule(kind, asked, CLASSIC) for kind, asked in _classic_rules(protection))
        sets[CLASSIC] = Ruleset(CLASSIC, "branch protection", False, (), (), _classic_bypass(protection))
        return BranchRules(main, of_ledger, lanes, classic, sets, names)

    def _of_branch(self, branch: str) -> tuple[BranchRule, ...]:
        """Active rules only, of a branch that need not be there.

        https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch
        """
        rows = self._every("a rule", f"{self._root}/rules/branches/{quote(branch, safe='')}")
        return tuple(
            BranchRule(row.text("type"), _mapping(row.data.get("parameters")), row.number("ruleset_id")) for row in rows
        )

    def _ruleset(self, number: int) -> Ruleset:
        """Return a ruleset; of one that is not shown, nobody knows whom it does not bind."""
        found = told(lambda: self._one("a ruleset", f"{self._root}/rulesets/{number}"))
        if isinstance(found, UntoldError):
            return Ruleset(number, f"ruleset {number}", False, (), (), found)
        names = _mapping(_mapping(found.data.get("conditions")).get("ref_name"))
        bypass = found.data.get("bypass_actors")
        return Ruleset(
            number=number,
            name=shown(found.text("name")),
            own=found.data.get("source_type") == "Repository",
            covers=() if names.get("exclude") else tuple(str(name) for name in _rows(names.get("include"))),
            rules=tuple(_mapping(rule) for rule in _rows(found.data.get("rules"))),
            bypass=tuple(_actor(Fields("a bypass list", row)) for row in bypass)
            if isinstance(bypass, list)
            else UntoldError(HIDDEN),
        )


def _levels(found: Fields) -> Mapping[str, str]:
    return {str(name): str(level) for name, level in _mapping(found.value("permissions")).items()}


def _actor(row: Fields) -> Actor:
    number = row.data.get("actor_id")
    mode = row.data.get("bypass_mode", "always")
    return Actor(shown(row.text("actor_type")), number if type(number) is int else None, shown(str(mode)))


def _classic_rules(found: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Classic protection says the same in other words."""
    for name, kind, wanted in (
        ("allow_force_pushes", "non_fast_forward", False),
        ("allow_deletions", "deletion", False),
        ("required_linear_history", "required_linear_history", True),
    ):
        if _mapping(found.get(name)).get("enabled") is wanted:
            yield kind, {}
    if "required_pull_request_reviews" in found:
        asked = _mapping(found["required_pull_request_reviews"])
        yield (
            "pull_request",
            {
                "required_approving_review_count": asked.get("required_approving_review_count", 0),
                "require_code_owner_review": asked.get("require_code_owner_reviews"),
                "dismiss_stale_reviews_on_push": asked.get("dismiss_stale_reviews"),
                "require_last_push_approval": asked.get("require_last_push_approval"),
            },
        )
    if "required_status_checks" in found:
        checks = [_mapping(row) for row in _rows(_mapping(found["required_status_checks"]).get("checks"))]
        named = [{"context": row.get("context"), "integration_id": row.get("app_id")} for row in checks]
        yield "required_status_checks", {"required_status_checks": named}


def _classic_bypass(found: Mapping[str, Any]) -> tuple[Actor, ...]:
    """Administrators pass unless it says otherwise; whoever may pass the reviews may push as well."""
    bound = _mapping(found.get("enforce_admins")).get("enabled") is True
    actors = [] if bound else [Actor("RepositoryRole", _ADMINISTRATOR, "always")]
    allowed = _mapping(_mapping(found.get("required_pull_request_reviews")).get("bypass_pull_request_allowances"))
    for name, kind in (("users", "User"), ("teams", "Team"), ("apps", "Integration")):
        rows = [_mapping(row) for row in _rows(allowed.get(name))]
        actors += [Actor(kind, row["id"] if type(row.get("id")) is int else None, "always") for row in rows]
    return tuple(actors)


def _mapping(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _rows(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []
