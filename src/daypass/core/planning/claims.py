"""What proved grants give by the policies of today.

A grant gives nothing whose role has come to mean something else since it was approved (invariant 2); what is only called
otherwise since (`Renames`) gives what it gave, under the name that the ledger has. And it gives nothing after
the first end that bounds it (`Catalogue.bounds`): the data's retention, the subject's engagement, a moment of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from daypass.core.calendar.recurrence import left_of
from daypass.core.catalogue import Catalogue
from daypass.core.ids import GrantId
from daypass.core.plan import AdmittedGrant, Claim, Entitlement, Holding, Reason
from daypass.core.policy.policies import Policy
from daypass.core.window import Window


class ClaimMaker:
    """Holds proved grants against the policies at the tip of main, remembering what each role means there.

    ``read`` are the last policies of main that read, the same ones where main's do. While main's do not, nothing new is
    given and no role is held to mean something else, but access ends all the same: by the bounds of ``read``, and by
    what the target was told when it was given (``holdings``). What a bound that is no date ends, it ends ``at`` the run's
    instant: before, nobody had said so.
    """

    def __init__(
        self, policy: Policy, read: Policy, holdings: Mapping[Entitlement, Holding], at: datetime | None = None
    ) -> None:
        self._policy = policy
        self._read = read.catalogue
        self._holdings = holdings
        self._at = at
        self._catalogue: Catalogue = policy.catalogue
        self._roles: dict[tuple[str, str], tuple[str, str, str] | None] = {}
        self._principals: dict[tuple[str, str], str | None] = {}
        self._broken = bool(policy.broken)
        self._endless_subjects: dict[str, bool] = {}
        self._endless_resources: dict[str, bool] = {}

    def claims(self, proved: Iterable[AdmittedGrant], ended: Mapping[GrantId, str]) -> list[Claim]:
        """Return what proved grants give today, in their order; ``ended`` says of some what ended them by the ledger.

        What was told of others answers for most of them, and `claim` for the rest.
        """
        roles, principals = self._roles.get, self._principals.get
        subjects, resources = self._endless_subjects.get, self._endless_resources.get
        found = []
        for one in proved:
            grant, _, _, subject, resource, role, window, entitlement, meaning, _, due = one
            now = roles((resource, role))
            if (
                now == (meaning, entitlement[0], entitlement[3])
                and principals((subject, entitlement[0])) == entitlement[2]
                and not (due or window.calendar or grant in ended)
                and subjects(subject)
                and resources(resource)
            ):
                found.append(Claim(grant, entitlement, window))
            else:
                found.append(self.claim(one, ended.get(grant, "")))
        return found

    def claim(self, proved: AdmittedGrant, ended: str = "") -> Claim:
        """Return what a proved grant gives today.

        ``ended`` says what ended it by the ledger, "" where nothing did: for good, whatever the policies say by now.
        """
        grant, _, _, subject, resource, role, window, entitlement, meaning, *_ = proved
        if ended:
            return Claim(grant, entitlement, window, bound=ended)
        if self._broken:
            held = self._holdings.get(entitlement)
            told = window.until(held.until) if held is not None and held.until is not None else window
            return self._cut(proved, told or window)
        key = (resource, role)
        if key not in self._roles:
            self._roles[key] = self._meaning(resource, role)
        now = self._roles[key]
        principal = self._principal(subject, resource, now[1]) if now is not None else None
        if now is None or principal is None:
            return Claim(grant, entitlement, window, Reason.GRANT_INVALID)
        if now != (meaning, entitlement.target, entitlement.privilege):
            return Claim(grant, entitlement, window, Reason.MEANING_MOVED)
        if principal != entitlement.principal:
            return Claim(grant, entitlement, window, Reason.PRINCIPAL_MOVED)
        return self._cut(proved, window)

    def _cut(self, proved: AdmittedGrant, window: Window) -> Claim:
        """End access no later than the first thing that bounds it, and at what its calendar of today takes away."""
        if not window.calendar and not proved.due and self._is_endless(proved.subject, proved.resource):
            return Claim(proved.grant, proved.entitlement, window)
        left = left_of(window, self._read.calendars)
        if left is None:
            return Claim(proved.grant, proved.entitlement, window, Reason.CALENDAR_MOVED)
        window = left
        ends = self._read.ends(proved.bounded)
        if not ends or ends[0].limit >= window.end:
            return Claim(proved.grant, proved.entitlement, window)
        first = ends[0]
        cut = window.until(first.ended_at(self._at))
        return Claim(proved.grant, proved.entitlement, cut or window, None if cut else Reason.BOUND, first.said)

    def _is_endless(self, subject: str, resource: str) -> bool:
        """Say whether nothing of the catalogue ends what somebody has on a resource, asked once of each of the two."""
        if subject not in self._endless_subjects:
            self._endless_subjects[subject] = self._read.endless(subject, "")
        if resource not in self._endless_resources:
            self._endless_resources[resource] = self._read.endless("", resource)
        return self._endless_subjects[subject] and self._endless_resources[resource]

    def _principal(self, subject: str, resource: str, target: str) -> str | None:
        """Return who somebody is today at the target of a resource that is there, None where nobody knows them."""
        key = (subject, target)
        if key not in self._principals:
            catalogue = self._catalogue
            known = catalogue.directory.subjects.get(catalogue.renames.subject(subject))
            there = catalogue.resources[catalogue.renames.resource(resource)]
            self._principals[key] = catalogue.principal(known.handle, there) if known is not None else None
        return self._principals[key]

    def _meaning(self, resource: str, role: str) -> tuple[str, str, str] | None:
        """Say what a role gives by today's policies, which may have another name for it, or for its resource."""
        _, name, level = self._catalogue.renames.of("", resource, role)
        gives = given(self._policy, "", name, level, resource)
        return (gives[0], gives[1].target, gives[1].privilege) if gives is not None else None


def entitlement_in(catalogue: Catalogue, subject: str, resource: str, role: str) -> Entitlement | None:
    """Return what somebody holds by a role, their name at the target may be ""; None where nobody knows such a role."""
    found = catalogue.resources.get(resource)
    level = found.roles.get(role) if found is not None else None
    if found is None or level is None:
        return None
    return Entitlement(found.target, resource, catalogue.principal(subject, found), level.privilege_text)


def given(policy: Policy, subject: str, resource: str, role: str, called: str = "") -> tuple[str, Entitlement] | None:
    """Return what a role means, by digest, and what somebody holds by it; None where policies do not say.

    ``called`` is the old name by which a grant has the resource, "" for today's.
    """
    catalogue = policy.catalogue
    gives = entitlement_in(catalogue, subject, resource, role)
    if policy.broken or gives is None:
        return None
    return catalogue.meaning(catalogue.resources[resource], catalogue.resources[resource].roles[role], called), gives
