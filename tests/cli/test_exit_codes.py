"""Alike mistakes end alike, whatever verb somebody makes them with: the table of exit codes, verb by verb."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from driver import Access
from hub import Hub

AT = "2026-11-20T10:00:00Z"
ASK = f"request --reason 'a reason that is long enough' --for 1h --at {AT}"

SLIPS = {
    "grant": (
        "extend orders-db/nope --for 1h",
        f"end orders-db/nope --at {AT}",
        "end grants/orders-db/nope.yaml",
        "explain orders-db/nope",
        "explain grants/orders-db/nope.yaml",
        f"ledger settle orders-db/nope --adopt --reason rebuilt --at {AT}",
        "audit history --grant orders-db/nope",
        "check grants/orders-db/nope.yaml",
    ),
    "pull request": (
        *(f"{verb} 99" for verb in ("show", "approve", "reject", "withdraw", "close", "gate", "report")),
        "gate 99 --dry-run",
        "check --pull 99",
        "show 0",
        "show first",
    ),
    "resource": (
        f"{ASK} --resource nope --role readonly",
        f"{ASK} --resource nope --role readonly --dry-run",
        "import nope",
        f"revoke --resource nope --now --reason lost --at {AT}",
        "audit access --resource nope",
        "audit history --resource nope",
        "can alice nope readonly",
    ),
    "role": (
        f"{ASK} --resource orders-db --role nope",
        f"{ASK} --resource orders-db --role nope --dry-run",
        "can alice orders-db nope",
    ),
    "person": (
        f"{ASK} --subject nope --resource orders-db --role readonly",
        f"{ASK} --subject nope --resource orders-db --role readonly --dry-run",
        f"revoke --subject nope --now --reason lost --at {AT}",
        "audit history --subject nope",
        "can nope orders-db readonly",
        "check --base main --head main --requester nope",
        f"--as nope end orders-db/nope --at {AT}",
        f"--as nope approve 1 --at {AT}",
        f"--as nope {ASK} --resource orders-db --role readonly",
    ),
    "purpose": (f"{ASK} --purpose nope --resource orders-db --role readonly",),
    "commit or branch": (
        "check --revision nope",
        "check --base main --head nope",
        "check --base nope --head main",
        "policy test --revision nope",
        f"request --branch nope --at {AT}",
    ),
    "target, remote, schema or shell": ("targets nope", "krl nope", "sync nope", "schema nope", "completion nope"),
    "what is for a forge at GitHub": (
        "refresh",
        "drift --issue",
        f"apply --issue --at {AT}",
        f"answer event.json --at {AT}",
    ),
    "value": (
        "plan --at nope",
        "plan --at 0001-01-01T00:00:00Z",
        "plan --format nope",
        "request --until nope",
        "extend a/b --for nope",
        "nope",
        "plan --nope",
        "-C nowhere plan",
        "audit history",
        f"revoke --now --reason lost --at {AT}",
    ),
    "file": (
        "answer none.json",
        "answer unread.json",
        "fetch a/b --key none.pub",
        "check /etc/passwd",
        "explain /etc/none.yaml",
    ),
}
"""What somebody mistypes, and each verb in which they can."""


@pytest.mark.on_disk
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_bad_usage_whatever_the_verb(access: Access, slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    access.ask(AT)
    monkeypatch.chdir(access.top)
    for name, text in (("event.json", '{"action": "opened", "issue": {"number": 1}}'), ("unread.json", "no JSON")):
        Path(name).write_text(text, encoding="utf-8")
    ledger = access.git("rev-parse", "daypass-ledger")
    for line in SLIPS[slip]:
        said = access.run(*shlex.split(line), acting="" if line.startswith("--as") else "bob", expect=None)
        assert said.code == 2, (line, said)
        assert said.err, line
    assert access.git("rev-parse", "daypass-ledger") == ledger


@pytest.mark.on_disk
def test_a_name_that_a_broken_file_may_have_had_is_no_slip(access: Access) -> None:
    place = access.top / "policies/resources/staging.yaml"
    place.write_text(place.read_text().replace("environment:", "enviroment:"))
    access.commit("a broken resource")
    said = access.run(*shlex.split(f"{ASK} --resource staging --role deploy"), acting="alice", expect=11)
    assert "the catalogue's file of staging has faults" in said.err
    access.run("can", "alice", "staging", "deploy", expect=10)


@pytest.mark.on_disk
def test_where_a_policy_file_is_broken_that_alone_is_said(access: Access) -> None:
    number = access.ask(AT)
    place = access.top / "policies/directory/people.yaml"
    place.write_text(place.read_text().replace("version: 1", "version: 9"))
    access.commit("a broken directory")
    asked = f"{ASK} --resource staging --role deploy"
    for line in (asked, f"{asked} --dry-run"):
        said = access.run(*shlex.split(line), acting="alice", expect=11)
        assert "policies/directory/people.yaml:2:10: expected 1, got 9" in said.err + said.out
        assert "alice' in the directory" not in said.err + said.out
        assert (said.err + said.out).count("hint:") == 1
    assert "no subject" not in access.run("show", number, "--at", AT).out
    for line in (asked, f"approve {number} --at {AT}", f"extend a/b --for 1h --at {AT}"):
        said = access.run(*shlex.split(line), acting="zoe", expect=10)
        assert "daypass: main's policies do not read, so nobody can tell who is acting" in said.err
        assert "policies/directory/people.yaml:2:10: expected 1, got 9" in said.err
        assert "zoe" not in said.err


READING = ("plan", "status", "check", "drift", "targets", "forge", "show 1", "explain a/b", "can a b c")
READING += ("audit stats", "audit verify", "audit access --resource x", "heartbeat --max-age 1h", "krl x", "fetch a/b")
WRITING = ("apply", "expire", "gate", "request", "end a/b", "revoke --subject a --now --reason x", "approve 1", "sync")
WRITING += ("ledger settle a/b --adopt --reason x", "extend a/b --for 1h", "import x", "refresh", "codeowners", "form")


@pytest.mark.parametrize("line", [*READING, *WRITING])
def test_outside_of_a_repository_every_verb_fails_alike(tmp_path: Path, line: str) -> None:
    said = Access(tmp_path).run(*shlex.split(line), expect=1)
    assert "cannot be opened as a repository" in said.err


def test_what_is_no_request_and_what_stands_behind_the_verb_is_said_in_words(access: Access) -> None:
    for typed in ("abc", "0", "1.5"):
        said = access.run("show", typed, expect=2).err
        assert f"'{typed}' is no number of a request; `daypass status` lists them" in said
    said = access.run(*shlex.split(f"{ASK} --resource staging --role deploy --as alice"), expect=2).err
    assert said.endswith("  hint: --as goes before the verb: daypass --as …\n")
    assert access.run("audit", "history", "-C", ".", expect=2).err.endswith(
        "hint: -C goes before the verb: daypass -C …\n"
    )
    assert "hint:" not in access.run("status", "--asd", expect=2).err


@pytest.mark.on_disk
def test_the_doctor_says_once_that_there_is_no_repository(access: Access, tmp_path: Path) -> None:
    place = tmp_path / "none"
    place.mkdir()
    assert Access(place).run("doctor", expect=1).err.count("cannot be opened as a repository") == 1
    access.git("branch", "-m", "main", "trunk")
    assert access.run("doctor", expect=1).err.count("has no branch main") == 1


def test_without_the_ledgers_key_what_must_sign_fails_and_the_rest_does_its_part(
    access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    grant = access.grant(AT, "2026-11-20T10:05:00Z")
    access.run("apply", "--at", "2026-11-20T10:06:00Z")
    monkeypatch.setenv("DAYPASS_KEYS", str(tmp_path / "none"))
    then = "2026-11-20T10:07:00Z"
    access.run("plan", "--at", then)
    access.run("end", grant, "--at", then, acting="alice")
    for verb in ("apply", "expire"):
        assert "hint:" in access.run(verb, "--at", then, expect=1).err
    assert "hint:" in access.run("ledger", "settle", grant, "--adopt", "--reason", "x", "--at", then, expect=1).err


def test_without_the_ledgers_key_a_run_with_nothing_to_record_says_that_the_next_could_not(
    access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for verb in ("apply", "expire"):
        assert "recorded" not in access.run(verb, "--at", AT).err
    monkeypatch.setenv("DAYPASS_KEYS", str(tmp_path / "none"))
    for verb in ("apply", "expire"):
        said = access.run(verb, "--at", AT)
        assert "No changes" in said.out
        assert said.err.startswith(
            f"daypass: from here the next end of access could not be recorded, nor come about: there is no signing key at {tmp_path}"
        )
        assert "hint: only the applier has it; DAYPASS_KEYS names another folder" in said.err


def test_where_github_does_not_answer_every_verb_fails_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Hub(tmp_path) as hub:
        number = str(hub.request_pull("alice", hub.grant(resource="orders-db", role="readonly")))
        hub.clone("app")
        dead = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_SERVER_URL": "http://127.0.0.1:9"}
        monkeypatch.setattr("time.sleep", lambda _: None)  # it is asked a few times, ever later
        for line in ("plan", "status", "apply", "expire", f"gate {number}", f"show {number}", "drift", "doctor", "refresh",
                     "targets", f"report {number}", "end a/b", "heartbeat --max-age 1h"):  # fmt: skip
            said = hub.run(*line.split(), environ=dead, expect=None)
            # What has ended is taken away all the same.
            assert said.code == (14 if line in ("apply", "expire") else 1), (line, said)
            assert said.err.startswith("daypass: "), (line, said)
