"""Clones that hold commits and trees and fetch contents when they are read (git's partial clones).

git fetches each missing object by itself, at the cost of a round trip; here all that will be read is fetched at once
(https://git-scm.com/docs/partial-clone). A runner that judges one request thus moves little, however many grants live.
"""

from __future__ import annotations

from collections.abc import Iterable

from daypass.core.errors import EdgeError
from daypass.edges.git.plumbing import Git

_FEW = 2
"""So many objects git may fetch by itself."""


class Promised:
    """What a partial clone has not yet."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._remote: str | None = None
        self._there: set[str] | None = None

    def bring(self, oids: Iterable[str]) -> None:
        """Fetch those objects that are not here, at once. Does nothing in a whole clone. Raises EdgeError."""
        if not self._source():
            return
        wanted = set(oids)
        if len(wanted) < _FEW:
            return
        if self._there is None:
            listed = self._git.run("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
            self._there = set(listed.decode("ascii").split())
        missing = sorted(wanted - self._there)
        if not missing:
            return
        done = self._git.attempt(
            *("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"),
            *("--recurse-submodules=no", "--filter=blob:none", "--stdin", "--", self._source()),
            stdin="".join(f"{oid}\n" for oid in missing).encode(),
        )
        if done.returncode != 0:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise EdgeError(
                f"{len(missing)} files that this clone left at {self._source()} cannot be fetched: "
                f"{lines[-1] if lines else 'no message'}",
                hint="is the network up, may the token read the repository? A whole clone needs no such fetch",
            )
        self._there.update(missing)

    def _source(self) -> str:
        """Return the remote that promised the rest, "" in a whole clone."""
        if self._remote is None:
            done = self._git.attempt("config", "--get-regexp", r"^remote\..*\.promisor$", "true")
            keys = [line.split(" ")[0] for line in done.stdout.decode("utf-8", "replace").splitlines()]
            self._remote = keys[0].removeprefix("remote.").removesuffix(".promisor") if keys else ""
        return self._remote
