"""What rulesets and branch protection allow, to whom.

https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets
https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-protected-branches/about-protected-branches
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from github_double import gitfiles, gitio, owners
from github_double.auth import role_in
from github_double.state import Bypass, Org, Pull, Repo, Review, Rule, Ruleset, Team, Token, User, rank

if TYPE_CHECKING:
    from github_double.double import Double

_ROLE_IDS = {2: "maintain", 4: "write", 5: "admin"}
GREEN = {"success", "neutral", "skipped"}


def covers(ruleset: Ruleset, repo: Repo, branch: str) -> bool:
    """Whether a ruleset is about a branch. A repository's own patterns name whole refs."""

    def fits(pattern: str) -> bool:
        if pattern in {"~ALL", "~DEFAULT_BRANCH"}:
            return pattern == "~ALL" or branch == repo.default_branch
        full = pattern if pattern.startswith("refs/") else f"refs/heads/{pattern}"
        return fnmatchcase(f"refs/heads/{branch}", full)

    named = any(fits(p) for p in ruleset.include) and not any(fits(p) for p in ruleset.exclude)
    return named and ruleset.target == "branch"


def active(repo: Repo, branch: str) -> Iterator[tuple[Ruleset, Rule]]:
    """The rules that stand for a branch: its repository's, its organisation's, and classic protection as rules."""
    sets = [*repo.rulesets, *(repo.owner.rulesets if isinstance(repo.owner, Org) else [])]
    if branch in repo.protections:
        sets.append(_classic(branch, repo.protections[branch]))
    for each in sets:
        if each.enforcement == "active" and covers(each, repo, branch):
            yield from ((each, rule) for rule in each.rules)


def _classic(branch: str, protection: dict[str, Any]) -> Ruleset:
    """Classic protection says the same things in other words; administrators are not bound unless it says so."""
    rules = []
    if not _enabled(protection.get("allow_force_pushes")):
        rules.append(Rule("non_fast_forward"))
    if not _enabled(protection.get("allow_deletions")):
        rules.append(Rule("deletion"))
    if _enabled(protection.get("required_linear_history")):
        rules.append(Rule("required_linear_history"))
    if asked := protection.get("required_pull_request_reviews"):
        rules.append(Rule("pull_request", {
            "required_approving_review_count": asked.get("required_approving_review_count", 1),
            "require_code_owner_review": asked.get("require_code_owner_reviews", False),
            "dismiss_stale_reviews_on_push": asked.get("dismiss_stale_reviews", False),
            "require_last_push_approval": asked.get("require_last_push_approval", False),
        }))  # fmt: skip
    if asked := protection.get("required_status_checks"):
        checks = asked.get("checks") or [{"context": name} for name in asked.get("contexts", [])]
        named = [{"context": c["context"], "integration_id": c.get("app_id")} for c in checks]
        rules.append(Rule("required_status_checks", {
            "strict_required_status_checks_policy": asked.get("strict", False), "required_status_checks": named,
        }))  # fmt: skip
    bypass = [] if _enabled(protection.get("enforce_admins")) else [Bypass("RepositoryRole", 5)]
    return Ruleset(0, "branch protection", rules, [branch], [], bypass)


def _enabled(value: Any) -> bool:
    return bool(value.get("enabled")) if isinstance(value, dict) else bool(value)


def bypasses(repo: Repo, token: Token, ruleset: Ruleset, *, merging: bool) -> bool:
    """Whether a ruleset does not bind who acts. Mode pull_request lifts it only where a pull request is merged."""
    person = token.app is None
    for each in ruleset.bypass:
        if each.mode == "pull_request" and not merging:
            continue
        match each.actor_type:
            case "Integration":
                held = token.app is not None and token.app.id == each.actor_id
            case "OrganizationAdmin":
                held = person and isinstance(repo.owner, Org) and repo.owner.members.get(token.user.id) == "admin"
            case "RepositoryRole":
                held = person and rank(role_in(token.user, repo)) >= rank(_ROLE_IDS.get(each.actor_id or 0, "admin"))
            case "Team":
                teams = repo.owner.teams.values() if isinstance(repo.owner, Org) else ()
                held = person and any(t.id == each.actor_id and t.has(token.user.id) for t in teams)
            case "User":
                held = token.user.id == each.actor_id
            case _:
                held = False
        if held:
            return True
    return False


def binding(repo: Repo, branch: str, token: Token, *, merging: bool) -> list[Rule]:
    """The rules that bind who acts."""
    return [rule for ruleset, rule in active(repo, branch) if not bypasses(repo, token, ruleset, merging=merging)]


def push_verdict(repo: Repo, branch: str, token: Token, *, old: bool, new: bool) -> tuple[str, str]:
    """What a push of a branch meets: ("", "") nothing, ("refuse", why), or ("forward", why) for all but fast-forwards."""
    verdict = ("", "")
    for rule in binding(repo, branch, token, merging=False):
        if rule.type == "deletion" and not new:
            return "refuse", "- Cannot delete this branch"
        if rule.type == "creation" and not old:
            return "refuse", "- Cannot create ref due to creations being restricted."
        if rule.type == "update" and old and new:
            return "refuse", "- Cannot update this protected ref."
        if rule.type == "pull_request" and new:
            return "refuse", "- Changes must be made through a pull request."
        if rule.type == "required_status_checks" and new and old:
            names = ", ".join(f'"{c["context"]}"' for c in rule.parameters.get("required_status_checks", []))
            return "refuse", f"- Required status check {names} is expected."
        if rule.type == "non_fast_forward" and old and new:
            verdict = ("forward", "- Cannot force-push to this branch")
    return verdict


def dismisses_stale(repo: Repo, branch: str) -> bool:
    """Whether a push takes approvals away."""
    return any(
        r.type == "pull_request" and r.parameters.get("dismiss_stale_reviews_on_push") for _, r in active(repo, branch)
    )


def standing(pull: Pull) -> dict[int, Review]:
    """Each person's last opinion: APPROVED or CHANGES_REQUESTED. A dismissed review is none, a comment changes none."""
    last: dict[int, Review] = {}
    for review in pull.reviews:
        if review.user is None or review.user.deleted or review.state not in {"APPROVED", "CHANGES_REQUESTED"}:
            continue
        last[review.user.id] = review
    return last


def merge_problems(hub: Double, pull: Pull, token: Token, method: str) -> list[str]:
    """Why the rules of its base do not let this be merged now by who acts; empty when they do."""
    found: list[str] = []
    for rule in binding(pull.repo, pull.base_ref, token, merging=True):
        if rule.type == "pull_request":
            found += _review_problems(hub, pull, rule.parameters, method)
        elif rule.type == "required_status_checks":
            found += _check_problems(pull, rule.parameters)
        elif rule.type == "update":
            found.append("Cannot update this protected ref.")
        elif rule.type == "merge_queue":
            found.append("Changes must be made through the merge queue")
        elif rule.type == "required_linear_history" and method == "merge":
            found.append("This branch must not contain merge commits.")
    return list(dict.fromkeys(found))


def _review_problems(hub: Double, pull: Pull, asked: dict[str, Any], method: str) -> list[str]:
    repo, found = pull.repo, []
    if method not in asked.get("allowed_merge_methods", ["merge", "squash", "rebase"]):
        found.append(f"The {method} merge method is not allowed by the rules of this branch.")
    opinions = [
        r for r in standing(pull).values()
        if r.user is not None and r.user is not pull.user and rank(role_in(r.user, repo)) >= rank("write")
    ]  # fmt: skip
    approvers = [r.user for r in opinions if r.state == "APPROVED" and r.user is not None]
    least = asked.get("required_approving_review_count", 0)
    if len(approvers) < least:
        some = "review is" if least == 1 else "reviews are"
        found.append(f"At least {least} approving {some} required by reviewers with write access.")
    if any(r.state == "CHANGES_REQUESTED" for r in opinions):
        found.append("Changes have been requested by a reviewer with write access.")
    fresh = [r for r in opinions if r.state == "APPROVED" and r.commit in pull.same]
    if asked.get("require_last_push_approval") and not any(r.user and r.user.id != pull.last_pusher for r in fresh):
        found.append("New changes require approval from someone other than the last pusher.")
    if asked.get("require_code_owner_review"):
        found += _owner_problems(hub, pull, approvers)
    for each in asked.get("required_reviewers", []):
        found += _team_problems(repo, pull, each, approvers)
    return found


def _owner_problems(hub: Double, pull: Pull, approvers: list[User]) -> list[str]:
    """Each last-matching line needs one of its owners; the lines are those of the base branch."""
    lines = owners.owners_of(hub, pull.repo, pull.base_ref, changed_paths(pull))
    for counted in lines.values():
        if not any(o.has(user.id) if isinstance(o, Team) else o is user for o in counted for user in approvers):
            return ["Waiting on code owner review."]
    return []


def _team_problems(repo: Repo, pull: Pull, asked: dict[str, Any], approvers: list[User]) -> list[str]:
    teams = repo.owner.teams.values() if isinstance(repo.owner, Org) else ()
    team = next((t for t in teams if t.id == asked.get("reviewer", {}).get("id")), None)
    lines = [owners.Line(0, p, p, ()) for p in asked.get("file_patterns", [])]
    touched = any(line.matches(path) for line in lines for path in changed_paths(pull))
    held = sum(team is not None and team.has(user.id) for user in approvers)
    return ["A required team review is missing."] if touched and held < asked.get("minimum_approvals", 1) else []


def _check_problems(pull: Pull, asked: dict[str, Any]) -> list[str]:
    repo, found = pull.repo, []
    for each in asked.get("required_status_checks", []):
        name, app = each["context"], each.get("integration_id")
        runs = [c for c in repo.checks.values() if (c.head_sha, c.name) == (pull.head_sha, name)]
        runs = [c for c in runs if not app or app in {-1, c.app.id}]
        states = [s for s in repo.statuses if (s.sha, s.context) == (pull.head_sha, name) and (not app or app == -1)]
        green = (bool(runs) and max(runs, key=lambda c: c.id).conclusion in GREEN) or (
            not runs and bool(states) and max(states, key=lambda s: s.id).state == "success"
        )
        if not green:
            done = "is expected" if not runs and not states else "has not succeeded"
            found.append(f'Required status check "{name}" {done}.')
    if asked.get("strict_required_status_checks_policy"):
        tip = gitio.resolve(repo.path, f"refs/heads/{pull.base_ref}")
        if tip is None or not gitio.ancestor(repo.path, tip, pull.head_sha):
            found.append("The head branch is not up to date with the base branch.")
    return found


def changed_paths(pull: Pull) -> list[str]:
    """The files a pull request changes against its merge base; a renamed one under both names."""
    path = pull.repo.path
    start = gitio.merge_base(path, f"refs/heads/{pull.base_ref}", pull.head_sha)
    if start is None:
        return []
    return [each.name for each in gitfiles.changed(path, start, pull.head_sha)]
