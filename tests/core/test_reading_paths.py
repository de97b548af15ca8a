"""What may lie below grants/, and what may not, in exact words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.files.grants import check_names, check_path
from daypass.core.files.text import directive_findings, skip_directives
from daypass.core.finding import Place

REGULAR = "100644"


def told(path: str, mode: str = REGULAR) -> list[str]:
    found = check_path(path, mode)
    assert all(f.place == Place(path) for f in found)
    return [f"{f.code}: {f.message} ({f.hint})" for f in found]


@pytest.mark.parametrize("path", ["grants/orders-db/a.yaml", "grants/4/0.yaml", f"grants/{'r' * 63}/{'n' * 100}.yaml"])
def test_plain_files_in_the_folder_of_a_resource_pass(path: str) -> None:
    assert told(path) == []


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("100755", "executable: a grant must not be executable (git update-index --chmod=-x)"),
        ("120000", "symlink: a grant must be a file, not a symbolic link (put the file itself here)"),
        ("160000", "submodule: a grant must be a file, not a submodule (remove the submodule)"),
        ("100664", "unknown-mode: a grant must be a plain file (100644), got mode 100664 ()"),
    ],
)
def test_other_kinds_of_entries_are_refused(mode: str, expected: str) -> None:
    assert told("grants/orders-db/a.yaml", mode) == [expected]


FORM = "grants/<resource>/<name>.yaml"
LETTERS = "use a-z, 0-9 and hyphens"
FIRST = f"{LETTERS}, a letter or digit first"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "grants/orders-db/../payroll/a.yaml",
            [
                f"path-trick: 'grants/orders-db/../payroll/a.yaml' holds an empty, '.' or '..' step (write {FORM})",
            ],
        ),
        ("grants//a.yaml", [f"path-trick: 'grants//a.yaml' holds an empty, '.' or '..' step (write {FORM})"]),
        ("grants/./a.yaml", [f"path-trick: 'grants/./a.yaml' holds an empty, '.' or '..' step (write {FORM})"]),
        (
            "grants/orders-db/\u0430lice.yaml",
            [
                r"unicode-path: 'grants/orders-db/\u0430lice.yaml' holds U+0430 (CYRILLIC SMALL LETTER A) "
                f"({LETTERS})"
            ],
        ),
        (
            "grants/orders-db/a\n.yaml",
            [rf"unicode-path: 'grants/orders-db/a\n.yaml' holds U+000A (a character without a name) ({LETTERS})"],
        ),
        (
            "grants/a.yaml",
            [f"wrong-depth: 'grants/a.yaml' is not of the form {FORM} (put the file into the folder of its resource)"],
        ),
        (
            "grants/a/b/c.yaml",
            [f"wrong-depth: 'grants/a/b/c.yaml' is not of the form {FORM} (put the file into the folder of its resource)"],
        ),
        (
            "Grants/a/b.yaml",
            [f"wrong-depth: 'Grants/a/b.yaml' is not of the form {FORM} (put the file into the folder of its resource)"],
        ),
        (
            "grants/orders-db/a.yml",
            ["wrong-ending: 'a.yml' does not end in .yaml (rename it; .yml and other endings are not read)"],
        ),
        (
            "grants/orders-db/a",
            ["wrong-ending: 'a' does not end in .yaml (rename it; .yml and other endings are not read)"],
        ),
        (
            "grants/orders-db/.yaml",
            [
                "wrong-ending: '.yaml' does not end in .yaml (rename it; .yml and other endings are not read)",
                f"bad-path: '.yaml' cannot be a name in a path ({FIRST})",
            ],
        ),
        (
            "grants/orders-db/Alice.yaml",
            [f"bad-path: 'Alice' cannot be a name in a path ({FIRST})"],
        ),
        ("grants/orders_db/a.yaml", [f"bad-path: 'orders_db' cannot be a resource in a path ({FIRST})"]),
        ("grants/orders-db/a.b.yaml", [f"bad-path: 'a.b' cannot be a name in a path ({FIRST})"]),
        (
            f"grants/orders-db/{'a' * 101}.yaml",
            ["long-name: the name in the path has 101 characters, more than 100 (shorten it)"],
        ),
        (
            f"grants/{'a' * 64}/a.yaml",
            ["long-name: the resource in the path has 64 characters, more than 63 (shorten it)"],
        ),
    ],
)  # fmt: skip
def test_other_paths_are_refused(path: str, expected: list[str]) -> None:
    assert told(path) == expected


def test_mode_and_path_are_told_together() -> None:
    assert [line.split(":")[0] for line in told("grants/orders-db/A.yml", "120000")] == [
        "symlink",
        "wrong-ending",
        "bad-path",
    ]


@given(st.text(max_size=40).map(lambda text: f"grants/{text}"))
def test_whatever_is_not_refused_is_plain(path: str) -> None:
    import re

    assert (check_path(path, REGULAR) == ()) == bool(
        re.fullmatch(r"grants/[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,99}\.yaml", path)
    )


def test_names_that_collide_elsewhere_are_refused() -> None:
    found = check_names(
        ["grants/a/b.yaml", "grants/a/B.yaml", "grants/a/\uff42.yaml", "grants/a/c.yaml", "grants/a/c.yaml"]
    )
    assert [(f.place.file, f.code, f.message, f.hint) for f in found] == [
        (
            path,
            "colliding-names",
            f"{path!r} and 'grants/a/b.yaml' are one file to systems that ignore case or Unicode forms",
            "rename one of them",
        )
        for path in ("grants/a/B.yaml", "grants/a/\uff42.yaml")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]", "[SKIP CI]", "[ skip   ci ]", "[skip-ci]",
        "[Skip\nCI]", "[ci-skip]", "***NO_CI***", "skip-checks: true", "Skip-Checks:True", "skip-checks:  true",
    ],
)  # fmt: skip
def test_directives_are_found_in_any_case_and_spacing(text: str) -> None:
    assert skip_directives(f"Duplicate charges {text} of four orders") == [text]


@pytest.mark.parametrize("text", ["skip ci", "[ci]", "[skip] ci", "we skip checks: truly", "[INC-1] skip the city"])
def test_other_texts_are_no_directives(text: str) -> None:
    assert skip_directives(text) == []


def test_directives_become_findings_once_each() -> None:
    place = Place("commit 12")
    (found,) = directive_findings("[skip ci] and [skip ci]", place)
    assert (found.code, found.place, found.message, found.hint) == (
        "skip-directive",
        place,
        "'[skip ci]' would make the forge skip its workflows",
        "remove these words",
    )
