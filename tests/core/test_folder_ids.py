"""What git calls a folder of files, worked out from their names and contents."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from daypass.core.ids import Oid, folder_id


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_folder_is_called_as_git_calls_it(tmp_path: Path, form: str) -> None:
    def git(*arguments: str, told: str = "") -> str:
        done = subprocess.run(["git", *arguments], cwd=tmp_path, input=told.encode(), check=True, capture_output=True)
        return done.stdout.decode().strip()

    git("init", "--quiet", f"--object-format={form}")
    names = ("a.yaml", "a-b.yaml", "a.yaml.yaml", "B.yaml", "é.yaml")
    files = [(name, Oid(git("hash-object", "-w", "--stdin", told=name))) for name in names]
    for count in range(len(files) + 1):
        told = "".join(f"100644 blob {oid}\t{name}\0" for name, oid in files[:count])
        wanted = git("mktree", "-z", told=told)
        assert folder_id(files[:count]) == wanted or not count
