"""Public SSH keys in one spelling, so that one key is not taken for two.

Base64 can spell one key in several ways, and so can the numbers in it. A key is read as the format lays it down and
written anew; whatever is left over, or is no key that signs for a person, is refused.
https://datatracker.ietf.org/doc/html/rfc4253#section-6.6
https://datatracker.ietf.org/doc/html/rfc5656#section-3.1
https://datatracker.ietf.org/doc/html/rfc8709#section-4
https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.u2f
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence

_POINTS = {b"nistp256": 65, b"nistp384": 97, b"nistp521": 133}
"""Bytes of an uncompressed point of each curve."""
_ED25519 = 32
_LENGTH = 4


def _is_number(raw: bytes) -> bool:
    """Whether this is a positive number in its shortest form (RFC 4251, section 5: mpint)."""
    return bool(raw) and raw[0] < 0x80 and (raw[0] != 0 or raw[1:2] >= b"\x80")  # noqa: PLR2004  (the sign's bit)


def _is_point(fields: Sequence[bytes]) -> bool:
    curve, point = fields
    return len(point) == _POINTS.get(curve, 0) and point[:1] == b"\x04"


_KINDS: Mapping[str, tuple[int, Callable[[Sequence[bytes]], bool]]] = {
    "ssh-ed25519": (1, lambda fields: len(fields[0]) == _ED25519),
    "sk-ssh-ed25519@openssh.com": (2, lambda fields: len(fields[0]) == _ED25519),
    "ssh-rsa": (2, lambda fields: all(_is_number(field) for field in fields)),
    **{
        f"ecdsa-sha2-{curve.decode()}": (2, lambda fields, curve=curve: fields[0] == curve and _is_point(fields))  # type: ignore[misc]
        for curve in _POINTS
    },
    "sk-ecdsa-sha2-nistp256@openssh.com": (3, lambda fields: fields[0] == b"nistp256" and _is_point(fields[:2])),
}
"""Each type of key: how many fields it has after its name, and what must be true of them."""


def canonical_key(line: str) -> str:
    """Return a line of a ``.pub`` file as ``type base64`` in its one spelling, "" where it is no such key."""
    words = line.split(None, 2)
    if len(words) < 2 or words[0] not in _KINDS or "\n" in line.strip():  # noqa: PLR2004  (type and key)
        return ""
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return ""
    fields = _fields(blob)
    count, fits = _KINDS[words[0]]
    if fields is None or len(fields) != count + 1 or fields[0] != words[0].encode() or not fits(fields[1:]):
        return ""
    return f"{words[0]} {base64.b64encode(blob).decode()}"


def _fields(blob: bytes) -> list[bytes] | None:
    """Cut a key into its strings (RFC 4251, section 5); None where it is not made of whole ones."""
    found = []
    while blob:
        size = int.from_bytes(blob[:_LENGTH], "big")
        if len(blob) < _LENGTH + size:
            return None
        found.append(blob[_LENGTH : _LENGTH + size])
        blob = blob[_LENGTH + size :]
    return found


def is_pem(raw: bytes) -> bool:
    """Say whether a file has the form of a public key in PEM (https://www.rfc-editor.org/rfc/rfc7468, section 13)."""
    found = _PEM.search(raw)
    try:
        return found is not None and bool(base64.b64decode(b"".join(found[1].split()), validate=True))
    except binascii.Error:
        return False


_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")
