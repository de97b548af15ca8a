"""Reading and judging many grants in several processes, each with its own stream from git."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daypass.core.grant import Oid

if TYPE_CHECKING:
    from daypass.core.policy.policies import Policy
    from daypass.pipeline.judge.check import Piece, Portion

_AHEAD = 2
"""How many portions each worker may be ahead of the one that is being looked at; bounds memory."""


def fan(site: Any, commit: Oid, policy: Policy, jobs: int | None) -> Callable[[Iterable[Portion]], Iterator[Piece]]:
    """Return a way to judge portions of (path, blob) pairs by the policies of a commit, in their order.

    The first portion is judged here; other processes are started only when there is more to judge, since starting one
    costs more than a small repository takes.
    """
    workers = jobs or os.cpu_count() or 1

    def judge(portions: Iterable[Portion]) -> Iterator[Piece]:
        from daypass.pipeline.judge.check import judge_files

        running: deque[Future[Piece] | Piece] = deque()
        with ExitStack() as stack:
            pool: ProcessPoolExecutor | None = None
            for number, portion in enumerate(portions):
                if not portion or number == 0 or workers == 1:
                    running.append(judge_files(policy, _contents(site.history, portion)) if portion else ([], []))
                else:
                    pool = pool or stack.enter_context(_pool(workers, site.folder, commit))
                    running.append(pool.submit(_judge_portion, portion))
                while len(running) > workers * _AHEAD:
                    yield _result(running.popleft())
            while running:
                yield _result(running.popleft())

    return judge


def _pool(workers: int, folder: Path, commit: Oid) -> ProcessPoolExecutor:
    # Forking is quick and safe here, where no thread runs; macOS forbids it to programs that use its frameworks.
    context = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    return ProcessPoolExecutor(workers, context, _start, (folder, commit))


def _result(piece: Future[Piece] | Piece) -> Piece:
    return piece.result() if isinstance(piece, Future) else piece


def _contents(history: Any, portion: Portion) -> Iterator[tuple[str, Oid, bytes]]:
    for (path, _), (blob, raw) in zip(portion, history.blobs(blob for _, blob in portion), strict=True):
        yield path, blob, raw


_worker: list[Any] = []


def _start(folder: Path, commit: Oid) -> None:
    """Open the repository in a worker; what a portion leaves behind is small, so collecting garbage only costs time."""
    from daypass.cli.site import Site

    gc.disable()
    site = Site(folder)
    _worker[:] = [site.history, site.policy_at(commit)]


def _judge_portion(portion: Portion) -> Piece:
    from daypass.pipeline.judge.check import judge_files

    history, policy = _worker
    return judge_files(policy, _contents(history, portion))
