"""A repository whose ledger earlier releases wrote, receipts of version 1 throughout, goes on to be proved and asked.

``golden/ledger-v1.bundle`` is the whole of it, as the release before version 2 left it: the life that `daypass demo`
plays, then an extension, an early end, a rejection, a merge around the gate, an emergency stop, and a grant that is live
when it ends. The private half of its key is nowhere. ``golden/ledger-v1.json`` are that release's own answers.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from driver import Access

GOLDEN = Path(__file__).parent / "golden"
ANSWERS: list[dict[str, Any]] = json.loads((GOLDEN / "ledger-v1.json").read_text(encoding="utf-8"))


@pytest.fixture
def old(tmp_path: Path) -> Access:
    access = Access(tmp_path / "access")
    subprocess.run(["git", "init", "-q", "-b", "main", access.top], check=True)
    access.git("fetch", "-q", "--update-head-ok", str(GOLDEN / "ledger-v1.bundle"), "+refs/*:refs/*")
    access.git("reset", "-q", "--hard", "main")
    return access


def test_it_verifies_whole(old: Access) -> None:
    said = old.run("audit", "verify", "--at", "2026-11-23T10:00:00Z")
    assert "OK: 32 receipts and 6 admissions proved over 11 landings." in said.out


@pytest.mark.parametrize("one", ANSWERS, ids=lambda one: " ".join(one["asked"]))
def test_every_question_has_the_answer_that_it_had(old: Access, one: dict[str, Any]) -> None:
    found = json.loads(old.run("audit", *one["asked"], "--format", "json").out)
    del found["sources"]
    assert found == one["answer"]
