"""`daypass setup` is safe to repeat: whichever call of its first five stages is lost, the next run ends as if none had been."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from administrator import REPOSITORY, Administrator
from hub import git

CALLS = 28
"""How many calls change something at GitHub before the self-test, one after the other."""
STRIDE = 3
"""Of all calls, lost before and after their effect, each third is tried, the same ones in every run; 1 tries all, in 94 s."""
CHANGING = r"/(repos|orgs|user|app-manifests)/.*|/.*\.git/git-receive-pack"
LEFT = {"main-check", "main-bypass", "team-small"}
"""What the doctor says of somebody alone until the self-test is over."""
WHOLE = (
    ["DAYPASS_APP_KEY", "DAYPASS_LEDGER_KEY", "EXAMPLE_DB_URL"],
    ["daypass", "daypass-request", "daypass: approved", "daypass: invalid", "daypass: refused", "daypass: waiting"],
    {
        "daypass: main": ["deletion", "non_fast_forward", "pull_request", "required_linear_history"],
        "daypass: ledger": ["creation", "deletion", "non_fast_forward", "update"],
    },
    True,
)
"""What `_state` returns of a setup that is whole, the self-test excepted."""


@pytest.fixture
def olga(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Administrator]:
    with Administrator(tmp_path, monkeypatch) as found:
        said = {"first resource?": "postgres", "EXAMPLE_DB_URL": "postgresql://daypass:word@db.example:5432/orders"}
        said |= {"(…/apps/NAME)": "daypass-acme", "Try it": "n"}
        found.answer = lambda question: next((text for words, text in said.items() if words in question), "")
        found.run("init", "access", "--github", REPOSITORY)
        yield found


def _codes(olga: Administrator) -> set[str]:
    told = olga.run("doctor", "--format", "json", folder=olga.top / "access", expect=13)
    return {one["code"] for one in json.loads(told.out)["complaints"]}


def _state(olga: Administrator) -> tuple[object, ...]:
    (app,) = olga.double.apps.values()
    rules = {one.name: [rule.type for rule in one.rules] for one in olga.repo.rulesets}
    named = git(olga.repo.path, "show", "main:policies/daypass.yaml")
    assert olga.environment.values["DAYPASS_APP_KEY"] == app.private_key
    assert olga.repo.extras["variables"] == {
        "DAYPASS_APP_ID": str(app.id),
        "DAYPASS_APP_INSTALLATION": str(app.installation),
    }
    assert f'bot: {{login: "{app.bot.login}", id: {app.bot.id}}}' in named
    return (
        sorted(olga.environment.values),
        sorted(olga.repo.labels),
        {name: sorted(kinds) for name, kinds in rules.items()},
        'host: "db.example:5432"' in named,
    )


def test_a_setup_that_loses_nothing_makes_as_many_calls_as_are_lost_below(olga):
    far = CALLS * 10
    fault = olga.double.faults.add("!GET", CHANGING, skip=far)
    olga.run("setup", folder=olga.top / "access", expect=14)
    assert far - fault.skip == CALLS
    assert _state(olga) == WHOLE
    assert _codes(olga) == LEFT


@pytest.mark.parametrize(("call", "after_effect"), [divmod(number, 2) for number in range(0, CALLS * 2, STRIDE)])
def test_setup_that_loses_a_call_is_run_again_and_ends_as_one_that_lost_none(olga, call, after_effect):
    access = olga.top / "access"
    fault = olga.double.faults.add("!GET", CHANGING, skip=call, times=4, drop=True, after_effect=bool(after_effect))
    said = olga.run("setup", folder=access, expect=None)
    assert said.code in (1, 14)
    assert fault.hits
    olga.double.faults.clear()
    if "its key is kept nowhere" in said.err:
        olga.deletes_the_app()
    olga.run("setup", folder=access, expect=14)
    assert _state(olga) == WHOLE
    assert _codes(olga) == LEFT
    again = olga.run("setup", "--dry-run", folder=access, expect=13)
    assert again.out.startswith("2 of ")
