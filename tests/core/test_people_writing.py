"""Writing people into files of the directory: all else of them stays, and what cannot be changed so is refused."""

from __future__ import annotations

import pytest

from daypass.core.errors import InvalidError
from daypass.core.files.document import Document, read
from daypass.core.people.matching import Values, WrittenPerson
from daypass.core.people.writing import A_FILE, with_people

FILE = "policies/directory/people.yaml"
OWN = "policies/directory/imported.yaml"
TEXT = """\
version: 1
# who is who
people:
  alice: {name: Alice Ngo, forge: {login: alice-ngo}, email: alice@example.com}  # the first
  bob:
    # Bob's name
    name: Bob   # short

    forge:
      login: bosei
  carol: {}
groups:
  dba: {members: [bob]}
"""
SAY: Values = {"name": "Ünal: A", "forge": {"id": 5}, "until": "2026-11-30T10:00:00Z"}


def written(handle: str, say: Values) -> WrittenPerson:
    return WrittenPerson(handle, "1", say)


def value(raw: bytes) -> dict[str, object]:
    found = read(FILE, raw, limit=1 << 20)
    assert isinstance(found, Document)
    return found.value


def test_entries_change_where_they_stand_and_comments_stay() -> None:
    made = with_people({FILE: TEXT.encode()}, (), [written(name, SAY) for name in ("alice", "bob", "carol")])
    assert made[FILE].decode() == (
        TEXT.replace(
            "{name: Alice Ngo, forge: {login: alice-ngo}",
            '{until: "2026-11-30T10:00:00Z", name: "Ünal: A", forge: {id: 5, login: alice-ngo}',
        )
        .replace("    name: Bob ", '    until: "2026-11-30T10:00:00Z"\n    name: "Ünal: A" ')
        .replace("      login: bosei", "      id: 5\n      login: bosei")
        .replace("carol: {}", 'carol: {name: "Ünal: A", forge: {id: 5}, until: "2026-11-30T10:00:00Z"}')
    )


def test_a_value_that_is_there_is_replaced() -> None:
    text = "version: 1\npeople:\n  bob:\n    until: 2027-01-01\n    name: 'Bob'\n"
    say: Values = {"until": "2026-11-30T10:00:00Z", "name": "no"}
    made = with_people({FILE: text.encode()}, (), [written("bob", say)])
    assert made[FILE].decode() == ('version: 1\npeople:\n  bob:\n    until: "2026-11-30T10:00:00Z"\n    name: "no"\n')


def test_new_people_come_into_a_file_of_their_own_and_the_next_ones_behind_them() -> None:
    first = with_people({FILE: TEXT.encode()}, [written("dan", {"source_id": "9", "name": "Dan"})], ())
    assert first == {OWN: b'version: 1\npeople:\n  dan:\n    source_id: "9"\n    name: Dan\n'}
    bare = with_people({}, [written("dan", {})], ())
    assert bare[OWN] == b"version: 1\npeople:\n  dan: {}\n"
    commented = first[OWN] + b"  # who came later"
    second = with_people({OWN: commented}, [written("eve", {"source_id": "10"})], ())
    assert second[OWN] == commented + b'\n  eve:\n    source_id: "10"\n'


def test_new_people_and_changed_ones_may_share_a_file() -> None:
    there = {OWN: b"\xef\xbb\xbfversion: 1\npeople:\n    dan:\n        name: D\n"}
    made = with_people(there, [written("eve", {"name": "Eve"})], [written("dan", {"name": "Dan"})])
    assert made[OWN] == b"version: 1\npeople:\n    dan:\n        name: Dan\n    eve:\n      name: Eve\n"


def test_a_file_without_people_gets_some() -> None:
    made = with_people({OWN: b"version: 1\ngroups: {}"}, [written("eve", {"name": "Eve"})], ())
    assert made[OWN] == b"version: 1\ngroups: {}\npeople:\n  eve:\n    name: Eve\n"


def test_many_people_lie_in_several_files() -> None:
    many = [written(f"p{number}", {"source_id": str(number)}) for number in range(A_FILE + 1)]
    made = with_people({}, many, ())
    assert [len(value(raw)["people"]) for raw in made.values()] == [A_FILE, 1]  # type: ignore[arg-type]
    assert list(made) == [OWN, "policies/directory/imported-2.yaml"]
    more = with_people(made, [written("last", {"source_id": "x"})], ())
    assert list(more) == ["policies/directory/imported-2.yaml"]


@pytest.mark.parametrize(
    "text", ["version: 1\npeople: {dan: {name: D}}\n", "version: 1\npeople:\n  dan: {}\ngroups: {}\n"]
)
def test_what_is_written_in_another_way_is_left_to_people(text: str) -> None:
    with pytest.raises(InvalidError, match="written in a way that cannot be changed here"):
        with_people({OWN: text.encode()}, [written("eve", {"name": "Eve"})], ())


def test_a_file_that_does_not_read_is_named() -> None:
    with pytest.raises(InvalidError, match="cannot be read") as raised:
        with_people({FILE: b"people: ["}, [], [written("bob", {"name": "B"})])
    assert raised.value.findings


def test_very_many_people_lie_in_numbered_files() -> None:
    many = [written(f"p{number}", {"name": "P"}) for number in range(2 * A_FILE + 1)]
    made = with_people({}, many, ())
    assert [len(value(raw)["people"]) for raw in made.values()] == [A_FILE, A_FILE, 1]
    assert list(made) == [OWN, OWN.replace("imported", "imported-2"), OWN.replace("imported", "imported-3")]
