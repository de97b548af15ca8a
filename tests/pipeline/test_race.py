"""Several runs at once on one repository: each change once, every receipt kept, and clear words for who came second."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from driver import Access, Said

pytestmark = pytest.mark.on_disk

T = "2026-11-20T{}:00Z".format
SECOND = ("another run", "moved meanwhile", "already", "is not there", "stands at", "checked out", "the head of #")
"""What is said to who came second."""


def at_once(access: Access, *runs: tuple[str, ...]) -> list[Said]:
    """Start all runs (the first word may be ``--as WHO``) together and wait for them."""
    path = os.pathsep.join(filter(None, sys.path))
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "daypass", "-C", str(access.top), *run],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
        )
        for run in runs
    ]  # fmt: skip
    said = []
    for process in started:
        out, err = process.communicate(timeout=60)
        said.append(Said(process.returncode, out, err))
    for one in said:
        assert "Traceback" not in one.err, one.err
        if one.code == 1:
            assert any(words in one.err for words in SECOND), one.err
    return said


def receipts(access: Access) -> int:
    return int(access.git("ls-tree", "-r", "daypass-ledger", "--name-only").count("\n")) + 1


@pytest.mark.parametrize("count", [2, 4])
def test_appliers_at_once_give_each_access_once(access: Access, count: int) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    access.grant(T("10:10"), T("11:05"), "--subject", "carol")
    said = at_once(access, *[("apply", "--at", T("11:06"))] * count)
    assert {one.code for one in said} <= {0, 1}
    assert any(one.code == 0 for one in said)
    assert sum(one.out.count("ok   + carol") for one in said) == 1
    assert sum(one.out.count("ok   - alice") for one in said) == 1
    before = receipts(access)
    assert "No changes: 1 live" in access.run("apply", "--at", T("11:07")).out
    assert receipts(access) == before
    access.run("audit", "verify", "--at", T("11:08"))
    access.run("can", "carol", "orders-db", "readonly")
    access.run("can", "alice", "orders-db", "readonly", expect=20)


def test_apply_against_gate_against_expire(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    number = access.ask(T("10:10"), "--subject", "carol")
    for who in ("bob", "dave"):
        access.run("approve", number, "--at", T("10:11"), acting=who)
    said = at_once(
        access,
        ("apply", "--at", T("11:06")),
        ("gate", number, "--at", T("11:06")),
        ("expire", "--at", T("11:06")),
    )
    assert said[1].code == 0, said[1].err  # the gate merges, whoever else is at work
    access.run("expire", "--at", T("11:07"))
    access.run("can", "carol", "orders-db", "readonly")
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    assert access.run("status", "--at", T("11:08")).out.count("removes ") == 1
    access.run("audit", "verify", "--at", T("11:08"))


def test_gates_at_once_on_one_request_merge_it_once(access: Access) -> None:
    number = access.ask(T("10:00"))
    for who in ("bob", "dave"):
        access.run("approve", number, "--at", T("10:01"), acting=who)
    said = at_once(access, *[("gate", number, "--at", T("10:05"))] * 3)
    assert any(one.code == 0 for one in said)
    assert access.git("rev-list", "--count", "--merges", "--first-parent", "main") == "1"
    assert "merged as" in access.run("gate", number, "--at", T("10:06")).out
    access.run("apply", "--at", T("10:07"))
    access.run("audit", "verify", "--at", T("10:08"))


def test_gates_at_once_on_two_requests_merge_each_once(access: Access) -> None:
    numbers = [access.ask(T("10:00"), "--subject", who) for who in ("alice", "carol")]
    for number in numbers:
        for who in ("bob", "dave"):
            access.run("approve", number, "--at", T("10:01"), acting=who)
    at_once(access, *[("gate", number, "--at", T("10:05")) for number in numbers])
    access.run("gate", "--at", T("10:06"))  # who came second is merged now
    assert access.git("rev-list", "--count", "--merges", "--first-parent", "main") == "2"
    access.run("apply", "--at", T("10:07"))
    access.run("can", "alice", "orders-db", "readonly")
    access.run("can", "carol", "orders-db", "readonly")
    access.run("audit", "verify", "--at", T("10:08"))


def test_requests_at_once_get_numbers_of_their_own(access: Access) -> None:
    wish = ("request", "--resource", "orders-db", "--role", "readonly", "--reason", "a reason that is long enough")
    said = at_once(
        access,
        *[
            ("--as", who, *wish, "--for", span, "--at", T("10:00"))
            for who, span in (("alice", "1h"), ("alice", "2h"), ("carol", "1h"))
        ],
    )
    opened = {one.out.split(":", 1)[0] for one in said if one.code == 0}
    assert opened == {"Opened #1", "Opened #2", "Opened #3"}
    assert "3 open:" in access.run("status", "--at", T("10:01")).out


def test_the_same_request_twice_at_once_is_opened_once(access: Access) -> None:
    wish = ("request", "--resource", "orders-db", "--role", "readonly", "--reason", "a reason that is long enough")
    said = at_once(access, *[("--as", "alice", *wish, "--for", "1h", "--at", T("10:00"))] * 2)
    assert sorted(one.code for one in said) == [0, 1]
    assert "1 open:" in access.run("status", "--at", T("10:01")).out


def test_reviews_at_once_all_count(access: Access) -> None:
    number = access.ask(T("10:00"))
    said = at_once(access, *[("--as", who, "approve", number, "--at", T("10:01")) for who in ("bob", "carol", "dave")])
    assert [one.code for one in said] == [0, 0, 0]
    access.run("gate", number, "--at", T("10:02"))


def test_a_lock_that_another_run_holds_is_named(access: Access) -> None:
    from daypass.edges.store import exclusive

    access.grant(T("10:00"), T("10:05"))
    lock = access.repo().clone.state_dir / "apply.lock"
    with exclusive(lock):
        said = access.run("apply", "--at", T("10:06"), expect=1)
        assert said.err == f"daypass: another run is applying right now\n  hint: wait for it to end; it holds {lock}\n"
        access.run("plan", "--at", T("10:06"))
    access.run("apply", "--at", T("10:06"))
