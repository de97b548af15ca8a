"""What the rules of main and of the ledger's branches ask for, of whom, and the ruleset that mends what they lack.

Several rulesets add up, the strictest wins: https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/about-rulesets.
A rule counts only where nobody but our App stands in its ruleset's bypass list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from daypass.core.forge import Call, Remedy
from daypass.edges.forges.github.answers import CHECK, MAIN
from daypass.edges.forges.github.doctor.facts import (
    HIDDEN,
    Actor,
    BranchRule,
    BranchRules,
    Ruleset,
    Setup,
    UntoldError,
    listed,
)

ACTIONS_APP = 15368
"""GitHub Actions itself, as rules name who a check has to come from."""

REVIEWS = ("require_code_owner_review", "dismiss_stale_reviews_on_push", "require_last_push_approval")
"""What main asks of reviews, beside one approval."""

_LEDGER_APP = ("creation", "update", "deletion", "non_fast_forward")
_LEDGER_TOKEN = ("deletion", "non_fast_forward")
_HINDERS = {"creation", "update", "pull_request", "required_status_checks", "required_signatures"}
_RULE_NAMES = {
    "creation": "creations",
    "update": "updates",
    "deletion": "deletions",
    "non_fast_forward": "force pushes",
}


def known_rules(case: Setup) -> tuple[BranchRules, ...]:
    """Return the rules where they were told; that they were not is a complaint of its own."""
    return () if isinstance(case.rules, UntoldError) else (case.rules,)


# What main asks for


def takes_unapproved(_: Setup, rules: BranchRules) -> bool:
    """Say whether a pull request needs no approval."""
    return bool(rules.pulls) and max(_count(asked) for asked in rules.pulls) < 1


def _count(asked: Mapping[str, Any]) -> int:
    count = asked.get("required_approving_review_count", 0)
    return count if type(count) is int else 0


def lacks_review(name: str) -> Callable[[Setup, BranchRules], bool]:
    """Return what says whether no rule about pull requests asks for this."""
    return lambda _, rules: bool(rules.pulls) and not any(asked.get(name) is True for asked in rules.pulls)


def lacks_rule(kind: str) -> Callable[[Setup, BranchRules], bool]:
    """Return what says whether main has no rule of a kind."""
    return lambda _, rules: kind not in {rule.kind for rule in rules.of_main}


def takes_merge_commits(case: Setup, rules: BranchRules) -> bool:
    """Say whether a pull request may be merged by a merge commit."""
    linear = not lacks_rule("required_linear_history")(case, rules)
    return bool(rules.pulls) and not linear and not any(_without_merges(asked) for asked in rules.pulls)


def _without_merges(asked: Mapping[str, Any]) -> bool:
    methods = asked.get("allowed_merge_methods")
    return isinstance(methods, list) and bool(methods) and "merge" not in methods


def lacks_check(_: Setup, rules: BranchRules) -> bool:
    """Say whether main does not ask for our check."""
    return not _check_sources(rules)


def takes_foreign_check(case: Setup, rules: BranchRules) -> str:
    """Return from whom alone our check should come, where main takes it from others."""
    sources, wanted = _check_sources(rules), _source(case)
    if not sources or wanted is None or wanted in sources:  # an App that is not known is a complaint of its own
        return ""
    return f"the App {case.app.slug}" if case.app else "GitHub Actions"


def queued(_: Setup, rules: BranchRules) -> bool:
    """Say whether main has a merge queue, whose own commits nothing of ours looks at."""
    return not lacks_rule("merge_queue")(_, rules)


def _check_sources(rules: BranchRules) -> list[Any]:
    asked = [rule.parameters for rule in rules.of_main if rule.kind == "required_status_checks"]
    checks = [check for parameters in asked for check in _checks(parameters)]
    return [check.get("integration_id") for check in checks if check.get("context") == CHECK]


def _checks(parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = parameters.get("required_status_checks")
    return [check for check in found if isinstance(check, Mapping)] if isinstance(found, list) else []


def _source(case: Setup) -> int | None:
    """Return the App that the check has to come from, None where it is not known."""
    return (case.app.number if case.app else None) if case.by_app else ACTIONS_APP


def asks_code_owners(case: Setup) -> bool:
    """Say whether main certainly asks its code owners."""
    return any(asked.get(REVIEWS[0]) is True for rules in known_rules(case) for asked in rules.pulls)


# What the ledger's branches ask for


def _of_ledger(case: Setup, rules: BranchRules) -> tuple[tuple[str, tuple[BranchRule, ...]], ...]:
    return (case.ledger, rules.ledger), (case.lanes, rules.lanes)


def ledger_open(case: Setup, rules: BranchRules) -> str:
    """Return who can do what to the ledger's branches that nobody else should."""
    where: dict[str, list[str]] = {}
    for branch, found in _of_ledger(case, rules):
        missing = listed(_RULE_NAMES[kind] for kind in _lacks_of_ledger(case, found))
        where.setdefault(missing, []).append(branch)
    open_ = [f"{missing} of {listed(branches)}" for missing, branches in where.items() if missing]
    who = "anybody who may push" if case.by_app else "who may push"
    return f"{who} can make {'; and '.join(open_)}" if open_ else ""


def _lacks_of_ledger(case: Setup, rules: Sequence[BranchRule]) -> set[str]:
    wanted = _LEDGER_APP if case.by_app else _LEDGER_TOKEN
    return set(wanted) - {rule.kind for rule in rules}


def ledger_locked(case: Setup, rules: BranchRules) -> str:
    """Return the rulesets that keep us from writing to the ledger's branches."""
    shut = sorted({rule.ruleset for rule in (*rules.ledger, *rules.lanes) if rule.kind in _HINDERS})
    found = (rules.rulesets[number] for number in shut)
    return listed(repr(one.name) for one in found if not _lets_us(case, one))


def _lets_us(case: Setup, ruleset: Ruleset) -> bool:
    """Whether our App passes; where that is not told, another complaint says so."""
    if isinstance(ruleset.bypass, UntoldError) or (case.by_app and case.app is None):
        return True
    return any(
        case.app is not None
        and (actor.kind, actor.number) == ("Integration", case.app.number)
        and actor.mode != "pull_request"
        for actor in ruleset.bypass
    )


# Who is not bound


def ledger_bypassed(case: Setup, rules: BranchRules) -> str:
    """Return who need not keep the rules of the ledger's branches, where that matters."""
    found = []
    for branch, asked in _of_ledger(case, rules):
        missing = _lacks_of_ledger(case, asked)

        def lost(kept: tuple[BranchRule, ...], missing: set[str] = missing) -> set[str]:
            return _lacks_of_ledger(case, kept) - missing

        found.append(not_bound(case, rules.rulesets, asked, "always", lost, branch))
    return listed(dict.fromkeys(filter(None, found)))


def not_bound(
    case: Setup,
    rulesets: Mapping[int, Ruleset],
    rules: Sequence[BranchRule],
    mode: str,
    lost: Callable[[tuple[BranchRule, ...]], Collection[str]],
    branch: str,
) -> str:
    """Return who need not keep rules that stand only for those who are not in their ruleset's bypass list.

    ``lost`` says what is lacking in addition when only some rules are left. ``mode`` is how our App has to pass.
    """
    strangers = {number: _strangers(case, rulesets[number], mode) for number in {rule.ruleset for rule in rules}}
    if lost(tuple(rule for rule in rules if not strangers[rule.ruleset])):
        named = [(rulesets[number].name, who) for number, who in sorted(strangers.items()) if who]
        return listed(f"{listed(str(actor) for actor in who)} in {name!r}" for name, who in named)
    if lost(tuple(rule for rule in rules if strangers[rule.ruleset] == ())):
        raise UntoldError(HIDDEN, f"whom the rules of {branch} do not bind")
    return ""


def _strangers(case: Setup, ruleset: Ruleset, mode: str) -> tuple[Actor, ...] | None:
    """Return who but our App, in the mode that it needs, is not bound; None where that is not told."""
    if isinstance(ruleset.bypass, UntoldError):
        return None
    ours = Actor("Integration", case.app.number, mode) if case.app else None
    found = tuple(actor for actor in ruleset.bypass if actor != ours)
    unknown_app = case.by_app and case.app is None
    if found and unknown_app and all((actor.kind, actor.mode) == ("Integration", mode) for actor in found):
        return None
    return found


# What mends it


def mend_main(case: Setup, rules: BranchRules) -> Remedy | None:
    """Return what has a ruleset of main ask for everything, of everybody but our App; None where that is not known.

    The check comes last: GitHub takes it from an App that may write statuses and has posted one of that name lately, and
    where it does not, the rest stands.
    """
    source = _source(case)
    if source is None:
        return None
    covers = {"~DEFAULT_BRANCH", f"refs/heads/{MAIN}"}
    name, number, there = _to_change(rules, "daypass: main", covers, "pull_request")
    kept = {str(rule["type"]): rule for rule in there}
    reviews = dict(kept.get("pull_request", {}).get("parameters", {}))
    reviews = {"required_review_thread_resolution": False, **reviews} | {
        "required_approving_review_count": max(1, _count(reviews)),
        "allowed_merge_methods": ["squash"],
        **dict.fromkeys(REVIEWS, True),
    }
    wanted: dict[str, Mapping[str, Any]] = {
        "deletion": {"type": "deletion"},
        "non_fast_forward": {"type": "non_fast_forward"},
        "required_linear_history": {"type": "required_linear_history"},
        "pull_request": {"type": "pull_request", "parameters": reviews},
    }
    asked = {**kept, **wanted}
    rest = _ruleset(case, name, number, ["~DEFAULT_BRANCH"], [*asked.values()], "pull_request")
    if source in _check_sources(rules):
        return rest
    kind = "required_status_checks"
    apart = _to_change(rules, "daypass: check", covers, kind)  # where a new ruleset asks for the rest
    checked, place, there = (name, number, (*asked.values(),)) if number is not None else apart
    held = {str(rule["type"]): rule for rule in there}
    parameters = {"strict_required_status_checks_policy": False, **held.get(kind, {}).get("parameters", {})}
    others = [check for check in _checks(parameters) if check.get("context") != CHECK]
    parameters[kind] = [*others, {"context": CHECK, "integration_id": source}]
    every = [*{**held, kind: {"type": kind, "parameters": parameters}}.values()]
    last = _ruleset(case, checked, place, ["~DEFAULT_BRANCH"], every, "pull_request")
    words = (
        f"{rest.words}, then for the check {CHECK} (GitHub takes it once our App may write statuses and has posted it "
        "lately: open a request before)"
    )
    return Remedy(words, (*rest.steps, *last.steps))


def mend_ledger(case: Setup, rules: BranchRules) -> Remedy | None:
    """Return what has a ruleset keep everybody but our App from the ledger's branches; None where that is not known."""
    if case.by_app and case.app is None:
        return None
    refs = [f"refs/heads/{branch}" for branch in (case.ledger, case.lanes)]
    name, number, there = _to_change(rules, "daypass: ledger", set(refs), "non_fast_forward")
    kept = {str(rule["type"]): rule for rule in there if case.by_app or rule["type"] not in _HINDERS}
    made = {kind: {"type": kind} for kind in (_LEDGER_APP if case.by_app else _LEDGER_TOKEN)}
    return _ruleset(case, name, number, refs, [*{**kept, **made}.values()], "always")


def _to_change(
    rules: BranchRules, name: str, covers: set[str], kind: str
) -> tuple[str, int | None, tuple[Mapping[str, Any], ...]]:
    """Return the ruleset to change: the repository's own for just these branches, else a new one.

    One that covers more is left alone: what is asked of main would be asked of every branch.
    """
    for one in rules.rulesets.values():
        narrow = bool(one.covers) and covers.issuperset(one.covers)
        if one.own and narrow and any(rule.get("type") == kind for rule in one.rules):
            return one.name, one.number, one.rules
    return name, rules.names.get(name), ()


def _ruleset(
    case: Setup, name: str, number: int | None, covers: list[str], rules: list[Mapping[str, Any]], mode: str
) -> Remedy:
    """Return what makes a ruleset, or changes the one of that number; our App passes it in this mode."""
    ours = [{"actor_id": case.app.number, "actor_type": "Integration", "bypass_mode": mode}] if case.app else []
    body = {
        "name": name,
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": covers, "exclude": []}},
        "rules": rules,
        "bypass_actors": ours,
    }
    if number is None:
        return Remedy(f"make the ruleset {name!r} for {listed(covers)}", (Call("POST", f"{case.root}/rulesets", body),))
    words = f"have the ruleset {name!r} ask for all that is needed, of everybody but our App"
    return Remedy(words, (Call("PUT", f"{case.root}/rulesets/{number}", body),))
