"""`daypass doctor` on the local forge: what git refuses there, and what stays a risk."""

from __future__ import annotations

import json
import subprocess

import pytest

from driver import Access

pytestmark = pytest.mark.on_disk

SAFE = "Nothing unsafe was found.\n"
UNSIGNED = "can ask and approve in the name of anybody who has no ssh_keys"


def test_what_stays_a_risk_is_noted_and_changes_no_exit_code(access: Access) -> None:
    said = access.run("doctor")
    assert said.out == SAFE
    assert "change main, policies included, and stop requests: docs/trust.md#the-local-forge" in said.err
    assert UNSIGNED in said.err
    assert json.loads(access.run("doctor", "--format", "json").out)["complaints"] == []


def test_a_repository_that_others_push_to_has_to_refuse_what_takes_history_back(access: Access) -> None:
    shared = access.top.parent / "shared.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(access.top), str(shared)], check=True)
    said = Access(shared).run("doctor", expect=13)
    assert said.out == (
        "unsafe: whoever may push here may take back what stands in main, in requests and in the ledger [pushes-rewrite]\n"
        "  fix: git config receive.denyNonFastForwards true\n"
        "1 unsafe.\n"
    )
    subprocess.run(["git", "-C", str(shared), "config", "receive.denyNonFastForwards", "true"], check=True)
    assert Access(shared).run("doctor").out == SAFE


def test_where_only_what_is_signed_counts_nobody_acts_in_another_name(access: Access) -> None:
    settings = access.top / "policies" / "daypass.yaml"
    access.write("policies/daypass.yaml", settings.read_text().replace("unsigned: accept", "unsigned: refuse"))
    access.commit("Count only what is signed")
    assert UNSIGNED not in access.run("doctor").err
