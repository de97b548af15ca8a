"""Receipts as a cache keeps them: nothing is lost, and what is none of them is refused."""

import hashlib
import json
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from receipt_strategies import receipts

from daypass.core.ledger.receipt import Receipt
from daypass.core.ledger.rows import from_rows, kind_in_row, to_row
from daypass.edges.git.index.file import VERSION


@given(st.lists(receipts, max_size=6))
def test_receipts_of_any_kind_are_read_as_they_were_kept_in_their_order(written):
    assert from_rows([to_row(receipt) for receipt in written]) == written


@given(receipts)
def test_a_receipt_is_kept_by_the_kind_of_its_body(receipt):
    assert to_row(receipt)[0] == kind_in_row(type(receipt.body))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda kind, place, body: ("Nothing", place, body), "no receipt is of the kind 'Nothing'"),
        (lambda kind, place, body: (kind, place, "{}"), "missing required field"),
        (lambda kind, place, body: (kind, place, f"{body},{body}"), "a row does not hold one value"),
        (lambda kind, place, body: (kind, f"{place},{place}", body), "a row does not hold one value"),
        (lambda kind, place, body: (kind, "[]", body), "Expected `array`"),
        (lambda kind, place, body: (kind, place, body[:-1]), "malformed"),
        (lambda kind, place, body: (kind, place, ""), "a row does not hold one value"),
    ],
)
@given(receipt=receipts)
def test_what_is_no_receipt_is_refused(change, said, receipt):
    with pytest.raises(ValueError, match=said):
        from_rows([change(*to_row(receipt))])


def written(kind: Any) -> str:
    """Write a type so that the same stands there whatever releases of Python call it."""
    parts = ", ".join(map(written, get_args(kind)))
    name = "one of" if get_origin(kind) in (Union, UnionType) else getattr(get_origin(kind) or kind, "__name__", "…")
    return f"{name}[{parts}]" if parts else name


def add_shape(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a class, or the words of an enumeration, and those of all that it is made of."""
    for part in get_args(kind):
        add_shape(part, found)
    name = written(kind)
    if name in found or not isinstance(kind, type):
        return found
    if issubclass(kind, Enum):
        found[name] = [member.value for member in kind]
    elif issubclass(kind, Struct) or hasattr(kind, "_fields"):
        hints = get_type_hints(kind)
        found[name] = {field: written(hint) for field, hint in hints.items()}
        for hint in hints.values():
            add_shape(hint, found)
    return found


def test_other_classes_are_another_version_of_the_index():
    """What was kept by them would be taken for something else: who changes them changes the version, and this."""
    shape = add_shape(Receipt, {})
    assert {"Receipt", "Admission", "Certified", "Entitlement", "Window", "Away", "Reason"} <= shape.keys()
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()
    assert (VERSION, digest[:16]) == ("8", "9c406e2cd8127fca")
