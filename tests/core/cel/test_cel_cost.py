"""What a condition can build and how long it can take is bounded before it is evaluated."""

from __future__ import annotations

import time

import pytest

from daypass.core.finding import Finding, Place
from daypass.core.policy.cel.cost import MOST_CELLS, check_cost
from daypass.core.policy.cel.expression import Condition, compile_condition
from daypass.core.policy.cel.source import Places
from daypass.core.policy.cel.tree import UnboundedError

PLACE = Place("policies/rules/a.yaml", 3, 11, "rules[0].when")
DOUBLED = '["a"]' + ".map(x, x + x)" * 25 + ".size() > 0"


def compiled(text: str) -> Condition | tuple[Finding, ...]:
    return compile_condition(text, PLACE, Places((), (3, 11)))


def refused(text: str) -> str:
    found = compiled(text)
    assert not isinstance(found, Condition)
    (finding,) = found
    assert (finding.code, finding.place) == ("condition-too-costly", PLACE)
    return finding.message


@pytest.mark.parametrize(
    "text",
    [
        "true",
        'grant.role == "admin" && grant.duration <= duration("4h")',
        '"engineering" in subject.groups',
        'subject.groups.exists(g, g.startsWith("on-call"))',
        "subject.groups.exists(g, resource.owners.exists(o, g == o))",
        'subject.groups.map(g, g + "-leads").exists(g, g in requester.groups)',
        "subject.groups.filter(g, g in resource.owners).size() > 1",
        'subject.groups.exists_one(g, g == "a") || subject.groups.all(g, g != "b")',
        '("ask " + grant.role + grant.subject + grant.reason).size() > 3',
        'request.opened_at + duration("1h") > request.opened_at',
        'grant.role in {"admin": 1, "readonly": 2}',
        '{"a": ["b"]}["a"].size() == 1 && has({"a": 1}.a)',
        "[[1, 2], [3]].exists(one, one.exists(x, x == 2)) && [1, 2].map(x, x > 1, x * 2) == [4]",
        "(grant.emergency ? [1] : [2, 3]).size() == 1",
        "type(grant.role) == string && string(grant.duration) != string(b'x')",
        "dyn([1])[0] == 1 && dyn('a') + dyn('b') == 'ab'",
        "request.opened_at.getHours() > 8",
        "google.protobuf.StringValue{value: 'a'} == 'a' && 1.5 > 0.5",
        DOUBLED.replace(".map(x, x + x)" * 25, ".map(x, x + x)" * 8),
    ],
)
def test_what_people_write_passes(text: str) -> None:
    found = compiled(text)
    assert isinstance(found, Condition), found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DOUBLED, "more than 1000000 characters and elements"),
        (DOUBLED.replace('"a"', "[1]"), "more than 1000000 characters and elements"),
        ("subject.groups.exists(a, subject.groups.exists(b, subject.groups.exists(c, a == b)))", "1000000000 steps"),
        ("[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, a > e)))))", "more than 4 deep"),
    ],
)
def test_what_would_take_all_memory_or_for_ever_is_refused_at_once(text: str, why: str) -> None:
    began = time.process_time()
    assert why in refused(text)
    assert time.process_time() - began < 1


def test_loops_one_after_the_other_are_not_taken_for_nested_ones() -> None:
    text = " && ".join(["[1].all(a, [1].all(b, a == b))"] * 6)
    assert isinstance(compiled(text), Condition)


# Trees that the language has no words for: made by hand, as protobuf writes them


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    length = len(value)
    return bytes([number << 3 | 2, length & 0x7F | 0x80, length >> 7]) + value


def tree(expr: bytes, types: bytes = b"") -> bytes:
    return field(1, b"type.googleapis.com/cel.expr.CheckedExpr") + field(2, types + field(4, expr))


def constant(text: bytes) -> bytes:
    return field(3, field(6, text))


def ident(name: bytes) -> bytes:
    return field(4, field(1, name))


def call(function: bytes, *arguments: bytes, number: int = 9) -> bytes:
    return field(2, number) + field(6, field(2, function) + b"".join(field(3, one) for one in arguments))


def loop(begin: bytes, step: bytes) -> bytes:
    over = field(7, b"".join(field(1, constant(b"x")) for _ in range(5)))
    parts = (b"i", over, b"all", begin, constant(b"x"), step, ident(b"all"))
    return field(9, b"".join(field(place, part) for place, part in enumerate(parts, 1)))


def test_a_loop_whose_sum_grows_with_itself_is_refused() -> None:
    held = field(7, field(1, constant(b"x")))
    check_cost(tree(loop(held, call(b"_+_", ident(b"all"), held))))
    with pytest.raises(UnboundedError, match="grows with itself"):
        check_cost(tree(loop(held, call(b"_+_", ident(b"all"), ident(b"all")))))
    with pytest.raises(UnboundedError, match="grows with itself"):
        check_cost(tree(loop(held, field(7, field(1, ident(b"all"))))))


def test_a_function_that_nobody_here_knows_is_refused_unless_it_gives_something_small() -> None:
    with pytest.raises(UnboundedError, match="what mystery gives cannot be bounded"):
        check_cost(tree(call(b"mystery", constant(b"x"))))
    small = field(3, field(1, 9) + field(2, field(3, 1)))  # node 9 is a bool
    check_cost(tree(call(b"mystery", constant(b"x")), small))


def test_a_tree_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(UnboundedError, match="not known here"):
        check_cost(tree(field(2, 9)))
    with pytest.raises(UnboundedError, match="cannot be read"):
        check_cost(tree(bytes([2 << 3 | 3])))


def test_a_number_of_fixed_width_is_read_over() -> None:
    check_cost(tree(field(3, bytes([5 << 3 | 1]) + bytes(8))))
    check_cost(tree(field(3, bytes([5 << 3 | 5]) + bytes(4))))


def test_one_text_may_not_be_larger_than_a_value_may_be() -> None:
    long = " + ".join(["grant.reason"] * 20)
    text = "[" + ", ".join([f"({long})"] * 13) + "].size() > 0"
    assert MOST_CELLS < 20 * 4_000 * 13 * 1
    assert "characters and elements" in refused(text)
