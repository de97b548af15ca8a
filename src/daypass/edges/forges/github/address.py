"""The address of GitHub's API: read without the client library, which takes long to load."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from daypass.core.errors import InvalidError

API = "https://api.github.com"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Base(NamedTuple):
    """Where an API is. ``local``: on this machine."""

    host: str
    port: int | None
    secure: bool
    local: bool


def read_base(base: str) -> Base:
    """Read the address of an API. Raises InvalidError for one that is not https, loopback excepted, or says more."""
    try:
        parts = urlsplit(base)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidError(f"expected the address of GitHub's API, got {base!r}: {error}") from error
    local = host in _LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise InvalidError(
            f"expected the address of GitHub's API to begin with https://, got {base!r}",
            hint="correct GITHUB_API_URL; without it https://api.github.com is used",
        )
    if parts.username or parts.password or not host or parts.query or parts.fragment:
        raise InvalidError(f"expected the address of GitHub's API alone, got one of {host!r} with more")
    return Base(host, port, parts.scheme == "https", local)


def server_of(base: str) -> str:
    """Return the host that people know a GitHub server by, which its hidden addresses end in, from its API's address.

    An API on this machine stands for github.com.
    https://docs.github.com/en/enterprise-server@latest/rest/using-the-rest-api/getting-started-with-the-rest-api
    """
    found = read_base(base)
    return "github.com" if found.local else found.host.removeprefix("api.")
