"""`daypass setup` at the double: what it makes, in which order, what it asks, and that it may be run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from administrator import REPOSITORY, Administrator


@pytest.fixture
def olga(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Administrator]:
    with Administrator(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def access(olga: Administrator) -> Path:
    olga.run("init", "access", "--github", REPOSITORY)
    olga.questions.clear()
    return olga.top / "access"


def test_the_app_is_made_and_its_key_lies_in_the_environment_that_was_kept_for_main_before(olga, access):
    said = olga.run("setup", folder=access, expect=None)
    assert list(olga.environment.policies.values()) == [("main", "branch")]
    (app,) = olga.double.apps.values()
    assert olga.environment.values["DAYPASS_APP_KEY"] == app.private_key
    assert "PRIVATE KEY" in olga.environment.values["DAYPASS_LEDGER_KEY"]
    assert olga.repo.extras["variables"] == {"DAYPASS_APP_ID": str(app.id)}
    assert app.repositories == [REPOSITORY]
    assert "PRIVATE KEY" not in said.out + said.err
    held = [path for path in olga.top.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20]
    assert not [path for path in held if b"RSA PRIVATE KEY" in path.read_bytes()]
    settings = (access / "policies/daypass.yaml").read_text(encoding="utf-8")
    assert f'bot: {{login: "daypass-acme[bot]", id: {app.bot.id}}}' in settings
    sent = [f"{call.method} {call.path.rpartition('/')[2]}" for call in olga.double.calls if call.method != "GET"]
    assert sent.index("POST deployment-branch-policies") < sent.index("PUT DAYPASS_APP_KEY")
    assert olga.double.find(REPOSITORY).private


def test_what_is_there_is_found_and_nothing_is_made_twice(olga, access):
    olga.run("setup", folder=access, expect=None)
    olga.double.calls.clear()
    olga.questions.clear()
    said = olga.run("setup", folder=access, expect=None)
    assert not olga.questions
    assert {call.method for call in olga.double.calls if "git-" not in call.path} == {"GET"}
    assert "to do" not in said.err


def test_a_dry_run_says_what_it_would_do_and_does_nothing(olga, access):
    said = olga.run("setup", "--dry-run", folder=access, expect=13)
    assert "make the private repository acme/access, empty" in said.err
    assert olga.double.find(REPOSITORY) is None
    assert not olga.questions
    assert not olga.double.apps


def test_who_says_no_is_told_how_to_go_on(olga, access):
    said = olga.run("setup", folder=access, answers=["y", "n"], expect=14)
    assert "Run `daypass setup` again to go on." in said.out
    assert not olga.double.apps
    assert olga.environment.secrets == []
