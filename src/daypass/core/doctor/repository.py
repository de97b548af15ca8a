"""Judging the repository itself: how it merges, who sees it, what its workflows may do, where its secrets lie."""

from __future__ import annotations

from collections.abc import Iterator

from daypass.core.doctor.branches import asks_code_owners
from daypass.core.doctor.facts import (
    BRANCH,
    ENVIRONMENT,
    Call,
    Complaint,
    Environment,
    Remedy,
    Setup,
    Untold,
    listed,
    untold,
)

WORKFLOWS = ("apply", "check", "drift", "expire", "gate", "request", "wake")
"""The pipeline's workflows, by the names of their files; `ci` may be anybody's own."""

_BRANCH_RULE = ("branch", BRANCH)


def judge_repository(case: Setup) -> Iterator[Complaint]:
    """Say what is unsafe in the repository's general settings."""
    found = case.facts.repository
    general = case.settings("")
    if found.archived:
        message = "the repository is archived: nothing is merged or recorded there, so no access is given or ends"
        yield Complaint("archived", message, general)
    if found.default_branch != BRANCH:
        yield Complaint(
            "default-branch",
            f"the default branch is {found.default_branch!r}: schedules and issues run its workflows, not main's",
            general,
            Remedy("make main the default branch", (Call("PATCH", case.root, {"default_branch": BRANCH}),)),
        )
    yield from _judge_merging(case)
    if found.visibility == "public":
        yield Complaint("public", "the repository is public: everybody reads who has access to what", general)
    elif found.forking:
        yield Complaint(
            "forking",
            "the repository may be forked: its content then lives where its rules do not",
            general,
            Remedy("switch forking off", (Call("PATCH", case.root, {"allow_forking": False}),)),
        )


def _judge_merging(case: Setup) -> Iterator[Complaint]:
    found, general = case.facts.repository.merging, case.settings("")
    if isinstance(found, Untold):
        yield untold("merge-methods", "how pull requests are merged", found, general)
        return
    if found.methods != {"squash"}:
        body = {"allow_squash_merge": True, "allow_merge_commit": False, "allow_rebase_merge": False}
        yield Complaint(
            "merge-methods",
            f"pull requests are merged by {listed(found.methods)}, and only a squash is one commit that can be proved",
            general,
            Remedy("allow squash merging only", (Call("PATCH", case.root, body),)),
        )
    if (found.squash_title, found.squash_message) != ("PR_TITLE", "BLANK"):
        body_ = {"squash_merge_commit_title": "PR_TITLE", "squash_merge_commit_message": "BLANK"}
        yield Complaint(
            "squash-message",
            "a merge by hand takes its message from the branch: [skip ci] in it keeps apply from starting",
            general,
            Remedy("make the message of a squash the pull request's title alone", (Call("PATCH", case.root, body_),)),
        )


def judge_actions(case: Setup) -> Iterator[Complaint]:
    """Say what is unsafe in what workflows may do, and which of ours do not run."""
    link, path = case.settings("actions"), f"{case.root}/actions/permissions"
    found = case.facts.actions
    if isinstance(found, Untold):
        yield untold("actions", "whether workflows run, and which actions they may use", found, link)
    elif not found.enabled:
        step = Call("PUT", path, {"enabled": True, "allowed_actions": found.allowed, "sha_pinning_required": True})
        yield Complaint("actions-off", "no workflow runs here", link, Remedy("switch Actions on", (step,)))
    elif not found.pinned:
        step = Call("PUT", path, {"enabled": True, "allowed_actions": found.allowed, "sha_pinning_required": True})
        message = "workflows may use actions by a tag, which its owner can move"
        remedy = Remedy("ask for actions to be pinned to a full commit", (step,))
        yield Complaint("actions-unpinned", message, link, remedy)
    yield from _judge_jobs(case, link, f"{path}/workflow")
    yield from _judge_workflows(case)


def _judge_jobs(case: Setup, link: str, path: str) -> Iterator[Complaint]:
    found = case.facts.jobs
    if isinstance(found, Untold):
        yield untold("job-permissions", "what a workflow's own token may do by default", found, link)
        return
    # Without an App the removal's pull request is opened by the workflow's token, which needs this switch; code owners
    # have to review it all the same.
    harmless = not case.by_app and asks_code_owners(case)
    approves = found.approves and not harmless
    body = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": found.approves and harmless}
    remedy = Remedy("give workflows' own token no more than to read, and no say in reviews", (Call("PUT", path, body),))
    if found.default != "read":
        message = "a workflow that asks for nothing may write: every branch can change what it likes"
        yield Complaint("job-permissions", message, link, remedy)
    if approves:
        message = "workflows may approve pull requests, so that a branch can have its own approved"
        yield Complaint("actions-approve", message, link, remedy)


def _judge_workflows(case: Setup) -> Iterator[Complaint]:
    link, found = f"{case.page}/actions", case.facts.workflows
    if isinstance(found, Untold):
        yield untold("workflow-off", "whether the workflows run", found, link)
        return
    for name in WORKFLOWS:
        path = f".github/workflows/{name}.yml"
        state = found.get(path)
        if state is None:
            message, advice = f"main has no workflow {path}", f"daypass init . --merge --github {case.repository}"
            yield Complaint("workflow-missing", message, advice)
        elif state != "active":
            why = (
                "GitHub has switched it off for inactivity"
                if state == "disabled_inactivity"
                else f"its state is {state}"
            )
            step = Call("PUT", f"{case.root}/actions/workflows/{name}.yml/enable")
            advice = f"gh workflow enable {name}.yml --repo {case.repository}"
            remedy = Remedy(f"enable the workflow {name}", (step,))
            yield Complaint("workflow-off", f"the workflow {name} does not run: {why}", advice, remedy)


# The environment and its secrets


def judge_environment(case: Setup) -> Iterator[Complaint]:
    """Say whether any branch can read the secrets."""
    link, found = case.settings("environments"), case.facts.environment
    if isinstance(found, Untold):
        yield untold("environment-open", f"who may use the environment {ENVIRONMENT}", found, link)
    elif found is None:
        message = f"there is no environment {ENVIRONMENT}: its name alone protects no secret"
        yield Complaint("environment-missing", message, link, _environment_remedy(case, found))
    else:
        yield from _judge_branches_of(case, found, link)
    yield from _judge_secrets(case, link)


def _judge_branches_of(case: Setup, found: Environment, link: str) -> Iterator[Complaint]:
    if isinstance(found.branches, Untold):
        yield untold("environment-open", f"which branches may use the environment {ENVIRONMENT}", found.branches, link)
        return
    rules = None if found.branches is None else {(kind, name) for _, kind, name in found.branches}
    if rules == {_BRANCH_RULE}:
        return
    if rules is None:
        message = f"every branch's workflow can read the secrets of the environment {ENVIRONMENT}"
    elif not rules:
        message = f"no branch may use the environment {ENVIRONMENT}, so that nothing runs"
    else:
        others = listed(f"the {kind} {name}" for kind, name in rules - {_BRANCH_RULE})
        message = f"the environment {ENVIRONMENT} is open to {others}"
    yield Complaint("environment-open", message, link, _environment_remedy(case, found))


def _environment_remedy(case: Setup, found: Environment | None) -> Remedy:
    path = f"{case.root}/environments/{ENVIRONMENT}"
    rules = found.branches if found is not None and isinstance(found.branches, tuple) else ()
    policies = f"{path}/deployment-branch-policies"
    body = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
    steps = [Call("PUT", path, body)]
    if not any((kind, name) == _BRANCH_RULE for _, kind, name in rules):
        steps.append(Call("POST", policies, {"name": BRANCH, "type": "branch"}))
    steps += [
        Call("DELETE", f"{policies}/{number}") for number, *rule in rules if number and tuple(rule) != _BRANCH_RULE
    ]
    return Remedy(f"let main alone use the environment {ENVIRONMENT}", tuple(steps))


def _judge_secrets(case: Setup, link: str) -> Iterator[Complaint]:
    settings = case.catalogue.settings
    needed = set() if settings.ledger_signer else {"DAYPASS_LEDGER_KEY"}
    needed |= {"DAYPASS_APP_KEY"} if case.by_app else set()
    guarded = needed | {
        str(value)
        for target in settings.targets.values()
        for key, value in target.options.items()
        if key.endswith("_env")
    }
    secrets = case.facts.secrets
    page = case.settings("secrets/actions")
    if isinstance(secrets, Untold):
        yield untold("secret-exposed", "whether secrets lie where every branch's workflow can read them", secrets, page)
    elif exposed := secrets & guarded:
        message = f"{listed(exposed)} lies in the repository's own secrets, which every branch's workflow can read"
        advice = f"move it into the environment {ENVIRONMENT}, make it anew, then delete it at {page}"
        yield Complaint("secret-exposed", message, advice)
    environment = case.facts.environment
    if not isinstance(environment, Environment):
        return
    if isinstance(environment.secrets, Untold):
        yield untold("secret-missing", f"which secrets the environment {ENVIRONMENT} has", environment.secrets, link)
    elif missing := needed - environment.secrets:
        message = f"the environment {ENVIRONMENT} has no secret {listed(missing)}"
        advice = f"gh secret set {min(missing)} --repo {case.repository} --env {ENVIRONMENT}"
        yield Complaint("secret-missing", message, advice)
