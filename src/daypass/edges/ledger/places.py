"""Where a ledger's branch may stand beside this clone's own: at a remote that git knows, and what this clone had before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from daypass.core.errors import EdgeError, UsageError
from daypass.core.finding import shown
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git.plumbing import Git
from daypass.edges.git.steps import leads_to

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OLD = 200
"""So many former places of a branch are looked at."""
_QUIET = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--refmap=")


class LedgerPlace(Protocol):
    """Another repository that the ledger's branch stands at."""

    def heads(self, *branches: str) -> dict[str, Oid]:
        """Ask where branches stand there; one that is missing is left out."""

    def bring(self, branch: str) -> Oid:
        """Have a branch's commit here."""

    def replace(self, branch: str, *, old: Oid, new: Oid) -> None:
        """Put a branch from ``old`` (ABSENT: it must not exist) to ``new``, whatever they have in common."""


class NamedRemote:
    """A remote by the name that git has for it, reached as whoever runs this reaches it. Implements LedgerPlace."""

    def __init__(self, git: Git, name: str) -> None:
        """Take a remote. Raises UsageError for a name that is none."""
        known = git.text("remote").splitlines()
        if name not in known:
            raise UsageError(
                f"this clone has no remote {shown(name)!r}", hint=f"they are {', '.join(known) or 'none at all'}"
            )
        self._git = git
        self._name = name

    def heads(self, *branches: str) -> dict[str, Oid]:
        """Ask where branches stand there."""
        said = self._talk("ls-remote", "--quiet", self._name, *(f"refs/heads/{branch}" for branch in branches))
        pairs = (line.split("\t") for line in said.splitlines())
        return {ref.removeprefix("refs/heads/"): Oid(oid) for oid, ref in pairs}

    def bring(self, branch: str) -> Oid:
        """Have a branch's commit here, as this clone's note of the remote."""
        note = f"refs/remotes/{self._name}/{branch}"
        self._talk("fetch", "--quiet", *_QUIET, self._name, f"+refs/heads/{branch}:{note}")
        found = self._git.find(note)
        if found is None:
            raise EdgeError(f"{self._name} has no branch {branch!r}")
        return found

    def replace(self, branch: str, *, old: Oid, new: Oid) -> None:
        """Put a branch there, where it still stands as it was seen."""
        lease = f"--force-with-lease=refs/heads/{branch}:{'' if old == ABSENT else old}"
        self._talk("push", "--quiet", "--no-verify", lease, self._name, f"{new}:refs/heads/{branch}")

    def _talk(self, verb: str, *arguments: str) -> str:
        done = self._git.unlocked("-c", f"remote.{self._name}.mirror=false", verb, *arguments)
        if done.returncode != 0:
            lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            raise EdgeError(
                f"{self._name}: git {verb} failed: {shown(lines[-1]) if lines else 'no message'}",
                hint="a server that refuses may have a rule against it: lift it for this one push",
            )
        return done.stdout.decode("utf-8", "replace")


def fetched_from(git: Git, folder: str, branch: str) -> Oid:
    """Return where the branch of another clone on this machine stands, its objects brought here. Raises EdgeError."""
    place = f"refs/daypass/restoring/{branch}"
    options = ("-c", "protocol.file.allow=always")
    done = git.unlocked(*options, "fetch", "--quiet", *_QUIET, "--", folder, f"+refs/heads/{branch}:{place}")
    found = git.find(place) if done.returncode == 0 else None
    if found is None:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EdgeError(
            f"{folder} gives no branch {branch!r}: {shown(said[0]) if said else 'no message'}",
            hint="name the folder of another clone of this repository",
        )
    git.update_refs({place: (found, ABSENT)}, reason="daypass: looked at")
    return found


def known_before(git: Git, branch: str) -> Iterator[tuple[str, Oid]]:
    """Yield where the branch stands in this clone, at its remotes by its last fetch, and where it stood before."""
    told = git.text("for-each-ref", "--format=%(objectname) %(refname)", f"refs/heads/{branch}", "refs/remotes/")
    for line in told.splitlines():
        oid, _, ref = line.partition(" ")
        if ref == f"refs/heads/{branch}":
            yield "this clone's branch", Oid(oid)
        elif ref.endswith(f"/{branch}"):
            yield ref.removeprefix("refs/remotes/").removesuffix(f"/{branch}"), Oid(oid)
    listed = git.attempt("reflog", "show", "--format=%H", f"refs/heads/{branch}", "--").stdout.decode(
        "ascii", "replace"
    )
    former = [oid for oid in dict.fromkeys(listed.split()) if _OID.fullmatch(oid)][:_OLD]
    if former:
        tips = git.attempt("merge-base", "--independent", *former).stdout.decode("ascii", "replace").split()
        yield from (("where this clone's branch stood", Oid(oid)) for oid in tips if _OID.fullmatch(oid))


def at_remote(git: Git, name: str) -> NamedRemote | None:
    """Return a remote of this clone; None where it has none at all. Raises UsageError for another name than it has."""
    return NamedRemote(git, name) if git.text("remote").split() else None


def put_back(
    git: Git, branch: str, place: LedgerPlace | None, there: Oid, best: Oid
) -> tuple[dict[str, Oid], list[str]]:
    """Put a commit where the branch stands at a place and here.

    Return where it was put back, each with what stood there (ABSENT: nothing), and under which names the rest is kept.
    What ``best`` does not contain is kept as a branch of this clone. The remote moves first: a run that is killed between
    the two is made good by the next.
    """
    ref = f"refs/heads/{branch}"
    here = git.find(ref) or ABSENT
    lost = [one for one in dict.fromkeys((here, there)) if one != ABSENT and not leads_to(git, one, best)]
    kept = {f"{branch}-replaced-{one[:12]}": one for one in lost}
    aside = {f"refs/heads/{name}": (git.find(f"refs/heads/{name}") or ABSENT, one) for name, one in kept.items()}
    git.update_refs(aside, reason="daypass: keep what is replaced")
    done: dict[str, Oid] = {}
    if place is not None and there != best:
        place.replace(branch, old=there, new=best)
        done["at the remote"] = there
    if here != best:
        git.update_refs({ref: (here, best)}, reason="daypass: restore the ledger")
        done["here"] = here
    return done, list(kept)
