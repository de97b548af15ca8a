"""Which open requests ask for access that an emergency stop does not reach: the gate would merge them afterwards."""

from __future__ import annotations

from daypass.core.errors import EdgeError, InvalidError, RefusedError
from daypass.core.files.document import GRANT_LIMIT
from daypass.core.files.grants import read_grant
from daypass.core.forge import Pull
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER
from daypass.core.policy.policies import Policy
from daypass.pipeline.context import Context
from daypass.pipeline.judge.proposal import MOST_CHANGES

_MOST = 500
"""So many requests are looked at: each may cost calls to the forge."""


def still_open(context: Context, policy: Policy, subject: str, resource: str) -> tuple[list[int], list[int]]:
    """Return the open requests for a subject ("": anybody) or by them, on a resource ("": any), and those not looked at."""
    found: list[int] = []
    unread: list[int] = []
    for count, listed in enumerate(context.forge.open_pulls()):
        try:
            if count >= _MOST:
                unread.append(listed.number)
            elif _asks(context, policy, context.forge.pull(listed.number), subject, resource):
                found.append(listed.number)
        except (EdgeError, InvalidError, RefusedError):  # anybody may make one that nobody can read
            unread.append(listed.number)
    return found, unread


def _asks(context: Context, policy: Policy, pull: Pull, subject: str, resource: str) -> bool:
    """Say whether a request would write a grant of theirs; what only removes asks for none."""
    history, now = context.history, policy.catalogue.renames
    root = history.merge_base(history.resolve(context.main), pull.head)
    changes = history.changes(root, pull.head, most=MOST_CHANGES) if root is not None else ()
    written = [c for c in changes if c.path.startswith(FOLDER) and c.new_mode.startswith("100")]
    if resource:
        names = now.names_of_resource(now.resource(resource))
        written = [c for c in written if c.path.removeprefix(FOLDER).partition("/")[0] in names]
    if not subject or now.subject(pull.opened_by.handle) == now.subject(subject):
        return bool(written)
    sizes = history.sizes({c.new for c in written})
    small = [c for c in written if sizes[c.new] <= GRANT_LIMIT]
    contents = dict(history.blobs(dict.fromkeys(c.new for c in small)))
    grants = (read_grant(c.path, contents[c.new]) for c in small)
    return any(isinstance(one, Grant) and now.subject(one.subject) == now.subject(subject) for one in grants)
