"""The Merkle tree over all receipts (RFC 6962, section 2.1), as far as it is needed to go on from it.

A leaf is the exact bytes of an envelope. What is kept is the frontier: the hashes of the full subtrees, the largest
first, one for each bit of the size. Leaf and inner hashes begin with another byte each, so that no inner node can pass for
a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import reduce

_LEAF, _NODE = b"\x00", b"\x01"


class Tree:
    """The tree over ``size`` leaves; it grows at its end. Mutable."""

    __slots__ = ("_nodes", "size")

    def __init__(self, size: int = 0, frontier: Iterable[str] = ()) -> None:
        """Go on from a frontier. Raises ValueError where it cannot be that of so many leaves."""
        self.size = size
        self._nodes = [bytes.fromhex(node) for node in frontier]
        if len(self._nodes) != size.bit_count() or not all(
            len(node) == hashlib.sha256().digest_size for node in self._nodes
        ):
            raise ValueError(f"a tree of {size} leaves has a frontier of {size.bit_count()} SHA-256 hashes")

    def add(self, leaf: bytes) -> None:
        """Put a leaf at the end."""
        node = hashlib.sha256(_LEAF + leaf).digest()
        size = self.size
        while size & 1:
            node = _parent(self._nodes.pop(), node)
            size >>= 1
        self._nodes.append(node)
        self.size += 1

    @property
    def frontier(self) -> tuple[str, ...]:
        """The hashes of the full subtrees in hex, the largest first."""
        return tuple(node.hex() for node in self._nodes)

    @property
    def root(self) -> str:
        """The tree's root in hex; that of an empty tree is the hash of nothing."""
        if not self._nodes:
            return hashlib.sha256().hexdigest()
        return reduce(lambda right, left: _parent(left, right), reversed(self._nodes)).hex()


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
