"""The remote is away: access that has ended ends all the same, and is recorded once the remote is back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daypass.edges.forges.github import api
from daypass.edges.targets.embedded.target import EmbeddedTarget
from driver import ended
from fakes.orders import add
from hub import Hub, plain
from machines import Machines
from outputs import check_output

SOURCE = Path(__file__).parents[2] / "src"
PUSH = r"/acme/access\.git/git-receive-pack"


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    monkeypatch.setattr(api, "_PAUSES", (0.0, 0.0, 0.0))  # a server that is away stays away: nobody waits for it here
    with Hub(tmp_path, simulated=True, protected=False) as hub:
        yield Machines(hub)


BOTH = [("intent", False), ("outcome", False)]


def test_the_remote_away_for_a_day_with_ends_in_it(machines: Machines) -> None:
    for who, duration in (("alice", "1h"), ("bob", "3h")):
        machines.give(who, duration=duration)
    machines.run("one", "apply")
    machines.give("carol", duration="4h")  # merged, and given by nobody yet
    assert machines.held() == {"alice", "bob"}
    with machines.away():
        machines.hub.advance(hours=2)
        said = machines.run("one", "expire", expect=14)
        assert machines.held() == {"bob"}
        assert "ok   - alice" in said.out
        assert "daypass: this run did not reach the remote: " in said.err
        assert "nothing was given, main was not looked at" in said.err
        assert "2 receipts wait in the outbox for the next run that reaches the remote" in said.err
        machines.hub.advance(hours=1.5)
        assert "ok   - bob" in machines.run("one", "apply", expect=14).out
        assert machines.held() == set()
        told = json.loads(machines.run("one", "apply", "--format", "json", expect=14).out)
        assert (told["outcomes"], told["undelivered"]) == ([], "")  # nothing done twice
        assert "cannot be fetched" in told["away"]
        assert "4 receipts wait in the outbox" in machines.run("one", "status", expect=1).err
    before = machines.receipts()
    assert "4 receipts wait in the outbox" in machines.run("one", "status").err
    assert "4 receipts wait in the outbox" in machines.run("one", "doctor", expect=None).err
    said = machines.run("one", "expire")
    assert "daypass: recorded 4 of the outbox, which runs without the remote had written" in said.err
    assert machines.receipts()[: len(before)] == before
    assert machines.late() == BOTH * 2
    assert machines.held() == {"carol"}
    machines.run("one", "apply")
    assert machines.late() == BOTH * 2
    assert "outbox" not in machines.run("one", "status").err
    assert "OK:" in machines.proves()
    told = machines.hub.run("audit", "history", "--resource", "staging", who="erin").out
    assert "by a run that could not reach the remote" in told


def test_two_outboxes_delivered_at_once(machines: Machines) -> None:
    for who, duration in (("alice", "2h"), ("bob", "4h")):
        machines.give(who, duration=duration)
    machines.run("one", "apply")
    machines.run("two", "apply")
    with machines.away():
        machines.hub.advance(hours=3)
        machines.run("one", "expire", expect=14)
        assert "ok   - alice" in machines.run("two", "expire", expect=14).out  # it was gone when it looked
        machines.hub.advance(hours=2)
        machines.run("two", "expire", expect=14)
    machines.run("one", "expire")
    assert machines.late() == BOTH
    said = machines.run("two", "expire")
    assert "recorded 4 of the outbox" in said.err
    assert machines.late() == BOTH + [("intent", False), ("outcome", True)] * 2  # one saw bob's gone as well
    assert machines.held() == set()
    for name in ("one", "two"):
        assert "No changes: 0 live" in machines.run(name, "apply").out
    assert "OK:" in machines.proves()
    assert len(machines.late()) == 6


def test_access_that_another_machine_gave_again_meanwhile_is_not_forgotten(machines: Machines) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    machines.run("two", "apply")
    machines.hub.advance(hours=3)
    with machines.away():
        machines.run("one", "expire", expect=14)
    machines.run("two", "apply")  # sees it gone, and says so
    machines.give("alice", duration="4h")
    assert "ok   + alice" in machines.run("two", "apply").out
    machines.run("one", "apply")
    assert machines.late() == [("intent", False), ("outcome", True)]
    assert machines.held() == {"alice"}
    assert "No changes: 1 live" in machines.run("two", "apply").out
    machines.hub.advance(hours=5)
    assert "ok   - alice" in machines.run("one", "expire").out  # the ledger still knows that it is ours
    assert machines.held() == set()
    assert "OK:" in machines.proves()


def test_a_ledger_that_takes_no_push_keeps_no_end_waiting(machines: Machines) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    machines.hub.advance(hours=3)
    machines.give("bob")
    machines.hub.double.faults.server_error("POST", PUSH, times=100)
    said = machines.run("one", "apply", expect=14)
    assert machines.held() == set()
    assert "does not take daypass-ledger" in said.err
    assert "ok   + bob" not in said.out
    machines.hub.double.faults.clear()
    assert "ok   + bob" in machines.run("one", "apply").out
    assert machines.late() == BOTH
    assert "OK:" in machines.proves()


@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_the_remote_that_goes_away_in_the_middle_of_a_run(machines: Machines, skip: int) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    machines.hub.advance(hours=3)
    machines.give("bob")
    machines.hub.double.faults.add("POST", PUSH, times=100, skip=skip, drop=True)
    machines.run("one", "apply", expect=None)
    assert "alice" not in machines.held()
    machines.hub.double.faults.clear()
    machines.run("one", "apply", expect=None)
    assert machines.held() == {"bob"}
    assert "No changes: 1 live" in machines.run("one", "apply").out
    assert "OK:" in machines.proves()


def test_a_delivery_whose_answer_is_lost_is_not_made_twice(machines: Machines) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    machines.give("bob", duration="4h")
    machines.run("one", "apply")
    machines.hub.advance(hours=3)
    with machines.away():
        machines.run("one", "expire", expect=14)
    machines.hub.advance(hours=2)
    # The push takes effect; its answer and what is asked afterwards are lost.
    machines.hub.double.faults.add("POST", PUSH, drop=True, after_effect=True)
    machines.hub.double.faults.add("*", r"/acme/access\.git/info/refs", skip=2, times=50, drop=True)
    machines.run("one", "expire", expect=14)
    assert machines.held() == set()
    machines.hub.double.faults.clear()
    machines.run("one", "expire")
    assert machines.late() == BOTH * 2
    assert "OK:" in machines.proves()


def test_a_machine_that_never_verified_the_ledger_takes_nothing_away(machines: Machines) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    machines.hub.advance(hours=3)
    machines.hub.clone("three")
    place = machines.hub.top / "clones" / "three"
    for ref in ("refs/heads/daypass-ledger", "refs/remotes/origin/daypass-ledger"):
        (place / ".git" / ref).unlink(missing_ok=True)
    with machines.away():
        said = machines.run("three", "expire", expect=1)
    assert "the ledger is missing" in said.err
    assert machines.held() == {"alice"}


def test_a_machine_without_the_key_says_that_the_remote_is_away(machines: Machines) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    machines.hub.advance(hours=3)
    with machines.away(".*"):
        said = machines.run(
            "one", "expire", expect=1, DAYPASS_LEDGER_KEY="", DAYPASS_KEYS=str(machines.hub.top / "none")
        )
    assert "did not answer" in said.err
    assert machines.held() == {"alice"}


def test_a_state_folder_that_is_lost_with_an_outbox_leaves_access_ended_and_converges(machines: Machines) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    machines.hub.advance(hours=3)
    with machines.away():
        machines.run("one", "expire", expect=14)
    shutil.rmtree(machines.state("one"))
    gone = f"{machines.outbox('one')} is gone, and 2 receipts waited in it"
    assert gone in machines.run("one", "status").err
    said = machines.run("one", "expire", expect=14)
    assert gone in said.err
    assert machines.held() == set()
    assert "ok   - alice" in said.out
    said = machines.run("one", "apply")
    assert "No changes: 0 live" in said.out
    assert "gone" not in said.err
    assert "OK:" in machines.proves()


# Whoever may write there, whatever lies there


def waiting(machines: Machines) -> None:
    """Leave an outbox with one end in it."""
    machines.give("alice")
    machines.run("one", "apply")
    machines.hub.advance(hours=3)
    with machines.away():
        machines.run("one", "expire", expect=14)


def test_an_outbox_that_others_may_write_counts_for_nothing_and_stops_nobody(machines: Machines) -> None:
    waiting(machines)
    machines.outbox("one").chmod(0o666)
    said = machines.run("one", "expire", expect=14)
    assert f"others may write {machines.outbox('one')}, so it is not believed" in said.err
    assert machines.late() == []
    assert "is not believed" in machines.run("one", "status", expect=14).err
    machines.outbox("one").chmod(0o600)
    machines.run("one", "expire")
    assert machines.late()[0] == ("intent", False)
    assert "OK:" in machines.proves()


def test_a_torn_outbox_is_named_kept_and_stops_nobody(machines: Machines) -> None:
    waiting(machines)
    place = machines.outbox("one")
    whole = place.read_bytes()
    place.write_bytes(whole[: len(whole) // 2])
    torn = place.read_bytes()
    said = machines.run("one", "expire", expect=14)
    assert "cannot be used" in said.err
    assert place.read_bytes() == torn
    with machines.away():
        assert "cannot be used" in machines.run("one", "expire", expect=1).err
    kept = machines.hub.top / "torn.sqlite"
    told = json.loads(machines.run("one", "ledger", "outbox", "--set-aside", str(kept), "--format", "json").out)
    assert (told["receipts"], told["set_aside"], "cannot be used" in told["why"]) == ([], str(kept), True)
    assert (place.exists(), kept.read_bytes()) == (False, torn)
    machines.run("one", "expire")
    place.write_bytes(whole)
    place.chmod(0o600)
    machines.run("one", "expire")
    assert ("outcome", True) in machines.late()
    assert "OK:" in machines.proves()


def test_an_outbox_that_is_put_back_after_its_delivery_is_not_delivered_again(machines: Machines) -> None:
    waiting(machines)
    kept = machines.outbox("one").read_bytes()
    with machines.away():
        told = json.loads(machines.run("one", "ledger", "outbox", "--format", "json").out)
    assert (told["path"], told["why"], told["set_aside"]) == (str(machines.outbox("one")), "", "")
    assert [(one["kind"], one["ok"]) for one in told["receipts"]] == [("intent", None), ("outcome", True)]
    assert [one["changes"][0]["principal"] for one in told["receipts"]] == ["alice", "alice"]
    refused = machines.run("one", "ledger", "outbox", "--set-aside", "aside.sqlite", expect=1)
    assert "holds what a run can record" in refused.err
    assert machines.outbox("one").read_bytes() == kept
    machines.run("one", "expire")
    machines.outbox("one").write_bytes(kept)
    receipts = machines.receipts()
    machines.run("one", "expire")
    assert machines.receipts() == receipts
    assert "outbox" not in machines.run("one", "status").err


def test_an_outbox_that_came_behind_others_and_is_put_back_is_not_delivered_again(machines: Machines) -> None:
    waiting(machines)
    kept = machines.outbox("one").read_bytes()
    machines.run("two", "expire")
    machines.run("one", "expire")
    machines.outbox("one").write_bytes(kept)
    receipts = machines.receipts()
    machines.run("one", "expire")
    assert machines.receipts() == receipts
    machines.state("three").mkdir()
    shutil.copy(machines.outbox("one"), machines.outbox("three"))
    machines.outbox("three").write_bytes(kept)  # on another machine of the same repository
    machines.run("three", "expire")
    assert machines.receipts() == receipts


def test_an_outbox_of_another_repository_is_refused_and_kept(machines: Machines, tmp_path: Path) -> None:
    machines.give("alice")
    machines.run("one", "apply")
    with Hub(tmp_path / "other", simulated=True, protected=False) as hub:
        other = Machines(hub)
        waiting(other)
        foreign = other.outbox("one").read_bytes()
    machines.outbox("one").write_bytes(foreign)
    machines.outbox("one").chmod(0o600)
    said = machines.run("one", "apply", expect=14)
    assert f"the outbox {machines.outbox('one')} is not believed: " in said.err
    assert machines.outbox("one").read_bytes() == foreign
    assert machines.late() == []
    machines.hub.advance(hours=3)
    assert "ok   - alice" in machines.run("one", "expire", expect=14).out  # no end waits for it
    listed = machines.run("one", "ledger", "outbox", expect=14)
    assert "remove alice on staging (embedded)" in listed.out
    assert "No run records this: the outbox" in listed.out
    kept = machines.state("one") / "from-elsewhere.sqlite"
    assert f"Set aside as {kept}" in machines.run("one", "ledger", "outbox", "--set-aside", str(kept)).err
    assert kept.read_bytes() == foreign
    machines.run("one", "expire")
    again = machines.run("one", "ledger", "outbox", str(kept), expect=14)
    assert again.out == listed.out.replace(str(machines.outbox("one")), str(kept))
    assert "nothing waits" in machines.run("one", "ledger", "outbox").out


def test_an_outbox_whose_key_was_taken_out_of_the_settings_is_refused_and_kept(machines: Machines) -> None:
    waiting(machines)
    kept = machines.outbox("one").read_bytes()
    from daypass.edges.ledger.keyfiles import generate_key

    public = generate_key(tmp := machines.hub.top / "new.pem")
    ledger = machines.hub.bare("rev-parse", "daypass-ledger")
    machines.hub.push_branch("olga", "main", {"policies/ledger.pub": public}, force=True)
    said = machines.run("one", "expire", expect=None, DAYPASS_LEDGER_KEY=tmp.read_text())
    assert said.code in (1, 14)
    assert "signed by another key" in said.err
    assert machines.outbox("one").read_bytes() == kept
    assert machines.hub.bare("rev-parse", "daypass-ledger") == ledger


def test_an_outbox_beside_a_ledger_that_was_rewritten_is_refused_and_kept(machines: Machines) -> None:
    waiting(machines)
    kept = machines.outbox("one").read_bytes()
    machines.hub.bare("update-ref", "refs/heads/daypass-ledger", machines.hub.bare("rev-parse", "daypass-ledger~1"))
    said = machines.run("one", "expire", expect=1)
    assert "ledger" in said.err
    assert machines.outbox("one").read_bytes() == kept


def test_a_watch_goes_on_ending_access_while_the_remote_is_away(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False) as hub:
        machines = Machines(hub)
        wish = hub.grant(subject="alice", resource="staging", role="deploy", duration="20s")
        hub.run("gate", str(hub.request_pull("alice", wish)))
        state = {"DAYPASS_STATE": str(hub.top / "state-watch")}
        place = hub.clone("watch")
        hub.run("apply", folder=place, environ=state)
        store = hub.top / "state-watch" / "embedded.sqlite"
        assert _holds(store) == {"alice"}
        dead = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_SERVER_URL": "http://127.0.0.1:9"}
        environ = {
            **plain(os.environ),
            **hub.environ(),
            **state,
            **dead,
            "PYTHONPATH": str(SOURCE),
            "PYTHONFAULTHANDLER": "1",
        }
        command = [sys.executable, "-m", "daypass", "-C", str(place), "watch", "--poll", "1s", "--format", "json"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
        ) as process:
            until = time.monotonic() + 60
            while _holds(store) and time.monotonic() < until:
                time.sleep(0.2)
            out, err = ended(process)
        assert _holds(store) == set(), err
        assert "failed (1 in a row): " in out
        check_output(("watch", "--format", "json"), out)
        assert '"event": "applied"' in out
        assert "2 receipts wait in the outbox for the next run that reaches the remote" in err
        hub.run("apply", folder=place, environ=state)
        assert machines.late() == BOTH


def _holds(store: Path) -> set[str]:
    return {e.principal for e in EmbeddedTarget(store, "embedded").observe()}


def test_access_by_hand_while_the_remote_is_away_is_named_recorded_and_ended_once_it_is_back(
    machines: Machines,
) -> None:
    hub = machines.hub
    machines.give("alice", duration="1h")
    machines.run("one", "apply")
    with machines.away():
        with machines.one_target():
            target = EmbeddedTarget(machines.store, "embedded")
            (given,) = target.observe()
            add(target, given._replace(principal="erin"), hub.now() + timedelta(days=365))
        hub.advance(hours=2)
        machines.run("one", "expire", expect=14)
        assert machines.held() == {"erin"}  # what has ended ends; what a person gave by hand is not ours to take
    assert "recorded 2 of the outbox" in machines.run("one", "expire").err
    assert "'erin' holds" in machines.run("one", "drift", expect=13).out
    with machines.one_target():
        said = hub.run("import", "staging", who="alice")
    assert "taken  erin" in said.out
    number = int(said.out.split("#")[1].split(":")[0])
    for who in ("bob", "dave"):
        hub.approve(number, who)
    machines.run("one", "gate", str(number))
    assert "was there before, and is granted now" in machines.run("one", "apply").out
    assert machines.held() == {"erin"}
    hub.advance(hours=24 * 40)
    machines.run("one", "expire", expect=None)
    assert machines.held() == set()
    assert "OK:" in machines.proves()
