"""Ending access: removal requests, and the emergency stop.

The emergency stop takes every grant of somebody, or on a resource, from main at once (`limits.revoke`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from daypass.core.files.grants import read_grant
from daypass.core.forge import Entry, Pull
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, GrantId, grant_id, grant_path
from daypass.core.ledger.standing import Standing
from daypass.core.policy.policies import Policy
from daypass.core.policy.sources import REVOCATION, Ending, may_revoke
from daypass.pipeline.ask.propose import branch_name, open_of_mine, open_request, read_current
from daypass.pipeline.context import Context, WritingContext
from daypass.pipeline.judge.proposal import MOST_CHANGES
from daypass.pipeline.judge.report import ending_message, plain_name


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


class Stop(Struct, frozen=True):
    """What an emergency stop finds on main.

    ``paths`` are the files of the grants that who asks may revoke; ``beyond`` are those that they may not, each with who
    may; ``unread`` cannot be read and are proved by no receipt, so that they give no access to anybody.
    """

    paths: tuple[str, ...]
    beyond: tuple[tuple[GrantId, tuple[str, ...]], ...]
    unread: tuple[GrantId, ...]

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """The paths, as many at once as the gate judges in one request."""
        return tuple(self.paths[n : n + MOST_CHANGES] for n in range(0, len(self.paths), MOST_CHANGES))


def find(context: Context, policy: Policy, *, subject: str, resource: str, by: str, at: datetime) -> Stop:
    """Find the grants of a subject ("": of everybody) on a resource ("": on all), broken files included."""
    paths, beyond, unread = [], [], []
    for entry, ending in _endings(context, resource):
        name = grant_id(entry.path)
        if subject and not ending.subject:
            unread.append(name)
        elif not subject or ending.subject == subject:
            may = may_revoke(policy.catalogue, ending, at)
            if by in may:
                paths.append(entry.path)
            else:
                beyond.append((name, may))
    return Stop(tuple(paths), tuple(beyond), tuple(unread))


def left_over(standing: Standing, subject: str, resource: str) -> bool:
    """Say whether the ledger has access of theirs that is to be taken away still, where main has no grant for it."""
    proofs = (standing.admission(grant) for held in standing.holdings.values() for grant in held.grants)
    return any(p is not None and subject in ("", p.subject) and resource in ("", p.resource) for p in proofs)


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


def stop(
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
    files = tuple((path, None) for path in paths)
    forge = context.forge
    head = forge.commit(
        branch=branch,
        parent=context.history.resolve(context.main),
        files=files,
        message=ending_message(title, reason),
        at=at,
    )
    return forge.open(branch=branch, head=head, title=title, at=at, reason=reason)
