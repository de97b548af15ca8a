"""The key revocation list as a file: whole or not there, and never believed unread."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daypass.core.errors import EdgeError
from daypass.edges.targets.ssh import revoked
from daypass.edges.targets.ssh.certificate import entry_of, make, public_line
from edges.targets.ssh_world import HOUR, entitlement
from servers.sshd import keygen, make_key

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
KEY = public_line(Ed25519PrivateKey.generate().public_key())


def certificates(count: int, authority: Ed25519PrivateKey | None = None) -> list[str]:
    ca = authority or Ed25519PrivateKey.generate()
    return [make(entitlement(), KEY, ca, begin=AT, end=AT + HOUR, serial=n + 1) for n in range(count)]


def refused(call) -> str:
    with pytest.raises(EdgeError) as caught:
        call()
    return caught.value.message


def still_good(path: Path, lines: list[str]) -> list[str]:
    """Ask OpenSSH which certificates a list does not revoke."""
    with tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate(lines):
            Path(folder, str(number)).write_text(f"{line}\n")
        command = ["ssh-keygen", "-Q", "-f", str(path), *map(str, range(len(lines)))]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    verdicts = [line.rpartition(": ")[2] for line in said.splitlines()]
    assert len(verdicts) == len(lines), said
    return [line for line, verdict in zip(lines, verdicts, strict=True) if verdict != "REVOKED"]


def write(path: Path, lines: list[str]) -> None:
    revoked.write_list(path, map(entry_of, lines))


def test_exactly_what_is_named_is_revoked(tmp_path: Path) -> None:
    lines = certificates(50)
    path = tmp_path / "below" / "list.krl"
    write(path, lines[:-3])
    assert still_good(path, lines) == lines[-3:]
    assert path.stat().st_mode & 0o777 == 0o644
    assert [found.name for found in path.parent.iterdir()] == ["list.krl"]
    write(path, [])
    assert still_good(path, lines) == lines
    assert revoked.listed(path) == frozenset()


def test_another_ca_s_certificate_of_the_same_number_stays_good(tmp_path: Path) -> None:
    mine, theirs = certificates(2), certificates(2)
    write(tmp_path / "l", mine)
    assert still_good(tmp_path / "l", [*mine, *theirs]) == theirs
    write(tmp_path / "l", [*mine, theirs[0]])
    assert still_good(tmp_path / "l", [*mine, *theirs]) == theirs[1:]
    assert revoked.listed(tmp_path / "l") == revoked.shown(map(entry_of, [*mine, theirs[0]]))


def test_what_is_listed_is_told(tmp_path: Path) -> None:
    every = certificates(9)
    for lines in ([line for n, line in enumerate(every) if n % 3 == 0], every, []):
        write(tmp_path / "l", lines)
        assert revoked.listed(tmp_path / "l") == revoked.shown(map(entry_of, lines))
    assert revoked.listed(tmp_path / "none") is None


@pytest.mark.parametrize("content", [b"", b"junk", b"SSHKRL\n\0"])
def test_one_that_is_not_whole_is_no_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "l").write_bytes(content)
    assert revoked.listed(tmp_path / "l") is None


def test_one_with_a_range_that_we_would_never_write_is_not_ours(tmp_path: Path) -> None:
    make_key(tmp_path / "ca")
    (tmp_path / "spec").write_text("serial: 1-9000000000000000000\n")
    keygen("-k", "-s", str(tmp_path / "ca.pub"), "-f", str(tmp_path / "l"), str(tmp_path / "spec"))
    assert revoked.listed(tmp_path / "l") is None


def test_what_cannot_be_listed_leaves_the_old_list(tmp_path: Path) -> None:
    lines = certificates(2)
    write(tmp_path / "l", lines)
    with pytest.raises(EdgeError, match="ssh-keygen cannot write or read the key revocation list: "):
        revoked.write_list(tmp_path / "l", [("junk", 1)])
    assert still_good(tmp_path / "l", lines) == []
    assert [found.name for found in tmp_path.iterdir()] == ["l"]


def test_a_list_that_would_not_revoke_is_not_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "ssh-keygen"
    fake.write_text(f'#!/bin/sh\n[ "$3" = -u ] && exit 0\nexec {shutil.which("ssh-keygen")} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    said = refused(lambda: write(tmp_path / "l", certificates(1)))
    assert said == f"the key revocation list {tmp_path / 'l'} would not revoke what it must"
    assert not (tmp_path / "l").exists()


def test_without_ssh_keygen_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(lambda: revoked.write_list(tmp_path / "l", [])) == "ssh-keygen is not installed"


def test_one_that_never_ends_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "ssh-keygen"
    fake.write_text("#!/bin/sh\nexec sleep 30\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(revoked, "_PATIENCE", 0.2)
    assert refused(lambda: revoked.write_list(tmp_path / "l", [])) == "ssh-keygen did not end within 0.2 s"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(lambda: revoked.write_list(tmp_path / "file" / "l", []))
    assert said.startswith(f"the key revocation list {tmp_path / 'file' / 'l'} cannot be written: ")


def test_the_disk_full_leaves_the_old_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = certificates(2)
    write(tmp_path / "l", lines[:1])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(revoked.os, "fsync", full)
    said = refused(lambda: write(tmp_path / "l", lines))
    assert said == f"the key revocation list {tmp_path / 'l'} cannot be written: No space left on device"
    assert "serial: 1" in keygen("-Q", "-l", "-f", str(tmp_path / "l"))
    assert still_good(tmp_path / "l", lines) == lines[1:]
