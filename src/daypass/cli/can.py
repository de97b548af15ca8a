"""can: whether access exists at this instant, for scripts; starts at once.

What a subject's role means at the target is worked out from the policies at the tip of main, and remembered by their
tree, so that asking again reads two small SQLite files and runs git once. The answer itself is always the target's own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daypass.cli.verb import Named, format_option, show_data, state_folder
from daypass.core.errors import EdgeError, ExitCode, InvalidError, UsageError

if TYPE_CHECKING:
    from daypass.cli.main import Invocation


_MOST = 10_000
"""How many meanings are remembered."""

_PARTS = 5


@click.command()
@click.argument("subject", type=Named("handle"))
@click.argument("resource", type=Named("resource"))
@click.argument("role", type=Named("role"))
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit code says it.")
@format_option(["text", "json"])
@click.pass_obj
def can(invocation: Invocation, subject: str, resource: str, role: str, quiet: bool, output: str) -> int:
    """Exit 0 when SUBJECT holds ROLE on RESOURCE at this instant, 20 when not.

    Asks the target, not the plan: what it says is what is so.
    """
    from daypass.edges.store import AnswerCache

    folder = Path(invocation.folder)
    policies, state = _place(folder)
    answers, key = AnswerCache(state), f"{policies}\0{subject}\0{resource}\0{role}"
    found = (answers.recall("can", key) or "").split("\0")
    if len(found) != _PARTS:
        found = _work_out(folder, subject, resource, role)
        answers.keep("can", "\0".join(found), key, most=_MOST)
    kind, store, target, principal, privilege = found
    if kind == "embedded":
        from daypass.edges.targets.embedded.store import holds

        # Its four fields alone: importing Entitlement would cost more than all the rest.
        yes = holds(state / store, (target, resource, principal, privilege))
    else:
        yes = _ask_target(folder, (target, resource, principal, privilege))
    if output == "json" and not quiet:
        import json

        asked = {"subject": subject, "resource": resource, "role": role}
        fields = {"privilege": privilege, "privilege_fields": json.loads(privilege)}
        show_data(asked | {"target": target, "principal": principal, **fields, "holds": yes})
    elif not quiet:
        click.echo("yes" if yes else "no")
    return int(ExitCode.OK if yes else ExitCode.NO)


def _place(folder: Path) -> tuple[str, Path]:
    """Return the tree of main's policies and the folder of this machine's state, with one run of git."""
    from daypass.edges.git.plumbing import Git

    # The same clean environment as everywhere: a replaced object must not make old policies out of new ones.
    done = Git(folder).attempt("rev-parse", "refs/heads/main:policies", "--git-common-dir")
    lines = os.fsdecode(done.stdout).split("\n")
    if done.returncode != 0 or len(lines) < 2:  # noqa: PLR2004  (two questions, two lines)
        from daypass.edges.git.repository import open_repository

        open_repository(folder)  # says what stands in the way of any verb
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
    return [target.kind, store, target.name, principal, canonical(dict(level.privilege))]


def _ask_target(folder: Path, entitlement: tuple[str, str, str, str]) -> bool:
    from daypass.cli.repository import AccessRepository
    from daypass.core.plan import Entitlement
    from daypass.ports import Observing

    target = AccessRepository(folder).targets()[entitlement[0]]
    if isinstance(target, EdgeError):
        raise target
    if not isinstance(target, Observing):
        hint = "`daypass status` lists the grants that are live by the ledger"
        raise EdgeError(f"nobody can see what access exists at target {entitlement[0]}", hint=hint)
    return Entitlement(*entitlement) in target.observe()
