"""What a receipt's statement is about (the subject of in-toto's Statement v1).

The subject of a statement are the grants that it is about. An admission names the digest of what the grant means; the
other kinds know a grant by its id alone, and name the SHA-256 of the id's text. A change that no grant asked for
(access that nobody granted, removed from an exclusive resource) names its resource with the SHA-256 of the
entitlement's canonical form, the first receipt names ``ledger`` with the SHA-256 of its keys, a snapshot with the
root of the tree of receipts, a pulse ``run`` with that of what it says, an idle run with that of its grounds, a
decision on a request that changes no grant ``request`` with that of its number and head, and what moves a target that
one, as grants are named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from daypass.core.ids import canonical
from daypass.core.ledger.receipt import (
    Admission,
    Body,
    Decided,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Pulse,
    Refusal,
    Release,
    Retirement,
    Reviewed,
    Settled,
    Snapshot,
    Take,
)
from daypass.core.ledger.records import Departed, Idle
from daypass.core.plan import Intended


def subject_of(body: Body) -> list[dict[str, Any]]:
    """Return the subject of a receipt's statement, as in-toto has it: names, each with a digest."""
    if isinstance(body, Admission):
        return [{"name": body.grant, "digest": {"sha256": body.grant_digest.removeprefix("sha256:")}}]
    if isinstance(body, _OF_CHANGES):
        return _of_changes(changes_of(body))
    if isinstance(body, Genesis):
        return [{"name": "ledger", "digest": _sha256(canonical(list(body.keys)))}]
    if isinstance(body, Snapshot):
        return [{"name": "ledger", "digest": {"sha256": body.root}}]
    if isinstance(body, Pulse):
        return [{"name": "run", "digest": _sha256(canonical({"exit": body.exit, "live": body.live}))}]
    if isinstance(body, Idle):
        return [{"name": "run", "digest": {"sha256": body.grounds.removeprefix("sha256:")}}]
    if isinstance(body, Decided) and not body.asked:
        return [{"name": "request", "digest": _sha256(canonical({"head": body.head, "pull": body.pull}))}]
    return [{"name": name, "digest": _sha256(name)} for name in _named(body)]


_OF_CHANGES = (Intent, Outcome)


def _of_changes(changes: Iterable[Intended]) -> list[dict[str, Any]]:
    named = sorted({grant for change in changes for grant in change.grants})
    if named:
        return [{"name": name, "digest": _sha256(name)} for name in named]
    return [
        {"name": e.resource, "digest": _sha256(canonical(e._asdict()))}
        for e in sorted({change.entitlement for change in changes})
    ]


def _named(body: Body) -> Sequence[str]:
    """Return the names of what a receipt is about: of grants, or of a target."""
    if isinstance(body, Refusal | Retirement | Ended | Reviewed):
        return (body.grant,)
    if isinstance(body, Release | Take):
        return (body.target,)
    if isinstance(body, Departed):
        return (body.person,)
    if isinstance(body, Settled):
        return body.holding.grants
    return sorted({file.grant for file in body.asked}) if isinstance(body, Decided) else ()


def changes_of(body: Body) -> tuple[Intended, ...]:
    """Return the changes that an intent or an outcome tells of, none of other kinds."""
    if isinstance(body, Intent):
        return body.changes
    return (body.change,) if isinstance(body, Outcome) else ()


def _sha256(text: str) -> dict[str, str]:
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}
