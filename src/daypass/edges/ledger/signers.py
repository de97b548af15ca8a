"""Whose signature receipts of a ledger bear, as their envelopes say; that it is theirs was verified when they were read."""

from __future__ import annotations

from daypass.core.ledger.standing import Standing
from daypass.edges.ledger.keyfiles import read_public_key
from daypass.edges.ledger.signing import signer_of
from daypass.edges.ledger.standing import SignedLedger


def last_by_key(ledger: SignedLedger, standing: Standing) -> dict[str, int]:
    """Return the last receipt that each key signed, by the name of its file; of one that signed none nothing."""
    names = {read_public_key(pem, name).keyid: name for name, pem in ledger.keys.items()}
    listed = ledger.receipts.envelopes(commit=standing.commit)
    return {names[signer_of(envelope.raw)]: envelope.sequence for envelope in listed}


def last_signer(ledger: SignedLedger, standing: Standing) -> str:
    """Return the file of the key that signed the last receipt, "" where there is none."""
    names = {read_public_key(pem, name).keyid: name for name, pem in ledger.keys.items()}
    last = ledger.receipts.envelope(standing.next_sequence - 1, commit=standing.commit)
    return names[signer_of(last)] if last is not None else ""


def signed_from(ledger: SignedLedger, standing: Standing, name: str, first: int) -> int:
    """Return how many receipts a key signed from one on."""
    key = read_public_key(ledger.keys[name], name).keyid
    return sum(signer_of(one.raw) == key for one in ledger.receipts.envelopes(first, commit=standing.commit))


def signed_by_another(ledger: SignedLedger, standing: Standing) -> bool:
    """Say whether the last receipt is signed by another key than the one that signs here.

    Raises EdgeError, LedgerError where none does.
    """
    last = ledger.receipts.envelope(standing.next_sequence - 1, commit=standing.commit)
    return last is not None and signer_of(last) != ledger.signs_as
