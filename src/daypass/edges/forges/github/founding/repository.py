"""The repository, the environment that is kept for main before it has secrets, and what is pushed."""

from __future__ import annotations

from http import HTTPStatus

from daypass.core.errors import EdgeError
from daypass.core.ids import ABSENT
from daypass.edges.forges.github.answers import ApiError, Fields, fence_of
from daypass.edges.forges.github.doctor.facts import ENVIRONMENT
from daypass.edges.forges.github.founding.ground import GroundStep, remedies_of, told_of
from daypass.edges.git.remote import NAMESPACE
from daypass.edges.git.steps import leads_to

_BY_OWNER = "have an owner make it, empty and private, or make you its administrator; then run it again"


class RepositoryStep(GroundStep):
    """Make the repository, private and empty, or find it."""

    name = "repository"

    def look(self) -> str:
        """Return that it is there, to be filled or filled from here. Raises EdgeError where it holds something else."""
        ground = self._ground
        there = ground.repository_there()
        if there is None:
            return ""
        if not Fields("the repository", there).truth("permissions.admin"):
            raise EdgeError(
                f"your token does not administer {ground.repository}",
                hint="use one of somebody who does: gh auth login",
            )
        if there.get("archived"):
            raise EdgeError(
                f"{ground.repository} is archived: nothing can be changed there",
                hint=f"unarchive it ({ground.page}/settings), and run the command again",
            )
        heads = ground.remote.heads("main")
        if not heads:
            return f"{ground.page}, empty"
        ground.remote.bring("main")
        ours = ground.tip("main")
        if not leads_to(ground.place.git, heads["main"], ours) and not leads_to(ground.place.git, ours, heads["main"]):
            raise EdgeError(
                f"main of {ground.repository} is not the main of this clone",
                hint="clone it and run setup there, or name another repository in policies/daypass.yaml",
            )
        return ground.page

    def say(self) -> list[str]:
        """Tell what is made."""
        return [f"make the private repository {self._ground.repository}, empty"]

    def do(self) -> str:
        """https://docs.github.com/en/rest/repos/repos#create-an-organization-repository."""
        ground = self._ground
        path = f"/orgs/{ground.owner}/repos" if ground.organisation else "/user/repos"
        body = {"name": ground.name, "private": True, "has_wiki": False, "has_projects": False}
        try:
            made = Fields("the repository", ground.send("POST", path, body))
        except ApiError as error:
            refused = error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
            if not refused or error.limited or fence_of(error.said):
                raise
            raise EdgeError(f"you cannot make {ground.repository}: {error.said}", hint=_BY_OWNER) from error
        if made.text("full_name").lower() != ground.repository.lower():
            raise EdgeError(f"GitHub made {made.text('full_name')}, expected {ground.repository}")
        return ground.page


class EnvironmentStep(GroundStep):
    """Make the environment and keep it for main, before any secret is in it."""

    name = "environment"
    codes = ("environment-missing", "environment-open", "environment-waits")

    def look(self) -> str:
        """Return that main alone may use it."""
        ground = self._ground
        if ground.repository_there() is None:
            return ""
        found = ground.complaints(self.codes)
        _all_told(told_of(one for one in found if not one.told))
        return "" if found else f"{ENVIRONMENT}, for main alone"

    def say(self) -> list[str]:
        """Tell whom it is kept for, or what of it is not so yet."""
        ground = self._ground
        found = (
            () if ground.repository_there() is None else ground.complaints(("environment-open", "environment-waits"))
        )
        made = f"make the environment {ENVIRONMENT}, whose secrets main's workflows alone can read"
        return [f"mend this: {said}" for said in told_of(found)] or [made]

    def do(self) -> str:
        """Carry out what the doctor says."""
        self._ground.mend(remedies_of(self._ground.complaints(self.codes)))
        said = self.look()
        if not said:
            raise EdgeError(
                f"the environment {ENVIRONMENT} is not for main alone, at once",
                hint="no secret is put there; see `daypass doctor`",
            )
        return said


def _all_told(untold: list[str]) -> None:
    """Refuse to go on where it is not known whom secrets would be shown to."""
    if untold:
        raise EdgeError(
            f"GitHub does not show it to this token: {untold[0]}", hint="use one of an administrator: gh auth login"
        )


class PushStep(GroundStep):
    """Push main and the ledger, before the rules that forbid it."""

    name = "push"

    @property
    def _branches(self) -> tuple[str, str]:
        return "main", self._ground.policy.catalogue.settings.ledger_branch

    def look(self) -> str:
        """Return that both are there, no older than here."""
        return "main and the ledger are there" if not self._behind() else ""

    def _behind(self) -> list[str]:
        ground = self._ground
        if ground.repository_there() is None:
            return list(self._branches)
        heads = ground.remote.heads(*self._branches)
        behind = []
        for branch in self._branches:
            ours, there = ground.tip(branch), heads.get(branch)
            if there is None:
                behind.append(branch)
            elif there != ours:
                ground.remote.fetch(f"+refs/heads/{branch}:{NAMESPACE}{branch}")
                behind += [branch] if not leads_to(ground.place.git, ours, there) else []
        return behind

    def say(self) -> list[str]:
        """Name the branches."""
        return [f"push {' and '.join(self._behind())} to {self._ground.page}"]

    def do(self) -> str:
        """Push each, forward only."""
        ground = self._ground
        behind = self._behind()
        heads = ground.remote.heads(*behind)
        for branch in behind:
            ground.remote.push(branch, old=heads.get(branch, ABSENT), new=ground.tip(branch))
        if ground.place.git.attempt("remote", "get-url", "origin").returncode != 0:
            ground.place.git.run("remote", "add", "origin", ground.remote.url)
        ground.changed()
        return " and ".join(behind)
