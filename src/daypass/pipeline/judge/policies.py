"""Reading the policies of commits of main: of one that the caller chooses, and of all that main can have stood at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from daypass.core.bounds.settings import Settings, TargetKinds, TargetSettings
from daypass.core.catalogue import Resource
from daypass.core.errors import EdgeError, InvalidError, RefusedError
from daypass.core.files.publickey import is_pem
from daypass.core.finding import Finding, Place, ordered
from daypass.core.forge import Entry
from daypass.core.ids import ABSENT, Oid
from daypass.core.policy.policies import SETTINGS, Policy, read_policies
from daypass.core.record import replace

if TYPE_CHECKING:
    from daypass.pipeline.context import Context
    from daypass.ports import History

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


def load_policy(history: History, revision: str, kinds: TargetKinds, fits: Fits) -> Policy:
    """Read every file below ``policies/`` at a revision. What is no plain file is refused in the policy's findings."""
    listed = list(history.entries(revision, FOLDER))
    entries = [entry for entry in listed if entry.mode.startswith("100")]
    sizes = history.sizes(dict.fromkeys(entry.oid for entry in entries))
    whole = sum(sizes[entry.oid] for entry in entries)
    if len(listed) > MOST_FILES or whole > MOST_BYTES:
        return _too_much(history, entries, kinds, len(listed), whole)
    contents = dict(history.blobs(entry.oid for entry in entries))
    links = [entry.path for entry in listed if not entry.mode.startswith("100")]
    found = read_policies({entry.path: contents[entry.oid] for entry in entries}, kinds=kinds, links=links)
    found = fitted(found, fits)
    named = () if found.broken else found.catalogue.settings.ledger_named
    missing = [_key_finding(name, "this key of the ledger is missing") for name in named if name not in found.keys]
    if missing and history.find(f"refs/heads/{found.catalogue.settings.ledger_branch}") is not None:
        found = _with_faults(found, missing)
    return found


def _too_much(history: History, entries: list[Entry], kinds: TargetKinds, files: int, size: int) -> Policy:
    """Return policies that deny everything, of which only settings and ledger keys are read: access ends by them."""
    keys = {entry.path for entry in entries if entry.path.endswith(".pub") and entry.path.count("/") == 1}
    needed = [entry for entry in entries if entry.path == SETTINGS or entry.path in keys][:MOST_KEYS]
    contents = dict(history.blobs(dict.fromkeys(entry.oid for entry in needed)))
    found = read_policies({entry.path: contents[entry.oid] for entry in needed}, kinds=kinds)
    message = f"the policies are {files} files and {size} bytes, at most {MOST_FILES} and {MOST_BYTES} are read"
    finding = Finding("policies-too-large", Place(f"{FOLDER}/"), message, "remove what is no policy from this folder")
    broken = (finding, *(one for one in found.broken if one.place.file == SETTINGS and one.code != _UNREAD))
    return replace(found, faults=broken, broken=broken)


def fitted(policy: Policy, fits: Fits) -> Policy:
    """Return the policies with the roles that their targets cannot give: nobody is to approve one for nothing.

    Nothing is given either by policies that name a key of the ledger which is none.
    """
    named = (name for name in policy.catalogue.settings.ledger_named if name in policy.keys)
    unread = [name for name in named if not is_pem(policy.keys[name])]
    policy = _with_faults(policy, [_key_finding(name, "this is no public key in PEM form") for name in unread])
    unfit: dict[tuple[str, str], tuple[str, str]] = {}
    catalogue = policy.catalogue
    for resource in catalogue.resources.values():
        settings = catalogue.settings.targets.get(resource.target)
        if settings is None:
            continue
        for role in resource.roles.values():
            try:
                fits(settings, role.privilege_text)
            except (EdgeError, InvalidError) as error:
                unfit[resource.name, role.name] = (error.message, error.hint)
    return replace(policy, unfit=unfit) if unfit else policy


def _key_finding(name: str, message: str) -> Finding:
    hint = "ledger.keys in policies/daypass.yaml names it; put back what it was"
    return Finding("ledger-key-unread", Place(f"{FOLDER}/{name}"), message, hint)


def _with_faults(policy: Policy, found: list[Finding]) -> Policy:
    """Return policies that deny everything for these faults as well."""
    if not found:
        return policy
    return replace(policy, broken=ordered([*policy.broken, *found]), faults=ordered([*policy.faults, *found]))


_LOOK_BACK = 100
"""So many steps of main that changed policies are gone back over for the last ones that read."""


def settings_of(context: Context, revision: Oid) -> Settings | None:
    """Return the settings of a commit of main, None where they do not read."""
    policy = context.policy_at(revision)
    return None if any(found.place.file == SETTINGS for found in policy.broken) else policy.catalogue.settings


def settings_before(context: Context, history: History, revision: Oid) -> Settings | None:
    """Return the last settings of main before a commit that read, None where none did. ``history`` leads back to its root."""
    steps = [s for s in history.landings(None, revision) if any(c.path == SETTINGS for c in s.changes)]
    earlier = (settings_of(context, parent) for step in reversed(steps) for parent in step.parents[:1])
    return next((settings for settings in earlier if settings is not None), None)


def last_read(context: Context, tip: Oid, since: Oid | None = None) -> Policy:
    """Return the policies of a commit of main; while they do not read, the last ones before that did.

    A resource whose own file does not read is taken from where it did last, in the same way. Access ends by them, and
    they say who may end it. ``since`` is where to look first. Where none are found, what came last is returned, by which
    nothing ends but windows.
    """
    policy = context.policy_at(tip)
    found = None if policy.broken else policy
    old: dict[str, Resource] = {}
    for start in dict.fromkeys((since, None)) if policy.broken or policy.faulty else ():
        try:
            landings = context.history.landings(start, tip)
            steps = (s for s in landings if any(c.path.startswith(f"{FOLDER}/") for c in s.changes))
            for step in reversed(deque(steps, _LOOK_BACK)):
                earlier = context.policy_at(step.parents[0]) if step.parents else policy
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


def ledger_keys(context: Context, tip: Oid, named: tuple[str, ...]) -> dict[str, bytes]:
    """Return the keys of the ledger by name; one whose file is damaged as main had it last.

    So is one that is gone where no other is named: without any, nothing that has ended could be taken away.
    """
    there = context.policy_at(tip).keys
    found = {name: there[name] for name in named if is_pem(there.get(name, b""))}
    lost = {name for name in named if name not in found and (name in there or not found)}
    for step in reversed([*context.history.landings(None, tip)] if lost else []):
        moved = {change.path for change in step.changes}
        for name in [name for name in lost if f"{FOLDER}/{name}" in moved and step.parents]:
            earlier = context.policy_at(step.parents[0]).keys.get(name, b"")
            if is_pem(earlier):
                found[name] = earlier
                lost.remove(name)
    return found or {name: there[name] for name in named if name in there}


_MOST = 50
"""So many policies of main are read for what can have been said at one time."""


class PastMains:
    """Tells where main can have stood at instants, and what it said there.

    Upholds: a branch of policies may have a request on top, approved before both are pushed to main; so where the
    request left main tells nothing of what main was then. What the ledger saw of main before does, and the forge's record.
    """

    def __init__(self, context: Context, base: Oid) -> None:
        self._context = context
        self._history = context.history
        self._base = base
        self._files: dict[Oid, tuple[Entry, ...]] = {}
        self._leading: dict[Oid, bool] = {}
        self._moves: dict[Oid | None, tuple[Oid, ...]] = {}

    def differ(self, at: datetime) -> bool:
        """Say whether main can have said something else than the base at an instant or after it."""
        floor = self._floor(at)
        return floor is None or bool(self._moved(floor))

    def of(self, told: Sequence[Oid], at: datetime) -> Iterator[tuple[Oid, Policy | None]]:
        """Yield the mains that there can have been at an instant and whose policies are others than the base's.

        Where one of them is told that does not lie on main's way to the base and on from there (the merge itself may have
        come within the same second), it can have been any since the ledger saw main, or ever.
        """
        mains = told if told and all(map(self._leads, told)) else self._since(self._floor(at))
        for main in dict.fromkeys(mains):
            if main == ABSENT:
                yield main, None
            elif self._of(main) != self._of(self._base):
                yield main, self._context.policy_at(main)

    def _floor(self, at: datetime) -> Oid | None:
        """Return where the ledger saw main before an instant by every clock: main only ever goes on from there."""
        seen = self._context.standing.main_before(at)
        return self._history.find(seen) if seen else None

    def _since(self, floor: Oid | None) -> tuple[Oid, ...]:
        moved = self._moved(floor)
        return (ABSENT,) if ABSENT in moved or len(moved) > _MOST else moved if floor is None else (floor, *moved)

    def _moved(self, floor: Oid | None) -> tuple[Oid, ...]:
        """Return the steps of main after one (None: from the first settings on) that changed policies; ABSENT: untold."""
        if floor not in self._moves:
            moved: list[Oid] = []
            try:
                for step in self._history.landings(floor, self._base):
                    if any(change.path == SETTINGS and change.added for change in step.changes):
                        moved = [step.oid]  # without settings nothing was asked for
                    elif any(change.path.startswith(f"{FOLDER}/") for change in step.changes):
                        moved.append(step.oid)
            except RefusedError:  # the ledger saw main where no step of it is
                moved = [ABSENT]
            self._moves[floor] = tuple(moved)
        return self._moves[floor]

    def _leads(self, main: Oid) -> bool:
        if main not in self._leading:
            there = self._history.find(main) is not None
            one_way = there and self._history.is_ancestor(main, self._base)
            self._leading[main] = one_way or (there and self._history.is_ancestor(self._base, main))
        return self._leading[main]

    def _of(self, main: Oid) -> tuple[Entry, ...]:
        if main not in self._files:
            self._files[main] = tuple(self._history.entries(main, FOLDER))
        return self._files[main]
