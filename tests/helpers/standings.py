"""What two standings have in common, wherever they have it from."""

from daypass.core.ledger.standing import Standing


def same_state(one: Standing, other: Standing) -> bool:
    """Say whether both hold the same after the same receipt; at which commit of the branch that stands is no part of it.

    Nor is what moved last by which receipt, of which a machine that began at a snapshot knows less.
    """
    names = [name for name in vars(Standing()) if name not in ("commit", "seen", "moved")]
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    return same and [*one.seen.items()] == [*other.seen.items()]
