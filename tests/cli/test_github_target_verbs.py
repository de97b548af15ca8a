"""The verbs on a GitHub target that the settings name: what the catalogue and the ledger know of it is told to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver import Access
from github_double import Double, User
from github_double.rest import people

AT = "2026-11-20T09:00:00Z"
RESOURCE = """\
version: 1
title: Members of the team of the databases
target: acme-github
environment: staging
classification: internal
owners: [dba]
roles:
  member: {max_duration: 8h, privilege: {team: dba}}
"""
RULES = 'version: 1\nrules:\n  - {id: all-pass, when: "true", approve: automatically}\n'


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    with Double(tmp_path) as made:
        org = made.org("acme")
        made.team(org, "dba")
        made.repository("acme/app")
        app = made.app("targets", permissions={"members": "write"}, repositories=["acme/app"])
        monkeypatch.setenv("ACME_ID", str(app.id))
        monkeypatch.setenv("ACME_KEY", app.private_key)
        yield made


@pytest.fixture
def alice(hub: Double, access: Access) -> User:
    """A member of the organisation; the repository's own targets are joined by one at GitHub."""
    made = hub.user("alice", 101)
    hub.account("acme").members[101] = "member"
    settings = access.top / "policies/daypass.yaml"
    options = f"organisation: acme, api_url: '{hub.url}', app_id_env: ACME_ID, app_key_env: ACME_KEY"
    text = settings.read_text(encoding="utf-8")
    line = "  embedded: {kind: embedded}"
    assert line in text
    settings.write_text(text.replace(line, f"{line}\n  acme-github: {{kind: github, {options}}}"), encoding="utf-8")
    access.write("policies/resources/dba-team.yaml", RESOURCE)
    access.write("policies/rules/access.yaml", RULES)
    people_file = access.top / "policies/directory/people.yaml"
    text = people_file.read_text(encoding="utf-8")
    known = "alice: {name: Alice Ngo, "
    assert known in text
    people_file.write_text(text.replace(known, known + 'identities: {github: "101"}, '), encoding="utf-8")
    (access.top / "policies/tests/access.yaml").unlink()
    access.run("codeowners")
    access.commit("A target at GitHub")
    return made


def team(hub: Double) -> dict[int, str]:
    return hub.account("acme").teams["dba"].members


def merge(access: Access, number: str) -> None:
    access.run("gate", number, "--at", AT)


def test_a_grant_gives_and_ends_membership_of_a_team(hub: Double, alice: User, access: Access) -> None:
    merge(access, access.ask(AT, resource="dba-team", role="member"))
    assert "ok   + 101" in access.run("apply", "--at", AT).out
    assert team(hub) == {101: "member"}
    access.run("apply", "--at", "2026-11-20T11:00:00Z")
    assert team(hub) == {}


def test_a_role_that_left_the_catalogue_is_still_looked_at_while_the_ledger_holds_it(
    hub: Double, alice: User, access: Access
) -> None:
    merge(access, access.ask(AT, resource="dba-team", role="member"))
    access.run("apply", "--at", AT)
    access.write("policies/resources/dba-team.yaml", RESOURCE.replace("team: dba", "team: other"))
    access.commit("Another team")
    site = access.repo()
    known = site._known("acme-github", site.tip)
    assert known.held == {("dba-team", '{"team":"dba"}')}
    assert known.named == {("dba-team", '{"team":"other"}')}
    access.run("apply", "--at", "2026-11-20T09:10:00Z", expect=14)
    assert team(hub) == {}


def test_existing_membership_becomes_a_grant(hub: Double, alice: User, access: Access) -> None:
    team(hub)[101] = "member"
    mallory = hub.user("mallory", 666)
    hub.account("acme").members[666] = "member"
    team(hub)[mallory.id] = "maintainer"
    said = access.run("import", "dba-team", "--at", AT, acting="alice").out
    assert "taken  101  alice member, until 2026-11-20T17:00:00Z (role member of dba-team allows until then)" in said
    assert "left   666" in said
    assert "nobody in the directory is '666' at target acme-github" in said
    assert "whether it had an end" not in said
    merge(access, said.split("#", 1)[1].split(":", 1)[0])
    access.run("apply", "--at", AT)
    plan = json.loads(access.run("plan", "--format", "json", "--at", AT).out)
    assert [one["principal"] for one in plan["unmanaged"]] == ["666"]
    access.run("apply", "--at", "2026-11-20T17:00:00Z")
    assert team(hub) == {666: "maintainer"}


def test_who_is_outside_is_listed_as_invited(hub: Double, alice: User, access: Access) -> None:
    del hub.account("acme").members[101]
    merge(access, access.ask(AT, resource="dba-team", role="member"))
    said = access.run("apply", "--at", AT, expect=14)
    assert "invited, not accepted yet: it is no access until then" in said.out
    said = access.run("apply", "--at", "2026-11-20T09:05:00Z")
    assert "invited  101" in said.out
    assert "; awaiting acceptance" in said.out
    assert "No changes: 0 live as they should be, 1 awaiting acceptance." in said.out
    assert "left, invited, awaiting acceptance" in access.run("status", "--at", "2026-11-20T09:05:00Z").out
    assert "1 invited, awaiting acceptance: no access until then" in access.run("targets", expect=None).out
    assert "[access-awaited]" in access.run("drift", "--at", "2026-11-20T09:05:00Z", expect=13).out
    plan = json.loads(access.run("plan", "--format", "json", "--at", AT).out)
    assert [one["principal"] for one in plan["offered"]] == ["101"]
    people.accept(hub, hub.account("acme"), alice)
    access.run("apply", "--at", "2026-11-20T09:10:00Z")
    access.run("apply", "--at", "2026-11-20T11:00:00Z")
    assert team(hub) == {}


def test_the_targets_verb_looks_at_it(hub: Double, alice: User, access: Access) -> None:
    said = access.run("targets", expect=None)
    assert "the App targets may do: members: write, metadata: read" in said.out


def test_a_server_that_is_down_stops_nothing_elsewhere(hub: Double, alice: User, access: Access) -> None:
    number = access.ask(AT)
    merge(access, number)
    hub.faults.add("*", ".*", times=99, status=401, body={"message": "Bad credentials"})
    said = access.run("apply", "--at", AT, expect=14)
    assert "ok   + alice" in said.out
    assert "unread   acme-github: GitHub answered 401" in said.out


LATER = "2026-11-20T09:30:00Z"


def test_a_team_that_was_renamed_is_followed_and_everybody_is_told(hub: Double, alice: User, access: Access) -> None:
    merge(access, access.ask(AT, resource="dba-team", role="member"))
    access.run("apply", "--at", AT)
    org = hub.account("acme")
    org.teams["data"] = org.teams.pop("dba")
    org.teams["data"].slug = "data"
    said = access.run("apply", "--at", LATER).out
    assert "renamed  101" in said
    assert "the team 'dba' is called 'data' now" in said
    assert "the team 'dba' is called 'data' now" in access.run("status", "--at", LATER).out
    assert "[access-renamed]" in access.run("drift", "--at", LATER, expect=13).out
    access.run("apply", "--at", "2026-11-20T11:00:00Z")
    assert org.teams["data"].members == {}


@pytest.mark.on_disk
def test_of_a_team_that_was_made_anew_nobody_can_tell_until_somebody_settles_it(
    hub: Double, alice: User, access: Access
) -> None:
    merge(access, access.ask(AT, resource="dba-team", role="member"))
    access.run("apply", "--at", AT)
    org = hub.account("acme")
    del org.teams["dba"]
    hub.team(org, "dba")
    for verb in ("plan", "apply", "drift", "status"):
        said = access.run(verb, "--at", LATER, expect=14)
        assert "has its name" in said.out, verb
    assert team(hub) == {}
    assert "  unknown: 101 on dba-team: " in access.run("targets", expect=None).out
    # Its end is no proof either: it is not recorded as taken away.
    said = access.run("apply", "--at", "2026-11-20T11:00:00Z", expect=14).out
    assert "unknown  101" in said
    assert "- 101" not in said
    (grant,) = access.repo().standing.holdings.values()
    name = grant.grants[0]
    again = ("--at", "2026-11-20T11:01:00Z")
    said = access.run("ledger", "settle", name, "--reason", "looked", *again, expect=2)
    assert "expected one of --adopt and --write-off" in said.err
    said = access.run("ledger", "settle", name, "--adopt", "--reason", " ", *again, expect=2)
    assert "expected a reason" in said.err
    said = access.run("ledger", "settle", "dba-team/nobody", "--adopt", "--reason", "looked", *again, expect=2)
    assert f"there is doubt about {name}" in said.err
    said = access.run("ledger", "settle", f"grants/{name}.yaml", "--write-off", "--reason", "team was rebuilt", *again)
    assert "Settled: 101 on dba-team is written off" in said.err
    said = access.run("apply", "--at", "2026-11-20T11:02:00Z", expect=14)
    assert "[written-off]" in said.out
    assert access.repo().standing.holdings == {}
    assert "written off; nobody has seen it gone" in access.run("audit", "history", "--grant", name, *again).out
    access.run("audit", "verify", "--at", "2026-11-20T11:03:00Z")
    assert "team was rebuilt" not in access.git("log", "-p", "--all")


def test_a_team_that_was_made_anew_and_adopted_is_given_again(hub: Double, alice: User, access: Access) -> None:
    merge(access, access.ask(AT, resource="dba-team", role="member"))
    access.run("apply", "--at", AT)
    org = hub.account("acme")
    del org.teams["dba"]
    hub.team(org, "dba")
    (held,) = access.repo().standing.holdings.values()
    access.run("ledger", "settle", held.grants[0], "--adopt", "--reason", "the same people", "--at", LATER)
    access.run("apply", "--at", LATER)
    assert team(hub) == {101: "member"}
    access.run("apply", "--at", "2026-11-20T11:00:00Z")
    assert team(hub) == {}
    access.run("audit", "verify", "--at", "2026-11-20T11:03:00Z")
