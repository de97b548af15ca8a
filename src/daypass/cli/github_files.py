"""The pipeline's files below .github/, made from templates: one source for what `init --github` and this project keep.

A template's line that ends in ``@app@`` or ``@token@`` belongs to that way of authenticating, one that ends in
``@source@`` to the repository that holds daypass's own source, which installs itself, in ``@pinned@`` to all others.
``python -m daypass.cli.github_files`` writes the project's own copies; with ``--check`` it writes nothing and exits 13
when one differs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from daypass import __version__
from daypass.core.errors import EdgeError, ExitCode, UsageError

AUTHS = ("app", "token")
REQUIREMENTS = ".github/daypass/requirements.txt"
SETTINGS = "policies/daypass.yaml"

_MARK = re.compile(r"[ ]*@(app|token|source|pinned)@$")
_TARGETS = re.compile(r"( *)@targets@\n")
_NO_TARGETS = (
    "# NAME: ${{ secrets.NAME }} for each variable that the settings of a target name (url_env and its like)\n"
)
_LOCAL = re.compile(r"^forge: \{kind: local\}(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}")
_BOT = re.compile(r"(?P<login>[A-Za-z0-9][A-Za-z0-9-]*\[bot\]):(?P<id>[1-9][0-9]{0,14})")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_NEEDS = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?[^;]*(?:;(?P<marker>.*))?", re.DOTALL
)
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")

_PINNED = """\
# What the workflows install: daypass and everything that it needs, at exactly these versions. `daypass init --merge
# --upgrade --github …` of another version writes this anew.
--only-binary :all:
"""
_SOURCE = """\
# What the workflows install: this repository is daypass's own source, so main itself.
.
"""


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a repository is kept at GitHub: ``bot`` is the App's bot account as (login, numeric id), if it is known."""

    repository: str
    auth: str
    bot: tuple[str, int] | None = None

    @property
    def forge_line(self) -> str:
        """The line of the settings that says so."""
        bot = f', bot: {{login: "{self.bot[0]}", id: {self.bot[1]}}}' if self.bot else ""
        return f"forge: {{kind: github, repository: {self.repository}{bot}}}"


def read_hosting(repository: str, auth: str, bot: str) -> Hosting:
    """Read the options of ``init``. Raises UsageError."""
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"expected --github OWNER/NAME, got {repository!r}")
    found = _BOT.fullmatch(bot)
    if bot and found is None:
        raise UsageError(
            f"expected --bot LOGIN:ID, the login ending in [bot], got {bot!r}",
            hint="https://api.github.com/users/NAME%5Bbot%5D shows both, NAME being the App's",
        )
    if bot and auth != "app":
        raise UsageError("--bot goes with --auth app", hint="GITHUB_TOKEN acts as an account that every branch can use")
    return Hosting(repository, auth, (found["login"], int(found["id"])) if found else None)


def github_files(auth: str, *, variables: Iterable[str] = (), source: bool = False) -> dict[str, str]:
    """Return the pipeline's files by path.

    ``variables`` are those that the targets need, each a secret of the environment ``daypass``; ``source`` says that the
    repository is daypass's own.
    """
    keep = {auth, "source" if source else "pinned"}
    found = {
        f".github/{path}": _rendered(text, keep, sorted(set(variables)))
        for path, text in _walk(resources.files("daypass") / "templates" / "github", "")
        # This project's own tests take the place of a user's.
        if not (source and path == "workflows/ci.yml")
    }
    found[REQUIREMENTS] = _SOURCE if source else requirements_text()
    return found


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for child in sorted(folder.iterdir(), key=lambda item: item.name):
        if child.is_dir():
            yield from _walk(child, f"{prefix}{child.name}/")
        else:
            yield f"{prefix}{child.name}", child.read_text(encoding="utf-8")


def _rendered(text: str, keep: set[str], variables: list[str]) -> str:
    lines = []
    for line in text.split("\n"):
        mark = _MARK.search(line)
        if mark is None:
            lines.append(line)
        elif mark[1] in keep:
            lines.append(line[: mark.start()])
    return _TARGETS.sub(lambda match: _target_lines(match[1], variables), "\n".join(lines))


def _target_lines(indent: str, variables: list[str]) -> str:
    if not variables:
        return indent + _NO_TARGETS
    return "".join(f"{indent}{name}: ${{{{ secrets.{name} }}}}\n" for name in variables)


def target_variables(targets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the variables that the targets' options name: the values of keys that end in ``_env``."""
    return sorted(
        {
            value
            for options in targets.values()
            for key, value in options.items()
            if key.endswith("_env") and isinstance(value, str) and _VARIABLE.fullmatch(value)
        }
    )


def requirements_text() -> str:
    """Pin daypass and all that it needs to what is installed here. Raises EdgeError where something is missing."""
    pins = {name: f"{name}=={version}" for name, version in _installed("daypass")}
    pins["daypass"] = _own_pin()
    return _PINNED + "".join(f"{pins[name]}\n" for name in sorted(pins, key=lambda name: (name != "daypass", name)))


def _own_pin() -> str:
    """Name daypass as it was installed: a version of the index, or a commit of a repository (PEP 610)."""
    said = metadata.distribution("daypass").read_text("direct_url.json")
    origin = json.loads(said) if said else {}
    commit = origin.get("vcs_info", {}).get("commit_id", "")
    url = str(origin.get("url", ""))
    if re.fullmatch(r"[0-9a-f]{40}", commit) and re.fullmatch(r"https://[A-Za-z0-9./_-]+", url):
        return f"daypass @ git+{url}@{commit}"
    return f"daypass=={__version__}"


def _installed(root: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    looked: set[tuple[str, str]] = set()
    wanted: list[tuple[str, str, bool]] = [(root, "", True)]
    while wanted:
        name, extras, certain = wanted.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if (key, extras) in looked:
            continue
        looked.add((key, extras))
        try:
            distribution = metadata.distribution(key)
        except metadata.PackageNotFoundError:
            if not certain:  # a marker leaves it out on this system
                continue
            raise EdgeError(
                f"{key} is not installed, though {root} needs it", hint="install daypass again with pip"
            ) from None
        found[key] = distribution.version
        wanted += _needs(distribution, {extra.strip().lower() for extra in extras.split(",") if extra.strip()})
    return sorted(found.items())


def _needs(distribution: metadata.Distribution, extras: set[str]) -> Iterator[tuple[str, str, bool]]:
    for line in distribution.requires or ():
        match = _NEEDS.fullmatch(line.strip())
        if match is None:
            raise EdgeError(f"{distribution.name} says that it needs {line!r}, which cannot be read")
        marker = match["marker"] or ""
        asked = _EXTRA.search(marker)
        if asked is None or asked[1].lower() in extras:
            yield match["name"], match["extras"] or "", not marker


def settings_for(text: str, hosting: Hosting) -> str:
    """Return the settings with the forge at GitHub. Raises UsageError where the line to change is not the usual one."""
    if hosting.forge_line in text.splitlines():
        return text
    changed, times = _LOCAL.subn(lambda _: hosting.forge_line, text)
    if times != 1:
        raise UsageError(
            f"{SETTINGS} names its forge in a way that init does not change", hint=f"write there: {hosting.forge_line}"
        )
    return changed


def main(arguments: list[str], top: Path) -> int:
    """Write this project's own copies below ``top``, or with ``--check`` say which differ; return the exit code."""
    stale = []
    for path, text in github_files("app", source=True).items():
        place = top / path
        if place.is_file() and place.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if arguments != ["--check"]:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    for path in stale:
        sys.stderr.write(f"{path} {'is out of date' if arguments == ['--check'] else 'written'}\n")
    return int(ExitCode.CHANGES) if stale and arguments == ["--check"] else int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
