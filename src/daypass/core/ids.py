"""What grants and git objects are called, and the digests that stand for plain data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, NewType

import msgspec

GrantId = NewType("GrantId", str)
"""``<resource>/<name>``: the file's path below ``grants/`` without its ending. Unique in a repository."""

Oid = NewType("Oid", str)
"""A git object id in lower-case hex."""

OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""How git writes an object's id, by SHA-1 or SHA-256; anything else could be read as two questions to it."""

HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""How people, programs, vendors and the files of policies are named."""

ABSENT = Oid("0" * 40)
"""What git writes for no object: the old value of a ref that must not exist, the blob of an added or deleted path."""

FOLDER = "grants/"
SUFFIX = ".yaml"


def grant_path(grant: GrantId) -> str:
    """Return the repository path of a grant."""
    return f"{FOLDER}{grant}{SUFFIX}"


def grant_id(path: str) -> GrantId:
    """Return the id of the grant at a repository path.

    A file that can be no grant gets an id that no grant has (its whole path), so that nothing done to it is taken for
    something done to a grant: `grants/db/a` is not `grants/db/a.yaml`. Bytes that are no text are escaped, since ids
    are written into receipts.
    """
    if not path.isascii():
        path = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if path.startswith(FOLDER) and path.endswith(SUFFIX):
        return GrantId(path[len(FOLDER) : -len(SUFFIX)])
    return GrantId(path)


def folder_of(grant: GrantId) -> str:
    """Return the folder below ``grants/`` that a grant lies in, which has its resource's name."""
    return grant.partition("/")[0]


def folder_id(files: Iterable[tuple[str, Oid]]) -> Oid:
    """Return the id that git gives a folder of plain files, each with its name there and the id of its contents."""
    # A name ends in a byte that is before all others, so that these are in git's order.
    held = sorted([
        b"100644 %b\0%b" % (name.encode(errors="backslashreplace"), bytes.fromhex(oid)) for name, oid in files
    ])  # fmt: skip
    raw = b"".join(held)
    sha256 = bool(held) and len(held[0]) - held[0].index(b"\0") > _SHA1
    made = hashlib.new("sha256" if sha256 else "sha1", b"tree %d\0" % len(raw), usedforsecurity=False)
    made.update(raw)
    return Oid(made.hexdigest())


_SHA1 = 21

_encode_words = msgspec.json.Encoder(order="sorted").encode
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical(value: Any) -> str:
    """Write plain data (mappings, lists, text, numbers, booleans, None) as the one JSON text that digests are taken of."""
    return _encode(value)


def digest(value: Any) -> str:
    """Return ``sha256:<hex>`` of plain data in its canonical form."""
    return "sha256:" + hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of_words(value: dict[str, Any]) -> str:
    """Return the `digest` of texts by name, and of what is made of texts and small numbers alone, in a fifth of the time."""
    return "sha256:" + hashlib.sha256(_encode_words(value)).hexdigest()
