"""The entry point: the table of verbs, each imported only when it is run, and how errors leave the process.

Help and shell completion read the table alone, so that they start at once.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from daypass import __version__
from daypass.core.errors import DaypassError, EdgeError, ExitCode, InvalidError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from daypass.cli.repository import AccessRepository

VERBS: dict[str, tuple[str, str]] = {
    "init": ("init:init", "make a new access repository"),
    "setup": ("founding:setup", "set the repository up at GitHub, step by step: App, secrets, rules, a self-test"),
    "request": ("verbs.request:request", "ask for access: write a grant and open a pull request"),
    "extend": ("verbs.request:extend", "ask for more time on a grant"),
    "end": ("verbs.revoke:end", "end a grant early"),
    "revoke": ("verbs.revoke:revoke", "emergency stop: end every grant of a subject or on a resource at once"),
    "check": ("verbs.policies.check:check", "validate grants and policies, or what a pull request changes"),
    "explain": ("verbs.policies.check:explain", "tell the decision on a grant in words"),
    "catalogue": (
        "verbs.policies.policy:catalogue",
        "list what somebody can ask for, for how long and by whose approval",
    ),
    "policy": (
        "verbs.policies.policy:policy",
        "work with the rules: policy test, lint, prove, diff, replay, who-can, why-not",
    ),
    "show": ("verbs.review:show", "show a pull request whole: what it asks for, does, and waits for"),
    "approve": ("verbs.review:approve", "approve a pull request as the acting person"),
    "reject": ("verbs.review:reject", "reject a pull request as the acting person"),
    "withdraw": ("verbs.review:withdraw", "take your own review back"),
    "close": ("verbs.review:close", "close a pull request without merging it"),
    "gate": ("verbs.review:gate", "merge what has every approval it needs"),
    "sync": (
        "verbs.forge:sync",
        "share the local forge with a team: fetch and push requests, main and the ledger",
    ),
    "report": ("verbs.forge:report", "show a pull request's state where its reviewers look"),
    "status": ("verbs.review:status", "list open requests and live grants"),
    "plan": ("verbs.apply:plan", "show the changes that would be made at the targets"),
    "drift": ("verbs.targets:drift", "say where the targets are not as main says"),
    "targets": ("verbs.targets:targets", "look at each target's health, and at what our credential may do there"),
    "import": ("verbs.targets:import_", "propose existing access as grants with an end"),
    "apply": ("verbs.apply:apply", "make the changes, with receipts"),
    "fetch": ("verbs.fetch:fetch", "get what a grant hands over to you: a certificate, or a sealed secret"),
    "krl": ("verbs.fetch:krl", "write an ssh target's key revocation list, for hosts to fetch"),
    "expire": ("verbs.apply:expire", "revoke what has ended and open the removal pull request"),
    "watch": ("verbs.apply:watch", "apply without end: at every boundary and after every merge"),
    "heartbeat": ("verbs.apply:heartbeat", "fail when no run was recorded in time"),
    "audit": ("verbs.audit:audit", "answer who could reach what, and prove it: access, history, case, verify, stats"),
    "ledger": ("verbs.ledger:ledger", "end a doubt about what was given, change its key, put its branch back"),
    "can": ("verbs.targets:can", "exit 0 when access exists at this instant, 20 when not"),
    "codeowners": ("verbs.generated:codeowners", "write .github/CODEOWNERS from the catalogue, or say who owns"),
    "rota": ("verbs.generated:rota", "say who is on call, and when that changes; bring a rota from elsewhere"),
    "calendar": ("verbs.generated:calendar", "look at the calendars that rules ask, or print one of public holidays"),
    "people": (
        "verbs.people:people",
        "bring people into the directory from a team, a table or a directory service; end the access of those who left",
    ),
    "doctor": ("verbs.forge:doctor", "say what is unsafe in how the repository is set up, and mend it"),
    "forge": ("verbs.forge:forge", "print the kind of forge that main's settings name, for scripts"),
    "form": ("verbs.generated:form", "write the issue form that people ask with, from the catalogue, or check it"),
    "answer": ("verbs.forge:answer", "answer an issue or a comment that asks for access"),
    "refresh": ("verbs.generated:refresh", "propose the generated files that main has outgrown"),
    "schema": ("init:schema", "print a JSON Schema for editors"),
    "demo": ("init:demo", "play what becomes of three requests in a temporary repository"),
    "completion": ("completion:completion", "print the shell completion script"),
}
"""Each verb: where it is below this folder, and its line of help."""

EXAMPLES: dict[str, str] = {
    "init": "daypass init access --example\ndaypass init access --github acme/access   # kept at GitHub",
    "setup": "daypass setup --dry-run   # says what is there, and what it would do\ndaypass setup",
    "extend": "daypass extend staging/try-the-fix --for 30m",
    "end": "daypass end staging/try-the-fix",
    "explain": "daypass explain staging/try-the-fix --requester alice\ndaypass explain grants/staging/try-the-fix.yaml",
    "catalogue": "daypass catalogue --for alice\ndaypass catalogue --for alice --resource staging",
    "policy": "daypass policy test",
    "policy diff": "daypass policy diff main",
    "policy replay": "daypass policy replay main",
    "policy who-can": "daypass policy who-can orders-db readonly",
    "policy why-not": "daypass policy why-not alice orders-db readonly",
    "policy test": "daypass policy test --revision main   # as main has them, not the work tree",
    "approve": "daypass approve 1",
    "reject": 'daypass reject 1 --reason "The staging copy will do"',
    "show": "daypass show 1",
    "withdraw": "daypass withdraw 2",
    "close": "daypass close 1",
    "gate": "daypass gate        # every open request\ndaypass gate 1      # exits 12 while approvals are missing",
    "sync": "daypass sync\ndaypass sync --take 1      # the number was taken at origin first",
    "report": "daypass report 1 --print",
    "status": "daypass status\ndaypass status --format json",
    "drift": "daypass drift",
    "targets": "daypass targets embedded",
    "import": "daypass import staging --dry-run",
    "apply": "daypass apply\ndaypass apply --detailed-exitcode   # exits 13 when something was changed",
    "expire": "daypass expire",
    "watch": "daypass watch --poll 30s --refresh 10m",
    "heartbeat": "daypass heartbeat --max-age 26h",
    "audit": "daypass audit access --resource orders-db\ndaypass audit history --subject alice",
    "audit history": "daypass audit history --grant staging/try-the-fix\n"
    "daypass audit history --subject alice --format csv",
    "audit stats": "daypass audit stats",
    "audit case": "daypass audit case DSR-1234   # exits 20 for a case that nothing is on record of",
    "audit vendor": "daypass audit vendor helpdesk --format json",
    "audit serial": "daypass audit serial 7283419   # exits 20 for a number that the ledger does not know",
    "audit verify": "daypass audit verify",
    "ledger": 'daypass ledger settle staging/try-the-fix --adopt --reason "The store was rebuilt"',
    "can": "daypass can alice staging deploy -q || echo no",
    "codeowners": "daypass codeowners --check\ndaypass codeowners --who grants/orders-db/any.yaml",
    "rota": "daypass rota show",
    "calendar": "daypass calendar show\ndaypass calendar holidays DE-BE --years 2027 > policies/calendars/holidays.yaml",
    "people": "daypass people import --csv staff.csv --dry-run\ndaypass people check",
    "doctor": "daypass doctor\ndaypass doctor --fix --yes",
    "forge": "daypass forge",
    "form": "daypass form --check",
    "answer": 'daypass answer "$GITHUB_EVENT_PATH"   # in a workflow that an issue or a comment starts',
    "refresh": "daypass refresh",
    "schema": "daypass schema grant > grant.schema.json",
    "demo": "daypass demo",
    "completion": 'eval "$(daypass completion bash)"',
}
"""Examples for the help of each verb, as they are typed. Tests run every line in a repository with such a request open."""


def _with_examples(name: str, command: click.Command) -> click.Command:
    """Put a verb's examples below its help, and those of the verbs in it below theirs."""
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            _with_examples(f"{name} {below}", one)
    if name in EXAMPLES:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[name].split("\n"))
    return command


class Invocation:
    """One run of the command line: where, as whom, and what it has written at the forge and in the ledger so far."""

    def __init__(self) -> None:
        self.folder = "."
        self.acting = ""
        self.written: dict[object, str] = {}

    def repo(self) -> AccessRepository:
        """Return the repository around the folder, as this clone has it."""
        from pathlib import Path

        from daypass.cli.repository import AccessRepository

        return AccessRepository(Path(self.folder), self.acting)


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
        return _with_examples(cmd_name, getattr(importlib.import_module(f"daypass.cli.{module}"), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that was typed; say which one may have been meant where there is none."""
        if args[0] not in VERBS and not ctx.resilient_parsing:
            from difflib import get_close_matches

            close = get_close_matches(args[0], VERBS, 1, 0.6)
            hint = f"did you mean {close[0]}?" if close else "`daypass --help` lists them"
            raise UsageError(f"there is no verb {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs' lines without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer verbs without importing any."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=line) for name, (_, line) in VERBS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def _handles(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from daypass.cli.completion import offers

    return offers("handle", ctx, incomplete)


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 fine, 1 the tool failed, 2 bad usage, 10 a file is invalid, 11 policy denies, "
    "12 approvals missing, 13 there are changes, 14 done in part, 20 no (can), nothing there (fetch, audit case, serial).",
)
@click.option(
    "-C",
    "folder",
    type=click.Path(exists=True, file_okay=False),
    default=".",
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
def cli(ctx: click.Context, folder: str, acting: str) -> None:
    """Just-in-time access as pull requests, policy as code.

    \b
    A first look:   daypass demo
    A new start:    daypass init access --example && cd access
                    daypass --as alice request --resource orders-db --role readonly --for 8h --reason "a first look"
                    daypass --as bob approve 1 && daypass --as dave approve 1 && daypass gate 1 && daypass apply
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    invocation = ctx.ensure_object(Invocation)
    invocation.folder, invocation.acting = folder, acting


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error leaves by stderr with its hint."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # in a locale without UTF-8, an answer with escapes beats none
            stream.reconfigure(errors="backslashreplace")
    invocation = Invocation()
    try:
        code = cli.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="daypass",
            standalone_mode=False,
            obj=invocation,
        )
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.NoSuchOption) and error.option_name in ("--as", "-C"):
            click.echo(f"  hint: {error.option_name} goes before the verb: daypass {error.option_name} …", err=True)
        return int(ExitCode.USAGE)
    except DaypassError as error:
        show_error(error)
        return int(error.exit_code)
    except (click.Abort, OSError) as error:
        return int(failed(error, invocation.written))
    return code if isinstance(code, int) else 0


def failed(error: BaseException, written: Mapping[object, str] = MappingProxyType({})) -> ExitCode:
    """Tell of an interruption, which says what was ``written``, or of what the system refused."""
    if isinstance(error, BrokenPipeError):
        # The reader went away (`| head`); pointing stdout elsewhere keeps Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, OSError):
        show_os_error(error)
    else:
        from daypass.cli.verb import interrupted

        first, *more = interrupted(written)
        if isinstance(error.__context__, EOFError):  # as click has it
            hint = "  hint: answer at a terminal, or see `--help` for what is asked without one"
            first = f"\n{first.replace('interrupted', 'a question was asked, and the input has ended')}"
            more = [*more, hint]
        click.echo("\n".join([first, *more]), err=True)
    return ExitCode.FAILED


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
