"""setup: a repository set up at its forge by one conversation, each step shown and asked, and safe to repeat."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from daypass.cli.quick.around import clock
from daypass.cli.repository import AccessRepository, keys_folder
from daypass.cli.verb import Words, noting, say, show
from daypass.core.errors import EdgeError, ExitCode, InvalidError, UsageError, worst
from daypass.core.finding import shown

if TYPE_CHECKING:
    from daypass.cli.main import Invocation
    from daypass.core.bounds.settings import Settings
    from daypass.core.policy.policies import Policy
    from daypass.edges.forges.founding import SetupClone, Stage, Step
    from daypass.edges.forges.host import Host

_LONG = 5.0
_TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")


@click.command()
@click.option(
    "--dry-run",
    is_flag=True,
    help="Look, say what would be done, and change nothing. Exit 13 where there is something.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Ask nothing: secrets are in variables of their names. The App takes clicks in a browser all the same.",
)
@click.option(
    "--no-browser", is_flag=True, help="Print addresses: the browser that you are signed in with is elsewhere."
)
@click.option(
    "--keep-app-key",
    "app_key_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write the App's key to this file as well (mode 0600); else it is on no disk.",
)
@click.option(
    "--people",
    "people_team",
    metavar="ORG/TEAM",
    default="",
    help="The team that everybody is in who may have access: who leaves it loses theirs.",
)
@click.pass_obj
def setup(
    invocation: Invocation, dry_run: bool, yes: bool, no_browser: bool, app_key_file: Path | None, people_team: str
) -> int:
    """Set this repository up at GitHub: repository, environment, App, secrets, rules, a self-test, and then the doctor.

    With your own token: GH_TOKEN, else the one of `gh auth token`, if you agree. It is kept nowhere. Each step says what is
    there already, and asks before it changes anything. Run it again where it stopped. Exit 0 when nothing unsafe is left, 13
    when something is, or with --dry-run when steps are left; 14 when you said no, or something could not be told.
    """
    from daypass.edges.forges.founding import Talk

    begun = clock()
    repo = invocation.repo()
    if repo.policy.broken:
        raise InvalidError("the policies do not read, so nothing can be set up by them", repo.policy.broken)
    if not repo.elsewhere:
        hint = "`daypass init . --merge --github OWNER/NAME`, then commit what it changed"
        raise UsageError("the settings of main name no repository at GitHub", hint=hint)
    server = str(repo.settings.forge_options.get("server_url") or os.environ.get("GITHUB_SERVER_URL", ""))
    environ = _environ(os.environ, server, yes=yes)
    talk = Talk(lambda text: say(f"  {text}"), _refuse if yes else _ask, browse, lambda seconds: pause(seconds))  # noqa: PLW0108  (looked up when it is called)
    browser = not no_browser and has_browser()
    found = _host(repo, environ).founding(_place(repo, environ, app_key_file, people_team), talk, browser=browser)
    try:
        left = _carry_out(found, dry_run=dry_run, yes=yes)
    except BaseException:
        _say_unsafe(found)
        raise
    if dry_run:
        click.echo(f"{left} of {sum(len(stage.steps) for stage in found)} steps would be carried out.")
        return int(ExitCode.CHANGES if left else ExitCode.OK)
    if left:
        _say_unsafe(found)
        click.echo("Stopped where you said no. Run `daypass setup` again to go on.")
        return int(ExitCode.PARTIAL)
    code = _look_over(invocation, environ)
    took = (clock() - begun).total_seconds()
    click.echo(f"Set up in {took // 60:.0f} min {took % 60:.0f} s.")
    key = _ledger_key_file(repo)
    if key is not None:
        say(
            f"GitHub never gives the ledger's signing key back: keep {key} where back-ups of secrets lie, and not here."
        )
    say("Next: the rest of your people, and what they may reach: docs/github.md, Live in ten minutes, from step 3 on")
    return int(code)


def _carry_out(stages: tuple[Stage, ...], *, dry_run: bool, yes: bool) -> int:
    """Show each stage, ask, and do what is left; return how many steps are not done, all later ones included."""
    left = 0
    for number, stage in enumerate(stages, 1):
        wanted = [step for step in stage.steps if not _there(f"{number}/{len(stages)}", step)]
        for step in wanted:
            say(*(f"  {step.name}: {line}" for line in step.say()))
        if not wanted:
            continue
        if dry_run:
            left += len(wanted)
            continue
        asks = any(step.asks() for step in wanted)
        if not (yes or asks or click.confirm(stage.question, default=True, err=True)):
            return sum(len(each.steps) for each in stages[number - 1 :])
        for step in wanted:
            say(f"  done: {step.name}: {noting(step, _words(step)).do()}")
    return left


def _words(step: Step) -> Words:
    """Return how a step is told of to who interrupts setup: of one that was under way, not which of its calls were made."""
    return {"do": (f"the step {step.name}", lambda said: shown(f"{step.name}: {said}"))}


def _say_unsafe(stages: tuple[Stage, ...]) -> None:
    """Say what is left open where the steps are broken off, and what closes it."""
    for what in [step.unsafe for stage in stages for step in stage.steps if step.unsafe]:
        say(f"daypass: {what}", "  hint: `daypass setup` goes on from here and closes that")


def _there(place: str, step: Step) -> bool:
    """Look whether a step was carried out before, and say so."""
    found = step.look()
    say(f"[{place}] {step.name}: {found or 'to do'}")
    return bool(found)


def _look_over(invocation: Invocation, environ: Mapping[str, str]) -> ExitCode:
    """Have the doctor look at all of it."""
    from daypass.pipeline.audit.health import examine
    from daypass.views.settings import doctor_text

    repo = invocation.repo()
    repo = AccessRepository(repo.folder, host=_host(repo, environ))
    repo.follow()
    settings = repo.given(repo.host.settings(clock))
    complaints = examine(repo.history, repo.main, repo.policy.catalogue, settings)
    show(doctor_text(complaints, repo.host.calls))
    return worst([ExitCode.CHANGES if one.told else ExitCode.PARTIAL for one in complaints])


def _host(repo: AccessRepository, environ: Mapping[str, str], settings: Settings | None = None) -> Host:
    from daypass.edges.forges.host import Run, open_host

    return open_host(settings or repo.settings, Run(repo.clone, repo.main, "", environ, _rest))


def _ledger_key_file(repo: AccessRepository) -> Path | None:
    """Return the private half of the ledger's key, None where it is not on this machine."""
    from daypass.edges.ledger.keyfiles import read_public_key

    public = repo.top / "policies" / "ledger.pub"
    place = keys_folder() / f"{read_public_key(public.read_bytes()).keyid}.pem" if public.is_file() else None
    return place if place is not None and place.is_file() else None


def _place(
    repo: AccessRepository, environ: Mapping[str, str], app_key_file: Path | None, people_team: str
) -> SetupClone:
    from daypass.edges.forges.founding import SetupClone

    def ledger_key() -> str:
        place = _ledger_key_file(repo)
        return place.read_text(encoding="ascii") if place is not None else ""

    def policy() -> Policy:  # main moves while setup runs
        return repo.policy_at(repo.history.find(repo.main) or repo.tip)

    def generated() -> dict[str, str]:
        from daypass.core.files.codeowners import CODEOWNERS_FILE, codeowners_text
        from daypass.edges.forges.host import request_form
        from daypass.views.form import form_introduction

        catalogue = policy().catalogue
        form, text = request_form(catalogue, form_introduction(catalogue))
        return {CODEOWNERS_FILE: codeowners_text(catalogue), form: text}

    def given(begins: str) -> bool:
        seen = AccessRepository(repo.folder, host=_host(repo, environ, policy().catalogue.settings))
        seen.follow()
        return any(name.startswith(begins) for holding in seen.standing.holdings.values() for name in holding.grants)

    return SetupClone(
        repo.top, repo.clone.git, policy, ledger_key, given, generated, environ, app_key_file, people_team
    )


# What is asked of who sets up, and of this machine


def _environ(environ: Mapping[str, str], server: str, *, yes: bool) -> dict[str, str]:
    """Return the environment with a token in it. Raises EdgeError where there is none, or nobody agrees to gh's."""
    found = {name: text for name, text in environ.items() if not name.startswith("DAYPASS_APP_")}
    if any(found.get(name) for name in _TOKENS):
        return found
    host = urlsplit(server).hostname or "github.com"
    token = _gh("auth", "token", "--hostname", host)
    if not token:
        raise EdgeError(
            "there is no token of yours here",
            hint=f"gh auth login --hostname {host} --scopes repo,workflow,admin:org, or set GH_TOKEN",
        )
    if not (yes or click.confirm("Act with the token of `gh auth token`?", default=True, err=True)):
        raise EdgeError("there is no token to act with", hint="set GH_TOKEN to another one")
    return {**found, "GH_TOKEN": token}


def _gh(*arguments: str) -> str:
    """Return what GitHub's own command line says, "" where it is not there or not signed in."""
    try:
        done = subprocess.run(["gh", *arguments], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _ask(question: str, hidden: bool) -> str:
    return str(click.prompt(question, hide_input=hidden, err=True))


def _refuse(question: str, _: bool) -> str:
    hint = (
        "secrets are taken from variables of their names, the App's from a browser of this machine; or leave --yes out"
    )
    raise UsageError(f"with --yes nobody is asked: {question}", hint=hint)


def _rest(seconds: float) -> None:
    """Wait as GitHub asks, and say so where somebody would wonder."""
    if seconds > _LONG:
        say(f"  GitHub asks for a pause of {seconds:.0f} s")
    pause(seconds)


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def has_browser() -> bool:
    """Say whether this machine shows pages to who sits at it."""
    if sys.platform.startswith("linux"):
        return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    return True


def browse(address: str) -> bool:
    """Open an address in the browser; return whether there is one."""
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
