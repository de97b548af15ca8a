"""Runs while the remote is away, and the outbox that they fill: what has ended ends, and waits to be told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import LEDGER, OUTBOX, noting, progress, say
from daypass.core.errors import AwayError, ConflictError, EdgeError, LedgerError
from daypass.core.record import replace

if TYPE_CHECKING:
    from datetime import datetime

    from daypass.core.ids import Oid
    from daypass.core.people.leaving import Departures
    from daypass.core.people.source import SourcePerson
    from daypass.edges.ledger.outbox import OutboxLedger, Trace
    from daypass.pipeline.apply.inputs import Attend
    from daypass.pipeline.apply.run import Applied
    from daypass.pipeline.apply.survey import Inputs, Survey
    from daypass.ports import Target


def left(repo: AccessRepository, error: AwayError) -> AccessRepository:
    """Return a repository as this clone had it when its forge was reached last."""
    from daypass.edges.git.remote import NAMESPACE

    found = AccessRepository(repo.folder, repo.acting)
    found.away = error
    if found.history.find(f"{NAMESPACE}main") is not None:
        found.__dict__["main"] = f"{NAMESPACE}main"
    return found


def outbox_of(repo: AccessRepository) -> OutboxLedger:
    """Return the outbox beside the clone, and the ledger that it continues."""
    from daypass.edges.ledger.outbox import OutboxLedger

    return OutboxLedger(repo.ledger, repo.clone.state_dir)


def outbox_at(repo: AccessRepository, file: str | None) -> OutboxLedger:
    """Return the outbox beside the clone, or one that was set aside. Raises UsageError where there is no such file."""
    from pathlib import Path

    from daypass.core.errors import UsageError
    from daypass.edges.ledger.outbox import OutboxLedger

    if file is None:
        return outbox_of(repo)
    path = Path(repo.folder, file).absolute()
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    return OutboxLedger(repo.ledger, path.parent, path.name)


def lost_outbox(repo: AccessRepository) -> str:
    """Say that an outbox is gone that receipts waited in, "" where that is not so."""
    from daypass.edges.ledger.outbox import Trace

    return _lost(Trace(repo.clone.git)) if repo.elsewhere else ""


def say_waiting(repo: AccessRepository) -> bool:
    """Say that receipts wait to be delivered; return whether that could be told."""
    from daypass.edges.ledger.outbox import FILE, Outbox

    outbox, _ = Outbox(repo.clone.state_dir / FILE), repo.elsewhere  # that there is no repository is the verb's to say
    try:
        count = len(outbox.read())
        gone = lost_outbox(repo)
        say(*([f"daypass: {gone}"] if gone else []))
    except EdgeError as error:
        say(f"daypass: {error.message}", f"  hint: {error.hint}")
        return False
    if count:
        say(
            f"daypass: {_receipts(count)} in the outbox, of runs without the remote; the next run that reaches it records "
            "them, and `daypass ledger outbox` lists them"
        )
    return True


def _lost(trace: Trace) -> str:
    count, path = trace.lost()
    if not count:
        return ""
    return (
        f"{path} is gone, and {_receipts(count, 'waited')} in it: what they told of has ended all the same, and the next "
        "run records that it is gone. Where there is a copy, put it back before that"
    )


def deliver(repo: AccessRepository) -> str:
    """Record what waits in the outbox, before anything else; return why it could not be, "" where nothing is left.

    Raises AwayError. What cannot be believed keeps no end of access waiting.
    """
    from daypass.edges.ledger.outbox import Trace

    outbox, trace = outbox_of(repo), Trace(repo.clone.git)
    try:
        gone = _lost(trace)
        if gone:  # told once: this run looks at the targets, and records what it finds
            trace.leave(0, outbox.path)
            return gone
        forget = partial(trace.leave, 0, outbox.path)  # first: of an outbox that a run has just emptied nothing is lost
        count = noting(outbox, LEDGER).deliver(recorded=forget) if outbox.path.exists() else 0
    except (LedgerError, ConflictError) as error:
        return f"{error.message}\n  hint: {error.hint}"
    except AwayError:
        raise
    except EdgeError as error:
        return f"{error.message}\n  hint: {error.hint}"
    if count:
        say(f"daypass: recorded {count} of the outbox, which runs without the remote had written")
    return ""


def leave_away(
    repo: AccessRepository,
    people: Sequence[SourcePerson],
    source: str,
    at: datetime,
    *,
    confirm: str,
    dry_run: bool,
) -> Departures:
    """Say who left by the directory of the main that the ledger recorded last, and sign it into the outbox.

    What they hold the next `expire` here ends. Raises the error that kept the remote from being reached where there is no
    key here that may sign.
    """
    from daypass.edges.ledger.outbox import Trace
    from daypass.edges.store import exclusive
    from daypass.pipeline.ask.people import leavers

    if repo.away is None:
        raise RuntimeError("the remote is not away")
    if not dry_run:
        _ready(repo, repo.away)
    with exclusive(repo.clone.state_dir / "apply.lock"):
        outbox, trace = outbox_of(repo), Trace(repo.clone.git)
        gone = _lost(trace)
        say(*([f"daypass: {gone}"] if gone else []))
        standing = repo.__dict__["standing"] = outbox.load()
        told = leavers(repo, people, source, at=at, away=True)
        found = told.found.confirmed(confirm) if confirm else told.found
        if found.left and not found.held and not dry_run:
            run = repo.run_name(at)
            noting(outbox, OUTBOX).append(standing, found.left, at=at, main=told.main, run=run)
            trace.leave(outbox.waiting(), outbox.path)
        say(
            f"daypass: this run did not reach the remote: {repo.away.message}",
            f"  who left was told by main {told.main[:12]}, which the ledger recorded last; nothing was asked for there",
            f"  {_receipts(outbox.waiting())} in the outbox for the next run that reaches the remote",
        )
        return found


def _ready(repo: AccessRepository, error: AwayError) -> None:
    try:
        repo.ledger.ready()
    except (EdgeError, LedgerError):
        raise error from None  # nothing could be recorded, so nothing is done


def run_away(
    repo: AccessRepository,
    at: datetime,
    *,
    confirm: str = "",
    limit: Callable[[Survey], float | None],
    enough: Callable[[], bool],
) -> Applied:
    """Take away what receipts show as ended, record it in the outbox, and give nothing.

    Raises the error that kept the remote from being reached where there is no key here that may sign.
    """
    from daypass.cli.runs.running import going
    from daypass.edges.ledger.outbox import Trace
    from daypass.edges.store import exclusive
    from daypass.pipeline.apply.inputs import away
    from daypass.pipeline.apply.run import apply as carry_out

    error = repo.away
    if error is None:
        raise RuntimeError("the remote is not away")
    _ready(repo, error)
    with exclusive(repo.clone.state_dir / "apply.lock"):
        outbox, trace = outbox_of(repo), Trace(repo.clone.git)
        gone = _lost(trace)
        say(*([f"daypass: {gone}"] if gone else []))
        clock = going(repo, at)
        opened: dict[Oid, Mapping[str, Target | EdgeError]] = {}

        def targets(main: Oid) -> Mapping[str, Target | EdgeError]:
            if main not in opened:
                opened[main] = repo.targets(main)
            return opened[main]

        def take(_: Attend) -> Inputs:
            return away(repo, targets, outbox.load(), at=at if clock is None else clock(), clock=clock)

        try:
            done = carry_out(
                take,
                noting(outbox, OUTBOX),
                targets,
                run=repo.run_name(at),
                confirmed=confirm,
                progress=progress,
                timer=time.monotonic,
                clock=clock,
                limit=limit,
                enough=enough,
            )
        finally:
            opened.clear()  # a target keeps its connection for as long as anybody holds it
        waiting = outbox.waiting()
        trace.leave(waiting, outbox.path)
        say(*_told(error, done, waiting))
        return replace(done, away=error.message)


def _told(error: AwayError, done: Applied, waiting: int) -> list[str]:
    """Say what a run without the remote stands on, and what it did not do."""
    head = done.survey.standing.head
    known = f"receipt {head.sequence}" if head is not None else "no receipt"
    return [
        f"daypass: this run did not reach the remote: {error.message}",
        f"  by what was verified before, up to {known}, it took away what has ended, and nothing else: nothing was given, "
        "main was not looked at",
        f"  {_receipts(waiting)} in the outbox for the next run that reaches the remote",
        *([f"  hint: {error.hint}"] if error.hint else []),
    ]


def _receipts(count: int, waited: str = "") -> str:
    one = count == 1
    return f"{count} {'receipt' if one else 'receipts'} {waited or ('waits' if one else 'wait')}"
