"""What an entitlement at GitHub is in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daypass.core.bounds.settings import Use
from daypass.core.ids import GrantId


def gives(fields: Mapping[str, Any]) -> str:
    """Say what a privilege gives."""
    if "team" in fields:
        as_what = " as a maintainer" if fields.get("role") == "maintainer" else ""
        return f"joins team {fields['team']}{as_what}"
    if "repository" in fields:
        return f"gets {fields.get('permission', '')} on repository {fields['repository']}"
    return f"gets the organisation's role {fields['organisation_role']}" if "organisation_role" in fields else ""


def use(principal: str, _fields: Mapping[str, Any], _grant: GrantId) -> Use:
    """Say how it is used: as any access at GitHub, once an invitation was accepted."""
    return Use(
        f"GitHub has it for the account {principal}. Where GitHub sent an invitation by mail, it is there once accepted."
    )
