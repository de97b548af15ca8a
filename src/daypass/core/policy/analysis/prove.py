"""Promises: what no request that policy lets through may be, whatever rules say, and whether that is so.

A promise is kept where every request that breaks it is denied. The requests that it speaks of are found by lazy branching
(`regions`), then cut by the rules that deny; one request of each part that is left is decided by the function that decides
in production. Where each condition only compares, that is a proof. Elsewhere, and beyond the bounds here, it is a search,
which says why.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from daypass.core.finding import Finding
from daypass.core.policy.analysis.cases.regions import Branching, Look, candidates
from daypass.core.policy.analysis.cases.space import WHO, Point, Region, Space
from daypass.core.policy.analysis.options import as_brought
from daypass.core.policy.cel.expression import EvaluationFailure
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.facts import of_history
from daypass.core.policy.policies import Policy
from daypass.core.policy.policies.promises import Promise
from daypass.core.policy.requirement import sponsored
from daypass.core.record import replace


class Broken(Struct, frozen=True):
    """A request that policy lets through although a promise says no, what is decided of it, and what it has to bring."""

    request: Request
    decision: Decision
    brings: tuple[str, ...] = ()


class ProvedPromise(Struct, frozen=True):
    """What came of a promise. ``sampled`` is what was only searched, nothing where it is decided; ``cases``: how many."""

    promise: Promise
    broken: Broken | None
    sampled: tuple[str, ...]
    cases: int

    @property
    def kept(self) -> bool:
        """Whether no request was found that breaks it."""
        return self.broken is None

    @property
    def decided(self) -> bool:
        """Whether the answer holds for every request."""
        return self.broken is not None or not self.sampled


def prove(policy: Policy, at: datetime) -> tuple[ProvedPromise, ...]:
    """Say of each promise whether it is kept by every request from an instant on.

    Policies that are broken deny everything, and keep every promise: the caller looks for that first.
    """
    limits = replace(policy.catalogue.settings.limits, pause=False)  # a pause ends, and promises hold then too
    catalogue = replace(policy.catalogue, settings=replace(policy.catalogue.settings, limits=limits))
    promises = policy.promises
    policy = replace(policy, catalogue=catalogue)
    conditions = [condition for rule in policy.rules.rules for condition in rule.conditions]
    space = Space(policy, [*conditions, *(one.condition for one in promises)], at)
    return tuple(_Proving(space, one).proof() for one in promises)


def broken_promises(policy: Policy, at: datetime) -> tuple[Finding, ...]:
    """Return the promises that are not kept, as findings at their places."""
    return tuple(
        Finding(
            "promise-broken",
            proof.promise.place,
            f"promise {proof.promise.id} is broken: {_said(proof.broken.request)} is let through",
            "mend the rules, or what is promised; `daypass policy prove` shows the request",
        )
        for proof in prove(policy, at)
        if proof.broken is not None
    )


def _said(request: Request) -> str:
    grant = request.grant
    return f"{grant.role} on {grant.resource} for {grant.subject}, asked for by {request.requester},"


class _Proving:
    """One promise, being proved."""

    def __init__(self, space: Space, promise: Promise) -> None:
        self._policy, self._promise = space.policy, promise
        rules = space.policy.rules.rules
        asking = [rule for rule in rules if rule.require or rule.automatic]
        self._first = asking if promise.of_decision else []
        self._then = [rule for rule in rules if rule not in self._first]
        self._branching = Branching(space)

    def proof(self) -> ProvedPromise:
        broken = self._search()
        return ProvedPromise(self._promise, broken, tuple(sorted(self._branching.sampled)), self._branching.cases)

    def _search(self) -> Broken | None:
        for answer, region in self._branching.cut(self._promise.condition, self._branching.space.whole):
            if isinstance(answer, bool) and not self._promise.breaks(answer):
                continue
            for _, denying, part in self._branching.walk(region, self._first):
                if denying or not self._may_break(part):
                    continue
                found = self._branching.find(part, self._then, self._look)
                if found is not None:
                    return found
        return None

    def _may_break(self, region: Region) -> bool:
        """Say whether what is decided in a region can break the promise: who asks for whom is all that changes it there."""
        if not self._promise.of_decision:
            return True
        shown: dict[tuple[object, ...], Request] = {}
        for points in candidates(region):
            subject, requester = points[WHO].part
            key = (subject == requester, *sponsored(self._policy.catalogue, subject))
            if key not in shown:
                shown[key] = self._branching.space.request(points)
        return any(self._breaks(one, decide(self._policy, one)) for one in shown.values())

    def _look(self, points: tuple[Point, ...]) -> Look[Broken]:
        """Decide on a request, as it is once it brings what it can."""
        request = self._branching.space.request(points)
        decision, brings = as_brought(decide(self._policy, request))
        if not self._breaks(request, decision):
            return Look()
        return Look(None, decision.denials) if decision.denials else Look(Broken(request, decision, brings))

    def _breaks(self, request: Request, decision: Decision) -> bool:
        if not self._promise.of_decision:
            return True
        grant = request.grant
        window = request.window or grant.span.starting(request.opened_at)
        facts: dict[str, Any] = {
            **self._policy.facts.of_grant(grant),
            **self._policy.facts.of_request(request.requester, request.opened_at, request.kind, window),
            **of_history(request.held, grant.subject, window),
            **of_decision(decision),
        }
        answer = self._promise.condition.holds(facts)
        return isinstance(answer, EvaluationFailure) or self._promise.breaks(answer)


def of_decision(decision: Decision) -> dict[str, Any]:
    """Return what promises may read of a decision."""
    return {
        "decision.automatic": not decision.requirements,
        "decision.approvals": sum(need.at_least for need in decision.requirements),
        "decision.sources": [need.source for need in decision.requirements],
    }
