"""A failing story is made short: steps are left out while it still fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulation.life import Fault
from simulation.story import Step


def shrink(story: Sequence[Step], play: Callable[[Sequence[Step]], Fault | None]) -> tuple[Step, ...]:
    """Return a story in which no step and no run of steps can be left out without it ending well."""
    kept = tuple(story)
    size = max(1, len(kept) // 2)
    while size:
        start = 0
        while start < len(kept):
            shorter = kept[:start] + kept[start + size :]
            if play(shorter) is not None:
                kept = shorter
            else:
                start += size
        size //= 2
    return kept
