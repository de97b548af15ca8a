"""How many examples property tests try: fewer whenever tests run, many each night (`--hypothesis-profile thorough`)."""

from __future__ import annotations

from hypothesis import settings


def examples(number: int) -> int:
    """Return how many to try where ``number`` would be tried by Hypothesis' own hundred, which the profile moves."""
    return number * settings.default.max_examples // 100
