"""Where a question is asked: each part of the repository is opened when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from daypass.cli.repository import AccessRepository
    from daypass.edges.git.index import AuditIndex

_MAIN = "refs/heads/main"


class QuickPlace:
    """The folder that was named. ``opened`` is its repository, where a verb has opened it: then the index is brought up."""

    def __init__(self, folder: Path, opened: AccessRepository | None = None) -> None:
        self.folder = folder
        self._opened = opened

    @cached_property
    def repo(self) -> AccessRepository:
        """The repository."""
        from daypass.cli.repository import AccessRepository

        return self._opened or AccessRepository(self.folder)

    @cached_property
    def index(self) -> AuditIndex:
        """What questions about the past are asked of. Without a verb one that is behind gives EdgeError and no answer."""
        if self._opened is not None:
            return index_of(self._opened)
        from daypass.edges.git.index import AuditIndex
        from daypass.edges.git.repository import open_repository
        from daypass.edges.store import state_folder

        clone = open_repository(self.folder, state_folder())
        return AuditIndex(clone.git, main=_MAIN, read_subject=_read_subject, open_ledger=None, state=clone.state_dir)


def index_of(repo: AccessRepository) -> AuditIndex:
    """Return what questions about the past are asked of: the index beside the clone."""
    from daypass.cli.verb import progress
    from daypass.edges.git.index import AuditIndex

    _ = repo.tip  # says what stands in the way of any verb
    # A question on an index that is up to date needs neither the settings nor the keys: nothing is opened for it.
    return AuditIndex(
        repo.clone.git,
        main=repo.main,
        read_subject=_read_subject,
        open_ledger=lambda: (repo.ledger.receipts, repo.ledger.verifier),
        state=repo.clone.state_dir,
        progress=progress,
    )


def _read_subject(path: str, raw: bytes) -> str | None:
    from daypass.core.files.document import Document, read

    found = read(path, raw)
    subject = found.value.get("subject") if isinstance(found, Document) else None
    return subject if isinstance(subject, str) else None
