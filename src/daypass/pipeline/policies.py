"""Reading the policies of one commit. Which commit is the caller's choice: the base of a request, the tip of main."""

from __future__ import annotations

from daypass.core.policy.policies import Policy, read_policies
from daypass.ports import History

FOLDER = "policies"


def load_policy(history: History, revision: str) -> Policy:
    """Read every file below ``policies/`` at a revision. What is no plain file is refused in the policy's findings."""
    listed = list(history.entries(revision, FOLDER))
    entries = [entry for entry in listed if entry.mode.startswith("100")]
    contents = dict(history.blobs(entry.oid for entry in entries))
    links = [entry.path for entry in listed if not entry.mode.startswith("100")]
    return read_policies({entry.path: contents[entry.oid] for entry in entries}, links=links)
