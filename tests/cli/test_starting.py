"""What a question on an index that is up to date loads: loading the program is most of what it costs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from daypass.cli.main import cli
from daypass.cli.quick.options import QUESTIONS, QuickVerb, at_once, read

pytestmark = pytest.mark.on_disk

if TYPE_CHECKING:
    from driver import Access

HEAVY = {
    *("yaml", "pydantic", "jsonschema", "jsonschema_rs", "referencing", "git", "github", "requests"),
    *("cel_expr_python", "securesystemslib", "cryptography", "tempfile", "dataclasses"),
    *(
        "click",
        "inspect",
        "typing_extensions",
        "difflib",
        "daypass.cli.main",
        "daypass.cli.repository",
        "daypass.cli.verb",
    ),
    *("daypass.core.catalogue", "daypass.core.files.subset", "daypass.core.files.grants", "daypass.schema.models"),
    *("daypass.core.ledger.chain", "daypass.core.ledger.statement", "daypass.edges.git.index.building"),
    *("daypass.edges.ledger.ledger", "daypass.edges.ledger.signing", "daypass.edges.targets.registry"),
}
NOON = ("--at", "2026-11-21T12:00:00Z")


@pytest.fixture
def asked(access: Access) -> Access:
    """Return a repository in which access was asked for, given and denied."""
    wanted = (
        "--resource",
        "staging",
        "--role",
        "deploy",
        "--for",
        "1h",
        "--reason",
        "To see it start",
        "--ticket",
        "OPS-1",
    )
    access.run("--as", "alice", "request", *wanted)
    access.run("gate")
    access.run("apply")
    access.run("audit", "access", "--resource", "staging")
    access.run("audit", "history", "--resource", "staging")  # reads the subjects of files, once
    return access


@pytest.mark.parametrize(
    "words",
    [("access", "--resource", "staging"), ("history", "--resource", "staging"), ("history", "--subject", "alice")],
)
def test_a_question_loads_neither_command_line_nor_policies_nor_ledger_nor_yaml(
    asked: Access, words: tuple[str, ...]
) -> None:
    code = (
        "import sys; from daypass.cli.quick.options import at_once; "
        f"assert at_once(['-C', {str(asked.top)!r}, 'audit', *{words!r}]) == 0; print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "alice" in done.stdout
    loaded = set(done.stderr.split())
    assert not HEAVY & loaded
    assert len([name for name in loaded if name.startswith("daypass.")]) <= 55


SAID = [
    ("access", "--resource", "staging"),
    ("access", "--resource=staging", "--format", "json"),
    ("access", "--resource", "orders-db", "--resource", "staging", "--format=csv"),
    ("history", "--subject", "alice"),
    ("history", "--subject", "alice", "--denied", "--format", "csv"),
    ("history", "--resource", "staging", "--since", "2026-11-01T00:00:00Z", "--until", "2027-11-30T00:00:00Z"),
    ("history", "--ticket", "OPS-1", "--format", "json"),
    ("history", "--ticket", "none", "--approver", "mallory"),
    ("case", "OPS-1"),
    ("case", "OPS-1", "--format", "csv"),
    ("case", "none"),
]


@pytest.mark.parametrize("words", SAID)
@pytest.mark.parametrize("width", ["", "60"])
def test_at_once_it_says_what_the_verb_says(
    asked: Access,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    width: str,
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    said = asked.run("audit", *words, *NOON, expect=None)
    capsys.readouterr()
    assert at_once(["-C", str(asked.top), "audit", *words, *NOON]) == said.code
    told = capsys.readouterr()
    assert (told.out, told.err) == (said.out, said.err)


@pytest.mark.parametrize(
    "words",
    [
        ("access",),
        ("access", "--help"),
        ("access", "--resource"),
        ("access", "--resource", ""),
        ("access", "--resource", "--at"),
        ("access", "--resource", "staging", "more"),
        ("access", "--resource", "staging", "--subject", "alice"),
        ("access", "--resource", "staging", "--format", "table"),
        ("access", "--resource", "staging", "--at", "yesterday"),
        ("access", "--resource", "staging", "--at", "1960-01-01T00:00:00Z"),
        ("access", "--resource", "nowhere"),
        ("access", "--", "--resource", "staging"),
        ("history",),
        ("history", "--subject", "alice", "--denied=yes"),
        ("history", "--subject", "alice", "--resource", "staging"),
        ("history", "--subject", "mallory"),
        ("history", "--grant", "grants/staging/alice.yaml"),
        ("history", "--subject", "alice", "--since", "2026-11-02T00:00:00Z", "--until", "2026-11-01T00:00:00Z"),
        ("case", " "),
        ("stats",),
        (),
    ],
)
def test_everything_else_is_left_to_the_verb(
    asked: Access, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert at_once(["-C", str(asked.top), "audit", *words]) is None
    assert at_once(["--as", "alice", "-C", str(asked.top), "audit", *SAID[0]]) is None
    assert capsys.readouterr() == ("", "")


def test_an_index_that_is_behind_is_brought_up_by_the_verb(asked: Access, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("audit", "access", "--resource", "staging")
    index = asked.top / ".git" / "daypass" / "audit.sqlite"
    before = index.read_bytes()
    asked.write("docs/notes.md", "a note\n")
    asked.commit("Move main")
    assert at_once(["-C", str(asked.top), *words]) is None
    assert index.read_bytes() == before
    index.write_bytes(b"x" * 4096)
    assert at_once(["-C", str(asked.top), *words]) is None
    assert "the index was built anew" in asked.run(*words).out
    capsys.readouterr()
    assert at_once(["-C", str(asked.top), *words]) == 0
    assert "alice" in capsys.readouterr().out


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: " ".join(question.words))
def test_each_question_is_a_verb_with_the_options_that_it_states(question: QuickVerb) -> None:
    command: click.Command = cli
    for word in question.words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word) or cli
    names = [param.name for param in command.params]
    stated = [*(name for name, _ in question.arguments), *(option.name for option in question.options)]
    assert names == [*stated, *(["at"] if question.at else []), "output"]
    required = [f"--{option.name}=word" for option in question.options if option.required]
    found = read([*question.words, *(["word"] * len(question.arguments)), *required])
    assert found is not None
    assert found[2].keys() == set(names)


def _process(asked: Access, *words: str, **more: str) -> list[str]:
    return [
        *(f"{name}={value}" for name, value in more.items()),
        sys.executable,
        "-m",
        "daypass",
        "-C",
        str(asked.top),
        *words,
    ]


def test_a_grant_that_is_named_by_its_file_is_named_by_its_id(
    asked: Access, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = asked.top.glob("grants/staging/*.yaml")
    words = ("audit", "history", "--grant", str(path.relative_to(asked.top)))
    assert at_once(["-C", str(asked.top), *words]) is None
    assert json.loads(asked.run(*words, "--format", "json").out)["grant"] == f"staging/{path.stem}"
    assert capsys.readouterr() == ("", "")


def test_an_answer_is_written_once_where_nothing_can_be_said_beside_it(asked: Access) -> None:
    words = ("audit", "history", "--approver", "zz", "--format", "json", *NOON)
    plain = subprocess.run(["env", *_process(asked, *words)], capture_output=True, text=True, check=False)
    assert plain.stderr
    with Path("/dev/full").open("w") as full:
        command = ["env", *_process(asked, *words)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == plain.stdout


def test_who_interrupts_a_question_is_told_so(asked: Access, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    (tmp_path / "git").write_text(f"#!/bin/sh\ntouch '{begun}'\nexec sleep 30\n")
    (tmp_path / "git").chmod(0o755)
    command = _process(asked, "audit", "access", "--resource", "staging", PATH=f"{tmp_path}:{os.environ['PATH']}")
    with subprocess.Popen(["env", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not begun.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == "daypass: interrupted; nothing was written at the forge or in the ledger\n"


@pytest.mark.parametrize("words", [("can", b"\xff", "staging", "deploy"), ("can", "alice", "staging", b"\xff")])
def test_a_word_that_is_no_text_is_refused_in_words(asked: Access, words: tuple[str | bytes, ...]) -> None:
    command = [os.fsencode(word) for word in ("env", "COLUMNS=" + "9" * 5000, *_process(asked), *words)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"daypass: ")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(("lost", "said"), [("main", "the index was built anew"), ("branch", "alice")])
def test_an_index_that_lost_a_line_of_its_own_is_built_anew(asked: Access, lost: str, said: str) -> None:
    with closing(sqlite3.connect(asked.top / ".git" / "daypass" / "audit.sqlite")) as database:
        database.execute("delete from meta where key = ?", (lost,))
        database.commit()
    told = asked.run("audit", "access", "--resource", "staging").out
    assert said in told
    assert "alice" in told


def test_receipts_of_the_index_that_do_not_read_are_named_with_what_to_do(asked: Access) -> None:
    words = ("-C", str(asked.top), "audit", "access", "--resource", "staging")
    with closing(sqlite3.connect(asked.top / ".git" / "daypass" / "audit.sqlite")) as database:
        database.execute("update receipts set body = substr(body, 1, 9)")
        database.commit()
    assert at_once(words) is None
    told = asked.run(*words[2:], expect=1).err
    assert "audit.sqlite cannot be used: " in told
    assert "hint: it is a cache: it may be deleted" in told
