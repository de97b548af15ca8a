"""Random conditions for a while, by the engine and by the second implementation of CEL (`second`): they must agree.

    cd tests/core/cel && PYTHONPATH=../../helpers python fuzz_conditions.py --seconds 60

Ends with 1 and the smallest condition on which the two differ, or where it tried none. Each core has random numbers of its own,
which ``--seed`` sets, so that what was found is found again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from multiprocessing import get_context

from hypothesis import HealthCheck, Phase, given, seed, settings
from second import FACTS, Term, Wrong, terms

from daypass.core.finding import Place
from daypass.core.policy.cel.expression import Condition, EvaluationFailure, compile_condition
from daypass.core.policy.cel.source import spread

BATCH = 250
"""So many conditions are made between two looks at the clock."""


def agree(term: Term) -> tuple[bool | None, bool | None]:
    """Return what a condition comes to by each, None for an error."""
    found = compile_condition(term.text, Place("rules.yaml", 1, 1, "when"), spread(term.text, 1, 1, term.text))
    assert isinstance(found, Condition), f"{term.text}: {found}"
    said = found.holds(FACTS)
    try:
        wanted: bool | None = bool(term.means(FACTS))
    except Wrong:
        wanted = None
    return None if isinstance(said, EvaluationFailure) else said, wanted


def fuzz(first: int, seconds: float) -> tuple[dict[str, int], str]:
    """Try batches until the time is over; return how many came to what, and the first disagreement, "" for none."""
    counts = {"true": 0, "false": 0, "error": 0}
    end, number = time.monotonic() + seconds, first

    @settings(
        max_examples=BATCH, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(terms())
    def batch(term: Term) -> None:
        found, wanted = agree(term)
        counts["error" if wanted is None else str(wanted).lower()] += 1
        assert found is wanted, f"{term.text}: the engine says {found}, the definition {wanted}"

    while True:
        try:
            seed(number)(batch)()
        except AssertionError as error:
            return counts, f"seed {number}: {error}"
        number += 1
        if time.monotonic() >= end:
            return counts, ""


def main(argv: list[str]) -> int:
    """Fuzz on every core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args(argv)
    cores = os.cpu_count() or 1
    with get_context("spawn").Pool(cores) as pool:
        work = [(wanted.seed + core * 1_000_000, wanted.seconds) for core in range(cores)]
        answers = pool.starmap(fuzz, work)
    told = {word: sum(counts[word] for counts, _ in answers) for word in ("true", "false", "error")}
    wrong = [text for _, text in answers if text]
    tried = sum(told.values())
    summary = ", ".join(f"{count} {word}" for word, count in told.items())
    sys.stdout.write("\n".join([f"{tried} conditions: {summary}; {len(wrong)} disagreements", *wrong, ""]))
    return 1 if wrong or not all(told.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
