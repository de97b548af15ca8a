"""``python -m simulation --seed N``: plays lives, tells what befell which call, and exits 1 at the first life that fails.

``--lives``, ``--steps`` and ``--seconds`` say how many lives from that seed on, how long each is, and after how long no
other is begun. ``--calls`` plays instead, for each call and each thing that can befall it, a story in which it befalls the
first such call, one in which it befalls the second, and so on to the last that the run makes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from simulation.faults import TABLE, Seen, table, unseen
from simulation.life import play
from simulation.shrink import shrink
from simulation.story import Step
from simulation.teller import aim, tell


def main() -> int:
    """Play lives from one seed on; print the shortest story of one that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, required=True, help="the first life's seed; the others count on from it")
    parser.add_argument("--lives", type=int, default=1, help="how many lives to play at most")
    parser.add_argument("--steps", type=int, default=40, help="how many steps a life has")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no life after so long")
    parser.add_argument("--calls", action="store_true", help="let everything befall every call")
    wanted = parser.parse_args()
    seen: Seen = Counter()
    began, played = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="daypass-home-") as home:
        os.environ |= {"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config", "GIT_CONFIG_NOSYSTEM": "1"}
        Path(home, ".config").mkdir()
        for name, story in (
            _aimed(wanted.seed, seen) if wanted.calls else _told(wanted.seed, wanted.lives, wanted.steps)
        ):
            if time.monotonic() - began > wanted.seconds:
                break
            if play(story, seen) is not None:
                shortest = shrink(story, play)
                _say(f"{name}: {play(shortest)}", *(f"{place:4}. {step}" for place, step in enumerate(shortest, 1)))
                return 1
            played += 1
    took = time.monotonic() - began
    left, every = len(unseen(seen)), sum(map(len, TABLE.values()))
    _say(table(seen), f"{every - left} of {every} pairs of call and fault were played")
    _say(f"{played} lives in {took:.0f} s, every invariant held")
    return 0


def _told(seed: int, lives: int, steps: int) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Yield lives by their seeds."""
    return ((f"seed {each}", tell(each, steps)) for each in range(seed, seed + lives))


def _aimed(seed: int, seen: Seen) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Yield a story for each call that a run makes and each thing that can befall it, until it befalls none any more."""
    for call, kinds in TABLE.items():
        for kind in kinds:
            before, after = -1, 0
            while seen[(*call, kind)] != before:
                before = seen[(*call, kind)]
                yield f"seed {seed}, {'.'.join(call)} {kind.name} {after}", aim(".".join(call), kind, seed, after)
                after += 1


def _say(*lines: str) -> None:
    print("\n".join(lines), flush=True)  # noqa: T201  (that is what it is for)


sys.exit(main())
