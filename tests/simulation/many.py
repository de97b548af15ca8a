"""Many lives: each core plays one after the other, until one fails, all are played, or the time is over."""

from __future__ import annotations

import gc
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, islice, takewhile
from pathlib import Path
from typing import NamedTuple

from simulation.faults import TABLE, Kind, Seen
from simulation.life import Fault, play
from simulation.shrink import shrink, written
from simulation.story import Step
from simulation.teller import aim
from simulation.terms import tell


class Task(NamedTuple):
    """What one core plays at a time: the life of a seed, or a story in which ``kind`` befalls a ``call``.

    ``every``: one story in which it befalls the first such call, one for the second, and so on to the last that is made.
    """

    seed: int
    steps: int = 40
    call: tuple[str, str] = ("", "")
    kind: Kind = Kind.SILENT
    every: bool = False

    def __str__(self) -> str:
        aimed = f", {'.'.join(self.call)} {self.kind.name}" if any(self.call) else ""
        return f"seed {self.seed}{aimed}"


class Played(NamedTuple):
    """How many stories a task was, what befell which call, and the story that ended badly, if one did."""

    task: Task
    stories: int
    seen: Seen
    story: tuple[Step, ...] = ()
    fault: Fault | None = None


def lives(seed: int, number: int, steps: int) -> Iterator[Task]:
    """Yield lives by their seeds."""
    return (Task(each, steps) for each in range(seed, seed + number))


def pairs(seed: int, *, every: bool) -> Iterator[Task]:
    """Yield each call that a run makes with each thing that can befall it."""
    return (Task(seed, call=call, kind=kind, every=every) for call, kinds in TABLE.items() for kind in kinds)


def within(seconds: float, tasks: Iterator[Task]) -> Iterator[Task]:
    """Yield tasks until so many seconds from now are over."""
    until = time.monotonic() + seconds
    return takewhile(lambda _: time.monotonic() <= until, tasks)


def play_many(tasks: Iterator[Task], cores: int) -> Iterator[Played]:
    """Play tasks, and yield what came of them as they end; a task is taken when a core is about to be free."""
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), _begin) as pool:

        def begin(number: int) -> set[Future[Played]]:
            return {pool.submit(play_task, task) for task in islice(tasks, number)}

        playing = begin(cores + 1)  # one waits, so that no core does
        while playing:
            done, playing = wait(playing, return_when=FIRST_COMPLETED)
            playing |= begin(len(done))
            yield from (one.result() for one in done)


def own_home(folder: str) -> None:
    """Give this process a home of its own in a folder: each life lays its keys down there, which another may be reading."""
    home = tempfile.mkdtemp(dir=folder)
    os.environ |= {"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config", "GIT_CONFIG_NOSYSTEM": "1"}
    Path(home, ".config").mkdir()


def _begin() -> None:
    """Begin to play. The collector leaves alone what stays for good, and looks less often: lives leave little behind."""
    own_home(os.environ["HOME"])
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def play_task(task: Task) -> Played:
    """Play one task to its end, or to the first of its stories that ends badly. What breaks off says which it was."""
    seen: Seen = Counter()
    for after in count():
        before = seen[(*task.call, task.kind)]
        aimed = any(task.call)
        story = aim(".".join(task.call), task.kind, task.seed, after) if aimed else tell(task.seed, task.steps)
        try:
            fault = play(story, seen)
        except Exception as error:
            error.add_note(f"{task}, which `python -m simulation` plays again")
            raise
        if fault is not None:
            return Played(task, after, seen, story, fault)
        if not task.every or seen[(*task.call, task.kind)] == before:
            break
    return Played(task, after + 1, seen)


def report(played: Played) -> list[str]:
    """Tell the shortest story that ends as badly as one that was played, for people to read and, last, to be kept."""
    if play(played.story) is None:
        return [
            f"{played.task}: {played.fault}",
            "played again it ended well: something beside the seed takes part in it",
        ]
    shortest = shrink(played.story, play)
    told = [f"{place:4}. {step}" for place, step in enumerate(shortest, 1)]
    kept = "kept in tests/simulation/kept.py it is played whenever tests run:"
    return [f"{played.task}: {played.fault}", f"made short: {play(shortest)}", *told, kept, written(shortest)]
