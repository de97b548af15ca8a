"""Generated files follow the catalogue through one pull request."""

from __future__ import annotations

import json
from pathlib import Path

from driver import Access
from hub import REPOSITORY, Hub

PATH = "policies/resources/staging.yaml"
OWNERS = "owners: [engineering]"


def test_files_that_the_catalogue_has_outgrown_are_proposed_once_and_kept_up_to_date(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False) as hub:
        text = hub.bare("show", f"main:{PATH}") + "\n"
        assert hub.run("refresh").out == "The generated files on main are up to date.\n"
        hub.push_branch("olga", "main", {PATH: text.replace(OWNERS, "owners: [security]")})
        said = hub.run("refresh").out
        assert said == "Pull request #1 opened: .github/CODEOWNERS\n"
        assert hub.run("refresh").out == "Pull request #1 unchanged: .github/CODEOWNERS\n"
        told = json.loads(hub.run("refresh", "--format", "json").out)
        assert told == {"version": 1, "pull": 1, "what": "unchanged", "paths": [".github/CODEOWNERS"]}
        hub.push_branch("olga", "main", {PATH: text.replace(OWNERS, "owners: [payroll]")})
        assert hub.run("refresh").out == "Pull request #1 updated: .github/CODEOWNERS\n"
        assert "[no-grants]" in hub.run("gate", "1", expect=10).out


def test_a_proposal_that_cannot_follow_a_change_of_workflows_is_opened_anew(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False) as hub:
        text = hub.bare("show", f"main:{PATH}") + "\n"
        hub.push_branch("olga", "main", {PATH: text.replace(OWNERS, "owners: [security]")})
        assert hub.run("refresh").out == "Pull request #1 opened: .github/CODEOWNERS\n"
        flow = {".github/workflows/mine.yml": "name: mine\n", PATH: text.replace(OWNERS, "owners: [payroll]")}
        hub.push_branch("olga", "main", flow)
        assert hub.run("refresh").out == "Pull request #2 opened: .github/CODEOWNERS\n"
        assert hub.pull(1)["state"] == "closed"
        assert hub.run("refresh").out == "Pull request #2 unchanged: .github/CODEOWNERS\n"


def test_lines_of_a_resource_that_does_not_read_are_not_proposed_away(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False) as hub:
        text = hub.bare("show", f"main:{PATH}") + "\n"
        hub.push_branch("olga", "main", {PATH: text.replace(OWNERS, "owners: [enginering]")})
        said = hub.run("refresh", expect=10)
        assert "there is no group 'enginering' in the directory [unknown-group]" in said.err
        assert hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls") == []


def test_on_the_local_forge_nobody_could_merge_it(access: Access) -> None:
    said = access.run("refresh", expect=2)
    assert "run `daypass codeowners` and `daypass form` here, and commit" in said.err
    assert "No open requests." in access.run("gate", "--at", "2026-11-20T10:02:00Z").out


def test_at_github_nothing_is_asked_while_all_is_as_it_should_be(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False) as hub:
        hub.run("refresh")
        assert [call for call in hub.calls if call.path.startswith("/repos/") and "access_tokens" not in call.path] == [
            call for call in hub.calls if call.path.endswith("/installation")
        ]
        hub.push_branch("olga", "main", {".github/ISSUE_TEMPLATE/daypass-request.yml": "name: old\n"})
        said = hub.run("refresh")
        assert "opened: .github/ISSUE_TEMPLATE/daypass-request.yml" in said.out
        number = int(said.out.split("#")[1].split(" ")[0])
        assert hub.pull(number)["user"]["type"] == "Bot"
        hub.calls.clear()
        assert "unchanged" in hub.run("refresh").out
        assert len([call for call in hub.calls if call.method != "GET" and call.path.startswith("/repos/")]) == 0


def test_the_schema_for_editors_follows_the_purposes(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False) as hub:
        purpose = "version: 1\ntitle: A report is made\nfields: {rows: {kind: number}}\n"
        hub.push_branch("olga", "main", {"policies/purposes/report.yaml": purpose})
        assert ".schemas/grant.schema.json" in hub.run("refresh").out
