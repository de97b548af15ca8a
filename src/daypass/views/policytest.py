"""What policy tests found, as text and JSON."""

from __future__ import annotations

from daypass.core.policy.policytest import Results
from daypass.views.findings import as_document, joined


def tests_text(results: Results) -> str:
    """Write each case, and where the decision differs from what it expects."""
    lines = []
    for outcome in results.outcomes:
        lines.append(f"{'ok  ' if outcome.passed else 'FAIL'}  {outcome.name}")
        if outcome.passed:
            continue
        lines.append(f"      at {outcome.place}")
        lines += [f"      - expected {word}" for word in outcome.missing]
        lines += [f"      + got      {word}" for word in outcome.surplus]
        lines += [f"        {denial.message}" for denial in outcome.decision.denials]
    failed = sum(1 for outcome in results.outcomes if not outcome.passed)
    lines += [f"note: no case makes rule {rule} apply" for rule in results.untried]
    lines.append(f"{len(results.outcomes) - failed} passed, {failed} failed")
    return joined(lines)


def tests_json(results: Results) -> str:
    """Write the results as JSON, version 1."""
    data = {
        "version": 1,
        "passed": results.passed,
        "untried": list(results.untried),
        "cases": [
            {
                "name": outcome.name,
                "place": str(outcome.place),
                "passed": outcome.passed,
                "expected": list(outcome.expected),
                "got": list(outcome.got),
            }
            for outcome in results.outcomes
        ],
    }
    return as_document(data)
