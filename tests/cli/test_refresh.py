"""Generated files follow the catalogue through one pull request."""

from __future__ import annotations

from pathlib import Path

from driver import Access
from hub import Hub

T = "2026-11-20T{}:00Z".format


def test_files_that_the_catalogue_has_outgrown_are_proposed_once_and_kept_up_to_date(access: Access) -> None:
    access.run("form")
    access.run("codeowners")
    access.git("add", "-A")
    access.git("commit", "-q", "--allow-empty", "-m", "generated")
    assert access.run("refresh", "--at", T("10:00")).out == "The generated files on main are up to date.\n"
    path = "policies/resources/staging.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("owners: [engineering]", "owners: [security]"))
    access.commit("another owner")
    said = access.run("refresh", "--at", T("10:01"))
    assert said.out == "Pull request #1 opened: .github/CODEOWNERS\n"
    assert access.run("refresh", "--at", T("10:02")).out == "Pull request #1 unchanged: .github/CODEOWNERS\n"
    access.write(path, text.replace("owners: [engineering]", "owners: [payroll]"))
    access.commit("yet another")
    assert access.run("refresh", "--at", T("10:03")).out == "Pull request #1 updated: .github/CODEOWNERS\n"
    said = access.run("gate", "1", "--at", T("10:04"), expect=10)
    assert "[no-grants]" in said.out


def test_lines_of_a_resource_that_does_not_read_are_not_proposed_away(access: Access) -> None:
    path = "policies/resources/staging.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("owners: [engineering]", "owners: [enginering]"))
    access.commit("a typo")
    said = access.run("refresh", "--at", T("10:01"), expect=10)
    assert "there is no group 'enginering' in the directory [unknown-group]" in said.err
    assert "No open requests." in access.run("gate", "--at", T("10:02")).out


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
