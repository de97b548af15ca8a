"""Encrypting what a subject receives to their own public key, so that a secret may lie where many can read.

The format is age (https://age-encryption.org/v1), which takes SSH keys as well: the subject opens it with
``age -d -i ~/.ssh/id_ed25519``. The work is pyrage's; nothing here knows ciphers.
"""

from __future__ import annotations

from collections.abc import Sequence

from daypass.core.errors import EdgeError

WEAKEST_RSA = 2048
"""Bits; a shorter RSA key is no protection (https://csrc.nist.gov/pubs/sp/800/131/a/r2/final)."""

_TAKEN = "ssh-ed25519, ssh-rsa of 2048 bits or more, and age keys are taken"
_HINT = f"put another public key of theirs into the directory: {_TAKEN}"


def seal(text: str, keys: Sequence[str]) -> str:
    """Encrypt text to every key that is fit for it, and return age's armored form.

    ``keys`` are public keys, one line each: SSH keys as in authorized_keys, or age's own (``age1…``). Keys that age does
    not know (ECDSA, security keys) are passed over, as long as one fits. Raises EdgeError where none does, saying why
    of each; the text is in no message.
    """
    from pyrage import encrypt  # noqa: PLC0415  (loaded only when a secret is handed over)

    if not keys:
        raise EdgeError("the directory names no public key of the subject to encrypt a secret to", hint=_HINT)
    found = []
    unfit = []
    for key in keys:
        try:
            found.append(_recipient(key))
        except ValueError as error:
            unfit.append(str(error))
    if not found:
        raise EdgeError(
            f"no public key of the subject can have a secret encrypted to it: {'; '.join(unfit)} ({_TAKEN})", hint=_HINT
        )
    sealed: bytes = encrypt(text.encode(), found, armored=True)
    return sealed.decode("ascii")


def _recipient(key: str) -> object:
    """Return the key as pyrage takes it. Raises ValueError, saying why nothing is encrypted to it."""
    from pyrage import RecipientError, ssh, x25519  # noqa: PLC0415  (loaded only when a secret is handed over)

    kind = key.split(" ", 1)[0]
    shown = kind if len(kind) <= 40 else kind[:37] + "..."  # noqa: PLR2004  (a line of the terminal)
    try:
        if kind.startswith("age1"):
            recipient: object = x25519.Recipient.from_str(key.strip())
            return recipient
        if kind not in ("ssh-ed25519", "ssh-rsa"):
            raise ValueError(f"{shown!r} is of another kind")
        if kind == "ssh-rsa":
            _check_rsa(key)
        recipient = ssh.Recipient.from_str(key.strip())
    except RecipientError as error:
        raise ValueError(f"{shown!r} does not read: {error}") from error
    else:
        return recipient


def _check_rsa(key: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (loaded only for such a key)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415

    try:
        read = load_ssh_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("'ssh-rsa' does not read") from error
    if not isinstance(read, RSAPublicKey) or read.key_size < WEAKEST_RSA:
        bits = getattr(read, "key_size", 0)
        raise ValueError(f"'ssh-rsa' of {bits} bits is too weak")
