"""Who says who people are: the settings name one source whole, and a token goes nowhere that could be read."""

import pytest
from policy_samples import SETTINGS, policy, shown

from daypass.core.bounds.settings import PeopleSource

GITHUB = "forge: {kind: github, repository: acme/access}"
SCIM = "people: {source: {kind: scim, url: https://id.example/scim/v2/, token_env: SCIM_TOKEN}}\n"


def source(text: str, forge: str = "") -> tuple[PeopleSource | None, list[str]]:
    found = policy(daypass=SETTINGS.replace("forge: {kind: local}", forge or "forge: {kind: local}") + text)
    return found.catalogue.settings.people, [line.partition(" ")[2] for line in shown(found.broken)]


def test_a_directory_service_is_named_with_its_address_and_its_token() -> None:
    found, wrong = source(SCIM)
    assert wrong == []
    assert found == PeopleSource("scim", url="https://id.example/scim/v2", token_env="SCIM_TOKEN")
    assert found.said == "the directory service at https://id.example/scim/v2"


def test_without_a_source_nobody_is_asked() -> None:
    assert source("") == (None, [])


def test_a_team_says_who_people_are_where_the_forge_has_teams() -> None:
    found, _ = source("people: {source: {kind: forge, team: acme/staff}}\n", GITHUB)
    assert found == PeopleSource("forge", team="acme/staff")
    assert found.said == "team acme/staff"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "people: {source: {kind: forge, team: acme/staff}}\n",
            "people-source-incomplete the forge of the settings has no teams, so none says who people are "
            "[write kind: scim, or take people out]",
        ),
        (
            "people: {source: {kind: scim, url: https://id.example}}\n",
            "people-source-incomplete a source of people of kind scim needs token_env [add token_env]",
        ),
        (
            SCIM.replace("kind: scim", "kind: scim, team: acme/staff"),
            "people-source-incomplete a source of people of kind scim has no team [remove it, or write the other kind]",
        ),
    ],
)
def test_half_a_source_or_one_and_a_half_denies_everything(text: str, expected: str) -> None:
    assert source(text)[1] == [expected]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://id.example/scim", "is not encrypted"),
        ("https:///scim", "names no host"),
        ("https://id.example:port/scim", "does not read"),
    ],
)
def test_a_token_is_sent_to_no_address_that_others_could_read_or_choose(address: str, why: str) -> None:
    (wrong,) = source(SCIM.replace("https://id.example/scim/v2/", address))[1]
    assert f"the token would go to an address that {why} " in wrong


def test_a_password_in_an_address_is_refused_by_its_form() -> None:
    (wrong,) = source(SCIM.replace("https://id.example", "https://me:secret@id.example"))[1]
    assert wrong.startswith("bad-pattern ")


def test_loopback_needs_no_encryption() -> None:
    assert source(SCIM.replace("https://id.example/scim/v2/", "http://127.0.0.1:8080/scim"))[1] == []
