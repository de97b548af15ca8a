"""How many calls each step and each verb takes: what docs/github-calls.md says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from github_world import AT, World

from daypass.core.window import format_instant
from hub import Hub

PAGE = (Path(__file__).parents[3] / "docs" / "github-calls.md").read_text(encoding="utf-8")
TABLE = {row[0].strip(): int(row[1]) for row in re.findall(r"^\| (`[^|]+) \| (\d+) \|", PAGE, re.MULTILINE)}
STEPS: dict[str, Callable[[World], tuple[str, Callable[[Any], object]]]] = {}


def step(name: str):
    def keep(make):
        STEPS[name] = make
        return make

    return keep


@step("`pull`, open")
def _(world: World):
    number = world.opened("alice")
    return "bob", lambda forge: forge.pull(number)


def _bots(world: World, branch: str) -> int:
    world.tokens["bot"] = world.api("app").token()
    world.push("bot", branch)
    return world.open_branch("bot", branch)


@step("`pull`, opened by our bot for somebody")
def _(world: World):
    asked = world.ask("alice", "POST", "/issues", {"title": "Access"})["number"]
    number = _bots(world, f"daypass/issue-{asked}")
    return "bob", lambda forge: forge.pull(number)


@step("`pull`, opened by our bot for nobody")
def _(world: World):
    number = _bots(world, "daypass/removal")
    return "bob", lambda forge: forge.pull(number)


@step("`pull`, closed")
def _(world: World):
    number = world.opened("alice")
    world.forge("bob").close(number, reason="x", at=AT)
    return "bob", lambda forge: forge.pull(number)


@step("`unmerged_pulls`")
def _(world: World):
    world.opened("alice")
    return "bob", lambda forge: forge.unmerged_pulls(AT)


@step("`open_pulls`")
def _(world: World):
    world.opened("alice")
    return "bob", lambda forge: forge.open_pulls()


@step("`reviews`, one approval")
def _(world: World):
    number = world.opened("alice")
    world.reviewed(number, "bob")
    return "carol", lambda forge: forge.reviews(number)


@step("`reviews`, one dismissed")
def _(world: World):
    number = world.opened("alice")
    given = world.reviewed(number, "bob")
    world.ask("carol", "PUT", f"/pulls/{number}/reviews/{given}/dismissals", {"message": "no"})
    return "carol", lambda forge: forge.reviews(number)


@step("`reviews`, merged by our bot")
def _(world: World):
    number = world.opened("alice")
    world.reviewed(number, "bob")
    world.tokens["bot"] = world.api("app").token()
    world.squashed(number, "bot")

    def run(forge) -> None:
        forge.pull(number)
        before = forge._api.calls
        forge.reviews(number)
        forge._api._transport.calls -= before

    return "carol", run


@step("`merged_as`, a merge")
def _(world: World):
    commit = world.squashed(world.opened("alice"))
    return "bob", lambda forge: forge.merged_as(commit)


@step("`merged_as`, a push to main")
def _(world: World):
    commit = world.push("carol", "main", {"x": "y\n"})
    return "bob", lambda forge: forge.merged_as(commit)


@step("`watch`")
def _(world: World):
    conditions = [("issue_closed", f"acme/access#{number}") for number in range(1, 101)]
    return "bob", lambda forge: forge.watch(conditions)


@step("`acting`, a person")
def _(world: World):
    return "bob", lambda forge: forge.acting()


@step("`acting`, the App or a workflow")
def _(world: World):
    return "actions", lambda forge: forge.acting()


@step("`open`")
def _(world: World):
    head = world.push("alice", "wanted")
    return "alice", lambda forge: forge.open(branch="wanted", head=head, title="x", at=AT)


@step("`push`")
def _(world: World):
    number = world.opened("alice")
    head = world.push("alice", "wanted", {"x": "y\n"})
    return "alice", lambda forge: forge.push(number, head=head, at=AT)


@step("`review`")
def _(world: World):
    number = world.opened("alice")
    head = world.head("wanted")
    return "bob", lambda forge: forge.review(number, commit=head, state="approved", at=AT)


@step("`merge`")
def _(world: World):
    number = world.opened("alice", "daypass/renew")
    head, base = world.head("daypass/renew"), world.main()
    return "bob", lambda forge: forge.merge(number, head=head, base=base, message="x", at=AT)


@step("`merge`, by the App, which has read it")
def _(world: World):
    number = world.opened("alice", "daypass/renew")
    head, base = world.head("daypass/renew"), world.main()

    def run(forge) -> None:
        forge.pull(number)
        before = forge._api.calls  # with those for the token
        forge.merge(number, head=head, base=base, message="x", at=AT)
        forge._api._transport.calls -= before

    return "app", run


@step("`close`")
def _(world: World):
    number = world.opened("alice")
    return "bob", lambda forge: forge.close(number, reason="x", at=AT)


@step("`commit`")
def _(world: World):
    world.forge("bob")._remote.bring("main")
    parent = world.main()
    files = [("a", b"1\n"), ("grants/old.yaml", None)]
    return "bob", lambda forge: forge.commit(branch="daypass/x", parent=parent, files=files, message="x", at=AT)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_takes_the_calls_that_the_page_says(world: World, name: str) -> None:
    who, run = STEPS[name](world)
    forge = world.forge(who)
    run(forge)
    assert forge._api.calls == TABLE[name]


ESCALATES = """version: 1
rules:
  - id: escalates
    when: 'true'
    require: [{approvals: {at_least: 1, from: owners}, escalate: {after: 4h, to: "person:dave"}}]
"""


def _escalated(place: Path) -> dict[str, int]:
    """Count what the gate takes to tell of an escalation, and once it did."""
    taken: dict[str, int] = {}
    with Hub(place, simulated=True, files={"policies/rules/access.yaml": ESCALATES}) as hub:
        hub.advance(minutes=2)
        number = str(hub.request_pull("alice", hub.grant()))
        hub.run("report", number, "--at", format_instant(hub.now()))
        hub.advance(hours=5)
        for name in ("`gate N`, telling of an escalation", "`gate N`, approvals missing, an escalation told before"):
            before = len(hub.calls)
            hub.run("gate", number, "--at", format_instant(hub.now()), expect=12)
            taken[name] = sum(".git/" not in call.path for call in hub.calls[before:])
    return taken


def test_a_life_takes_the_calls_that_the_page_says(tmp_path: Path) -> None:
    with Hub(tmp_path, simulated=True) as hub:
        taken: dict[str, int] = {}
        recorded: dict[str, int] = {}

        def run(name: str, *verb: str, expect: int = 0) -> None:
            before = len(hub.calls)
            hub.run(*verb, "--at", format_instant(hub.now()), expect=expect)
            taken[name] = sum(".git/" not in call.path for call in hub.calls[before:])
            pushed = [n for n, call in enumerate(hub.calls) if n >= before and "git-receive-pack" in call.path]
            recorded[name] = sum(".git/" not in call.path for call in hub.calls[before : (pushed or [before])[-1]])

        hub.advance(minutes=2)  # the ledger saw main before anybody asks, by every clock
        number = str(hub.request_pull("alice", hub.grant()))
        run("`report N`, for the first time", "report", number)
        run("`gate N`, approvals missing, nothing new to tell", "gate", number, expect=12)
        other = str(hub.request_pull("alice", hub.grant(reason="a second complaint")))
        for who in ("bob", "dave"):
            hub.approve(int(other), who)
        run("`gate N`, merging with two approvals", "gate", other)
        run("`apply`, one new grant", "apply")
        run("`apply`, nothing new", "apply")
        run("`apply --issue`, nothing new", "apply", "--issue")
        hub.api("alice", "PATCH", f"/repos/acme/access/pulls/{number}", {"state": "closed"})
        run("`gate`, nothing open", "gate")
        run("`expire`, recording a closed request", "expire")
        run("`expire`, nothing ended", "expire")
        run("`expire --issue`, nothing ended", "expire", "--issue")
        run("`drift`", "drift")
        hub.advance(hours=9)
        run("`apply`, one grant ended", "apply")
        run("`expire`, opening the removal", "expire")
        run("`gate`, merging the removal", "gate")
    taken |= _escalated(tmp_path / "escalated")
    taken["`apply`, one new grant, until its receipt"] = recorded["`apply`, one new grant"]
    steps = {name: calls for name, calls in TABLE.items() if name not in STEPS}
    assert taken == steps
