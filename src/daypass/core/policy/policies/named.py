"""Whether those exist whom rules and settings name: a group, a person, a resource. A misspelt one would be nobody."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import Struct

from daypass.core.catalogue import Directory
from daypass.core.finding import near
from daypass.core.policy.cel.expression import Calendars
from daypass.core.policy.facts import Declared
from daypass.core.policy.policies.file import Key, PolicyFile
from daypass.core.policy.policies.renames import called_now
from daypass.core.policy.sources import TAKEN_OUT, parted


class Nameable(Struct, frozen=True):
    """What may be named; ``details`` are the variables that the rules of one purpose read beside everybody's.

    ``directory`` is None where it cannot be read, and then nobody is missed for that alone.
    """

    directory: Directory | None
    resources: Collection[str] = ()
    calendars: Calendars = ()
    details: Declared = ()
    rotas: Collection[str] = ()


def check_known(file: PolicyFile[Any], part: str, known: Nameable, *keys: Key) -> bool:
    """Say whether a part of a source names what there is, and note a finding with the likeliest name where not."""
    kind, name = parted(part)
    directory = known.directory
    names: Collection[str] = (name,)
    code = what = where = ""
    if kind in TAKEN_OUT:
        names, code, what = known.resources, "unknown-resource", f"resource {name!r} in the catalogue"
        where = "resources are the files of policies/resources"
    elif kind == "on-call":
        names, code, what = known.rotas, "unknown-rota", f"rota {name!r}"
        where = "rotas are the files of policies/rotas"
    elif directory is not None and kind == "group":
        names, code, what = directory.groups, "unknown-group", f"group {name!r} in the directory"
        where = "groups are named in policies/directory"
    elif directory is not None and kind == "person":
        names, code, what = directory.subjects, "unknown-member", f"person {name!r} in the directory"
        where = "people are named in policies/directory"
    if name in names:
        return True
    renamed = directory.old_groups if kind == "group" and directory is not None else {}
    file.fault(code, keys, f"there is no {what}", called_now(kind, name, renamed) or near(name, names, where))
    return False
