"""History over a real repository: revisions, trees, contents, and main's first-parent steps.

Only plumbing is run, so that nobody's settings for log or diff change an answer. Merges are compared with their first
parent, so that a grant slipped into a merge is seen. In a shallow clone, where history is cut and answers over it
can be wrong, the methods that walk it raise RefusedError, but for the few answers that are certain all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import IO

from daypass.core.errors import EdgeError, MissingError, RefusedError
from daypass.core.forge import Change, Commit, Entry, Landing
from daypass.core.ids import Oid
from daypass.edges.git import objects, steps
from daypass.edges.git.objects import Bound, Reader, beyond
from daypass.edges.git.plumbing import Git
from daypass.edges.git.promised import cut, promised

# Strict on purpose: a line that could be read in two ways could hide from the gate who wrote a commit.
_PERSON = re.compile(rb"(?P<name>[^<>\n\0]*?) ?<(?P<email>[^<>\n\0]*)> (?P<seconds>-?[0-9]{1,12}) [+-][0-9]{4,5}")


_WHOLE_ID = "[0-9a-f]{40}(?:[0-9a-f]{24})?"

MOST_COMMITS = 1000
"""Commits that a request may have: each is read for who had a hand in it."""

MOST_STEPS = 10_000
"""Commits between two of which git says that one is an ancestor of the other: beyond them git is believed."""

_NEAR = 32
"""So many commits are read before git is asked to walk."""

MOST_WORDS = 4 << 20
"""Bytes that all of them may have."""


class GitHistory:
    """Reads one repository. ``blob_limit``: of a larger blob only the first ``blob_limit + 1`` bytes are given.

    ``deepen`` fetches more of a history that is cut here, where an answer hangs on it, and says whether there was more.
    """

    def __init__(self, git: Git, *, blob_limit: int | None = None, deepen: Callable[[], bool] = lambda: False) -> None:
        self._git = git
        self._blob_limit = blob_limit
        self._deepen = deepen
        self._known: set[str] = set()
        self._bases: dict[tuple[Oid, Oid], tuple[Oid, ...]] = {}
        self._between: dict[tuple[Oid, Oid], dict[str, list[str]]] = {}
        self._promised = promised(git)

    def resolve(self, revision: str) -> Oid:
        """Return the commit that a revision names. Raises EdgeError when it names none."""
        found = self.find(revision)
        if found is None:
            raise MissingError(f"no commit is named {revision!r}", hint="fetch it, or check the spelling")
        return found

    def find(self, revision: str) -> Oid | None:
        """Return the commit that a revision names, None when there is no such ref."""
        if revision in self._known:  # a whole id that was looked up before: what it names cannot change
            return Oid(revision)
        if self._promised.thin and re.fullmatch(_WHOLE_ID, revision):
            while not self._promised.has(revision):
                if not self._deepen():
                    return None
        found = self._git.find(revision)
        if found is not None:
            self._known.add(found)
        return found

    def entries(self, revision: str, under: str = "", without: Collection[str] = ()) -> Iterator[Entry]:
        """Stream the leaves of a commit's tree below a folder, in git's order, but those of the folders there ``without``."""
        commit = self.resolve(revision)
        self._promised.bring_folder(commit, under)
        return map(Entry._make, Reader(self._git).leaves(commit, under, without))

    def folders(self, revision: str, under: str) -> dict[str, str]:
        """Return the folders directly below one of a commit: the name of each, and the id of all that lies in it."""
        commit = self.resolve(revision)
        self._promised.bring_folder(commit, under)
        return dict(Reader(self._git).folders(commit, under))

    def folder(self, revision: str, name: str) -> str:
        """Return the id of all that lies in a folder of a commit, the same for the same; "" where it is not there."""
        found = self._git.check(f"{self.resolve(revision)}:{name}")
        return "" if found.kind == b"missing" else found.oid

    def files(self, revision: str, under: str, wanted: Callable[[Entry], bool]) -> list[tuple[Entry, bytes]]:
        """Return the leaves below a folder that are ``wanted``, in git's order, each with what it holds."""
        found = [entry for entry in self.entries(revision, under) if wanted(entry)]
        contents = dict(self.blobs(dict.fromkeys(entry.oid for entry in found)))
        return [(entry, contents[entry.oid]) for entry in found]

    def blobs(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        """Stream contents in the order asked. Raises EdgeError for an object that is missing or no blob."""
        wanted = list(oids)
        self._promised.bring(wanted)
        return objects.blobs(self._git, wanted, limit=self._blob_limit)

    def sizes(self, oids: Iterable[Oid]) -> dict[Oid, int]:
        """Return the size in bytes of objects, unread. Raises EdgeError for one that is missing."""
        wanted = list(oids)
        self._promised.bring(wanted)
        return dict(objects.sizes(self._git, wanted))

    def changes(self, base: str, head: str, *, most: int | None = None) -> tuple[Change, ...]:
        """Return the paths that differ between two commits' trees, without rename detection.

        Raises InvalidError where they are more than ``most``, before the others are read.
        """
        before, after = self.resolve(base), self.resolve(head)
        self._promised.bring_differing(before, after)
        found = Reader(self._git).changes(before, after, Bound(most) if most is not None else None)
        return tuple(sorted(found, key=lambda change: change.path))

    def merge_base(self, one: str, other: str) -> Oid | None:
        """Return the best common ancestor, None where there is none; raises as `merge_bases` does."""
        found = self.merge_bases(one, other)
        return found[0] if found else None

    def merge_bases(self, one: str, other: str) -> tuple[Oid, ...]:
        """Return the best common ancestors: several where the two were merged across each other.

        In a shallow clone only one answer is certain: that ``one`` is itself an ancestor, which a step from parent to
        parent shows. Raises RefusedError there otherwise, but where more can be fetched (see ``deepen``): there those are
        certain in which no commit at the cut has a part. Elsewhere the answer is held against the commits' own bytes:
        raises EdgeError where they say otherwise.
        """
        old, new = self.resolve(one), self.resolve(other)
        while self.is_shallow():
            if self._git.attempt("merge-base", "--is-ancestor", old, new).returncode == 0:
                return (old,)
            common = self._git.attempt("merge-base", "--all", old, new).stdout.decode().split()
            if self._promised.thin and not self._goes_on(old, new, *(f"^{oid}" for oid in common)):
                break
            self._bring_more()
        if (old, new) not in self._bases and self._is_near(old, new):
            self._bases[old, new] = (old,)
        if (old, new) not in self._bases:
            done = self._git.attempt("merge-base", "--all", old, new)
            if done.returncode not in (0, 1):
                raise EdgeError(f"git merge-base failed: {done.stderr.decode('utf-8', 'replace').strip()}")
            found = tuple(Oid(oid) for oid in done.stdout.decode().split())
            if found:
                self._hold_bases(old, new, found)
            self._bases[old, new] = found
        return self._bases[old, new]

    def is_ancestor(self, old: Oid, new: Oid) -> bool:
        """Say whether ``old`` is ``new`` or one of its ancestors. Raises RefusedError in a shallow clone.

        Where more can be fetched it is, until that shows.
        """
        self._refuse_shallow()
        self.resolve(old)
        while self.is_shallow() and self._git.attempt("merge-base", "--is-ancestor", old, new).returncode == 1:
            if not self._goes_on(new, f"^{old}"):
                break
            self._bring_more()
        if self._is_near(self.resolve(old), self.resolve(new)):
            return True
        done = self._git.attempt("merge-base", "--is-ancestor", old, new)
        if done.returncode not in (0, 1):
            raise EdgeError(f"git merge-base failed: {done.stderr.decode('utf-8', 'replace').strip()}")
        if done.returncode == 0:
            self._hold_ancestor(old, new)
        return done.returncode == 0

    def commits(self, base: str, head: str) -> tuple[Commit, ...]:
        """Return the commits that head has and base has not, oldest first.

        Raises RefusedError where a shallow clone's cut goes through them: some would be missing. Elsewhere such a clone
        can only list too many. Raises InvalidError, having read none, for more than MOST_COMMITS or MOST_WORDS.
        """
        base, head = self.resolve(base), self.resolve(head)
        while self.is_shallow() and self._goes_on(head, f"^{base}", most=MOST_COMMITS + 1):
            self._between.pop((head, base), None)
            self._bring_more()
        told = self._told(head, base)
        hint = "squash them into a few, push, and ask again"
        if len(told) > MOST_COMMITS:
            raise beyond("too-many-commits", f"it has more than {MOST_COMMITS} commits", hint)
        if sum(size for _, size in objects.sizes(self._git, told)) > MOST_WORDS:
            raise beyond("too-many-commits", f"its commits have more than {MOST_WORDS >> 20} MiB of words", hint)
        return tuple(parse_commit(Oid(oid), raw) for oid, raw in self._hashed(told))

    def messages(self, commits: Iterable[Oid]) -> dict[Oid, str]:
        """Return commits' messages by id. Raises EdgeError for one that is missing."""
        wanted = list(dict.fromkeys(commits))
        found = {}
        for kind, oid, content in objects.objects(self._git, wanted, most=MOST_COMMITS) if wanted else ():
            if kind != b"commit":
                raise EdgeError(f"{oid} is no commit of this clone")
            found[oid] = steps.message(content)
        return found

    def landings(self, since: Oid | None, until: Oid) -> Iterator[Landing]:
        """Stream main's first-parent steps after ``since`` (None: from the root) up to ``until``, oldest first.

        Merges are compared with their first parent, so that a grant slipped into a merge is seen. Raises RefusedError
        in a shallow clone, and where ``since`` is no step of that history: what landed between the two cannot be told
        then.
        """
        self._refuse_shallow()
        last = self.resolve(until)
        first = None if since is None else self.resolve(since)
        self._bring_steps(first, last)
        found = steps.near(self._git, first, last)
        if found is not None:
            yield from found
            return
        from tempfile import TemporaryFile  # noqa: PLC0415  (short answers need no file)

        with TemporaryFile() as listed:
            self._list_steps(first, last, listed)
            yield from steps.landings(self._git, first, listed)

    def is_shallow(self) -> bool:
        """Say whether history is cut, so that audits would answer wrongly."""
        return self._git.is_shallow()

    def is_partial(self) -> bool:
        """Say whether this clone left contents at a server, so that each file that is read must be fetched."""
        return self._promised.any

    def _told(self, head: Oid, base: Oid) -> dict[str, list[str]]:
        """Return the same of the commits that head has and base has not, oldest first, one more than MOST_COMMITS."""
        if (head, base) not in self._between:
            line = steps.first_parents(Reader(self._git), base, head)
            if line is not None and all(len(parents) == 1 for parents in line.values()):
                return self._between.setdefault((head, base), line)
            options = ("--topo-order", "--reverse", f"--max-count={MOST_COMMITS + 1}")
            self._between[head, base] = self._parents(*options, head, f"^{base}")
        return self._between[head, base]

    def _parents(self, *options: str) -> dict[str, list[str]]:
        """Return the parents that git tells of the commits that ``rev-list`` lists, in its order."""
        lines = (line.split() for line in self._git.text("rev-list", "--parents", *options).splitlines())
        return {words[0]: words[1:] for words in lines}

    def _hashed(self, told: Mapping[str, list[str]]) -> Iterator[tuple[str, bytes]]:
        """Stream commits' bytes, held against their ids, and the parents that git told against them."""
        for _, oid, raw in objects.objects(self._git, told):
            steps.check_links(oid, told[oid], raw)
            yield oid, raw

    def _hold_bases(self, base: Oid, head: Oid, roots: tuple[Oid, ...]) -> None:
        """Hold it against the commits themselves that head leaves base's history where git says, and nowhere else.

        Bytes or a cache that tell otherwise could hide who wrote a part of a request.
        """
        told = self._told(head, base)
        if len(told) > MOST_COMMITS:
            return  # more than anybody reads: it is refused
        for _ in self._hashed(told):
            pass
        left = {parent for parents in told.values() for parent in parents} - told.keys() or {head}
        if not left.issuperset(roots):
            raise EdgeError(f"git tells that {roots[0]} is where {head} left {base}, and the commits do not")
        for parent in left:
            self._hold_ancestor(Oid(parent), base)

    def _is_near(self, old: Oid, new: Oid) -> bool:
        """Say whether ``old`` is certainly ``new`` or an ancestor of it, by the bytes of the commits close to it."""
        reached = {new: None}
        read = Reader(self._git)
        for place in range(_NEAR):
            if old in reached:
                return True
            commit = next(islice(reached, place, None), None)
            parents = steps.parents_of(read, commit) if commit is not None else None
            if parents is None:
                return False
            reached.update(dict.fromkeys(map(Oid, parents)))
        return False

    def _hold_ancestor(self, old: Oid, new: Oid) -> None:
        """Hold it against the commits themselves that one is an ancestor of another."""
        if self._is_near(old, new):
            return
        told = self._parents("--ancestry-path", f"--max-count={MOST_STEPS + 1}", new, f"^{old}")
        if len(told) > MOST_STEPS:
            return
        for _ in self._hashed(told):
            pass
        reached, open_ = {new}, [new]
        while open_:
            fresh = [Oid(parent) for parent in told.get(open_.pop(), ()) if parent not in reached]
            reached.update(fresh)
            open_ += fresh
        if old not in reached:
            raise EdgeError(f"git tells that {old} is an ancestor of {new}, and the commits do not")

    def _goes_on(self, *span: str, most: int = -1) -> bool:
        """Say whether the history that ``rev-list`` lists goes on behind the cut of this clone."""
        listed = self._git.text("rev-list", f"--max-count={most}", *span).split()
        return not cut(self._git).isdisjoint(listed)

    def _bring_more(self) -> None:
        """Fetch more of what was cut. Raises RefusedError where nothing more comes: who walks on would answer wrongly."""
        if not self._promised.thin or not self._deepen():
            raise RefusedError(
                "this clone is shallow: its history is cut, so answers over it would be wrong",
                hint="run `git fetch --unshallow`",
            )

    def _refuse_shallow(self) -> None:
        """Refuse where history is cut, and what it was cut of is not fetched when an answer hangs on it."""
        if self.is_shallow() and not self._promised.thin:
            self._bring_more()

    def _bring_steps(self, since: Oid | None, until: Oid) -> None:
        """Have main's steps here, and what they changed, where history is cut or folders were left out."""
        span = [until] if since is None else [until, f"^{since}"]
        while self.is_shallow() and self._goes_on("--first-parent", *span):
            self._bring_more()
        if self._promised.thin:
            lines = [
                line.split() for line in self._git.text("rev-list", "--first-parent", "--parents", *span).splitlines()
            ]
            self._promised.bring_steps([((*words[1:], "")[0], words[0]) for words in lines])

    def _list_steps(self, since: Oid | None, until: Oid, listed: IO[bytes]) -> None:
        """Write ``commit parents...`` to ``listed``, oldest first."""
        span = [until] if since is None else [until, f"^{since}"]
        start: bytes | None = None
        with self._git.stream("rev-list", "--first-parent", "--parents", "--reverse", *span) as output:
            for line in output:
                words = line.split()
                if start is None:
                    start = b" ".join(words[1:2])
                listed.write(line)
        stands = until if start is None else start.decode()
        if since is not None and stands != since:
            raise RefusedError(
                f"main at {until[:12]} was not reached from {since[:12]} step by step: a branch was pushed over main,"
                " or main went back",
                hint="restore main, and land the work by a merge whose first parent is main",
            )
        listed.seek(0)


def parse_commit(oid: Oid, raw: bytes) -> Commit:
    """Read a commit object's bytes. Raises RefusedError for one that could be read in two ways."""
    head, _, message = raw.partition(b"\n\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\n"):
        if not line.startswith(b" "):  # a continued header, such as a signature
            key, _, value = line.partition(b" ")
            fields.setdefault(key, []).append(value)
    author_name, author_email, authored = _person(oid, fields, b"author")
    _, committer_email, committed = _person(oid, fields, b"committer")
    return Commit(
        oid=oid,
        parents=tuple(Oid(parent.decode("ascii", "replace")) for parent in fields.get(b"parent", [])),
        author_name=author_name,
        author_email=author_email,
        committer_email=committer_email,
        authored_at=authored,
        committed_at=committed,
        message=message.decode("utf-8", "surrogateescape"),
    )


def _person(oid: Oid, fields: dict[bytes, list[bytes]], key: bytes) -> tuple[str, str, datetime]:
    lines = fields.get(key, [])
    match = _PERSON.fullmatch(lines[0]) if len(lines) == 1 else None
    if match is None:
        got = b" / ".join(lines).decode("utf-8", "backslashreplace")
        raise RefusedError(
            f"commit {oid} has no {key.decode()} that can be read: expected one `Name <email> time zone`, got {got!r}",
            hint="make the commit again with git itself",
        )
    try:
        at = datetime.fromtimestamp(int(match["seconds"]), tz=UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise RefusedError(
            f"commit {oid} has an impossible {key.decode()} time, got {int(match['seconds'])}"
        ) from error
    decode = ("utf-8", "surrogateescape")
    return match["name"].decode(*decode), match["email"].decode(*decode), at
