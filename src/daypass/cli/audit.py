"""audit access, history, verify, stats."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any

import click

from daypass.cli.options import GrantName, Named, at_option, format_option
from daypass.core.errors import ExitCode

_table = format_option(["text", "json", "csv"])


@click.group()
def audit() -> None:
    """Answer who could reach what, how it came to be and what ended it, from git and the ledger alone."""


def archive_of(site: Any) -> Any:
    """Return what questions about the past are asked of: the index beside the clone, and the ledger where it is behind."""
    from daypass.cli.site import progress
    from daypass.edges.git.index import AuditIndex
    from daypass.edges.git.plumbing import Git
    from daypass.pipeline.audit.questions import Archive

    def open_ledger() -> tuple[Any, Any]:
        return site.books.ledger, site.books.verifier.open

    # A question on an index that is up to date needs neither the settings nor the keys: nothing is opened for it.
    index = AuditIndex(Git(site.folder), main=site.main, read_subject=_read_subject, state=site.repository.state_dir)
    return Archive(index, open_ledger, progress)


def _read_subject(path: str, raw: bytes) -> str | None:
    from daypass.core.files.document import Document, read

    found = read(path, raw)
    subject = found.value.get("subject") if isinstance(found, Document) else None
    return subject if isinstance(subject, str) else None


def _known(site: Any, about: str) -> Collection[str]:
    """Return the names of main that a question may be about, though nothing was ever granted."""
    from daypass.core.grant import FOLDER, grant_id

    if about == "resource":
        return frozenset(site.policy.catalogue.resources)
    if about == "subject":
        return frozenset(site.policy.catalogue.directory.subjects)
    return frozenset(grant_id(entry.path) for entry in site.history.entries(site.tip, FOLDER.rstrip("/")))


def _print(answer: Any, output: str) -> None:
    from daypass.views.audit import audit_csv, audit_json, audit_text

    click.echo({"text": audit_text, "json": audit_json, "csv": audit_csv}[output](answer), nl=False)


@audit.command()
@click.option("--resource", type=Named("resource"), required=True, help="The resource.")
@at_option
@_table
@click.pass_obj
def access(obj: dict[str, Any], resource: str, at: datetime | None, output: str) -> int:
    """Say who could reach a resource at an instant.

    \b
    daypass audit access --resource orders-db --at 2026-11-21T09:00:00Z
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.cli.options import now
    from daypass.cli.site import Site
    from daypass.pipeline.audit import questions as pipeline

    site = Site(obj["folder"], obj["acting"])
    _print(pipeline.access(archive_of(site), resource, known=partial(_known, site, "resource"), at=at or now()), output)
    return 0


@audit.command()
@click.option("--subject", type=Named("handle"), default="", help="Everything about one person.")
@click.option("--resource", type=Named("resource"), default="", help="Everything about one resource.")
@click.option("--grant", type=GrantName(), default="", help="Everything about one grant.")
@at_option
@_table
@click.pass_obj
def history(obj: dict[str, Any], subject: str, resource: str, grant: str, at: datetime | None, output: str) -> int:
    """Tell each event with its commit, pull request, approvers, policy digest and receipt.

    Why access was asked for and for which ticket, and why it was ended, is read from git, as long as git has it.
    """
    from daypass.cli.options import now
    from daypass.cli.site import Site
    from daypass.pipeline.audit import questions as pipeline

    site = Site(obj["folder"], obj["acting"])
    about = "subject" if subject else "resource" if resource else "grant"
    answer = pipeline.history(
        archive_of(site),
        subject=subject,
        resource=resource,
        grant=grant,
        known=partial(_known, site, about),
        at=at or now(),
    )
    _print(answer, output)
    return 0


@audit.command()
@at_option
@format_option(["text", "json"])
@click.pass_obj
def stats(obj: dict[str, Any], at: datetime | None, output: str) -> int:
    """Tell, from receipts alone, how quick access came and how late it went.

    Time from request to usable access, from approval to usable access, lateness of every removal (end of window to
    verified absence: median, 95th percentile, worst), live grants, removals missed or retried.
    """
    from daypass.cli.options import now
    from daypass.cli.site import Site
    from daypass.pipeline.audit import questions as pipeline

    _print(pipeline.stats(archive_of(Site(obj["folder"], obj["acting"])), at=at or now()), output)
    return 0


@audit.command()
@click.argument("number", type=click.IntRange(min=1))
@at_option
@click.pass_obj
def serial(obj: dict[str, Any], number: int, at: datetime | None) -> int:
    """Lead the serial NUMBER of an SSH certificate, as sshd logs it, back to its grants. Exit 20 for an unknown one."""
    from daypass.cli.options import now
    from daypass.cli.site import Site
    from daypass.pipeline.ask.fetch import find_serial
    from daypass.pipeline.audit.questions import refresh
    from daypass.views.plan import serial_text

    archive = archive_of(Site(obj["folder"], obj["acting"]))
    refresh(archive, at=at or now())
    found = find_serial(archive.index.all_receipts(), number)
    if found is None:
        click.echo(f"daypass: the ledger knows of no certificate {number}", err=True)
        return int(ExitCode.NO)
    click.echo(serial_text(number, *found), nl=False)
    return 0


@audit.command()
@at_option
@_table
@click.pass_obj
def verify(obj: dict[str, Any], at: datetime | None, output: str) -> int:
    """Prove every receipt (signature, chain, evidence) and name every difference between ledger and history.

    Exit 13 when there is a difference that is an error.
    """
    from daypass.cli.options import now
    from daypass.cli.site import Site, progress
    from daypass.core.files.reading import read_grant
    from daypass.core.grant import Grant
    from daypass.edges.git.index import messages
    from daypass.pipeline.audit.verify import Witnesses
    from daypass.pipeline.audit.verify import verify as prove
    from daypass.pipeline.judge.evidence import judge_again

    site = Site(obj["folder"], obj["acting"])

    def read(path: str, raw: bytes) -> Grant | None:
        found = read_grant(path, raw)
        return found if isinstance(found, Grant) else None

    witnesses = Witnesses(
        history=site.history,
        ledger=site.books.ledger,
        open_=site.books.verifier.open,
        messages=partial(messages, site.repository.git),
        policy_at=site.policy_at,
        read_grant=read,
        judge_again=lambda policy, admission, grant, widened, then: judge_again(
            policy, admission, grant, widened=widened, then=then
        ),
    )
    answer = prove(witnesses, main=site.main, at=at or now(), progress=progress)
    _print(answer, output)
    wrong = any(found.severity.value == "error" for found in answer.differences)
    return int(ExitCode.CHANGES if wrong else ExitCode.OK)
