"""In which order approvals are asked for: which requirements come before which, by what they say they come after.

A requirement comes after every other that asks one of the sources that it names, alone or in a list. Of a source that
nobody asks it says nothing.

One function says whether different people meet different requirements: before anybody is asked, and once they have approved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from daypass.core.policy.requirement import Requirement
from daypass.core.policy.sources import parts

Before = tuple[frozenset[int], ...]
"""By the place of each requirement, the places of those that come just before it."""

_NOTHING: frozenset[int] = frozenset()


def before(needs: Sequence[Requirement]) -> Before:
    """Return what comes just before each requirement; itself where it names its own source."""
    if not any(need.after for need in needs):
        return (_NOTHING,) * len(needs)
    asked = [frozenset(parts(need.source)) for need in needs]
    return tuple(
        frozenset(place for place, sources in enumerate(asked) if not sources.isdisjoint(need.after)) for need in needs
    )


def in_order(comes_before: Before) -> tuple[int, ...]:
    """Return the places so that each stands after all that come before it; those in a circle, or after one, are left out."""
    done: dict[int, None] = {}
    while ready := [n for n, those in enumerate(comes_before) if n not in done and those <= done.keys()]:
        done |= dict.fromkeys(ready)
    return tuple(done)


def ordered(needs: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """Return requirements with what comes before each of them ahead of it, and those in a circle last."""
    order = in_order(before(needs))
    return tuple(needs[place] for place in (*order, *(n for n in range(len(needs)) if n not in order)))


def all_before(comes_before: Before, place: int) -> frozenset[int]:
    """Return every place that comes before one, near or far."""
    found, ahead = set[int](), [place]
    while ahead:
        new = comes_before[ahead.pop()] - found
        found |= new
        ahead += new
    return frozenset(found)


def circle(needs: Sequence[Requirement]) -> tuple[str, ...]:
    """Return the sources of requirements that come after each other in a circle, the first again at the end; else nothing."""
    order = before(needs)
    left = frozenset(range(len(needs))) - frozenset(in_order(order))
    if not left:
        return ()
    way = [min(place for place in left if place in all_before(order, place))]
    while way[-1] not in way[:-1]:
        way.append(min(order[way[-1]] & left))
    found = way[way.index(way[-1]) :]
    return tuple(needs[place].source for place in reversed(found))


def assign(counts: Sequence[int], able: Mapping[str, Collection[int]]) -> list[set[str]]:
    """Give each person to at most one of some requirements so that as many as possible are filled (augmenting paths).

    ``counts`` says how many people each requirement asks for, and ``able`` which requirements, by place, each can meet.
    The same people and requirements give the same answer.
    """
    taken: list[set[str]] = [set() for _ in counts]
    serves: dict[str, int] = {}
    for index, count in enumerate(counts):
        while len(taken[index]) < count and _fill(index, set(), able, taken, serves):
            pass
    return taken


def _fill(
    index: int, visited: set[int], able: Mapping[str, Collection[int]], taken: list[set[str]], serves: dict[str, int]
) -> bool:
    """Give a requirement one person more, and say whether there was one."""
    visited.add(index)
    for handle, places in able.items():
        if handle in taken[index] or index not in places:
            continue
        holder = serves.get(handle)
        if holder is None or (holder not in visited and _fill(holder, visited, able, taken, serves)):
            if holder is not None:
                taken[holder].discard(handle)
            serves[handle] = index
            taken[index].add(handle)
            return True
    return False
