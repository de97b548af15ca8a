"""Checking an admission again, years later, from git alone: what was approved, under which policy, and what it gave.

The forge's own records (reviews, merge times) are not in git. What git can show is shown: that the file says what was
approved, that the policy and the role's meaning are those of the base, that the approvals name the head that was
merged, that nobody approved for themselves, and that the merge message told the same story.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from daypass.core.audit.access import Trailers, approvers
from daypass.core.audit.verified import Difference
from daypass.core.finding import Severity
from daypass.core.grant import REVIEW, Grant
from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.receipt import Admission, Decided, Receipt
from daypass.core.plan import Entitlement
from daypass.core.policy.decision import JUDGING, Request, decide
from daypass.core.policy.held import Held
from daypass.core.policy.policies import Policy
from daypass.core.window import Recurrence, Window

PolicyFacts = tuple[str, tuple[str, Entitlement] | None]
"""What a base's policies say of one grant: their digest, and what its role meant and gave, as `planning.given` says."""


def check_admission(
    receipt: Receipt,
    admission: Admission,
    *,
    grant: Grant | None,
    parents: tuple[Oid, ...],
    trailers: Trailers,
    policy: PolicyFacts | None,
    before: Admission | None = None,
) -> tuple[Difference, ...]:
    """Return what does not agree between an admission and what git holds of it.

    ``grant`` is the file as read, None where it cannot be read as one; ``parents`` and ``trailers`` are the landing's;
    ``before`` is the admission of the grant that stood before, for one that narrows.
    """
    pairs = [*_file(admission, grant)]
    if admission.narrowed_from:
        pairs += _narrowing(admission, before)
    else:
        pairs += [*_base(admission, parents, policy), *_people(admission), *_told(admission, trailers)]
    found = [
        Difference(
            code,
            f"receipt {receipt.sequence}, {admission.grant}: {message}",
            grant=admission.grant,
            commit=admission.landing,
            receipt=receipt.sequence,
        )
        for code, message in pairs
    ]
    if trailers.empty and not admission.narrowed_from:
        found.append(
            Difference(
                "no-trailers",
                f"receipt {receipt.sequence}, {admission.grant}: commit {admission.landing[:12]} has no trailers; it "
                "was merged at the forge and not by the gate",
                Severity.NOTE,
                admission.grant,
                admission.landing,
                receipt.sequence,
            )
        )
    return tuple(found)


_Pair = tuple[str, str]


def _file(admission: Admission, grant: Grant | None) -> Iterator[_Pair]:
    if grant is None:
        yield "grant-unreadable", f"blob {admission.blob[:12]} cannot be read as a grant"
        return
    if grant.digest != admission.grant_digest:
        yield "grant-digest", f"the file means {grant.digest}, the receipt says {admission.grant_digest}"
    said = (admission.subject, admission.resource, admission.role)
    if (grant.subject, grant.resource, grant.role) != said:
        yield "grant-fields", f"the file gives {grant.subject} {grant.role} on {grant.resource}, the receipt {said}"
    if admission.purpose not in ("", grant.purpose):  # receipts of earlier releases name none
        yield "grant-fields", f"the file is for purpose {grant.purpose or 'none'}, the receipt says {admission.purpose}"
    # Earlier releases let a narrowing say what ends it, and did not write it down: nothing watched it.
    untold = bool(admission.narrowed_from) and not admission.ends_when
    if admission.ends_when != grant.ends_when and not untold:
        yield (
            "grant-fields",
            f"the file ends when {_ends(grant.ends_when)}, the receipt says {_ends(admission.ends_when)}",
        )
    if admission.narrowed_from:
        return
    window = grant.span.starting(admission.merged_at)
    told = admission.window
    if (
        window.calendar == "" and told.calendar
    ):  # whether its intervals are the calendar's is judged by the base's policies
        told = Window(told.start, told.end)
    if window != told or (grant.span.recurs or Recurrence()).calendar != admission.window.calendar:
        yield "window", f"the file's window is {window}, the receipt's {admission.window}"


def _ends(conditions: tuple[_Pair, ...]) -> str:
    return ", ".join(f"{key} {what}" for key, what in conditions) or "its window does"


def _narrowing(admission: Admission, before: Admission | None) -> Iterator[_Pair]:
    if before is None or before.blob != admission.narrowed_from:
        yield "narrowed-nothing", f"it narrows blob {admission.narrowed_from[:12]}, which no receipt before it admits"
        return
    kept = (
        "subject",
        "resource",
        "role",
        "entitlement",
        "policy",
        "meaning",
        "approvals",
        "requester",
        "acts",
        "judged",
        "purpose",
        "due",
    )
    moved = [name for name in kept if getattr(admission, name) != getattr(before, name)]
    kept_due = tuple(one for one in before.due if one[0] != REVIEW)
    if "due" in moved and admission.due == kept_due:
        moved.remove("due")  # people reviewed it meanwhile, of which a receipt of its own tells
    if not {*before.ends_when} <= {*admission.ends_when}:
        moved.append("ends_when")
    if moved or not admission.window.within(before.window):
        yield "widened", f"it is called a narrowing and changes {', '.join(moved) or 'the window to a longer one'}"


def _base(admission: Admission, parents: tuple[Oid, ...], facts: PolicyFacts | None) -> Iterator[_Pair]:
    if not parents or parents[0] != admission.base:
        was = parents[0][:12] if parents else "none"
        yield "base", f"the landing's first parent is {was}, the receipt's base is {admission.base[:12]}"
    if facts is None:
        yield "policy-unreadable", f"the policies of base {admission.base[:12]} cannot be read"
        return
    policy, given = facts
    meaning, entitlement = given or ("", None)
    if policy != admission.policy:
        yield "policy-digest", f"the policies of the base are {policy}, the receipt says {admission.policy}"
    if meaning != admission.meaning:
        yield (
            "meaning-digest",
            f"the role meant {meaning or 'nothing'} at the base, the receipt says {admission.meaning}",
        )
    if entitlement != admission.entitlement:
        yield (
            "entitlement",
            f"the role gave {_words(entitlement)} at the base, the receipt {_words(admission.entitlement)}",
        )


def _words(entitlement: Entitlement | None) -> str:
    if entitlement is None:
        return "nothing"
    return canonical([entitlement.target, entitlement.resource, entitlement.principal, entitlement.privilege])


def _people(admission: Admission) -> Iterator[_Pair]:
    for record in admission.approvals:
        if record.commit != admission.head:
            yield (
                "approval-commit",
                f"{record.by} approved {record.commit[:12]}, what was merged is {admission.head[:12]}",
            )
        mine = (admission.requester, admission.subject, *(act.by for act in admission.acts))
        if record.acts_for in mine and record.acts_for:
            yield (
                "approved-own",
                f"{record.by} approved for {record.acts_for}, whose own it is, or who asked for it or pushed it",
            )
        if record.by in mine:
            yield "approved-own", f"{record.by} approved access that is their own, or that they asked for or pushed"


def _told(admission: Admission, trailers: Trailers) -> Iterator[_Pair]:
    if trailers.empty:
        return
    if admission.grant not in trailers.grants:
        yield "trailer-grant", f"the merge message names {', '.join(trailers.grants) or 'no grant'}"
    for name, said, proved in (
        ("pull", trailers.pull, str(admission.pull)),
        ("head", trailers.head, admission.head),
        ("requester", trailers.requester, admission.requester),
        ("policy", trailers.policy, admission.policy),
    ):
        if said != proved:
            yield f"trailer-{name}", f"the merge message says {name} {said or 'nothing'}, the receipt {proved}"
    missing = sorted(set(approvers(admission)) - set(trailers.approved_by))
    if missing:
        yield "trailer-approvers", f"the merge message does not name {', '.join(missing)}"
    rules = set(trailers.rules.replace(",", " ").split())
    if not set(admission.rules) <= rules:
        unnamed = ", ".join(sorted(set(admission.rules) - rules))
        yield "trailer-rules", f"the merge message does not name the rules {unnamed}"


JUDGED_KINDS = ("new", "widen")
"""What rules decide; to narrow and to remove is no matter of theirs."""


def check_denial(
    receipt: Receipt, body: Decided, grants: Mapping[GrantId, Grant], policy: Policy, held: Mapping[GrantId, Held]
) -> tuple[Difference, ...]:
    """Judge again what policy is said to have denied: its files that read, and what was known beside each."""
    # A denial does not say by which rules of judging it was one.
    found = [_denied(body, grants, policy, held, receipt.run_at, judging) for judging in range(JUDGING, 0, -1)]
    if set(body.codes) in found:
        return ()
    codes = found[0]
    message = (
        f"receipt {receipt.sequence} says that policy denied request {body.pull} ({', '.join(body.codes)}); by the policies "
        f"of then it is {'denied otherwise: ' + ', '.join(sorted(codes)) if codes else 'not denied'}"
    )
    return (Difference("denial-without-grounds", message, receipt=receipt.sequence, commit=body.base),)


def _denied(
    body: Decided,
    grants: Mapping[GrantId, Grant],
    policy: Policy,
    held: Mapping[GrantId, Held],
    at: datetime,
    judging: int,
) -> set[str]:
    """Return by which rules, or codes, policy denies what was asked for."""
    asked = [file for file in body.asked if file.grant in grants and file.kind in JUDGED_KINDS]
    requests = (
        Request(
            grants[file.grant],
            body.requester,
            body.requested_at,
            file.kind,
            grants[file.grant].span.starting(at),
            judging,
            held[file.grant],
        )
        for file in asked
    )
    return {denial.rule or denial.code for request in requests for denial in decide(policy, request).denials}
