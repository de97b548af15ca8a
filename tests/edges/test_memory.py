"""Remembering that nothing was to be done."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from daypass.core.calm import Calm
from daypass.edges.memory import FileMemory

CALM = Calm("grounds", datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC), 7, 2)


def test_what_was_kept_is_recalled(tmp_path: Path) -> None:
    memory = FileMemory(tmp_path / "daypass" / "calm.json")
    assert memory.recall() is None
    memory.keep(CALM)
    assert memory.recall() == CALM
    assert [path.name for path in (tmp_path / "daypass").iterdir()] == ["calm.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"grounds": 1}',
        "\x00",
        '{"grounds":"g","since":"x","until":"y","live":1}',
        '{"grounds":"g","since":"2026-11-20T00:00:00Z","until":"2026-11-21T00:00:00Z","live":1}',
    ],
)
def test_what_cannot_be_read_is_no_memory(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calm.json"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    assert FileMemory(path).recall() is None
