"""GitHub as one run reaches it: the client, git's remote, and the edges that stand on both."""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import TYPE_CHECKING

from daypass.cli.verb import BOARD, noting
from daypass.core.errors import EdgeError, InvalidError, UsageError

if TYPE_CHECKING:
    from daypass.core.catalogue import Directory, Settings
    from daypass.edges.forges.github.answers import Bot
    from daypass.edges.forges.github.api import Api
    from daypass.edges.forges.github.inbox import GitHubDesk
    from daypass.edges.forges.github.pulls import GitHubForge
    from daypass.edges.forges.github.status import GitHubBoard
    from daypass.edges.git.plumbing import Git
    from daypass.edges.git.remote import Remote

SERVER = "https://github.com"


class Hub:
    """One repository at GitHub.

    Raises UsageError where the settings name none, and InvalidError where the workflow that runs belongs to another one:
    a fork or a copy must not act for the repository that it was made from.
    """

    def __init__(self, settings: Settings, git: Git, acting: str = "") -> None:
        options = settings.forge_options
        if settings.forge_kind != "github":
            raise UsageError(
                f"this needs a forge of kind github, and the settings name {settings.forge_kind!r}",
                hint="`daypass init --github OWNER/NAME` sets one up; docs/github.md says how",
            )
        if acting:
            raise UsageError("--as is for the local forge; at GitHub you are who your token says")
        self.repository = str(options.get("repository", ""))
        running_in = os.environ.get("GITHUB_REPOSITORY", "")
        if running_in and running_in.lower() != self.repository.lower():
            raise InvalidError(
                f"the settings name the repository {self.repository}, but this runs in {running_in}",
                hint="a copy or fork must not act: name its own repository in policies/daypass.yaml, or disable Actions",
            )
        self.server = os.environ.get("GITHUB_SERVER_URL", SERVER)
        self._bot = options.get("bot")
        self._git = git

    @cached_property
    def api(self) -> Api:
        """The client, with the App's key or the token that the environment holds."""
        from daypass.edges.forges.github.api import Api

        return Api.from_environment(os.environ, self.repository, wait=time.sleep)

    @cached_property
    def remote(self) -> Remote:
        """Git's way there."""
        from daypass.edges.git.remote import Remote, repository_url

        return Remote(self._git, repository_url(self.server, self.repository), lambda: self.api.token())  # noqa: PLW0108  (asked for when git needs it)

    @property
    def bot(self) -> Bot | None:
        """The account of our own App, where the settings name it."""
        from daypass.edges.forges.github.answers import Bot

        return Bot(str(self._bot["login"]), int(self._bot["id"])) if self._bot else None

    def start_applier(self) -> str:
        """Start the apply workflow where nothing else would; return what went wrong, "" for nothing.

        A merge by a workflow's own token starts no other workflow, except by a dispatch
        (https://docs.github.com/en/actions/concepts/security/github_token).
        """
        if self.api.kind != "actions":
            return ""
        try:
            self.api.send("POST", f"/repos/{self.repository}/actions/workflows/apply.yml/dispatches", {"ref": "main"})
        except EdgeError as error:
            return error.message
        return ""

    def forge(self, directory: Directory) -> GitHubForge:
        """Pull requests there."""
        from daypass.edges.forges.github.pulls import GitHubForge

        return GitHubForge(
            self.api, directory, repository=self.repository, bot=self.bot, remote=self.remote, git=self._git
        )

    def board(self, directory: Directory) -> GitHubBoard:
        """Where people are told how things stand."""
        from daypass.edges.forges.github.status import GitHubBoard

        return noting(GitHubBoard(self.api, directory, repository=self.repository, bot=self.bot), BOARD)

    def desk(self, directory: Directory) -> GitHubDesk:
        """Where people ask in words."""
        from daypass.edges.forges.github.inbox import GitHubDesk

        return GitHubDesk(self.api, directory, repository=self.repository, bot=self.bot)
