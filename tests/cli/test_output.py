"""The same findings for people and for machines."""

import json
import subprocess
import sys
from pathlib import Path

from driver import Access

T = "2026-11-20T{}:00Z".format
BAD = "version: 1\nsubject: alice\nresource: orders-db\nrole: readonly\nreason: Duplicate charges.\nwindow: {duraton: 2h}\nsubject: bob\n"


def _bad(access: Access) -> None:
    access.write("grants/orders-db/bad.yaml", BAD)


def test_every_finding_has_code_place_message_and_hint(access: Access) -> None:
    _bad(access)
    data = json.loads(access.run("check", "--format", "json", expect=10).out)
    assert data["version"] == 1
    assert len(data["findings"]) >= 2  # all at once
    for finding in data["findings"]:
        assert finding["code"]
        assert finding["message"]
        assert finding["file"] == "grants/orders-db/bad.yaml"
        assert finding["line"] >= 1
        assert finding["column"] >= 1


def test_annotations_name_file_line_and_column(access: Access) -> None:
    _bad(access)
    lines = access.run("check", "--format", "github", expect=10).out.splitlines()
    assert any(line.startswith("::error file=grants/orders-db/bad.yaml,line=7,col=1,title=") for line in lines)


def test_a_value_cannot_issue_workflow_commands(access: Access) -> None:
    access.write("grants/orders-db/bad.yaml", 'version: 1\n"x\\n::set-output name=a::b": 1\n')
    out = access.run("check", "--format", "github", expect=10).out
    assert not any(line.startswith("::set-output") for line in out.splitlines())


def test_sarif_has_a_result_for_each_finding(access: Access) -> None:
    _bad(access)
    data = json.loads(access.run("check", "--format", "sarif", expect=10).out)
    assert data["version"] == "2.1.0"
    run = data["runs"][0]
    assert {result["ruleId"] for result in run["results"]} == {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region["startLine"] >= 1


def test_an_unknown_format_is_bad_usage(access: Access) -> None:
    assert "is not one of" in access.run("check", "--format", "xml", expect=2).err


def test_one_path_checks_one_file(access: Access) -> None:
    _bad(access)
    access.write("grants/orders-db/good.yaml", BAD.replace("duraton", "duration").replace("subject: bob\n", ""))
    assert "Checked 1 grant and" in access.run("check", "grants/orders-db/good.yaml").out
    access.run("check", "grants/orders-db/bad.yaml", expect=10)
    assert "there is no grant at" in access.run("check", "grants/orders-db/none.yaml", expect=2).err
    assert "outside the repository" in access.run("check", "/etc/passwd", expect=2).err


def test_checking_a_commit_twice_gives_the_same_answer(access: Access) -> None:
    _bad(access)
    access.commit("bad")
    first = access.run("check", "--revision", "main", expect=10).out
    assert access.run("check", "--revision", "main", expect=10).out == first
    (access.top / "grants/orders-db/bad.yaml").unlink()
    access.commit("gone")
    access.run("check", "--revision", "main")


def test_known_bytes_under_another_folder_are_judged_again(access: Access) -> None:
    text = BAD.replace("duraton", "duration").replace("subject: bob\n", "")
    access.write("grants/orders-db/a.yaml", text)
    access.commit("one")
    access.run("check", "--revision", "main")
    access.write("grants/payroll/a.yaml", text)
    access.commit("the same bytes elsewhere")
    assert "folder-mismatch" in access.run("check", "--revision", "main", expect=10).out


def test_explain_tells_each_rule_with_its_values_and_the_people(access: Access) -> None:
    access.write(
        "grants/payroll/a.yaml",
        BAD.replace("orders-db", "payroll").replace("duraton: 2h", "duration: 4h").replace("subject: bob\n", ""),
    )
    said = access.run("explain", "grants/payroll/a.yaml", "--at", T("23:00"), "--requester", "alice", expect=11)
    assert 'resource.classification = "restricted"' in said.out or "resource.classification = restricted" in said.out
    assert "no effect  low-risk-passes" in said.out
    assert "restricted-in-office-hours" in said.out
    assert "hint: ask for at most 2h" in said.out
    said = access.run(
        "explain", "grants/payroll/a.yaml", "--at", T("23:00"), "--format", "json", "--requester", "alice", expect=11
    )
    assert {denial["rule"] for denial in json.loads(said.out)["denials"]} >= {"restricted-in-office-hours"}


def test_a_failing_policy_test_shows_what_differs(access: Access) -> None:
    path = "policies/tests/access.yaml"
    access.write(
        path,
        (access.top / path)
        .read_text()
        .replace("expect: {automatic: true}", "expect: {approvals: [{at_least: 2, from: owners}]}"),
    )
    said = access.run("policy", "test", expect=10)
    assert "FAIL  short work on staging passes by itself" in said.out
    assert "- expected 2 from owners" in said.out
    assert "+ got      automatic" in said.out


def test_without_a_terminal_what_is_missing_is_named(access: Access) -> None:
    said = access.run("request", "--at", T("10:00"), acting="alice", expect=2)
    assert "--resource is missing" in said.err
    assert "orders-db" in said.err


def test_talk_that_has_no_room_on_its_disk_stops_nothing() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        script = "from daypass.cli.verb import say; say('one', 'two'); print('done')"
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=full, check=True, text=True
        )
    assert done.stdout == "done\n"
