"""A repository that is renamed at GitHub while access is live: what runs do under the old name, and that all goes on by the new."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from daypass.edges.targets.embedded.target import EmbeddedTarget
from driver import Said
from hub import REPOSITORY, Hub

SETTINGS = "policies/daypass.yaml"
NEW = "acme/access2"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True, protected=False) as made:
        made.advance(minutes=2)
        yield made


def run(hub: Hub, *verb: str, expect: int | None = 0, environ: dict[str, str] | None = None) -> Said:
    """Run as the App in its clone, as it is: nobody brings that up to date."""
    place = hub.top / "clones" / "app"
    at = ("--at", format_instant(hub.now()))
    return hub.run(*verb, *at, folder=place if place.exists() else hub.clone("app"), expect=expect, environ=environ)


def held(hub: Hub) -> set[str]:
    return {one.principal for one in EmbeddedTarget(hub.top / "state" / "embedded.sqlite", "embedded").observe()}


def merged(hub: Hub, who: str, duration: str, more: str = "") -> int:
    wish = hub.grant(subject=who, resource="staging", role="deploy", duration=duration, more=more)
    number = hub.request_pull(who, wish)
    run(hub, "gate", str(number))
    return number


def renamed(hub: Hub) -> None:
    """Name it anew at GitHub, and on main by a change that its owners merge there."""
    hub.double.rename(hub.repo, "access2")
    settings = hub.bare("show", f"main:{SETTINGS}")
    assert f"repository: {REPOSITORY}" in settings
    tree = hub.top / "owner"
    git("clone", "-q", str(hub.repo.path), str(tree))
    (tree / SETTINGS).write_text(settings.replace(f"repository: {REPOSITORY}", f"repository: {NEW}") + "\n")
    who = ("-c", "user.name=Olga", "-c", "user.email=olga@example.com")
    git("-C", str(tree), *who, "commit", "-qam", "Name the repository anew")
    git("-C", str(tree), "push", "-q")


def pulled(hub: Hub) -> None:
    """Pull in the clone, whose remote has the old name: GitHub leads git on from there."""
    git("-C", str(hub.top / "clones" / "app"), "pull", "-q", "--ff-only", "origin", "main")


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True)


def test_what_was_given_under_the_old_name_ends_and_goes_on_under_the_new(hub: Hub) -> None:
    first = merged(hub, "alice", "1h")
    merged(hub, "bob", "3h")
    run(hub, "apply")
    merged(hub, "carol", "4h")  # merged under the old name, and given by nobody yet
    waiting = hub.request_pull("dave", hub.grant(subject="dave", resource="staging", role="deploy"))
    hub.approve(waiting, "alice")
    renamed(hub)
    hub.advance(hours=1, minutes=1)

    said = run(hub, "expire", expect=14)
    assert re.search(r"ok +- alice", said.out)
    assert "carol" not in said.out
    assert "GitHub has moved /repos/acme/access/installation elsewhere" in said.err
    assert "name it anew in policies/daypass.yaml on main, then `git pull` here" in said.err
    assert "2 receipts wait in the outbox" in said.err
    assert "the settings name the repository acme/access, but this runs in acme/access2" in run(
        hub, "expire", expect=10, environ={"GITHUB_REPOSITORY": NEW}
    ).err  # fmt: skip

    pulled(hub)
    said = run(hub, "expire")
    assert "recorded 2 of the outbox" in said.err
    assert re.search(r"ok +\+ carol", said.out)
    assert held(hub) == {"bob", "carol"}
    assert "merged as" in run(hub, "gate", str(waiting)).out
    run(hub, "apply")
    assert held(hub) == {"bob", "carol", "dave"}
    assert "since the merge: ended " in run(hub, "show", str(first)).out
    hub.advance(hours=2)
    assert re.search(r"ok +- bob", run(hub, "expire").out)
    assert held(hub) == {"carol"}
    pulled(hub)
    assert "\nOK: " in run(hub, "audit", "verify").out


def test_a_task_of_the_old_name_is_not_looked_at_any_more_and_the_window_ends_the_access(hub: Hub) -> None:
    """Whoever takes the old name must not decide when access ends."""
    issue = hub.api("alice", "POST", f"/repos/{REPOSITORY}/issues", {"title": "Of mine"})["number"]
    merged(hub, "bob", "3h", f"ends_when: {{issue_closed: '{REPOSITORY}#{issue}'}}\n")
    run(hub, "apply")
    renamed(hub)
    pulled(hub)
    hub.api("alice", "PATCH", f"/repos/{NEW}/issues/{issue}", {"state": "closed"})
    said = run(hub, "apply").out
    unlooked = f"unlooked staging/bob-1: issue_closed {REPOSITORY}#{issue}: forge.watch does not name {REPOSITORY}; it goes on until"
    assert unlooked in said
    assert unlooked in run(hub, "status").out
    assert "[ends-when-unwatched]" in run(hub, "check", expect=10).out
    assert held(hub) == {"bob"}
    hub.advance(hours=3, minutes=1)
    run(hub, "expire")
    assert held(hub) == set()
