"""The same grant asked for again: a duplicate while the first is to run, and none once it has ended."""

from __future__ import annotations

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format
AGAIN = ("request", "--resource", "orders-db", "--role", "readonly", "--for", "2h", "--reason", "Looking again", "--at")


def _merged(access: Access, number: str, at: str, merged: str) -> None:
    for reviewer in ("bob", "dave"):
        access.run("approve", number, "--at", T(at), acting=reviewer)
    assert "merged as" in access.run("gate", number, "--at", T(merged)).out


@pytest.fixture
def once(access: Access) -> Access:
    access.run(*AGAIN, T("10:00"), acting="alice")
    _merged(access, "1", "10:01", "10:05")
    access.run("apply", "--at", T("10:06"))
    return access


def test_a_request_like_one_that_is_still_to_run_is_refused(once: Access) -> None:
    said = once.run(*AGAIN, T("11:00"), acting="alice", expect=10)
    assert "this is the same grant as" in said.err


def test_a_request_like_one_that_has_ended_is_opened_merged_and_given(once: Access) -> None:
    once.run("apply", "--at", T("12:06"))
    once.run(*AGAIN, T("12:10"), acting="alice")
    said = once.run("check", "--pull", "2", "--at", T("12:11"))
    assert "duplicate-grant" not in said.out
    _merged(once, "2", "12:11", "12:15")
    done = once.run("apply", "--at", T("12:16"))
    assert "1 to add" in done.out or "+ alice" in done.out
    once.run("audit", "verify", "--at", T("12:17"))
    for checked in (("check",), ("check", "--revision", "main")):
        assert "duplicate-grant" not in once.run(*checked, "--at", T("12:17")).out
        assert "duplicate-grant" in once.run(*checked, "--at", T("11:00"), expect=10).out


def test_a_grant_that_ended_by_its_subjects_engagement_is_no_duplicate_and_denied_for_that(once: Access) -> None:
    path = "policies/directory/people.yaml"
    text = (once.top / path).read_text()
    once.write(path, text.replace("alice: {", "alice: {until: 2026-11-20T11:00:00Z, ", 1))
    assert "until: 2026-11-20T11" in (once.top / path).read_text()
    once.commit("alice leaves")
    said = once.run(*AGAIN, T("11:30"), acting="alice", expect=11)
    assert "alice is engaged until 2026-11-20T11:00:00Z only" in said.err
    assert "the same grant" not in said.err
