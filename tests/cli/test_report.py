"""`daypass report` on the local forge and in a workflow's step: the comment is printed, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format


@pytest.fixture(autouse=True)
def no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.mark.on_disk
def test_the_comment_is_printed_and_the_repository_stays_as_it_was(access: Access) -> None:
    number = access.ask(T("10:00"))
    before = access.git("for-each-ref")
    said = access.run("report", number, "--at", T("10:01"))
    assert said.out.startswith(
        f"### daypass: waiting for 2 approvals from group:security and owners since {T('10:00')}\n\n"
    )
    assert said.out.endswith("</sub>\n")
    assert said.err == ""
    assert access.run("report", number, "--print", "--at", T("10:01")).out == said.out
    assert access.git("for-each-ref") == before


def test_how_a_request_stands_is_no_failure_of_the_report(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("reject", number, "--at", T("10:01"), acting="dave")
    assert access.run("gate", number, "--dry-run", "--at", T("10:02"), expect=12).code == 12
    assert access.run("report", number, "--at", T("10:02"), expect=0).out.startswith("### daypass: blocked")


def test_a_finished_request_is_not_judged_again(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("close", number, "--at", T("10:01"), acting="alice")
    said = access.run("report", number, "--at", T("10:02"))
    assert said.out == ""
    assert said.err == f"#{number} is closed; only open requests are reported on\n"


def test_an_unknown_number_fails(access: Access) -> None:
    said = access.run("report", "7", "--at", T("10:01"), expect=2)
    assert "7" in said.err


def test_the_step_of_a_workflow_gets_a_summary(access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "summary.md"
    place.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    number = access.ask(T("10:00"))
    said = access.run("report", number, "--at", T("10:01"))
    assert place.read_text(encoding="utf-8") == f"before\n{said.out}\n"


def test_a_summary_that_is_nearly_full_is_left_alone(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "summary.md"
    place.write_bytes(b"x" * 899_000)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    access.run("report", access.ask(T("10:00")), "--at", T("10:01"))
    assert place.stat().st_size == 899_000
