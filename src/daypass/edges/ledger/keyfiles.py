"""The files of the keys that sign the ledger: made once, readable by their owner alone; and their public halves, PEM."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from daypass.core.errors import EdgeError, LedgerError, UsageError

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def generate_key(path: Path) -> bytes:
    """Make an Ed25519 key, write its private half to ``path`` (PKCS#8 PEM, mode 0600) and return the public half, PEM.

    Never overwrites: raises UsageError when something is there already, EdgeError when the file cannot be written.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  (slow)

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if os.path.lexists(path):
        raise UsageError(
            f"{path} exists already", hint="a signing key is never overwritten; name another path or use that key"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # O_EXCL: neither a file nor a symlink that somebody put there meanwhile is written through.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EdgeError(f"the signing key cannot be written to {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask is
        file.write(private)
        file.flush()
        os.fsync(file.fileno())
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def make_key(folder: Path) -> tuple[Path, bytes]:
    """Make a key in a folder of keys, under its own id, as `find_signer` looks for it; return the file and the public half.

    Raises as generate_key does.
    """
    pending = folder / f".new-{os.getpid()}-{secrets.token_hex(4)}.pem"
    public = generate_key(pending)
    path = folder / f"{read_public_key(public).keyid}.pem"
    pending.rename(path)
    return path, public


def check_private(path: Path) -> None:
    """Refuse a private key file that is missing, no file, or open to others. Raises EdgeError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise EdgeError(
            f"there is no signing key at {path}", hint="set DAYPASS_KEYS or DAYPASS_SIGNER to where the key is"
        ) from None
    except OSError as error:
        raise EdgeError(f"the signing key {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise EdgeError(f"the signing key {path} is no file")
    check_closed(f"the signing key {path}", path, found.st_mode)


def check_closed(what: str, path: Path, mode: int) -> None:
    """Refuse the file of a private key, of such a mode, that others can reach. Raises EdgeError."""
    if mode & _OTHERS:
        raise EdgeError(
            f"{what} can be reached by others (mode {stat.S_IMODE(mode):04o}, expected 0600)",
            hint=f"chmod 600 {path}, and think of whether somebody copied it",
        )


def read_public_key(pem: bytes | str, name: str = "the public key") -> SSlibKey:
    """Read a public key, PEM SubjectPublicKeyInfo; the key id is securesystemslib's.

    Raises LedgerError, naming ``name``, for anything else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415  (slow)
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415  (slow)

    raw = pem.encode() if isinstance(pem, str) else pem
    try:
        return SSlibKey.from_crypto(load_pem_public_key(raw))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise LedgerError(
            f"{name} is no public key in PEM form ({str(error).splitlines()[0] if str(error) else 'unreadable'})",
            hint="it begins with -----BEGIN PUBLIC KEY-----; `daypass init` writes one",
        ) from error
