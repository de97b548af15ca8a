"""What the settings of a ``postgres`` target say, read without the environment that they point to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from daypass.core.errors import EdgeError, InvalidError
from daypass.edges.targets.postgres_privilege import check_name

if TYPE_CHECKING:
    from daypass.core.catalogue import TargetSettings

OFF_ON_LOOPBACK = "off-on-loopback"
_TLS = ("verify", OFF_ON_LOOPBACK)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Options(NamedTuple):
    """The variable that holds the address, the databases that privileges may name besides it, and how TLS is done.

    ``expected`` are roles whose own access at the server is known, so that it is no drift: administrators, programs.
    """

    variable: str
    databases: frozenset[str]
    tls: str
    expected: frozenset[str]


def read_options(settings: TargetSettings) -> Options:
    """Read the options. Raises InvalidError for one that makes no sense."""
    name, options = settings.name, settings.options
    variable = options.get("url_env")
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        # Whoever writes the address itself into the settings has put a password into git: it is not repeated.
        raise InvalidError(
            f"target {name}: expected url_env to name an environment variable",
            hint="url_env: ORDERS_DB_URL, with the address in that variable where the applier runs",
        )
    listed = _names(settings, "databases", "database")
    expected = _names(settings, "expected", "role")
    tls = options.get("tls", _TLS[0])
    if tls not in _TLS:
        raise InvalidError(
            f"target {name}: expected tls to be one of {', '.join(_TLS)}, got {tls!r}",
            hint=f"{OFF_ON_LOOPBACK} is for a server on this machine; else leave tls out, and who answers is verified",
        )
    return Options(variable, listed, tls, expected)


def _names(settings: TargetSettings, option: str, what: str) -> frozenset[str]:
    found = settings.options.get(option, [])
    if not isinstance(found, list | tuple):
        raise InvalidError(f"target {settings.name}: expected {option} to be a list of names, got {found!r}")
    try:
        return frozenset(check_name(name, what) for name in found)
    except EdgeError as error:
        raise InvalidError(f"target {settings.name}: {error.message}") from error
