"""The forge: which kinds there are, what git and it know of accounts and requests, and what is unsafe in its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from daypass.core.errors import DeniedError
from daypass.core.ids import ABSENT, Oid

if TYPE_CHECKING:
    from daypass.core.files.form import FormAnswers
    from daypass.core.finding import Finding
    from daypass.core.ledger.records import ActRecord


def acting_words(handle: str, acts_for: str) -> str:
    """Name somebody, and in whose place they act: ``carol for bob``."""
    return f"{handle} for {acts_for}" if acts_for else handle


class ForgeKind(NamedTuple):
    """What is so of every forge of a kind; a kind that says nothing is one of this repository's own files and refs."""

    remote: bool = False
    """Main, the ledger and pull requests live there: verbs bring them before they look."""
    pages: bool = False
    """It shows people comments, labels and issues, and takes requests as issues."""
    vouches: bool = False
    """It says itself who did something and when; elsewhere a signature must (``limits.unsigned``), and clocks may differ."""
    teams: bool = False
    """Groups are teams there, ``organisation/team``, whom CODEOWNERS names."""
    merges_all: bool = False
    """It merges any change that its owners approve, and not grants alone."""
    watches: bool = False
    """It can be asked whether an issue is closed or a pull request merged, which ends access (``ends_when``)."""
    approving: str = "run `daypass approve {number}`; `daypass reject {number}` rejects it."
    """How people review there, in Markdown: ``{files}`` is the page of what a request changes."""
    needs: tuple[str, ...] = ()
    """Settings of ``forge`` that must be there."""
    takes: tuple[str, ...] = ()
    """Settings of ``forge`` that may be there, those above included."""


FORGES: Mapping[str, ForgeKind] = MappingProxyType(
    {
        "github": ForgeKind(
            remote=True,
            pages=True,
            vouches=True,
            teams=True,
            merges_all=True,
            watches=True,
            approving=(
                "open {files}, press **Review changes** (or **Submit review**), choose **Approve** and submit. "
                "**Request changes** rejects it. A comment approves nothing."
            ),
            needs=("repository",),
            takes=("repository", "app", "api_url", "server_url", "bot", "teams", "watch"),
        ),
        "local": ForgeKind(),
    }
)
"""A row here and a folder of that name below ``edges/forges`` are a kind: docs/forges/writing-one.md."""

OPENED, MADE, PUSHED, CLOSED = "opened", "made", "pushed", "closed"
"""They open it, make its branch, move its head, close it without a merge."""


class Account(Struct, frozen=True, gc=False):
    """Who did something at the forge, resolved by its adapter: ``handle`` is the directory's, "" when it knows none.

    ``name`` is what people see; ``person`` is False for bots; ``proved`` is False when the forge could not prove who it
    was (locally: the directory names an SSH key and the record is not signed with it). ``signed`` is False where
    nothing but the record's own word says who it was, and the settings accept that. ``number`` is the account's at the
    forge, which outlives its names; 0 where it has none or nobody told.
    """

    handle: str
    name: str
    person: bool = True
    proved: bool = True
    signed: bool = True
    number: int = 0


class Entry(NamedTuple):
    """One leaf of a tree. ``mode`` is git's: 100644 file, 100755 executable, 120000 symlink, 160000 submodule."""

    path: str
    mode: str
    oid: Oid


class Change(Struct, frozen=True, gc=False):
    """One path that differs between two trees; a rename is a deletion and an addition.

    An absent side is ABSENT with mode 000000.
    """

    path: str
    old_mode: str
    old: Oid
    new_mode: str
    new: Oid

    @property
    def added(self) -> bool:
        """Whether the path is new."""
        return self.old == ABSENT

    @property
    def deleted(self) -> bool:
        """Whether the path is gone."""
        return self.new == ABSENT


class Landing(Struct, frozen=True, gc=False):
    """One step of main's first-parent history with the paths it changed against its first parent, and its message."""

    oid: Oid
    parents: tuple[Oid, ...]
    changes: tuple[Change, ...]
    message: str


class Ticket(Struct, frozen=True):
    """An issue or pull request as its opener wrote it. ``edited`` is whether the text was changed since it was opened.

    ``asked`` is what it asks for with the form, or all that is wrong with that; None where it was not made with it.
    """

    number: int
    by: Account
    at: datetime
    title: str
    asked: FormAnswers | tuple[Finding, ...] | None = None
    is_pull: bool = False
    edited: bool = False


class Remark(Struct, frozen=True):
    """A comment on an issue or pull request. An ``edited`` one may hold words that its author never wrote."""

    id: int
    number: int
    by: Account
    at: datetime
    body: str
    edited: bool = False


class Occasion(Struct, frozen=True):
    """What woke us: an issue that was opened, or a comment (``comment`` is its id, else 0) that was written.

    ``silent``: why there is nothing to answer, "" where there is.
    """

    issue: int = 0
    comment: int = 0
    silent: str = ""


class Links(Struct, frozen=True):
    """The forge's pages on which people ask and change files.

    ``form`` is where a new request is made; ``edit`` and ``delete`` where a file of main is changed. ``new_file`` is where
    a file is proposed by hand, filled in with a text, or without it where an address cannot hold it. ``number`` is the
    page of an issue or request, ``files`` what a request changes, where it is reviewed, and ``commit`` that of a commit.
    """

    form: str
    new_file: Callable[[str, str], str]
    edit: Callable[[str], str]
    delete: Callable[[str], str]
    number: Callable[[int], str]
    files: Callable[[int], str]
    commit: Callable[[str], str]


def unsigned_denial(handle: str) -> DeniedError:
    """Return why nothing counts that somebody does of whom the directory has no SSH key (`limits.unsigned`)."""
    return DeniedError(
        f"the directory has no SSH key of {handle}, and limits.unsigned refuses what nobody signed",
        hint=f"add the public key of {handle} to ssh_keys in policies/directory, and let git sign with it",
    )


class Act(Struct, frozen=True, gc=False):
    """Somebody ``did`` something to a request before it was reviewed; ``mains`` as in Review.

    They must be entitled to it when they do it, and at the merge.
    """

    by: Account
    did: str
    at: datetime
    mains: tuple[Oid, ...] = ()


def last_push(acts: Iterable[Act | ActRecord]) -> datetime | None:
    """Return when the head was moved last, None where it never was: approvals up to then were of another head."""
    return max((act.at for act in acts if act.did == PUSHED), default=None)


class Review(Struct, frozen=True, gc=False):
    """One review at the forge. ``state``: approved, rejected or withdrawn; the last one of a person counts.

    ``commit`` is what the forge shows on it, which it may point at another head later. ``mains`` are where main can have
    stood when it was given, by the forge's own record; empty where that does not tell. ``void`` is why that record takes
    its weight away, "" where it does not.
    ``reason`` is what they said with it, words of people: it is shown, and nothing is decided by it.
    """

    by: Account
    state: str
    commit: Oid
    at: datetime
    id: str
    reason: str = ""
    mains: tuple[Oid, ...] = ()
    void: str = ""


class Commit(Struct, frozen=True):
    """One commit. Times in a commit are its author's own choice and are never trusted. Emails are as written."""

    oid: Oid
    parents: tuple[Oid, ...]
    author_name: str
    author_email: str
    committer_email: str
    authored_at: datetime
    committed_at: datetime
    message: str


class Merge(Struct, frozen=True):
    """The forge's own record of a merge: main moved from ``base`` to ``commit`` by merging ``head`` at ``at``."""

    commit: Oid
    base: Oid
    head: Oid
    at: datetime
    by: Account


class Glance(Struct, frozen=True):
    """An open pull request as a list of all tells it. ``known``: it is as it was when somebody judged it last."""

    number: int
    opened_by: Account
    known: bool = False


class Basis(NamedTuple):
    """What open requests were judged by, beside themselves.

    ``program`` names what judged them, ``main`` and ``ledger`` are commits, and ``sequence`` is the number of the ledger's
    last receipt, -1 for none; ``followed`` is the commit of main that the ledger named last, "" for none.
    """

    program: str
    main: Oid
    ledger: str
    sequence: int
    followed: str


class Quiet(NamedTuple):
    """How long what was found of a request holds by the clock alone, and what of main and the ledger it hangs on.

    ``on`` are resources, and the first commits of the request by their short ids: what came to main or to the ledger and is
    of none of these changes nothing of it. It is None where anything may.
    """

    until: datetime
    on: frozenset[str] | None


class Pull(Struct, frozen=True):
    """A pull request. ``state``: open, merged or closed. ``pushers`` are all who moved the head, oldest first.

    ``opened_by`` is who asks: where a bot of ours opened it for somebody, that person, and ``origin`` says where they
    asked (``issue 12``). ``machines`` are addresses that the forge itself writes into commits; who hides behind one is
    among the pushers. ``acts`` are the opening and what the forge records of the pushers, in no order.
    A ``draft`` is not merged. ``server`` is the host whose hidden addresses (users.noreply.HOST) name accounts by number.
    ``reason`` is what was said when it was opened, "" where the forge keeps that in its own page. ``closing`` is who closed it
    and when, None while it is open or merged.
    """

    number: int
    title: str
    state: str
    opened_by: Account
    opened_at: datetime
    branch: str
    head: Oid
    pushers: tuple[Account, ...] = ()
    merge: Merge | None = None
    closed_reason: str = ""
    origin: str = ""
    machines: frozenset[str] = frozenset()
    acts: tuple[Act, ...] = ()
    server: str = "github.com"
    draft: bool = False
    reason: str = ""
    closing: Act | None = None

    @property
    def issue(self) -> int:
        """The issue that asked for it, 0 where none did."""
        what, _, number = self.origin.partition(" ")
        return int(number) if what == "issue" else 0

    @property
    def pushed_at(self) -> datetime | None:
        """When the head moved last, None where it is not known to have moved."""
        return last_push(self.acts)

    @property
    def asked_at(self) -> datetime:
        """Since when it asks for what it asks for now: a request that was opened early may have become another."""
        return max(self.opened_at, self.pushed_at or self.opened_at)


def by_hand(forge: ForgeKind, pull: Pull) -> str:
    """Say how people merge a request that asks for no access, "" where the forge does it once its owners approve.

    It names the commit: the branch's name is whoever asks's to choose, and may move on.
    """
    if forge.merges_all:
        return ""
    return f"on main `git merge --squash {pull.head[:12]}`, `git commit`, then `daypass close {pull.number}`"


class Call(Struct, frozen=True):
    """One request to the forge's API."""

    verb: str
    path: str
    body: Mapping[str, Any] | None = None


class Remedy(Struct, frozen=True):
    """What ``--fix`` would do, in words and as requests in order. Several complaints may have the same one."""

    words: str
    steps: tuple[Call, ...]


class Complaint(Struct, frozen=True):
    """One thing that is unsafe in how a repository is set up at its forge, or (``told`` false) that could not be told.

    ``advice`` is where or how a person mends it: a link, or a command. ``remedy``: None where only a person can.
    """

    code: str
    message: str
    advice: str
    remedy: Remedy | None = None
    told: bool = True
