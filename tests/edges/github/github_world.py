"""A small repository at the double, its people, and the adapter in the hands of each of them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from copies import copy, once
from daypass.core.catalogue import Directory, Subject
from daypass.core.ids import Oid
from daypass.edges.forges.github.answers import Bot
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.pulls import GitHubForge
from daypass.edges.forges.github.transport import Transport, credential_from
from daypass.edges.git.plumbing import Git
from daypass.edges.git.remote import Remote, repository_url
from github_double import App, Double, Repo, User, gitio

REPOSITORY = "acme/access"
ROOT = f"/repos/{REPOSITORY}"
AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PEOPLE = {"alice": ("alice-ngo", 101), "bob": ("bosei", 102), "carol": ("carol-d", 103)}
BOT = Bot("daypass-acme[bot]", 4242)
GRANT = "grants/orders-db/alice.yaml"
PERMISSIONS = {"contents": "write", "pull_requests": "write", "issues": "write", "metadata": "read", "checks": "write"}


def directory() -> Directory:
    people = {
        handle: Subject(handle, name=handle.title(), login=login, forge_id=number, emails=(f"{handle}@example.com",))
        for handle, (login, number) in PEOPLE.items()
    }
    return Directory(people, {})


def _begin(folder: Path) -> None:
    Git(folder).run("init", "-q", "--initial-branch=main")


class World:
    """``waits`` are the pauses that the adapter asked for; nobody sleeps."""

    def __init__(self, double: Double, top: Path, *, private: bool = True) -> None:
        self.double = double
        self.waits: list[float] = []
        self._people: dict[str, Api] = {}
        double.org("acme")
        self.repo: Repo = double.repository(REPOSITORY, private=private)
        self.users: dict[str, User] = {}
        for handle, (login, number) in {**PEOPLE, "dora": ("dora-x", 104)}.items():
            self.users[handle] = double.user(login, number, email=f"{handle}@example.com")
            self.repo.collaborate(self.users[handle], "write")
        self.tokens = {handle: double.token(user) for handle, user in self.users.items()}
        self.app: App = double.app("daypass-acme", permissions=PERMISSIONS, repositories=[REPOSITORY], bot_id=BOT.id)
        double.seed(self.repo, {"README.md": "main\n", "grants/old.yaml": "old\n"})
        self.git = Git(top / "clone")
        copy(once("an empty clone", _begin), top / "clone")

    def environ(self, who: str) -> dict[str, str]:
        """The environment of a run as the App, as a workflow ("actions"), or as a person."""
        found = {"GITHUB_API_URL": self.double.url}
        if who == "app":
            number = str(self.app.installation)
            key = {"DAYPASS_APP_KEY": self.app.private_key, "DAYPASS_APP_INSTALLATION": number}
            return found | key | {"DAYPASS_APP_ID": str(self.app.id)}
        if who == "actions":
            token = self.double.actions_token(self.repo, {"contents": "write", "pull-requests": "write"})
            return found | {"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": token}
        return found | {"GH_TOKEN": self.tokens[who]}

    def api(self, who: str = "app", *, timeout: int = 15) -> Api:
        access = credential_from(self.environ(who))
        return Api(Transport(self.double.url, timeout), access, REPOSITORY, wait=self.waits.append)

    def forge(self, who: str = "app", *, bot: Bot | None = BOT) -> GitHubForge:
        api = self.api(who)
        remote = Remote(self.git, repository_url(self.double.server_url, REPOSITORY), api.token)
        return GitHubForge(api, directory(), bot, remote, self.git)

    # What people do

    def main(self) -> Oid:
        return self.head("main")

    def head(self, branch: str) -> Oid:
        found = gitio.at(self.repo.path, f"refs/heads/{branch}")
        assert found is not None, branch
        return Oid(found)

    def bare(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repo.path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """Send what a person would by themselves, through one connection for each person."""
        token = self.tokens.get(who, "")
        api = self._people.get(token) or self.api(who)
        if token:
            self._people[token] = api
        return api.send(method, f"{ROOT}{path}", body) if method != "GET" else api.get(ROOT + path)

    def push(
        self, who: str, branch: str, files: Mapping[str, str] | None = None, *, start: str = "", force: bool = False
    ) -> Oid:
        """Commit files on a branch (begun at main) and push it as a person; returns the commit."""
        with self.double.lock:
            place = f"refs/heads/{branch}"
            known = gitio.at(self.repo.path, place)
        parent = start or (known if known is not None and not force else self.main())
        tree = gitio.tree_of(self.repo.path, parent)
        entries = [
            {"path": path, "mode": "100644", "type": "blob", "content": text}
            for path, text in (files if files is not None else {GRANT: f"by {who}\n"}).items()
        ]
        if entries:
            tree = self.ask(who, "POST", "/git/trees", {"base_tree": tree, "tree": entries})["sha"]
        made = self.ask(who, "POST", "/git/commits", {"message": "Ask", "tree": tree, "parents": [parent]})["sha"]
        if known is not None:
            self.ask(who, "PATCH", f"/git/refs/heads/{branch}", {"sha": made, "force": force})
        else:
            self.ask(who, "POST", "/git/refs", {"ref": place, "sha": made})
        return Oid(made)

    def opened(self, who: str = "alice", branch: str = "wanted", files: Mapping[str, str] | None = None) -> int:
        """Push a branch and open a pull request of it; returns the number."""
        self.push(who, branch, files)
        return self.open_branch(who, branch)

    def open_branch(self, who: str, branch: str, base: str = "main", **more: Any) -> int:
        sent = {"title": f"Access for {who}", "head": branch, "base": base, "body": "", **more}
        return int(self.ask(who, "POST", "/pulls", sent)["number"])

    def reviewed(self, number: int, who: str, event: str = "APPROVE", commit: str = "") -> int:
        sent = {"event": event, "body": "words", **({"commit_id": commit} if commit else {})}
        return int(self.ask(who, "POST", f"/pulls/{number}/reviews", sent)["id"])

    def squashed(self, number: int, who: str = "bob", method: str = "squash") -> Oid:
        """Merge by hand."""
        return Oid(self.ask(who, "PUT", f"/pulls/{number}/merge", {"merge_method": method})["sha"])
