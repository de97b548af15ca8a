"""A request's comment since its merge, to the letter: live and how it is used, ended and how late, failed and what then."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from daypass.cli.runs.running import run_apply
from daypass.core.catalogue import Catalogue
from daypass.core.ids import GrantId, Oid
from daypass.core.plan import Entitlement
from daypass.core.record import replace
from daypass.core.state import GrantState, Life, LifeGrant
from daypass.edges.forges.github.inbox import links_of
from daypass.pipeline.tell.lives import life_notice, lives_in
from daypass.views.told.life import issue_text, life_lines, life_text, life_title
from driver import Access
from report_world import GRANT, HEAD, T, propose

GOLDEN = Path(__file__).parent / "golden"
FILE = "grants/orders-db/alice-double-charges.yaml"
LINKS = links_of("https://github.com/acme/access")


def golden(name: str) -> str:
    return (GOLDEN / f"life-{name}.md").read_text(encoding="utf-8")


def applied(access: Access, at: str) -> Life:
    """Apply, and return the one request that the run changed something of."""
    site = access.repo()
    done = run_apply(site, datetime.fromisoformat(at))
    (life,) = lives_in(site.again(), done)[0]
    return life


def steady(text: str, life: Life) -> str:
    return text.replace(life.merged, HEAD).replace(life.merged[:12], HEAD[:12])


@pytest.fixture
def merged(access: Access) -> Access:
    propose(access, T("10:00"), {FILE: GRANT})
    for who in ("bob", "dave"):
        access.run("approve", "1", "--at", T("10:01"), acting=who)
    access.run("gate", "1", "--at", T("10:02"))
    return access


def test_what_is_live_says_until_when_and_how_it_is_used(merged: Access) -> None:
    life = applied(merged, T("10:03"))
    assert life_title(life) == f"live until {T('18:02')}"
    assert steady(life_text(life, LINKS), life) == golden("live")
    notice = life_notice(life, title="t", comment="c", issue="i")
    assert (notice.conclusion, notice.closes, notice.number) == ("success", False, 1)


def test_what_has_ended_says_when_and_how_late(merged: Access) -> None:
    applied(merged, T("10:03"))
    life = applied(merged, T("18:05"))
    assert life_title(life) == f"ended {T('18:02')}, taken away 3m late"
    assert steady(life_text(life, LINKS), life) == golden("ended")
    assert life_notice(life, title="t", comment="c", issue="i").closes


def test_it_is_said_on_the_issues_that_asked_for_its_grants(merged: Access) -> None:
    life = applied(merged, T("10:03"))
    assert life_notice(life, title="t", comment="c", issue="i").issues == ()
    (one,) = life.grants
    grants = tuple(replace(one, proof=replace(one.proof, issue=number)) for number in (12, 7, 12, 0))
    told = replace(life, grants=(*grants, LifeGrant(one.state)))
    assert life_notice(told, title="t", comment="c", issue="i").issues == (7, 12)


def test_a_run_that_changes_nothing_tells_of_nothing(merged: Access) -> None:
    applied(merged, T("10:03"))
    site = merged.repo()
    lives, left = lives_in(site.again(), run_apply(site, datetime.fromisoformat(T("10:04"))))
    assert (list(lives), left) == ([], 0)


def life_of(catalogue: Catalogue, *states: GrantState) -> Life:
    grants = tuple(LifeGrant(state) for state in states)
    return Life(1, Oid(HEAD), Oid(HEAD), datetime.fromisoformat(T("10:02")), "alice", grants, catalogue)


def state(stage: str, **more: object) -> GrantState:
    what = Entitlement("embedded", "orders-db", "alice", '{"member_of":"orders_readonly"}')
    fields = {"subject": "alice", "resource": "orders-db", "role": "readonly", "entitlement": what, **more}
    return GrantState(GrantId("orders-db/alice-1"), stage, **fields)  # type: ignore[arg-type]  # a stage by its name


UNTIL = datetime.fromisoformat(T("18:02"))


@pytest.mark.parametrize(
    ("stage", "more", "title", "said"),
    [
        ("pending", {"note": "failing since 2026-11-20T10:03:00Z: no route"}, "failed, and tried again",
         "ever more seldom, from a minute up to six hours"),
        ("pending", {"note": "invited, awaiting acceptance"}, "offered, to be accepted", "**What it waits for:** invited"),
        ("pending", {}, "merged, and not given yet", "The next run gives it."),
        ("pending", {"note": "held back: giving is paused"}, "merged, and held back",
         "**What holds it back:** giving is paused.\n\nA run goes on with it once nothing holds it back."),
        ("ended", {"until": UNTIL, "code": "expired", "provisioned": True, "note": "held back: the clocks differ"},
         f"ended {T('18:02')}, and taking it away is held back", "**What holds it back:** the clocks differ."),
        ("scheduled", {"start": UNTIL, "until": UNTIL + timedelta(hours=1)},
         f"opens {T('18:02')}, until {T('19:02')}", "It opens by itself"),
        ("unproved", {"code": "approvals-missing", "why": "1 approval is missing"},
         "failed: it could not be proved, and gives nothing", "**Why:** 1 approval is missing (`approvals-missing`)."),
        ("blocked", {"code": "meaning-moved", "why": "role means something else since approval"},
         "gives nothing: role means something else since approval", "It gives no access as it stands."),
        ("ended", {"until": UNTIL, "code": "expired", "provisioned": True, "note": "failing since x: no route"},
         f"ended {T('18:02')}, and taking it away fails", "It is tried again at each run"),
        ("ended", {"until": UNTIL, "code": "expired", "provisioned": True},
         f"ended {T('18:02')}, to be taken away by the next run", "The next run takes it away."),
        ("ended", {"until": UNTIL, "code": "expired"}, f"ended {T('18:02')}", "Nothing of it is left."),
        ("ended", {"taken": UNTIL, "code": "removed", "why": "ended on main"},
         f"ended {T('18:02')}, taken away at once", "It ended early: ended on main."),
        ("live", {"until": UNTIL, "recurs_until": UNTIL + timedelta(days=7)},
         f"live until {T('18:02')}, again until 2026-11-27T18:02:00Z", "**How to use it:**"),
        ("merged", {}, "merged, and not given yet", "The next run proves all of this again"),
    ],
)  # fmt: skip
def test_each_state_says_what_happens_next(
    access: Access, stage: str, more: dict[str, object], title: str, said: str
) -> None:
    life = life_of(access.repo().policy.catalogue, state(stage, **more))
    assert life_title(life) == title
    text = life_text(life)
    assert text.startswith(f"### daypass: {title}\n")
    assert said in text
    assert title in issue_text(life).replace("`", "")
    assert life_lines(life)[0] == f"orders-db/alice-1: {title}"


def test_what_a_later_request_extended_is_told_there_and_says_no_end_here(access: Access) -> None:
    catalogue = access.repo().policy.catalogue
    life = life_of(catalogue, state("live", until=UNTIL))
    extended = replace(life, grants=tuple(replace(one, goes_on=7) for one in life.grants))
    assert life_title(extended) == "goes on by #7"
    assert T("18:02") not in life_text(extended, LINKS) + issue_text(extended, LINKS) + "".join(life_lines(extended))
    assert "It goes on by [#7](" in life_text(extended, LINKS)
    both = replace(life, grants=(*life.grants, *extended.grants))
    assert life_title(both) == f"live until {T('18:02')}; 1 goes on by #7"


def test_why_something_gives_nothing_is_no_markup_of_the_comment(access: Access) -> None:
    blocked = state("blocked", why="see @acme/dba <img src=x> [here](http://x)")
    (heading, *_) = life_text(life_of(access.repo().policy.catalogue, blocked)).splitlines()
    assert heading == "### daypass: gives nothing: see `@acme/dba <img src=x> [here](http://x)`"


def test_several_grants_are_counted_and_folded(access: Access) -> None:
    states = [state("live", until=UNTIL), *[state("ended", until=UNTIL, code="expired")] * 59]
    life = life_of(access.repo().policy.catalogue, *states)
    assert life_title(life) == "1 live, 59 ended"
    text = life_text(life)
    assert text.count("<details>") == text.count("</details>") == 50
    assert "*… and 10 more grants: `daypass show 1` has all.*" in text
    assert issue_text(life).count("\n- ") == 50


@pytest.mark.parametrize(
    ("failed", "label"),
    [
        (state("unproved"), "refused"),
        (state("pending", note="failing since x: y"), "approved"),  # which is tried again
        (state("blocked"), "refused"),
    ],
)
def test_what_failed_fails_the_check_and_is_labelled_refused_where_it_gives_nothing(
    access: Access, failed: GrantState, label: str
) -> None:
    life = life_of(access.repo().policy.catalogue, state("live", until=UNTIL), failed)
    notice = life_notice(life, title="t", comment="c", issue="i")
    assert (notice.conclusion, notice.state) == ("failure", label)
