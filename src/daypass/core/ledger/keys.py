"""How far the word of a key of the ledger reaches: up to the receipt with which it was retired, or from which it was stolen.

The limits stand in main's settings, where the owners of policies review them. They are numbers of receipts and no
instants: who holds a key may write any instant, and a receipt's number is proved by its place in the chain.

- *retired*: it signed up to a receipt and no further. What it signs after that breaks the chain: no run goes on there.
- *revoked*: somebody else may have it. What it signed from a receipt on keeps its place, since later ones are linked to
  it, and counts for nothing: it is `Void`. So the ledger goes on, whatever a thief wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from daypass.core.errors import LedgerError


class KeyLimits(NamedTuple):
    """The ``last`` receipt that a key may sign, and the ``first`` by it that counts for nothing; None: there is none."""

    last: int | None = None
    first_void: int | None = None

    def stricter(self, other: KeyLimits) -> KeyLimits:
        """Return both limits at once, for a key that is named twice."""
        return KeyLimits(
            *(min((n for n in both if n is not None), default=None) for both in zip(self, other, strict=True))
        )

    def voids(self, sequence: int) -> bool:
        """Say whether a receipt by the key counts for nothing."""
        return self.first_void is not None and sequence >= self.first_void


NO_LIMITS = KeyLimits()


class Void(dict[str, Any]):
    """A statement that is signed as it should be, by a key that was revoked from its place on: it counts for nothing."""


def limits_of(retired: Mapping[str, int], revoked: Mapping[str, int]) -> dict[str, KeyLimits]:
    """Return the limits of keys, by file, as the settings have them."""
    return {name: KeyLimits(retired.get(name), revoked.get(name)) for name in retired.keys() | revoked.keys()}


def held_to(limits: KeyLimits, statement: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a statement that key ``name`` signed, as `Void` where the key was revoked before.

    It says itself at which place it stands; that it stands there is for the chain to prove. Raises LedgerError where the
    key was retired before.
    """
    if limits == NO_LIMITS:
        return statement
    predicate = statement.get("predicate")
    sequence = predicate.get("sequence") if isinstance(predicate, dict) else None
    if type(sequence) is not int:  # a truth value is a number as well
        raise LedgerError("it does not say at which place of the ledger it stands")
    if limits.voids(sequence):
        return Void(statement)
    if limits.last is not None and sequence > limits.last:
        raise LedgerError(
            f"it is signed by {name}, which main's settings retired with receipt {limits.last}",
            hint=f"where a run of yours still had the old key: `retired: {{{name}: …}}` with the last receipt that it "
            "signed. Where nobody of yours signed it, put the branch back to the receipt before "
            "(`daypass ledger restore`), and `daypass ledger revoke-key` the key",
        )
    return statement


class KeyRing(NamedTuple):
    """The keys of a ledger as its settings have them, by file: those that sign, the first of them first, and the bounded."""

    signing: tuple[str, ...]
    retired: Mapping[str, int]
    revoked: Mapping[str, int]

    def joined_by(self, new: str) -> KeyRing:
        """Return the keys once a new one signs first, and the others may still."""
        return self._replace(signing=(new, *self.signing))

    def retiring(self, last: Mapping[str, int]) -> KeyRing:
        """Return the keys once the first signs alone. ``last`` has the last receipt of each of the others that signed any."""
        bounded = {name: last.get(name, 0) for name in self.signing[1:]}
        return self._replace(signing=self.signing[:1], retired={**self.retired, **bounded})

    def revoking(self, name: str, first_void: int, instead: str = "") -> KeyRing:
        """Return the keys once what one of them signed from a receipt on counts for nothing; never later than before."""
        signing = tuple(one for one in self.signing if one != name) or (instead,)
        earliest = min(first_void, self.revoked.get(name, first_void))
        return self._replace(signing=signing, revoked={**self.revoked, name: earliest})

    def data(self) -> dict[str, object]:
        """Return what the settings say of them."""
        bounded = {"retired": dict(self.retired), "revoked": dict(self.revoked)}
        return {"keys": list(self.signing), **{key: value for key, value in bounded.items() if value}}
