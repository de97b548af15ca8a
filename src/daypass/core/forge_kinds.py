"""The kinds of forges: what is so of each, so that nothing asks for a forge by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class ForgeKind(NamedTuple):
    """What is so of every forge of a kind; a kind that says nothing is one of this repository's own files and refs."""

    remote: bool = False
    """Main, the ledger and pull requests live there: verbs bring them before they look."""
    pages: bool = False
    """It shows people comments, labels and issues, and takes requests as issues."""
    vouches: bool = False
    """It says itself who did something and when; elsewhere a signature must (``limits.unsigned``), and clocks may differ."""
    teams: bool = False
    """Groups are teams there, ``organisation/team``, whom CODEOWNERS names."""
    merges_all: bool = False
    """It merges any change that its owners approve, and not grants alone."""
    needs: tuple[str, ...] = ()
    """Settings of ``forge`` that must be there."""
    takes: tuple[str, ...] = ()
    """Settings of ``forge`` that may be there, those above included."""


FORGES: Mapping[str, ForgeKind] = MappingProxyType(
    {
        "github": ForgeKind(
            remote=True,
            pages=True,
            vouches=True,
            teams=True,
            merges_all=True,
            needs=("repository",),
            takes=("repository", "bot", "teams"),
        ),
        "local": ForgeKind(),
    }
)
"""A row here and a folder of that name below ``edges/forges`` are a kind: docs/forges/writing-one.md."""
