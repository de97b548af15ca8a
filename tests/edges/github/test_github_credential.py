"""What we are known by at GitHub."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from daypass.core.errors import EdgeError
from daypass.edges.forges.github.transport import credential_from


def pem(key) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


KEY = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def test_the_app_comes_first() -> None:
    found = credential_from(
        {"DAYPASS_APP_ID": "7", "DAYPASS_APP_KEY": KEY, "GITHUB_TOKEN": "ghs_x", "GITHUB_ACTIONS": "true"}
    )
    assert (found.kind, found.app_id, found.installation, found.fixed) == ("app", "7", 0, None)
    assert KEY[:60] not in repr(found)


def test_the_apps_key_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(KEY)
    environ = {
        "DAYPASS_APP_ID": "7",
        "DAYPASS_APP_KEY_FILE": str(tmp_path / "key.pem"),
        "DAYPASS_APP_INSTALLATION": "12",
    }
    assert credential_from(environ).installation == 12


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"GITHUB_TOKEN": "ghs_x", "GITHUB_ACTIONS": "true"}, "actions"),
        ({"GITHUB_TOKEN": "github_pat_x", "GITHUB_ACTIONS": "true"}, "token"),
        ({"GITHUB_TOKEN": "ghs_x"}, "token"),
        ({"GITHUB_TOKEN": "", "GH_TOKEN": "ghp_x"}, "token"),
        ({"GITHUB_TOKEN": "a", "GH_TOKEN": "b", "DAYPASS_APP_ID": "", "DAYPASS_APP_KEY": ""}, "token"),
    ],
)
def test_a_token_is_a_workflows_or_a_persons(environ: dict[str, str], kind: str) -> None:
    assert credential_from(environ).kind == kind


def test_the_workflows_token_comes_before_the_persons() -> None:
    found = credential_from({"GITHUB_TOKEN": "first", "GH_TOKEN": "second"})
    assert found.fixed is not None
    assert found.fixed.token == "first"
    assert "first" not in repr(found)
    assert repr(found) == "Credential(kind='token', app_id='', installation=0)"


@pytest.mark.parametrize(
    ("environ", "message", "hint"),
    [
        ({}, "there is neither an App nor a token here to act by at GitHub", "yours: export GH_TOKEN=$(gh auth token); else DAYPASS_APP_ID and DAYPASS_APP_KEY, as docs/github.md says"),
        ({"DAYPASS_APP_ID": "7", "GITHUB_TOKEN": "x"}, "half of the App's access is set: DAYPASS_APP_KEY or DAYPASS_APP_KEY_FILE is missing", "set both, or neither"),
        ({"DAYPASS_APP_KEY": "k", "GITHUB_TOKEN": "x"}, "half of the App's access is set: DAYPASS_APP_ID is missing", "set both, or neither"),
        ({"DAYPASS_APP_ID": "7", "DAYPASS_APP_KEY": "-----BEGIN"}, "the App's key is no private key in PEM", "download it from the App's page"),
        ({"DAYPASS_APP_ID": "7", "DAYPASS_APP_KEY": pem(ed25519.Ed25519PrivateKey.generate())}, "the App's key is no RSA key", "GitHub makes the key; download it from the App's page"),
        ({"DAYPASS_APP_ID": "7", "DAYPASS_APP_KEY": KEY, "DAYPASS_APP_INSTALLATION": "x"}, "expected a number in DAYPASS_APP_INSTALLATION, got 'x'", ""),
        ({"DAYPASS_APP_ID": "7", "DAYPASS_APP_KEY_FILE": "/nowhere/key"}, "the App's key cannot be read from '/nowhere/key'", "correct DAYPASS_APP_KEY_FILE"),
        ({"GH_TOKEN": "ghp_x\n"}, "the token for GitHub holds characters that no token has", "was a line end copied along?"),
        ({"GH_TOKEN": "ghp x"}, "the token for GitHub holds characters that no token has", "was a line end copied along?"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_without_showing_it(environ: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(EdgeError) as caught:
        credential_from(environ)
    assert (caught.value.message, caught.value.hint) == (message, hint)
