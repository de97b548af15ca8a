"""can: whether access exists at this instant, for scripts; answers at once.

What a subject's role means at the target is worked out from the policies at the tip of main, and remembered by their
tree, so that asking again reads two small SQLite files and runs git once. The answer itself is always the target's own.
Nothing else is loaded for it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daypass.cli.quick.around import Said
from daypass.core.errors import EdgeError, ExitCode, InvalidError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from daypass.cli.quick.place import QuickPlace

_MOST = 10_000
"""How many meanings are remembered."""

_PARTS = 6


def answer(place: QuickPlace, *, subject: str, resource: str, role: str, quiet: bool, output: str) -> Said:
    """Say whether a role is held, by the exit code as well. Raises DaypassError where nobody can tell."""
    asked, yes = holds(place.folder, subject, resource, role)
    out = "" if quiet else told(asked, subject, role, output, yes=yes)
    return Said(out, "json", code=ExitCode.OK if yes else ExitCode.NO)  # two words are not folded


def told(asked: tuple[str, str, str, str], subject: str, role: str, output: str, *, yes: bool) -> str:
    """Write what was asked of the target, and its answer."""
    if output == "text":
        return "yes\n" if yes else "no\n"
    import json

    from daypass.views.findings import as_output

    names = ("target", "resource", "principal", "privilege")
    entitlement = dict(zip(names, asked, strict=True)) | {"privilege_fields": json.loads(asked[-1])}
    return as_output({"subject": subject, "role": role, **entitlement, "holds": yes})


def holds(folder: Path, subject: str, resource: str, role: str) -> tuple[tuple[str, str, str, str], bool]:
    """Return what a role is at its target (target, resource, principal, privilege), and whether it is held there.

    Raises DaypassError where nobody can tell.
    """
    from daypass.edges.store import AnswerCache

    policies, state = _place(folder)
    answers, key = AnswerCache(state), f"{policies}\0{subject}\0{resource}\0{role}"
    found = (answers.recall("can", key) or "").split("\0")
    if len(found) != _PARTS:
        found = _work_out(folder, subject, resource, role)
        answers.keep("can", "\0".join(found), key, most=_MOST)
    kind, store, target, principal, privilege, names = found
    # What was given before the resource was renamed stands under the name that it had.
    ways = [(target, name, principal, privilege) for name in names.split("\n")]
    if kind == "embedded":
        from daypass.edges.targets.embedded.store import holds as is_held

        # Its four fields alone: importing Entitlement would cost more than all the rest.
        held = next((asked for asked in ways if is_held(state / store, asked)), None)
    else:
        held = _ask_target(folder, ways)
    return held or ways[0], held is not None


def _place(folder: Path) -> tuple[str, Path]:
    """Return the tree of main's policies and the folder of this machine's state, with one run of git."""
    from daypass.edges.git.isolation import attempt
    from daypass.edges.store import state_folder

    # The same clean environment as everywhere: a replaced object must not make old policies out of new ones.
    done = attempt(folder, "rev-parse", "refs/heads/main:policies", "--git-common-dir")
    lines = os.fsdecode(done.stdout).split("\n")
    if done.returncode != 0 or len(lines) < 2:  # noqa: PLR2004  (two questions, two lines)
        from daypass.cli.repository import AccessRepository

        _ = AccessRepository(folder).tip  # says what stands in the way of any verb
        raise EdgeError(
            "this is no access repository: main has no policies/", hint="run it inside one, or name it with -C"
        )
    return lines[0], state_folder() or (folder / lines[1]).resolve() / "daypass"


def _work_out(folder: Path, subject: str, resource: str, role: str) -> list[str]:
    from daypass.cli.repository import AccessRepository
    from daypass.core.finding import near
    from daypass.core.ids import canonical
    from daypass.edges.targets.embedded.target import read_options

    repo = AccessRepository(folder)
    catalogue = repo.policy.catalogue
    subject, resource, role = catalogue.renames.of(subject, resource, role)
    place = catalogue.resources.get(resource)
    if repo.policy.holes and (place is None or role not in place.roles or not catalogue.principal(subject, place)):
        # What looks like a slip may be what the broken file would have said.
        raise InvalidError("main's policies do not read, so nobody can tell", repo.policy.holes)
    if place is None:
        raise UsageError(f"the catalogue has no resource {resource!r}", hint="one of " + ", ".join(catalogue.resources))
    level = place.roles.get(role)
    if level is None:
        raise UsageError(f"{resource} has no role {role!r}", hint="one of " + ", ".join(place.roles))
    principal = catalogue.principal(subject, place)
    if not principal:
        if subject in catalogue.directory.subjects:
            hint = f"add identities: {{{place.target}: …}} to {subject} in policies/directory"
            raise UsageError(f"{subject} has no identity at target {place.target}", hint=hint)
        hint = near(subject, catalogue.directory.subjects, "people are in policies/directory")
        raise UsageError(f"the directory has no {subject!r}", hint=hint)
    target = catalogue.settings.targets[place.target]
    # Relative to the state folder: a repository that is moved or copied asks its own store.
    store = str(read_options(target)) if target.kind == "embedded" else ""
    names = "\n".join((place.name, *place.was))
    return [target.kind, store, target.name, principal, canonical(dict(level.privilege)), names]


def _ask_target(folder: Path, ways: Sequence[tuple[str, str, str, str]]) -> tuple[str, str, str, str] | None:
    """Return which of some entitlements of one target is there, None where none is."""
    from daypass.cli.repository import AccessRepository
    from daypass.core.plan import Entitlement
    from daypass.ports import Observing

    name = ways[0][0]
    target = AccessRepository(folder).targets()[name]
    if isinstance(target, EdgeError):
        raise target
    if not isinstance(target, Observing):
        hint = "`daypass status` lists the grants that are live by the ledger"
        raise EdgeError(f"nobody can see what access exists at target {name}", hint=hint)
    there = target.observe()
    return next((asked for asked in ways if Entitlement(*asked) in there), None)
