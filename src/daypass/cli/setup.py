"""Setting up an access repository: git, files, key, ledger, and what `init --github` writes and changes beside these.

Each step leaves something that the next run can stand on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daypass.cli.repository import keys_folder
from daypass.core.errors import InvalidError, UsageError
from daypass.core.record import dataclass
from daypass.edges.git.plumbing import Git

if TYPE_CHECKING:
    from daypass.core.catalogue import Catalogue


_PUBLIC_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!$%&*+/=?^_`|~-]+@[A-Za-z0-9.-]+")


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
        done = self.git.attempt("config", "--get", key)
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""

    def key(self, signer: str, public_key: Path | None) -> str:
        """Make the signing key, or take the public half of one that a signer URI holds; return the public PEM."""
        from daypass.edges.ledger.signing import generate_key, read_public_key

        there = self.top / "policies" / "ledger.pub"
        if there.exists():
            return there.read_text(encoding="ascii")
        if signer and public_key is not None:
            return public_key.read_text(encoding="ascii")
        folder = keys_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pending = folder / f".new-{self.at:%Y%m%d%H%M%S}.pem"
        public = generate_key(pending)
        self.key_path = folder / f"{read_public_key(public).keyid}.pem"
        pending.rename(self.key_path)
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

    def _codeowners(self) -> str:
        from daypass.core.owners import codeowners_text
        from daypass.core.policy.policies import read_policies
        from daypass.edges.git.repository import worktree_files
        from daypass.edges.targets.registry import KINDS

        path = self.top / ".github" / "CODEOWNERS"
        if path.exists() or path.is_symlink():
            return ""
        files = {name: raw for name, mode, raw in worktree_files(self.top, "policies") if mode.startswith("100")}
        policy = read_policies(files, kinds=KINDS)
        if policy.holes:  # half a file would leave what does not read to somebody else; `daypass codeowners` says why
            return ""
        path.parent.mkdir(exist_ok=True)
        path.write_text(codeowners_text(policy.catalogue), encoding="utf-8")
        return ".github/CODEOWNERS"

    def commit(self, written: list[str]) -> None:
        """Commit what was written, and nothing else that may lie in the directory."""
        if not written:
            return
        # Their settings may ask for a signature that they have no key for here, or refuse line ends of ours.
        safe = ("-c", "core.safecrlf=false")
        self.git.run(*safe, "add", "--force", "--", *written)  # somebody's own list may ignore wheels
        self.git.run(
            *safe,
            "commit",
            "--quiet",
            "--no-gpg-sign",
            "--no-verify",
            "-m",
            "Begin the access repository",
            "--",
            *written,
        )

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


_LOCAL = re.compile(r"^forge: \{kind: local\}(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}")
_BOT = re.compile(r"(?P<login>[A-Za-z0-9][A-Za-z0-9-]*\[bot\]):(?P<id>[1-9][0-9]{0,14})")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a repository is kept at GitHub: ``bot`` is the App's bot account as (login, numeric id), where it is known."""

    repository: str
    auth: str
    bot: tuple[str, int] | None = None

    @property
    def forge_line(self) -> str:
        """The line of the settings that says so."""
        bot = f', bot: {{login: "{self.bot[0]}", id: {self.bot[1]}}}' if self.bot else ""
        return f"forge: {{kind: github, repository: {self.repository}{bot}}}"


def read_hosting(repository: str, auth: str, bot: str) -> Hosting | None:
    """Read the options of ``init``, None without ``--github``. Raises UsageError."""
    if not repository:
        if bot or auth != "app":
            raise UsageError("--auth and --bot go with --github")
        return None
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"expected --github OWNER/NAME, got {repository!r}")
    found = _BOT.fullmatch(bot)
    if bot and found is None:
        raise UsageError(
            f"expected --bot LOGIN:ID, the login ending in [bot], got {bot!r}",
            hint="https://api.github.com/users/NAME%5Bbot%5D has both, NAME being your App's",
        )
    if bot and auth != "app":
        raise UsageError("--bot goes with --auth app", hint="what acts by GITHUB_TOKEN is an account of every branch")
    return Hosting(repository, auth, (found["login"], int(found["id"])) if found else None)


def settings_for(text: str, hosting: Hosting) -> str:
    """Return the settings with the forge at GitHub. Raises UsageError where the line to change is not the usual one."""
    wanted, now = _forge_of(f"{hosting.forge_line}\n"), _forge_of(text)
    if {**now, **wanted} == now:
        return text
    changed, times = _LOCAL.subn(lambda _: hosting.forge_line, text)
    if times != 1 or _forge_of(changed) != wanted:  # what the line says is read by the one reader of settings
        raise UsageError(
            "policies/daypass.yaml names its forge in a way that init does not change",
            hint=f"write there: {hosting.forge_line}",
        )
    return changed


def _forge_of(text: str) -> Mapping[str, Any]:
    """Return what settings say of the forge, every value as text; nothing where they do not read."""
    from daypass.core.files.document import POLICY_LIMIT, read
    from daypass.core.policy.policies import SETTINGS

    document = read(SETTINGS, text.encode(), limit=POLICY_LIMIT)
    found = {} if isinstance(document, tuple) else document.value.get("forge", {})
    return found if isinstance(found, dict) else {}


def as_bytes(content: str | bytes) -> bytes:
    """Return a file's bytes."""
    return content if isinstance(content, bytes) else content.encode("utf-8")


class GitHubSetup:
    """Takes a repository to GitHub. What was in its folder before is changed in the work tree and never committed."""

    def __init__(self, top: Path, hosting: Hosting, *, upgrade: bool) -> None:
        self.top = top
        self.hosting = hosting
        self._upgrade = upgrade
        self._source = (top / "src" / "daypass" / "__init__.py").is_file()
        self.generated: dict[str, str | bytes] = {}
        self._settings = top / "policies" / "daypass.yaml"
        if self._settings.is_symlink():
            raise UsageError(f"{self._settings} is a symbolic link", hint="put the file itself in its place")
        there = self._settings.is_file()
        self._changed = settings_for(self._settings.read_text(encoding="utf-8"), hosting) if there else ""

    def files(self, wanted: dict[str, str]) -> dict[str, str | bytes]:
        """Return the files to write where there are none: those of every repository, and the pipeline's."""
        from daypass.edges.forges.github.files import REQUIREMENTS, github_files, wheel_file

        # Where daypass's own source lies, editors are led to its schemas by a link.
        common = {path: text for path, text in wanted.items() if not (self._source and path.startswith(".schemas/"))}
        pipeline = github_files(self.hosting.auth, variables=self._variables(), source=self._source)
        # Requirements that stay name the wheel that is there.
        kept = not self._upgrade and (self.top / REQUIREMENTS).exists()
        wheel = {} if self._source or kept else wheel_file()
        schemas = {path: text for path, text in common.items() if path.startswith(".schemas/")}
        self.generated = {**schemas, **pipeline, **wheel}
        settings = settings_for(wanted["policies/daypass.yaml"], self.hosting)
        return {**common, **pipeline, **wheel, "policies/daypass.yaml": settings}

    def _variables(self) -> set[str]:
        """Return the environment's variables that targets are reached by: the values of options that end in _env."""
        if not self._settings.is_file():
            return set()
        options = [found.options for found in self._catalogue().settings.targets.values()]
        named = {value for each in options for key, value in each.items() if key.endswith("_env")}
        return {name for name in named if isinstance(name, str) and _VARIABLE.fullmatch(name)}

    def _catalogue(self) -> Catalogue:
        from daypass.core.policy.policies import read_policies
        from daypass.edges.git.repository import worktree_files
        from daypass.edges.targets.registry import KINDS

        files = {name: raw for name, mode, raw in worktree_files(self.top, "policies") if mode.startswith("100")}
        return read_policies(files, kinds=KINDS).catalogue

    def change(self, kept: list[str]) -> list[str]:
        """Change what init kept, where it was asked to; return the paths, which are for a person to commit."""
        wanted = dict(self.generated) if self._upgrade else {}
        if self._changed:
            wanted["policies/daypass.yaml"] = self._changed
        changed = self._outgrown() if self._upgrade else []
        for path in kept:
            place = self.top / path
            raw = as_bytes(wanted[path]) if path in wanted else b""
            if path in wanted and not place.is_symlink() and place.read_bytes() != raw:
                place.write_bytes(raw)
                changed.append(path)
        return changed

    def _outgrown(self) -> list[str]:
        """Delete the wheels of other versions of daypass, which nothing names any more; return their paths."""
        from daypass.edges.forges.github.files import FOLDER

        others = [
            place
            for place in sorted((self.top / FOLDER).glob("daypass-*.whl"))
            if f"{FOLDER}/{place.name}" not in self.generated
        ]
        for place in others:
            place.unlink()
        return [f"{FOLDER}/{place.name}" for place in others]

    def form(self) -> list[str]:
        """Write the issue form, unless there is one; return the path that was written."""
        from daypass.core.files.form import FORM_FILE
        from daypass.views.form import form_text

        place = self.top / FORM_FILE
        if place.exists() or place.is_symlink() or place.parent.is_symlink():
            return []
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(form_text(self._catalogue()), encoding="utf-8")
        return [FORM_FILE]


def next_steps(hosting: Hosting, key: Path | None) -> str:
    """Tell what is left to do at GitHub; docs/github.md has each step."""
    there = f"--repo {hosting.repository}"
    lines = [
        "Next, once the environment `daypass` is there for main alone (docs/github.md has each step):",
        f"  git remote add origin https://github.com/{hosting.repository}.git",
        "  git push origin main daypass-ledger",
    ]
    if hosting.auth == "app":
        lines += [
            f"  gh variable set DAYPASS_APP_ID {there}",
            f"  gh secret set DAYPASS_APP_KEY {there} --env daypass < the-app.pem",
        ]
    if key is not None:
        lines.append(f"  gh secret set DAYPASS_LEDGER_KEY {there} --env daypass < {key}")
    return "\n".join(lines)
