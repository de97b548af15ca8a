"""Clones that leave contents and folders at the server and fetch them when they are read (git's partial clones).

git fetches each missing object by itself, at the cost of a round trip, and with a folder all folders below it; here all
that will be read is fetched at once, and nothing else (https://git-scm.com/docs/partial-clone). A runner that judges one
request thus moves little, however many grants live. Servers such as GitHub's leave out no folder or all of them
(``tree:0``), so the upper levels are fetched here one after another.

A clone that is ``thin`` has its history cut as well (``--depth``): what lies before the cut is fetched when an answer
hangs on it (see `daypass.edges.git.remote`; until main's settings are known, and with them the forge, `Promised.deepening`
does it). git would take a commit that is not here for one that the server promised, and fetch all that leads to it;
so which commits are here is known here, and no other is asked of git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from weakref import WeakKeyDictionary, ref

from daypass.core.errors import EdgeError, RefusedError
from daypass.core.ids import FOLDER
from daypass.edges.git.objects import FOLDER_MODE, Reader, parse_tree
from daypass.edges.git.plumbing import Git

_GRANTS = FOLDER.rstrip("/")
_FEW = 2
"""So many objects git may fetch by itself."""
_DEEPEST = 64
DEPTHS = (1, 64, 1024)
"""How many commits of a thin clone's branches come at once; where they are not enough, all do."""
WHOLE = 0x7FFFFFFF
"""The depth that git takes for no cut at all."""

_of: WeakKeyDictionary[Git, Promised] = WeakKeyDictionary()


def promised(git: Git) -> Promised:
    """Return what a clone has not yet, the same for all that read it."""
    if git not in _of:
        _of[git] = Promised(git)
    return _of[git]


def cut(git: Git) -> frozenset[str]:
    """Return the commits whose parents are not here because history is cut at them."""
    try:
        return frozenset((git.common_dir() / "shallow").read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()


class Promised:
    """What a partial clone has not yet. Who asks it holds the clone's ``Git``."""

    def __init__(self, git: Git) -> None:
        self._held = ref(git)  # what is known of each is kept as long as it is, so for ever if this held it
        self._remote: str | None = None
        self._there: set[str] | None = None

    @property
    def _git(self) -> Git:
        found = self._held()
        assert found is not None, "its clone was let go of"  # noqa: S101  (see above)
        return found

    @property
    def any(self) -> bool:
        """Whether this clone left anything at a server."""
        return bool(self._source())

    @cached_property
    def thin(self) -> bool:
        """Whether this clone left out folders and had its history cut, and fetches what an answer hangs on."""
        return self._git.is_shallow() and self._leaves_trees

    def has(self, oid: str) -> bool:
        """Say whether an object is here, without having git fetch it."""
        if oid not in self._here():
            self.forget()  # it may have been made here meanwhile
        return oid in self._here()

    def forget(self) -> None:
        """Look anew at what is here: something was fetched."""
        self._there = None

    def deepening(self, commit: str) -> Callable[[], bool]:
        """Return what fetches more of a commit's history, from where this thin clone came, each time that it is called.

        It returns False where no more is to be had. Raises EdgeError.
        """
        depths = iter((*DEPTHS[1:], WHOLE) if self.thin else ())

        def deepen() -> bool:
            depth = next(depths, 0)
            if depth:
                self._reach([commit], depth)
            return depth != 0

        return deepen

    def bring_alone(self, commits: Iterable[str]) -> None:
        """Have commits in a thin clone without those between them and where its history is cut. Raises EdgeError."""
        if self.thin and (missing := sorted({one for one in commits if not self.has(one)})):
            self._reach(missing, 1)

    def _reach(self, commits: Iterable[str], depth: int) -> None:
        done = self._git.unlocked(
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--filter=tree:0"),
            *(f"--depth={depth}", "--", self._source(), *commits),
        )
        self.forget()
        if done.returncode != 0:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise EdgeError(
                f"what this clone left of history at {self._source()} cannot be fetched: "
                f"{next((line for line in lines if line.startswith('fatal:')), 'no message')}",
                hint="is the network up, may the token read the repository? A whole clone needs no such fetch",
            )

    def bring_paths(self, commit: str, paths: Iterable[str], *beside: str) -> dict[str, str]:
        """Fetch what stands at paths of a commit, with the folders on the way there, level by level; return their ids.

        Of a folder at the end only its own list comes. A path that leads nowhere is left out. What stands there in the
        commits ``beside`` it comes with it.
        """
        tops = self._bring_tops([commit, *beside])
        ways = [path.split("/") for path in dict.fromkeys(paths)]
        reached, found = {(number, ""): top for number, top in enumerate(tops)}, dict[str, str]()
        for depth in range(max(map(len, ways), default=0)):
            steps = {("/".join(way[:depth]), way[depth]) for way in ways if len(way) > depth}
            going_on = {at for at, _ in steps}
            held = {at: self._all(top) for at, top in reached.items() if at[1] in going_on}
            reached = {
                (number, f"{at}/{name}".lstrip("/")): held[number, at][name]
                for number in range(len(tops))
                for at, name in steps
                if name in held.get((number, at), {})
            }
            self.bring(reached.values(), below=False)
            found |= {path: oid for (number, path), oid in reached.items() if number == 0}
        return {path: found[path] for path in paths if path in found}

    def names(self, tree: str) -> list[str]:
        """Return what stands right below a tree that is here."""
        return list(self._all(tree))

    def bring_steps(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Fetch the folders in which the commits of each pair differ ("": from nothing), level by level."""
        if not self._leaves_trees or not pairs:
            return
        tops = dict(zip(commits := sorted({c for pair in pairs for c in pair if c}), self._tops(commits), strict=True))
        sides = [(tops.get(one, ""), tops[other]) for one, other in pairs]
        for _ in range(_DEEPEST):
            self.bring({oid for pair in sides for oid in pair if oid}, below=False)
            sides = [
                (left, right)
                for one, other in dict.fromkeys(sides)
                for _, left, right in _differing(*(self._folders(oid) if oid else {} for oid in (one, other)))
            ]
            if not sides:
                return

    def bring_folder(self, commit: str, under: str) -> None:
        """Fetch all folders below a commit's folder, at once. Does nothing in a clone that holds every tree."""
        if self._leaves_trees:
            (folder,) = self._bring_tops([commit])
            for name in under.split("/") if under else ():
                found = self._folders(folder).get(name, "")
                if not found:
                    return
                self.bring([found], below=False)
                folder = found
            self.bring(self._folders(folder).values())

    def bring_differing(self, one: str, other: str) -> None:
        """Fetch the folders that two commits differ in, at once, from the second level down. Likewise."""
        if not self._leaves_trees:
            return
        before, after = self._bring_tops([one, other])
        sides = [
            (left, right)
            for name, left, right in _differing(self._folders(before), self._folders(after))
            if (left and right) or name == _GRANTS  # whoever adds others by the thousand has git alone look at each
        ]
        self.bring((oid for pair in sides for oid in pair if oid), below=False)
        wanted: set[str] = set()
        for left, right in sides:
            below = (self._folders(oid) if oid else {} for oid in (left, right))
            wanted |= {oid for _, *each in _differing(*below) for oid in each if oid}
        self.bring(wanted)

    def _bring_tops(self, commits: Sequence[str]) -> list[str]:
        """Fetch the uppermost folders of commits, without what is below; return their ids in the same order."""
        tops = self._tops(commits)
        self.bring(tops, below=False)
        return tops

    def _tops(self, commits: Sequence[str]) -> list[str]:
        read = Reader(self._git)
        found = [one for one in map(read.get, commits) if one is not None and one[1] == b"commit"]
        if len(found) == len(commits):  # what is here needs no process
            return [raw[len(b"tree ") :].partition(b"\n")[0].decode("ascii") for _, _, raw in found]
        asked = "".join(f"{commit}\n" for commit in commits).encode()
        return self._git.text("log", "--no-walk=unsorted", "--stdin", "--format=%T", stdin=asked).split()

    def _folders(self, tree: str) -> dict[str, str]:
        """Return the folders right below a tree, name to id; none where it does not exist."""
        return self._all(tree, FOLDER_MODE)

    def _all(self, tree: str, mode: str = "") -> dict[str, str]:
        """Return what stands right below a tree, name to id, of one mode or all; none where it does not exist.

        Nor where git fails: only what would be fetched ahead is lost then, and reading it for real tells why.
        """
        try:
            oid, raw = Reader(self._git).tree(tree)
            held = parse_tree(oid, raw)
        except (EdgeError, RefusedError):
            return {}
        return {
            name.decode("utf-8", "surrogateescape"): found.hex()
            for name, (kind, found) in held.items()
            if kind.startswith(mode)
        }

    def _here(self) -> set[str]:
        if self._there is None:
            listed = self._git.run("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
            self._there = set(listed.decode("ascii").split())
        return self._there

    @cached_property
    def _leaves_trees(self) -> bool:
        """Whether this clone was made without the trees below some level."""
        if not self._source():
            return False
        left_out = self._git.attempt("config", f"remote.{self._source()}.partialclonefilter").stdout
        return left_out.startswith(b"tree:")

    def bring(self, oids: Iterable[str], *, below: bool = True) -> None:
        """Fetch those objects that are not here, at once, folders with all folders below them, or without.

        Does nothing in a whole clone. Raises EdgeError.
        """
        if not self._source():
            return
        wanted = set(oids)
        if below and len(wanted) < _FEW:
            return
        there = self._here()
        missing = sorted(wanted - there)
        if not missing:
            return
        done = self._git.attempt(
            *("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"),
            *("--recurse-submodules=no", f"--filter={'blob:none' if below else 'tree:0'}", "--stdin", "--"),
            self._source(),
            stdin="".join(f"{oid}\n" for oid in missing).encode(),
        )
        if done.returncode != 0:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise EdgeError(
                f"{len(missing)} files or folders that this clone left at {self._source()} cannot be fetched: "
                f"{lines[-1] if lines else 'no message'}",
                hint="is the network up, may the token read the repository? A whole clone needs no such fetch",
            )
        there.update(missing)

    def _source(self) -> str:
        """Return the remote that promised the rest, "" in a whole clone."""
        # git marks each pack that came without all that it names; where there is none, nothing was left out.
        if self._remote is None and not any((self._git.common_dir() / "objects" / "pack").glob("*.promisor")):
            self._remote = ""
        if self._remote is None:
            done = self._git.attempt("config", "--get-regexp", r"^remote\..*\.promisor$", "true")
            keys = [line.split(" ")[0] for line in done.stdout.decode("utf-8", "replace").splitlines()]
            self._remote = keys[0].removeprefix("remote.").removesuffix(".promisor") if keys else ""
        return self._remote


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Return name and both ids, "" for none, of what differs."""
    for name in sorted({*one, *other}):
        left, right = one.get(name, ""), other.get(name, "")
        if left != right:
            yield name, left, right
