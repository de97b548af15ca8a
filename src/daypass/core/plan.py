"""What must change at the targets so that they equal what main says at one instant.

A plan is a value: computing it needs no way to write, and applying it needs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from daypass.core.grant import GrantId


@dataclass(frozen=True, slots=True, order=True)
class Entitlement:
    """What a target understands, the atom that is observed, added and removed.

    ``target`` is the name in the settings, ``resource`` the catalogue's, ``principal`` the subject's name at the target and
    ``privilege`` the role's privilege as canonical JSON.
    """

    target: str
    resource: str
    principal: str
    privilege: str


class Action(Enum):
    """What is done to an entitlement; removals sort first."""

    REMOVE = "remove"
    ADD = "add"


class Reason(Enum):
    """Why a change is made, or why a grant gives nothing."""

    WINDOW_OPENED = "window opened"
    EXPIRED = "expired"
    GRANT_REMOVED = "grant removed"
    GRANT_NARROWED = "grant narrowed"
    GRANT_INVALID = "grant invalid"
    EVIDENCE_MISSING = "evidence missing"
    MEANING_MOVED = "role changed since approval"
    NOT_YET = "window not open yet"
    LOST = "missing at the target"
    ADOPTED = "already there, not ours"
