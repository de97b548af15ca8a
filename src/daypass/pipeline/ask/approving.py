"""Comments that mean an approval and are none: only reviews count, which says whoever wrote one, once a request.

Such a comment is answered and nothing else: no word of it is acted on, and no machine is answered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daypass.core.ids import FOLDER
from daypass.core.record import replace

if TYPE_CHECKING:
    from daypass.core.forge import Pull
    from daypass.core.request import Reply
    from daypass.pipeline.context import WritingContext

TOPIC = "approving"
"""One comment a request: whoever means to approve by a comment next finds it there."""

WORDS = ("lgtm", "approve", "looks good", "ship it", "+1", ":+1:", "\N{THUMBS UP SIGN}", "/lgtm", "/approve")
"""How the first line of such a comment begins, in whatever case. The workflow `request` wakes for these, and for commands."""

_ENDS = re.compile(r"d?(?:$|[^\w])")


def means_approval(body: str) -> bool:
    """Say whether a comment's first line begins as if it approved."""
    first = body.replace("\r\n", "\n").split("\n", 1)[0].strip().lower()
    return any(first.startswith(word) and _ENDS.match(first[len(word) :]) is not None for word in WORDS)


def answer_approval(repo: WritingContext, silent: Reply, pull: Pull) -> Reply | None:
    """Return the answer to such a comment on an open request for access, None where it is on anything else."""
    if pull.state != "open" or not _asks(repo, pull):
        return None
    return replace(silent, topic=TOPIC, kind=TOPIC, pull=pull.number)


def _asks(repo: WritingContext, pull: Pull) -> bool:
    history = repo.history
    base = history.merge_base(history.resolve(repo.main), pull.head)
    return base is not None and any(one.path.startswith(FOLDER) for one in history.changes(base, pull.head))
