"""demo: the life of three grants in a repository of its own, by public verbs only, on a clock that runs ahead."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import click

from daypass.core.errors import DaypassError, UsageError

_STORY: tuple[tuple[str, str, int], ...] = (
    ("# A new access repository: a catalogue, five people, three rules, a ledger.", "", 0),
    ("", "init . --example --simulated-clock --at 2026-11-20T21:00:00Z", 0),
    ("", "check", 0),
    ("", "policy test", 0),
    ("# 1. Alice needs production data. Policy asks for two people; she is not one of them.", "", 0),
    (
        "",
        "--as alice request --resource orders-db --role readonly --for 2h --ticket INC-1234"
        ' --reason "Duplicate charges reported by support" --at 2026-11-20T21:01:00Z',
        0,
    ),
    ("", "--as alice approve 1 --at 2026-11-20T21:02:00Z", 11),
    ("", "--as bob approve 1 --at 2026-11-20T21:03:00Z", 0),
    ("", "gate 1 --at 2026-11-20T21:04:00Z", 12),
    ("", "--as dave approve 1 --at 2026-11-20T21:05:00Z", 0),
    ("", "gate 1 --at 2026-11-20T21:06:00Z", 0),
    ("", "plan --at 2026-11-20T21:07:00Z", 0),
    ("", "apply --at 2026-11-20T21:07:00Z", 0),
    ("", "can alice orders-db readonly", 0),
    ("# 2. Payroll at night is refused, with the reason and with what would help.", "", 0),
    (
        "",
        '--as alice request --resource payroll --role readonly --for 8h --reason "Curious about last month"'
        " --at 2026-11-20T21:10:00Z",
        11,
    ),
    ("# 3. Short work on staging passes by itself.", "", 0),
    (
        "",
        '--as alice request --resource staging --role deploy --for 30m --reason "Trying the fix for INC-1234"'
        " --at 2026-11-20T21:11:00Z",
        0,
    ),
    ("", "gate 2 --at 2026-11-20T21:11:30Z", 0),
    ("", "apply --at 2026-11-20T21:12:00Z", 0),
    ("", "status --at 2026-11-20T21:15:00Z", 0),
    ("# Half an hour later staging is over; two hours later so is production. Nobody has to remember.", "", 0),
    ("", "expire --at 2026-11-20T21:42:00Z", 0),
    ("", "can alice staging deploy", 20),
    ("", "expire --at 2026-11-20T23:07:00Z", 0),
    ("", "can alice orders-db readonly", 20),
    ("", "gate 3 --at 2026-11-20T23:08:00Z", 0),
    ("", "apply --at 2026-11-20T23:09:00Z", 0),
    ("# What an auditor asks, from git and the ledger alone.", "", 0),
    ("", "audit access --resource orders-db --at 2026-11-20T22:00:00Z", 0),
    ("", "audit history --subject alice", 0),
    ("", "audit stats --at 2026-11-20T23:10:00Z", 0),
    ("", "audit verify --at 2026-11-20T23:10:00Z", 0),
)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
def demo(directory: Path | None) -> int:
    """Play the life of three grants in DIRECTORY (a temporary one by default): what to type, and what is seen.

    One is approved, one is refused with its reasons, one passes by itself; the two expire; the audit proves it all.
    """
    if directory is not None:
        if directory.exists() and any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty", hint="name a new directory")
        directory.mkdir(parents=True, exist_ok=True)
        _play(directory, directory.resolve().parent / f".{directory.resolve().name}-keys")
        click.echo(f"\nThe repository stays at {directory}; its signing key beside it. Try: git -C {directory} log")
        return 0
    with tempfile.TemporaryDirectory(prefix="daypass-demo-") as folder:
        top = Path(folder) / "access"
        top.mkdir()
        _play(top, Path(folder) / "keys")
    return 0


def _play(top: Path, keys: Path) -> None:
    """Run the story; a step that ends otherwise than told is an error of the program."""
    from daypass.cli.main import main

    os.environ["DAYPASS_KEYS"] = str(keys)
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Olga Platform"),
        ("config", "user.email", "olga@example.com"),
        ("config", "commit.gpgsign", "false"),
    ):
        subprocess.run(["git", "-C", str(top), *arguments], check=True, capture_output=True)
    for comment, line, wanted in _STORY:
        if comment:
            click.secho(f"\n{comment}", bold=True)
            continue
        click.secho(f"\n$ daypass {line}", fg="cyan")
        code = main(["-C", str(top), *shlex.split(line)])
        if code != wanted:
            raise DaypassError(f"the step ended with exit code {code}, where {wanted} was to come: daypass {line}")
        if code:
            click.echo(f"(exit code {code})")
