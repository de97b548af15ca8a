"""init, schema, demo: making a new access repository, the files it begins with, and what becomes of three requests in one."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daypass.cli.quick.around import now
from daypass.cli.verb import at_option, format_option, show_data
from daypass.core.errors import DaypassError, UsageError
from daypass.core.window import format_instant
from daypass.edges.forges.beginnings import FIRST_TARGETS

if TYPE_CHECKING:
    from daypass.cli.main import Invocation
    from daypass.cli.setup import First, NewRepository
    from daypass.edges.forges.host import ForgeSetup


_IGNORED = (
    "# Private keys never belong here; daypass keeps its own outside the repository.\n*.pem\n*.key\n.env\n.DS_Store\n"
)


_SETTINGS = "policies/daypass.yaml"
_README = "README.md"
_PAGES = "The pages that messages name (docs/…) are in daypass's own repository and its source archive."


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--example", is_flag=True, help="Fill it with a worked example: three resources, six people, ten rules.")
@click.option(
    "--merge", is_flag=True, help="Allow a directory that is not empty; files that exist are left as they are."
)
@click.option(
    "--signer",
    metavar="URI",
    default="",
    help="Sign receipts through this securesystemslib signer URI "
    "(awskms:…, gcpkms:…, hv:…) in place of a key file; needs --public-key.",
)
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="The signer's public key, PEM.",
)
@click.option("--simulated-clock", is_flag=True, help="Let writing verbs take --at; for demonstrations only.")
@click.option(
    "--github", metavar="OWNER/NAME", default="", help="Keep it at GitHub: write the workflows and name the repository."
)
@click.option(
    "--auth",
    type=click.Choice(["app", "token"]),
    default="app",
    show_default=True,
    help="With --github: act as a GitHub App of yours, or by the workflows' own GITHUB_TOKEN.",
)
@click.option(
    "--bot", metavar="LOGIN:ID", default="", help="With --github: the App's bot account, as daypass-acme[bot]:4242."
)
@click.option("--app", metavar="NUMBER", default="", help="With --github: the App that alone may act, by its number.")
@click.option(
    "--upgrade",
    is_flag=True,
    help="With --github and --merge: write workflows, wheel and schemas anew, and nothing else, for you to commit.",
)
@click.option(
    "--owners",
    metavar="GROUP",
    default="",
    help="The group that owns the first resource, at GitHub the team of that name; asked for on a terminal.",
)
@click.option(
    "--target",
    "kind",
    type=click.Choice(sorted(FIRST_TARGETS)),
    default=None,
    help="What the first resource is; asked for on a terminal, else embedded, which is for trying out.",
)
@at_option
@format_option(("text", "json"))
@click.pass_obj
def init(
    invocation: Invocation,
    directory: Path,
    example: bool,
    merge: bool,
    signer: str,
    public_key: Path | None,
    simulated_clock: bool,
    github: str,
    auth: str,
    bot: str,
    app: str,
    upgrade: bool,
    owners: str,
    kind: str | None,
    at: datetime | None,
    output: str,
) -> None:
    """Make a new access repository in DIRECTORY, with a first commit, a ledger and a signing key.

    The private key is written outside the repository (mode 0600); its public half goes to policies/ledger.pub.
    """
    from daypass.cli.setup import First, NewRepository, asked
    from daypass.edges.forges.host import open_setup
    from daypass.views.form import form_introduction

    if upgrade and not (merge and github):
        hint = "it is for a repository that is there already"
        raise UsageError("--upgrade goes with --merge and --github", hint=hint)
    if bool(signer) != bool(public_key):
        hint = "the public key tells auditors whose receipts to trust"
        raise UsageError("--signer and --public-key go together", hint=hint)
    if at is not None and not simulated_clock:
        raise UsageError("--at goes with --simulated-clock only")
    top = _room(Path(invocation.folder, directory), merge=merge)
    new = NewRepository(top, at=at or now())
    forge = open_setup("github", top, new.policy, repository=github, auth=auth, bot=bot, app=app, upgrade=upgrade)
    if upgrade and forge:
        _upgrade(new, forge, output)
        return
    new.begin()
    first = First("example" if example else "plain", *asked(new, example, owners, kind), github.partition("/")[0])
    wanted = _first_files(new, first, signer, simulated_clock)
    wanted["policies/ledger.pub"] = new.key(signer, public_key)
    written, kept = new.write(forge.files(wanted) if forge else wanted)
    changed = forge.change(kept) if forge else []
    kept += [path for path in changed if path not in kept]
    written += forge.form(form_introduction) if forge else []
    new.commit(written)
    begun = new.open_ledger()
    _say_kept(kept, changed)
    if output == "json":
        _show_made(new, written, kept, changed, begun=begun)
        return
    click.echo(f"Made {top}: {len(written)} files{' and the ledger' * begun}.")
    kept_at = f"The signing key is {new.key_path} (mode 0600). Keep it where only the applier reads it.\n"
    click.echo(f"{kept_at if new.key_path else ''}{_PAGES}")
    moment = new.at if simulated_clock else None
    here = _first_steps(new, directory, example, moment) if _SETTINGS in written else "Next: daypass check"
    click.echo(forge.next_steps(new.key_path) if forge else here)


def _first_steps(new: NewRepository, directory: Path, example: bool, moment: datetime | None) -> str:
    return _next_steps(directory, example, moment, new.person()[0] if new.signing_key() else "")


def _room(top: Path, *, merge: bool) -> Path:
    """Return the folder to fill. Raises UsageError for one that is not empty, unless it may be."""
    if top.exists() and any(child.name != ".git" for child in top.iterdir()) and not merge:
        raise UsageError(
            f"{top} is not empty", hint="name a new directory, or add --merge: files that exist are left as they are"
        )
    return top


def _show_made(new: NewRepository, written: list[str], kept: list[str], changed: list[str], *, begun: bool) -> None:
    """Write what was made as JSON: which files were written, changed, or left as they were."""
    left = sorted(set(kept) - set(changed))
    files = {"written": sorted(written), "changed": sorted(changed), "kept": left}
    show_data({"directory": str(new.top), **files, "ledger": begun, "key": str(new.key_path or "")})


def _say_kept(kept: list[str], changed: list[str]) -> None:
    for path in kept:
        known = (
            "changed {}: look at `git diff`, then commit it" if path in changed else "kept    {} (it was there before)"
        )
        click.echo(known.format(path), err=True)


def _first_files(new: NewRepository, first: First, signer: str, simulated_clock: bool) -> dict[str, str]:
    """Return what the repository begins with, and of one that is there what it needs to have."""
    wanted = template_files(first.template, new.person(), new.signing_key())
    if first.template == "plain":
        from daypass.cli.setup import begun_with

        wanted = begun_with(wanted, first, new.person(), new.signing_key())
    if new.committed():  # what its people took out of the templates is not theirs to get back
        theirs = ("policies/", _README)
        wanted = {path: text for path, text in wanted.items() if path == _SETTINGS or not path.startswith(theirs)}
    text = _settings(wanted[_SETTINGS], signer, simulated_clock)
    wanted[_SETTINGS] = _unsigned(text, signed=bool(new.signing_key()))
    return _with_purposes(new, wanted, wanted)


def _with_purposes(new: NewRepository, wanted: dict[str, str], begun: Mapping[str, str]) -> dict[str, str]:
    """Let editors know what the repository's purposes ask for, with the files that it begins with, where all of it reads."""
    from daypass.views.policy.editor import GRANT_SCHEMA, editor_schema

    policy = new.policy(begun)
    return wanted if policy.holes else wanted | {GRANT_SCHEMA: editor_schema(policy.catalogue.purposes)}


def _upgrade(new: NewRepository, forge: ForgeSetup, output: str) -> None:
    """Write anew what daypass generates, on whatever branch is checked out, for a person to review and commit."""
    if not new.committed():
        raise UsageError(
            f"there is no access repository in {new.top}", hint="`daypass init` without --upgrade makes one"
        )
    forge.files(_with_purposes(new, template_files("plain", ("", "", "")), {}))
    written, kept = new.write(forge.generated)
    changed = forge.change([*kept, _SETTINGS])
    new.show(written)
    if output == "json":
        _show_made(new, written, kept, changed, begun=False)
        return
    for path in sorted([*written, *changed]):
        click.echo(f"{'new    ' if path in written else 'changed'} {path}", err=True)
    click.echo(
        "Look at `git diff`, commit it on a branch and open a pull request: the owners of .github/ review it."
        if written or changed
        else "Everything is as this version of daypass writes it."
    )


def _unsigned(text: str, *, signed: bool) -> str:
    """Let what nobody signed count for nothing where the founder signs."""
    told = "additions: 100}, unsigned: refuse}   # on the local forge, what nobody signed counts for nothing"
    return text.replace("additions: 100}}", told) if signed else text


def _settings(text: str, signer: str, simulated_clock: bool) -> str:
    if signer:
        text = text.replace("keys: [ledger.pub]}", f'keys: [ledger.pub], signer: "{signer}"}}')
    if simulated_clock:
        text += "clock: simulated   # writing verbs take --at; for demonstrations only\n"
    return text


def _next_steps(directory: Path, example: bool, at: datetime | None, signer: str) -> str:
    """Say what to type first. Where only what is signed counts, only ``signer`` ("" where it does not) can ask."""
    subject, resource = ("alice", "orders-db") if example else (signer or "colleague", "example-db")
    moment = "" if at is None else f" --at {format_instant(at)}"
    go = "" if directory == Path() else f"  cd {shlex.quote(str(directory))}\n"
    keys = (
        ""
        if example or not signer
        else "  give somebody else ssh_keys in policies/directory: nobody approves their own\n"
    )
    return (
        f"Next:\n{go}{keys}  daypass check\n"
        f"  daypass --as {subject} request --subject {subject} --resource {resource} --role readonly --for 1h "
        f'--reason "trying daypass out"{moment}'
    )


def template_files(kind: str, person: tuple[str, str, str], key: str = "") -> dict[str, str]:
    """Return the files of a new repository, by path.

    ``person`` is (handle, name, email) of who makes it, and ``key`` their public SSH key, "" where git names none.
    """
    handle, name, email = person
    templates = resources.files("daypass") / "templates"
    found = {".gitignore": _IGNORED, _README: (templates / _README).read_text(encoding="utf-8")}
    for path, text in _walk(templates / kind, ""):
        found[path] = text.replace("@handle@", handle).replace("@name@", name).replace("@email@", email)
        found[path] = found[path].replace("@keys@", f', ssh_keys: ["{key}"]' if key else "")
    for path, text in _walk(resources.files("daypass") / "schema", ""):
        if path.endswith(".schema.json"):
            found[f".schemas/{path}"] = text
    return found


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for child in sorted(folder.iterdir(), key=lambda item: item.name):
        if child.is_dir():
            yield from _walk(child, f"{prefix}{child.name}/")
        elif not child.name.endswith((".py", ".pyc")):
            yield f"{prefix}{child.name}", child.read_text(encoding="utf-8")


@click.command()
@click.argument("name", required=False)
@click.option(
    "--write",
    "writing",
    is_flag=True,
    help="Write the one of grants to .schemas, with what the purposes of the working tree ask for.",
)
@click.option("--check", "checking", is_flag=True, help="Write nothing; exit 13 when --write would change the file.")
@click.pass_obj
def schema(invocation: Invocation, name: str | None, writing: bool, checking: bool) -> int:
    """Print the JSON Schema NAME of a file, for editors, or of a verb's JSON output; or the names there are.

    With --write, .schemas/grant.schema.json is made to know each purpose of the working tree: the details that it asks for,
    their kinds, which of them must be there, and its ticket.
    """
    from daypass.schema import load, names, output_names

    if writing or checking:
        if name not in (None, "grant"):
            raise UsageError("--write and --check are about the schema grant", hint="leave the name out")
        from daypass.cli.verbs.generated import write_schema

        return int(write_schema(invocation.repo(), checking=checking))
    every = (*names(), *output_names())
    if name is None:
        click.echo("\n".join(every))
        return 0
    if name not in every:
        raise UsageError(f"there is no schema {name!r}", hint="one of " + ", ".join(every))
    import json

    click.echo(json.dumps(load(name), indent=2))
    return 0


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
def demo(directory: Path | None) -> int:
    """Play what becomes of three requests in DIRECTORY (a temporary one by default): what to type, and what is seen.

    One is approved, one is refused with its reasons, one passes by itself; the two expire; the audit proves it all.
    """
    if directory is not None:
        if directory.exists() and any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty", hint="name a new directory")
        directory.mkdir(parents=True, exist_ok=True)
        _play(directory, directory.resolve().parent / f".{directory.resolve().name}-keys")
        click.echo(f"\nThe repository stays at {directory}; its signing key beside it. Try: git -C {directory} log")
        return 0
    with tempfile.TemporaryDirectory(prefix="daypass-demo-") as folder:
        top = Path(folder) / "access"
        top.mkdir()
        _play(top, Path(folder) / "keys")
    return 0


def _play(top: Path, keys: Path) -> None:
    """Run the story: comments, and commands after the exit code that each ends with; another is an error of the program."""
    from daypass.cli.main import main

    os.environ["DAYPASS_KEYS"] = str(keys)
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Olga Platform"),
        ("config", "user.email", "olga@example.com"),
        ("config", "commit.gpgsign", "false"),
    ):
        subprocess.run(["git", "-C", str(top), *arguments], check=True, capture_output=True)
    for step in (resources.files("daypass") / "templates" / "demo.txt").read_text(encoding="utf-8").splitlines():
        if step.startswith("#"):
            click.secho(f"\n{step}", bold=True)
            continue
        wanted, line = step.split(maxsplit=1)
        click.secho(f"\n$ daypass {line}", fg="cyan")
        code = main(["-C", str(top), *shlex.split(line)])
        if code != int(wanted):
            raise DaypassError(f"the step ended with exit code {code}, where {wanted} was to come: daypass {line}")
        if code:
            click.echo(f"(exit code {code})")
