"""Timing whole commands side by side: rounds are interleaved, and what counts is the median of the rounds' ratios.

What measures imports little and keeps little: Linux counts into a process's peak memory what its parent held when it
started it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Command:
    """One command line. ``before`` is done ahead of each run and is not timed; ``codes`` are the right exit codes."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = _nothing
    codes: frozenset[int] = frozenset({0})


@dataclass(frozen=True)
class Run:
    """One finished run: seconds on the wall and of processors (all its processes), peak megabytes of the largest one."""

    seconds: float
    megabytes: float
    processor: float = 0.0


@dataclass(frozen=True)
class Row:
    """A bar: ``tool`` may take ``bar`` times the seconds of ``limit`` (``of_memory``: times its megabytes;
    ``of_processor``: times its seconds of processor, which other work on the machine stretches less).

    A bar of 0 asks nothing: the figure is for people. ``most`` is how many megabytes no process of daypass's own may
    reach, 0 where nothing is asked.
    """

    tool: Command
    limit: Command
    against: str
    bar: float
    rounds: int = 5
    of_memory: bool = False
    of_processor: bool = False
    most: int = 0


@dataclass(frozen=True)
class Result:
    """What a row came to: medians in seconds, the median of the ratios and their spread, the most megabytes."""

    row: Row
    tool: float
    limit: float
    ratio: float
    spread: tuple[float, float]
    megabytes: float

    @property
    def met(self) -> bool:
        """Whether the bar holds."""
        row = self.row
        return (not row.bar or self.ratio <= row.bar) and (not row.most or self.megabytes < row.most)


def run(command: Command) -> Run:
    """Run a command to its end. Raises RuntimeError, with what it said, when it ended otherwise than it should."""
    command.before()
    environment = {**os.environ, **command.environment}
    start = time.perf_counter()
    with subprocess.Popen(
        command.arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in command.codes:
        raise RuntimeError(f"{' '.join(command.arguments)} ended with {process.returncode}: {said.decode()[-400:]}")
    # Linux counts kilobytes here, macOS bytes. A process that waited for its children has the largest of them and of
    # itself in its figure.
    scale = 1024 * 1024 if os.uname().sysname == "Darwin" else 1024
    return Run(seconds, usage.ru_maxrss / scale, usage.ru_utime + usage.ru_stime)


def measure(row: Row) -> Result:
    """Run limit and tool in turn; where there are several rounds, one before them does not count."""
    if row.rounds > 1:
        _pair(row)
    pairs = [_pair(row) for _ in range(row.rounds)]
    ratios = [_ratio(row, limit, tool) for limit, tool in pairs]
    return Result(
        row,
        tool=statistics.median(tool.seconds for _, tool in pairs),
        limit=statistics.median(limit.seconds for limit, _ in pairs),
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        megabytes=peak(row.tool) if row.most and not row.of_memory else max(tool.megabytes for _, tool in pairs),
    )


def _pair(row: Row) -> tuple[Run, Run]:
    if row.of_memory:
        return Run(0, peak(row.limit)), Run(0, peak(row.tool))
    return run(row.limit), run(row.tool)


def _ratio(row: Row, limit: Run, tool: Run) -> float:
    if row.of_processor:
        return tool.processor / limit.processor
    return tool.megabytes / limit.megabytes if row.of_memory else tool.seconds / limit.seconds


def peak(command: Command) -> float:
    """Run a command, and return the peak megabytes of the largest of its processes that is not git.

    git maps its packs into memory and counts their pages as its own, so that its figure is the pack's size. Where there
    is no /proc, git's figure is in as well.
    """
    if not Path("/proc/self/status").exists():
        return run(command).megabytes
    command.before()
    environment = {**os.environ, **command.environment}
    most = 0
    with subprocess.Popen(
        command.arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        while process.poll() is None:
            most = max([most, *(_kilobytes(number) for number in _family(process.pid))])
            time.sleep(0.02)
    if process.returncode not in command.codes:
        raise RuntimeError(f"{' '.join(command.arguments)} ended with {process.returncode}")
    return most / 1024


def _family(number: int) -> Iterator[int]:
    """Yield a process and all that it started."""
    yield number
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        with suppress(OSError):  # it ended meanwhile
            for child in task.read_text().split():
                yield from _family(int(child))


def _kilobytes(number: int) -> int:
    """Return the peak memory of one process until now; nothing for git, and for what has ended."""
    with suppress(OSError):
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{number}/status").read_text().splitlines())
        if "VmHWM" in fields and fields["Name"].strip() != "git":
            return int(fields["VmHWM"].split()[0])
    return 0
