"""Naming people and accounts in Markdown: by what the directory knows, and so that no name can act."""

from __future__ import annotations

import re
from collections.abc import Sequence

from daypass.core.catalogue import Catalogue, Subject
from daypass.core.forge import Account, Links
from daypass.views.markdown import code, prose

_NAMED = 8
"""How many people are named one by one."""


_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})")

_ORIGIN = re.compile(r"(?:issue |comment (?P<comment>[1-9][0-9]{0,17}) on #)(?P<number>[1-9][0-9]{0,17})")


def mention(catalogue: Catalogue, handle: str) -> str:
    """Name somebody so that the forge tells them, by a login of the directory alone."""
    subject = catalogue.directory.subjects.get(handle)
    login = subject.login if subject is not None else ""
    return f"@{login}" if _LOGIN.fullmatch(login) else people_named(catalogue, (handle,))


def account_named(catalogue: Catalogue, account: Account) -> str:
    """Name an account: as the person that it is of, where the directory knows them."""
    return people_named(catalogue, (account.handle,)) if account.handle else code(account.name)


def people_named(catalogue: Catalogue, handles: Sequence[str], joint: str = ", ") -> str:
    """Name people: full name, and login or handle."""
    named = [_person(handle, catalogue.directory.subjects.get(handle)) for handle in handles[:_NAMED]]
    more = f" and {len(handles) - _NAMED} more" if len(handles) > _NAMED else ""
    return (joint.join(named) + more) or "nobody is left who could"


def _person(handle: str, subject: Subject | None) -> str:
    login = code(subject.login if subject is not None and subject.login else handle)
    return f"{prose(subject.name)} ({login})" if subject is not None and subject.name else login


def number_named(number: int, links: Links | None) -> str:
    """Name an issue or request by its number, as a link where there are pages."""
    return f"[#{number}]({links.number(number)})" if links is not None else f"#{number}"


def commit_named(commit: str, links: Links | None) -> str:
    """Name a commit by the beginning of its id, as a link where there are pages."""
    return f"[{code(commit[:12])}]({links.commit(commit)})" if links is not None else code(commit[:12])


def origin_named(origin: str, links: Links | None) -> str:
    """Name where somebody asked (``issue 12``, ``comment 1103 on #6``), as a link where there are pages."""
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return prose(origin)
    number = int(match["number"])
    if not match["comment"]:
        return f"issue {number_named(number, links)}"
    comment = (
        f"[a comment]({links.number(number)}#issuecomment-{match['comment']})" if links is not None else "a comment"
    )
    return f"{comment} on {number_named(number, links)}"
