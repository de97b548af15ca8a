from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
import pytest

from daypass.core.errors import EdgeError
from daypass.edges.targets.common import seal

TAKEN = "(ssh-ed25519, ssh-rsa of 2048 bits or more, and age keys are taken)"


def pair(folder: Path, kind: str, *more: str) -> tuple[str, bytes]:
    private = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", kind, *more, "-f", private], check=True)
    return " ".join(private.with_suffix(".pub").read_text().split()[:2]), private.read_bytes()


@pytest.mark.parametrize("kind", [("ed25519",), ("rsa", "-b", "2048")], ids=["ed25519", "rsa"])
def test_only_the_keys_owner_reads_it(tmp_path: Path, kind: tuple[str, ...]) -> None:
    public, private = pair(tmp_path, *kind)
    sealed = seal("pässword", [public])
    assert sealed.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert "pässword" not in sealed
    assert pyrage.decrypt(sealed.encode(), [pyrage.ssh.Identity.from_buffer(private)]).decode() == "pässword"
    (tmp_path / "other").mkdir()
    _, stranger = pair(tmp_path / "other", "ed25519")
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed.encode(), [pyrage.ssh.Identity.from_buffer(stranger)])


def test_an_age_key_is_taken() -> None:
    identity = pyrage.x25519.Identity.generate()
    sealed = seal("secret", [str(identity.to_public())])
    assert pyrage.decrypt(sealed.encode(), [identity]) == b"secret"


def test_every_fit_key_opens_it_and_an_unfit_one_is_passed_over(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    one, other, unfit = pair(tmp_path / "a", "ed25519"), pair(tmp_path / "b", "ed25519"), pair(tmp_path / "c", "ecdsa")
    sealed = seal("secret", [unfit[0], one[0], other[0]])
    for _, private in (one, other):
        assert pyrage.decrypt(sealed.encode(), [pyrage.ssh.Identity.from_buffer(private)]) == b"secret"


def test_no_key_is_a_refusal() -> None:
    with pytest.raises(EdgeError) as refused:
        seal("secret", [])
    assert refused.value.message == "the directory names no public key of the subject to encrypt a secret to"
    assert refused.value.hint.startswith("put another public key of theirs into the directory")


def test_a_weak_key_is_a_refusal(tmp_path: Path) -> None:
    public, _ = pair(tmp_path, "rsa", "-b", "1024")
    with pytest.raises(EdgeError) as refused:
        seal("secret", [public])
    words = "no public key of the subject can have a secret encrypted to it: 'ssh-rsa' of 1024 bits is too weak"
    assert refused.value.message == f"{words} {TAKEN}"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("ecdsa-sha2-nistp256 AAAA", "'ecdsa-sha2-nistp256' is of another kind"),
        ("sk-ssh-ed25519@openssh.com AAAA", "'sk-ssh-ed25519@openssh.com' is of another kind"),
        ("ssh-rsa AAAA", "'ssh-rsa' does not read"),
        ("ssh-ed25519 AAAA", "'ssh-ed25519' does not read: "),
        ("age1nonsense", "'age1nonsense' does not read: "),
        ("x" * 100, f"'{'x' * 37}...' is of another kind"),
    ],
)
def test_a_key_that_does_not_do_is_named_with_the_reason(key: str, why: str) -> None:
    with pytest.raises(EdgeError) as refused:
        seal("the secret itself", [key])
    assert why in refused.value.message
    assert "the secret itself" not in refused.value.message
