"""No setting that git documents, and nothing of the environment, changes what is read or runs a program of others."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daypass.core.errors import DaypassError
from daypass.edges.git import objects
from daypass.edges.git.history import GitHistory
from daypass.edges.git.isolation import clean_environment
from daypass.edges.git.plumbing import Git
from daypass.edges.git.trees import commit_tree, sync_worktree
from git_trees import write_tree

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
EVIL = "{folder}/evil"
# Settings that take a program, a path or a word; all others are tried with a number, which is good for true as well.
VALUES = {
    "core.hooksPath": "{folder}/hooks",
    "core.fsmonitor": EVIL,
    "core.sshCommand": EVIL,
    "core.gitProxy": EVIL,
    "core.askPass": EVIL,
    "core.editor": EVIL,
    "core.pager": EVIL,
    "core.alternateRefsCommand": EVIL,
    "core.attributesFile": "{folder}/attributes",
    "core.excludesFile": "{folder}/attributes",
    "diff.external": EVIL,
    "diff.orderFile": "{folder}/order",
    "diff.ignoreSubmodules": "all",
    "diff.<driver>.command": EVIL,
    "diff.<driver>.textconv": EVIL,
    "filter.<driver>.clean": EVIL,
    "filter.<driver>.smudge": EVIL,
    "merge.<driver>.driver": EVIL,
    "gpg.program": EVIL,
    "gpg.<format>.program": EVIL,
    "gpg.ssh.defaultKeyCommand": EVIL,
    "uploadpack.packObjectsHook": EVIL,
    "credential.helper": EVIL,
    "mailmap.file": "{folder}/mailmap",
    "alias.*": "!{folder}/evil",
    "pager.<cmd>": EVIL,
    "remote.<name>.uploadpack": EVIL,
    "remote.<name>.vcs": "evil",
    "merge.<driver>.name": "evil",
    "submodule.<name>.update": "!{folder}/evil",
    "protocol.<name>.allow": "always",
    "url.<base>.pushInsteadOf": "file://",
    "core.abbrev": "7",
    "core.useReplaceRefs": "true",
    "core.quotePath": "true",
    "core.commentChar": "x",
    "log.showSignature": "true",
    "i18n.logOutputEncoding": "UTF-16",
    "url.<base>.insteadOf": "file://",
    "submodule.<name>.ignore": "all",
}
PLACES = {"<name>": "sub", "<format>": "ssh", "<base>": "file:///nowhere/", "<cmd>": "diff-tree"}
# What says where the repository or another file of settings is: git itself fails, or the folder is another.
MEANS_ANOTHER_PLACE = {"core.worktree", "core.bare", "include.path", "includeIf.<condition>.path"}


@pytest.fixture
def target(scene, tmp_path, monkeypatch):
    """A repository with a replaced file, odd names, a submodule, a merge, attributes and hooks."""
    for name in ("evil", *(f"hooks/{hook}" for hook in ("reference-transaction", "post-index-change", "pre-push"))):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/ran\ncat\n")
        place.chmod(0o755)
    (tmp_path / "attributes").write_text("* filter=evil diff=evil merge=evil\n")
    (tmp_path / "order").write_text("*z*\n")
    (tmp_path / "mailmap").write_text("Bob <bob@example.com> <alice@example.com>\n")
    scene.commit(**{"grants/db/a.yaml": "alice\n", "grants/db/zö.yaml": "z\n"})
    scene.run("update-index", "--add", "--cacheinfo", f"160000,{scene.head()},sub")
    scene.run("commit", "-q", "-m", "a submodule")
    scene.run("switch", "-q", "-c", "side")
    scene.commit(**{"grants/db/b.yaml": "b\n"})
    scene.run("switch", "-q", "main")
    scene.commit(other="o\n")
    scene.run("merge", "-q", "--no-ff", "-m", "merge", "side")
    good = scene.head("HEAD:grants/db/a.yaml")
    scene.run("replace", good, scene.blob(b"malory\n"))
    scene.run("replace", scene.head("HEAD~1"), scene.head("side"))
    monkeypatch.setenv("DAYPASS_LEDGER_KEY", "sesame")
    return scene


def answer(scene) -> str:
    """Read everything in every way, write a little, and return a digest of all of it."""
    history, git = GitHistory(Git(scene.folder)), Git(scene.folder)
    tip = history.resolve("refs/heads/main")
    leaves = list(history.entries(tip))
    files = [oid for _, mode, oid in leaves if mode != "160000"]
    said = [leaves, list(history.blobs(files)), list(history.landings(None, tip)), history.commits(f"{tip}~3", tip)]
    said += [history.changes(f"{tip}~2", tip), history.merge_bases("refs/heads/main", "refs/heads/side")]
    said += [objects.object_id("blob", b"")] if hasattr(objects, "object_id") else []
    tree = write_tree(git, tip, [("grants/db/new.yaml", b"new\r\n")])
    made = commit_tree(git, tree, [tip], "made", author=("A", "a@example.com"), at=AT)
    git.update_refs({"refs/heads/main": (tip, made)}, reason="test")
    sync_worktree(git, tip, made)
    said += [made, (scene.folder / "grants/db/new.yaml").exists()]
    git.update_refs({"refs/heads/main": (made, tip)}, reason="test")
    sync_worktree(git, made, tip)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def test_no_setting_that_git_documents_changes_an_answer_or_runs_anything(target, tmp_path, monkeypatch):
    settings = Path(str(tmp_path / "settings"))
    plain = settings.read_text()
    right = answer(target)
    assert "malory" not in repr(list(objects.blobs(target.git, [target.head("HEAD:grants/db/a.yaml")])))
    listed = subprocess.run(["git", "help", "--config"], capture_output=True, text=True, check=True).stdout.split()
    named = [name for name in listed if "." in name and name not in MEANS_ANOTHER_PLACE]
    assert len(named) > 500

    def written(name: str) -> str:
        value = VALUES.get(name, "1").format(folder=tmp_path)
        name = re.sub(r"<[^>]*>", lambda found: PLACES.get(found[0], "evil"), name).replace("*", "evil")
        section, _, rest = name.partition(".")
        middle, _, key = rest.rpartition(".")
        return f'[{section}{f" {chr(34)}{middle}{chr(34)}" if middle else ""}]\n\t{key} = "{value}"\n'

    def tried(names: list[str]) -> list[str]:
        """Return which settings change the answer; one that git itself cannot read is no answer at all."""
        settings.write_text(plain + "".join(map(written, names)))
        try:
            if answer(target) == right:
                return []
        except DaypassError:
            if len(names) == 1:
                return []
        if len(names) == 1:
            return names
        half = len(names) // 2
        return tried(names[:half]) + tried(names[half:])

    assert tried(named) == []
    assert not (tmp_path / "ran").exists()


def test_the_clones_own_settings_and_attributes_run_nothing(target, tmp_path):
    (target.folder / ".git/info/attributes").write_text("* filter=evil\n")
    for name in ("clean", "smudge", "process"):
        target.run("config", f"filter.evil.{name}", str(tmp_path / "evil"))
    target.run("config", "filter.evil.required", "true")
    target.run("config", "core.hooksPath", str(tmp_path / "hooks"))
    answer(target)
    assert not (tmp_path / "ran").exists()


def test_other_bytes_in_an_alternate_store_are_not_read_under_an_id(target, tmp_path):
    tip = target.head()
    for name, other in (
        (target.head("HEAD:grants/db/a.yaml"), target.blob(b"malory\n")),
        (target.head("HEAD:grants"), target.tree()),
    ):
        mine = target.folder / ".git/objects" / name[:2] / name[2:]
        there = tmp_path / "more" / name[:2] / name[2:]
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target.folder / ".git/objects" / other[:2] / other[2:], there)
        kept = mine.read_bytes()
        mine.unlink()
        (target.folder / ".git/objects/info/alternates").write_text(f"{tmp_path / 'more'}\n")
        with pytest.raises(DaypassError, match=f"object {name} was changed on the disk"):
            list(objects.blobs(target.git, [oid for _, _, oid in objects.Reader(target.git).leaves(tip, "grants")]))
        mine.write_bytes(kept)


def test_grafts_show_no_other_parents(target):
    right = answer(target)
    tip = target.head()
    (target.folder / ".git/info/grafts").write_text(f"{tip}\n")
    assert answer(target) == right


def test_nothing_that_git_starts_finds_a_secret_and_nothing_of_gits_is_believed(monkeypatch):
    for name in ("DAYPASS_LEDGER_KEY", "DAYPASS_APP_KEY", "GITHUB_TOKEN", "ORDERS_DB_URL", "PGPASSWORD"):
        monkeypatch.setenv(name, "sesame")
    for name in ("GIT_DIR", "GIT_ALLOW_PROTOCOL", "GIT_SSL_NO_VERIFY", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF",
                 "GIT_CONFIG_PARAMETERS", "GIT_ATTR_SOURCE", "GIT_REPLACE_REF_BASE", "GIT_TRACE_CURL",
                 "GIT_TRACE_REDACT", "GIT_PROXY_COMMAND", "GIT_SOMETHING_NEW"):  # fmt: skip
        monkeypatch.setenv(name, "sesame")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    found = clean_environment({"GIT_AUTHOR_DATE": "@1 +0000"})
    assert "sesame" not in found.values()
    assert found["SSH_AUTH_SOCK"] == "/agent"
    assert found["GIT_AUTHOR_DATE"] == "@1 +0000"
