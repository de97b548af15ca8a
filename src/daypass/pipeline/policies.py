"""Reading the policies of one commit. Which commit is the caller's choice: the base of a request, the tip of main."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from daypass.core.catalogue import TargetSettings
from daypass.core.errors import EdgeError, InvalidError
from daypass.core.finding import Finding, Place
from daypass.core.grant import canonical
from daypass.core.policy.policies import SETTINGS, Policy, read_policies
from daypass.ports import History

FOLDER = "policies"

MOST_FILES = 10_000
"""Files that may lie below ``policies/``."""

MOST_BYTES = 64 << 20
"""Bytes that they may have altogether: all of them are held at once."""

Fits = Callable[[TargetSettings, str], object]
"""Raises EdgeError, InvalidError for a privilege (canonical JSON) that a target cannot mean."""


def load_policy(history: History, revision: str, fits: Fits) -> Policy:
    """Read every file below ``policies/`` at a revision. What is no plain file is refused in the policy's findings."""
    listed = list(history.entries(revision, FOLDER))
    entries = [entry for entry in listed if entry.mode.startswith("100")]
    sizes = history.sizes(dict.fromkeys(entry.oid for entry in entries))
    if len(listed) > MOST_FILES or sum(sizes.values()) > MOST_BYTES:
        return _too_much(len(listed), sum(sizes.values()))
    contents = dict(history.blobs(entry.oid for entry in entries))
    links = [entry.path for entry in listed if not entry.mode.startswith("100")]
    return fitted(read_policies({entry.path: contents[entry.oid] for entry in entries}, links=links), fits)


def _too_much(files: int, size: int) -> Policy:
    """Return policies of which nothing is read, and which therefore deny everything; settings are not known either."""
    message = f"the policies are {files} files and {size} bytes, at most {MOST_FILES} and {MOST_BYTES} are read"
    finding = Finding("policies-too-large", Place(SETTINGS), message, "remove what is no policy from this folder")
    return replace(read_policies({}), findings=(finding,), broken=(finding,))


def fitted(policy: Policy, fits: Fits) -> Policy:
    """Return the policies with the roles that their targets cannot give: nobody is to approve one for nothing."""
    unfit: dict[tuple[str, str], str] = {}
    catalogue = policy.catalogue
    for resource in catalogue.resources.values():
        settings = catalogue.settings.targets.get(resource.target)
        if settings is None:
            continue
        for role in resource.roles.values():
            try:
                fits(settings, canonical(dict(role.privilege)))
            except (EdgeError, InvalidError) as error:
                unfit[resource.name, role.name] = error.message
    return replace(policy, unfit=unfit) if unfit else policy
