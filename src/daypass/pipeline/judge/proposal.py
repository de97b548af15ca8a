"""What a pull request proposes, judged by the policy of the branch it is to be merged into.

Only data is read from the head, as git objects; code and policy are the base's (invariant 4). The same function serves
`check`, `gate` and, long after, `apply`, which proves every merge again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial

from msgspec import Struct

from daypass.core.approval.held import HeldView
from daypass.core.errors import InvalidError
from daypass.core.files.grants import check_names, check_path, read_grant
from daypass.core.files.text import directive_findings
from daypass.core.finding import Finding, Place, ordered
from daypass.core.forge import Change
from daypass.core.grant import Grant, narrows
from daypass.core.ids import ABSENT, FOLDER, GrantId, Oid, grant_id, grant_path
from daypass.core.ledger.receipt import Admission
from daypass.core.plan import Entitlement
from daypass.core.planning.claims import given
from daypass.core.policy.decision import Decision, Request, decide
from daypass.core.policy.held import Held, HeldGrant
from daypass.core.policy.policies import Policy
from daypass.core.policy.sources import Ending
from daypass.core.record import replace
from daypass.core.request import Item, Proposal
from daypass.core.window import Window, format_instant
from daypass.pipeline.context import Context
from daypass.pipeline.judge.beside import Beside
from daypass.pipeline.judge.duplicates import Ended, has_ended, proposed_duplicates
from daypass.pipeline.judge.policies import last_read
from daypass.ports import History

MOST_CHANGES = 10_000
"""Paths that a request may change; most of them can only be removals."""

MOST_GRANTS = 1000
"""Grants that a request may write: each is read and judged whenever anybody looks."""

MOST_BYTES = 4 << 20
"""Bytes that they may have altogether."""

_FEW = 20
"""So many paths are named one by one."""


class Asked(Struct, frozen=True):
    """Who asked, when, and what is known of the grants that exist.

    ``admission`` is a grant's proof, where somebody knows it. Only what was proved can be narrowed: less of what nobody
    approved is still what nobody approved; with ``trusting`` all that stands on the base is taken for proved. ``ended``
    says whether a grant has, None where the proofs do. ``held`` says what the ledger knows, None where nobody read it;
    it is asked where rules do. ``past``: what was asked for is merged, and ledger and main may have gone on since.
    """

    requester: str
    opened_at: datetime
    admission: Callable[[GrantId], Admission | None]
    ended: Ended | None = None
    trusting: bool = False
    held: HeldView | None = None
    past: bool = False

    def proved(self, grant: GrantId, blob: Oid) -> bool:
        """Say whether a grant's file with this blob was proved."""
        proof = self.admission(grant)
        return self.trusting or (proof is not None and proof.blob == blob)


def read_proposal(
    context: Context,
    *,
    base: Oid,
    head: Oid,
    asked: Asked,
    at: datetime,
    trace: bool = False,
    messages: bool = True,
    neighbours: bool = True,
) -> Proposal:
    """Judge what ``head`` would bring to ``base``, by the policy of ``base``.

    Without ``messages`` those of the commits are left to whom it matters for, the gate, and without ``neighbours`` so
    are whether main has the same grant under another name, or has changed it since: a runner that only checks need not
    have either.

    The changes are those since the merge base, so that a request that lags behind main proposes only what its author
    wrote.
    """
    history, policy = context.history, context.policy_at(base)
    roots = history.merge_bases(base, head)
    if len(roots) != 1:
        return Proposal(base, head, (), (), (_no_root(roots),), policy)
    (root,) = roots
    try:
        changes = history.changes(root, head, most=MOST_CHANGES)
        worded = _messages(history, root, head) if messages else []
    except InvalidError as error:
        return Proposal(base, head, (), (), error.findings, policy)
    grants = [change for change in changes if change.path.startswith(FOLDER)]
    others = tuple(change.path for change in changes if not change.path.startswith(FOLDER))
    excess = _excess(history, grants)
    if excess:
        return Proposal(base, head, (), others, (excess,), policy)
    findings = [*_mixed(grants, others), *worded]
    takes = any(not change.added for change in grants)
    read = last_read(context, base) if takes else policy
    beside = Beside(history, base, policy, asked.held, at, past=asked.past)

    def decides(grant: Grant, kind: str) -> tuple[Decision, Held]:
        window = policy.catalogue.window(grant.span, at)
        held = beside.held(HeldGrant.of(grant, window), asked.requester)
        request = Request(grant, asked.requester, asked.opened_at, kind, window, held=held)
        return decide(policy, request, trace=trace), held

    items, more = _items(history, read, grants, asked, decides, at, beside)
    findings += more
    over = asked.ended or partial(has_ended, asked.admission, policy, at)
    findings += proposed_duplicates(history, base, grants, items, over, neighbours=neighbours)
    findings += _moved(context.policy_at(root), policy, items)
    meanwhile = {c.path: c for c in history.changes(root, base)} if neighbours and root != base else {}
    findings += _conflicts(meanwhile, grants)
    items = tuple(_settled(item, meanwhile) for item in items)
    changed = tuple(change.path for change in grants)
    return Proposal(base, head, items, others, ordered(findings), policy, read, changed)


def _settled(item: Item, meanwhile: Mapping[str, Change]) -> Item:
    """Return an item with the mark that it takes nothing away which main did not take away itself."""
    other = meanwhile.get(grant_path(item.id))
    if item.decision is not None or other is None or other.new != item.blob:
        return item
    return replace(item, ending=None, settled=True)


def _conflicts(meanwhile: Mapping[str, Change], changes: Iterable[Change]) -> Iterable[Finding]:
    """Refuse what main has changed to something else since the branch left it: nobody reviewed what would come of it."""
    return [
        Finding(
            "conflict",
            Place(change.path),
            f"main has changed {change.path} since the branch left it",
            "its author rebases the branch onto main and pushes it, or closes the request and asks anew",
        )
        for change in changes
        if (other := meanwhile.get(change.path)) is not None
        and (other.new_mode, other.new) != (change.new_mode, change.new)
    ]


def _no_root(roots: tuple[Oid, ...]) -> Finding:
    """Say why nobody can tell what a request changes.

    Where it and main were merged across each other, a forge's merge takes back what the request has as one of the
    common ancestors had it, policies too, and no comparison with the other one shows that.
    """
    if not roots:
        what, code = "shares no history with the branch it is to be merged into", "unrelated-history"
    else:
        what, code = "and the branch it is to be merged into were merged across each other", "crossed-history"
    return Finding(code, Place(""), f"the request {what}", "branch off main and open the request again")


def _excess(history: History, changes: list[Change]) -> Finding | None:
    """Refuse more than anybody needs, before any of it is read: whoever asks must not keep the others waiting."""
    written = [change for change in changes if not change.deleted and change.new_mode.startswith("100")]
    hint = "ask in several requests"
    if len(written) > MOST_GRANTS:
        message = f"the request writes {len(written)} grants, at most {MOST_GRANTS} are judged at once"
        return Finding("too-many-files", Place(FOLDER), message, hint)
    sizes = history.sizes(dict.fromkeys(change.new for change in written))
    whole = sum(sizes[change.new] for change in written)
    if whole > MOST_BYTES:
        largest = max(written, key=lambda change: sizes[change.new])
        message = f"the request's grants have {whole} bytes altogether, at most {MOST_BYTES} are read at once"
        return Finding("too-many-bytes", Place(largest.path), message, f"{hint}; this file is the largest")
    return None


def _mixed(grants: Iterable[Change], others: tuple[str, ...]) -> Iterable[Finding]:
    """Refuse a grant that brings the rules it is judged by, or that hides among other files."""
    if not others or not list(grants):
        return ()
    more = f" (and {len(others) - _FEW} more)" if len(others) > _FEW else ""
    return [
        Finding(
            "mixed-change",
            Place(path),
            f"the request changes grants and also {path}{more if number == _FEW else ''}",
            "grants travel alone: move everything outside grants/ to a pull request of its own",
        )
        for number, path in enumerate(others[:_FEW], 1)
    ]


def _messages(history: History, root: Oid, head: Oid) -> list[Finding]:
    said = ((commit.message, Place(f"commit {commit.oid[:12]}")) for commit in history.commits(root, head))
    return [finding for message, place in said for finding in directive_findings(message, place)]


_Decides = Callable[[Grant, str], tuple[Decision, Held]]
"""Decides on a proposed grant of a kind, new or widen, and says by what is known of the ledger."""


def _items(
    history: History,
    read: Policy,
    changes: list[Change],
    asked: Asked,
    decides: _Decides,
    at: datetime,
    beside: Beside,
) -> tuple[tuple[Item, ...], list[Finding]]:
    findings: list[Finding] = []
    for change in changes:
        if not change.deleted:
            findings += check_path(change.path, change.new_mode)
    findings += check_names([change.path for change in changes if not change.deleted])
    bad = {finding.place.file for finding in findings}
    wanted = [oid for change in changes for oid in (change.old, change.new) if oid != ABSENT]
    regular = {change.new for change in changes if change.path not in bad} | {
        change.old for change in changes if change.old_mode.startswith("100")
    }
    # What came to main around the gate may be larger than any grant: nobody need read it to take it away.
    sizes = history.sizes(dict.fromkeys(oid for oid in wanted if oid in regular))
    contents = dict(history.blobs(oid for oid, size in sizes.items() if size <= MOST_BYTES))
    new = {c.path: read_grant(c.path, contents[c.new]) for c in changes if not c.deleted and c.path not in bad}
    beside.ask_together({grant.id: grant for grant in new.values() if isinstance(grant, Grant)})
    items: list[Item] = []
    for change in changes:
        if change.path in bad:
            continue
        item = _item(change, contents, new, read, asked, decides, at)
        if isinstance(item, Item):
            items.append(item)
        else:
            findings += item
    return tuple(items), findings


def _item(
    change: Change,
    contents: Mapping[Oid, bytes],
    written: Mapping[str, Grant | tuple[Finding, ...]],
    read: Policy,
    asked: Asked,
    decides: _Decides,
    at: datetime,
) -> Item | tuple[Finding, ...]:
    name = grant_id(change.path)
    old = _old_grant(change, contents)
    proof = asked.admission(name) if not change.added else None
    window = proof.window if proof is not None else None
    if change.deleted:
        return Item(name, "remove", change.new, None, old, None, _ending(read, name, change, old, proof, at))
    new = written[change.path]
    if not isinstance(new, Grant):
        return new
    ending = _ending(read, name, change, old, proof, at)
    if old is not None and asked.proved(name, change.old) and narrows(old, window, new):
        return Item(name, "narrow", change.new, new, old, None, ending)
    kind = "new" if change.added else "widen"
    past = _already_past(new, at)
    decision, held = decides(new, kind)
    if old is not None and _keeps(old, window, new, at):
        ending = None
    return past or Item(name, kind, change.new, new, old, decision, ending, held=held)


def _ending(
    policy: Policy, name: GrantId, change: Change, old: Grant | None, proof: Admission | None, at: datetime
) -> Ending | None:
    """Return what is taken from whom; None where the time of it is over, or where the file can give nothing.

    A file that no receipt proves and that is no grant gives nothing, whoever removes it.
    """
    mine = proof is not None and proof.blob == change.old
    if change.added or (old is None and not mine):
        return None
    window = proof.window if proof is not None and mine else old.span.window if old is not None else None
    if window is not None and window.ended(at):
        return None
    catalogue = policy.catalogue
    bounded = proof.bounded if proof is not None and mine else catalogue.bounded(old) if old is not None else None
    if old is not None and bounded is not None and catalogue.bounds(bounded).over(at) is not None:
        return None  # a bound is over: nothing of it is given any more
    subject = old.subject if old is not None else proof.subject if proof is not None else ""
    return Ending(name.rpartition("/")[0], subject, proof.requester if proof is not None else "")


def _keeps(old: Grant, window: Window | None, new: Grant, at: datetime) -> bool:
    """Say whether a grant that gives more gives all that it gave before, to the same subject."""
    if (old.subject, old.resource, old.role) != (new.subject, new.resource, new.role):
        return False
    if new.span.recurs not in (None, old.span.recurs):
        return False
    before, after = window or old.span.starting(at), new.span.starting(at)
    return after.start <= max(at, before.start) and before.end <= after.end


def _old_grant(change: Change, contents: Mapping[Oid, bytes]) -> Grant | None:
    if change.added or change.old not in contents:
        return None
    old = read_grant(change.path, contents[change.old])
    return old if isinstance(old, Grant) else None


def _already_past(grant: Grant, at: datetime) -> tuple[Finding, ...]:
    window = grant.span.window
    if window is None or not window.ended(at):
        return ()
    message = f"the window ended at {format_instant(window.closes)}, which is past"
    return (
        Finding(
            "window-past", Place(grant.path, path="window.until"), message, "ask for a window that is still to come"
        ),
    )


def _moved(then: Policy, now: Policy, items: tuple[Item, ...]) -> list[Finding]:
    """Refuse what has come to mean something else since the branch left main (invariant 2).

    An approval is given on a commit and says nothing of which main the reviewer looked at. The commit's own policies
    are the oldest that it can have been; where role or principal moved since, nobody can tell which one was approved.
    """
    found: list[Finding] = []
    for item in items:
        if item.decision is None or item.grant is None:
            continue
        what = f"role {item.grant.role} of {item.grant.resource}"
        before, after = meaning_of(then, item.grant), meaning_of(now, item.grant)
        if after and before and before[0] == after[0]:
            what = f"who {item.grant.subject} is at the target of {item.grant.resource}"
        if after and before != after:
            message = f"{what} has come to mean something else since the branch left main"
            found.append(Finding("meaning-moved", Place(item.grant.path), message, _MOVED))
    return found


_MOVED = (
    "rebase the branch onto main and push it (on the local forge: `daypass request --branch BRANCH`), and have it approved "
    "again"
)


def meaning_of(policy: Policy, grant: Grant) -> tuple[str, Entitlement] | None:
    """Return the digest of what a grant's role means and what its subject holds by it; None where nobody knows."""
    return given(policy, grant.subject, grant.resource, grant.role)
