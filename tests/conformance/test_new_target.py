"""The page on writing a target is right: its code is registered as it stands there, and is held to the contract.

What the page leaves out of its test are the imports; they stand here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from conformance.changed import Changed, copy_program
from conformance.suite import NAME, TargetContract, page_block
from daypass.core.bounds.settings import TargetSettings
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets import registry
from daypass.edges.targets.registry import TargetKind, open_target
from daypass.ports import Target

FILE = page_block("writing-one", "src/daypass/edges/targets/groupfile.py")
ROW = page_block("writing-one", "row")
TEST = page_block("writing-one", "tests/conformance/test_groupfile.py")
MODULE = "daypass.edges.targets.groupfile"


def _made() -> ModuleType:
    made = ModuleType(MODULE)
    exec(compile(FILE, "<writing-one.md>", "exec"), vars(made))  # noqa: S102  (our own page, and what it is for)
    return made


GROUPFILE = _made()
_NAMES: dict[str, Any] = {
    "json": json,
    "re": re,
    "pytest": pytest,
    "Path": Path,
    "NAME": NAME,
    "TargetContract": TargetContract,
    "TargetSettings": TargetSettings,
    "Entitlement": Entitlement,
    "Target": Target,
    "canonical": canonical,
    "open_target": open_target,
    "GroupFile": GROUPFILE.GroupFile,
    "__name__": __name__,
}
exec(compile(TEST, "<writing-one.md: its test>", "exec"), _NAMES)  # noqa: S102  (likewise)
TestGroupFile = _NAMES["TestGroupFile"]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    row = eval(f"{{{ROW}}}", {"TargetKind": TargetKind})  # noqa: S307  (likewise)
    monkeypatch.setitem(sys.modules, MODULE, GROUPFILE)
    monkeypatch.setattr(registry, "TARGETS", MappingProxyType({**registry.TARGETS, **row}))


def test_a_new_target_is_under_a_hundred_lines() -> None:
    assert len(FILE.splitlines()) < 100
    assert len(TEST.splitlines()) < 60


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the program with the file and the row where the page says that they go."""
    top = tmp_path_factory.mktemp("built")
    copy_program(top)
    (top / "daypass/edges/targets/groupfile.py").write_text(FILE)
    registry = top / "daypass/edges/targets/registry.py"
    text, mark = registry.read_text(), '        "embedded": TargetKind('
    assert text.count(mark) == 1
    registry.write_text(text.replace(mark, ROW + mark))
    return top


def test_the_command_line_gives_and_takes_by_the_new_target(built: Path, tmp_path: Path) -> None:
    top = tmp_path / "access"
    with Changed(built, top) as changed:
        daypass = changed.daypass
        daypass("init", ".", "--example", "--simulated-clock", "--at", "2026-11-20T08:00:00Z")
        _settle(top)
        changed.git("commit", "-qam", "Give access by a file of groups")
        daypass("check")
        assert "cannot be read" in daypass("targets", expect=14)
        groups = top / ".git/daypass/groups"
        groups.parent.mkdir(exist_ok=True)
        groups.write_text("staff: alice bob\norders-db/readers: mallory\n")
        assert "0 ours, 1 unmanaged" in daypass("targets")
        at = "2026-11-20T10:00:00Z"
        ask = ("--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "to see the new target work")
        daypass("--as", "alice", "request", *ask, "--at", at)
        for who in ("bob", "dave"):
            daypass("--as", who, "approve", "1", "--at", at)
        daypass("gate", "1", "--at", at)
        daypass("apply", "--at", at)
        assert groups.read_text() == "staff: alice bob\norders-db/readers: mallory alice\n"
        assert "1 ours, 1 unmanaged" in daypass("targets")
        daypass("apply", "--at", "2026-11-20T12:00:00Z")
        assert groups.read_text() == "staff: alice bob\norders-db/readers: mallory\n"
        daypass("audit", "verify", "--at", "2026-11-20T12:01:00Z")


def _settle(top: Path) -> None:
    """Change the example as the page shows."""
    settings = top / "policies/daypass.yaml"
    targets = page_block("writing-one", "policies/daypass.yaml")
    settings.write_text(settings.read_text().replace("targets:\n", targets))
    resource = top / "policies/resources/orders-db.yaml"
    text, shown = resource.read_text(), page_block("writing-one", "policies/resources/orders-db.yaml").splitlines()
    text = re.sub(r"^target: .*$", shown[0], text, flags=re.MULTILINE)
    resource.write_text(re.sub(r"^  readonly: .*$", shown[2], text, flags=re.MULTILINE))
    people = top / "policies/directory/people.yaml"
    text = people.read_text()
    people.write_text(re.sub(r"^(  (\w+): \{name: .*)\}$", r"\1, identities: {web: \2}}", text, flags=re.MULTILINE))
