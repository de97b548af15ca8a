"""What `init --github` writes below .github/: the pipeline's files, made from templates, and daypass's own wheel.

A template's line that ends in ``@app@`` or ``@token@`` belongs to that way of authenticating, one that ends in
``@source@`` to the repository that holds daypass's own source, which installs itself, in ``@pinned@`` to all others.
``python -m daypass.edges.forges.github.setup.files`` writes the project's own copies; with ``--check`` it writes nothing and
exits 13 when one differs.

Of the wheel, the file that pip installed is taken where it is still there, by the hash that pip recorded (PEP 610). Else
the installed files are packed again (https://packaging.python.org/en/latest/specifications/binary-distribution-format/),
each held to the hash of its record, to the very bytes that the project's build makes of them. No build tool and no
network take part.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import daypass
from daypass.core.errors import EdgeError, ExitCode

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


_MOMENT = (2020, 2, 2, 0, 0, 0)
"""The time of each file in the archive, the same in every build."""
_ABOUT = ("METADATA", "WHEEL", "entry_points.txt")
_AGAIN = "install daypass again with pip"


@cache
def own_wheel() -> tuple[str, bytes]:
    """Return the file's name and bytes. Raises EdgeError where what is installed is not what pip installed."""
    try:
        return wheel_of(metadata.distribution("daypass"))
    except metadata.PackageNotFoundError:
        raise EdgeError("daypass is not installed here, so there is no wheel of it to write", hint=_AGAIN) from None


def wheel_of(distribution: metadata.Distribution) -> tuple[str, bytes]:
    """Return the same of one installation."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    kept = _kept(origin)
    return kept or _packed(distribution, editable="dir_info" in origin and bool(origin["dir_info"].get("editable")))


def _kept(origin: dict[str, Any]) -> tuple[str, bytes] | None:
    """Return the wheel that pip was given, where it is still there and what it was."""
    archive, url = origin.get("archive_info") or {}, urlsplit(str(origin.get("url", "")))
    place = Path(unquote(url.path))
    known = (archive.get("hashes") or {}).get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    if url.scheme != "file" or place.suffix != ".whl" or not known or not place.is_file():
        return None
    raw = place.read_bytes()
    return (place.name, raw) if hashlib.sha256(raw).hexdigest() == known else None


def _packed(distribution: metadata.Distribution, *, editable: bool) -> tuple[str, bytes]:
    name = f"daypass-{distribution.version}"
    about = f"{name}.dist-info"
    installed = Path(str(distribution.locate_file("")))
    top = Path(daypass.__file__).parents[1] if editable else installed
    recorded = {str(path): path.hash.value if path.hash else "" for path in distribution.files or ()}
    if editable:
        places = [each for each in (top / "daypass").rglob("*") if each.is_file() and each.suffix != ".pyc"]
        code = [place.relative_to(top).as_posix() for place in places if "__pycache__" not in place.parts]
    else:
        code = [path for path in recorded if path.startswith("daypass/") and not path.endswith(".pyc")]
    licences = sorted(path for path in recorded if path.startswith(f"{about}/licenses/"))
    if f"{about}/METADATA" not in recorded or not code:
        raise EdgeError("pip's record of daypass names no files", hint=_AGAIN)
    contents: dict[str, bytes] = {}
    for path in [*sorted(code, key=_walked), *(f"{about}/{each}" for each in _ABOUT), *licences]:
        contents[path] = _read((installed if path.startswith(about) else top) / path)
        worked_in = editable and path.startswith("daypass/")
        if not worked_in and recorded.get(path) != _hash(contents[path]):
            raise EdgeError(f"{path} is not what pip installed", hint=_AGAIN)
    return f"{name}-py3-none-any.whl", _archive(contents, f"{about}/RECORD")


def _walked(path: str) -> list[tuple[bool, str]]:
    """Sort a folder's files ahead of the folders in it."""
    *folders, file = path.split("/")
    return [*((True, folder) for folder in folders), (False, file)]


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise EdgeError(f"{place} cannot be read: {error.strerror}", hint=_AGAIN) from error


def _hash(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode("ascii")


def _archive(contents: dict[str, bytes], record: str) -> bytes:
    lines = [f"{path},sha256={_hash(raw)},{len(raw)}\n" for path, raw in contents.items()]
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for path, raw in {**contents, record: "".join([*lines, f"{record},,\n"]).encode()}.items():
            info = ZipInfo(path, _MOMENT)
            info.compress_type, info.create_system = ZIP_DEFLATED, 3
            info.external_attr = (0o100644 if path.startswith("daypass/") else 0o644) << 16
            archive.writestr(info, raw)
    return out.getvalue()
