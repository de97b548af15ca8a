"""What `inspect` sees of an organisation beside what roles of the catalogue give, and what it says it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.errors import InvalidError
from edges.targets.github_people import People
from github_double import Double


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    with Double(tmp_path) as hub:
        yield People(hub)


def test_owners_are_another_way_in_unless_the_settings_expect_them(people: People) -> None:
    seen = people.target().inspect()
    assert seen.others == (("104", "(boss) is an owner of acme"),)
    assert "the owners of acme, who reach all of it" in seen.looked
    assert any("deploy keys" in line for line in seen.unseen)
    after = people.target(expected=[104]).inspect()
    assert after.others == ()
    assert "left out, as the settings expect them: 104" in after.looked


@pytest.mark.parametrize(("base", "found"), [("none", []), ("read", []), ("write", ["every member"])])
def test_what_every_member_may_do_is_looked_at(people: People, base: str, found: list[str]) -> None:
    people.org.base = base
    seen = people.target(expected=["104"]).inspect()
    assert [way.who for way in seen.others] == found
    assert f"what every member of acme may do in its repositories: {base}" in seen.looked


def test_what_github_does_not_show_is_told_as_not_seen(people: People) -> None:
    people.hub.faults.add("GET", "/orgs/acme/members", times=9, status=403)
    people.hub.faults.add("GET", "/orgs/acme$", times=9, status=403)
    seen = people.target().inspect()
    assert seen.others == ()
    assert seen.unseen[0].startswith("the owners of acme, who reach all of it: ")
    assert seen.unseen[1] == "what every member of acme may do in its repositories"
    assert not any("owners" in line for line in seen.looked)


@pytest.mark.parametrize("expected", ["104", ["boss"], [""]])
def test_who_is_expected_is_listed_by_numbers(people: People, expected: object) -> None:
    with pytest.raises(InvalidError, match="to list accounts' numbers"):
        people.target(expected=expected)
