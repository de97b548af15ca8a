"""What a source says of people, held against the directory: who is new, changed and gone, and whom nobody can tell apart.

Upholds: an entry is somebody's by a number, of the source or of the forge, or by an address that nobody else has; never by
a name alone. Where name and number do not agree nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from daypass.core.catalogue import Directory, Subject
from daypass.core.files.text import quoted
from daypass.core.people.source import SourcePerson, Unfit, fit

Values = Mapping[str, str | int | Mapping[str, str | int]]
"""What an entry of the directory is to say, by its keys; of a mapping only the keys that are named."""


class WrittenPerson(Struct, frozen=True):
    """An entry that is to be made or changed: its handle, and what it is to ``say``."""

    handle: str
    number: str
    say: Values


class DirectoryImport(Struct, frozen=True):
    """What comes of a source: entries to make, to change, those that are as they should be, and people who are ``gone``.

    ``gone`` are handles with what the source says of them; nothing is written about them here.
    """

    new: tuple[WrittenPerson, ...] = ()
    changed: tuple[WrittenPerson, ...] = ()
    same: tuple[str, ...] = ()
    gone: tuple[tuple[str, str], ...] = ()
    refused: tuple[Unfit, ...] = ()


DISABLED = "disabled"
GONE = "gone"
"""What a source says of somebody whom it had: that they are disabled, or nothing any more."""


def match(people: Sequence[SourcePerson], directory: Directory) -> DirectoryImport:
    """Say what the directory lacks by a source."""
    good, refused = fit(people)
    matcher = _Matcher(directory, good)
    new: list[WrittenPerson] = []
    changed: list[WrittenPerson] = []
    same: list[str] = []
    more: list[Unfit] = []
    entries = [(one, matcher.entry(one)) for one in good]
    times = Counter(found.handle for _, found in entries if isinstance(found, Subject))
    for one, found in entries:
        if isinstance(found, Unfit):
            more.append(found)
        elif found is not None and times[found.handle] > 1:
            more.append(Unfit(one.number, one.called, f"several people of the source would be {found.handle}"))
        elif found is None and one.active:
            handle = one.handle
            new.append(WrittenPerson(handle, one.number, matcher.says(one, None)))
        elif found is not None:
            say = matcher.says(one, found)
            if say:
                changed.append(WrittenPerson(found.handle, one.number, say))
            else:
                same.append(found.handle)
    return DirectoryImport(
        tuple(sorted(new, key=lambda one: one.handle)),
        tuple(sorted(changed, key=lambda one: one.handle)),
        tuple(sorted(same)),
        gone_of(people, directory),
        (*refused, *more),
    )


def linked(directory: Directory) -> Mapping[str, Subject]:
    """Return the people whom the directory has from a source, by the source's number for them."""
    return {one.source_id: one for one in directory.subjects.values() if one.is_person and one.source_id}


def gone_of(people: Sequence[SourcePerson], directory: Directory) -> tuple[tuple[str, str], ...]:
    """Return the handles of those whom the source has disabled, or does not have any more, each with which."""
    if not all(one.number for one in people):
        return ()  # a table without ids says nothing about who is in no row of it
    there = {number: one.active for one in people for number in one.numbers}
    told = (
        (subject.handle, DISABLED if number in there else GONE)
        for number, subject in linked(directory).items()
        if not there.get(number, False)
    )
    return tuple(sorted(told))


class _Matcher:
    """Finds whose entry a person's is, and what it is to say."""

    def __init__(self, directory: Directory, people: Sequence[SourcePerson]) -> None:
        self._directory = directory
        self._linked = linked(directory)
        self._was = {old for subject in directory.subjects.values() for old in subject.was}
        self._handles: dict[str, str] = {}
        for one in people:
            found = self.entry(one)
            if found is None or isinstance(found, Subject):
                self._handles[one.number] = found.handle if found is not None else one.handle
        self._addresses = Counter(email.lower() for one in people for email in one.emails)

    def entry(self, one: SourcePerson) -> Subject | Unfit | None:
        """Return the entry of a person, None where they have none, or why nobody can tell."""
        by = [next((self._linked[number] for number in one.numbers if number in self._linked), None)]
        by += [self._directory.by_forge_id(one.forge_id)] if one.forge_id is not None else []
        if by[0] is None:
            by += [self._directory.by_email(email) for email in one.emails]
        known = {subject.handle: subject for subject in by if subject is not None}
        if len(known) > 1:
            return self._unfit(one, f"id, account and addresses are those of several: {', '.join(sorted(known))}")
        found = next(iter(known.values()), None)
        if found is None:
            return self._namesake(one)
        return self._contradiction(one, found) or found

    def _namesake(self, one: SourcePerson) -> Subject | Unfit | None:
        """Say of somebody whom no number or address finds whether an entry of the same name is in the way."""
        other = self._directory.subjects.get(one.handle)
        other = other or (self._directory.by_login(one.login) if one.login else None)
        if other is None:
            if one.handle in self._was:
                return self._unfit(one, f"somebody in the directory was called {one.handle} before")
            return None
        if not other.is_person:
            return self._unfit(one, f"{other.handle} is a workload in the directory")
        if other.source_id or other.forge_id is not None:
            return self._contradiction(one, other) or self._unfit(
                one,
                f"{other.handle} is in the directory, and nothing but the name says that it is they",
                f"where it is, write source_id: {quoted(one.number)} there",
            )
        if one.exact and one.handle == other.handle:
            return other
        return self._unfit(
            one,
            f"{other.handle} is in the directory by name alone, without a number",
            f"where it is the same person, write source_id: {quoted(one.number)} there",
        )

    def _contradiction(self, one: SourcePerson, found: Subject) -> Unfit | None:
        """Refuse what has the same name, or the same account, and another number."""
        for what, theirs, ours in (
            ("id at the source", one.numbers, found.source_id),
            ("account at the forge", (str(one.forge_id or ""),), str(found.forge_id or "")),
        ):
            if any(theirs) and ours and ours not in theirs:
                return self._unfit(
                    one,
                    f"{found.handle} has another {what} in the directory: {ours}, and here {theirs[0]}",
                    "somebody else has their name by now, or the directory is wrong: it is not overwritten",
                )
        if one.exact and one.handle != found.handle:
            return self._unfit(
                one, f"{found.handle} in the directory is called {one.handle} here", "rename one of them"
            )
        taken = self._directory.by_login(one.login) if one.login else None
        if taken is not None and taken.handle != found.handle:
            return self._unfit(one, f"the login {one.login} is that of {taken.handle} in the directory")
        return None

    def _unfit(self, one: SourcePerson, why: str, hint: str = "") -> Unfit:
        return Unfit(one.number, one.called, why, hint)

    def says(self, one: SourcePerson, found: Subject | None) -> dict[str, str | int | Mapping[str, str | int]]:
        """Return what an entry is to say that it does not say yet; nothing is taken out of one.

        One that only an address finds is given the number alone: an address may be taken over, and people look at that first.
        """
        if found is not None and not _numbered(one, found):
            return {"source_id": one.number}
        there = found or Subject("")
        say: dict[str, str | int | Mapping[str, str | int]] = {}
        if not there.source_id and one.number:
            say["source_id"] = one.number
        if one.name and one.name != there.name:
            say["name"] = one.name
        email = one.emails[0] if one.emails else ""
        if email and email.lower() not in there.emails and self._free(email, there.handle):
            say["email"] = email
        forge = _account(one, there)
        if forge:
            say["forge"] = forge
        above = self._above(one)
        if above and above not in (there.manager, there.handle or one.handle):
            say["manager"] = above
        if one.employment and one.employment != (there.employment if found is not None else "employee"):
            say["employment"] = one.employment
        return say

    def _free(self, email: str, handle: str) -> bool:
        owner = self._directory.by_email(email)
        return self._addresses[email.lower()] == 1 and (owner is None or owner.handle == handle)

    def _above(self, one: SourcePerson) -> str:
        """Return the handle of somebody's manager, "" where the source names nobody whom the directory will have."""
        if one.exact and one.manager in self._directory.subjects:
            return one.manager
        known = self._linked.get(one.manager)
        return known.handle if known is not None else self._handles.get(one.manager, "")


def _numbered(one: SourcePerson, found: Subject) -> bool:
    """Say whether more than an address says that an entry is somebody's: a number, or a table that names it."""
    same = found.forge_id is not None and found.forge_id == one.forge_id
    return one.exact or same or found.source_id in one.numbers


def _account(one: SourcePerson, there: Subject) -> dict[str, str | int]:
    forge: dict[str, str | int] = {}
    if one.login and one.login.lower() != there.login.lower():
        forge["login"] = one.login
    if one.forge_id is not None and there.forge_id is None:
        forge["id"] = one.forge_id
    return forge
