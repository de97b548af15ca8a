"""The local forge as one run reaches it: this clone, and remotes to share it with."""

from __future__ import annotations

from pathlib import Path

from daypass.core.catalogue import Directory, Settings
from daypass.edges.forges.host import Host, Run
from daypass.edges.forges.local.forge import LocalForge
from daypass.edges.forges.local.sharing import Sharing, behind
from daypass.edges.git.trees import catch_up


class LocalHost(Host):
    """One repository that is its own forge."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._unsigned = settings.limits.unsigned
        self._run = run
        self._forge: LocalForge | None = None

    def forge(self, directory: Directory) -> LocalForge:
        """Return its pull requests."""
        run = self._run
        self._forge = LocalForge(run.repository, directory, main=run.main, acting=run.acting, unsigned=self._unsigned)
        return self._forge

    def sharing(self, remote: str, ledger: str) -> Sharing:
        """Return what joins this clone and a remote. Raises UsageError for a name that is no remote."""
        return Sharing(self._run.repository.git, remote, main=self._run.main, ledger=ledger)

    def behind(self, ledger: str) -> tuple[str, ...]:
        """Return the remotes that had more than this clone when they were last looked at. Reads no network."""
        here = self._run.repository
        return behind(here.git, main=self._run.main, ledger=ledger) if here.tracks else ()

    def bring_along(self) -> None:
        """Bring the work tree that has main checked out to where main stands, if a run was killed before it did."""
        catch_up(self._run.repository.git, self._run.main)

    @property
    def left_behind(self) -> tuple[Path, str] | None:
        """The work tree that could not be brought along after the last merge, and what is in the way there."""
        if self._forge is None or self._forge.left_behind is None:
            return None
        return self._forge.left_behind, self._forge.in_the_way


open_host = LocalHost
