"""Making a new access repository, and the files that are generated from it."""

from __future__ import annotations

import shlex
from datetime import datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.options import at_option, now
from daypass.core.errors import UsageError
from daypass.core.window import format_instant

if TYPE_CHECKING:
    from daypass.cli.founding import Founding
    from daypass.cli.hosting import Moving

_IGNORED = (
    "# Private keys never belong here; daypass keeps its own outside the repository.\n*.pem\n*.key\n.env\n.DS_Store\n"
)


_SETTINGS = "policies/daypass.yaml"


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--example", is_flag=True, help="Fill it with a worked example: three resources, five people, three rules."
)
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
@click.option(
    "--upgrade",
    is_flag=True,
    help="With --github and --merge: write workflows, wheel and schemas anew, and nothing else, for you to commit.",
)
@at_option
@click.pass_obj
def init(
    obj: dict[str, Any],
    directory: Path,
    example: bool,
    merge: bool,
    signer: str,
    public_key: Path | None,
    simulated_clock: bool,
    github: str,
    auth: str,
    bot: str,
    upgrade: bool,
    at: datetime | None,
) -> None:
    """Make a new access repository in DIRECTORY, with a first commit, a ledger and a signing key.

    The private key is written outside the repository (mode 0600); its public half goes to policies/ledger.pub.
    """
    from daypass.cli.founding import Founding
    from daypass.cli.hosting import Moving, next_steps, read_hosting

    hosting = read_hosting(github, auth, bot)
    if upgrade and not (merge and hosting):
        raise UsageError(
            "--upgrade goes with --merge and --github", hint="it is for a repository that is there already"
        )
    if bool(signer) != bool(public_key):
        raise UsageError(
            "--signer and --public-key go together", hint="the public key tells auditors whose receipts to trust"
        )
    top = Path(obj["folder"]) / directory
    if at is not None and not simulated_clock:
        raise UsageError("--at goes with --simulated-clock only")
    if top.exists() and any(child.name != ".git" for child in top.iterdir()) and not merge:
        raise UsageError(
            f"{top} is not empty", hint="name a new directory, or add --merge: files that exist are left as they are"
        )
    moving = Moving(top, hosting, upgrade=upgrade) if hosting else None
    founding = Founding(top, at=at or now())
    if upgrade and moving:
        _upgrade(founding, moving)
        return
    founding.begin()
    wanted = template_files("example" if example else "plain", founding.person(), founding.signing_key())
    if founding.founded():  # what its people took out of the templates is not theirs to get back
        wanted = {path: text for path, text in wanted.items() if not path.startswith("policies/") or path == _SETTINGS}
    text = _settings(wanted[_SETTINGS], signer, simulated_clock)
    wanted[_SETTINGS] = _unsigned(text, signed=bool(founding.signing_key()))
    wanted["policies/ledger.pub"] = founding.key(signer, public_key)
    written, kept = founding.write(moving.files(wanted) if moving else wanted)
    changed = moving.change(kept) if moving else []
    kept += [path for path in changed if path not in kept]
    written += moving.form() if moving else []
    founding.commit(written)
    begun = " and the ledger" if founding.open_ledger() else ""
    for path in kept:
        known = (
            "changed {}: look at `git diff`, then commit it" if path in changed else "kept    {} (it was there before)"
        )
        click.echo(known.format(path), err=True)
    click.echo(f"Made {top}: {len(written)} files{begun}.")
    if founding.key_path:
        click.echo(f"The signing key is {founding.key_path} (mode 0600). Keep it where only the applier reads it.")
    click.echo(
        next_steps(hosting, founding.key_path)
        if hosting
        else _next_steps(
            directory,
            example,
            founding.at if simulated_clock else None,
            founding.person()[0] if founding.signing_key() else "",
        )
    )


def _upgrade(founding: Founding, moving: Moving) -> None:
    """Write anew what daypass generates, on whatever branch is checked out, for a person to review and commit."""
    if not founding.founded():
        raise UsageError(
            f"there is no access repository in {founding.top}", hint="`daypass init` without --upgrade makes one"
        )
    moving.files(template_files("plain", ("", "", "")))
    written, kept = founding.write(moving.generated)
    changed = moving.change([*kept, _SETTINGS])
    founding.show(written)
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
    found: dict[str, str] = {".gitignore": _IGNORED}
    for path, text in _walk(resources.files("daypass") / "templates" / kind, ""):
        found[path] = text.replace("@handle@", handle).replace("@name@", name).replace("@email@", email)
        found[path] = found[path].replace("@keys@", f', ssh_keys: ["{key}"]' if key else "")
    for path, text in _walk(resources.files("daypass") / "schema", ""):
        if path.endswith(".schema.json"):
            found[f".schemas/{path}"] = text
    return found


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for child in sorted(folder.iterdir(), key=lambda item: item.name):
        if child.is_dir():
            found += _walk(child, f"{prefix}{child.name}/")
        elif not child.name.endswith((".py", ".pyc")):
            found.append((f"{prefix}{child.name}", child.read_text(encoding="utf-8")))
    return found


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON Schema NAME for editors, or the names there are."""
    from daypass.schema import load, names

    if name is None:
        click.echo("\n".join(names()))
        return
    if name not in names():
        raise UsageError(f"there is no schema {name!r}", hint="one of " + ", ".join(names()))
    import json

    click.echo(json.dumps(load(name), indent=2))
