"""One pull request at the double of GitHub, and boards that write on it as each kind of account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from daypass.core.catalogue import Directory, Subject
from daypass.core.finding import Finding, Place, Severity
from daypass.core.ids import ABSENT, Oid
from daypass.core.request import Notice
from daypass.edges.forges.github.answers import Bot
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.pages import GitHubPages
from github_double import gitio
from github_double.double import Double
from github_double.state import App, Repo, User
from github_double.writing import write_files

NAME = "acme/access"
ALL = {"checks": "write", "contents": "read", "issues": "write", "pull-requests": "write"}
APP = {"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write"}


class Watched(Api):
    """The API, with a word before each write."""

    before_write: Callable[[str, str], None] = staticmethod(lambda verb, path: None)  # type: ignore[assignment]  # set on instances

    def send(self, verb, path, body=None):
        self.before_write(verb, path)
        return super().send(verb, path, body)


@dataclass
class World:
    """``number`` is alice's pull request; bob and dave are collaborators, erin is in the directory alone."""

    hub: Double
    repo: Repo
    people: dict[str, User]
    number: int = 0
    head: Oid = ABSENT
    app: App | None = None
    waits: list[float] = field(default_factory=list)

    @classmethod
    def made(cls, hub: Double) -> World:
        hub.clock = datetime(2026, 11, 20, 10, tzinfo=UTC)
        repo = hub.repository(NAME)
        people = {name: hub.user(f"{name}-gh") for name in ("alice", "bob", "dave", "erin")}
        for name in ("alice", "bob", "dave"):
            repo.collaborate(people[name], "write")
        write_files(hub, repo, "main", {"README.md": "access\n"}, "Begin")
        world = cls(hub, repo, people)
        world.number, world.head = world.ask("ask")
        return world

    def ask(self, branch: str) -> tuple[int, Oid]:
        """Open a pull request of alice's and return its number and head."""
        gitio.set_ref(self.repo.path, f"refs/heads/{branch}", gitio.resolve(self.repo.path, "refs/heads/main") or "")
        head = write_files(self.hub, self.repo, branch, {"grants/orders-db/x.yaml": "version: 1\n" * 9}, "Ask")
        api = self.api("alice")
        made = api.send("POST", f"/repos/{NAME}/pulls", {"title": "Ask", "head": branch, "base": "main"})
        return int(made["number"]), Oid(head)

    def api(self, who: str, **permissions: str) -> Watched:
        """Return the API as an App (``app``), a workflow's token (``actions``) or a person."""
        environ = {"GITHUB_API_URL": self.hub.url}
        if who == "app":
            self.app = self.app or self.hub.app("daypass-acme", permissions=APP, repositories=[NAME])
            environ |= {"DAYPASS_APP_ID": str(self.app.id), "DAYPASS_APP_KEY": self.app.private_key}
            environ["DAYPASS_APP_INSTALLATION"] = str(self.app.installation)
        elif who == "actions":
            token = self.hub.actions_token(self.repo, permissions or ALL)
            environ |= {"GITHUB_TOKEN": token, "GITHUB_ACTIONS": "true"}
        else:
            environ |= {"GITHUB_TOKEN": self.hub.token(self.people[who])}
        return Watched.from_environment(environ, NAME, wait=self.waits.append)

    def pages(
        self, who: str = "actions", *, bot: Bot | None = None, api: Api | None = None, **rights: str
    ) -> GitHubPages:
        return GitHubPages(api or self.api(who, **rights), self.directory, bot)

    @property
    def directory(self) -> Directory:
        known = {n: Subject(n, name=n.title(), login=u.login, forge_id=u.id) for n, u in self.people.items()}
        return Directory({**known, "nologin": Subject("nologin")}, {})

    def notice(self, **changes) -> Notice:
        fields = {
            "number": self.number, "head": self.head, "conclusion": "", "title": "waiting for 1 approval",
            "summary": "### summary\n", "comment": "### daypass\n\nthe story\n", "state": "waiting",
        }  # fmt: skip
        return Notice(**(fields | changes))

    def spent(self, work: Callable[[], object]) -> tuple[list[str], list[str]]:
        """Return the paths read and the writes made meanwhile; tokens are not counted, since a run makes one."""
        before = len(self.hub.calls)
        work()
        calls = [c for c in self.hub.calls[before:] if not c.path.endswith(("/access_tokens", "/installation"))]
        reads = [c.path for c in calls if c.method == "GET"]
        return reads, [f"{c.method} {c.path.removeprefix(f'/repos/{NAME}')}" for c in calls if c.method != "GET"]

    def comments(self, number: int = 0) -> list[str]:
        found = [c for c in self.repo.comments.values() if c.number == (number or self.number)]
        return [c.body for c in sorted(found, key=lambda c: c.id)]

    def checks(self) -> list:
        return sorted(self.repo.checks.values(), key=lambda c: c.id)

    def labels(self, number: int = 0) -> list[str]:
        return sorted(label.name for label in self.repo.issues[number or self.number].labels)

    def asked(self) -> list[str]:
        return sorted(user.login for user in self.repo.pulls[self.number].asked_users)


def annotations(count: int, text: str = "wrong") -> tuple[Finding, ...]:
    severity = (Severity.ERROR, Severity.ERROR, *[Severity.WARNING] * count)
    return tuple(
        Finding("bad-duration", Place("grants/orders-db/x.yaml", n % 9 + 1, 3), f"{text} {n}", severity=severity[n])
        for n in range(count)
    )
