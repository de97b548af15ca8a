"""What main and the ledger have now of grants, told without looking at targets, and what live grants wait for.

It loads none of what proves, surveys or merges: `explain` and `status` are to start at once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.bounds.watch import Condition, EndingTask, Watched, looked_at
from daypass.core.errors import EdgeError, InvalidError, UsageError
from daypass.core.files.grants import read_grant
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, SUFFIX, GrantId, Oid, grant_id, grant_path
from daypass.core.ledger.receipt import Admission, Ended, Refusal
from daypass.core.ledger.standing import Departure, Standing
from daypass.core.people.leaving import absent
from daypass.core.plan import AdmittedGrant, Claim, Reason
from daypass.core.planning.claims import ClaimMaker
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.pipeline.judge.policies import last_read

if TYPE_CHECKING:
    from daypass.core.catalogue import Catalogue
    from daypass.pipeline.apply.admit import Admitted
    from daypass.pipeline.context import Context


def read_current(context: Context, grant: GrantId) -> Grant:
    """Return a grant of main. Raises UsageError where there is none and InvalidError where it cannot be read."""
    path = grant_path(grant)
    files = context.history.files(context.main, path.rpartition("/")[0], lambda entry: entry.path == path)
    if not files:
        raise UsageError(
            f"there is no grant {grant} on {context.main.removeprefix('refs/heads/')}",
            hint="`daypass status` lists the live ones",
        )
    found = read_grant(path, files[0][1])
    if not isinstance(found, Grant):
        raise InvalidError(f"{grant} cannot be read", found)
    return found


def landed(context: Context) -> dict[GrantId, str] | None:
    """Return the grants that main changed after the last receipt, each with what became of its file: added, changed, removed.

    None where main does not come after what the ledger knows; `apply` says what that means.
    """
    history, standing, tip = context.history, context.standing, context.tip
    if not standing.main or standing.main == tip:
        return {}
    if history.find(standing.main) is None or history.merge_bases(standing.main, tip) != (Oid(standing.main),):
        return None
    found = {
        grant_id(change.path): "added" if change.added else "removed" if change.deleted else "changed"
        for change in history.changes(standing.main, tip)
        if change.path.startswith(FOLDER) and change.path.endswith(SUFFIX)
    }
    # What was never admitted gave nothing that could end.
    return {name: what for name, what in found.items() if what != "removed" or standing.admission(name) is not None}


def refused_there(context: Context) -> list[Refusal]:
    """Return what stands on main without proof, by grant: of files that main no longer has there is nothing to say."""
    history, standing = context.history, context.standing
    folders = sorted({f"{FOLDER}{name.rpartition('/')[0]}" for name in standing.refusals})
    there = {grant_id(entry.path): entry.oid for folder in folders for entry in history.entries(context.tip, folder)}
    return [refusal for name, refusal in sorted(standing.refusals.items()) if there.get(name) == refusal.blob]


def live_claims(
    standing: Standing, claims: Iterable[Claim], at: datetime, admitted: Admitted | None = None
) -> list[tuple[Claim, Oid]]:
    """Return the claims that give something at an instant, with the blob that was proved of each."""
    rows, changed = standing.rows, admitted.changed if admitted is not None else {}
    live = (claim for claim in claims if claim.blocked is None and claim.window.holds(at))
    if not changed:
        return [(claim, rows[claim.grant].blob) for claim in live]
    return [(claim, (changed.get(claim.grant) or rows[claim.grant]).blob) for claim in live]


def claims_on(context: Context, grants: Iterable[AdmittedGrant] | None = None) -> Mapping[GrantId, Claim]:
    """Return what grants that the ledger has as proved (None: each) give by the policies of main."""
    standing, tip = context.standing, context.tip
    maker = ClaimMaker(context.policy_at(tip), last_policies(context, standing, tip), standing.holdings)
    ended = {name: one.bound for name, one in standing.ends.items()}
    rows = standing.admitted() if grants is None else grants
    claims = {row.grant: maker.claim(row, ended.get(row.grant, "")) for row in rows}
    stopped = {name: replace(claims[name], blocked=Reason.REVOKED) for name in standing.revoked if name in claims}
    return claims | stopped


def last_policies(context: Context, standing: Standing, tip: Oid) -> Policy:
    """Return main's policies; while they do not read, the last ones before that did: access ends by them."""
    since = Oid(standing.main) if standing.main and context.history.find(standing.main) is not None else None
    return last_read(context, tip, since)


def claims_of(standing: Standing, admitted: Admitted, maker: ClaimMaker) -> tuple[list[Claim], dict[GrantId, Reason]]:
    """Turn proved grants into claims."""
    changed = admitted.changed
    ended = {name: one.bound for name, one in standing.ends.items()}
    claims = [
        *maker.claims((row for row in standing.admitted() if row.grant not in changed), ended),
        *(maker.claim(AdmittedGrant.of(proof)) for proof in changed.values() if proof is not None),
    ]
    stopped = (g for g in (*standing.revoked, *admitted.revoked) if admitted.changed.get(g) is None)
    invalid = dict.fromkeys(stopped, Reason.REVOKED)
    invalid |= dict.fromkeys(admitted.refusals, Reason.EVIDENCE_MISSING)
    invalid |= dict.fromkeys((u.grant for u in admitted.unproved), Reason.EVIDENCE_MISSING)
    return claims, invalid


def ending_of(
    standing: Standing, admitted: Admitted, catalogue: Catalogue, claims: Iterable[Claim], at: datetime
) -> tuple[Ended, ...]:
    """Return what main's catalogue ends before its own window does, some day, and is not on record as ended."""
    found = []
    for claim in claims:
        if not claim.bound or (claim.grant in standing.ends and claim.grant not in admitted.changed):
            continue
        row = admitted.changed.get(claim.grant) or standing.rows[claim.grant]
        first = catalogue.ends(row.bounded)[0]
        found.append(Ended(row.grant, row.blob, row.landing, first.ended_at(at), first.code, claim.bound))
    return tuple(found)


Conditions = Mapping[GrantId, tuple[Condition, ...]]

_NOT_YET = "there are more to look at than one run may; the next runs go on with them"


def watched_grants(
    standing: Standing, at: datetime, changed: Mapping[GrantId, Admission | None] | None = None
) -> Conditions:
    """Return what ends each grant that is not over at an instant. ``changed`` is what a run has just proved, or retired."""
    changed = changed or {}
    found = {
        grant: conditions
        for grant, conditions in standing.watched.items()
        if grant not in changed
        and grant not in standing.ends
        and (row := standing.row(grant)) is not None
        and not row.window.ended(at)
    }
    for grant, proof in changed.items():
        again = proof is not None and not (proof.narrowed_from and grant in standing.ends)
        if proof is not None and proof.ends_when and again and not proof.window.ended(at):
            found[grant] = proof.ends_when
    return dict(sorted(found.items()))


def departed_grants(
    standing: Standing, catalogue: Catalogue, at: datetime, changed: Mapping[GrantId, Admission | None] | None = None
) -> Mapping[GrantId, Departure]:
    """Return the grants that are not over at an instant and whose subjects have left, each with how.

    ``changed`` is what a run has just proved, or retired.
    """
    if not standing.departed:
        return {}
    changed = changed or {}
    subjects, renames = catalogue.directory.subjects, catalogue.renames
    rows: dict[GrantId, AdmittedGrant | Admission] = {
        row.grant: row for row in standing.admitted() if row.grant not in changed and row.grant not in standing.ends
    }
    rows |= {
        grant: proof
        for grant, proof in changed.items()
        if proof is not None and not (proof.narrowed_from and grant in standing.ends)
    }
    left = {
        handle: absent(subjects.get(renames.subject(handle)), standing.departed)
        for handle in {row.subject for row in rows.values()}
    }
    return {
        grant: departure
        for grant, row in sorted(rows.items())
        if (departure := left[row.subject]) is not None and not row.window.ended(at)
    }


def tasks_of(grants: Conditions, looked: Mapping[Condition, Watched]) -> tuple[EndingTask, ...]:
    """Return what was found of grants' conditions that is worth telling: what came about, and what nobody can tell."""
    return tuple(
        EndingTask(grant, *one, *looked[one])
        for grant, conditions in grants.items()
        for one in conditions
        if one in looked and any(looked[one])
    )


def ending_tasks(context: Context, at: datetime) -> tuple[EndingTask, ...]:
    """Return what ends live grants and is done by an instant, or could not be looked at."""
    grants = watched_grants(context.standing, at)
    return tasks_of(grants, look(context, grants, at))


def look(
    context: Context, grants: Conditions, at: datetime, but: Container[Condition] = ()
) -> Mapping[Condition, Watched]:
    """Return what the forge says of the conditions of grants, but for those that were looked at."""
    wanted = {one for conditions in grants.values() for one in conditions if one not in but}
    if not wanted:
        return {}
    now = looked_at(wanted, at)
    found = dict.fromkeys(wanted - set(now), Watched(unknown=_NOT_YET))
    try:
        return found | dict(context.forge.watch(now))
    except EdgeError as error:  # nobody can act there: the window ends the access
        return found | dict.fromkeys(now, Watched(unknown=error.message))
