"""Who may not approve: the subject, the requester, and everybody who had a hand in the commits (invariant 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Protocol

from daypass.core.approval import Account, Excluded, Pull
from daypass.core.catalogue import Directory, Subject
from daypass.core.grant import Oid

_COAUTHOR = re.compile(r"\s*co[-_ ]?author(?:ed)?[-_ ]?by\s*[:=]", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s<>,;\"']+")
_NOREPLY = re.compile(r"(?:(?P<id>[0-9]{1,18})\+)?(?P<login>[a-z0-9-]+)@users\.noreply\.github\.com")


_NAMED = 20
"""So many whom nobody knows are named one by one: a message may name them by the hundred thousand."""


class CommitLike(Protocol):
    """What is asked of a commit here; the history's commits have it."""

    @property
    def oid(self) -> Oid:
        """The commit."""
        ...

    @property
    def author_email(self) -> str:
        """As written in the commit."""
        ...

    @property
    def committer_email(self) -> str:
        """As written in the commit."""
        ...

    @property
    def message(self) -> str:
        """Subject, body and trailers."""
        ...


def excluded_people(pull: Pull, commits: Sequence[CommitLike], subject: str, directory: Directory) -> Excluded:
    """Return who may not approve: the subject, the opener, all who pushed, and every author, committer and co-author.

    An identity that nobody in the directory has is left in ``unresolved``: it could be the approver under another name.
    """
    finder = _Finder(directory, pull.machines)
    finder.add(subject, "receives the access")
    finder.account(pull.opened_by, "opened the request", f"pull request {pull.number} was opened by")
    for account in pull.pushers:
        if account != pull.opened_by:
            finder.account(account, "pushed to the branch", f"pull request {pull.number} was pushed to by")
    for commit in commits:
        short = commit.oid[:12]
        finder.address(commit.author_email, "authored", short)
        finder.address(commit.committer_email, "committed", short)
        for email in _coauthors(commit.message):
            finder.address(email, "co-authored", short)
    return finder.found()


class _Finder:
    """Gathers people and what they did, in the order found."""

    def __init__(self, directory: Directory, machines: frozenset[str]) -> None:
        self._directory = directory
        self._machines = machines
        self._reasons: dict[str, dict[str, str]] = {}
        self._unresolved: dict[str, None] = {}

    def add(self, handle: str, why: str, kind: str = "") -> None:
        """Exclude a person; of several commits the first is named."""
        self._reasons.setdefault(handle, {}).setdefault(kind or why, why)

    def account(self, account: Account, why: str, text: str) -> None:
        """Exclude whom the forge names. What it cannot prove could have been done by anybody, the approver included."""
        known = self._known(account)
        if known:
            self.add(known, why)
        if not known:
            self._unresolved[f"{text} {account.name!r}, whom the directory does not know"] = None
        elif not account.proved:
            self._unresolved[f"{text} {known} without the signature that the directory asks of them"] = None

    def address(self, email: str, verb: str, commit: str) -> None:
        """Exclude whom a commit names. A machine of the forge is nobody: who made it write is among the pushers."""
        if email.strip().lower() in self._machines:
            return
        person = self._directory.by_email(email) or self._by_noreply(email)
        if person is not None:
            self.add(person.handle, f"{verb} commit {commit}", verb)
        else:
            self._unresolved[f"commit {commit} was {verb} by {email!r}, which nobody in the directory has"] = None

    def found(self) -> Excluded:
        """Return what was gathered."""
        people = {handle: " and ".join(why.values()) for handle, why in sorted(self._reasons.items())}
        unresolved = tuple(self._unresolved)
        more = len(unresolved) - _NAMED
        if more > 0:
            unresolved = (*unresolved[:_NAMED], f"{more} more are named on its commits whom nobody in the directory is")
        return Excluded(MappingProxyType(people), unresolved)

    def _known(self, account: Account) -> str:
        if account.handle in self._directory.subjects:
            return account.handle
        person = self._directory.by_login(account.handle) or self._directory.by_login(account.name)
        return person.handle if person is not None else ""

    def _by_noreply(self, email: str) -> Subject | None:
        """Read the address that a forge writes for people who hide theirs.

        https://docs.github.com/en/account-and-profile/reference/email-addresses-reference: it carries the account's id
        and login. The id decides: a login that was given up may be somebody else's today.
        """
        match = _NOREPLY.fullmatch(email.strip().lower())
        if match is None:
            return None
        by_id = self._directory.by_forge_id(int(match["id"])) if match["id"] else None
        by_login = self._directory.by_login(match["login"])
        if by_id is None and by_login is not None and match["id"] and by_login.forge_id is not None:
            return None  # the login is known, but under another id: this is not the account that the directory means
        return by_id or by_login


def _coauthors(message: str) -> Iterator[str]:
    """Yield the address of every co-author, wherever in the message and however git or people spell the trailer.

    A trailer without an address is yielded as its text, which nobody's address equals, so that it is refused. Each line
    is looked at once: a message may be as long as its writer likes, and must not hold up everybody's requests.
    """
    trailer: list[str] = []
    for line in message.splitlines():
        match = _COAUTHOR.match(line)
        if match is not None:
            yield from _addresses(trailer)
            trailer = [line[match.end() :]]
        elif trailer and line[:1].isspace() and line.strip():
            trailer.append(line)  # git folds a trailer over lines that begin with a space
        else:
            yield from _addresses(trailer)
            trailer = []
    yield from _addresses(trailer)


def _addresses(trailer: list[str]) -> Iterator[str]:
    """Yield the addresses in the lines of a trailer; its text where it has none."""
    found = [word for line in trailer for word in _BETWEEN.split(line) if "@" in word[1:-1]]
    yield from found or ([" ".join(line.strip() for line in trailer)] if trailer else [])
