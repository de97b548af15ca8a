"""Receipts: the signed record of what was attempted and what came of it.

A receipt is an in-toto statement (https://github.com/in-toto/attestation, Statement v1) whose predicate is ours. Each
names the SHA-256 of the envelope before it, so that none can be changed, dropped or reordered. A ledger that was begun
in version 1 goes on in version 2, and never back. The kinds, those from ``ended`` on being new in version 2:

``genesis``   the ledger begins; no other receipt may be first, and this one may not come again
``admitted``  a grant file that landed on main was proved: who asked and approved, by which policy, and what follows
``refused``   a landed grant file could not be proved, and why; it gives nothing
``retired``   an admitted grant file is no longer in main
``intent``    changes about to be made at the targets
``outcome``   what came of one change; a removal is ``ok`` only after reading back that the access is gone
``settled``   a person ended a doubt about access: it is as the target names it today, or nothing gives it any more
``pulse``     a run came to its end and had nothing else to say
``ended``     something other than its own window ended a grant whose file is still on main: for good
``snapshot``  what all receipts before add up to, and the Merkle tree over them; a run that knows nothing begins there
``decided``   what became of a request that was not merged: policy denied it, somebody rejected it, or it was closed
``reviewed``  people said afterwards whether a grant was right that had needed nobody's approval
``departed``  somebody is in the source of people no more, or is disabled there; or is back
``idle``      a run that starts bare found nothing to do, and the next one need not look while nothing moves
``certified`` people said whether somebody still needs what a grant gives them; nothing writes it yet, nor
``release``   a target moves to another lane, what becomes of its access is told there from here on, nor
``take``      the other lane begins where a ``release`` ended: they have their form, so that the format moves once
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import Enum

from msgspec import Struct

from daypass.core.bounds.watch import Condition
from daypass.core.grant import REVIEW, Bounded, Moments
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.records import ActRecord, ApprovalRecord, Awaited, Departed, HeldWindow, Idle, barred_of
from daypass.core.plan import Action, Entitlement, Holding, Intended, Numbers
from daypass.core.window import Window

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
VERSION = 2
"""The version that receipts are written in; those of version 1 stand as they are."""
PREDICATE_TYPES = {version: f"urn:daypass:receipt:v{version}" for version in range(1, VERSION + 1)}
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def words_digest(text: str) -> str:
    """Return ``sha256:<hex>`` of people's words, "" of none: receipts have no words of theirs."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest() if text else ""


def envelope_digest(raw: bytes) -> str:
    """Return ``sha256:<hex>`` of an envelope's exact bytes: what the next receipt names as ``previous``."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


class Admission(Struct, frozen=True, gc=False):
    """A grant file of main that was proved. ``narrowed_from`` is the blob it narrows, "" where approvals were judged.

    ``landing`` is the commit of main that brought this blob to this path: the same bytes brought again by another
    commit need their own proof. ``meaning`` and ``grant_digest`` and ``policy`` are the digests that the approval is
    bound to. ``lack`` is why nobody was entitled to narrow it, "" where somebody was or where that was not looked at.
    ``acts`` are who opened and pushed; receipts of earlier releases have none, and no ``purpose``. ``judged`` is the
    JUDGING of decisions that it was judged by. ``due`` are the details that end it, as the purpose said at the merge.
    ``hands`` had a hand in its commits. ``ends_when`` is what ends it before its window does. ``issue`` is the issue
    that asked, for this or for what this goes on with, 0 where none did.
    """

    grant: GrantId
    blob: Oid
    landing: Oid
    pull: int
    head: Oid
    base: Oid
    merged_at: datetime
    requested_at: datetime
    requester: str
    subject: str
    resource: str
    role: str
    window: Window
    entitlement: Entitlement
    grant_digest: str
    policy: str
    meaning: str
    rules: tuple[str, ...] = ()
    approvals: tuple[ApprovalRecord, ...] = ()
    narrowed_from: str = ""
    lack: str = ""
    acts: tuple[ActRecord, ...] = ()
    judged: int = 1
    purpose: str = ""
    due: Moments = ()
    hands: tuple[str, ...] = ()
    ends_when: tuple[Condition, ...] = ()
    issue: int = 0

    @property
    def bounded(self) -> Bounded:
        """What bounds are asked of."""
        return Bounded(self.subject, self.resource, self.role, self.purpose, self.due, self.window.start)

    @property
    def awaited(self) -> Awaited | None:
        """The review that it is to have afterwards, None where it is to have none."""
        by = next((moment for name, moment in self.due if name == REVIEW), None)
        if by is None:
            return None
        told = (self.subject, self.resource, self.role, self.merged_at, by, self.blob, self.purpose, self.requester)
        return Awaited(*told, barred_of(self.subject, self.requester, self.approvals, self.acts, self.hands))

    @property
    def held(self) -> HeldWindow:
        """Who has which role when by it, not before its merge whatever the window says."""
        window = self.window
        return HeldWindow(self.subject, self.role, max(window.start, self.merged_at), window.end, window.parts)


class Refusal(Struct, frozen=True, gc=False):
    """A landed grant file that could not be proved."""

    grant: GrantId
    blob: Oid
    landing: Oid
    code: str
    message: str


class Retirement(Struct, frozen=True, gc=False):
    """An admitted grant file that main no longer has; ``commit`` is the main it was missing from.

    Where its time was not over and the forge's record was read: ``pull`` and ``by`` (handle, account's ``number``) removed it;
    ``lack`` is why nobody was entitled to, "" where somebody was. ``revoked``: by the emergency stop, and rightly.
    """

    grant: GrantId
    blob: Oid
    commit: Oid
    pull: int = 0
    by: str = ""
    lack: str = ""
    revoked: bool = False
    number: int = 0


class Intent(Struct, frozen=True, gc=False):
    """Changes about to be made, at most BATCH.

    ``basis``: digests of the admissions that additions stand on (`admission_digest`); earlier releases wrote none.
    """

    changes: tuple[Intended, ...]
    plan: str
    basis: tuple[str, ...] = ()


class Outcome(Struct, frozen=True, gc=False):
    """What came of one intended change. ``recovered``: an earlier run died before it could say.

    ``handover`` is what the subject receives: a certificate, or a secret that only their own key opens. ``numbers`` are
    those by which the target knows what was given. ``since`` is when it first failed so, where it did before.
    """

    change: Intended
    ok: bool
    error: str = ""
    recovered: bool = False
    handover: str = ""
    numbers: Numbers = ()
    since: datetime | None = None


class Settled(Struct, frozen=True, gc=False):
    """A person ended a doubt about ``holding``, as the ledger had it.

    ``adopted``: whoever and whatever bears the names now is meant, and recorded numbers are forgotten. Else it is written
    off: ours no longer, though nobody saw it gone, and ``files`` (grant, blob, landing), all that would give it again, give
    nothing any more. ``by``, by the account ``number``, said so; ``reason`` is the SHA-256 of why.
    """

    holding: Holding
    adopted: bool
    by: str
    reason: str
    files: tuple[tuple[GrantId, Oid, Oid], ...] = ()
    number: int = 0

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why the files that were written off give nothing."""
        return tuple(Refusal(grant, blob, landing, "written-off", WRITTEN_OFF) for grant, blob, landing in self.files)


WRITTEN_OFF = "what it gave could not be found at the target, and was written off; ask again for access"


class Genesis(Struct, frozen=True, gc=False):
    """The ledger begins, with these keys allowed to sign."""

    keys: tuple[str, ...]


class Pulse(Struct, frozen=True, gc=False):
    """A run came to its end: ``live`` entitlements should exist, and ``exit`` is the code that it ended with."""

    live: int
    exit: int = 0


class Ended(Struct, frozen=True, gc=False):
    """A proved grant that something other than its own window ended at ``end``, before its time.

    It stays ended, whatever is undone later: who needs it again asks anew. ``code`` names what ended it, ``bound`` says it.
    """

    grant: GrantId
    blob: Oid
    landing: Oid
    end: datetime
    code: str
    bound: str


class Snapshot(Struct, frozen=True, gc=False):
    """What the ``size`` receipts before it are and add up to. ``follows`` is the branch's commit before it, "" in old ones.

    ``root`` and ``frontier`` are those of the Merkle tree over their envelopes, in hex; ``standing`` is the digest of what
    they add up to, which lies beside the receipt, and ``form`` names the rules by which it was added up and written.
    """

    size: int
    root: str
    frontier: tuple[str, ...]
    standing: str
    form: str
    follows: str = ""


class Resolution(Enum):
    """What was decided of a request that was not merged. Its requester ``withdrawn`` it, somebody else ``closed`` it."""

    DENIED = "denied"
    REJECTED = "rejected"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class AskedFile(Struct, frozen=True, gc=False):
    """A grant file that a request changes.

    ``kind``: ``new``, ``widen``, ``narrow`` or ``remove``. ``subject`` is whom it names, "" for one that main does not know.
    """

    grant: GrantId
    blob: Oid
    kind: str
    subject: str = ""


class Decided(Struct, frozen=True, gc=False):
    """What became of one head of a request that was not merged, by the forge's record.

    ``by`` are who decided so, in the words ``rejected`` and ``closed``; nobody where policy did, whose ``codes`` say why: the
    id of the rule, or the code of the denial. ``base`` is the commit of main that it was judged by. ``number`` is the
    requester's account at the forge. ``reason`` is the SHA-256 of what people said (``sha256:…``), "" for no word.
    """

    what: Resolution
    pull: int
    head: Oid
    requester: str
    requested_at: datetime
    base: Oid
    asked: tuple[AskedFile, ...] = ()
    by: tuple[ActRecord, ...] = ()
    codes: tuple[str, ...] = ()
    reason: str = ""
    number: int = 0

    @property
    def key(self) -> DecidedKey:
        """What it is known by: the same is recorded once."""
        return self.pull, self.head, self.what


DecidedKey = tuple[int, Oid, Resolution]
"""A request, its head, and what was decided of it."""


class Reviewed(Struct, frozen=True, gc=False):
    """What people said of a proved grant afterwards, on a request of its own (``pull``, and its ``head``).

    ``reviews`` are those that count, with the source "" where they meet no requirement. It changes no access: what a
    rejection ends an `Ended` tells. ``reason`` is the SHA-256 of what people said, "" where they said nothing.
    """

    grant: GrantId
    blob: Oid
    landing: Oid
    pull: int
    head: Oid
    approved: bool
    reviews: tuple[ApprovalRecord, ...]
    reason: str = ""


class Certified(Reviewed, frozen=True):
    """The same of a grant that runs on. ``approved``: its subject still needs what it gives."""


class Release(Struct, frozen=True, gc=False):
    """From here on ``target`` is told of in the chain of ``lane_to``, and here, in ``lane_from``, no more.

    A lane is known by its name, that of the decisions by "".
    """

    target: str
    lane_from: str
    lane_to: str


class Take(Struct, frozen=True, gc=False):
    """From here on ``target`` is told of in this chain, of ``lane_to``: the answer to the release in that of ``lane_from``.

    ``sequence`` is the number of that release, ``digest`` the SHA-256 of its envelope.
    """

    target: str
    lane_from: str
    lane_to: str
    sequence: int
    digest: str


Body = (Genesis | Admission | Refusal | Retirement | Intent | Outcome | Settled | Pulse | Ended | Snapshot | Decided
        | Reviewed | Certified | Release | Take | Departed | Idle)  # fmt: skip


class Away(Struct, frozen=True, gc=False):
    """Marks a receipt of a run that could not reach the remote: it waited in an ``outbox``, which has this name.

    ``after`` is the number of the last receipt that the run knew. Where others were recorded before it was delivered, it
    was sealed anew behind them: ``original`` is the digest of the envelope that it was signed in first, "" while it stands
    in that one. ``witness``: one of those others tells of the same access, and this one says only what was seen.
    """

    outbox: str
    after: int
    original: str = ""
    witness: bool = False


class Receipt(Struct, frozen=True, gc=False):
    """A body in its place: ``sequence`` from 0, ``previous`` the digest of the envelope before ("" for the first).

    ``at`` is the run's instant, ``main`` the commit of main that the run stood on, ``run`` names the run. ``digest``
    is that of the envelope which carried the receipt, "" while it is in none; it is no part of what the receipt says.
    ``clock`` is the run's instant where the receipt before lies ahead of it; ``at`` is that one's then. ``version`` is that
    of its format. ``away`` is None but for what was written where the remote could not be reached. ``void``: the
    key that signed it was revoked from its place on, and it counts for nothing.
    """

    sequence: int
    previous: str
    at: datetime
    main: str
    run: str
    body: Body
    digest: str = ""
    clock: datetime | None = None
    version: int = VERSION
    away: Away | None = None
    void: bool = False

    @property
    def run_at(self) -> datetime:
        """The instant that the run itself took it to be."""
        return self.clock or self.at

    @property
    def told_at(self) -> datetime:
        """When what it tells came about: what waited in an outbox came about before it was recorded."""
        return self.at if self.away is None else self.run_at

    @property
    def seconds(self) -> bool:
        """Whether it only bears out what others have told, and changes nothing."""
        return self.away is not None and self.away.witness

    @property
    def additions(self) -> tuple[Intended, ...]:
        """The additions for grants that it tells of, whatever it says came of them."""
        body = self.body
        changes = body.changes if isinstance(body, Intent) else (body.change,) if isinstance(body, Outcome) else ()
        return tuple(change for change in changes if change.action is Action.ADD and change.grants)


BATCH = 200
"""How many changes one intent names at most."""
