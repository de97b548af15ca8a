"""Somebody at the hub with a token in hand: calls the API and uses git as a person or an attacker would."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from github_double import gitio

if TYPE_CHECKING:
    from github_double.double import Double
    from github_double.state import Repo


@dataclass
class Visitor:
    """Whoever holds ``token`` ("" for nobody). ``folder`` is where a clone is kept."""

    hub: Double
    token: str
    folder: Path
    email: str = "somebody@example.com"
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        self._session.trust_env = False  # the hub is on this machine, and nobody's proxy or password file takes part

    def ask(self, method: str, path: str, /, body: Any = None, **query: Any) -> requests.Response:
        """Send one request to the API; the answer is not judged."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.hub.url}{path}"
        return self._session.request(method, url, json=body, params=query, headers=headers, timeout=30)

    def get(self, path: str, /, **query: Any) -> Any:
        """The body of a GET that must be answered with 200."""
        answer = self.ask("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        """The body of a request that must succeed, or be answered with just that status; None without one."""
        answer = self.ask(method, path, body)
        assert answer.status_code == expect if expect else answer.status_code < 300, (
            f"{answer.status_code} {answer.text}"
        )
        return answer.json() if answer.content else None

    def git(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git in the clone."""
        who = {f"GIT_{role}_{part}": text for role in ("AUTHOR", "COMMITTER") for part, text in self._who()}
        done = subprocess.run(
            ["git", "-c", "maintenance.auto=false", *arguments], cwd=self.folder, input=stdin, capture_output=True, text=True, check=False,
            env={**gitio.environment(), **who, "GIT_TERMINAL_PROMPT": "0"},
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    def _who(self) -> list[tuple[str, str]]:
        return [("NAME", self.email.partition("@")[0]), ("EMAIL", self.email)]

    def clone(self, repo: Repo, *options: str) -> None:
        """Clone a repository; the token goes into the remote's URL."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("clone", "-q", *options, self.url(repo), ".")

    def url(self, repo: Repo) -> str:
        """The repository's URL with the token as password."""
        who = f"x-access-token:{self.token}@" if self.token else ""
        return self.hub.server_url.replace("//", f"//{who}") + f"/{repo.full_name}.git"

    def commit(self, files: dict[str, str | None], message: str = "Change") -> str:
        """Commit contents (None takes a file out) on the branch that the clone stands on."""
        for name, text in files.items():
            place = self.folder / name
            if text is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def propose(self, repo: Repo, branch: str, files: dict[str, str | None], *, title: str = "Change") -> int:
        """Push a branch off main with one commit, open a pull request of it and return its number."""
        start = "refs/remotes/origin/main"
        if gitio.at(self.folder / ".git", start) != gitio.at(repo.path, "refs/heads/main"):
            self.git("fetch", "-q", "origin")
        self.git("checkout", "-q", "-B", branch, start)
        self.commit(files, title)
        self.git("push", "-q", "-f", "origin", branch)
        made = self.send("POST", f"/repos/{repo.full_name}/pulls", {"title": title, "head": branch, "base": "main"})
        number: int = made["number"]
        return number
