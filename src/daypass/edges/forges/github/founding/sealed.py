"""Secrets of the environment, sealed here so that only GitHub reads them; variables of the repository; keys in files here.

https://docs.github.com/en/rest/guides/encrypting-secrets-for-the-rest-api
"""

from __future__ import annotations

import base64
import binascii
import os
from http import HTTPStatus
from pathlib import Path

from daypass.core.errors import EdgeError, UsageError
from daypass.edges.forges.github.answers import ApiError, Fields
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.doctor.facts import ENVIRONMENT


def seal(public: str, text: str) -> str:
    """Seal a text to a key of GitHub's, in base64. Raises EdgeError where that is no key."""
    from nacl.exceptions import CryptoError  # noqa: PLC0415  (only setting up needs it)
    from nacl.public import PublicKey, SealedBox  # noqa: PLC0415  (likewise)

    try:
        box = SealedBox(PublicKey(base64.b64decode(public, validate=True)))
    except (binascii.Error, CryptoError, ValueError, TypeError) as error:
        raise EdgeError("GitHub's key for secrets is no key") from error
    return base64.b64encode(box.encrypt(text.encode())).decode("ascii")


def put_secret(api: Api, name: str, text: str) -> None:
    """Keep a secret in the environment. Raises ApiError, which shows no secret.

    https://docs.github.com/en/rest/actions/secrets#create-or-update-an-environment-secret
    """
    path = f"/repos/{api.repository}/environments/{ENVIRONMENT}/secrets"
    key = Fields("the environment's key", api.get(f"{path}/public-key"))
    body = {"encrypted_value": seal(key.text("key"), text), "key_id": key.text("key_id")}
    api.send("PUT", f"{path}/{name}", body, safe=True)


def secrets_there(api: Api) -> frozenset[str]:
    """Return the names of the environment's secrets, none where there is no environment."""
    path = f"/repos/{api.repository}/environments/{ENVIRONMENT}/secrets"
    try:
        rows = api.pages(path, key="secrets")
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return frozenset()
    return frozenset(Fields("a secret", row).text("name") for row in rows)


def put_variable(api: Api, name: str, text: str) -> None:
    """Keep a variable of the repository: https://docs.github.com/en/rest/actions/variables."""
    path = f"/repos/{api.repository}/actions/variables"
    if name in variables_there(api):
        api.send("PATCH", f"{path}/{name}", {"name": name, "value": text}, safe=True)
    else:
        api.send("POST", path, {"name": name, "value": text})


def variables_there(api: Api) -> dict[str, str]:
    """Return the repository's variables."""
    rows = [
        Fields("a variable", row) for row in api.pages(f"/repos/{api.repository}/actions/variables", key="variables")
    ]
    return {row.text("name"): row.text("value") for row in rows}


def key_in(named: str) -> str:
    """Read a private key from the file that somebody named."""
    place = Path(os.path.expanduser(named.strip()))  # noqa: PTH111  (raises nothing where nobody has that name)
    try:
        return place.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeError(f"the key cannot be read from {place}") from error


def refuse_taken(place: Path) -> None:
    """Raise UsageError where no key could be written: looked at before there is one, since GitHub tells it once."""
    if place.exists() or place.is_symlink():
        raise UsageError(
            f"{place} is there already, and the App's key is written over nothing", hint="name another file"
        )
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise UsageError(f"the App's key cannot be written to {place}", hint="name a file in a folder that is yours")


def write_key(place: Path, key: str) -> None:
    """Write the key for its owner alone, over nothing that is there."""
    try:
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(key)
    except OSError as error:
        raise EdgeError(f"the App's key cannot be written to {place}: {error.strerror}") from error
