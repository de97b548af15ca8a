"""The user's git and machine: each setting does the right thing, or the true cause is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daypass.edges.git import trees
from driver import Access

SOURCE = Path(__file__).parents[2] / "src"


def test_a_clone_with_windows_line_ends_is_up_to_date(access: Access) -> None:
    access.run("form")
    access.run("codeowners")
    for path in (".github/ISSUE_TEMPLATE/daypass-request.yml", ".github/CODEOWNERS", *_policies(access)):
        place = access.top / path
        place.write_bytes(place.read_bytes().replace(b"\n", b"\r\n"))
    assert "up to date" in access.run("form", "--check").out
    assert "up to date" in access.run("codeowners", "--check").out
    access.run("check")


def _policies(access: Access) -> list[str]:
    return [str(path.relative_to(access.top)) for path in (access.top / "policies").rglob("*.yaml")]


@pytest.mark.on_disk
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a clone to somebody else")
@pytest.mark.parametrize("verb", [["status"], ["can", "alice", "orders-db", "readonly"]])
def test_a_clone_of_another_user_is_named_as_such(access: Access, own_machine: None, verb: list[str]) -> None:
    for path in (access.top, access.top / ".git"):
        os.chown(path, 4321, 4321)
    said = access.run(*verb, expect=1)
    assert f"{access.top} belongs to another user" in said.err
    assert f"hint: git config --global --add safe.directory {access.top}" in said.err
    assert "\\n" not in said.err


def test_init_where_another_branch_is_checked_out_writes_nothing(tmp_path: Path) -> None:
    made = Access(tmp_path / "there")
    made.top.mkdir()
    made.git("init", "-q", "--initial-branch=master")
    made.git("config", "user.name", "Olga Platform")
    made.git("config", "user.email", "olga@example.com")
    made.git("commit", "-q", "--allow-empty", "-m", "begin")
    said = made.run("init", ".", "--merge", "--example", expect=2)
    assert "the branch that is checked out here is master" in said.err
    assert "git branch --move main" in said.err
    assert [path.name for path in made.top.iterdir()] == [".git"]
    made.git("switch", "-q", "--detach")
    said = made.run("init", ".", "--merge", "--example", expect=2)
    assert "no branch is checked out here" in said.err
    assert "hint: git switch -c main" in said.err
    made.git("switch", "-q", "master")
    made.git("branch", "--move", "main")
    made.run("init", ".", "--merge", "--example")


def test_init_in_a_repository_without_commits_begins_main(tmp_path: Path) -> None:
    made = Access(tmp_path / "there")
    made.top.mkdir()
    made.git("init", "-q", "--initial-branch=master")
    made.git("config", "user.name", "Olga Platform")
    made.git("config", "user.email", "olga@example.com")
    for key, value in (("commit.gpgSign", "true"), ("core.autocrlf", "true"), ("core.safecrlf", "true")):
        made.git("config", key, value)
    made.run("init", ".", "--example")
    assert made.git("symbolic-ref", "HEAD") == "refs/heads/main"
    made.run("check")


@pytest.mark.on_disk
def test_a_path_is_understood_from_where_one_stands(access: Access) -> None:
    grant = access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    path = access.top / f"grants/{grant}.yaml"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}

    def said(folder: Path, named: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "daypass", "explain", named, "--at", "2026-11-20T10:06:00Z"]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    whole = said(access.top, f"grants/{grant}.yaml")
    assert whole.returncode == 0, whole.stderr
    assert said(path.parent, path.name).stdout == whole.stdout
    assert said(path.parent, str(path)).stdout == whole.stdout
    (access.top.parent / "elsewhere.yaml").write_bytes(path.read_bytes())
    outside = said(access.top, "../elsewhere.yaml")
    assert outside.returncode != 0
    assert "outside" in outside.stderr


@pytest.mark.on_disk
@pytest.mark.parametrize("verb", [["check"], ["policy", "test"], ["codeowners", "--check"], ["form", "--check"]])
def test_a_sparse_checkout_is_no_repository_without_policies(access: Access, verb: list[str]) -> None:
    access.run("form")
    access.commit("Have a form")
    access.git("sparse-checkout", "set", "--cone", "docs")
    said = access.run(*verb, expect=2)
    assert "sparse and leaves out" in said.err
    assert ": ok" not in said.out
    access.git("sparse-checkout", "add", ".github", "grants", "policies")
    access.run(*verb)


@pytest.mark.on_disk
@pytest.mark.parametrize(
    "verb",
    [
        ["explain"],
        ["audit", "access", "--resource"],
        ["audit", "history", "--subject"],
        ["audit", "history", "--grant"],
    ],
)
def test_a_name_in_another_encoding_is_unknown(access: Access, verb: list[str]) -> None:
    said = access.run(*verb, "staging/\udcff", expect=None)
    assert said.code in (0, 2)
    assert "Traceback" not in said.err


class Killed(BaseException):
    """Ends a run at once, as a signal that cannot be caught would."""


def _killed(*_: object, **__: object) -> str:
    raise Killed


@pytest.mark.on_disk
def test_a_gate_that_is_killed_between_main_and_its_files_leaves_none_staged_to_be_deleted(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in ("01", "02"):
        access.run("request", "--resource", "staging", "--role", "deploy", "--for", f"{int(minute)}h", "--reason",
                   "Trying the fix", "--at", f"2026-11-20T10:{minute}:00Z", acting="alice")  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(trees, "sync_worktree", _killed)
        with pytest.raises(Killed):
            access.run("gate", "1", "--at", "2026-11-20T10:03:00Z")
    assert access.git("status", "--porcelain").startswith("D  grants/")  # what a commit would take away
    access.run("gate", "1", "--at", "2026-11-20T10:04:00Z")
    assert access.git("status", "--porcelain") == ""
    access.run("gate", "2", "--at", "2026-11-20T10:05:00Z")
    assert access.git("status", "--porcelain") == ""
    assert access.git("for-each-ref", "refs/daypass") == ""


@pytest.mark.on_disk
def test_a_gate_that_is_killed_is_caught_up_with_by_the_next_merge_and_by_sync(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.git("clone", "-q", "--bare", ".", str(tmp_path / "hub.git"))
    access.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    access.run("request", "--resource", "staging", "--role", "deploy", "--for", "1h", "--reason", "Trying the fix",
               "--at", "2026-11-20T10:01:00Z", acting="alice")  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(trees, "sync_worktree", _killed)
        with pytest.raises(Killed):
            access.run("gate", "--at", "2026-11-20T10:03:00Z")
    access.run("sync")
    assert access.git("status", "--porcelain") == ""
