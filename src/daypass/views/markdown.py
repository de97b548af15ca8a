r"""Markdown in which nothing that people wrote can be anything but text.

A forge does more with a comment than render it: it turns ``@name`` into a message to that person, ``#12`` and commit ids
into links with a trace at the other end, and addresses into links, and it does so after escapes are resolved, so that
``&#64;name`` is a mention still. It leaves alone what stands in a code span
(https://github.github.com/gfm/#code-spans). Hence the rule here:

- `prose` lets plain words through, by a list of what is allowed, and puts every other word in a code span;
- `code` puts a whole value in one code span;
- line breaks, controls and marks that turn or hide text are written as escapes first, as everywhere in daypass.

So no value can open a heading, a list, a tag, a comment, a link, an image or a fence, nor end the table cell it is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from daypass.views.findings import printable

_TAME = re.compile(r"\(?[^\W\d_]+(?:['-](?=[^\W\d_])[^\W\d_]+)*[.,;:!?)]{0,3}|[0-9]{1,6}[a-z]{0,3}[,;]?")
"""A word that means nothing to any reader of Markdown: letters, or a short number that can begin no list."""

_LATER = re.compile(r"[0-9]{1,6}\)?[.,;:]?")
"""A number that would begin a list if it came first."""

_COMMIT = re.compile(r"\(?[0-9A-Fa-f]{7,64}[.,;:!?)]*")
_TICKS = re.compile("`+")


def code(value: str) -> str:
    """Write a value as one code span, fit for a table's cell too.

    A bar would end the cell, so it is broken up.
    """
    text = printable(value)
    if not text:
        return "*empty*"
    # After a backslash of the value's own, readers of tables differ on what escapes what.
    text = text.replace("|", r"\x7c" if "\\" in text else r"\|")
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    # A blank on each side is taken off again where there is more than blanks; a backtick may not touch the fence.
    pad = " " if text.strip() and (text[0] in "` " or text[-1] in "` ") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def prose(text: str) -> str:
    """Write a sentence that may hold people's words: what is not plainly a word stands in a code span."""
    words = printable(text).strip(" ").split(" ")
    parts = []
    for tame, group in groupby(enumerate(words), key=_is_tame):
        run = " ".join(word for _, word in group)
        parts.append(run if tame else _spans(run))
    return " ".join(parts)


def _is_tame(placed: tuple[int, str]) -> bool:
    place, word = placed
    harmless = _TAME.fullmatch(word) or (place and _LATER.fullmatch(word))
    return not word or (bool(harmless) and _COMMIT.fullmatch(word) is None)


def _spans(run: str) -> str:
    """Put a run of words in a code span, without the punctuation that ends it."""
    end = re.search(r"(?<=[\w'\")\]}>/-])[,;.:]$", run)
    return code(run[: end.start()]) + run[end.start() :] if end else code(run)


def fence(lines: Iterable[str], kind: str) -> str:
    """Write lines as a fenced block of a kind that we name; its fence is longer than any run of backticks within."""
    shown = [printable(line) for line in lines]
    longest = max((len(run) for line in shown for run in _TICKS.findall(line)), default=0)
    marks = "`" * max(3, longest + 1)
    return "\n".join([f"{marks}{kind}", *shown, marks])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are Markdown already (of `code`, `prose`, or our own)."""
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def html_code(value: str) -> str:
    """Write a value for a line of HTML, such as the title of a folded part, in which Markdown is not read."""
    return f"<code>{escape(printable(value))}</code>"


def folded(title: str, body: str) -> str:
    """Write a part that is opened by a click. ``title`` is HTML; the blank lines let Markdown be read within."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"
