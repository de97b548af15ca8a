"""Timing whole commands side by side: rounds are interleaved, and what counts is the median of the rounds' ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    """One command line. ``before`` is done ahead of each run and is not timed; ``codes`` are the exit codes that are right."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    codes: frozenset[int] = frozenset({0})


@dataclass(frozen=True)
class Run:
    """One finished run: seconds, and the memory of its largest process in megabytes."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Row:
    """A bar: ``tool`` may take ``bar`` times what ``limit`` takes."""

    name: str
    tool: Command
    limit: Command
    limit_name: str
    bar: float
    rounds: int = 5


@dataclass(frozen=True)
class Result:
    """What a row came to."""

    row: Row
    tool: float
    limit: float
    ratio: float
    spread: tuple[float, float]
    megabytes: float

    @property
    def met(self) -> bool:
        """Whether the bar holds."""
        return self.ratio <= self.row.bar


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
    # Linux counts kilobytes here, macOS bytes; children of the process are in no figure of its own.
    scale = 1024 * 1024 if os.uname().sysname == "Darwin" else 1024
    return Run(seconds, usage.ru_maxrss / scale)


def measure(row: Row) -> Result:
    """Run limit and tool in turn, after one round that does not count."""
    run(row.limit)
    run(row.tool)
    pairs = [(run(row.limit), run(row.tool)) for _ in range(row.rounds)]
    ratios = [tool.seconds / limit.seconds for limit, tool in pairs]
    return Result(
        row,
        tool=statistics.median(tool.seconds for _, tool in pairs),
        limit=statistics.median(limit.seconds for limit, _ in pairs),
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        megabytes=max(tool.megabytes for _, tool in pairs),
    )
