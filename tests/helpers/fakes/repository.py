"""A repository for tests that outlive a verb."""

from __future__ import annotations

from daypass.cli.repository import AccessRepository
from daypass.core.ids import Oid
from daypass.core.ledger.standing import Standing


class Fresh(AccessRepository):
    """Main and the ledger are read anew whenever they are asked for."""

    @property
    def tip(self) -> Oid:  # type: ignore[override]
        return self.history.resolve(self.main)

    @property
    def standing(self) -> Standing:  # type: ignore[override]
        return AccessRepository(self.folder).standing
