"""The target ``vault``: workloads that are known by the claims of their tokens, at HashiCorp Vault or OpenBao.

See policy.py for what may be given and how it stands there, and docs/targets/vault.md for what an administrator needs to
know. The policy is written before the role, with its end where the server keeps ends (OpenBao does); and it goes first:
the server asks it for each call, so that a token from before has nothing from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError
from daypass.core.ids import canonical, digest
from daypass.core.plan import Action, Done, Entitlement, Order
from daypass.core.planning.drift import Health, Inspection, OtherAccess, Traits
from daypass.core.window import format_duration, format_instant
from daypass.edges.pins import WEB, hold_url
from daypass.edges.targets.common import one_by_one
from daypass.edges.targets.registry import NOTHING, Known
from daypass.edges.targets.vault.policy import (
    RoleMark,
    VaultOptions,
    is_ours,
    mark_of,
    prefix,
    read_address,
    read_mark,
    read_options,
)
from daypass.edges.targets.vault.server import VaultServer
from daypass.ports import Fingerprinting

_POLICIES = "sys/policies/acl"


def open_vault(settings: TargetSettings, environ: Mapping[str, str], _: Known = NOTHING) -> VaultTarget:
    """Open the target with the address and the token that the environment holds; nothing is sent yet.

    Raises InvalidError for a bad option and EdgeError where the environment holds nothing usable.
    """
    name, options = settings.name, read_options(settings)
    for variable in (options.url_env, options.token_env):
        if not environ.get(variable, "").strip():
            raise EdgeError(
                f"target {name}: the environment variable {variable} is not set",
                hint=f"put the server's address into {options.url_env}, and a token into {options.token_env}",
            )
    address = read_address(name, options.url_env, environ[options.url_env])
    hold_url(f"target {name}", options.url_env, address, options.pins, WEB)
    token = environ[options.token_env].strip()
    if not token.isascii() or not token.isprintable():
        raise EdgeError(f"target {name}: the value of {options.token_env} is no token")
    verify = environ.get("REQUESTS_CA_BUNDLE") or True
    return VaultTarget(name, options, VaultServer(name, address, token, options.namespace, verify))


class VaultTarget(Fingerprinting):
    """The roles and policies of one target at a server. Implements ports.Target."""

    traits = Traits(marks=True)

    def __init__(self, name: str, options: VaultOptions, server: VaultServer) -> None:
        self.name = name
        self._options = options
        self._server = server
        self._roles = f"auth/{options.auth}/role"
        self._seen: frozenset[Entitlement] | None = None

    def health(self) -> Health:
        """Say which server it is, what is ours there, and whether the token may do what it must and no more."""
        about = self._server.health()
        names = self._server.names(self._roles)
        ours = [name for name in names if is_ours(self.name, name)]
        own, other = prefix(self.name) + "0" * 20, "daypass-looks"
        places = {f"{_POLICIES}/{other}": False, f"{self._roles}/{other}": False}
        places |= {f"{_POLICIES}/{own}": True, f"{self._roles}/{own}": True}
        can = self._server.write("sys/capabilities-self", {"paths": list(places)})
        concerns = []
        for place, needed in places.items():
            may = {*(can.get(place) or ())}
            if "root" in may:
                concerns = ["the token is root's: it may do everything"]
                break
            if needed and not {"create", "update", "delete", "read"} <= may:
                concerns.append(f"the token may not write and delete {place[:-20]}*")
            if not needed and may & {"create", "update", "delete", "sudo"}:
                concerns.append(f"the token may write {place}, which is not ours")
        if ours and "expiration" not in (self._server.read(f"{_POLICIES}/{ours[0]}") or {"expiration": ""}):
            concerns.append("the server keeps no ends of policies: access ends by the run of `apply` at its end alone")
        facts = (
            f"{about.get('version')} at namespace {self._options.namespace or 'root'}, JWT method auth/{self._options.auth}",
            f"{len(ours)} roles of ours of {len(names)}; a token there lives for {self._lives} at most",
        )
        return Health(facts, tuple(concerns), _time(about))

    @property
    def _lives(self) -> str:
        return format_duration(timedelta(seconds=self._options.longest))

    def inspect(self) -> Inspection:
        """Look for what bears our names and is not what we wrote."""
        others = [
            OtherAccess(name, "is a policy with a name of ours that does not say what it is for")
            for name, mark, _, _ in self._stand()
            if mark is None
        ]
        return Inspection(
            (f"the policies {prefix(self.name)}* and the roles of their names in auth/{self._options.auth}",),
            (
                "other roles, auth methods, tokens and policies, and what the server gives a workload by its identity",
                "which keys the JWT method trusts, and whom the issuer makes tokens for",
            ),
            tuple(others),
        )

    def observe(self) -> frozenset[Entitlement]:
        """Return what our policies and roles give. One that somebody changed is shown as what it is, and not as ours."""
        found = set()
        for name, mark, text, role in self._stand():
            if mark is None or not role:
                continue
            changed = self._changed(mark, text, role)
            one = mark.entitlement
            found.add(one._replace(principal=canonical({"changed": changed, "role": name})) if changed else one)
        self._seen = frozenset(found)
        return self._seen

    def fingerprint(self) -> Mapping[str, str]:
        """Return a digest of what the last `observe` returned, which is all that is known here."""
        if self._seen is None:
            raise EdgeError(f"target {self.name} was not looked at yet")
        return {"": digest(sorted(self._seen))}

    def _stand(self) -> Iterator[tuple[str, RoleMark | None, str, Mapping[str, Any] | None]]:
        """Yield the policies of ours: name, what it is for, its text, and the role of the name."""
        roles = {*self._server.names(self._roles)}
        for name in self._server.names(_POLICIES):
            if not is_ours(self.name, name):
                continue
            data = self._server.read(f"{_POLICIES}/{name}")
            if data is None:
                continue  # it has ended since
            text = str(data.get("policy"))
            role = self._server.read(f"{self._roles}/{name}") if name in roles else None
            yield name, read_mark(self.name, name, text), text, role

    def _changed(self, mark: RoleMark, text: str, role: Mapping[str, Any]) -> list[str]:
        """Return what of a policy and its role is not as we wrote it."""
        wanted = mark.role(self._options.audience, 0)
        found = ["policy"] if text != mark.policy else []
        for field in ("token_ttl", "token_explicit_max_ttl"):
            del wanted[field]
            seconds = role.get(field)
            if not isinstance(seconds, int) or not 0 < seconds <= self._options.longest:
                found.append(field)
        # The server gives nothing, an empty list and an empty mapping back as it likes.
        return found + [field for field, value in wanted.items() if (role.get(field) or None) != (value or None)]

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make changes one by one; roles whose policy has ended by itself go with them."""
        done = one_by_one(self.name, orders, self._change)
        if orders:
            with suppress(EdgeError):  # what was changed stands all the same
                self._sweep()
        return done

    def _sweep(self) -> None:
        """Take away the roles of ours whose policies have ended: they let in, and give nothing."""
        roles = self._server.names(self._roles)
        kept = {*self._server.names(_POLICIES)}  # after the roles: another run writes a policy before its role
        for name in roles:
            if is_ours(self.name, name) and name not in kept:
                self._server.delete(f"{self._roles}/{name}")

    def _change(self, order: Order) -> None:
        if order.action is Action.REMOVE:
            name = _changed_name(order.entitlement) or _name(order.entitlement)
            if is_ours(self.name, name):
                self._server.delete(f"{_POLICIES}/{name}")
                self._server.delete(f"{self._roles}/{name}")
            return
        mark, until = mark_of(order.entitlement), order.until
        if until is None or until <= order.at:
            raise EdgeError(f"expected a window that ends after {format_instant(order.at)}")
        seconds = min(self._options.longest, int((until - order.at).total_seconds()))
        self._server.write(f"{_POLICIES}/{mark.name}", {"policy": mark.policy, "expiration": format_instant(until)})
        self._server.write(f"{self._roles}/{mark.name}", mark.role(self._options.audience, seconds))


def _name(entitlement: Entitlement) -> str:
    try:
        return mark_of(entitlement).name
    except EdgeError:
        return ""  # nothing can stand for it, and so nothing does


def _changed_name(entitlement: Entitlement) -> str:
    """Return the name of what somebody changed, as `observe` shows it; "" for anything else."""
    found = entitlement._replace(privilege=entitlement.principal).fields
    return str(found["role"]) if found is not None and set(found) == {"changed", "role"} else ""


def _time(about: Mapping[str, Any]) -> datetime | None:
    said = about.get("server_time_utc")
    return datetime.fromtimestamp(said, UTC) if isinstance(said, int) else None
