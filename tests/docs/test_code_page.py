"""docs/code.md names what is there."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from pages import TOP

TEXT = (TOP / "docs" / "code.md").read_text(encoding="utf-8")
SOURCE = TOP / "src" / "daypass"
NAMES = sorted(set(re.findall(r"`((?:cli|core|edges|pipeline|views|schema)(?:\.\w+)+)`", TEXT.replace(".py`", "/py`"))))
PATHS = sorted(
    set(re.findall(r"`((?:cli|core|edges|pipeline|views|schema|tests)(?:/[\w.]+)*(?:\.py)?|ports\.py)`", TEXT))
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_page_is_in_the_code(name: str) -> None:
    module, _, last = name.rpartition(".")
    try:
        assert hasattr(import_module(f"daypass.{module}"), last)
    except (ModuleNotFoundError, AssertionError):
        import_module(f"daypass.{name}")


@pytest.mark.parametrize("path", PATHS)
def test_a_path_on_the_page_is_there(path: str) -> None:
    assert ((TOP if path.startswith("tests") else SOURCE) / path).exists()


def test_every_room_is_on_the_page() -> None:
    rooms = {each.name for each in SOURCE.iterdir() if (each / "__init__.py").exists()}
    assert rooms <= set(PATHS)
    assert len(NAMES) > 15  # or nothing was looked at
