"""Where columns are few, tables are told row by row and long lines go on below: no word is cut."""

from __future__ import annotations

import pytest

from daypass.views.audit import table
from daypass.views.findings import fold
from driver import Access

T = "2026-11-20T{}:00Z".format


def _cells(item: tuple[str, str, str]) -> tuple[str, ...]:
    return item


ROWS = [("alice", "readonly on orders-db", "Duplicate charges that support reported"), ("bob", "", "an-unbroken-word")]
HEAD = ("WHO", "WHAT", "")


def test_a_table_that_fits_is_aligned() -> None:
    lines = table(HEAD, ROWS, _cells, 80)
    assert lines == table(HEAD, ROWS, _cells)
    assert lines == [
        "WHO    WHAT",
        "alice  readonly on orders-db  Duplicate charges that support reported",
        "bob                           an-unbroken-word",
    ]
    assert table(HEAD, [], _cells, 80) == []


def test_a_table_that_does_not_fit_is_told_row_by_row() -> None:
    assert table(HEAD, ROWS, _cells, 40) == [
        "WHO   alice",
        "WHAT  readonly on orders-db",
        "      Duplicate charges that support reported",
        "",
        "WHO   bob",
        "      an-unbroken-word",
    ]


def test_lines_are_folded_between_words_and_stay_what_they_are() -> None:
    told = "  alice has  a-word-that-is-longer-than-a-line  and more\nshort\n"
    assert fold(told, 20) == "  alice has\n      a-word-that-is-longer-than-a-line\n      and more\nshort\n"
    assert fold("", 20) == ""
    assert fold(told, 200) == told
    command = "  if they are meant: daypass apply --confirm sha256:0123456789\n"
    assert fold(command, 20) == command


def test_what_is_folded_commands_no_runner() -> None:
    assert fold("reason: aaaaaaaaaaaa ::set-output name=a::b\n", 20).split("\n")[1] == r"    \x3a:set-output"


@pytest.fixture
def busy(access: Access) -> Access:
    """A live grant, one that waits, one without proof, and one that has ended."""
    first = access.grant(T("10:00"), T("10:05"), "--ticket", "INC-1234")
    access.run("apply", "--at", T("10:06"))
    access.run("apply", "--at", T("13:00"))
    access.grant(T("13:01"), T("13:05"), "--for", "4h", "--ticket", "INC-1234")
    access.run("apply", "--at", T("13:06"))
    access.ask(T("13:07"), "--for", "1h", role="admin")
    planted = (access.top / f"grants/{first}.yaml").read_text(encoding="utf-8").replace("alice", "bob")
    access.write("grants/orders-db/planted.yaml", planted)
    access.commit("around the gate")
    return access


VERBS = (
    ("status",),
    ("plan",),
    ("show", "2"),
    ("show", "3"),
    ("gate", "--dry-run"),
    ("explain", "GRANT"),
    ("drift",),
    ("targets",),
    ("audit", "access", "--resource", "orders-db"),
    ("audit", "history", "--resource", "orders-db"),
    ("audit", "stats"),
    ("policy", "test"),
    ("codeowners", "--who", "policies/daypass.yaml"),
    ("import", "orders-db", "--dry-run"),
    ("apply",),
)


@pytest.mark.on_disk
def test_every_text_fits_its_columns_and_loses_no_word(busy: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = next(
        line.split()[0]
        for line in busy.run("status", "--at", T("13:08"), expect=None).out.split("\n")
        if "h" in line and line.startswith("  orders-db/alice")
    )
    for verb in VERBS:
        words = [word.replace("GRANT", grant) for word in verb]
        at = () if verb[0] in ("targets", "policy", "codeowners") else ("--at", T("13:08"))
        acting = "bob" if verb[0] == "import" else ""
        told = {}
        for columns in (0, 80, 40):
            if columns:
                monkeypatch.setenv("COLUMNS", str(columns))
            told[columns] = busy.run(*words, *at, acting=acting, expect=None).out
        monkeypatch.delenv("COLUMNS")
        for columns in (80, 40):
            long = [line for line in told[columns].split("\n") if len(line) > columns and len(line.split()) > 1]
            assert [line for line in long if "--confirm" not in line and not _one_word(line)] == [], (verb, columns)
        if verb[0] != "apply":  # which does something each time
            for columns in (80, 40):
                assert sorted(set(told[columns].split())) == sorted(set(told[0].split())), (verb, columns)


def _one_word(line: str) -> bool:
    """Whether a line holds a single word beside a label."""
    return len(line.split()) <= 2
