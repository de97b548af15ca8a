from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from github_world import World

from github_double import Double


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as double:
        yield World(double, tmp_path)


@pytest.fixture
def public(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path) as double:
        yield World(double, tmp_path, private=False)
