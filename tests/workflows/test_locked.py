"""What is installed for the demonstration, the tests and the workflows is what was tested: versions with hashes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from kept import TOP

from servers import postgres

LINE = re.compile(r"[a-z0-9-]+==\S+(?: ; [^\\]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lock", TOP / ".ci" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


LOCK = _module()


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in ("pyproject.toml", LOCK.RUN, LOCK.BUILD, LOCK.DEV, LOCK.SERVERS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((TOP / path).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(LOCK, "TOP", tmp_path)
    return tmp_path


def _change(place: Path, old: str, new: str) -> None:
    text = place.read_text(encoding="utf-8")
    assert old in text
    place.write_text(text.replace(old, new), encoding="utf-8")


def test_the_locked_versions_fit_the_ranges_of_the_project(copied: Path) -> None:
    assert LOCK.faults() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("pyproject.toml", '"click>=8.2,<9"', '"click>=99"', "click>=99 is locked at"),
        ("pyproject.toml", '"click>=8.2,<9"', '"clack"', "clack is not locked"),
        ("pyproject.toml", '"hatchling>=1.25,<2"', '"hatchling>=77"', "hatchling>=77 is locked at"),
        ("pyproject.toml", '"pytest>=9.1,<10"', '"pytest>=77"', "pytest>=77 is locked at"),
    ],
)
def test_a_range_that_has_moved_away_is_named(copied: Path, file: str, old: str, new: str, fault: str) -> None:
    _change(copied / file, old, new)
    assert any(fault in each for each in LOCK.faults())


def test_what_a_locked_package_needs_is_locked_too(copied: Path) -> None:
    place = copied / LOCK.RUN
    place.write_text(re.sub(r"pydantic-core==.*\n(    .*\n)+", "", place.read_text(encoding="utf-8")), encoding="utf-8")
    assert any(each.startswith("pydantic: pydantic-core") and "is not locked" in each for each in LOCK.faults())


@pytest.mark.parametrize("path", [LOCK.RUN, LOCK.BUILD, LOCK.DEV, LOCK.SERVERS])
def test_every_line_names_one_version_and_the_hashes_of_its_wheels(path: str) -> None:
    lines = (TOP / path).read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith(("#", "-r ")))
    assert "".join(match[0] for match in LINE.finditer(text)) == text
    assert "://" not in "".join(lines)


def test_a_package_without_a_wheel_for_a_promised_system_is_refused() -> None:
    name = "x-1.0-cp311-abi3-manylinux_2_17_x86_64.whl"
    package = {
        "name": "x",
        "version": "1.0",
        "wheels": [{"url": f"https://example/{name}", "hashes": {"sha256": "0" * 64}}],
    }
    with pytest.raises(SystemExit, match=r"x 1\.0 has no wheel for Python 3\.11 on Linux on arm"):
        LOCK.wheels(package)
    package["wheels"] = [{"url": "https://example/x-1.0-py3-none-any.whl", "hashes": {"sha256": "0" * 64}}]
    assert list(LOCK.wheels(package)) == ["0" * 64]


def test_a_database_server_that_could_be_had_and_is_missing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_CARRIED", {"16": "pgserver"})
    monkeypatch.setattr(postgres, "_UNPACKED", tmp_path)
    assert postgres.versions() == ["", "16"]
    with (
        pytest.raises(AssertionError, match=r"PostgreSQL 16 is not unpacked: run `bash \.ci/setup`"),
        postgres.server(version="16"),
    ):
        pass
