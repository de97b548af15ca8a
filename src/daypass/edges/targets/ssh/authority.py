"""The certificate authority's key: in the environment, in a file, in an ssh-agent, or behind a URI (a cloud's KMS).

Whatever holds it signs by the same builder: what is not in our hands looks to cryptography like a key whose ``sign``
is done elsewhere. A key's private half is never written anywhere and never told.

Agent: https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent. URIs: those of securesystemslib.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from daypass.core.errors import EdgeError, InvalidError
from daypass.edges.ledger.keyfiles import check_closed
from daypass.edges.ledger.signing import FILE_SCHEME, translated
from daypass.edges.pins import Pins, hold_service, read_pins
from daypass.edges.targets.common import place_below
from daypass.edges.targets.ssh.certificate import public_line

if TYPE_CHECKING:
    from daypass.core.bounds.settings import TargetSettings

_LEAST_RSA = 2048
_WAIT = 10.0
_LARGEST = 1 << 20
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_HINT = "ca_key_env names the variable that holds the CA's private key or its file; else ca is its public key"


class Source(Struct, frozen=True):
    """Where a target's CA key is: in the variable or behind the URI, else in an agent. ``public`` is "" when unsaid.

    The key service behind the URI must be at one of ``pins``, where there are any and the environment says where it is.
    """

    target: str
    public: str = ""
    variable: str = ""
    uri: str = ""
    pins: Pins = ()


def read_source(settings: TargetSettings) -> Source:
    """Read the options ``ca``, ``ca_key_env`` and ``ca_uri``. Raises InvalidError where they make no sense."""
    pins = read_pins(f"target {settings.name}", settings.options)
    found = Source(settings.name, _public(settings), _text(settings, "ca_key_env"), _text(settings, "ca_uri"), pins)
    if found.variable and found.uri:
        raise InvalidError(f"target {settings.name} names its CA key twice, by ca_key_env and by ca_uri", hint=_HINT)
    if not found.variable and not found.public:
        raise InvalidError(f"target {settings.name} names no CA key", hint=_HINT)
    return found


def read_options(settings: TargetSettings) -> tuple[Source, PurePath]:
    """Read the options: where the CA's key is, and where below daypass's own folder the list is kept.

    Raises InvalidError where they make no sense.
    """
    return read_source(settings), place_below(settings, "krl", f"{settings.name}.krl")


def open_authority(source: Source, environ: Mapping[str, str]) -> tuple[Any, str]:
    """Return a private key as cryptography has them, and in words where it is.

    Reads only the variable that the settings name, or SSH_AUTH_SOCK where the key is in an agent. Raises EdgeError
    when the key cannot be had, is too weak, or is not the private half of ``ca``.
    """
    if source.variable:
        key, where = _from_environment(source, environ)
    elif source.uri:
        hold_service(f"target {source.target}", source.uri, environ, source.pins)
        scheme = source.uri.partition(":")[0]
        key, where = _remote(source.public, _by_uri(source.uri, source.public)), f"behind {scheme}:"
    else:
        path = environ.get("SSH_AUTH_SOCK", "")
        if not path:
            raise EdgeError(
                f"target {source.target} has its CA key in an agent, and SSH_AUTH_SOCK is not set",
                hint="start ssh-agent and add the key, or name ca_key_env or ca_uri in the settings",
            )
        key, where = _remote(source.public, _by_agent(path, source.public)), "in the agent"
    _check(source.target, key, source.public)
    return key, where


def _text(settings: TargetSettings, option: str) -> str:
    if option not in settings.options:
        return ""
    value = settings.options[option]
    if not isinstance(value, str) or not value.strip():
        raise InvalidError(f"expected {option} of target {settings.name} to be text, got {value!r}", hint=_HINT)
    return value.strip()


def _public(settings: TargetSettings) -> str:
    """Return the option ``ca``, type and base64, "" where there is none."""
    text = _text(settings, "ca")
    if not text:
        return ""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415  (slow)

    try:
        return public_line(load_ssh_public_key(text.encode()))
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidError(
            f"ca of target {settings.name} is no public SSH key: {text[:40]!r}", hint="paste the line of its .pub file"
        ) from None


def _check(name: str, key: Any, public: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415  (slow)

    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        raise EdgeError(
            f"the CA key of target {name} is of a kind that signs no certificates", hint="use ed25519, ECDSA or RSA"
        )
    own = public_line(key.public_key())
    if public and own != public:
        raise EdgeError(
            f"the CA key of target {name} is not the private half of ca in the settings",
            hint="hosts trust the key in the settings; give daypass its private half",
        )
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA:
        raise EdgeError(
            f"the CA key of target {name} is too weak: {key.key_size} bits, at least {_LEAST_RSA}",
            hint="ssh-keygen -t ed25519 makes a good one",
        )


def _from_environment(source: Source, environ: Mapping[str, str]) -> tuple[Any, str]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  (slow)
        load_pem_private_key,
        load_ssh_private_key,
    )

    name, variable = source.target, source.variable
    value = environ.get(variable, "")
    if not value.strip():
        raise EdgeError(
            f"the environment variable {variable}, which target {name} names, is not set",
            hint="it holds the CA's private key, or the name of its file",
        )
    inline = "-----BEGIN" in value
    raw = (value.strip() + "\n").encode() if inline else _read(name, Path(value.strip()))
    where = f"in ${variable}" if inline else "in the file that $" + variable + " names"
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in raw else load_pem_private_key
    try:
        return load(raw, None), where
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Nothing of what was read is shown: it may be most of a key.
        raise EdgeError(
            f"the CA key of target {name}, {where}, is no private key without a passphrase",
            hint="OpenSSH's own form and PEM are read; a key with a passphrase belongs into an agent",
        ) from None


def _read(name: str, path: Path) -> bytes:
    try:
        found = path.stat()
        check_closed(f"the CA key of target {name}, {path},", path, found.st_mode)
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise EdgeError(f"the CA key of target {name}, {path}, cannot be read: {error.strerror}") from error


def _remote(public: str, sign: Callable[[bytes], bytes]) -> Any:
    """Return what cryptography takes for a private key, and whose signatures are made by ``sign``."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.serialization import load_ssh_public_identity  # noqa: PLC0415  (slow)

    key: Any = load_ssh_public_identity(public.encode())
    kinds: Any = {
        ed25519.Ed25519PublicKey: ed25519.Ed25519PrivateKey,
        ec.EllipticCurvePublicKey: ec.EllipticCurvePrivateKey,
    }
    kind = next((private for known, private in kinds.items() if isinstance(key, known)), None)
    if kind is None:
        raise EdgeError(
            "a CA key in an agent or behind a URI must be ed25519 or ECDSA", hint="RSA keys can be in a file"
        )

    class Elsewhere:
        """A key that is not here."""

        curve = getattr(key, "curve", None)

        def public_key(self) -> Any:
            return key

        def sign(self, data: bytes, _: object = None) -> bytes:
            return sign(data)

    kind.register(Elsewhere)
    return Elsewhere()


def _by_uri(uri: str, public: str) -> Callable[[bytes], bytes]:
    """Sign with securesystemslib's signer of a URI: ``awskms:``, ``gcpkms:``, ``azurekms:``, ``hv:``, ``file2:`` …."""
    from cryptography.hazmat.primitives.serialization import load_ssh_public_identity  # noqa: PLC0415  (slow)
    from securesystemslib.signer import Signer, SSlibKey  # noqa: PLC0415  (slow)

    key: Any = load_ssh_public_identity(public.encode())
    what = f"the CA key behind {uri.partition(':')[0]}: does not sign"
    hidden = "" if uri.startswith(FILE_SCHEME) else uri  # a file's path is no secret

    def sign(data: bytes) -> bytes:
        signer = translated(lambda: Signer.from_priv_key_uri(uri, SSlibKey.from_crypto(key)), what, hidden)
        return bytes.fromhex(translated(lambda: signer.sign(data), what, hidden).signature)

    return sign


def _by_agent(path: str, public: str) -> Callable[[bytes], bytes]:
    blob = base64.b64decode(public.split(" ")[1])
    ecdsa = public.startswith("ecdsa-")

    def sign(data: bytes) -> bytes:
        request = bytes([_SIGN_REQUEST]) + _string(blob) + _string(data) + struct.pack(">I", 0)
        answer = _ask_agent(path, request)
        if answer[:1] != bytes([_SIGN_RESPONSE]):
            raise EdgeError("the agent does not sign with the CA key", hint="`ssh-add -L` lists the keys that it has")
        _, signature = _split(_split(answer[1:])[0])
        raw = _split(signature)[0]
        return _der(raw) if ecdsa else raw

    return sign


def _der(raw: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415  (slow)

    r, rest = _split(raw)
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(_split(rest)[0], "big"))


def _string(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def _split(raw: bytes) -> tuple[bytes, bytes]:
    """Return the first string of SSH's encoding and what follows it."""
    size = int.from_bytes(raw[:4], "big")
    if len(raw) < 4 + size:
        raise EdgeError("the agent's answer cannot be read")
    return raw[4 : 4 + size], raw[4 + size :]


def _ask_agent(path: str, request: bytes) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(_WAIT)
            agent.connect(path)
            agent.sendall(_string(request))
            size = int.from_bytes(_receive(agent, 4), "big")
            return _receive(agent, min(size, _LARGEST))
    except OSError as error:
        raise EdgeError(f"the agent at {os.fspath(path)} does not answer: {error.strerror or error}") from error


def _receive(agent: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = agent.recv(size - len(found))
        if not part:
            raise EdgeError("the agent went away without an answer")
        found += part
    return found
