"""Who somebody is at a forge: numbers before names, machines as nobody, and settings that fit their kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from policy_samples import SETTINGS, files, policy, read_policies, shown

from daypass.core.approval.exclusion import excluded_people
from daypass.core.catalogue import Directory, Subject, frozen
from daypass.core.forge import Account, Pull
from daypass.core.ids import Oid

COMMIT = Oid("c" * 40)
ALICE = Account("alice", "Alice")
PULL = Pull(7, "x", "open", ALICE, datetime(2026, 11, 20, 10, tzinfo=UTC), "b1", Oid("a" * 40), (ALICE,))
DIRECTORY = Directory(
    frozen(
        {
            "alice": Subject("alice", emails=("alice@example.com",), login="alice-ngo", forge_id=1),
            "bob": Subject("bob", emails=("bob@example.com",), login="bosei", forge_id=2),
        }
    ),
    frozen({}),
)


@dataclass(frozen=True)
class Made:
    """A commit as far as it matters here."""

    author_email: str
    committer_email: str = "noreply@github.com"
    message: str = "Ask\n"
    oid: Oid = COMMIT


def test_a_machine_of_the_forge_is_nobody_and_only_where_the_forge_says_so() -> None:
    made = Made("alice@example.com")
    machine = replace(PULL, machines=frozenset({"noreply@github.com"}))
    assert excluded_people(machine, [made], "alice", DIRECTORY).unresolved == ()
    assert len(excluded_people(PULL, [made], "alice", DIRECTORY).unresolved) == 1


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("2+bosei@users.noreply.github.com", "bob"),
        ("2+another-name@users.noreply.github.com", "bob"),
        ("bosei@users.noreply.github.com", "bob"),
        ("2+bosei_acme@users.noreply.github.com", "bob"),
        ("2+bosei+night@users.noreply.github.com", "bob"),
        ("2+bosei@users.noreply.ghe.example", ""),
        ("999+bosei@users.noreply.github.com", ""),
        ("999+nobody@users.noreply.github.com", ""),
    ],
)
def test_the_number_in_a_hidden_address_decides(address: str, who: str) -> None:
    machine = replace(PULL, machines=frozenset({"noreply@github.com"}))
    found = excluded_people(machine, [Made(address)], "alice", DIRECTORY)
    assert ("bob" in found.people) is bool(who)
    assert bool(found.unresolved) is not bool(who)


def test_hidden_addresses_of_another_server_name_the_accounts_there() -> None:
    there = replace(PULL, server="ghe.example", machines=frozenset({"noreply@ghe.example"}))
    made = [Made("2+bosei_acme@users.noreply.ghe.example", committer_email="noreply@ghe.example")]
    found = excluded_people(there, made, "alice", DIRECTORY)
    assert ("bob" in found.people, found.unresolved) == (True, ())
    elsewhere = excluded_people(
        there, [Made("2+bosei@users.noreply.github.com", "alice@example.com")], "alice", DIRECTORY
    )
    assert "bob" not in elsewhere.people
    assert len(elsewhere.unresolved) == 1


def test_at_github_a_person_is_their_number_unless_the_server_is_another() -> None:
    bob = DIRECTORY.subjects["bob"]
    there = "{kind: github, organisation: acme, token_env: T}"
    other = "{kind: github, organisation: acme, token_env: T, api_url: https://ghe.example/api}"
    text = SETTINGS.replace("embedded: {kind: embedded}", f"embedded: {{kind: embedded}}\n  g: {there}\n  e: {other}")
    targets = policy(daypass=text).catalogue.settings.targets
    assert [bob.identity_at(targets[name]) for name in ("g", "e", "embedded")] == ["2", "", "bob"]


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        ("{kind: github}", "a forge of kind github needs the repository that it serves"),
        ("{kind: local, repository: acme/access}", "a forge of kind local has no repository"),
        ("{kind: local, teams: {dba: acme/dba}}", "a forge of kind local has no teams"),
    ],
)
def test_a_forge_has_what_its_kind_needs_and_no_more(forge: str, message: str) -> None:
    found = policy(daypass=SETTINGS.replace("forge: {kind: local}", f"forge: {forge}"))
    (one,) = shown(found.broken)
    assert f"forge-incomplete {message}" in one


def test_a_link_among_the_policies_is_refused() -> None:
    found = read_policies(files(), links=["policies/resources/x.yaml"])
    assert "stray-policy-file" in {finding.code for finding in found.broken}
