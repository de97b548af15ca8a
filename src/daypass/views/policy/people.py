"""What a source of people says, as text, data and Markdown. What people are called there was written by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from daypass.core.people.leaving import Departures
from daypass.core.people.matching import DirectoryImport, WrittenPerson
from daypass.views.data import plain
from daypass.views.findings import joined
from daypass.views.markdown import code


def _entries(what: str, people: Iterable[WrittenPerson]) -> Iterator[str]:
    for one in people:
        yield f"  {one.handle:24} {what}: {', '.join(one.say)}"


def import_text(found: DirectoryImport, source: str, files: Iterable[str]) -> str:
    """Write what an import brings, whom it does not, and who is gone."""
    lines = [
        f"From {source}: {len(found.new)} new, {len(found.changed)} changed, {len(found.gone)} gone, "
        f"{len(found.same)} as they should be, {len(found.refused)} refused"
        + (f", {len({one.called for one in found.left_out})} in part" if found.left_out else "")
    ]
    lines += _entries("new", found.new)
    lines += _entries("changed", found.changed)
    lines += [f"  {handle:24} gone: the source has them {_HOW[how]}" for handle, how in found.gone]
    for one in found.refused:
        lines.append(f"  {one.called:24} refused: {one.why}")
        lines += [f"    hint: {one.hint}"] if one.hint else []
    for one in found.left_out:
        lines.append(f"  {one.called:24} left out: {one.why}")
        lines += [f"    hint: {one.hint}"] if one.hint else []
    lines += [f"  {path}" for path in files]
    return joined(lines)


_HOW = {"disabled": "as disabled", "gone": "no more"}


def import_data(found: DirectoryImport, source: str, files: Iterable[str], pull: int | None) -> dict[str, Any]:
    """Return the same as data."""
    return {
        "source": source,
        "new": [_entry(one) for one in found.new],
        "changed": [_entry(one) for one in found.changed],
        "gone": [{"person": handle, "what": how} for handle, how in found.gone],
        "same": list(found.same),
        "refused": [plain(one) for one in found.refused],
        "left_out": [plain(one) for one in found.left_out],
        "files": list(files),
        "pull": pull,
    }


def _entry(one: WrittenPerson) -> dict[str, Any]:
    return {"person": one.handle, "number": one.number, "keys": list(one.say)}


def import_markdown(found: DirectoryImport, source: str) -> str:
    """Write the words of the request that brings people."""
    lines = [f"Brings the directory up to date with {code(source)}.", ""]
    for what, people in (("New", found.new), ("Changed", found.changed)):
        lines += [f"- {what}: {code(one.handle)} ({', '.join(map(code, one.say))})" for one in people[:_MOST]]
    more = len(found.new) + len(found.changed) - min(len(found.new), _MOST) - min(len(found.changed), _MOST)
    lines += [f"- and {more} more"] if more else []
    lines += [f"- Left out of {code(one.called)}: {code(one.why)}" for one in found.left_out[:_MOST]]
    lines += ["", "Entries give nobody access by themselves. Groups are written by hand.", ""]
    return "\n".join(lines)


_MOST = 100


def leavers_text(found: Departures, source: str, ended: str) -> str:
    """Write who left, who is back, and what became of it."""
    lines = [f"From {source}: {found.known} known, {len(found.left)} left, {len(found.back)} back"]
    lines += [f"  {one.person:24} {_WORDS[one.code]}" for one in (*found.left, *found.back)]
    lines += [f"  {ended}"] if ended else []
    return joined(lines)


_WORDS = {"account-disabled": "is disabled", "account-gone": "is there no more", "": "is there again"}


def leavers_data(found: Departures, source: str, pull: int | None, *, merged: bool, recorded: bool) -> dict[str, Any]:
    """Return the same as data."""
    return {
        "source": source,
        "known": found.known,
        "left": [{"person": one.person, "number": one.number, "code": one.code} for one in found.left],
        "back": [{"person": one.person, "number": one.number} for one in found.back],
        "held": found.held,
        "digest": found.digest if found.left else "",
        "recorded": recorded,
        "pull": pull,
        "merged": merged,
    }
