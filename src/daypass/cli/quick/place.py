"""Where a question is asked: each part of the repository is opened when it is first used."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from daypass.cli.repository import AccessRepository
    from daypass.core.bounds.renames import Renames
    from daypass.edges.git.index import AuditIndex

_MAIN = "refs/heads/main"
_MOST = 4
"""What so many commits, and trees of policies, say of names is kept."""


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

    def names(self, about: str, name: str) -> tuple[str, ...]:
        """Return today's name of a subject or a resource, and those before, by the last policies of main that read."""
        renames = self._renames
        if about == "subject":
            return renames.names_of_subject(renames.subject(name))
        return renames.names_of_resource(renames.resource(name))

    @cached_property
    def _renames(self) -> Renames:
        """What had another name, by main's commit, and by the tree of its policies: to read these takes long."""
        from daypass.core.bounds.renames import Renames
        from daypass.edges.store import AnswerCache

        main, answers = self.index.main, AnswerCache(self.index.path.parent)
        text = answers.recall("renames", main)
        if text is None:
            tree = self.repo.clone.git.find(f"{main}:policies") or ""
            text = answers.recall("renames of", tree)
            if text is None:
                found = self.repo.ends_by.catalogue.renames
                text = json.dumps([dict(found.subjects), dict(found.resources)])
                if not self.repo.policy.holes:  # else they are those of an older tree
                    answers.keep("renames of", text, tree, most=_MOST)
            answers.keep("renames", text, main, most=_MOST)
        return Renames(*json.loads(text))

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
