"""Promises from the command line: kept, broken, and what a pull request would break."""

from __future__ import annotations

import json

import pytest

from driver import Access

AT = ("--at", "2026-11-20T10:00:00Z")
SHORT = 'version: 1\npromises:\n  - {id: short, never: \'resource.environment == "production" && grant.duration > duration("7h")\'}\n'
LONG = SHORT.replace("7h", "8h")


def test_a_broken_promise_exits_10_and_shows_the_request(access: Access) -> None:
    assert "nothing is promised" in access.run("policy", "prove", *AT).out
    access.write("policies/promises/main.yaml", SHORT.replace("id: short", "id: short, message: Daily"))
    said = access.run("policy", "prove", *AT, expect=10).out
    assert "BROKEN  short: Daily" in said
    assert "      duration: 7h1s\n" in said
    data = json.loads(access.run("policy", "prove", "--format", "json", *AT, expect=10).out)
    [promise] = data["promises"]
    assert promise["example"]["grant"]["window"] == {"duration": "7h1s"}
    access.write("policies/promises/main.yaml", LONG)
    assert (
        access.run("policy", "prove", *AT).out
        == "kept    short (decided: every request, in 1 case)\n1 kept, 0 broken\n"
    )
    access.write("policies/promises/main.yaml", LONG.replace('duration("8h")', 'duration("4h") + duration("4h")'))
    access.commit("Promise")
    assert "(searched: " in access.run("policy", "prove", "--revision", "main", *AT).out
    assert json.loads(access.run("policy", "prove", "--format", "json", *AT).out)["promises"][0]["example"] is None
    access.write("policies/promises/main.yaml", "version: 1\npromises: []\n")
    assert "not valid" in access.run("policy", "prove", *AT, expect=10).err
    assert "promises" in access.run("check", expect=10).out


@pytest.mark.on_disk
def test_a_pull_request_that_would_break_a_promise_is_refused_by_check(access: Access) -> None:
    access.write("policies/promises/main.yaml", LONG)
    access.commit("Promise")
    access.git("switch", "-qc", "longer")
    file = access.top / "policies/resources/orders-db.yaml"
    file.write_text(file.read_text().replace("max_duration: 8h", "max_duration: 9h"))
    access.commit("Longer")
    said = access.run("check", "--base", "main", "--head", "longer", *AT, expect=10).out
    assert "[promise-broken]" in said


def test_lint_says_what_is_odd_and_what_is_wrong(access: Access) -> None:
    file = "policies/purposes/deploy.yaml"
    access.write(file, (access.top / file).read_text().replace("max_duration: 6h", "max_duration: 2h"))
    access.commit("As short as what passes anyway")
    said = access.run("policy", "lint", *AT).out
    assert "[rule-shadowed]" in said
    assert said.endswith("Looked at the policies at the work tree: 0 wrong, 1 thing odd.\n")
    assert json.loads(access.run("policy", "lint", "--revision", "main", "--format", "json", *AT).out)["findings"]
    file = "policies/purposes/incident.yaml"
    access.write(file, (access.top / file).read_text().replace("max_duration: 4h", "max_duration: 25h"))
    assert "[purpose-out-of-reach]" in access.run("policy", "lint", *AT, expect=10).out
