"""What status, plan and the removal request say of a grant is how it stands, and nothing that nobody looked at."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
GRANT = """\
version: 1
subject: alice
resource: orders-db
role: readonly
reason: Nobody ever approved this one.
window: {from: 2026-11-20T09:00:00Z, until: 2026-11-20T17:00:00Z}
"""


def _edit(access: Access, path: str, old: str, new: str, why: str) -> None:
    text = (access.top / path).read_text(encoding="utf-8")
    assert old in text
    access.write(path, text.replace(old, new))
    access.commit(why)


def _leaves(access: Access, at: str) -> None:
    people = "policies/directory/people.yaml"
    _edit(access, people, "email: alice@example.com", f"email: alice@example.com, until: {at}", "alice leaves earlier")


def test_what_ends_early_is_said_ended_tidied_and_forgotten(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    _leaves(access, T("11:00"))
    told = access.run("status", "--at", T("10:07")).out
    assert f"alice  readonly on orders-db  live until {T('11:00')}, " in told
    assert f"53m left; ended early: alice is engaged until {T('11:00')}" in told
    access.run("apply", "--at", T("10:08"))
    said = access.run("expire", "--at", T("11:00"))
    assert "ok   - alice" in said.out
    assert "Removal pull request #2 opened: 1 ended" in said.err
    access.run("gate", "2", "--at", T("11:01"))
    assert not (access.top / f"grants/{grant}.yaml").exists()
    assert access.run("apply", "--at", T("11:02")).out.splitlines()[-1].startswith("No changes")
    assert "0 granted" in access.run("status", "--at", T("11:03")).out


def test_an_end_that_lies_before_the_window_ends_it_and_keeps_no_run_failing(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    _leaves(access, T("09:00"))
    said = access.run("apply", "--at", T("10:07"))
    assert "ended early: alice is engaged until 2026-11-20T09:00:00Z" in said.out
    access.run("apply", "--at", T("10:08"))
    assert "Removal pull request #2 opened: 1 ended" in access.run("expire", "--at", T("10:09")).err
    access.run("gate", "2", "--at", T("10:10"))
    access.run("apply", "--at", T("10:11"))


def test_a_grant_that_apply_will_never_give_is_not_said_to_wait_for_it(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    _edit(access, "policies/resources/orders-db.yaml", "orders_readonly", "orders_all", "the role means more")
    access.run("apply", "--at", T("10:06"), expect=14)
    told = access.run("status", "--at", T("10:07")).out
    assert "gives nothing: role means something else since approval" in told
    assert "not provisioned yet" not in told
    (row,) = json.loads(access.run("status", "--at", T("10:07"), "--format", "json").out)["grants"]
    assert row["role"] == "readonly"
    assert (row["state"], row["code"]) == ("blocked", "meaning-moved")
    assert row["why"] == "role means something else since approval"


def test_what_main_no_longer_has_is_neither_without_proof_nor_still_to_be_applied(access: Access) -> None:
    access.write("grants/orders-db/planted.yaml", GRANT)
    access.commit("around the gate")
    access.run("apply", "--at", T("10:00"), expect=14)
    assert "1 without proof" in access.run("status", "--at", T("10:01")).out
    access.git("rm", "-q", "grants/orders-db/planted.yaml")
    access.commit("and away again")
    told = access.run("status", "--at", T("10:02")).out
    assert "without proof" not in told
    assert "not applied yet" not in told
    access.run("apply", "--at", T("10:03"))


def test_a_fresh_grant_of_what_another_gave_opens_it_or_goes_on_with_it(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    second = access.grant(T("12:00"), T("12:01"), "--for", "4h")
    assert "0 to remove, 0 to add, 1 there already to be told anew" in access.run("plan", "--at", T("12:02")).out
    said = access.run("apply", "--at", T("12:02")).out
    assert f"goes on by another grant, until {T('16:01')}" in said
    assert second in said
    assert "window moved" not in said


def test_policies_that_do_not_read_are_named(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    _edit(access, "policies/rules/access.yaml", "resource.environment", "resource.enviroment", "a typing error")
    said = access.run("status", "--at", T("10:07"), expect=14)
    assert "main's policies do not read, so nothing is given" in said.err
    assert "policies/rules/access.yaml:5:11: there is no variable or function 'resource.enviroment'" in said.err
    assert "1 granted" in said.out


def test_access_that_somebody_took_away_at_the_target_is_not_said_to_be_there(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    with closing(sqlite3.connect(access.top / ".git/daypass/embedded.sqlite")) as store, store:
        store.execute("DELETE FROM entitlements")
    told = access.run("status", "--at", T("10:07")).out
    assert "left, missing at its target: `daypass apply` gives it again" in told
    said = access.run("status", "--at", T("13:00")).out  # its time is over, and no run has recorded that it is gone
    assert "its target was seen without it already" in said
    drifted = access.run("drift", "--at", T("13:00"), expect=13).out
    assert "for 'alice' is gone from the target, and the ledger has it still [access-overdue]" in drifted
    assert "holds" not in drifted
    assert grant in said


def test_a_grant_that_was_ended_on_main_has_no_time_left(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    with monkeypatch.context() as patched:
        patched.setenv("DAYPASS_KEYS", "/nonexistent")
        access.run("end", grant, "--at", T("10:08"), acting="alice")
    told = access.run("status", "--at", T("10:09")).out
    assert "ended early, to be taken away by the next run: ended on main" in told
    assert "left" not in told
    access.run("apply", "--at", T("10:10"))
    assert grant not in access.run("status", "--at", T("10:11")).out


@pytest.mark.on_disk
def test_a_removal_that_another_request_carried_out_takes_nothing_away(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.git("switch", "-q", "-c", "too-late")
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("Ended by hand", email="alice@example.com")
    access.git("switch", "-q", "main")
    said = access.run("request", "--branch", "too-late", "--at", T("10:07"), acting="alice")
    number = said.out.split("#", 1)[1].split(" ", 1)[0].rstrip(":")
    assert "takes away access of alice; nobody needs to approve it" in said.out
    access.run("end", grant, "--at", T("10:08"), acting="alice")
    shown = access.run("show", number, "--at", T("10:09")).out
    assert "changes nothing: main is so already; nobody needs to approve it" in shown
    assert "once it is merged" not in shown
    assert "Changes nothing: main is so already." in access.run("report", number, "--print", "--at", T("10:09")).out
    access.run("gate", number, "--at", T("10:10"))
    assert access.git("log", "-1", "--format=%s%n%b").startswith(f"Leave as main has it {grant} (#{number})")
    assert "Daypass-Grant" not in access.git("log", "-1", "--format=%b")
    access.run("apply", "--at", T("10:11"))
    access.run("audit", "verify")


def test_a_removal_of_what_has_ended_is_not_said_to_take_access_away(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("expire", "--at", T("13:00"))
    told = access.run("status", "--at", T("13:01")).out
    assert "takes no access away: none of it is still to run" in told


def test_status_says_that_nothing_is_given_while_the_clock_and_the_last_receipt_disagree(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("17:00"))
    assert "nothing is given until they agree" in access.run("status", "--at", T("10:30"), expect=None).err
    assert "until they agree" not in access.run("status", "--at", T("17:01"), expect=None).err
