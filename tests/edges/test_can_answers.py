"""`can` answers from the target's store alone, at once, and never takes a failure for an answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets.embedded.target import EmbeddedTarget
from fakes.orders import add, remove

if TYPE_CHECKING:
    from driver import Access

ALICE = Entitlement("embedded", "orders-db", "alice", canonical({"member_of": "orders_readonly"}))
ASKED = ("can", "alice", "orders-db", "readonly")
HEAVY = {"yaml", "pydantic", "jsonschema", "jsonschema_rs", "git", "cel_expr_python", "securesystemslib"}


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
        "import sys; from daypass.cli.main import main; "
        f"assert main(['-C', {str(access.top)!r}, *{ASKED!r}]) == 0; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
