"""Founding a repository: what init makes, refuses and leaves alone."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from driver import Access


def _plain(tmp_path: Path) -> Access:
    home = Path(os.environ["HOME"])
    (home / ".gitconfig").write_text("[user]\n name = Ada Byron\n email = ada@example.com\n", encoding="utf-8")
    (tmp_path / "new").mkdir()
    return Access(tmp_path / "new")


@pytest.mark.parametrize("example", [(), ("--example",)])
def test_what_init_makes_is_clean_by_all_that_look_at_it(tmp_path: Path, example: tuple[str, ...]) -> None:
    made = _plain(tmp_path)
    made.run("init", ".", *example)
    assert ": ok." in made.run("check").out
    assert "0 failed" in made.run("policy", "test").out
    made.run("codeowners", "--check")
    assert made.run("doctor").out == "Nothing unsafe was found.\n"
    assert made.git("status", "--porcelain") == ""
    assert made.git("log", "--format=%s %an", "main") == "Begin the access repository Ada Byron"
    made.run("audit", "verify")


def test_every_file_tells_editors_its_schema(tmp_path: Path) -> None:
    made = _plain(tmp_path)
    made.run("init", ".", "--example")
    for path in made.top.glob("policies/**/*.yaml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (path.parent / first.partition("=")[2]).resolve().is_file(), first


def test_the_readme_names_commands_that_there_are(tmp_path: Path) -> None:
    made = _plain(tmp_path)
    made.run("init", ".")
    told = re.findall(r"`daypass ([^`]+)`", (made.top / "README.md").read_text(encoding="utf-8"))
    assert len(told) == 6
    for command in told:
        words = command.partition(" --")[0].split()
        verb = [word for word in words if word.islower()]
        said = made.run(*verb, "--help").out
        for option in re.findall(r"--[a-z-]+", command):
            assert f"{option} " in said, command
    (made.top / "README.md").unlink()
    made.commit("Do without it")
    made.run("init", ".", "--merge")
    assert not (made.top / "README.md").exists()


def test_the_private_key_lies_outside_and_is_its_owners_alone(tmp_path: Path) -> None:
    made = _plain(tmp_path)
    made.run("init", ".")
    (key,) = (Path(os.environ["XDG_CONFIG_HOME"]) / "daypass" / "keys").glob("*.pem")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"PRIVATE" in key.read_bytes()
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in made.top.rglob("*") if path.is_file())


@pytest.mark.parametrize("home", [{"XDG_CONFIG_HOME": "here"}, {"XDG_CONFIG_HOME": "", "HOME": "~"}])
def test_the_private_key_is_never_written_beside_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: dict[str, str]
) -> None:
    made = _plain(tmp_path)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    made.run("init", ".", expect=2 if "HOME" in home else 0)
    assert not list(made.top.parent.rglob("keys"))


def test_a_signing_key_in_the_folder_of_nobody_is_no_key(tmp_path: Path) -> None:
    made = _plain(tmp_path)
    for key, value in (("gpg.format", "ssh"), ("user.signingkey", "~nobody-at-all/id")):
        subprocess.run(["git", "config", "--global", key, value], check=True)
    made.run("init", ".")
    assert "unsigned" not in (made.top / "policies/daypass.yaml").read_text(encoding="utf-8")


def test_a_directory_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    made = _plain(tmp_path)
    made.write("notes.txt", "mine\n")
    said = made.run("init", ".", expect=2)
    assert "is not empty" in said.err
    assert "--merge" in said.err
    assert sorted(path.name for path in made.top.iterdir()) == ["notes.txt"]


def test_merging_overwrites_nothing(tmp_path: Path) -> None:
    made = _plain(tmp_path)
    made.write(".gitignore", "mine\n")
    made.write("notes.txt", "mine\n")
    said = made.run("init", ".", "--example", "--merge")
    assert "kept    .gitignore" in said.err
    assert (made.top / ".gitignore").read_text(encoding="utf-8") == "mine\n"
    assert "notes.txt" in made.git("status", "--porcelain")  # what was there is not committed for its owner
    again = made.run("init", ".", "--example", "--merge")
    assert again.out.endswith("Next: daypass check\n")  # these people and resources are not init's
    made.run("check")


def test_without_an_identity_nothing_is_made_in_nobodys_name(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    said = Access(tmp_path / "new").run("init", ".", expect=2)
    assert "git does not know who you are" in said.err
    assert "git config --global user.name" in said.err


def test_outside_a_repository_every_verb_says_so(tmp_path: Path) -> None:
    for verb in (["status"], ["plan"], ["check"], ["can", "a", "b", "c"], ["audit", "stats"]):
        said = Access(tmp_path).run(*verb, expect=1)
        assert "hint" in said.err, verb


@pytest.mark.on_disk
def test_no_code_owners_are_made_of_policies_that_do_not_read(access: Access) -> None:
    resource = access.top / "policies" / "resources" / "orders-db.yaml"
    resource.write_text(
        resource.read_text(encoding="utf-8").replace("owners: [dba]", "owners: [dbas]"), encoding="utf-8"
    )
    (access.top / ".github" / "CODEOWNERS").unlink()
    access.run("init", ".", "--merge", "--example")
    assert not (access.top / ".github" / "CODEOWNERS").exists()
    assert "there is no group 'dbas'" in access.run("codeowners", expect=10).err
