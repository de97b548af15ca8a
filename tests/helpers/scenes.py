"""What the first steps of a test leave in a folder: made once a process, and written again wherever they come first."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Stamp = tuple[int, int, int, int]
"""What tells that a file was written: its inode, mode, length and time."""


@dataclass(frozen=True)
class _File:
    mode: int
    time: int
    """By which git knows what it has in its index."""
    content: bytes


@dataclass(frozen=True)
class _Made:
    """What a step left behind: each file that it wrote, None for one that it deleted."""

    files: Mapping[str, _File | None]
    result: Any


_FOLDER: Stamp = (0, 0, 0, 0)
_MOST_STEPS = 12
"""Longer stories are not told alike often enough to remember them."""
_MADE: dict[tuple[object, ...], _Made] = {}


class Scene:
    """A folder that begins as every other of the same ``name`` does, with the steps that were taken in it since then.

    A step is remembered by its name and all that came before it. As soon as anything else was done in the folder or
    at home, and where the environment tells daypass or git something, steps are taken as ever.
    """

    def __init__(self, folder: Path, name: object) -> None:
        self._folder = folder
        self._steps: tuple[object, ...] = (name,)
        self._stamps = _stamps(folder)
        self._machine = _machine()
        self._strange = False
        """Something else was done in the folder: no file gets its inode and time back, so that nothing is looked at again."""

    def step(self, name: object, make: Callable[[], T]) -> T:
        """Take a step, or write what it left behind elsewhere, and return its result."""
        if not self.known():
            return make()
        steps, before = (*self._steps, name), self._stamps
        made = _MADE.get(steps)
        if made is None:
            result = make()
            after = _stamps(self._folder)
            changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
            files = {path: _read(self._folder / path) for path in changed if not path.endswith("/")}
            made = _MADE[steps] = _Made(files, result)
        else:
            for path, file in made.files.items():
                _write(self._folder / path, file)
        self.note(name)
        result: T = made.result
        return result

    def known(self) -> bool:
        """Tell whether nothing but steps was done in the folder, and not too many of them."""
        if self._strange or len(self._steps) >= _MOST_STEPS or _told() or _machine() != self._machine:
            return False
        self._strange = _stamps(self._folder) != self._stamps
        return not self._strange

    def note(self, name: object) -> None:
        """Count as a step what was just done to a folder that was `known`."""
        self._steps, self._stamps = (*self._steps, name), _stamps(self._folder)


def _machine() -> dict[str, Stamp]:
    """Return what tells that something was written in the home of who runs a test, where keys and settings are."""
    return _stamps(Path(os.environ["HOME"]))


def _told() -> bool:
    """Tell whether the environment tells daypass or git something."""
    return any(name.startswith("DAYPASS_") or name == "GIT_CONFIG_COUNT" for name in os.environ)


def _stamps(folder: Path) -> dict[str, Stamp]:
    found: dict[str, Stamp] = {}
    _add_stamps(str(folder), "", found)
    return found


def _add_stamps(folder: str, under: str, found: dict[str, Stamp]) -> None:
    with os.scandir(folder) as every:
        for each in every:
            if each.is_dir(follow_symlinks=False):
                found[f"{under}{each.name}/"] = _FOLDER
                _add_stamps(each.path, f"{under}{each.name}/", found)
            else:
                told = each.stat(follow_symlinks=False)
                found[under + each.name] = (told.st_ino, told.st_mode, told.st_size, told.st_mtime_ns)


def _read(place: Path) -> _File | None:
    try:
        found = place.stat()
        return _File(found.st_mode, found.st_mtime_ns, place.read_bytes())
    except FileNotFoundError:
        return None


def _write(place: Path, file: _File | None) -> None:
    place.unlink(missing_ok=True)
    if file is None:
        with suppress(OSError):
            place.parent.rmdir()  # as git does with a folder that is left empty
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
        place.chmod(file.mode)
        os.utime(place, ns=(file.time, file.time))
