"""The README's first screens: the picture, the grant, its plan and its receipt are those of a real run."""

from __future__ import annotations

import json
import re
import tomllib
from base64 import b64decode
from typing import Any

import pytest
from pages import TOP, Block, blocks, fits
from picture import Shot, made_of, shots

from daypass.core.ids import FOLDER
from driver import Access

README = TOP / "README.md"
LONGEST = 250
BLOCKS = blocks(README)
NAME = "orders-db/alice-double-charges"
T = "2026-11-20T{}:00Z".format


def _first(info: str) -> Block:
    return next(block for block in BLOCKS if block.info == info)


@pytest.fixture
def granted(access: Access) -> Access:
    """The README's grant, asked for by its subject, approved by two and merged."""
    access.git("switch", "-q", "-c", "mine")
    access.write(f"{FOLDER}{NAME}.yaml", _first("yaml").text)
    access.commit("Ask for the payment rows", email="alice@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "mine", "--at", T("10:00"), acting="alice")
    access.run("approve", "1", "--at", T("10:01"), acting="bob")
    access.run("approve", "1", "--at", T("10:02"), acting="dave")
    access.run("gate", "1", "--at", T("10:03"))
    return access


def test_a_visitor_reads_what_it_is_and_sees_a_request_before_anything_is_typed() -> None:
    text = README.read_text(encoding="utf-8")
    assert [block.info for block in BLOCKS[:6]] == ["sh", "sh", "yaml", "text", "json", "mermaid"]
    assert text.index("](docs/request.png)") < text.index("```")
    assert len(text.splitlines()) <= LONGEST


@pytest.mark.parametrize("shot", shots(), ids=lambda shot: shot.place)
def test_a_picture_is_of_what_people_get(shot: Shot) -> None:
    assert made_of(shot.picture) == shot.digest, "run: PYTHONPATH=src python tests/docs/picture.py"


def test_the_grant_is_the_one_that_the_project_keeps() -> None:
    there = (TOP / f"{FOLDER}{NAME}.yaml").read_text(encoding="utf-8")
    assert (
        there.removeprefix("# yaml-language-server: $schema=../../.schemas/grant.schema.json\n") == _first("yaml").text
    )


def test_the_plan_is_what_the_grant_yields(granted: Access) -> None:
    assert fits(_first("text").text, granted.run("plan", "--at", T("10:04")).out)


@pytest.mark.on_disk
def test_the_receipt_is_the_one_that_admits_it(granted: Access) -> None:
    granted.run("apply", "--at", T("10:04"))
    envelope = json.loads(granted.git("show", "daypass-ledger:receipts/000/000/001.json"))
    _holds(json.loads(b64decode(envelope["payload"])), json.loads(_first("json").text), "receipt")


def _holds(real: Any, written: Any, where: str) -> None:
    """Everything that is written must be there; what is left out of a mapping is not asked for."""
    if isinstance(written, dict):
        for key, value in written.items():
            _holds(real[key], value, f"{where}.{key}")
    elif isinstance(written, list):
        assert len(real) == len(written), where
        for index, value in enumerate(written):
            _holds(real[index], value, f"{where}[{index}]")
    elif isinstance(written, str):
        assert re.fullmatch(".*".join(map(re.escape, written.split("…"))), str(real)), f"{where}: {real!r}"
    else:
        assert real == written, where


def _installed(what: str, first: str, last: str) -> str:
    pip = ".venv/bin/pip install -q"
    locked = f"{pip} --require-hashes -r .ci/locked/{what}.txt"
    return f"{first} && {locked} && {pip} --no-deps --no-build-isolation -e . && {last}"


def test_the_two_commands_that_set_up_name_what_the_project_has() -> None:
    commands = [block.text.strip() for block in BLOCKS if block.info == "sh"]
    assert commands == [
        _installed("run", "python3 -m venv .venv", ".venv/bin/daypass demo"),
        _installed("dev", "bash .ci/setup && python3 -m venv .venv", ".venv/bin/python -m pytest -n 4"),
    ]
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "daypass" in project["scripts"]
    wanted = " ".join(project["optional-dependencies"]["dev"])
    assert "pytest" in wanted
    assert "pytest-xdist" in wanted  # gives -n
