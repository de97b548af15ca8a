"""docs/policy: the files of each page are a repository that is in order, and its policy tests pass."""

from __future__ import annotations

import pytest
from pages import TOP, blocks

from driver import Access

FOLDER = TOP / "docs" / "policy"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if any(block.file for block in blocks(path)))


def written(access: Access, page: str) -> Access:
    """Write the files of a page in place of the example's rules, purposes and tests."""
    for place in ("rules", "purposes", "tests"):
        for file in (access.top / "policies" / place).glob("*.yaml"):
            file.unlink()
    people = access.top / "policies/directory/people.yaml"
    people.write_text(
        people.read_text(encoding="utf-8").replace("purposes: [vendor-support]", "purposes: []"), encoding="utf-8"
    )
    for block in blocks(FOLDER / f"{page}.md"):
        if block.file:
            access.write(block.file, block.text)
    return access


@pytest.mark.parametrize("page", PAGES)
def test_the_files_of_a_page_are_in_order_and_its_tests_pass(access: Access, page: str) -> None:
    written(access, page)
    assert "ok." in access.run("check").out
    said = access.run("policy", "test").out
    assert ", 0 failed" in said
    assert "no case makes rule" not in said
    assert "no case" not in said


@pytest.mark.parametrize(
    ("what", "where", "say"),
    [
        ("deputies:\n  bob: {by: carol, from: 2026-11-19, until: 2026-11-27}\n", "directory/people", ""),
        ("deputies:\n  bob: {by: carl, from: 2026-11-19, until: 2026-11-27}\n", "directory/people", "[unknown-member]"),
    ],
)
def test_the_deputy_of_the_page_is_taken_and_a_misspelt_one_is_not(
    access: Access, what: str, where: str, say: str
) -> None:
    written(access, "approvers")
    assert what in (FOLDER / "approvers.md").read_text(encoding="utf-8") or say
    file = access.top / f"policies/{where}.yaml"
    file.write_text(file.read_text(encoding="utf-8") + what, encoding="utf-8")
    assert say in access.run("check", expect=10 if say else 0).out


T = "2026-11-20T{}:00Z".format


def test_payroll_is_given_by_three_different_people_as_the_page_says(access: Access) -> None:
    written(access, "approvers")
    access.commit("who approves")
    number = access.ask(T("10:00"), "--for", "1h", resource="payroll")
    waits = access.run("gate", number, "--at", T("10:01"), expect=12).out
    assert "missing: 1 approval from manager (bob)" in waits
    for who in ("bob", "carol", "dave"):
        access.run("approve", number, "--at", T("10:02"), acting=who)
    access.run("gate", number, "--at", T("10:03"))
    access.run("apply", "--at", T("10:04"))
    access.run("audit", "verify", "--at", T("10:05"))


@pytest.mark.on_disk
def test_explain_says_who_is_taken_out_by_the_ledger(access: Access) -> None:
    written(access, "approvers")
    access.commit("who approves")
    number = access.ask(T("10:00"), resource="staging", role="deploy")
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("gate", number, "--at", T("10:02"))
    access.run("apply", "--at", T("10:03"))
    path = "grants/orders-db/mine.yaml"
    text = "version: 1\nsubject: alice\nresource: orders-db\nrole: readonly\nreason: looking at four orders\n"
    access.write(path, f"{text}window: {{duration: 1h}}\n")
    said = access.run("explain", path, "--requester", "alice", "--at", T("10:04")).out
    assert "needs  1 approval from owners except approvers:staging, holders:staging: carol" in said
    assert "without bob (Bob Osei), who approved something on staging in the last 30 days" in said
    assert "as the ledger says after receipt" in said
