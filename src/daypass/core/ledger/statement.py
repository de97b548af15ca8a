"""Receipts as in-toto statements and back (https://github.com/in-toto/attestation, Statement v1).

Reading is strict: an unknown key, a missing one, a value of another type or an instant in another spelling is refused,
so that each receipt has exactly one statement and ``from_statement(to_statement(receipt)) == receipt``.

The subject of a statement are the grants that it is about. An admission names the digest of what the grant means; the
other kinds know a grant by its id alone, and name the SHA-256 of the id's text. A change that no grant asked for
(access that nobody granted, removed from an exclusive resource) names its resource with the SHA-256 of the
entitlement's canonical form, the first receipt names ``ledger`` with the SHA-256 of its keys, and a pulse ``run`` with
that of what it says. People's free text is in no receipt.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from daypass.core.errors import LedgerError
from daypass.core.grant import GrantId, Oid, canonical
from daypass.core.ledger.fields import Fields
from daypass.core.ledger.receipt import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    ActRecord,
    Admission,
    ApprovalRecord,
    Body,
    Genesis,
    Intent,
    Outcome,
    Pulse,
    Receipt,
    Refusal,
    Retirement,
    Settled,
    entitlement_from_dict,
    entitlement_to_dict,
)
from daypass.core.plan import Action, Entitlement, Holding, Intended, Numbers, Reason
from daypass.core.window import Window, format_instant

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def to_statement(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as plain data.

    Instants must be whole seconds: a finer one is a mistake of ours (RuntimeError).
    """
    kind, body = body_to_dict(receipt.body)
    return {
        "_type": STATEMENT_TYPE,
        "subject": _subject(receipt.body),
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "kind": kind,
            "sequence": receipt.sequence,
            "previous": receipt.previous,
            "at": _instant(receipt.at),
            "main": receipt.main,
            "run": receipt.run,
            "body": body,
            **({"clock": _instant(receipt.clock)} if receipt.clock is not None else {}),
        },
    }


def from_statement(statement: Mapping[str, Any], digest: str = "") -> Receipt:
    """Read what to_statement wrote; ``digest`` is that of the envelope it came in.

    Raises LedgerError, saying what was expected, for anything else.
    """
    top = Fields(statement, "the statement", ("_type", "subject", "predicateType", "predicate"))
    top.same("_type", STATEMENT_TYPE)
    top.same("predicateType", PREDICATE_TYPE)
    names = ("kind", "sequence", "previous", "at", "main", "run", "body")
    told = top.take("predicate", dict)
    predicate = Fields(told, "the predicate", names, ("clock",))
    body = body_from_dict(predicate.text("kind"), predicate.take("body", dict))
    if top.take("subject", list) != _subject(body):
        raise LedgerError(f"expected the subject that the body is about, got {canonical(statement['subject'])}")
    sequence = predicate.number("sequence")
    previous = predicate.text("previous")
    if previous and not _SHA256.fullmatch(previous):
        raise LedgerError(f"expected previous to be a digest, got {previous!r}")
    at, main, run = predicate.instant("at"), predicate.object("main"), predicate.text("run")
    clock = predicate.instant("clock") if "clock" in told else None
    if clock is not None and clock >= at:
        raise LedgerError(f"expected clock of the predicate to be before at, got {format_instant(clock)}")
    return Receipt(sequence, previous, at, main, run, body, digest, clock)


def body_from_dict(kind: str, data: dict[str, Any]) -> Body:
    """Read what body_to_dict wrote. Raises LedgerError, saying what was expected, for anything else."""
    reader = _READERS.get(kind)
    if reader is None:
        raise LedgerError(f"expected a kind of receipt ({', '.join(_READERS)}), got {kind!r}")
    return reader(data)


def change_from_dict(data: dict[str, Any]) -> Intended:
    """Read what Intended.to_dict wrote. Raises LedgerError for anything else."""
    return _change(data)


def _instant(value: datetime) -> str:
    if value.microsecond:
        raise RuntimeError("receipts are written to the second")
    return format_instant(value)


def _sha256(text: str) -> dict[str, str]:
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def _subject(body: Body) -> list[dict[str, Any]]:
    if isinstance(body, Genesis):
        return [{"name": "ledger", "digest": _sha256(canonical(list(body.keys)))}]
    if isinstance(body, Pulse):
        return [{"name": "run", "digest": _sha256(canonical({"exit": body.exit, "live": body.live}))}]
    if isinstance(body, Admission):
        return [{"name": body.grant, "digest": {"sha256": body.grant_digest.removeprefix("sha256:")}}]
    if isinstance(body, Refusal | Retirement):
        return [{"name": body.grant, "digest": _sha256(body.grant)}]
    if isinstance(body, Settled):
        return [{"name": grant, "digest": _sha256(grant)} for grant in body.holding.grants]
    changes = body.changes if isinstance(body, Intent) else (body.change,)
    grants = sorted({grant for change in changes for grant in change.grants})
    if grants:
        return [{"name": grant, "digest": _sha256(grant)} for grant in grants]
    return [
        {"name": e.resource, "digest": _sha256(canonical(entitlement_to_dict(e)))}
        for e in sorted({change.entitlement for change in changes})
    ]


def body_to_dict(body: Body) -> tuple[str, dict[str, Any]]:
    """Return a body's kind and the body as plain data."""
    if isinstance(body, Admission):
        return "admitted", _admission_to_dict(body)
    if isinstance(body, Outcome):
        return "outcome", {
            "change": _change_to_dict(body.change),
            "ok": body.ok,
            "error": body.error,
            "recovered": body.recovered,
            **({"handover": body.handover} if body.handover else {}),
            **({"numbers": dict(body.numbers)} if body.numbers else {}),
            **({"since": _instant(body.since)} if body.since is not None else {}),
        }
    if isinstance(body, Settled):
        return "settled", _settled_to_dict(body)
    if isinstance(body, Intent):
        if not body.changes:
            raise RuntimeError("an intent without changes says nothing")
        return "intent", {"changes": [_change_to_dict(change) for change in body.changes], "plan": body.plan}
    if isinstance(body, Refusal):
        return "refused", {
            "grant": body.grant,
            "blob": body.blob,
            "landing": body.landing,
            "code": body.code,
            "message": body.message,
        }
    if isinstance(body, Retirement):
        told = {"pull": body.pull, "by": body.by, "lack": body.lack, "revoked": body.revoked}
        said = {key: value for key, value in told.items() if value}
        return "retired", {"grant": body.grant, "blob": body.blob, "commit": body.commit, **said}
    if isinstance(body, Pulse):
        return "pulse", {"live": body.live, "exit": body.exit}
    return "genesis", {"keys": list(body.keys)}


def _change_to_dict(change: Intended) -> dict[str, object]:
    for instant in (change.due, change.until):
        if instant is not None:
            _instant(instant)
    return change.to_dict()


def _admission_to_dict(body: Admission) -> dict[str, Any]:
    return {
        "grant": body.grant,
        "blob": body.blob,
        "landing": body.landing,
        "pull": body.pull,
        "head": body.head,
        "base": body.base,
        "merged_at": _instant(body.merged_at),
        "requested_at": _instant(body.requested_at),
        "requester": body.requester,
        "subject": body.subject,
        "resource": body.resource,
        "role": body.role,
        "window": {"from": _instant(body.window.start), "until": _instant(body.window.end)},
        "entitlement": entitlement_to_dict(body.entitlement),
        "grant_digest": body.grant_digest,
        "policy": body.policy,
        "meaning": body.meaning,
        "rules": list(body.rules),
        "approvals": [
            {"by": a.by, "source": a.source, "commit": a.commit, "at": _instant(a.at), "review": a.review}
            | ({"main": a.main} if a.main else {})
            for a in body.approvals
        ],
        "narrowed_from": body.narrowed_from,
        **({"lack": body.lack} if body.lack else {}),
        **({"acts": [_act_to_dict(act) for act in body.acts]} if body.acts else {}),
    }


def _act_to_dict(act: ActRecord) -> dict[str, Any]:
    return {"by": act.by, "did": act.did, "at": _instant(act.at)} | ({"main": act.main} if act.main else {})


def _genesis(data: dict[str, Any]) -> Genesis:
    return Genesis(Fields(data, "a genesis", ("keys",)).texts("keys"))


_ENTITLEMENT = ("target", "resource", "principal", "privilege")
_ADMISSION = (
    *("grant", "blob", "landing", "pull", "head", "base", "merged_at", "requested_at", "requester", "subject"),
    *("resource", "role", "window", "entitlement", "grant_digest", "policy", "meaning", "rules", "approvals"),
    "narrowed_from",
)


def _admission(data: dict[str, Any]) -> Admission:
    of = Fields(data, "an admission", _ADMISSION, ("lack", "acts"))
    span = Fields(of.take("window", dict), "a window", ("from", "until"))
    try:
        window = Window(span.instant("from"), span.instant("until"))
    except ValueError as error:
        raise LedgerError(f"window of an admission: {error}") from None
    digest = of.text("grant_digest")
    if not _SHA256.fullmatch(digest):
        raise LedgerError(f"expected grant_digest of an admission to be a digest, got {digest!r}")
    return Admission(
        grant=GrantId(of.text("grant")),
        blob=of.object("blob"),
        landing=of.object("landing"),
        pull=of.number("pull"),
        head=of.object("head"),
        base=of.object("base"),
        merged_at=of.instant("merged_at"),
        requested_at=of.instant("requested_at"),
        requester=of.text("requester"),
        subject=of.text("subject"),
        resource=of.text("resource"),
        role=of.text("role"),
        window=window,
        entitlement=_entitlement(of.take("entitlement", dict)),
        grant_digest=digest,
        policy=of.text("policy"),
        meaning=of.text("meaning"),
        rules=of.texts("rules"),
        approvals=tuple(_approval(item) for item in of.mappings("approvals")),
        narrowed_from=of.text("narrowed_from"),
        lack=of.text("lack") if "lack" in data else "",
        acts=_acts(of) if "acts" in data else (),
    )


def _acts(of: Fields) -> tuple[ActRecord, ...]:
    found = tuple(_act(item) for item in of.mappings("acts"))
    if not found:
        raise LedgerError("an admission that tells of no acts does not say so")  # else one admission had two spellings
    return found


def _act(data: dict[str, Any]) -> ActRecord:
    of = Fields(data, "an act", ("by", "did", "at"), ("main",))
    return ActRecord(of.text("by"), of.text("did"), of.instant("at"), _main(of, data, "an act"))


def _main(of: Fields, data: dict[str, Any], what: str) -> str:
    main = of.object("main") if "main" in data else ""
    if "main" in data and not main:
        raise LedgerError(f"{what} under the policies of the base names no main")  # else it had two spellings
    return main


def _approval(data: dict[str, Any]) -> ApprovalRecord:
    of = Fields(data, "an approval", ("by", "source", "commit", "at", "review"), ("main",))
    by, source, commit = of.text("by"), of.text("source"), of.object("commit")
    main = _main(of, data, "an approval")
    return ApprovalRecord(by, source, commit, of.instant("at"), of.text("review"), main)


def _entitlement(data: dict[str, Any]) -> Entitlement:
    of = Fields(data, "an entitlement", _ENTITLEMENT)
    for name in _ENTITLEMENT:
        of.text(name)
    return entitlement_from_dict(data)


def _change(data: dict[str, Any]) -> Intended:
    names = ("action", *_ENTITLEMENT, "grants", "reason", "due")
    of = Fields(data, "a change", names, ("until",))
    return Intended(
        action=_word(of, "action", Action),
        entitlement=Entitlement(of.text("target"), of.text("resource"), of.text("principal"), of.text("privilege")),
        grants=tuple(GrantId(grant) for grant in of.texts("grants")),
        reason=_word(of, "reason", Reason),
        due=of.instant("due"),
        until=of.instant("until") if "until" in data else None,
    )


_W = TypeVar("_W", Action, Reason)


def _word(of: Fields, name: str, words: type[_W]) -> _W:
    text = of.text(name)
    try:
        return words(text)
    except ValueError:
        raise LedgerError(f"expected {name} of a change to be one that is known, got {text!r}") from None


def _intent(data: dict[str, Any]) -> Intent:
    of = Fields(data, "an intent", ("changes", "plan"))
    changes = tuple(_change(item) for item in of.mappings("changes"))
    if not changes:
        raise LedgerError("an intent names no change")
    return Intent(changes, of.text("plan"))


def _outcome(data: dict[str, Any]) -> Outcome:
    of = Fields(data, "an outcome", ("change", "ok", "error", "recovered"), ("handover", "numbers", "since"))
    change = _change(of.take("change", dict))
    handover = of.text("handover") if "handover" in data else ""
    if "handover" in data and not handover:
        raise LedgerError("an outcome that hands nothing over does not say so")  # else one outcome had two spellings
    numbers = _numbers(of.take("numbers", dict)) if "numbers" in data else ()
    since = of.instant("since") if "since" in data else None
    return Outcome(change, of.take("ok", bool), of.text("error"), of.take("recovered", bool), handover, numbers, since)


def _numbers(data: dict[str, Any]) -> Numbers:
    if not data or not all(type(number) is str and number for number in data.values()):
        raise LedgerError(f"expected numbers to be texts by name, at least one, got {canonical(data)}")
    return tuple(sorted(data.items()))


def _settled_to_dict(body: Settled) -> dict[str, Any]:
    held = body.holding
    return {
        "entitlement": entitlement_to_dict(held.entitlement),
        "grants": list(held.grants),
        **({"until": _instant(held.until)} if held.until is not None else {}),
        **({"numbers": dict(held.numbers)} if held.numbers else {}),
        "adopted": body.adopted,
        "by": body.by,
        "reason": body.reason,
        "files": [{"grant": grant, "blob": blob, "landing": landing} for grant, blob, landing in body.files],
    }


def _settled(data: dict[str, Any]) -> Settled:
    of = Fields(
        data, "a settlement", ("entitlement", "grants", "adopted", "by", "reason", "files"), ("until", "numbers")
    )
    grants = tuple(GrantId(grant) for grant in of.texts("grants"))
    if not grants:
        raise LedgerError("a settlement names no grant")
    reason = of.text("reason")
    if not _SHA256.fullmatch(reason):
        raise LedgerError(f"expected reason of a settlement to be a digest, got {reason!r}")
    return Settled(
        Holding(
            _entitlement(of.take("entitlement", dict)),
            grants,
            of.instant("until") if "until" in data else None,
            _numbers(of.take("numbers", dict)) if "numbers" in data else (),
        ),
        of.take("adopted", bool),
        of.text("by"),
        reason,
        tuple(_file(item) for item in of.mappings("files")),
    )


def _file(data: dict[str, Any]) -> tuple[GrantId, Oid, Oid]:
    of = Fields(data, "a file", ("grant", "blob", "landing"))
    return GrantId(of.text("grant")), of.object("blob"), of.object("landing")


def _refusal(data: dict[str, Any]) -> Refusal:
    of = Fields(data, "a refusal", ("grant", "blob", "landing", "code", "message"))
    return Refusal(
        GrantId(of.text("grant")), of.object("blob"), of.object("landing"), of.text("code"), of.text("message")
    )


def _retirement(data: dict[str, Any]) -> Retirement:
    of = Fields(data, "a retirement", ("grant", "blob", "commit"), ("pull", "by", "lack", "revoked"))
    return Retirement(
        GrantId(of.text("grant")),
        of.object("blob"),
        of.object("commit"),
        of.number("pull") if "pull" in data else 0,
        of.text("by") if "by" in data else "",
        of.text("lack") if "lack" in data else "",
        of.take("revoked", bool) if "revoked" in data else False,
    )


def _pulse(data: dict[str, Any]) -> Pulse:
    of = Fields(data, "a pulse", ("live", "exit"))
    return Pulse(of.take("live", int), of.take("exit", int))


_READERS: Mapping[str, Callable[[dict[str, Any]], Body]] = {
    "genesis": _genesis,
    "admitted": _admission,
    "refused": _refusal,
    "retired": _retirement,
    "intent": _intent,
    "outcome": _outcome,
    "settled": _settled,
    "pulse": _pulse,
}
