"""All that `daypass doctor` looks for at GitHub, as one table: facts in, complaints out, nothing else.

Upholds: what could not be read is a complaint of its own; each complaint says what mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

from msgspec import Struct

from daypass.core.files.codeowners import CODEOWNERS_FILE
from daypass.core.forge import Call, Complaint, Remedy
from daypass.core.record import replace
from daypass.edges.forges.github.answers import CHECK, MAIN
from daypass.edges.forges.github.doctor import branches, people, repository
from daypass.edges.forges.github.doctor.facts import (
    ENVIRONMENT,
    SELF_TEST,
    BranchRule,
    BranchRules,
    Setup,
    UntoldError,
    known,
    listed,
)


class Check(Struct, frozen=True):
    """One thing that may be unsafe.

    ``judge`` gets what the check's topic reads, one at a time, and returns True, or what fills ``{found}`` in the
    message, where it is unsafe; it raises UntoldError where nobody can tell. ``place`` is where or how a person mends
    it, and ``look`` where one looks if it cannot be told, as the topic's own unless they say otherwise; ``fix`` returns
    what `--fix` does, None where only a person can. Texts may name ``{case…}`` and ``{item…}``.
    """

    code: str
    message: str
    judge: Callable[[Setup, Any], bool | str]
    place: str = ""
    look: str = ""
    fix: Callable[[Setup, Any], Remedy | None] | None = None


class Topic(Struct, frozen=True):
    """What several checks read: ``code`` and ``what`` complain, once for all of them, where GitHub does not show it."""

    reads: Callable[[Setup], Iterable[Any]]
    code: str
    what: str
    place: str
    checks: tuple[Check, ...]


def change(words: str, verb: str, path: str, **body: object) -> Callable[[Setup, Any], Remedy]:
    """Return the remedy that is one request; its texts may name what those of a `Check` may."""

    def remedy(case: Setup, item: Any) -> Remedy:
        call = Call(verb, path.format(case=case, item=item), body or None)
        return Remedy(words.format(case=case, item=item), (call,))

    return remedy


RULES = "{case.page}/settings/rules"
GENERAL = "{case.page}/settings"
ACTIONS = "{case.page}/settings/actions"
ENVIRONMENTS = "{case.page}/settings/environments"
SECRETS = "{case.page}/settings/secrets/actions"
TEAMS = "{case.server}/orgs/{case.owner}/teams"
APP = "{case.server}/organizations/{case.owner}/settings"
COMMIT_OWNERS = "daypass codeowners, then commit it on main by a pull request"

# fmt: off
OF_MAIN = (
    Check("main-pull-request", "main takes changes without a pull request", lambda _, rules: not rules.pulls),
    Check("main-approvals", "main takes pull requests without any approval", branches.takes_unapproved),
    Check("main-code-owners", "main does not ask its code owners to review",
          branches.lacks_review("require_code_owner_review")),
    Check("main-stale-approvals", "an approval outlives a push that comes after it",
          branches.lacks_review("dismiss_stale_reviews_on_push")),
    Check("main-last-push", "who pushes last may be the one whose approval counts",
          branches.lacks_review("require_last_push_approval")),
    Check("main-check", f"main does not ask for the check {CHECK}", branches.lacks_check),
    Check("main-check-source", f"main takes the check {CHECK} from others than {{found}}", branches.takes_foreign_check),
    Check("main-force-push", "main can be force-pushed", branches.lacks_rule("non_fast_forward")),
    Check("main-deletion", "main can be deleted", branches.lacks_rule("deletion")),
    Check("main-linear", "main takes merge commits, which can hold what no pull request shows",
          branches.takes_merge_commits),
)
"""What main has to ask for. One ruleset of ours mends it all, and whoever need not keep the rules is asked for nothing."""
# fmt: on


def _lacks(case: Setup, rules: BranchRules) -> dict[str, str]:
    """Return what rules of main do not ask for: code to message."""
    found = [(check, check.judge(case, rules)) for check in OF_MAIN]
    return {check.code: check.message.format(found=said) for check, said in found if said}


def _main(case: Setup) -> tuple[BranchRules]:
    """Return the rules; nobody can tell where main lacks something that classic protection might ask for."""
    rules = known(case.rules)
    lacks = _lacks(case, rules)
    if lacks:
        known(rules.classic, f"whether classic branch protection makes up for this: {'; '.join(lacks.values())}")
    return (rules,)


def _main_bypassed(case: Setup, rules: BranchRules) -> str:
    """Return who need not keep the rules of main, where that matters."""

    def lost(kept: tuple[BranchRule, ...]) -> set[str]:
        return _lacks(case, replace(rules, main=kept, classic=())).keys() - _lacks(case, rules).keys()

    return branches.not_bound(case, rules.rulesets, rules.of_main, "pull_request", lost, MAIN)


# fmt: off
TOPICS = (
    Topic(_main, "main-protection", "how main and the ledger are protected", RULES,
          tuple(replace(check, fix=branches.mend_main) for check in OF_MAIN)),
    Topic(branches.known_rules, "", "", RULES, (
        Check("main-bypass", f"the rules of {MAIN} do not bind {{found}}",
              _main_bypassed, f"{RULES}; where setup was broken off, `daypass setup` ends this in its last step",
              fix=branches.mend_main),
        Check("main-queue",
              f"main has a merge queue: what is in it waits for the check {CHECK} of a commit that daypass never judges",
              branches.queued),
        Check("ledger-open", "{found}, where the ledger is",
              branches.ledger_open, fix=branches.mend_ledger),
        Check("ledger-bypass", "the rules of the ledger's branches do not bind {found}",
              branches.ledger_bypassed, fix=branches.mend_ledger),
        Check("ledger-locked", "daypass cannot write to the ledger's branches: {found} does not let it",
              branches.ledger_locked, fix=branches.mend_ledger),
    )),
    Topic(lambda case: (case.catalogue.settings,), "", "", "daypass ledger rekey --finish, and merge it", (
        Check("key-rotation",
              "{found} may sign the ledger beside {item.ledger_keys[0]}: a change of its key was begun and not finished",
              lambda _, settings: listed(settings.ledger_keys[1:])),
    )),
    Topic(lambda case: (case.catalogue,), "", "", "daypass setup, which goes on with its self-test and takes both out", (
        Check("setup-unfinished",
              f"setup was broken off: main has the resource {SELF_TEST}, and a rule that lets requests for it pass",
              lambda _, catalogue: SELF_TEST in catalogue.resources),
    )),
    Topic(repository.unpinned, "", "", "docs/trust.md#who-can-write-secrets", (
        Check("unpinned", "{item[0]}: main does not say {item[1]}, so that whoever may write secrets decides it",
              lambda *_: True, "write {item[2]} into policies/daypass.yaml"),
    )),
    Topic(lambda case: (case.general,), "", "", GENERAL, (
        Check("archived", "the repository is archived: nothing is merged or recorded there, so no access is given or ends",
              lambda _, found: found.truth("archived")),
        Check("default-branch",
              "the default branch is {item.data[default_branch]!r}: schedules and issues run its workflows, not main's",
              lambda _, found: found.text("default_branch") != MAIN,
              fix=change("make main the default branch", "PATCH", "{case.root}", default_branch=MAIN)),
    )),
    Topic(repository.merging, "merge-methods", "how pull requests are merged", GENERAL, (
        Check("merge-methods",
              "pull requests are merged by {found}, and only a squash is one commit that can be proved",
              repository.other_methods, fix=change(
                  "allow squash merging only", "PATCH", "{case.root}",
                  allow_squash_merge=True, allow_merge_commit=False, allow_rebase_merge=False)),
        Check("squash-message",
              "a merge by hand takes its message from the branch: [skip ci] in it keeps apply from starting",
              repository.takes_message, fix=change(
                  "make the message of a squash the pull request's title alone", "PATCH", "{case.root}",
                  squash_merge_commit_title="PR_TITLE", squash_merge_commit_message="BLANK")),
    )),
    Topic(lambda case: (case.general,), "", "", GENERAL, (
        Check("public", "the repository is public: everybody reads who has access to what",
              lambda _, found: found.text("visibility") == "public"),
        Check("forking", "the repository may be forked: its content then lives where its rules do not",
              lambda _, found: found.text("visibility") != "public" and found.truth("allow_forking"),
              fix=change("switch forking off", "PATCH", "{case.root}", allow_forking=False)),
    )),
    Topic(lambda case: (known(case.actions),), "actions", "whether workflows run, and which actions they may use",
          ACTIONS, (
        Check("actions-off", "no workflow runs here",
              lambda _, found: not found.truth("enabled"), fix=repository.mend_actions("switch Actions on")),
        Check("actions-unpinned", "workflows may use actions by a tag, which its owner can move",
              lambda _, found: found.truth("enabled") and found.data.get("sha_pinning_required") is not True,
              fix=repository.mend_actions("ask for actions to be pinned to a full commit")),
    )),
    Topic(lambda case: (known(case.jobs),), "job-permissions", "what a workflow's own token may do by default",
          ACTIONS, (
        Check("job-permissions", "a workflow that asks for nothing may write: every branch can change what it likes",
              lambda _, found: found.text("default_workflow_permissions") != "read", fix=repository.mend_jobs),
        Check("actions-approve", "workflows may approve pull requests, so that a branch can have its own approved",
              repository.approves, fix=repository.mend_jobs),
    )),
    Topic(repository.workflows, "workflow-off", "whether the workflows run", "{case.page}/actions", (
        Check("workflow-missing", "main has no workflow .github/workflows/{item[0]}.yml",
              lambda _, found: found[1] is None, "daypass init . --merge --github {case.repository}"),
        Check("workflow-off", "the workflow {item[0]} does not run: {found}",
              repository.workflow_off, "gh workflow enable {item[0]}.yml --repo {case.repository}",
              fix=change("enable the workflow {item[0]}", "PUT", "{case.root}/actions/workflows/{item[0]}.yml/enable")),
    )),
    Topic(lambda case: (known(case.environment),), "environment-open", f"who may use the environment {ENVIRONMENT}",
          ENVIRONMENTS, (
        Check("environment-missing", f"there is no environment {ENVIRONMENT}: its name alone protects no secret",
              lambda _, found: found is None, fix=repository.mend_environment),
        Check("environment-open", "{found}", repository.environment_open, fix=repository.mend_environment),
        Check("environment-waits",
              f"each run that gives or takes access waits for {{found}}: the environment {ENVIRONMENT} asks for it",
              repository.environment_waits, fix=repository.mend_environment),
    )),
    Topic(repository.exposed_secrets, "secret-exposed",
          "whether secrets lie where every branch's workflow can read them", SECRETS, (
        Check("secret-exposed", "{found} lies in the repository's own secrets, which every branch's workflow can read",
              lambda _, names: listed(names),
              f"move it into the environment {ENVIRONMENT}, make it anew, then delete it at {SECRETS}"),
    )),
    Topic(repository.missing_secrets, "secret-missing", f"which secrets the environment {ENVIRONMENT} has",
          ENVIRONMENTS, (
        Check("secret-missing", f"the environment {ENVIRONMENT} has no secret {{found}}", lambda _, names: listed(names),
              f"gh secret set {{item[0]}} --repo {{case.repository}} --env {ENVIRONMENT}"),
    )),
    Topic(lambda case: (case.codeowners,), "", "", COMMIT_OWNERS, (
        Check("codeowners-missing", f"main has no {CODEOWNERS_FILE}: nobody's review is asked for",
              lambda _, raw: raw is None),
        Check("workflows-unowned", "{found}", people.unowned),
        Check("codeowners-stale", f"main's {CODEOWNERS_FILE} is not what main's catalogue makes", people.stale),
    )),
    Topic(people.owners_faults, "codeowners-errors", f"whether GitHub reads all of {CODEOWNERS_FILE}", COMMIT_OWNERS, (
        Check("codeowners-errors", "GitHub skips a part of line {found}",
              people.fault_text, f"{{case.page}}/blob/main/{CODEOWNERS_FILE}"),
    )),
    Topic(lambda case: () if case.organisation else (case.owner,), "", "", TEAMS, (
        Check("no-organisation",
              f"{{item}} is a person's account, and has no teams: {CODEOWNERS_FILE} names nobody", lambda *_: True,
              "move the repository to an organisation: https://github.com/organizations/new"),
    )),
    Topic(people.teams, "teams", "whether the teams that own files may write here", TEAMS, (
        Check("team-missing", "the team {item.name} of the group {item.group} is of another organisation than the repository",
              lambda _, team: team.foreign, "correct forge.teams in policies/daypass.yaml"),
        Check("team-missing", "no team {item.name} for the group {item.group} can be seen: files that it owns are nobody's",
              people.missing, "{case.server}/orgs/{case.owner}/new-team, or correct forge.teams"),
        Check("team-secret", "the team {item.name} is secret, and GitHub asks no secret team to review",
              people.secret, "{item.page}/edit", "{item.page}",
              change("make the team {item.name} visible", "PATCH", "/orgs/{case.owner}/teams/{item.slug}", privacy="closed")),
        Check("team-cannot-write", "the team {item.name} may not write here, so that GitHub does not ask it to review",
              people.cannot_write, "{item.page}/repositories",
              fix=change("let the team {item.name} write here", "PUT",
                         "/orgs/{case.owner}/teams/{item.slug}{case.root}", permission="push")),
        Check("team-differs", "the team {item.name} and the group {item.group} differ: {found}",
              people.differs, "{item.page}/members, or correct policies/directory", "{item.page}/members"),
        Check("team-small", "the team {item.name} has fewer than two people, so that none of them can get access by it",
              people.small, "{item.page}/members, and policies/directory"),
    )),
    Topic(lambda case: (known(case.writers),), "writers", "who may write here", "{case.page}/settings/access", (
        Check("writers", "{found} may write here and so overwrite its secrets: asking takes only read", people.other_writers),
    )),
    Topic(lambda case: (case.catalogue.directory,), "", "", "", (
        Check("person-without-id", "{found} no numeric id in the directory, and can neither ask nor approve",
              people.without_id, "write forge: {{login: …, id: …}} into policies/directory; "
              "https://api.github.com/users/LOGIN has the id"),
    )),
    Topic(lambda case: (known(case.any_app),) if case.by_app else (), "app", "what our App may do", "docs/github.md", (
        Check("app", "", people.unnamed, look="forge: {{bot: {{login: …, id: …}}}} in policies/daypass.yaml"),
    )),
    Topic(lambda case: (case.app,) if case.app else (), "", "", APP, (
        Check("app-narrow", "the App {item.slug} lacks {found}",
              people.lacks_permissions, f"{APP}/apps/{{item.slug}}/permissions"),
        Check("app-wide", "the App {item.slug} may do more than it needs: {found}",
              people.needless_permissions, f"{APP}/apps/{{item.slug}}/permissions"),
        Check("app-everywhere", "the App {item.slug} is installed on all repositories, so that its key opens them all",
              lambda _, app: app.everywhere, f"{APP}/installations"),
    )),
    Topic(lambda case: (case.skew,), "clock-skew", "how far this machine's clock is off",
          "set this machine's clock by NTP: timedatectl set-ntp true", (
        Check("clock-skew", "this machine's clock is {found} GitHub's", people.clock_skew),
    )),
)
"""Every check, in the order in which complaints are said."""
# fmt: on


def judge(case: Setup) -> tuple[Complaint, ...]:
    """Return every complaint about a repository."""
    return tuple(complaint for topic in TOPICS for complaint in _of_topic(case, topic))


def _of_topic(case: Setup, topic: Topic) -> Iterator[Complaint]:
    try:
        read = topic.reads(case)
    except UntoldError as error:
        yield _untold(topic.code, error, topic.what, topic.place.format(case=case))
        return
    for item, check in product(read, topic.checks):
        told = {"case": case, "item": item}
        try:
            told["found"] = check.judge(case, item)
        except UntoldError as error:
            yield _untold(check.code, error, topic.what, (check.look or topic.place).format(**told))
            continue
        if told["found"]:
            place = (check.place or topic.place).format(**told)
            fix = check.fix(case, item) if check.fix else None
            yield Complaint(check.code, check.message.format(**told), place, fix)


def _untold(code: str, read: UntoldError, what: str, place: str) -> Complaint:
    advice = f"run it with the token of somebody who administers the repository (GH_TOKEN), or look there: {place}"
    return Complaint(code, f"cannot tell {read.what or what}: {read.why}", advice, told=False)
