"""What a source says of people, held against the directory: who is new, changed and gone, and whom nobody can tell apart.

Upholds: an entry is somebody's by a number, of the source or of the forge, or by an address that nobody else has; never by
a name alone, but for an entry without any number, which the handle of a table finds. Where name and number do not agree
nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

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

    ``gone`` are handles with what the source says of them; nothing is written about them here. ``left_out`` are people of
    whom something that the source says is not written, with what; all else of them is.
    """

    new: tuple[WrittenPerson, ...] = ()
    changed: tuple[WrittenPerson, ...] = ()
    same: tuple[str, ...] = ()
    gone: tuple[tuple[str, str], ...] = ()
    refused: tuple[Unfit, ...] = ()
    left_out: tuple[Unfit, ...] = ()


DISABLED = "disabled"
GONE = "gone"
"""What a source says of somebody whom it had: that they are disabled, or nothing any more."""


def match(people: Sequence[SourcePerson], directory: Directory) -> DirectoryImport:
    """Say what the directory lacks by a source."""
    good, refused = fit(people)
    matcher = _Matcher(directory, good, people)
    gone = gone_of(people, directory)
    told = {handle for handle, _ in gone}
    new: list[WrittenPerson] = []
    changed: list[WrittenPerson] = []
    same: list[str] = []
    more: list[Unfit] = []
    left_out: list[Unfit] = []
    for one, found in matcher.entries:
        if isinstance(found, Unfit):
            more.append(found)
            continue
        if found is None and not one.active:
            continue
        left_out += matcher.left_out(one, told=found is None or found.handle in told)
        say = matcher.says(one, found)
        if found is None:
            new.append(WrittenPerson(one.handle, one.number, say))
        elif say:
            changed.append(WrittenPerson(found.handle, one.number, say))
        else:
            same.append(found.handle)
    return DirectoryImport(
        tuple(sorted(new, key=lambda one: one.handle)),
        tuple(sorted(changed, key=lambda one: one.handle)),
        tuple(sorted(same)),
        gone,
        (*refused, *more),
        tuple(left_out),
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

    def __init__(self, directory: Directory, people: Sequence[SourcePerson], told: Sequence[SourcePerson]) -> None:
        self._directory = directory
        self._linked = linked(directory)
        self._was = {old for subject in directory.subjects.values() for old in subject.was}
        self._addresses = Counter(email.lower() for one in people for email in one.emails)
        entries = [(one, self._entry(one)) for one in people]
        times = Counter(found.handle for _, found in entries if isinstance(found, Subject))
        # Everybody with their entry, None where they have none, or with why nobody can tell.
        self.entries = [(one, self._alone(one, found, times)) for one, found in entries]
        # By what a manager is named by; "" for who is in the source and will have no entry by it.
        self._handles = {name: "" for one in told for name in _names(one)}
        for one, found in self.entries:
            will_be = found.handle if isinstance(found, Subject) else one.handle if found is None and one.active else ""
            self._handles |= dict.fromkeys(_names(one), will_be)

    def _alone(
        self, one: SourcePerson, found: Subject | Unfit | None, times: Mapping[str, int]
    ) -> Subject | Unfit | None:
        if isinstance(found, Subject) and times[found.handle] > 1:
            return self._unfit(one, f"several people of the source would be {found.handle}")
        return found

    def _entry(self, one: SourcePerson) -> Subject | Unfit | None:
        """Return the entry of a person, None where they have none, or why nobody can tell."""
        by: list[Subject | None] = [self._linked[number] for number in one.numbers if number in self._linked]
        if not by:
            by += [self._directory.by_email(email) for email in one.emails]
        by += [self._directory.by_forge_id(one.forge_id)] if one.forge_id is not None else []
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
                f"where it is, write source_id: {quoted(one.number)} there" if one.number else _A_NUMBER,
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
        """Return the handle of somebody's manager, "" where the source names nobody whom the directory will have.

        A manager approves: one is found by the very handle that a table names, or by a number, and never by an empty one.
        """
        if not one.manager:
            return ""
        found = (self._directory.subjects if one.exact else self._linked).get(one.manager)
        if found is not None and (one.exact or one.manager not in self._handles):
            return found.handle if found.is_person else ""
        return self._handles.get(one.manager, "")

    def left_out(self, one: SourcePerson, *, told: bool) -> Iterator[Unfit]:
        """Yield what a source says of somebody that is not written; ``told``: that they are active no more is said."""
        if one.manager and not self._above(one):
            who = f"their manager {quoted(one.manager)} is not written"
            known = one.manager in (self._directory.subjects if one.exact else self._linked)
            if known or one.manager in self._handles:
                yield self._unfit(one, f"{who}: refused, not active, or no person")
            else:
                yield self._unfit(one, f"{who}: neither in the directory nor in the source")
        if one.exact and not one.active and not told:
            yield self._unfit(one, "that they are not active is not acted on", _A_NUMBER)


def _names(one: SourcePerson) -> tuple[str, ...]:
    """Return what others name somebody by as their manager."""
    return (one.handle,) if one.exact else one.numbers


_A_NUMBER = "give each row the id that the directory has as source_id"


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
