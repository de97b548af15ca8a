"""Asking: a grant file is written, checked as it will be checked later, and opened as a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from daypass.core.errors import ConflictError, DeniedError, InvalidError, UsageError
from daypass.core.files.grants import grant_text, name_grant, read_grant
from daypass.core.forge import Account, Pull, unsigned_denial
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, GrantId, grant_path
from daypass.core.ledger.receipt import Admission
from daypass.core.policy.decision import Decision, Request, decide, room
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.window import Span, Window, format_duration
from daypass.pipeline.context import Context, WritingContext
from daypass.pipeline.judge.duplicates import Ended, duplicate_finding, first_duplicate
from daypass.pipeline.judge.report import ending_message
from daypass.ports import Forge


class Wish(Struct, frozen=True):
    """What somebody asks for, before it has a name."""

    subject: str
    resource: str
    role: str
    span: Span
    reason: str
    ticket: str = ""
    purpose: str = ""


class Opened(Struct, frozen=True):
    """A pull request that was opened, the grant that it asks for, and what policy says of it."""

    pull: Pull
    grant: Grant
    decision: Decision


def draft(
    policy: Policy, wish: Wish, *, requester: str, at: datetime, named_at: datetime | None = None
) -> tuple[Grant, Decision]:
    """Turn a wish into a grant and its decision. Raises InvalidError for a wish that no file could hold.

    The file's name is made of what is asked and when: of ``named_at``, where the wish is older than this run.
    """
    fields = Grant(
        GrantId(""), wish.subject, wish.resource, wish.role, wish.reason, wish.span, wish.ticket, wish.purpose
    )
    name = name_grant(wish.subject, wish.resource, fields.to_dict(), named_at or at)
    wanted = Grant(name, wish.subject, wish.resource, wish.role, wish.reason, wish.span, wish.ticket, wish.purpose)
    read = read_grant(wanted.path, grant_text(wanted).encode())
    if not isinstance(read, Grant):
        raise InvalidError("the request is not valid", read)
    return read, decide(policy, Request(read, requester, at, "new"), trace=True)


def refuse_unsigned(policy: Policy, requester: Account) -> None:
    """Raise DeniedError where nothing would prove who asks, and the settings let that count for nothing."""
    subject = policy.catalogue.directory.subjects.get(requester.handle)
    if subject is not None and policy.catalogue.unheard(subject):
        raise unsigned_denial(requester.handle)


def request(context: WritingContext, wish: Wish, *, at: datetime, ended: Ended) -> Opened:
    """Check a wish and open it as a pull request. Raises InvalidError or DeniedError, and then nothing was written."""
    requester = context.forge.acting().handle
    grant, decision = draft(context.policy_at(context.tip), wish, requester=requester, at=at)
    _refuse_denied(grant, decision)
    refuse_duplicate(context, grant, ended)
    files = {grant.path: grant_text(grant).encode()}
    pull = open_request(context, grant.id, files, request_title(grant), "request", at)
    return Opened(pull, grant, decision)


def request_title(grant: Grant) -> str:
    """Say in a line what a new grant asks for; it holds names and no words of people."""
    return f"Grant {grant.subject} {grant.role} on {grant.resource} for {format_duration(grant.span.length)}"


def same_open(context: Context, grant: Grant, *, but: int, by: str) -> tuple[tuple[int, bool], ...]:
    """Return the other open requests that ask for just what a grant says, whatever its name: (number, was it read).

    Only requests are read whose title says the same, or which ``by`` opened too, so that what others have open costs
    nothing; where this clone does not have one's head, its title is all that is known.
    """
    history, title, found = context.history, request_title(grant), []
    base = history.resolve(context.main)
    same = [p for p in context.forge.open_pulls() if p.number != but and (p.title == title or p.opened_by.handle == by)]
    for pull in same[:_MANY]:
        if history.find(pull.head) is None:
            found += [(pull.number, False)] if pull.title == title else []
            continue
        root = history.merge_base(base, pull.head)
        added = [c for c in history.changes(root, pull.head) if c.added and c.path.startswith(FOLDER)] if root else []
        contents = dict(history.blobs(dict.fromkeys(change.new for change in added[:_FEW])))
        read = (read_grant(change.path, contents[change.new]) for change in added[:_FEW])
        if any(isinstance(there, Grant) and there.digest == grant.digest for there in read):
            found.append((pull.number, True))
    return tuple(found)


_MANY = 100
"""How many other requests are read."""

_FEW = 10
"""How many files of another's request are compared: whoever asks twice asks for little."""


def refuse_duplicate(context: Context, grant: Grant, ended: Ended) -> None:
    """Raise InvalidError where main has the same grant under another name, and it has not ended."""
    same = first_duplicate(context.history, context.history.resolve(context.main), grant, ended)
    if same:
        raise InvalidError("the request is not valid", (duplicate_finding(grant.path, same),))


def extend(context: WritingContext, admission: Admission, more: timedelta, *, at: datetime) -> Opened:
    """Open a request that moves the end of a proved grant by ``more``; it needs approval like any other."""
    requester = context.forge.acting().handle
    new, decision = extension(context, admission, more, requester=requester, at=at)
    _refuse_denied(new, decision)
    files = {new.path: grant_text(new).encode()}
    pull = open_request(context, new.id, files, extension_title(new, more), "extend", at)
    return Opened(pull, new, decision)


def extension_title(grant: Grant, more: timedelta) -> str:
    """Say in a line what an extension asks for."""
    return f"Extend {grant.subject} {grant.role} on {grant.resource} by {format_duration(more)}"


def extension(
    context: Context, admission: Admission, more: timedelta, *, requester: str, at: datetime
) -> tuple[Grant, Decision]:
    """Return a proved grant with its end moved by ``more``, and the decision on it. Raises UsageError after its end.

    The window is written as absolute, since a duration would start again at the new merge.
    """
    if admission.window.ended(at):
        raise UsageError(f"{admission.grant} has ended", hint="make a new request")
    policy, old = context.policy_at(context.tip), read_current(context, admission.grant)
    try:
        window = Window(admission.window.start, admission.window.end + more)
    except OverflowError:
        raise UsageError(f"no calendar reaches {format_duration(more)} beyond the end of {admission.grant}") from None
    new = replace(old, span=Span(window=window))
    decision = decide(policy, Request(new, requester, at, "widen"), trace=True)
    left = room(policy, old, admission.window)
    hint = f"at most {format_duration(left)} more is possible" if left > timedelta(0) else "no more is possible"
    told = (replace(d, hint=hint) if d.code in _TOO_LATE else d for d in decision.denials)
    return new, replace(decision, denials=tuple(told))


_TOO_LATE = frozenset({"too-long", "beyond-retention", "beyond-engagement"})
"""The codes of denials that a shorter extension would not meet."""


def read_current(context: Context, grant: GrantId) -> Grant:
    """Return a grant of main. Raises UsageError where there is none and InvalidError where it cannot be read."""
    path = grant_path(grant)
    files = context.history.files(context.main, path.rpartition("/")[0], lambda entry: entry.path == path)
    if not files:
        raise UsageError(f"there is no grant {grant} on {context.main}", hint="`daypass status` lists the live ones")
    found = read_grant(path, files[0][1])
    if not isinstance(found, Grant):
        raise InvalidError(f"{grant} cannot be read", found)
    return found


def _refuse_denied(grant: Grant, decision: Decision) -> None:
    if decision.denials:
        lines = "; ".join(denial.message for denial in decision.denials)
        hints = "; ".join(dict.fromkeys(denial.hint for denial in decision.denials if denial.hint))
        raise DeniedError(f"policy denies {grant.role} on {grant.resource} to {grant.subject}: {lines}", hint=hints)


def open_request(
    context: WritingContext,
    grant: GrantId,
    files: Mapping[str, bytes | None],
    title: str,
    kind: str,
    at: datetime,
    reason: str = "",
) -> Pull:
    """Open a request from a branch of its own. Where somebody took its name, a name of this moment does.

    Raises ConflictError where who acts has it open already.
    """
    forge, parent, branch = context.forge, context.history.resolve(context.main), branch_name(kind, grant)
    words, changes = ending_message(title, reason), tuple(files.items())
    for name in (branch, f"{branch}-{at:%Y%m%dT%H%M%SZ}"):
        try:
            head = forge.commit(branch=name, parent=parent, files=changes, message=words, at=at, fresh=True)
            return forge.open(branch=name, head=head, title=title, at=at, reason=reason)
        except ConflictError:
            there = open_of_mine(forge, branch) if kind != "end" else None
            if there is not None:
                hint = f"`daypass show {there.number}` tells how it stands; `daypass close {there.number}` closes it"
                raise ConflictError(f"you have #{there.number} open for this already", hint=hint) from None
            if name != branch:
                raise
    raise RuntimeError("the last attempt returns or raises")


def open_of_mine(forge: Forge, branch: str) -> Pull | None:
    """Return the open request of who acts from a branch."""
    me = forge.acting().handle
    return next((p for p in forge.open_pulls() if p.branch == branch and p.opened_by.handle == me), None)


def branch_name(kind: str, name: str) -> str:
    """Return the branch of a request of a kind (``request``, ``extend``, ``end``) for a grant."""
    return f"daypass/{kind}/{name.replace('/', '-')}"
