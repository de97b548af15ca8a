"""Setting up an access repository: git, files, key and ledger.

Each step leaves something that the next run can stand on.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import click

from daypass.cli.repository import keys_folder
from daypass.core.errors import InvalidError, UsageError
from daypass.edges.forges.beginnings import (
    FIRST_TARGETS,
    PEOPLE,
    TESTS,
    cases_text,
    people_text,
    person_of,
    resource_text,
    target_line,
)
from daypass.edges.git.plumbing import Git

if TYPE_CHECKING:
    from daypass.core.policy.policies import Policy

_PUBLIC_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!$%&*+/=?^_`|~-]+@[A-Za-z0-9.-]+")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
SETTINGS, _RESOURCE = "policies/daypass.yaml", "policies/resources/example-db.yaml"
_OWNERS, _KIND = "owners", "embedded"
_PERSON = re.compile(r"^(  ([a-z0-9-]+): \{.*email: .*)\}$", re.MULTILINE)
_ELSE = "colleague"
"""Whom the template's directory has beside who makes the repository."""


class First(NamedTuple):
    """What a repository begins with: the files of a template, who owns the first resource, its target's kind.

    ``forge``: whose repository it is at a forge, "" where it stays here.
    """

    template: str
    owners: str
    kind: str
    forge: str


def at_terminal() -> bool:
    """Say whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def asked(new: NewRepository, example: bool, owners: str, kind: str | None) -> tuple[str, str]:
    """Return who owns the first resource and its target's kind, asked for on a terminal where nobody said."""
    if not example and not new.committed() and at_terminal():
        owners = owners or click.prompt(
            "Which group owns the first resource? At GitHub it is the team of that name", default=_OWNERS, err=True
        )
        for name, first in FIRST_TARGETS.items() if kind is None else ():
            click.echo(f"  {name}: {first.what}", err=True)
        kind = kind or click.prompt(
            "What is the first resource?", default=_KIND, type=click.Choice(sorted(FIRST_TARGETS)), err=True
        )
    if owners and not _NAME.fullmatch(owners):
        raise UsageError(f"{owners!r} is no name of a group", hint="small letters, digits and hyphens, as in platform")
    return owners or _OWNERS, kind or _KIND


def begun_with(wanted: dict[str, str], first: First, person: tuple[str, str, str], key: str) -> dict[str, str]:
    """Put the first resource, its target and its owners in the place of the template's.

    At a forge nobody stands in the directory whom it does not know: who else there is, `setup` asks it.
    """
    owned = wanted | {
        SETTINGS: wanted[SETTINGS].replace(target_line(_KIND, ""), target_line(first.kind, first.forge)),
        _RESOURCE: resource_text(first.kind, first.owners),
    }
    if not first.forge:
        people = wanted[PEOPLE].replace(f"  {_OWNERS}: ", f"  {first.owners}: ")
        if FIRST_TARGETS[first.kind].person == "handle":
            known = rf'\1, identities: {{{FIRST_TARGETS[first.kind].name}: "\2"}}}}'
            people = _PERSON.sub(known, people)
        return owned | {PEOPLE: people, TESTS: cases_text(_ELSE, first.kind, alone=False, known=False)}
    handle, name, email = person
    me = person_of(first.kind, handle, name, email, key)
    people = people_text({handle: me}, {first.owners: [handle]})
    return owned | {PEOPLE: people, TESTS: cases_text(handle, first.kind, alone=True, known=False)}


class NewRepository:
    """Makes one repository."""

    def __init__(self, top: Path, *, at: datetime) -> None:
        self.top = top
        self.at = at
        self.git = Git(top)
        self.key_path: Path | None = None

    def begin(self) -> None:
        """Make the directory and the git repository, unless they are there."""
        self.top.mkdir(parents=True, exist_ok=True)
        inside = self.git.work_tree()
        if inside is None or inside.resolve() != self.top.resolve():
            self.git.run("init", "--quiet", "--initial-branch=main")
            return
        branch = (
            self.git.attempt("symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode("utf-8", "replace").strip()
        )
        if branch == "main":
            return
        if self.git.find("HEAD") is not None:  # said before anything is written
            where = f"the branch that is checked out here is {branch}" if branch else "no branch is checked out here"
            there = self.git.find("refs/heads/main") is not None
            raise UsageError(
                f"{where}, and daypass keeps what is granted on main",
                hint="git switch main" if there else "git branch --move main" if branch else "git switch -c main",
            )
        self.git.run("symbolic-ref", "HEAD", "refs/heads/main")

    def committed(self) -> bool:
        """Whether an access repository is committed here already."""
        return self.git.attempt("cat-file", "-e", "HEAD:policies/daypass.yaml").returncode == 0

    def person(self) -> tuple[str, str, str]:
        """Return (handle, name, email) of who git's configuration names. Raises UsageError when it names nobody."""
        name = self._config("user.name")
        email = self._config("user.email")
        if not name or not email:
            raise UsageError(
                "git does not know who you are",
                hint='git config --global user.name "Your Name"; git config --global user.email you@example.com',
            )
        if not _ADDRESS.fullmatch(email):  # it is written into a YAML file, where a quote would say more
            raise UsageError(
                f"git's user.email is {email!r}, which is no address that can be kept in the directory",
                hint="git config --global user.email you@example.com",
            )
        name = "".join(c if c.isprintable() and c != "\\" else " " for c in name).replace('"', "'").strip()
        handle = re.sub(r"[^a-z0-9]+", "-", email.partition("@")[0].lower()).strip("-")[:40]
        return handle or "me", name or email, email

    def signing_key(self) -> str:
        """Return the public SSH key that git signs with, as in authorized_keys, "" where its settings name none.

        https://git-scm.com/docs/git-config#Documentation/git-config.txt-usersigningKey
        """
        named = self._config("user.signingkey").removeprefix("key::")
        if self._config("gpg.format") != "ssh" or not named:
            return ""
        if not named.startswith(("ssh-", "ecdsa-", "sk-")):
            place = Path(os.path.expanduser(named))  # noqa: PTH111  (raises nothing where nobody has that name)
            place = place if place.suffix == ".pub" else place.with_name(f"{place.name}.pub")
            try:
                named = place.read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):  # a key that only an agent has, or none: nobody knows its public half
                return ""
        words = named.split()
        return " ".join(words[:2]) if len(words) > 1 and _PUBLIC_KEY.fullmatch(" ".join(words[:2])) else ""

    def _config(self, key: str) -> str:
        return self._settings.get(key, "").strip()

    @cached_property
    def _settings(self) -> dict[str, str]:
        """What git's configuration says, by key, of each the last that it says."""
        listed = self.git.attempt("config", "--null", "--list").stdout.decode("utf-8", "replace")
        pairs = (setting.partition("\n") for setting in listed.split("\0"))
        return {key: value for key, _, value in pairs}

    def key(self, signer: str, public_key: Path | None) -> str:
        """Make the signing key, or take the public half of one that a signer URI holds; return the public PEM."""
        from daypass.edges.ledger.keyfiles import make_key

        there = self.top / "policies" / "ledger.pub"
        if there.exists():
            return there.read_text(encoding="ascii")
        if signer and public_key is not None:
            return public_key.read_text(encoding="ascii")
        self.key_path, public = make_key(keys_folder())
        return public.decode("ascii")

    def write(self, wanted: Mapping[str, str | bytes]) -> tuple[list[str], list[str]]:
        """Write files that are not there; return (written, kept)."""
        self._refuse_links(wanted)
        written, kept = [], []
        for path, content in sorted(wanted.items()):
            place = self.top / path
            if place.exists() or place.is_symlink():
                kept.append(path)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
            written.append(path)
        (self.top / "grants").mkdir(exist_ok=True)
        owners = self._codeowners()
        if owners:
            written.append(owners)
        return written, kept

    def _refuse_links(self, wanted: Mapping[str, str | bytes]) -> None:
        """Refuse folders that are links: what is written through one lands outside the repository."""
        folders = {parent for path in (*wanted, "grants/x", ".github/x") for parent in Path(path).parents}
        for folder in sorted(folders):
            if (self.top / folder).is_symlink() and folder != Path():
                raise UsageError(
                    f"{self.top / folder} is a symbolic link, and files would be written to where it leads",
                    hint="put a folder in its place, or make the access repository elsewhere",
                )

    def policy(self, wanted: Mapping[str, str] = MappingProxyType({})) -> Policy:
        """Read the policies that lie in the work tree, with files that are to be written where there are none."""
        from daypass.core.policy.policies import read_policies
        from daypass.edges.git.repository import worktree_files
        from daypass.edges.targets.registry import KINDS

        files = {path: text.encode("utf-8") for path, text in wanted.items() if path.startswith("policies/")}
        files |= {name: raw for name, mode, raw in worktree_files(self.top, "policies") if mode.startswith("100")}
        return read_policies(files, kinds=KINDS)

    def _codeowners(self) -> str:
        from daypass.core.files.codeowners import CODEOWNERS_FILE, codeowners_text

        path = self.top / CODEOWNERS_FILE
        if path.exists() or path.is_symlink():
            return ""
        policy = self.policy()
        if policy.holes:  # half a file would leave what does not read to somebody else; `daypass codeowners` says why
            return ""
        path.parent.mkdir(exist_ok=True)
        path.write_text(codeowners_text(policy.catalogue), encoding="utf-8")
        return CODEOWNERS_FILE

    def commit(self, written: list[str]) -> None:
        """Commit what was written, and nothing else that may lie in the directory."""
        if not written:
            return
        from daypass.edges.git.repository import commit_alone

        commit_alone(self.git, "Begin the access repository", written)

    def show(self, written: list[str]) -> None:
        """Let ``git diff`` show, and ``git commit --all`` take, files that are new, whatever a list says to ignore."""
        if written:
            self.git.run("-c", "core.safecrlf=false", "add", "--force", "--intent-to-add", "--", *written)

    def open_ledger(self) -> bool:
        """Write the ledger's first receipt, unless there is a ledger; return whether one was begun."""
        from daypass.cli.repository import AccessRepository

        repo = AccessRepository(self.top)
        if repo.policy.broken:
            raise InvalidError(
                "the policies do not read, so no ledger was begun",
                repo.policy.broken,
                hint="mend them and run init --merge",
            )
        if repo.ledger.receipts.exists():
            return False
        repo.ledger.begin(at=self.at, main=repo.tip)
        return True
