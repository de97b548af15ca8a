"""Comment, check run, `status` and `show` say how a request stands in the same words, in every state of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import get_args

import pytest

from daypass.cli.runs.running import run_apply
from daypass.core.request import Gated
from daypass.core.state import GrantState, Overview, Stage
from daypass.pipeline.judge.gate import look
from daypass.pipeline.judge.report import notice_of, report_of
from daypass.pipeline.tell.lives import lives_in
from daypass.views.comment import comment_text, title_text
from daypass.views.findings import printable
from daypass.views.gate import status_text
from daypass.views.policy.decision import state_words
from daypass.views.told.life import life_text, life_title
from daypass.views.told.words import life_words, request_title
from driver import Access
from report_world import GRANT, T, propose

FILE = "grants/orders-db/alice-double-charges.yaml"


def _waiting(access: Access) -> None:
    propose(access, T("10:00"), {FILE: GRANT})


def _half(access: Access) -> None:
    _waiting(access)
    access.run("approve", "1", "--at", T("10:01"), acting="bob")


def _approved(access: Access) -> None:
    _half(access)
    access.run("approve", "1", "--at", T("10:01"), acting="dave")


def _rejected(access: Access) -> None:
    _waiting(access)
    access.run("reject", "1", "--at", T("10:01"), acting="dave")


def _denied(access: Access) -> None:
    propose(access, T("10:00"), {FILE: GRANT.replace("8h", "9h")})


def _invalid(access: Access) -> None:
    propose(access, T("10:00"), {FILE: GRANT.replace("8h", "8 hours")})


OPEN: dict[str, Callable[[Access], None]] = {
    "waiting": _waiting,
    "half": _half,
    "approved": _approved,
    "rejected": _rejected,
    "denied": _denied,
    "invalid": _invalid,
}


@pytest.mark.parametrize("made", OPEN.values(), ids=OPEN.keys())
def test_an_open_request_is_said_alike(access: Access, made: Callable[[Access], None]) -> None:
    made(access)
    site, at = access.repo(), datetime.fromisoformat(T("10:02"))
    found: Gated = look(site, 1, at=at)
    report = report_of(site, found, at=at)
    words = request_title(found)
    comment = comment_text(report)
    check = notice_of(report, title=title_text(report), summary=comment, comment=comment, plain=printable)
    assert check.title == words
    assert comment.startswith(f"### daypass: {words}\n")
    shown = f"#1 Ask  (open, by alice): {words}\n"
    assert shown in access.run("status", "--at", T("10:02"), expect=None).out
    assert shown in access.run("show", "1", "--at", T("10:02"), expect=None).out


def test_a_merged_request_is_said_alike_until_it_has_ended(access: Access) -> None:
    _approved(access)
    access.run("gate", "1", "--at", T("10:02"))
    shown = access.run("show", "1", "--at", T("10:03")).out
    assert "since the merge: merged, and not given yet\n" in shown
    for at, words in (
        (T("10:03"), f"live until {T('18:02')}"),
        (T("18:05"), f"ended {T('18:02')}, taken away 3m late"),
    ):
        site = access.repo()
        (life,) = lives_in(site.again(), run_apply(site, datetime.fromisoformat(at)))[0]
        assert life_title(life) == words
        assert life_text(life).startswith(f"### daypass: {words}\n")
        if words.startswith("live"):
            assert f"{words}, 7h59m left" in access.run("status", "--at", at).out
            assert f"since the merge: {words}\n" in access.run("show", "1", "--at", at).out


@pytest.mark.parametrize("stage", get_args(Stage))
def test_every_stage_has_words_and_status_begins_with_them(stage: Stage) -> None:
    at = datetime.fromisoformat(T("10:00"))
    until = datetime.fromisoformat(T("18:02"))
    state = GrantState("orders-db/x", stage, start=until, until=until, why="the reason", code="expired")  # type: ignore[arg-type]
    words = life_words(state)
    assert words
    assert words == life_words(state._replace(length=None))
    if stage in ("merged", "unproved", "scheduled", "pending", "live", "blocked", "ended"):
        assert state_words(state, at).startswith(words)


def test_a_status_without_anything_says_nothing_of_lives() -> None:
    at = datetime.fromisoformat(T("10:00"))
    assert "live until" not in status_text(Overview(at, (), (), {}))
