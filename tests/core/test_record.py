"""Records are structs: what is frozen stays, and a changed record is made with the same checks as a new one."""

import ast
from pathlib import Path

import pytest

import daypass
from daypass.core.catalogue import Directory, Subject
from daypass.core.record import replace
from daypass.core.window import Span, Window, parse_instant

WINDOW = Window(parse_instant("2026-11-21T09:00:00Z"), parse_instant("2026-11-21T17:00:00Z"))


def test_no_field_of_a_record_is_set_or_deleted() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        WINDOW.end = WINDOW.start  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        del WINDOW.end
    assert not hasattr(WINDOW, "__dict__")


def test_a_changed_record_is_checked_as_a_new_one_is() -> None:
    assert replace(WINDOW, end=WINDOW.end) == WINDOW
    with pytest.raises(ValueError, match="is not after from"):
        replace(WINDOW, end=WINDOW.start)
    with pytest.raises(RuntimeError, match="a duration or a window"):
        replace(Span(window=WINDOW), window=None)
    with pytest.raises(TypeError, match="length"):
        replace(WINDOW, length=WINDOW.length)  # type: ignore[call-arg]


def test_a_changed_record_keeps_nothing_that_was_reckoned_from_the_old_one() -> None:
    nobody = Directory({}, {})
    assert nobody.by_login("alice") is None
    alice = Subject("alice", login="alice")
    assert replace(nobody, subjects={"alice": alice}).by_login("alice") == alice


def test_every_frozen_record_of_the_program_is_a_struct() -> None:
    for path in Path(daypass.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
                assert node.name == "Standing", path  # StoredStanding reads its parts when they are first asked for
