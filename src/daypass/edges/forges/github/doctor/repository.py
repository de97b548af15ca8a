"""The repository itself: how it merges, what its workflows may do, and where its secrets lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daypass.core.forge import Call, Remedy
from daypass.edges.forges.github.answers import MAIN, Fields
from daypass.edges.forges.github.doctor.branches import asks_code_owners
from daypass.edges.forges.github.doctor.facts import ENVIRONMENT, Environment, Setup, UntoldError, known, listed
from daypass.edges.pins import PINNED_BY

WORKFLOWS = ("apply", "check", "drift", "expire", "gate", "request", "wake")
"""The pipeline's workflows, by the names of their files; `ci` may be anybody's own."""

_METHODS = {"squash": "allow_squash_merge", "merge": "allow_merge_commit", "rebase": "allow_rebase_merge"}
_MAIN_RULE = ("branch", MAIN)


# How it merges


def merging(case: Setup) -> tuple[Fields]:
    """Return the repository where it says how it merges."""
    if all(name in case.general.data for name in (*_METHODS.values(), "squash_merge_commit_message")):
        return (case.general,)
    raise UntoldError("GitHub shows it only to those who may write")


def other_methods(_: Setup, repository: Fields) -> str:
    """Return how pull requests may be merged, where that is not by a squash alone."""
    methods = {method for method, name in _METHODS.items() if repository.truth(name)}
    return "" if methods == {"squash"} else listed(methods) or "nothing"


def takes_message(_: Setup, repository: Fields) -> bool:
    """Say whether a squash takes its message from the branch."""
    title, message = (repository.text(f"squash_merge_commit_{part}") for part in ("title", "message"))
    return (title, message) != ("PR_TITLE", "BLANK")


# What its workflows may do


def mend_actions(words: str) -> Callable[[Setup, Fields], Remedy]:
    """Return the remedy that lets Actions run, pinned; which of them may run stays as it is."""

    def remedy(case: Setup, actions: Fields) -> Remedy:
        allowed = actions.text("allowed_actions") if "allowed_actions" in actions.data else "all"
        body = {"enabled": True, "allowed_actions": allowed, "sha_pinning_required": True}
        return Remedy(words, (Call("PUT", f"{case.root}/actions/permissions", body),))

    return remedy


def approves(case: Setup, jobs: Fields) -> bool:
    """Say whether workflows may approve pull requests where that does harm."""
    return jobs.truth("can_approve_pull_request_reviews") and not _approves_in_vain(case)


def _approves_in_vain(case: Setup) -> bool:
    # Without an App the removal's pull request is opened by the workflow's token, which needs this switch; code owners
    # have to review it all the same.
    return not case.by_app and asks_code_owners(case)


def mend_jobs(case: Setup, jobs: Fields) -> Remedy:
    """Return what takes rights from workflows' own token."""
    stays = jobs.truth("can_approve_pull_request_reviews") and _approves_in_vain(case)
    body = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": stays}
    words = "give workflows' own token no more than to read, and no say in reviews"
    return Remedy(words, (Call("PUT", f"{case.root}/actions/permissions/workflow", body),))


def workflows(case: Setup) -> Iterable[tuple[str, str | None]]:
    """Return the pipeline's workflows, as name and state, None for one that is not on main."""
    found = known(case.workflows)
    return [(name, found.get(f".github/workflows/{name}.yml")) for name in WORKFLOWS]


def workflow_off(_: Setup, workflow: tuple[str, str | None]) -> str:
    """Return why a workflow does not run."""
    _name, state = workflow
    if state == "disabled_inactivity":
        return "GitHub has switched it off for inactivity"
    return "" if state in {None, "active"} else f"its state is {state}"


# The environment and its secrets


def environment_open(_: Setup, found: Environment | None) -> str:
    """Return how others than main may use the environment, or that even main may not."""
    if found is None:
        return ""
    branches: tuple[tuple[int, str, str], ...] | None = known(
        found.branches, f"which branches may use the environment {ENVIRONMENT}"
    )
    if branches is None:
        return f"every branch's workflow can read the secrets of the environment {ENVIRONMENT}"
    rules = {(kind, name) for _, kind, name in branches}
    if not rules:
        return f"no branch may use the environment {ENVIRONMENT}, so that nothing runs"
    others = listed(f"the {kind} {name}" for kind, name in rules - {_MAIN_RULE})
    return others and f"the environment {ENVIRONMENT} is open to {others}"


def environment_waits(_: Setup, found: Environment | None) -> str:
    """Return what every run waits for."""
    return listed(found.waits) if found is not None else ""


def mend_environment(case: Setup, found: Environment | None) -> Remedy:
    """Return what lets main alone use the environment."""
    path = f"{case.root}/environments/{ENVIRONMENT}"
    rules = found.branches if found is not None and isinstance(found.branches, tuple) else ()
    policies = f"{path}/deployment-branch-policies"
    branches = {"protected_branches": False, "custom_branch_policies": True}
    body = {"wait_timer": 0, "reviewers": None, "deployment_branch_policy": branches}
    steps = [Call("PUT", path, body)]
    if not any((kind, name) == _MAIN_RULE for _, kind, name in rules):
        steps.append(Call("POST", policies, {"name": MAIN, "type": "branch"}))
    steps += [Call("DELETE", f"{policies}/{number}") for number, *rule in rules if number and tuple(rule) != _MAIN_RULE]
    return Remedy(f"let main alone use the environment {ENVIRONMENT}, at once", tuple(steps))


def exposed_secrets(case: Setup) -> tuple[list[str]]:
    """Return the secrets that are ours and lie in the repository's own."""
    return (sorted(known(case.secrets) & (_needed(case) | case.catalogue.settings.variables)),)


def missing_secrets(case: Setup) -> tuple[list[str], ...]:
    """Return the secrets that the environment lacks; nothing where there is none to look into."""
    found = case.environment
    return (sorted(_needed(case) - known(found.secrets)),) if isinstance(found, Environment) else ()


def _needed(case: Setup) -> set[str]:
    needed = set() if case.catalogue.settings.ledger_signer else {"DAYPASS_LEDGER_KEY"}
    return needed | {"DAYPASS_APP_KEY"} if case.by_app else needed


def unpinned(case: Setup) -> tuple[tuple[str, str, str], ...]:
    """Return what secrets and variables decide alone: whose, what, and what main would have to say."""
    settings = case.catalogue.settings
    found = [
        (f"target {target.name}", what, f"{pin}: … beside {option}")
        for target in settings.targets.values()
        for option, (what, pin) in PINNED_BY.items()
        if option in target.options and pin not in target.options
    ]
    if case.by_app and "app" not in settings.forge_options:
        number = case.app.number if case.app else "…"
        found.append(("the forge", "which App acts", f"app: {number} beside repository"))
    if settings.ledger_signer.startswith("hv:") and not settings.ledger_host:
        found.append(("the ledger", "where the signer's key service is", "host: … beside signer"))
    return tuple(found)
