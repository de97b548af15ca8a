"""The ledger as the applier uses it: branch, cache, keys and signer joined. Implements ports.Books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from daypass.core.errors import EdgeError, LedgerError
from daypass.core.ledger.receipt import Body, Genesis
from daypass.core.ledger.standing import Standing
from daypass.edges.git.remote import Remote
from daypass.edges.git.repository import Repository
from daypass.edges.ledger.ledger import GitLedger
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier, read_public_key
from daypass.edges.ledger.standing import StandingCache


class GitBooks:
    """One repository's ledger.

    ``keys`` maps a file's name below policies/ to its public key, PEM; ``signer_uri`` names a securesystemslib
    signer, or is empty: then the private half of one of the keys is ``private_key`` (PEM), else looked for in
    ``keys_folder``, as ``<key id>.pem``. With a ``remote`` the branch there is the ledger.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        branch: str,
        keys: Mapping[str, bytes],
        signer_uri: str,
        keys_folder: Path,
        private_key: str = "",
        remote: Remote | None = None,
    ) -> None:
        self._keys = keys
        self._signer_uri = signer_uri
        self._keys_folder = keys_folder
        self._git = repository.git
        self._cache = StandingCache(repository.state_dir / "standing.sqlite")
        self._private_key = private_key
        self.ledger = GitLedger(repository.git, branch, remote)
        self.rebuilt = ""
        """Why the cache was made anew on the last load, "" when it was not."""

    @cached_property
    def verifier(self) -> EnvelopeVerifier:
        """Opens what one of the keys signed. Raises LedgerError where the settings name no key."""
        return EnvelopeVerifier(self._keys)

    @cached_property
    def _signer(self) -> EnvelopeSigner:
        if self._signer_uri or self._private_key:
            return self._first_fitting()
        looked = []
        for name, pem in self._keys.items():
            path = self._keys_folder / f"{read_public_key(pem, name).keyid}.pem"
            if path.exists():
                return EnvelopeSigner(path, pem)
            looked.append(str(path))
        raise EdgeError(
            f"there is no signing key at {' or '.join(looked) or self._keys_folder}",
            hint="only the applier has it; DAYPASS_KEYS names another folder, DAYPASS_SIGNER a signer URI",
        )

    def _first_fitting(self) -> EnvelopeSigner:
        """Join the signer with its public half; with several keys in use only one belongs to it."""
        problem: EdgeError | None = None
        for pem in self._keys.values():
            try:
                return EnvelopeSigner(self._private_key.encode("utf-8", "surrogateescape") or self._signer_uri, pem)
            except EdgeError as error:
                problem = error
        raise problem or LedgerError("the settings name no ledger key", hint="ledger.keys in policies/daypass.yaml")

    def ready(self) -> None:
        """Raise EdgeError, LedgerError where there is no key here that may sign: nothing could be recorded."""
        _ = self._signer

    def exists(self) -> bool:
        """Say whether the ledger's branch is there."""
        return self._git.find(f"refs/heads/{self.ledger.branch}") is not None

    def load(self) -> Standing:
        """Verify what is new since this machine last looked and return the state. Raises LedgerError."""
        self.ledger.refresh()
        found = self._cache.load(self.ledger, self.verifier)
        self.rebuilt = found.rebuilt
        return found.standing

    def append(self, standing: Standing, bodies: Sequence[Body], *, at: datetime, main: str, run: str) -> Standing:
        """Sign and append receipts after ``standing``. Raises ConflictError when the branch has moved on meanwhile."""
        return self._cache.append(self.ledger, self.verifier, self._signer, standing, bodies, at=at, main=main, run=run)

    def begin(self, *, at: datetime, main: str) -> Standing:
        """Write the ledger's first receipt. Raises ConflictError where a ledger is there."""
        genesis = Genesis(self.verifier.key_ids)
        return self.append(Standing(), [genesis], at=at, main=main, run="genesis")
