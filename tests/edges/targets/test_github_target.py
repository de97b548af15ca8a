from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.plan import Action, Found, Order
from edges.targets.github_people import (
    ADMIN,
    AT,
    AUDITOR,
    MAINTAINER,
    MEMBER,
    PUSH,
    ROLES,
    UNTIL,
    People,
    add,
    remove,
    right,
)
from github_double import Double
from github_double.rest import people as endpoints


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    with Double(tmp_path) as hub:
        yield People(hub)


ALL = [MEMBER, MAINTAINER, PUSH, ADMIN, AUDITOR]


@pytest.mark.parametrize("privilege", ALL, ids=["member", "maintainer", "push", "admin", "role"])
def test_each_privilege_is_given_seen_and_taken_away(people: People, privilege: dict[str, str]) -> None:
    one = right(people.alice, privilege)
    assert add(people.target(), one) == [""]
    assert people.target().observe() == {one}
    assert add(people.target(), one) == [""]
    assert remove(people.target(), one, one) == ["", ""]
    assert people.target().observe() == frozenset()


def test_what_github_shows_is_named_as_the_catalogue_names_it(people: People) -> None:
    people.dba.members[people.alice.id] = "member"
    spelled = {"team": "dba"}  # the role that is meant where none is named
    assert people.target([("dba-team", spelled)]).observe() == {right(people.alice, spelled)}
    people.app_repo.collaborate(people.bob, "write")
    spelled = {"repository": "Acme/App", "permission": "push"}
    assert people.target([("app", spelled)]).observe() == {right(people.bob, spelled, "app")}


def test_access_that_no_role_means_is_seen_as_well(people: People) -> None:
    people.dba.members |= {people.alice.id: "maintainer"}
    people.app_repo.collaborate(people.bob, "triage")
    found = people.target([("dba-team", MEMBER), ("app", PUSH)]).observe()
    triage = {"repository": "acme/app", "permission": "triage"}
    assert found == {right(people.alice, MAINTAINER), right(people.bob, triage, "app")}


def test_what_nobody_names_is_not_asked_for(people: People) -> None:
    assert people.target([]).observe() == frozenset()
    assert people.calls() == []
    people.target([("dba-team", MEMBER)]).observe()
    assert not [line for line in people.calls() if "/repos/" in line or "roles" in line]


def test_a_role_held_through_a_team_alone_is_no_entitlement(people: People) -> None:
    people.dba.members |= {people.alice.id: "member", people.bob.id: "member"}
    people.auditor.teams.append(people.dba)
    people.auditor.users.add(people.bob.id)
    assert people.target([("organisation", AUDITOR)]).observe() == {right(people.bob, AUDITOR)}


def test_members_of_teams_below_are_shown_and_nobody_is_added_above_them(people: People) -> None:
    night = people.hub.team(people.org, "night", [people.bob])
    night.parent = people.dba
    assert people.target().observe() == {right(people.bob)}
    assert add(people.target(), right(people.alice)) == [
        "team 'dba' has teams below it, whose members GitHub counts as its own"
    ]


@pytest.mark.parametrize(("held", "wanted"), [("maintainer", MEMBER), ("member", MAINTAINER)], ids=["lower", "higher"])
def test_another_role_in_the_team_is_neither_raised_nor_lowered(
    people: People, held: str, wanted: dict[str, str]
) -> None:
    people.dba.members[people.alice.id] = held
    (said,) = add(people.target(), right(people.alice, wanted))
    assert said == (
        f"101 already holds {held} of team 'dba', and GitHub keeps one for each person: {wanted['role']} in its place "
        "would lose it; end that first"
    )
    assert remove(people.target(), right(people.alice, wanted)) == [""]
    assert people.dba.members == {people.alice.id: held}


def test_a_team_that_an_identity_provider_keeps_is_refused_with_the_reason(people: People) -> None:
    words = "You cannot create or update members for an external group backed team since they are managed by acme"
    endpoints.beside(people.hub).synchronised[people.dba.id] = words
    why = f"an identity provider keeps this team's members, and GitHub lets nobody else change them: {words}"
    assert add(people.target(), right(people.alice), right(people.bob, PUSH)) == [why, ""]
    people.dba.members[people.alice.id] = "member"
    assert remove(people.target(), right(people.alice)) == [why]
    assert right(people.alice) in people.target().observe()


def test_another_refusal_is_told_as_github_words_it(people: People) -> None:
    people.hub.faults.add("PUT", "/orgs/acme/teams/dba/.*", status=403, body={"message": "Nobody may today"})
    assert add(people.target(), right(people.alice)) == [
        "GitHub answered 403 to PUT /orgs/acme/teams/dba/memberships/alice: Nobody may today"
    ]


def test_an_enterprises_team_is_refused(people: People) -> None:
    people.dba.type = "enterprise"
    (said,) = add(people.target(), right(people.alice))
    assert said == "team 'dba' is the enterprise's, and its members are not the organisation's to change"


def test_an_owner_whom_github_makes_a_maintainer_is_not_left_as_one(people: People) -> None:
    (said,) = add(people.target(), right(people.boss))
    assert said == "GitHub makes boss maintainer of team 'dba' and not member: an owner of the organisation is that"
    assert people.dba.members == {}
    assert add(people.target(), right(people.boss, MAINTAINER)) == [""]


@pytest.mark.parametrize(
    ("privilege", "said"),
    [
        ({"team": "ghosts"}, "the organisation acme has no team 'ghosts'"),
        (
            {"repository": "acme/none", "permission": "pull"},
            "GitHub shows no repository 'none' of acme: it is not there, or hidden from this credential",
        ),
        ({"organisation_role": "none"}, "the organisation acme has no role 'none'"),
    ],
    ids=["team", "repository", "role"],
)
def test_a_role_that_the_catalogue_names_and_github_has_not_stops_nothing_else(
    people: People, privilege: dict[str, str], said: str
) -> None:
    named = [*ROLES, ("gone", privilege)]
    bad = right(people.alice, privilege, "gone")
    assert people.target(named).observe() == frozenset()
    (found, fine) = add(people.target(named), bad, right(people.bob))
    assert (found.startswith(("GitHub answered 404", said)), fine) == (True, "")


def test_of_a_repository_that_is_not_shown_nobody_can_tell_and_everything_else_goes_on(people: People) -> None:
    people.app.repositories.clear()
    people.hub.repository("acme/other")
    people.app.repositories.append("acme/other")
    people.dba.members[people.alice.id] = "member"
    ours = right(people.alice, PUSH, "app")
    target = people.target(ROLES, [("app", PUSH)])
    assert target.observe() == {right(people.alice)}
    assert [target.find({ours: numbers})[ours] for numbers in ((), (("repository", "77"),))] == [
        Found(None, "there is no repository 'app', and its number was not recorded: it may have another name"),
        Found(None, "the repository 'app', number 77, is not found: deleted, renamed or hidden"),
    ]


def test_a_team_and_a_role_that_were_renamed_are_followed_by_their_numbers(people: People) -> None:
    people.dba.members[people.alice.id] = "member"
    people.auditor.users.add(people.bob.id)
    ours = (right(people.alice), right(people.bob, AUDITOR, "organisation"))
    before = people.target()
    assert before.observe() == {*ours}
    numbers = {one: found.numbers for one, found in before.find(dict.fromkeys(ours, ())).items()}
    assert numbers == {
        ours[0]: (("team", str(people.dba.id)),),
        ours[1]: (("organisation_role", str(people.auditor.id)),),
    }
    _rename(people)
    after = people.target()
    assert after.observe() == frozenset()
    assert [(found.there, found.why) for found in after.find(numbers).values()] == [
        (True, "the team 'dba' is called 'data' now"),
        (True, "the organisation role 'security auditor' is called 'auditing' now"),
    ]
    orders = [Order(Action.REMOVE, one, AT, UNTIL, (), numbers[one]) for one in ours]
    assert [done.error for done in after.carry_out(orders)] == ["", ""]
    assert (people.dba.members, people.auditor.users) == ({}, set())
    after.observe()
    assert [found.there for found in after.find(numbers).values()] == [False, False]


def test_of_a_team_that_was_made_anew_nobody_can_tell_and_nothing_is_changed_in_it(people: People) -> None:
    ours = right(people.alice)
    numbers = (("team", str(people.dba.id)),)
    del people.org.teams["dba"]
    other = people.hub.team(people.org, "dba", [people.alice])
    target = people.target()
    target.observe()
    why = f"the team 'dba', number {people.dba.id}, is not found: deleted, renamed or hidden; "
    why += f"another team, number {other.id}, has its name"
    assert target.find({ours: numbers})[ours] == Found(None, why)
    for action in (Action.REMOVE, Action.ADD):
        (done,) = target.carry_out([Order(action, ours, AT, UNTIL, (), numbers)])
        assert done.error == why
    assert other.members == {people.alice.id: "member"}


def test_whoever_has_another_login_is_the_same_and_whoever_has_their_login_is_not(people: People) -> None:
    people.dba.members[people.alice.id] = "member"
    people.alice.login = "alice-now"
    other = people.hub.user("alice", 190)
    target = people.target()
    assert target.observe() == {right(people.alice)}
    assert target.find({right(other): ()})[right(other)].there is False
    assert remove(target, right(people.alice)) == [""]
    assert people.dba.members == {}


def _rename(people: People) -> None:
    people.org.teams["data"] = people.org.teams.pop("dba")
    people.dba.slug = "data"
    people.auditor.name = "auditing"


def test_what_was_changed_is_read_back_whatever_the_catalogue_names(people: People) -> None:
    people.dba.members[people.alice.id] = "member"
    target = people.target([])
    people.hub.faults.add("DELETE", "/orgs/acme/teams/dba/.*", status=422, body={"message": "no"})
    assert remove(target, right(people.alice)) != [""]
    assert target.observe() == {right(people.alice)}


def test_one_privilege_of_two_resources_is_refused_and_still_taken_away(people: People) -> None:
    named = [("dba-team", MEMBER), ("payroll", {"team": "dba"})]
    assert add(people.target(named), right(people.alice)) == [
        "team 'dba' as member is what roles of dba-team and of payroll give: the end of one would take the other's; give "
        "each resource a place of its own"
    ]
    people.dba.members[people.alice.id] = "member"
    assert people.target(named).observe() == {right(people.alice), right(people.alice, {"team": "dba"}, "payroll")}
    assert remove(people.target(named), right(people.alice)) == [""]
    assert people.dba.members == {}


@pytest.mark.parametrize("who", ["alice", "0101", "-1", "", "1e3", "9" * 17, "../../orgs/acme", "\u0661\u0660\u0661"])
def test_a_principal_that_is_no_accounts_number_is_refused(people: People, who: str) -> None:
    (said,) = add(people.target(), right(who))
    assert said == f"expected the number of a GitHub account, got {who[:100]!r}"
    assert remove(people.target(), right(who)) == [""]
    assert not [line for line in people.calls() if not line.startswith("GET")]


def test_an_account_that_is_not_there_stops_only_its_own_change(people: People) -> None:
    assert add(people.target(), right("999"), right(people.bob)) == ["GitHub has no account 999", ""]
    bot = people.app.bot
    assert add(people.target(), right(bot)) == [
        f"expected the account {bot.id} to be a person's, got 'daypass-targets[bot]', which is not"
    ]


def test_a_renamed_person_is_found_by_number_and_not_by_an_old_login(people: People) -> None:
    assert add(people.target(), right(people.alice)) == [""]
    people.alice.login = "alice-ngo"
    other = people.hub.user("alice", 205)
    people.org.members[other.id] = "member"
    people.dba.members[other.id] = "member"
    assert remove(people.target(), right(people.alice)) == [""]
    assert people.target().observe() == {right(other)}


def test_the_answer_about_another_account_is_refused(people: People) -> None:
    other = {"id": 205, "login": "mallory", "type": "User"}
    people.hub.faults.add("GET", "/user/101", status=200, body=other)
    (said,) = add(people.target(), right(people.alice))
    assert said == "expected the account 101 to be a person's, got 'mallory', which is not"


def test_access_of_an_account_that_is_suspended_now_is_taken_away_by_its_last_login(people: People) -> None:
    people.app_repo.collaborate(people.bob, "write")
    target = people.target()
    people.hub.faults.add("GET", "/user/102", status=404, body={"message": "Not Found"})
    assert remove(target, right(people.bob, PUSH)) == [""]
    assert people.app_repo.collaborators == {}


def test_a_change_whose_answer_is_lost_is_seen_when_read_again(people: People) -> None:
    people.hub.faults.add("PUT", "/orgs/acme/teams/dba/.*", times=9, drop=True, after_effect=True)
    target = people.target()
    (said,) = add(target, right(people.alice))
    assert said.startswith("GitHub did not answer PUT /orgs/acme/teams/dba/memberships/alice")
    assert target.observe() == {right(people.alice)}


def test_an_account_that_is_not_there_and_a_stray_order_are_refused(people: People) -> None:
    target = people.target()
    assert add(target, right("999")) == ["GitHub has no account 999"]
    stray = right(people.alice)._replace(target="elsewhere")
    assert remove(target, stray) == ["expected an entitlement of target 'acme-github', got one of 'elsewhere'"]


def test_a_limit_is_waited_for_as_github_asks(people: People) -> None:
    people.hub.faults.add("PUT", "/repos/.*", status=429, headers={"Retry-After": "7"}, body={"message": "slow down"})
    assert add(people.target(), right(people.alice, PUSH)) == [""]
    assert people.waits == [7.0]
