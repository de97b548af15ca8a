"""Receipts as in-toto statements and back (https://github.com/in-toto/attestation, Statement v1).

Reading is strict: an unknown key, a missing one, a value of another type or an instant in another spelling is refused,
so that each receipt has exactly one statement and ``from_statement(to_statement(receipt)) == receipt``.

What the subject of a statement is: `daypass.core.ledger.subject`. People's free text is in no receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any

from daypass.core.errors import LedgerError
from daypass.core.grant import REVIEW
from daypass.core.ids import canonical
from daypass.core.ids import digest as digest_of
from daypass.core.ledger.codec import (
    BY_NAME,
    COUNT,
    DATA,
    DIGEST,
    DIGESTS,
    FLAG,
    INSTANT,
    LATER,
    LIST,
    MOMENTS,
    OBJECT,
    SHA256,
    SHARED_TEXTS,
    TEXT,
    TEXTS,
    WHOLE,
    Record,
    expected,
    plain,
    shared,
    word,
)
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import (
    PREDICATE_TYPES,
    STATEMENT_TYPE,
    Admission,
    AskedFile,
    Away,
    Body,
    Certified,
    Decided,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Pulse,
    Receipt,
    Refusal,
    Release,
    Resolution,
    Retirement,
    Reviewed,
    Settled,
    Snapshot,
    Take,
)
from daypass.core.ledger.records import ActRecord, ApprovalRecord, Departed, Idle, Rests
from daypass.core.ledger.subject import changes_of, subject_of
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason
from daypass.core.record import replace
from daypass.core.window import Part, Window, format_instant


def _tuple(*values: Any) -> tuple[Any, ...]:
    return values


def _itself(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values


# An audit holds what is in force, of which very much is the same.
_TEXT, _OBJECT = shared(TEXT), shared(OBJECT)
_ENTITLEMENT = Record("an entitlement", Entitlement, **dict.fromkeys(Entitlement._fields, _TEXT))
_PART = Record("an interval", _tuple, _itself, **{"from": INSTANT, "until": INSTANT})


def _window(start: datetime, end: datetime, parts: tuple[Part, ...], calendar: str) -> Window:
    if not (parts or calendar):
        return Window(start, end)
    ends = [at for part in parts for at in part]
    if any(not one < other for one, other in pairwise(ends)) or (ends and not start <= ends[0] <= ends[-1] <= end):
        raise LedgerError("expected the intervals of a window to lie in it, in order and apart from each other")
    if calendar and not parts:
        raise LedgerError("a window without intervals is of no calendar")
    return Window(start, end, parts, calendar)


_WINDOW = Record(
    "a window",
    _window,
    attrgetter("start", "end", "parts", "calendar"),
    **{"from": INSTANT, "until": INSTANT},
    intervals=_PART.listed.optional((), "a window that does not recur has no intervals"),
    calendar=shared(TEXT).optional("", "a window that is of no calendar does not say so"),
)
_NUMBER = COUNT.optional(0, "an account without a number does not say so")
_APPROVAL = Record(
    "an approval",
    ApprovalRecord,
    by=_TEXT,
    source=_TEXT,
    commit=_OBJECT,
    main=OBJECT.optional("", "an approval under the policies of the base names no main"),
    number=_NUMBER,
    acts_for=TEXT.optional("", "an approval of one's own right does not say so"),
)
_ACT = Record(
    "an act",
    ActRecord,
    **dict.fromkeys(("by", "did"), _TEXT),
    main=OBJECT.optional("", "an act under the policies of the base names no main"),
    number=_NUMBER,
)
_FILE = Record("a file", _tuple, _itself, grant=TEXT, blob=OBJECT, landing=OBJECT)


def _change(action: Action, target: str, resource: str, principal: str, privilege: str, *rest: Any) -> Intended:
    return Intended(action, Entitlement(target, resource, principal, privilege), *rest)


CHANGE = Record(
    "a change",
    _change,
    lambda change: (change.action, *change.entitlement, change.grants, change.reason, change.due, change.until),
    action=word(Action),
    **dict.fromkeys(Entitlement._fields, _TEXT),
    grants=SHARED_TEXTS,
    reason=word(Reason),
    due=INSTANT,
    until=INSTANT.optional(None),
)
"""A change, as intents and outcomes name it."""

ADMISSION = Record(
    "an admission",
    Admission,
    **dict.fromkeys(("grant", "requester", "subject", "resource", "role", "policy", "meaning"), _TEXT),
    **dict.fromkeys(("blob", "landing", "base", "head"), _OBJECT),
    window=_WINDOW.field,
    entitlement=_ENTITLEMENT.field,
    grant_digest=DIGEST,
    rules=SHARED_TEXTS,
    approvals=_APPROVAL.listed,
    lack=TEXT.optional(""),
    acts=_ACT.listed.optional((), "an admission that tells of no acts does not say so"),
    judged=COUNT.optional(1, "an admission by the first rules of judging does not say so"),
    purpose=shared(TEXT).optional("", "an admission without a purpose does not say so"),
    due=MOMENTS.optional((), "an admission that no detail ends does not say so"),
    hands=TEXTS.optional((), "an admission that nobody had a hand in does not say so"),
    ends_when=BY_NAME.optional((), "an admission that only its window ends does not say so"),
    issue=COUNT.optional(0, "an admission that no issue asked for does not say so"),
)


def admission_digest(admission: Admission) -> str:
    """Return ``sha256:<hex>`` of what an admission says: the same wherever it stands, and whether it was reviewed or not."""
    due = tuple(one for one in admission.due if one[0] != REVIEW)
    return digest_of(ADMISSION.write(admission if due == admission.due else replace(admission, due=due)))


def _intent_parts(intent: Intent) -> tuple[object, ...]:
    if not intent.changes:
        raise RuntimeError("an intent without changes says nothing")
    return intent.changes, intent.plan, intent.basis


def _settled(entitlement: Entitlement, grants: Any, until: Any, numbers: Any, *rest: Any) -> Settled:
    return Settled(Holding(entitlement, grants, until, numbers), *rest)


def _settled_parts(settled: Settled) -> tuple[object, ...]:
    held = settled.holding
    told = (settled.adopted, settled.by, settled.reason, settled.files, settled.number)
    return (held.entitlement, held.grants, held.until, held.numbers, *told)


def _snapshot(size: int, root: str, frontier: tuple[str, ...], standing: str, form: str, follows: str) -> Snapshot:
    try:
        tree = Tree(size, frontier)
    except ValueError as error:
        raise LedgerError(f"frontier of a snapshot: {error}") from None
    if (tree.root, tree.frontier) != (root, frontier):
        raise LedgerError("root and frontier of a snapshot are of two trees")
    return Snapshot(size, root, frontier, standing, form, follows)


ENDED = Record("an end", Ended)
_RESTS = plain(Rests).optional(None)

_ASKED = Record(
    "a file that was asked for", AskedFile, subject=TEXT.optional("", "a file without a subject does not say so")
)
_DECIDED = Record(
    "a decision",
    Decided,
    what=word(Resolution),
    asked=_ASKED.listed.optional((), "a decision about no file does not say so"),
    by=_ACT.listed.optional((), "a decision of nobody does not say so"),
    codes=TEXTS.optional((), "a decision without codes does not say so"),
    reason=DIGEST.optional(""),
    number=_NUMBER,
)


def _review(kind: type[Reviewed], what: str) -> Record[Reviewed]:
    reviews = _APPROVAL.listed.filled(f"{what} names nobody who gave it")
    return Record(what, kind, reviews=reviews, reason=DIGEST.optional("", f"{what} without words does not say so"))


_RECORDS: Mapping[type[Body], tuple[str, Record[Any]]] = {
    Genesis: ("genesis", Record("a genesis", Genesis)),
    Admission: ("admitted", ADMISSION),
    Refusal: ("refused", Record("a refusal", Refusal)),
    Retirement: (
        "retired",
        Record(
            "a retirement",
            Retirement,
            pull=COUNT.optional(0),
            **dict.fromkeys(("by", "lack"), TEXT.optional("")),
            revoked=FLAG.optional(False),
            number=_NUMBER,
        ),
    ),
    Intent: (
        "intent",
        Record(
            "an intent",
            Intent,
            _intent_parts,
            changes=CHANGE.listed.filled("an intent names no change"),
            plan=TEXT,
            basis=DIGESTS.optional((), "an intent that stands on no admission does not say so"),
        ),
    ),
    Outcome: (
        "outcome",
        Record(
            "an outcome",
            Outcome,
            change=CHANGE.field,
            handover=TEXT.optional("", "an outcome that hands nothing over does not say so"),
            numbers=BY_NAME.optional(()),
            since=INSTANT.optional(None),
        ),
    ),
    Settled: (
        "settled",
        Record(
            "a settlement",
            _settled,
            _settled_parts,
            entitlement=_ENTITLEMENT.field,
            grants=TEXTS.filled("a settlement names no grant"),
            until=INSTANT.optional(None),
            numbers=BY_NAME.optional(()),
            adopted=FLAG,
            by=TEXT,
            reason=DIGEST,
            files=_FILE.listed,
            number=_NUMBER,
        ),
    ),
    Pulse: ("pulse", Record("a pulse", Pulse, live=WHOLE, exit=WHOLE)),
    Ended: ("ended", ENDED),
    Snapshot: (
        "snapshot",
        Record(
            "a snapshot",
            _snapshot,
            attrgetter("size", "root", "frontier", "standing", "form", "follows"),
            size=COUNT,
            root=TEXT,
            frontier=TEXTS,
            standing=DIGEST,
            form=TEXT,
            follows=OBJECT.optional("", "a snapshot that names no commit before it does not say so"),
        ),
    ),
    Decided: ("decided", _DECIDED),
    Reviewed: ("reviewed", _review(Reviewed, "a review")),
    Certified: ("certified", _review(Certified, "a certification")),
    Release: ("release", Record("a release", Release)),
    Take: ("take", Record("a take", Take, digest=DIGEST)),
    Departed: ("departed", Record("a departure", Departed, code=TEXT.optional("", "who is back has no code"))),
    Idle: ("idle", Record("an idle run", Idle, grounds=DIGEST, live=WHOLE, by_ledger=WHOLE, rests=_RESTS)),
}
KINDS = dict(_RECORDS.values())
"""The kinds of receipt, each with how its body stands in data."""
_SINCE = dict.fromkeys([*KINDS][8:], 2)
"""The version of receipts that a kind is new in; the others are of every version."""
_SINCE_AWAY = 2

_AWAY = Record(
    "the mark of an outbox",
    Away,
    outbox=DIGEST,
    original=DIGEST.optional("", "a receipt that stands as it was signed first names no other"),
    witness=FLAG.optional(False, "a receipt that is no second witness does not say so"),
)

_PREDICATE = Record(
    "the predicate",
    _tuple,
    _itself,
    kind=TEXT,
    sequence=COUNT,
    previous=TEXT,
    at=INSTANT,
    main=OBJECT,
    run=TEXT,
    body=DATA,
    clock=INSTANT.optional(None),
    away=_AWAY.field.optional(None),
)
_VERSIONS = {text: version for version, text in PREDICATE_TYPES.items()}
_STATEMENT = Record(
    "the statement", _tuple, _itself, _type=TEXT, subject=LIST, predicateType=TEXT, predicate=_PREDICATE.field
)


def to_statement(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as plain data. An instant finer than seconds is a mistake of ours (RuntimeError)."""
    kind, body = body_to_dict(receipt.body)
    place = (receipt.sequence, receipt.previous, receipt.at, receipt.main, receipt.run)
    predicate = (kind, *place, body, receipt.clock, receipt.away)
    return _STATEMENT.write((STATEMENT_TYPE, subject_of(receipt.body), PREDICATE_TYPES[receipt.version], predicate))


def from_statement(statement: Mapping[str, Any], digest: str = "") -> Receipt:
    """Read what to_statement wrote; ``digest`` is that of the envelope it came in.

    Raises LedgerError, saying what was expected, for anything else.
    """
    if statement.get("_type", STATEMENT_TYPE) != STATEMENT_TYPE:
        raise expected("_type", "the statement", repr(STATEMENT_TYPE), statement["_type"])
    known = list(_VERSIONS)
    if statement.get("predicateType", known[0]) not in known:
        wrong = expected("predicateType", "the statement", " or ".join(map(repr, known)), statement["predicateType"])
        raise LedgerError(wrong.message, hint=LATER)
    _, subject, stated, (kind, sequence, previous, at, main, run, told, clock, away) = _STATEMENT.read(statement)
    version = _VERSIONS[stated]
    if version < _SINCE.get(kind, 1):
        raise LedgerError(f"a receipt of version {version} has no kind {kind!r}")
    body = body_from_dict(kind, told)
    if subject != subject_of(body):
        raise LedgerError(f"expected the subject that the body is about, got {canonical(subject)}")
    if previous and not SHA256.fullmatch(previous):
        raise LedgerError(f"expected previous to be a digest, got {previous!r}")
    if clock is not None and clock >= at:
        raise LedgerError(f"expected clock of the predicate to be before at, got {format_instant(clock)}")
    if away is not None:
        _check_away(away, body, sequence, version)
    return Receipt(sequence, previous, at, main, run, body, digest, clock, version, away)


def _check_away(away: Away, body: Body, sequence: int, version: int) -> None:
    """Refuse anything in an outbox but that access was taken away, or who left: whoever holds it could else give unseen."""
    changes, left = changes_of(body), isinstance(body, Departed) and bool(body.code)
    if version < _SINCE_AWAY:
        raise LedgerError(f"a receipt of version {version} was in no outbox")
    if not left and (not changes or any(change.action is not Action.REMOVE for change in changes)):
        raise LedgerError(f"a receipt of an outbox takes access away or says who left, got {kind_of(body)}")
    if away.after >= sequence:
        raise LedgerError(f"expected after of the mark of an outbox to be below {sequence}, got {away.after}")
    if away.witness and not (away.original and isinstance(body, Outcome | Departed)):
        raise LedgerError("a second witness is an outcome or a departure that was sealed anew")


def kind_of(body: Body) -> str:
    """Return the name of a body's kind."""
    return _RECORDS[type(body)][0]


def body_to_dict(body: Body) -> tuple[str, dict[str, Any]]:
    """Return a body's kind and the body as plain data."""
    return kind_of(body), _RECORDS[type(body)][1].write(body)


def body_from_dict(kind: str, data: dict[str, Any]) -> Body:
    """Read what body_to_dict wrote. Raises LedgerError, saying what was expected, for anything else."""
    record = KINDS.get(kind)
    if record is None:
        raise LedgerError(f"expected a kind of receipt ({', '.join(KINDS)}), got {kind!r}", hint=LATER)
    body: Body = record.read(data)
    return body
