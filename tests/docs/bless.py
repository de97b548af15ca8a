"""Write the generated parts of the documents: ``PYTHONPATH=src python tests/docs/bless.py``.

The verbs as the command line's help has them (docs/verbs.md), and the words of conditions as the vocabulary
has them (docs/rules.md). The tests beside this file compare.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
from click.testing import CliRunner
from pages import TOP, between, put_between

from daypass.cli.main import cli
from daypass.core.policy.facts import ASKED, FUNCTIONS, VOCABULARY

VERBS_PAGE = TOP / "docs" / "verbs.md"
RULES = TOP / "docs" / "rules.md"


def help_text(*verb: str) -> str:
    """Return what ``daypass VERB --help`` prints, as a block."""
    said = CliRunner().invoke(cli, [*verb, "--help"], prog_name="daypass", terminal_width=100, color=False)
    assert said.exit_code == 0, said.output
    return f"```text\n{said.output.rstrip()}\n```\n"


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every verb and what is below it, as its words and its command."""
    yield from _below(cli, ())


def _below(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from _below(command, (*words, name))


def verbs_text() -> str:
    """Return the help of every verb, each under a heading of its own."""
    return "\n".join(f"## daypass {' '.join(words)}\n\n{help_text(*words)}" for words, _ in commands())


def vocabulary_text() -> str:
    """Return the variables and our functions as tables."""
    rows = ["| variable | type | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{name}` | {kind.value} | {_cell(says)} |" for name, (kind, says) in VOCABULARY.items()]
    rows += ["", "| function | meaning |", "| --- | --- |"]
    rows += [f"| `{signature}` | {_cell(says)} |" for signature, says in FUNCTIONS.values()]
    asked = f"{', '.join(f'`{beginning}`' for beginning in ASKED[:-1])} and `{ASKED[-1]}`"
    rows += [
        "",
        f"Names that begin with {asked} have a value only while a request is judged. A rule that reads one is asked when",
        "a request is opened and when it is merged, and not when `daypass check` looks at grants that were merged long ago.",
    ]
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


GENERATED = (
    (VERBS_PAGE, "verbs", help_text),
    (VERBS_PAGE, "help", verbs_text),
    (RULES, "vocabulary", vocabulary_text),
)
"""Page, name of the part, and how it is made."""


def main() -> int:
    """Bring every generated part up to date."""
    for page, name, make in GENERATED:
        if between(page, name) != make():
            put_between(page, name, make())
            print(f"wrote {name} in {page.relative_to(TOP)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
