"""What libyaml reads and YAML 1.2 refuses or reads otherwise is refused; what is read, another reader reads alike."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from daypass.core.files.document import Document, read

REFUSED = [
    (b"a: {?b: c}\n", "1:5", "a key is marked with ?"),
    (b"? a\n: b\n", "1:1", "a key is marked with ?"),
    (b'a: "b"#c\n', "1:7", "a comment needs a space before it"),
    (b"a: [b]#c\n", "1:7", "a comment needs a space before it"),
    (b"a: [b,#c\n  d]\n", "1:7", "a comment needs a space before it"),
    (b'a: "b\nc"\n', "2:1", "a line that continues a value is not indented"),
    (b"a: 'b\nc'\n", "2:1", "a line that continues a value is not indented"),
    (b"a: {b: c,\nd: e}\n", "2:1", "a line that continues a value is not indented"),
    (b"a: {\n  b: c\n}\n", "3:1", "a line that continues a value is not indented"),
    (b"a:\n  b: [c,\n  d]\n", "3:1", "a line that continues a value is not indented"),
    (b'a:\n  - "b\n  c"\n', "3:1", "a line that continues a value is not indented"),
    (b"a:\tb\n", "1:3", "a tab stands between values"),
    (b"a: b\tc\n", "1:4", "a value holds a tab"),
    (b'a: "b\tc"\n', "1:4", "a value holds a tab"),
    (b'a: {"b":c}\n', "1:8", "a colon stands before a value without a space"),
    (b"a: [-]\n", "1:5", "a hyphen stands for a value"),
    (b"a: |2\n   b\n", "1:4", "a block of text begins with '|2'"),
    (b"a: >-#c\n  b\n", "1:4", "a block of text begins with '>-#c'"),
    (b"a: |\n  b\tc\n", "1:4", "a block of text holds a tab"),
    (b"a: |\n  b", "1:4", "the file ends in a block of text without a line end"),
    (b"a: b\n...\n...\n", "3:1", "the document is ended twice"),
]


@pytest.mark.parametrize(("raw", "place", "said"), REFUSED)
def test_what_two_readers_could_read_differently_is_refused(raw: bytes, place: str, said: str) -> None:
    found = read("f.yaml", raw)
    assert not isinstance(found, Document)
    (finding, *_) = found
    assert finding.code == "ambiguous-yaml"
    assert f"{finding.place.line}:{finding.place.column}" == place
    assert finding.message == f"{said}, which not every reader of YAML takes, or takes alike"
    assert finding.hint


@pytest.mark.parametrize(
    "raw",
    [
        b"a: 'b'  # c? d:e\n# [x\nf: {g: h, 'i': [j, \"k\"]}\n",
        b"a: why? because\n  it goes on\nb:\n  - c\n  -   d: e\n      f: g\n",
        b'a: "b\n  c"\nd: [e,\n  f\n  ]\n',
        b"a: |  # text\n  b: [c\n  #d\ne: >-\n  f\n\n  g\n",
        b"---\na: acme/orders#88\nb: 10:30\n...\n",
        b"a: |\n  b\r\n  c\r\n",
        b'a: "tab\\tand \\" quote"\nb: ""\nc:\n',
    ],
)
def test_what_people_write_is_read_and_read_alike(raw: bytes) -> None:
    found = read("f.yaml", raw)
    assert isinstance(found, Document), found
    assert alike(other(raw)) == alike(found.value)


def test_no_more_faults_are_told_than_of_any_file() -> None:
    found = read("f.yaml", b"".join(b'k%d: "b"#c\n' % n for n in range(150)))
    assert isinstance(found, tuple)
    assert len(found) == 100


def other(raw: bytes) -> Any:
    """Read as YAML 1.2, with a reader that shares no code with ours."""
    reader = YAML(typ="base", pure=True)
    reader.version = (1, 2)
    return reader.load(io.BytesIO(raw))


def alike(value: Any) -> Any:
    if isinstance(value, dict):
        return {alike(key): alike(below) for key, below in value.items()}
    if isinstance(value, list):
        return [alike(item) for item in value]
    return "" if value is None else str(value)


PIECES = (
    *("a", "b", "z", "2", ": ", ":", "\n", "\n ", "\n  ", " ", "{", "}", "[", "]", ",", "?", "? ", "-", "- ", '"', "'"),
    *('"x"', "'y'", '"a\nb"', '"a\n b"', '""', "''", "#", "# c", " # c", "|", ">", ">-", "|2", "+", "|\n  x\n", "%"),
    *("\t", "key: ", "k: v\n", "\\", "\\n", "!", "&", "*", "---\n", "...\n", "\r\n", "\n\n", "@", "`", ">\n  x\n"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=9), st.sampled_from(["", "k: "]))
@example(["{?a: ", "b", "}"], "k: ")
def test_a_file_that_is_read_is_read_alike_by_another_reader(pieces: list[str], start: str) -> None:
    raw = (start + "".join(pieces)).encode()
    found = read("f.yaml", raw)
    if not isinstance(found, Document):
        return
    try:
        theirs = other(raw)
    except YAMLError as error:
        raise AssertionError(f"we read {found.value!r}, they refuse") from error
    assert alike(theirs) == alike(found.value)
