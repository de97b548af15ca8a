"""Attacks by what a request holds, and around the gate: files, names, trailers, branches, comments, and races."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from siege import held, merge_by_hand, refused, waits

from hub import REPOSITORY, Hub

ADMIN = {"role": "admin", "duration": "1h"}


def approved(hub: Hub, number: int) -> None:
    hub.approve(number, "bob")
    hub.approve(number, "dave")


def push_to_main(hub: Hub, files: dict[str, str | bytes | None], message: str = "Just do it") -> str:
    """Push straight to main, as somebody may where nothing protects it."""
    return hub.push_branch("bob", "main", files, message=message)


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/apply.yml",
        ".github/CODEOWNERS",
        "policies/rules/access.yaml",
        "policies/directory/people.yaml",
        "pyproject.toml",
        ".gitattributes",
    ],
)
def test_a_request_that_brings_other_files_along_is_refused(hub: Hub, path: str) -> None:
    number = hub.request_pull("alice", hub.grant(), files={path: "version: 1\n"})
    approved(hub, number)
    assert "[mixed-change]" in waits(hub, number)
    merge_by_hand(hub, number)
    said = hub.run("apply", expect=None)
    assert said.code in (1, 14)
    assert held(hub) == set()


def test_rules_of_a_branch_that_was_never_merged_judge_nothing(hub: Hub) -> None:
    free = "version: 1\nrules:\n  - id: all\n    when: 'true'\n    approve: automatically\n"
    hub.push_branch("alice", "mine", {"policies/rules/access.yaml": free})
    hub.push_branch("alice", "mine", {"grants/orders-db/x.yaml": hub.grant(**ADMIN)})
    made = hub.api("alice", "POST", f"/repos/{REPOSITORY}/pulls", {"title": "t", "head": "mine", "base": "main"})
    assert "[mixed-change]" in waits(hub, int(made["number"]))
    merge_by_hand(hub, int(made["number"]))
    said = hub.run("apply", expect=None)
    assert "mixed-change" in said.out + said.err
    assert held(hub) == set()


def test_a_grant_that_moves_to_another_folder_is_another_grant(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(resource="staging", role="deploy"), path="grants/staging/a.yaml")
    hub.run("gate", str(number))
    moved = {"grants/staging/a.yaml": None, "grants/orders-db/a.yaml": hub.grant(resource="staging", role="deploy")}
    number = hub.request_pull("alice", files=moved)
    assert "grants/orders-db/a.yaml" in waits(hub, number)
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_names_that_inject_are_refused_and_shown_harmlessly(hub: Hub) -> None:
    names = [
        "grants/orders-db/$(touch pwned).yaml",
        "grants/orders-db/x;id.yaml",
        "grants/orders-db/::error::pwned.yaml",
        "grants/orders-db/<img src=x onerror=alert(1)>.yaml",
        "grants/orders-db/@acme-security.yaml",
        "grants/orders-db/a\n::set-output name=x::y.yaml",
        "grants/orders-db/-rf.yaml",
        "grants/orders-db/[link](https://evil.example).yaml",
    ]
    number = hub.request_pull("alice", files=dict.fromkeys(names, hub.grant()))
    said = waits(hub, number)
    assert "\n::" not in said
    (comment,) = hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
    outside = "".join(comment["body"].split("`")[::2])
    assert "@acme-security" not in outside
    assert "<img" not in outside
    assert "https://evil.example" not in outside
    checked = hub.run(
        "check",
        "--base",
        "main",
        "--head",
        hub.pull(number)["head"]["sha"],
        "--format",
        "github",
        folder=fetched(hub, number),
        expect=None,
    )
    assert checked.code == 10
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in checked.out.splitlines())
    assert not any(line.startswith(("::set-output", "::error::pwned")) for line in checked.out.splitlines())


def fetched(hub: Hub, number: int) -> Path:
    folder = hub.clone("app")
    subprocess.run(["git", "-C", str(folder), "fetch", "-q", "origin", f"refs/pull/{number}/head"], check=True)
    return folder


def test_a_trailer_that_somebody_wrote_proves_nothing(hub: Hub) -> None:
    """Nothing is read from a commit message: the forge's record counts."""
    message = (
        "Grant orders-db/x (#1)\n\nDaypass-Grant: orders-db/x\nDaypass-Pull: 1\n"
        "Daypass-Approved-By: bob (owners)\nDaypass-Approved-By: dave (group:security)\n"
    )
    push_to_main(hub, {"grants/orders-db/x.yaml": hub.grant(**ADMIN)}, message)
    refused(hub, "around-the-gate")


def test_a_message_that_would_silence_the_workflows_is_refused(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), message="Ask [skip ci]")
    approved(hub, number)
    assert "skip ci" in waits(hub, number)


def test_a_direct_push_to_main_gives_nothing(hub: Hub) -> None:
    push_to_main(hub, {"grants/orders-db/x.yaml": hub.grant()})
    assert "the forge has no record of such a merge" in refused(hub, "around-the-gate")


def test_a_push_of_an_approved_head_is_no_merge(hub: Hub) -> None:
    """https://docs.github.com/en/pull-requests: a request is marked as merged when its head reaches the base anyhow."""
    number = hub.request_pull("alice", hub.grant(), branch="wish")
    approved(hub, number)
    folder = hub.clone("bob")
    run = ["git", "-C", str(folder)]
    subprocess.run([*run, "fetch", "-q", "origin", "wish"], check=True)
    subprocess.run([*run, "push", "-q", "origin", "FETCH_HEAD:refs/heads/main"], check=True)
    assert hub.pull(number)["merged"] is True
    refused(hub, "around-the-gate")


def test_a_forced_main_takes_nothing_back_and_gives_nothing(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    approved(hub, number)
    hub.run("gate", str(number))
    hub.run("apply")
    assert held(hub) == {"alice"}
    folder = hub.clone("bob")
    run = ["git", "-C", str(folder)]
    subprocess.run([*run, "push", "-q", "--force", "origin", "HEAD~1:refs/heads/main"], check=True)
    said = hub.run("apply", expect=1)
    assert "does not contain" in said.err or "does not continue" in said.err
    assert held(hub) == {"alice"}


def test_a_file_that_changed_between_review_and_merge_gives_nothing(hub: Hub) -> None:
    """A merge commit made by hand that marks the request as merged and brings other bytes than the reviewed ones."""
    number = hub.request_pull("alice", hub.grant(), path="grants/orders-db/a.yaml", branch="wish")
    approved(hub, number)
    folder = hub.clone("bob")
    run = ["git", "-C", str(folder), "-c", "user.name=Bob Osei", "-c", "user.email=bob@example.com"]
    subprocess.run([*run, "fetch", "-q", "origin", "wish"], check=True)
    subprocess.run([*run, "merge", "-q", "--no-ff", "--no-commit", "FETCH_HEAD"], check=True)
    (folder / "grants/orders-db/a.yaml").write_text(hub.grant(**ADMIN), encoding="utf-8")
    subprocess.run([*run, "add", "-A"], check=True)
    subprocess.run([*run, "commit", "-q", "-m", "Merge it"], check=True)
    subprocess.run([*run, "push", "-q", "origin", "HEAD:refs/heads/main"], check=True)
    said = hub.run("apply", expect=14)
    assert held(hub) == set()
    assert "[bytes-differ]" in said.out or "[around-the-gate]" in said.out


def test_an_old_grant_that_comes_back_after_its_removal_gives_nothing(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), path="grants/orders-db/a.yaml")
    approved(hub, number)
    hub.run("gate", str(number))
    hub.run("apply")
    number = hub.request_pull("alice", files={"grants/orders-db/a.yaml": None})
    hub.run("gate", str(number))
    hub.run("apply")
    assert held(hub) == set()
    number = hub.request_pull("alice", hub.grant(), path="grants/orders-db/a.yaml")
    waits(hub, number)
    merge_by_hand(hub, number)
    refused(hub, "evidence-missing")


def test_a_revert_of_a_removal_is_a_request_like_any(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant(), path="grants/orders-db/a.yaml")
    approved(hub, number)
    hub.run("gate", str(number))
    hub.run("apply")
    number = hub.request_pull("alice", files={"grants/orders-db/a.yaml": None})
    hub.run("gate", str(number))
    hub.run("apply")
    folder = hub.clone("alice")
    run = ["git", "-C", str(folder), "-c", "user.name=Alice Ngo", "-c", "user.email=alice@example.com"]
    subprocess.run([*run, "checkout", "-q", "-b", "revert"], check=True)
    subprocess.run([*run, "revert", "--no-edit", "HEAD"], check=True, capture_output=True)
    subprocess.run([*run, "push", "-q", "origin", "revert"], check=True)
    made = hub.api("alice", "POST", f"/repos/{REPOSITORY}/pulls", {"title": "Revert", "head": "revert", "base": "main"})
    assert "1 approval from owners" in waits(hub, int(made["number"]))
    merge_by_hand(hub, int(made["number"]))
    refused(hub, "evidence-missing")


def test_a_forged_ledger_commit_stops_the_applier_and_is_named(hub: Hub) -> None:
    hub.run("apply")
    folder = hub.clone("bob")
    run = ["git", "-C", str(folder), "-c", "user.name=daypass", "-c", "user.email=daypass@localhost"]
    subprocess.run([*run, "checkout", "-q", "daypass-ledger"], check=True)
    forged = (folder / "receipts/000/000/000.json").read_text(encoding="utf-8").replace("a", "b", 1)
    (folder / "receipts/000/000/001.json").write_text(forged, encoding="utf-8")
    subprocess.run([*run, "add", "-A"], check=True)
    subprocess.run([*run, "commit", "-q", "-m", "append 1 receipt"], check=True)
    subprocess.run([*run, "push", "-q", "origin", "HEAD:refs/heads/daypass-ledger"], check=True)
    said = hub.run("apply", expect=1)
    assert "receipt 1" in said.err
    assert held(hub) == set()


def test_a_ledger_that_was_rewritten_is_no_ledger(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    approved(hub, number)
    hub.run("gate", str(number))
    hub.run("apply")
    first = hub.bare("rev-list", "--max-parents=0", "daypass-ledger")
    hub.bare("update-ref", "refs/heads/daypass-ledger", first)
    said = hub.run("apply", folder=hub.top / "clones" / "app", expect=1)
    assert "does not continue the one in this clone" in said.err


def test_a_comment_that_pretends_to_be_ours_is_neither_read_nor_kept_instead_of_ours(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    hub.run("gate", str(number), expect=12)
    (ours,) = hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments")
    forged = ours["body"].replace("Waiting", "Approved")
    hub.api("alice", "POST", f"/repos/{REPOSITORY}/issues/{number}/comments", {"body": forged})
    approved(hub, number)
    hub.run("gate", str(number), "--dry-run")
    hub.run("gate", str(number))
    mine = [
        c for c in hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{number}/comments") if c["user"]["type"] == "Bot"
    ]
    assert len(mine) == 1
    assert mine[0]["id"] == ours["id"]


def test_ten_thousand_files_in_one_request_are_refused_in_one_answer(hub: Hub) -> None:
    folder = hub.clone("alice")
    for n in range(10_000):
        place = folder / f"grants/orders-db/f{n:05d}.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(hub.grant(reason=f"file number {n} of very many"), encoding="utf-8")
    run = ["git", "-C", str(folder)]
    subprocess.run([*run, "checkout", "-q", "-b", "flood"], check=True)
    subprocess.run([*run, "add", "-A"], check=True)
    subprocess.run([*run, "commit", "-q", "-m", "Flood"], check=True)
    subprocess.run([*run, "push", "-q", "origin", "flood"], check=True)
    made = hub.api("alice", "POST", f"/repos/{REPOSITORY}/pulls", {"title": "t", "head": "flood", "base": "main"})
    hub.calls.clear()
    waits(hub, int(made["number"]))
    assert len([call for call in hub.calls if call.path.startswith("/repos/")]) < 20
    (comment,) = hub.api("olga", "GET", f"/repos/{REPOSITORY}/issues/{made['number']}/comments")
    assert len(comment["body"]) < 65_536


def test_two_gates_at_once_merge_once(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    approved(hub, number)
    other = hub.top / "second"
    subprocess.run(["git", "clone", "-q", str(hub.clone("app")), str(other)], check=True)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hub.run, "gate", str(number), expect=None, apart=True)
        second = pool.submit(hub.run, "gate", str(number), folder=other, expect=None, apart=True)
    codes = sorted([first.result().code, second.result().code])
    assert codes[0] == 0
    assert codes[1] in (0, 1)
    assert hub.pull(number)["merged"] is True
    assert hub.bare("rev-list", "--count", "main").strip() == str(int(hub.bare("rev-list", "--count", "main~1")) + 1)
    hub.run("apply")
    assert held(hub) == {"alice"}


def test_two_applies_at_once_write_one_truth(hub: Hub) -> None:
    number = hub.request_pull("alice", hub.grant())
    approved(hub, number)
    hub.run("gate", str(number))
    other = hub.top / "second"
    subprocess.run(["git", "clone", "-q", str(hub.clone("app")), str(other)], check=True)
    subprocess.run(
        ["git", "-C", str(other), "fetch", "-q", "origin", "+refs/remotes/origin/*:refs/heads/*"], check=False
    )
    apart = {"DAYPASS_STATE": str(hub.top / "state-two")}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hub.run, "apply", expect=None, apart=True)
        second = pool.submit(hub.run, "apply", folder=other, expect=None, apart=True, environ=apart)
    codes = sorted([first.result().code, second.result().code])
    assert codes[0] == 0, (first.result(), second.result())
    hub.run("audit", "verify")


def test_a_copy_of_the_repository_does_not_act(hub: Hub) -> None:
    said = hub.run("apply", environ={"GITHUB_REPOSITORY": "mallory/access"}, expect=10)
    assert "the settings name the repository acme/access, but this runs in mallory/access" in said.err
