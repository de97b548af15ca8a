"""Judging the rules of main and of the ledger's branch.

Several rulesets add up, the strictest wins: https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/about-rulesets.
A rule counts only where nobody but our App stands in its ruleset's bypass list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from daypass.core.doctor.facts import (
    ACTIONS_APP,
    BRANCH,
    CHECK,
    Actor,
    BranchRule,
    BranchRules,
    Call,
    Complaint,
    Remedy,
    Ruleset,
    Setup,
    Untold,
    listed,
    untold,
)

_REVIEWS = {
    "main-code-owners": ("require_code_owner_review", "main does not ask its code owners to review"),
    "main-stale-approvals": ("dismiss_stale_reviews_on_push", "an approval outlives a push that comes after it"),
    "main-last-push": ("require_last_push_approval", "who pushes last may be the one whose approval counts"),
}
_PLAIN = {
    "main-force-push": ("non_fast_forward", "main can be force-pushed"),
    "main-deletion": ("deletion", "main can be deleted"),
}
_LEDGER_APP = ("creation", "update", "deletion", "non_fast_forward")
_LEDGER_TOKEN = ("deletion", "non_fast_forward")
_HINDERS = {"creation", "update", "pull_request", "required_status_checks", "required_signatures"}
_RULE_NAMES = {
    "creation": "creations",
    "update": "updates",
    "deletion": "deletions",
    "non_fast_forward": "force pushes",
}


def judge_branches(case: Setup) -> Iterator[Complaint]:
    """Say what main and the ledger's branch lack."""
    rules = case.facts.rules
    if isinstance(rules, Untold):
        yield untold("main-protection", "how main and the ledger are protected", rules, case.settings("rules"))
        return
    yield from _judge_main(case, rules)
    yield from _judge_ledger(case, rules)


def _judge_main(case: Setup, rules: BranchRules) -> Iterator[Complaint]:
    link, remedy = case.settings("rules"), _main_remedy(case, rules)
    classic = () if isinstance(rules.classic, Untold) else rules.classic
    every = (*rules.main, *classic)
    lacking = _lacks(every, case)
    if lacking and isinstance(rules.classic, Untold):
        what = f"whether classic branch protection makes up for this: {'; '.join(lacking.values())}"
        yield untold("main-protection", what, rules.classic, link)
    else:
        for code, message in lacking.items():
            yield Complaint(code, message, link, remedy)
    yield from _bypassed(
        case, rules, every, "main", "pull_request", lambda kept: _lacks(kept, case).keys() - lacking.keys(), remedy
    )


def _lacks(rules: Sequence[BranchRule], case: Setup) -> dict[str, str]:
    """Return what these rules do not ask for: code to message."""
    found: dict[str, str] = {}
    pulls = [rule.parameters for rule in rules if rule.kind == "pull_request"]
    if not pulls:
        found["main-pull-request"] = "main takes changes without a pull request"
    else:
        if max(_count(asked) for asked in pulls) < 1:
            found["main-approvals"] = "main takes pull requests without any approval"
        found |= {
            code: message
            for code, (name, message) in _REVIEWS.items()
            if not any(asked.get(name) is True for asked in pulls)
        }
    found |= _lacking_check(rules, case)
    kinds = {rule.kind for rule in rules}
    found |= {code: message for code, (kind, message) in _PLAIN.items() if kind not in kinds}
    if pulls and "required_linear_history" not in kinds and not any(_without_merges(asked) for asked in pulls):
        found["main-linear"] = "main takes merge commits, which can hold what no pull request shows"
    return found


def _count(asked: Mapping[str, Any]) -> int:
    count = asked.get("required_approving_review_count", 0)
    return count if type(count) is int else 0


def _without_merges(asked: Mapping[str, Any]) -> bool:
    methods = asked.get("allowed_merge_methods")
    return isinstance(methods, list) and bool(methods) and "merge" not in methods


def _lacking_check(rules: Sequence[BranchRule], case: Setup) -> dict[str, str]:
    asked = [check for rule in rules if rule.kind == "required_status_checks" for check in _checks(rule.parameters)]
    sources = [check.get("integration_id") for check in asked if check.get("context") == CHECK]
    if not sources:
        return {"main-check": f"main does not ask for the check {CHECK}"}
    number = _source(case)
    if number is None or number in sources:  # an App that is not known is a complaint of its own
        return {}
    who = f"the App {case.app.slug}" if case.app else "GitHub Actions"
    return {"main-check-source": f"main takes the check {CHECK} from others than {who}"}


def _checks(parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = parameters.get("required_status_checks")
    return [check for check in found if isinstance(check, Mapping)] if isinstance(found, list) else []


def _source(case: Setup) -> int | None:
    """Return the App that the check has to come from, None where it is not known."""
    return (case.app.number if case.app else None) if case.by_app else ACTIONS_APP


# Who is not bound


def _bypassed(
    case: Setup,
    rules: BranchRules,
    every: Sequence[BranchRule],
    branch: str,
    mode: str,
    lost: Callable[[Sequence[BranchRule]], Iterable[str]],
    remedy: Remedy | None,
) -> Iterator[Complaint]:
    """Complain where a rule is there only for those who do not stand in its ruleset's bypass list.

    ``lost`` says what is lacking in addition when only some rules are left.
    """
    link = case.settings("rules")
    strangers = {n: _strangers(case, _whose(case, rules, n), mode) for n in {rule.ruleset for rule in every}}
    bound = [rule for rule in every if strangers[rule.ruleset] is None or strangers[rule.ruleset] == ()]
    if list(lost(bound)):
        named = [
            f"{listed(str(actor) for actor in who)} in {_whose(case, rules, n).name!r}"
            for n, who in sorted(strangers.items())
            if who
        ]
        yield Complaint(
            f"{branch}-bypass", f"the rules of {_titled(case, branch)} do not bind {listed(named)}", link, remedy
        )
    elif list(lost([rule for rule in every if strangers[rule.ruleset] == ()])):
        why = "GitHub shows bypass lists only to those who may change them"
        what = f"whom the rules of {_titled(case, branch)} do not bind"
        yield untold(f"{branch}-bypass", what, Untold(why), link)


def _titled(case: Setup, branch: str) -> str:
    return BRANCH if branch == "main" else case.catalogue.settings.ledger_branch


def _whose(case: Setup, rules: BranchRules, number: int) -> Ruleset:
    known = rules.rulesets.get(number)
    return known or Ruleset(number, f"ruleset {number}", False, (), (), case.facts.unread.get(number, Untold("")))


def _strangers(case: Setup, ruleset: Ruleset, mode: str) -> tuple[Actor, ...] | None:
    """Return who but our App, in the mode that it needs, is not bound; None where that is not told."""
    if isinstance(ruleset.bypass, Untold):
        return None
    ours = Actor("Integration", case.app.number, mode) if case.app else None
    found = tuple(actor for actor in ruleset.bypass if actor != ours)
    unknown_app = case.by_app and case.app is None
    if found and unknown_app and all((actor.kind, actor.mode) == ("Integration", mode) for actor in found):
        return None
    return found


# The ledger


def _judge_ledger(case: Setup, rules: BranchRules) -> Iterator[Complaint]:
    branch, link = case.catalogue.settings.ledger_branch, case.settings("rules")
    wanted = _LEDGER_APP if case.by_app else _LEDGER_TOKEN
    remedy = _ledger_remedy(case, rules, wanted)
    missing = [kind for kind in wanted if kind not in {rule.kind for rule in rules.ledger}]
    if missing:
        names = listed(_RULE_NAMES[kind] for kind in missing)
        who = "anybody who may push" if case.by_app else "who may push"
        yield Complaint("ledger-open", f"{who} can make {names} of {branch}, the ledger's branch", link, remedy)
    yield from _bypassed(
        case,
        rules,
        rules.ledger,
        "ledger",
        "always",
        lambda kept: [k for k in wanted if k not in missing and k not in {rule.kind for rule in kept}],
        remedy,
    )
    shut = {rule.ruleset for rule in rules.ledger if rule.kind in _HINDERS}
    shutters = [_whose(case, rules, number) for number in sorted(shut)]
    shutters = [one for one in shutters if not _lets_us(case, one)]
    if shutters:
        names = listed(repr(one.name) for one in shutters)
        yield Complaint("ledger-locked", f"daypass cannot write to {branch}: {names} does not let it", link, remedy)


def _lets_us(case: Setup, ruleset: Ruleset) -> bool:
    """Whether our App passes; where that is not told, another complaint says so."""
    if isinstance(ruleset.bypass, Untold) or (case.by_app and case.app is None):
        return True
    return any(
        case.app is not None
        and (actor.kind, actor.number) == ("Integration", case.app.number)
        and actor.mode != "pull_request"
        for actor in ruleset.bypass
    )


# What mends it


def _main_remedy(case: Setup, rules: BranchRules) -> Remedy | None:
    source = _source(case)
    if source is None:
        return None
    name, number, there = _to_change(
        rules, "daypass: main", {"~DEFAULT_BRANCH", f"refs/heads/{BRANCH}"}, "pull_request"
    )
    kept = {str(rule["type"]): rule for rule in there}
    reviews = dict(kept.get("pull_request", {}).get("parameters", {}))
    checks = kept.get("required_status_checks", {}).get("parameters", {})
    others = [check for check in _checks(checks) if check.get("context") != CHECK]
    reviews = {"required_review_thread_resolution": False, **reviews} | {
        "required_approving_review_count": max(1, _count(reviews)),
        "allowed_merge_methods": ["squash"],
        **{field: True for field, _ in _REVIEWS.values()},
    }
    wanted: dict[str, Mapping[str, Any]] = {
        "deletion": {"type": "deletion"},
        "non_fast_forward": {"type": "non_fast_forward"},
        "required_linear_history": {"type": "required_linear_history"},
        "pull_request": {"type": "pull_request", "parameters": reviews},
        "required_status_checks": {
            "type": "required_status_checks",
            "parameters": {
                "strict_required_status_checks_policy": False,
                **checks,
                "required_status_checks": [*others, {"context": CHECK, "integration_id": source}],
            },
        },
    }
    bypass = _ours(case, "pull_request")
    return _ruleset_remedy(case, name, number, "~DEFAULT_BRANCH", [*{**kept, **wanted}.values()], bypass)


def _ledger_remedy(case: Setup, rules: BranchRules, wanted: Sequence[str]) -> Remedy | None:
    if case.by_app and case.app is None:
        return None
    ref = f"refs/heads/{case.catalogue.settings.ledger_branch}"
    name, number, there = _to_change(rules, "daypass: ledger", {ref}, "non_fast_forward")
    kept = {str(rule["type"]): rule for rule in there if case.by_app or rule["type"] not in _HINDERS}
    made = {kind: {"type": kind} for kind in wanted}
    return _ruleset_remedy(case, name, number, ref, [*{**kept, **made}.values()], _ours(case, "always"))


def _ours(case: Setup, mode: str) -> list[Mapping[str, Any]]:
    return [{"actor_id": case.app.number, "actor_type": "Integration", "bypass_mode": mode}] if case.app else []


def _to_change(
    rules: BranchRules, name: str, covers: set[str], kind: str
) -> tuple[str, int | None, tuple[Mapping[str, Any], ...]]:
    """Return the ruleset to change: the repository's own for just this branch, else a new one.

    One that covers more is left alone: what is asked of main would be asked of every branch.
    """
    for one in rules.rulesets.values():
        narrow = len(one.covers) == 1 and one.covers[0] in covers
        if one.own and narrow and any(rule.get("type") == kind for rule in one.rules):
            return one.name, one.number, one.rules
    return name, rules.names.get(name), ()


def _ruleset_remedy(
    case: Setup,
    name: str,
    number: int | None,
    covers: str,
    rules: list[Mapping[str, Any]],
    bypass: list[Mapping[str, Any]],
) -> Remedy:
    body = {
        "name": name,
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": [covers], "exclude": []}},
        "rules": rules,
        "bypass_actors": bypass,
    }
    if number is None:
        step = Call("POST", f"{case.root}/rulesets", body)
        return Remedy(f"make the ruleset {name!r} for {covers}", (step,))
    step = Call("PUT", f"{case.root}/rulesets/{number}", body)
    return Remedy(f"have the ruleset {name!r} ask for all that is needed, of everybody but our App", (step,))


def asks_code_owners(case: Setup) -> bool:
    """Say whether main certainly asks its code owners."""
    rules = case.facts.rules
    if isinstance(rules, Untold):
        return False
    classic = () if isinstance(rules.classic, Untold) else rules.classic
    return any(rule.parameters.get("require_code_owner_review") is True for rule in (*rules.main, *classic))
