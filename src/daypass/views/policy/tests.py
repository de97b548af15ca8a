"""What the examples of policies/tests found, in words, as data, and as JUnit's XML for whoever collects that."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from daypass.core.policy.analysis.probe import CaseOutcome, Results, Side
from daypass.views.findings import as_output, joined, printable

_UNSEEN = {
    Side.APPLIES_NOT: "rule {} applies in every case: none shows where it does not",
    Side.ALLOWS: "no case shows what rule {} lets pass",
    Side.DENIES: "no case makes rule {} deny",
}


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
    lines += [f"note: {_UNSEEN[side].format(rule)}" for rule, side in results.unseen]
    lines.append(f"{len(results.outcomes) - failed} passed, {failed} failed")
    return joined(lines)


def tests_json(results: Results) -> str:
    """Write the results as JSON, version 1."""
    data = {
        "passed": results.passed,
        "untried": list(results.untried),
        "unseen": [{"rule": rule, "side": side.value} for rule, side in results.unseen],
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
    return as_output(data)


def tests_junit(results: Results) -> str:
    """Write the results as JUnit's XML, as its readers take it: a suite a file, and what differs in each failure."""
    root = ET.Element("testsuites", name="policy tests")
    suites: dict[str, ET.Element] = {}
    counts = Counter((outcome.place.file, outcome.passed) for outcome in results.outcomes)
    for outcome in results.outcomes:
        file = outcome.place.file
        failures = counts[file, False]
        if file not in suites:
            total = str(failures + counts[file, True])
            suites[file] = ET.SubElement(
                root, "testsuite", name=printable(file), tests=total, failures=str(failures), errors="0", skipped="0"
            )
        case = ET.SubElement(suites[file], "testcase", classname=printable(file), name=printable(outcome.name))
        case.set("line", str(outcome.place.line))
        if not outcome.passed:
            text = printable("; ".join(_differences(outcome)))
            ET.SubElement(case, "failure", message=text).text = text
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written.decode() + "\n"


def _differences(outcome: CaseOutcome) -> list[str]:
    return [*(f"expected {word}" for word in outcome.missing), *(f"got {word}" for word in outcome.surplus)]
