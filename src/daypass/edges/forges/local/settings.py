"""How a repository that is its own forge is set up: what git itself refuses there. Asks no network."""

from __future__ import annotations

from collections.abc import Mapping

from daypass.core.catalogue import Catalogue
from daypass.core.forge import Call, Complaint
from daypass.edges.git.plumbing import Git

_REWRITES = "receive.denyNonFastForwards"
"""https://git-scm.com/docs/git-config#Documentation/git-config.txt-receivedenyNonFastForwards"""


class LocalSettings:
    """Implements ports.ForgeSettings."""

    files: frozenset[str] = frozenset()

    def __init__(self, git: Git) -> None:
        self._git = git

    def risks(self, catalogue: Catalogue) -> tuple[str, ...]:
        """Say what whoever may write to the repository can do, which nothing here keeps them from."""
        able = "whoever may write to this repository can"
        found = (f"{able} change main, policies included, and stop requests: docs/trust.md#the-local-forge",)
        if catalogue.settings.limits.unsigned == "refuse":
            return found
        return (*found, f"{able} ask and approve in the name of anybody who has no ssh_keys (limits.unsigned)")

    def examine(self, catalogue: Catalogue, files: Mapping[str, bytes]) -> tuple[Complaint, ...]:  # noqa: ARG002
        """Return whether others may take back what stands here: a bare repository is there to be pushed to."""
        bare, refused = (self._git.attempt("config", "--type=bool", key).stdout for key in ("core.bare", _REWRITES))
        if bare.strip() != b"true" or refused.strip() == b"true":
            return ()
        message = "whoever may push here may take back what stands in main, in requests and in the ledger"
        return (Complaint("pushes-rewrite", message, f"git config {_REWRITES} true"),)

    def send(self, step: Call) -> None:
        """Make one change: there is none, as no complaint has a remedy."""
        raise NotImplementedError(step)
