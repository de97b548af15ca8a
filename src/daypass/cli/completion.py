"""Shell completion: click's script, and what the shell offers while a command is typed.

These are handles, resources, roles, open requests and grants of main. Nothing is brought from a forge elsewhere for it,
and what cannot be read offers nothing: an error would stand in the middle of what somebody is typing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from daypass.core.errors import DaypassError

if TYPE_CHECKING:
    from daypass.cli.repository import AccessRepository


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(daypass completion bash)"
    zsh:   eval "$(daypass completion zsh)"
    fish:  daypass completion fish | source
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(found(cli, {}, "daypass", "_DAYPASS_COMPLETE").source())


def offers(kind: str, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Return what of a kind (handle, resource, role …) begins with what is typed, with a word on each."""
    from pathlib import Path

    from daypass.cli.repository import AccessRepository
    from daypass.views.findings import printable

    root = ctx.find_root().params
    repo = AccessRepository(Path(root.get("folder") or ""), str(root.get("acting") or ""))
    find = _FINDERS.get(kind)
    if find is None:
        return []
    try:
        # Names come from strangers: an escape or a line end would act on the terminal, or pass for another offer.
        found = [
            (value, about) for value, about in find(repo, ctx) if value.startswith(incomplete) and value.isprintable()
        ]
    except (DaypassError, OSError):
        return []
    return [CompletionItem(value, help=printable(about)) for value, about in sorted(found)]


def _handles(repo: AccessRepository, _: click.Context) -> Iterator[tuple[str, str]]:
    for subject in repo.policy.catalogue.directory.subjects.values():
        yield subject.handle, subject.name


def _resources(repo: AccessRepository, _: click.Context) -> Iterator[tuple[str, str]]:
    for resource in repo.policy.catalogue.resources.values():
        yield resource.name, resource.title


def _roles(repo: AccessRepository, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Return the roles of the resource that was typed already; of all where none was."""
    resources = repo.policy.catalogue.resources
    named = str(ctx.params.get("resource"))
    for resource in [resources[named]] if named in resources else resources.values():
        for role in resource.roles.values():
            yield role.name, role.title


def _purposes(repo: AccessRepository, _: click.Context) -> Iterator[tuple[str, str]]:
    for purpose in repo.policy.catalogue.purposes.values():
        yield purpose.name, purpose.title


def _details(repo: AccessRepository, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Return the fields of the purpose that was typed already, each choice of one whole."""
    purpose = repo.policy.catalogue.purposes.get(str(ctx.params.get("purpose")))
    for of in purpose.fields.values() if purpose is not None else ():
        for value in of.of if of.kind == "choice" else ("",):
            yield f"{of.name}={value}", of.title


def _requests(repo: AccessRepository, _: click.Context) -> Iterator[tuple[str, str]]:
    if not repo.elsewhere:
        for pull in repo.forge.open_pulls():
            yield str(pull.number), pull.title


def _grants(repo: AccessRepository, _: click.Context) -> Iterator[tuple[str, str]]:
    from daypass.core.ids import FOLDER, SUFFIX, grant_id

    for entry in repo.history.entries(repo.tip, FOLDER.rstrip("/")):
        if entry.path.endswith(SUFFIX):
            yield grant_id(entry.path), ""


_FINDERS: Mapping[str, Callable[[AccessRepository, click.Context], Iterator[tuple[str, str]]]] = {
    "handle": _handles,
    "resource": _resources,
    "role": _roles,
    "purpose": _purposes,
    "detail": _details,
    "request": _requests,
    "grant": _grants,
}
