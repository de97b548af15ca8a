"""What messages say of a thing that somebody wrote in the settings or the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Write a hint that names the likeliest of the known names, or what to say where none is like it."""
    found = get_close_matches(name, sorted(known), 1, 0.6)
    return f"did you mean {found[0]}?" if found else otherwise
