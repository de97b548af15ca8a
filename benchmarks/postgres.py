"""``python -m benchmarks.postgres``: how long PostgreSQL's access takes to come, to be seen and to go, at a real server.

Three rows. *observe*: 10,000 memberships by one query, against psql with the same query. *apply*: a run with 1,000 grants
due, each change with its signed receipt in the ledger, against psql with a script of the same statements. *revoke*: 1,000
grants that end at one instant while `daypass watch` runs, seen from outside by 1,000 sessions that keep reading; what
counts is when the last of them read anything. Needs PostgreSQL's programs (Debian: ``apt-get install postgresql``).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.place import ROOT
from benchmarks.policies import person
from benchmarks.postgres_place import ROLE, VARIABLE, make
from daypass.core.window import Window
from daypass.edges.targets.postgres.sql import OBSERVE

sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from servers.postgres import Postgres, server

PASSWORD = "bench"  # noqa: S105  (of a server that is made here and thrown away)
ROUNDS = 3
APPLY_BAR = 3.0
REVOKE_BAR = 1.0

_APPLIER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from daypass.cli.runs.running import run_apply
from daypass.cli.repository import AccessRepository
site = AccessRepository(Path(sys.argv[1]))
site.standing, site.policy, site.targets()
began = time.perf_counter()
done = run_apply(site, datetime.now(UTC).replace(microsecond=0))
seconds = time.perf_counter() - began
assert len(done.outcomes) == int(sys.argv[2]) and all(outcome.ok for outcome in done.outcomes)
print(seconds)
"""
"""What a running applier does when many grants fall due: `watch` has the program loaded and the ledger read."""

_OBSERVER = """
import os, sys, time
from daypass.core.catalogue import TargetSettings
from daypass.edges.targets.postgres.target import open_postgres
target = open_postgres(TargetSettings("orders", "postgres", {"url_env": sys.argv[1]}), os.environ)
target.health()
began = time.perf_counter()
assert len(target.observe()) == int(sys.argv[2])
print(time.perf_counter() - began)
"""


def main() -> int:
    """Measure, print a line a row, and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.postgres", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few people: shows that it runs, judges nothing")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    changes, many = (20, 100) if options.quick else (1000, 10_000)
    missed = 0
    for row in (lambda: _observe(many), lambda: _apply(changes), lambda: _revoke(changes)):
        words, met = row()
        missed += not met and not options.quick
        print(words + ("" if met or options.quick else "  MISSED"), flush=True)
    return 1 if missed else 0


def _prepare(cluster: Postgres, people: int) -> None:
    """Let people exist, and the credential of least privilege."""
    cluster.boss(
        f"CREATE ROLE {ROLE}",
        f"CREATE ROLE daypass LOGIN CREATEROLE PASSWORD '{PASSWORD}'",
        "GRANT pg_signal_backend TO daypass",
        f"GRANT {ROLE} TO daypass WITH ADMIN OPTION",
        "CREATE TABLE orders (id int, total int)",
        f"GRANT SELECT ON orders TO {ROLE}",
        *(f"CREATE ROLE {person(n)} LOGIN PASSWORD '{PASSWORD}'" for n in range(people)),
    )
    os.environ[VARIABLE] = cluster.url("daypass", PASSWORD)


def _observe(many: int) -> tuple[str, bool]:
    with server(fsync=True, connections=50) as cluster, tempfile.TemporaryDirectory() as top:
        _prepare(cluster, 1)
        _apply_all(Path(top) / "one", 1)
        (name,) = (role for role in cluster.roles() if role.startswith("daypass."))
        cluster.boss(*(f'CREATE ROLE many{n} LOGIN IN ROLE "{name}"' for n in range(many - 1)))
        script = Path(top) / "observe.sql"
        script.write_bytes(OBSERVE + b";")
        ours = [float(_python(_OBSERVER, VARIABLE, str(many))) for _ in range(ROUNDS)]
        theirs = [_psql(script) for _ in range(ROUNDS)]
    tool, limit = statistics.median(ours), statistics.median(theirs)
    return f"observe {many}: {tool:.2f} s in one query; psql with the same query {limit:.2f} s", True


def _apply(count: int) -> tuple[str, bool]:
    ratios, ours, whole = [], [], []
    with server(fsync=True, connections=50) as cluster, tempfile.TemporaryDirectory() as top:
        _prepare(cluster, count)
        for n in range(ROUNDS):
            seconds, place = _apply_all(Path(top) / f"round-{n}", count)
            (name,) = (role for role in cluster.roles() if role.startswith("daypass."))
            give, take = Path(top) / "give.sql", Path(top) / "take.sql"
            give.write_text("".join(f'GRANT "{name}" TO "{person(p)}";\n' for p in range(count)))
            take.write_text("".join(f'REVOKE "{name}" FROM "{person(p)}";\n' for p in range(count)))
            _psql(take)
            ratios.append(seconds / _psql(give))
            ours.append(seconds)
            _psql(take)
            whole.append(_timed(lambda place=place: _daypass(place, "apply")))
            _psql(take)
    ratio = statistics.median(ratios)
    words = (
        f"apply {count}: {statistics.median(ours):.2f} s with receipts, {ratio:.2f} times psql's script "
        f"({min(ratios):.2f}-{max(ratios):.2f}), bar {APPLY_BAR:g}; a whole `daypass apply` {statistics.median(whole):.2f} s"
    )
    return words, ratio <= APPLY_BAR


def _revoke(count: int) -> tuple[str, bool]:
    with server(fsync=True, connections=count + 50) as cluster, tempfile.TemporaryDirectory() as top:
        _prepare(cluster, count)
        lasts = 20 + count // 25
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
        end = start + timedelta(minutes=1, seconds=lasts)
        make(Path(top) / "place", count, Window(start, end))
        place = Path(top) / "place"
        _daypass(place, "apply")
        conninfo = f"host=127.0.0.1 port={cluster.port} dbname=postgres password={PASSWORD} sslmode=disable"
        clients = [sys.executable, "-m", "benchmarks.postgres_clients", conninfo, str(count), str(lasts + 20)]
        with subprocess.Popen(clients, stdout=subprocess.PIPE, text=True, cwd=ROOT) as trying:
            assert trying.stdout is not None
            assert trying.stdout.readline() == "ready\n"
            assert datetime.now(UTC) < end - timedelta(seconds=2), "the machine is too slow for this row"
            with subprocess.Popen(_verb(place, "watch"), stdout=subprocess.DEVNULL, env=_environment(place)) as watch:
                found = json.loads(trying.stdout.read())
                watch.send_signal(signal.SIGTERM)
        said = _daypass(place, "audit", "stats")
    assert found["again"] == [], "somebody gets in again"
    assert None not in found["out"], "somebody stayed in"
    late = max(found["read"]) - end.timestamp()
    gone = [out - end.timestamp() for out in found["out"]]
    assert min(gone) >= 0, "somebody was out before the end"
    words = (
        f"revoke {count}: {late:.2f} s after the end the last one read something, bar {REVOKE_BAR:g}; the server had ended "
        f"half of the sessions after {statistics.median(gone):.2f} s and all after {max(gone):.2f} s; "
        f"audit stats: {_histogram(said)}"
    )
    return words, late <= REVOKE_BAR


def _histogram(said: str) -> str:
    """Return what `audit stats` says of how late removals came, on one line."""
    lines = said.split("Removals by how late they came:", 1)[1].strip().splitlines()
    return ", ".join(" ".join(line.split()) for line in lines if line.strip())


def _apply_all(folder: Path, count: int) -> tuple[float, Path]:
    """Make a repository of that many grants, apply it, and return how long that took."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    make(folder, count, Window(start, start + timedelta(hours=6)))
    os.environ["DAYPASS_KEYS"] = str(folder / "keys")
    return float(_python(_APPLIER, str(folder / "access.git"), str(count))), folder


def _python(program: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ).stdout


def _psql(script: Path) -> float:
    """Run a script as the credential and return how long it took."""
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script), os.environ[VARIABLE]]
    return _timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _verb(place: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "daypass", "-C", str(place / "access.git"), *words]


def _environment(place: Path) -> dict[str, str]:
    return {**os.environ, "DAYPASS_KEYS": str(place / "keys")}


def _daypass(place: Path, *words: str) -> str:
    run = subprocess.run(_verb(place, *words), check=True, stdout=subprocess.PIPE, text=True, env=_environment(place))
    return run.stdout


if __name__ == "__main__":
    sys.exit(main())
