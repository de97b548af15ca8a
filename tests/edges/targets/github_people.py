"""An organisation at the double with teams, repositories, a role and people, and the target that changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from daypass.core.bounds.settings import TargetSettings
from daypass.core.ids import canonical
from daypass.core.plan import Action, Done, Entitlement, Order
from daypass.edges.targets.github.target import GitHubTarget, open_github
from daypass.edges.targets.registry import Known
from github_double import Double, Team, User
from github_double.rest import people

NAME = "acme-github"
AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
MEMBER: Mapping[str, Any] = {"team": "dba", "role": "member"}
MAINTAINER: Mapping[str, Any] = {"team": "dba", "role": "maintainer"}
PUSH: Mapping[str, Any] = {"repository": "acme/app", "permission": "push"}
ADMIN: Mapping[str, Any] = {"repository": "acme/app", "permission": "admin"}
AUDITOR: Mapping[str, Any] = {"organisation_role": "security auditor"}
ROLES = (("dba-team", MEMBER), ("dba-team", MAINTAINER), ("app", PUSH), ("app", ADMIN), ("organisation", AUDITOR))
LEAST = {"members": "write", "administration": "write", "organization_custom_org_roles": "read"}


class People:
    """alice and bob are members of acme, boss owns it, rita is outside. ``waits`` are the pauses that were asked for."""

    def __init__(self, hub: Double, permissions: Mapping[str, str] = LEAST) -> None:
        self.hub = hub
        self.org = hub.org("acme", 50)
        self.alice, self.bob, self.boss = hub.user("alice", 101), hub.user("bob", 102), hub.user("boss", 104)
        self.rita = hub.user("rita", 103)
        self.org.members |= {self.alice.id: "member", self.bob.id: "member", self.boss.id: "admin"}
        self.dba: Team = hub.team(self.org, "dba")
        self.app_repo = hub.repository("acme/app")
        self.auditor = people.org_role(hub, self.org, "security auditor")
        self.app = hub.app("daypass-targets", permissions=permissions, repositories=["acme/app"])
        self.waits: list[float] = []

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ACME_APP": str(self.app.id), "ACME_KEY": self.app.private_key, "BOSS": self.hub.token(self.boss),
            "ALICE": self.hub.token(self.alice),
        }  # fmt: skip

    def settings(self, **options: Any) -> TargetSettings:
        credential = {} if "token_env" in options else {"app_id_env": "ACME_APP", "app_key_env": "ACME_KEY"}
        return TargetSettings(
            NAME, "github", {"organisation": "acme", "api_url": self.hub.url, **credential, **options}
        )

    def target(
        self,
        named: Iterable[tuple[str, Mapping[str, Any]]] = ROLES,
        held: Iterable[tuple[str, Mapping[str, Any]]] = (),
        **options: Any,
    ) -> GitHubTarget:
        """Open the target anew, as a run does."""
        known = Known(_pairs(named), _pairs(held))
        return open_github(self.settings(**options), self.environ, known, self.waits.append)

    def calls(self) -> list[str]:
        """What was asked of GitHub, tokens left out, and forget it."""
        found = [f"{call.method} {call.path}" for call in self.hub.calls]
        self.hub.calls.clear()
        return [line for line in found if "access_tokens" not in line and not line.endswith("/installation")]

    def accept(self, user: User, *, repository: bool = False) -> None:
        people.accept(self.hub, self.app_repo if repository else self.org, user)


def _pairs(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> frozenset[tuple[str, str]]:
    return frozenset((resource, canonical(dict(privilege))) for resource, privilege in rows)


def right(who: User | str, privilege: Mapping[str, Any] = MEMBER, resource: str = "") -> Entitlement:
    """What somebody would hold."""
    named = resource or next((name for name, known in ROLES if known == privilege), "dba-team")
    principal = who if isinstance(who, str) else str(who.id)
    return Entitlement(NAME, named, principal, canonical(dict(privilege)))


def add(target: GitHubTarget, *rights: Entitlement) -> list[str]:
    """Add in one step; return why each did not come about."""
    return errors(target.carry_out([Order(Action.ADD, one, AT, UNTIL) for one in rights]))


def remove(target: GitHubTarget, *rights: Entitlement) -> list[str]:
    """Remove in one step, likewise."""
    return errors(target.carry_out([Order(Action.REMOVE, one, AT, UNTIL) for one in rights]))


def errors(done: Iterable[Done]) -> list[str]:
    known = list(done)
    assert [each.handover for each in known] == [""] * len(known)
    return [each.error for each in known]
