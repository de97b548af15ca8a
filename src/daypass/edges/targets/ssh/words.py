"""What a certificate of an SSH authority is in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daypass.core.bounds.settings import Use
from daypass.core.ids import GrantId, grant_path


def gives(fields: Mapping[str, Any]) -> str:
    """Say what a privilege gives."""
    names = _names(fields)
    told = f"may log in as {' or '.join(names)}" if names else "may log in as themselves"
    told += f", from {' or '.join(_texts(fields, 'source_address'))} only" if "source_address" in fields else ""
    return told + (f", to run {fields['force_command']} only" if "force_command" in fields else "")


def use(principal: str, fields: Mapping[str, Any], grant: GrantId) -> Use:
    """Say how it is used: the certificate is fetched, and given to ssh."""
    login = (*_names(fields), principal)[0]
    fetched = f"daypass fetch {grant_path(grant)} --output daypass-cert.pub"
    words = "Fetch the certificate, which is of use with your own key alone, and log in with both:"
    return Use(words, f"{fetched}\nssh -o CertificateFile=daypass-cert.pub {login}@HOST")


def _names(fields: Mapping[str, Any]) -> tuple[str, ...]:
    return _texts(fields, "principals")


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = fields.get(name, ())
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()
