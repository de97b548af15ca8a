"""An access repository whose one target is the one under test: the pipeline's own functions and a real ledger.

The repository is one in memory, or a real one of git where the bench says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from conformance.bench import NAME, Bench
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Body, Intent, Outcome
from daypass.core.ledger.statement import from_statement
from daypass.core.plan import Action, Done, Entitlement, Order
from daypass.core.planning.drift import settle
from daypass.core.window import format_instant
from daypass.pipeline.apply.inputs import prepare
from daypass.pipeline.apply.run import Applied
from daypass.pipeline.apply.run import apply as carry_out
from daypass.pipeline.apply.survey import Inputs, survey
from daypass.pipeline.ask.propose import end
from daypass.ports import Observing, Target
from driver import Access
from founded import begun, begun_in_memory

Wrap = Callable[[Target], Any]

_RULES = 'version: 1\nrules:\n  - {id: all-pass, when: "true", approve: automatically}\n'
_RESOURCE = """\
version: 1
title: Orders database
target: %s
environment: staging
classification: internal
owners: [dba]
roles:
  readonly: {max_duration: 8h, privilege: %s}
  admin: {max_duration: 8h, privilege: %s}
"""
_EARLIER = format_instant(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6))


class World:
    """alice, bob and carol of the example are the bench's three principals; requests need no approval.

    Times are minutes from the second at which the world was made; the repository is hours older. ``place`` is the
    target's own world.
    """

    def __init__(
        self, folder: Path, bench: Bench, identities: Mapping[str, str] | None = None, *, with_git: bool = False
    ) -> None:
        self.bench = bench
        self.start = datetime.now(UTC).replace(microsecond=0)
        self.place = folder / "world"
        self.place.mkdir(parents=True)
        people = dict(zip(("alice", "bob", "carol"), bench.principals, strict=True)) | dict(identities or {})
        name = (json.dumps([people, bench.keys, *map(dict, bench.privileges)]), str(bench.private_key))
        self._with_git = with_git or bench.with_git
        begin = begun if self._with_git else begun_in_memory
        self.access: Access = begin(name, _EARLIER, lambda access: self._begin(access, people), folder / "access")
        bench.welcome(self.place, [bench.one(who, privilege=p) for who in range(3) for p in range(2)])
        self._onlooker: Target | None = None

    def _begin(self, access: Access, identities: Mapping[str, str]) -> None:
        """Leave one target and one resource in the example; what is written here depends on the bench alone."""
        for gone in ("policies/resources/payroll.yaml", "policies/resources/staging.yaml"):
            (access.top / gone).unlink()
        (access.top / "policies/resources/orders-db.yaml").write_text(
            _RESOURCE % (NAME, *(json.dumps(dict(privilege)) for privilege in self.bench.privileges)), encoding="utf-8"
        )
        access.write("policies/rules/access.yaml", _RULES)
        settings = access.top / "policies/daypass.yaml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace("embedded: {kind: embedded}", f"{NAME}: {{kind: embedded}}"), encoding="utf-8")
        people = {
            name: {
                "name": name.title(),
                "email": f"{name}@example.com",
                "identities": {NAME: principal},
                **({"ssh_keys": list(self.bench.keys)} if self.bench.keys and name == "alice" else {}),
            }
            for name, principal in identities.items()
        }
        directory = {"version": 1, "people": people, "groups": {"dba": {"members": ["carol"]}}}
        access.write("policies/directory/people.yaml", json.dumps(directory, ensure_ascii=False, indent=1))
        for folder in ("purposes", "tests"):  # they name people and resources of the example
            for file in (access.top / "policies" / folder).glob("*.yaml"):
                file.unlink()
        access.run("codeowners")
        access.commit("A world for one target")
        access.run("check", "--at", self.at(-240))
        if (
            self._with_git and self.bench.private_key is not None
        ):  # who has a key in the directory counts only with its signature
            access.git("config", "gpg.format", "ssh")
            access.git("config", "user.signingkey", str(self.bench.private_key))

    def at(self, minutes: float) -> str:
        """Return an instant as the command line takes it."""
        return format_instant(self.instant(minutes))

    def instant(self, minutes: float) -> datetime:
        return self.start + timedelta(seconds=int(minutes * 60))

    def grant(self, asked: float, until: float, *, who: str = "alice", start: float | None = None) -> str:
        """Ask and merge at an instant; return the grant's id."""
        window = ("--from", self.at(start if start is not None else asked), "--until", self.at(until))
        reason = ("--reason", "to see whether it works as it must")
        what = ("--resource", "orders-db", "--role", "readonly")
        said = self.access.run("request", *what, *reason, *window, "--at", self.at(asked), acting=who)
        number = said.out.split("#", 1)[1].split(":", 1)[0]
        said = self.access.run("gate", number, "--at", self.at(asked))
        return said.out.split("grants ", 1)[1].split("\n", 1)[0].strip()

    def end(self, grant: str, minutes: float) -> None:
        """End a grant before its time: its removal is merged, and nothing is applied."""
        site = self.access.repo("alice")
        opened = end(site, (GrantId(grant),), at=self.instant(minutes))
        self.access.run("gate", str(opened.number), "--at", self.at(minutes))

    def inputs(self, minutes: float, target: Any, **more: Any) -> Inputs:
        site = self.access.repo()
        return prepare(
            site,
            lambda main: {NAME: target},
            at=self.instant(minutes),
            **more,
        )

    def apply(
        self,
        minutes: float,
        wrap: Wrap = lambda target: target,
        target: Target | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> Applied:
        """Run the applier as a fresh process does, on a target opened afresh; ``clock`` is what the machine's says."""
        opened = wrap(target if target is not None else self.bench.make(self.place))
        return carry_out(
            lambda attend: self.inputs(minutes, opened, attend=attend, clock=clock),
            self.access.repo().ledger,
            lambda main: {NAME: opened},
            run=f"run-{int(minutes * 60)}",
            progress=lambda *_: None,
            timer=time.monotonic,
            clock=clock,
        )

    def settle(self, grant: str, minutes: float, *, adopt: bool) -> None:
        """Let a person say what became of what a grant gave."""
        site = self.access.repo()
        inputs = self.inputs(minutes, self.bench.make(self.place))
        plan = survey(inputs).plan
        bodies = settle(plan, inputs.standing, [GrantId(grant)], adopt=adopt, by="carol", reason="I have looked")
        site.ledger.append(inputs.standing, bodies, at=self.instant(minutes), main=plan.main, run="settled")

    def held(self) -> frozenset[Entitlement]:
        """Return what exists: as observed, or as the ledger believes it where nobody can look.

        Who looks stays there all the time, as to come in often costs much; each run of `apply` comes in anew.
        """
        if Observing not in self.bench.abilities:
            return frozenset(self.ours())
        if self._onlooker is None:
            self._onlooker = self.bench.make(self.place)
        assert isinstance(self._onlooker, Observing)
        return self._onlooker.observe()

    def ours(self) -> set[Entitlement]:
        return set(self.access.repo().standing.holdings)

    def bodies(self) -> list[Body]:
        """Return every receipt of the ledger, verified."""
        ledger = self.access.repo().ledger
        return [from_statement(ledger.verifier.open(envelope.raw)).body for envelope in ledger.receipts.envelopes()]

    def outcomes(self, action: Action | None = None) -> list[Outcome]:
        """Return what came of each change, in the ledger's order."""
        found = [body for body in self.bodies() if isinstance(body, Outcome)]
        return [outcome for outcome in found if action is None or outcome.change.action is action]

    def handover(self) -> str:
        """Return what was handed over last."""
        return next((o.handover for o in reversed(self.outcomes(Action.ADD)) if o.handover), "")

    def settled(self, minutes: float) -> None:
        """Every intent has an outcome, what is ours is what exists, and the ledger verifies.

        What a run could not tell of has another one: that of the run which looked.
        """
        site = self.access.repo()
        assert site.standing.pending == {}
        assert self.held() == self.ours()
        meant = [change for body in self.bodies() if isinstance(body, Intent) for change in body.changes]
        came = [outcome.change for outcome in self.outcomes()]
        assert len(came) >= len(meant)
        assert {*came} == {*meant}
        self.access.run("audit", "verify", "--at", self.at(minutes))


class Around:
    """A target with something done around its writing."""

    def __init__(
        self, target: Target, before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
    ):
        self._target = target
        self._before = before
        self._after = after
        self.asked: list[Sequence[Order]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    @property
    def __class__(self) -> type:
        """Have the abilities of the target, which are its types."""
        return type(self._target)

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        self.asked.append(orders)
        self._before()
        try:
            return self._target.carry_out(orders)
        finally:
            self._after()


class Deaf(Around):
    """Says that everything was done, and does nothing."""

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        self.asked.append(orders)
        return [Done() for _ in orders]


class Killed(BaseException):
    """The process ended here."""
