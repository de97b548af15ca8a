"""``python -m benchmarks.signatures``: what proving receipts is held against, and proving the chain alone.

With a number: check so many bare Ed25519 signatures of the length of a receipt. With the folder of a repository: prove
its ledger's chain (order, digests, signatures, what receipts say), and nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LENGTH = 1_100
"""About as long is what a receipt has signed."""


def bare(count: int) -> None:
    """Check one signature so many times."""
    key, text = Ed25519PrivateKey.generate(), b"." * _LENGTH
    signature, public = key.sign(text), key.public_key()
    for _ in range(count):
        public.verify(signature, text)


def chain(folder: Path) -> None:
    """Prove a ledger's chain."""
    from daypass.edges.git.plumbing import Git  # noqa: PLC0415  (not for bare signatures)
    from daypass.edges.ledger.ledger import GitLedger  # noqa: PLC0415
    from daypass.edges.ledger.signing import EnvelopeVerifier  # noqa: PLC0415

    git = Git(folder)
    verifier = EnvelopeVerifier({"ledger.pub": git.run("cat-file", "blob", "main:policies/ledger.pub")})
    for _ in GitLedger(git, "daypass-ledger").proved(verifier.open).receipts:
        pass


if __name__ == "__main__":
    asked = sys.argv[1]
    if asked.isdecimal():
        bare(int(asked))
    else:
        chain(Path(asked))
