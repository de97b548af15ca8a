"""Reading the policies of one commit. Which commit is the caller's choice: the base of a request, the tip of main."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from daypass.core.catalogue import TargetSettings
from daypass.core.errors import EdgeError, InvalidError
from daypass.core.grant import canonical
from daypass.core.policy.policies import Policy, read_policies
from daypass.ports import History

FOLDER = "policies"

Fits = Callable[[TargetSettings, str], object]
"""Raises EdgeError, InvalidError for a privilege (canonical JSON) that a target cannot mean."""


def load_policy(history: History, revision: str, fits: Fits) -> Policy:
    """Read every file below ``policies/`` at a revision. What is no plain file is refused in the policy's findings."""
    listed = list(history.entries(revision, FOLDER))
    entries = [entry for entry in listed if entry.mode.startswith("100")]
    contents = dict(history.blobs(entry.oid for entry in entries))
    links = [entry.path for entry in listed if not entry.mode.startswith("100")]
    return fitted(read_policies({entry.path: contents[entry.oid] for entry in entries}, links=links), fits)


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
