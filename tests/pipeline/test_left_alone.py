"""Lives of an access repository: whatever comes to main and the ledger, who hangs on none of it is found as before."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from daypass.core.approval.quiet import hangs_on
from daypass.core.window import format_instant
from daypass.pipeline.judge.gate import look
from daypass.pipeline.judge.meanwhile import basis_of, moved_since
from daypass.pipeline.judge.overdue import nudges_of
from daypass.pipeline.judge.report import report_of
from daypass.views.comment import comment_text, title_text
from driver import Access

BEGIN = datetime.fromisoformat("2026-11-20T09:00:00Z")
ROLES = {"orders-db": "readonly", "payroll": "readonly", "staging": "deploy"}
PEOPLE = ("alice", "carol", "erin")
STEPS = 40


class Life:
    """What happens by chance, and how often a request was as before though something had come."""

    def __init__(self, access: Access, seed: int) -> None:
        self.access, self.at, self.chance = access, BEGIN, random.Random(seed)  # noqa: S311  (chance, no secret)
        self.left = self.anew = 0

    def step(self) -> None:
        """Let something happen, and hold what is found of each request after it against what was before."""
        self.at += timedelta(minutes=self.chance.choice((3, 10, 50)))
        before, then = self.found(), basis_of(self.access.repo(), "p")
        touched = self.chance.choice((self.ask, self.ask, self.approve, self.gate, self.apply))(
            sorted({number for number, _ in before})
        )
        came, after = moved_since(self.access.repo(), then), self.found()
        moved = came != frozenset()
        for one in before.keys() & after.keys():
            if one[0] == touched:
                continue
            told, on = before[one]
            if came is not None and on is not None and came.isdisjoint(on):
                self.left += moved
                assert after[one][0] == told, f"#{one[0]} at {self.at}, though nothing came but {came}"
            else:
                self.anew += moved

    def found(self) -> dict[tuple[str, str], tuple[tuple[object, ...], frozenset[str] | None]]:
        """Return all that people are told of each open request and its head, how it stands, and what it hangs on."""
        site, at = self.access.repo(), self.at
        pulls = [pull.number for pull in site.forge.open_pulls()]
        reports = [report_of(site, look(site, number, at=at), at=at) for number in pulls]
        return {
            (str(one.found.pull.number), one.found.pull.head): (
                (comment_text(one), title_text(one), nudges_of(one, at=at), one.found.exit_code, one.found.met),
                hangs_on(one.found),
            )
            for one in reports
        }

    def ask(self, numbers: list[str]) -> str:
        resource, who = self.chance.choice(sorted(ROLES)), self.chance.choice(PEOPLE)
        span, reason = self.chance.choice(("30m", "1h", "2h")), f"a long enough reason, {self.chance.randrange(3)}"
        role = ROLES[resource]
        self.run("request", "--resource", resource, "--role", role, "--for", span, "--reason", reason, acting=who)
        return ""

    def approve(self, numbers: list[str]) -> str:
        """Have a request approved by everybody who may."""
        number = self.chance.choice(numbers) if numbers else ""
        for who in ("bob", "carol", "dave", "erin") if number else ():
            self.run("approve", number, acting=who)
        return number

    def gate(self, numbers: list[str]) -> str:
        number = self.chance.choice(numbers) if numbers else ""
        self.run("gate", *([number] if number else []))
        return number

    def apply(self, numbers: list[str]) -> str:
        self.run(self.chance.choice(("apply", "apply", "expire")))
        return ""

    def run(self, *arguments: str, acting: str = "") -> None:
        self.access.run(*arguments, "--at", format_instant(self.at), acting=acting, expect=None)


@pytest.mark.parametrize("seed", range(4))
def test_who_hangs_on_nothing_that_came_is_found_as_before(access: Access, seed: int) -> None:
    life = Life(access, seed)
    for _ in range(STEPS):
        life.step()
    assert life.left > 0
    assert life.anew > 0
