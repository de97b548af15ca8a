"""Questions over a real repository and a real ledger."""

from __future__ import annotations

import json
import subprocess

import pytest
from audit_world import T0, World, minutes

from daypass.core.audit.events import EventKind
from daypass.core.audit.stats import BOUNDS
from daypass.core.errors import LedgerError, RefusedError, UsageError
from daypass.core.ledger.receipt import Refusal, Retirement
from daypass.core.plan import Reason
from daypass.edges.git.plumbing import Git
from daypass.pipeline.audit.questions import access, history, stats


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "repo")


def nothing():
    return ()


def test_access_names_who_held_it_and_who_approved(world):
    world.life("orders-db/one", 30)
    found = access(world.index(), "orders-db", known=nothing, at=minutes(60))
    (item,) = found.found
    assert (item.subjects, item.since, item.change.until, item.overdue(found.sources.at)) == (
        ("alice",),
        minutes(31),
        minutes(90),
        False,
    )
    assert item.basis[0].approvals[0].by == "bob"
    assert found.sources.main == world.main


def test_access_before_and_after_is_nobodys(world):
    admission = world.life("orders-db/one", 30)
    world.take(admission, minutes(91))
    index = world.index()
    assert access(index, "orders-db", known=nothing, at=minutes(30)).found == ()
    assert access(index, "orders-db", known=nothing, at=minutes(91)).found == ()
    assert len(access(index, "orders-db", known=nothing, at=minutes(90)).found) == 1


def test_access_past_its_window_is_named_overdue(world):
    world.life("orders-db/one", 30)
    (item,) = access(world.index(), "orders-db", known=nothing, at=minutes(90)).found
    assert item.overdue(minutes(90))


def test_an_addition_that_failed_is_listed_with_the_doubt(world):
    content = world.file()
    admission = world.admission("orders-db/one", content, world.merge("orders-db/one", content), minutes(30))
    world.give(admission, minutes(31), ok=False)
    (item,) = access(world.index(), "orders-db", known=nothing, at=minutes(40)).found
    assert item.doubt == "it failed: no connection"


def test_an_unknown_resource_is_no_empty_answer(world):
    with pytest.raises(UsageError) as caught:
        access(world.index(), "orderz", known=lambda: {"orders-db"}, at=T0)
    assert caught.value.message == "there is no resource 'orderz' in main's policies, in its history or in the ledger"
    assert access(world.index(), "orders-db", known=lambda: {"orders-db"}, at=T0).found == ()


def test_history_tells_a_life_in_order(world):
    admission = world.life("orders-db/one", 30)
    world.take(admission, minutes(95))
    world.merge("orders-db/one", None, trailers={"Daypass-Approved-By": ""})
    world.write([Retirement(admission.grant, admission.blob, world.main)], minutes(100))
    found = history(world.index(), grant="orders-db/one", known=nothing, at=minutes(120)).events
    assert [event.kind for event in found] == [
        EventKind.REQUESTED,
        EventKind.APPROVED,
        EventKind.MERGED,
        EventKind.ADMITTED,
        EventKind.ADDED,
        EventKind.REMOVED,
        EventKind.FILE_REMOVED,
        EventKind.RETIRED,
    ]
    merged, removed = found[2], found[5]
    assert (merged.commit, merged.pull, merged.approvers, merged.policy) == (
        admission.landing,
        1,
        ("bob (owners)",),
        admission.policy,
    )
    assert (removed.late, removed.receipt) == (300, 5)
    assert (found[6].pull, found[6].by, found[6].at) == (2, "alice", None)


@pytest.mark.parametrize("asked", [{"subject": "alice"}, {"resource": "orders-db"}, {"grant": "orders-db/one"}])
def test_history_answers_the_same_from_each_side(world, asked):
    world.life("orders-db/one", 30)
    whole = history(world.index(), grant="orders-db/one", known=nothing, at=minutes(120)).events
    assert history(world.index(), **asked, known=nothing, at=minutes(120)).events == whole


def test_history_of_a_subject_leaves_out_who_had_the_grant_before(world):
    world.life("orders-db/one", 10)
    world.life("orders-db/one", 100, subject="carol")
    world.merge("orders-db/two", world.file("alice"))
    found = history(world.index(), subject="carol", known=nothing, at=minutes(120)).events
    assert {event.subject for event in found} == {"carol"}


def test_a_grant_slipped_into_a_merge_is_in_the_history(world):
    world.merge("orders-db/one", world.file(), extra=world.file("mallory"))
    (event,) = history(world.index(), subject="mallory", known=nothing, at=minutes(120)).events
    assert (event.kind, event.commit, event.grants) == (EventKind.MERGED, world.main, ("orders-db/evil",))


def test_a_merge_by_hand_and_its_refusal_are_told(world):
    landing = world.land([("grants/orders-db/hand.yaml", world.file())], "By hand\n\nIn earnest\n")
    blob = world.git.text("rev-parse", f"{landing}:grants/orders-db/hand.yaml")
    world.write([Refusal("orders-db/hand", blob, landing, "around-the-gate", "no record")], minutes(40))
    merged, refused = history(world.index(), grant="orders-db/hand", known=nothing, at=minutes(120)).events
    assert (merged.detail, merged.pull, merged.subject) == ("not merged by the gate", None, "alice")
    assert (refused.kind, refused.detail) == (EventKind.REFUSED, "around-the-gate: no record")


def test_history_wants_exactly_one_name(world):
    for asked in ({}, {"subject": "a", "grant": "b"}):
        with pytest.raises(UsageError) as caught:
            history(world.index(), **asked, known=nothing, at=T0)
        assert caught.value.message == "name one of --subject, --resource and --grant, or say what is asked for"


def test_stats_measure_from_receipts(world):
    first = world.life("orders-db/one", 30)
    world.take(first, minutes(92), ok=False)
    world.take(first, minutes(95))
    second = world.life("orders-db/two", 100)
    world.take(second, minutes(110), reason=Reason.GRANT_REMOVED)
    found = stats(world.index(), at=minutes(120))
    assert (found.request_to_usable.count, found.request_to_usable.median) == (2, 21 * 60)
    assert found.approval_to_usable.worst == 6 * 60
    assert (found.lateness.count, found.lateness.worst, found.ended_early) == (1, 300, 1)
    assert (found.retried, found.failing, found.live, found.missed) == (1, 0, 0, 0)
    assert found.oldest_missed is None
    assert dict(zip((*BOUNDS, None), found.late_within, strict=True)) == {b: int(b == 300) for b in (*BOUNDS, None)}


def test_stats_of_an_empty_ledger_invent_nothing(world):
    found = stats(world.index(), at=T0)
    assert (found.lateness.count, found.lateness.median, found.lateness.p95, found.lateness.worst) == (
        0,
        None,
        None,
        None,
    )


def test_the_ledger_is_opened_only_when_something_is_new(world):
    world.life("orders-db/one", 30)
    access(world.index(), "orders-db", known=nothing, at=T0)
    assert world.opened == 1
    access(world.index(), "orders-db", known=nothing, at=T0)
    assert world.opened == 0
    world.life("orders-db/two", 40)
    assert len(access(world.index(), "orders-db", known=nothing, at=minutes(45)).found) == 1
    assert world.opened == 1


def test_an_index_built_in_steps_answers_as_one_built_at_once(world, tmp_path):
    for n in range(3):
        world.life(f"orders-db/g{n}", 30 + n * 100)
        stepwise = history(world.index(), resource="orders-db", known=nothing, at=minutes(900)).events
    world.index().path.unlink()
    assert history(world.index(), resource="orders-db", known=nothing, at=minutes(900)).events == stepwise


def test_a_rewritten_main_is_read_anew_and_said(world):
    before = world.main
    world.life("orders-db/one", 30)
    old = world.main
    assert access(world.index(), "orders-db", known=nothing, at=T0).sources.rebuilt == ""
    world.git.update_refs({"refs/heads/main": (old, before)}, reason="test")
    world.main = before
    world.merge("orders-db/other", world.file("dora"))
    found = history(world.index(), subject="dora", known=nothing, at=T0)
    assert (
        found.sources.rebuilt == f"main's history was rewritten: {old[:12]}, indexed before, is no longer a step of it"
    )
    assert world.opened == 1


def test_a_branch_pushed_over_main_is_read_anew(world):
    """Main contains what was indexed, and yet its own steps are others now."""
    start = world.main
    world.merge("orders-db/one", world.file())
    history(world.index(), grant="orders-db/one", known=nothing, at=T0)
    side = world.commit(start, [("grants/orders-db/side.yaml", world.file("eve"))], "Side")
    pushed = world.commit(side, [("grants/orders-db/one.yaml", world.file())], "Pushed", world.main)
    world.git.update_refs({"refs/heads/main": (world.main, pushed)}, reason="test")
    found = history(world.index(), subject="eve", known=nothing, at=T0)
    assert "was rewritten" in found.sources.rebuilt
    assert found.events[0].commit == side


def test_a_shallow_clone_is_refused(world, tmp_path):
    world.life("orders-db/one", 30)
    cut = tmp_path / "cut"
    subprocess.run(
        ["git", "clone", "-q", "--bare", "--depth=1", "--branch=main", f"file://{world.folder}", str(cut)], check=True
    )
    world.git = Git(cut)
    with pytest.raises(RefusedError) as caught:
        world.index()
    assert caught.value.message == "this clone is shallow: its history is cut, so the audit would answer wrongly"


def test_a_ledger_that_went_back_is_refused(world):
    earlier = world.ledger_at
    world.life("orders-db/one", 30)
    access(world.index(), "orders-db", known=nothing, at=T0)
    world.git.update_refs({"refs/heads/daypass-ledger": (world.ledger_at, earlier)}, reason="test")
    with pytest.raises(LedgerError) as caught:
        access(world.index(), "orders-db", known=nothing, at=T0)
    assert caught.value.message == (
        f"the ledger at {earlier[:12]} does not contain {world.ledger_at[:12]}, which this clone read before"
    )


def test_a_missing_ledger_is_refused(world):
    world.git.update_refs({"refs/heads/daypass-ledger": (world.ledger_at, "0" * 40)}, reason="test")
    with pytest.raises(LedgerError, match="the ledger is missing"):
        access(world.index(), "orders-db", known=nothing, at=T0)


def test_a_broken_index_is_made_anew_and_said(world):
    world.life("orders-db/one", 30)
    index = world.index()
    index.path.parent.mkdir()
    index.path.write_bytes(b"no database" * 100)
    found = access(index, "orders-db", known=nothing, at=minutes(60))
    assert found.sources.rebuilt == "the index could not be read: file is not a database"
    assert len(found.found) == 1


def test_history_of_what_no_receipt_knows_is_in_order_of_main(world):
    for n in range(3):
        world.merge(f"orders-db/g{n}", world.file(reason=str(n)))
    found = history(world.index(), resource="orders-db", known=nothing, at=T0).events
    assert [event.grants[0] for event in found] == ["orders-db/g0", "orders-db/g1", "orders-db/g2"]
    assert json.dumps([event.pull for event in found]) == "[1, 2, 3]"
