"""A team on the local forge: two clones share one bare repository, and neither's request stops the other's."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from driver import Access
from founded import example

T0 = "2026-11-20T08:00:00Z"


def _at(minute: int) -> str:
    return f"2026-11-20T10:{minute:02}:00Z"


@pytest.fixture
def first(tmp_path: Path) -> Access:
    access = example(tmp_path / "access", T0)
    access.git("init", "-q", "--bare", "--initial-branch=main", str(tmp_path / "origin.git"))
    access.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    access.run("sync")
    return access


def _clone(first: Access, *options: str, name: str = "second") -> Access:
    origin, top = first.top.parent / "origin.git", first.top.parent / name
    subprocess.run(["git", "clone", "-q", *options, str(origin), str(top)], check=True, timeout=60)
    made = Access(top)
    made.git("config", "user.name", "Olga Platform")
    made.git("config", "user.email", "olga@example.com")
    return made


def _ask(access: Access, minute: int, acting: str = "alice") -> str:
    return access.ask(_at(minute), "--ticket", f"INC-{minute}", acting=acting)


def test_a_bare_clone_made_after_a_request_was_merged_numbers_the_next_one_after_it(first: Access) -> None:
    """The story as it was told: work in one clone, clone that bare, clone the bare one, ask there."""
    assert first.grant(_at(0), _at(1), "--ticket", "INC-1")
    first.git("clone", "-q", "--bare", ".", str(first.top.parent / "shared.git"))
    second = Access(first.top.parent / "second")
    subprocess.run(
        ["git", "clone", "-q", str(first.top.parent / "shared.git"), str(second.top)], check=True, timeout=60
    )
    second.git("config", "user.name", "Olga Platform")
    second.git("config", "user.email", "olga@example.com")
    assert _ask(second, 2) == "2"
    second.run("sync")
    first.git("remote", "set-url", "origin", str(first.top.parent / "shared.git"))
    assert "Brought: " in first.run("sync").out
    for access in (first, second):
        assert "#2 Grant alice readonly on orders-db" in access.run("status", "--at", _at(3)).out
        access.run("gate", "2", "--at", _at(3), expect=12)


def test_a_clone_of_a_repository_whose_head_is_another_branch_is_told_to_switch(first: Access) -> None:
    first.git("--git-dir", str(first.top.parent / "origin.git"), "symbolic-ref", "HEAD", "refs/heads/master")
    second = _clone(first)
    asked = ("can alice orders-db readonly", "audit access --resource orders-db", "audit stats", "audit verify")
    compared = ("check --revision main", "policy diff main", "policy replay main")
    for verb in ("status", "apply", "gate", *asked, *compared):
        said = second.run(*verb.split(), expect=1)
        assert said.err == "daypass: this repository has no branch main\n  hint: `git switch main`: a remote has it\n"
    second.git("switch", "-q", "main")
    second.run("sync")
    second.run("status")
    second.git("switch", "-q", "--orphan", "none")
    second.git("branch", "-q", "-D", "main")
    second.git("remote", "remove", "origin")
    assert "hint: `daypass init` makes an access repository" in second.run("status", expect=1).err


def test_a_request_lives_across_two_clones(first: Access) -> None:
    second = _clone(first)
    assert _ask(first, 0) == "1"
    told = json.loads(first.run("sync", "--format", "json").out)
    assert any(ref.endswith("daypass/open/1") for ref in told["pushed"])
    assert (told["brought"], told["aside"]) == ({}, [])
    second.git("fetch", "-q")
    said = second.run("gate", "--at", _at(1))
    assert "note: this clone is behind origin; `daypass sync origin` brings what others did" in said.err
    second.run("sync")
    assert "behind" not in second.run("approve", "1", "--at", _at(1), acting="bob").err
    second.run("approve", "1", "--at", _at(1), acting="dave")
    second.run("sync")
    first.run("sync")
    first.run("gate", "1", "--at", _at(2))
    first.run("apply", "--at", _at(3))
    said = first.run("sync")
    assert re.match(r"main, daypass-ledger, daypass/request/\S+ \(deleted\), #1", said.out.split("Pushed: ")[1])
    second.run("sync")
    said = second.run("status", "--at", _at(4), expect=14)  # the embedded target's store is the first clone's
    assert re.search(r"alice +readonly on orders-db", said.out)
    assert (second.top / "grants").exists()  # the work tree came along
    assert second.git("status", "--porcelain") == ""
    assert second.git("for-each-ref", "refs/heads/daypass/open", "refs/remotes/origin/daypass/open") == ""
    second.run("audit", "verify", "--at", _at(5))
    assert second.run("sync").out == "Brought: nothing\nPushed: nothing\n"


def test_one_number_for_two_requests_stops_only_that_request_and_the_command_named_mends_it(first: Access) -> None:
    second = _clone(first)
    assert _ask(first, 0) == _ask(second, 1) == "1"
    first.run("sync")
    said = second.run("sync", expect=14)
    assert "#1 is one request here and another at origin" in said.err
    hint = said.err.split("hint: `", 1)[1]
    assert hint.startswith("daypass sync origin --take 1` gives the number to the other")
    branch = hint.split("--branch ")[1].split("`")[0]
    second.run("gate", "1", "--at", _at(2), expect=12)  # each clone still reads its own
    assert _ask(second, 3) == "2"
    assert "Pushed: daypass/" in second.run("sync", expect=14).out  # the other request goes on
    second.run("sync", "origin", "--take", "1")
    assert "Opened #3" in second.run("request", "--branch", branch, "--at", _at(4), acting="alice").out
    second.run("sync")
    first.run("sync")
    assert [f"#{n} " in first.run("status", "--at", _at(5)).out for n in (1, 2, 3)] == [True] * 3


def test_two_approvals_of_one_request_at_once_are_named_and_can_be_given_again(first: Access) -> None:
    second = _clone(first)
    _ask(first, 0)
    first.run("sync")
    second.run("sync")
    first.run("approve", "1", "--at", _at(1), acting="bob")
    second.run("approve", "1", "--at", _at(1), acting="dave")
    first.run("sync")
    said = second.run("sync", expect=14)
    assert "#1 went on here and at origin in different ways" in said.err
    second.run("sync", "--take", "1")
    second.run("approve", "1", "--at", _at(2), acting="dave")
    second.run("gate", "1", "--at", _at(3))
    second.run("sync")


def test_mains_that_part_move_nothing(first: Access) -> None:
    second = _clone(first)
    for access, minute in ((first, 0), (second, 1)):
        access.write(f"note-{minute}", "x")
        access.commit("note")
    first.run("sync")
    before = second.git("for-each-ref", "refs/heads")
    there = first.git("ls-remote", "origin")
    _ask(second, 2)
    said = second.run("sync", expect=1)
    assert "main here and at origin do not continue one another, so nothing was moved" in said.err
    assert first.git("ls-remote", "origin") == there
    assert before in second.git("for-each-ref", "refs/heads") or "daypass/open/1" in second.git("for-each-ref")


def test_a_damaged_record_at_the_remote_is_not_brought_and_the_command_named_deletes_it(first: Access) -> None:
    second = _clone(first)
    first.git("push", "-q", "origin", "main:refs/heads/daypass/open/7", "main:refs/heads/daypass/open/odd")
    _ask(second, 0)
    said = second.run("sync", expect=14)
    assert "the record of pull request 7 is corrupt" in said.err
    assert "daypass/open/odd is no pull request and was left where it is" in said.err
    assert second.git("for-each-ref", "refs/heads/daypass/open/7") == ""
    second.git("push", "-q", "origin", "--delete", "daypass/open/7", "daypass/open/odd")
    second.run("sync")


def test_a_damaged_record_here_is_not_pushed_and_the_command_named_deletes_it(first: Access) -> None:
    first.git("branch", "daypass/open/7", "main")
    _ask(first, 0)
    said = first.run("sync", expect=14)
    assert "what is here of #7 was not pushed" in said.err
    assert "#8" in said.out
    command = said.err.split("ask anew: ")[1].split("\n")[0]
    subprocess.run(command.split(), cwd=first.top, check=True, timeout=60)
    first.run("sync")
    first.run("gate", "--at", _at(2))


def test_an_unknown_remote_is_bad_usage(first: Access) -> None:
    said = first.run("sync", "upstream", expect=2)
    assert "this clone has no remote 'upstream'" in said.err
    assert "they are origin" in said.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_remote_of_another_user_is_named_as_such(first: Access) -> None:
    os.chown(first.top.parent / "origin.git", 4321, 4321)
    said = first.run("sync", expect=1)
    assert "belongs to another user there" in said.err
    assert "git config --global --add safe.directory FOLDER" in said.err


def test_a_remote_that_is_gone_is_an_error_with_a_hint(first: Access) -> None:
    first.git("remote", "set-url", "origin", str(first.top.parent / "gone.git"))
    said = first.run("sync", expect=1)
    assert "remote origin cannot be used" in said.err


def test_local_changes_in_the_way_are_said(first: Access) -> None:
    second = _clone(first)
    first.write("note", "theirs")
    first.commit("note")
    first.run("sync")
    second.write("note", "mine")
    assert f"{second.top} has local changes in the way and still shows main as it was before" in second.run("sync").err
    assert (second.top / "note").read_text() == "mine"
