"""What an entitlement at a PostgreSQL server is in words."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from daypass.core.bounds.settings import Use
from daypass.core.ids import GrantId, grant_path

_MAY = {"read": "may read", "write": "may read and write", "own": "may make tables in"}


def gives(fields: Mapping[str, Any]) -> str:
    """Say what a privilege gives."""
    own = "gets a login of their own, which " if _logs_in(fields) else ""
    if "member_of" in fields:
        return f"{own}joins role {fields['member_of']}"
    granted, where = fields.get("grant"), f"schema {fields.get('schema', '')}"
    where += f" of database {fields['database']}" if "database" in fields else ""
    if isinstance(granted, str) and granted in _MAY:
        return f"{own}{_MAY[granted]} {where}"
    if isinstance(granted, Mapping):
        told = (f"{what} on {', '.join(map(str, tables))}" for what, tables in sorted(granted.items()))
        return f"{own}may {' and '.join(told)} in {where}"
    return ""


def use(principal: str, fields: Mapping[str, Any], grant: GrantId) -> Use:
    """Say how it is used: by a login that is handed over, or by the subject's own."""
    if _logs_in(fields):
        words = "The login is encrypted to your own key. Fetch it, open it with age, and connect with what it says:"
        fetched = f"daypass fetch {grant_path(grant)} --output login.age"
        return Use(words, f"{fetched}\nage -d -i ~/.ssh/id_ed25519 login.age")
    login = f"--dbname {quote(str(fields.get('database', 'DATABASE')))} --username {quote(principal)}"
    return Use(f"Connect as {principal}, as you always do:", f"psql --host HOST {login}")


def _logs_in(fields: Mapping[str, Any]) -> bool:
    return str(fields.get("login")).lower() == "true"
