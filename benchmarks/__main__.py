"""``python -m benchmarks``: how long daypass takes, as multiples of what git and Python take for the same.

Repositories are generated once into a folder (``--folder``, by default the user's cache) and reused. Machines are noisy:
compare ratios, which are taken in one run, and not seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import Command, Row, measure
from benchmarks.policies import NOW
from benchmarks.repository import make
from daypass.core.window import format_instant
from daypass.edges.git.plumbing import Git

AT = format_instant(NOW)
PASS = Command([sys.executable, "-c", "pass"])


class Repository:
    """One generated repository."""

    def __init__(self, folder: Path, count: int, removed: int, *, receipts: bool) -> None:
        self.folder = folder / f"{count}-{removed}-{'receipts' if receipts else 'plain'}"
        self.git = self.folder / "access.git"
        self.state = self.git / "daypass"
        if not self.git.exists():
            print(f"generating {count} grants and {removed} that came and went …", file=sys.stderr, flush=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            make(self.folder, count, removed, receipts=receipts)

    def daypass(self, *arguments: str, drop: tuple[str, ...] = (), codes: frozenset[int] = frozenset({0})) -> Command:
        """Return a verb in this repository, with some caches dropped ahead of each run."""
        command = [sys.executable, "-m", "daypass", "-C", str(self.git), *arguments]
        return Command(command, {"DAYPASS_KEYS": str(self.folder / "keys")}, partial(self._drop, drop), codes)

    def _drop(self, names: tuple[str, ...]) -> None:
        for name in names:
            for path in self.state.glob(f"{name}*"):
                path.unlink()

    def blobs(self) -> Command:
        """Return git's own way to stream every blob of main to nothing."""
        git = f"git -C '{self.git}'"
        return Command(
            [
                "sh",
                "-c",
                f"{git} ls-tree -r --format='%(objectname)' main | {git} cat-file --batch --buffer >{os.devnull}",
            ]
        )

    def log(self, span: str) -> Command:
        """Return git's own way to list what each step of main changed."""
        return Command(["git", "-C", str(self.git), "log", "--first-parent", "-m", "--raw", "-z", "--no-renames", span])


def rows(folder: Path, *, small: bool) -> Iterator[Row]:
    """Yield every bar. ``small`` shrinks the repositories, to see that all of it runs."""
    many, few, steps = (2_000, 200, 2_000) if small else (100_000, 1_000, 200_000)
    big = Repository(folder, many, 0, receipts=True)
    little = Repository(folder, few, 0, receipts=True)
    yield Row("help", Command([sys.executable, "-m", "daypass", "--help"]), PASS, "python -c pass", 6)
    completion = {"_DAYPASS_COMPLETE": "bash_complete", "COMP_WORDS": "daypass ", "COMP_CWORD": "1"}
    yield Row("completion", Command([sys.executable, "-m", "daypass"], completion), PASS, "python -c pass", 6)
    who = big.daypass("can", "p0000", "archive-db-009", "readonly", codes=frozenset({0, 20}))
    yield Row("can", who, PASS, "python -c pass", 6)
    check = ("check", "--revision", "main")
    yield Row("check, cold", big.daypass(*check, drop=("verdicts",)), big.blobs(), "git cat-file", 10, rounds=3)
    yield Row("check, warm", big.daypass(*check), big.blobs(), "git cat-file", 0.35)
    pull = ("check", "--base", "main", "--head", "pull", "--requester", "p0100", "--at", AT)
    right = frozenset({0, 11})
    yield Row(
        "check one request",
        big.daypass(*pull, codes=right),
        little.daypass(*pull, codes=right),
        f"the same among {few}",
        1.5,
    )
    yield Row("plan, warm", big.daypass("plan", "--at", AT), big.blobs(), "git cat-file", 0.6)
    yield Row(
        "plan, reckoned anew", big.daypass("plan", "--at", AT, drop=("calm",)), big.blobs(), "git cat-file", 4, rounds=3
    )
    yield Row("apply, nothing to do", big.daypass("apply", "--at", AT), big.blobs(), "git cat-file", 1)
    ask = ("audit", "access", "--resource", "archive-db-009", "--at", AT)
    yield Row("audit access", big.daypass(*ask), PASS, "python -c pass", 12)
    yield Row(
        "audit history", big.daypass("audit", "history", "--subject", "p0013", "--at", AT), PASS, "python -c pass", 12
    )
    long = Repository(folder, steps // 2, steps // 4, receipts=False)
    yield Row("index, built", long.daypass(*ask, drop=("audit",)), long.log("main"), "git log", 1.5, rounds=3)
    yield Row("index, question", long.daypass(*ask), PASS, "python -c pass", 12)


def receipts(folder: Path, *, small: bool) -> str:
    """Say what ``audit verify`` takes a receipt. It has no counterpart in git, so its bar is absolute: 250 µs."""
    big = Repository(folder, 2_000 if small else 100_000, 0, receipts=True)
    count = int(Git(big.git).text("ls-tree", "-r", "--name-only", "daypass-ledger").count("\n")) + 1
    verify = big.daypass("audit", "verify", "--at", AT)
    result = measure(Row("audit verify", verify, PASS, "", 0, rounds=1))
    each = result.tool / count * 1e6
    return f"audit verify: {count} receipts in {result.tool:.1f} s, {each:.0f} µs each (bar 250), {result.megabytes:.0f} MB"


def main() -> int:
    """Measure, print a table, and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--folder", type=Path, default=cache / "daypass-benchmarks", help="where repositories are kept")
    parser.add_argument("--only", default="", help="measure only the rows whose name holds this")
    parser.add_argument(
        "--quick", action="store_true", help="tiny repositories: shows that it runs, and judges nothing"
    )
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(Path(__file__).parents[1] / "src")], check=False)
    missed = 0
    print(f"{'':22}{'seconds':>9}{'limit':>9}{'ratio':>8}{'(min-max)':>16}{'bar':>7}{'MB':>6}  against")
    for row in rows(options.folder, small=options.quick):
        if options.only not in row.name:
            continue
        result = measure(row)
        verdict = "" if options.quick or result.met else "  MISSED"
        missed += bool(verdict)
        low, high = result.spread
        print(
            f"{row.name:22}{result.tool:9.2f}{result.limit:9.2f}{result.ratio:8.2f}{f'({low:.2f}-{high:.2f})':>16}"
            f"{row.bar:7.2f}{result.megabytes:6.0f}  {row.limit_name}{verdict}",
            flush=True,
        )
    if options.only in "audit verify":
        print(receipts(options.folder, small=options.quick), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
