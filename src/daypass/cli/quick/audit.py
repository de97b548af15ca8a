"""Questions to the index of the past: access, history, case. On an index that is up to date nothing else is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from daypass.cli.quick.around import Said, line_width
from daypass.core.errors import EdgeError, ExitCode, MissingError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from daypass.cli.quick.place import QuickPlace
    from daypass.cli.repository import AccessRepository
    from daypass.views.audit import Answer


def access(place: QuickPlace, *, resource: str, at: datetime, output: str) -> Said:
    """Answer ``audit access``."""
    from daypass.pipeline.audit import questions as pipeline

    known = partial(_known, place, "resource")
    return said(pipeline.access(place.index, resource, known=known, names=place.names, at=at), output)


def history(
    place: QuickPlace,
    *,
    subject: str,
    resource: str,
    grant: str,
    vendor: str,
    approver: str,
    at: datetime,
    output: str,
    **asked: Any,
) -> Said:
    """Answer ``audit history``."""
    from daypass.core.audit.selection import Selection
    from daypass.pipeline.audit import questions as pipeline
    from daypass.views.audit import never_on_record

    subjects = _people_of(place.repo, vendor) if vendor else None
    approvers = place.names("subject", approver) if approver else ()
    if asked["since"] and asked["until"] and asked["since"] >= asked["until"]:
        raise UsageError("nothing is from --since on and before --until", hint="name the earlier instant with --since")
    about = "subject" if subject else "resource" if resource else "grant"
    answer = pipeline.history(
        place.index,
        subject=subject,
        resource=resource,
        grant=grant,
        selection=Selection(subjects=subjects, approvers=frozenset(approvers), **asked),
        known=partial(_known, place, about),
        names=place.names,
        said=partial(_words, place),
        at=at,
    )
    lines = [f"daypass: {never_on_record()}"] if output == "csv" else []  # a file of rows has no place for it
    if not answer.events:
        lines += _unknown(place.repo, {**asked, "approver": approver})
    return said(answer, output, lines)


def case(place: QuickPlace, *, ticket: str, at: datetime, output: str) -> Said:
    """Answer ``audit case``."""
    from daypass.pipeline.audit import questions as pipeline

    if not ticket.strip():
        raise UsageError("the case has no number", hint="name its ticket: daypass audit case DSR-1234")
    answer = pipeline.case(place.index, ticket, said=partial(_words, place), at=at)
    if not answer.events:
        none = f"daypass: nothing is on record of a case {ticket!r}"
        return Said(lines=(none, "  hint: a request is, once it was merged or decided"), code=ExitCode.NO)
    return said(answer, output)


def said(answer: Answer, output: str, lines: Sequence[str] = ()) -> Said:
    """Write an answer."""
    from daypass.views.audit import audit_csv, audit_json, audit_text

    if output == "text":
        return Said(audit_text(answer, line_width()), output, lines)
    return Said((audit_csv if output == "csv" else audit_json)(answer), output, lines)


def _known(place: QuickPlace, about: str) -> Collection[str]:
    """Return the names of main that a question may be about, though nothing was ever granted."""
    from daypass.core.ids import FOLDER, grant_id

    repo = place.repo
    if about == "resource":
        return frozenset(repo.policy.catalogue.resources)
    if about == "subject":
        return frozenset(repo.policy.catalogue.directory.subjects)
    return frozenset(grant_id(entry.path) for entry in repo.history.entries(repo.tip, FOLDER.rstrip("/")))


def _people_of(repo: AccessRepository, vendor: str) -> frozenset[str]:
    from daypass.core.finding import near

    directory = repo.policy.catalogue.directory
    if vendor not in directory.vendors:
        raise UsageError(
            f"there is no vendor {vendor!r} in main's directory",
            hint=near(vendor, directory.vendors, "check the spelling"),
        )
    workers = (handle for handle, subject in directory.subjects.items() if subject.vendor == vendor)
    return frozenset(name for handle in workers for name in repo.policy.catalogue.renames.names_of_subject(handle))


def _unknown(repo: AccessRepository, asked: Mapping[str, Any]) -> list[str]:
    """Say of what was asked for that main has no such thing, where nothing was found: it may be misspelt."""
    from daypass.core.finding import near

    policy, lines = repo.policy, []
    for what, known in (
        ("approver", policy.catalogue.directory.subjects),
        ("purpose", policy.catalogue.purposes),
        ("rule", {rule.id for rule in policy.rules.rules}),
    ):
        name = asked[what]
        if name and name not in known:
            hint = near(name, known, "what is gone from main may be on record")
            lines += [f"daypass: main has no {what} {name!r}", f"  hint: {hint}"]
    return lines


def _words(place: QuickPlace, number: int) -> tuple[str, ...]:
    """Return what people said to a request by the forge's record, where that is in this repository and reads."""
    repo = place.repo
    if repo.elsewhere:
        return ()
    try:
        return (repo.forge.pull(number).closed_reason, *(review.reason for review in repo.forge.reviews(number)))
    except (EdgeError, MissingError):
        return ()
