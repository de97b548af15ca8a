"""Shell completion, as click makes it."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


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
