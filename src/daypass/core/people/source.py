"""People as a source tells of them, whatever it is. It is others' writing: bounded, and refused where it is amiss.

A source knows each person by an id that outlives names. What is wrong with one person refuses that one; two people of one
id, or more of them than anybody has, refuse all: then nothing that the source says can be believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from daypass.core.errors import RefusedError
from daypass.core.files.text import quoted, unseen
from daypass.core.ids import HANDLE

MOST = 50_000
"""No source may have more people."""

_LONGEST = 300
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
_EMAIL = re.compile(r"[^@\s]{1,120}@[^@\s]{1,120}")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SourcePerson(NamedTuple):
    """A person as a source has them, by its own ``number`` for them (an id, as text).

    ``called`` is what they are called there (a login, a user name); with ``exact`` that is a handle of the directory, which
    somebody chose. ``login`` and ``forge_id`` are those of the forge; ``manager`` is the number of who is above them, or
    with ``exact`` the handle. ``also`` are further ids that they have there, given by who brought them there. What a source
    does not say is "", None, or nobody.
    """

    number: str
    called: str
    name: str = ""
    emails: tuple[str, ...] = ()
    active: bool = True
    login: str = ""
    forge_id: int | None = None
    manager: str = ""
    employment: str = ""
    exact: bool = False
    also: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Everything that they may be known by, the source's own id first."""
        return tuple(dict.fromkeys((self.number, *self.also)))

    @property
    def handle(self) -> str:
        """The handle that they would have, "" where no letter of what they are called makes one."""
        if self.exact:
            return self.called
        plain = re.sub(r"[^a-z0-9]+", "-", self.called.partition("@")[0].lower())
        return plain.strip("-")[:63].rstrip("-")


class Unfit(NamedTuple):
    """Somebody whom a source names and who is not taken: ``why``, and what could be done about it."""

    number: str
    called: str
    why: str
    hint: str = ""


def believable(people: Iterable[SourcePerson], what: str) -> tuple[SourcePerson, ...]:
    """Return what a source says. Raises RefusedError where nothing of it can be believed: nobody, too many, two of one id."""
    found: list[SourcePerson] = []
    for one in people:
        found.append(one)
        if len(found) > MOST:
            raise RefusedError(
                f"{what} has more than {MOST} people", hint="such a list is not read: name a smaller one"
            )
    if not found:
        raise RefusedError(f"{what} names nobody", hint="an empty list is no word on anybody: look at the source")
    twice = sorted(
        number
        for number, count in Counter(number for one in found for number in one.numbers).items()
        if count > 1 and number
    )
    if twice:
        named = ", ".join(quoted(number) for number in twice[:5])
        raise RefusedError(f"{what} has several people of one id: {named}", hint="nobody can tell who is who there")
    return tuple(found)


def fit(people: Sequence[SourcePerson]) -> tuple[tuple[SourcePerson, ...], tuple[Unfit, ...]]:
    """Part the people that can stand in a directory from those that cannot, each with why."""
    handles = Counter(one.handle for one in people)
    good: list[SourcePerson] = []
    bad: list[Unfit] = []
    for one in people:
        why = _amiss(one)
        if not why and handles[one.handle] > 1:
            why = f"the source has {handles[one.handle]} people who would be called {one.handle}"
        if why:
            bad.append(Unfit(one.number, one.called, why, "correct it at the source, or write the entry by hand"))
        else:
            good.append(one)
    return tuple(good), tuple(bad)


def _amiss(one: SourcePerson) -> str:
    """Say what of a person nobody could write into a directory, "" for nothing."""
    if not _ID.fullmatch(one.number) and not (one.exact and not one.number):
        return "the id has characters that no id has" if one.number else "there is no id"
    if not HANDLE.fullmatch(one.handle):
        return f"{quoted(one.called)} makes no handle"
    words = (("name", one.name), ("login", one.login), *(("address", email) for email in one.emails))
    for what, text in words:
        if unseen(text) is not None or any(ord(character) < ord(" ") for character in text):
            return f"the {what} has characters that nobody sees"
        if len(text) > _LONGEST:
            return f"the {what} is longer than {_LONGEST} characters"
    if any(not _EMAIL.fullmatch(email) for email in one.emails):
        return "an address is none"
    if one.login and not _LOGIN.fullmatch(one.login):
        return "the login is none"
    if one.forge_id is not None and not one.login:
        return "there is a number of an account at the forge, and no login"
    if one.employment not in ("", "employee", "contractor", "vendor"):
        return f"employment is {quoted(one.employment)}, and neither employee, contractor nor vendor"
    return ""
