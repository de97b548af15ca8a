"""What we are known by at GitHub: an App's key, a workflow's own token, or a person's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from github import Auth

from daypass.core.errors import EdgeError
from daypass.core.record import dataclass

_PERSONAL = ("github_pat_", "ghp_")
"""How the tokens of people begin; a workflow's own does not, and only its beginning may be relied upon."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Either ``fixed``, a token as it is, or ``app``, whose key signs for tokens of its installation (0: to be found)."""

    kind: str
    fixed: Auth.Token | None = field(default=None, repr=False)
    app: Auth.AppAuth | None = field(default=None, repr=False)
    app_id: str = ""
    installation: int = 0


def credential_from(environ: Mapping[str, str]) -> Credential:
    """Return what the environment holds: the App first, then GITHUB_TOKEN, then GH_TOKEN; empty counts as not set.

    Raises EdgeError, never showing a secret, for none and for half an App.
    """
    app = environ.get("DAYPASS_APP_ID", "")
    key = environ.get("DAYPASS_APP_KEY", "") or _key_file(environ.get("DAYPASS_APP_KEY_FILE", ""))
    if bool(app) != bool(key):
        missing = "DAYPASS_APP_KEY or DAYPASS_APP_KEY_FILE" if app else "DAYPASS_APP_ID"
        raise EdgeError(f"half of the App's access is set: {missing} is missing", hint="set both, or neither")
    if app:
        number = environ.get("DAYPASS_APP_INSTALLATION", "")
        if number and not (number.isascii() and number.isdecimal()):
            raise EdgeError(f"expected a number in DAYPASS_APP_INSTALLATION, got {number!r}")
        return Credential(
            "app", app=Auth.AppAuth(app, sign_func=_signer(key)), app_id=app, installation=int(number or 0)
        )
    token = environ.get("GITHUB_TOKEN", "") or environ.get("GH_TOKEN", "")
    if not token:
        raise EdgeError(
            "there is neither an App nor a token here to act by at GitHub",
            hint="set DAYPASS_APP_ID and DAYPASS_APP_KEY, or GITHUB_TOKEN; docs/github.md says which is for what",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise EdgeError("the token for GitHub holds characters that no token has", hint="was a line end copied along?")
    workflow = environ.get("GITHUB_ACTIONS") == "true" and not token.startswith(_PERSONAL)
    return Credential("actions" if workflow else "token", fixed=Auth.Token(token))


def _key_file(name: str) -> str:
    if not name:
        return ""
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeError(f"the App's key cannot be read from {name!r}", hint="correct DAYPASS_APP_KEY_FILE") from error


def _signer(text: str) -> Callable[[dict[str, Any]], str]:
    key = _read_key(text)
    return lambda claims: jwt.encode(claims, key, "RS256")


@lru_cache(maxsize=8)
def _read_key(text: str) -> RSAPrivateKey:
    """Read the App's key once a process: proving that it is one takes longer than all signatures of a run."""
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EdgeError("the App's key is no private key in PEM", hint="download it from the App's page") from error
    if not isinstance(key, RSAPrivateKey):
        raise EdgeError("the App's key is no RSA key", hint="GitHub makes the key; download it from the App's page")
    return key
