"""Who may not approve: the subject, the requester, and everybody who had a hand in the commits (invariant 3)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from types import MappingProxyType

from daypass.core.approval.stages import Excluded
from daypass.core.catalogue import Directory, Subject
from daypass.core.forge import Account, Commit, Pull

_GAP = "[^a-z?]{0,8}"


def _words(text: str) -> str:
    """Return a pattern for any of some words in which a letter that is not ASCII, shown as "?", may stand for any."""
    words = sorted(text.split(), key=len, reverse=True)
    return "(?:" + "|".join("".join(_GAP if c == "-" else f"[{c}?]" for c in word) for word in words) + ")"


_CO, _BY = _words("co"), _words("by with")
_TOGETHER = _words("author authored developed written committed created")
_ALONE = _words(
    "author authors authored developer developers developed writer written committer committed creator created "
    "signed-off sign-off pair paired pair-programmed pair-programming"
)
_DONE = _words("contributed made prepared drafted edited implemented coded helped programmed mob-programmed patch")
_LABEL = (
    rf"(?P<label>{_CO}{_GAP}{_TOGETHER}{_GAP}{_BY}(?![a-z?])"
    rf"|(?:{_CO}{_GAP})?{_DONE}{_GAP}{_BY}(?=[^a-z?:=]{{0,8}}[:=])"
    rf"|(?:{_CO}{_GAP})?{_ALONE}(?:{_GAP}{_BY})?(?=[^a-z?:=]{{0,8}}[:=]))[^a-z?:=]{{0,8}}[:=]?"
)
_NAMES = rf"[^a-z?]*+(?:(?:original|based{_GAP}on){_GAP})?{_LABEL}"
_LATER = rf"[.;,!)\]] {{1,8}}{_LABEL}"
"""What begins a line, or a sentence in it, by which somebody's name stands on a change, after quotes or bullets.

Co-author and the like in every form; who signed off passed the change on as theirs to give (https://developercertificate.org).
"""

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Me", "Mn"})
_COLONS = str.maketrans(dict.fromkeys("\u02d0\u0589\u05c3\u2236\ua789\ufe55\uff1a", ":"))
_BETWEEN = r"[\s<>,;\"'()\[\]`]+"
_HIDDEN = r"(?:(?P<id>[0-9]{1,18})\+)?(?P<login>[^@\s]{1,100})@(?P<host>[^@\s]+)"

_NAMED = 20
"""So many whom nobody knows are named one by one: a message may name them by the hundred thousand."""


def excluded_people(pull: Pull, commits: Sequence[Commit], subject: str, directory: Directory) -> Excluded:
    """Return who may not approve: the subject, the opener, all who pushed, and every author, committer and co-author.

    An identity that nobody in the directory has is left in ``unresolved``: it could be the approver under another name.
    """
    finder = _Finder(directory, pull.machines, pull.server)
    finder.add(subject, "receives the access")
    finder.account(pull.opened_by, "opened the request", f"pull request {pull.number} was opened by")
    for account in pull.pushers:
        if account != pull.opened_by:
            finder.account(account, "pushed to the branch", f"pull request {pull.number} was pushed to by")
    for commit in commits:
        short = commit.oid[:12]
        finder.address(commit.author_email, "authored", short)
        finder.address(commit.committer_email, "committed", short)
        for verb, email in _named(commit.message):
            finder.address(email, verb, short)
    return finder.found()


class _Finder:
    """Gathers people and what they did, in the order found."""

    def __init__(self, directory: Directory, machines: frozenset[str], server: str) -> None:
        self._directory = directory
        self._machines = machines
        self._hidden_at = f"users.noreply.{server}"
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
            how = "for a person, add the address to theirs in policies/directory (also)"
            if verb in _SAID_IN_MESSAGES:
                how += "; for a program, take the line out of the message, and push the branch again"
            text = f"commit {commit} was {verb} by {email!r}, which nobody in the directory has: {how}"
            self._unresolved[text] = None

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
        and login. The id decides: a login that was given up may be somebody else's today. The numbers of another server
        are other people's.
        """
        match = re.fullmatch(_HIDDEN, email.strip().lower())
        if match is None or match["host"] != self._hidden_at:
            return None
        by_id = self._directory.by_forge_id(int(match["id"])) if match["id"] else None
        by_login = self._directory.by_login(match["login"])
        if by_id is None and by_login is not None and match["id"] and by_login.forge_id is not None:
            return None  # the login is known, but under another id: this is not the account that the directory means
        return by_id or by_login


_SAID_IN_MESSAGES = ("co-authored", "signed off")


def _named(message: str) -> Iterator[tuple[str, str]]:
    """Yield what a message says somebody did, and their address, however git or people spell the line.

    Quotes, bullets, invisible characters, other hyphens, colons and letters that look alike change nothing: a person
    would read the name. A line without an address is yielded as its text, which nobody's address equals, so that it is
    refused. Each line is looked at once: a message may be as long as its writer likes, and must not hold up everybody's
    requests.
    """
    verb, trailer = "", list[str]()
    for raw in message.splitlines():
        line = raw if raw.isascii() else _plain(raw)
        shape = _skeleton(line)
        match = re.match(_NAMES, shape) or re.search(_LATER, shape)
        if match is not None and 2 * match["label"].count("?") <= len(match["label"]):
            yield from ((verb, email) for email in _addresses(trailer))
            verb = "signed off" if match["label"].startswith("s") else "co-authored"
            trailer = [line[match.end() :]]
        elif trailer and line[:1].isspace() and line.strip():
            trailer.append(line)  # git folds a trailer over lines that begin with a space
        else:
            yield from ((verb, email) for email in _addresses(trailer))
            trailer = []
    yield from ((verb, email) for email in _addresses(trailer))


def _plain(line: str) -> str:
    """Return a line as it looks: without what cannot be seen, and in plain characters where these look the same."""
    shown = unicodedata.normalize("NFKC", line.translate(_COLONS))
    return "".join(c for c in shown if c == "\t" or unicodedata.category(c) not in _UNSEEN)


def _skeleton(line: str) -> str:
    """Return a line's letters in lower case, "?" for each that is not ASCII and a space for a real question mark."""
    if line.isascii():
        return line.lower().replace("?", " ")
    return "".join(c.lower().replace("?", " ") if c.isascii() else "?" if c.isalpha() else " " for c in line)


def _addresses(trailer: list[str]) -> Iterator[str]:
    """Yield the addresses in the lines of a trailer; its text where it has none."""
    found = [word for line in trailer for word in re.split(_BETWEEN, line) if "@" in word[1:-1]]
    yield from found or ([" ".join(line.strip() for line in trailer)] if trailer else [])
