"""Random policies over a small world, whose requests can all be tried: ``python core/policy_lottery.py --policies 10000``.

Every promise, and every change of rules, is decided twice: by lazy branching, and by brute force over each request that there is.
Both ask the function that decides in production. Conditions are drawn from a pool that is compiled once.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from itertools import product, repeat

from policy_samples import AT, RESOURCE, SETTINGS, read_policies

from daypass.core.finding import Place
from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.policy.analysis.between import between
from daypass.core.policy.analysis.compare import compare
from daypass.core.policy.analysis.prove import of_decision, prove
from daypass.core.policy.cel.expression import Condition, EvaluationFailure, compile_condition
from daypass.core.policy.cel.source import Places
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.policies import Policy
from daypass.core.policy.policies.promises import OF_DECISION, Promise
from daypass.core.policy.requirement import Requirement
from daypass.core.policy.rules import Rule, Rules
from daypass.core.record import replace
from daypass.core.window import Span

_HERE = Place("policies/rules/drawn.yaml", 1, 1)
_ATOMS = (
    'resource.environment == "production"',
    'resource.classification != "internal"',
    'grant.resource == "wiki"',
    'grant.role in ["admin", "editor"]',
    'grant.duration > duration("2h")',
    'grant.duration <= duration("4h")',
    'grant.duration == duration("2h")',
    "grant.duration >= role.max_duration",
    'grant.subject == "alice"',
    'request.requester == "bob"',
    "request.requester != grant.subject",
    '"dba" in subject.groups',
    '"dba" in requester.groups',
    "subject.groups.exists(g, g in requester.groups)",
    'grant.purpose == "incident"',
    "grant.emergency",
    "subject.groups.size() / (subject.groups.size() - 1) > 1",  # which fails of some
)
_OF_DECISION = (
    "decision.automatic",
    "decision.approvals >= 2",
    '"owners" in decision.sources',
    "decision.approvals == 1",
)
_LENGTHS = tuple(timedelta(minutes=minutes) for minutes in (30, 60, 120, 180, 240, 270, 300))
_ENOUGH = 3
_PEOPLE = """version: 1
people:
  alice: {name: Alice}
  bob: {name: Bob}
  carol: {name: Carol}
groups:
  dba: {members: [bob, carol]}
  all: {members: [alice], include: [dba]}
"""
_FILES = {
    "policies/daypass.yaml": SETTINGS + "limits: {unsigned: accept}\n",
    "policies/resources/orders-db.yaml": RESOURCE.replace("8h", "5h"),
    "policies/resources/wiki.yaml": "version: 1\ntitle: Wiki\ntarget: embedded\nenvironment: staging\n"
    "classification: internal\nowners: [all]\nroles: {editor: {max_duration: 4h}}\n",
    "policies/directory/people.yaml": _PEOPLE,
    "policies/purposes/incident.yaml": "version: 1\nemergency: true\nmax_duration: 3h\nasked_by: [group:dba]\n",
}


def world() -> Policy:
    """Return a policy without rules."""
    found = read_policies({path: text.encode() for path, text in _FILES.items()})
    assert not found.findings, found.findings
    return found


def everything(policy: Policy) -> tuple[Request, ...]:
    """Return every request of the world, as far as its conditions tell them apart."""
    people = ("alice", "bob", "carol")
    roles = [(one.name, role) for one in policy.catalogue.resources.values() for role in one.roles]
    found = (
        Request(Grant(GrantId(f"{role[0]}/example"), subject, *role, "a reason", Span(duration=length), purpose=purpose), by, AT)
        for role, purpose, length, subject, by in product(
            roles, ("", "incident"), _LENGTHS, people, people
        )
    )  # fmt: skip
    return tuple(one for one in found if "too-long" not in {denial.code for denial in decide(policy, one).denials})


class Lottery:
    """Draws policies and promises from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  (it draws no secrets)
        self._texts: list[str] = []
        self._pool: dict[str, Condition] = {}

    def condition(self, atoms: tuple[str, ...] = _ATOMS) -> Condition:
        """Draw a condition of up to three atoms; most are drawn again later, so that few are compiled."""
        draw = self._random
        if len(self._texts) > 300 and draw.random() < 0.98 and atoms is _ATOMS:
            return self._pool[draw.choice(self._texts)]
        text = " ".join(
            f"{'' if number == 0 else draw.choice(('&& ', '|| '))}{draw.choice(('', '', '!'))}({draw.choice(atoms)})"
            for number in range(draw.randint(1, 3))
        )
        found = self._pool.get(text)
        if found is None:
            compiled = compile_condition(
                text, _HERE, Places((), (1, 1)), details=OF_DECISION if atoms is not _ATOMS else ()
            )
            assert isinstance(compiled, Condition), compiled
            found = self._pool[text] = compiled
            self._texts += [text] if atoms is _ATOMS else []
        return found

    def rules(self) -> list[Rule]:
        """Draw up to four rules."""
        return [self._rule(number) for number in range(self._random.randint(0, 4))]

    def _rule(self, number: int) -> Rule:
        name, when, draw = f"r{number}", self.condition(), self._random
        kind = draw.choice(("deny", "unless", "unless", "require", "require", "automatic"))
        if kind == "deny":
            return Rule(name, when, _HERE, deny=True)
        if kind == "unless":
            return Rule(name, when, _HERE, deny_unless=self.condition())
        if kind == "automatic":
            return Rule(name, when, _HERE, automatic=True, on_behalf=draw.random() < 0.3)
        source = draw.choice(("owners", "group:dba", "person:carol", "group:all"))
        return Rule(name, when, _HERE, (Requirement(draw.randint(1, 2), source, (name,)),))

    def promise(self) -> Promise:
        """Draw a promise, every other about what is decided too."""
        atoms = (*_ATOMS[:12], *_OF_DECISION * 3) if self._random.random() < 0.5 else _ATOMS
        return Promise("drawn", self.condition(atoms), self._random.random() < 0.7, _HERE)

    def changed(self, rules: list[Rule]) -> list[Rule]:
        """Change one of some rules, take one away, or add one."""
        some = list(rules)
        if some and self._random.random() < 0.6:
            some.pop(self._random.randrange(len(some)))
        return some if self._random.random() < 0.4 else [*some, self._rule(9)]


def with_rules(policy: Policy, rules: list[Rule], promise: Promise | None = None) -> Policy:
    """Return a policy with other rules, and one promise."""
    found = replace(policy, rules=Rules.of(rules))
    found.__dict__["_promises"] = ((promise,) if promise is not None else (), ())
    found.__dict__["facts"] = policy.facts
    return found


class World:
    """A world without rules, every request of it with its facts, and what conditions say of each."""

    def __init__(self) -> None:
        self.policy = world()
        self.every = everything(self.policy)
        self._facts = [self._of(one) for one in self.every]
        self._said: dict[str, list[bool | EvaluationFailure]] = {}

    def _of(self, request: Request) -> dict[str, object]:
        grant, book = request.grant, self.policy.facts
        window = grant.span.starting(request.opened_at)
        return {**book.of_grant(grant), **book.of_request(request.requester, AT, request.kind, window)}

    def breaking(self, policy: Policy, promise: Promise) -> Iterator[Request]:
        """Go through the requests that are let through although a promise says no, by the decision alone."""
        if promise.of_decision:
            yield from (
                one for one, facts in zip(self.every, self._facts, strict=True) if _breaks(policy, promise, one, facts)
            )
            return
        said = self._said.get(promise.condition.text)
        if said is None:
            said = self._said[promise.condition.text] = [promise.condition.holds(facts) for facts in self._facts]
        meant = (one for one, holds in zip(self.every, said, strict=True) if holds is not (not promise.never))
        yield from (one for one in meant if not decide(policy, one).denials)

    def breaks(self, policy: Policy, promise: Promise, request: Request) -> bool:
        """Say the same of one request."""
        return _breaks(policy, promise, request, self._of(request))


def _breaks(policy: Policy, promise: Promise, request: Request, facts: dict[str, object]) -> bool:
    decision = decide(policy, request)
    if decision.denials:
        return False
    answer = promise.condition.holds(facts | of_decision(decision))
    return not isinstance(answer, bool) or answer is promise.never


def disagreements(seed: int, policies: int, until: float = float("inf")) -> tuple[int, int, list[str]]:
    """Return how many policies were tried, how many of them break their promise, and what the two ways say differently."""
    here, lottery = World(), Lottery(seed)
    tried = broken = 0
    wrong: list[str] = []
    for number in range(policies):
        if time.monotonic() > until or len(wrong) >= _ENOUGH:
            break
        rules, promise = lottery.rules(), lottery.promise()
        policy = with_rules(here.policy, rules, promise)
        [proof] = prove(policy, AT)
        there = next(here.breaking(policy, promise), None)
        told = f"policy {number} of seed {seed}: {_told(promise.condition, promise.never)} of {[_rule(one) for one in rules]}"
        if proof.broken is not None:
            broken += 1
            if not here.breaks(policy, promise, proof.broken.request):
                wrong.append(f"{told}: {proof.broken.request} does not break it")
        if (proof.broken is None) != (there is None) or proof.sampled:
            wrong.append(f"{told}: proved {proof.kept}, found {there}, samples of {proof.sampled}")
        if number % 40 == 0:
            wrong += _of_change(policy, with_rules(here.policy, lottery.changed(rules)), here.every, told)
        tried += 1
    return tried, broken, wrong


def _told(condition: Condition, never: bool) -> str:
    return f"{'never' if never else 'always'} {condition.text}"


def _rule(rule: Rule) -> str:
    unless = rule.deny_unless
    return f"{rule.when.text} -> {rule.effect}" + (f" ({unless.text})" if unless is not None else "")


def _of_change(before: Policy, after: Policy, every: tuple[Request, ...], told: str) -> Iterator[str]:
    found = between(before, after, AT)
    decided = {one.shifts for one in found.differences}
    tried = {shifts for one in every if (shifts := compare(before, after, one).shifts)}
    if decided != tried or found.sampled or not found.decided:
        yield f"{told}, changed to {[_rule(one) for one in after.rules.rules]}: decided {decided}, tried {tried}"


def main(arguments: list[str] | None = None) -> int:
    """Compare as many policies as are wanted, or as the seconds hold, on each processor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policies", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    wanted = parser.parse_args(arguments)
    cores = os.cpu_count() or 1
    until, share = time.monotonic() + wanted.seconds, -(-wanted.policies // cores)
    with ProcessPoolExecutor(cores) as pool:
        found = [
            *pool.map(
                disagreements, [wanted.seed * cores + core for core in range(cores)], repeat(share), repeat(until)
            )
        ]
    wrong = [line for *_, some in found for line in some]
    tried, broken = (sum(one[place] for one in found) for place in (0, 1))
    summary = f"{tried} policies, {broken} with a broken promise, {len(wrong)} disagreements"
    sys.stdout.write("".join(f"{line}\n" for line in [*wrong[:_ENOUGH], summary]))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
