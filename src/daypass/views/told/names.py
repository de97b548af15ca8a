"""Naming people and accounts in Markdown: by what the directory knows, and so that no name can act."""

from __future__ import annotations

from collections.abc import Sequence

from daypass.core.catalogue import Catalogue, Subject
from daypass.core.forge import Account
from daypass.views.markdown import code, prose

_NAMED = 8
"""How many people are named one by one."""


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
