"""Random policies over a small world, whose requests can all be tried: ``python core/policy_lottery.py --policies 10000``.

Each policy has a promise, and a change of its rules. Both are decided twice: by lazy branching (`policy prove`, `policy
diff`), and by brute force over each request that there is. Both ask the functions that evaluate and decide in production.
The requests are 216: each role of two resources, with and without a purpose that is an emergency, asked by each of three
people for each, at each of seven lengths that is not too long. Conditions are drawn from a pool that is compiled once.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from itertools import product, repeat

from policy_samples import AT, RESOURCE, SETTINGS, read_policies

from daypass.core.finding import Place
from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.policy.analysis.between import between
from daypass.core.policy.analysis.compare import Move, shifts
from daypass.core.policy.analysis.prove import of_decision, prove
from daypass.core.policy.cel.expression import Condition, EvaluationFailure, compile_condition
from daypass.core.policy.cel.source import Places
from daypass.core.policy.decision import Decision, Request, decide
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


Effect = tuple[str, int]
"""What a rule does: whom it asks, and for how many approvals; or it denies, or lifts the default, with 0."""
Effects = frozenset[Effect]
_DENIES = ("denies", 0)
_ALL_DENIED = frozenset({_DENIES})


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


_TRUE = compile_condition("true", _HERE, Places((), (1, 1)))


class Lottery:
    """Draws policies and promises from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  (it draws no secrets)
        self._texts: list[str] = []
        self._pool: dict[str, Condition] = {}

    def number(self, below: int) -> int:
        """Draw a number from 0 on."""
        return self._random.randrange(below)

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
    """A world without rules, every request of it with its facts, and what is said and decided of each, found once.

    What a condition says of a request is asked of the evaluator, and what policy decides where rules with some effects
    apply is asked of `decide`, with rules that have these effects and always apply: neither depends on the rest. That this
    is so is held to `decide` itself with the drawn rules, of some requests of each policy.
    """

    def __init__(self) -> None:
        self.policy = world()
        self.every = everything(self.policy)
        self._facts = [self._of(one) for one in self.every]
        self._said: dict[str, list[bool | EvaluationFailure]] = {}
        self._decided: dict[tuple[int, Effects], Decision] = {}
        self._alike: dict[Effects, Policy] = {}
        self._broken: dict[tuple[str, bool, int, Effects], bool] = {}
        self._shifts: dict[tuple[int, Effects, Effects], frozenset[Move]] = {}

    def _of(self, request: Request) -> dict[str, object]:
        grant, book = request.grant, self.policy.facts
        window = grant.span.starting(request.opened_at)
        return {**book.of_grant(grant), **book.of_request(request.requester, AT, request.kind, window)}

    def _says(self, condition: Condition) -> list[bool | EvaluationFailure]:
        said = self._said.get(condition.text)
        if said is None:
            said = self._said[condition.text] = [condition.holds(facts) for facts in self._facts]
        return said

    def effects(self, rules: list[Rule]) -> list[Effects]:
        """Return of each request the effects of the rules that apply to it, by their conditions alone."""
        found: list[set[Effect]] = [set() for _ in self.every]
        for rule in rules:
            effect = _effect(rule)
            unless = self._says(rule.deny_unless) if rule.deny_unless is not None else None
            for number, applies in enumerate(self._says(rule.when)):
                if applies is False:
                    continue
                denies = applies is not True or rule.deny or (unless is not None and unless[number] is not True)
                if denies or effect is not None:
                    found[number].add(_DENIES if denies else effect)
        return [_ALL_DENIED if _DENIES in one else frozenset(one) for one in found]

    def decided(self, number: int, effects: Effects) -> Decision:
        """Return what is decided of a request to which rules with these effects apply."""
        found = self._decided.get((number, effects))
        if found is None:
            policy = self._alike.get(effects)
            if policy is None:
                policy = self._alike[effects] = with_rules(self.policy, [_always(one) for one in sorted(effects)])
            found = self._decided[number, effects] = decide(policy, self.every[number])
        return found

    def breaks_any(self, promise: Promise, there: list[Effects]) -> bool:
        """Say whether any request is let through although a promise says no."""
        if promise.of_decision:
            return any(self._breaks(promise, number, effects) for number, effects in enumerate(there))
        wanted = not promise.never
        return any(
            holds is not wanted and not self.decided(number, effects).denials
            for number, (holds, effects) in enumerate(zip(self._says(promise.condition), there, strict=True))
        )

    def _breaks(self, promise: Promise, number: int, effects: Effects) -> bool:
        key = (promise.condition.text, promise.never, number, effects)
        found = self._broken.get(key)
        if found is None:
            found = self._broken[key] = _breaks(promise, self.decided(number, effects), self._facts[number])
        return found

    def breaks(self, policy: Policy, promise: Promise, request: Request) -> bool:
        """Say the same of one request."""
        return _breaks(promise, decide(policy, request), self._of(request))

    def moves(self, before: list[Effects], after: list[Effects]) -> set[frozenset[Move]]:
        """Return each way in which a request moves."""
        both = enumerate(zip(before, after, strict=True))
        return {self._moved(number, *pair) for number, pair in both if pair[0] != pair[1]} - {frozenset()}

    def _moved(self, number: int, before: Effects, after: Effects) -> frozenset[Move]:
        key = (number, before, after)
        found = self._shifts.get(key)
        if found is None:
            found = self._shifts[key] = shifts(self.decided(number, before), self.decided(number, after))
        return found

    def mistaken(self, policy: Policy, there: list[Effects], number: int) -> bool:
        """Say whether a request is decided otherwise by a policy than by the effects of its rules."""
        return _sum(decide(policy, self.every[number])) != _sum(self.decided(number, there[number]))


def _effect(rule: Rule) -> Effect | None:
    if rule.automatic:
        return ("lifts for others" if rule.on_behalf else "lifts", 0)
    return (rule.require[0].source, rule.require[0].at_least) if rule.require else None


def _always(effect: Effect) -> Rule:
    what, count = effect
    name = f"{what} {count}"
    if effect == _DENIES:
        return Rule(name, _TRUE, _HERE, deny=True)
    if not count:
        return Rule(name, _TRUE, _HERE, automatic=True, on_behalf=what == "lifts for others")
    return Rule(name, _TRUE, _HERE, (Requirement(count, what, (name,)),))


def _sum(decision: Decision) -> tuple[object, ...]:
    asked = tuple((need.at_least, need.source, need.eligible) for need in decision.needs)
    return decision.denied, decision.automatic, asked if not decision.denied else ()


def _breaks(promise: Promise, decision: Decision, facts: dict[str, object]) -> bool:
    if decision.denials:
        return False
    answer = promise.condition.holds(facts | of_decision(decision))
    return not isinstance(answer, bool) or answer is promise.never


def disagreements(seed: int, policies: int) -> tuple[int, int, int, list[str]]:
    """Say how many policies were tried, how many break their promise, how many changes moved anything, and what differs.

    What differs is what deciding and brute force say differently; after some of it no more policies are tried.
    """
    here, lottery = World(), Lottery(seed)
    tried = broken = moved = 0
    wrong: list[str] = []
    while tried < policies and len(wrong) < _ENOUGH:
        rules, promise = lottery.rules(), lottery.promise()
        changed = lottery.changed(rules)
        policy, other = with_rules(here.policy, rules, promise), with_rules(here.policy, changed)
        there, then = here.effects(rules), here.effects(changed)
        told = f"policy {tried} of seed {seed}: {_told(promise.condition, promise.never)} of {[_rule(one) for one in rules]}"
        [proof] = prove(policy, AT)
        if proof.broken is not None:
            broken += 1
            if not here.breaks(policy, promise, proof.broken.request):
                wrong.append(f"{told}: {proof.broken.request} does not break it")
        if (proof.broken is not None) != here.breaks_any(promise, there) or proof.sampled:
            wrong.append(f"{told}: proved {proof.kept}, tried otherwise, samples of {proof.sampled}")
        found = between(policy, other, AT)
        decided, moves = {one.shifts for one in found.differences}, here.moves(there, then)
        moved += bool(moves)
        if decided != moves or found.sampled or not found.decided:
            wrong.append(f"{told}, changed to {[_rule(one) for one in changed]}: decided {decided}, tried {moves}")
        for one, effects in ((policy, there), (other, then)):
            number = lottery.number(len(here.every))
            if here.mistaken(one, effects, number):
                wrong.append(f"{told}: {here.every[number]} is decided otherwise than by the effects of rules")
        tried += 1
    return tried, broken, moved, wrong


def _told(condition: Condition, never: bool) -> str:
    return f"{'never' if never else 'always'} {condition.text}"


def _rule(rule: Rule) -> str:
    unless = rule.deny_unless
    return f"{rule.when.text} -> {rule.effect}" + (f" ({unless.text})" if unless is not None else "")


def main(arguments: list[str] | None = None) -> int:
    """Try as many policies as are wanted, on each processor; fail where anything differs, or fewer were tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policies", type=int, default=10_000)
    wanted = parser.parse_args(arguments)
    cores, began = os.cpu_count() or 1, time.monotonic()
    share = -(-wanted.policies // cores)
    with ProcessPoolExecutor(cores) as pool:
        found = [*pool.map(disagreements, [wanted.seed * cores + core for core in range(cores)], repeat(share))]
    wrong = [line for *_, some in found for line in some]
    tried, broken, moved = (sum(one[place] for one in found) for place in (0, 1, 2))
    summary = (
        f"{tried} policies, {broken} with a broken promise, as many changes, {moved} of which moved requests: "
        f"{len(wrong)} disagreements, {time.monotonic() - began:.0f} s"
    )
    sys.stdout.write("".join(f"{line}\n" for line in [*wrong[:_ENOUGH], summary]))
    return 1 if wrong or tried < wanted.policies else 0


if __name__ == "__main__":
    raise SystemExit(main())
