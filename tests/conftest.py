"""What every test shares: a machine of its own, so that nobody's git configuration or keys take part."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path

import hypothesis
import pytest

import copies
import policies_once
from driver import Access
from founded import example, in_memory

copies.work_in_memory()

# Machines are shared: a slow example is no fault. Each run tries other examples, and a nightly one ten times as many.
hypothesis.settings.register_profile("shared", deadline=None, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=400)
hypothesis.settings.load_profile("shared")


_COMPILED = "COMPILED_FOR_TESTS"
"""Names a folder to every worker, for code that was compiled."""
_TESTS = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Make once for all workers what tests begin with; and compile once where Python is told to keep nothing."""
    copies.room()
    if sys.dont_write_bytecode:
        if _COMPILED not in os.environ:
            cache = getattr(config, "cache", None)  # there is none with -p no:cacheprovider
            if cache is None:
                folder = passing = tempfile.mkdtemp(prefix="daypass-compiled-")
            else:
                folder = str(cache.mkdir("compiled"))  # for the next time too
                passing = folder + tempfile.gettempdir()  # but for programs that a test installed
            os.environ[_COMPILED] = folder
            atexit.register(shutil.rmtree, passing, ignore_errors=True)
        sys.dont_write_bytecode, sys.pycache_prefix = False, os.environ[_COMPILED]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no worker is alone with one at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Look no more through what stays to the end."""
    gc.freeze()


def pytest_runtest_setup() -> None:
    """Now and then let go of what only cycles hold, such as errors that were caught: git runs for many of them."""
    if not next(_TESTS) % 25:
        gc.collect()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long took what a test says it of."""
    for report in terminalreporter.stats.get("passed", []):
        for what, how_long in (pair for pair in report.user_properties if pair[0] == "took"):
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]} {what} {how_long}")


@pytest.fixture(autouse=True)
def own_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("TZ", "Pacific/Auckland")  # nothing may depend on the machine's zone
        # A workflow that runs these tests sets GitHub's own variables, which would name another repository and token.
        ours = [name for name in os.environ if name.startswith(("DAYPASS_", "GITHUB_", "GH_"))]
        if compiled := os.environ.get(_COMPILED):
            patch.setenv("PYTHONPYCACHEPREFIX", compiled)
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        for name in (*ours, "SSH_AUTH_SOCK", "GIT_DIR", "GIT_WORK_TREE", "COLUMNS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _held_to_github() -> None:
    """Every exchange of every test with the double is as GitHub describes its API, or the test fails."""
    from contract.held import inspect
    from github_double import Double

    Double.inspectors.append(inspect)


@pytest.fixture(autouse=True, scope="session")
def _policies_read_once() -> Iterator[None]:
    with policies_once.read_once():
        yield


@pytest.fixture(autouse=True)
def _policies_read_apart(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep for nobody else what is read while a test has put something else in daypass's place."""
    with policies_once.apart() if "monkeypatch" in request.fixturenames else nullcontext():
        yield


@pytest.fixture
def access(tmp_path: Path, request: pytest.FixtureRequest) -> Access:
    """The worked example, founded at 2026-11-20T08:00:00Z on a simulated clock: in memory, where no git is started.

    Tests that need git itself, or this machine's files, are marked ``on_disk``.
    """
    if not request.node.get_closest_marker("on_disk"):
        return in_memory(tmp_path / "access", "2026-11-20T08:00:00Z")
    made = example(tmp_path / "access", "2026-11-20T08:00:00Z")
    if "monkeypatch" in request.fixturenames:  # what a verb does may be another thing in such a test
        made.scene = None
    return made
