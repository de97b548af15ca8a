"""Each hostile or careless file, and the exact words that refuse it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time

import pytest
import yaml

from daypass.core.errors import RefusedError
from daypass.core.files.document import GRANT_LIMIT, POLICY_LIMIT, Document, read
from daypass.core.files.text import MOST_FAULTS

FILE = "grants/orders-db/a.yaml"


def told(raw: bytes, limit: int = GRANT_LIMIT) -> list[str]:
    found = read(FILE, raw, limit=limit)
    assert isinstance(found, tuple), "the file was accepted"
    return [f"{f.place.line}:{f.place.column} [{f.place.path}] {f.code}: {f.message} ({f.hint})" for f in found]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            b"role: readonly\nrole: admin\n",
            "2:1 [role] duplicate-key: the key 'role' stands here a second time (keep one of the two)",
        ),
        (
            b"a:\n  b: 1\n  'b': 2\n",
            "3:3 [a.b] duplicate-key: the key 'b' stands here a second time (keep one of the two)",
        ),
        (b"a: &x 1\n", "1:4 [a] anchor: the anchor &x is not allowed (write values out where they are used)"),
        (b"&x a: 1\n", "1:1 [a] anchor: the anchor &x is not allowed (write values out where they are used)"),
        (b"a: *x\n", "1:4 [a] alias: the alias *x is not allowed (write the value out)"),
        (b"*x : a\n", "1:1 [] alias: the alias *x is not allowed (write the value out)"),
        (b"a: [b, *x]\n", "1:8 [a[1]] alias: the alias *x is not allowed (write the value out)"),
        (b"a: !!int 1\n", "1:4 [a] tag: the tag '!!int' is not allowed (remove it; types come from the schema)"),
        (
            b"a: !!python/object:os.system x\n",
            "1:4 [a] tag: the tag '!!python/object:os.system' is not allowed (remove it; types come from the schema)",
        ),
        (b"a: !own [b]\n", "1:4 [a] tag: the tag '!own' is not allowed (remove it; types come from the schema)"),
        (b"a: ! b\n", "1:4 [a] tag: the tag '!' is not allowed (remove it; types come from the schema)"),
        (b"<<: {a: b}\n", "1:1 [<<] merge-key: merge keys (<<) are not allowed (write the keys out)"),
        (
            b"%YAML 1.1\n---\na: b\n",
            "1:1 [] directive: directives (lines that begin with %) are not allowed (remove the line)",
        ),
        (
            b"%TAG ! tag:x,2000:\n---\na: b\n",
            "1:1 [] directive: directives (lines that begin with %) are not allowed (remove the line)",
        ),
        (
            b"# x\n%FOO bar\n---\na: b\n",
            "2:1 [] directive: directives (lines that begin with %) are not allowed (remove the line)",
        ),
        (b"a: b\n---\nc: d\n", "2:1 [] several-documents: a second document starts here (one file holds one document)"),
        (b"a: b\n...\n---\n", "3:1 [] several-documents: a second document starts here (one file holds one document)"),
        (b"[a]: b\n", "1:1 [] complex-key: a key must be text, got a list (write `key: value`)"),
        (b"? {a: b}\n: c\n", "1:3 [] complex-key: a key must be text, got a mapping (write `key: value`)"),
        (b"", "1:1 [] empty-file: the file holds nothing (write the keys that its kind of file needs)"),
        (b"# only this\n", "2:1 [] empty-file: the file holds nothing (write the keys that its kind of file needs)"),
        (b"---\n", "2:1 [] empty-file: the file holds nothing (write the keys that its kind of file needs)"),
        (b"- a\n", "1:1 [] not-a-mapping: expected keys with values at the top, got a list (write `key: value` lines)"),
        (
            b"alice\n",
            "1:1 [] not-a-mapping: expected keys with values at the top, got a single value (write `key: value` lines)",
        ),
        (b"a: b\x00c\n", "1:5 [] control-character: the control character U+0000 (remove it)"),
        (b"a: b\x1b[31m\n", "1:5 [] control-character: the control character U+001B (remove it)"),
        (b"a: b\x7f\n", "1:5 [] control-character: the control character U+007F (remove it)"),
        ("a: b\u009b\n".encode(), "1:5 [] control-character: the control character U+009B (remove it)"),
        (
            "a: b\nuser: al\u202eice\n".encode(),
            "2:9 [] bidirectional-character: the bidirectional control U+202E (RIGHT-TO-LEFT OVERRIDE) "
            "(remove it; it makes text read in another order than it is stored)",
        ),
        (
            "a: al\u200bice\n".encode(),
            "1:6 [] invisible-character: the invisible character U+200B (ZERO WIDTH SPACE) "
            "(remove it, or type a plain space)",
        ),
        (
            "a:\u00a0b\n".encode(),
            "1:3 [] invisible-character: the invisible character U+00A0 (NO-BREAK SPACE) (remove it, or type a plain space)",
        ),
        (
            "a: b\ufeff\n".encode(),
            "1:5 [] invisible-character: the invisible character U+FEFF (ZERO WIDTH NO-BREAK SPACE) "
            "(remove it, or type a plain space)",
        ),
        (
            "a: \U000e0041b\n".encode(),
            "1:4 [] invisible-character: the invisible character U+E0041 (TAG LATIN CAPITAL LETTER A) "
            "(remove it, or type a plain space)",
        ),
        (
            "subject: alice # note\u2028role: admin\n".encode(),
            "1:22 [] line-separator: the line break U+2028 (LINE SEPARATOR) (end lines with LF or CR LF)",
        ),
        (
            "a: b # c\u0085role: admin\n".encode(),
            "1:9 [] line-separator: the line break U+0085 (end lines with LF or CR LF)",
        ),
        (
            b"a: b # c\rrole: admin\n",
            "1:9 [] carriage-return: a carriage return without a line feed (end lines with LF or CR LF)",
        ),
        (
            "a: \u00e9\rb: c\n".encode(),
            "1:5 [] carriage-return: a carriage return without a line feed (end lines with LF or CR LF)",
        ),
        (b"a: b\nc: \xe9t\xe9\n", "2:4 [] not-utf8: byte 0xE9 at offset 8 is not UTF-8 (save the file as UTF-8)"),
        (b"\xff\xfea\x00", "1:1 [] not-utf8: byte 0xFF at offset 0 is not UTF-8 (save the file as UTF-8)"),
        (
            "a: b\nc: e\u0301te\u0301\n".encode(),
            "2:4 [] not-composed: the text from here (U+0065 U+0301) is not in Unicode's composed form (NFC) "
            "(write accented letters as one character)",
        ),
        (
            b'a: "\\u202e"\n',
            "1:4 [a] bidirectional-character: an escape here stands for the bidirectional control U+202E "
            "(RIGHT-TO-LEFT OVERRIDE) (remove it; it makes text read in another order than it is stored)",
        ),
        (
            b'a: "\\0"\n',
            "1:4 [a] control-character: an escape here stands for the control character U+0000 (remove it)",
        ),
        (
            b'a: "\\N"\n',
            "1:4 [a] line-separator: an escape here stands for the line break U+0085 (end lines with LF or CR LF)",
        ),
        (
            b'a: "b\\r\\n"\n',
            "1:4 [a] carriage-return: an escape here stands for a carriage return without a line feed "
            "(end lines with LF or CR LF)",
        ),
        (
            b'a: "e\\u0301"\n',
            "1:4 [a] not-composed: an escape here stands for 'e\u0301', which is not in Unicode's composed form (NFC) "
            "(write accented letters as one character)",
        ),
        (
            b"a: b: c\n",
            "1:5 [] yaml-syntax: not YAML: mapping values are not allowed in this context "
            "(quote text that holds a colon followed by a space)",
        ),
        (
            b"a:\n\tb: c\n",
            "2:1 [] yaml-syntax: not YAML: found character that cannot start any token, while scanning for the next token "
            "(indent with spaces, and quote text that begins with a mark such as @, ` or a tab)",
        ),
        (
            b"a: [b\n",
            "2:1 [] yaml-syntax: not YAML: did not find expected ',' or ']', while parsing a flow sequence "
            "(check the indentation, and that quotes and brackets are closed)",
        ),
        (
            b'a: "\\ud800"\n',
            "1:7 [] yaml-syntax: not YAML: found invalid Unicode character escape code, while parsing a quoted scalar "
            "(check the indentation, and that quotes and brackets are closed)",
        ),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else "",
)
def test_refuses_with_place_and_words(raw: bytes, expected: str) -> None:
    assert told(raw) == [expected]


def test_all_faults_are_told_at_once() -> None:
    raw = b"a: 1\na: &x 2\nb: *x\n? [c]\n: 3\n<<: {}\nd: !!int 4\ne: {f: 1, f: 2}\n"
    assert [line.split(":")[0] + " " + line.split("] ")[1].split(":")[0] for line in told(raw)] == [
        "2 duplicate-key",
        "2 anchor",
        "3 alias",
        "4 complex-key",
        "6 merge-key",
        "7 tag",
        "8 duplicate-key",
    ]


def test_a_file_of_faults_is_not_read_to_its_end() -> None:
    assert len(told(b"a: b\n" * 200_000, POLICY_LIMIT)) == MOST_FAULTS
    assert len(told(b"[" + b"\x01" * 1000)) == 20
    assert len(told(b"".join(b"k%d: &a b\n" % index for index in range(1000)))) == MOST_FAULTS


def test_a_billion_laughs_are_not_laughed() -> None:
    lines = [b"a0: &a0 ha"]
    lines += [b"a%d: &a%d [" % (n, n) + b", ".join([b"*a%d" % (n - 1)] * 9) + b"]" for n in range(1, 10)]
    found = told(b"\n".join(lines))
    assert found[0] == "1:5 [a0] anchor: the anchor &a0 is not allowed (write values out where they are used)"
    assert "2:10 [a1[0]] alias: the alias *a0 is not allowed (write the value out)" in found


def test_ten_megabytes_are_refused_before_they_are_looked_at() -> None:
    raw = b"\xff" * 10_000_000
    start = time.perf_counter()
    expected = "the file has 10000000 bytes, more than the 32768 that it may have"
    assert told(raw) == [f"0:0 [] too-large: {expected} (shorten it, or split it into several files)"]
    assert time.perf_counter() - start < 0.1


def test_the_limit_is_the_last_size_that_is_read() -> None:
    fits = b"a: " + b"x" * (GRANT_LIMIT - 3)
    assert isinstance(read(FILE, fits), Document)
    assert "too-large" in told(fits + b"x")[0]
    assert isinstance(read(FILE, fits + b"x", limit=POLICY_LIMIT), Document)


@pytest.mark.parametrize(
    "raw",
    [
        b"a: " + b"[" * 10_000,
        b"a: " + b"{a: " * 7_000,
        b"a:\n" + b"- " * 10_000,
        b"\n".join(b" " * n + b"a:" for n in range(250)),
        b"a: " + b"[" * 10_000 + b"]" * 10_000,
        b"a: " + b"[" * 13 + b"@",
        b"a: " + b"[" * 13 + b'"never closed',
        "ä: ".encode() + b"[" * 2_000,
    ],
    ids=["lists", "mappings", "dashes", "indented", "closed", "then a fault", "then a quote", "after an umlaut"],
)
def test_depth_is_refused_at_once(raw: bytes) -> None:
    start = time.perf_counter()
    found = told(raw, POLICY_LIMIT)
    assert time.perf_counter() - start < 0.5
    assert len(found) == 1
    assert "too-deep: more than 12 levels inside each other (flatten the file)" in found[0]


@pytest.mark.parametrize("raw", [b"a: " + b"[" * 11 + b"@", b'a: "[[[[[[[[[[[[[[[[[[[["\nb: @', b"a: @"])
def test_a_fault_that_is_not_of_depth_is_named_as_itself(raw: bytes) -> None:
    assert "yaml-syntax" in told(raw)[0]


def test_twelve_levels_are_read() -> None:
    assert isinstance(read(FILE, b"a: " + b"[" * 11 + b"]" * 11), Document)
    assert told(b"a: " + b"[" * 12 + b"]" * 12)[0].startswith("1:15 [a" + "[0]" * 11 + "] too-deep")


@pytest.mark.parametrize("raw", [b"a: [" + b"b," * 10_000 + b"]", b"".join(b"%x:\n" % n for n in range(5_000))])
def test_more_values_than_anybody_writes_are_refused(raw: bytes) -> None:
    assert "too-many-values: more than 8192 keys and values in one file (split the file)" in told(raw)[0]


def test_a_long_key_is_cut_in_messages() -> None:
    key = b"k" * 200
    (found,) = told(key + b": 1\n" + key + b": 2\n")
    assert f"the key '{'k' * 60}…' stands here a second time" in found


def test_a_python_without_libyaml_is_told_what_to_install() -> None:
    code = (
        "import sys; sys.modules['yaml._yaml'] = None\n"
        "from daypass.core.errors import RefusedError\n"
        "try:\n    from daypass.core.files.document import read; read('a', b'a: [b]')\n"
        "except RefusedError as error: print(error.message, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "PyYAML was built without libyaml here, so no file can be read | "
        "install PyYAML from a wheel, or build it with libyaml's headers"
    )


def test_the_reader_itself_refuses_to_load_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    spec = importlib.util.find_spec("daypass.core.files.subset")
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(RefusedError, match="built without libyaml"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
