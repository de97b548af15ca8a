"""The ledger of the generated repository: three signed receipts a grant; and the target's store, which holds them all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.grants import Made
from benchmarks.policies import BEGIN
from benchmarks.stream import Stream
from daypass.core.ids import Oid, canonical
from daypass.core.ledger.chain import Head, seal
from daypass.core.ledger.receipt import Admission, Body, Genesis, Intent, Outcome, envelope_digest
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.plan import Action, Entitlement, Intended, Order, Reason
from daypass.core.policy.policies import Policy
from daypass.core.window import format_instant
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.ledger import receipt_path
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.edges.targets.embedded.target import EmbeddedTarget

GRANTS_A_COMMIT = 50
"""How many grants' receipts one commit of the ledger carries."""

_PLAN = "sha256:" + "5" * 64
_LATER = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Landed:
    """A grant with the request and the commits that brought it; ``approvals`` are (handle, for what)."""

    made: Made
    pull: int
    blob: str
    base: str
    head: str
    landing: str
    approvals: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]


def entitlement(policy: Policy, made: Made) -> Entitlement:
    """Return what a grant gives."""
    resource = policy.catalogue.resources[made.grant.resource]
    role = resource.roles[made.grant.role]
    principal = policy.catalogue.principal(made.grant.subject, resource)
    return Entitlement(resource.target, resource.name, principal, canonical(dict(role.privilege)))


def write_ledger(folder: Path, git: Git, policy: Policy, landed: Sequence[Landed], *, main: str) -> None:
    """Write the ledger's branch: a genesis and the life of each grant."""
    public = policy.keys["ledger.pub"]
    (private,) = (folder / "keys").glob("*.pem")
    signer = EnvelopeSigner(private, public)
    genesis: list[Body] = [Genesis(EnvelopeVerifier({"ledger.pub": public}).key_ids)]
    first = Oid(landed[0].base if landed else main)
    with Stream(git.folder) as stream:
        head = _append(stream, signer, None, genesis, BEGIN, first)
        for start in range(0, len(landed), GRANTS_A_COMMIT):
            batch = landed[start : start + GRANTS_A_COMMIT]
            last = batch[-1]
            bodies = [body for one in batch for body in _life(policy, one)]
            head = _append(stream, signer, head, bodies, last.made.merged_at + _LATER, Oid(last.landing))


def _append(
    stream: Stream, signer: EnvelopeSigner, head: Head | None, bodies: list[Body], at: datetime, main: Oid
) -> Head:
    sealed = seal(bodies, head, signer.sign, at=at, main=main, run="bench")
    stream.commit(
        "refs/heads/daypass-ledger",
        int(at.timestamp()),
        f"Append {len(sealed)} receipts\n",
        [(receipt_path(one.sequence), one.raw) for one in sealed],
    )
    last = sealed[-1]
    return Head(last.sequence, envelope_digest(last.raw), at, main)


def _life(policy: Policy, landed: Landed) -> Iterator[Body]:
    """Yield a grant's proof, the intent to give, and that it was given."""
    made, grant = landed.made, landed.made.grant
    resource = policy.catalogue.resources[grant.resource]
    given = entitlement(policy, made)
    yield Admission(
        grant=grant.id,
        blob=Oid(landed.blob),
        landing=Oid(landed.landing),
        pull=landed.pull,
        head=Oid(landed.head),
        base=Oid(landed.base),
        merged_at=made.merged_at,
        requested_at=made.asked_at,
        requester=grant.subject,
        subject=grant.subject,
        resource=grant.resource,
        role=grant.role,
        window=made.window,
        entitlement=given,
        grant_digest=grant.digest,
        policy=policy.digest,
        meaning=policy.catalogue.meaning(resource, resource.roles[grant.role]),
        rules=landed.rules,
        approvals=tuple(
            ApprovalRecord(
                handle, source, Oid(landed.head), made.merged_at - timedelta(minutes=2), f"{landed.pull}-{n}"
            )
            for n, (handle, source) in enumerate(landed.approvals)
        ),
    )
    change = Intended(Action.ADD, given, (grant.id,), Reason.WINDOW_OPENED, made.window.start, made.window.end)
    yield Intent((change,), _PLAN)
    yield Outcome(change, ok=True)


def write_store(path: Path, policy: Policy, landed: Sequence[Landed]) -> None:
    """Make the embedded target hold what the ledger says it was given."""
    target = EmbeddedTarget(path, "embedded")
    window = landed[0].made.window
    target.carry_out([Order(Action.ADD, entitlement(policy, landed[0].made), window.start, window.end)])
    rows = [(entitlement(policy, one.made), format_instant(one.made.window.end)) for one in landed[1:]]
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO entitlements VALUES (?, ?, ?, ?, ?)",
            [(e.target, e.resource, e.principal, e.privilege, until) for e, until in rows],
        )
    connection.close()
