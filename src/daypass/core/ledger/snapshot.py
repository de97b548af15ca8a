"""Snapshots: what a standing is in bytes, cut in chunks, and back.

Each part of a standing is written as its entries, an array of key and value or of the key alone, as its own types say:
what is added to `Standing` is in the next snapshot without a word here. Entries lie in chunks of about CHUNK: by the
first bits of their key's SHA-256, so that one entry more changes one chunk, or by their place where a part has an order of
its own. Chunks that have not changed are the same files, which git keeps once.

``index.json`` names each chunk and its digest; the digest of the index is the standing's. A snapshot has the weight of
whoever signed it: `SumUp` works out from the first receipt what it must say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from daypass.core.errors import LedgerError
from daypass.core.ids import Oid, digest
from daypass.core.ledger.chain import Head
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Receipt, Snapshot
from daypass.core.ledger.standing import FOLD_VERSION, Delta, Standing
from daypass.core.ledger.standing.moved import EVERYTHING

CHUNK = 256
"""About how many entries a chunk has."""

INDEX = "index.json"
"""The name of the file that names the others."""

LEAST = 1_000
"""No snapshot is written after fewer receipts than these."""

Files = Mapping[str, bytes]
"""The index and the chunks, by name."""

_DERIVED = frozenset({"head", "commit", "rows", "moved", "return"})
_IN_ORDER = frozenset({"seen"})
_encode = msgspec.json.Encoder(order="sorted").encode


def due(standing: Standing, since: int) -> bool:
    """Say whether a snapshot is worth it, so many receipts after the last one: half of what is live, and LEAST."""
    return since >= LEAST and 2 * since >= len(standing.rows) + len(standing.holdings)


@cache
def _parts() -> Mapping[str, Any]:
    """Return the type of each part's entries."""
    hints = get_type_hints(Standing.__init__)
    # A mapping has keys and values, a set has keys.
    return {name: list[tuple[get_args(hint)]] for name, hint in hints.items() if name not in _DERIVED}  # type: ignore[misc]


@cache
def form(revoked: str = "") -> str:
    """Return by which rules standings are added up and written: another form tells this release nothing.

    ``revoked`` names the keys that were revoked, "" for none: a snapshot from before adds up what counts for nothing now.

    It is worked out of the types themselves, so that a field more is another form whether or not anybody thinks of it.
    """
    described = msgspec.json.schema_components(_parts().values(), ref_template="{name}")
    return f"{FOLD_VERSION}.{digest(_plain(described))[7:15]}{'.' * bool(revoked)}{revoked}"


def _plain(schema: Any) -> Any:
    """Return a schema without its words for people."""
    if isinstance(schema, dict):
        return {name: _plain(value) for name, value in schema.items() if name != "description"}
    return [_plain(value) for value in schema] if isinstance(schema, list | tuple) else schema


def write(standing: Standing) -> Files:
    """Return a standing as files; the same standing gives the same."""
    files: dict[str, bytes] = {}
    for name in sorted(_parts()):
        chunks = _cut(getattr(standing, name), in_order=name in _IN_ORDER)
        files |= {f"{name}-{place:04x}.json": b"[\n%b\n]\n" % b",\n".join(chunks[place]) for place in sorted(chunks)}
    return {INDEX: _encode({name: _digest(raw) for name, raw in files.items()}), **files}


def _cut(part: Any, *, in_order: bool) -> dict[int, list[bytes]]:
    """Return a part's entries by the number of their chunk."""
    pairs = part.items() if isinstance(part, Mapping) else ((key,) for key in part)
    bits = max(0, (len(part) - 1) // CHUNK).bit_length()
    chunks: dict[int, list[bytes]] = {}
    for place, pair in enumerate(pairs):
        told = hashlib.sha256(_encode(pair[0])).digest()
        chunk = place // CHUNK if in_order else int.from_bytes(told[:8]) >> (64 - bits)
        chunks.setdefault(chunk, []).append(_encode(pair))
    if not in_order:
        for entries in chunks.values():
            entries.sort()
    return chunks


def read(snapshot: Snapshot, head: Head, files: Files, expected: str = "") -> Delta:
    """Return what leads from nothing to the standing that a snapshot names, ``head`` being its own place.

    ``expected`` is the form that it must have. Nothing is read that the snapshot does not name, and what was read must be
    written as the same bytes again. Raises LedgerError for anything else, and for a snapshot of another form.
    """
    if snapshot.form != (expected or form()):
        raise LedgerError(f"it is of the form {snapshot.form}, expected {expected or form()}")
    index = files.get(INDEX, b"")
    try:
        if _digest(index) != snapshot.standing:
            raise LedgerError("its index is not the one that it names")
        named = msgspec.json.decode(index, type=dict[str, str])
        if {name: _digest(raw) for name, raw in files.items() if name != INDEX} != named:
            raise LedgerError("its chunks are not those that it names")
        delta = _delta(head, ((name, files[name]) for name in sorted(named)))
    except (ValueError, KeyError) as error:
        raise LedgerError(f"its chunks cannot be read: {error}") from None
    if _digest(write(delta.onto(Standing()))[INDEX]) != snapshot.standing:
        raise LedgerError("its chunks are not written in the one form")
    if head.main:  # what it names was there before it; that it was written on this main, its own receipt says
        delta.seen.setdefault(head.main, head.at)
    return delta


def _delta(head: Head, chunks: Iterable[tuple[str, bytes]]) -> Delta:
    parts: dict[str, list[Any]] = {name: [] for name in _parts()}
    for name, raw in chunks:
        part = name.rpartition("-")[0]
        parts[part] += msgspec.json.decode(raw, type=_parts()[part])
    delta = Delta(head)
    delta.taken |= {key: set(every) for key, every in parts.pop("taken")}
    delta.moved[EVERYTHING] = head.sequence  # of receipts before it nobody knows here what they told of
    for _, handed in parts.pop("handovers"):
        delta.handed.setdefault(handed.entitlement, []).append(handed)
    for (grant, place), held in parts.pop("held"):
        delta.held.setdefault(grant, {})[place] = held
    for name, entries in parts.items():
        # A set's keys are changed to be there.
        getattr(delta, name).update((entry[0], entry[1] if len(entry) > 1 else True) for entry in entries)
    return delta


def _digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


class Proof(NamedTuple):
    """A ledger, proved receipt by receipt from ``start`` on, nothing or a snapshot that is believed.

    ``tree`` is over the receipts before the one that came last; ``beside`` reads the files of a snapshot; ``total`` is how
    many receipts there are in all, known once the first has come. What is asked of them raises LedgerError. ``form`` is
    that of the snapshots that count. ``follows`` says whether the commit that brought a receipt comes right after another.
    ``last`` is the number of the last receipt that something lies beside, 0 for none, known as ``total`` is.
    """

    commit: Oid
    receipts: Iterator[Receipt]
    tree: Tree
    start: Standing
    beside: Callable[[int], Files]
    total: Callable[[], int]
    form: str
    follows: Callable[[int, Oid], bool]
    last: Callable[[], int]


class SumUp:
    """Works out, from receipts in their order, what each snapshot among them must say."""

    def __init__(self, standing: Standing | None = None, expected: str = "") -> None:
        self._standing = standing or Standing()
        self._form = expected or form()
        self._delta = Delta(self._standing.head)

    def add(self, receipt: Receipt) -> None:
        """Take the next receipt."""
        self._delta.add(receipt)
        if self._delta.count > max(LEAST, len(self._standing.admissions)):
            self._fold()

    def _fold(self) -> None:
        self._standing = self._delta.onto(self._standing, slim=False)
        self._delta = Delta(self._standing.head)

    def wrong(self, snapshot: Snapshot, tree: Tree, files: Files) -> str:
        """Say what of a snapshot does not follow from the receipts before it, ``tree`` being theirs; "" where all does.

        Of a snapshot of another form only its tree can be told. Where nothing lies beside it nothing has to be added up.
        """
        if (snapshot.size, snapshot.root) != (tree.size, tree.root):
            return (
                f"the tree of the {tree.size} receipts before it has the root {tree.root}, and it names {snapshot.root}"
            )
        if snapshot.form != self._form:
            return ""
        if not files:
            return "nothing lies beside it"
        self._fold()
        expected = write(self._standing)
        if snapshot.standing != _digest(expected[INDEX]):
            return f"the receipts before it add up to {_digest(expected[INDEX])}, and it names {snapshot.standing}"
        wrong = sorted(name for name in {*expected, *files} if expected.get(name) != files.get(name))
        return (
            f"{', '.join(wrong[:3])} beside it {'is' if len(wrong) == 1 else 'are'} not what it names" if wrong else ""
        )
