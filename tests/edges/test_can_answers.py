"""`can` answers from the target's store alone, at once, and never takes a failure for an answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daypass.cli.quick.options import at_once
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets.embedded.target import EmbeddedTarget
from fakes.orders import add, remove

pytestmark = pytest.mark.on_disk

if TYPE_CHECKING:
    from driver import Access

ALICE = Entitlement("embedded", "orders-db", "alice", canonical({"member_of": "orders_readonly"}))
ASKED = ("can", "alice", "orders-db", "readonly")
HEAVY = {
    "click",
    "msgspec",
    "yaml",
    "pydantic",
    "jsonschema",
    "jsonschema_rs",
    "git",
    "cel_expr_python",
    "securesystemslib",
}


@pytest.fixture
def store(access: Access) -> EmbeddedTarget:
    return EmbeddedTarget(access.top / ".git" / "daypass" / "embedded.sqlite", "embedded")


def test_it_follows_the_target_and_not_a_memory_of_it(access: Access, store: EmbeddedTarget) -> None:
    assert access.run(*ASKED, expect=20).out == "no\n"
    add(store, ALICE, datetime(2026, 11, 21, tzinfo=UTC))
    assert access.run(*ASKED).out == "yes\n"
    assert access.run(*ASKED, "--quiet").out == ""
    remove(store, ALICE)
    assert access.run(*ASKED, expect=20).out == "no\n"


def test_it_asks_for_what_the_role_means_now(access: Access, store: EmbeddedTarget) -> None:
    add(store, ALICE, datetime(2026, 11, 21, tzinfo=UTC))
    access.run(*ASKED)
    path = "policies/resources/orders-db.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("orders_readonly", "orders_reports"))
    access.commit("Mean something else")
    access.run(*ASKED, expect=20)


def test_a_store_that_cannot_be_read_is_no_answer(access: Access, store: EmbeddedTarget) -> None:
    add(store, ALICE, datetime(2026, 11, 21, tzinfo=UTC))
    access.run(*ASKED)
    store.path.write_bytes(b"x" * 8192)
    for end in ("-wal", "-shm"):
        Path(f"{store.path}{end}").unlink()
    said = access.run(*ASKED, expect=1)
    assert said.out == ""
    assert f"the store {store.path} cannot be used: file is not a database" in said.err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("mallory", "orders-db", "readonly"), "'mallory'"),
        (("alice", "orders", "readonly"), "'orders'"),
        (("alice", "orders-db", "owner"), "'owner'"),
    ],
)
def test_an_unknown_name_is_bad_usage_and_not_a_no(access: Access, asked: tuple[str, str, str], message: str) -> None:
    said = access.run("can", *asked, expect=2)
    assert said.out == ""
    assert message in said.err


def test_a_repository_that_was_copied_asks_its_own_store(access: Access, store: EmbeddedTarget, tmp_path: Path) -> None:
    add(store, ALICE, datetime(2026, 11, 21, tzinfo=UTC))
    access.run(*ASKED)
    copy = tmp_path / "elsewhere"
    shutil.copytree(access.top, copy, symlinks=True)
    remove(store, ALICE)
    assert access.run("-C", str(copy), *ASKED).out == "yes\n"
    access.run(*ASKED, expect=20)


def test_asking_again_imports_nothing_heavy(access: Access, store: EmbeddedTarget) -> None:
    add(store, ALICE, datetime(2026, 11, 21, tzinfo=UTC))
    access.run(*ASKED)
    code = (
        "import sys; from daypass.cli.quick.options import at_once; "
        f"assert at_once(['-C', {str(access.top)!r}, *{ASKED!r}]) == 0; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize(
    "more", [(), ("-q",), ("--quiet",), ("--format", "text"), ("--format", "json"), ("-q", "--format", "json")]
)
@pytest.mark.parametrize("held", [True, False])
def test_at_once_it_says_what_the_verb_says(
    access: Access, store: EmbeddedTarget, capsys: pytest.CaptureFixture[str], held: bool, more: tuple[str, ...]
) -> None:
    if held:
        add(store, ALICE, datetime(2026, 11, 21, tzinfo=UTC))
    said = access.run(*ASKED, *more, expect=None)
    for words in ((*ASKED, *more), (*ASKED[:2], *more, *ASKED[2:])):
        assert at_once(["-C", str(access.top), *words]) == said.code
        assert capsys.readouterr().out == said.out


@pytest.mark.parametrize(
    "words",
    [
        ("can",),
        ("can", "--help"),
        ("can", "alice", "orders-db"),
        (*ASKED, "more"),
        (*ASKED, "--format", "csv"),
        (*ASKED, "--format"),
        (*ASKED, "--qui"),
        ("--as", "alice", *ASKED),
        ("can", "mallory", "orders-db", "readonly"),
        ("can", "alice", "-q", "orders-db"),
        ("status",),
    ],
)
def test_everything_else_is_left_to_the_verb(
    access: Access, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert at_once(["-C", str(access.top), *words]) is None
    assert at_once(["-C"]) is None
    assert capsys.readouterr().out == ""


def test_the_shell_completes_it_all_the_same(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DAYPASS_COMPLETE", "bash_complete")
    assert at_once(["-C", str(access.top), *ASKED]) is None


@pytest.mark.parametrize(
    ("words", "code"), [(ASKED, 20), (("can", "mallory", "orders-db", "readonly"), 2), (("--help",), 0)]
)
def test_the_program_answers_at_once_or_runs_the_verb(access: Access, words: tuple[str, ...], code: int) -> None:
    command = [sys.executable, "-m", "daypass", "-C", str(access.top), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
