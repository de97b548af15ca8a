"""Questions to the ledger: audit access, history, case, vendor, stats, serial, verify."""

from __future__ import annotations

import gc
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, GrantName, Instant, Named, line_width, progress, say, show, verb
from daypass.core.errors import EdgeError, ExitCode, MissingError, UsageError
from daypass.core.finding import near

if TYPE_CHECKING:
    from daypass.edges.git.index import AuditIndex
    from daypass.views.audit import Answer

_TABLE = ("text", "json", "csv")


@click.group()
def audit() -> None:
    """Answer who could reach what, how it came to be and what ended it, from git and the ledger alone."""


def index_of(repo: AccessRepository) -> AuditIndex:
    """Return what questions about the past are asked of: the index beside the clone."""
    from daypass.edges.git.index import AuditIndex

    # A question on an index that is up to date needs neither the settings nor the keys: nothing is opened for it.
    return AuditIndex(
        repo.clone.git,
        main=repo.main,
        read_subject=_read_subject,
        open_ledger=lambda: (repo.ledger.receipts, repo.ledger.verifier),
        state=repo.clone.state_dir,
        progress=progress,
    )


def _read_subject(path: str, raw: bytes) -> str | None:
    from daypass.core.files.document import Document, read

    found = read(path, raw)
    subject = found.value.get("subject") if isinstance(found, Document) else None
    return subject if isinstance(subject, str) else None


def _known(repo: AccessRepository, about: str) -> Collection[str]:
    """Return the names of main that a question may be about, though nothing was ever granted."""
    from daypass.core.ids import FOLDER, grant_id

    if about == "resource":
        return frozenset(repo.policy.catalogue.resources)
    if about == "subject":
        return frozenset(repo.policy.catalogue.directory.subjects)
    return frozenset(grant_id(entry.path) for entry in repo.history.entries(repo.tip, FOLDER.rstrip("/")))


def _people_of(repo: AccessRepository, vendor: str) -> frozenset[str]:
    directory = repo.policy.catalogue.directory
    if vendor not in directory.vendors:
        raise UsageError(
            f"there is no vendor {vendor!r} in main's directory",
            hint=near(vendor, directory.vendors, "check the spelling"),
        )
    return frozenset(handle for handle, subject in directory.subjects.items() if subject.vendor == vendor)


def _print(answer: Answer, output: str) -> None:
    from daypass.views.audit import audit_csv, audit_json, audit_text

    if output == "text":
        show(audit_text(answer, line_width()))
    else:
        show((audit_csv if output == "csv" else audit_json)(answer), output)


@verb(group=audit, follow=False, formats=_TABLE)
@click.option("--resource", type=Named("resource"), required=True, help="The resource.")
def access(repo: AccessRepository, resource: str, at: datetime, output: str) -> None:
    """Say who could reach a resource at an instant.

    \b
    daypass audit access --resource orders-db --at 2026-11-21T09:00:00Z
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.pipeline.audit import questions as pipeline

    _print(pipeline.access(index_of(repo), resource, known=partial(_known, repo, "resource"), at=at), output)


@verb(group=audit, follow=False, formats=_TABLE)
@click.option("--subject", type=Named("handle"), default="", help="Everything about one person.")
@click.option("--resource", type=Named("resource"), default="", help="Everything about one resource.")
@click.option("--grant", type=GrantName(), default="", help="Everything about one grant.")
@click.option("--denied", is_flag=True, help="Only what was denied, rejected or refused, or failed.")
@click.option("--ticket", default="", help="Only grants for this ticket.")
@click.option("--purpose", type=Named("purpose"), default="", help="Only grants for this purpose.")
@click.option(
    "--vendor", type=Named("vendor"), default="", help="Only grants of this vendor's people, by main's directory."
)
@click.option("--approver", type=Named("handle"), default="", help="Only grants that this person approved.")
@click.option("--rule", default="", help="Only grants to which this rule applied.")
@click.option("--since", type=Instant(), help="Only from this instant on.")
@click.option("--until", type=Instant(), help="Only before this instant.")
def history(
    repo: AccessRepository, /, subject: str, resource: str, grant: str, at: datetime, output: str, **asked: Any
) -> None:
    """Tell each event with its commit, pull request, approvers, policy digest and receipt.

    Why access was asked for and for which ticket, and why it was ended, is read from git, as long as git has it. Options
    that choose may stand alone, or narrow what is told of a subject, a resource or a grant.
    """
    from daypass.core.audit.selection import Selection
    from daypass.pipeline.audit import questions as pipeline
    from daypass.views.audit import never_on_record

    vendor = asked.pop("vendor")
    subjects = _people_of(repo, vendor) if vendor else None
    if asked["since"] and asked["until"] and asked["since"] >= asked["until"]:
        raise UsageError("nothing is from --since on and before --until", hint="name the earlier instant with --since")
    about = "subject" if subject else "resource" if resource else "grant"
    answer = pipeline.history(
        index_of(repo),
        subject=subject,
        resource=resource,
        grant=grant,
        selection=Selection(subjects=subjects, **asked),
        known=partial(_known, repo, about),
        said=partial(_said, repo),
        at=at,
    )
    _print(answer, output)
    if output == "csv":  # a file of rows has no place for it
        say(f"daypass: {never_on_record()}")
    if not answer.events:
        _say_unknown(repo, asked)


def _say_unknown(repo: AccessRepository, asked: Mapping[str, Any]) -> None:
    """Say of what was asked for that main has no such thing, where nothing was found: it may be misspelt."""
    policy = repo.policy
    for what, known in (
        ("approver", policy.catalogue.directory.subjects),
        ("purpose", policy.catalogue.purposes),
        ("rule", {rule.id for rule in policy.rules.rules}),
    ):
        name = asked[what]
        if name and name not in known:
            say(
                f"daypass: main has no {what} {name!r}",
                f"  hint: {near(name, known, 'what is gone from main may be on record')}",
            )


def _said(repo: AccessRepository, number: int) -> tuple[str, ...]:
    """Return what people said to a request by the forge's record, where that is in this repository and reads."""
    if repo.elsewhere:
        return ()
    try:
        return (repo.forge.pull(number).closed_reason, *(review.reason for review in repo.forge.reviews(number)))
    except (EdgeError, MissingError):
        return ()


@verb(group=audit, follow=False, formats=_TABLE)
@click.argument("ticket")
def case(repo: AccessRepository, ticket: str, at: datetime, output: str) -> Codes:
    """Print the log of one case, the grants with this TICKET: who asked, approved, gave and ended what, when and why.

    For whoever has to show it, a regulator for instance: from git and the ledger alone. Exit 20 where nothing is on record.

    \b
    daypass audit case DSR-1234
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.pipeline.audit import questions as pipeline

    if not ticket.strip():
        raise UsageError("the case has no number", hint="name its ticket: daypass audit case DSR-1234")
    answer = pipeline.case(index_of(repo), ticket, said=partial(_said, repo), at=at)
    if not answer.events:
        say(
            f"daypass: nothing is on record of a case {ticket!r}", "  hint: a request is, once it was merged or decided"
        )
        return ExitCode.NO
    _print(answer, output)
    return ExitCode.OK


@verb(group=audit, follow=False, formats=_TABLE)
@click.argument("vendor", type=Named("vendor"))
def vendor(repo: AccessRepository, vendor: str, at: datetime, output: str) -> None:
    """Tell all of a VENDOR: agreements, sponsors, workers, live grants, and every grant of the past with who approved it.

    Whoever worked for it when they were given access is told of, though they may not any more. From git and the ledger alone,
    as of the instant that is asked about.

    \b
    daypass audit vendor helpdesk
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    from daypass.pipeline.audit.vendors import audit_vendor
    from daypass.views.policy.vendor import vendor_csv, vendor_json, vendor_text

    answer = audit_vendor(repo, index_of(repo), vendor, at=at)
    if output == "text":
        show(vendor_text(answer, line_width()))
    else:
        show((vendor_csv if output == "csv" else vendor_json)(answer), output)


@verb(group=audit, follow=False)
def stats(repo: AccessRepository, at: datetime, output: str) -> None:
    """Tell, from receipts alone, how quick access came and how late it went.

    Time from request to usable access, from approval to usable access, lateness of every removal (end of window to
    verified absence: median, 95th percentile, worst), live grants, removals missed or retried.
    """
    from daypass.pipeline.audit import questions as pipeline

    _print(pipeline.stats(index_of(repo), at=at), output)


@verb(group=audit, follow=False)
@click.argument("number", type=click.IntRange(min=1))
def serial(repo: AccessRepository, number: int, at: datetime, output: str) -> Codes:
    """Lead the serial NUMBER of an SSH certificate, as sshd logs it, back to its grants. Exit 20 for an unknown one."""
    from daypass.pipeline.audit.questions import find_serial
    from daypass.views.plan import serial_json, serial_text

    index = index_of(repo)
    index.follow(at)
    found = find_serial(index.all_receipts(), number)
    if found is None:
        click.echo(f"daypass: the ledger knows of no certificate {number}", err=True)
        return ExitCode.NO
    show((serial_json if output == "json" else serial_text)(number, *found), output)
    return ExitCode.OK


@verb(group=audit, follow=False, formats=_TABLE)
@click.option(
    "--since", metavar="SNAPSHOT", default="", help="Believe this snapshot (number or digest); prove what follows."
)
def verify(repo: AccessRepository, since: str, at: datetime, output: str) -> Codes:
    """Prove every receipt (signature, chain, evidence) and name every difference between ledger and history.

    Every snapshot is worked out again from the first receipt. With --since what led to that snapshot is not looked at, which
    the answer says. Exit 13 when there is a difference that is an error.
    """
    from daypass.pipeline.audit.verify import verify as prove

    gc.set_threshold(
        50_000, 10, 1_000_000
    )  # what is in force is held to the end: it is not looked through again and again
    answer = prove(
        repo,
        partial(repo.ledger.receipts.proved, repo.ledger.verifier.open, since, repo.ledger.form),
        at=at,
        progress=progress,
    )
    _print(answer, output)
    wrong = any(found.severity.value == "error" for found in answer.differences)
    return ExitCode.CHANGES if wrong else ExitCode.OK
