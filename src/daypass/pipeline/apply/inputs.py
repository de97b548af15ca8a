"""Reading what a plan stands on beside the targets: the ledger, main, and what was proved of it.

Holds no way to write (invariant 11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from daypass.core.bounds.watch import ENDS_WHEN, Condition, Watched
from daypass.core.errors import ConflictError, EdgeError, RefusedError
from daypass.core.ids import FOLDER, GrantId, Oid, grant_id
from daypass.core.ledger.receipt import Ended
from daypass.core.ledger.records import LONGEST_IDLE, Idle
from daypass.core.ledger.standing import Standing
from daypass.core.people.leaving import is_final, said
from daypass.core.plan import AdmittedGrant, Claim, Entitlement, Plan, Reason
from daypass.core.planning.claims import ClaimMaker
from daypass.core.planning.holdback import doubt
from daypass.core.planning.resting import Remembered, Scope, Unchanged
from daypass.core.policy.rules import RULE_DENIES
from daypass.core.record import replace
from daypass.core.window import Window, catch_up, skew
from daypass.pipeline.apply.admit import Admitted, admit
from daypass.pipeline.apply.current import (
    claims_of,
    departed_grants,
    ending_of,
    last_policies,
    live_claims,
    look,
    tasks_of,
    watched_grants,
)
from daypass.pipeline.apply.grounds import AT_REST, Grounds, Looks, moved_by, recall_of
from daypass.pipeline.apply.survey import Clocks, Inputs, Survey
from daypass.pipeline.context import Context
from daypass.ports import ForgeReader, Recalling, TargetReader

if TYPE_CHECKING:
    from daypass.pipeline.judge.check import Deny

OpenReaders = Callable[[Oid], Mapping[str, TargetReader | EdgeError]]
"""Opens the targets of a commit's settings for reading; one that cannot be opened is an error in its place."""

ByReceipts = Callable[[Standing, datetime, frozenset[str]], "Inputs"]
"""Returns what follows from a ledger alone, at an instant, for the targets with these names; see `by_receipts`."""

Attend = Callable[[Standing, ByReceipts, datetime, timedelta], Standing]
"""Called before the forge is asked of tasks, and before each landing is proved, so that no end waits for it.

It returns the ledger as it leaves it. The last is how far the instant to reckon with is from this machine's clock."""


def prepare(
    context: Context,
    open_readers: OpenReaders,
    *,
    at: datetime,
    recalled: Remembered | None = None,
    remember: Callable[[Remembered], None] | None = None,
    program: str = "",
    attend: Attend = lambda standing, *_: standing,
    clock: Callable[[], datetime] | None = None,
    retry: bool = False,
    deny: Deny = lambda *_: (),
) -> Inputs:
    """Read everything but the targets. Holds no way to write (invariant 11), but for what ``attend`` does meanwhile.

    Where ``recalled`` says that nothing was to be done and nothing has moved since, that is the answer; where little has
    moved, little is reckoned anew. ``remember`` keeps what the next run is to recall; ``program`` names the program that
    reckons, so that another version reckons all anew. ``clock`` is the one that ``at`` was read from, and is compared with
    others': see core.holdback. ``retry``: what has failed is tried
    again at once. ``deny`` says what of the live policies deny. Raises RefusedError where main cannot be followed and
    nothing else is there to stand on: see `_follow`; ConflictError where ``attend`` found that another run was first.
    """
    standing, tip = context.standing, context.tip
    clocks = _clocks(context.forge, clock)
    at = catch_up(at, standing.at) + clocks.off
    targets, latest = open_readers(tip), standing

    def before() -> None:
        nonlocal latest
        latest = attend(latest, partial(by_receipts, context, open_readers, clocks=clocks), at, clocks.off)

    if watched := watched_grants(standing, at):
        before()
    looked = look(context, watched, at)
    if latest is not standing or any(one.came or one.unknown for one in looked.values()):
        recalled = remember = None  # what came about ends access, and what nobody could look at is told
    apart = doubt(at - clocks.off, standing.at, clocks.skews) is not None
    recall = recall_of(recalled, context, program, at, targets, clock) if not apart else None
    if recall is not None and (told := recall.unmoved(Grounds(program, standing.commit, tip), at)) is not None:
        return _as_recalled(context, standing, at, targets, *told)
    admitted, tip, stuck = _follow(context, at, before, recall.anew if recall is not None else None)
    if stuck is None and latest.main != standing.main:
        # What this run proved is on record by now: told again, it would stand on what the other has replaced.
        raise ConflictError("another run settled what landed on main first", hint="run the command again")
    if latest is not standing or stuck is not None:
        # Where ends were carried out meanwhile a target may still be read from, and what was seen is no more what is there.
        targets = open_readers(tip)
        recall = remember = None
    if latest is not standing and clock is not None:
        at = max(at, clock() + clocks.off)
    scope = recall.scope(moved_by(admitted, latest), at) if recall is not None else None
    found = _inputs(context, latest, admitted, tip, at, targets, clocks, scope)
    found = replace(found, denied=deny(found.policy, live_claims(found.standing, found.claims, at, admitted)))
    # Of a main that is not followed nobody knows what it says by now: nothing ends for good by it.
    found = _with_ended_by_rules(found, latest) if stuck is None else replace(found, ending=())
    found = _with_tasks_done(replace(found, stuck=stuck), context, latest, looked)
    looks = recall.looks if recall is not None else None
    return replace(_with_departed(found, context, latest), keep=remember, program=program, looks=looks, retry=retry)


_STUCK = "it is done, and nothing ends by it while main is not followed"


def _with_ended_by_rules(found: Inputs, standing: Standing) -> Inputs:
    """Return inputs in which what rules of today end, by their own word (``on_live: end``), is over from now on."""
    bounds = {one.grant: (RULE_DENIES, f"rule {one.rule} denies it") for one in reversed(found.denied) if one.ends}
    found = _ended_now(found, standing, bounds)
    return replace(found, denied=tuple(one for one in found.denied if one.grant not in bounds))


def _with_tasks_done(
    found: Inputs, context: Context, standing: Standing, looked: Mapping[Condition, Watched]
) -> Inputs:
    """Return inputs in which what was to end with its task (``ends_when``) is over from now on where that is done."""
    grants = watched_grants(standing, found.at, found.admitted.changed)
    # What this very run proved was not looked at yet.
    looked = {**looked, **look(context, grants, found.at, but=looked)}
    if found.stuck is not None:
        looked = {
            one: said._replace(came=None, unknown=said.unknown or _STUCK) if any(said) else said
            for one, said in looked.items()
        }
    tasks = tasks_of(grants, looked)
    found = replace(found, tasks=tasks)
    done = sorted((one for one in tasks if one.came is not None), key=lambda one: (one.came, one), reverse=True)
    return _ended_now(found, standing, {one.grant: (ENDS_WHEN[one.key].code, one.said) for one in done})


_SINCE = "it was merged since, and is held back until people check tells whether they are back"


def _with_departed(found: Inputs, context: Context, standing: Standing) -> Inputs:
    """Return inputs in which what people hold who left, by what the source of people said, is over from now on.

    What was merged after they had left is held back alone: no end is recorded of it.
    """
    if not standing.departed or found.stuck is not None:
        return found
    catalogue, changed = last_policies(context, standing, found.tip).catalogue, found.admitted.changed
    left = departed_grants(standing, catalogue, found.at, changed)
    proofs = {grant: changed.get(grant) or standing.admission(grant) for grant in left}
    ended = {g for g, proof in proofs.items() if proof is None or is_final(left[g], proof.merged_at)}
    back = {grant: f"{said(one)}; {_SINCE}" for grant, one in left.items() if grant not in ended}
    claims = tuple(c.ending(found.at, back[c.grant]) if c.grant in back else c for c in found.claims)
    bounds = {grant: (one.code, said(one)) for grant, one in left.items() if grant in ended}
    return _ended_now(replace(found, claims=claims), standing, bounds)


def _ended_now(found: Inputs, standing: Standing, bounds: Mapping[GrantId, tuple[str, str]]) -> Inputs:
    """Return inputs in which live grants are over from now on, each with the code of what ends it, and its words."""
    if not bounds:
        return found
    rows = (found.admitted.changed.get(grant) or standing.row(grant) for grant in sorted(bounds))
    ended = tuple(Ended(r.grant, r.blob, r.landing, found.at, *bounds[r.grant]) for r in rows if r is not None)
    claims = tuple(c.ending(found.at, bounds[c.grant][1]) if c.grant in bounds else c for c in found.claims)
    return replace(found, claims=claims, ending=(*(e for e in found.ending if e.grant not in bounds), *ended))


def _follow(
    context: Context, at: datetime, before: Callable[[], None], anew: frozenset[str] | None
) -> tuple[Admitted, Oid, RefusedError | None]:
    """Prove what landed on main; return it with the commit that the plan stands on.

    When main cannot be followed (it went backwards, or was not reached step by step), the plan stands on the main
    that the ledger recorded last instead: what has ended there by its own window can be taken away all the same, since
    windows and entitlements are in signed receipts and the targets in that commit's settings. Nothing of the new main
    is believed, nothing else is changed, and the run fails with what is returned last. Without that commit the targets
    are not known, and RefusedError is raised.
    """
    try:
        return admit(context, at=at, before=before, anew=anew), context.tip, None
    except RefusedError as error:
        last = context.standing.main
        if not last or context.history.find(last) is None:
            raise
        return Admitted(), Oid(last), error


def at_rest(
    context: Context,
    open_readers: OpenReaders,
    said: tuple[Standing, Idle],
    *,
    at: datetime,
    program: str,
    clock: Callable[[], datetime] | None,
) -> Survey | None:
    """Return the answer of a run in which nothing has moved since a receipt said that nothing is to be done.

    ``said`` is that receipt, with the ledger that ends with it, of which no part is known: what its signer was shown then
    is what a run would find now. Main has to be the very commit, and each target to hold the very same. None where that is
    not so, and where a target is to be told by the ledger what it had handed over.
    """
    standing, word = said
    clocks = _clocks(context.forge, clock)
    at = catch_up(at, standing.at) + clocks.off
    since = standing.at or at
    until = min(word.until, since + LONGEST_IDLE)  # whatever was signed
    grounds = Grounds(program, word.follows, context.tip)
    recalled = Unchanged(word.grounds, grounds.beside, since, until, word.live, word.by_ledger)
    moved = standing.main != context.tip or standing.at is None or not recalled.may_hold(grounds.beside, at)
    if moved or doubt(at - clocks.off, standing.at, clocks.skews) is not None:
        return None
    targets = open_readers(context.tip)
    if any(isinstance(target, Recalling) for target in targets.values()):
        return None
    others = Looks(targets, clock).prove(recalled, grounds, at, AT_REST)
    return _as_recalled(context, standing, at, targets, recalled, others).unchanged if others is not None else None


def _as_recalled(
    context: Context,
    standing: Standing,
    at: datetime,
    targets: Mapping[str, TargetReader | EdgeError],
    recalled: Unchanged,
    others: tuple[Entitlement, ...],
) -> Inputs:
    """Return the inputs of a run in which nothing has moved since nothing was to be done; ``others`` gave that."""
    tip, policy = context.tip, context.policy_at(context.tip)
    plan = Plan(at, tip, (), unmanaged=others, live=recalled.live, by_ledger=recalled.by_ledger)
    answer = Survey(plan, Admitted(), (), standing, policy, 0, 0, boundary=recalled.until)
    return Inputs(context.history, standing, policy, Admitted(), tip, at, targets, unchanged=answer)


def _inputs(
    context: Context,
    standing: Standing,
    admitted: Admitted,
    main: Oid,
    at: datetime,
    targets: Mapping[str, TargetReader | EdgeError],
    clocks: Clocks,
    scope: Scope | None = None,
) -> Inputs:
    """Join what was read; the claims are those of a commit of main, where a ``scope`` is given of its resources alone."""
    policy = context.policy_at(main)
    if scope is not None:
        standing = standing.within(scope.resources)
    maker = ClaimMaker(policy, last_policies(context, standing, main), standing.holdings, at)
    claims, invalid = claims_of(standing, admitted, maker)
    ending = () if policy.broken else ending_of(standing, admitted, policy.catalogue, claims, at)
    return Inputs(
        context.history,
        standing,
        policy,
        admitted,
        main,
        at,
        {**targets, **_unnamed(standing, targets)},
        tuple(claims),
        invalid,
        clocks=clocks,
        ending=ending,
        scope=scope,
    )


def by_receipts(
    context: Context,
    open_readers: OpenReaders,
    standing: Standing,
    at: datetime,
    names: frozenset[str],
    *,
    clocks: Clocks,
) -> Inputs:
    """Return what follows from the ledger and the main that it recorded last, for the targets with these names.

    Nothing of what landed since is believed, and the receipts that come of it record no newer main: what landed is
    still to be settled. A grant whose file was changed since is left alone: it may have been extended.
    """
    main = Oid(standing.main)
    unasked = EdgeError("it is not looked at yet")
    targets = {name: target if name in names else unasked for name, target in open_readers(main).items()}
    there = {grant_id(entry.path): entry.oid for entry in context.history.entries(context.tip, FOLDER.rstrip("/"))}
    unsettled = frozenset(name for name, blob in standing.blobs() if there.get(name, blob) != blob)
    return replace(
        _inputs(context, standing, Admitted(), main, at, targets, clocks), invalid={}, ending=(), unsettled=unsettled
    )


def away(
    context: Context,
    open_readers: OpenReaders,
    standing: Standing,
    *,
    at: datetime,
    clock: Callable[[], datetime] | None = None,
) -> Inputs:
    """Return what follows from a ledger while the remote cannot be reached: only what receipts show as ended.

    What people hold who left, by a receipt, is over from now on; for good it ends once a run reaches the remote.
    Claims are what was proved, as receipts say, whatever policies say by now: main may have moved, and nobody can look.
    The targets are those of the main that the ledger recorded last. Raises RefusedError where that is not here.
    """
    main = Oid(standing.main)
    if not main or context.history.find(main) is None:
        raise RefusedError(
            f"the ledger recorded {main[:12] or 'no commit'} of main last, which this clone has not",
            hint="without it nobody knows where the targets are",
        )
    rows, ends = standing.rows, standing.ends
    claims = tuple(
        Claim(g, r.entitlement, _as_told(r, standing), bound=ends[g].bound if g in ends else "")
        for g, r in rows.items()
    )
    # What a run could not prove has not ended: whether it did is for a run to say that can ask.
    invalid = dict.fromkeys(standing.refusals, Reason.EVIDENCE_MISSING) | dict.fromkeys(
        standing.revoked, Reason.REVOKED
    )
    targets = open_readers(main)
    found = Inputs(
        context.history,
        standing,
        context.policy_at(main),
        Admitted(),
        main,
        catch_up(at, standing.at),
        {**targets, **_unnamed(standing, targets)},
        claims,
        invalid,
        clocks=Clocks(clock),
        away=True,
    )
    return replace(_with_departed(found, context, standing), ending=())


def _as_told(row: AdmittedGrant, standing: Standing) -> Window:
    """Return a grant's window up to the end that its target was told, which a bound may have set before the window's own.

    An extension that no target was told of yet is lost by this until a run reaches the remote, which gives it: better so
    than access that outlives its bound for as long as the remote is away.
    """
    holding = standing.holding(row.entitlement)
    if holding is None or holding.until is None or not row.window.start < holding.until < row.window.end:
        return row.window
    return row.window.until(holding.until) or row.window


def _clocks(forge: ForgeReader, clock: Callable[[], datetime] | None) -> Clocks:
    """Compare our clock with the forge's, where it has one and can be asked."""
    if clock is None:
        return Clocks()
    before = clock()
    try:
        theirs = forge.clock()
    except EdgeError:
        theirs = None
    skews = {"the forge": skew(before, theirs, clock())} if theirs is not None else {}
    return Clocks(clock, skews, min([timedelta(0), *skews.values()]))


def _unnamed(standing: Standing, targets: Mapping[str, TargetReader | EdgeError]) -> Mapping[str, EdgeError]:
    """Return the targets that hold access of ours and that the settings no longer name: nobody can read them.

    What was begun and never finished may be access as well, though nothing shows it as ours yet.
    """
    named = {entitlement.target for held in (standing.holdings, standing.unfinished) for entitlement in held}
    return {name: EdgeError(f"the settings name no target {name!r}") for name in named - set(targets)}
