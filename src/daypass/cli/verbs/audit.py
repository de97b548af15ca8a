"""Questions to the ledger: audit access, history, case, vendor, stats, serial, verify."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import click

from daypass.cli.below import Below
from daypass.cli.quick import audit as quick
from daypass.cli.quick.around import line_width
from daypass.cli.quick.options import ACCESS, CASE, HISTORY
from daypass.cli.quick.place import QuickPlace, index_of
from daypass.cli.repository import AccessRepository
from daypass.cli.verb import Codes, Named, progress, show, stated, tell, verb
from daypass.core.errors import ExitCode

_TABLE = ("text", "json", "csv")


@click.group(cls=Below)
def audit() -> None:
    """Answer who could reach what, how it came to be and what ended it, from git and the ledger alone."""


@verb(group=audit, follow=False, at="past", formats=ACCESS.formats)
@stated(ACCESS)
def access(repo: AccessRepository, resource: str, at: datetime, output: str) -> Codes:
    """Say who could reach a resource at an instant.

    \b
    daypass audit access --resource orders-db --at 2026-11-21T09:00:00Z
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    return tell(quick.access(QuickPlace(repo.folder, repo), resource=resource, at=at, output=output))


@verb(group=audit, follow=False, at="past", formats=HISTORY.formats)
@stated(HISTORY)
def history(repo: AccessRepository, /, at: datetime, output: str, **asked: Any) -> Codes:
    """Tell each event with its commit, pull request, approvers, policy digest and receipt.

    Why access was asked for and for which ticket, and why it was ended, is read from git, as long as git has it. Options
    that choose may stand alone, or narrow what is told of a subject, a resource or a grant.
    """
    return tell(quick.history(QuickPlace(repo.folder, repo), at=at, output=output, **asked))


@verb(group=audit, follow=False, at="past", formats=CASE.formats)
@stated(CASE)
def case(repo: AccessRepository, ticket: str, at: datetime, output: str) -> Codes:
    """Print the log of one case, the grants with this TICKET: who asked, approved, gave and ended what, when and why.

    For whoever has to show it, a regulator for instance: from git and the ledger alone. Exit 20 where nothing is on record.

    \b
    daypass audit case DSR-1234
    """  # noqa: D301  (\b is click's mark for "do not rewrap")
    return tell(quick.case(QuickPlace(repo.folder, repo), ticket=ticket, at=at, output=output))


@verb(group=audit, follow=False, at="past", formats=_TABLE)
@click.argument("vendor", type=Named("vendor"))
def vendor(repo: AccessRepository, vendor: str, at: datetime, output: str) -> None:
    """Tell all about a VENDOR: agreements, sponsors, workers, live grants, and every grant of the past with who approved it.

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


@verb(group=audit, follow=False, at="past")
def stats(repo: AccessRepository, at: datetime, output: str) -> None:
    """Tell, from receipts alone, how quick access came and how late it went.

    Time from request to usable access, from approval to usable access, lateness of every removal (end of window to
    verified absence: median, 95th percentile, worst), live grants, removals missed or retried.
    """
    from daypass.pipeline.audit import questions as pipeline

    tell(quick.said(pipeline.stats(index_of(repo), at=at), output))


@verb(group=audit, follow=False, at="past")
@click.argument("number", type=click.IntRange(min=1))
def serial(repo: AccessRepository, number: int, at: datetime, output: str) -> Codes:
    """Find the grants of an SSH certificate by its serial NUMBER, as sshd logs it. Exit 20 for an unknown one."""
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


@verb(group=audit, follow=False, at="past", formats=_TABLE)
@click.option(
    "--since", metavar="SNAPSHOT", default="", help="Believe this snapshot (number or digest); prove what follows."
)
def verify(repo: AccessRepository, since: str, at: datetime, output: str) -> Codes:
    """Prove every receipt (signature, chain, evidence) and name every difference between ledger and history.

    Every snapshot is worked out again from the first receipt. With --since what led to that snapshot is not looked at, which
    the answer says. Exit 13 when there is a difference that is an error.
    """
    from daypass.cli.runs.collecting import collected_young
    from daypass.pipeline.audit.verify import verify as prove

    with collected_young():
        answer = prove(
            repo,
            partial(repo.ledger.receipts.proved, repo.ledger.verifier.open, since, repo.ledger.form),
            at=at,
            progress=progress,
        )
    tell(quick.said(answer, output))
    wrong = any(found.severity.value == "error" for found in answer.differences)
    return ExitCode.CHANGES if wrong else ExitCode.OK
