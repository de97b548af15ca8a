"""Setting up from an empty folder, by the page alone: questions and clicks counted, through the real workflow files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from life import minutes
from pages import TOP, blocks, fits, steps
from runner import Environment, Run, Runner

from administrator import REPOSITORY, TEAM, Administrator
from github_double import User
from hub import git
from servers.postgres import Postgres, server

if TYPE_CHECKING:
    from datetime import datetime

QUESTIONS, CLICKS = 10, 12
"""How many of each setting up may ask of a person."""
MINUTES = 15
"""In how many all of it is walked, what daypass waits for included, but not what a person takes to read and type."""
REQUEST = ["request", "check", "ci", "wake", "gate", "gate", "apply", "ci"]
"""What a request with one review takes of the minutes of the plan: docs/github.md, What it costs."""
NOWHERE = "postgresql://nobody@127.0.0.1:9/none"
FORM = """### Resource and role

orders-db/reader

### Who receives the access

_No response_

### How long

2h

### Purpose

None

### Ticket

_No response_

### Reason

Duplicate charges, seen by support."""


class Hosted:
    """The administrator's repository as the runner wants it, on hosted machines: each run gets a new one."""

    auth = "app"
    ledger_key = ""

    def __init__(self, olga: Administrator) -> None:
        self.olga, self.top, self.double, self.repo = olga, olga.top, olga.double, olga.repo
        self.people = {"olga": olga.me}
        (self.app,) = olga.double.apps.values()
        self.events, self.calls = olga.double.events, olga.double.calls
        self.runner = Runner(self, fresh=False)  # type: ignore[arg-type]
        self.runner._seen = 0
        self.runner.meddle = self._begin

    def now(self) -> datetime:
        return self.double.now()

    def bare(self, *arguments: str) -> str:
        return git(self.repo.path, *arguments)

    def _begin(self, _: Run) -> None:
        """Give a run an empty machine, and what the environment holds by now."""
        shutil.rmtree(self.runner.state)
        self.runner.state.mkdir()
        self.runner.environments = {"daypass": Environment(dict(self.olga.environment.values))}
        self.runner.variables = dict(self.repo.extras["variables"])


def _meanwhile(olga: Administrator, only: set[str] | None) -> list[Organisation]:
    """Let workflows run whenever daypass waits, once there are rules. ``only``: those that are enabled."""
    made: list[Organisation] = []

    def goes_on() -> None:
        if olga.repo.rulesets:
            made.extend([] if made else [Organisation(olga)])
            made[0].runner.only = only
            made[0].runner.settle()

    olga.meanwhile = goes_on
    return made


class Reader:
    """An administrator who types what a page's section says, and nothing else; what is typed at a question stands there too.

    ``secret`` answers what is not shown.
    """

    def __init__(self, olga: Administrator, page: Path, section: str, *, secret: str) -> None:
        self.olga, self.folder = olga, olga.top
        whole = page.read_text(encoding="utf-8")
        begins = whole.index(f"\n## {section}\n")
        lines = [whole.count("\n", 0, place) for place in (begins, whole.index("\n## ", begins + 1))]
        shown = [one for one in blocks(page) if one.info == "text" and lines[0] < one.line <= lines[1]]
        self.sessions = [steps(f"{page.name}:{one.line}", one.text, shown=True) for one in shown]
        self._secret = secret

    def read(self, number: int) -> None:
        """Type the commands of one block, and hold what is printed to what stands below each."""
        for step in self.sessions[number]:
            self.olga.answer = self._answering(step.printed or "")
            printed = self._type(step.command)
            assert fits(step.printed or "", printed), f"{step.place}: $ {step.command}\n{printed}"

    def _answering(self, printed: str) -> Callable[[str], str]:
        def answer(question: str) -> str:
            begun = question.rstrip()
            (line,) = [line for line in printed.splitlines() if line.startswith(begun)]
            return line[len(begun) :].strip() or ("" if "[" in begun else self._secret)

        return answer

    def _type(self, command: str) -> str:
        words = shlex.split(command)
        if words[0] == "cd":
            self.folder = self.folder / words[1]
            return ""
        if words[0] == "daypass":
            return self.olga.run(*words[1:], folder=self.folder, token=False).screen
        name = re.match(r"export (\w+)=", command)
        shell = f'{command} && printf %s "${name[1]}"' if name else f"{command} 2>&1"
        done = subprocess.run(["bash", "-c", shell], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        if name is None:
            return done.stdout
        self.olga.extra[name[1]] = done.stdout
        return ""


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with server() as found:
        found.boss(
            *(f"CREATE ROLE {name}" for name in ("readonly", "admin", "olga LOGIN")),
        )
        yield found


def _account(olga: Administrator, login: str) -> User:
    found = olga.double.account(login)
    assert found is not None
    return found


class Organisation:
    """The organisation once it has rules: its workflows, and what people do at GitHub's own pages."""

    def __init__(self, olga: Administrator) -> None:
        self.olga, self.hosted = olga, Hosted(olga)
        self.runner, self.root = self.hosted.runner, f"/repos/{REPOSITORY}"
        self.tokens = {"olga": olga.token}

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        answer = requests.request(method, f"{self.olga.double.url}{path}", json=body, headers=headers, timeout=30)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def approve(self, number: int) -> None:
        self.runner.settle()
        self.ask("bosei", "POST", f"{self.root}/pulls/{number}/reviews", {"event": "APPROVE"})
        self.runner.settle()

    def merge(self, number: int) -> None:
        self.approve(number)
        self.ask("bosei", "PUT", f"{self.root}/pulls/{number}/merge", {"merge_method": "squash"})
        self.runner.settle()


def test_the_ten_minute_path_is_walked_by_its_own_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Postgres, record_property: Callable[[str, object], None]
) -> None:
    begun = time.monotonic()
    monkeypatch.setenv("ADMIN_URL", f"postgresql://boss@/postgres?host={database.folder}&port={database.port}")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{database.programs}")
    with Administrator(tmp_path, monkeypatch) as olga:
        carol = olga.double.user("carol-lind", 583233, name="Carol Lind")
        olga.double.team(olga.org, "staff", [olga.me, _account(olga, "bosei"), carol])
        olga.signs_in_to_gh()
        secret = database.url("daypass", "choose-a-long-one")
        reader = Reader(olga, TOP / "docs/github.md", "Live in ten minutes", secret=secret)
        world = _meanwhile(olga, {"check", "gate", "apply"})
        for number in range(3):
            reader.read(number)
        assert len(olga.questions) <= QUESTIONS, olga.questions
        assert len(olga.clicks) <= CLICKS, olga.clicks
        _is_as_before(olga)
        (acme,) = world
        acme.tokens["bosei"] = olga.double.token(_account(olga, "bosei"))

        acme.runner.only = {"check", "gate"}  # what is no request for access needs no other
        reader.read(3)
        acme.merge(3)
        assert "583233" in git(olga.repo.path, "show", "main:policies/directory/imported.yaml")
        acme.ask("olga", "PUT", f"/orgs/acme/teams/staff/repos/{REPOSITORY}", {"permission": "pull"})

        _renames_resource_and_role(reader.folder / "policies")
        acme.runner.only = {"check", "gate", "ci"}
        reader.read(4)
        acme.merge(4)
        assert "  reader: {title: " in git(olga.repo.path, "show", "main:policies/resources/orders-db.yaml")
        assert "example-db" not in git(olga.repo.path, "ls-tree", "-r", "--name-only", "main")
        assert {run.conclusion for run in acme.runner.runs if run.name == "ci"} == {"success"}

        acme.runner.only = {"request", "check", "wake", "gate", "apply", "ci"}
        before = len(acme.runner.runs)
        issue = {"title": "Access request", "body": FORM, "labels": ["daypass-request"]}
        asked = acme.ask("olga", "POST", f"{acme.root}/issues", issue)["number"]
        acme.runner.settle()
        (opened,) = [pull.number for pull in olga.repo.pulls.values() if pull.head_ref == f"daypass/issue-{asked}"]
        acme.approve(opened)
        assert database.boss("SELECT pg_has_role('olga', 'readonly', 'MEMBER')") == [(True,)]
        (comment,) = acme.ask("olga", "GET", f"{acme.root}/issues/{opened}/comments")
        assert "live until" in comment["body"].lower()
        assert minutes(acme.runner.runs[before:]) == sorted(REQUEST)
        reader.read(5)
        assert len(reader.sessions) == 6
        took = time.monotonic() - begun
        record_property("took", f"{took:.0f} s, of a machine that had {olga.waited:.0f} s to wait")
        assert took + olga.waited < MINUTES * 60
        failed = [run for run in acme.runner.runs if run.conclusion == "failure"]
        assert not failed, "\n".join(run.log for run in failed)


def test_who_is_alone_sees_a_request_through_and_is_told_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Administrator(tmp_path, monkeypatch, alone=True) as olga:
        answers = {"Which group": TEAM, "first resource": "postgres", "EXAMPLE_DB_URL": NOWHERE}
        olga.answer = lambda question: next((said for words, said in answers.items() if words in question), "")
        world = _meanwhile(olga, None)
        olga.signs_in_to_gh()
        olga.run("init", "access", "--github", REPOSITORY, token=False)
        said = olga.run("setup", folder=olga.top / "access", expect=13, token=False)
        # The database of the first resource answers nobody here: runs are red for that, and for nothing else.
        failed = [run for run in world[0].runner.runs if run.conclusion == "failure"]
        assert all("unread   example: connection failed" in run.log for run in failed), failed
        assert "nobody is asked who has left; `daypass setup --people ORG/TEAM` names the team" in said.err
        assert "taken away: the ledger has its receipt" in said.err
        assert [line for line in said.out.splitlines() if line.startswith("unsafe")] == [
            f"unsafe: the team acme/{TEAM} has fewer than two people, so that none of them can get access by it [team-small]"
        ]
        _is_as_before(olga)
        checks = [rule for one in olga.repo.rulesets for rule in one.rules if rule.type == "required_status_checks"]
        (app,) = olga.double.apps.values()
        assert [rule.parameters["required_status_checks"] for rule in checks] == [
            [{"context": "daypass", "integration_id": app.id}]
        ]
        actors = {(who.actor_type, who.actor_id, who.mode) for one in olga.repo.rulesets for who in one.bypass}
        assert actors == {("Integration", app.id, "pull_request"), ("Integration", app.id, "always")}
        asked = len(olga.questions)
        again = olga.run("setup", folder=tmp_path / "access", expect=13)
        assert len(olga.questions) == asked
        assert "to do" not in again.err


def _renames_resource_and_role(policies: Path) -> None:
    """Change the first resource's name and a role's, with the cases that name them, as the page says."""
    resource, cases = policies / "resources/example-db.yaml", policies / "tests/access.yaml"
    resource.write_text(resource.read_text(encoding="utf-8").replace("  readonly:", "  reader:"), encoding="utf-8")
    resource.rename(resource.with_name("orders-db.yaml"))
    told = cases.read_text(encoding="utf-8")
    cases.write_text(told.replace("example-db", "orders-db").replace("readonly", "reader"), encoding="utf-8")


def _is_as_before(olga: Administrator) -> None:
    """Main has nothing of the self-test, its own checks pass, and the ledger proves all that was done."""
    folder = olga.top / "access"
    main = git(olga.repo.path, "ls-tree", "-r", "--name-only", "main")
    assert "self-test" not in main
    assert "self-test" not in git(olga.repo.path, "show", "main:policies/daypass.yaml")
    assert git(folder, "status", "--porcelain") == ""
    began = git(olga.repo.path, "log", "--format=%H", "--grep=^Add what the self-test needs$", "main").split()[-1]
    assert git(olga.repo.path, "diff", "--name-only", f"{began}^", "main", "--", "policies", ".github") == ""
    for verb in (["check"], ["policy", "test"], ["codeowners", "--check"], ["form", "--check"]):
        olga.run(*verb, folder=folder)
    told = olga.run("audit", "history", "--resource", "daypass-self-test", folder=folder).out
    assert "access added" in told, told
    assert "access removed" in told, told
    olga.run("audit", "verify", folder=folder)
