"""How the target is opened, what it says of its credential, and which privileges it understands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daypass.core.bounds.settings import TargetSettings
from daypass.core.catalogue import Subject
from daypass.core.errors import DaypassError, EdgeError, InvalidError
from daypass.core.ids import canonical
from daypass.edges.targets.common import written
from daypass.edges.targets.github.policy import GitHubPlace, GitHubPrivilege, read_privilege
from daypass.edges.targets.github.target import GitHubTarget, open_github
from daypass.edges.targets.registry import KINDS, Known, asks, open_target
from edges.targets.github_people import ADMIN, AUDITOR, MEMBER, NAME, PUSH, People, add, remove, right
from github_double import Double

KEYED = {"organisation": "acme", "app_id_env": "ID", "app_key_env": "KEY"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Double]:
    with Double(tmp_path) as made:
        yield made


def opening(options: Mapping[str, Any], environ: Mapping[str, str]) -> GitHubTarget:
    return open_github(TargetSettings(NAME, "github", options), environ, Known(), lambda _: None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token_env": "T"}, "expected organisation of target acme-github to be an organisation's name, got None"),
        (
            {"organisation": "a/b", "token_env": "T"},
            "expected organisation of target acme-github to be an organisation's",
        ),
        ({"organisation": "acme"}, "target acme-github names no credential, half of one or two"),
        ({"organisation": "acme", "app_id_env": "T"}, "target acme-github names no credential, half of one or two"),
        ({**KEYED, "token_env": "T"}, "target acme-github names no credential, half of one or two"),
        (
            {"organisation": "acme", "token_env": "ghp_x-y"},
            "expected token_env of target acme-github to be the name of a",
        ),
        (
            {"organisation": "acme", "token_env": "T", "api_url": 7},
            "expected api_url of target acme-github to be an address",
        ),
        (
            {"organisation": "acme", "token_env": "T", "api_url": "http://example.com"},
            "expected the address of GitHub's API to begin with https://, got 'http://example.com'",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidError) as refused:
        opening(options, {"T": "github_pat_something", "ID": "7", "KEY": "x"})
    assert refused.value.message.startswith(said)
    assert "ghp_x-y" not in refused.value.message + refused.value.hint


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    settings = TargetSettings(NAME, "github", {"organisation": "acme", "token_env": "NOT_SET_HERE"})
    with pytest.raises(EdgeError) as refused:
        open_target(settings, tmp_path)
    assert refused.value.message == (
        "the variable NOT_SET_HERE, which token_env of target acme-github names, is not set"
    )
    with pytest.raises(InvalidError, match="has an option 'organization'; kind github knows: api_url, app, app_id_env"):
        open_target(TargetSettings(NAME, "github", {"organization": "acme"}), tmp_path)


def test_a_key_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(DaypassError) as refused:
        opening(KEYED, {"ID": "7", "KEY": "-----BEGIN nonsense"})
    assert refused.value.message == "the App's key is no private key in PEM"


def test_only_this_kind_asks_what_is_known() -> None:
    assert asks("github")
    assert not asks("embedded")
    assert not asks("nothing")


def test_an_app_that_is_not_installed_there_is_told(hub: Double) -> None:
    people = People(hub)
    people.app.uninstalled = True
    hub.org("other")
    target = open_github(people.settings(organisation="other"), people.environ, Known(), people.waits.append)
    with pytest.raises(EdgeError, match=f"the App {people.app.id} is not installed on other"):
        target.health()


def test_health_says_who_we_are_and_that_all_is_well(hub: Double) -> None:
    found = People(hub).target().health()
    assert found.concerns == ()
    assert found.facts == (
        "the App daypass-targets may do: administration: write, members: write, metadata: read, "
        "organization_custom_org_roles: read",
        "roles of the catalogue name 1 teams, 1 repositories, 1 organisation roles of the organisation acme",
    )
    assert found.clock is not None
    assert abs(found.clock - datetime.now(UTC)) < timedelta(minutes=1)


def test_health_says_what_is_missing_and_what_is_too_much(hub: Double) -> None:
    people = People(hub, {"members": "read", "administration": "write", "contents": "write", "secrets": "read"})
    assert people.target([("dba-team", MEMBER), ("organisation", AUDITOR)]).health().concerns == (
        "the App lacks the permission members: write",
        "the App lacks the permission organization_custom_org_roles: read",
        "the App may do more than it needs here: administration: write",
        "the App may do more than it needs here: contents: write",
        "the App may do more than it needs here: secrets: read",
    )
    people.app.suspended = True
    with pytest.raises(EdgeError, match="suspended"):
        people.target().observe()
    assert people.target().health().concerns[0].startswith("the installation is suspended: ")


@pytest.mark.parametrize(("who", "concerns"), [("BOSS", 1), ("ALICE", 2)], ids=["owner", "member"])
def test_a_persons_token_works_and_is_a_concern(hub: Double, who: str, concerns: int) -> None:
    people = People(hub)
    found = people.target(token_env=who).health()
    assert found.facts[0] == f"{who.lower()}, by a token"
    assert len(found.concerns) == concerns
    assert found.concerns[0] == (
        f"this is {who.lower()}'s own token: it may do what that person allowed it, which GitHub does not tell"
    )
    if who == "ALICE":
        assert found.concerns[1] == "alice is no owner of acme: teams of others cannot be changed"
    else:
        assert add(people.target(token_env=who), right(people.bob)) == [""]


@pytest.mark.parametrize("path", ["/user", "/orgs/acme/installation"])
def test_health_of_half_an_answer_is_an_error(hub: Double, path: str) -> None:
    people = People(hub)
    hub.faults.add("GET", path, times=9, status=200, body={"odd": True})
    target = people.target(token_env="BOSS") if path == "/user" else people.target()
    with pytest.raises(EdgeError, match="from GitHub, got something else"):
        target.health()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/orgs/acme/teams", [{"id": 1}]),
        ("/orgs/acme/teams/dba/members", [{"login": "alice"}]),
        ("/repos/acme/app/collaborators", [{"id": 101, "login": "alice"}]),
        ("/orgs/acme/organization-roles", {"total_count": 1}),
        ("/repos/acme/app/invitations", {"message": "odd"}),
    ],
)
def test_half_answers_are_errors_and_never_nobody(hub: Double, path: str, body: Any) -> None:
    people = People(hub)
    hub.faults.add("GET", path, status=200, body=body)
    with pytest.raises(EdgeError, match="got something else"):
        people.target().observe()


@pytest.mark.parametrize(
    ("text", "place", "level"),
    [
        ('{"team":"dba"}', GitHubPlace("team", "dba"), "member"),
        ('{"role":"maintainer","team":"on_call-2"}', GitHubPlace("team", "on_call-2"), "maintainer"),
        ('{"permission":"pull","repository":"Acme/App.js"}', GitHubPlace("repository", "app.js"), "pull"),
        ('{"permission":"admin","repository":"app"}', GitHubPlace("repository", "app"), "admin"),
        ('{"organisation_role":"Sécurité"}', GitHubPlace("organisation_role", "Sécurité"), ""),
    ],
)
def test_a_privilege_is_a_place_and_a_level(text: str, place: GitHubPlace, level: str) -> None:
    assert read_privilege(text, "acme") == GitHubPrivilege(place, level)
    again = GitHubPrivilege(place, level).text("acme")
    assert read_privilege(again, "acme") == GitHubPrivilege(place, level)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "expected a privilege with one of team, repository and organisation_role"),
        ({"team": "a", "repository": "b"}, "expected a privilege with one of team, repository and organisation_role"),
        ({"team": "dba", "rôle": "member"}, "a privilege on a team has no 'rôle'"),
        ({"team": "dba", "permission": "push"}, "a privilege on a team has no 'permission'"),
        ({"team": "dba", "role": "owner"}, "expected role to be one of member, maintainer"),
        ({"team": "DBA"}, "expected team to be as in the team's address"),
        ({"team": "../x"}, "expected team to be as in the team's address"),
        ({"team": ""}, "expected team to be a name"),
        ({"team": 7}, "expected team to be a name"),
        ({"repository": "acme/app"}, "expected permission to be one of pull, triage, push, maintain, admin"),
        ({"repository": "acme/app", "permission": "write"}, "expected permission to be one of pull, triage"),
        ({"repository": "other/app", "permission": "pull"}, "expected a repository of the organisation acme"),
        ({"repository": "a/b/c", "permission": "pull"}, "expected repository to be OWNER/NAME"),
        ({"repository": "acme/..", "permission": "pull"}, "expected repository to be OWNER/NAME"),
        ({"organisation_role": "x" * 201}, "expected organisation_role to be a name"),
        ({"organisation_role": "x", "role": "member"}, "a privilege on a organisation_role has no 'role'"),
        (["team"], "expected a privilege with one of"),
    ],
)
def test_what_is_no_privilege_is_refused_before_anything_is_asked(hub: Double, data: Any, said: str) -> None:
    people = People(hub)
    bad = right(people.alice)._replace(privilege=canonical(data))
    (found,) = add(people.target(), bad)
    assert found.startswith(said)
    assert found.endswith(f", got {written(canonical(data))}")
    assert people.calls() == []
    named = Known(frozenset({("dba-team", canonical(data))}))
    target = open_github(people.settings(), people.environ, named, people.waits.append)
    assert target.observe() == frozenset()  # a role that nothing can be given for is no reason to read nothing


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ({"teem": "dba"}, "did you mean team?"),
        ({"team": "dba", "roel": "member"}, "did you mean role?"),
        ({"repositry": "acme/app", "permission": "push"}, "did you mean repository?"),
        ({"team": "dba", "repository": "acme/app"}, "docs/targets/github.md shows the three forms"),
        ({"organisation_role": "x", "rolle": "y"}, "docs/targets/github.md shows the three forms"),
    ],
)
def test_a_misspelt_key_has_a_hint(data: dict[str, str], hint: str) -> None:
    with pytest.raises(EdgeError) as refused:
        read_privilege(canonical(data), "acme")
    assert refused.value.hint.startswith(hint)


def test_text_that_is_no_json_is_no_privilege() -> None:
    with pytest.raises(
        EdgeError, match=r"expected a privilege with one of team, repository and organisation_role, got \{"
    ):
        read_privilege("{", "acme")


def test_a_person_is_known_by_the_forges_number_unless_the_directory_says_otherwise() -> None:
    def target(**options: str) -> TargetSettings:
        return TargetSettings(NAME, "github", options, known_by=KINDS["github"].known_by(options))

    here, elsewhere = target(organisation="acme"), target(api_url="https://ghe.example/api/v3")
    known = Subject("alice", forge_id=101)
    assert known.identity_at(here) == "101"
    assert known.identity_at(elsewhere) == ""  # there the number would be somebody else's
    assert Subject("bob").identity_at(here) == ""
    assert Subject("carol", forge_id=103, identities={"github": "900"}).identity_at(here) == "900"
    assert known.identity_at(TargetSettings("db", "postgres", {})) == ""


def test_github_has_nothing_with_an_end(hub: Double) -> None:
    people = People(hub)
    one = right(people.alice)
    assert people.target().ends([one]) == {one: None}


# What it costs.


def many(people: People, count: int) -> None:
    for n in range(count):
        user = people.hub.user(f"person-{n}", 10_000 + n)
        people.org.members[user.id] = "member"
        people.dba.members[user.id] = "member"
        people.app_repo.collaborators[user.id] = "write"


@pytest.mark.parametrize(("held", "requests"), [(0, 8), (100, 8), (101, 10), (250, 12)])
def test_observing_costs_what_the_page_says(hub: Double, held: int, requests: int) -> None:
    """One for the teams, two for its people, one for invitations; two for the repository; two for the role."""
    people = People(hub)
    many(people, held)
    target = people.target()
    assert len(target.observe()) == 2 * held
    assert len(people.calls()) == requests


@pytest.mark.parametrize("changes", [1, 5, 20])
def test_changes_cost_two_requests_each_beside_one_look(hub: Double, changes: int) -> None:
    people = People(hub)
    many(people, 150)  # grants that do not change
    wanted = []
    for n in range(changes):
        user = people.hub.user(f"new-{n}", 20_000 + n)
        people.org.members[user.id] = "member"
        wanted.append(right(user, ADMIN))
    look = 3  # two pages of collaborators, one of invitations
    assert add(people.target(), *wanted) == [""] * changes
    assert len(people.calls()) == look + 2 * changes
    assert remove(people.target(), *wanted) == [""] * changes
    assert len(people.calls()) == look + 2 * changes


def test_a_token_is_asked_for_once(hub: Double) -> None:
    people = People(hub)
    target = people.target()
    target.observe()
    target.observe()
    assert add(target, right(people.alice, PUSH)) == [""]
    tokens = [call for call in hub.calls if "access_tokens" in call.path or call.path.endswith("/installation")]
    assert len(tokens) == 2
