"""Whose entry a person of a source is, by numbers and addresses and never by a name alone; and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def row(handle: str, manager: str = "", **more: object) -> SourcePerson:
    return SourcePerson(str(more.pop("id", "")), handle, manager=manager, exact=True, **more)  # type: ignore[arg-type]


def written(told: DirectoryImport) -> dict[str, object]:
    """Return whom an import makes whose manager."""
    return {one.handle: one.say["manager"] for one in (*told.new, *told.changed) if "manager" in one.say}


@pytest.mark.parametrize("more", [{}, {"id": "dan"}, {"login": "dan-login", "forge_id": 9}])
def test_rows_without_ids_and_managers_make_nobody_a_manager(more: dict[str, object]) -> None:
    told = found(row("zoe"), row("yan"), row("dan", "", **more), row("alice", emails=("alice@example.com",), name="A."))
    assert [one.handle for one in told.new] == ["dan", "yan", "zoe"]
    assert [one.handle for one in told.changed] == ["alice"]
    assert (written(told), told.left_out) == ({}, ())


def test_an_empty_cell_names_no_manager_and_a_full_one_just_whom_it_names() -> None:
    told = found(row("zoe"), row("xu", "bob"), row("yan", ""))
    assert (written(told), told.left_out) == ({"xu": "bob"}, ())


def test_an_empty_number_of_a_manager_is_nobodys() -> None:
    told = found(account("z-1", "zoe"), account("", "yan"), account("x-1", "xu", manager=""))
    assert written(told) == {}


def test_a_manager_who_is_new_in_the_same_table_is_written_with_the_rest() -> None:
    people = (row("zoe", "yan"), row("yan", "bob"))
    told = found(*people)
    assert written(told) == {"zoe": "yan", "yan": "bob"}
    after = (BOB, Subject("zoe", manager="yan"), Subject("yan", manager="bob"))
    again = found(*people, known=after)
    assert (again.new, again.changed, again.left_out, again.same) == ((), (), (), ("yan", "zoe"))


def test_an_id_that_is_anothers_handle_makes_nobody_the_wrong_manager() -> None:
    known = (Subject("mallory", source_id="boss"), Subject("zed", source_id="z-1"))
    told = found(row("zoe", "boss"), row("boss"), row("yan", "walt", id="y-1"), row("una", id="walt"), known=known)
    assert written(told) == {"zoe": "boss"}
    assert [(one.called, one.why) for one in told.left_out] == [
        ("yan", "their manager 'walt' is not written: neither in the directory nor in the source")
    ]


_NOT = "is not written: refused, not active, or no person"


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ((row("zoe", "nobody"),), "'nobody' is not written: neither in the directory nor in the source"),
        ((row("zoe", "robot"),), f"'robot' {_NOT}"),
        ((row("zoe", "yan"), row("yan", active=False)), f"'yan' {_NOT}"),
        ((row("zoe", "yan"), row("yan", login="a b")), f"'yan' {_NOT}"),
        ((row("zoe", "b-1"),), "'b-1' is not written: neither in the directory nor in the source"),
        ((account("z-1", "zoe", manager="n-1"),), "'n-1' is not written: neither in the directory nor in the source"),
        ((account("z-1", "zoe", manager="bob"),), "'bob' is not written: neither in the directory nor in the source"),
        ((account("z-1", "zoe", manager="y-1"), account("y-1", "yan", active=False)), f"'y-1' {_NOT}"),
        ((account("z-1", "zoe", manager="a-1"), account("a-1", "alice")), f"'a-1' {_NOT}"),
        (
            (account("z-1", "zoe", manager="b-1"), account("b-1", "bob", login="alice-ngo", forge_id=583231)),
            f"'b-1' {_NOT}",
        ),
        (
            (
                account("z-1", "zoe", manager="a-1"),
                account("a-1", "ngo", emails=("alice@example.com",)),
                account("a-2", "ali", emails=("alice@example.com",)),
            ),
            f"'a-1' {_NOT}",
        ),
    ],
)
def test_a_manager_whom_nobody_knows_is_said_and_not_written(people: tuple[SourcePerson, ...], why: str) -> None:
    told = found(*people)
    assert written(told) == {}
    assert [(one.called, one.why) for one in told.left_out] == [("zoe", f"their manager {why}")]
    assert [one.handle for one in told.new if one.handle == "zoe"] == ["zoe"]


def test_a_new_manager_of_a_source_is_found_by_any_of_their_numbers() -> None:
    told = found(account("z-1", "zoe", manager="e-9"), account("y-1", "yan", also=("e-9",)))
    assert (written(told), told.left_out) == ({"zoe": "yan"}, ())


def test_numbers_that_are_those_of_two_refuse() -> None:
    told = found(account("b-1", "bob", also=("c-1",)), known=(BOB, Subject("carol", source_id="c-1")))
    assert [one.why for one in told.refused] == ["id, account and addresses are those of several: bob, carol"]


def test_a_table_without_ids_says_that_active_no_is_not_acted_on() -> None:
    why = "that they are not active is not acted on"
    told = found(row("dan", active=False), row("eve", active=False), known=(Subject("dan"),))
    assert [(one.called, one.why) for one in told.left_out] == [("dan", why)]
    assert "source_id" in told.left_out[0].hint
    told = found(row("bob", id="b-1", active=False))
    assert (told.gone, told.left_out) == ((("bob", DISABLED),), ())


def test_a_row_of_the_handle_takes_the_place_of_an_entry_without_number_and_of_no_other() -> None:
    known = (Subject("dan", emails=("dan@old.example",)), Subject("bob", source_id="b-1"), ALICE)
    new = {"name": "N", "emails": ("n@new.example",)}
    (changed,) = found(row("dan", **new), known=known).changed  # type: ignore[arg-type]
    assert changed.say == {"name": "N", "email": "n@new.example"}
    for handle in ("alice", "bob"):
        told = found(row(handle, **new), known=known)  # type: ignore[arg-type]
        assert (told.changed, [one.called for one in told.refused]) == ((), [handle])


def test_a_row_without_an_id_is_told_to_bring_one() -> None:
    told = found(row("alice"))
    assert [one.hint for one in told.refused] == ["give each row the id that the directory has as source_id"]


_NAMES = st.sampled_from(["", "bob", "alice", "zoe", "yan", "robot", "b-1", "nobody"])


@given(st.lists(st.tuples(_NAMES, _NAMES, _NAMES), max_size=6))
def test_a_table_makes_managers_of_those_alone_whom_a_row_names(rows: list[tuple[str, str, str]]) -> None:
    told = found(*(row(handle, manager, id=number) for handle, manager, number in rows))
    named = {(handle, manager) for handle, manager, _ in rows}
    there = {"alice", "bob", *(one.handle for one in told.new)}
    assert {(one, above) for one, above in written(told).items()} <= {pair for pair in named if pair[1] in there}
