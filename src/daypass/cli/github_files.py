"""The pipeline's files below .github/, made from templates: one source for what `init --github` and this project keep.

A template's line that ends in ``@app@`` or ``@token@`` belongs to that way of authenticating, one that ends in
``@source@`` to the repository that holds daypass's own source, which installs itself, in ``@pinned@`` to all others.
``python -m daypass.cli.github_files`` writes the project's own copies; with ``--check`` it writes nothing and exits 13
when one differs.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from daypass.cli.wheel import own_wheel
from daypass.core.errors import ExitCode

FOLDER = ".github/daypass"
REQUIREMENTS = f"{FOLDER}/requirements.txt"

_MARK = re.compile(r"[ ]*@(app|token|source|pinned)@$")
_TARGETS = re.compile(r"( *)@targets@\n")
_NO_TARGETS = (
    "# NAME: ${{ secrets.NAME }} for each variable that the settings of a target name (url_env and its like)\n"
)

_PINNED = """\
# What the workflows install: the wheel of daypass that lies beside this file, and everything that it needs, at exactly the
# versions that it was tested with, each file by its hash. `daypass init --merge --upgrade --github …` of another version
# writes this anew. Names of files are read from the repository's top.
--only-binary :all:
"""
_SOURCE = """\
# What the workflows install: this repository is daypass's own source, so what it runs with and is built by, each file by
# its hash; then main itself is built.
-r ../../.ci/locked/run.txt
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
    """Name daypass's wheel and all that it needs, with their hashes. Raises EdgeError where the wheel cannot be made."""
    locked = (resources.files("daypass") / "templates" / "locked.txt").read_text(encoding="utf-8")
    return f"{_PINNED}{own_pin()}\n{''.join(locked.splitlines(keepends=True)[1:])}"


def own_pin() -> str:
    """Name daypass's own wheel below .github/ with its hash, as pip reads it."""
    name, raw = own_wheel()
    return f"./{FOLDER}/{name} \\\n    --hash=sha256:{hashlib.sha256(raw).hexdigest()}"


def wheel_file() -> dict[str, bytes]:
    """Return daypass's own wheel by the path that the requirements name."""
    name, raw = own_wheel()
    return {f"{FOLDER}/{name}": raw}


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
