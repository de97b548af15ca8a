"""What proved grants give today, by the policies of main.

A grant gives nothing whose role has come to mean something else since it was approved (invariant 2), and nothing after
the data's retention or the subject's engagement.
"""

from __future__ import annotations

from collections.abc import Mapping

from daypass.core.catalogue import Catalogue
from daypass.core.grant import GrantId, canonical
from daypass.core.plan import Claim, Entitlement, Holding, Reason
from daypass.core.policy.policies import Policy
from daypass.core.window import Window, format_instant


class ClaimMaker:
    """Holds proved grants against the policies at the tip of main, remembering what each role means there.

    ``read`` are the last policies of main that read, the same ones where main's do. While main's do not, nothing new is
    given and no role is held to mean something else, but access ends all the same: by the bounds of ``read``, and by
    what the target was told when it was given (``holdings``).
    """

    def __init__(self, policy: Policy, read: Policy, holdings: Mapping[Entitlement, Holding]) -> None:
        self._policy = policy
        self._read = read.catalogue
        self._holdings = holdings
        self._catalogue: Catalogue = policy.catalogue
        self._roles: dict[tuple[str, str], tuple[str, str, str] | None] = {}

    def claim(
        self,
        grant: GrantId,
        subject: str,
        resource: str,
        role: str,
        entitlement: Entitlement,
        window: Window,
        meaning: str,
    ) -> Claim:
        """Return what a proved grant gives today."""
        if self._policy.broken:
            held = self._holdings.get(entitlement)
            told = window.until(held.until) if held is not None and held.until is not None else window
            return self._cut(grant, subject, resource, entitlement, told or window)
        key = (resource, role)
        if key not in self._roles:
            self._roles[key] = self._meaning(resource, role)
        now = self._roles[key]
        known = self._catalogue.directory.subjects.get(subject)
        if now is None or known is None:
            return Claim(grant, entitlement, window, Reason.GRANT_INVALID)
        principal = self._catalogue.principal(subject, self._catalogue.resources[resource])
        if (now[0], now[1], now[2]) != (meaning, entitlement.target, entitlement.privilege):
            return Claim(grant, entitlement, window, Reason.MEANING_MOVED)
        if principal != entitlement.principal:
            return Claim(grant, entitlement, window, Reason.PRINCIPAL_MOVED)
        return self._cut(grant, subject, resource, entitlement, window)

    def _cut(self, grant: GrantId, subject: str, resource: str, entitlement: Entitlement, window: Window) -> Claim:
        """End access no later than the data's retention and the subject's own engagement."""
        first = next(iter(self._read.ends(subject, resource)), None)
        if first is None or first.limit >= window.end:
            return Claim(grant, entitlement, window)
        cut = window.until(first.limit)
        bound = f"{first.what} until {format_instant(first.limit)}"
        return Claim(grant, entitlement, cut or window, None if cut else Reason.BOUND, bound)

    def _meaning(self, resource: str, role: str) -> tuple[str, str, str] | None:
        found = self._catalogue.resources.get(resource)
        level = found.roles.get(role) if found is not None else None
        if found is None or level is None:
            return None
        return (self._catalogue.meaning(found, level), found.target, canonical(dict(level.privilege)))
