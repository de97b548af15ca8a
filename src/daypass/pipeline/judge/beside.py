"""What stands beside a grant that is judged: in the ledger, on main before its admission, and in its own request.

Gate, applier and auditor ask alike: the gate of what stands now, the applier in main's order, and the auditor of the place
of the admission. A file of main that is not admitted yet counts as meeting every window, since nobody knows its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from daypass.core.approval.held import HeldView
from daypass.core.files.document import GRANT_LIMIT
from daypass.core.files.grants import read_grant
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, SUFFIX, GrantId, Oid, grant_id, grant_path
from daypass.core.policy.held import UNREAD, Held, HeldGrant
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.ports import History

Files = Iterable[tuple[GrantId, Oid]]


def grants_in(contents: Mapping[GrantId, bytes]) -> dict[GrantId, Grant]:
    """Return the grants that files hold; those that are no grants count for nothing."""
    read = {name: read_grant(grant_path(name), raw) for name, raw in contents.items()}
    return {name: grant for name, grant in read.items() if isinstance(grant, Grant)}


class Beside:
    """What stands beside the grants of one request, or of one landing, as far as the rules of its base ask for it.

    ``view`` is the ledger's, None where nobody read it. ``files`` are those of main that may wait for their admission;
    where nobody says, all that the base has.
    """

    def __init__(
        self,
        history: History,
        base: Oid,
        policy: Policy,
        view: HeldView | None,
        at: datetime,
        files: Files | None = None,
    ) -> None:
        self._history, self._base, self._view, self._at = history, base, view, at
        self._rules = policy.rules
        self._files = files
        self._asked: tuple[HeldGrant, ...] = ()
        self._merged: tuple[HeldGrant, ...] | None = None

    def ask_together(self, grants: Mapping[GrantId, Grant]) -> None:
        """Take in the grants that the request adds or changes."""
        self._asked = tuple(HeldGrant.of(grant, grant.span.starting(self._at)) for grant in grants.values())

    @property
    def asks(self) -> bool:
        """Whether some rule asks what stands beside a grant."""
        return self._rules.of_history

    def held(self, grant: GrantId, subject: str) -> Held:
        """Return what is known beside one grant of the request, which is a subject's."""
        found = UNREAD
        if self._view is not None and (self._rules.of_ledger or self._rules.of_history):
            found = self._view.of(self._rules.of_ledger, self._at)
        if not self._rules.of_history:
            return found
        beside: dict[GrantId, HeldGrant] = {}
        if self._view is not None:
            beside = {one.grant: one for one in (*self._view.grants_of(subject), *self._waiting(self._view))}
        beside |= {one.grant: one for one in self._asked}
        others = tuple(one for name, one in sorted(beside.items()) if name != grant and one.subject == subject)
        return replace(found, grants=others, together=max(1, len(self._asked)))

    def _waiting(self, view: HeldView) -> tuple[HeldGrant, ...]:
        """Return the grants of main that are not admitted yet."""
        if self._merged is None:
            waiting = dict(view.waiting(self._files if self._files is not None else self._on_main()))
            # What came to main around the gate may be larger than any grant, and is none.
            sizes = self._history.sizes(dict.fromkeys(waiting.values()))
            contents = dict(self._history.blobs(blob for blob, size in sizes.items() if size <= GRANT_LIMIT))
            read = [read_grant(grant_path(name), contents[b]) for name, b in waiting.items() if b in contents]
            self._merged = tuple(HeldGrant.of(grant, None) for grant in read if isinstance(grant, Grant))
        return self._merged

    def _on_main(self) -> Files:
        entries = self._history.entries(self._base, FOLDER.rstrip("/"))
        plain = (entry for entry in entries if entry.mode.startswith("100") and entry.path.endswith(SUFFIX))
        return ((grant_id(entry.path), entry.oid) for entry in plain)
