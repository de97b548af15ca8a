"""People from a table and from a real SCIM server, on the local forge: brought for review, and ended once they left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daypass.cli.main import main
from driver import Access
from founded import example
from servers.scim import TOKEN, ScimServer, scim_server

START = "2026-11-20T08:00:00Z"
FILE = "policies/directory/people.yaml"
IMPORTED = "policies/directory/imported.yaml"


def at(minutes: int) -> tuple[str, str]:
    hours, left = divmod(minutes, 60)
    return "--at", f"2026-11-20T{9 + hours:02}:{left:02}:00Z"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return example(tmp_path / "access", START)


@pytest.fixture
def service(access: Access, monkeypatch: pytest.MonkeyPatch) -> ScimServer:
    server = scim_server()
    server.empty()
    monkeypatch.setenv("DAYPASS_SCIM_TOKEN", TOKEN)
    settings = access.top / "policies/daypass.yaml"
    named = f'people: {{source: {{kind: scim, url: "{server.url}", token_env: DAYPASS_SCIM_TOKEN}}}}\n'
    settings.write_text(settings.read_text() + named)
    access.commit("a source of people")
    return server


def everybody(access: Access, server: ScimServer) -> dict[str, str]:
    """Have the example's people in the service, and its numbers on main."""
    people = ("alice", "bob", "carol", "dave", "erin")
    made = {who: server.user(who, emails=[{"value": f"{who}@example.com"}]) for who in people}
    said = access.run("people", "import", "--scim", *at(0))
    assert "0 new, 5 changed, 0 gone, 0 as they should be, 0 refused" in said.out
    access.commit("numbers of people")
    return made


def test_a_table_is_brought_and_what_people_wrote_stays(access: Access, tmp_path: Path) -> None:
    before = (access.top / FILE).read_text()
    table = tmp_path / "staff.csv"
    table.write_text(
        "handle,id,name,email,manager,login,forge_id\n"
        "alice,hr-1,Alice Osei,alice@example.com,carol,,\n"
        "gina,hr-9,Gina Otto,gina@example.com,alice,gina-otto,77\n"
    )
    said = access.run("people", "import", "--csv", str(table), *at(0))
    assert "1 new, 1 changed, 0 gone, 0 as they should be, 0 refused" in said.out
    after = (access.top / FILE).read_text()
    assert [line for line in after.splitlines() if "alice:" not in line] == [
        line for line in before.splitlines() if "alice:" not in line
    ]
    assert "  alice: {source_id: hr-1, name: Alice Osei, " in after
    assert "manager: carol" in after
    assert (
        (access.top / IMPORTED)
        .read_text()
        .endswith(
            "  gina:\n    source_id: hr-9\n    name: Gina Otto\n    email: gina@example.com\n"
            "    forge: {login: gina-otto, id: 77}\n    manager: alice\n"
        )
    )
    access.run("check", *at(1))
    again = access.run("people", "import", "--csv", str(table), *at(2))
    assert "0 new, 0 changed, 0 gone, 2 as they should be" in again.out
    assert (access.top / FILE).read_text() == after


def test_whoever_cannot_be_told_apart_is_named_and_the_others_are_brought(access: Access, tmp_path: Path) -> None:
    table = tmp_path / "staff.csv"
    table.write_text("handle,id,name\nalice,hr-1,Alice\ngina,hr-9,Gina\u202eOtto\nhans,hr-8,Hans\n")
    said = access.run("people", "import", "--csv", str(table), "--format", "json", *at(0), expect=14)
    assert '"called": "gina"' in said.out
    assert "characters that nobody sees" in said.out
    assert "\u202e" not in said.out
    assert "hans" in (access.top / IMPORTED).read_text()
    assert "gina" not in (access.top / IMPORTED).read_text()


def test_a_table_of_handles_and_addresses_makes_nobody_a_manager(access: Access, tmp_path: Path) -> None:
    before = (access.top / FILE).read_text()
    table = tmp_path / "staff.csv"
    table.write_text("handle,email\nzoe,zoe@example.com\nyan,yan@example.com\nalice,alice@example.com\n")
    access.run("people", "import", "--csv", str(table), *at(0))
    assert "manager" not in (access.top / IMPORTED).read_text()
    assert (access.top / FILE).read_text() == before


def test_a_manager_whom_nobody_knows_is_said_and_the_rest_is_brought(access: Access, tmp_path: Path) -> None:
    table = tmp_path / "staff.csv"
    table.write_text("handle,manager,active\nzoe,walt,yes\nyan,zoe,\nalice,,no\n")
    said = access.run("people", "import", "--csv", str(table), "--open", *at(0), expect=None)
    assert "0 refused, 2 in part" in said.out
    why = "their manager 'walt' is not written: neither in the directory nor in the source"
    assert f"  zoe                      left out: {why}" in said.out
    assert access.git("show", "daypass/people-import:" + IMPORTED).count("manager") == 1


@pytest.mark.on_disk
def test_a_request_that_brings_people_is_merged_by_the_commands_that_it_names(access: Access, tmp_path: Path) -> None:
    table = tmp_path / "staff.csv"
    table.write_text("handle,name\nzoe,Zoe\n")
    said = access.run("people", "import", "--csv", str(table), "--open", *at(0), acting="bob").err
    [merge, commit, close] = re.findall("`([^`]+)`", said)
    assert said == (
        "#1 brings them; the people who own policies/ merge it: "
        f"on main `{merge}`, `git commit`, then `daypass close 1`\n"
    )
    assert f"policies/: on main `{merge}`, `{commit}`, then `{close}`" in access.run("gate", "1", *at(1), expect=10).out
    access.git(*merge.split()[1:])
    access.git(*commit.split()[1:], "-q", "-m", "Bring zoe")
    access.run(*close.split()[1:], *at(2), acting="bob")
    assert "zoe" in access.repo().policy.catalogue.directory.subjects
    access.run("check")
    assert "OK: " in access.run("audit", "verify", *at(3)).out


def test_who_is_disabled_loses_access_at_the_next_run(access: Access, service: ScimServer) -> None:
    made = everybody(access, service)
    access.grant("2026-11-20T09:01:00Z", "2026-11-20T09:02:00Z")
    assert "window opened" in access.run("apply", *at(3)).out
    assert "5 known, 0 left, 0 back" in access.run("people", "check", *at(4)).out
    service.change(made["alice"], active=False)
    dry = access.run("people", "check", "--dry-run", *at(5))
    assert "  alice                    is disabled" in dry.out
    assert "until" not in (access.top / FILE).read_text().partition("alice:")[2].partition("\n")[0]
    said = access.run("people", "check", "--format", "json", *at(6))
    assert '"merged": true' in said.out
    ended = access.run("expire", *at(7))
    assert "ended early: the source of people has alice as disabled, since 2026-11-20T09:06:00Z" in ended.out
    service.change(made["alice"], active=True)
    assert "is there again" in access.run("people", "check", *at(8)).out
    assert "No changes" in access.run("apply", *at(9)).out
    assert "OK" in access.run("audit", "verify", *at(10)).out


def test_a_mover_keeps_their_access(access: Access, service: ScimServer) -> None:
    made = everybody(access, service)
    access.grant("2026-11-20T09:01:00Z", "2026-11-20T09:02:00Z")
    access.run("apply", *at(3))
    service.change(made["alice"], userName="alice.osei", displayName="Alice Osei")
    assert "0 left" in access.run("people", "check", *at(4)).out
    said = access.run("people", "import", *at(5))
    assert "alice                    changed: name" in said.out
    assert "1 granted" in access.run("status", *at(6)).out


def test_another_account_of_the_same_name_is_nobody_we_know(access: Access, service: ScimServer) -> None:
    made = everybody(access, service)
    service.delete(made["alice"])
    service.user("alice")
    said = access.run("people", "import", "--dry-run", *at(1), expect=14)
    assert f"alice has another id at the source in the directory: {made['alice']}, and here " in said.out
    assert "alice                    gone: the source has them no more" in said.out
    assert "  alice                    is there no more" in access.run("people", "check", *at(2)).out


def test_a_service_that_cannot_be_read_ends_nobody_and_is_said(
    access: Access, service: ScimServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody(access, service)
    monkeypatch.setenv("DAYPASS_SCIM_TOKEN", "taken-back")
    assert "answered 401" in access.run("people", "check", *at(1), expect=1).err
    monkeypatch.delenv("DAYPASS_SCIM_TOKEN")
    assert "DAYPASS_SCIM_TOKEN is not set here" in access.run("people", "check", *at(2), expect=1).err
    service.empty()
    monkeypatch.setenv("DAYPASS_SCIM_TOKEN", TOKEN)
    assert "names nobody" in access.run("people", "check", *at(3), expect=1).err
    assert "0 open" in access.run("status", *at(4)).out


def test_main_without_a_source_asks_nobody(access: Access) -> None:
    assert "name no source of people" in access.run("people", "check", *at(0)).err
    assert '"known": 0' in access.run("people", "check", "--format", "json", *at(0)).out
    assert "name no such source" in access.run("people", "import", *at(0), expect=2).err
    assert "several sources" in access.run("people", "import", "--scim", "--team", "a/b", *at(0), expect=2).err
    assert "names no team" in access.run("people", "import", "--team", "staff", *at(0), expect=2).err
    assert "needs a forge of kind github" in access.run("people", "import", "--team", "a/b", *at(0), expect=2).err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{kind: scim, token_env: X}", "a source of people of kind scim needs url"),
        ("{kind: forge, team: a/b}", "the forge of the settings has no teams"),
        ('{kind: scim, url: "https://id.example", token_env: X, team: a/b}', "of kind scim has no team"),
        ('{kind: scim, url: "http://id.example/scim", token_env: X}', "an address that is not encrypted"),
        ('{kind: scim, url: "https://id.example:x/scim", token_env: X}', "an address that does not read"),
        ('{kind: scim, url: "https:///scim", token_env: X}', "an address that names no host"),
    ],
)
def test_a_source_that_makes_no_sense_is_a_finding(access: Access, source: str, said: str) -> None:
    settings = access.top / "policies/daypass.yaml"
    settings.write_text(settings.read_text() + f"people: {{source: {source}}}\n")
    found = access.run("check", *at(0), expect=10)
    assert said in found.out + found.err


def test_a_folder_behind_a_link_is_not_written_to(access: Access, tmp_path: Path) -> None:
    table = tmp_path / "staff.csv"
    table.write_text("handle,id\nhans,hr-8\n")
    (access.top / IMPORTED).symlink_to(tmp_path / "elsewhere")
    assert main(["-C", str(access.top), "people", "import", "--csv", str(table), *at(0)]) == 10
    assert not (tmp_path / "elsewhere").exists()
