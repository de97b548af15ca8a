"""How the grants of one merged request stand now, by the ledger's receipts: what `daypass show` says of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from functools import cache

from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Admission, Outcome, Receipt, Retirement
from daypass.core.plan import Action
from daypass.core.record import replace
from daypass.core.request import Gated
from daypass.core.state import GrantState, Life, LifeGrant
from daypass.pipeline.apply.overview import overview_of_grant
from daypass.pipeline.context import Context

Receipts = Callable[[Collection[GrantId]], Iterable[Receipt]]
"""Returns the receipts that are about some grants, in order."""


def life_now(context: Context, found: Gated, receipts: Receipts, *, at: datetime) -> Life | None:
    """Return how the grants stand that a merged request brought; None where it brought none, or was not merged.

    Receipts are asked for only of what has ended.
    """
    merge = found.merge
    items = [item for item in found.proposal.items if item.grant is not None]
    if merge is None or not items:
        return None
    about = cache(lambda: tuple(r for r in receipts([i.id for i in items]) if not r.void and r.run_at <= at))
    grants = tuple(replace(_grant(context, item.id, found, about, at), grant=item.grant) for item in items)
    catalogue = context.policy_at(context.tip).catalogue
    by = found.pull.opened_by.handle
    return Life(found.pull.number, found.pull.head, merge.commit, merge.at, by, grants, catalogue)


def _grant(
    context: Context, name: GrantId, found: Gated, receipts: Callable[[], tuple[Receipt, ...]], at: datetime
) -> LifeGrant:
    """Return how one grant stands: by its proof, or by the receipts that are left of it."""
    pull = found.pull.number
    proof = context.standing.admission(name)
    now = next(iter(overview_of_grant(context, name, at).grants), None)
    if proof is not None and proof.pull >= pull and now is not None:
        return LifeGrant(_taken(now, receipts), proof=proof, goes_on=proof.pull if proof.pull > pull else 0)
    if now is not None and now.state == "unproved":
        return LifeGrant(now)
    last = context.standing.at
    if last is None or (found.merge is not None and found.merge.at > last):
        return LifeGrant(GrantState(name, "merged"))  # no receipt can speak of it yet
    admitted = _admitted(receipts(), name, pull)
    if not admitted:
        return LifeGrant(GrantState(name, "merged"))
    goes_on = admitted[-1].pull if admitted[-1].pull > pull else 0
    return LifeGrant(_taken(_past(admitted[-1], at), receipts), proof=admitted[0], goes_on=goes_on)


def _admitted(receipts: Iterable[Receipt], name: GrantId, pull: int) -> list[Admission]:
    """Return what a request admitted of a grant, and what it went on by, until main had it no longer."""
    found: list[Admission] = []
    for body in (one.body for one in receipts):
        if isinstance(body, Admission) and body.grant == name and (found or body.pull == pull):
            found.append(body)
        elif isinstance(body, Retirement) and body.grant == name and found:
            break  # what is admitted by this name later is another grant
    return found


def _past(proof: Admission, at: datetime) -> GrantState:
    """Return the account of a grant that main has no longer."""
    over = proof.window.ended(at)
    return GrantState(
        proof.grant,
        "ended",
        code="expired" if over else "removed",
        why="its window is over" if over else "ended on main",
        subject=proof.subject,
        resource=proof.resource,
        role=proof.role,
        entitlement=proof.entitlement,
        until=proof.window.end,
    )


def _taken(state: GrantState, receipts: Callable[[], tuple[Receipt, ...]]) -> GrantState:
    """Say when what a grant that has ended gave was taken away, as far as a receipt tells."""
    if state.state != "ended" or state.provisioned:
        return state
    for receipt in reversed(receipts()):
        body = receipt.body
        if not isinstance(body, Outcome) or state.grant not in body.change.grants or not body.ok:
            continue
        if body.change.action is not Action.REMOVE:
            return state
        late = max(receipt.run_at - body.change.due, timedelta(0))
        return state._replace(taken=receipt.run_at, late=late)
    return state
