"""Checking a whole tree, of a commit or of the work tree, in several processes, with what earlier checks found."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import convert, to_builtins

from daypass.cli.repository import AccessRepository
from daypass.cli.runs.program import program_digest
from daypass.cli.verb import inside, progress
from daypass.core.errors import DaypassError, UsageError
from daypass.core.finding import Checked
from daypass.core.record import replace
from daypass.edges.git.objects import object_id
from daypass.edges.git.repository import worktree_files
from daypass.edges.store import AnswerCache, Verdicts
from daypass.edges.targets.registry import check_settings
from daypass.pipeline.judge.check import check_files, check_tree, judge_files
from daypass.pipeline.judge.duplicates import has_ended, standing_on, without_ended

if TYPE_CHECKING:  # only types: what is checked here is in no ledger, and most of it in one process
    from concurrent.futures import Future, ProcessPoolExecutor

    from daypass.core.ids import GrantId, Oid
    from daypass.core.ledger.receipt import Admission
    from daypass.core.policy.policies import Policy
    from daypass.edges.git.history import GitHistory
    from daypass.pipeline.judge.check import Piece, Portion
    from daypass.pipeline.judge.duplicates import Ended

_WHOLE_CHECKS = 32
"""How many answers of whole checks are remembered."""


def ended_at(repo: AccessRepository, at: datetime, policy: Policy | None = None) -> Ended:
    """Return what says whether a grant has ended at an instant, by main's policies or those given.

    The ledger is asked only where a grant is there twice, and counts for nothing where it cannot be read.
    """

    def admission(grant: GrantId) -> Admission | None:
        try:
            return repo.standing.admission(grant)
        except DaypassError:
            return None

    return lambda grant, blob: has_ended(admission, repo.policy if policy is None else policy, at, grant, blob)


def check_revision(repo: AccessRepository, revision: str, jobs: int | None, at: datetime | None = None) -> Checked:
    """Check everything at a commit, with the cache of earlier verdicts and as many processes as it pays for.

    What is found depends on the trees of grants/ and policies/ and on the program, and on no clock: when all three
    are those of an earlier check, its answer is this one's. But for grants that are there twice: what has ended, by the
    ledger or its own window, is no duplicate.
    """
    commit, grants, policies = _trees(repo, revision)
    answers = AnswerCache(repo.clone.state_dir)
    whole = f"{program_digest()}/{grants}/{policies}"
    known = answers.recall("check", whole)
    if known is not None:
        found = convert(json.loads(known), Checked)
        found = replace(found, where=commit, cached=found.files)
    else:
        with closing(Verdicts(repo.clone.state_dir)) as verdicts:
            found = _check_tree(repo, commit, jobs, verdicts)
        answers.keep("check", json.dumps(to_builtins(found)), whole, most=_WHOLE_CHECKS)
    over = ended_at(repo, repo.instant(at), repo.policy_at(commit))
    return without_ended(found, partial(standing_on, repo.history, commit), over)


def _check_tree(repo: AccessRepository, commit: Oid, jobs: int | None, verdicts: Verdicts) -> Checked:
    policy = repo.policy_at(commit)
    return check_tree(
        repo.history,
        policy,
        revision=commit,
        context=f"{program_digest()}/{policy.digest}",
        verdicts=verdicts,
        fan=_in_processes(repo, commit, policy, jobs),
        progress=progress,
        fits=check_settings,
    )


def _trees(repo: AccessRepository, revision: str) -> tuple[Oid, str, str]:
    """Return the commit that a revision names and the ids of its two trees, "" where one is not there."""
    commit = repo.commit(revision)
    return commit, repo.history.folder(commit, "grants"), repo.history.folder(commit, "policies")


def check_worktree(repo: AccessRepository, paths: list[Path], at: datetime | None) -> Checked:
    """Check what lies in the work tree, or the paths given of it."""
    top = repo.top.resolve()
    wanted = [inside(top, path) for path in paths]
    files = [
        file
        for file in worktree_files(top, "grants")
        if not wanted or any(file[0] == name or file[0].startswith(f"{name}/") or name == "." for name in wanted)
    ]
    if wanted and not files and not any(name.startswith("policies") for name in wanted):
        raise UsageError(
            f"there is no grant at {', '.join(wanted)}", hint="grants lie at grants/<resource>/<name>.yaml"
        )
    policy = repo.worktree_policy()
    found = check_files(
        policy,
        files,
        partial(object_id, "blob"),
        "the work tree",
        check_settings,
        lambda file: (top / file).read_bytes(),
    )
    there = [(path, object_id("blob", raw), raw) for path, mode, raw in files if mode == "100644"]
    return without_ended(
        found,
        lambda folder: (file for file in there if file[0].startswith(f"grants/{folder}/")),
        ended_at(repo, repo.instant(at), policy),
    )


def lint_policies(repo: AccessRepository, revision: str, at: datetime) -> Checked:
    """Return what a check finds in policies, of a commit or of the work tree, and what is odd about them taken together."""
    from daypass.core.policy.analysis.lint import lint
    from daypass.core.policy.analysis.prove import broken_promises
    from daypass.pipeline.judge.check import check_policies

    commit = repo.commit(revision) if revision else None
    policy = repo.policy_at(commit) if commit is not None else repo.worktree_policy()
    top = repo.top.resolve()

    def read(file: str) -> bytes:
        if commit is None:
            return (top / file).read_bytes()
        return next(
            raw for entry, raw in repo.history.files(commit, file.rpartition("/")[0], lambda one: one.path == file)
        )

    found, _ = check_policies((*lint(policy, at), *broken_promises(policy, at)), policy, check_settings, read)
    wrong = {(one.code, one.place) for one in found if one.is_error}
    kept = tuple(one for one in found if one.is_error or (one.code, one.place) not in wrong)
    return Checked(commit or "the work tree", 0, 0, kept)


_AHEAD = 2
"""How many portions each worker may be ahead of the one that is being looked at; bounds memory."""


def _in_processes(
    repo: AccessRepository, commit: Oid, policy: Policy, jobs: int | None
) -> Callable[[Iterable[Portion]], Iterator[Piece]]:
    """Return a way to judge portions of (path, blob) pairs by the policies of a commit, in their order.

    The first portion is judged here; other processes are started only when there is more to judge, since starting one
    costs more than a small repository takes.
    """
    workers = jobs or os.cpu_count() or 1

    def judge(portions: Iterable[Portion]) -> Iterator[Piece]:
        running: deque[Future[Piece] | Piece] = deque()
        with ExitStack() as stack:
            pool: ProcessPoolExecutor | None = None
            for number, portion in enumerate(portions):
                if not portion or number == 0 or workers == 1:
                    running.append(judge_files(policy, _contents(repo.history, portion)) if portion else ([], []))
                else:
                    pool = pool or stack.enter_context(_pool(workers, repo.folder, commit))
                    running.append(pool.submit(_judge_portion, portion))
                while len(running) > workers * _AHEAD:
                    yield _result(running.popleft())
            while running:
                yield _result(running.popleft())

    return judge


def _pool(workers: int, folder: Path, commit: Oid) -> ProcessPoolExecutor:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Forking is quick and safe here, where no thread runs; macOS forbids it to programs that use its frameworks.
    context = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    return ProcessPoolExecutor(workers, context, _start, (folder, commit))


def _result(piece: Future[Piece] | Piece) -> Piece:
    return piece if isinstance(piece, tuple) else piece.result()


def _contents(history: GitHistory, portion: Portion) -> Iterator[tuple[str, Oid, bytes]]:
    for (path, _), (blob, raw) in zip(portion, history.blobs(blob for _, blob in portion), strict=True):
        yield path, blob, raw


_worker: list[tuple[GitHistory, Policy]] = []


def _start(folder: Path, commit: Oid) -> None:
    """Open the repository in a worker; what a portion leaves behind is small, so collecting garbage only costs time."""
    gc.disable()
    repo = AccessRepository(folder)
    _worker[:] = [(repo.history, repo.policy_at(commit))]


def _judge_portion(portion: Portion) -> Piece:
    ((history, policy),) = _worker
    return judge_files(policy, _contents(history, portion))
