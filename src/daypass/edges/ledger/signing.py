"""Signing receipts and opening them again: DSSE envelopes by securesystemslib.

A signer is a key file of our own or any securesystemslib signer URI (``file2:``, ``awskms:``, ``gcpkms:``, ``hv:`` …);
who may have signed is told by public keys, PEM, from ``policies/``. An envelope
(https://github.com/secure-systems-lab/dsse) has one JSON form, the canonical one, and exactly one signature: another
spelling of the same envelope, a field more, or a second signature is refused, so that no byte of the ledger can change
unnoticed. securesystemslib is slow to import and is loaded when a signature is first made or checked.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from daypass.core.errors import EdgeError, LedgerError
from daypass.core.finding import shown
from daypass.core.ids import canonical
from daypass.core.ledger.keys import NO_LIMITS, KeyLimits, held_to
from daypass.core.ledger.receipt import PAYLOAD_TYPE
from daypass.edges.ledger.keyfiles import check_private, read_public_key

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import Signer, SSlibKey

FILE_SCHEME = "file2:"


_SCHEME = r"[a-z][a-z0-9+.-]{0,15}:(?!.*-----)"
_SHORT = 3

T = TypeVar("T")


def translated(call: Callable[[], T], what: str, uri: str = "") -> T:
    """Call into a signer of whatever kind and turn its failure into ours, without its address: that may hold a secret.

    Everything is caught, since each cloud's client raises its own kinds, as securesystemslib documents.
    """
    try:
        return call()
    except Exception as error:  # noqa: BLE001  (each client raises its own kinds)
        parts = [part for part in re.split(r"[:/?#@&=\s]+", re.sub(_SCHEME, "", uri)) if len(part) > _SHORT]
        said = type(error).__name__ if any(part in str(error) for part in parts) else str(error)
        raise EdgeError(f"{what}: {said}", hint="see the signer's own documentation for its URI") from None


class EnvelopeSigner:
    """Signs statements with a private key that is named by a file path or a securesystemslib signer URI.

    The key's own bytes (PKCS#8 PEM, without a passphrase) will do as well: that is how a workflow's secret comes.
    ``public`` is the PEM of the public half. Raises EdgeError when the key cannot be reached or does not belong to it.
    """

    def __init__(self, private: Path | str | bytes, public: bytes | str) -> None:
        from securesystemslib.signer import Signer  # noqa: PLC0415  (slow)

        if isinstance(private, bytes):
            self._signer = _from_pem(private, read_public_key(public))
            self.key_id: str = self._signer.public_key.keyid
            return
        uri = f"{FILE_SCHEME}{private.absolute()}" if isinstance(private, Path) else private
        if uri.startswith(FILE_SCHEME):
            check_private(Path(translated(lambda: urlsplit(uri), "the signing key's address cannot be read").path))
        key = read_public_key(public)
        self.key_id = key.keyid
        what = f"the signing key {_named(uri)} cannot be used"
        self._signer = translated(lambda: Signer.from_priv_key_uri(uri, key), what, uri)

    def sign(self, statement: dict[str, Any]) -> bytes:
        """Return the envelope's JSON, canonical. Raises EdgeError when the key does not sign."""
        from securesystemslib.dsse import Envelope  # noqa: PLC0415  (slow)

        envelope: Envelope = Envelope(canonical(statement).encode(), PAYLOAD_TYPE, {})
        translated(lambda: envelope.sign(self._signer), "a receipt cannot be signed")
        return canonical(envelope.to_dict()).encode()


def _named(uri: str) -> str:
    """Return what may be shown of a signer's address: a file's path, else the scheme alone."""
    scheme = re.match(_SCHEME, uri)
    return uri if uri.startswith(FILE_SCHEME) else f"{scheme[0]}…" if scheme else "that was named"


def _from_pem(pem: bytes, public: SSlibKey) -> Signer:
    """Make a signer of a private key's bytes. What is wrong with them is said without showing any."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  (slow)
    from securesystemslib.signer import CryptoSigner, SSlibKey  # noqa: PLC0415  (slow)

    try:
        key: Any = load_pem_private_key(pem, None)
        own = SSlibKey.from_crypto(key.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise EdgeError(
            "the signing key that was handed over is no private key in PEM form without a passphrase",
            hint="DAYPASS_LEDGER_KEY holds the whole file, from -----BEGIN PRIVATE KEY----- on",
        ) from None
    if own.keyid != public.keyid:
        raise EdgeError(
            f"the signing key that was handed over is not the private half of {public.keyid[:16]}…",
            hint="ledger.keys in policies/daypass.yaml must name its public half",
        )
    return CryptoSigner(key, public)


def find_signer(keys: Mapping[str, bytes], folder: Path, uri: str, private: str) -> EnvelopeSigner:
    """Return the signer of one of the public ``keys``, PEM by name: the first that it belongs to, where several are in use.

    It is ``private`` (PEM) or behind ``uri``; where neither is named, ``<key id>.pem`` in ``folder``. Raises EdgeError,
    LedgerError where there is none.
    """
    if not uri and not private:
        looked = []
        for name, pem in keys.items():
            path = folder / f"{read_public_key(pem, name).keyid}.pem"
            if path.exists():
                return EnvelopeSigner(path, pem)
            looked.append(str(path))
        raise EdgeError(
            f"there is no signing key at {' or '.join(looked) or folder}",
            hint="only the applier has it; DAYPASS_KEYS names another folder, DAYPASS_SIGNER a signer URI",
        )
    problem: EdgeError | None = None
    for pem in keys.values():
        try:
            return EnvelopeSigner(private.encode("utf-8", "surrogateescape") or uri, pem)
        except EdgeError as error:
            problem = error
    raise problem or LedgerError("the settings name no ledger key", hint="ledger.keys in policies/daypass.yaml")


Check = Callable[[bytes, bytes], bool]
"""Says whether a payload carries this signature."""


class EnvelopeVerifier:
    """Opens envelopes signed by one of the known keys: file name (as in ``policies/``) -> PEM.

    ``limits`` say of keys, by file name, how far their word reaches.
    """

    def __init__(self, keys: Mapping[str, bytes | str], limits: Mapping[str, KeyLimits] | None = None) -> None:
        if not keys:
            # No key is no pass: a ledger that nobody may sign is a mistake in the settings.
            raise LedgerError(
                "no key is named that may sign receipts", hint="ledger.keys in policies/daypass.yaml names them"
            )
        self._pems = {name: pem.encode() if isinstance(pem, str) else pem for name, pem in sorted(keys.items())}
        self._limits = limits or {}
        self._known: dict[str, Check] = {}
        self._bounds: dict[str, tuple[str, KeyLimits]] = {}

    @property
    def fingerprints(self) -> frozenset[str]:
        """The SHA-256 of each key's file with its limits, by which a cache knows whom it believed. Imports nothing."""
        return frozenset(
            hashlib.sha256(pem + repr((*self._limits.get(name, NO_LIMITS),)).encode()).hexdigest()
            for name, pem in self._pems.items()
        )

    @property
    def revoked(self) -> str:
        """Name the keys that were revoked, each with from where on; "" where none was."""
        if all(limits.first_void is None for limits in self._limits.values()):
            return ""  # without reading a key: that is slow
        self._keys()
        found = {key: bound.first_void for key, (_, bound) in self._bounds.items() if bound.first_void is not None}
        return hashlib.sha256(canonical(found).encode()).hexdigest()[:8]

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the known keys, sorted."""
        return tuple(sorted(self._keys()))

    def open(self, raw: bytes) -> dict[str, Any]:
        """Return the statement. Raises LedgerError, with the reason, for anything not signed by a known key."""
        payload, key_id, signature = _take_apart(raw)
        check = self._keys().get(key_id)
        if check is None:
            raise LedgerError(
                f"it is signed by another key ({key_id[:16]}…) than those that may sign ({', '.join(self._pems)})",
                hint="if the key was exchanged, ledger.keys must name the old one as well as the new",
            )
        if not check(payload, signature):
            raise LedgerError("its signature does not fit its contents: a byte was changed")
        try:
            statement = msgspec.json.decode(payload)
        except (ValueError, RecursionError):
            raise LedgerError("its payload is no JSON") from None
        # In this order, and with these escapes, as `canonical` writes it.
        if not isinstance(statement, dict) or msgspec.json.encode(statement, order="sorted") != payload:
            raise LedgerError("its payload is not written in canonical form")
        name, limits = self._bounds[key_id]
        return held_to(limits, statement, name)

    def _keys(self) -> dict[str, Check]:
        if not self._known:
            for name, pem in self._pems.items():
                key = read_public_key(pem, f"policies/{name}")
                # One key in two files is bound by what is said of either.
                known = self._bounds.get(key.keyid, (name, NO_LIMITS))[1]
                self._bounds[key.keyid] = (name, known.stricter(self._limits.get(name, NO_LIMITS)))
                self._known[key.keyid] = _check_of(key)
        return self._known


def _check_of(key: SSlibKey) -> Check:
    """Return what says whether a payload carries the signature of a key.

    securesystemslib reads a key anew for each signature, and asks OpenSSL. Ed25519 needs nothing that it knows beside, and
    libsodium takes half as long for it; of what OpenSSL accepts it refuses keys and points of small order.
    """
    if (key.keytype, key.scheme) == ("ed25519", "ed25519"):
        from nacl.bindings import crypto_sign_BYTES, crypto_sign_open  # noqa: PLC0415  (slow)
        from nacl.exceptions import BadSignatureError  # noqa: PLC0415  (slow)

        public = bytes.fromhex(key.keyval["public"])

        def check_ed25519(payload: bytes, signature: bytes) -> bool:
            if len(signature) != crypto_sign_BYTES:  # else part of it could be taken for what is signed
                return False
            try:
                crypto_sign_open(b"%b%b %d %b" % (signature, _SIGNED, len(payload), payload), public)
            except BadSignatureError:
                return False
            return True

        return check_ed25519

    from securesystemslib.dsse import Envelope  # noqa: PLC0415  (slow)
    from securesystemslib.exceptions import VerificationError  # noqa: PLC0415  (slow)
    from securesystemslib.signer import Signature  # noqa: PLC0415  (slow)

    def check(payload: bytes, signature: bytes) -> bool:
        try:
            Envelope(payload, PAYLOAD_TYPE, {key.keyid: Signature(key.keyid, signature.hex())}).verify([key], 1)
        except VerificationError:
            return False
        return True

    return check


_SIGNED = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE}".encode()
"""How what DSSE has signed begins, ahead of the payload's length and the payload."""


def signer_of(raw: bytes) -> str:
    """Return the id of the key that an envelope names as its signer's. Raises LedgerError for what is none."""
    return _take_apart(raw)[1]


def stated(raw: bytes) -> dict[str, Any]:
    """Return what an envelope states, whoever signed it: for people to look at, never to be believed. Raises LedgerError."""
    try:
        return msgspec.json.decode(_take_apart(raw)[0], type=dict[str, Any])
    except (ValueError, RecursionError):
        raise LedgerError("its payload is no JSON") from None


_ENVELOPE = {"payload", "payloadType", "signatures"}
_SIGNATURE = {"keyid", "sig"}
_PARTS = (
    b'{"payload":"',
    f'","payloadType":"{PAYLOAD_TYPE}","signatures":[{{"keyid":"'.encode(),
    b'","sig":"',
    b'"}]}',
)


def _take_apart(raw: bytes) -> tuple[bytes, str, bytes]:
    """Return payload, key id and signature of an envelope that has its one canonical form. Raises LedgerError."""
    first, second, third, last = _PARTS
    told, _, rest = raw.removeprefix(first).partition(second)
    key_id, _, signed = rest.partition(third)
    payload, signature = _decode(told), _decode(signed.removesuffix(last))
    # base64 can be written in other ways: only what is written as the same bytes again is the one form.
    again = (first, _encode(payload), second, key_id, third, _encode(signature), last)
    if key_id.isalnum() and b"".join(again) == raw:
        return payload, key_id.decode(), signature
    raise LedgerError(_why_not_canonical(raw))


def _encode(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False)


def _why_not_canonical(raw: bytes) -> str:
    """Say what is wrong with something that is no envelope in canonical form."""
    try:
        envelope = json.loads(raw)
    except (ValueError, RecursionError):
        return "it is no envelope: a byte was changed, or it was never one"
    if not isinstance(envelope, dict) or set(envelope) != _ENVELOPE or not isinstance(envelope["payloadType"], str):
        return f"expected an envelope of {', '.join(sorted(_ENVELOPE))} and nothing else"
    if envelope["payloadType"] != PAYLOAD_TYPE:
        return f"expected a payload of type {PAYLOAD_TYPE!r}, got {canonical(shown(envelope['payloadType']))}"
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        return "expected exactly one signature"
    if not isinstance(signatures[0], dict) or set(signatures[0]) != _SIGNATURE:
        return f"expected a signature of {', '.join(sorted(_SIGNATURE))} and nothing else"
    texts = (envelope["payload"], signatures[0]["sig"])
    if any(isinstance(text, str) and text and not _decode(text) for text in texts):
        return "its base64 cannot be read: a byte was changed"
    return "it is not written in canonical form: a byte outside the signed part was changed"


def _decode(text: bytes | str) -> bytes:
    """Return what base64 stands for; nothing where it stands for nothing, which is written in another way."""
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return b""
