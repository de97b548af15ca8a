"""A rule with `on_live: end` ends what is live and denied by it at the next run, for good, and under the brake."""

from __future__ import annotations

import json

import pytest

from driver import Access

pytestmark = pytest.mark.on_disk

T = "2026-11-20T{}:00Z".format
PLACE = "policies/rules/later.yaml"
RULE = """\
version: 1
rules:
  - {id: no-readonly, when: grant.role == "readonly", deny: true, on_live: end}
"""


@pytest.fixture
def tightened(access: Access) -> tuple[Access, str]:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.write(PLACE, RULE)
    access.commit("nobody reads orders")
    return access, grant


def test_it_ends_at_the_next_run_and_undoing_the_rule_revives_nothing(tightened: tuple[Access, str]) -> None:
    access, grant = tightened
    said = access.run("status", "--at", T("10:07")).out
    assert (
        f"{grant}: live, and policy denies it today: rule no-readonly: rule no-readonly denies this; the next run ends it"
        in said
    )
    assert "ended early: rule no-readonly denies it" in access.run("plan", "--at", T("10:07")).out
    assert "ended early: rule no-readonly denies it" in access.run("apply", "--at", T("10:08")).out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    (access.top / PLACE).unlink()
    access.commit("everybody may")
    assert "No changes" in access.run("apply", "--at", T("10:10")).out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    told = access.run("audit", "history", "--subject", "alice", "--format", "json").out
    (ended,) = (event for event in json.loads(told)["events"] if event["event"] == "ended")
    assert (ended["grants"], ended["detail"]) == ([grant], "rule-denies: rule no-readonly denies it")
    assert access.run("audit", "verify", "--at", T("10:12")).code == 0
    assert "Removal pull request #2 opened: 1 ended" in access.run("expire", "--at", T("10:13")).err


def test_what_the_brake_holds_back_has_not_ended_for_good(
    tightened: tuple[Access, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    access, _ = tightened
    monkeypatch.setattr("daypass.core.bounds.limits.Limits.brake", lambda *_: (0, 0))
    assert "the brake holds" in access.run("apply", "--at", T("10:08"), expect=None).err
    access.run("can", "alice", "orders-db", "readonly")
    (access.top / PLACE).unlink()
    access.commit("everybody may")
    access.run("apply", "--at", T("10:10"))
    access.run("can", "alice", "orders-db", "readonly")
    told = access.run("audit", "history", "--subject", "alice", "--format", "json").out
    assert not [event for event in json.loads(told)["events"] if event["event"] == "ended"]
