"""The name of what an organisation holds, by which a run goes by what an earlier one found there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from github_people import ADMIN, AUDITOR, MEMBER, PUSH, People, add, right

from daypass.core.errors import EdgeError
from daypass.edges.targets.github.target import GitHubTarget
from github_double import Double


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    with Double(tmp_path) as hub:
        yield People(hub)


def named(target: GitHubTarget) -> str:
    target.observe()
    return target.fingerprint()[""]


def test_each_thing_that_an_answer_hangs_on_is_in_it(people: People) -> None:
    assert add(people.target(), right(people.alice), right(people.bob, AUDITOR, "organisation")) == ["", ""]
    people.app_repo.collaborators[people.alice.id] = "write"
    seen = [named(people.target())]
    for change in (
        lambda: people.dba.members.update({people.alice.id: "maintainer"}),
        lambda: people.app_repo.collaborators.update({people.alice.id: "admin"}),
        lambda: people.app_repo.collaborators.update({people.bob.id: "read"}),
        lambda: people.auditor.users.discard(people.bob.id),
        lambda: add(people.target(), right(people.rita, PUSH, "app")),
        lambda: people.accept(people.rita, repository=True),
        lambda: setattr(people.hub.team(people.org, "below"), "parent", people.dba),
    ):
        change()
        seen.append(named(people.target()))
    assert len({*seen}) == len(seen)
    people.alice.login = "alice-now"
    people.hub.user("somebody", 999)
    assert named(people.target()) == seen[-1]  # what people are called is nothing, nor who else there is


def test_a_team_and_a_repository_made_anew_under_their_names_are_others(people: People) -> None:
    people.dba.members[people.alice.id] = "member"
    people.app_repo.collaborators[people.alice.id] = "write"
    held = named(people.target())
    del people.org.teams["dba"]
    people.hub.team(people.org, "dba", [people.alice])
    team = named(people.target())
    del people.hub.repositories["acme/app"]
    shutil.rmtree(people.app_repo.path)
    people.hub.repository("acme/app").collaborators[people.alice.id] = "write"
    assert len({held, team, named(people.target())}) == 3


def test_what_the_ledger_shows_and_the_catalogue_does_not_name_is_in_it(people: People) -> None:
    """A run that goes by a receipt alone looks at what the catalogue names: it takes no word of more than that."""
    only = [("dba-team", MEMBER), ("app", PUSH)]
    assert named(people.target(only[:1], only[1:])) != named(people.target(only[:1]))
    assert named(people.target(only[:1], only[1:])) == named(people.target(only))
    assert named(people.target(only, [("app", PUSH)])) == named(people.target(only))


def test_it_asks_for_no_more_than_finding_does(people: People) -> None:
    target = people.target([("app", PUSH), ("app", ADMIN)])
    target.observe()
    people.calls()
    target.fingerprint()
    assert people.calls() == []  # nothing of ours can be in it
    people.app_repo.collaborators |= {people.alice.id: "write", people.bob.id: "write"}
    target.observe()
    people.calls()
    ours = [right(people.alice, PUSH, "app"), right(people.bob, PUSH, "app")]
    target.find({one: (("repository", str(people.app_repo.id)),) for one in ours})
    assert people.calls() == ["GET /repos/acme/app"]
    target.fingerprint()
    assert people.calls() == []


def test_a_look_that_failed_half_way_has_no_name(people: People) -> None:
    target = people.target()
    held = named(target)
    people.hub.faults.add("GET", "/repos/acme/app/collaborators", status=500, times=99)
    with pytest.raises(EdgeError):
        target.observe()
    with pytest.raises(EdgeError, match="was not looked at yet"):
        target.fingerprint()
    people.hub.faults.clear()
    assert named(target) == held
