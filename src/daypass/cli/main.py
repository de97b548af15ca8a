"""The entry point: the table of verbs, each imported only when it is run, and how errors leave the process.

Help and shell completion read the table alone, so that they start at once.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from daypass import __version__
from daypass.core.errors import DaypassError, EdgeError, ExitCode, InvalidError, UsageError

VERBS: dict[str, tuple[str, str]] = {
    "init": ("daypass.cli.init:init", "make a new access repository"),
    "request": ("daypass.cli.request:request", "ask for access: write a grant and open a pull request"),
    "extend": ("daypass.cli.request:extend", "ask for more time on a grant"),
    "end": ("daypass.cli.revoke:end", "end a grant early"),
    "revoke": ("daypass.cli.revoke:revoke", "emergency stop: end every grant of a subject or on a resource at once"),
    "check": ("daypass.cli.check:check", "validate grants and policies, or what a pull request changes"),
    "explain": ("daypass.cli.check:explain", "tell the decision on a grant in words"),
    "policy": ("daypass.cli.check:policy", "work with the rules: policy test"),
    "show": ("daypass.cli.review:show", "show a pull request whole: what it asks for, does, and waits for"),
    "approve": ("daypass.cli.review:approve", "approve a pull request as the acting person"),
    "reject": ("daypass.cli.review:reject", "reject a pull request as the acting person"),
    "withdraw": ("daypass.cli.review:withdraw", "take your own review back"),
    "close": ("daypass.cli.review:close", "close a pull request without merging it"),
    "gate": ("daypass.cli.review:gate", "merge what has every approval it needs"),
    "sync": (
        "daypass.cli.sync:sync",
        "share the local forge with a team: fetch and push requests, main and the ledger",
    ),
    "report": ("daypass.cli.report:report", "show a pull request's state where its reviewers look"),
    "status": ("daypass.cli.review:status", "list open requests and live grants"),
    "plan": ("daypass.cli.apply:plan", "show the changes that would be made at the targets"),
    "drift": ("daypass.cli.drift:drift", "say where the targets are not as main says"),
    "targets": ("daypass.cli.targets:targets", "look at each target's health, and at what our credential may do there"),
    "import": ("daypass.cli.import_:import_", "propose existing access as grants with an end"),
    "apply": ("daypass.cli.apply:apply", "make the changes, with receipts"),
    "fetch": ("daypass.cli.fetch:fetch", "get what a grant hands over to you: a certificate, or a sealed secret"),
    "krl": ("daypass.cli.fetch:krl", "write an ssh target's key revocation list, for hosts to fetch"),
    "expire": ("daypass.cli.apply:expire", "revoke what has ended and open the removal pull request"),
    "watch": ("daypass.cli.watch:watch", "apply without end: at every boundary and after every merge"),
    "heartbeat": ("daypass.cli.watch:heartbeat", "fail when no run was recorded in time"),
    "audit": ("daypass.cli.audit:audit", "answer who could reach what, and prove it: access, history, verify, stats"),
    "ledger": ("daypass.cli.ledger:ledger", "end a doubt about what was given: ledger settle"),
    "can": ("daypass.cli.can:can", "exit 0 when access exists at this instant, 20 when not"),
    "codeowners": ("daypass.cli.codeowners:codeowners", "write .github/CODEOWNERS from the catalogue, or say who owns"),
    "doctor": ("daypass.cli.doctor:doctor", "say what is unsafe in the repository's settings at GitHub, and mend it"),
    "forge": ("daypass.cli.forge:forge", "print the kind of forge that main's settings name, for scripts"),
    "form": ("daypass.cli.form:form", "write the issue form that people ask with, from the catalogue, or check it"),
    "answer": ("daypass.cli.form:answer", "answer an issue or a comment that asks for access"),
    "refresh": ("daypass.cli.refresh:refresh", "propose the generated files that main has outgrown"),
    "schema": ("daypass.cli.init:schema", "print a JSON Schema for editors"),
    "demo": ("daypass.cli.demo:demo", "play the life of three grants in a temporary repository"),
    "completion": ("daypass.cli.completion:completion", "print the shell completion script"),
}
"""Each verb: where it is, and its line of help."""


class Verbs(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table: the order of a grant's life."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name][0].split(":")
        from daypass.cli.examples import add_examples

        return add_examples(cmd_name, getattr(importlib.import_module(module), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that was typed; say which one may have been meant where there is none."""
        if args[0] not in VERBS and not ctx.resilient_parsing:
            close = get_close_matches(args[0], VERBS, 1, 0.6)
            hint = f"did you mean {close[0]}?" if close else "`daypass --help` lists them"
            raise UsageError(f"there is no verb {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs' lines without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Offer verbs without importing any."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=line) for name, (_, line) in VERBS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def _handles(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[Any]:
    from daypass.cli.offers import offers

    return offers("handle", ctx, incomplete)


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 fine, 1 the tool failed, 2 bad usage, 10 a file is invalid, 11 policy denies, "
    "12 approvals missing, 13 there are changes, 14 done in part, 20 no (can), nothing there (fetch, audit serial).",
)
@click.option(
    "-C",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Run as if started in this folder.",
)
@click.option(
    "--as",
    "acting",
    metavar="HANDLE",
    default="",
    shell_complete=_handles,
    help="Act as this person of the directory (local forge only).",
)
@click.version_option(__version__, prog_name="daypass")
@click.pass_context
def cli(ctx: click.Context, folder: Path, acting: str) -> None:
    """Just-in-time access as pull requests, policy as code.

    \b
    A first look:   daypass demo
    A new start:    daypass init access --example && cd access
                    daypass --as alice request --resource orders-db --role readonly --for 8h --reason "a first look"
                    daypass --as bob approve 1 && daypass --as dave approve 1 && daypass gate 1 && daypass apply
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    ctx.ensure_object(dict).update(folder=folder, acting=acting)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error leaves by stderr with its hint."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # in a locale without UTF-8, an answer with escapes beats none
            stream.reconfigure(errors="backslashreplace")
    told: dict[str, Any] = {}
    try:
        code = cli.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="daypass",
            standalone_mode=False,
            obj=told,
        )
    except click.ClickException as error:
        error.show()
        return int(ExitCode.USAGE)
    except click.Abort:
        from daypass.cli.written import interrupted

        click.echo("\n".join(interrupted(told.get("written", {}))), err=True)
        return int(ExitCode.FAILED)
    except DaypassError as error:
        show_error(error)
        return int(error.exit_code)
    except BrokenPipeError:
        # The reader went away (`| head`); pointing stdout elsewhere keeps Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    except OSError as error:
        show_os_error(error)
        return int(ExitCode.FAILED)
    return code if isinstance(code, int) else 0


def show_error(error: DaypassError) -> None:
    """Write an error, its findings and its hint to stderr."""
    from daypass.views.findings import joined

    # What others wrote (names of files and people, a target's words) stands in messages.
    lines = [f"daypass: {error.message}"]
    if isinstance(error, InvalidError):
        for finding in error.findings:
            lines.append(f"  {finding.place}: {finding.message} [{finding.code}]")
            lines += [f"    hint: {finding.hint}"] if finding.hint else []
    lines += [f"  hint: {error.hint}"] if error.hint else []
    click.echo(joined(lines), nl=False, err=True)


def show_os_error(error: OSError) -> None:
    """Write what the system refused, and where: a full disk, a folder that may not be written."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    said = error.strerror or str(error) or "the system refused"
    hint = "is there room on the disk, and may this user read and write there? What was written stands; run it again"
    show_error(EdgeError(f"{where}{said}", hint=hint))
