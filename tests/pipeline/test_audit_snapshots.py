"""Snapshots in a verification: each is worked out again, and one that is believed leaves out what the answer says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from audit_world import World, minutes
from msgspec.structs import replace

from daypass.core.audit.verified import Verified
from daypass.core.errors import LedgerError, UsageError
from daypass.core.finding import Severity
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.keys import KeyLimits
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Away, Ended, Intent, Outcome, Refusal, Retirement
from daypass.core.ledger.snapshot import INDEX, form
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Action, Intended, Reason
from daypass.core.window import Window
from daypass.edges.git.trees import commit_tree
from daypass.edges.ledger.keyfiles import generate_key
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.views.audit import audit_json, audit_text

PLAN = "sha256:" + "0" * 64


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "repo")


def codes(found: Verified) -> list[str]:
    return [one.code for one in found.differences]


def lived(world):
    """One grant that is over and gone, one that is live; then a snapshot, and a third grant."""
    over = world.life("orders-db/one", 30)
    world.take(over, minutes(91))
    world.merge("orders-db/one", None)
    world.write([Retirement(over.grant, over.blob, world.main)], minutes(100))
    live = world.life("orders-db/two", 110, subject="carol")
    place = world.snapshot(minutes(120))
    world.life("orders-db/three", 130, subject="dora")
    return place, live


def test_a_snapshot_that_follows_is_no_difference(world):
    lived(world)
    found = world.verified(minutes(140))
    assert found.differences == ()
    assert (found.proved, found.since, found.not_looked_at) == (14, None, ())


@pytest.mark.parametrize("by", ["number", "digest"])
def test_what_follows_a_snapshot_is_verified_and_the_rest_is_said(world, by):
    place, _ = lived(world)
    (digest,) = [r.digest for r in world.ledger.proved(world.verifier.open).receipts if str(r.sequence) == place]
    found = world.verified(minutes(140), since=place if by == "number" else digest)
    assert found.differences == ()
    assert (found.proved, found.checked, found.sources.receipts, found.since.digest) == (3, 1, 14, digest)
    main = found.since.main[:12]
    said = (
        f"receipts 0 to {place}: what they add up to is what the signer of snapshot {place} says",
        f"what main brought and removed up to {main}, where the snapshot was written",
        f"merge messages that name a receipt up to {place}, or none, as the ledger's last",
    )
    assert found.not_looked_at == said
    text, data = audit_text(found), audit_json(found)
    assert all(f"Not looked at: {one}.\n" in text for one in said)
    assert f'"since": {place}' in data
    assert all(one in data for one in said)


def test_a_verification_from_a_snapshot_on_needs_one(world):
    with pytest.raises(UsageError, match="the ledger has no snapshot 3: it has none"):
        world.verified(minutes(1), since="3")
    place = world.snapshot(minutes(2), files=lambda files: {**files, "seen-0000.json": b"[]"})
    with pytest.raises(LedgerError, match=f"at snapshot {place}: its chunks are not those that it names"):
        world.verified(minutes(3), since=place)


def without_holdings(standing):
    return Standing(standing.head, rows=standing.rows, admissions=standing.admissions, seen=standing.seen)


def other_tree(body):
    tree = Tree()
    for n in range(body.size):
        tree.add(b"%d" % n)
    return replace(body, root=tree.root, frontier=tree.frontier)


LIES = {
    "what the receipts add up to": {"standing": without_holdings},
    "which receipts they are": {"said": other_tree},
    "a chunk that is not there": {"files": lambda files: {INDEX: files[INDEX]}},
    "a chunk of other bytes": {"files": lambda files: {**files, "seen-0000.json": b"[]"}},
    "no files at all": {"files": lambda _: {}},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_snapshot_that_does_not_follow_is_named(world, lie):
    world.life("orders-db/one", 30)
    place = world.snapshot(minutes(40), **LIES[lie])
    world.life("orders-db/two", 50)
    (found,) = world.verified(minutes(60)).differences
    assert (found.code, found.severity, found.receipt) == ("snapshot-does-not-follow", Severity.ERROR, int(place))
    assert found.message.startswith(f"snapshot {place} does not follow from the receipts before it: ")


def test_a_later_snapshot_that_follows_does_not_hide_one_that_does_not(world):
    world.life("orders-db/one", 30)
    world.snapshot(minutes(40), standing=without_holdings)
    second = world.snapshot(minutes(41))
    assert codes(world.verified(minutes(60))) == ["snapshot-does-not-follow"]
    # Whoever believes the second has not looked at the first, and is told so.
    assert world.verified(minutes(60), since=second).not_looked_at


def test_a_snapshot_of_another_form_is_a_note_and_its_tree_is_worked_out(world):
    world.snapshot(minutes(40), said=lambda body: replace(body, form="7.0"))
    (found,) = world.verified(minutes(60)).differences
    assert (found.code, found.severity) == ("snapshot-of-another-form", Severity.NOTE)
    world.snapshot(minutes(41), said=lambda body: other_tree(replace(body, form="7.0")))
    assert codes(world.verified(minutes(60))) == ["snapshot-does-not-follow", "snapshot-of-another-form"]


# From a snapshot on


def both(world, at, since):
    """Verify all, and from a snapshot on."""
    return codes(world.verified(at)), codes(world.verified(at, since=since))


def test_what_is_wrong_after_it_is_found_and_what_is_wrong_before_it_is_not(world):
    stray = Intended(Action.ADD, world.entitlement("eve"), (GrantId("orders-db/x"),), Reason.WINDOW_OPENED, minutes(1))
    world.write([Intent((stray,), PLAN), Outcome(stray, ok=True)], minutes(5))
    world.merge("orders-db/unseen", world.file())
    world.life("orders-db/one", 30)
    place = world.snapshot(minutes(40))
    assert both(world, minutes(41), place) == (["landing-without-receipt", "access-without-admission"], [])
    other = Intended(Action.ADD, world.entitlement("bob"), (GrantId("orders-db/y"),), Reason.WINDOW_OPENED, minutes(44))
    world.write([Intent((other,), PLAN), Outcome(other, ok=True)], minutes(45))
    world.merge("orders-db/late", world.file("dora"))
    world.write([Refusal(GrantId("orders-db/none"), Oid("1" * 40), Oid("2" * 40), "code", "message")], minutes(46))
    assert codes(world.verified(minutes(47), since=place)) == [
        "landing-without-receipt",
        "access-without-admission",
        "receipt-without-landing",
    ]


def test_a_landing_from_before_it_that_a_later_run_settles_is_as_it_should_be(world):
    content = world.file()
    admission = world.admission("orders-db/one", content, world.merge("orders-db/one", content), minutes(30))
    place = world.snapshot(minutes(31))
    world.give(admission, minutes(32))
    assert both(world, minutes(40), place) == ([], [])


def test_access_from_before_it_that_nobody_took_away_is_named(world):
    place, live = lived(world)
    after = live.window.end + timedelta(minutes=1)
    assert both(world, after, place) == (["held-past-window"], ["held-past-window"])
    world.take(live, after)
    assert both(world, after, place) == ([], [])


def test_a_removal_after_it_of_a_grant_from_before_it_waits_for_its_receipt(world):
    place, live = lived(world)
    world.merge("orders-db/two", None)
    assert both(world, minutes(150), place) == (["removal-without-receipt"], ["removal-without-receipt"])
    world.write([Retirement(live.grant, live.blob, world.main)], minutes(151))
    assert both(world, minutes(152), place) == ([], [])


def test_what_was_begun_before_it_may_end_after_it(world):
    content = world.file()
    admission = world.admission("orders-db/one", content, world.merge("orders-db/one", content), minutes(30))
    change = Intended(
        Action.ADD, admission.entitlement, (admission.grant,), Reason.WINDOW_OPENED, minutes(30), admission.window.end
    )
    failing = replace(change, entitlement=world.entitlement("bob"))
    world.write([admission, Intent((change, failing), PLAN)], minutes(31))
    world.write([Outcome(failing, ok=False, error="no connection")], minutes(32))
    place = world.snapshot(minutes(33))
    assert codes(world.verified(minutes(34), since=place)) == ["intent-without-outcome"]
    world.write([Outcome(failing, ok=False, error="no connection")], minutes(34))
    world.write([Outcome(failing, ok=False, error="looked", recovered=True)], minutes(35))
    world.write([Outcome(change, ok=True)], minutes(36))
    assert codes(world.verified(minutes(37), since=place)) == []


def test_an_outcome_whose_intent_may_stand_before_it_is_a_note(world):
    content = world.file()
    admission = world.admission("orders-db/one", content, world.merge("orders-db/one", content), minutes(30))
    change = Intended(
        Action.ADD, admission.entitlement, (admission.grant,), Reason.WINDOW_OPENED, minutes(30), admission.window.end
    )
    world.write([admission, Intent((change,), PLAN)], minutes(31))
    world.write([Outcome(change, ok=True, recovered=True)], minutes(32))
    place = world.snapshot(minutes(33))
    world.write([Outcome(change, ok=True)], minutes(34))
    later = replace(change, due=minutes(40))
    assert codes(world.verified(minutes(41))) == []
    (found,) = world.verified(minutes(41), since=place).differences
    assert (found.code, found.severity) == ("outcome-without-intent", Severity.NOTE)
    world.write([Outcome(later, ok=True)], minutes(42))
    assert [(one.code, one.severity) for one in world.verified(minutes(43), since=place).differences] == [
        ("outcome-without-intent", Severity.ERROR),
        ("outcome-without-intent", Severity.NOTE),
    ]


def test_what_had_ended_for_good_before_it_stays_ended(world):
    admission = world.life("orders-db/one", 30)
    end = minutes(35)
    ended = Ended(admission.grant, admission.blob, admission.landing, end, "beyond-engagement", "until then")
    world.write([ended], minutes(36))
    world.take(admission, minutes(37), reason=Reason.BOUND)
    place = world.snapshot(minutes(38))
    again = Intended(Action.ADD, admission.entitlement, (admission.grant,), Reason.LOST, minutes(39), minutes(60))
    world.write([Intent((again,), PLAN), Outcome(again, ok=True)], minutes(40))
    whole, since = both(world, minutes(41), place)
    assert set(whole) == {"end-without-grounds", "access-after-end"}
    assert set(since) == {"access-after-end"}


def test_less_of_what_had_ended_before_it_is_no_widening(world):
    admission = world.life("orders-db/one", 30)
    world.write(
        [Ended(admission.grant, admission.blob, admission.landing, minutes(35), "beyond-engagement", "until then")],
        minutes(36),
    )
    world.take(admission, minutes(37), reason=Reason.BOUND)
    place = world.snapshot(minutes(38))
    content = world.file(hours=1, reason="why it is less now")
    landed = world.merge("orders-db/one", content)
    narrower = world.admission("orders-db/one", content, landed, minutes(30))
    window = Window(admission.window.start, admission.window.end - timedelta(minutes=10))
    kept = replace(
        admission,
        blob=narrower.blob,
        landing=narrower.landing,
        grant_digest=narrower.grant_digest,
        narrowed_from=admission.blob,
        window=window,
    )
    world.write([kept], minutes(50))
    assert "widened" not in codes(world.verified(minutes(51), since=place))


def test_a_snapshot_on_a_main_that_is_gone_is_named(world):
    world.life("orders-db/one", 30)
    kept = world.main
    other = commit_tree(
        world.git, world.git.check(f"{kept}^{{tree}}").oid, [kept], "Other", author=("x", "x@x"), at=minutes(1)
    )
    world.main = other
    place = world.snapshot(minutes(40))
    world.main = kept
    found = world.verified(minutes(41), since=place)
    assert codes(found) == ["main-unknown", "not-applied-yet"]
    assert found.differences[0].receipt == int(place)


def test_an_anchor_after_it_that_the_ledger_lacks_is_named(world):
    lost = "sha256:" + "7" * 64
    old = {"Daypass-Ledger": f"{lost} 1"}
    place, _ = lived(world)
    for name, trailers in (("old", old), ("unnumbered", {"Daypass-Ledger": "sha256:" + "8" * 64})):
        content = world.file("mallory", reason=f"why {name} was asked")
        landed = world.merge(f"orders-db/{name}", content, trailers=trailers)
        world.write([world.admission(f"orders-db/{name}", content, landed, minutes(150))], minutes(151))
    assert both(world, minutes(152), place) == (["anchor-missing", "anchor-missing"], [])
    content = world.file("mallory", reason="why new was asked")
    landed = world.merge("orders-db/new", content, trailers={"Daypass-Ledger": f"sha256:{'9' * 64} {int(place) + 30}"})
    world.write([world.admission("orders-db/new", content, landed, minutes(153))], minutes(154))
    assert codes(world.verified(minutes(155), since=place)) == ["anchor-missing"]


def test_what_an_outbox_brings_from_before_it_is_not_held_against_what_others_told(world):
    place, live = lived(world)
    gone = Intended(Action.REMOVE, live.entitlement, (live.grant,), Reason.EXPIRED, live.window.end)
    world.write([Intent((gone,), PLAN), Outcome(gone, ok=True)], live.window.end)
    away = Away("sha256:" + "4" * 64, int(place) - 1, "sha256:" + "5" * 64, witness=False)
    world.write([Outcome(gone, ok=True)], live.window.end, away=away)
    at = live.window.end + timedelta(minutes=1)
    assert "second-witness-wrong" in codes(world.verified(at))
    assert "second-witness-wrong" not in codes(world.verified(at, since=place))


def test_what_a_revoked_key_told_is_in_a_snapshot_after_it(world, tmp_path):
    live = world.life("orders-db/one", 30)
    private = tmp_path / "stolen.pem"
    public = generate_key(private)
    keys = {
        "ledger.pub": world.git.run("cat-file", "blob", "refs/heads/main:policies/ledger.pub"),
        "stolen.pub": public,
    }
    world.verifier = EnvelopeVerifier(keys, {"stolen.pub": KeyLimits(first_void=0)})
    own, world.signer = world.signer, EnvelopeSigner(private, public)
    change = Intended(Action.ADD, live.entitlement, (live.grant,), Reason.LOST, minutes(31), minutes(90))
    world.write([Outcome(change, ok=True)], minutes(40))
    world.signer = own
    known = form(world.verifier.revoked)
    world.snapshot(minutes(41), said=lambda body: replace(body, form=known))
    assert codes(world.verified(minutes(60), known=known)) == ["receipt-void"]
