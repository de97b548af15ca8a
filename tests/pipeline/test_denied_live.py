"""A rule that denies what is live is told by plan, drift and status, and ends nothing."""

from __future__ import annotations

import json

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
RULE = """\
version: 1
rules:
  - id: no-readonly
    when: grant.role == "readonly"
    deny: true
    message: nobody reads orders any more
"""
SAID = "live, and policy denies it today: rule no-readonly: nobody reads orders any more"


@pytest.fixture
def tightened(access: Access) -> tuple[Access, str]:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("plan", "--at", T("10:07"))
    access.write("policies/rules/later.yaml", RULE)
    access.commit("nobody reads orders")
    return access, grant


@pytest.mark.on_disk
def test_plan_drift_and_status_name_the_rule_and_what_it_says(tightened: tuple[Access, str]) -> None:
    access, grant = tightened
    access.run("check", expect=11)
    access.run("apply", "--at", T("10:08"))
    for _ in range(2):  # the second finds what the first remembered
        assert f"{grant}: {SAID}" in access.run("plan", "--at", T("10:09")).out
        assert f"{grant}: {SAID}" in access.run("status", "--at", T("10:09")).out
        drift = access.run("drift", "--at", T("10:09"), expect=13).out
        assert f"{grant} is {SAID}" in drift
        assert "policy-denied" in drift
    told = json.loads(access.run("plan", "--at", T("10:09"), "--format", "json").out)["denied"]
    wanted: dict[str, object] = {
        "grant": grant,
        "rule": "no-readonly",
        "code": "rule-denies",
        "message": "nobody reads orders any more",
    }
    wanted |= {"ends": False, "target": "embedded", "resource": "orders-db", "principal": "alice"}
    wanted |= {"privilege": '{"member_of":"orders_readonly"}', "privilege_fields": {"member_of": "orders_readonly"}}
    assert told == [wanted]
    assert json.loads(access.run("status", "--at", T("10:09"), "--format", "json").out)["denied"] == [wanted]
    assert json.loads(access.run("plan", "--at", T("10:09"), "--format", "json").out)["live"] == 1


def test_what_is_denied_goes_on_to_its_end_and_is_told_no_more_then(tightened: tuple[Access, str]) -> None:
    access, _ = tightened
    access.run("apply", "--at", T("12:06"))
    assert "denied" not in access.run("plan", "--at", T("12:07")).out
    assert "No drift" in access.run("drift", "--at", T("12:07")).out


def test_a_rule_that_denies_nothing_live_says_nothing(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.write("policies/rules/later.yaml", RULE.replace('"readonly"', '"admin"'))
    access.commit("nobody administers orders")
    access.run("apply", "--at", T("10:08"))
    assert "denied" not in access.run("plan", "--at", T("10:09")).out
    assert "denied" not in access.run("status", "--at", T("10:09")).out
