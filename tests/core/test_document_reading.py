"""What a document says, and where."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daypass.core.files.document import Document, path_parts, path_text, read, read_on
from daypass.core.files.plain import read_plain
from daypass.core.files.subset import Parsed
from daypass.core.finding import Finding, Place
from examples import examples

TEXT = b"""# yaml-language-server: $schema=../../.schemas/grant.schema.json
version: 1
who: {name: "Alice: it's no", list: [a, 'b', no]}
window:
  until: 2026-01-01
rules:
  - id: one
    when: |
      a ==
        b
  - id: two
"dotted.key": x
"""


def document(raw: bytes) -> Document:
    found = read("f.yaml", raw)
    assert isinstance(found, Document), found
    return found


def test_every_scalar_is_the_text_that_it_is() -> None:
    raw = (
        b"a: no\nb: 010\nc: 1_000\nd: 12:30:00\ne: 2026-01-01\nf: ~\ng: null\nh:\ni: .inf\nj: 0x1F\nk: 'no'\non: yes\n"
    )
    assert document(raw).value == {
        "a": "no", "b": "010", "c": "1_000", "d": "12:30:00", "e": "2026-01-01", "f": "~", "g": "null", "h": "",
        "i": ".inf", "j": "0x1F", "k": "no", "on": "yes",
    }  # fmt: skip


def test_structures_are_read() -> None:
    assert document(TEXT).value == {
        "version": "1",
        "who": {"name": "Alice: it's no", "list": ["a", "b", "no"]},
        "window": {"until": "2026-01-01"},
        "rules": [{"id": "one", "when": "a ==\n  b\n"}, {"id": "two"}],
        "dotted.key": "x",
    }


@pytest.mark.parametrize(
    "raw",
    [b"a: b\r\nc: |\r\n  d\r\n  e\r\n", b"\xef\xbb\xbfa: b\nc: |\n  d\n  e\n", b"---\na: b\nc: |\n  d\n  e\n...\n"],
    ids=["CRLF", "byte order mark", "document marks"],
)
def test_harmless_variants_are_accepted(raw: bytes) -> None:
    assert document(raw).value == {"a": "b", "c": "d\ne\n"}


def test_a_byte_order_mark_moves_no_column() -> None:
    assert document(b"\xef\xbb\xbfa: b\n").place("a") == Place("f.yaml", 1, 4, "a")


@pytest.mark.parametrize(
    ("path", "key", "line", "column"),
    [
        ("", False, 2, 1),
        ("version", False, 2, 10),
        ("version", True, 2, 1),
        ("who.name", False, 3, 13),
        ("who.name", True, 3, 7),
        ("who.list[2]", False, 3, 48 - 2),
        ("window.until", False, 5, 10),
        ("window.until", True, 5, 3),
        ("rules[0].when", False, 8, 11),
        ("rules[1]", False, 11, 5),
        ("rules[1].id", False, 11, 9),
        ('["dotted.key"]', False, 12, 15),
        ("window.from", False, 5, 3),
        ("rules[7].when", True, 7, 3),
        ("nothing", False, 2, 1),
    ],
)
def test_places(path: str, key: bool, line: int, column: int) -> None:
    assert document(TEXT).place(path, key=key) == Place("f.yaml", line, column, path)


def test_places_can_be_asked_in_any_order_and_by_parts() -> None:
    read_once = document(TEXT)
    assert read_once.place("rules[1].id").line == 11
    assert read_once.place("version").line == 2
    assert read_once.place(("rules", 0, "id")).line == 7
    assert read_once.place(()).line == 2


def test_columns_count_characters() -> None:
    assert document("{é: ü, b: c}\n".encode()).place("b") == Place("f.yaml", 1, 11, "b")


def test_the_place_of_nothing_in_particular_is_the_top() -> None:
    assert document(b"a: b\n").place((), key=True) == Place("f.yaml", 1, 1, "")


def test_only_unquoted_scalars_are_plain() -> None:
    some = document(b"a: 1\nb: '1'\nc: \"1\"\nd: |\n  1\ne: [1]\n")
    assert [key for key in ("a", "b", "c", "d", "e", "e[0]", "f") if some.is_plain(key)] == ["a", "e[0]"]


def test_a_faulty_file_is_read_on_to_find_more() -> None:
    some, found = read_on("f.yaml", b"a: &x 1\nb: 2\n")
    assert some is not None
    assert some.value == {"a": "1", "b": "2"}
    assert [f.code for f in found] == ["anchor"]
    assert read_on("f.yaml", b"a: [")[0] is None


@given(st.lists(st.one_of(st.integers(0, 99), st.text(min_size=1))))
@example(["a.b", 1, 'say "x"', "[0]", " "])
def test_paths_are_read_back(parts: list[str | int]) -> None:
    assert path_parts(path_text(parts)) == tuple(parts)


def test_a_path_that_is_none_is_the_programs_fault() -> None:
    with pytest.raises(RuntimeError, match="is no path into a document"):
        path_parts("a..b")


PIECES = [
    "a", "b", "version", ": ", ":", "\n", "\n  ", "\n    ", "- ", "? ", "[", "]", "{", "}", ", ", "'", '"', "|\n", ">\n", "#",
    " #", "&x ", "*x", "!t ", "!!int ", "<<", "%YAML 1.1\n", "---\n", "...\n", "\\", "\\u202e", "\t", "\r\n", "\r", "\u2028",
    "\u0085", "\u202e", "é", "e\u0301", "\ufeff", "\x00", "1", "no", "~", "@", "`", "''", " ",
]  # fmt: skip


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    found = read("f", raw)
    assert isinstance(found, Document) or (found and all(isinstance(f, Finding) for f in found))


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("? ")
@settings(max_examples=examples(300))
def test_no_yaml_makes_the_reader_raise_and_what_it_accepts_means_what_it_means_to_libyaml(text: str) -> None:
    found = read("f", text.encode())
    if not isinstance(found, Document):
        assert found
        assert all(f.message and f.place.line for f in found)
        return
    loader = type("Loader", (yaml.CSafeLoader,), {"yaml_implicit_resolvers": {}})
    assert found.value == yaml.load(text, loader)  # noqa: S506  (a safe loader, which leaves scalars as text)
    paths = _paths(found.value)
    for path in paths:
        place = found.place(path)
        assert 1 <= place.line <= text.count("\n") + 2  # an empty value may stand behind the last line


def _paths(value: Any, parts: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    return [parts] + [path for key, item in below for path in _paths(item, (*parts, key))]


_KEYS = st.sampled_from(["a", "b", "no", "window"])
_VALUES = st.sampled_from(
    [
        "a",
        "1",
        "no",
        "~",
        "a b",
        "a  b",
        "a: b",
        "a #b",
        "a,b",
        "x)",
        "a-",
        "-a",
        "12:30",
        "2026-01-01T00:00:00Z",
        "'q'",
        "",
        "{a: b}",
        "{a: b, window: 2026-01-01T00:00:00Z}",
        "{a: 12:30}",
        "{a: b, a: c}",
        "{a: b,c}",
        "{a: {b: c}}",
        "a:b",
        "a: b",
        "https://a.b/c?d=e#f",
        'it\'s "so" & *so* <b> !',
    ]
) | st.text("aZ0 ._/,;()@+-:#'\"{}[]&*!?=$<|>%\t\n", max_size=6)
_VALUES |= st.lists(st.builds("{}: {}".format, _KEYS, _VALUES), max_size=3).map(", ".join).map("{{{}}}".format)
_PLAIN_LINES = st.one_of(
    st.builds("{}: {}\n".format, _KEYS, _VALUES),
    st.builds("{}:\n".format, _KEYS),
    st.builds("  {}: {}\n".format, _KEYS, _VALUES),
    st.sampled_from(["# a: b\n", "#\n", "  # c\n", "\n", "--- \n", "a: b"]),
)


@given(st.lists(_PLAIN_LINES, min_size=1, max_size=5).map("".join))
@example("# c\na: 1\nwindow:\n  a: b\n  b: no\nb: 2026-01-01T00:00:00Z\n")
@example("a:\n  b: c\n  b: d\n")
@example("a: {b: c, window: 2026-01-01T00:00:00Z, a: 1}\nb: {no: 1}\nno: d\n")
def test_what_is_read_without_libyaml_is_read_the_same_with_it(text: str) -> None:
    plain, parsed = read_plain(text), Parsed(text.encode(), 8_000)
    if plain is not None:
        assert parsed.complete
        assert not parsed.faults
        assert plain == parsed.value
        quick, slow = Document("f.yaml", plain, text), Document("f.yaml", parsed.value, parsed.events)
        for path in ("a", "b", "no", "window", "window.a", "window.b"):
            assert quick.is_plain(path) == slow.is_plain(path)
            assert quick.place(path) == slow.place(path)


def test_what_daypass_writes_is_read_without_libyaml() -> None:
    assert read_plain("# c\na: 1\nwindow:\n  a: b\n") == {"a": "1", "window": {"a": "b"}}
    assert read_plain("a: {from: 2026-01-01T00:00:00Z, until: x}\nb: 1\n") == {
        "a": {"from": "2026-01-01T00:00:00Z", "until": "x"},
        "b": "1",
    }
    assert read_plain('a: see https://b.c/d?e=f#g, which isn\'t "so"\n') is None
    assert read_plain('a: see https://b.c/d?e=f#g, which isn\'t "so" yet\n') is not None
    assert read_plain("a: b: c\n") is read_plain("a: b #c\n") is read_plain("a: {b: c, b: d}\n") is None
    assert read_plain("a: 1\n" * 2) is None
    lines = [f"{'a' * (n % 11 + 1)}{'b' * (n // 11 + 1)}: 1\n" for n in range(101)]
    assert read_plain("".join(lines)) is None
    assert len(read_plain("".join(lines[:100])) or ()) == 100
