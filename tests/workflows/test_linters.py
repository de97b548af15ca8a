"""zizmor (its strictest persona) and actionlint find nothing; what is excepted says why beside the line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kept import KEEPERS, TOP, files

TOOLS = Path(sys.prefix) / "bin"
EXCEPTED = {("gate.yml", "dangerous-triggers"), ("request.yml", "dangerous-triggers")}


@pytest.fixture(params=KEEPERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for path, text in files(request.param).items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)  # actionlint looks for the project's top
    return tmp_path


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOOLS / command[0], *command[1:]], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_zizmor_finds_nothing(folder: Path) -> None:
    said = _run(folder, "zizmor", "--offline", "--no-progress", "--persona", "auditor", "--format", "json", ".github")
    assert said.returncode == 0, said.stdout
    found = [f for f in json.loads(said.stdout) if not f.get("ignored")]
    assert found == []


def test_actionlint_finds_nothing(folder: Path) -> None:
    said = _run(folder, "actionlint", "-no-color", "-shellcheck=", "-pyflakes=")
    assert (said.returncode, said.stdout) == (0, "")


def test_each_exception_stands_beside_its_line_with_a_reason(folder: Path) -> None:
    found = set()
    for place in (folder / ".github/workflows").glob("*.yml"):
        for line in place.read_text(encoding="utf-8").splitlines():
            if "zizmor" in line:
                match = re.search(r"# zizmor: ignore\[([a-z-]+)\] (\w+ ){4}", line)
                assert match, f"{place.name}: {line}"
                found.add((place.name, match[1]))
    assert found == EXCEPTED
    assert not (folder / ".github/zizmor.yml").exists()


def test_the_script_is_bash_that_both_systems_have(folder: Path) -> None:
    script = folder / ".github/daypass/run"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    # macOS has bash 3.2 and BSD's tools.
    for newer in (
        "mapfile",
        "readarray",
        "declare -A",
        "${1,,}",
        "base64 -w",
        "readlink -f",
        "sed -i",
        "grep -P",
        "date -d",
    ):
        assert newer not in text
    assert not re.search(r"\beval\b|\bcurl\b|\bwget\b|\bsudo\b", text)


def test_no_check_before_a_change_lands_is_passed_by() -> None:
    """The shell that ends where a command fails goes on where that command stands before `&&`, but for the last of a list."""
    checks = [
        line for line in (TOP / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line.startswith("echo ")
    ]
    assert len(checks) > 10
    assert [line for line in checks if "&&" in line] == []
