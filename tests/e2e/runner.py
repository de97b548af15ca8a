"""Runs the workflow files of a repository at the double, as GitHub would: events in, jobs by ``act`` on this machine.

    runner = Runner(hub)
    hub.approve(number, "bob")
    runner.settle()                    # every run that follows from what happened, and from those runs
    runner.schedule("expire")          # as the clock would
    runner.last("apply").succeeded

Nothing of daypass is replaced: the jobs' commands are the files' own, and reach the double over HTTP. What stands in for
GitHub's side is the choice of runs (`triggers`), the tokens that jobs get, secrets that only main's environment has,
groups of runs that must not overlap, and a checkout action that fetches from the double. Runs go one after another.

DAYPASS_HOME of the machine leads to a program that runs this very daypass, and notes what each of its runs cost. Each
run is a process of its own, which begins with daypass loaded (`loaded`) where a test is not about what it costs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import loaded
from triggers import Started, concurrency, permissions, react, workflows

import daypass
from github_double import Call, Event
from hub import REPOSITORY, Hub, git

PATIENCE = 120.0
"""Seconds until a job that hangs is ended."""
_CHECKOUT = Path(__file__).parent / "checkout"
_PROGRAM = """#!/bin/sh
# Runs daypass, tells which process it is, and notes the processor time that it and its children took.
set -u
here={here}
moment=
case $1 in # these verbs reckon with time
answer|apply|check|drift|expire|gate|report) [ -s "$here/clock" ] && moment="--at $(cat "$here/clock")" ;;
esac
{loaded}PYTHONPATH={source} {python} -m daypass "$@" $moment &
child=$!
echo "$child" >"$here/running"
wait "$child"
code=$?
rm -f "$here/running"
times >"$here/times" # not through a pipe: whoever reads from one has spent nothing
echo "$code $(tail -n 1 "$here/times") $*" >>"$here/meter"
exit "$code"
"""
_LOADED = 'exec {python} -IS {loaded} {place} "$here" "$@" $moment\n'


@dataclass
class Job:
    """How a job ended: success, failure or skipped. ``log`` is everything that was printed."""

    name: str
    result: str
    log: str


@dataclass(frozen=True)
class Spent:
    """What one run of daypass cost: its words, how it ended and its processor seconds, children included."""

    words: str
    code: int
    seconds: float


@dataclass
class Run:
    """A run of a workflow. ``conclusion``: success, failure, skipped or cancelled; "" until it has run.

    ``spent`` are its runs of daypass, ``calls`` the API calls and git requests that it made, ``secrets`` the names of those that
    its jobs got from environments.
    """

    id: int
    started: Started
    group: str = ""
    conclusion: str = ""
    jobs: dict[str, Job] = field(default_factory=dict)
    spent: list[Spent] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.started.name

    @property
    def log(self) -> str:
        """What its jobs printed."""
        return "\n".join(job.log for job in self.jobs.values())

    @property
    def succeeded(self) -> bool:
        """Whether every job that ran succeeded."""
        return self.conclusion == "success"


_NO_DEPLOYMENT = re.compile(r"^ +deployment: false.*\n", re.MULTILINE)
"""What GitHub takes since March 2026 and act does not know. Environments are ours here, and make no deployments."""


@dataclass
class Environment:
    """An environment of the repository: its secrets, for jobs of these branches alone."""

    secrets: Mapping[str, str]
    branches: tuple[str, ...] = ("refs/heads/main",)


class Runner:
    """The runner of one repository. Everything it keeps lies below the hub's folder."""

    def __init__(self, hub: Hub, *, fresh: bool = True) -> None:
        """``fresh``: each run of daypass loads it, as at GitHub."""
        self.hub = hub
        self.top = hub.top / "runner"
        self.home = self.top / "home"
        self.state = self.top / "state"
        self.runs: list[Run] = []
        app = hub.auth == "app"
        secrets = {"DAYPASS_LEDGER_KEY": hub.ledger_key, **({"DAYPASS_APP_KEY": hub.app.private_key} if app else {})}
        self.environments = {"daypass": Environment(secrets)}
        known = {"DAYPASS_APP_ID": str(hub.app.id), "DAYPASS_APP_INSTALLATION": str(hub.app.installation)}
        self.variables = known if app else {}
        self.meddle: Callable[[Run], None] | None = None
        """Called before each run, to let something happen at that moment."""
        self.only: set[str] | None = None
        """The workflows that are enabled; None: all."""
        self._pending: list[Run] = []
        self._seen = len(hub.events)
        self._ids = 1000
        for folder in (self.home / "bin", self.state):
            folder.mkdir(parents=True)
        self.load(fresh=fresh)

    def load(self, *, fresh: bool) -> None:
        """Have each run of daypass from now on load it, as at GitHub, or begin with it loaded."""
        program = self.home / "bin" / "daypass"
        python = shlex.quote(sys.executable)
        program.write_text(
            _PROGRAM.format(
                here=shlex.quote(str(self.home)),
                source=shlex.quote(str(Path(daypass.__file__).parents[1])),
                python=python,
                loaded="" if fresh else _LOADED.format(python=python, loaded=loaded.__file__, place=loaded.address()),
            ),
            encoding="utf-8",
        )
        program.chmod(0o755)

    # -- what happens ---------------------------------------------------------------------------------------------

    def settle(self, *, most: int = 40) -> list[Run]:
        """Run all that follows from what happened at the double since the last time; return those runs, in order."""
        done: list[Run] = []
        self._collect()
        while self._pending:
            assert len(done) < most, f"after {most} runs there are still others: {[run.name for run in done]}"
            run = self._pending.pop(0)
            if self.meddle is not None:
                self.meddle(run)
            before, calls = len(self.spent()), len(self.hub.calls)
            self._carry_out(run)
            run.spent, run.calls = self.spent()[before:], self.hub.calls[calls:]
            done.append(run)
            self._collect()
            self._follow(run, "completed")
        return done

    def schedule(self, name: str, which: int = 0) -> list[Run]:
        """Let the clock start a workflow by one of its schedules, then settle."""
        crons = self._definition(name)["on"]["schedule"]
        self._deliver("schedule", "", {"schedule": crons[which]["cron"]})
        chosen = [run for run in self._pending if run.name == name]
        assert chosen, f"the schedule started no {name}"
        self._pending = [run for run in self._pending if run.started.event != "schedule" or run in chosen]
        return self.settle()

    def dispatch(self, name: str, *, ref: str = "main") -> list[Run]:
        """Start a workflow by hand, then settle."""
        (path,) = [p for p, flow, _ in workflows(self.hub.repo.path, "refs/heads/main") if flow.get("name") == name]
        where = f"/repos/{REPOSITORY}/actions/workflows/{Path(path).name}/dispatches"
        self.hub.api("olga", "POST", where, {"ref": ref})
        return self.settle()

    def last(self, name: str) -> Run:
        """The last run of a workflow that took place."""
        found = [run for run in self.runs if run.name == name and run.conclusion not in {"", "cancelled"}]
        assert found, f"{name} has not run; those that did: {[run.name for run in self.runs]}"
        return found[-1]

    def spent(self) -> list[Spent]:
        """What the runs of daypass cost so far, in order."""
        meter = self.home / "meter"
        return [_spent(line) for line in meter.read_text(encoding="utf-8").splitlines()] if meter.exists() else []

    def kill(self) -> int:
        """End the daypass that is running and its children, at once and without a word, as when a machine is lost.

        Returns the process id.
        """
        child = int((self.home / "running").read_text(encoding="ascii"))
        os.kill(child, signal.SIGSTOP)  # so that it starts no other meanwhile
        for each in (child, *_children(child)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        return child

    def set_clock(self, moment: datetime | None = None) -> None:
        """Let daypass's clock stand where the double's does, by ``--at``: needs a hub made with ``simulated``.

        ``moment`` sets both; time never goes back.
        """
        if moment is not None:
            assert moment >= self.hub.now()
            self.hub.double.clock = moment
        self._write_clock()

    def _write_clock(self) -> None:
        moment = self.hub.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        (self.home / "clock").write_text(moment, encoding="ascii")

    def advance(self, **span: float) -> None:
        """Let time pass for everybody."""
        self.hub.advance(**span)
        self.set_clock()

    # -- which runs -----------------------------------------------------------------------------------------------

    def _definition(self, name: str) -> Mapping[str, Any]:
        found = [flow for _, flow, _ in workflows(self.hub.repo.path, "refs/heads/main") if flow.get("name") == name]
        assert len(found) == 1, f"main has no workflow {name}"
        return found[0]

    def _collect(self) -> None:
        events = self.hub.events
        while self._seen < len(events):
            event = events[self._seen]
            self._seen += 1
            if event.repo is self.hub.repo:
                for started in react(self.hub.repo.path, event):
                    self._enqueue(started)

    def _deliver(self, name: str, action: str, payload: Mapping[str, Any], *, nested: int = 0, who: Any = None) -> None:
        """Deliver an event that the double knows nothing of: the clock's, a run's end."""
        from github_double.shapes import repository, simple_user

        double, repo = self.hub.double, self.hub.repo
        actor = who or self.hub.people["olga"]
        whole = {
            **({"action": action} if action else {}), **payload,
            "repository": repository(double, repo), "sender": simple_user(double, actor),
        }  # fmt: skip
        event = Event(name, action, repo, whole, actor, "user")
        for started in react(repo.path, event, nested=nested):
            self._enqueue(started)

    def _enqueue(self, started: Started) -> None:
        """Put a run into the queue. Of one group, one runs and one waits; a third takes the place of the one that waits."""
        if self.only is not None and started.name not in self.only:
            return
        self._ids += 1
        group, cancels, every = concurrency(started, started.workflow)
        run = Run(self._ids, started, group)
        same = [other for other in self._pending if group and other.group == group]
        for other in [] if every else same if cancels else same[1:]:
            self._pending.remove(other)
            other.conclusion = "cancelled"
            self._follow(other, "completed")
        self.runs.append(run)
        self._pending.append(run)
        self._follow(run, "requested")

    def _follow(self, run: Run, action: str) -> None:
        """Let the workflows react that wait for this one."""
        from github_double.shapes import repository, simple_user

        double, started = self.hub.double, run.started
        pull = started.payload.get("pull_request") or {}
        head = pull.get("head") or {}
        actor = double.account(started.actor)
        told = {
            "id": run.id, "name": started.name, "path": started.path, "event": started.event, "run_attempt": 1,
            "head_branch": head.get("ref") or started.ref.removeprefix("refs/heads/"),
            "head_sha": head.get("sha") or started.sha,
            "status": "completed" if action == "completed" else "queued",
            "conclusion": run.conclusion if action == "completed" else None,
            "pull_requests": [] if started.fork or not pull else [{"number": pull["number"]}],
            "repository": repository(double, self.hub.repo), "head_repository": head.get("repo"),
            "actor": simple_user(double, actor) if actor else None,
        }  # fmt: skip
        self._deliver("workflow_run", action, {"workflow_run": told}, nested=started.nested + 1, who=actor)

    # -- running one ----------------------------------------------------------------------------------------------

    def _carry_out(self, run: Run) -> None:
        jobs = run.started.workflow["jobs"]
        chained = [name for name, job in jobs.items() if "needs" in job]
        assert not chained, f"{run.name}: jobs that wait for others need one token for all, which GitHub does not give"
        for name, job in jobs.items():
            run.jobs[name] = self._job(run, name, job)
        results = {job.result for job in run.jobs.values()}
        run.conclusion = next((word for word in ("failure", "success") if word in results), "skipped")

    def _job(self, run: Run, name: str, job: Mapping[str, Any]) -> Job:
        secrets, refusal = self._secrets(run.started, job)
        if refusal:
            return Job(name, "failure", refusal)
        run.secrets |= secrets.keys()
        secrets["GITHUB_TOKEN"] = self.hub.double.actions_token(self.hub.repo, permissions(run.started, job))
        folder = self.top / f"{run.id}-{name}"
        log = self._act(run, name, folder, secrets)
        results = [line["jobResult"] for line in _lines(log) if "jobResult" in line]
        text = "".join(str(line.get("msg", "")).rstrip("\n") + "\n" for line in _lines(log))
        return Job(name, results[-1] if results else ("skipped" if "Error" not in text else "failure"), text)

    def _secrets(self, started: Started, job: Mapping[str, Any]) -> tuple[dict[str, str], str]:
        """The secrets of a job's environment, or why it may not run there.

        https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments
        """
        named = job.get("environment")
        named = named.get("name") if isinstance(named, dict) else named
        if not named:
            return {}, ""
        environment = self.environments[named]
        if started.ref not in environment.branches:
            place = started.ref.removeprefix("refs/heads/")
            return {}, f'Branch "{place}" is not allowed to deploy to {named} due to environment protection rules.'
        return dict(environment.secrets), ""

    def _act(self, run: Run, job: str, folder: Path, secrets: Mapping[str, str]) -> str:
        started = run.started
        work = self._work(folder, started)
        file = folder / Path(started.path).name
        file.write_text(_NO_DEPLOYMENT.sub("", started.text), encoding="utf-8")
        (folder / "event.json").write_text(json.dumps(started.payload), encoding="utf-8")
        command = [
            *(
                str(Path(sys.executable).with_name("act")),
                started.event,
                "--json",
                "-j",
                job,
                "-C",
                str(work),
                "-W",
                str(file),
            ),
            *("-e", str(folder / "event.json"), "-a", started.actor, "--defaultbranch", "main"),
            *("-P", "ubuntu-24.04=-self-hosted", "-P", "ubuntu-latest=-self-hosted"),
            *("--no-cache-server", "--action-offline-mode", "--action-cache-path", str(folder / "cache")),
            *("--no-skip-checkout", "--env-file", "", "--secret-file", "", "--var-file", "", "--input-file", ""),
        ]
        for step in started.workflow["jobs"][job].get("steps", ()):
            if "uses" in step:
                uses = step["uses"]
                assert uses.startswith("actions/checkout@"), f"{started.path}: {uses} is not known here"
                command += ["--local-repository", f"{uses}={_CHECKOUT}"]
        for name, text in {**self._machine(folder), **self._about(run)}.items():
            command += ["--env", f"{name}={text}"]
        for name, text in self.variables.items():
            command += ["--var", f"{name}={text}"]
        for name in secrets:
            command += ["-s", name]  # the value comes from the environment: a command line is for everybody to read
        return _bounded(command, {**_machine_environment(folder), **secrets}, folder / "log")

    def _work(self, folder: Path, started: Started) -> Path:
        """A repository in which act finds the run's ref, commit and remote; the job's own folder begins empty."""
        work = folder / "work"
        work.mkdir(parents=True)
        git(work, "init", "-q", "--initial-branch=main")
        shared = work / ".git" / "objects" / "info" / "alternates"
        shared.write_text(f"{self.hub.repo.path}/objects\n", encoding="utf-8")
        git(work, "update-ref", "--no-deref", "refs/heads/main", started.sha)
        git(work, "remote", "add", "origin", f"https://github.com/{REPOSITORY}.git")
        return work

    def _machine(self, folder: Path) -> dict[str, str]:
        """What the machine says to every job."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "DAYPASS_HOME": str(self.home),
            "DAYPASS_STATE": str(self.state),
            "CHECKOUT_SCRIPT": str(_CHECKOUT / "checkout.sh"),
        }

    def _about(self, run: Run) -> dict[str, str]:
        started, double = run.started, self.hub.double
        pull = started.payload.get("pull_request") or {}
        from_pull = started.event.startswith("pull_request")
        return {
            "GITHUB_API_URL": double.url,
            "GITHUB_SERVER_URL": double.server_url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REPOSITORY_OWNER": REPOSITORY.partition("/")[0],
            "GITHUB_REF": started.ref,
            "GITHUB_SHA": started.sha,
            "GITHUB_HEAD_REF": pull["head"]["ref"] if from_pull else "",
            "GITHUB_BASE_REF": pull["base"]["ref"] if from_pull else "",
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_NUMBER": str(run.id),
            "GITHUB_RUN_ATTEMPT": "1",
        }


def _children(parent: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [(int(pid), int(above)) for pid, above in (line.split() for line in table.splitlines())]
    found = [pid for pid, above in pairs if above == parent]
    return found + [below for pid in found for below in _children(pid)]


def _machine_environment(folder: Path) -> dict[str, str]:
    """What act itself runs with."""
    home = folder / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "ACT_DISABLE_VERSION_CHECK": "1"}


def _bounded(command: list[str], environment: Mapping[str, str], log: Path) -> str:
    """Run a program to its end, or to the end of patience; return what it printed."""
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        deadline = time.monotonic() + PATIENCE
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return log.read_text(encoding="utf-8", errors="replace")


def _lines(log: str) -> list[dict[str, Any]]:
    """What act printed as JSON; what is none of it is told as a message."""
    found: list[dict[str, Any]] = []
    for line in log.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            read = None
        found.append(read if isinstance(read, dict) else {"msg": line})
    return found


def _spent(line: str) -> Spent:
    """Read ``code 0m0.52s 0m0.08s words``."""
    code, user, system, *words = line.split(" ")
    seconds = sum(60 * float(m) + float(s.rstrip("s")) for m, _, s in (t.partition("m") for t in (user, system)))
    return Spent(" ".join(words), int(code), seconds)
