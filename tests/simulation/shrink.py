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


def written(story: Sequence[Step]) -> str:
    """Write a story as Python, without what a step does not say."""
    silent = Step(0, "")._asdict()
    told = [[f"{name}={said!r}" for name, said in step._asdict().items() if said != silent[name]] for step in story]
    return "\n".join(f"        Step({', '.join(parts)})," for parts in told)
