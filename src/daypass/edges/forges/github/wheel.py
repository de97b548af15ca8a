"""daypass's own wheel: what `init --github` writes below .github/ for the workflows to install.

The file that pip installed is taken where it is still there, by the hash that pip recorded (PEP 610). Else the installed
files are packed again (https://packaging.python.org/en/latest/specifications/binary-distribution-format/), each held to
the hash of its record, to the very bytes that the project's build makes of them. No build tool and no network take part.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import daypass
from daypass.core.errors import EdgeError

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
