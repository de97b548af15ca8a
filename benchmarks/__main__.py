"""``python -m benchmarks``: how long daypass takes, as multiples of what git and Python take for the same.

Repositories are generated once (100,000 grants with 300,000 receipts, a history of 200,000 merges: some minutes and
2 GB) and reused; delete the folder to have them made anew. Machines are noisy: compare ratios, which are taken in one
run, and not seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Result, measure
from benchmarks.place import ROOT
from benchmarks.rows import ROWS, Scale


def main() -> int:
    """Measure, print a table, and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--folder", type=Path, default=cache / "daypass-benchmarks", help="where repositories are kept")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help=f"only rows whose name holds this: {'; '.join(ROWS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny repositories, once: shows that it runs, judges nothing"
    )
    options = parser.parse_args()
    # This checkout is what is measured, whatever is installed.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "src")], check=False)
    folder = options.folder.resolve()
    scale = Scale(folder, 200, 50, 20, 200) if options.quick else Scale(folder)
    missed = 0
    print(f"{'':22}{'seconds':>9}{'limit':>9}{'ratio':>9}{'(min-max)':>17}{'bar':>8}{'MB':>6}  against")
    for name, row in ROWS.items():
        if options.only in name:
            found = row(scale)
            result = measure(replace(found, rounds=1) if options.quick else found)
            judged = not options.quick and not result.met
            missed += judged
            print(_line(name, result) + ("  MISSED" if judged else ""), flush=True)
    return 1 if missed else 0


def _line(name: str, result: Result) -> str:
    spread = f"({result.spread[0]:.2f}-{result.spread[1]:.2f})"
    bar = f"{result.row.bar:.2f}" if result.row.bar else ""
    return (
        f"{name:22}{result.tool:9.2f}{result.limit:9.2f}{result.ratio:9.2f}{spread:>17}{bar:>8}{result.megabytes:6.0f}"
        f"  {result.row.against}"
    )


if __name__ == "__main__":
    sys.exit(main())
