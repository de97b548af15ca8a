"""Reading and judging many grants in several processes, each with its own stream from git."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daypass.core.grant import Oid

if TYPE_CHECKING:
    from daypass.core.policies import Policy
    from daypass.pipeline.check import Piece

_ALONE = 2_000
"""Fewer files than this are judged in this process: starting another costs more than it saves."""

_PIECE = 2_500
"""How many files a worker judges before it answers; bounds memory and keeps the cores evenly busy."""


def fan(
    site: Any, commit: Oid, policy: Policy, jobs: int | None
) -> Callable[[Sequence[tuple[str, Oid]]], Iterator[Piece]]:
    """Return a way to judge (path, blob) pairs by the policies of a commit."""
    workers = jobs or os.cpu_count() or 1

    def judge(files: Sequence[tuple[str, Oid]]) -> Iterator[Piece]:
        from daypass.pipeline.check import judge_files

        pieces = [files[start : start + _PIECE] for start in range(0, len(files), _PIECE)]
        if len(files) < _ALONE or workers == 1:
            for piece in pieces:
                yield judge_files(policy, _contents(site.history, piece))
            return
        context = multiprocessing.get_context("spawn" if os.uname().sysname == "Darwin" else "fork")
        with ProcessPoolExecutor(workers, context, _start, (site.folder, commit)) as pool:
            yield from pool.map(_judge_piece, pieces)

    return judge


def _contents(history: Any, piece: Sequence[tuple[str, Oid]]) -> Iterator[tuple[str, Oid, bytes]]:
    for (path, _), (blob, raw) in zip(piece, history.blobs(blob for _, blob in piece), strict=True):
        yield path, blob, raw


_worker: list[Any] = []


def _start(folder: Path, commit: Oid) -> None:
    """Open the repository in a worker; what a piece leaves behind is small, so collecting garbage only costs time."""
    from daypass.cli.site import Site

    gc.disable()
    site = Site(folder)
    _worker[:] = [site.history, site.policy_at(commit)]


def _judge_piece(piece: Sequence[tuple[str, Oid]]) -> Piece:
    from daypass.pipeline.check import judge_files

    history, policy = _worker
    return judge_files(policy, _contents(history, piece))
