"""What main says of where credentials go, from the credentials themselves, while whoever sets up has them at hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from daypass.core.bounds.settings import Settings
from daypass.core.files.document import POLICY_LIMIT, read
from daypass.core.policy.policies import SETTINGS
from daypass.edges.pins import APP, PINNED_BY


def pinned(text: str, settings: Settings, values: Mapping[str, str]) -> str:
    """Return the text of the settings with hosts, Apps and CAs beside the variables that name them, where none is yet.

    What cannot be told from a value, or not be written where the variable stands, is left out: the doctor names it.
    """
    for target in settings.targets.values():
        for option, (_, pin) in PINNED_BY.items():
            variable = str(target.options.get(option, ""))
            if variable not in values or pin in target.options:
                continue
            said = _SAYS[option](values[variable])
            changed = _beside(text, option, variable, f"{pin}: {said}") if said else text
            text = changed if _adds(text, changed, target.name, pin) else text
    return text


def _beside(text: str, option: str, variable: str, more: str) -> str:
    """Write more beside an option, on its line where that is all the target's, else below it."""

    def put(match: re.Match[str]) -> str:
        line = match[0]
        return f"{line}, {more}" if "{" in line else f"{line}\n{match['indent']}{more}"

    found = re.compile(rf"^(?P<indent>[ ]*)[^\n#]*\b{option}: {re.escape(variable)}\b", re.MULTILINE)
    return found.sub(put, text, count=1)


def _adds(before: str, after: str, target: str, pin: str) -> bool:
    """Say whether the one pin of this target is all that a change adds."""
    was, now = (read(SETTINGS, text.encode(), limit=POLICY_LIMIT) for text in (before, after))
    if isinstance(was, tuple) or isinstance(now, tuple):
        return False
    targets = dict(now.value.get("targets", {}))
    added = dict(targets.get(target, {}))
    if not added.pop(pin, ""):
        return False
    return {**now.value, "targets": {**targets, target: added}} == was.value


def _host(value: str) -> str:
    try:
        parts = urlsplit(value.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    return f'"{host}:{port}"' if host and port else f'"{host}"' if host else ""


def _app(value: str) -> str:
    return value.strip() if APP.fullmatch(value.strip()) else ""


def _authority(value: str) -> str:
    """Return the public half of a CA's key, as hosts have it; "" where the value is a file's name or no key."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (only setting up needs it)
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  (likewise)

    loads: tuple[Callable[..., Any], ...] = (serialization.load_ssh_private_key, serialization.load_pem_private_key)
    for load in loads:
        try:
            public = load(value.encode(), password=None).public_key()
            line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        return str(line.decode("ascii"))
    return ""


_SAYS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"url_env": _host, "app_id_env": _app, "ca_key_env": _authority}
)
