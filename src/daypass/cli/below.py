"""Groups of verbs: `audit`, `ledger`, `people` and their like."""

from __future__ import annotations

import click


class Below(click.Group):
    """A group of verbs, whose list has the whole first sentence of each."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each verb, wrapped and not cut."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(1000)) for name, one in sorted(self.commands.items())])
