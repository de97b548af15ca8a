"""Write the tables of docs/targets/index.md from what each target's contract declares: ``python tests/docs/targets_table.py``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from pages import TOP, between, put_between

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "helpers")]  # where the contracts stand, and what they are written with

FOLDER = TOP / "docs" / "targets"
INDEX = FOLDER / "index.md"
NO_KIND = frozenset({"index", "writing-one"})


def contract(kind: str) -> Any:
    """Return the contract of a kind: the first class of that kind in ``tests/conformance/test_<kind>.py``."""
    module = import_module(f"conformance.test_{kind}")
    ours = [made for made in vars(module).values() if getattr(made, "kind", None) == kind]
    assert ours, f"tests/conformance/test_{kind}.py has no contract of kind {kind}"
    return ours[0]


def contracts() -> dict[str, Any]:
    """Return the contract of every kind of the registry."""
    from daypass.edges.targets.registry import TARGETS

    return {kind: contract(kind) for kind in sorted(TARGETS)}


def kinds_text() -> str:
    """Return the table of what each kind can do."""
    from daypass.edges.targets.registry import fingerprints

    rows = [
        "| kind | ends by itself | shows all | hands over | rests | at once | calls |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, bench in contracts().items():
        able = bench.traits
        blind = "reading" in bench.lacks
        shows, calls = ("nothing can be seen", "none") if blind else ("yes", bench.observing)
        rests = _yes(fingerprints(kind))
        words = (_yes(bench.ends_by_itself), shows, _yes(able.hands_over), rests, able.at_once, calls)
        rows.append(f"| [`{kind}`]({kind}.md) | {' | '.join(map(str, words))} |")
    return "\n".join(rows) + "\n"


def lacks_text() -> str:
    """Return the table of what no contract asks, and why."""
    rows = ["| kind | lacks | because |", "| --- | --- | --- |"]
    for kind, bench in contracts().items():
        rows += [f"| `{kind}` | {name} | {why} |" for name, why in bench.lacks.items()]
    return "\n".join(rows) + "\n"


TABLES = (("kinds", kinds_text), ("lacks", lacks_text))


def _yes(word: bool) -> str:
    return "yes" if word else "no"


if __name__ == "__main__":
    for part, make in TABLES:
        if between(INDEX, part) != make():
            put_between(INDEX, part, make())
            print(f"wrote {part} in {INDEX.relative_to(TOP)}")  # noqa: T201
