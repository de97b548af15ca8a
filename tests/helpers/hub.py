"""The worked example at GitHub: ``acme/access`` on the double, its people, its App and its rules, for tests to act in.

    with Hub(tmp_path) as hub:
        number = hub.request_pull("alice", hub.grant(resource="orders-db", role="readonly"))
        hub.approve(number, "bob")
        hub.run("gate", str(number))                    # as the App
        hub.run("status", who="alice")                  # with alice's own token, in her own clone

People are called by their handles; their logins at GitHub are others on purpose.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from copies import copy, once, pack
from driver import Said
from github_double import App, Bypass, Call, Double, Event, Repo, Rule, User, gitio, pushes, writing
from github_double.state import ZERO
from outputs import check_output

REPOSITORY = "acme/access"
PEOPLE: dict[str, tuple[str, int]] = {
    "alice": ("alice-ngo", 583231),
    "bob": ("bosei", 583232),
    "carol": ("carol-d", 583233),
    "dave": ("kim-dave", 583234),
    "erin": ("erin-v", 583235),
    "frank": ("frank-ito", 583236),
}
TEAMS = {
    "dba": ("bob", "carol"),
    "engineering": ("alice", "bob", "carol"),
    "payroll": ("carol", "erin"),
    "security": ("dave", "erin"),
}
"""The groups that own something, with the people of each; the same teams are at GitHub."""
ADMIN = ("olga-platform", 583230)
BOT_ID = 4242
APP_ID = 77001
APP_PERMISSIONS = {
    "actions": "read",
    "administration": "read",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}
LEDGER_BRANCHES = ("refs/heads/daypass-ledger", "refs/heads/daypass-ledger-lane/*")
SHARED = ("refs/heads/main", "refs/heads/daypass-ledger")
"""The branches that everybody's clone follows."""
_PEOPLE_FILE = "policies/directory/people.yaml"


class Hub:
    """The double with the worked example in it. ``double`` is the double itself, for its dials and its endpoints.

    ``simulated`` lets writing verbs take ``--at``, so that a test can let hours pass (`advance`). ``protected`` sets the
    rules that the documents recommend. ``files`` are written before the example, which leaves
    what is there. ``auth``: how the workflows act, "app" or "token". ``residency``: as with `Double`.
    """

    def __init__(
        self,
        top: Path,
        *,
        simulated: bool = False,
        protected: bool = True,
        private: bool = True,
        files: Mapping[str, str] | None = None,
        auth: str = "app",
        residency: bool = False,
    ) -> None:
        self.top = top / "acme"
        self.top.mkdir(parents=True)
        self.double = Double(self.top, residency=residency)
        self.simulated = simulated
        self.people: dict[str, User] = {}
        self.tokens: dict[str, str] = {}
        self.repo: Repo
        self.app: App
        self.ledger_key = ""
        self._private, self._protected, self._files, self.auth = private, protected, dict(files or {}), auth
        self._names = 0
        self._made: Path
        """What `_make` made: everything of the founded repository."""

    def __enter__(self) -> Self:
        self.double.__enter__()
        try:
            self._begin()
        except BaseException:
            self.double.__exit__(None, None, None)
            raise
        self.double.events.clear()
        self.double.calls.clear()
        return self

    def __exit__(self, *failure: object) -> None:
        self.double.__exit__(*failure)

    # -- what is there --------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The API's address."""
        return self.double.url

    @property
    def events(self) -> list[Event]:
        """What was delivered so far."""
        return self.double.events

    @property
    def calls(self) -> list[Call]:
        """The requests that were answered so far."""
        return self.double.calls

    def now(self) -> datetime:
        """The double's instant."""
        return self.double.now()

    def advance(self, **span: float) -> None:
        """Let time pass at GitHub and, with ``simulated``, for daypass: ``advance(hours=3)``."""
        self.double.advance(**span)

    def bare(self, *arguments: str) -> str:
        """Run git in the bare repository, past all rules, to look or to break something."""
        return git(self.repo.path, *arguments)

    def head(self, branch: str = "main") -> str:
        """The commit that a branch stands at."""
        return gitio.at(self.repo.path, f"refs/heads/{branch}") or self.bare("rev-parse", f"refs/heads/{branch}")

    # -- founding -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._accounts()
        self._found()
        if self._protected:
            self.protect()

    def _accounts(self) -> None:
        double = self.double
        self.org = double.org("acme", base="none")
        self.repo = double.repository(REPOSITORY, private=self._private)
        self.repo.methods = {"squash"}
        for handle, (login, number) in {**PEOPLE, "olga": ADMIN}.items():
            user = double.user(login, number, name=handle.title(), email=f"{handle}@example.com")
            self.people[handle] = user
            self.tokens[handle] = double.token(user)
            self.repo.collaborate(user, "admin" if handle == "olga" else "write")
        for slug, handles in TEAMS.items():
            self.repo.team(double.team(self.org, slug, [self.people[handle] for handle in handles]), "write")
        self.app = double.app(
            "daypass-acme", permissions=APP_PERMISSIONS, repositories=[REPOSITORY], id=APP_ID, bot_id=BOT_ID
        )

    def _found(self) -> None:
        """Make the example with ``daypass init --github``, and push main and the ledger."""
        wanted = ["init", ".", "--example", "--merge", "--github", REPOSITORY, "--auth", self.auth]
        account = ["--bot", f"{self.app.bot.login}:{BOT_ID}", "--app", str(APP_ID)]
        wanted += account if self.auth == "app" else []
        wanted += ["--simulated-clock"] if self.simulated else []

        def make(place: Path) -> None:
            _make(place, wanted, self._files)

        self._made = once((*wanted, *sorted(self._files.items())), make)
        (key,) = (self._made / "keys").glob("*.pem")
        self.ledger_key = key.read_text(encoding="ascii")
        bare, token = self.repo.path, self.double.tokens[self.tokens["olga"]]
        (bare / "objects" / "info" / "alternates").write_text(f"{self._made / 'objects'}\n")
        with self.double.lock:
            for ref in SHARED:
                commit = _at(self._made / "clone" / ".git", ref)
                gitio.set_ref(bare, ref, commit)
                pushes.moved(self.double, self.repo, token, ref, ZERO, commit)

    def protect(self) -> None:
        """Set the rules that the documents recommend: main by reviewed pull requests, the ledger by the App alone.

        Without an App nobody stands in a bypass list, since every branch can act with GITHUB_TOKEN.
        """
        if self.auth == "token":
            self.double.protect(self.repo)
            return
        app = self.app.id
        self.double.protect(self.repo, bypass=[Bypass("Integration", app, "pull_request")])
        only = [Rule("creation"), Rule("update"), Rule("deletion"), Rule("non_fast_forward")]
        self.double.ruleset(self.repo, "ledger", only, include=LEDGER_BRANCHES, bypass=[Bypass("Integration", app)])

    # -- running daypass ------------------------------------------------------------------------------------------

    def environ(self, who: str = "app") -> dict[str, str]:
        """The environment of a run: who "app", a person's handle, or "" for nobody."""
        found = {"GITHUB_API_URL": self.double.url, "GITHUB_SERVER_URL": self.double.server_url}
        if who == "app":
            found |= {
                "DAYPASS_APP_ID": str(self.app.id),
                "DAYPASS_APP_KEY": self.app.private_key,
                "DAYPASS_LEDGER_KEY": self.ledger_key,
                "DAYPASS_STATE": str(self.top / "state"),
            }
        elif who:
            found["GH_TOKEN"] = self.tokens[who]
        return found

    def run(
        self,
        *arguments: str,
        who: str = "app",
        folder: Path | None = None,
        expect: int | None = 0,
        environ: Mapping[str, str] | None = None,
        apart: bool = False,
    ) -> Said:
        """Run daypass as somebody in a clone of theirs (one a name, made when first needed).

        ``apart``: in a process of its own. ``environ`` adds to the environment.
        """
        place = folder or self.clone(who or "nobody")
        wanted = {**self.environ(who), **(environ or {})}
        argv = ["-C", str(place), *arguments]
        if apart:
            command = [sys.executable, "-m", "daypass", *argv]
            done = subprocess.run(
                command, env={**plain(os.environ), **wanted}, capture_output=True, text=True, check=False, timeout=120
            )
            said = Said(done.returncode, done.stdout, done.stderr)
        else:
            from daypass.cli.main import main

            with environment(wanted):
                said = captured(lambda: main(argv))
        assert expect is None or said.code == expect, f"exit {said.code}, expected {expect}\n{said.out}\n{said.err}"
        check_output(arguments, said.out)
        return said

    # -- clones and pull requests ---------------------------------------------------------------------------------

    def clone(self, name: str) -> Path:
        """Return a clone of the repository, as that person (or the App) has it; main and the ledger are up to date."""
        folder = self.top / "clones" / name
        if not folder.exists():
            copy(self._made / "clone", folder)
            self._connect(folder, name)
        same = all(_at(folder / ".git", ref) == _at(self.repo.path, ref) != "" for ref in SHARED)
        if not same or _on(folder) != SHARED[0]:
            origin = "refs/remotes/origin/main"  # past HTTP, which is shown by every verb that fetches
            git(folder, "fetch", "-q", str(self.repo.path), f"+{SHARED[0]}:{origin}", f"+{SHARED[1]}:{SHARED[1]}")
            if not git(folder, "status", "--porcelain"):
                git(folder, "checkout", "-q", "--no-track", "-B", "main", origin)
        return folder

    def _connect(self, folder: Path, name: str) -> None:
        """Give a clone its remote, with the token of that person (of the platform's admin where nobody has that name)."""
        host = self.double.server_url.removeprefix("http://")
        token = self.tokens.get(name, self.tokens["olga"])
        with (folder / ".git" / "config").open("a", encoding="utf-8") as settings:
            settings.write(
                f"[user]\n\tname = {name.title()}\n\temail = {name}@example.com\n"
                f'[remote "origin"]\n\turl = http://x-access-token:{token}@{host}/{REPOSITORY}.git\n'
                "\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
            )

    def grant(
        self,
        *,
        subject: str = "alice",
        resource: str = "orders-db",
        role: str = "readonly",
        duration: str = "2h",
        reason: str = "reading four orders of a complaint",
        more: str = "",
    ) -> str:
        """The text of a grant file. ``more``: further lines."""
        return (
            f"version: 1\nsubject: {subject}\nresource: {resource}\nrole: {role}\n"
            f"reason: {reason}\nwindow:\n  duration: {duration}\n{more}"
        )

    def request_pull(
        self,
        who: str,
        grant_yaml: str = "",
        *,
        path: str = "",
        branch: str = "",
        files: Mapping[str, str | bytes | None] | None = None,
        message: str = "Ask for access",
        title: str = "",
        body: str = "",
    ) -> int:
        """Push a branch with a grant file (and ``files``; None deletes) and open a pull request; return its number."""
        self._names += 1
        branch = branch or f"{who}-{self._names}"
        self.push_branch(who, branch, self._wanted(who, grant_yaml, path, files), message=message)
        answer = self.api(
            who, "POST", f"/repos/{REPOSITORY}/pulls",
            {"title": title or f"Access for {who}", "head": branch, "base": "main", "body": body},
        )  # fmt: skip
        return int(answer["number"])

    def fork(self, who: str) -> Repo:
        """Fork the repository as a person (a private one only where it lets them)."""
        made = self.api(who, "POST", f"/repos/{REPOSITORY}/forks", {})
        found = self.double.find(made["full_name"])
        assert found is not None
        return found

    def request_from_fork(self, who: str, fork: Repo, grant_yaml: str, *, branch: str = "wish") -> int:
        """Push a grant file to a branch of one's own fork and open a pull request from there; return its number."""
        self._names += 1
        folder = self.clone(who)
        host = self.double.server_url.removeprefix("http://")
        git(folder, "checkout", "-q", "-B", branch, "main")
        for path, text in self._wanted(who, grant_yaml, "", None).items():
            assert isinstance(text, str)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "Ask for access")
        url = f"http://x-access-token:{self.tokens[who]}@{host}/{fork.full_name}.git"
        git(folder, "push", "-q", url, f"HEAD:refs/heads/{branch}")
        git(folder, "checkout", "-q", "main")
        head = f"{fork.owner.login}:{branch}"
        sent = {"title": f"Access for {who}", "head": head, "base": "main", "body": ""}
        return int(self.api(who, "POST", f"/repos/{REPOSITORY}/pulls", sent)["number"])

    def _wanted(
        self, who: str, grant_yaml: str, path: str, files: Mapping[str, str | bytes | None] | None
    ) -> dict[str, str | bytes | None]:
        wanted: dict[str, str | bytes | None] = dict(files or {})
        if grant_yaml:
            lines = dict(line.split(": ", 1) for line in grant_yaml.splitlines() if ": " in line)
            wanted[path or f"grants/{lines['resource']}/{who}-{self._names}.yaml"] = grant_yaml
        return wanted

    def push_branch(
        self,
        who: str,
        branch: str,
        files: Mapping[str, str | bytes | None],
        *,
        message: str = "Change it",
        start: str = "",
        force: bool = False,
    ) -> str:
        """Commit files on a branch (begun at main, or ``start``) as a person and push it; return the commit."""
        path = self.repo.path
        parent = gitio.resolve(path, start) if start else gitio.at(path, f"refs/heads/{branch}")
        with self.double.lock:
            made = writing.commit_files(
                self.double, self.repo, parent or self.head(), files, f"{message}\n", self.people[who]
            )
        pushes.push(self.double, self.repo, self.double.tokens[self.tokens[who]], branch, made, force=force)
        return made

    def review(self, number: int, who: str, event: str = "APPROVE", *, commit: str = "", body: str = "") -> int:
        """Review a pull request's head (or another commit) as a person; return the review's id."""
        shown = self.api(who, "GET", f"/repos/{REPOSITORY}/pulls/{number}")["head"]
        commit = commit or shown["sha"]
        self._later(shown["ref"])
        sent = {"event": event, "commit_id": commit, **({"body": body} if body else {})}
        return int(self.api(who, "POST", f"/repos/{REPOSITORY}/pulls/{number}/reviews", sent)["id"])

    def _later(self, *branches: str) -> None:
        """Let the second pass in which the head, or main, was moved once more: GitHub tells times by the second."""
        for ref in (f"refs/heads/{branch}" for branch in ("main", *branches)):
            moves = [each.at for each in self.repo.activity if each.ref == ref]
            while self.double.clock is None and len(moves) > 1 and self.now() <= moves[-1]:
                time.sleep(0.05)

    def approve(self, number: int, who: str) -> int:
        """Approve a pull request's head as a person; return the review's id."""
        return self.review(number, who)

    def pull(self, number: int, who: str = "olga") -> dict[str, Any]:
        """A pull request as the API shows it."""
        found: dict[str, Any] = self.api(who, "GET", f"/repos/{REPOSITORY}/pulls/{number}")
        return found

    def api(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the double's API as a person, as the App ("app") or with a token; return its JSON.

        Raises AssertionError with the answer for any status of 400 or more.
        """
        status, answer = self.ask(who, method, path, body)
        assert status < 400, f"{method} {path}: {status} {answer}"
        return answer

    def ask(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request to the double's API; return status and JSON."""
        import json
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        request = Request(  # noqa: S310  (the double's own address)
            f"{self.double.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token(who)}", "Accept": "application/vnd.github+json"},
        )
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310  (likewise)
                status, raw = answer.status, answer.read()
        except HTTPError as error:
            with error:
                status, raw = error.code, error.read()
        return status, json.loads(raw) if raw else None

    def token(self, who: str) -> str:
        """The token of a person, a new one of the App's installation ("app"), or ``who`` itself where it is a token."""
        if who == "app":
            from github_double.auth import issue_installation_token

            with self.double.lock:
                return issue_installation_token(self.double, self.app, None, None).value
        return self.tokens.get(who, who)


def _make(made: Path, wanted: list[str], files: Mapping[str, str]) -> None:
    """Found the repository; ``clone`` will be a clone of it, ``objects`` its objects, ``keys`` what `init` put there."""
    from daypass.cli.init import template_files
    from daypass.cli.main import main

    folder, clone = made / "platform", made / "clone"
    folder.mkdir()
    git(folder, "init", "-q", "--initial-branch=main")
    identify(folder, "olga")
    people = template_files("example", ("olga", "Olga", "olga@example.com"))[_PEOPLE_FILE]
    for path, text in {_PEOPLE_FILE: _with_accounts(people), **files}.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Write down who is who")
    with environment({"DAYPASS_KEYS": str(made / "keys")}):
        said = captured(lambda: main(["-C", str(folder), *wanted]))
    assert said.code == 0, said.err
    clone.mkdir()
    git(clone, "init", "-q", "--initial-branch=main")
    settings = (clone / ".git" / "config").read_text(encoding="utf-8")
    git(clone, "remote", "add", "origin", str(folder))
    git(clone, "fetch", "-q", "origin", "main", f"+{SHARED[1]}:{SHARED[1]}")
    git(clone, "checkout", "-q", "-B", "main", "FETCH_HEAD")
    (clone / ".git" / "config").write_text(settings, encoding="utf-8")
    (clone / ".git" / "FETCH_HEAD").unlink()
    pack(clone)
    shutil.move(folder / ".git" / "objects", made / "objects")


def _with_accounts(people: str) -> str:
    """Give the example's people their accounts at GitHub."""
    for handle, (login, number) in PEOPLE.items():
        address = f"email: {handle}@example.com"
        assert address in people
        people = people.replace(address, f"{address}, forge: {{login: {login}, id: {number}}}")
    return people


def git(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run git in a folder and return what it printed. Fails with its message."""
    command = ["git", "-c", "maintenance.auto=false", "-C", str(folder), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def _at(place: Path, ref: str) -> str:
    """Return what a ref of a git directory points at, "" where it cannot be told at a glance."""
    try:
        return (place / ref).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _on(folder: Path) -> str:
    """Return the branch that a work tree is on."""
    return (folder / ".git" / "HEAD").read_text(encoding="utf-8").strip().removeprefix("ref: ")


def identify(folder: Path, name: str) -> None:
    """Say in a clone whose commits are made there."""
    git(folder, "config", "user.name", name.title())
    git(folder, "config", "user.email", f"{name}@example.com")


_OURS = ("DAYPASS_", "GITHUB_", "GH_", "RUNNER_")


def plain(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without anything that daypass or a workflow would take for its own."""
    return {name: text for name, text in environ.items() if not name.startswith(_OURS)}


@contextmanager
def environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Have these variables, and none else of daypass's and GitHub's, while the block lasts."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({**plain(before), **wanted})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def captured(run: Callable[[], int]) -> Said:
    """Run something that prints and returns an exit code."""
    screen = io.StringIO()
    out, err = _Shown(screen), _Shown(screen)
    with redirect_stdout(out), redirect_stderr(err):
        code = run()
    return Said(code, out.getvalue(), err.getvalue(), screen.getvalue())


class _Shown(io.StringIO):
    """A stream that a screen shows as well."""

    def __init__(self, screen: io.StringIO) -> None:
        super().__init__()
        self._screen = screen

    def write(self, text: str, /) -> int:
        self._screen.write(text)
        return super().write(text)
