"""GitHub's description of its API and recorded answers of the real one, brought here once from their npm packages.

The packages are named with their hashes in package-lock.json: what arrives is what was committed to, or nothing.

- https://github.com/octokit/openapi: the description that GitHub publishes, https://github.com/github/rest-api-description
- https://github.com/octokit/fixtures: recorded conversations with the real API
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LISTS = ("package.json", "package-lock.json")
WANTED = {
    "api.github.com.json": "@octokit/openapi/generated/api.github.com.json",
    "scenarios": "@octokit/fixtures/scenarios/api.github.com",
}
_ENVIRON = dict(os.environ)
"""As it was before any test changed it: npm finds its own settings by it."""


class Missing(Exception):  # noqa: N818  a test's own words, read in its failure
    """What the contract is held against could not be had, so that nothing was proved."""


@cache
def description() -> dict[str, Any]:
    """GitHub's description of api.github.com. Raises Missing."""
    found: dict[str, Any] = json.loads((folder() / "api.github.com.json").read_text(encoding="utf-8"))
    return found


@cache
def recorded(scenario: str) -> list[dict[str, Any]]:
    """The exchanges of one recorded scenario, with ids and times made the same for all. Raises Missing."""
    path = folder() / "scenarios" / scenario / "normalized-fixture.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def folder() -> Path:
    """The folder that holds `WANTED`, filled on first need. Raises Missing, with npm's own words."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LISTS)).hexdigest()[:12]
    place = HERE / ".npm" / digest
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as work:
            _install(Path(work))
            kept = Path(work) / "kept"
            kept.mkdir()
            for name, path in WANTED.items():
                (Path(work) / "node_modules" / path).rename(kept / name)
            try:
                kept.rename(place)
            except OSError:  # another worker was faster, and has the same
                if not place.exists():
                    raise
    return place


def _install(work: Path) -> None:
    for name in LISTS:
        shutil.copy(HERE / name, work)
    npm = shutil.which("npm", path=sysconfig.get_path("scripts")) or shutil.which("npm", path=_ENVIRON.get("PATH"))
    if npm is None:
        raise Missing("there is no npm to bring GitHub's API description; pip install -e '.[dev]' brings one")
    path = f"{Path(npm).parent}{os.pathsep}{_ENVIRON.get('PATH', '')}"
    try:
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=work, env={**_ENVIRON, "PATH": path}, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Missing("npm took more than 180 s to bring GitHub's API description") from error
    if done.returncode != 0:
        raise Missing(f"npm could not bring GitHub's API description (package-lock.json):\n{done.stderr[-2000:]}")
