"""The events that make up a pull request on the local forge, and the one way each is written down.

Upholds: what is read back is byte for byte what would be written, so that a record can be read in one way only; the
number of the pull request stands inside, so that an event of one cannot be shown as an event of another; free text
holds nothing that could act on a terminal or pass for another line.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from daypass.core.errors import EdgeError, UsageError
from daypass.core.finding import LONGEST_TEXT, UNSEEN, shown
from daypass.core.ids import OID, Oid, canonical
from daypass.core.window import format_instant, parse_instant

FILE = "event.json"
LARGEST = 16_384
"""No event is larger than this, in bytes; it is refused before it is read whole."""

_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "opened": ("branch", "head", "title"),
        "pushed": ("head",),
        "approved": ("commit",),
        "rejected": ("commit",),
        "withdrawn": ("commit",),
        "merged": ("base", "commit", "head"),
        "closed": ("reason",),
    }
)
_OPTIONAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"opened": ("reason", "main"), "pushed": ("main",), "rejected": ("reason",), "approved": ("main",)}
)
"""Fields that not every record has: what somebody said, and where main stood for who did it (earlier ones lack it)."""

REVIEWS = ("approved", "rejected", "withdrawn")
_OIDS = frozenset({"head", "commit", "base", "main"})


class Event(Struct, frozen=True):
    """One thing that happened to a pull request. ``fields`` are the kind's own, as text."""

    pull: int
    kind: str
    at: datetime
    fields: Mapping[str, str]

    def oid(self, name: str) -> Oid:
        """Return a field that names a commit."""
        return Oid(self.fields[name])

    @property
    def message(self) -> str:
        """The message of the commit that carries the event."""
        return f"daypass: pull request {self.pull} {self.kind}\n"


def encode(event: Event) -> bytes:
    """Write an event. Raises UsageError for text that may not stand in one."""
    for name, value in event.fields.items():
        wrong = _wrong(name, value)
        if wrong:
            raise UsageError(f"the {name} {wrong}", hint="write it in one line of ordinary characters")
    raw = canonical(_plain(event)).encode()
    if len(raw) > LARGEST:
        raise UsageError(f"the record would be {len(raw)} bytes long, at most {LARGEST} are kept")
    return raw


def decode(raw: bytes, number: int) -> Event:
    """Read an event of a pull request. Raises EdgeError, naming it, for anything that `encode` would not write."""
    try:
        data = json.loads(raw.decode())
        event = _event(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise corrupt(number, f"an event cannot be read ({error})") from error
    if event.pull != number:
        raise corrupt(number, f"it holds an event of pull request {event.pull}")
    if canonical(_plain(event)).encode() != raw:
        raise corrupt(number, "an event is not written in the canonical form")
    return event


def corrupt(number: int, why: str, kind: str = "open") -> EdgeError:
    """Return the error for a record that nobody may rely on; ``kind`` says whether it lies among the open or done."""
    ref = f"refs/heads/daypass/{kind}/{number}"
    lost = "ask anew" if kind == "open" else "what it merged then counts as unproved"
    return EdgeError(
        f"the record of pull request {number} is corrupt: {why}",
        hint=f"restore it from another clone: git fetch REMOTE +{ref}:{ref}; or delete it, and {lost}: "
        f"git update-ref -d {ref}",
    )


def _plain(event: Event) -> dict[str, object]:
    return {
        "version": 1,
        "pull": event.pull,
        "kind": event.kind,
        "at": format_instant(event.at),
        **dict(event.fields),
    }


def _event(data: Mapping[str, object]) -> Event:
    kind = data["kind"]
    names = _FIELDS[kind] if isinstance(kind, str) and kind in _FIELDS else None
    if names is None:
        raise ValueError(f"expected one of {', '.join(_FIELDS)}, got {shown(repr(kind))}")
    names += tuple(name for name in _OPTIONAL.get(str(kind), ()) if name in data)
    if set(data) != {"version", "pull", "kind", "at", *names} or data["version"] != 1:
        raise ValueError(f"expected the fields of {kind!r}, got {shown(repr(sorted(data)))}")
    number, at = data["pull"], data["at"]
    if type(number) is not int or not isinstance(at, str):
        raise ValueError(f"expected a number and an instant, got {shown(repr((number, at)))}")
    fields = {}
    for name in names:
        value = data[name]
        wrong = _wrong(name, value) if isinstance(value, str) else "is no text"
        if wrong:
            raise ValueError(f"its {name} {wrong}")
        fields[name] = str(value)
    return Event(number, str(kind), parse_instant(at), MappingProxyType(fields))


def _wrong(name: str, value: str) -> str:
    """Say what is wrong with a field, "" when nothing is."""
    if name in _OIDS:
        return "" if OID.fullmatch(value) else f"is no commit id: {shown(value)!r}"
    if not value.strip():
        return "is empty"
    if len(value) > LONGEST_TEXT:
        return f"has {len(value)} characters, at most {LONGEST_TEXT} are kept"
    bad = next((c for c in value if unicodedata.category(c) in UNSEEN), None)
    return f"holds a character that cannot be seen, U+{ord(bad):04X}" if bad is not None else ""
