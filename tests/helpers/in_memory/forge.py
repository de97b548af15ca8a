"""``Forge`` over objects in memory: pull requests as lists of events, added up by each who asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from daypass.core.bounds.watch import Condition, Watched
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import ConflictError, EdgeError, MissingError, RefusedError, UsageError
from daypass.core.finding import near
from daypass.core.forge import CLOSED, OPENED, PUSHED, Account, Act, Change, Merge, Pull, Review, unsigned_denial
from daypass.core.ids import ABSENT, Oid
from daypass.core.window import format_instant
from in_memory.history import MemoryHistory
from in_memory.objects import Leaf, Objects

OURS = "daypass/"
REVIEWS = ("approved", "rejected", "withdrawn")


class Event(NamedTuple):
    """Something that somebody did to a pull request. ``commit`` is the head, or the merge; ``main`` stood there then."""

    did: str
    by: str
    at: datetime
    commit: Oid = ABSENT
    main: Oid = ABSENT
    text: str = ""
    branch: str = ""
    title: str = ""


class MemoryForge:
    """Implements ports.Forge. ``acting`` is a handle, or "" for ``name`` and ``email``, who uses this machine."""

    def __init__(
        self,
        objects: Objects,
        pulls: dict[int, tuple[Event, ...]],
        directory: Directory,
        *,
        acting: str = "",
        identity: tuple[str, str] = ("", ""),
        unsigned: str = "",
    ) -> None:
        self._objects = objects
        self._pulls = pulls
        self._directory = directory
        self._acting = acting
        self._own = identity
        self._refuses = unsigned == "refuse"
        self._history = MemoryHistory(objects)

    def pull(self, number: int) -> Pull:
        return self._fold(number)[0]

    def open_pulls(self) -> tuple[Pull, ...]:
        return tuple(pull for pull in map(self.pull, sorted(self._pulls)) if pull.state == "open")

    def unmerged_pulls(self, since: datetime) -> tuple[Pull, ...]:
        late = (number for number in sorted(self._pulls) if self._pulls[number][-1].at >= since)
        return tuple(pull for pull in map(self.pull, late) if pull.state != "merged")

    def reviews(self, number: int) -> tuple[Review, ...]:
        return self._fold(number)[1]

    def watch(self, conditions: Collection[Condition]) -> Mapping[Condition, Watched]:
        return dict.fromkeys(conditions, Watched(unknown="there are no issues in memory"))

    def mains_at(self, instants: Collection[datetime]) -> Mapping[datetime, tuple[Oid, ...]]:
        return {}

    def merged_as(self, commit: Oid) -> Pull | None:
        every = map(self.pull, self._pulls)
        return next((pull for pull in every if pull.merge is not None and pull.merge.commit == commit), None)

    def acting(self) -> Account:
        name, email, person = self._identity()
        return self._known(person, name, email)

    def clock(self) -> None:
        return None

    def open(
        self, *, branch: str, head: Oid, title: str, at: datetime, body: str = "", reason: str = ""
    ) -> Pull:  # fmt: skip
        self._check_stands(branch, self._ref(branch), head)
        self._fork_point(head, branch)
        there = next((pull for pull in self.open_pulls() if pull.branch == branch), None)
        if there is not None:
            raise ConflictError(
                f"branch {branch!r} has an open pull request already: #{there.number}",
                hint=f"close #{there.number} first, or use another branch",
            )
        number = max(self._pulls, default=0) + 1
        _, email, _ = self._identity()
        self._pulls[number] = (Event(OPENED, email, at, head, self._tip(), reason, branch, title),)
        return self.pull(number)

    def push(self, number: int, *, head: Oid, at: datetime) -> Pull:
        pull = self._open_pull(number)
        self._check_stands(pull.branch, self._ref(pull.branch), head)
        if pull.head != head:
            self._fork_point(head, pull.branch)
            self._note(number, PUSHED, at, head, main=self._tip())
        return self.pull(number)

    def review(self, number: int, *, commit: Oid, state: str, at: datetime, reason: str = "") -> Review:
        me = self.acting()
        if not me.handle:
            raise RefusedError(
                f"the directory does not know {me.name}, so their review would count for nothing",
                hint="set `git config user.email` to the address that policies/directory has for you",
            )
        if self._refuses and not me.signed:
            raise unsigned_denial(me.handle)
        head = self._open_pull(number).head
        if head != commit:
            raise ConflictError(f"the head of #{number} is {head[:12]} now", hint="look at it again, then review")
        standing = [review.state for review in self.reviews(number) if review.by.handle == me.handle]
        if state == "withdrawn" and standing[-1:] in ([], ["withdrawn"]):
            raise UsageError(f"{me.handle} has no review of #{number} to withdraw")
        main = self._tip() if state == "approved" else ABSENT
        self._note(number, state, at, commit, main=main, text=reason if state == "rejected" else "")
        return self.reviews(number)[-1]

    def merge(self, number: int, *, head: Oid, base: Oid, message: str, at: datetime) -> Merge:
        pull = self._open_pull(number)
        if pull.head != head:
            raise ConflictError(
                f"the head of #{number} is {pull.head[:12]} now, expected {head[:12]}", hint="look at it again"
            )
        main = self._tip()
        if main != base:
            raise ConflictError(f"main stands at {main[:12]}, expected {base[:12]}", hint="run the command again")
        if f"\nDaypass-Pull: {number}\n" not in message:
            message = f"{message.rstrip()}\n\nDaypass-Pull: {number}\n"
        name, email, _ = self._identity()
        made = self._objects.commit_files(
            base, self._merged(base, head, pull.branch), (base, head), message, author=(name, email), at=at
        )
        self._note(number, "merged", at, made, main=base)
        ref = self._ref(pull.branch)
        gone = {ref: (head, ABSENT)} if pull.branch.startswith(OURS) and self._objects.refs.get(ref) == head else {}
        self._objects.move({"refs/heads/main": (base, made), **gone})
        merge = self.pull(number).merge
        assert merge is not None
        return merge

    def close(self, number: int, *, reason: str, at: datetime) -> None:
        self._open_pull(number)
        self._note(number, "closed", at, text=reason)

    def commit(
        self,
        *,
        branch: str,
        parent: Oid,
        files: Sequence[tuple[str, bytes | None]],
        message: str,
        at: datetime,
        fresh: bool = False,
    ) -> Oid:
        ref = self._ref(branch)
        name, email, _ = self._identity()
        made = self._objects.commit_files(parent, files, (parent,), message, author=(name, email), at=at)
        old = self._objects.refs.get(ref)
        if old == made:
            return made
        if old is not None and (fresh or (old != parent and not branch.startswith(OURS))):
            raise ConflictError(
                f"branch {branch!r} stands at {old[:12]}, expected {parent[:12]}", hint="use another branch"
            )
        self._objects.move({ref: (old or ABSENT, made)})
        return made

    # Who

    def _identity(self) -> tuple[str, str, Subject | None]:
        if not self._acting:
            return *self._own, self._directory.by_email(self._own[1])
        person = self._directory.subjects.get(self._acting)
        if person is None:
            hint = near(self._acting, self._directory.subjects, "--as takes a handle of policies/directory")
            raise UsageError(f"the directory does not know {self._acting!r}", hint=hint)
        if not person.emails:
            raise UsageError(
                f"{self._acting!r} has no email address in the directory, so nothing can be recorded as theirs",
                hint="add one in policies/directory",
            )
        return person.name or person.handle, person.emails[0], person

    def _known(self, person: Subject | None, name: str, email: str) -> Account:
        if person is None:
            return Account("", f"{name} <{email}>".strip())
        named, keys = person.name or person.handle, bool(person.keys)
        return Account(person.handle, named, person.is_person, keys or not self._refuses, keys)

    def _account(self, email: str) -> Account:
        """Return whose address it is. Everybody here signs what they do, where they have a key."""
        return self._known(self._directory.by_email(email), "", email)

    # Records

    def _note(
        self, number: int, did: str, at: datetime, commit: Oid = ABSENT, *, main: Oid = ABSENT, text: str = ""
    ) -> None:
        last = self._pulls[number][-1]
        if int(at.timestamp()) < int(last.at.timestamp()):
            raise RefusedError(
                f"it is {format_instant(at)} here, but #{number} was {last.did} at {format_instant(last.at)}",
                hint="set the clock, or wait until it has caught up",
            )
        _, email, _ = self._identity()
        self._pulls[number] += (Event(did, email, at, commit, main, text),)

    def _open_pull(self, number: int) -> Pull:
        pull = self.pull(number)
        if pull.state != "open":
            raise ConflictError(f"pull request {number} is {pull.state} already")
        return pull

    def _fold(self, number: int) -> tuple[Pull, tuple[Review, ...]]:
        if number not in self._pulls:
            raise MissingError(f"there is no pull request {number}", hint="`daypass status` lists the open ones")
        events = self._pulls[number]
        moved = [event for event in events if event.did in (OPENED, PUSHED)]
        by = {event: self._account(event.by) for event in events}
        last = events[-1]
        merge = Merge(last.commit, last.main, moved[-1].commit, last.at, by[last]) if last.did == "merged" else None
        pull = Pull(
            number=number,
            title=events[0].title,
            state=last.did if last.did in ("merged", "closed") else "open",
            opened_by=by[events[0]],
            opened_at=events[0].at,
            branch=events[0].branch,
            head=moved[-1].commit,
            pushers=tuple(by[event] for event in moved),
            merge=merge,
            closed_reason=last.text if last.did == "closed" else "",
            acts=tuple(Act(by[event], event.did, event.at, (event.main,)) for event in moved),
            reason=events[0].text,
            closing=Act(by[last], CLOSED, last.at) if last.did == "closed" else None,
        )
        reviews = (
            Review(by[e], e.did, e.commit, e.at, f"{number}-{place}", e.text, (e.main,) if e.main != ABSENT else ())
            for place, e in enumerate(events)
            if e.did in REVIEWS
        )
        return pull, tuple(reviews)

    # Branches

    def _tip(self) -> Oid:
        if "refs/heads/main" not in self._objects.refs:
            raise EdgeError("there is no branch 'main'")
        return self._objects.refs["refs/heads/main"]

    @staticmethod
    def _ref(branch: str) -> str:
        if branch in ("", "main") or branch.startswith(("daypass/open/", "daypass/done/")):
            raise UsageError(f"branch {branch!r} is no branch for a request", hint="use a branch of its own")
        return f"refs/heads/{branch}"

    def _check_stands(self, branch: str, ref: str, head: Oid) -> None:
        found = self._objects.refs.get(ref)
        if found != head:
            where = f"stands at {found[:12]}" if found is not None else "is not there"
            raise ConflictError(f"branch {branch!r} {where}, expected {head[:12]}", hint="run the command again")

    def _fork_point(self, head: Oid, branch: str) -> Oid:
        found = self._history.merge_bases(self._tip(), head)
        if not found:
            raise EdgeError(f"branch {branch!r} shares no history with main", hint="make the branch from main")
        if found[0] == head:
            raise ConflictError(
                f"branch {branch!r} has nothing that main has not", hint="commit the change on the branch first"
            )
        if len(found) > 1:
            raise ConflictError(
                f"branch {branch!r} and main were merged across each other", hint="make the change on a new branch"
            )
        return found[0]

    def _merged(self, base: Oid, head: Oid, branch: str) -> list[tuple[str, Leaf | None]]:
        root = self._fork_point(head, branch)
        meanwhile = {change.path: _left(change) for change in self._history.changes(root, base)}
        puts: list[tuple[str, Leaf | None]] = []
        for change in self._history.changes(root, head):
            if change.path not in meanwhile:
                puts.append((change.path, _left(change)))
            elif meanwhile[change.path] != _left(change):
                raise ConflictError(
                    f"main has changed {change.path!r} since branch {branch!r} left it",
                    hint="make the change on a new branch of main",
                )
        return puts


def _left(change: Change) -> Leaf | None:
    return None if change.deleted else (change.new_mode, change.new)
