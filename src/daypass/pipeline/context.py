"""The access repository that the verbs work on, as they see it. Each part is read when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daypass.core.ids import Oid
from daypass.core.policy.policies import Policy

if TYPE_CHECKING:  # not every verb that is given this asks the ledger
    from daypass.core.ledger.standing import Standing
    from daypass.ports import Forge, ForgeReader, History


class Context(Protocol):
    """Main with its history and policies, the requests of the forge, and what the ledger adds up to. For reading alone."""

    @property
    def history(self) -> History:
        """The repository."""
        ...

    @property
    def main(self) -> str:
        """The ref of the branch that carries what is granted."""
        ...

    @property
    def tip(self) -> Oid:
        """Where main stood when this was first asked for."""
        ...

    def policy_at(self, revision: Oid) -> Policy:
        """Read the policies of a commit, those with the same files once."""
        ...

    @property
    def forge(self) -> ForgeReader:
        """The pull requests."""
        ...

    @property
    def standing(self) -> Standing:
        """The ledger's verified state."""
        ...


class WritingContext(Context, Protocol):
    """The same with a way to change pull requests."""

    @property
    def forge(self) -> Forge:
        """The pull requests."""
        ...
