"""daypass's own wheel, made of what is installed: the bytes that the project's build makes, or nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from kept import TOP

from daypass.core.errors import EdgeError
from daypass.edges.forges.github.setup import own_wheel, wheel_of


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the project's build makes."""
    pytest.importorskip("hatchling", reason="the README's command installs it")
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def distribution_in(folder: Path) -> metadata.Distribution:
    (about,) = folder.glob("daypass-*.dist-info")
    return metadata.Distribution.at(about)


def installed(wheel: Path, folder: Path) -> metadata.Distribution:
    """What pip makes of a wheel."""
    command = [
        sys.executable,
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(folder),
    ]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    return distribution_in(folder)


@pytest.fixture(scope="module")
def kept(built: Path, tmp_path_factory: pytest.TempPathFactory) -> metadata.Distribution:
    """What pip made of a wheel that is still there."""
    return installed(built, tmp_path_factory.mktemp("kept") / "here")


@pytest.fixture(scope="module")
def orphan(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip put a wheel that is gone."""
    top = tmp_path_factory.mktemp("orphan")
    wheel = Path(shutil.copy(built, top))
    installed(wheel, top / "here")
    wheel.unlink()
    return top / "here"


def test_a_wheel_that_is_still_where_pip_took_it_from_is_that_wheel(built: Path, kept: metadata.Distribution) -> None:
    assert wheel_of(kept) == (built.name, built.read_bytes())


def test_an_installation_is_packed_to_the_very_bytes_that_were_installed(built: Path, tmp_path: Path) -> None:
    gone = tmp_path / "downloads" / built.name
    gone.parent.mkdir()
    gone.write_bytes(built.read_bytes())
    distribution = installed(gone, tmp_path / "here")
    gone.write_bytes(b"another file by now")
    assert wheel_of(distribution) == (built.name, built.read_bytes())
    gone.unlink()
    assert wheel_of(distribution) == (built.name, built.read_bytes())


@pytest.mark.parametrize("part", ["daypass/cli/main.py", "daypass/templates/locked.txt"])
def test_what_was_changed_or_lost_after_it_was_installed_is_packed_for_nobody(
    orphan: Path, tmp_path: Path, part: str
) -> None:
    distribution = distribution_in(shutil.copytree(orphan, tmp_path / "here"))
    place = tmp_path / "here" / part
    place.write_bytes(place.read_bytes() + b"\n# and more\n")
    with pytest.raises(EdgeError, match=f"{part} is not what pip installed"):
        wheel_of(distribution)
    place.unlink()
    with pytest.raises(EdgeError, match="cannot be read"):
        wheel_of(distribution)


def test_a_folder_that_is_worked_in_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    name, raw = own_wheel()
    own_wheel.cache_clear()
    assert own_wheel() == (name, raw)
    (tmp_path / name).write_bytes(raw)
    with ZipFile(tmp_path / name) as archive:
        assert archive.testzip() is None
        for path in ("daypass/edges/forges/github/setup.py", "daypass/templates/github/daypass/run"):
            assert archive.read(path) == (TOP / "src" / path).read_bytes()
        assert not [each for each in archive.namelist() if each.endswith(".pyc") or "__pycache__" in each]
        (record,) = (each for each in archive.namelist() if each.endswith("/RECORD"))
        assert archive.read(record).count(b"\n") == len(archive.namelist())
    assert installed(tmp_path / name, tmp_path / "here").version == metadata.version("daypass")


def test_a_record_that_names_nothing_is_no_installation(tmp_path: Path) -> None:
    about = tmp_path / "daypass-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: daypass\nVersion: 1.0\n", encoding="utf-8")
    for name in ("WHEEL", "entry_points.txt"):
        (about / name).write_text("", encoding="utf-8")
    with pytest.raises(EdgeError, match="names no files"):
        wheel_of(metadata.Distribution.at(about))


def test_the_hash_that_older_pips_record_is_read_too(built: Path, kept: metadata.Distribution, tmp_path: Path) -> None:
    distribution = distribution_in(shutil.copytree(kept.locate_file(""), tmp_path / "here"))
    (about,) = (tmp_path / "here").glob("*.dist-info")
    digest = hashlib.sha256(built.read_bytes()).hexdigest()
    origin = {"url": built.as_uri(), "archive_info": {"hash": f"sha256={digest}"}}
    (about / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    assert wheel_of(distribution) == (built.name, built.read_bytes())
