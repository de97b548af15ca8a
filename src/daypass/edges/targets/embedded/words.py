"""What an entitlement at an ``embedded`` target is in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daypass.core.bounds.settings import Use
from daypass.core.ids import GrantId


def gives(fields: Mapping[str, Any]) -> str:
    """Say what a privilege gives; the programs that ask are free to mean anything by it."""
    return f"joins role {fields['member_of']}" if set(fields) == {"member_of"} else ""


def use(principal: str, _fields: Mapping[str, Any], _grant: GrantId) -> Use:
    """Say how it is used: programs look."""
    return Use(f"There is nothing to fetch: the programs that ask this target let {principal} in.")
