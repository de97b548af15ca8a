"""How the ledger's branch must look: where its files lie, and that its commits follow each other and only ever add."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from daypass.core.errors import LedgerError
from daypass.core.forge import Change, Landing
from daypass.core.ids import Oid
from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.statement import kind_of
from daypass.edges.git.objects import Leaf
from daypass.edges.git.trees import FILE_MODE

RECEIPT = re.compile(r"receipts/([0-9]{3})/([0-9]{3})/([0-9]{3})\.json")
BESIDE = re.compile(r"standing/([0-9]{3})/([0-9]{3})/([0-9]{3})/([a-z0-9_-]{1,40}\.json)")
FORGED = "compare it with another clone: the applier never writes such a thing"
_MOST = 1_000_000_000


def receipt_path(sequence: int) -> str:
    """Return where the receipt with this number lies in the branch. Raises LedgerError past nine digits."""
    return f"receipts/{_place(sequence)}.json"


def standing_folder(sequence: int) -> str:
    """Return where the files lie that the snapshot with this number names. Raises LedgerError past nine digits."""
    return f"standing/{_place(sequence)}"


def _place(sequence: int) -> str:
    if not 0 <= sequence < _MOST:
        raise LedgerError(f"there is no place for a receipt {sequence}")
    return f"{sequence // 1_000_000:03d}/{sequence // 1000 % 1000:03d}/{sequence % 1000:03d}"


def check_shape(steps: Iterable[Landing], since: Oid | None) -> int:
    """Count the steps of the branch after a commit (None: all). Raises LedgerError for one that does more than add files."""
    count = 0
    for count, step in enumerate(steps, 1):
        check_parents(step.oid, step.parents, first=count == 1 and since is None)
        for _ in added(step.changes, step.oid):
            pass
    return count


def check_parents(commit: str, parents: Sequence[str], *, first: bool) -> None:
    """Raise LedgerError for a commit that follows more than one, or none."""
    if len(parents) != (0 if first else 1):
        wanted = "none" if first else "one"
        raise LedgerError(
            f"commit {commit[:12]} of the ledger has {len(parents)} parents, expected {wanted}", hint=FORGED
        )


def in_order(found: Iterable[Leaf], first: int) -> Iterator[str]:
    """Yield the objects of leaves that are receipts, numbered from ``first`` without a gap."""
    wanted = receipt_path(first)
    place = first
    for path, mode, oid in found:
        receipt = path == wanted
        if not receipt and not BESIDE.fullmatch(path):
            raise LedgerError(_not_next(path, place), hint=FORGED)
        if mode != FILE_MODE:
            what = f"receipt {place}" if receipt else repr(path)
            raise LedgerError(f"{what} has mode {mode} in the ledger, expected {FILE_MODE}", hint=FORGED)
        if not receipt:
            continue
        yield oid
        place += 1
        wanted = receipt_path(place)


def _not_next(path: str, place: int) -> str:
    match = RECEIPT.fullmatch(path)
    if match is None:
        return f"the ledger holds {path!r}, which is no receipt"
    found = int("".join(match.groups()))
    if found < place:
        return f"receipt {found} is written again where receipt {place} is expected"
    return f"receipt {place} is missing: the next one there is {found}"


def added(changes: Iterable[Change], commit: str) -> Iterator[Leaf]:
    """Yield the leaves that were added. Raises LedgerError for any other change."""
    for change in changes:
        if not change.added:
            raise LedgerError(
                f"commit {commit[:12]} of the ledger changes or removes {change.path!r}, where receipts are only ever "
                "added",
                hint=FORGED,
            )
        yield change.path, change.new_mode, change.new


def message_of(receipts: Sequence[Receipt]) -> str:
    """Return what a commit says that brings receipts."""
    kinds: dict[str, int] = {}
    for receipt in receipts:
        kind = kind_of(receipt.body)
        kinds[kind] = kinds.get(kind, 0) + 1
    first, last = receipts[0].sequence, receipts[-1].sequence
    named = f"receipt {first}" if first == last else f"receipts {first} to {last}"
    about = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"Append {named}\n\n{about}, run {receipts[0].run}\n"
