"""Remembering answers, and that nothing was to be done."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from daypass.core.ids import Oid
from daypass.core.ledger.records import RestingResource
from daypass.core.planning.resting import Remembered, Unchanged
from daypass.edges.store import AnswerCache

T = datetime(2026, 11, 20, tzinfo=UTC)
FOUND = Remembered(
    "program",
    Oid("a" * 40),
    7,
    Oid("b" * 40),
    T,
    {"embedded": {"": "x", "orders-db": "y"}},
    {
        "orders-db": RestingResource(datetime(2026, 11, 21, tzinfo=UTC), 7, 6, 2, ("embedded",)),
        "wiki": RestingResource(),
    },
    frozenset({"billing"}),
    Unchanged("grounds", "beside", T, datetime(2026, 11, 21, tzinfo=UTC), 7, 2),
)


def test_what_was_kept_is_recalled(tmp_path: Path) -> None:
    memory = AnswerCache(tmp_path / "daypass")
    assert memory.remembered() is None
    memory.remember(FOUND)
    assert memory.remembered() == FOUND
    assert [path.name for path in (tmp_path / "daypass").iterdir()] == ["answers.sqlite"]
    assert (tmp_path / "daypass/answers.sqlite").stat().st_mode & 0o777 == 0o600


def test_the_newest_answers_of_a_kind_are_kept(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path)
    answers.keep("other", "stays")
    for n in range(5):
        answers.keep("check", f"said {n}", str(n), most=2)
    answers.keep("check", "said again", "3", most=2)
    assert [answers.recall("check", str(n)) for n in range(5)] == [None, None, None, "said again", "said 4"]
    assert answers.recall("other") == "stays"


@pytest.mark.parametrize("broken", [b"", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(broken)
    path.chmod(0o600)
    answers = AnswerCache(tmp_path)
    assert answers.recall("check", "1") is None
    answers.keep("check", "said", "1")
    assert answers.recall("check", "1") == "said"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "1",
        '{"program": 1}',
        "\x00",
        "[" * 100_000,
        '{"program":"p","ledger":"a","sequence":1,"main":"b","since":"x","prints":{},"resting":{}}',
        '{"program":"p","ledger":"a","sequence":1,"main":"b","since":"2026-11-20T00:00:00Z","prints":{},"resting":{"a":1}}',
    ],
)
def test_what_cannot_be_read_is_no_memory(tmp_path: Path, text: str) -> None:
    answers = AnswerCache(tmp_path)
    answers.keep("remembered", text)
    assert answers.remembered() is None
