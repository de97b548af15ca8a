"""Reading the chain of events that is a pull request's record, and what it adds up to.

A chain is a list of commits: each carries one event and names the one before as its first parent; the first one is the
opening. Upholds: nothing in a chain is skipped; each event follows from the ones before it; what a commit of an event
says beside its event (author, time, message, parents) agrees with it, so that a signature covers all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from daypass.core.errors import DaypassError, EdgeError, MissingError
from daypass.core.finding import shown
from daypass.core.forge import CLOSED, OPENED, PUSHED, Account, Act, Merge, Pull, Review
from daypass.core.ids import OID, Oid
from daypass.core.record import replace
from daypass.edges.forges.local import records
from daypass.edges.forges.local.records import Event, corrupt
from daypass.edges.git.objects import Reader
from daypass.edges.git.plumbing import Git

HEADS = "refs/heads/"
OPEN = "refs/heads/daypass/open/"
DONE = "refs/heads/daypass/done/"

_MERGE_LIMIT = 1 << 20
_MOST = 999_999_999
_MOST_EVENTS = 1_000
"""Events that one record may have: all of them are read whenever anybody looks at what is open."""
_FEW = 3
_LATEST = 1_000
"""So many of main's latest merges are asked for their numbers; those before them are lower."""
MERGE_HINT = re.compile(r"^Daypass-Pull: ([1-9][0-9]{0,8})$", re.MULTILINE)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_PASSED_OVER = r"warning: ignoring (?:broken ref|ref with broken name|dangling symref) (refs/.+)"
_COMMIT = re.compile(
    rb"tree (?P<tree>[0-9a-f]+)\n"
    rb"(?P<parents>(?:parent [0-9a-f]+\n)*)"
    rb"author (?P<who>(?P<name>[^<>\n\0]*) <(?P<email>[^<>\n\0]*)> (?P<seconds>[0-9]{1,12}) \+0000)\n"
    rb"committer (?P=who)\n"
    rb"(?P<signature>gpgsig(?:-sha256)? -----BEGIN SSH SIGNATURE-----\n(?: [^\n]*\n)+)?"
    rb"\n(?P<message>[^\0]*)"
)
_PARENT = re.compile(rb"parent ([0-9a-f]+)\n")


class Link(Struct, frozen=True):
    """One event and the commit that carries it. ``signed`` says that it bears an SSH signature, of whomever."""

    oid: Oid
    event: Event
    name: str
    email: str
    signed: bool


class Chain(Struct, frozen=True):
    """A pull request's record: the ref that holds it, where that stands, and its events, oldest first."""

    number: int
    ref: str
    tip: Oid
    links: tuple[Link, ...]

    @property
    def is_open(self) -> bool:
        """Whether it lies among the open ones."""
        return "/daypass/open/" in self.ref


class ChainReader:
    """Reads chains; those of another clone lie below its remote-tracking ``root``."""

    def __init__(self, git: Git, root: str = HEADS) -> None:
        self._get = Reader(git).get
        self._root = root

    def read(self, number: int) -> Chain | None:
        """Return a pull request's record, None where there is none. Raises EdgeError for one that is corrupt."""
        # Open first: one that is merged between the two questions is found at the second.
        open_ref, done_ref = (f"{self._root}{under.removeprefix(HEADS)}{number}" for under in (OPEN, DONE))
        opened = self._get(open_ref, records.LARGEST)
        done = self._get(done_ref, records.LARGEST)
        found = done or opened
        if found is None:
            return None
        ref = done_ref if done is not None else open_ref
        try:
            chain = Chain(number, ref, found[0], tuple(self._links(number, found[0])))
            _check_order(chain)
        except EdgeError as error:
            start = corrupt(number, "").message
            if done is None or not error.message.startswith(start):
                raise
            raise corrupt(number, error.message.removeprefix(start), "done") from error
        # A clone that fetches without pruning keeps the open ref; another chain beside the done one is a forgery.
        if opened is not None and opened[0] not in {link.oid for link in chain.links}:
            raise corrupt(number, "it is open with one record and done with another")
        return chain

    def message(self, commit: Oid) -> str:
        """Return a commit's message. Raises EdgeError when there is no such commit."""
        found = self._get(commit, _MERGE_LIMIT) if OID.fullmatch(commit) else None
        if found is None or found[1] != b"commit":
            raise EdgeError(f"there is no commit {commit!r}")
        return found[2].partition(b"\n\n")[2].decode("utf-8", "replace")

    def _links(self, number: int, tip: Oid) -> list[Link]:
        links: list[Link] = []
        at: Oid | None = tip
        while at is not None:
            link, at = self._link(number, at)
            links.append(link)
            if len(links) > _MOST_EVENTS:
                raise corrupt(number, f"it has more than {_MOST_EVENTS} events")
        links.reverse()
        return links

    def _link(self, number: int, oid: Oid) -> tuple[Link, Oid | None]:
        """Read one event; return it and the commit of the one before."""
        match = _COMMIT.fullmatch(self._object(number, oid, b"commit"))
        if match is None:
            raise corrupt(number, f"commit {oid[:12]} is none that carries an event")
        tree = self._object(number, Oid(match["tree"].decode()), b"tree")
        prefix = f"100644 {records.FILE}\0".encode()
        if not tree.startswith(prefix) or len(tree) != len(prefix) + len(oid) // 2:
            raise corrupt(number, f"commit {oid[:12]} holds more or less than {records.FILE}")
        event = records.decode(self._object(number, Oid(tree[len(prefix) :].hex()), b"blob"), number)
        parents = [Oid(p.decode()) for p in _PARENT.findall(match["parents"])]
        if match["message"].decode("utf-8", "replace") != event.message:
            raise corrupt(number, f"commit {oid[:12]} has another message than its event")
        if int(match["seconds"]) != int(event.at.timestamp()):
            raise corrupt(number, f"commit {oid[:12]} has another time than its event")
        before = None if event.kind == "opened" else (parents.pop(0) if parents else oid)
        carried = [event.oid(name) for name in ("head", "commit") if _carries(event.kind) == name]
        if parents != carried or before == oid:
            raise corrupt(number, f"commit {oid[:12]} has other parents than its event asks for")
        if event.kind == "merged":
            self._check_merge(number, event)
        name, email = (match[key].decode("utf-8", "replace") for key in ("name", "email"))
        return Link(oid, event, name, email, match["signature"] is not None), before

    def _check_merge(self, number: int, event: Event) -> None:
        """Hold the merge that a record names against the commit itself."""
        found = self._get(event.oid("commit"), _MERGE_LIMIT)
        header = found[2].partition(b"\n\n")[0] + b"\n" if found is not None and found[1] == b"commit" else b""
        parents = [p.decode() for p in _PARENT.findall(header)]
        if parents != [event.fields["base"], event.fields["head"]]:
            raise corrupt(number, f"commit {event.oid('commit')[:12]} is not the merge that it records")

    def _object(self, number: int, oid: Oid, kind: bytes) -> bytes:
        found = self._get(oid, records.LARGEST)
        if found is None or found[1] != kind:
            raise corrupt(number, f"object {oid[:12]} is no {kind.decode()} or is missing")
        return found[2]


def read_each(git: Git, numbers: Iterable[int], root: str = HEADS) -> Iterator[tuple[int, Chain | EdgeError | None]]:
    """Read records one by one; one that cannot be read is an error in its place, one that is not there None."""
    reader = ChainReader(git, root)
    for number in numbers:
        try:
            found: Chain | EdgeError | None = reader.read(number)
        except EdgeError as error:
            found = error
        yield number, found


def lost(number: int, names: Collection[str]) -> EdgeError | None:
    """Return the error for a record of which nothing is found though one of these refs is its own, else None."""
    kind = next((kind for kind in ("done", "open") if f"daypass/{kind}/{number}" in names), "")
    return corrupt(number, "its ref names an object that is missing", kind) if kind else None


def absent(git: Git, number: int) -> DaypassError:
    """Return the error for a pull request of which nothing is found."""
    names = {name.removeprefix(HEADS) for name in _refs(git, OPEN, DONE)}
    missing = MissingError(f"there is no pull request {number}", hint="`daypass status` lists the open ones")
    return lost(number, names) or missing


def open_numbers(git: Git) -> tuple[int, ...]:
    """Return the numbers of the open pull requests, in order; 0 among them where a ref there is none."""
    return _open_among(_refs(git, OPEN))


def _open_among(refs: Iterable[str]) -> tuple[int, ...]:
    last = [ref.removeprefix(OPEN) for ref in refs if ref.startswith(OPEN)]
    return tuple(sorted({int(name) if _NUMBER.fullmatch(name) else 0 for name in last}))


def done_since(git: Git, instant: datetime) -> tuple[int, ...]:
    """Return the numbers of the requests that ended since an instant, as their refs tell; a ref that is none is left out."""
    told = git.text("for-each-ref", "--format=%(committerdate:unix) %(refname)", DONE).splitlines()
    found = (line.partition(" ") for line in told)
    late = (
        numbered(ref.removeprefix(HEADS)) for at, _, ref in found if at.isdecimal() and int(at) >= instant.timestamp()
    )
    return tuple(sorted({number for number in late if number}))


def no_pull(git: Git) -> EdgeError:
    """Return the error about refs among the open pull requests that are none: each stops only itself."""
    wrong = sorted({ref for ref in _refs(git, OPEN) if not _NUMBER.fullmatch(ref.removeprefix(OPEN))})
    named = ", ".join(shown(ref) for ref in wrong[:_FEW])
    return EdgeError(
        f"{named or 'pull request 0'} is no pull request",
        hint=f"`git branch -m daypass/open/… NAME` moves it out of the way, `git update-ref -d {OPEN}…` deletes it",
    )


def next_number(git: Git, main: str) -> tuple[int, tuple[int, ...]]:
    """Return the number after the highest that this clone has heard of, and those that `open_numbers` returns.

    Others' requests count as soon as anything of them is here: a record, a remote-tracking ref, a merge on main. Raises
    EdgeError where no number is left.
    """
    refs = _refs(git, OPEN, DONE, "refs/remotes/*/daypass/open/*", "refs/remotes/*/daypass/done/*")
    here = {numbered(ref.removeprefix(HEADS)): ref for ref in refs}
    tracked = {numbered(ref.split("/", 3)[-1]): ref for ref in refs if not ref.startswith(HEADS)}
    places = tracked | _merged(git, main) | here
    number = max(places, default=0) + 1
    if number > _MOST:
        raise EdgeError(
            f"there is no number left after {number - 1}",
            hint=f"nobody opened so many: look at {places[number - 1]}, and delete what is forged",
        )
    return number, _open_among(refs)


def _merged(git: Git, main: str) -> dict[int, str]:
    """Return the numbers that the latest merges on main name, and which commit: records may not have come along."""
    mains = (main, f"--glob=refs/remotes/*/{main.removeprefix(HEADS)}")
    told = git.attempt("log", "--first-parent", f"--max-count={_LATEST}", "--format=%H%n%B", *mains, "--").stdout
    found: dict[int, str] = {}
    commit = ""
    for line in told.decode("utf-8", "replace").splitlines():
        commit = line if OID.fullmatch(line) else commit
        match = MERGE_HINT.fullmatch(line)
        if match is not None:
            found[int(match[1])] = f"the message of commit {commit}"
    return found


def _refs(git: Git, *places: str) -> list[str]:
    """Return the refs below some places or of these forms, those that git cannot read included."""
    done = git.attempt("for-each-ref", "--format=%(refname)", *places)
    told = done.stderr.decode("utf-8", "replace").strip().splitlines()
    passed = [
        re.fullmatch(_PASSED_OVER, line) for line in told
    ]  # git passes over a ref that it cannot read, and succeeds
    if done.returncode != 0 or not all(passed):
        raise EdgeError(
            f"the pull requests below {places[0]} cannot be listed: {shown(told[0]) if told else 'git failed'}",
            hint="restore that ref from another clone, or delete it",
        )
    return [*done.stdout.decode("utf-8", "replace").splitlines(), *(match[1] for match in passed if match)]


def numbered(name: str) -> int:
    """Return the number in the short name of a record's ref, 0 for any other name."""
    under, _, last = name.rpartition("/")
    return int(last) if under in ("daypass/open", "daypass/done") and _NUMBER.fullmatch(last) else 0


def _carries(kind: str) -> str:
    """Say which field of an event is a parent of its commit, so that its objects travel with it."""
    return {"opened": "head", "pushed": "head", "merged": "commit"}.get(kind, "")


def _check_order(chain: Chain) -> None:
    """Each event must follow from the ones before: the opening first, an end last, no time before the last one's."""
    head = ""
    for place, link in enumerate(chain.links):
        event = link.event
        ends, due = event.kind in ("merged", "closed"), not chain.is_open and place == len(chain.links) - 1
        if ends != due:
            why = f"its end at {link.oid[:12]} is not where an end belongs" if ends else "it is done and has no end"
            raise corrupt(chain.number, why)
        if place and event.at < chain.links[place - 1].event.at:
            raise corrupt(chain.number, f"event {link.oid[:12]} is older than the one before it")
        if event.kind in ("opened", "pushed"):
            head = event.fields["head"]
        about = event.fields.get("commit" if event.kind in records.REVIEWS else "head", head)
        if about != head:
            raise corrupt(chain.number, f"event {link.oid[:12]} is about {about[:12]}, the head was {head[:12]}")


def fold(chain: Chain, who: Callable[[Link], Account]) -> tuple[Pull, tuple[Review, ...]]:
    """Add up a chain to the pull request as it is now and its reviews."""
    first = chain.links[0]
    opener = who(first)
    pull = Pull(
        number=chain.number,
        title=first.event.fields["title"],
        state="open",
        opened_by=opener,
        opened_at=first.event.at,
        branch=first.event.fields["branch"],
        head=first.event.oid("head"),
        pushers=(opener,),
        acts=(Act(opener, OPENED, first.event.at, _mains(first.event)),),
        reason=first.event.fields.get("reason", ""),
    )
    reviews: list[Review] = []
    for link in chain.links[1:]:
        event = link.event
        if event.kind in records.REVIEWS:
            said = event.fields.get("reason", "")
            given = who(link), event.kind, event.oid("commit"), event.at, link.oid, said, _mains(event)
            reviews.append(Review(*given))
        elif event.kind == "pushed":
            by = who(link)
            acts = (*pull.acts, Act(by, PUSHED, event.at, _mains(event)))
            pull = replace(pull, head=event.oid("head"), pushers=(*pull.pushers, by), acts=acts)
        elif event.kind == "merged":
            merge = Merge(event.oid("commit"), event.oid("base"), event.oid("head"), event.at, who(link))
            pull = replace(pull, state="merged", merge=merge)
        else:
            closing = Act(who(link), CLOSED, event.at)
            pull = replace(pull, state="closed", closed_reason=event.fields["reason"], closing=closing)
    return pull, tuple(reviews)


def _mains(event: records.Event) -> tuple[Oid, ...]:
    return (event.oid("main"),) if "main" in event.fields else ()
