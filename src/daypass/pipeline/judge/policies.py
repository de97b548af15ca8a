"""Reading the policies of one commit. Which commit is the caller's choice: the base of a request, the tip of main."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from daypass.core.catalogue import Resource, TargetSettings
from daypass.core.errors import EdgeError, InvalidError, RefusedError
from daypass.core.files.publickey import is_pem
from daypass.core.finding import Finding, Place, ordered
from daypass.core.grant import Oid, canonical
from daypass.core.policy.policies import SETTINGS, Policy, read_policies
from daypass.ports import Entry, History

FOLDER = "policies"

MOST_FILES = 10_000
"""Files that may lie below ``policies/``."""

MOST_BYTES = 64 << 20
"""Bytes that they may have altogether: all of them are held at once."""

_UNREAD = "unknown-group"
"""What is found in settings alone for want of the directory."""

MOST_KEYS = 100
"""Settings and ledger keys that are read where there is more than that."""

Fits = Callable[[TargetSettings, str], object]
"""Raises EdgeError, InvalidError for a privilege (canonical JSON) that a target cannot mean."""


def load_policy(history: History, revision: str, fits: Fits) -> Policy:
    """Read every file below ``policies/`` at a revision. What is no plain file is refused in the policy's findings."""
    listed = list(history.entries(revision, FOLDER))
    entries = [entry for entry in listed if entry.mode.startswith("100")]
    sizes = history.sizes(dict.fromkeys(entry.oid for entry in entries))
    whole = sum(sizes[entry.oid] for entry in entries)
    if len(listed) > MOST_FILES or whole > MOST_BYTES:
        return _too_much(history, entries, len(listed), whole)
    contents = dict(history.blobs(entry.oid for entry in entries))
    links = [entry.path for entry in listed if not entry.mode.startswith("100")]
    found = fitted(read_policies({entry.path: contents[entry.oid] for entry in entries}, links=links), fits)
    missing = [] if found.broken else [*_missing_keys(found)]
    if missing and history.find(f"refs/heads/{found.catalogue.settings.ledger_branch}") is not None:
        found = _with_faults(found, missing)
    return found


def _too_much(history: History, entries: list[Entry], files: int, size: int) -> Policy:
    """Return policies that deny everything, of which only settings and ledger keys are read: access ends by them."""
    needed = [entry for entry in entries if entry.path == SETTINGS or _is_key(entry.path)][:MOST_KEYS]
    contents = dict(history.blobs(dict.fromkeys(entry.oid for entry in needed)))
    found = read_policies({entry.path: contents[entry.oid] for entry in needed})
    message = f"the policies are {files} files and {size} bytes, at most {MOST_FILES} and {MOST_BYTES} are read"
    finding = Finding("policies-too-large", Place(f"{FOLDER}/"), message, "remove what is no policy from this folder")
    broken = (finding, *(one for one in found.broken if one.place.file == SETTINGS and one.code != _UNREAD))
    return replace(found, findings=broken, broken=broken)


def _is_key(path: str) -> bool:
    return path.endswith(".pub") and path.count("/") == 1


def fitted(policy: Policy, fits: Fits) -> Policy:
    """Return the policies with the roles that their targets cannot give: nobody is to approve one for nothing.

    Nothing is given either by policies that name a key of the ledger which is none.
    """
    policy = _with_faults(policy, [*_unread_keys(policy)])
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


def _unread_keys(policy: Policy) -> Iterator[Finding]:
    for name in policy.catalogue.settings.ledger_keys:
        if name in policy.keys and not is_pem(policy.keys[name]):
            yield _key_finding(name, "this is no public key in PEM form")


def _missing_keys(policy: Policy) -> Iterator[Finding]:
    for name in policy.catalogue.settings.ledger_keys:
        if name not in policy.keys:
            yield _key_finding(name, "this key of the ledger is missing")


def _key_finding(name: str, message: str) -> Finding:
    hint = "ledger.keys in policies/daypass.yaml names it; put back what it was"
    return Finding("ledger-key-unread", Place(f"{FOLDER}/{name}"), message, hint)


def _with_faults(policy: Policy, found: list[Finding]) -> Policy:
    """Return policies that deny everything for these faults as well."""
    if not found:
        return policy
    return replace(policy, broken=ordered([*policy.broken, *found]), findings=ordered([*policy.findings, *found]))


_LOOK_BACK = 100
"""So many steps of main that changed policies are gone back over for the last ones that read."""


def last_read(history: History, policy_at: Callable[[Oid], Policy], tip: Oid, since: Oid | None = None) -> Policy:
    """Return the policies of a commit of main; while they do not read, the last ones before that did.

    A resource whose own file does not read is taken from where it did last, in the same way. Access ends by them, and
    they say who may end it. ``since`` is where to look first. Where none are found, what came last is returned, by which
    nothing ends but windows.
    """
    policy = policy_at(tip)
    found = None if policy.broken else policy
    old: dict[str, Resource] = {}
    for start in dict.fromkeys((since, None)) if policy.broken or policy.faulty else ():
        try:
            steps = (s for s in history.landings(start, tip) if any(c.path.startswith(f"{FOLDER}/") for c in s.changes))
            for step in reversed(deque(steps, _LOOK_BACK)):
                earlier = policy_at(step.parents[0]) if step.parents else policy
                if not earlier.broken:
                    found = found or earlier
                    there = earlier.catalogue.resources
                    old |= {name: there[name] for name in found.faulty.keys() & (there.keys() - old.keys())}
                    if found.faulty.keys() <= old.keys():
                        return _with(found, old)
        except RefusedError:  # the history that is here was cut
            break
    return _with(found or policy, old)


def _with(policy: Policy, resources: Mapping[str, Resource]) -> Policy:
    if not resources:
        return policy
    return replace(policy, catalogue=replace(policy.catalogue, resources={**policy.catalogue.resources, **resources}))


def ledger_keys(
    history: History, policy_at: Callable[[Oid], Policy], tip: Oid, named: tuple[str, ...]
) -> dict[str, bytes]:
    """Return the keys of the ledger by name; one whose file is damaged as main had it last.

    So is one that is gone where no other is named: without any, nothing that has ended could be taken away.
    """
    there = policy_at(tip).keys
    found = {name: there[name] for name in named if is_pem(there.get(name, b""))}
    lost = {name for name in named if name not in found and (name in there or not found)}
    for step in reversed([*history.landings(None, tip)] if lost else []):
        moved = {change.path for change in step.changes}
        for name in [name for name in lost if f"{FOLDER}/{name}" in moved and step.parents]:
            earlier = policy_at(step.parents[0]).keys.get(name, b"")
            if is_pem(earlier):
                found[name] = earlier
                lost.remove(name)
    return found or {name: there[name] for name in named if name in there}
