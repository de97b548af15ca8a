"""Conditions told twice: as CEL text, and as what they come to by CEL's own definition, reckoned here with nothing of CEL.

A `Term` is a piece of a condition with its text and its meaning: a function from facts to a value, which raises `Wrong`
where the evaluation of CEL ends in an error. `terms` makes them at random, of the operations that rules use.

By https://github.com/google/cel-spec/blob/master/doc/langdef.md: `&&` and `||` take what one side settles, whichever side
it is and whatever the other comes to; whole numbers have 64 bits, and beyond them is an error, as is a division by zero;
division cuts towards zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

Facts = Mapping[str, Any]


class Wrong(Exception):  # noqa: N818  (what CEL calls an error is a value of its own)
    """The evaluation ends in an error."""


class Term(NamedTuple):
    """A piece of a condition. ``binds`` is how tightly its outermost operation binds; parentheses go round what binds less."""

    text: str
    means: Callable[[Facts], Any]
    binds: int = 9

    def within(self, binds: int) -> str:
        """Return its text as part of what binds so tightly."""
        return self.text if self.binds >= binds else f"({self.text})"


CHOICE, OR, AND, RELATION, SUM, PRODUCT, NOT, CALL = range(1, 9)
_MOST = 2**63
_WORDS = ["", "a", "ab", "dba", "production", "Straße", "é", "\U0001f600", 'quo"te', "back\\slash", "A"]
_INSTANT = datetime(2026, 11, 20, 10, tzinfo=UTC)

FACTS: Facts = {
    "grant.subject": "alice",
    "grant.reason": "é Straße\U0001f600",
    "grant.ticket": "",
    "resource.environment": "production",
    "subject.groups": ["dba", "engineering", ""],
    "resource.owners": ["dba"],
    "resource.data": [],
    "grant.duration": timedelta(hours=4),
    "role.max_duration": timedelta(hours=8),
    "request.opened_at": _INSTANT,
    "grant.emergency": False,
    "grant.absolute": True,
}
_STRINGS = ["grant.subject", "grant.reason", "grant.ticket", "resource.environment"]
_LISTS = ["subject.groups", "resource.owners", "resource.data"]
_SPANS = ["grant.duration", "role.max_duration"]
_BOOLS = ["grant.emergency", "grant.absolute"]


def quoted(text: str) -> str:
    """Write a text as CEL reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _variable(names: list[str]) -> st.SearchStrategy[Term]:
    return st.sampled_from(names).map(lambda name: Term(name, lambda facts: facts[name]))


def _whole(value: int) -> int:
    if not -_MOST <= value < _MOST:
        raise Wrong("beyond 64 bits")
    return value


def _divided(one: int, other: int) -> int:
    if other == 0:
        raise Wrong("by zero")
    found = abs(one) // abs(other)
    return _whole(found if (one < 0) == (other < 0) else -found)


def _rest(one: int, other: int) -> int:
    if other == 0 or (one, other) == (-_MOST, -1):
        raise Wrong("by zero, or beyond")
    return one - other * _divided(one, other)


def _joined(sign: str, binds: int, one: Term, other: Term, do: Callable[[Any, Any], Any]) -> Term:
    # What stands on the right binds tighter: all of these are read from the left.
    text = f"{one.within(binds)} {sign} {other.within(binds + 1)}"
    return Term(text, lambda facts: do(one.means(facts), other.means(facts)), binds)


_ARITHMETIC: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "+": (SUM, lambda one, other: _whole(one + other)),
    "-": (SUM, lambda one, other: _whole(one - other)),
    "*": (PRODUCT, lambda one, other: _whole(one * other)),
    "/": (PRODUCT, _divided),
    "%": (PRODUCT, _rest),
}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda one, other: bool(one == other),
    "!=": lambda one, other: bool(one != other),
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
}
_OF_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda one, other: other in one,
}


def _settled(sign: str, one: Term, other: Term) -> Term:
    """`&&` settles at false, `||` at true, whichever side says so."""
    settles, binds = (False, AND) if sign == "&&" else (True, OR)

    def means(facts: Facts) -> bool:
        said: list[bool | Wrong] = []
        for side in (one, other):
            try:
                said.append(bool(side.means(facts)))
            except Wrong as wrong:
                said.append(wrong)
        if settles in [one for one in said if isinstance(one, bool)]:
            return settles
        for each in said:
            if isinstance(each, Wrong):
                raise each
        return not settles

    return Term(f"{one.within(binds)} {sign} {other.within(binds + 1)}", means, binds)


def _chosen(condition: Term, one: Term, other: Term) -> Term:
    def means(facts: Facts) -> Any:
        return one.means(facts) if condition.means(facts) else other.means(facts)

    return Term(f"{condition.within(OR)} ? {one.within(OR)} : {other.within(OR)}", means, CHOICE)


def _at(listed: Term, number: Term) -> Term:
    def means(facts: Facts) -> Any:
        found, place = listed.means(facts), number.means(facts)
        if not 0 <= place < len(found):
            raise Wrong("beyond the list")
        return found[place]

    return Term(f"{listed.within(CALL)}[{number.text}]", means, CALL)


def _quantified(name: str, listed: Term, word: Term, sign: str) -> Term:
    """All or any of a list, each compared with a text; what settles it stands whatever the others come to."""

    def means(facts: Facts) -> bool:
        said = [_COMPARED[sign](each, word.means(facts)) for each in listed.means(facts)]
        return all(said) if name == "all" else any(said)

    return Term(f"{listed.within(CALL)}.{name}(each, each {sign} {word.within(SUM)})", means, CALL)


def _numbers(words: st.SearchStrategy[Term], lists: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    plain = st.sampled_from([0, 1, 2, 3, 7, _MOST - 1]).map(lambda value: Term(str(value), lambda _: value))
    sized = st.one_of(words, lists).map(lambda of: Term(f"size({of.text})", lambda facts: len(of.means(facts)), CALL))
    hour = st.just(Term("request.opened_at.getHours()", lambda facts: facts["request.opened_at"].hour, CALL))
    return st.recursive(
        st.one_of(plain, sized, hour),
        lambda inner: st.builds(
            lambda sign, one, other: _joined(sign, _ARITHMETIC[sign][0], one, other, _ARITHMETIC[sign][1]),
            st.sampled_from(sorted(_ARITHMETIC)),
            inner,
            inner,
        ),
        max_leaves=4,
    )


def _spans() -> st.SearchStrategy[Term]:
    hours = st.integers(0, 30).map(lambda n: Term(f'duration("{n}h")', lambda _: timedelta(hours=n), CALL))
    leaf = st.one_of(_variable(_SPANS), hours)
    return st.one_of(
        leaf,
        st.builds(lambda one, other: _joined("+", SUM, one, other, lambda a, b: a + b), leaf, leaf),
        st.builds(lambda one, other: _joined("-", SUM, one, other, lambda a, b: a - b), leaf, leaf),
    )


def _instants(spans: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    said = st.integers(0, 23).map(
        lambda hour: Term(f'timestamp("2026-11-20T{hour:02}:00:00Z")', lambda _: _INSTANT.replace(hour=hour), CALL)
    )
    leaf = st.one_of(said, st.just(Term("request.opened_at", lambda facts: facts["request.opened_at"])))
    moved = st.builds(lambda one, by: _joined("+", SUM, one, by, lambda a, b: a + b), leaf, spans)
    return st.one_of(leaf, moved)


def terms() -> st.SearchStrategy[Term]:
    """Make conditions."""
    literal = st.sampled_from(_WORDS).map(lambda text: Term(quoted(text), lambda _: text))
    lists = st.one_of(
        _variable(_LISTS),
        st.lists(literal, min_size=1, max_size=3).map(
            lambda parts: Term(
                f"[{', '.join(part.text for part in parts)}]", lambda facts: [part.means(facts) for part in parts]
            )
        ),
    )
    plain_words = st.one_of(_variable(_STRINGS), literal)
    numbers = _numbers(plain_words, lists)
    words = st.one_of(
        plain_words,
        st.builds(_at, lists, numbers),
        st.builds(lambda one, other: _joined("+", SUM, one, other, lambda a, b: a + b), plain_words, plain_words),
    )
    spans = _spans()
    signs = st.sampled_from(sorted(_COMPARED))

    def compared(of: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
        return st.builds(lambda sign, a, b: _joined(sign, RELATION, a, b, _COMPARED[sign]), signs, of, of)

    leaf = st.one_of(
        _variable(_BOOLS),
        st.sampled_from([True, False]).map(lambda value: Term(str(value).lower(), lambda _: value)),
        compared(words),
        compared(numbers),
        compared(spans),
        compared(_instants(spans)),
        st.builds(lambda a, b: _joined("in", RELATION, a, b, lambda one, many: one in many), words, lists),
        st.builds(
            lambda name, a, b: Term(
                f"{a.within(CALL)}.{name}({b.text})", lambda facts: _OF_TEXTS[name](a.means(facts), b.means(facts)), CALL
            ),
            st.sampled_from(sorted(_OF_TEXTS)), words, words,
        ),
        st.builds(_quantified, st.sampled_from(["all", "exists"]), lists, plain_words, st.sampled_from(["==", "!=", "<"])),
    )  # fmt: skip
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(_settled, st.sampled_from(["&&", "||"]), inner, inner),
            st.builds(lambda of: Term(f"!{of.within(NOT)}", lambda facts: not of.means(facts), NOT), inner),
            st.builds(_chosen, inner, inner, inner),
        ),
        max_leaves=6,
    )
