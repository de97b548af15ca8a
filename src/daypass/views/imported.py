"""What an import found, for the terminal and for the pull request."""

from __future__ import annotations

from collections.abc import Iterable

from daypass.core.grant import Grant
from daypass.core.plan import Entitlement
from daypass.core.window import format_instant
from daypass.views.findings import joined
from daypass.views.markdown import code

Row = tuple[Entitlement, Grant, str, bool, bool]
"""What is taken: the access, its grant, what the end comes from, whether an earlier end is ruled out, whether it stays."""

_UNDATED = "whether it had an end of its own before is not known to the target"
_BESIDE = "what is there stays beside the grant's: take it away at the target once this is applied"


def import_text(taken: Iterable[Row], left: Iterable[tuple[Entitlement, str]], granted: int) -> str:
    """Write what becomes a grant and what does not, with the reasons."""
    lines = []
    for entitlement, grant, why, dated, beside in taken:
        lines.append(f"  taken  {entitlement.principal}  {grant.subject} {grant.role}, {_end(grant, why)}")
        lines.append(f"         {grant.path}")
        lines += [f"         {note}" for note in _notes(dated=dated, beside=beside)]
    for entitlement, why in left:
        lines.append(f"  left   {entitlement.principal}  {entitlement.privilege}: {why}")
    if granted:
        lines.append(f"  {granted} are granted on main already; `daypass apply` takes them over")
    return joined(lines)


def import_body(resource: str, taken: Iterable[Row], left: Iterable[tuple[Entitlement, str]]) -> str:
    """Write the pull request's text, in Markdown."""
    lines = [
        f"Access to {code(resource)} that is there already and that no grant gave, as one grant each.",
        "",
        "Delete the file of whatever should not be granted: that access then stays as it is, reported as unmanaged, until",
        "somebody takes it away at the target. Shorten a window in its file. What is merged is ours from the next apply on,",
        "and ends with its grant. Nothing is taken away by merging this.",
        "",
    ]
    for entitlement, grant, why, dated, beside in taken:
        notes = "".join(f"; {note}" for note in _notes(dated=dated, beside=beside))
        lines.append(
            f"- {code(grant.subject)} ({code(entitlement.principal)}) {code(grant.role)}, {_end(grant, why)}{notes}"
        )
    rest = [f"- {code(e.principal)} {code(e.privilege)}: {code(why)}" for e, why in left]
    if rest:
        lines += ["", "Left as it is:", "", *rest]
    return "\n".join(lines) + "\n"


def _end(grant: Grant, why: str) -> str:
    window = grant.span.window
    assert window is not None  # noqa: S101  (an import has a window of its own)
    return f"until {format_instant(window.end)} ({why} then)"


def _notes(*, dated: bool, beside: bool) -> list[str]:
    return [*([] if dated else [_UNDATED]), *([_BESIDE] if beside else [])]
