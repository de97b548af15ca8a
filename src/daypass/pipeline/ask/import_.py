"""Existing access becomes grants: what a target holds of a resource and nobody granted, proposed as one pull request.

Nothing is taken away here, and nothing changes before the request is merged. A grant of the purpose ``import`` then
takes over what is there: it is ours from the next run on, and ends with the grant. Each grant ends as policy suggests,
and never after an end that the target itself has noted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from daypass.core.catalogue import Resource, Role
from daypass.core.errors import EdgeError, InvalidError, RefusedError, UsageError
from daypass.core.files.grants import grant_text, read_grant
from daypass.core.grant import IMPORT, Bounded, Grant
from daypass.core.ids import FOLDER, GrantId, canonical
from daypass.core.plan import Entitlement
from daypass.core.policy.policies import Policy
from daypass.core.window import LONG_AGO, Span, Window, format_instant
from daypass.pipeline.apply.survey import Survey
from daypass.pipeline.apply.tidy import Kept, keep
from daypass.pipeline.ask.propose import draft
from daypass.pipeline.context import Context, WritingContext
from daypass.ports import Dated, Observing, TargetReader

_SHOWN_AS = "unmanaged"
"""Marks a privilege that a target shows of others' access and gives under another name itself."""


class Taken(Struct, frozen=True):
    """Access that becomes a grant. ``why`` says what its end comes from; ``dated``: that it had no earlier end is proved.

    ``beside``: the target keeps ours apart from what is there, so that somebody has to take that away themselves.
    """

    entitlement: Entitlement
    grant: Grant
    why: str
    dated: bool
    beside: bool


class ExistingAccess(Struct, frozen=True):
    """What the target holds of a resource that nobody granted.

    ``left`` becomes no grant, each with why; ``granted`` counts what a grant for it awaits an apply.
    """

    resource: str
    taken: tuple[Taken, ...]
    left: tuple[tuple[Entitlement, str], ...]
    granted: int = 0


def find(
    context: Context,
    survey: Survey,
    targets: Mapping[str, TargetReader | EdgeError],
    resource: str,
    *,
    requester: str,
    at: datetime,
    ticket: str = "",
) -> ExistingAccess:
    """Say what of a resource's existing access can become grants. Reads alone.

    Raises UsageError for an unknown resource, InvalidError where policies do not read, RefusedError where nobody can see
    what the target holds and EdgeError where it cannot be read.
    """
    policy = survey.policy
    if policy.broken:
        raise InvalidError("the policies of main do not read, so nothing can be granted", policy.broken)
    known = policy.catalogue.resources.get(resource)
    if known is None:
        raise UsageError(
            f"there is no resource {resource!r}", hint="one of " + (", ".join(policy.catalogue.resources) or "none")
        )
    if known.target in survey.plan.unreadable:
        raise EdgeError(f"target {known.target} could not be read: {survey.plan.unreadable[known.target]}")
    target = targets.get(known.target)
    if target is not None and not isinstance(target, EdgeError | Observing):
        raise RefusedError(
            f"nobody can see what access exists at target {known.target}, so none of {resource} can be imported",
            hint="what daypass gives there is in the ledger; what others gave has to be ended where they gave it",
        )
    strays = [e for e in survey.plan.unmanaged if (e.target, e.resource) == (known.target, resource)]
    people: dict[str, list[str]] = {}
    for handle in policy.catalogue.directory.subjects:
        people.setdefault(policy.catalogue.principal(handle, known), []).append(handle)
    ends = target.ends(strays) if target is not None and isinstance(target, Dated) else {}
    importer = _Importer(policy, known, people, ends, requester, at, ticket)
    there = _imported(context, resource, at)
    taken: list[Taken] = []
    left: list[tuple[Entitlement, str]] = []
    granted = 0
    for stray in strays:
        answer = importer.judge(stray)
        if isinstance(answer, Taken) and (answer.grant.subject, answer.grant.role) in there:
            granted += 1
        elif isinstance(answer, Taken):
            taken.append(answer)
        else:
            left.append((stray, answer))
    return ExistingAccess(resource, tuple(taken), tuple(left), granted)


def propose(context: WritingContext, found: ExistingAccess, *, body: str, at: datetime) -> Kept:
    """Open one pull request with all the grants; an open one is left to those who read and prune it."""
    files = [(taken.grant.path, grant_text(taken.grant).encode()) for taken in found.taken]
    title = f"Import {len(files)} grants of existing access to {found.resource}"
    branch = f"daypass/import/{found.resource}"
    return keep(context, branch, files, title=title, body=body, at=at)


def _imported(context: Context, resource: str, at: datetime) -> frozenset[tuple[str, str]]:
    """Return subject and role of the import grants that main has and that are not over: they wait to be applied."""
    found = set()
    for entry, raw in context.history.files(context.main, f"{FOLDER}{resource}", lambda entry: entry.mode == "100644"):
        grant = read_grant(entry.path, raw)
        if isinstance(grant, Grant) and grant.purpose == IMPORT:
            window = grant.span.window
            if window is None or not window.ended(at):
                found.add((grant.subject, grant.role))
    return frozenset(found)


class _Importer(Struct, frozen=True):
    """Judges each piece of existing access of one resource. ``people`` are those of the directory by their names there."""

    policy: Policy
    resource: Resource
    people: Mapping[str, list[str]]
    ends: Mapping[Entitlement, datetime | None]
    requester: str
    at: datetime
    ticket: str

    def judge(self, stray: Entitlement) -> Taken | str:
        """Return the grant that existing access becomes, or why it becomes none."""
        people = self.people.get(stray.principal, []) if stray.principal else []
        if len(people) != 1:
            who = " and ".join(people) + " are both" if people else "nobody in the directory is"
            return f"{who} {stray.principal!r} at target {stray.target}"
        role, beside = self._role(stray.privilege)
        if role is None:
            return f"no role of {stray.resource} gives {stray.privilege}"
        end, why = self._end(people[0], role, stray)
        if end <= self.at:
            return f"it would end at once: {why}" + (f" {format_instant(end)}" if end != LONG_AGO else "")
        return self._draft(stray, people[0], role, end, why, beside=beside)

    def _draft(
        self, stray: Entitlement, subject: str, role: Role, end: datetime, why: str, *, beside: bool
    ) -> Taken | str:
        wish = Grant(
            GrantId(""),
            subject=subject,
            resource=stray.resource,
            role=role.name,
            span=Span(window=Window(self.at, end)),
            reason=f"Access that was there before it was granted, found at target {stray.target}",
            ticket=self.ticket,
            purpose=IMPORT,
        )
        grant, decision = draft(self.policy, wish, requester=self.requester, at=self.at)
        if decision.denials:
            return "policy denies it: " + "; ".join(denial.message for denial in decision.told)
        return Taken(stray, grant, why, stray in self.ends, beside)

    def _role(self, privilege: str) -> tuple[Role | None, bool]:
        """Return the role that gives a privilege, of several the one for the shortest time."""
        for text, beside in ((privilege, False), (_plain(privilege), True)):
            fitting = [role for role in self.resource.roles.values() if role.privilege_text == text]
            if fitting:
                return min(fitting, key=lambda role: (role.max_duration, role.name)), beside
        return None, True

    def _end(self, subject: str, role: Role, stray: Entitlement) -> tuple[datetime, str]:
        """Return the earliest end that anything asks for, and what asks for it."""
        bounds = self.policy.catalogue.bounds(Bounded(subject, stray.resource, role.name, IMPORT, since=self.at))
        ends = [(bound.end(self.at), f"{bound.what} until" if bound.dated else bound.said) for bound in bounds.every]
        noted = self.ends.get(stray)
        ends += [(noted, "the target has noted until")] if noted is not None else []
        return min(ends)


def _plain(privilege: str) -> str:
    """Return the privilege of a role that gives what a target shows as others' access, "" where it is not shown so."""
    try:
        data = json.loads(privilege)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict) or data.pop(_SHOWN_AS, None) is not True:
        return ""
    return canonical(data)
