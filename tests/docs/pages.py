"""Reading the documents: their blocks, the sessions in them, and whether what was printed is what is written.

A ``console`` block is run: lines that begin with ``$ `` are commands, what follows each is what it prints, ``…`` stands
for any text and a line of ``…`` alone for any lines. All such blocks of a page run in order and in one folder. A comment
that begins with ``<!-- run`` holds commands that readers do not see; what they print is not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
PAGES = (TOP / "README.md", *sorted((TOP / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HIDDEN = re.compile(r"^<!-- run\n(?P<text>.*?)^-->$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind, its text, its first line's number, and the file that a comment above says it is."""

    page: str
    line: int
    info: str
    text: str
    file: str = ""


@dataclass(frozen=True)
class Step:
    """One command of a session; ``printed`` is None where nobody looks."""

    place: str
    command: str
    printed: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page.name,
            text.count("\n", 0, match.start()) + 1,
            match["info"].strip(),
            match["text"],
            named["path"] if (named := _FILE.search(text, 0, match.start())) else "",
        )
        for match in _FENCE.finditer(text)
    ]


def session(page: Path) -> list[Step]:
    """Return the commands of a page, hidden ones in their places."""
    text = page.read_text(encoding="utf-8")
    parts = [(m.start(), m["text"], True) for m in _FENCE.finditer(text) if m["info"].strip() == "console"]
    parts += [(m.start(), m["text"], False) for m in _HIDDEN.finditer(text)]
    found: list[Step] = []
    for start, body, shown in sorted(parts):
        found += steps(f"{page.name}:{text.count(chr(10), 0, start) + 1}", body, shown=shown)
    return found


def steps(place: str, body: str, *, shown: bool) -> list[Step]:
    """Return the commands of one block, each with what stands below it."""
    lines = body.splitlines()
    found: list[Step] = []
    at = 0
    while at < len(lines):
        assert lines[at].startswith("$ "), f"{place}: expected a command, got {lines[at]!r}"
        command = [lines[at][2:]]
        at += 1
        ending = re.search(r"<<'(\w+)'", command[0])
        while at < len(lines) and (command[-1].endswith("\\") or (ending and command[-1] != ending[1])):
            command.append(lines[at])
            at += 1
        printed = []
        while at < len(lines) and not lines[at].startswith("$ "):
            printed.append(lines[at])
            at += 1
        text = "".join(f"{line}\n" for line in printed)
        found.append(Step(place, "\n".join(command), text if shown else None))
    return found


def fits(written: str, printed: str) -> bool:
    """Say whether a text is what is written, blanks at the ends of lines aside."""
    pattern = ""
    for line in written.splitlines():
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*?".join(re.escape(part) for part in line.rstrip().split("…")) + "\n"
    shown = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, shown) is not None


def between(page: Path, name: str) -> str:
    """Return what stands between ``<!-- name:begin … -->`` and ``<!-- name:end -->``."""
    match = _marks(name).search(page.read_text(encoding="utf-8"))
    assert match is not None, f"{page.name} has no {name} between marks"
    return match["inner"]


def put_between(page: Path, name: str, inner: str) -> None:
    """Write what stands between the marks."""
    text = page.read_text(encoding="utf-8")
    assert _marks(name).search(text), f"{page.name} has no {name} between marks"
    page.write_text(_marks(name).sub(lambda m: m["begin"] + inner + m["end"], text), encoding="utf-8")


def _marks(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<begin><!-- {name}:begin[^\n]*-->\n)(?P<inner>.*?)(?P<end><!-- {name}:end -->)", re.DOTALL)
