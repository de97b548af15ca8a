"""GitHub as one run reaches it: the client, git's remote, and what stands on both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from daypass.core.bounds.settings import Settings
from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError, InvalidError, UsageError
from daypass.core.people.source import SourcePerson
from daypass.edges.forges.environment import addresses
from daypass.edges.forges.github.answers import MAIN, Bot
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.inbox import GitHubInbox, links_of
from daypass.edges.forges.github.pages import GitHubPages
from daypass.edges.forges.github.people.team import people_of_team
from daypass.edges.forges.github.pulls import GitHubForge
from daypass.edges.forges.github.sweep import GitHubSweep
from daypass.edges.forges.github.watch import WatchedElsewhere, watching_api
from daypass.edges.forges.host import Host, Run
from daypass.edges.git.remote import Remote, repository_url

if TYPE_CHECKING:
    from daypass.edges.forges.founding import SetupClone, Stage, Talk
    from daypass.edges.forges.github.doctor.settings import GitHubSettings


class GitHubHost(Host):
    """One repository at GitHub.

    Raises InvalidError where the workflow that runs belongs to another one: a fork or a copy must not act for the
    repository that it was made from.
    """

    def __init__(self, settings: Settings, run: Run) -> None:
        options = settings.forge_options
        if run.acting:
            raise UsageError("--as is for the local forge; at GitHub you are who your token says")
        repository = self._repository = str(options.get("repository", ""))
        running_in = run.environ.get("GITHUB_REPOSITORY", "")
        if running_in and running_in.lower() != repository.lower():
            raise InvalidError(
                f"the settings name the repository {repository}, but this runs in {running_in}",
                hint="a copy or fork must not act: name its own repository in policies/daypass.yaml, or disable Actions",
            )
        self._options = options
        self._server = addresses(run.environ, options).server
        self._page = f"{self._server}/{repository}"
        self.links = links_of(self._page)
        bot = options.get("bot")
        self._bot = Bot(str(bot["login"]), int(bot["id"])) if bot else None
        self._watch: Mapping[str, Any] = options.get("watch") or {}
        self._run = run

    @cached_property
    def api(self) -> Api:
        """The client, with the App's key or the token that the environment holds."""
        return Api.from_environment(self._run.environ, self._repository, wait=self._run.wait, options=self._options)

    @property
    def calls(self) -> int:  # type: ignore[override]  # counted, not kept
        """How many requests were sent."""
        return self.api.calls

    @property
    def opens_for_others(self) -> bool:  # type: ignore[override]  # asked of the environment
        """Whether we may open pull requests in somebody's name: only our own App may, whose bot the settings name."""
        return self.api.kind == "app" and self._bot is not None

    @cached_property
    def remote(self) -> Remote:
        """Git's way there."""
        address = repository_url(self._server, self._repository)
        return Remote(self._run.repository.git, address, lambda: self.api.token())  # noqa: PLW0108  (asked for when git needs it)

    def forge(self, directory: Directory) -> GitHubForge:
        """Return pull requests there."""
        git = self._run.repository.git
        elsewhere = WatchedElsewhere(self._watch.get("repositories", ()), self._watching)
        return GitHubForge(self.api, directory, self._bot, self.remote, git, elsewhere)

    def _watching(self) -> Api:
        """Return the client that reads issues of other repositories. Raises EdgeError where it has no credential."""
        base = addresses(self._run.environ, self._options).api
        return watching_api(self._run.environ, self._watch, base, wait=self._run.wait)

    def pages(self, directory: Directory) -> GitHubPages:
        """Return where people are told how things stand."""
        return GitHubPages(self.api, directory, self._bot, lambda number: self.remote.pull_head(number))  # noqa: PLW0108  (asked for when needed)

    def inbox(self, directory: Directory) -> GitHubInbox:
        """Return where people ask in words."""
        return GitHubInbox(self.api, directory, self._bot)

    def sweep(self, directory: Directory) -> GitHubSweep | None:
        """Return what looks at all open pull requests at once. Only our App keeps what nobody else can write."""
        alone = self.api.kind == "app" and self.api.app_id.isdecimal()  # check runs are asked for by the App's number
        return GitHubSweep(self.api, directory, self._bot) if alone else None

    def settings(self, clock: Callable[[], datetime]) -> GitHubSettings:
        """Return how the repository is set up there."""
        from daypass.edges.forges.github.doctor.settings import GitHubSettings  # noqa: PLC0415  (doctor alone needs it)

        return GitHubSettings(self.api, page=self._page, bot=self._bot, clock=clock)

    def founding(self, place: SetupClone, talk: Talk, *, browser: bool) -> tuple[Stage, ...]:
        """Return the steps that set the repository up there. Raises UsageError where an App or a workflow would do it."""
        from daypass.edges.forges.github.founding.ground import Ground  # noqa: PLC0415  (setup alone needs it)
        from daypass.edges.forges.github.founding.steps import stages  # noqa: PLC0415  (likewise)

        if self.api.kind != "token":
            raise UsageError("setup is for a person's token", hint="unset DAYPASS_APP_ID and DAYPASS_APP_KEY")
        ground = Ground(self.api, self.remote, page=self._page, place=place, talk=talk)
        if not ground.by_app:
            raise UsageError(
                "this repository acts by GITHUB_TOKEN, and setup makes an App",
                hint="docs/github.md says how to set it up without one, and how to change to an App",
            )
        ground.ready()
        return stages(ground, browser=browser)

    def team(self, name: str) -> tuple[SourcePerson, ...]:
        """Return the members of a team, those of teams below it too. A list that is cut is none."""
        return people_of_team(self.api, name)

    def run_name(self) -> str:
        """Name the workflow's run and its attempt, "" outside of one."""
        environ = self._run.environ
        number, attempt = environ.get("GITHUB_RUN_ID", ""), environ.get("GITHUB_RUN_ATTEMPT", "1")
        if f"{number}{attempt}".isascii() and number.isdecimal() and attempt.isdecimal():
            return f"github-{number[:20]}-{attempt[:4]}"
        return ""

    def start_applier(self) -> str:
        """Start the apply workflow where nothing else would; return what went wrong, "" for nothing.

        A merge by a workflow's own token starts no other workflow, except by a dispatch
        (https://docs.github.com/en/actions/concepts/security/github_token).
        """
        if self.api.kind != "actions":
            return ""
        try:
            self.api.send("POST", f"/repos/{self._repository}/actions/workflows/apply.yml/dispatches", {"ref": MAIN})
        except EdgeError as error:
            return error.message
        return ""


open_host = GitHubHost
