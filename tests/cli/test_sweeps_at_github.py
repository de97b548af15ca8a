"""A gate that looks at every open request asks again of those alone that changed since it looked at them last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.core.window import format_instant
from hub import REPOSITORY, Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True) as made:
        made.advance(minutes=2)
        yield made


def sweep(hub: Hub, expect: int = 0) -> tuple[str, int]:
    """Run the gate over all that is open, a while after the last; return what it said and how many calls it took."""
    hub.advance(seconds=3)
    before = len(hub.calls)
    said = hub.run("gate", "--at", format_instant(hub.now()), expect=expect)
    return said.out, sum(".git/" not in call.path for call in hub.calls[before:])


def settled(hub: Hub) -> None:
    """Let the gate tell everybody, and see what became of that."""
    sweep(hub)
    sweep(hub)


def test_what_is_as_it_was_is_not_asked_of_again(hub: Hub) -> None:
    numbers = [hub.request_pull("alice", hub.grant(reason=f"reading order {n} of a complaint")) for n in range(3)]
    settled(hub)
    said, calls = sweep(hub)
    assert said == "3 open, none changed since it was looked at last.\n"
    assert calls <= 3
    hub.approve(numbers[1], "bob")
    said, calls = sweep(hub)
    assert f"#{numbers[1]}" in said
    assert f"#{numbers[0]}" not in said
    hub.approve(numbers[1], "dave")
    assert "merged" in sweep(hub)[0]


PAGE = (Path(__file__).parents[2] / "docs" / "github-calls.md").read_text(encoding="utf-8")
TOLD = [[int(cell) for cell in row] for row in re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize(("many", "quiet", "changed"), TOLD[:2])
def test_a_sweep_takes_the_calls_that_the_page_says(hub: Hub, many: int, quiet: int, changed: int) -> None:
    numbers = [hub.request_pull("alice", hub.grant(reason=f"reading order {n} of a complaint")) for n in range(many)]
    settled(hub)
    assert sweep(hub)[1] == quiet
    hub.advance(seconds=5)
    for number in numbers:
        hub.api("bob", "POST", f"/repos/{REPOSITORY}/issues/{number}/labels", {"labels": ["urgent"]})
    assert sweep(hub)[1] == changed


def test_a_hundred_take_what_one_does_and_six_for_each_that_changed() -> None:
    assert [row[0] for row in TOLD] == [1, 20, 100]
    assert all((quiet, changed) == (3, 3 + 1 + 6 * many) for many, quiet, changed in TOLD)


@pytest.mark.parametrize("change", ["comment", "label", "draft", "push", "base"])
def test_whatever_happens_to_a_request_has_it_looked_at(hub: Hub, change: str) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    hub.advance(seconds=5)
    issue = f"/repos/{REPOSITORY}/issues/{number}"
    if change == "comment":
        hub.api("bob", "POST", f"{issue}/comments", {"body": "which orders?"})
    elif change == "label":
        hub.api("olga", "POST", f"{issue}/labels", {"labels": ["urgent"]})
    elif change == "draft":
        hub.repo.pulls[number].draft = True
    elif change == "push":
        branch = hub.pull(number)["head"]["ref"]
        hub.push_branch("alice", branch, {"grants/orders-db/alice-1.yaml": hub.grant(duration="1h")})
    else:
        hub.api("alice", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"title": "Access, please"})
    assert f"#{number}" in sweep(hub)[0]


def test_a_main_or_a_ledger_that_moved_has_all_looked_at(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    other = hub.request_pull("carol", hub.grant(subject="carol"))
    for who in ("bob", "dave"):
        hub.approve(other, who)
    hub.run("gate", str(other), "--at", format_instant(hub.now()))
    assert f"#{number}" in sweep(hub)[0]
    sweep(hub)
    assert "none changed" in sweep(hub)[0]
    hub.run("apply", "--at", format_instant(hub.now()))
    assert f"#{number}" in sweep(hub)[0]


def test_time_alone_has_a_request_closed_that_nobody_answered(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    assert "none changed" in sweep(hub)[0]
    hub.advance(days=8)
    assert "closed" in sweep(hub)[0]
    assert hub.pull(number)["state"] == "closed"


def test_a_record_that_somebody_else_wrote_is_not_believed(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    settled(hub)
    for run in [one for one in hub.repo.checks.values() if one.name == "daypass gate"]:
        run.app = hub.double.app("another", permissions={"checks": "write"}, repositories=[REPOSITORY])
    assert f"#{number}" in sweep(hub)[0]


def test_a_partial_answer_is_an_error_and_no_shorter_list(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.request_pull("alice", hub.grant())
    del hub.app.permissions["checks"]
    said = hub.run("gate", "--at", format_instant(hub.now()), expect=1)
    assert "GitHub does not list the open pull requests: Resource not accessible by integration" in said.err
