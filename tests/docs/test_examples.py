"""Every verb's help has an example, and every example does what it is there for."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import pytest
from bless import commands

from copies import copy, once
from daypass.cli.verbs.apply import Stop
from daypass.core.window import format_instant
from driver import Access
from founded import example
from hub import Hub
from ssh_access import SshAccess

PEOPLE = (
    "import --csv staff.csv --dry-run",
    "import --team acme/staff",
    "import --scim --open",
)
EXITS = {"daypass gate": {0, 12}, "daypass gate 1": {12}, "daypass apply --detailed-exitcode": {0, 13}}
EXITS |= {"daypass audit case DSR-1234": {20}}
EXITS |= {
    "daypass audit serial 7283419": {20},
    "daypass doctor": {0, 13, 14},
    "daypass can alice staging deploy -q": {0},
}
EXITS |= {"daypass rota import schedule.json --name payments": {2}}
EXITS |= {"daypass rota import oncall.ics --name payments --until 2027-07-01T00:00:00Z": {2}}  # neither file is there
EXITS |= {"daypass doctor --fix --yes": {0, 13, 14}, "daypass ledger rekey --finish": {1}}
EXITS |= {"daypass ledger restore --from ../other-clone": {1}, "daypass ledger revoke-key ledger.pub --from 4200": {1}}
EXITS |= {"daypass ledger outbox --set-aside ~/outbox-of-the-old-machine.sqlite": {1}}  # there is none
EXITS |= {"daypass setup": {2}, "daypass setup --dry-run": {2}}  # this repository is kept nowhere else
EXITS |= {"daypass calendar show office": {2}}  # nor a calendar of that name
EXITS |= {f"daypass rota show payments{at}": {2} for at in ("", " --at 2026-12-24T18:00:00Z")}  # nor a rota
EXITS |= {f"daypass people {words}": {2} for words in PEOPLE}  # no forge with teams, no source, no table
"""How an example ends where that is not 0 alone."""
AT_GITHUB = ("report", "doctor", "form", "answer", "refresh")
NEVER_END = ("watch",)
"""What runs until it is stopped."""
MADE_BY_OTHERS = (
    "orders-db/alice-1a2b",
    "orders-db/alice-x7k2",
    "alice-20261120-90546b",
    "krl bastion",
    "--branch my-branch",
    "--head my-branch",
    "alice.yaml",
    "settle staging",
)
"""Examples that name what only their reader has: they are run with such names put in, or made, here."""
GRANT = """\
version: 1
subject: alice
resource: staging
role: deploy
reason: Trying the fix for the duplicate charges.
window: {{from: {}, until: {}}}
"""


def _examples(command: click.Command) -> list[str]:
    """Return the lines of a verb's help that are typed, without their comments."""
    text = f"{command.help or ''}\n{command.epilog or ''}"
    found = re.findall(r'^\s*(?:eval "\$\()?(daypass [^\n]+)$', text, re.MULTILINE)
    return [re.split(r"\s+#|\s*\|\||\s+>|\)\"$", line)[0].strip() for line in found]


ALL = [(" ".join(words), line) for words, command in commands() for line in _examples(command)]


def test_every_verb_has_an_example() -> None:
    shown = {verb for verb, _ in ALL}
    verbs = {" ".join(words) for words, _ in commands()}
    assert sorted(verbs - shown) == []


BEGAN = (datetime.now(UTC) - timedelta(minutes=10)).replace(second=0, microsecond=0)
"""To the minute, so that most workers begin alike and share what they make."""


def _then(minutes: int) -> str:
    return format_instant(BEGAN + timedelta(minutes=minutes))


WRITTEN = date(2026, 11, 22)
"""As of when examples are written: what is to come in them is to come whenever they are tried."""


def _as_of_today(line: str) -> str:
    late = BEGAN.date() - WRITTEN

    def put(found: re.Match[str]) -> str:
        day = date.fromisoformat(found[0])
        return str(day + late if day > WRITTEN else day)

    return re.sub(r"\b20\d\d-\d\d-\d\d", put, line)


def _ready(top: Path) -> Access:
    """Make a repository with an open request of alice's, one that bob approved, and a grant of hers that was applied."""

    def make(folder: Path) -> None:
        access = example(folder / "access", _then(0))
        access.git("config", "user.email", "alice@example.com")
        for number in ("1", "2"):
            access.ask(_then(1), "--ticket", f"INC-{number}")
        access.run("approve", "2", "--at", _then(2), acting="bob")
        access.git("switch", "-q", "-c", "mine")
        access.write("grants/staging/try-the-fix.yaml", GRANT.format(_then(3), _then(33)))
        access.commit("ask for staging", email="alice@example.com")
        access.git("switch", "-q", "main")
        access.run("request", "--branch", "mine", "--at", _then(3), acting="alice")
        access.run("gate", "3", "--at", _then(4))
        access.run("apply", "--at", _then(5))

    example(top, _then(0))  # which puts the ledger's key where it belongs
    shutil.rmtree(top)
    copy(once(("ready", _then(0)), make) / "access", top)
    access = Access(top)
    access.git("init", "-q", "--bare", str(top.parent / "origin.git"))
    access.git("remote", "add", "origin", str(top.parent / "origin.git"))
    return access


@pytest.mark.parametrize(
    ("verb", "line"),
    [case for case in ALL if case[0] not in (*AT_GITHUB, *NEVER_END) and not any(n in case[1] for n in MADE_BY_OTHERS)],
)
def test_an_example_does_what_it_is_there_for(verb: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    access = _ready(tmp_path / "access")
    if verb in ("init", "demo"):
        access = Access(tmp_path / "new")
        access.git("config", "--global", "user.name", "Olga Platform")
        access.git("config", "--global", "user.email", "olga@example.com")
    who = "bob" if verb in ("approve", "reject", "withdraw") else "" if verb in ("init", "demo") else "alice"
    said = access.run(*shlex.split(_as_of_today(line))[1:], acting=who, expect=None)
    assert said.code in EXITS.get(line, {0}), f"{said.out}\n{said.err}"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as found:
        yield found


@pytest.mark.parametrize(("verb", "line"), [case for case in ALL if case[0] in AT_GITHUB])
def test_an_example_at_github_does_what_it_is_there_for(verb: str, line: str, hub: Hub, tmp_path: Path) -> None:
    words = shlex.split(line)[1:]
    if verb == "report":
        hub.request_pull("alice", hub.grant(resource="orders-db", role="readonly"))
    if verb == "answer":
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"action": "opened", "issue": {"number": 99}}))
        words = ["answer", str(event)]
    said = hub.run(*words, expect=None)
    expected = {1, 2} if verb == "answer" else EXITS.get(line, {0})  # there is no issue 99, and it says so
    assert said.code in expected, f"{said.out}\n{said.err}"


MINE = "staging/try-the-fix"


@pytest.mark.parametrize(("verb", "line"), [case for case in ALL if any(name in case[1] for name in MADE_BY_OTHERS)])
def test_an_example_of_what_only_its_reader_has_works_with_what_they_have(
    verb: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = _ready(tmp_path / "access")
    line = line.replace("grants/orders-db/alice.yaml", f"grants/{MINE}.yaml")
    if "my-branch" in line:
        access.git("switch", "-q", "-c", "my-branch")
        access.write("grants/staging/again.yaml", GRANT.format(_then(3), _then(43)))
        access.commit("ask again", email="alice@example.com")
        access.git("switch", "-q", "main")
    if "settle" in line:
        for file in (access.top / ".git/daypass").glob("embedded.sqlite*"):
            file.unlink()
    if verb in ("fetch", "krl"):
        ssh = SshAccess(access, tmp_path / "keys")
        monkeypatch.setenv("BASTION_CA", str(ssh.ca_file))
        line = line.replace("orders-db/alice-1a2b", ssh.grant(_then(6), _then(7)))
        line = line.replace("~/.ssh", str(tmp_path)).replace("/srv/www", str(tmp_path))
        access.run("apply", "--at", _then(8))
    line = re.sub(r"orders-db/alice-[0-9a-z-]+", MINE, line)
    access.run(*shlex.split(line)[1:], acting="alice")


@pytest.mark.parametrize("line", [line for verb, line in ALL if verb in NEVER_END])
def test_an_example_that_runs_until_it_is_stopped_begins(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = Stop()
    stopped.tell()
    access = _ready(tmp_path / "access")
    settings = access.top / "policies/daypass.yaml"
    settings.write_text(settings.read_text().replace("clock: simulated\n", ""))
    monkeypatch.setattr("daypass.cli.verbs.apply.stoppable", lambda: nullcontext(stopped))
    assert "watching; main is looked at every 30s" in access.run(*shlex.split(line)[1:]).out
