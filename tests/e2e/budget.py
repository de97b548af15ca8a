"""What the way from the approving review to the receipt costs: every run from the review's event to the applier's."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from life import Life
from runner import Run

SECONDS, CALLS = 5.0, 20
"""What that way may cost at most, in processor time and API calls: a stranger's call is one of them."""

_PAGE = (Path(__file__).parents[2] / "docs" / "github-calls.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `(?:gate|apply)`(?P<issue>, an issue asked)? \| `(?P<call>[A-Z]+ [^`]+)` \|", re.MULTILINE)


def named(*, issue: bool = False) -> list[str]:
    """Return the calls that the page names, of a request that was asked for in an issue or not."""
    return [row["call"] for row in _ROW.finditer(_PAGE) if issue or not row["issue"]]


def counted(life: Life) -> list[Run]:
    """Let happen what follows, where each run loads daypass as it does at GitHub."""
    life.runner.load(fresh=True)
    runs = life.runner.settle()
    life.runner.load(fresh=False)
    return runs


def within_budget(runs: list[Run], *, issue: bool = False, more: int = 0) -> None:
    """Hold the runs until the receipt to the budget, and to the calls that the page names; what is told after it is left out.

    ``more``: so many approved besides the two that the page counts, each a call of the gate's.
    """
    until = [run.name for run in runs].index("apply") + 1
    spent = [each for run in runs[:until] for each in run.spent]
    every = [call for run in runs[:until] for call in run.calls]
    receipt = max(place for place, call in enumerate(every) if "git-receive-pack" in call.path)
    calls = [call for call in every[:receipt] if call.template]
    seconds = sum(each.seconds for each in spent)
    told = [f"from the approving review to the receipt: {seconds:.2f} s of processor time, {len(calls)} API calls"]
    told += [f"  {each.seconds:.2f} s  daypass {each.words}" for each in spent]
    told += [f"  {call.method} {call.path}" for call in calls]
    sys.stderr.write("\n".join(["", *told, ""]))
    assert {each.words.split()[0] for each in spent} == {"gate", "apply"}
    assert seconds <= SECONDS, told
    assert len(calls) - more <= CALLS, "\n".join(told)
    assert f"{len(calls) - more} where an issue" in _PAGE if issue else f"they take {len(calls)} calls" in _PAGE
    expected = named(issue=issue)
    asked = expected.index("GET user/{}")
    expected[asked:asked] = ["GET user/{}"] * more
    made = [f"{call.method} {_place(call.template)}" for call in calls]
    assert made == expected, [pair for pair in zip(made, expected, strict=False) if pair[0] != pair[1]]


def _place(template: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", re.sub(r"^/(repos/\{owner\}/\{repo\}/|app/installations/\{id\}/)?", "", template))
