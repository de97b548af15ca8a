"""An access repository whose targets are fakes: the pipeline's own functions over real git, a real forge and ledger."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement
from daypass.core.window import parse_instant
from daypass.pipeline.apply.inputs import prepare
from daypass.pipeline.apply.run import Applied
from daypass.pipeline.apply.run import apply as carry_out
from daypass.pipeline.apply.survey import Inputs, Survey, survey
from driver import Access
from fakes.target import FakeTarget

SECOND = """\
version: 1
title: Billing database
target: other
environment: production
classification: restricted
owners: [dba]
roles:
  readonly: {max_duration: 8h, privilege: {member_of: billing_readonly}}
"""


def on(text: str) -> str:
    """``10:05`` of the day of every example."""
    return text if "T" in text else f"2026-11-20T{text}:00Z"


@dataclass
class FaultyWorld:
    """``targets`` stand in place of those that the settings name; the ledger, git and the forge are real."""

    access: Access
    targets: dict[str, FakeTarget | EdgeError] = field(default_factory=dict)

    def open(self, main: Any) -> dict[str, Any]:
        names = self.access.repo().settings_at(main).targets
        return {name: self.targets[name] for name in names if name in self.targets}

    def inputs(self, at: str, **more: Any) -> Inputs:
        site = self.access.repo()
        site.__dict__["forge"] = more.pop("forge", site.forge)
        return prepare(
            site,
            self.open,
            at=parse_instant(on(at)),
            **more,
        )

    def survey(self, at: str) -> Survey:
        return survey(self.inputs(at))

    def apply(self, at: str, *, ledger: Any = None, confirmed: str = "", forge: Any = None, **more: Any) -> Applied:
        return carry_out(
            lambda attend: self.inputs(
                at, attend=attend, clock=more.get("clock"), **({} if forge is None else {"forge": forge})
            ),
            ledger if ledger is not None else self.access.repo().ledger,
            self.open,
            run="run",
            confirmed=confirmed,
            progress=lambda *_: None,
            timer=time.monotonic,
            **more,
        )

    def standing(self) -> Any:
        return self.access.repo().standing

    def held(self) -> set[Entitlement]:
        return {e for t in self.targets.values() if isinstance(t, FakeTarget) for e in t.held}

    def ours(self) -> set[Entitlement]:
        return set(self.standing().holdings)

    def verify(self, at: str) -> str:
        return self.access.run("audit", "verify", "--at", on(at)).out


def two_targets(access: Access) -> FaultyWorld:
    """Targets ``embedded`` and ``other``, both fakes, with one resource each."""
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    named = next(line for line in text.splitlines() if line.strip().startswith("embedded:"))
    access.write(path, text.replace(named, f"{named}\n  other: {{kind: embedded, path: other.sqlite}}"))
    access.write("policies/resources/billing.yaml", SECOND)
    access.commit("a second target")
    return FaultyWorld(access, {"embedded": FakeTarget("embedded"), "other": FakeTarget("other")})
