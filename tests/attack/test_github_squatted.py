"""Branches of our names that somebody else made first: nothing there is trusted, and nothing fails without a hint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from siege import held

from daypass.core.window import format_instant
from hub import REPOSITORY, Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, protected=False, simulated=True) as found:
        found.advance(minutes=2)
        yield found


def at(hub: Hub) -> str:
    hub.advance(seconds=1)
    return format_instant(hub.now())


@pytest.fixture
def grant(hub: Hub) -> str:
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number), "--at", at(hub))
    hub.run("apply", "--at", at(hub))
    assert held(hub) == {"alice"}
    return "orders-db/alice-1"


def head_of(hub: Hub, said: str) -> str:
    number = int(said.split("#", 1)[1].split(":", 1)[0])
    return str(hub.pull(number)["head"]["ref"])


def test_an_extension_takes_a_free_name_where_somebody_has_its_branch(hub: Hub, grant: str) -> None:
    squatted = f"daypass/extend/{grant.replace('/', '-')}"
    hub.push_branch("olga", squatted, {"notes.txt": "mine"})
    before = hub.head(squatted)
    said = hub.run("extend", grant, "--for", "1h", "--at", at(hub), who="alice").out
    assert head_of(hub, said).startswith(f"{squatted}-2")
    assert hub.head(squatted) == before
    number = int(said.split("#", 1)[1].split(":", 1)[0])
    hub.advance(seconds=2)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    assert "merged" in hub.run("gate", str(number), "--at", at(hub)).out


def test_an_end_takes_a_free_name_where_somebody_has_its_branch(hub: Hub, grant: str) -> None:
    squatted = f"daypass/end/{grant.replace('/', '-')}-alice"
    hub.push_branch("olga", squatted, {"notes.txt": "mine"})
    said = hub.run("end", grant, "--at", at(hub), who="alice").out
    assert head_of(hub, said).startswith(f"{squatted}-2")
    number = int(said.split("#", 1)[1].split(":", 1)[0])
    hub.run("gate", str(number), "--at", at(hub))
    hub.run("apply", "--at", at(hub))
    assert held(hub) == set()


@pytest.mark.parametrize("taken", ["daypass", "daypass/extend", "daypass/extend/{}/more"])
def test_a_branch_in_the_way_is_named_with_the_command_that_removes_it(hub: Hub, grant: str, taken: str) -> None:
    name = taken.format(grant.replace("/", "-"))
    if taken == "daypass":
        for each in hub.bare("for-each-ref", "--format=%(refname)", "refs/heads/daypass/").splitlines():
            hub.bare("update-ref", "-d", each)
    hub.push_branch("olga", name, {"notes.txt": "mine"})
    said = hub.run("extend", grant, "--for", "1h", "--at", at(hub), who="alice", expect=None)
    assert said.code == 1
    assert f"branch '{name}' stands in the way of 'daypass/extend/" in said.err
    assert f"git push origin --delete {name}" in said.err


def test_a_branch_in_the_way_of_an_emergency_stop_is_named_with_the_command_that_removes_it(
    hub: Hub, grant: str
) -> None:
    hub.push_branch("olga", "daypass/revoke", {"notes.txt": "mine"})
    words = ("revoke", "--subject", "alice", "--now", "--reason", "stolen laptop")
    said = hub.run(*words, "--at", at(hub), who="dave", expect=1)
    assert "branch 'daypass/revoke' stands in the way of 'daypass/revoke/alice-" in said.err
    assert "git push origin --delete daypass/revoke" in said.err
    hub.api("olga", "DELETE", f"/repos/{REPOSITORY}/git/refs/heads/daypass/revoke")
    hub.run(*words, "--at", at(hub), who="dave")


def test_who_asks_for_the_same_extension_twice_is_told_of_the_first(hub: Hub, grant: str) -> None:
    first = hub.run("extend", grant, "--for", "1h", "--at", at(hub), who="alice").out
    number = first.split("#", 1)[1].split(":", 1)[0]
    said = hub.run("extend", grant, "--for", "1h", "--at", at(hub), who="alice", expect=None)
    assert said.code != 0
    assert f"you have #{number} open for this already" in said.err
