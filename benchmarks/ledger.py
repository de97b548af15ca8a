"""The ledger of the generated repository: three signed receipts a grant; and the target's store, which holds them all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.grants import Made
from benchmarks.policies import BEGIN
from benchmarks.stream import Stream
from daypass.core.ids import Oid, canonical
from daypass.core.ledger.chain import Head, seal
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import (
    Admission,
    Body,
    Genesis,
    Intent,
    Outcome,
    Pulse,
    Receipt,
    Retirement,
    Snapshot,
    envelope_digest,
)
from daypass.core.ledger.records import ApprovalRecord
from daypass.core.ledger.snapshot import INDEX, form, write
from daypass.core.ledger.standing import Delta, Standing
from daypass.core.plan import Action, Entitlement, Intended, Order, Reason
from daypass.core.policy.policies import Policy
from daypass.core.window import format_instant
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.shape import receipt_path, standing_folder
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


@dataclass(frozen=True, slots=True)
class Gone:
    """A grant that main no longer has, and the commit that removed it."""

    landed: Landed
    commit: str


AFTER = 100
"""So many of the last grants come after the snapshot, where one is written."""


BRANCH = "refs/heads/daypass-ledger"

_FOLD = 50_000
"""After so many receipts they are added up, so that what came and went is not held."""


def write_ledger(
    folder: Path, git: Git, policy: Policy, landed: Sequence[Landed | Gone], *, main: str, snapshot: bool = False
) -> None:
    """Write the ledger's branch: a genesis and the life of each grant, with a snapshot before the last ones."""
    first = next((one for one in landed if isinstance(one, Landed)), None)
    start = Oid(first.base if first is not None else main)
    parts = [landed[:-AFTER], landed[-AFTER:]] if snapshot else [landed]
    with Stream(git.folder) as stream:
        writer = _Writer(folder, stream, policy)
        writer.append([Genesis(EnvelopeVerifier({"ledger.pub": policy.keys["ledger.pub"]}).key_ids)], BEGIN, start)
        writer.write(parts[0], main)
    if snapshot:
        follows = git.text("rev-parse", BRANCH)
        with Stream(git.folder) as stream:
            writer.stream = stream
            writer.sum_up(Oid(follows), f"{BRANCH}^0")
            writer.write(parts[1], main, whole=True)


class _Writer:
    """Seals receipts as a run does, and adds them up as it writes them: nothing is read again."""

    def __init__(self, folder: Path, stream: Stream, policy: Policy) -> None:
        (private,) = (folder / "keys").glob("*.pem")
        self.stream = stream
        self._policy = policy
        self._signer = EnvelopeSigner(private, policy.keys["ledger.pub"])
        self._head: Head | None = None
        self._tree = Tree()
        self._standing = Standing()
        self._delta = Delta()

    def write(self, landed: Sequence[Landed | Gone], main: str, *, whole: bool = False) -> None:
        """Write the life of each; ``whole``: the last receipts have seen main as it is."""
        for first in range(0, len(landed), GRANTS_A_COMMIT):
            batch = landed[first : first + GRANTS_A_COMMIT]
            bodies = [body for one in batch for body in _life(self._policy, one)]
            last = batch[-1]
            ends = first + GRANTS_A_COMMIT >= len(landed)
            came = last.landed if isinstance(last, Gone) else last
            seen = main if ends and whole else last.commit if isinstance(last, Gone) else last.landing
            assert self._head is not None
            self.append(bodies, max(self._head.at, came.made.merged_at + _LATER), Oid(seen))

    def append(
        self,
        bodies: list[Body],
        at: datetime,
        main: Oid,
        *,
        start: str = "",
        beside: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Append receipts in one commit; ``beside`` are the files of a snapshot, ``start`` what the branch is set to."""
        sealed = seal(bodies, self._head, self._signer.sign, at=at, main=main, run="bench")
        files = [(receipt_path(one.sequence), one.raw) for one in sealed]
        self.stream.commit(
            BRANCH, int(at.timestamp()), f"Append {len(sealed)} receipts\n", [*files, *beside], start=start
        )
        for one, body in zip(sealed, bodies, strict=True):
            digest = envelope_digest(one.raw)
            self._delta.add(Receipt(one.sequence, "", at, main, "bench", body, digest))
            self._tree.add(one.raw)
            self._head = Head(one.sequence, digest, at, main)
        if self._delta.count > _FOLD:
            self._fold()

    def _fold(self) -> None:
        self._standing = self._delta.onto(self._standing)
        self._delta = Delta(self._head)

    def sum_up(self, follows: Oid, start: str) -> None:
        """Append a snapshot of what was written."""
        self._fold()
        assert self._head is not None
        files = write(self._standing)
        tree = self._tree
        body = Snapshot(tree.size, tree.root, tree.frontier, envelope_digest(files[INDEX]), form(), follows)
        where = standing_folder(self._head.sequence + 1)
        beside = [(f"{where}/{name}", raw) for name, raw in files.items()]
        self.append([body], self._head.at, Oid(self._head.main), start=start, beside=beside)


def _life(policy: Policy, landed: Landed | Gone) -> Iterator[Body]:
    """Yield a grant's proof, the intent to give, and that it was given; of one that is gone its proof and its end."""
    if isinstance(landed, Gone):
        yield next(_life(policy, landed.landed))
        yield Retirement(landed.landed.made.grant.id, Oid(landed.landed.blob), Oid(landed.commit))
        yield Pulse(0)
        return
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
