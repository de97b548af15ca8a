"""Grants that stand on main and give nothing, as the body of an issue."""

from __future__ import annotations

from collections.abc import Sequence

from daypass.core.drift import Unproved
from daypass.core.ledger.receipt import Refusal
from daypass.core.plan import Claim
from daypass.views.markdown import code, prose, table

MOST = 100
"""How many are told one by one; the rest is counted."""


def refused_markdown(refusals: Sequence[Refusal], unproved: Sequence[Unproved], blocked: Sequence[Claim]) -> str:
    """Write what was refused, with what was seen; "" where nothing was, so that the issue can be closed.

    ``unproved`` are those that later runs try again.
    """
    if not refusals and not unproved and not blocked:
        return ""
    rows = [(code(r.grant), code(r.code), prose(r.message), code(r.landing), code(r.blob)) for r in refusals]
    rows += [(code(u.grant), code("unproved"), prose(u.message), code(""), code("")) for u in unproved]
    rows += [(code(c.grant), code("blocked"), prose(c.blocked.value), code(""), code("")) for c in blocked if c.blocked]
    lines = [
        "These grants stand on main and give no access, each for what was seen of it.",
        "",
        table(("grant", "code", "what was seen", "commit", "file"), rows[:MOST]),
    ]
    lines += [f"and {len(rows) - MOST} more; `daypass plan` lists them all"] if len(rows) > MOST else []
    lines += [
        "",
        "What may help: remove the file and ask again with a pull request of its own, which its owners approve.",
        "If nobody of you put it there, find out who did: look at the commit, and at who pushed it.",
    ]
    return "\n".join(lines) + "\n"
