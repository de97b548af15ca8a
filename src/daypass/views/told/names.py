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
    """Name where somebody asked (``issue 12``), with its number as a link where there are pages."""
    what, _, number = origin.partition(" ")
    if what == "issue" and number.isascii() and number.isdecimal():
        return f"{what} {number_named(int(number), links)}"
    return prose(origin)
