"""Words that make a hosted forge run nothing: ``[skip ci]`` and its kin.

A push whose commit message holds one starts no workflow, so a merge that carries one into main would be applied by
nobody, in silence. They are refused wherever text may reach a commit message.
"""

from __future__ import annotations

import re

from daypass.core.finding import Finding, Place

_WORDS = r"ci|actions|action|workflows?|pipelines?|checks?"
_DIRECTIVE = re.compile(
    rf"\[[\s_-]*(?:(?:skip|no)[\s_-]*(?:{_WORDS})|(?:{_WORDS})[\s_-]*(?:skip|off))[\s_-]*\]"
    r"|\*\*\*\s*no_ci\s*\*\*\*"
    r"|\bskip[\s_-]*checks[\s_-]*:\s*true",
    re.IGNORECASE,
)


def skip_directives(text: str) -> list[str]:
    """Return the directives in a text as they are written there, in any case and spacing."""
    return [match.group() for match in _DIRECTIVE.finditer(text)]


def directive_findings(text: str, place: Place) -> tuple[Finding, ...]:
    """Refuse a text that would make a forge skip its workflows."""
    return tuple(
        Finding("skip-directive", place, f"{found!r} would make the forge skip its workflows", "remove these words")
        for found in dict.fromkeys(skip_directives(text))
    )
