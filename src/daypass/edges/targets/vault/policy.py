"""What the policies say of a ``vault`` target, and how it stands at the server.

A privilege lists paths of the server and what may be done there, as canonical JSON::

    {"paths": {"secret/data/orders/*": ["read"]}}

A principal is the claims of a workload's tokens, as canonical JSON. Every entitlement is a policy and a role of the JWT
method, both of one name, and made for it alone: the role lets in whoever brings a token with these claims, and the policy
is all that the server's own token may do then. What they are for stands in the policy's first line, its *mark*; the name
follows from it. Named policies of others are not taken: somebody could change after the approval what they mean.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from daypass.core.bounds.outside import loose_claims
from daypass.core.errors import EdgeError, InvalidError
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.core.window import format_duration, parse_duration
from daypass.edges.pins import Pins, read_pins
from daypass.edges.targets.common import VARIABLE, written

if TYPE_CHECKING:
    from daypass.core.bounds.settings import TargetSettings

CAPABILITIES = ("create", "delete", "list", "patch", "read", "update")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:~=-]*(/[A-Za-z0-9_.@:~=+-]+)*(/?\*|/)?")
_OWN = frozenset({"sys", "auth", "identity", "cubbyhole"})
"""Parts of paths below which the server keeps who may do what: who writes there could give themselves more."""
_HINT = "write privilege: {paths: {secret/data/orders/*: [read]}}; docs/targets/vault.md says more"
_CLAIMS: Mapping[str, str] = {"issuer": "iss", "subject": "sub", "audience": "aud"}
_PLACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*")
_LONGEST, _SHORTEST = timedelta(hours=1), timedelta(minutes=1)
_MARK = "# "


class VaultOptions(Struct, frozen=True):
    """The options of a target. ``longest`` is how many seconds a token of the server lives at most.

    The address must mean one of ``pins``, where there are any.
    """

    url_env: str
    token_env: str
    audience: str
    auth: str = "jwt"
    namespace: str = ""
    longest: int = 900
    pins: Pins = ()


class RoleMark(Struct, frozen=True):
    """What a role and its policy are for."""

    entitlement: Entitlement
    paths: Mapping[str, tuple[str, ...]]
    claims: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of both at the server."""
        return f"{prefix(self.entitlement.target)}{hashlib.sha256(self._said.encode()).hexdigest()[:20]}"

    @property
    def _said(self) -> str:
        return canonical({"daypass": 1, **self.entitlement._asdict()})

    @property
    def policy(self) -> str:
        """The policy's text."""
        rules = (f'path "{path}" {{ capabilities = {json.dumps(can)} }}' for path, can in self.paths.items())
        return "\n".join((_MARK + self._said, *rules, ""))

    def role(self, audience: str, seconds: int) -> dict[str, Any]:
        """Return the fields of the role. All that could let somebody else in, or for longer, is among them."""
        bound = {name: value for name, value in self.claims.items() if name != "aud"}
        pattern = any("*" in value for value in bound.values())
        return {
            "role_type": "jwt",
            "bound_audiences": [self.claims.get("aud", audience)],
            "bound_subject": "" if pattern else bound["sub"],
            "bound_claims": bound,
            "bound_claims_type": "glob" if pattern else "string",
            "user_claim": "sub",
            "user_claim_json_pointer": False,
            "groups_claim": "",
            "claim_mappings": {},
            "token_policies": [self.name],
            "token_no_default_policy": True,
            "token_ttl": seconds,
            "token_explicit_max_ttl": seconds,
            "token_max_ttl": 0,
            "token_period": 0,
            "token_num_uses": 0,
            "token_type": "service",
            "token_bound_cidrs": [],
            "clock_skew_leeway": 0,
            "expiration_leeway": 0,
            "not_before_leeway": 0,
        }


def prefix(target: str) -> str:
    """Return how the names of what is ours begin; 20 digits of a digest follow."""
    return f"daypass-{target}-"


def is_ours(target: str, name: str) -> bool:
    """Say whether a name is one of those that this target gives."""
    return re.fullmatch(re.escape(prefix(target)) + "[0-9a-f]{20}", name) is not None


def mark_of(entitlement: Entitlement) -> RoleMark:
    """Return what stands for an entitlement at the server. Raises EdgeError for one that nothing can stand for."""
    return RoleMark(entitlement, read_privilege(entitlement.privilege), read_claims(entitlement.principal))


def read_mark(target: str, name: str, text: str) -> RoleMark | None:
    """Return what a policy is for, None where its first line does not say it, or says what its name does not follow from."""
    line = text.partition("\n")[0]
    try:
        data = json.loads(line.removeprefix(_MARK))
        found = mark_of(Entitlement(target, data["resource"], data["principal"], data["privilege"]))
    except (ValueError, RecursionError, KeyError, TypeError, EdgeError):
        return None
    return found if found.name == name else None


def read_privilege(text: str) -> Mapping[str, tuple[str, ...]]:
    """Read canonical JSON. Raises EdgeError for anything that is not exactly paths with what may be done there."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EdgeError(f"expected a privilege as JSON, got {text[:60]!r}") from error
    paths = data.get("paths") if isinstance(data, dict) and len(data) == 1 else None
    if not isinstance(paths, dict) or not paths:
        raise EdgeError(f"expected a privilege to say paths and nothing else, got {written(text)}", hint=_HINT)
    return {path: _capabilities(_path(path), paths[path]) for path in sorted(paths)}


def check_privilege(_settings: TargetSettings, text: str) -> None:
    """Refuse what no role of the catalogue can give at any server. Raises EdgeError."""
    read_privilege(text)


def _path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise EdgeError(f"expected a path such as secret/data/orders/*, * at its end alone, got {path!r}", hint=_HINT)
    own = sorted(_OWN & set(path.rstrip("*").split("/")))
    if own or "/" not in path:
        what = f"below {own[0]}/" if own else "all of a mount, or more"
        raise EdgeError(f"path {path!r} is {what}: who has it could give themselves more", hint=_HINT)
    return path


def _capabilities(path: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(can in CAPABILITIES for can in given):
        raise EdgeError(f"expected {path} to list some of {', '.join(CAPABILITIES)}, got {given!r}", hint=_HINT)
    return tuple(sorted(set(given)))


def read_claims(text: str) -> Mapping[str, str]:
    """Read a principal: the claims, by the names that tokens have for them. Raises EdgeError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise EdgeError(f"expected the claims of a workload's token, got {text[:60]!r}: people are not known here")
    why = loose_claims(data)
    if not why and "*" in data.get("audience", ""):
        why = "their audience is a pattern"
    found = {_CLAIMS.get(name, name): value for name, value in sorted(data.items())}
    if not why and len(found) < len(data):
        why = "they state one twice"
    if why or canonical(data) != text:
        raise EdgeError(f"the claims {text[:200]!r} do not tell a workload apart: {why or 'no canonical JSON'}")
    return found


def read_options(settings: TargetSettings) -> VaultOptions:
    """Read the options. Raises InvalidError for one that makes no sense."""
    name, options = settings.name, settings.options
    for option, example in (("url_env", "VAULT_ADDR"), ("token_env", "DAYPASS_VAULT_TOKEN")):
        given = options.get(option)
        if not isinstance(given, str) or not VARIABLE.fullmatch(given):
            # What stands there may be a secret: it is not repeated.
            raise InvalidError(
                f"target {name}: expected {option} to name an environment variable", hint=f"{option}: {example}"
            )
    audience = options.get("audience")
    if not isinstance(audience, str) or not audience.strip() or "*" in audience:
        raise InvalidError(
            f"target {name}: expected audience to say for whom tokens are made, got {audience!r}",
            hint="audience: https://vault.example.com, which workloads ask their issuer for",
        )
    for option in ("auth", "namespace"):
        given = options.get(option, "jwt")
        if not isinstance(given, str) or not _PLACE.fullmatch(given):
            raise InvalidError(f"target {name}: expected {option} to be a path such as jwt, got {given!r}")
    return VaultOptions(
        options["url_env"],
        options["token_env"],
        audience,
        options.get("auth", "jwt"),
        options.get("namespace", ""),
        _longest(settings),
        read_pins(f"target {name}", options),
    )


def _longest(settings: TargetSettings) -> int:
    given = settings.options.get("token_ttl", "15m")
    try:
        found = parse_duration(str(given))
    except ValueError:
        found = timedelta()
    if not _SHORTEST <= found <= _LONGEST:
        between = f"{format_duration(_SHORTEST)} to {format_duration(_LONGEST)}"
        raise InvalidError(f"target {settings.name}: expected token_ttl of {between}, got {given!r}")
    return int(found.total_seconds())


def read_address(name: str, variable: str, value: str) -> str:
    """Return the server's address. Raises EdgeError for none, and for one that does not prove who answers."""
    try:
        parts = urlsplit(value.strip())
        near = parts.hostname in ("127.0.0.1", "::1", "localhost")
        plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        plain = near = False
        parts = urlsplit("")
    if not plain or parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"):
        raise EdgeError(
            f"target {name}: the value of {variable} is no address of a server",
            hint="write https://vault.example.com:8200, without path, user and password",
        )
    if parts.scheme != "https" and not near:
        raise EdgeError(f"target {name}: the address in {variable} is not https, and not this machine")
    return f"{parts.scheme}://{parts.netloc}"
