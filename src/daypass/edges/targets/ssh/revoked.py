"""The key revocation list: certificates that must end before they do by themselves.

One file in OpenSSH's own form, written by ssh-keygen and replaced in one step, so that who copies it at any moment has
a whole one. It lists serial numbers below the key that signed them, so a certificate is revoked whoever's list it was
on before. A list that is not whole would let revoked certificates in again: it is read back before it counts.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from daypass.core.errors import EdgeError

_AT_ONCE = 200
_PATIENCE = 60.0


def write_list(path: Path, lines: Sequence[str]) -> None:
    """Make ``path`` the list of exactly these certificates (their lines), and read it back.

    Raises EdgeError when it cannot be written, or does not revoke each of them.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            names, fresh = Path(folder, "certificates"), Path(folder, "list")
            names.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            _keygen("-q", "-k", "-f", str(fresh), str(names))
            left = still_good(fresh, lines)
            if left:
                raise EdgeError(f"the key revocation list {path} would not revoke {len(left)} of {len(lines)}")
            fresh.chmod(0o644)  # it is public, and hosts fetch it
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            fresh.replace(path)
            _sync_folder(path.parent)
    except OSError as error:
        raise EdgeError(
            f"the key revocation list {path} cannot be written: {error.strerror}",
            hint="is there room on the disk, and may this user write there?",
        ) from error


def still_good(path: Path, lines: Sequence[str]) -> list[str]:
    """Return which certificates a list does not revoke. Raises EdgeError for a list that cannot be read."""
    left: list[str] = []
    for start in range(0, len(lines), _AT_ONCE):
        batch = lines[start : start + _AT_ONCE]
        with tempfile.TemporaryDirectory(prefix="daypass-") as folder:
            for number, line in enumerate(batch):
                Path(folder, str(number)).write_text(f"{line}\n", encoding="utf-8")
            said = _keygen("-Q", "-f", str(path.absolute()), *map(str, range(len(batch))), folder=folder, fails=True)
        verdicts = [line.rpartition(": ")[2] for line in said.splitlines()]
        if len(verdicts) != len(batch) or not set(verdicts) <= {"REVOKED", "ok"}:
            raise EdgeError(
                f"the key revocation list {path} cannot be read: {said.strip()[-200:] or 'no answer'}",
                hint="delete it: the next apply, or `daypass krl`, makes it anew from the ledger",
            )
        left += [line for line, verdict in zip(batch, verdicts, strict=True) if verdict == "ok"]
    return left


def listed(path: Path) -> frozenset[str] | None:
    """Return the serial numbers that a list revokes, as text; None where it is not there or cannot be read."""
    if not path.exists():
        return None
    try:
        said = _keygen("-Q", "-l", "-f", str(path.absolute()))
    except EdgeError:
        return None
    return frozenset(line.removeprefix("serial: ") for line in said.splitlines() if line.startswith("serial: "))


def _keygen(*arguments: str, folder: str | None = None, fails: bool = False) -> str:
    """Run ssh-keygen and return what it says. It exits with 1 for "revoked", hence ``fails``."""
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            timeout=_PATIENCE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError:
        raise EdgeError("ssh-keygen is not installed", hint="install OpenSSH 8.2 or newer") from None
    except subprocess.TimeoutExpired:
        raise EdgeError(f"ssh-keygen did not end within {_PATIENCE:g} s") from None
    if done.returncode and not fails:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise EdgeError(f"ssh-keygen cannot write or read the key revocation list: {said or done.returncode}")
    return (done.stdout + (done.stderr if fails else b"")).decode("utf-8", "replace")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
