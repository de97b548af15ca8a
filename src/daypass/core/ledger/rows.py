"""Receipts as a cache of this machine keeps them: as their classes have them, so that very many are read at once.

Nothing here is signed, and reading proves nothing: a receipt is written so once its envelope and its place in the chain
were proved. Whatever goes anywhere else is a statement. A change of these classes is another form, which the version of
the cache has to name.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, get_args

from msgspec.json import Encoder, decode

from daypass.core.ledger.receipt import Away, Body, Receipt

_KINDS: dict[str, type[Body]] = {kind.__name__: kind for kind in get_args(Body)}
_Place = tuple[int, str, datetime, str, str, str, datetime | None, int, Away | None, bool]
_encode = Encoder().encode

Row = tuple[str, str, str]
"""The kind of a receipt's body, the receipt without it, and the body: the last two in JSON."""


def to_row(receipt: Receipt) -> Row:
    """Return a receipt as it is kept."""
    before = (receipt.sequence, receipt.previous, receipt.at, receipt.main, receipt.run)
    place = (*before, receipt.digest, receipt.clock, receipt.version, receipt.away, receipt.void)
    return kind_in_row(type(receipt.body)), _encode(place).decode(), _encode(receipt.body).decode()


def kind_in_row(kind: type[Body]) -> str:
    """Return the name of a kind of body."""
    return kind.__name__


def from_rows(rows: Collection[Row]) -> list[Receipt]:
    """Return the receipts that were kept so, in their order. Raises ValueError for what is none."""
    told: dict[str, list[str]] = {}
    for kind, _, body in rows:
        told.setdefault(kind, []).append(body)
    if not _KINDS.keys() >= told.keys():
        raise ValueError(f"no receipt is of the kind {min(told.keys() - _KINDS.keys())!r}")
    bodies = {kind: iter(_all(texts, _KINDS[kind])) for kind, texts in told.items()}
    places = _all([place for _, place, _ in rows], _Place)
    return [
        Receipt(sequence, previous, at, main, run, next(bodies[kind]), *rest)
        for (sequence, previous, at, main, run, *rest), (kind, _, _) in zip(places, rows, strict=True)
    ]


def _all(texts: list[str], kind: Any) -> list[Any]:
    found: list[Any] = decode(f"[{','.join(texts)}]", type=list[kind])
    if len(found) != len(texts):
        raise ValueError("a row does not hold one value")
    return found
