"""How a record is changed: into another one, with other values.

Every record is a ``msgspec.Struct``, which has nothing to compile when a program starts. Those that ledgers have many of say
``gc=False``: what is frozen and holds no list or mapping is in no circle, and is not looked through for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["replace"]

if TYPE_CHECKING:
    from dataclasses import replace  # the same function, as far as types go: mypy knows the fields of a record here
else:
    from msgspec.structs import replace
