"""The key revocation list: certificates that must end before they do by themselves.

One file in OpenSSH's own form, written by ssh-keygen and replaced in one step, so that who copies it at any moment has
a whole one. It lists serial numbers below the key that signed them, so that a CA may be changed for another. A list that
is not whole would let revoked certificates in again: it is read back before it counts.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from daypass.core.errors import EdgeError
from daypass.edges.targets.common import sync_folder
from daypass.edges.targets.ssh.certificate import fingerprint

Entry = tuple[str, int]
"""A certificate on the list: the public key of its CA, type and base64, and its serial number."""

_PATIENCE = 60.0
_LONGEST_RANGE = 1_000_000


def write_list(path: Path, entries: Iterable[Entry]) -> None:
    """Make ``path`` the list of exactly these certificates, and read it back. Raises EdgeError when that fails."""
    wanted = frozenset(entries)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            fresh = _written(Path(folder), wanted)
            if listed(fresh) != shown(wanted):
                raise EdgeError(f"the key revocation list {path} would not revoke what it must")
            fresh.chmod(0o644)  # it is public, and hosts fetch it
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            fresh.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise EdgeError(
            f"the key revocation list {path} cannot be written: {error.strerror}",
            hint="is there room on the disk, and may this user write there?",
        ) from error


def _written(folder: Path, entries: frozenset[Entry]) -> Path:
    fresh, named = folder / "list", folder / "serials"
    named.touch()
    _keygen("-q", "-k", "-f", str(fresh), str(named))
    for authority in sorted({authority for authority, _ in entries}):
        (folder / "ca.pub").write_text(f"{authority}\n", encoding="ascii")
        serials = sorted(serial for signer, serial in entries if signer == authority)
        named.write_text("".join(f"serial: {serial}\n" for serial in serials), encoding="ascii")
        _keygen("-q", "-k", "-u", "-s", str(folder / "ca.pub"), "-f", str(fresh), str(named))
    return fresh


def shown(entries: Iterable[Entry]) -> frozenset[Entry]:
    """Return entries as `listed` tells them: by the fingerprint of the CA's key."""
    found = frozenset(entries)
    prints = {authority: fingerprint(authority) for authority, _ in found}
    return frozenset((prints[authority], serial) for authority, serial in found)


def listed(path: Path) -> frozenset[Entry] | None:
    """Return what a list revokes, CAs by their fingerprints; None where it is not there or cannot be read."""
    if not path.exists():
        return None
    try:
        said = _keygen("-Q", "-l", "-f", str(path.absolute()))
    except EdgeError:
        return None
    found: set[Entry] = set()
    authority = ""
    for line in said.splitlines():
        if line.startswith("# CA key "):
            authority = line.rpartition(" ")[2]
        elif line.startswith("serial: "):
            first, _, last = line.removeprefix("serial: ").partition("-")
            if int(last or first) - int(first) > _LONGEST_RANGE:
                return None  # not one of ours
            found.update((authority, serial) for serial in range(int(first), int(last or first) + 1))
    return frozenset(found)


def _keygen(*arguments: str) -> str:
    """Run ssh-keygen and return what it says. Raises EdgeError when it fails."""
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError:
        raise EdgeError("ssh-keygen is not installed", hint="install OpenSSH 8.2 or newer") from None
    except subprocess.TimeoutExpired:
        raise EdgeError(f"ssh-keygen did not end within {_PATIENCE:g} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise EdgeError(f"ssh-keygen cannot write or read the key revocation list: {said or done.returncode}")
    return done.stdout.decode("utf-8", "replace")
