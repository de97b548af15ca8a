"""What main's settings pin: where credentials go, whoever wrote the secrets and variables that the environment holds.

Who may write to a repository at GitHub may overwrite its Actions secrets, and so an address to which a password or token
is sent, or the App that a run acts as. So main says beside each such variable which hosts it may name (``host``), or which
App it must be (``app``). What names another is refused before anything is looked up, connected to or sent; it is not
repeated in the message, since what is no address may be a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from daypass.core.errors import ElsewhereError, InvalidError

if TYPE_CHECKING:
    from daypass.core.bounds.settings import Settings

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})"
_HOST = re.compile(rf"(?:(?P<host>{_NAME})|\[(?P<six>[0-9A-Fa-f:.]{{2,45}})\])(?::(?P<port>[0-9]{{1,5}}))?")
_AMBIGUOUS = frozenset("\\@ ")
_SOCKET = re.compile(r"[/@][^\s,]{0,200}")
APP = re.compile(r"[1-9][0-9]{0,14}|Iv[A-Za-z0-9.]{1,60}")
"""The number of a GitHub App, or its client id: what DAYPASS_APP_ID holds."""


class Pin(NamedTuple):
    """A host that may be named, and its port, "" for any. A socket of the file system is a host that begins with / or @."""

    host: str
    port: str = ""

    def __str__(self) -> str:
        """Write it as the settings do."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


Pins = tuple[Pin, ...]
"""Hosts of which one has to be meant; none: main does not say."""


PINNED_BY: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "url_env": ("which host it is at", "host"),
        "app_id_env": ("which App acts there", "app"),
        "ca_key_env": ("which CA signs", "ca"),
    }
)
"""What the variable of an option decides, and the option that says on main what it may hold."""


def read_pins(whose: str, options: Mapping[str, Any]) -> Pins:
    """Read the option ``host``: a host, or a list of them. Raises InvalidError for anything else; ``whose`` it is."""
    if "host" not in options:
        return ()
    given = options["host"]
    every = given if isinstance(given, list | tuple) else [given]
    found = [_read(one) for one in every]
    if not found or None in found:
        raise InvalidError(
            f"expected host of {whose} to be a host, or a list of hosts, got {given!r}",
            hint="host: db.example.com, with a port where no other is meant: db.example.com:5432",
        )
    return tuple(pin for pin in found if pin is not None)


def _read(text: object) -> Pin | None:
    if not isinstance(text, str):
        return None
    if _SOCKET.fullmatch(text):
        return Pin(text)
    found = _HOST.fullmatch(text)
    return Pin(_plain(found["host"] or found["six"]), found["port"] or "") if found else None


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


def hold(whose: str, variable: str, places: Iterable[tuple[str, str]], pins: Pins) -> None:
    """Refuse an address that means another place, a host and its port, than main's settings name; any, where they do not.

    Raises ElsewhereError.
    """
    if not pins:
        return
    for host, port in places:
        if not any(pin.host == _plain(host) and pin.port in ("", port) for pin in pins):
            raise ElsewhereError(
                f"{whose}: {variable} names another host than main's settings, which say host: "
                f"{', '.join(map(str, pins))} ({_stands(whose, 'host')})",
                hint=f"who wrote that secret? {_MENDED}",
            )


_MENDED = (
    "correct it there; where main is what is wrong, the owners of policies/ approve the pull request that changes it"
)


def _stands(whose: str, option: str) -> str:
    """Say where a pin of something stands, and how it is changed."""
    name = whose.removeprefix("target ")
    of = f"targets.{name}" if name != whose else whose.removeprefix("the ")
    return f"{of}.{option} in policies/daypass.yaml on main, changed by a pull request"


def hold_url(whose: str, variable: str, value: str, pins: Pins, usual: Mapping[str, str]) -> None:
    """Refuse a URL that names another host. ``usual`` are the ports of schemes that say none. Raises ElsewhereError.

    So is one that clients read in several ways: to some a backslash ends the host, to others what stands before @ is a name.
    """
    value = value.strip()
    place = ("", "")
    with suppress(ValueError):
        parts = urlsplit(value)
        if value.isascii() and value.isprintable() and not _AMBIGUOUS & {*value}:
            place = (parts.hostname or "", str(parts.port or usual.get(parts.scheme, "")))
    hold(whose, variable, [place], pins)


WEB: Mapping[str, str] = MappingProxyType({"https": "443", "http": "80"})


def hold_app(whose: str, variable: str, value: str, pin: str) -> None:
    """Refuse another App than main's settings name, where both name one. Raises ElsewhereError."""
    if pin and value and value != pin:
        raise ElsewhereError(
            f"{whose}: {variable} names another App than main's settings, which say app: {pin} "
            f"({_stands(whose, 'app')})",
            hint=f"who wrote that variable? {_MENDED}",
        )


def read_app(whose: str, options: Mapping[str, Any]) -> str:
    """Read the option ``app``, "" where there is none. Raises InvalidError for what no App has."""
    given = options.get("app", "")
    text = str(given)
    if "app" in options and not APP.fullmatch(text):
        raise InvalidError(f"expected app of {whose} to be an App's number, got {given!r}", hint="app: 77001")
    return text


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LOCAL = ("file", "file2", "encrypted", "gnupg", "hsm")
_SERVICES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "hv": ("VAULT_ADDR",),
        "awskms": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS"),
        "azurekms": ("AZURE_AUTHORITY_HOST",),
    }
)
"""By which variables a key service's client is told where to go, whatever the signer's URI says."""
_BESIDE = frozenset({"AWS_ENDPOINT_URL_STS"})
"""Those of them that lead to another service, which says who the client is, and not to the one that signs."""


def guided(uri: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables in the environment that say where the key service of a signer's URI is."""
    return tuple(name for name in _SERVICES.get(uri.partition(":")[0], ()) if environ.get(name))


def hold_signer(variable: str, told: str, settings: Settings) -> str:
    """Return the URI of the ledger's signer, "" for a key file: that of the environment, else that of the settings.

    Where main's settings name a signer, the environment may name another on this machine alone; and where they name its
    host, its key service is there. Raises ElsewhereError.
    """
    uri = told or settings.ledger_signer
    if settings.ledger_signer and uri != settings.ledger_signer and uri.partition(":")[0] not in _LOCAL:
        raise ElsewhereError(
            f"{variable} names another signer than main's settings",
            hint="correct it, or ledger.signer in policies/daypass.yaml by a reviewed change",
        )
    pins = read_pins("ledger", {"host": settings.ledger_host} if settings.ledger_host else {})
    service = uri.partition(":")[0]
    led = {*guided(uri, os.environ)} - _BESIDE
    if pins and not settings.ledger_signer and service not in ("", *_LOCAL) and not led:
        raise ElsewhereError(  # a service that no variable leads to is where its own provider has it
            f"ledger: {variable} names a key service ({service}) that is nowhere near host in main's settings, which say "
            f"{', '.join(map(str, pins))}",
            hint="name the signer on main, ledger.signer in policies/daypass.yaml, by a reviewed change",
        )
    hold_service("ledger", uri, os.environ, pins)
    return uri


def hold_service(whose: str, uri: str, environ: Mapping[str, str], pins: Pins) -> None:
    """Refuse a key service elsewhere than main's settings name, or there without TLS. Raises ElsewhereError."""
    for variable in guided(uri, environ):
        value = environ[variable]
        address = value if "://" in value else f"https://{value}"
        hold_url(whose, variable, address, pins, WEB)
        parts = urlsplit(address.strip())
        if pins and parts.scheme != "https" and _plain(parts.hostname or "") not in _LOOPBACK:
            raise ElsewhereError(
                f"{whose}: {variable} does not begin with https://, so that whoever is on the way reads its token",
                hint="who wrote that variable? correct it; plain http is for this machine alone",
            )
