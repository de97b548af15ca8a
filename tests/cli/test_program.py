"""What a program is called by: everything that an answer can depend on, so that no other takes its word."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import daypass
from daypass.cli.runs.program import program_digest

SAY = "from daypass.cli.runs.program import program_digest; print(program_digest())"


@pytest.mark.parametrize(
    "place",
    [
        "core/state.py",
        "pipeline/judge/gate.py",
        "edges/forges/github/evidence.py",
        "edges/targets/postgres/policy.py",
        "schema/grant.schema.json",
    ],
)
def test_another_file_that_an_answer_depends_on_is_another_program(tmp_path: Path, place: str) -> None:
    """Of a forge too: what its requests and reviews are read as decides what is found of them."""
    package = Path(daypass.__file__).parent
    shutil.copytree(package, tmp_path / "daypass", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "daypass" / place).open("a", encoding="utf-8") as file:
        file.write("\n")
    told = subprocess.run([sys.executable, "-c", SAY], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(told.stdout.strip()) == 64
    assert told.stdout.strip() != program_digest()
