"""Every verb that answers answers in JSON too, as its published schema says: the driver holds each output to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from daypass.cli.main import VERBS, cli
from daypass.schema import load, output_names
from driver import Access

T = "2026-11-20T{}:00Z".format


def told(access: Access, *arguments: str, acting: str = "", expect: int | None = 0) -> dict[str, Any]:
    found = json.loads(access.run(*arguments, "--format", "json", acting=acting, expect=expect).out)
    assert isinstance(found, dict)
    return found


def verbs_with_json() -> set[str]:
    """Return the verbs that take ``--format json``."""
    found = set()
    for name in VERBS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        commands = (
            {f"{name}-{below}": one for below, one in command.commands.items()}
            if isinstance(command, click.Group)
            else {name: command}
        )
        for full, one in commands.items():
            formats = [p.type.choices for p in one.params if p.name == "output" and isinstance(p.type, click.Choice)]
            found |= {full} if formats and "json" in formats[0] else set()
    return found


def test_each_verb_that_prints_json_has_a_published_schema() -> None:
    published = {name.removeprefix("output/") for name in output_names()}
    assert verbs_with_json() == published


@pytest.mark.parametrize("name", output_names())
def test_the_schema_verb_prints_each_of_them(access: Access, name: str) -> None:
    assert json.loads(access.run("schema", name).out) == load(name)
    assert name in access.run("schema").out.split()


def test_no_schema_is_made_up(access: Access) -> None:
    assert "there is no schema 'output/none'" in access.run("schema", "output/none", expect=2).err


@pytest.mark.on_disk
def test_what_is_asked_of_a_repository_that_has_seen_everything(access: Access) -> None:
    """A live grant, an open request, one that is denied by today's policies, and one that came around the gate."""
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.ask(T("10:07"), "--for", "1h", role="admin")
    access.write(
        "grants/orders-db/planted.yaml", (access.top / f"grants/{grant}.yaml").read_text().replace("alice", "bob")
    )
    access.commit("around the gate")
    found = told(access, "apply", "--at", T("10:08"), expect=14)
    assert [one["code"] for one in found["refused"]] != []
    assert told(access, "plan", "--at", T("10:09"), expect=14)["refused"] == found["refused"]
    now = told(access, "status", "--at", T("10:09"))
    assert [(one["grant"], one["state"]) for one in now["grants"]] == [(grant, "live")]
    (pull,) = now["open"]
    (asked,) = pull["grants"]
    assert (asked["state"], asked["role"], asked["pull"]) == ("asked", "admin", pull["number"])
    assert {one["from"] for one in asked["missing"]} == {"owners", "group:security"}
    assert told(access, "gate", "--at", T("10:09"))["pulls"] == [pull]
    told(access, "drift", "--at", T("10:09"), expect=13)
    told(access, "check", expect=None)
    explained = told(access, "explain", grant, "--at", T("10:09"), expect=None)["grants"]
    assert [(one["state"], one["until"]) for one in explained] == [("live", T("12:05"))]
    assert (
        "state: live until 2026-11-20T12:05:00Z, 1h56m left"
        in access.run("explain", grant, "--at", T("10:09"), expect=None).out
    )
    told(access, "policy", "test")
    told(access, "targets", expect=None)
    assert told(access, "forge") == {"version": 1, "kind": "local"}
    told(access, "codeowners", "--who", "policies/daypass.yaml")
    told(access, "audit", "access", "--resource", "orders-db", "--at", T("10:09"))
    told(access, "audit", "history", "--grant", grant, "--at", T("10:09"))
    told(access, "audit", "stats", "--at", T("10:09"))
    told(access, "audit", "verify", "--at", T("10:09"), expect=None)
    told(access, "expire", "--at", T("13:00"), expect=None)


def test_the_life_of_a_grant_is_told_as_one_account(access: Access) -> None:
    wanted = ("--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "Duplicate charges again")
    draft = told(access, "request", *wanted, "--dry-run", "--at", T("10:00"), acting="alice")
    assert draft["pulls"] == []
    (account,) = draft["grants"]
    assert (account["state"], account["pull"], account["from"], account["duration"]) == ("draft", None, None, "2h")
    assert all("alice" not in one["people"] for one in account["missing"])
    seen = [account]
    opened = told(access, "request", *wanted, "--at", T("10:00"), acting="alice")
    seen += opened["pulls"][0]["grants"]
    assert told(access, "show", "1", "--at", T("10:00"))["state"] == "waiting"
    assert told(access, "report", "1", "--at", T("10:00"))["ask"][:2] == ["dave", "bob"]
    assert told(access, "reject", "1", "--at", T("10:01"), acting="bob")["pulls"][0]["grants"][0]["state"] == "denied"
    assert told(access, "withdraw", "1", "--at", T("10:02"), acting="bob")["pulls"][0]["grants"][0]["state"] == "asked"
    told(access, "approve", "1", "--at", T("10:03"), acting="bob")
    seen += told(access, "approve", "1", "--at", T("10:04"), acting="dave")["pulls"][0]["grants"]
    assert [one["by"] for one in seen[-1]["approved_by"]] == ["dave", "bob"]
    seen += told(access, "gate", "1", "--at", T("10:05"))["pulls"][0]["grants"]
    seen += told(access, "plan", "--at", T("10:06"))["grants"]
    seen += told(access, "apply", "--at", T("10:06"))["grants"]
    seen += told(access, "status", "--at", T("10:07"))["grants"]
    grant = account["grant"]
    longer = told(access, "extend", grant, "--for", "1h", "--at", T("10:08"), acting="alice")["pulls"][0]
    assert longer["grants"][0]["kind"] == "widen"
    closed = told(access, "close", "2", "--at", T("10:08"), acting="alice")["pulls"][0]
    assert (closed["state"], closed["grants"][0]["state"]) == ("closed", "closed")
    ended = told(access, "end", grant, "--at", T("10:09"), acting="alice")
    seen += ended["applied"][0]["grants"]
    assert {one["grant"] for one in seen} == {grant}
    assert {tuple(one) for one in seen} == {tuple(account)}, "the same keys in the same order"
    assert [one["state"] for one in seen] == [
        *("draft", "asked", "approved", "merged", "pending", "live", "live", "ended"),
    ]
    assert told(access, "heartbeat", "--max-age", "1h", "--at", T("10:10"))["alive"]


def test_what_may_not_be_revoked_is_told(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    stop = ("revoke", "--subject", "alice", "--now", "--reason", "Her laptop was stolen")
    found = told(access, *stop, "--at", T("10:07"), acting="bob")
    assert found["not_revoked"] == found["unread"] == []
    assert [one["state"] for run in found["applied"] for one in run["grants"]] == ["ended"]


@pytest.mark.on_disk
def test_can_says_what_it_asked_the_target(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    asked = ("can", "alice", "orders-db", "readonly")
    assert not told(access, *asked, expect=20)["holds"]
    access.run("apply", "--at", T("10:06"))
    found = told(access, *asked)
    assert (found["holds"], found["target"], found["principal"]) == (True, "embedded", "alice")
    assert access.run(*asked, "--quiet", "--format", "json").out == ""


def test_a_branch_of_ones_own_is_told_as_a_request(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.git("switch", "-q", "-c", "mine")
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("Ended by hand", email="alice@example.com")
    access.git("switch", "-q", "main")
    found = told(access, "request", "--branch", "mine", "--at", T("10:07"), acting="alice")
    assert [one["kind"] for one in found["pulls"][0]["grants"]] == ["remove"]


def test_generated_files_are_told_as_written_unchanged_or_stale(access: Access) -> None:
    for verb in ("codeowners", "form"):
        told(access, verb)
        found = told(access, verb)
        assert found["what"] == "unchanged"
        (access.top / found["file"]).write_text("# mine\n")
        assert told(access, verb, "--check", expect=13) == found | {"what": "stale"}
        assert told(access, verb) == found | {"what": "written"}


def test_a_new_repository_is_told_with_its_files_and_its_key(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\nname = Olga\nemail = olga@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    made = told(access, "init", str(tmp_path / "new"), "--example")
    assert made["ledger"]
    assert Path(made["key"]).stat().st_mode & 0o777 == 0o600
    assert {"policies/daypass.yaml", "policies/ledger.pub"} <= set(made["written"])
    again = told(access, "init", str(tmp_path / "new"), "--example", "--merge")
    assert (again["written"], again["ledger"], again["key"]) == ([], False, "")
    assert "policies/daypass.yaml" in again["kept"]
