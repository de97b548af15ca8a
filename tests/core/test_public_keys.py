"""One key has one spelling, whatever it was pasted as."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from policy_samples import DIRECTORY, policy

from daypass.core.files.publickey import canonical_key, is_pem

CURVES = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}


def line(private) -> str:
    return private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


ED25519 = line(Ed25519PrivateKey.generate())
RSA = line(rsa.generate_private_key(65537, 2048))
ECDSA = [line(ec.generate_private_key(curve)) for curve in CURVES.values()]


def wire(*fields: bytes) -> str:
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return f"{fields[0].decode()} {base64.b64encode(blob).decode()}"


def fields_of(key: str) -> list[bytes]:
    blob, found = base64.b64decode(key.split()[1]), []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        found.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return found


KEY = fields_of(ED25519)[1]
POINT = fields_of(ECDSA[0])[2]
SECURITY_KEYS = [
    wire(b"sk-ssh-ed25519@openssh.com", KEY, b"ssh:"),
    wire(b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", POINT, b"ssh:"),
]


KEYS = [ED25519, RSA, *ECDSA, *SECURITY_KEYS]


@pytest.mark.parametrize("key", KEYS, ids=[str(n) for n in range(len(KEYS))])
def test_a_key_is_kept_as_it_is_without_its_comment(key: str) -> None:
    assert canonical_key(f"  {key}   alice@laptop, the new one ") == key


def test_other_bits_after_the_last_byte_spell_the_same_key() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    key = next(k for k in (SECURITY_KEYS[0], wire(b"sk-ssh-ed25519@openssh.com", KEY, b"ssh:a")) if k.endswith("="))
    stem = key.rstrip("=")
    other = stem[:-1] + alphabet[alphabet.index(stem[-1]) + 1] + "=" * (len(key) - len(stem))
    assert other != key
    assert canonical_key(other) == key


WRONG = [
    "",
    "ssh-ed25519",
    "ssh-ed25519 !!!!",
    "ssh-ed25519 AAAA",
    ED25519.replace("ssh-ed25519", "ssh-dss", 1),
    ED25519.replace("ssh-ed25519", "ssh-rsa", 1),
    f"{ED25519}\n{ED25519}",
    ED25519 + "AAAA",
    wire(b"ssh-ed25519", KEY[:-1]),
    wire(b"ssh-ed25519", KEY, b""),
    wire(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + fields_of(RSA)[2]),  # the same number, written longer
    wire(b"ssh-rsa", b"\x00\x01\x00\x01", fields_of(RSA)[2]),
    wire(b"ssh-rsa", b"", fields_of(RSA)[2]),
    wire(b"ssh-rsa", b"\x81", fields_of(RSA)[2]),  # a negative number
    wire(b"ecdsa-sha2-nistp256", b"nistp384", POINT),
    wire(b"ecdsa-sha2-nistp256", b"nistp256", b"\x02" + POINT[1:33]),  # the same point, compressed
    wire(b"ecdsa-sha2-nistp256", b"nistp256", b"\x05" + POINT[1:]),
    "ssh-ed25519 " + base64.b64encode(b"\xff\xff\xff\xff").decode(),
    "ssh-ed25519 " + base64.b64encode(b"\x00").decode(),
]


@pytest.mark.parametrize("text", WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_what_is_no_key_or_is_spelled_otherwise_is_refused(text: str) -> None:
    assert canonical_key(text) == ""


def test_one_key_in_two_spellings_does_not_make_two_people() -> None:
    key = next(
        k for k in (wire(b"sk-ssh-ed25519@openssh.com", KEY, b"ssh:" + b"a" * n) for n in range(3)) if k[-1] == "="
    )
    stem = key.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = stem[:-1] + alphabet[alphabet.index(stem[-1]) + 1] + "=" * (len(key) - len(stem))
    text = DIRECTORY.replace("email: dan@example.com", f'email: dan@example.com, ssh_keys: ["{key}"]')
    text = text.replace("email: carol@example.com", f'email: carol@example.com, ssh_keys: ["{other} carol"]')
    found = policy(directory_people=text)
    assert any(f.code == "same-person" and "same SSH key" in f.message for f in found.findings)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"-----BEGIN PUBLIC KEY-----\nMCow\nBQYDK2Vw\n-----END PUBLIC KEY-----\n", True),
        (b"-----BEGIN PUBLIC KEY-----\r\nMCow\r\n-----END PUBLIC KEY-----", True),
        (b"-----BEGIN PUBLIC KEY-----\nMCo\n-----END PUBLIC KEY-----\n", False),  # cut off
        (b"-----BEGIN PUBLIC KEY-----\n \n-----END PUBLIC KEY-----\n", False),
        (b"-----BEGIN PUBLIC KEY-----\nMCow", False),
        (b"a: [\n", False),
        (b"", False),
    ],
)
def test_a_public_key_in_pem_form_is_told_from_what_is_none(raw: bytes, said: bool) -> None:
    assert is_pem(raw) is said
