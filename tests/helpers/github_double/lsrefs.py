"""The refs of a repository as the second version of git's protocol lists them: https://git-scm.com/docs/protocol-v2#_ls_refs.

Whoever fetches asks for them first, and most often needs nothing else.
"""

from __future__ import annotations

from pathlib import Path

from github_double import gitfiles

FLUSH, _PARTS = b"0000", b"0001"


def line(text: str) -> bytes:
    """A line as the protocol writes it, its length first."""
    raw = text.encode("utf-8", "surrogateescape")
    return f"{len(raw) + 4:04x}".encode() + raw


def answer(path: Path, body: bytes) -> bytes | None:
    """Answer a request that asks for refs; None where it asks for something else, or git should have a look."""
    lines = _lines(body)
    every = gitfiles.refs(path, "refs")
    if lines[:1] != ["command=ls-refs"] or every is None or any(name.startswith("refs/tags/") for name in every):
        return None
    wanted = tuple(text.removeprefix("ref-prefix ") for text in lines if text.startswith("ref-prefix ")) or ("",)
    head = (path / "HEAD").read_text(encoding="ascii").strip().removeprefix("ref: ")
    points = f" symref-target:{head}" if "symrefs" in lines else ""
    told = []
    if "HEAD".startswith(wanted):
        if head in every:
            told.append(f"{every[head]} HEAD{points}\n")
        elif "unborn" in lines:
            told.append(f"unborn HEAD{points}\n")
    told += [f"{oid} {name}\n" for name, oid in every.items() if name.startswith(wanted)]
    return b"".join(map(line, told)) + FLUSH


def _lines(body: bytes) -> list[str]:
    """The lines of a request, up to its end."""
    found, at = [], 0
    while (size := body[at : at + 4]) and size != FLUSH:
        end = at + max(int(size, 16), 4)
        found += [body[at + 4 : end].decode("utf-8", "surrogateescape").rstrip("\n")] if size != _PARTS else []
        at = end
    return found
