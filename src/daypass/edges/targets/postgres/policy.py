"""What the policies say of a ``postgres`` target: the options of its settings, and what a role of the catalogue gives.

A privilege is one of these, as canonical JSON::

    {"member_of": "orders_readonly"}                      membership in a role; "inherit" and "set" from version 16 on
    {"grant": "read", "schema": "public"}                 a template on a schema: read, write or own
    {"grant": {"select": ["orders"]}, "schema": "public"} an own set: privileges to tables
    {"login": true, …}                                    one of the above for a login of its own, made for the window
    {"member_of": "orders_readonly", "unmanaged": true}   how membership that others gave is shown; nothing to give

At the server every (resource, privilege) is a role of ours, its *bridge*: the bridge holds what the privilege means,
and a subject is a member of the bridge. So the server's own catalogue says which access is ours and for which
resource: two resources may share a role, and access that somebody else gave is never taken for ours. What a bridge or
a login is for stands in its comment, its *mark*.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from daypass.core.errors import EdgeError, InvalidError
from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.pins import Pins, read_pins
from daypass.edges.targets.common import VARIABLE, first_near, written

if TYPE_CHECKING:
    from daypass.core.bounds.settings import TargetSettings

LONGEST = 63
"""Bytes of a name. PostgreSQL cuts a longer one in silence, and somebody else might bear what is left."""

TEMPLATES = ("read", "write", "own")
TABLE_PRIVILEGES = ("delete", "insert", "references", "select", "trigger", "truncate", "update")
MARK = '{"daypass":1,'
"""How every mark begins."""

_RESERVED = frozenset({"public", "none"})
"""Names that PostgreSQL reads as everybody or nobody, quoted or not."""

UNMANAGED = "unmanaged is how access that others gave is shown, and nothing to give"
_KEYS = ("member_of", "inherit", "set", "login", "grant", "schema", "database")
_HINT = "docs/targets/postgres.md lists what a role's privilege may say"


class PostgresPrivilege(Struct, frozen=True):
    """What a role means. Empty text and None stand for what is not said; ``tables`` is an own set, sorted."""

    member_of: str = ""
    inherit: bool | None = None
    set_role: bool | None = None
    login: bool = False
    unmanaged: bool = False
    template: str = ""
    tables: tuple[tuple[str, tuple[str, ...]], ...] = ()
    schema: str = ""
    database: str = ""

    @property
    def in_schema(self) -> bool:
        """Whether it is about a schema's objects, which one database alone has."""
        return bool(self.schema)


def read_privilege(text: str) -> PostgresPrivilege:
    """Read canonical JSON. Raises EdgeError for anything that is not exactly one of the forms above."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EdgeError(f"expected a privilege as JSON, got {text[:LONGEST]!r}") from error
    if not isinstance(data, dict):
        raise EdgeError(f"expected a privilege as a mapping, got {text!r}", hint=_HINT)
    hint = first_near(set(data) - {*_KEYS, "unmanaged"}, set(_KEYS) - set(data), _HINT)
    left = dict(data)
    login = _flag(left, "login") or False
    if ("member_of" in left) == ("grant" in left):
        raise EdgeError(f"expected a privilege to say either member_of or grant, got {written(text)}", hint=hint)
    if "member_of" in left:
        role = check_name(left.pop("member_of"), "role")
        found = PostgresPrivilege(
            role, _flag(left, "inherit"), _flag(left, "set"), login, _flag(left, "unmanaged") or False
        )
    else:
        template, tables = _granted(left.pop("grant"))
        schema = check_name(left.pop("schema", None), "schema")
        database = check_name(left.pop("database"), "database") if "database" in left else ""
        found = PostgresPrivilege(login=login, template=template, tables=tables, schema=schema, database=database)
    if left:
        what = ", ".join(sorted(left))
        raise EdgeError(f"a privilege says {what}, which postgres does not know: {written(text)}", hint=hint)
    return found


def check_privilege(_settings: TargetSettings, text: str) -> None:
    """Refuse what no role of the catalogue can give at any server. Raises EdgeError."""
    if read_privilege(text).unmanaged:
        raise EdgeError(UNMANAGED)


def _granted(value: Any) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    if isinstance(value, str) and value in TEMPLATES:
        return value, ()
    if not isinstance(value, dict) or not value:
        choice = ", ".join(TEMPLATES)
        raise EdgeError(f"expected grant to be {choice}, or privileges with their tables, got {value!r}", hint=_HINT)
    for name, tables in value.items():
        if name not in TABLE_PRIVILEGES:
            raise EdgeError(f"expected one of {', '.join(TABLE_PRIVILEGES)}, got {name!r}", hint=_HINT)
        if not isinstance(tables, list) or not tables:
            raise EdgeError(f"expected {name} to list tables, got {tables!r}", hint=_HINT)
    return "", tuple((name, tuple(sorted(check_name(t, "table") for t in value[name]))) for name in sorted(value))


def _flag(data: dict[str, Any], name: str) -> bool | None:
    """Take a yes or no out of the mapping; YAML files hold it as text."""
    if name not in data:
        return None
    value = data.pop(name)
    if value in (True, False) and isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise EdgeError(f"expected {name} to be true or false, got {value!r}", hint=_HINT)


def check_name(value: Any, what: str) -> str:
    """Return the name of something at the server. Raises EdgeError for one that PostgreSQL would read otherwise."""
    if not isinstance(value, str) or not value:
        raise EdgeError(f"expected the name of a {what}, got {value!r}", hint=_HINT)
    check_text(value, what)
    shown = value if len(value) <= LONGEST else value[: LONGEST - 3] + "..."
    if len(value.encode()) > LONGEST:
        raise EdgeError(
            f"the {what} {shown!r} has {len(value.encode())} bytes, PostgreSQL's names have at most {LONGEST}"
        )
    if what in ("role", "principal") and value in _RESERVED:
        raise EdgeError(f"the {what} {value!r} is a word of PostgreSQL's own, and nobody's name")
    return value


def check_text(value: str, what: str) -> None:
    """Refuse text that PostgreSQL cannot hold. Raises EdgeError."""
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise EdgeError(f"the {what} {value!r} holds a character that PostgreSQL cannot")


class Mark(Struct, frozen=True):
    """What one of our roles is for. ``principal`` is empty for a bridge, and whose login it is for a login."""

    target: str
    resource: str
    privilege: str
    principal: str = ""

    @property
    def name(self) -> str:
        """The role's name at the server: readable parts for people, and a digest that keeps two apart."""
        own = hashlib.sha256(self.text.encode()).hexdigest()[:12]
        if self.principal:
            return f"{_slug(self.principal)[:40]}.daypass.{own}"
        data = json.loads(self.privilege)
        what = data.get("member_of") or data.get("grant")
        return f"daypass.{_slug(self.resource)[:20]}.{_slug(what if isinstance(what, str) else 'own set')[:20]}.{own}"

    @property
    def text(self) -> str:
        """The comment that says it."""
        data = {"daypass": 1, "target": self.target, "resource": self.resource, "privilege": self.privilege}
        return canonical(data | ({"principal": self.principal} if self.principal else {}))


def bridge_of(entitlement: Entitlement) -> Mark:
    """Return the bridge that a subject of this entitlement is a member of."""
    return Mark(entitlement.target, entitlement.resource, entitlement.privilege)


def login_of(entitlement: Entitlement) -> Mark:
    """Return the login that an entitlement to one gives."""
    return Mark(entitlement.target, entitlement.resource, entitlement.privilege, entitlement.principal)


def read_mark(name: str, comment: str | None) -> Mark | None:
    """Return what a role is for, None where it is not ours.

    A comment alone makes no role ours: the name must follow from it. So no comment can hide a role that others made.
    """
    if comment is None or not comment.startswith(MARK):
        return None
    try:
        data = json.loads(comment)
        found = Mark(data["target"], data["resource"], data["privilege"], data.get("principal", ""))
        read_privilege(found.privilege)
        ours = found.text == comment and found.name == name
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, EdgeError):
        return None  # whoever may make a role may write anything into its comment
    return found if ours else None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()) or "-"


OFF_ON_LOOPBACK = "off-on-loopback"
_TLS = ("verify", OFF_ON_LOOPBACK)


class PostgresOptions(NamedTuple):
    """The options of a target.

    ``variable`` holds the address, which must mean one of ``pins`` where there are any; ``databases`` may be named by
    privileges besides its own; ``tls`` says how TLS is done; ``expected`` are the roles whose own access at the server is
    known, so that it is no drift: administrators, programs.
    """

    variable: str
    databases: frozenset[str]
    tls: str
    expected: frozenset[str]
    pins: Pins


def read_options(settings: TargetSettings) -> PostgresOptions:
    """Read the options. Raises InvalidError for one that makes no sense."""
    name, options = settings.name, settings.options
    variable = options.get("url_env")
    if not isinstance(variable, str) or not VARIABLE.fullmatch(variable):
        # Whoever writes the address itself into the settings has put a password into git: it is not repeated.
        raise InvalidError(
            f"target {name}: expected url_env to name an environment variable",
            hint="url_env: ORDERS_DB_URL, with the address in that variable where the applier runs",
        )
    listed = _names(settings, "databases", "database")
    expected = _names(settings, "expected", "role")
    tls = options.get("tls", _TLS[0])
    if tls not in _TLS:
        raise InvalidError(
            f"target {name}: expected tls to be one of {', '.join(_TLS)}, got {tls!r}",
            hint=f"{OFF_ON_LOOPBACK} is for a server on this machine; else leave tls out, and who answers is verified",
        )
    return PostgresOptions(variable, listed, tls, expected, read_pins(f"target {name}", options))


def _names(settings: TargetSettings, option: str, what: str) -> frozenset[str]:
    found = settings.options.get(option, [])
    if not isinstance(found, list | tuple):
        raise InvalidError(f"target {settings.name}: expected {option} to be a list of names, got {found!r}")
    try:
        return frozenset(check_name(name, what) for name in found)
    except EdgeError as error:
        raise InvalidError(f"target {settings.name}: {error.message}") from error
