"""Which requests a run changed something of, and how their grants stand since: what their comments are to say.

Everything is taken from what the run did, the ledger and main. Only of a grant that was refused is the forge asked whose
request brought it. Whoever tells it does so after the receipts, and that it fails is no matter of access.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from daypass.core.errors import EdgeError, RefusedError
from daypass.core.files.grants import read_grant
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, SUFFIX, GrantId, Oid, grant_id, grant_path
from daypass.core.ledger.receipt import Admission, Refusal
from daypass.core.plan import Action, Reason
from daypass.core.planning.holdback import FAILING, HELD
from daypass.core.request import Notice
from daypass.core.state import GrantState, Life, LifeGrant
from daypass.core.window import format_instant
from daypass.pipeline.apply.overview import overview_of, overview_of_grant

if TYPE_CHECKING:
    from daypass.pipeline.apply.run import Applied
    from daypass.pipeline.context import Context

MOST_TOLD = 25
"""So many requests are told of in a run. Each costs a few requests to the forge, and the next run may be due."""

_MOST_GRANTS = 200


def lives_in(context: Context, done: Applied) -> tuple[Iterator[Life], int]:
    """Return the requests whose grants receipts of this run are about, each as it stands since, and how many are left out.

    ``context`` is read after the run. The newest are told of. What goes on by a later request is told on both, and there
    last: where one issue asked for both, its answer is the later one's.
    """
    names = changed_in(done)
    told = _Told(context, done.survey.plan.at, _states(done), done.survey.admitted.changed)
    pulls: dict[int, Admission] = {}
    former: set[int] = set()
    for name in names:
        now, before = told.proof(name), done.survey.standing.admission(name)
        for proof in (now, before):
            if proof is not None and proof.pull:
                pulls.setdefault(proof.pull, proof)
        if now is not None and before is not None and before.pull < now.pull:
            former.add(before.pull)
    refusals = [body for body in done.survey.admitted.bodies if isinstance(body, Refusal)]
    newest = sorted(pulls, reverse=True)[:MOST_TOLD]
    chosen = refusals[: MOST_TOLD - len(newest)]

    def lives() -> Iterator[Life]:
        for pull in sorted(newest, key=lambda one: (one not in former, -one)):
            yield told.life(pull, pulls[pull])
        yield from filter(None, (_refused(context, refusal) for refusal in chosen))

    return lives(), len(pulls) + len(refusals) - len(newest) - len(chosen)


def changed_in(done: Applied) -> tuple[GrantId, ...]:
    """Return the grants whose state receipts of a run changed, refused ones left out."""
    found = done.survey
    names: dict[GrantId, None] = {}
    for change in (outcome.change for outcome in done.outcomes):
        names |= dict.fromkeys(change.grants)
        if change.reason is Reason.CONTINUED and (held := found.standing.holding(change.entitlement)) is not None:
            names |= dict.fromkeys(held.grants)
    for name, proof in found.admitted.changed.items():
        old = found.standing.row(name)
        early = old is not None and not old.window.ended(found.plan.at) and name not in found.standing.ends
        if proof is not None or early:
            names[name] = None
    return tuple(names)


def _states(done: Applied) -> dict[GrantId, GrantState]:
    """Return how the grants stand that a run speaks of, with what came of its changes."""
    at = done.survey.plan.at
    states = {state.grant: state for state in overview_of(done.survey, done.outcomes).grants}
    for name in (name for change in done.held for name in change.grants if name in states):
        states[name] = states[name]._replace(note=f"{HELD} {done.held_message}")
    for outcome in done.outcomes:
        change = outcome.change
        for state in (states[name] for name in change.grants if name in states):
            if not outcome.ok:
                since = format_instant(outcome.since or at)
                states[state.grant] = state._replace(note=f"{FAILING} {since}: {outcome.error}")
            elif change.action is Action.REMOVE and state.state == "ended":
                late = max(at - change.due, timedelta(0))
                states[state.grant] = state._replace(taken=at, late=late, provisioned=False)
    return states


class _Told:
    """How the grants of requests stand after a run."""

    def __init__(
        self,
        context: Context,
        at: datetime,
        states: Mapping[GrantId, GrantState],
        changed: Mapping[GrantId, Admission | None],
    ) -> None:
        self._context = context
        self._at = at
        self._states = states
        self._changed = changed

    def proof(self, name: GrantId) -> Admission | None:
        """Return what proves a grant since the run."""
        return self._changed.get(name) or self._context.standing.admission(name)

    def life(self, pull: int, proof: Admission) -> Life:
        """Return how all grants stand that a request brought or changed."""
        names = [name for name in _grants_of(self._context, proof.base, proof.landing) if self._known(name)]
        grants = tuple(self._grant(name, pull) for name in names or [proof.grant])
        context = self._context
        catalogue = context.policy_at(context.tip).catalogue
        return Life(pull, proof.head, proof.landing, proof.merged_at, proof.requester, grants, catalogue)

    def _known(self, name: GrantId) -> bool:
        return name in self._states or self.proof(name) is not None

    def _grant(self, name: GrantId, pull: int) -> LifeGrant:
        proof = self.proof(name)
        state = self._states.get(name)
        if state is None:
            state = next(iter(overview_of_grant(self._context, name, self._at).grants), None)
        goes_on = proof.pull if proof is not None and proof.pull > pull else 0
        grant = _read(self._context, proof) if proof is not None else None
        return LifeGrant(state or GrantState(name, "ended"), grant, proof, goes_on)


def _grants_of(context: Context, base: Oid, landing: Oid) -> tuple[GrantId, ...]:
    history = context.history
    if history.find(base) is None or history.find(landing) is None:
        return ()
    changes = history.changes(base, landing)
    paths = (one.path for one in changes if not one.deleted)
    return tuple(grant_id(path) for path in paths if path.startswith(FOLDER) and path.endswith(SUFFIX))[:_MOST_GRANTS]


def _read(context: Context, proof: Admission) -> Grant | None:
    """Return what a proved grant says, None where its file cannot be had."""
    raw = dict(context.history.blobs([proof.blob])).get(proof.blob)
    found = read_grant(grant_path(proof.grant), raw) if raw is not None else None
    return found if isinstance(found, Grant) else None


def _refused(context: Context, refusal: Refusal) -> Life | None:
    """Return the request that brought a grant which was refused, by the forge's own record; None where it tells of none."""
    try:
        pull = context.forge.merged_as(refusal.landing)
    except (EdgeError, RefusedError):
        return None
    if pull is None or pull.merge is None:
        return None
    state = GrantState(refusal.grant, "unproved", code=refusal.code, why=refusal.message)
    catalogue = context.policy_at(context.tip).catalogue
    by, merge = pull.opened_by.handle, pull.merge
    return Life(pull.number, pull.head, merge.commit, merge.at, by, (LifeGrant(state),), catalogue)


_REFUSED = frozenset({"unproved", "blocked"})


def life_notice(life: Life, *, title: str, comment: str, issue: str) -> Notice:
    """Join what became of a request with the words for it. Its issue is closed once nothing of it is left to come.

    What gives nothing, though it was merged, is labelled as refused; what fails at its target is tried again.
    """
    states = [one.state for one in life.grants]
    refused = any(state.state in _REFUSED for state in states)
    failed = refused or any(state.fails for state in states)
    over = all(one.state.state in ("ended", "unproved") and not one.state.provisioned for one in life.grants)
    return Notice(
        number=life.pull,
        head=life.head,
        conclusion="failure" if failed else "success",
        title=title,
        summary=comment,
        comment=comment,
        state="refused" if refused else "approved",
        issue=issue,
        closes=over and not any(one.goes_on for one in life.grants),
        issues=life.issues,
    )
