"""What stands beside a grant that is judged: in the ledger, on main before its admission, and in its own request.

Gate, applier and auditor ask alike: the gate of what stands now, the applier in main's order, and the auditor of the place
of the admission. A file of main that is not admitted yet counts as meeting every window, since nobody knows its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from daypass.core.approval.held import HeldView
from daypass.core.approval.roles import File
from daypass.core.files.document import GRANT_LIMIT
from daypass.core.files.grants import read_grant
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, SUFFIX, GrantId, Oid, grant_id, grant_path
from daypass.core.policy.held import UNREAD, Held, HeldGrant
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.window import Window
from daypass.ports import History

Files = Iterable[File]


def grants_in(contents: Mapping[GrantId, bytes]) -> dict[GrantId, Grant]:
    """Return the grants that files hold; those that are no grants count for nothing."""
    read = {name: read_grant(grant_path(name), raw) for name, raw in contents.items()}
    return {name: grant for name, grant in read.items() if isinstance(grant, Grant)}


class Beside:
    """What stands beside the grants of one request, or of one landing, as far as the rules of its base ask for it.

    ``view`` is the ledger's, None where nobody read it. ``files`` are those of main that may wait for their admission;
    where nobody says, all that the base has. ``past``: it was merged long ago, and the ledger may have gone on since; what
    began later does not count then, and of what waited nobody can tell.
    """

    def __init__(
        self,
        history: History,
        base: Oid,
        policy: Policy,
        view: HeldView | None,
        at: datetime,
        files: Files | None = None,
        *,
        past: bool = False,
    ) -> None:
        self._history, self._base, self._view, self._at = history, base, view, at
        self._rules, self._catalogue = policy.rules, policy.catalogue
        self._files = () if past else files
        self._past = past
        self._asked: dict[GrantId, HeldGrant] = {}
        self._roles: dict[tuple[str, str, str], list[HeldGrant]] = {}
        self._merged: dict[str, tuple[HeldGrant, ...]] = {}
        self._brought: dict[GrantId, str] | None = None

    def ask_together(self, grants: Mapping[GrantId, Grant]) -> None:
        """Take in the grants that the request adds or changes."""
        window_of = partial(self._catalogue.window, merged_at=self._at)
        self._asked = {name: HeldGrant.of(grant, window_of(grant.span)) for name, grant in grants.items()}
        for one in self._asked.values():
            self._roles.setdefault((one.resource, one.subject, one.role), []).append(one)

    def held(self, grant: HeldGrant, requester: str) -> Held:
        """Return what is known beside one grant of the request, which somebody asks for."""
        view, at, reads = self._view, self._at, self._rules.history
        found = UNREAD
        if view is not None and (self._rules.of_ledger or reads):
            found = self._by_todays_names(view, at)
        if view is not None and "requester.denials" in reads:
            names = self._catalogue.renames.names_of_subject(requester)
            found = replace(found, denials=tuple(one for name in names for one in view.denials(name, at)))
        if view is not None and "subject.unreviewed" in reads:
            names = self._catalogue.renames.names_of_subject(grant.subject)
            found = replace(found, unreviewed=tuple(one for name in names for one in view.unreviewed(name, at)))
        return replace(found, grants=self._others(grant), together=max(1, len(self._asked)), role=self._role(grant))

    def _by_todays_names(self, view: HeldView, at: datetime) -> Held:
        """Return who holds, and approved, something on the resources that rules ask about, whatever these were called then."""
        wanted, now = self._rules.of_ledger, self._catalogue.renames
        names = {one: now.names_of_resource(one) for one in wanted}
        found = view.of([name for old in names.values() for name in old], at)
        if not now:
            return found

        def joined(told: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
            return {one: frozenset(now.subject(who) for name in names[one] for who in told[name]) for one in wanted}

        return replace(found, holders=joined(found.holders), approvers=joined(found.approvers))

    def _today(self, one: HeldGrant) -> HeldGrant:
        subject, resource, role = self._catalogue.renames.of(one.subject, one.resource, one.role)
        return one._replace(subject=subject, resource=resource, role=role)

    def _others(self, grant: HeldGrant) -> tuple[HeldGrant, ...]:
        """Return what else the subject holds, where some rule asks."""
        if not self._rules.of_beside:
            return ()
        beside: dict[GrantId, HeldGrant] = {}
        if self._view is not None:
            names = self._catalogue.renames.names_of_subject(grant.subject)
            had = (one for name in names for one in self._view.grants_of(name))
            live = (one for one in had if not self._began_later(one.window))
            beside = {one.grant: self._today(one) for one in (*live, *self._waiting(""))}
        beside |= self._asked
        return tuple(
            one for name, one in sorted(beside.items()) if name != grant.grant and one.subject == grant.subject
        )

    def _role(self, grant: HeldGrant) -> tuple[HeldGrant, ...]:
        """Return when the subject had, has and is to have the very role otherwise.

        What the request replaces, this grant itself too, is had until now and no longer.
        """
        key = (grant.resource, grant.subject, grant.role)
        found = [one for one in self._roles.get(key, ()) if one.grant != grant.grant]
        if self._view is not None:
            replaced = {grant.grant, *self._asked}
            for one in self._had(*key):
                window = one.window if one.grant not in replaced else _until(one.window, self._at)
                if window is not None and not self._began_later(window):
                    found.append(one._replace(window=window))
            # What was admitted and is gone since was on the base of what is proved late, and has its own dates.
            replaced |= {one.grant for one in found}
            folders = self._catalogue.renames.names_of_resource(grant.resource)
            waiting = (self._today(one) for name in folders for one in self._waiting(name) if one.grant not in replaced)
            found += [one for one in waiting if (one.resource, one.subject, one.role) == key]
        return tuple(sorted(found, key=lambda one: (one.grant, one.window is not None, one.window)))

    def _began_later(self, window: Window | None) -> bool:
        return self._past and window is not None and window.start >= self._at

    def _had(self, resource: str, subject: str, role: str) -> Iterable[HeldGrant]:
        """Yield when somebody had, has and is to have a role, whatever it, they or its resource were called then."""
        assert self._view is not None  # noqa: S101  (asked by the callers)
        now = self._catalogue.renames
        for where in now.names_of_resource(resource):
            for who in now.names_of_subject(subject):
                for what in now.names_of_role(resource, role):
                    yield from (self._today(one) for one in self._view.role(where, who, what))

    def _waiting(self, resource: str) -> tuple[HeldGrant, ...]:
        """Return the grants of main that are not admitted yet, on a resource or, of "", on any."""
        if resource not in self._merged:
            assert self._view is not None  # noqa: S101  (asked by the callers)
            files = self._files if self._files is not None else self._on_main(resource)
            waiting = dict(self._view.waiting(files))
            # What came to main around the gate may be larger than any grant, and is none.
            sizes = self._history.sizes(dict.fromkeys(waiting.values())) if waiting else {}
            contents = dict(self._history.blobs(blob for blob, size in sizes.items() if size <= GRANT_LIMIT))
            read = [read_grant(grant_path(name), contents[b]) for name, b in waiting.items() if b in contents]
            self._merged[resource] = tuple(HeldGrant.of(grant, None) for grant in read if isinstance(grant, Grant))
        return self._merged[resource]

    def _on_main(self, resource: str) -> Files:
        if self._brought is None:
            self._brought = self._landed()
        entries = self._history.entries(self._base, f"{FOLDER}{resource}".rstrip("/"))
        plain = (entry for entry in entries if entry.mode.startswith("100") and entry.path.endswith(SUFFIX))
        return ((name := grant_id(entry.path), entry.oid, self._brought.get(name, "")) for entry in plain)

    def _landed(self) -> dict[GrantId, str]:
        """Return which commit brought what came to main since the ledger's last word: nobody has looked at that yet.

        Nothing, where this clone does not have the way from there: what was refused is then known by its bytes alone.
        """
        main, history = self._view.main if self._view is not None else "", self._history
        since = history.find(main) if main and main != self._base and not history.is_shallow() else None
        if since is None or not history.is_ancestor(since, self._base):
            return {}
        landings = history.landings(since, self._base)
        return {grant_id(c.path): one.oid for one in landings for c in one.changes if c.path.startswith(FOLDER)}


def _until(window: Window | None, at: datetime) -> Window | None:
    return window.until(at) if window is not None else None
