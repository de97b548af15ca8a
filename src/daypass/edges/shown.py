"""Text that others wrote, made fit to be shown: it can neither act on a terminal nor pass for another line."""

from __future__ import annotations

import unicodedata

LONGEST_TEXT = 300
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that are not seen as themselves: controls, bidirectional marks, line separators."""


def shown(text: str) -> str:
    """Return text that others wrote, fit to be shown: what is not seen as itself becomes a question mark."""
    return "".join("?" if unicodedata.category(c) in UNSEEN else c for c in text[:LONGEST_TEXT])
