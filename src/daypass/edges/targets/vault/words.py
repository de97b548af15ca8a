"""What an entitlement at a vault is in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daypass.core.bounds.settings import Use
from daypass.core.ids import GrantId


def gives(fields: Mapping[str, Any]) -> str:
    """Say what a privilege gives."""
    paths = fields.get("paths")
    if not isinstance(paths, Mapping) or not paths:
        return ""
    return "may " + " and ".join(f"{', '.join(map(str, can))} {path}" for path, can in sorted(paths.items()))


def use(_principal: str, _fields: Mapping[str, Any], _grant: GrantId) -> Use:
    """Say how it is used: the workload logs in with the token of its platform."""
    return Use(
        "The workload logs in with its platform's token at the JWT method, with the role that the target lists for it:",
        "bao list auth/jwt/role\nbao write auth/jwt/login role=ROLE jwt=TOKEN",
    )
