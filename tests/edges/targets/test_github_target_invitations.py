"""Who is outside must accept first: an invitation is no access, is not sent twice, and is taken back at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.plan import Action, Order
from daypass.edges.targets.github.organisation import INVITED
from edges.targets.github_people import ADMIN, AUDITOR, MAINTAINER, MEMBER, PUSH, UNTIL, People, add, remove, right
from github_double import Double
from github_double.rest import people as endpoints


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    with Double(tmp_path) as hub:
        yield People(hub)


@pytest.mark.parametrize("privilege", [MEMBER, MAINTAINER, PUSH], ids=["member", "maintainer", "outside collaborator"])
def test_an_invitation_is_no_access_until_it_is_accepted(people: People, privilege: dict[str, str]) -> None:
    one, target = right(people.rita, privilege), people.target()
    assert add(target, one) == [INVITED]
    assert (target.observe(), target.awaited()) == (frozenset(), {one})
    people.accept(people.rita, repository=privilege is PUSH)
    assert (target.observe(), target.awaited()) == ({one}, frozenset())


@pytest.mark.parametrize("privilege", [MEMBER, PUSH], ids=["team", "repository"])
def test_who_is_invited_is_not_invited_again(people: People, privilege: dict[str, str]) -> None:
    one = right(people.rita, privilege)
    assert add(people.target(), one, one) == [INVITED, INVITED]
    people.calls()
    assert add(people.target(), one) == [INVITED]
    assert not [line for line in people.calls() if line.startswith(("PUT", "POST"))]


@pytest.mark.parametrize("privilege", [MEMBER, PUSH], ids=["team", "repository"])
def test_removing_takes_the_invitation_back(people: People, privilege: dict[str, str]) -> None:
    one = right(people.rita, privilege)
    target = people.target()
    assert add(target, one) == [INVITED]
    assert remove(target, one) == [""]
    assert (target.observe(), target.awaited()) == (frozenset(), frozenset())
    assert people.dba.pending == {}
    assert endpoints.invitations(people.hub, people.org) == {}
    assert endpoints.invitations(people.hub, people.app_repo) == {}
    assert add(target, one) == [INVITED]
    assert remove(target, one) == [""]


def test_add_and_remove_in_one_step_leave_nothing(people: People) -> None:
    one = right(people.rita)
    orders = [Order(action, one, UNTIL, UNTIL) for action in (Action.ADD, Action.REMOVE)]
    assert [done.error for done in people.target().carry_out(orders)] == [INVITED, ""]
    assert endpoints.invitations(people.hub, people.org) == {}


def test_an_invitation_by_somebody_else_loses_our_team_alone(people: People) -> None:
    boss = people.target(token_env="BOSS")
    assert add(boss, right(people.rita)) == [INVITED]
    assert remove(people.target(), right(people.rita)) == [""]
    (left,) = endpoints.invitations(people.hub, people.org).values()
    assert (left.user, left.teams) == (people.rita, [])
    assert people.target().awaited() == frozenset()


def test_a_persons_own_invitations_are_known_by_the_login(people: People) -> None:
    boss = people.target(token_env="BOSS")
    assert add(boss, right(people.rita)) == [INVITED]
    assert remove(boss, right(people.rita)) == [""]
    assert endpoints.invitations(people.hub, people.org) == {}


def test_an_invitation_that_leads_to_two_teams_keeps_the_other(people: People) -> None:
    ops = people.hub.team(people.org, "ops")
    target = people.target([("dba-team", MEMBER), ("ops", {"team": "ops"})])
    both = [right(people.rita), right(people.rita, {"team": "ops"}, "ops")]
    assert add(target, *both) == [INVITED, INVITED]
    assert remove(target, both[0]) == [""]
    assert (people.dba.pending, ops.pending) == ({}, {people.rita.id: "member"})
    target.observe()
    assert target.awaited() == {both[1]}


def test_an_invitation_to_more_than_is_asked_is_not_changed(people: People) -> None:
    assert add(people.target(), right(people.rita, ADMIN)) == [INVITED]
    (said,) = add(people.target(), right(people.rita, PUSH))
    assert said == (
        "103 is already invited as admin of repository 'app', and GitHub keeps one for each person: push in its place "
        "would lose it; end that first"
    )
    assert remove(people.target(), right(people.rita, PUSH)) == [""]
    assert len(endpoints.invitations(people.hub, people.app_repo)) == 1


def test_an_invitation_that_ran_out_is_sent_again(people: People) -> None:
    one, target = right(people.rita, PUSH), people.target()
    assert add(target, one) == [INVITED]
    endpoints.expire(people.hub, people.app_repo, people.rita)
    assert (target.observe(), target.awaited()) == (frozenset(), frozenset())
    assert add(target, one) == [INVITED]


def test_an_invitation_whose_login_went_to_another_account_is_taken_back(people: People) -> None:
    other = people.hub.user("mallory", 205)
    people.hub.faults.add("GET", "/user/103", status=200, body={"id": 103, "login": "mallory", "type": "User"})
    (said,) = add(people.target(), right(people.rita, PUSH))
    assert said == "expected an invitation of account 103, got one of 'mallory', who is another"
    assert endpoints.invitations(people.hub, people.app_repo) == {}
    assert other.id not in people.app_repo.collaborators


def test_an_organisations_role_is_for_members_and_nobody_is_invited_for_it(people: People) -> None:
    (said,) = add(people.target(), right(people.rita, AUDITOR))
    assert said.endswith("The user is not a member of the organization.")


def test_an_invitation_to_an_address_is_nobodys_yet(people: People) -> None:
    target = people.target()
    assert add(target, right(people.rita)) == [INVITED]
    row = {"id": 7, "login": None, "email": "rita@example.com", "role": "direct_member"}
    people.hub.faults.add("GET", "/orgs/acme/teams/dba/invitations", status=200, body=[row])
    target.observe()
    assert target.awaited() == frozenset()


def test_a_run_that_invites_says_that_somebody_must_accept_first_and_the_next_takes_it_back(people: People) -> None:
    assert add(people.target(), right(people.rita)) == ["invited, not accepted yet: it is no access until then"]
    assert remove(people.target(), right(people.rita)) == [""]
    assert people.dba.pending == {}
