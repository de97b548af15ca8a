"""What the schedules take of a plan's minutes, and how soon they take away: the page's table, reckoned from the workflow files."""

from __future__ import annotations

import math
import re

import pytest
from kept import TOP, workflows

DAYS = 30
HOURLY = ("gate", "apply", "expire")
PAGE = (TOP / "docs/github.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n### What it costs\n")[2].partition("\n### ")[0]
ROWS = {
    cells[0]: cells[1:]
    for line in SECTION.splitlines()
    if line.startswith("| every")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}
INTERVALS = {
    "every two hours": 120,
    "every hour, as the workflows are": 60,
    "every half hour": 30,
    "every quarter of an hour": 15,
    "every five minutes, GitHub's shortest": 5,
}
"""The table's rows, and the minutes from one run of a workflow to its next."""
WITHIN = {60: "an hour", 30: "half an hour"}
FLOWS = {flow.name: flow for flow in workflows("app")}


def crons(name: str) -> list[str]:
    return [one["cron"] for one in FLOWS[name].triggers["schedule"]]


def test_the_table_has_each_interval_once() -> None:
    assert list(ROWS) == list(INTERVALS)


def test_the_workflows_run_each_hour_and_take_away_twice_in_it() -> None:
    starts = {}
    for name in HOURLY:
        (cron,) = crons(name)
        found = re.fullmatch(r"(\d+) \* \* \* \*", cron)
        assert found, cron
        starts[name] = int(found[1])
    assert abs(starts["expire"] - starts["apply"]) == INTERVALS["every hour, as the workflows are"] // 2


def test_the_proof_is_weekly_beside_a_run_each_day() -> None:
    assert [re.sub(r"^\d+ \d+ ", "", cron) for cron in crons("drift")] == ["* * *", "* * 0"]


def test_each_scheduled_run_is_one_job() -> None:
    assert {name for name, flow in FLOWS.items() if "schedule" in flow.triggers} == {*HOURLY, "drift"}
    assert [len(FLOWS[name].jobs) for name in (*HOURLY, "drift")] == [1, 1, 1, 1]


@pytest.mark.parametrize("row", list(INTERVALS))
def test_a_row_says_what_its_interval_costs_on_each_plan(row: str) -> None:
    minutes = len(HOURLY) * DAYS * 24 * 60 // INTERVALS[row] + DAYS + DAYS // 7
    header = next(line for line in SECTION.splitlines() if line.startswith("| `gate`"))
    plans = [int(plan.replace(",", "")) for plan in re.findall(r"\(([\d,]+)\)", header)]
    assert plans == [2_000, 3_000, 50_000]
    shares = [f"{round(100 * minutes / plan):,} %" for plan in plans]
    half = math.ceil(INTERVALS[row] / 2)  # apply and expire take turns
    assert ROWS[row] == [f"{minutes:,}", *shares, f"{WITHIN.get(half, f'{half} minutes')}, at most"]


def test_what_a_request_and_a_removal_add_is_what_lives_through_the_workflows_count() -> None:
    lived = {
        name: (TOP / f"tests/e2e/{name}.py").read_text(encoding="utf-8")
        for name in ("test_setting_up", "test_life_of_a_grant")
    }
    words = {5: "five", 8: "eight"}
    for name, what, said in (
        ("test_setting_up", "REQUEST", "A request with one review adds about {} minutes"),
        ("test_life_of_a_grant", "REMOVAL", "The removal of what has ended adds {}."),
    ):
        listed = re.search(rf"^{what} = \[(.*)\]$", lived[name], re.MULTILINE)
        assert listed
        assert said.format(words[len(listed[1].split(","))]) in " ".join(SECTION.split())
