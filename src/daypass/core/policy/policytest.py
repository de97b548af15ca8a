"""Running the cases of policies/tests/: what each expects against what policy decides."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daypass.core.finding import Finding, Place
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.policies import Expected, Policy, PolicyCase


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What came of one case. ``missing`` was expected and is not there; ``surplus`` is there and was not expected.

    Both are written as in the file: ``1 from owners``, a rule's id or a code, or ``automatic``.
    """

    name: str
    place: Place
    expected: tuple[str, ...]
    got: tuple[str, ...]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    decision: Decision

    @property
    def passed(self) -> bool:
        """Whether policy decided as expected."""
        return not self.missing and not self.surplus


@dataclass(frozen=True, slots=True)
class Results:
    """What came of all cases, and the rules that none of them made apply."""

    outcomes: tuple[CaseOutcome, ...]
    untried: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(outcome.passed for outcome in self.outcomes)


def run_tests(policy: Policy) -> Results:
    """Run every case. Rules that no case makes apply are named, since nothing shows that they do what was meant."""
    outcomes = tuple(_run(policy, case) for case in policy.tests)
    tried = {rule for outcome in outcomes for rule in outcome.decision.applied}
    return Results(outcomes, tuple(rule.id for rule in policy.rules.rules if rule.id not in tried))


def failures(results: Results) -> tuple[Finding, ...]:
    """Return the cases that did not pass, as findings at their places."""
    return tuple(
        Finding(
            "policy-test-fails",
            outcome.place,
            f"case {outcome.name!r} expects {', '.join(outcome.missing) or 'nothing more'}, "
            f"and policy decides {', '.join(outcome.got) or 'nothing'}",
            "mend the rule, or what the case expects; `daypass policy test` shows both",
        )
        for outcome in results.outcomes
        if not outcome.passed
    )


def _run(policy: Policy, case: PolicyCase) -> CaseOutcome:
    # What rules say is tried, and a pause is no matter of rules: whoever sets it must not be stopped by their examples.
    limits = replace(policy.catalogue.settings.limits, pause=False)
    catalogue = replace(policy.catalogue, settings=replace(policy.catalogue.settings, limits=limits))
    decision = decide(replace(policy, catalogue=catalogue), Request(case.grant, case.requester, case.at), trace=True)
    wanted = _expected(case.expected)
    got = _decided(decision, frozenset(case.expected.denied))
    missing = tuple(word for word in wanted if word not in got)
    surplus = tuple(word for word in got if word not in wanted)
    return CaseOutcome(case.name, case.place, wanted, got, missing, surplus, decision)


def _expected(expected: Expected) -> tuple[str, ...]:
    if expected.automatic:
        return ("automatic",)
    if expected.approvals is not None:
        return tuple(f"{count} from {source}" for count, source in expected.approvals)
    return tuple(f"denied: {name}" for name in expected.denied)


def _decided(decision: Decision, named: frozenset[str]) -> tuple[str, ...]:
    """Write what was decided; a denial by a rule goes by the rule's id, unless the case names its code."""
    if decision.denials:
        words = {
            f"denied: {denial.code if denial.code in named else denial.rule or denial.code}"
            for denial in decision.denials
        }
        return tuple(sorted(words))
    if decision.automatic:
        return ("automatic",)
    return tuple(sorted(f"{r.at_least} from {r.source}" for r in decision.requirements))
