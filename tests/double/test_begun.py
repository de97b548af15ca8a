"""A hub that was copied behaves as one that took the same steps itself."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pprint import pformat
from typing import Any

import pytest

from begun import begun
from github_double.shapes import stamp
from hub import REPOSITORY, Hub, git

pytestmark = pytest.mark.on_disk


def steps(hub: Hub) -> None:
    """Have access given, with a request open beside it."""
    hub.double.clock = datetime(2031, 1, 1, tzinfo=UTC)
    number = request(hub, "alice")
    hub.run("gate", str(number), "--at", stamp(hub.now()))
    hub.run("apply", "--at", stamp(hub.now()))
    waiting = hub.request_pull("carol", hub.grant(subject="carol"))
    hub.run("gate", str(waiting), "--at", stamp(hub.now()), expect=12)


def request(hub: Hub, who: str) -> int:
    number = hub.request_pull(who, hub.grant(subject=who, role="readonly"))
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    return number


def more(hub: Hub) -> list[Any]:
    """Take further steps; return what each said."""
    hub.advance(minutes=5)
    when = stamp(hub.now())
    said = [hub.run("gate", str(request(hub, "erin")), "--at", when), hub.run("gate", "--at", when, expect=None)]
    said += [hub.run(*verb, "--at", when) for verb in (["apply"], ["status"], ["audit", "verify"])]
    hub.advance(hours=3)
    return [*said, hub.run("expire", "--at", stamp(hub.now()))]


def seen(hub: Hub) -> dict[str, Any]:
    """Everything that can be seen of a hub from outside, with names for where it is."""
    listed = "%(refname) %(objectname)"
    with sqlite3.connect(hub.top / "state" / "embedded.sqlite") as target:
        held = target.execute("SELECT * FROM entitlements").fetchall()
    target.close()
    return {
        "refs": hub.bare("for-each-ref", f"--format={listed}").splitlines(),
        "clones": {
            path.name: [git(path, "for-each-ref", f"--format={listed}"), git(path, "ls-remote", "origin", "main")]
            for path in sorted((hub.top / "clones").iterdir())
        },
        "held": held,
        "pulls": [hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls/{number}") for number in hub.repo.pulls],
        "comments": [
            hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments") for number in hub.repo.issues
        ],
        "checks": [{**vars(check), "app": check.app.slug} for check in hub.repo.checks.values()],
        "rules": hub.api("olga", "GET", f"/repos/{REPOSITORY}/rulesets"),
        "events": [(event.name, event.action, event.payload) for event in hub.events],
        "calls": [(call.method, call.path, call.status, call.owner) for call in hub.calls],
    }


def test_a_copied_hub_goes_on_as_one_that_took_the_steps_itself(tmp_path: Path) -> None:
    with ExitStack() as both:
        made = both.enter_context(Hub(tmp_path / "made", simulated=True))
        steps(made)
        made.events.clear()
        made.calls.clear()
        copied = both.enter_context(begun(tmp_path / "copied", steps, simulated=True))
        assert made.url != copied.url
        told = []
        for hub in (made, copied):
            before = seen(hub)
            hub.calls.clear()
            said = more(hub)
            told.append(_plain((before, said, seen(hub)), hub))
    assert "window opened, until 2031-01-01T02:05:00Z" in told[0]
    assert told[0].splitlines() == told[1].splitlines()


def test_the_clock_of_a_copied_hub_goes_on_from_where_the_steps_ended(tmp_path: Path) -> None:
    ended: list[datetime] = []

    def nothing(hub: Hub) -> None:
        ended.append(hub.now())

    for place in ("first", "second"):
        with begun(tmp_path / place, nothing) as hub:
            assert timedelta() <= hub.now() - ended[0] < timedelta(seconds=2)
        time.sleep(2.5)
    assert len(ended) == 1


def _plain(what: object, hub: Hub) -> str:
    """Write down what was seen, calling alike what no two hubs share: places, this day's instants, and what is hashed."""
    text = pformat(what, width=150).replace(hub.double.server_url.removeprefix("http://"), "HOST")
    text = re.sub(rf"{hub.top}|{hub.ledger_key}", "OURS", text)
    text = re.sub(r"20(?!31)\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "NOW", text)
    names: dict[str, int] = {}
    return re.sub(r"\b[0-9a-f]{12,}\b", lambda found: f"#{names.setdefault(found[0][:12], len(names))}", text)
