"""Asking: for access, for more time, for an end. Each is checked as it will be later, and opened as a pull request.

The emergency stop takes every grant of somebody, or on a resource, from main at once (`limits.revoke`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from daypass.core.approval.held import HeldBook
from daypass.core.bounds.watch import ENDS_WHEN
from daypass.core.calendar.recurrence import RecurrenceError, spanning
from daypass.core.errors import ConflictError, DeniedError, InvalidError, UsageError
from daypass.core.files.grants import grant_text, name_grant, read_grant
from daypass.core.finding import Finding, Place, near
from daypass.core.forge import Account, Entry, Pull, unsigned_denial
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, GrantId, grant_id, grant_path
from daypass.core.ledger.receipt import Admission
from daypass.core.ledger.standing import Standing
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.held import HELD_TOO_LONG, HeldGrant
from daypass.core.policy.intervals import room
from daypass.core.policy.policies import Policy
from daypass.core.policy.sources import REVOCATION, Ending, may_revoke
from daypass.core.record import replace
from daypass.core.window import Window, format_duration, format_instant
from daypass.pipeline.apply.current import look, read_current
from daypass.pipeline.apply.tidy import open_from
from daypass.pipeline.context import Context, WritingContext
from daypass.pipeline.judge.beside import Beside
from daypass.pipeline.judge.duplicates import Ended, duplicate_finding, first_duplicate
from daypass.pipeline.judge.proposal import MOST_CHANGES
from daypass.pipeline.judge.report import ending_message, plain_name
from daypass.ports import Forge


def draft(
    policy: Policy, wish: Grant, *, requester: str, at: datetime, named_at: datetime | None = None
) -> tuple[Grant, Decision]:
    """Turn a wish, a grant without a name, into one with a name and its decision. Raises InvalidError where no file holds it.

    The file's name is made of what is asked and when: of ``named_at``, where the wish is older than this run.
    """
    name = name_grant(wish.subject, wish.resource, wish.to_dict(), named_at or at)
    read = read_grant(grant_path(name), grant_text(wish).encode())
    if not isinstance(read, Grant):
        raise InvalidError("the request is not valid", read)
    return read, decide(policy, Request(read, requester, at, "new"), trace=True)


def refuse_unsigned(policy: Policy, requester: Account) -> None:
    """Raise DeniedError where nothing would prove who asks, and the settings let that count for nothing."""
    subject = policy.catalogue.directory.subjects.get(requester.handle)
    if subject is not None and policy.catalogue.unheard(subject):
        raise unsigned_denial(requester.handle)


def request(context: WritingContext, grant: Grant, decision: Decision, *, at: datetime, ended: Ended) -> Pull:
    """Open a pull request that asks for a new grant. Raises InvalidError or DeniedError, and then nothing was written."""
    _refuse_denied(grant, decision)
    refuse_duplicate(context, grant, ended)
    files = {grant.path: grant_text(grant).encode()}
    return open_request(context, grant.id, files, request_title(grant), "request", at)


def request_title(grant: Grant) -> str:
    """Say in a line what a new grant asks for; it holds names and no words of people."""
    what = f"Grant {grant.subject} {grant.role} on {grant.resource}"
    recurs = ", in intervals" if grant.span.recurs is not None else ""
    return f"{what} for {format_duration(grant.span.length)}{recurs}"


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


def refuse_done(context: Context, grant: Grant, at: datetime) -> None:
    """Raise InvalidError where what is to end a grant has come about already. What nobody here can look at is passed by."""
    looked = look(context, {grant.id: grant.ends_when}, at)
    place, hint = (
        Place(grant.path, path="ends_when"),
        "name what is still open, or leave it out: the window ends the access",
    )
    done = tuple(
        Finding("ends-when-done", place, f"{ENDS_WHEN[key].said(what, seen.came)}: this would give nothing", hint)
        for (key, what), seen in sorted(looked.items())
        if seen.came is not None
    )
    if done:
        raise InvalidError("the request is not valid", done)


def extend(context: WritingContext, grant: Grant, decision: Decision, more: timedelta, *, at: datetime) -> Pull:
    """Open a request that moves a grant's end by ``more``, as `extension` moved it; it needs approval like any other."""
    _refuse_denied(grant, decision)
    files = {grant.path: grant_text(grant).encode()}
    return open_request(context, grant.id, files, extension_title(grant, more), "extend", at)


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
    for end in policy.catalogue.ends(admission.bounded):
        if end.cuts and end.limit <= admission.window.end:
            message = f"{end.what} until {format_instant(end.limit)}, and no extension moves that"
            raise UsageError(message, hint="make a new request")
    try:
        window = Window(admission.window.start, admission.window.end + more)
        span = spanning(window, old.span.recurs)
    except OverflowError:
        raise UsageError(f"no calendar reaches {format_duration(more)} beyond the end of {admission.grant}") from None
    except RecurrenceError as error:
        raise UsageError(error.message, hint=error.hint) from None
    new = replace(old, span=span)
    beside = Beside(context.history, context.tip, policy, HeldBook(context.standing).before(), at)
    held = beside.held(HeldGrant.of(new, policy.catalogue.window(span, at)), requester)
    decision = decide(policy, Request(new, requester, at, "widen", held=held), trace=True)
    left = room(policy.catalogue, old, admission.window)
    hint = f"at most {format_duration(left)} more is possible" if left > timedelta(0) else "no more is possible"
    # By itself it is longer than all of them together may be: what the old window takes of that would contradict the hint.
    itself = any(d.code == "too-long" for d in decision.denials)
    denials = (d for d in decision.denials if not (itself and d.code == HELD_TOO_LONG))
    told = (replace(d, hint=hint) if d.code in _TOO_LATE else d for d in denials)
    return new, replace(decision, denials=tuple(told))


_TOO_LATE = frozenset(
    {"too-long", "span-too-long", "beyond-retention", "beyond-engagement", "beyond-agreement", "beyond-dpa"}
)
"""The codes of denials that a shorter extension would not meet."""


def _refuse_denied(grant: Grant, decision: Decision) -> None:
    if decision.denials:
        lines = "; ".join(denial.message for denial in decision.told)
        hints = "; ".join(dict.fromkeys(denial.hint for denial in decision.told if denial.hint))
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
    branch = branch_name(kind, grant)
    for name in (branch, f"{branch}-{at:%Y%m%dT%H%M%SZ}"):
        try:
            return open_from(context, name, tuple(files.items()), title, at=at, reason=reason, fresh=True)
        except ConflictError:
            there = open_of_mine(context.forge, branch) if kind != "end" else None
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


def end(context: WritingContext, grants: tuple[GrantId, ...], *, at: datetime, reason: str = "") -> Pull:
    """Open a pull request that removes grants; the gate says whether anybody needs to approve it.

    Its branch names who asks: nobody's end waits for somebody else's request to end the same. Who has asked before goes
    on with that request, and where another took the branch's name, a name of this moment does.
    """
    forge = context.forge
    for grant in grants:
        read_current(context, grant)
    files: dict[str, bytes | None] = {grant_path(grant): None for grant in grants}
    title, me = end_title(grants), forge.acting().handle
    name = GrantId(f"{grants[0]}-{me}")
    there = open_of_mine(forge, branch_name("end", name))
    if there is not None and {account.handle for account in forge.pull(there.number).pushers} == {me}:
        parent = context.history.resolve(context.main)
        words, changes = ending_message(title, reason), tuple(files.items())
        head = forge.commit(branch=there.branch, parent=parent, files=changes, message=words, at=at)
        return forge.push(there.number, head=head, at=at)
    return open_request(context, name, files, title, "end", at, reason)


def end_title(grants: tuple[GrantId, ...]) -> str:
    """Say in a line what a removal removes."""
    return f"End {grants[0]}" if len(grants) == 1 else f"End {len(grants)} grants"


Revocable = tuple[list[tuple[str, ...]], list[tuple[GrantId, tuple[str, ...]]], list[GrantId]]
"""The files of grants that somebody may revoke, as many at once as the gate judges in one request; the grants that they
may not, each with who may; and those that cannot be read and are proved by no receipt, so that they give nobody access.
"""


def revocable(context: Context, policy: Policy, *, subject: str, resource: str, by: str, at: datetime) -> Revocable:
    """Find the grants of a subject ("": of everybody) on a resource ("": on all), broken files included."""
    paths: list[str] = []
    beyond: list[tuple[GrantId, tuple[str, ...]]] = []
    unread: list[GrantId] = []
    now = policy.catalogue.renames
    subject = now.subject(subject)
    folders = now.names_of_resource(now.resource(resource)) if resource else ("",)
    for entry, ending in (found for folder in folders for found in _endings(context, folder)):
        name = grant_id(entry.path)
        if subject and not ending.subject:
            unread.append(name)
        elif not subject or now.subject(ending.subject) == subject:
            may = may_revoke(policy.catalogue, ending, at)
            if by in may:
                paths.append(entry.path)
            else:
                beyond.append((name, may))
    return [tuple(paths[n : n + MOST_CHANGES]) for n in range(0, len(paths), MOST_CHANGES)], beyond, unread


def left_over(policy: Policy, standing: Standing, subject: str, resource: str) -> bool:
    """Say whether the ledger has access of theirs that is to be taken away still, where main has no grant for it."""
    now = policy.catalogue.renames
    proofs = (standing.admission(grant) for held in standing.holdings.values() for grant in held.grants)
    whose = ((now.subject(p.subject), now.resource(p.resource)) for p in proofs if p is not None)
    wanted = (now.subject(subject), now.resource(resource))
    return any(wanted[0] in ("", who) and wanted[1] in ("", where) for who, where in whose)


def unknown_names(context: Context, policy: Policy, subject: str, resource: str) -> tuple[tuple[str, str], ...]:
    """Say which of the names that somebody gave stands neither in main's policies nor in a grant, each with a hint."""
    directory, catalogue, now = policy.catalogue.directory, policy.catalogue, policy.catalogue.renames
    granted = [(ending.subject, ending.resource) for _, ending in _endings(context, "")]
    proofs = (context.standing.admission(grant) for held in context.standing.holdings.values() for grant in held.grants)
    granted += [(proof.subject, proof.resource) for proof in proofs if proof is not None]
    people = {*directory.subjects, *(who for who, _ in granted)}
    places = {*catalogue.resources, *(where for _, where in granted)}
    found = []
    if subject and not {subject, now.subject(subject)} & people:
        hint = near(subject, people - {""}, "people are in policies/directory")
        found.append((f"the directory has no {subject!r}, and no grant names them", hint))
    if resource and not {resource, now.resource(resource)} & places:
        hint = near(resource, places, "resources are the files of policies/resources")
        found.append((f"the catalogue has no resource {resource!r}, and no grant is for it", hint))
    return tuple(found)


def _endings(context: Context, resource: str) -> Iterator[tuple[Entry, Ending]]:
    """Yield each file of main with what its removal takes from whom; whose a broken one is says the ledger."""
    folder = f"{FOLDER}{resource}" if resource else FOLDER.rstrip("/")
    for entry, raw in context.history.files(context.main, folder, lambda entry: entry.mode.startswith("100")):
        name = grant_id(entry.path)
        read = read_grant(entry.path, raw)
        proof = context.standing.admission(name)
        asked = proof.requester if proof is not None else ""
        subject = read.subject if isinstance(read, Grant) else proof.subject if proof is not None else ""
        yield entry, Ending(entry.path.removeprefix(FOLDER).partition("/")[0], subject, asked)


def revoke(
    context: WritingContext,
    paths: tuple[str, ...],
    *,
    part: str = "",
    subject: str,
    resource: str,
    reason: str,
    at: datetime,
) -> Pull:
    """Open the pull request that removes the files; the gate merges it without a second person.

    ``part`` says which of several it is (``2 of 3``), "" where it is the only one.
    """
    whose = f" of {plain_name(GrantId(subject))}" if subject else ""
    where = f" on {plain_name(GrantId(resource))}" if resource else ""
    title = f"Revoke {len(paths)} grant{'s' * (len(paths) != 1)}{whose}{where}" + (f" ({part})" if part else "")
    branch = f"{REVOCATION}{subject or resource}-{at:%Y%m%dT%H%M%SZ}" + (f"-{part.partition(' ')[0]}" if part else "")
    return open_from(context, branch, tuple((path, None) for path in paths), title, at=at, reason=reason)
