"""``python -m simulation --seed N``: plays lives, tells what befell which call, and exits 1 at the first life that fails.

``--lives``, ``--steps`` and ``--seconds`` say how many lives from that seed on, how long each is, and after how long no
other is begun; ``--cores`` how many are played side by side. ``--pairs`` plays before them a story for each call and each
thing that can befall it, in which it befalls the first such call of a run, however long that takes, and exits 1 as well
where a pair was not played.
``--calls`` plays instead, for each pair, a story in which it befalls the first such call, one in which it befalls the
second, and so on to the last that the run makes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from itertools import chain

from copies import room, work_in_memory
from simulation.faults import TABLE, Seen, table, unseen
from simulation.many import lives, own_home, pairs, play_many, report, within


def main() -> int:
    """Play lives from one seed on; print the shortest story of one that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, required=True, help="the first life's seed; the others count on from it")
    parser.add_argument("--lives", type=int, default=1, help="how many lives to play at most")
    parser.add_argument("--steps", type=int, default=40, help="how many steps a life has")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no life after so long")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="how many to play side by side")
    first = parser.add_mutually_exclusive_group()
    first.add_argument("--pairs", action="store_true", help="let everything befall every call before that")
    first.add_argument(
        "--calls", action="store_true", help="let everything befall every call, each time that it is made"
    )
    work_in_memory()
    room()  # one for all that play
    with tempfile.TemporaryDirectory(prefix="daypass-home-") as home:
        own_home(home)
        return _play(parser.parse_args())


def _play(wanted: argparse.Namespace) -> int:
    seen: Seen = Counter()
    began, stories = time.monotonic(), Counter[str]()
    aimed = pairs(wanted.seed, every=wanted.calls)
    told = aimed if wanted.calls else lives(wanted.seed, wanted.lives, wanted.steps)
    for played in play_many(chain(aimed if wanted.pairs else (), within(wanted.seconds, told)), wanted.cores):
        if played.fault is not None:
            _say(*report(played))
            return 1
        seen.update(played.seen)
        stories["of a pair" if any(played.task.call) else "lives"] += played.stories
    took = time.monotonic() - began
    left, every = unseen(seen), sum(map(len, TABLE.values()))
    _say(table(seen), f"{every - len(left)} of {every} pairs of call and fault were played")
    _say(
        f"{stories['lives']} lives and {stories['of a pair']} stories of pairs in {took:.0f} s on {wanted.cores} cores, "
        "every invariant held"
    )
    return 1 if wanted.pairs and left else 0


def _say(*lines: str) -> None:
    print("\n".join(lines), flush=True)  # noqa: T201  (that is what it is for)


if __name__ == "__main__":  # not in the processes that play
    sys.exit(main())
