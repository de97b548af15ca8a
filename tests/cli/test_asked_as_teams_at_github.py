"""Whose review is requested at GitHub: teams, what GitHub has not requested itself, and nobody twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from github_double import pulling
from hub import REPOSITORY, Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as made:
        yield made


def asked(hub: Hub, number: int) -> tuple[set[str], set[str]]:
    """The people and the teams whose review is requested."""
    pull = hub.pull(number)
    people = {user["login"] for user in pull["requested_reviewers"]}
    return people, {team["slug"] for team in pull["requested_teams"]}


def test_teams_are_asked_and_only_those_that_github_did_not_ask(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    assert asked(hub, number) == (set(), {"dba"})  # the code owners, by GitHub itself
    hub.run("report", str(number))
    assert asked(hub, number) == (set(), {"dba", "security"})


def test_a_team_is_not_asked_again_once_somebody_of_it_answered(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.run("report", str(number))
    hub.review(number, "dave", "REQUEST_CHANGES", body="why four?")
    hub.review(number, "dave", "APPROVE")
    assert asked(hub, number) == (set(), {"dba"})
    hub.run("report", str(number))
    assert asked(hub, number) == (set(), {"dba"})


def test_a_team_that_somebody_took_off_is_not_asked_again(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.run("report", str(number))
    path = f"/repos/{REPOSITORY}/pulls/{number}/requested_reviewers"
    hub.api("alice", "DELETE", path, {"reviewers": [], "team_reviewers": ["security"]})
    hub.approve(number, "bob")  # there is something new to say
    hub.run("report", str(number))
    assert asked(hub, number) == (set(), set())


def test_the_people_of_a_team_without_access_are_asked_in_its_place(hub: Hub) -> None:
    del hub.repo.team_roles[next(team.id for team, _ in hub.repo.team_roles.values() if team.slug == "security")]
    number = hub.request_pull("alice", hub.grant())
    hub.run("report", str(number))
    assert asked(hub, number) == ({"kim-dave", "erin-v"}, {"dba"})


def test_a_draft_asks_nobody_until_it_is_ready(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    pull = hub.repo.pulls[number]
    pull.draft, pull.asked_teams = True, []
    hub.run("report", str(number))
    assert asked(hub, number) == (set(), set())
    pulling.mark_ready(hub.double, pull, hub.double.tokens[hub.tokens["alice"]])
    assert asked(hub, number) == (set(), {"dba"})
    hub.run("report", str(number))
    assert asked(hub, number) == (set(), {"dba", "security"})
