"""Sharing a local forge between clones: fetch what is ours from a remote, join the two, and push in one step.

Ours are main, the ledger's branch and every branch below ``daypass/``. A ref moves forward only, on either side; what
does not continue the other side's is named. A pull request's record that is damaged or forked stops only itself, so
that nobody's request can hold up main and the ledger, and with them every end of access. Nothing that comes is believed
for having come this way: whoever reads it proves it as before.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field

from daypass.core.errors import ConflictError, DaypassError, EdgeError, LockedError, UsageError
from daypass.core.finding import shown
from daypass.core.ids import ABSENT, Oid
from daypass.edges.forges.local.chain import HEADS, Chain, lost, numbered, read_each
from daypass.edges.git.locks import lock_in
from daypass.edges.git.plumbing import Git
from daypass.edges.git.steps import leads_to
from daypass.edges.git.trees import catch_up, checked_out, leaving, sync_worktree

_OURS = "daypass/"
_KINDS = ("open", "done")
_AT_ONCE = 1_000
"""So many refs fit one command line; of more, the last push carries main and the ledger."""
_LATE = ("stale info", "fetch first", "non-fast-forward", "[remote rejected]", "cannot lock ref")

Moves = dict[str, tuple[Oid, Oid]]


class Joined(Struct):
    """What is to be done, by short names of refs: moves here, moves there, and what is set aside and why."""

    here: Moves = field(default_factory=dict)
    there: Moves = field(default_factory=dict)
    aside: list[EdgeError] = field(default_factory=list)
    left_behind: list[tuple[str, Path, str]] = field(default_factory=list)
    """Branches that moved while their work tree could not: branch, work tree, what is in the way there."""


class Sharing:
    """Joins this clone and one of its remotes, which git reaches as whoever runs it does."""

    def __init__(self, git: Git, remote: str, *, main: str, ledger: str) -> None:
        """Take a remote by name. Raises UsageError for a name that is no remote of this clone."""
        known = git.text("remote").splitlines()
        if remote not in known:
            hint = f"they are {', '.join(known)}" if known else f"`git remote add {shown(remote)} ADDRESS` makes one"
            raise UsageError(f"this clone has no remote {shown(remote)!r}", hint=hint)
        self._git = git
        self._remote = remote
        self._trunks = (main.removeprefix(HEADS), ledger)
        self._root = f"refs/remotes/{remote}/"

    def run(self, take: Collection[int] = ()) -> Joined:
        """Join both sides; of requests in ``take``, the other side's record replaces this clone's where they are forked.

        Raises ConflictError, with nothing moved, where main or the ledger is forked or when somebody was first;
        EdgeError when the remote cannot be reached or refuses.
        """
        before = self._refs(self._root)
        self._fetch()
        mine, theirs = self._refs(HEADS), self._refs(self._root)
        joined = Joined()
        for name in self._trunks:
            self._join_trunk(joined, name, mine, theirs)
        self._join_branches(joined, mine, theirs, before)
        self._join_requests(joined, mine, theirs, take)
        self._move_here(joined)
        self._push(joined.there)
        return joined

    # What is where

    def _refs(self, root: str) -> dict[str, Oid]:
        """Return our refs below a root, by short name."""
        places = (*(f"{root}{name}" for name in self._trunks), f"{root}{_OURS}")
        told = self._git.text("for-each-ref", "--format=%(objectname) %(refname)", *places).splitlines()
        pairs = (line.split(" ", 1) for line in told)
        return {ref.removeprefix(root): Oid(oid) for oid, ref in pairs}

    # Joining

    def _join_trunk(self, joined: Joined, name: str, mine: Mapping[str, Oid], theirs: Mapping[str, Oid]) -> None:
        old, new = mine.get(name, ABSENT), theirs.get(name, ABSENT)
        if old == new:
            return
        if old == ABSENT or (new != ABSENT and leads_to(self._git, old, new)):
            joined.here[name] = (old, new)
        elif new == ABSENT or leads_to(self._git, new, old):
            joined.there[name] = (new, old)
        else:
            raise ConflictError(
                f"{name} here and at {self._remote} do not continue one another, so nothing was moved",
                hint=f"`git log --oneline --graph {name} {_typed(self._remote)}/{name}` shows where they part; "
                "the later one gives way, then run the command again",
            )

    def _join_branches(
        self, joined: Joined, mine: Mapping[str, Oid], theirs: Mapping[str, Oid], before: Mapping[str, Oid]
    ) -> None:
        """Join the branches that requests were opened from. One that is on main already is not brought back."""
        main = self._trunks[0]
        tip = joined.here[main][1] if main in joined.here else mine.get(main, ABSENT)
        for name in sorted({*mine, *theirs} - {*self._trunks}):
            if name.startswith(tuple(f"{_OURS}{kind}/" for kind in _KINDS)):
                continue
            old, new = mine.get(name, ABSENT), theirs.get(name, ABSENT)
            if old == new:
                continue
            if old == ABSENT:
                side, move = (
                    (joined.there, (new, ABSENT)) if leads_to(self._git, new, tip) else (joined.here, (old, new))
                )
            elif new == ABSENT:
                gone = before.get(name) == old and leads_to(self._git, old, tip)
                side, move = (joined.here, (old, ABSENT)) if gone else (joined.there, (new, old))
            elif leads_to(self._git, old, new):
                side, move = joined.here, (old, new)
            elif leads_to(self._git, new, old):
                side, move = joined.there, (new, old)
            else:
                joined.aside.append(self._forked_branch(name))
                continue
            side[name] = move

    def _forked_branch(self, name: str) -> EdgeError:
        said = shown(name)
        return EdgeError(
            f"branch {said} here and at {self._remote} do not continue one another; it was left as it is on both sides",
            hint=f"`git branch -D {_typed(name)}` gives up what is here, `{self._deletion(name)}` what is there",
        )

    def _join_requests(
        self, joined: Joined, mine: Mapping[str, Oid], theirs: Mapping[str, Oid], take: Collection[int]
    ) -> None:
        names = {name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)}
        differ = sorted({number for name in names if (number := numbered(name))})
        joined.aside += [
            self._no_pull(name, name in theirs)
            for name in sorted(names)
            if name.startswith(tuple(f"{_OURS}{kind}/" for kind in _KINDS)) and not numbered(name)
        ]
        ours, others = dict(read_each(self._git, differ)), dict(read_each(self._git, differ, self._root))
        for number in differ:
            sides = (ours[number] or lost(number, mine), others[number] or lost(number, theirs))
            kept, said = self._join_request(number, *sides, number in take)
            if said is not None:
                joined.aside.append(said)
                self._refuse_half(joined, ours[number], said)
                continue
            for kind in _KINDS:
                name = f"{_OURS}{kind}/{number}"
                new = kept.tip if kept is not None and kept.is_open == (kind == "open") else ABSENT
                for side, refs in ((joined.here, mine), (joined.there, theirs)):
                    if refs.get(name, ABSENT) != new:
                        side[name] = (refs.get(name, ABSENT), new)

    def _join_request(
        self, number: int, mine: Chain | EdgeError | None, theirs: Chain | EdgeError | None, take: bool
    ) -> tuple[Chain | None, EdgeError | None]:
        """Return the record that stands on both sides from now on, or why there is none."""
        if isinstance(theirs, EdgeError):
            kind = "done" if f"{HEADS}{_OURS}done/" in theirs.hint else "open"
            name = f"{_OURS}{kind}/{number}"
            hint = f"restore it there from another clone, or delete it: {self._deletion(name)}"
            return None, EdgeError(f"{name} at {self._remote} was not brought: {theirs.message}", hint=hint)
        if isinstance(mine, EdgeError) and not (take and theirs):
            return None, EdgeError(f"what is here of #{number} was not pushed: {mine.message}", hint=mine.hint)
        if isinstance(mine, EdgeError) or mine is None:
            return theirs, None
        if theirs is None:
            return mine, None
        ours, others = ({link.oid for link in chain.links} for chain in (mine, theirs))
        if mine.tip in others:
            return theirs, None
        if theirs.tip in ours:
            return mine, None
        if take and mine.is_open:
            return theirs, None
        return None, self._forked(mine, theirs)

    def _forked(self, mine: Chain, theirs: Chain) -> EdgeError:
        number, branch = mine.number, _typed(mine.links[0].event.fields["branch"])
        if mine.links[0].oid == theirs.links[0].oid:
            what = f"#{number} went on here and at {self._remote} in different ways"
            after = "gives up what happened here: then do it again"
        else:
            what = f"#{number} is one request here and another at {self._remote}"
            after = f"gives the number to the other: `daypass request --branch {branch}` then opens yours anew"
        if not mine.is_open:
            return EdgeError(
                f"{what}, and it is done here",
                hint=f"put main back to {self._remote}/{self._trunks[0]} before anything is applied, delete "
                f"{_OURS}done/{number}, then run the command again",
            )
        return EdgeError(what, hint=f"`daypass sync {_typed(self._remote)} --take {number}` {after}")

    def _refuse_half(self, joined: Joined, mine: Chain | EdgeError | None, said: EdgeError) -> None:
        """Push no main whose latest merges have no record there: nobody could prove them."""
        done = isinstance(mine, Chain) and not mine.is_open and mine.links[-1].event.kind == "merged"
        if done and self._trunks[0] in joined.there:
            raise ConflictError(f"{said.message}; nothing was moved", hint=said.hint)

    def _deletion(self, name: str) -> str:
        return f"git push {_typed(self._remote)} --delete {_typed(name)}"

    def _no_pull(self, name: str, there: bool) -> EdgeError:
        said = shown(name)
        remove = self._deletion(name) if there else f"git update-ref -d {_typed(f'{HEADS}{name}')}"
        return EdgeError(f"{said} is no pull request and was left where it is", hint=f"`{remove}` deletes it")

    # Moving

    def _fetch(self) -> None:
        listed = self._talk("ls-remote", "--quiet", self._remote, *(f"{HEADS}{name}" for name in self._trunks))
        there = {line.partition("\t")[2].removeprefix(HEADS) for line in listed.splitlines()}
        gone = self._refs(self._root)
        wanted = [name for name in self._trunks if name in there]
        specs = [f"+{HEADS}{name}:{self._root}{name}" for name in (*wanted, f"{_OURS}*")]
        # Without the refspecs of its settings: a mirror's would write over the refs of this clone.
        options = ("--quiet", "--prune", "--refmap=", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        self._talk("fetch", *options, self._remote, *specs)
        lost = {
            f"{self._root}{name}": (gone[name], ABSENT) for name in self._trunks if name in gone and name not in there
        }
        if lost:
            self._git.update_refs(lost, reason="daypass: sync")

    def _move_here(self, joined: Joined) -> None:
        """Move this clone's refs in one step, and bring along the work trees that have them checked out."""
        trees = {ref.removeprefix(HEADS): tree for ref, tree in checked_out(self._git, HEADS).items()}
        for name in [name for name, (_, new) in joined.here.items() if new == ABSENT and name in trees]:
            del joined.here[name]
        main, full = self._trunks[0], f"{HEADS}{self._trunks[0]}"
        catch_up(self._git, full)  # where a run was killed before
        if joined.here:
            marked = leaving(self._git, joined.here[main][0], trees.get(main)) if main in joined.here else {}
            self._git.update_refs({**_full(joined.here), **marked}, reason=f"daypass: sync {self._remote}")
        for name, (old, new) in joined.here.items():
            if name in trees:
                which = Git(trees[name])
                why = catch_up(which, full)[1] if name == main else sync_worktree(which, old, new)
                joined.left_behind += [(name, trees[name], why)] if why else []

    def _push(self, moves: Moves) -> None:
        """Push all or nothing, each ref only where it stands as it was fetched."""
        # The records first: main's merges are proved by them.
        order = sorted(moves, key=lambda name: (name in self._trunks, name))
        while order:
            part = order[-_AT_ONCE:] if len(order) <= _AT_ONCE else order[:_AT_ONCE]
            order = order[len(part) :]
            leases = [f"--force-with-lease={HEADS}{n}:{'' if moves[n][0] == ABSENT else moves[n][0]}" for n in part]
            specs = [f"{'' if moves[n][1] == ABSENT else moves[n][1]}:{HEADS}{n}" for n in part]
            self._talk("push", "--porcelain", "--atomic", "--no-verify", *leases, self._remote, *specs)
        if moves:
            self._fetch()  # a bare clone's git does not note by itself what it pushed

    def _talk(self, verb: str, *arguments: str) -> str:
        # A remote that was made to mirror takes no refs by name.
        done = self._git.unlocked("-c", f"remote.{self._remote}.mirror=false", verb, *arguments)
        if done.returncode != 0:
            raise self._failed(done)
        return done.stdout.decode("utf-8", "replace")

    def _failed(self, done: subprocess.CompletedProcess[bytes]) -> DaypassError:
        lock = lock_in(done.stderr, Path())
        if lock is not None:  # there, since one of this clone has been named before
            return LockedError(
                f"a lock of git's at {self._remote} is in the way: {shown(str(lock))}",
                hint="a git is at work there, or one that died left it behind: who keeps that repository can tell",
            )
        lines = [line.strip() for line in (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace").splitlines()]
        if any(late in line for line in lines for late in _LATE):
            which = next((shown(line) for line in lines if any(late in line for late in _LATE)), "")
            return ConflictError(
                f"{self._remote} did not take the push, so nothing was moved there: {which}",
                hint="if somebody was first, run the command again; else its own rules forbid it",
            )
        telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "!"))] or lines or [""]
        hint = f"`git ls-remote {_typed(self._remote)}` must work without being asked for a password"
        if "dubious ownership" in telling[0]:
            hint = "its folder belongs to another user there; where you trust them, let git on that machine know: "
            hint += "git config --global --add safe.directory FOLDER"
        return EdgeError(f"remote {self._remote} cannot be used: {shown(telling[0])}", hint=hint)


def behind(git: Git, *, main: str, ledger: str) -> tuple[str, ...]:
    """Return the remotes that had more than this clone when they were last looked at. Reads no network."""
    told = git.text("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/remotes/").splitlines()
    refs = {ref: oid for oid, ref in (line.split(" ", 1) for line in told)}
    trunks = {main.removeprefix(HEADS), ledger}
    tracked: dict[str, dict[str, str]] = {}
    for ref, oid in refs.items():
        remote, _, name = ref.removeprefix("refs/remotes/").partition("/")
        if not ref.startswith("refs/remotes/") or not (name in trunks or name.startswith(_OURS)):
            continue
        if oid != refs.get(f"{HEADS}{name}"):
            tracked.setdefault(remote, {})[name] = oid
    mine = [oid for ref, oid in refs.items() if ref.startswith(HEADS)]
    return tuple(remote for remote, names in sorted(tracked.items()) if _more(git, names.values(), mine))


def _more(git: Git, theirs: Iterable[str], mine: Iterable[str]) -> bool:
    asked = "\n".join([*theirs, *(f"^{oid}" for oid in mine), ""])
    found = git.attempt("rev-list", "--max-count=1", "--ignore-missing", "--stdin", stdin=asked.encode())
    return bool(found.stdout.strip())


def _typed(name: str) -> str:
    """Write a name as it is typed in a shell: whoever may push a branch chooses its name, and hints are copied."""
    return shlex.quote(shown(name))


def _full(moves: Moves) -> Moves:
    return {f"{HEADS}{name}": move for name, move in moves.items()}
