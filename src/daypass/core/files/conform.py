"""A document against the schema of its kind: typed data, or findings that people understand.

jsonschema-rs decides. Where it refuses, the hundred times slower jsonschema says why; should that find nothing to say,
the refusal stands all the same. Both are imported when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import Any

from daypass.core.files.document import Document
from daypass.core.files.misfits import Words, misfits
from daypass.core.files.scalars import Typing, typed, typing_of
from daypass.core.files.subset import MOST
from daypass.core.finding import Finding, ordered
from daypass.schema import load

_NO_WORDS: Words = MappingProxyType({})


def conform(document: Document, name: str, words: Words = _NO_WORDS) -> dict[str, Any] | tuple[Finding, ...]:
    """Return a document's data, integers and booleans where schema ``name`` has them; or everything that it refuses.

    ``words`` may explain some values better than the schema (see `daypass.core.files.misfits`).
    """
    typing, is_valid = _judge(name)
    value = typed(document, typing)
    if is_valid(value):
        return value
    found = ordered(islice(misfits(document, load(name), value, words), MOST))
    return found or (Finding("not-conforming", document.place(), f"the file does not fit the schema {name!r}"),)


@cache
def _judge(name: str) -> tuple[Typing, Callable[[Any], bool]]:
    import jsonschema_rs  # noqa: PLC0415  (not needed by verbs that read no file)

    schema = load(name)
    return typing_of(schema), jsonschema_rs.Draft202012Validator(schema).is_valid
