"""Access that ends when its task is done: an issue that is closed, a pull request that is merged, at GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import getmembers, isfunction
from pathlib import Path

import pytest

from daypass.cli.runs.running import _ClosedForge
from daypass.core.errors import EdgeError
from daypass.core.window import format_instant
from daypass.ports import ForgeReader
from hub import REPOSITORY, Hub

ORDERS = "acme/orders"
WATCH = {"DAYPASS_WATCH_TOKEN": ""}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path, simulated=True, protected=False) as made:
        made.orders = made.double.repository(ORDERS, private=True)  # type: ignore[attr-defined]
        made.orders.collaborate(made.people["olga"], "admin")  # type: ignore[attr-defined]
        reader = made.double.user("acme-watch", 990001)
        made.orders.collaborate(reader, "read")  # type: ignore[attr-defined]
        WATCH["DAYPASS_WATCH_TOKEN"] = made.double.token(
            reader, {"issues": "read", "pull_requests": "read"}, repositories=[ORDERS]
        )
        settings = made.bare("show", "main:policies/daypass.yaml")
        watch = f"watch: {{repositories: [{ORDERS}], token_env: DAYPASS_WATCH_TOKEN}}"
        changed = settings.replace("{kind: github, ", f"{{kind: github, {watch}, ", 1)
        assert changed != settings
        made.push_branch("olga", "main", {"policies/daypass.yaml": changed + "\n"})
        yield made


def issue(hub: Hub, repository: str = REPOSITORY) -> str:
    number = hub.api("olga", "POST", f"/repos/{repository}/issues", {"title": "Duplicate charges"})["number"]
    return f"{repository}#{number}"


def close(hub: Hub, name: str, state: str = "closed") -> None:
    repository, _, number = name.partition("#")
    hub.api("olga", "PATCH", f"/repos/{repository}/issues/{number}", {"state": state})


def run(hub: Hub, *words: str, expect: int | None = 0, watch: bool = True) -> str:
    hub.advance(minutes=1)
    said = hub.run(*words, "--at", format_instant(hub.now()), expect=expect, environ=WATCH if watch else {})
    return said.out + said.err


def granted(hub: Hub, ends_when: str) -> None:
    number = hub.request_pull("alice", hub.grant(more=f"ends_when:\n  {ends_when}\n"))
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    assert "merged as" in run(hub, "gate", str(number))


@pytest.mark.parametrize("repository", [REPOSITORY, ORDERS])
def test_a_closed_issue_ends_access_at_the_next_run_for_good(hub: Hub, repository: str) -> None:
    name = issue(hub, repository)
    granted(hub, f"issue_closed: {name}")
    assert "window opened" in run(hub, "apply")
    assert "1 granted" in run(hub, "status")
    assert f"  ends when issue_closed: {name}\n" in hub.run("explain", "orders-db/alice-1").out
    assert "No changes" in run(hub, "apply")
    close(hub, name)
    when = format_instant(hub.now())
    assert f"issue {name} was closed at {when}, which ends it" in run(hub, "status")
    drifted = run(hub, "drift", expect=13)
    assert f"(ended early: issue {name} was closed at {when})" in drifted
    said = run(hub, "apply")
    assert f"ended early: issue {name} was closed at {when}" in said
    close(hub, name, "open")
    assert "No changes" in run(hub, "apply")
    assert "0 granted" in run(hub, "status")
    run(hub, "audit", "verify")
    history = run(hub, "audit", "history", "--subject", "alice")
    assert f"issue {name} was closed at {when}" in history
    assert "retention" not in history


def test_what_was_done_before_it_was_merged_gives_nothing(hub: Hub) -> None:
    name = issue(hub)
    close(hub, name)
    granted(hub, f"issue_closed: {name}")
    assert "was closed at" in run(hub, "apply")
    assert "0 granted" in run(hub, "status")
    run(hub, "audit", "verify")


def test_what_cannot_be_looked_at_is_named_and_the_window_ends_it(hub: Hub) -> None:
    name = issue(hub, ORDERS)
    granted(hub, f"issue_closed: {name}")
    said = run(hub, "apply", watch=False)
    assert f"issue_closed {name}: DAYPASS_WATCH_TOKEN is not set here; it goes on until its window ends" in said
    close(hub, name)
    assert "1 granted" in (status := run(hub, "status", watch=False))
    assert "DAYPASS_WATCH_TOKEN is not set here" in status
    hub.advance(hours=2)
    assert "expired" in run(hub, "apply", watch=False)


def test_what_nobody_watches_is_denied(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(more="ends_when:\n  pull_merged: acme/payments#3\n"))
    said = run(hub, "gate", str(number), expect=11)
    assert "ends_when: nobody can look at pull_merged acme/payments#3" in said
    assert "have acme/payments added to forge.watch in policies/daypass.yaml, or remove ends_when" in said


def test_a_merged_pull_request_ends_it_and_an_issue_of_that_number_does_not(hub: Hub) -> None:
    pull = hub.request_pull("bob", hub.grant(subject="bob", resource="staging", role="deploy"))
    granted(hub, f"pull_merged: {REPOSITORY}#{pull}")
    run(hub, "apply")
    assert "1 granted" in run(hub, "status")
    run(hub, "apply")
    hub.approve(pull, "alice")
    run(hub, "gate", str(pull))
    said = run(hub, "apply")
    assert f"pull request {REPOSITORY}#{pull} was merged at" in said
    run(hub, "audit", "verify")


def test_a_repository_of_another_name_by_now_ends_nothing(hub: Hub) -> None:
    name = issue(hub, ORDERS)
    granted(hub, f"issue_closed: {name}")
    run(hub, "apply")
    close(hub, name)
    hub.double.rename(hub.orders, "parcels")  # type: ignore[attr-defined]
    said = run(hub, "apply")
    assert "acme/orders is called acme/parcels now; it goes on until its window ends" in said


def test_a_narrowing_that_names_what_nobody_watches_asks_nothing_of_it(hub: Hub) -> None:
    path = "grants/orders-db/once.yaml"
    number = hub.request_pull("alice", hub.grant(), path=path)
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    run(hub, "gate", str(number))
    run(hub, "apply")
    secret = hub.double.repository("acme/secret", private=True)
    secret.collaborate(hub.people["olga"], "admin")
    name = issue(hub, "acme/secret")
    number = hub.request_pull("alice", hub.grant(more=f"ends_when:\n  issue_closed: {name}\n"), path=path)
    assert "merged as" in run(hub, "gate", str(number))
    close(hub, name)
    said = run(hub, "apply")
    assert f"issue_closed {name}: forge.watch does not name acme/secret; it goes on until its window ends" in said
    run(hub, "audit", "verify")


def test_what_stands_in_for_a_forge_that_cannot_be_opened_answers_all_that_is_asked_of_one() -> None:
    closed = _ClosedForge(EdgeError("there is no App here"))
    asked = [name for name, _ in getmembers(ForgeReader, isfunction) if not name.startswith("_") and name != "clock"]
    assert "watch" in asked
    for name in asked:
        with pytest.raises(EdgeError, match="there is no App here"):
            getattr(closed, name)()


def test_while_main_is_not_followed_what_is_done_ends_nothing_and_is_told_so(hub: Hub) -> None:
    name = issue(hub)
    granted(hub, f"issue_closed: {name}")
    run(hub, "apply")
    close(hub, name)
    there = hub.head()
    hub.bare("update-ref", "refs/heads/main", f"{there}~1")
    said = run(hub, "apply", expect=1)
    assert f"issue_closed {name}: it is done, and nothing ends by it while main is not followed" in said
    assert "which ends it" not in said
    hub.bare("update-ref", "refs/heads/main", there)
    assert f"ended early: issue {name} was closed" in run(hub, "apply")
    run(hub, "audit", "verify")


def test_what_the_brake_holds_is_not_over_and_goes_on_where_the_issue_is_opened_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = issue(hub)
    granted(hub, f"issue_closed: {name}")
    run(hub, "apply")
    close(hub, name)
    with monkeypatch.context() as tight:
        tight.setattr("daypass.core.bounds.limits.Limits.brake", lambda *_: (0, 0))
        assert "the brake holds" in run(hub, "apply", expect=None)
    close(hub, name, "open")
    assert "No changes" in run(hub, "apply")
    assert "1 granted" in run(hub, "status")
    run(hub, "audit", "verify")


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_request_that_names_what_is_done_already_is_told_so_and_not_opened(hub: Hub, more: tuple[str, ...]) -> None:
    name = issue(hub)
    asked = ("request", "--resource", "staging", "--role", "deploy", "--for", "1h", "--reason", "To see it start again")
    words = (*asked, "--ticket", "OPS-1", "--ends-when", f"issue_closed={name}", *more, "--at")
    close(hub, name)
    when = format_instant(hub.now())
    said = hub.run(*words, when, who="alice", expect=10)
    assert f"issue {name} was closed at {when}: this would give nothing [ends-when-done]" in said.err
    assert hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls") == []
    close(hub, name, "open")
    assert "ends-when-done" not in hub.run(*words, when, who="alice").err


def test_a_request_that_names_what_who_asks_cannot_look_at_is_opened(hub: Hub) -> None:
    name = issue(hub, ORDERS)
    close(hub, name)
    asked = ("--resource", "staging", "--role", "deploy", "--for", "1h", "--reason", "To see it start again")
    at = format_instant(hub.now())
    more = ("--ticket", "OPS-1", "--ends-when", f"issue_closed={name}", "--at", at)
    assert "Opened #" in hub.run("request", *asked, *more, who="alice").out
