"""Reading what a plan stands on beside the targets: the ledger, main, and what was proved of it.

Holds no way to write (invariant 11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from daypass.core.errors import EdgeError, RefusedError
from daypass.core.grant import FOLDER, GrantId, Oid, grant_id
from daypass.core.holdback import doubt
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Claim, Plan, Reason, Unchanged
from daypass.core.planning import ClaimMaker
from daypass.core.policy.policies import Policy
from daypass.core.window import catch_up, skew
from daypass.pipeline.apply.admit import Admitted, admit
from daypass.pipeline.apply.survey import Inputs, Survey, digest_of_inputs
from daypass.pipeline.judge.check import Deny, deny_nothing
from daypass.pipeline.judge.policies import PolicyAt, last_read
from daypass.ports import ForgeReader, History, TargetReader

OpenReaders = Callable[[Oid], Mapping[str, TargetReader | EdgeError]]
"""Opens the targets of a commit's settings for reading; one that cannot be opened is an error in its place."""

ByReceipts = Callable[[Standing, datetime, frozenset[str]], "Inputs"]
"""Returns what follows from a ledger alone, at an instant, for the targets with these names; see `by_receipts`."""

Attend = Callable[[Standing, ByReceipts, datetime, timedelta], Standing]
"""Called before each landing is proved, so that no end waits for the forge; returns the ledger as it leaves it.

The last is how far the instant to reckon with is from this machine's clock."""


def _attend_to_nothing(standing: Standing, *_: object) -> Standing:
    return standing


def prepare(
    history: History,
    forge: ForgeReader,
    policy_at: PolicyAt,
    standing: Standing,
    open_readers: OpenReaders,
    *,
    tip: Oid,
    at: datetime,
    recalled: Unchanged | None = None,
    remember: Callable[[Unchanged], None] | None = None,
    program: str = "",
    attend: Attend = _attend_to_nothing,
    clock: Callable[[], datetime] | None = None,
    retry: bool = False,
    deny: Deny = deny_nothing,
) -> Inputs:
    """Read everything but the targets. Holds no way to write (invariant 11), but for what ``attend`` does meanwhile.

    Where ``recalled`` says that nothing was to be done and nothing has moved since, that is the answer, and ``remember``
    keeps the next one; ``program`` names the program that reckons, so that another version reckons anew.

    When main cannot be followed (it went backwards, or was not reached step by step), the plan stands on the main
    that the ledger recorded last instead: what has ended there by its own window can be taken away all the same, since
    windows and entitlements are in signed receipts and the targets in that commit's settings. Nothing of the new main
    is believed, nothing else is changed, and the run fails with ``stuck``. Without that commit the targets are not
    known, and RefusedError is raised.

    ``clock`` is the one that ``at`` was read from, and is compared with others': see core.holdback. ``retry``: what has
    failed is tried again at once. ``deny`` says what of the live policies deny.
    """
    skews = _forge_skew(forge, clock)
    ours = catch_up(at, standing.at)
    at = min(ours, *(ours + skew for skew in skews.values()), ours)
    apart = doubt(ours, standing.at, skews) is not None
    policy = policy_at(tip)
    targets = open_readers(tip)
    grounds = digest_of_inputs(program, standing, tip, targets) if remember is not None else ""
    if recalled is not None and grounds and recalled.holds(grounds, at) and not apart:
        plan = Plan(at, tip, (), live=recalled.live, by_ledger=recalled.by_ledger)
        answer = Survey(plan, Admitted(), (), standing, policy, 0, 0, boundary=recalled.until)
        return Inputs(history, standing, policy, Admitted(), tip, at, targets, unchanged=answer)
    stuck: RefusedError | None = None
    latest = standing

    def before() -> None:
        nonlocal latest
        ends = partial(by_receipts, history, policy_at, open_readers, tip, clock=clock, skews=skews, off=at - ours)
        latest = attend(latest, ends, at, at - ours)

    try:
        admitted = admit(history, forge, policy_at, standing, tip=tip, at=at, before=before)
    except RefusedError as error:
        if not standing.main or history.find(standing.main) is None:
            raise
        admitted, stuck, tip = Admitted(), error, Oid(standing.main)
        policy = policy_at(tip)
        targets = open_readers(tip)
    if latest is not standing:
        # Ends were carried out meanwhile. Targets are opened anew: one of them may still be read from.
        standing, targets = latest, open_readers(tip)
        ours, at = (ours, at) if clock is None else (max(ours, clock()), max(at, clock() + (at - ours)))
    claims, invalid = _claims(standing, admitted, policy, _last_read(history, policy_at, standing, tip))
    every = {**targets, **_unnamed(standing, targets)}
    return Inputs(
        history,
        standing,
        policy,
        admitted,
        tip,
        at,
        every,
        tuple(claims),
        invalid,
        stuck,
        keep=remember,
        program=program,
        grounds=grounds,
        clock=clock,
        skews=skews,
        off=at - ours,
        retry=retry,
        denied=deny(policy, live_claims(standing, claims, at, admitted)),
    )


def by_receipts(
    history: History,
    policy_at: PolicyAt,
    open_readers: OpenReaders,
    tip: Oid,
    standing: Standing,
    at: datetime,
    names: frozenset[str],
    *,
    clock: Callable[[], datetime] | None,
    skews: Mapping[str, timedelta],
    off: timedelta,
) -> Inputs:
    """Return what follows from the ledger and the main that it recorded last, for the targets with these names.

    Nothing of what landed since is believed, and the receipts that come of it record no newer main: what landed is
    still to be settled. A grant whose file was changed since is left alone: it may have been extended.
    """
    main = Oid(standing.main)
    policy = policy_at(main)
    opened = open_readers(main)
    unasked = EdgeError("it is not looked at yet")
    targets = {name: target if name in names else unasked for name, target in opened.items()}
    there = {grant_id(entry.path): entry.oid for entry in history.entries(tip, FOLDER.rstrip("/"))}
    unsettled = frozenset(name for name, blob in standing.blobs() if there.get(name, blob) != blob)
    claims, _ = _claims(standing, Admitted(), policy, _last_read(history, policy_at, standing, main))
    every = {**targets, **_unnamed(standing, targets)}
    return Inputs(
        history,
        standing,
        policy,
        Admitted(),
        main,
        at,
        every,
        tuple(claims),
        unsettled=unsettled,
        clock=clock,
        skews=skews,
        off=off,
    )


def _forge_skew(forge: ForgeReader, clock: Callable[[], datetime] | None) -> Mapping[str, timedelta]:
    """Return how far the forge's clock is ahead of ours; nothing where it has none, or cannot be asked."""
    if clock is None:
        return {}
    before = clock()
    try:
        theirs = forge.clock()
    except EdgeError:
        return {}
    return {"the forge": skew(before, theirs, clock())} if theirs is not None else {}


def live_claims(
    standing: Standing, claims: Iterable[Claim], at: datetime, admitted: Admitted | None = None
) -> dict[Claim, Oid]:
    """Return the claims that give something at an instant, with the blob that was proved of each."""
    blobs = dict(standing.blobs())
    changed = admitted.changed.items() if admitted is not None else ()
    blobs |= {grant: proof.blob for grant, proof in changed if proof is not None}
    return {c: blobs[c.grant] for c in claims if c.blocked is None and c.window.holds(at)}


def claims_on(history: History, policy_at: PolicyAt, standing: Standing, tip: Oid) -> Mapping[GrantId, Claim]:
    """Return what each grant that the ledger has as proved gives by the policies of a commit of main."""
    claims, invalid = _claims(standing, Admitted(), policy_at(tip), _last_read(history, policy_at, standing, tip))
    return {c.grant: replace(c, blocked=invalid.get(c.grant, c.blocked)) for c in claims}


def _last_read(history: History, policy_at: PolicyAt, standing: Standing, tip: Oid) -> Policy:
    """Return main's policies; while they do not read, the last ones before that did: access ends by them."""
    since = Oid(standing.main) if standing.main and history.find(standing.main) is not None else None
    return last_read(history, policy_at, tip, since)


def _unnamed(standing: Standing, targets: Mapping[str, TargetReader | EdgeError]) -> Mapping[str, EdgeError]:
    """Return the targets that hold access of ours and that the settings no longer name: nobody can read them.

    What was begun and never finished may be access as well, though nothing shows it as ours yet.
    """
    named = {entitlement.target for entitlement in standing.holdings}
    named |= {change.entitlement.target for change in standing.pending.values()}
    return {name: EdgeError(f"the settings name no target {name!r}") for name in named - set(targets)}


def _claims(
    standing: Standing, admitted: Admitted, policy: Policy, read: Policy
) -> tuple[list[Claim], dict[GrantId, Reason]]:
    """Turn proved grants into claims; ``read`` are the policies that ends are taken from."""
    maker = ClaimMaker(policy, read, standing.holdings)
    claims = [
        maker.claim(a.grant, a.subject, a.resource, a.role, a.entitlement, a.window, a.meaning)
        for a in (*standing.admitted(), *admitted.changed.values())
        if a is not None and (a is admitted.changed.get(a.grant, a))
    ]
    stopped = (g for g in (*standing.revoked, *admitted.revoked) if admitted.changed.get(g) is None)
    invalid = dict.fromkeys(stopped, Reason.REVOKED)
    invalid |= dict.fromkeys(admitted.refusals, Reason.EVIDENCE_MISSING)
    invalid |= dict.fromkeys((u.grant for u in admitted.unproved), Reason.EVIDENCE_MISSING)
    return claims, invalid
