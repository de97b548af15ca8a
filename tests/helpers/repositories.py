"""Repositories of git's for tests, made and told who works in them by files: where a process would only write the same."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from copies import copy, once


def new_repository(folder: Path, *, bare: bool = False, algorithm: str = "sha1") -> None:
    """Do what ``git init`` does in a folder, which is made where it is missing: an empty repository with a branch main."""

    def make(empty: Path) -> None:
        options = ["--initial-branch=main", f"--object-format={algorithm}", *(["--bare"] if bare else [])]
        subprocess.run(["git", "init", "-q", *options, str(empty)], check=True, timeout=60)
        for example in empty.rglob("*.sample"):
            example.unlink()

    copy(once(("new repository", bare, algorithm), make), folder)


def identify(git_dir: Path, name: str, email: str, *, key: Path | None = None) -> None:
    """Say whose commits are made in a repository, and with which SSH key they are signed: with none unless it is given.

    As ``git config`` does for each setting, with one file written instead of a process for each.
    """
    place = git_dir / "config"
    others = re.sub(r"^\[(user|gpg)\]\n(?:\t.*\n)*", "", place.read_text(encoding="utf-8"), flags=re.MULTILINE)
    signing = f"\tsigningkey = {key}\n" if key else ""
    place.write_text(
        f"{others}[user]\n\tname = {name}\n\temail = {email}\n{signing}[gpg]\n\tformat = ssh\n", encoding="utf-8"
    )


def identify_everywhere(name: str, email: str, **more: str) -> None:
    """Say in the settings of who runs the test whose commits are made; ``more`` are settings of ``init``."""
    settings = [f"[user]\n\tname = {name}\n\temail = {email}\n", *(f"[init]\n\t{key} = {more[key]}\n" for key in more)]
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("".join(settings), encoding="utf-8")


def commit_each(git_dir: Path, changes: Iterable[Mapping[str, str]]) -> None:
    """Put a commit for each of ``changes`` (text by path) on main, all by one process; no work tree follows."""
    lines = []
    for number, files in enumerate(changes):
        lines += ["commit refs/heads/main", "committer Olga Platform <olga@example.com> now"]
        lines += ["data 4", "next", *([] if number else ["from refs/heads/main^0"])]
        for path, text in files.items():
            lines += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
    command = ["git", "-C", str(git_dir), "fast-import", "--quiet", "--date-format=now"]
    subprocess.run(command, input="\n".join([*lines, ""]).encode(), check=True, timeout=60)


def store(git_dir: Path, kind: str, content: bytes, *, algorithm: str = "sha1") -> str:
    """Write an object as it is, whatever git thinks of it, and return its id."""
    whole = f"{kind} {len(content)}\0".encode() + content
    oid = hashlib.new(algorithm, whole, usedforsecurity=False).hexdigest()
    place = git_dir / "objects" / oid[:2] / oid[2:]
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(zlib.compress(whole, 1))
        place.chmod(0o444)
    return oid


def store_tree(git_dir: Path, entries: Iterable[tuple[str, str, bytes]], *, algorithm: str = "sha1") -> str:
    """Write the tree of (mode, id, name), in git's order, and return its id."""
    ordered = sorted(entries, key=lambda entry: entry[2] + b"/" * (entry[0] == "40000"))
    lines = (mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, oid, name in ordered)
    return store(git_dir, "tree", b"".join(lines), algorithm=algorithm)


def head(git_dir: Path, ref: str = "HEAD") -> str:
    """Return the commit at which a ref of a repository stands that nobody has packed."""
    found = (git_dir / ref).read_text(encoding="ascii").strip()
    return head(git_dir, found.removeprefix("ref: ")) if found.startswith("ref: ") else found
