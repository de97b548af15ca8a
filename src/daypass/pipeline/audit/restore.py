"""Telling the ledger of a repository from whatever else stands in its place: cut, forked, rewritten, or another's.

The ledger is a chain that verifies by main's keys, was begun on this main, has every receipt that a merge of the gate's
names (`Daypass-Ledger`), and whose last run stood on a commit of this main. Of several that are one another's
beginnings the longest is it; two that part are for a person to choose between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from daypass.core.audit.access import read_trailers
from daypass.core.errors import LedgerError, RefusedError
from daypass.core.ids import FOLDER, Oid
from daypass.core.ledger.receipt import Receipt
from daypass.pipeline.apply.admit import by_the_gate
from daypass.pipeline.context import Context


class FoundChain(NamedTuple):
    """What stands at one ``place``: how many ``receipts`` verify, and ``why`` it is not the ledger, "" where it may be.

    ``signed``: all of it verifies by main's keys.
    """

    place: str
    commit: Oid
    receipts: int
    why: str
    signed: bool


class Anchor(NamedTuple):
    """A receipt that a merge of main names: it was the ledger's last one then."""

    merge: Oid
    sequence: int | None


def anchors_of(context: Context) -> dict[str, Anchor]:
    """Return what merges say of the ledger, by the digest that they name; of one digest the first merge that does."""
    found: dict[str, Anchor] = {}
    for step in context.history.landings(None, context.tip):
        if any(change.path.startswith(FOLDER) for change in step.changes):
            trailers = read_trailers(step.message)
            if trailers.ledger:
                found.setdefault(trailers.ledger, Anchor(step.oid, trailers.sequence))
    return found


def judge_chain(
    context: Context,
    place: str,
    commit: Oid,
    read: Callable[[Oid], Iterator[Receipt]],
    anchors: Mapping[str, Anchor],
) -> FoundChain:
    """Prove one chain from its first receipt on, and hold it against main."""
    count, main, left = 0, "", dict(anchors)
    try:
        for receipt in read(commit):
            count += 1
            left.pop(receipt.digest, None)
            main = main if receipt.void else receipt.main or main
    except LedgerError as error:
        return FoundChain(place, commit, count, error.message, signed=False)
    return FoundChain(place, commit, count, _why_not(context, main, left), signed=True)


def _why_not(context: Context, main: str, left: Mapping[str, Anchor]) -> str:
    for anchor in left.values():
        # Whoever merges by hand writes what they like.
        if by_the_gate(context, anchor.merge):
            which = "its last receipt then" if anchor.sequence is None else f"receipt {anchor.sequence}"
            return f"it does not have {which}, which commit {anchor.merge[:12]} of main names: it is cut or a fork"
    history = context.history
    if main and (history.find(main) is None or not history.is_ancestor(Oid(main), context.tip)):
        return f"its last run stood on {main[:12]}, which main does not have here: fetch main first"
    return ""


def find_ledger(chains: Iterable[FoundChain], contains: Callable[[Oid, Oid], bool], take: str = "") -> FoundChain:
    """Return the chain that is the ledger. ``take`` names its commit where two part that may both be.

    Raises RefusedError where none may be, and where nobody can tell which.
    """
    listed = list(chains)
    good = sorted((chain for chain in listed if not chain.why), key=lambda chain: -chain.receipts)
    if take:
        good = [chain for chain in good if chain.commit.startswith(take)]
        listed = [chain for chain in listed if chain.commit.startswith(take)]
    if not good:
        told = "; ".join(f"{c.place} ({c.commit[:12]}, {c.receipts} receipts): {c.why}" for c in listed if c.why)
        none = f"no chain here that may be it ends with commit {take}" if take else "there is none at all"
        raise RefusedError(
            f"no ledger is here that could be put back: {told or none}",
            hint="run it in the clone that has most receipts, or name one: --from FOLDER",
        )
    best = good[0]
    for other in good[1:]:
        if not contains(other.commit, best.commit):
            raise RefusedError(
                f"two chains verify and part: {best.place} ({best.commit[:12]}, {best.receipts} receipts) and {other.place} "
                f"({other.commit[:12]}, {other.receipts} receipts)",
                hint="`daypass audit history` in a clone of each tells what each has; --take COMMIT chooses, and keeps the "
                "other as a branch",
            )
    return best


def refuse_rival(chains: Iterable[FoundChain], parting: Collection[Oid], best: FoundChain) -> None:
    """Refuse to put a chain in the place of one that parts from it and is signed as well.

    ``parting`` are the commits that count for so much: what stands at the remote, and what this machine verified last.
    """
    for rival in chains:
        if rival.commit in parting and rival.signed:
            raise RefusedError(
                f"the chain of {rival.place} ({rival.commit[:12]}, {rival.receipts} receipts) is signed as well, and parts "
                f"from {best.place} ({best.commit[:12]}, {best.receipts} receipts){': ' * bool(rival.why)}{rival.why}",
                hint=f"runs wrote it, or somebody with a key. `--take {best.commit[:12]}` puts this one in its place, and "
                "keeps the other as a branch: look at what it says was given, since nothing else remembers that",
            )
