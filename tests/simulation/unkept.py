"""What a check raises."""

from __future__ import annotations


class Unkept(Exception):  # noqa: N818  (it is raised where an invariant is not kept)
    """An invariant does not hold: its number, and what was found."""


def keep(holds: bool, invariant: str, what: str) -> None:
    """Raise Unkept where an invariant does not hold."""
    if not holds:
        raise Unkept(invariant, what)
