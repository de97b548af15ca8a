"""Somebody who sets daypass up: an owner of an organisation at the double, with a terminal and a browser, who counts.

with Administrator(tmp_path, monkeypatch) as olga:
    olga.run("init", "access", "--github", "acme/access", answers=["platform", "embedded"])
    olga.run("setup", folder=olga.top / "access")
    olga.questions, olga.clicks
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from html import unescape
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import click
import click.termui
import pytest
import requests

from driver import Said
from github_double import App, Double, Repo, User
from github_double.rest.environments import Environment, of
from hub import captured, environment, git
from repositories import identify_everywhere

REPOSITORY = "acme/access"
TEAM = "platform"

_GH = """#!/bin/sh
case "$*" in
"auth token"|"auth token --hostname 127.0.0.1") echo {token} ;;
"auth login --scopes repo,workflow,admin:org") echo "Logged in" ;;
"auth setup-git") git config --global http.extraheader "Authorization: basic {login}" ;;
"pr create --fill") exec {python} -I -c '
import sys, requests
title, head = sys.argv[1:]
wanted = {{"title": title, "head": head, "base": "main"}}
answer = requests.post("{url}/repos/{named}/pulls", json=wanted, headers={{"Authorization": "Bearer {token}"}}, timeout=30)
print(answer.json()["html_url"] if answer.ok else sys.exit(answer.text))
' "$(git log -1 --format=%s)" "$(git branch --show-current)" ;;
*) echo "no such command here: gh $*" >&2; false ;;
esac
"""


class Administrator:
    """The double with an organisation that has nothing yet, and its owner. ``alone``: the organisation has nobody else.

    ``questions`` are those that the terminal asked, ``clicks`` the buttons and fields that were touched in the browser.
    ``meanwhile`` is called whenever daypass waits: the world goes on.
    """

    def __init__(self, top: Path, patch: pytest.MonkeyPatch, *, alone: bool = False) -> None:
        self.top = top
        self.double = Double(top)
        self.questions: list[str] = []
        self.clicks: list[str] = []
        self.waited = 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        self.answer: Callable[[str], str] | None = None
        """Answers a question, where a list of answers will not do."""
        self.extra: dict[str, str] = {}
        """Further variables of the terminal's environment."""
        self.named = REPOSITORY
        """The repository that is set up."""
        self.installs_everywhere = False
        self.for_myself = False
        """Whether the App is made for the administrator's own account."""
        self.renames_to = ""
        """The name that the App is given in its form, "" for the one that is proposed."""
        self._alone = alone
        self._answers: list[str] = []
        self._patch = patch
        self._browser = requests.Session()
        self._browser.trust_env = False

    def __enter__(self) -> Self:
        self.double.__enter__()
        self.me = self.double.user("olga-platform", 583230, name="Olga Platform", email="olga@example.com")
        self.org = self.double.org("acme", base="none")
        self.org.members[self.me.id] = "admin"
        others: list[User] = [] if self._alone else [self.double.user("bosei", 583232, name="Bob Osei")]
        self.double.team(self.org, TEAM, [self.me, *others])
        self.token = self.double.token(self.me)
        self._browser.cookies.set("user_session", self.token, domain="127.0.0.1")
        identify_everywhere("Olga Platform", "olga@example.com")
        self._patch.setattr("daypass.cli.setup.at_terminal", lambda: True)
        self._patch.setattr("daypass.cli.founding.browse", self.browse)
        self._patch.setattr("daypass.cli.founding.has_browser", lambda: True)
        self._patch.setattr("daypass.cli.founding.pause", self._pause)
        self._patch.setattr(click.termui, "visible_prompt_func", self._asked)
        self._patch.setattr(click.termui, "hidden_prompt_func", lambda question: self._asked(question, hidden=True))
        return self

    def __exit__(self, *failure: object) -> None:
        self._browser.close()
        self.double.__exit__(*failure)

    @property
    def repo(self) -> Repo:
        """The repository, once it is there."""
        found = self.double.find(self.named)
        assert found is not None, "there is no repository yet"
        return found

    @property
    def environment(self) -> Environment:
        """The environment that holds the secrets."""
        return of(self.repo)["daypass"]

    # The terminal

    def run(
        self,
        *arguments: str,
        folder: Path | None = None,
        answers: Iterable[str] = (),
        expect: int | None = 0,
        token: bool = True,
    ) -> Said:
        """Run daypass at the terminal; what is asked beyond the answers is agreed to."""
        from daypass.cli.main import main

        self._answers = list(answers)
        told = {"GITHUB_API_URL": self.double.url, "GITHUB_SERVER_URL": self.double.server_url, **self.extra}
        with environment({**told, **({"GH_TOKEN": self.token} if token else {})}):
            said = captured(lambda: main(["-C", str(folder or self.top), *arguments]))
        assert expect is None or said.code == expect, f"exit {said.code}, expected {expect}\n{said.out}\n{said.err}"
        assert self.token not in said.out + said.err
        return said

    def _asked(self, question: str, *, hidden: bool = False) -> str:
        self.questions.append(question)
        said = self.answer(question) if self.answer is not None else self._answers.pop(0) if self._answers else ""
        assert said or "[" in question or len(self.questions) < 50, f"nobody answers {question!r}"
        click.echo(question if hidden else f"{question}{said}", err=True)  # as a terminal shows it
        return said

    def _pause(self, seconds: float) -> None:
        self.waited += seconds
        self.meanwhile()

    def signs_in_to_gh(self) -> Path:
        """Have GitHub's own command line, signed in, and return the folder that it lies in."""
        tools = self.top / "tools"
        tools.mkdir()
        login = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        values = {"token": self.token, "login": login, "url": self.double.url, "named": self.named}
        (tools / "gh").write_text(_GH.format(python=sys.executable, **values), encoding="utf-8")
        (tools / "gh").chmod(0o755)
        self._patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        return tools

    def pipeline(self) -> None:
        """Let the App's runs take place, on a machine that keeps nothing: what waits is looked at, then made so."""
        from daypass.cli.main import main

        folder = self.top / "applier"
        shutil.rmtree(folder, ignore_errors=True)
        git(self.top, "clone", "-q", str(self.repo.path), str(folder))
        told = {"GITHUB_API_URL": self.double.url, "GITHUB_SERVER_URL": self.double.server_url}
        with environment({**told, **self.repo.extras["variables"], **self.environment.values}):
            for verb in ("gate", "apply"):
                captured(lambda verb=verb: main(["-C", str(folder), verb]))

    # The browser

    def browse(self, address: str) -> bool:
        """Open an address and do what the page is for."""
        page = self._browser.get(address, timeout=10)
        assert page.status_code == 200, f"{page.status_code} {page.text}"
        if "Install" in _title(page.text) and self.installs_everywhere:
            self._submit(page, "Install")
            return True
        if "Install" in _title(page.text):
            for each in ("Only select repositories", "Select repositories", self.named):
                self._click(each)
            self._submit(page, "Install", repository=self.named.partition("/")[2])
            return True
        page = self._submit(page, "Continue to GitHub")
        self._submit(page, "Create GitHub App", **({"name": self.renames_to} if self.renames_to else {}))
        return True

    def makes_by_hand(self, address: str) -> App:
        """Make the App at an address that fills the form in, and have its key come down."""
        page = self._submit(self._browser.get(address, timeout=10), "Create GitHub App")
        key = self._submit(page, "Generate a private key")
        (app,) = self.double.apps.values()
        assert key.text == app.private_key
        return app

    def deletes_the_app(self) -> None:
        """Delete it, and its account with it, at the address that setup says."""
        (app,) = self.double.apps.values()
        app.bot.deleted = True
        self.double.apps.clear()

    def _click(self, what: str) -> None:
        self.clicks.append(what)

    def _submit(self, page: requests.Response, button: str, **fields: str) -> requests.Response:
        form = re.search(r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)
        assert form is not None, page.text
        assert f">{button}</button>" in form[2], form[2]
        self._click(button)
        sent: dict[str, Any] = {
            unescape(n): unescape(v) for n, v in re.findall(r'name="([^"]+)" value="([^"]*)"', form[2])
        }
        address = urljoin(page.url, unescape(form[1]))
        assert urlsplit(address).hostname == "127.0.0.1"
        if self.for_myself and button == "Create GitHub App":
            address = address.replace("/organizations/acme", "")
        answer = self._browser.post(address, data={**sent, **fields}, timeout=10)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer


def _title(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page)
    return found[1] if found else ""
