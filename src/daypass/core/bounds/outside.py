"""Why a request is outside of what bounds access (`Catalogue.bounds`), and whom a target would not know for sure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from daypass.core.bounds.settings import TargetSettings
from daypass.core.bounds.vendors import ENGAGED, HINTS, OVER
from daypass.core.catalogue import Catalogue, Subject
from daypass.core.grant import Grant
from daypass.core.window import Bounds, Window, format_instant

Said = tuple[str, str, str]
"""A code, a message and a hint."""


def outside(bounds: Bounds, window: Window) -> Iterator[Said]:
    """Yield what a bound covers at no time, and what would turn invalid on a day to come."""
    yield from ((bound.code, bound.said, HINTS[bound.code]) for bound in bounds.ends if not bound.dated)
    yield from to_come(bounds, window)


def to_come(bounds: Bounds, window: Window) -> Iterator[Said]:
    """Yield what would turn invalid on a day to come."""
    for bound in bounds.ends:
        if bound.dated and bound.limit < window.end and not bound.cuts:
            message = (
                f"{bound.said}, but access would last until {format_instant(window.end)}: "
                f"the grant would turn invalid on {bound.limit:%Y-%m-%d}"
            )
            yield bound.code, message, f"end the window by {format_instant(bound.limit)}"


def over(bounds: Bounds, at: datetime) -> Iterator[Said]:
    """Yield what was over when a request was opened."""
    for bound in bounds.ends:
        if bound.code in OVER and bound.limit <= at:
            message = f"{bound.said} only, and the request was opened at {format_instant(at)}"
            what = "engagement" if bound.code == ENGAGED else "agreement"
            yield OVER[bound.code], message, f"extend the {what} in policies/directory first"


def unchecked_claims(catalogue: Catalogue, grant: Grant) -> Said | None:
    """Refuse whom the target would not know for sure.

    At a target that checks no claims anything could pass for a workload that is known by them; at one that checks them
    nobody else can be told apart, and claims that say too little fit strangers.
    """
    subject = catalogue.directory.subjects.get(grant.subject)
    resource = catalogue.resources.get(grant.resource)
    target = catalogue.settings.targets.get(resource.target) if resource is not None else None
    if subject is None or target is None:
        return None
    if target.checks_claims:
        return _unfit_claims(subject, target)
    if not subject.claims:
        return None
    message = (
        f"{subject.handle} is known by claims of its token ({', '.join(subject.claims)}), and target {target.name} "
        f"(kind {target.kind}) checks none: nobody would look at them"
    )
    hint = "ask for access at a target that checks claims, or say who it is by identities and take claims out"
    return "claims-unchecked", message, hint


def _unfit_claims(subject: Subject, target: TargetSettings) -> Said | None:
    where = f"target {target.name} (kind {target.kind})"
    if not subject.claims:
        message = f"{where} knows workloads by claims of their tokens alone, and the directory states none of {subject.handle}"
        return "claims-missing", message, "ask for a workload, and state its claims in policies/directory"
    why = loose_claims(subject.claims)
    if not why:
        return None
    message = f"the claims of {subject.handle} do not tell it apart at {where}: {why}"
    hint = "claims: {issuer: https://…, subject: …}; * stands for any text, never at the beginning"
    return "claims-loose", message, hint


_CLOSED = re.compile(r"[^*]*[:/][^*]*[:/]\*")
"""What a pattern begins with at least: two parts that are closed. ``repo:acme*`` fits a stranger's ``repo:acme-evil/…``, and
``repo:*`` the repositories of everybody."""


def loose_claims(claims: Mapping[str, str]) -> str:
    """Say why claims could fit the token of a stranger, "" where they cannot: whose issuer or subject nothing says."""
    for name in ("issuer", "subject"):
        if not claims.get(name):
            return f"they state no {name}"
    if "*" in claims["issuer"]:
        return "their issuer is a pattern"
    for name, value in claims.items():
        open_wide = "*" in value and not _CLOSED.match(value) if name == "subject" else value.startswith("*")
        if not value or open_wide:
            return f"their {name} would be almost anything"
    return ""
