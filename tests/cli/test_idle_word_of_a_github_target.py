"""Idle runs on a runner that starts bare, where access is membership of a team at GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_bare_runner_at_github import Bare, admit, at, fetched_little, read_nothing, words

from daypass.core.ledger import snapshot
from github_double import Team
from hub import REPOSITORY, Hub

pytestmark = pytest.mark.on_disk

RESOURCE = """\
version: 1
title: Members of the team on call
target: acme
environment: staging
classification: internal
owners: [dba]
roles:
  member: {title: On call, max_duration: 8h, privilege: {team: on-call}}
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(snapshot, "LEAST", 4)
    with Hub(tmp_path, simulated=True, protected=False) as made:
        app = made.double.app("targets", permissions={"members": "write"}, repositories=[REPOSITORY])
        monkeypatch.setenv("ACME_ID", str(app.id))
        monkeypatch.setenv("ACME_KEY", app.private_key)
        clone = made.clone("olga")
        settings = (clone / "policies/daypass.yaml").read_text(encoding="utf-8")
        line = "  embedded: {kind: embedded}"
        options = f"organisation: acme, api_url: '{made.url}', app_id_env: ACME_ID, app_key_env: ACME_KEY"
        people = (clone / "policies/directory/people.yaml").read_text(encoding="utf-8")
        number = made.people["alice"].id
        files = {
            "policies/daypass.yaml": settings.replace(line, f"{line}\n  acme: {{kind: github, {options}}}"),
            "policies/resources/on-call.yaml": RESOURCE,
            "policies/directory/people.yaml": people.replace(
                "alice: {name: Alice Ngo, ", f"alice: {{name: Alice Ngo, identities: {{acme: '{number}'}}, "
            ),
        }
        made.push_branch("olga", "main", files)
        yield made


@pytest.fixture
def team(hub: Hub) -> Team:
    hub.org.members[hub.people["alice"].id] = "member"
    return hub.double.team(hub.org, "on-call")


@pytest.fixture
def resting(hub: Hub, team: Team) -> Bare:
    """A runner whose last run found nothing to do."""
    admit(hub, resource="on-call", role="member")
    hub.run("apply", "--at", at(hub))
    assert team.members == {hub.people["alice"].id: "member"}
    bare = Bare(hub)
    assert "1 live as they should be" in bare("apply", "--at", at(hub))
    assert words(hub) == 1
    assert not read_nothing(hub)
    hub.advance(minutes=5)
    return bare


def looks(hub: Hub) -> list[str]:
    """What GitHub was asked about the organisation, which is forgotten."""
    found = [f"{call.method} {call.path}" for call in hub.calls if call.path.startswith("/orgs/acme/")]
    hub.calls.clear()
    return found


def test_the_next_runs_go_by_the_word_and_ask_what_a_reckoning_asks(hub: Hub, resting: Bare) -> None:
    looks(hub)
    assert "1 live as they should be" in resting("apply", "--retry", "--at", at(hub))
    reckoned = looks(hub)
    for _ in range(2):
        assert "1 live as they should be" in resting("apply", "--at", at(hub))
        assert read_nothing(hub)
        assert fetched_little(resting)
        assert looks(hub) == reckoned
        hub.advance(minutes=5)
    assert words(hub) == 1


def test_what_somebody_changes_there_is_seen_whatever_was_said(hub: Hub, resting: Bare, team: Team) -> None:
    team.members.clear()
    said = resting("apply", "--at", at(hub))
    assert f"ok   + {hub.people['alice'].id}" in said
    hub.advance(minutes=5)
    team.members[hub.people["carol"].id] = "member"
    assert f"not ours {hub.people['carol'].id}" in resting("apply", "--at", at(hub))
    assert words(hub) == 1


def test_a_team_that_was_made_anew_under_its_name_is_another(hub: Hub, resting: Bare, team: Team) -> None:
    del hub.org.teams["on-call"]
    hub.double.team(hub.org, "on-call", [hub.people["alice"]])
    assert "has its name" in resting("apply", "--at", at(hub), expect=None)
    assert not read_nothing(hub)
