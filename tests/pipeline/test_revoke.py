"""The emergency stop, the pause, and what an audit says of ends."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from faults_steps import has_access

from daypass.core.errors import EdgeError
from driver import Access

T = "2026-11-20T{}:00Z".format
STOP = ("--now", "--reason", "Her laptop was stolen")


def live(access: Access, count: int = 1) -> list[str]:
    grants = [access.grant(T(f"10:{n:02}"), T(f"10:{n + 20:02}")) for n in range(count)]
    access.run("apply", "--at", T("10:50"))
    return grants


def limits(access: Access, text: str) -> None:
    path = access.top / "policies/daypass.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("limits:")]
    path.write_text("\n".join([*lines, f"limits: {text}", ""]))
    access.commit("limits")


def test_a_stop_that_was_cut_short_after_its_merge_is_ended_by_the_same_command(access: Access) -> None:
    (grant,) = live(access)
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("what a stop had merged when it was killed")
    for nothing in (("--subject", "carol"), ("--resource", "staging")):
        said = access.run("revoke", *nothing, *STOP, "--at", T("11:00"), acting="bob", expect=2)
        assert "main has no grant" in said.err
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="bob")
    assert "main has no such grant any more, and what it gave is still there" in said.out
    assert not has_access(access)
    access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:01"), acting="bob", expect=2)


@pytest.mark.on_disk
@pytest.mark.parametrize("who", ["bob", "dave"])  # an owner, and security
def test_one_person_ends_all_access_of_somebody_at_once(access: Access, who: str) -> None:
    grants = live(access, 2)
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting=who)
    assert f"EMERGENCY STOP by {who}: opened #3: Revoke 2 grants of alice" in said.out
    assert "revoked" in said.out
    assert not access.git("ls-files", "grants")
    assert not has_access(access)
    assert access.run("audit", "verify", "--at", T("11:05")).code == 0
    history = access.run("audit", "history", "--grant", grants[0], "--at", T("11:05")).out
    assert "by the emergency stop" in history
    assert "stolen" not in access.git("log", "-1", "--format=%B", "main")


def test_more_than_one_request_may_remove_take_several(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    live(access, 3)
    for module in ("ask.propose", "judge.proposal"):  # the gate holds each to the same bound
        monkeypatch.setattr(f"daypass.pipeline.{module}.MOST_CHANGES", 2)
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="dave").out
    assert "opened #4: Revoke 2 grants of alice (1 of 2)" in said
    assert "opened #5: Revoke 1 grant of alice (2 of 2)" in said
    assert not access.git("ls-files", "grants")
    assert not has_access(access)
    assert access.run("audit", "verify", "--at", T("11:05")).code == 0


def test_a_resource_is_closed_to_everybody(access: Access) -> None:
    live(access)
    said = access.run("revoke", "--resource", "orders-db", *STOP, "--at", T("11:00"), acting="carol")
    assert "Revoke 1 grant on orders-db" in said.out
    assert not has_access(access)


def test_a_broken_file_is_no_shelter(access: Access) -> None:
    (grant,) = live(access)
    path = f"grants/{grant}.yaml"
    access.write(path, "subject: [")
    access.commit("broken, around the gate")
    access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="dave", expect=None)
    assert not access.git("ls-files", "grants")
    assert not has_access(access)


@pytest.mark.on_disk
@pytest.mark.parametrize("who", ["alice", "erin"])
def test_others_are_refused_and_nothing_is_opened(access: Access, who: str) -> None:
    limits(access, "{revoke: [owners]}")
    live(access)
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting=who, expect=11)
    assert "you may revoke none of 1 grants" in said.err
    assert "bob or carol" in said.err
    assert has_access(access)
    assert "#2" not in access.run("status", "--at", T("11:01")).out


def test_a_branch_named_like_a_stop_gives_nobody_standing(access: Access) -> None:
    limits(access, "{revoke: [owners]}")
    (grant,) = live(access)
    access.git("switch", "-q", "-c", "daypass/revoke/mine", "main")
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("stop", email="erin@example.com")
    access.git("switch", "-q", "main")
    access.run("request", "--branch", "daypass/revoke/mine", "--at", T("11:00"), acting="erin", expect=None)
    access.run("gate", "2", "--at", T("11:01"), expect=12)


def test_what_one_may_not_revoke_stays_and_is_named(access: Access) -> None:
    limits(access, "{revoke: [owners]}")
    live(access)
    number = access.ask(T("10:51"), resource="staging", role="deploy")
    access.run("gate", number, "--at", T("10:52"))
    access.run("apply", "--at", T("10:53"))
    people = access.top / "policies/directory/people.yaml"
    people.write_text(people.read_text().replace("include: [dba]", "include: [payroll]"))
    access.commit("others own staging")
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="bob", expect=14)
    assert "NOT REVOKED: staging/" in said.err
    assert not has_access(access)


def test_the_brake_does_not_hold_a_stop(access: Access) -> None:
    limits(access, "{brake: {removals: '0'}}")
    (grant,) = live(access)
    access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="dave")
    assert not has_access(access)
    # An ordinary removal is held by the same brake.
    (other,) = [access.grant(T("11:01"), T("11:02"))]
    access.run("apply", "--at", T("11:03"))
    said = access.run("end", other, "--at", T("11:04"), acting="alice", expect=14)
    assert "the brake holds" in said.err
    assert grant != other


@pytest.mark.on_disk
def test_the_brake_does_not_hold_a_stop_that_a_later_run_carries_out(access: Access, tmp_path: Path) -> None:
    """Who stops need not be able to sign; the applier's run does the rest, and so does the one after it."""
    limits(access, "{brake: {removals: '0'}}")
    live(access)
    keys = Path(os.environ["XDG_CONFIG_HOME"]) / "daypass"
    shutil.move(keys, tmp_path / "keys")
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="dave")
    assert "Next: the applier's next run takes the access away" in said.err
    shutil.move(tmp_path / "keys", keys)
    assert has_access(access)
    access.run("apply", "--at", T("11:01"))
    assert not has_access(access)


@pytest.mark.parametrize(
    "arguments", [(), ("--subject", "alice", "--now"), ("--subject", "alice", "--reason", "why not")]
)
def test_a_stop_says_whose_that_it_is_meant_and_why(access: Access, arguments: tuple[str, ...]) -> None:
    access.run("revoke", *arguments, "--at", T("11:00"), acting="bob", expect=2)


def test_there_is_nothing_to_revoke_of_whom_main_gives_nothing(access: Access) -> None:
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="bob", expect=2)
    assert "main has no grant of alice" in said.err


def test_a_stop_ends_with_the_requests_that_the_gate_may_still_merge(access: Access) -> None:
    live(access)
    access.ask(T("10:51"), resource="staging", role="deploy")
    access.ask(T("10:52"), "--for", "1h", role="admin")
    access.ask(T("10:53"), acting="erin")
    access.ask(T("10:54"), "--subject", "alice", acting="erin")
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="dave").out
    assert said.splitlines()[-1] == (
        "3 open requests of alice are still there: #2, #3, #5; `daypass close N`, or limits: {pause: true}, keeps them "
        "from being merged"
    )
    assert "(merged, by alice)" in access.run("gate", "--at", T("11:01"), expect=None).out
    left = ("--resource", "orders-db", *STOP, "--format", "json")
    said = access.run("revoke", "--subject", "alice", *left, "--at", T("11:02"), acting="dave", expect=None)
    assert "2 open requests of alice on orders-db are still there: #3, #5" in said.err


def test_where_nothing_is_open_of_theirs_a_stop_says_nothing_of_requests(access: Access) -> None:
    live(access)
    access.ask(T("10:53"), acting="erin")
    more = ("--resource", "orders-db", "--subject", "alice")
    said = access.run("revoke", *more, *STOP, "--at", T("11:00"), acting="dave", expect=None)
    assert "open request" not in said.out + said.err


def test_a_stop_on_a_resource_names_who_asks_for_it_and_says_it_as_data(access: Access) -> None:
    live(access)
    access.ask(T("10:53"), acting="erin")
    access.ask(T("10:54"), resource="staging", role="deploy", acting="erin")
    end = access.grant(T("10:10"), T("10:20"))
    access.run("end", end, "--at", T("10:55"), acting="erin", expect=None)
    stop = ("revoke", "--resource", "orders-db", *STOP, "--format", "json")
    found = json.loads(access.run(*stop, "--at", T("11:00"), acting="dave").out)
    assert (found["open"], found["open_unread"]) == ([2], [])


def test_a_forge_that_does_not_list_requests_is_told_and_the_access_has_ended(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(access)

    def away(*_: object) -> None:
        raise EdgeError("the list was not answered")

    monkeypatch.setattr("daypass.pipeline.ask.still_open.still_open", away)
    stop = ("revoke", "--subject", "alice", *STOP, "--format", "json")
    said = access.run(*stop, "--at", T("11:00"), acting="dave", expect=14)
    assert "which requests of alice are open was not looked at: the list was not answered" in said.err
    assert json.loads(said.out)["open"] is None
    assert not access.git("ls-files", "grants")
    assert not has_access(access)


def test_more_requests_than_are_looked_at_are_named(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    live(access)
    access.ask(T("10:51"))
    access.ask(T("10:52"), resource="staging", role="deploy")
    monkeypatch.setattr("daypass.pipeline.ask.still_open._MOST", 1)
    said = access.run("revoke", "--subject", "alice", *STOP, "--at", T("11:00"), acting="dave")
    assert "1 open request of alice is still there: #2; `daypass close N`" in said.out
    assert "keeps it from being merged" in said.out
    assert "NOT LOOKED AT, and may ask for the same: #3" in said.err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("--subject", "alcie"), "the directory has no 'alcie', and no grant names them\n  hint: did you mean alice?"),
        (
            ("--resource", "orders-bd"),
            "the catalogue has no resource 'orders-bd', and no grant is for it\n  hint: did you mean orders-db?",
        ),
        (("--subject", "qqqq", "--resource", "orders-db"), "hint: people are in policies/directory"),
        (("--subject", "alcie", "--resource", "x-x-x-x"), "'alcie', and no grant names them; the catalogue has no"),
    ],
)
def test_a_name_that_nobody_has_is_told_from_nothing_to_revoke(
    access: Access, names: tuple[str, ...], said: str
) -> None:
    live(access)
    told = access.run("revoke", *names, *STOP, "--at", T("11:00"), acting="dave", expect=2)
    assert said in told.err
    assert "main has no grant" not in told.err


def test_a_name_that_a_broken_file_may_hold_is_not_said_to_be_nobodys(access: Access) -> None:
    access.write("policies/directory/more.yaml", "version: 1\npeople: [")
    access.commit("a broken file")
    told = access.run("revoke", "--subject", "alcie", *STOP, "--at", T("11:00"), acting="dave", expect=2)
    assert "main has no grant of alcie, and its policies do not read" in told.err


def test_who_is_gone_from_the_directory_is_revoked_and_known_by_what_they_had(access: Access) -> None:
    live(access)
    people = access.top / "policies/directory/people.yaml"
    kept = [line for line in people.read_text().splitlines() if not line.startswith("  alice:")]
    people.write_text("\n".join(kept).replace("[alice]", "[]") + "\n")
    access.commit("alice is gone")
    elsewhere = ("--subject", "alice", "--resource", "staging")
    told = access.run("revoke", *elsewhere, *STOP, "--at", T("11:00"), acting="dave", expect=2)
    assert "main has no grant of alice on staging" in told.err
    assert "Revoke 1 grant of alice" in access.run(
        "revoke", "--subject", "alice", *STOP, "--at", T("11:01"), acting="dave"
    ).out  # fmt: skip


def test_who_cannot_sign_has_done_their_part_by_ending(access: Access, tmp_path: Path) -> None:
    (grant,) = live(access)
    shutil.move(Path(os.environ["XDG_CONFIG_HOME"]) / "daypass", tmp_path / "keys")
    said = access.run("end", grant, "--reason", "done", "--at", T("11:00"), acting="alice")
    assert "Merged #2" in said.out
    assert "Next: the applier's next run takes the access away" in said.err


# The pause


@pytest.mark.on_disk
def test_while_giving_is_paused_ends_go_on_and_everything_says_so(access: Access) -> None:
    (grant,) = live(access)
    number = access.ask(T("10:51"), resource="staging", role="deploy")
    limits(access, "{pause: true}")
    paused = "giving is paused"
    assert paused in access.run("status", "--at", T("10:52")).err
    assert paused in access.run("plan", "--at", T("10:52")).err
    assert paused in access.run("gate", number, "--at", T("10:52"), expect=11).out
    assert paused in access.run("report", number, "--at", T("10:52")).out
    assert paused in access.run("end", grant, "--at", T("10:53"), acting="alice").err
    assert not has_access(access)
    access.run("check")  # what stands on main is no fault, nor are the rules' own examples
    limits(access, "{pause: false}")
    access.run("gate", number, "--at", T("10:54"))
    access.run("apply", "--at", T("10:55"))
    assert access.run("can", "alice", "staging", "deploy").code == 0


@pytest.mark.on_disk
def test_a_grant_that_was_merged_before_waits_while_giving_is_paused(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    limits(access, "{pause: true}")
    said = access.run("apply", "--at", T("10:06"), expect=14)
    assert "giving is paused" in said.err
    assert "--confirm" not in said.err
    assert not has_access(access)
    limits(access, "{}")
    access.run("apply", "--at", T("10:08"))
    assert has_access(access)


# The audit


@pytest.mark.on_disk
def test_an_end_that_nobody_was_entitled_to_ends_and_is_named(access: Access) -> None:
    (grant,) = live(access)
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("by hand", email="erin@example.com")
    access.run("apply", "--at", T("11:00"))
    assert not has_access(access)
    said = access.run("audit", "verify", "--at", T("11:01"), expect=None).out
    assert f"took {grant} from main" in said
    assert "[around-the-gate]" in said
    assert "nobody was entitled to end it" in access.run("audit", "history", "--grant", grant, "--at", T("11:01")).out


@pytest.mark.on_disk
def test_an_end_by_who_may_is_not_named(access: Access) -> None:
    (grant,) = live(access)
    access.run("end", grant, "--at", T("11:00"), acting="alice")
    assert "entitled" not in access.run("audit", "verify", "--at", T("11:01")).out
    assert "entitled" not in access.run("audit", "history", "--grant", grant, "--at", T("11:01")).out


# Who approves


def test_approving_ones_own_request_is_refused_with_the_reason(access: Access) -> None:
    number = access.ask(T("10:00"))
    said = access.run("approve", number, "--at", T("10:01"), acting="alice", expect=11)
    assert "your approval of #1 would not count, so it is not recorded: alice" in said.err
    assert "does not count" not in access.run("status", "--at", T("10:02")).out


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_review_without_standing_is_refused_with_the_reason(access: Access, verb: str) -> None:
    number = access.ask(T("10:00"))
    path = access.top / "policies/directory/people.yaml"
    path.write_text(path.read_text().replace("groups:", "  olga: {email: olga@example.com}\ngroups:"))
    access.commit("olga")
    said = access.run(verb, number, "--at", T("10:01"), acting="olga", expect=11)
    assert "is in no group that is asked" in said.err


def test_a_request_that_needs_nobody_takes_no_approval(access: Access) -> None:
    number = access.ask(T("10:00"), resource="staging", role="deploy")
    said = access.run("approve", number, "--at", T("10:01"), acting="bob", expect=11)
    assert "it needs nobody's approval" in said.err


def test_a_rejection_keeps_its_reason_and_shows_it(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("reject", number, "--reason", "Ask the replica instead", "--at", T("10:01"), acting="bob")
    assert "rejected by bob: Ask the replica instead" in access.run("status", "--at", T("10:02")).out


@pytest.mark.on_disk
def test_an_end_keeps_its_reason_and_never_in_the_merge_message(access: Access) -> None:
    (grant,) = live(access)
    said = access.run("end", grant, "--reason", "Nobody needs it", "--at", T("11:00"), acting="erin", expect=12)
    assert "reason: Nobody needs it" in said.out
    access.run("approve", "2", "--at", T("11:01"), acting="bob")
    access.run("gate", "2", "--at", T("11:02"))
    assert "Nobody" not in access.git("log", "-1", "--format=%B", "main")
