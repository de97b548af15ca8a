"""Whose entry a person of a source is, by numbers and addresses and never by a name alone; and what is refused."""

from __future__ import annotations

import pytest

from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import RefusedError
from daypass.core.people.matching import DISABLED, GONE, DirectoryImport, match
from daypass.core.people.source import MOST, SourcePerson, believable, fit

ALICE = Subject("alice", name="Alice Ngo", emails=("alice@example.com",), login="alice-ngo", forge_id=583231)
BOB = Subject("bob", name="Bob Osei", source_id="b-1", login="bosei", forge_id=583232)
ROBOT = Subject("robot", kind="workload")


def found(*people: SourcePerson, known: tuple[Subject, ...] = (ALICE, BOB, ROBOT)) -> DirectoryImport:
    return match(people, Directory({one.handle: one for one in known}, {}))


def account(number: str, called: str, **more: object) -> SourcePerson:
    return SourcePerson(number, called, **more)  # type: ignore[arg-type]


def member(number: int, login: str) -> SourcePerson:
    return SourcePerson(str(number), login, login=login, forge_id=number)


def test_a_new_person_is_written_with_number_and_name() -> None:
    carol = account("c-1", "Carol.Diaz@example.com", name="Carol Diaz", emails=("carol@example.com",), manager="b-1")
    (new,) = found(carol).new
    assert (new.handle, new.number) == ("carol-diaz", "c-1")
    assert new.say == {"source_id": "c-1", "name": "Carol Diaz", "email": "carol@example.com", "manager": "bob"}


def test_an_entry_is_found_by_the_sources_number_the_accounts_or_an_address() -> None:
    for one in (
        account("b-1", "robert"),
        account("b-9", "robert", also=("b-1",)),
        member(583231, "somebody-else"),
        account("a-1", "ngo", emails=("Alice@Example.com",)),
    ):
        told = found(one)
        assert not told.new
        assert not told.refused
        assert [*told.same, *(each.handle for each in told.changed)] in (["bob"], ["alice"])


def test_a_renamed_login_is_brought_and_the_handle_stays() -> None:
    (changed,) = found(member(583231, "alice-osei")).changed
    assert changed.handle == "alice"
    assert changed.say == {"source_id": "583231", "forge": {"login": "alice-osei"}}


def test_a_member_of_a_team_comes_with_the_account() -> None:
    (new,) = found(member(77, "Gina-Otto")).new
    assert (new.handle, new.say) == ("gina-otto", {"source_id": "77", "forge": {"login": "Gina-Otto", "id": 77}})


def test_who_only_an_address_finds_is_given_the_number_alone() -> None:
    thief = account("t-1", "thief", name="Mallory", emails=("mallory@example.com", "alice@example.com"), manager="b-1")
    (changed,) = found(thief).changed
    assert (changed.handle, changed.say) == ("alice", {"source_id": "t-1"})


def test_a_second_import_changes_nothing() -> None:
    again = Subject("bob", name="Bob Osei", source_id="b-1", emails=("bob@example.com",), manager="alice")
    boss = Subject("alice", source_id="a-1")
    told = found(
        account("b-1", "bob", name="Bob Osei", emails=("bob@example.com",), manager="a-1"),
        account("a-1", "alice"),
        known=(again, boss),
    )
    assert (told.new, told.changed, told.refused) == ((), (), ())
    assert told.same == ("alice", "bob")


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (member(999, "alice-ngo"), "alice has another account at the forge in the directory: 583231, and here 999"),
        (account("b-2", "bob"), "bob has another id at the source in the directory: b-1, and here b-2"),
        (account("a-1", "alice"), "alice is in the directory, and nothing but the name says that it is they"),
        (account("r-1", "robot"), "robot is a workload in the directory"),
        (account("b-1", "bob", emails=("alice@example.com",)), ""),
        (account("x-1", "x", emails=("alice@example.com", "x@example.com"), forge_id=583232, login="x"),
         "id, account and addresses are those of several: alice, bob"),
        (account("b-1", "bob", login="alice-ngo"), "the login alice-ngo is that of alice in the directory"),
    ],
)  # fmt: skip
def test_whoever_cannot_be_told_apart_is_refused_and_nothing_is_written(one: SourcePerson, why: str) -> None:
    told = found(one)
    assert [each.why for each in told.refused] == ([why] if why else [])
    assert not told.new
    assert all("email" not in each.say for each in told.changed)


def test_an_entry_without_any_number_is_not_taken_over_by_a_name() -> None:
    told = found(account("d-1", "dan"), known=(Subject("dan"),))
    assert [one.why for one in told.refused] == ["dan is in the directory by name alone, without a number"]
    assert "write source_id: 'd-1' there" in told.refused[0].hint


def test_a_table_names_handles_itself() -> None:
    row = SourcePerson("", "dan", name="Dan", exact=True)
    (changed,) = found(row, known=(Subject("dan"),)).changed
    assert changed.say == {"name": "Dan"}
    (new,) = found(SourcePerson("", "eve", manager="bob", employment="contractor", exact=True)).new
    assert new.say == {"manager": "bob", "employment": "contractor"}
    (new,) = found(SourcePerson("", "eve", manager="nobody", exact=True)).new
    assert new.say == {}
    told = found(SourcePerson("b-1", "robert", exact=True))
    assert [one.why for one in told.refused] == ["bob in the directory is called robert here"]


def test_a_name_of_before_is_nobody_elses() -> None:
    told = found(account("z-1", "old"), known=(Subject("zoe", was=("old",), forge_id=1),))
    assert [one.why for one in told.refused] == ["somebody in the directory was called old before"]


def test_two_people_are_not_one_entry() -> None:
    two = (account("a-1", "ngo", emails=("alice@example.com",)), account("a-2", "ali", emails=("alice@example.com",)))
    told = found(*two)
    assert {one.why for one in told.refused} == {"several people of the source would be alice"}
    assert not told.changed


def test_an_address_of_two_is_written_for_neither() -> None:
    told = found(
        account("x-1", "xa", emails=("shared@example.com",)), account("x-2", "xb", emails=("shared@example.com",))
    )
    assert [set(one.say) for one in told.new] == [{"source_id"}, {"source_id"}]


def test_who_is_disabled_or_gone_is_told_and_not_written() -> None:
    carol = Subject("carol", source_id="c-1")
    told = found(account("b-1", "bob", active=False), account("e-1", "eve", active=False), known=(ALICE, BOB, carol))
    assert told.gone == (("bob", DISABLED), ("carol", GONE))
    assert not told.new
    assert found(SourcePerson("", "eve", exact=True)).gone == ()


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (account("", "dan"), "there is no id"),
        (account("a b", "dan"), "the id has characters that no id has"),
        (account("d-1", "---"), "'---' makes no handle"),
        (SourcePerson("d-1", "Dan", exact=True), "'Dan' makes no handle"),
        (account("d-1", "dan", name="Dan\u202eevil"), "the name has characters that nobody sees"),
        (account("d-1", "dan", name="Dan\nforge: {id: 1}"), "the name has characters that nobody sees"),
        (account("d-1", "dan", name="D" * 301), "the name is longer than 300 characters"),
        (account("d-1", "dan", emails=("dan",)), "an address is none"),
        (account("d-1", "dan", login="dan dan"), "the login is none"),
        (account("d-1", "dan", forge_id=7), "there is a number of an account at the forge, and no login"),
        (account("d-1", "dan", employment="boss"), "employment is 'boss', and neither employee, contractor nor vendor"),
    ],
)
def test_what_no_directory_can_say_refuses_that_one_alone(one: SourcePerson, why: str) -> None:
    good, bad = fit([one, account("e-1", "eve")])
    assert [each.number for each in good] == ["e-1"]
    assert [each.why for each in bad] == [why]


def test_two_of_one_handle_are_refused() -> None:
    good, bad = fit([account("1", "Dan.Eve"), account("2", "dan-eve@example.com")])
    assert not good
    assert {one.why for one in bad} == {"the source has 2 people who would be called dan-eve"}


def test_a_source_that_cannot_be_right_is_not_believed() -> None:
    with pytest.raises(RefusedError, match="team acme/staff names nobody"):
        believable([], "team acme/staff")
    with pytest.raises(RefusedError, match="several people of one id: 'a-1'"):
        believable([account("a-1", "alice"), account("a-2", "mallory", also=("a-1",))], "it")
    with pytest.raises(RefusedError, match="more than 50000 people"):
        believable((account(str(n), f"p{n}") for n in range(MOST + 1)), "it")
    assert believable([account("", "a"), account("", "b")], "it")
