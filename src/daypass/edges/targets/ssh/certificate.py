"""One user certificate: what a role asks for, which keys are fit for it, and how it is made and read.

A certificate is good for the principals that the role names, from a minute before the instant of the run (a host whose
clock is a little behind lets people in as well) to the end of the window and not a second longer. It is public: without
the subject's private key it opens nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct

from daypass.core.errors import EdgeError
from daypass.core.finding import near
from daypass.core.ids import canonical
from daypass.core.window import format_instant

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import SSHCertificate

    from daypass.core.bounds.settings import TargetSettings
    from daypass.core.plan import Entitlement

EXTENSIONS = (
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
)
"""What a certificate may allow beside running a command; a role lists what it needs, and gets nothing unasked."""

_FIELDS = ("principals", "source_address", "force_command", "extensions")
_LONGEST = 1024
_MOST = 64
_CERTIFICATE = "-cert-v01@openssh.com "
_FIT = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_LEAST_RSA = 2048
_LAST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


class SshPrivilege(Struct, frozen=True):
    """What a role gives: logins as these principals, from these networks only, for this command only."""

    principals: tuple[str, ...]
    source_address: tuple[str, ...] = ()
    force_command: str = ""
    extensions: tuple[str, ...] = ()


class Certificate(Struct, frozen=True):
    """What a certificate says. ``valid`` is half-open; ``key`` and ``authority`` are public keys, type and base64."""

    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid: tuple[datetime, datetime]
    critical: Mapping[str, str]
    extensions: tuple[str, ...]
    key: str
    authority: str


def read_privilege(entitlement: Entitlement) -> SshPrivilege:
    """Read a role's privilege, strictly. Without ``principals`` it is the subject's own name at the target.

    Raises EdgeError, saying what was expected, for anything that could widen access without saying so.
    """
    try:
        found = json.loads(entitlement.privilege)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _bad(entitlement, "is no object in JSON", f"a role of an ssh target has {', '.join(_FIELDS)}")
    for field in found:
        if field not in _FIELDS:
            known = set(_FIELDS) - set(found)
            hint = near(field, known, f"a role of an ssh target has {', '.join(_FIELDS)}")
            raise _bad(entitlement, f"has an unknown key {field!r}", hint)
    principals = found.get("principals", [entitlement.principal])
    extensions = _texts(entitlement, found, "extensions")
    for extension in extensions:
        if extension not in EXTENSIONS:
            hint = near(extension, EXTENSIONS, f"known: {', '.join(EXTENSIONS)}")
            raise _bad(entitlement, f"asks for the extension {extension!r}", hint)
    return SshPrivilege(
        _principals(entitlement, principals),
        tuple(_network(entitlement, text) for text in _texts(entitlement, found, "source_address")),
        _command(entitlement, found),
        tuple(sorted(set(extensions))),
    )


def check_privilege(settings: TargetSettings, text: str) -> None:
    """Refuse a privilege that no certificate can carry, whoever it is for. Raises EdgeError."""
    from daypass.core.plan import Entitlement  # noqa: PLC0415  (only checks ask without a subject)

    read_privilege(Entitlement(settings.name, "", "somebody", text))


def _bad(entitlement: Entitlement, what: str, hint: str) -> EdgeError:
    on = f" on {entitlement.resource}" if entitlement.resource else ""
    return EdgeError(f"the role{on} {what}", hint=hint)


def _texts(entitlement: Entitlement, found: Mapping[str, Any], field: str) -> list[str]:
    value = found.get(field, [])
    if field in found and (not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value)):
        # An empty list of networks would mean "from anywhere" to sshd.
        raise _bad(entitlement, f"has {field} {canonical(value)}", "write a list of one or more texts, or leave it out")
    texts: list[str] = value
    return texts


def _principals(entitlement: Entitlement, value: Any) -> tuple[str, ...]:
    texts = _texts(entitlement, {"principals": value}, "principals")
    for text in texts:
        # A comma would part one name in two where hosts list principals; a certificate for no name is one for all.
        if not text or not text.isprintable() or any(c in text for c in ' ,"*?!#') or len(text.encode()) > _LONGEST:
            raise _bad(entitlement, f"has the principal {text!r}", "a principal is one word, as hosts list it")
    if len(texts) > _MOST:
        raise _bad(entitlement, f"has {len(texts)} principals", f"at most {_MOST}")
    return tuple(dict.fromkeys(texts))


def _network(entitlement: Entitlement, text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        hint = "write a network such as 10.0.0.0/8, with no bit set beyond its length"
        raise _bad(entitlement, f"has the source address {text!r}", hint) from None


def _command(entitlement: Entitlement, found: Mapping[str, Any]) -> str:
    command = found.get("force_command", "")
    if "force_command" in found and (
        not isinstance(command, str) or not command.strip() or not command.isprintable() or len(command) > _LONGEST
    ):
        raise _bad(entitlement, f"has force_command {canonical(command)}", "write one command on one line")
    text: str = command
    return text


def fit_keys(keys: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Part a subject's public keys into those that a certificate can be made for, and why each other is not fit."""
    fit, unfit = [], []
    for key in dict.fromkeys(keys):
        kind = key.partition(" ")[0]
        if kind.startswith("age1"):
            continue  # opens secrets, and no doors
        why = _unfit(kind, key)
        if why:
            unfit.append(f"{kind}: {why}")
        else:
            fit.append(key)
    return tuple(fit), tuple(unfit)


def _unfit(kind: str, key: str) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.serialization import load_ssh_public_identity  # noqa: PLC0415  (slow)

    if kind == "ssh-dss":
        return "too weak, and sshd refuses it"
    if kind not in _FIT:
        return "certificates for it are not made"
    try:
        found = load_ssh_public_identity(key.encode())
    except (ValueError, UnsupportedAlgorithm):
        return "it cannot be read"
    if isinstance(found, rsa.RSAPublicKey) and found.key_size < _LEAST_RSA:
        return f"{found.key_size} bits are too weak, at least {_LEAST_RSA}"
    return ""


def serial_of(entitlement: Entitlement, begin: datetime, end: datetime, turn: int = 0) -> int:
    """Return the serial number of an entitlement's certificates for a span: 63 bits of SHA-256, never 0.

    The same span gives the same number to every key of the subject, so that one entry revokes them all. ``turn`` tells
    apart what was given again in the second in which it was taken.
    """
    text = canonical([*entitlement, format_instant(begin), format_instant(end), turn])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1 or 1


BEHIND = timedelta(minutes=1)
"""How far behind ours a host's clock may be and take a certificate at once."""


def make(entitlement: Entitlement, key: str, authority: Any, *, begin: datetime, end: datetime, serial: int) -> str:
    """Make a certificate for one public key and return its line; its comment is its key id, which sshd logs too.

    ``authority`` is a private key as cryptography has them. Raises EdgeError for a bad role, or when it does not sign.
    """
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  (slow)
        SSHCertificateBuilder,
        SSHCertificateType,
        load_ssh_public_identity,
    )

    privilege = read_privilege(entitlement)
    name = f"daypass {quote(entitlement.principal)[:_LONGEST]} {entitlement.resource} {serial}"
    builder = (
        SSHCertificateBuilder()
        .public_key(load_ssh_public_identity(key.encode()))  # type: ignore[arg-type]  # fit_keys has looked at it
        .serial(serial)
        .type(SSHCertificateType.USER)
        .key_id(name.encode())
        .valid_principals([principal.encode() for principal in privilege.principals])
        .valid_after(int((begin - BEHIND).timestamp()))
        .valid_before(int(end.timestamp()))
    )
    for option, value in _critical(privilege):
        builder = builder.add_critical_option(option, value)
    for extension in privilege.extensions:
        builder = builder.add_extension(extension.encode(), b"")
    made = builder.sign(authority)
    return f"{made.public_bytes().decode()} {name}"


def _critical(privilege: SshPrivilege) -> Iterable[tuple[bytes, bytes]]:
    if privilege.force_command:
        yield b"force-command", privilege.force_command.encode()
    if privilege.source_address:
        yield b"source-address", ",".join(privilege.source_address).encode()


def is_certificate(text: str) -> bool:
    """Say whether a text is one or more lines of certificates."""
    lines = text.splitlines()
    return bool(lines) and all(_CERTIFICATE in line for line in lines)


def read(line: str) -> Certificate:
    """Read one certificate's line. Raises EdgeError for anything else."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  (slow)
        SSHCertificate,
        load_ssh_public_identity,
    )

    try:
        found = load_ssh_public_identity(line.strip().encode())
        if not isinstance(found, SSHCertificate):
            raise EdgeError(f"expected an SSH certificate, got {line[:40]!r}")
        found.verify_cert_signature()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise EdgeError(f"an SSH certificate cannot be read: {str(error) or 'its signature does not fit'}") from error
    return _certificate(found)


def entry_of(line: str) -> tuple[str, int]:
    """Return what a key revocation list knows a certificate by: its CA's public key, and its serial number."""
    found = read(line)
    return found.authority, found.serial


def _certificate(found: SSHCertificate) -> Certificate:
    return Certificate(
        found.serial,
        found.key_id.decode("utf-8", "replace"),
        tuple(principal.decode("utf-8", "replace") for principal in found.valid_principals),
        (_instant(found.valid_after), _instant(found.valid_before)),
        {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in found.critical_options.items()
        },
        tuple(name.decode("utf-8", "replace") for name in found.extensions),
        public_line(found.public_key()),
        public_line(found.signature_key()),
    )


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(seconds, _LAST), UTC)  # others write "for ever" as the largest number there is


def public_line(key: Any) -> str:
    """Return a public key as OpenSSH writes it: type and base64."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415  (slow)

    line: bytes = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return line.decode()


def fingerprint(line: str) -> str:
    """Return a public key's ``SHA256:…``, as ssh-keygen shows it."""
    import base64  # noqa: PLC0415  (only for people)

    raw = base64.b64decode(line.split(" ")[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
