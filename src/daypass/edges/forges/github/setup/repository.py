"""Taking an access repository to GitHub: what `init --github` reads of its options, writes and changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daypass.core.catalogue import Catalogue
from daypass.core.errors import UsageError
from daypass.core.files.document import POLICY_LIMIT, read
from daypass.core.files.form import FORM_FILE
from daypass.core.policy.policies import SETTINGS, Policy
from daypass.core.record import dataclass
from daypass.edges.forges.github.setup.files import FOLDER, REQUIREMENTS, github_files, wheel_file

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
    document = read(SETTINGS, text.encode(), limit=POLICY_LIMIT)
    found = {} if isinstance(document, tuple) else document.value.get("forge", {})
    return found if isinstance(found, dict) else {}


class GitHubSetup:
    """Takes a repository to GitHub. What was in its folder before is changed in the work tree and never committed.

    ``policy`` reads what lies in the work tree.
    """

    def __init__(self, top: Path, hosting: Hosting, *, upgrade: bool, policy: Callable[[], Policy]) -> None:
        self.top = top
        self.hosting = hosting
        self._upgrade = upgrade
        self._policy = policy
        self._source = (top / "src" / "daypass" / "__init__.py").is_file()
        self.generated: dict[str, str | bytes] = {}
        self._settings = top / SETTINGS
        if self._settings.is_symlink():
            raise UsageError(f"{self._settings} is a symbolic link", hint="put the file itself in its place")
        there = self._settings.is_file()
        self._changed = settings_for(self._settings.read_text(encoding="utf-8"), hosting) if there else ""

    def files(self, wanted: dict[str, str]) -> dict[str, str | bytes]:
        """Return the files to write where there are none: those of every repository, and the pipeline's."""
        # Where daypass's own source lies, editors are led to its schemas by a link.
        common = {path: text for path, text in wanted.items() if not (self._source and path.startswith(".schemas/"))}
        pipeline = github_files(self.hosting.auth, variables=self._variables(), source=self._source)
        # Requirements that stay name the wheel that is there.
        kept = not self._upgrade and (self.top / REQUIREMENTS).exists()
        wheel = {} if self._source or kept else wheel_file()
        schemas = {path: text for path, text in common.items() if path.startswith(".schemas/")}
        self.generated = {**schemas, **pipeline, **wheel}
        return {**common, **pipeline, **wheel, SETTINGS: settings_for(wanted[SETTINGS], self.hosting)}

    def _variables(self) -> set[str]:
        """Return the environment's variables that targets are reached by, where the settings are there already."""
        known = self._policy().catalogue.settings.variables if self._settings.is_file() else ()
        return {name for name in known if _VARIABLE.fullmatch(name)}

    def change(self, kept: list[str]) -> list[str]:
        """Change what init kept, where it was asked to; return the paths, which are for a person to commit."""
        wanted = dict(self.generated) if self._upgrade else {}
        if self._changed:
            wanted[SETTINGS] = self._changed
        changed = self._outgrown() if self._upgrade else []
        for path in kept:
            place = self.top / path
            if path not in wanted or place.is_symlink():
                continue
            content = wanted[path]
            raw = content if isinstance(content, bytes) else content.encode("utf-8")
            if place.read_bytes() != raw:
                place.write_bytes(raw)
                changed.append(path)
        return changed

    def _outgrown(self) -> list[str]:
        """Delete the wheels of other versions of daypass, which nothing names any more; return their paths."""
        there = [f"{FOLDER}/{place.name}" for place in sorted((self.top / FOLDER).glob("daypass-*.whl"))]
        others = [path for path in there if path not in self.generated]
        for path in others:
            (self.top / path).unlink()
        return others

    def form(self, text_of: Callable[[Catalogue], str]) -> list[str]:
        """Write the issue form of the catalogue, unless there is one; return the path that was written."""
        place = self.top / FORM_FILE
        if place.exists() or place.is_symlink() or place.parent.is_symlink():
            return []
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text_of(self._policy().catalogue), encoding="utf-8")
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
