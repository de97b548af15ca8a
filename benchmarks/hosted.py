"""A generated repository as GitHub's double serves it, and what a runner that starts bare does there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import yaml

from benchmarks.grants import grants
from benchmarks.measure import Command, run
from benchmarks.place import ROOT
from benchmarks.policies import HOSTED, NOW, person, places
from daypass.core.ledger.snapshot import form
from daypass.edges.forges.github.setup import github_files

if TYPE_CHECKING:
    from github_double import Double, Repo

_PERMISSIONS = {"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write"}
_SHARED = ("refs/heads/main", "refs/heads/daypass-ledger")
_ASKS = 100
"""Who asks for what waits."""
_ASKED = """version: 1
subject: {subject}
resource: {resource}
role: readonly
reason: Reading order {n} of a complaint, which has to be answered by tomorrow noon.
ticket: OPS-{n}
window:
  duration: 4h
"""
_CHECKED = """
secret=$(printf 'x-access-token:%s' "$GITHUB_TOKEN" | base64 | tr -d '\\r\\n')
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.$GITHUB_SERVER_URL/.extraheader"
export GIT_CONFIG_VALUE_0="AUTHORIZATION: basic $secret"
"""


class HostedPlace:
    """One repository below ``folder``, made when it is not there; ``told``: its ledger knows of what went as well.

    ``waiting`` requests are open there, each of which waits for an approval.
    """

    def __init__(self, folder: Path, live: int, removed: int, *, told: bool, waiting: int = 0) -> None:
        kind = "all" if told else "hosted"
        # A snapshot of another form tells a run nothing: then it is made anew.
        self.folder = folder / f"{live}-{removed}-{kind}-{form()}"
        self._git = self.folder / "access.git"
        self._waiting, self._count = waiting, live + removed
        self._beside = self.folder / f"{waiting}-open" if waiting else self.folder
        if not self.folder.exists():
            print(f"generating {live} grants and {removed} that came and went …", file=sys.stderr, flush=True)
            draft = self.folder.with_name(f"{self.folder.name}.new")
            shutil.rmtree(draft, ignore_errors=True)
            asked = [str(draft), str(live), str(removed), kind]
            subprocess.run([sys.executable, "-m", "benchmarks.repository", *asked], check=True, cwd=ROOT)
            draft.rename(self.folder)

    @cached_property
    def _environment(self) -> dict[str, str]:
        """Serve it, for as long as this process lives; return what a workflow's step is given."""
        sys.path.append(str(ROOT / "tests" / "helpers"))
        from github_double import Double  # noqa: PLC0415  (rows of other places do without)
        from github_double.auth import issue_installation_token  # noqa: PLC0415

        shutil.rmtree(self._beside / "double", ignore_errors=True)
        (self._beside / "double").mkdir(parents=True)
        self._double: Double = Double(self._beside / "double")
        double = self._double
        (server,) = double._servers  # noqa: SLF001  (it is to end with this process, and nobody leaves a `with` here)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        double.org(HOSTED.partition("/")[0], base="none")
        repo = double.repository(HOSTED, private=True)
        app = double.app("daypass-bench", permissions=_PERMISSIONS, repositories=[HOSTED])
        (repo.path / "objects" / "info" / "alternates").write_text(f"{self._git / 'objects'}\n")
        self._served = repo.path
        self._put_back()
        self._ask(double, repo)
        return {
            "GITHUB_API_URL": double.url,
            "GITHUB_SERVER_URL": double.server_url,
            "GITHUB_REPOSITORY": HOSTED,
            "GITHUB_TOKEN": issue_installation_token(double, app, None, None).value,
            "FOLDERS": ".github/daypass policies",
            "DAYPASS_APP_ID": str(app.id),
            "DAYPASS_APP_KEY": app.private_key,
            "DAYPASS_APP_INSTALLATION": str(app.installation),
            "DAYPASS_KEYS": str(self.folder / "keys"),
            "DAYPASS_STATE": str(self._beside / "state"),
        }

    def _ask(self, double: Double, repo: Repo) -> None:
        """Have one person ask for access, as often as requests are to wait, just before the instant that is measured at."""
        from github_double import gitio, pushes, writing  # noqa: PLC0415  (as above)

        if not self._waiting:
            return
        double.clock = NOW - timedelta(seconds=30)
        author = double.user(f"{person(_ASKS)}-x", 1000 + _ASKS)
        repo.collaborate(author, "write")
        token, main = double.token(author), gitio.resolve(repo.path, "refs/heads/main")
        guarded = [
            place.name for place in places() if place.environment == "production"
        ]  # nothing passes by itself there
        for n in range(self._waiting):
            resource = guarded[n % len(guarded)]
            text = _ASKED.format(subject=person(_ASKS), resource=resource, n=n)
            files = {f"grants/{resource}/{person(_ASKS)}-{n}.yaml": text}
            made = writing.commit_files(double, repo, main, files, "Ask for access\n", author)
            pushes.push(double, repo, double.tokens[token], f"wish-{n}", made)
            asked = {"title": f"Wish {n}", "head": f"wish-{n}", "base": "main", "body": ""}
            request = Request(  # noqa: S310  (the double's own address)
                f"{double.url}/repos/{HOSTED}/pulls",
                json.dumps(asked).encode(),
                {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
            )
            urlopen(request, timeout=60).close()  # noqa: S310  (likewise)

    def _put_back(self) -> None:
        """Let main and the ledger stand at the forge as they were generated."""
        for ref in _SHARED:
            self._stand(ref, self._said("rev-parse", ref))

    def _stand(self, ref: str, oid: str) -> None:
        subprocess.run(["git", "-C", str(self._served), "update-ref", ref, oid], check=True)

    def _said(self, *arguments: str, served: bool = False) -> str:
        told = ["git", "-C", str(self._served if served else self._git), *arguments]
        return subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip()

    def ended(self, verb: str) -> Command:
        """Return a verb on a bare runner when one grant has ended since a run that found nothing to do, an hour before."""
        live = set(self._said("ls-tree", "-r", "--name-only", "refs/heads/main", "grants/").splitlines())
        ends = [one.window.end for one in grants(self._count) if one.grant.path in live]
        end = min(end for end in ends if end > NOW)
        earlier, now = (("--at", f"{at:%Y-%m-%dT%H:%M:%SZ}") for at in (end - timedelta(hours=1), end))
        run(self.runner("apply", *earlier, anew=True))
        tip = self._said("rev-parse", _SHARED[1], served=True)
        return self.runner(verb, *now, ledger=tip)

    def runner(self, *verb: str, anew: bool = False, ledger: str = "") -> Command:
        """Return what a workflow does on a bare runner: check main's tip out, run a verb; with daypass installed.

        ``anew``: no run before it has left its word that nothing is to be done. ``ledger`` is where the ledger stands then,
        "" for where it does.
        """
        return self._bare("apply", f"'{sys.executable}' -m daypass {' '.join(verb)}", anew=anew, ledger=ledger)

    def checked(self, *options: str) -> Command:
        """Return what the workflow `check` does on a bare runner for one request, which it fetches as objects."""
        head = self._said("rev-parse", "refs/heads/pull")
        bring = "git fetch -q --no-tags --no-recurse-submodules --no-write-fetch-head --filter=tree:0 --depth=51"
        verb = ["check", "--base", "main", "--head", head, *options]
        return self._bare("check", f"{bring} origin {head}\n'{sys.executable}' -m daypass {' '.join(verb)}")

    def _bare(self, job: str, script: str, *, anew: bool = False, ledger: str = "") -> Command:
        (first, *_) = yaml.safe_load(github_files("app")[f".github/workflows/{job}.yml"])["jobs"][job]["steps"]
        folder, state = self._beside / "runner", self._beside / "state"

        def bare() -> None:
            if anew:
                self._put_back()
            if ledger:
                self._stand(_SHARED[1], ledger)
            if self._waiting:
                self._double.advance(seconds=3)  # what changed within two seconds is looked at again
            for place in (folder, state):
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir(mode=0o700)

        return Command(
            ["bash", "-c", f"cd '{folder}'\n{first['run']}\n{_CHECKED}\n{script}"], self._environment, before=bare
        )

    def fetched(self, command: Command) -> str:
        """Run it twice, the first for what one run leaves to the next, and say how much came over git's protocol."""
        run(command)
        run(command)
        packs = (self._beside / "runner" / ".git" / "objects" / "pack").glob("*.pack")
        return f"{sum(pack.stat().st_size for pack in packs) / 1e6:.2f} MB fetched"

    def calls(self, command: Command) -> int:
        """Run it three times, the first two for what is told and remembered, and say how many API calls the third took."""
        for _ in range(2):
            run(command)
        before = len(self._double.calls)
        run(command)
        git = (f"/{HOSTED}/", f"/{HOSTED}.git/")
        return sum(not call.path.startswith(git) for call in self._double.calls[before:])
