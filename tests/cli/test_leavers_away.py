"""The forge is away and the source of people is not: who left loses access all the same, and it is recorded later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.edges.forges.github import api
from hub import Hub
from machines import Machines
from servers.scim import TOKEN, ScimServer, scim_server

FILE, SETTINGS = "policies/directory/people.yaml", "policies/daypass.yaml"
WAITS = [("departed", False), ("intent", False), ("outcome", False)]


class Leaving(Machines):
    """Machines whose repository has a source of people elsewhere; ``ids`` are those of everybody there."""

    def __init__(self, hub: Hub, server: ScimServer) -> None:
        super().__init__(hub)
        self.server = server
        people = ("alice", "bob", "carol", "dave", "erin")
        self.ids = {who: server.user(who, emails=[{"value": f"{who}@example.com"}]) for who in people}
        folder = hub.clone("alice")
        named = f'people: {{source: {{kind: scim, url: "{server.url}", token_env: DAYPASS_SCIM_TOKEN}}}}\n'
        hub.push_branch("olga", "main", {SETTINGS: (folder / SETTINGS).read_text() + named})
        hub.run("people", "import", "--scim", who="alice", environ={"DAYPASS_SCIM_TOKEN": TOKEN})
        hub.push_branch("olga", "main", {FILE: (folder / FILE).read_text()})

    def given(self, *people: str) -> None:
        for who in people:
            self.give(who)
        self.run("one", "apply")
        assert self.held() == set(people)

    def check(self, machine: str, *words: str, expect: int = 0) -> str:
        self.hub.advance(minutes=1)
        said = self.run(machine, "people", "check", *words, expect=expect, DAYPASS_SCIM_TOKEN=TOKEN)
        return said.out + said.err

    def expire(self, machine: str, *words: str, expect: int = 0) -> str:
        self.hub.advance(minutes=1)
        said = self.run(machine, "expire", *words, expect=expect)
        return said.out + said.err


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Leaving]:
    monkeypatch.setattr(api, "_PAUSES", (0.0, 0.0, 0.0))
    server = scim_server()
    server.empty()
    with Hub(tmp_path, simulated=True, protected=False) as hub:
        yield Leaving(hub, server)


def test_who_leaves_while_the_forge_is_away_loses_access_then_and_for_good(machines: Leaving) -> None:
    machines.given("alice", "bob")
    with machines.away():
        machines.server.change(machines.ids["alice"], active=False)
        said = machines.check("one", expect=14)
        assert "  alice                    is disabled\n  `daypass expire` here ends what they hold" in said
        assert "1 receipt waits in the outbox for the next run that reaches the remote" in said
        assert machines.held() == {"alice", "bob"}
        assert "ok   - alice" in machines.expire("one", expect=14)
        assert machines.held() == {"bob"}
        assert "0 left" in machines.check("one", expect=14)  # it waits, and is not written twice
        machines.expire("one", expect=14)
        machines.server.change(machines.ids["alice"], active=True)
        assert "0 left, 0 back" in machines.check("one", expect=14)  # nobody is back before the forge is
    said = machines.expire("one")
    assert "recorded 3 of the outbox" in said
    assert machines.late() == WAITS
    assert machines.held() == {"bob"}  # what was approved before is not given again
    assert "1 granted" in machines.run("one", "status").out
    assert "is there again" in machines.check("one")
    machines.run("one", "apply")
    assert machines.held() == {"bob"}
    assert "OK" in machines.proves()
    history = machines.hub.run("audit", "history", "--subject", "alice", who="erin").out
    assert "account-disabled: the source of people has alice as disabled" in history


def test_the_directory_says_so_once_the_forge_is_back(machines: Leaving) -> None:
    machines.given("alice")
    with machines.away():
        machines.server.delete(machines.ids["alice"])
        assert "is there no more" in machines.check("one", expect=14)
    said = machines.expire("one")  # nothing but the receipt had waited
    assert "ended early: the source of people has alice no more" in said
    assert machines.late() == [("departed", False)]
    assert "ended their engagement in the directory" in machines.check("one")
    assert "until: " in machines.hub.bare("show", f"main:{FILE}").partition("alice:")[2].partition("\n")[0]
    assert "OK" in machines.proves()


def test_what_two_machines_were_told_is_recorded_once(machines: Leaving) -> None:
    machines.given("alice")
    machines.run("two", "apply")
    with machines.away():
        machines.server.change(machines.ids["alice"], active=False)
        for machine in ("one", "two"):
            machines.check(machine, expect=14)
            machines.expire(machine, expect=14)
    machines.expire("two")
    machines.expire("one")
    assert [(kind, witness) for kind, witness in machines.late() if kind == "departed"] == [
        ("departed", False),
        ("departed", True),
    ]
    assert "OK" in machines.proves()


def test_who_is_back_by_what_others_recorded_meanwhile_is_not_ended_again(machines: Leaving) -> None:
    machines.given("bob")
    machines.run("two", "apply")
    with machines.away():
        machines.server.change(machines.ids["alice"], active=False)
        machines.check("one", expect=14)
    machines.check("two")
    machines.server.change(machines.ids["alice"], active=True)
    assert "is there again" in machines.check("two")
    machines.expire("one")
    assert machines.late() == [("departed", True)]
    assert "0 left, 0 back" in machines.check("one")
    assert "OK" in machines.proves()


def test_word_of_somebody_whom_main_has_no_more_from_the_source_proves_all_the_same(machines: Leaving) -> None:
    machines.given("bob")
    with machines.away():
        machines.server.delete(machines.ids["alice"])
        machines.check("one", expect=14)
    people = machines.hub.bare("show", f"main:{FILE}")
    machines.hub.push_branch("olga", "main", {FILE: people.replace(f"source_id: {machines.ids['alice']}, ", "") + "\n"})
    machines.give("carol")
    machines.run("two", "apply")
    machines.expire("one")
    assert machines.late() == [("departed", False)]
    assert "OK" in machines.proves()


def test_many_who_leave_at_once_wait_for_a_person_as_ever(machines: Leaving) -> None:
    settings = machines.hub.bare("show", f"main:{SETTINGS}")
    machines.hub.push_branch("olga", "main", {SETTINGS: settings.replace("removals: 25%", "removals: 1")})
    machines.hub.advance(minutes=2)
    machines.given("alice", "bob", "carol")
    with machines.away():
        for who in ("alice", "bob", "carol"):
            machines.server.change(machines.ids[who], active=False)
        said = machines.check("one", expect=14)
        assert "3 people have left at once, where the settings allow 1: nobody's access was ended" in said
        assert "0 receipts wait" in said
        machines.expire("one", expect=14)
        assert machines.held() == {"alice", "bob", "carol"}
        digest = json.loads(
            machines.run("one", "people", "check", "--format", "json", expect=14, DAYPASS_SCIM_TOKEN=TOKEN).out
        )["digest"]
        machines.check("one", "--confirm", digest, expect=14)
        held = machines.expire("one", expect=14)
        assert "--confirm sha256:" in held  # the brake of the run itself
        assert machines.held() != set()
        confirmed = held.rpartition("--confirm ")[2].split()[0]
        machines.run("one", "apply", "--confirm", confirmed, expect=14)
        assert machines.held() == set()
    machines.expire("one")
    assert machines.held() == set()
    assert "OK" in machines.proves()


@pytest.mark.parametrize("what", ["nobody", "no answer"])
def test_a_source_that_cannot_be_read_ends_nobody(machines: Leaving, what: str) -> None:
    machines.given("alice")
    with machines.away():
        machines.server.empty()
        token = TOKEN if what == "nobody" else "another"
        machines.run("one", "people", "check", expect=1, DAYPASS_SCIM_TOKEN=token)
        machines.expire("one", expect=14)
    assert machines.held() == {"alice"}


def test_a_look_alone_writes_nothing(machines: Leaving) -> None:
    machines.given("alice")
    with machines.away():
        machines.server.change(machines.ids["alice"], active=False)
        assert "is disabled" in machines.check("one", "--dry-run", expect=14)
        machines.expire("one", expect=14)
        assert machines.held() == {"alice"}


def test_without_a_key_nothing_is_done(machines: Leaving) -> None:
    machines.given("alice")
    machines.run("two", "status")
    with machines.away():
        machines.server.change(machines.ids["alice"], active=False)
        assert "cannot be fetched" in machines.run(
            "one", "people", "check", expect=1, DAYPASS_SCIM_TOKEN=TOKEN, DAYPASS_LEDGER_KEY=""
        ).err  # fmt: skip
        assert machines.held() == {"alice"}


def departure_told_late(machines: Leaving) -> None:
    """One machine is told that alice left while the forge is away; she is back, and is given access, before that is known."""
    machines.given("bob")
    machines.run("two", "apply")
    with machines.away():
        machines.server.change(machines.ids["alice"], active=False)
        machines.check("one", expect=14)
    machines.server.change(machines.ids["alice"], active=True)
    assert "0 left, 0 back" in machines.check("two")
    machines.hub.advance(minutes=60)
    machines.give("alice")
    machines.run("two", "apply")
    assert machines.held() == {"alice", "bob"}


def test_what_was_approved_after_a_departure_that_is_told_late_is_held_back_and_given_again(machines: Leaving) -> None:
    departure_told_late(machines)
    said = machines.expire("one")
    assert "it was merged since, and is held back until people check tells whether they are back" in said
    assert machines.late() == [("departed", False)]
    for verb in ("expire", "apply"):
        machines.run("two", verb)
        assert machines.held() == {"bob"}
    assert "ended" not in [receipt["kind"] for receipt in machines.receipts()]
    assert "grants/staging/alice-" in machines.hub.bare("ls-tree", "-r", "--name-only", "main")
    assert machines.hub.bare("for-each-ref", "refs/heads/daypass/removal") == ""  # nobody is asked to take the file out
    assert "is there again" in machines.check("two")
    machines.run("two", "apply")
    assert machines.held() == {"alice", "bob"}
    assert "OK" in machines.proves()


def test_what_was_approved_after_a_departure_ends_for_good_once_the_source_bears_it_out(machines: Leaving) -> None:
    departure_told_late(machines)
    machines.expire("one")
    machines.server.change(machines.ids["alice"], active=False)
    assert "ended their engagement in the directory" in machines.check("two")
    machines.expire("two")
    assert [receipt["kind"] for receipt in machines.receipts()].count("ended") == 1
    machines.server.change(machines.ids["alice"], active=True)
    machines.check("two")
    machines.run("two", "apply")
    assert machines.held() == {"bob"}
    assert "OK" in machines.proves()
