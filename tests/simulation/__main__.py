"""``python -m simulation --seed N [--lives K] [--steps M] [--seconds S]``: plays lives, and exits 1 at the first that fails."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from simulation.faults import Seen, table
from simulation.life import play
from simulation.shrink import shrink
from simulation.story import tell


def main() -> int:
    """Play lives from one seed on; print the shortest story of one that fails."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="the first life's seed; the others count on from it")
    parser.add_argument("--lives", type=int, default=1, help="how many lives to play at most")
    parser.add_argument("--steps", type=int, default=40, help="how many steps a life has")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no life after so long")
    wanted = parser.parse_args()
    began, played = time.monotonic(), 0
    seen: Seen = Counter()
    with tempfile.TemporaryDirectory(prefix="daypass-home-") as home:
        os.environ |= {"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config", "GIT_CONFIG_NOSYSTEM": "1"}
        Path(home, ".config").mkdir()
        for seed in range(wanted.seed, wanted.seed + wanted.lives):
            if time.monotonic() - began > wanted.seconds:
                break
            story = tell(seed, wanted.steps)
            if play(story, seen) is not None:
                shortest = shrink(story, play)
                print(f"seed {seed}: {play(shortest)}")  # noqa: T201
                for place, step in enumerate(shortest, 1):
                    print(f"{place:4}. {step}")  # noqa: T201
                return 1
            played += 1
    print(table(seen))  # noqa: T201
    took = time.monotonic() - began
    print(f"{played} lives in {took:.0f} s, every invariant held")  # noqa: T201
    return 0


sys.exit(main())
