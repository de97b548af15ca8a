"""`daypass report` at GitHub, by each kind of token: what reviewers see there, and that it is seen once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daypass.edges.forges.github.pulls import GitHubForge
from hub import REPOSITORY, Hub

ALL = {"checks": "write", "contents": "read", "issues": "write", "pull-requests": "write"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as made:
        yield made


def comments(hub: Hub, number: int) -> list[str]:
    found = hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
    return [one["body"] for one in found]


def checks(hub: Hub, number: int) -> list:
    head = hub.pull(number)["head"]["sha"]
    return hub.api("olga", "GET", f"/repos/{REPOSITORY}/commits/{head}/check-runs")["check_runs"]


def labels(hub: Hub, number: int) -> list[str]:
    return [label["name"] for label in hub.pull(number)["labels"]]


def asked(hub: Hub, number: int) -> set[str]:
    return {user["login"] for user in hub.pull(number)["requested_reviewers"]}


def teams(hub: Hub, number: int) -> set[str]:
    return {team["slug"] for team in hub.pull(number)["requested_teams"]}


def actions(hub: Hub, permissions: dict[str, str]) -> dict[str, str]:
    token = hub.double.actions_token(hub.repo, permissions)
    return {"GITHUB_TOKEN": token, "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": REPOSITORY}


def test_a_request_is_told_to_programs_as_it_is_opened_reviewed_and_closed(hub: Hub) -> None:
    wanted = ("--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "Duplicate charges again")
    opened = json.loads(hub.run("request", *wanted, "--format", "json", who="alice").out)["pulls"][0]
    (account,) = opened["grants"]
    assert (account["state"], account["pull"], account["principal"]) == ("asked", opened["number"], "alice")
    number = str(opened["number"])
    shown = json.loads(hub.run("report", number, "--format", "json").out)
    assert (shown["state"], shown["pulls"][0]["grants"]) == ("waiting", [account])
    assert comments(hub, opened["number"]) == []
    told = json.loads(hub.run("approve", number, "--format", "json", who="bob").out)["pulls"][0]["grants"][0]
    assert [one["by"] for one in told["approved_by"]] == ["bob"]
    assert json.loads(hub.run("close", number, "--format", "json", who="alice").out)["pulls"][0]["state"] == "closed"


def test_the_app_shows_a_request_that_waits(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    said = hub.run("report", str(number))
    assert (said.out, said.err) == ("", "")
    (text,) = comments(hub, number)
    since = hub.pull(number)["created_at"]
    waiting = f"waiting for 2 approvals from group:security and owners since {since}"
    assert text.startswith(f"<!-- daypass:notice -->\n### daypass: {waiting}\n\n")
    assert "Alice Ngo (`alice-ngo`)" in text
    assert f"#{number} Access for alice  (open, by alice): {waiting}\n" in hub.run("status", who="bob").out
    assert (
        "- **missing: 1 approval from `owners`**, by Bob Osei (`bosei`) or Carol Diaz (`carol-d`) (`production-needs-two`)"
        in text
    )
    page = f"{hub.double.server_url}/{REPOSITORY}/pull/{number}/files"
    assert f"**To approve:** open [Files changed]({page}), press **Review changes**" in text
    (check,) = checks(hub, number)
    assert (check["name"], check["status"], check["conclusion"]) == ("daypass", "in_progress", None)
    assert check["output"]["title"] == waiting
    assert labels(hub, number) == ["daypass: waiting"]
    assert (asked(hub, number), teams(hub, number)) == (set(), {"dba", "security"})


@pytest.mark.parametrize("status", [403, 405, 422])
def test_a_merge_that_github_refuses_is_told_once(hub: Hub, status: int) -> None:
    number = hub.request_pull("alice", hub.grant())
    for who in ("bob", "erin"):
        hub.approve(number, who)
    body = {"message": "Repository rule violations found\n\nChanges must be made through a merge queue"}
    path = rf"/repos/{REPOSITORY}/pulls/{number}/merge"
    hub.double.faults.add("PUT", path, status=status, body=body, times=3)
    said = hub.run("gate", str(number), expect=1)
    assert "everything is there, and it was not merged: GitHub" in said.out
    assert "Changes must be made through a merge queue" in said.out
    (text,) = comments(hub, number)
    assert "### daypass: everything is there, but GitHub does not let it be merged" in text
    assert "Changes must be made through a merge queue" in text
    hub.calls.clear()
    hub.run("gate", expect=14)
    assert [c for c in hub.calls if c.method in ("POST", "PATCH") and "/comments" in c.path] == []
    assert comments(hub, number) == [text]
    (check,) = [one for one in checks(hub, number) if one["name"] == "daypass"][-1:]
    assert check["conclusion"] == "success"  # the rules may ask for this very check
    assert hub.run("gate", "--format", "json", expect=14).out.count("merge queue") == 1
    assert "merged as" in hub.run("gate").out
    assert "merged" in comments(hub, number)[0]


def test_main_that_moves_while_a_request_is_merged_is_judged_anew(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    number = hub.request_pull("alice", hub.grant())
    for who in ("bob", "erin"):
        hub.approve(number, who)
    merge, moves = GitHubForge.merge, [hub.head()]
    for key, value in (("user.name", "Olga Platform"), ("user.email", "olga@example.com")):
        hub.bare("config", key, value)

    def late(self: GitHubForge, *words: object, **more: object) -> object:
        if len(moves) < 3:
            moves.append(hub.bare("commit-tree", "main^{tree}", "-p", "main", "-m", "meanwhile"))
            hub.bare("update-ref", "refs/heads/main", moves[-1])
        return merge(self, *words, **more)

    monkeypatch.setattr(GitHubForge, "merge", late)
    assert "merged as" in hub.run("gate", str(number)).out


def test_a_second_report_writes_nothing(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.run("report", str(number))
    hub.calls.clear()
    hub.run("report", str(number))
    assert [
        c for c in hub.calls if c.method != "GET" and "/access_tokens" not in c.path and ".git/" not in c.path
    ] == []


def test_what_is_wrong_is_annotated_in_the_file(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(role="readonli"), path="grants/orders-db/alice-x.yaml")
    hub.run("report", str(number))
    (check,) = checks(hub, number)
    assert (check["conclusion"], check["output"]["annotations_count"]) == ("failure", 1)
    (note,) = hub.api("olga", "GET", f"/repos/{REPOSITORY}/check-runs/{check['id']}/annotations")
    assert (note["path"], note["start_line"], note["annotation_level"]) == (
        "grants/orders-db/alice-x.yaml", 4, "failure",
    )  # fmt: skip
    assert labels(hub, number) == ["daypass: refused"]
    assert asked(hub, number) == set()
    assert [team["slug"] for team in hub.pull(number)["requested_teams"]] == ["dba"]  # asked by GitHub, as code owners


def test_the_gate_says_it_is_merged_in_the_same_comment(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.run("gate", str(number), expect=12)
    for who in ("bob", "dave"):
        hub.approve(number, who)
    hub.run("gate", str(number))
    (text,) = comments(hub, number)
    assert "### daypass: merged, and not given yet\n" in text
    assert labels(hub, number) == ["daypass: approved"]
    assert [check["conclusion"] for check in checks(hub, number)] == ["success"]


def test_a_schedule_with_nothing_new_writes_nothing(hub: Hub) -> None:
    for who in ("alice", "bob"):
        hub.request_pull(who, hub.grant(subject=who))
    hub.run("gate")
    hub.advance(minutes=1)  # so that nothing may change within the second that was told
    hub.run("gate")  # which keeps what has become of what the first one wrote
    hub.calls.clear()
    hub.run("gate")
    reading = ("/access_tokens", ".git/", "/graphql")
    assert [c for c in hub.calls if c.method != "GET" and not any(part in c.path for part in reading)] == []


def test_an_approval_that_does_not_count_is_explained_to_who_gave_it(hub: Hub) -> None:
    number = hub.request_pull("carol", hub.grant())
    hub.approve(number, "alice")
    hub.run("report", str(number))
    (text,) = comments(hub, number)
    assert "\n- @alice-ngo, your approval does not count: alice receives the access.\n" in text


@pytest.mark.parametrize("rights", [{"contents": "read", "pull-requests": "read", "checks": "read", "issues": "read"}])
def test_a_token_that_may_only_read_says_what_it_left_out_and_is_no_failure(hub: Hub, rights: dict[str, str]) -> None:
    number = hub.request_pull("alice", hub.grant())
    said = hub.run("report", str(number), who="", environ=actions(hub, rights))
    assert said.out == ""
    assert said.err == (
        f"#{number}: not written, since this token may not or GitHub refuses it: "
        "label, review requests, comment, check run\n"
    )
    assert (comments(hub, number), checks(hub, number), labels(hub, number)) == ([], [], [])


def test_a_workflows_own_token_shows_all_of_it(hub: Hub, tmp_path: Path) -> None:
    number = hub.request_pull("alice", hub.grant())
    place = tmp_path / "summary.md"
    hub.run("report", str(number), who="", environ={**actions(hub, ALL), "GITHUB_STEP_SUMMARY": str(place)})
    (text,) = comments(hub, number)
    assert text.removeprefix("<!-- daypass:notice -->\n") == place.read_text(encoding="utf-8").removesuffix("\n")
    assert [check["app"]["slug"] for check in checks(hub, number)] == ["github-actions"]


def test_print_writes_nothing_there(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    said = hub.run("report", str(number), "--print")
    assert said.out.startswith("### daypass: waiting for 2 approvals from group:security and owners since ")
    assert (comments(hub, number), checks(hub, number), labels(hub, number)) == ([], [], [])


def test_a_copy_of_the_repository_writes_nothing(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    said = hub.run("report", str(number), environ={"GITHUB_REPOSITORY": "mallory/access"}, expect=10)
    assert "but this runs in mallory/access" in said.err
    assert comments(hub, number) == []


def test_an_approval_by_somebody_unknown_says_what_would_make_it_count(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    mallory = hub.double.user("mallory", 666)
    hub.repo.collaborate(mallory, "write")
    hub.review(number, hub.double.token(mallory))
    hub.run("report", str(number))
    (text,) = comments(hub, number)
    assert (
        "\n- `mallory (id 666)`, your approval does not count: the directory does not know mallory (id 666). "
        "Somebody who owns the directory can add the account by its id.\n"
    ) in text
