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
from collections.abc import Iterable, Iterator
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

from daypass import __version__
from daypass.core.errors import EdgeError, ExitCode

REQUIREMENTS = ".github/daypass/requirements.txt"

_MARK = re.compile(r"[ ]*@(app|token|source|pinned)@$")
_TARGETS = re.compile(r"( *)@targets@\n")
_NO_TARGETS = (
    "# NAME: ${{ secrets.NAME }} for each variable that the settings of a target name (url_env and its like)\n"
)
_NEEDS = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?[^;]*(?:;(?P<marker>.*))?", re.DOTALL
)
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")

_PINNED = """\
# What the workflows install: daypass and everything that it needs, at exactly these versions. `daypass init --merge
# --upgrade --github …` of another version writes this anew.
--only-binary :all:
"""
UNKNOWN = """\
# daypass itself is not among them. It was installed from a folder here, so a version number would name whatever an index
# holds by that name, and that would get every secret. Install daypass from a repository of yours
# (pip install git+https://…@COMMIT), then run `daypass init --merge --upgrade --github …` again.
"""
"""Stands in place of daypass's own pin where nobody knows what the pin should be."""
_SOURCE = """\
# What the workflows install: this repository is daypass's own source, so main itself.
.
"""


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


def requirements_text() -> str:
    """Pin daypass and all that it needs to what is installed here. Raises EdgeError where something is missing."""
    pins = {name: f"{name}=={version}\n" for name, version in _installed("daypass")}
    pins["daypass"] = f"{own_pin()}\n" if own_pin() else UNKNOWN
    return _PINNED + "".join(pins[name] for name in sorted(pins, key=lambda name: (name != "daypass", name)))


def own_pin() -> str:
    """Name daypass as it was installed: a version of the index, or a commit of a repository (PEP 610).

    "" where it came from elsewhere: a folder's version says nothing of what an index has by the name of daypass.
    """
    said = metadata.distribution("daypass").read_text("direct_url.json")
    origin = json.loads(said) if said else {}
    commit = origin.get("vcs_info", {}).get("commit_id", "")
    url = str(origin.get("url", ""))
    if re.fullmatch(r"[0-9a-f]{40}", commit) and re.fullmatch(r"https://[A-Za-z0-9./_-]+", url):
        return f"daypass @ git+{url}@{commit}"
    return "" if origin else f"daypass=={__version__}"


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
