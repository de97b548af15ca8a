"""The pure half of the audit: receipts and steps in, answers out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.audit.access import GrantStep, Holdings, Sources, Trailers, access, read_trailers
from daypass.core.audit.differences import Comparison
from daypass.core.audit.events import EventKind, Material, history
from daypass.core.audit.proof import check_admission
from daypass.core.audit.stats import Counter, Durations
from daypass.core.grant import Grant
from daypass.core.ids import ABSENT, GrantId, Oid
from daypass.core.ledger.chain import Head
from daypass.core.ledger.receipt import (
    Admission,
    Certified,
    Ended,
    Genesis,
    Intent,
    Outcome,
    Receipt,
    Refusal,
    Retirement,
    Reviewed,
    Settled,
)
from daypass.core.ledger.records import LONGEST_IDLE, ApprovalRecord, Idle, RestingResource, Rests
from daypass.core.ledger.standing import Standing
from daypass.core.ledger.statement import admission_digest
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason
from daypass.core.window import Recurrence, Span, Window

T0 = datetime(2026, 11, 21, 9, tzinfo=UTC)
E = Entitlement("embedded", "db", "alice", "ro")
G = GrantId("db/one")


def t(minutes):
    return T0 + timedelta(minutes=minutes)


def oid(n):
    return Oid(f"{n:040x}")


def admission(grant=G, *, landing=1, blob=11, start=0, length=60, **changes):
    fields = {
        "grant": GrantId(grant),
        "blob": oid(blob),
        "landing": oid(landing),
        "pull": 7,
        "head": oid(21),
        "base": oid(20),
        "merged_at": t(start),
        "requested_at": t(start - 10),
        "requester": "alice",
        "subject": "alice",
        "resource": "db",
        "role": "readonly",
        "window": Window(t(start), t(start + length)),
        "entitlement": E,
        "grant_digest": "sha256:a",
        "policy": "sha256:p",
        "meaning": "sha256:m",
        "approvals": (ApprovalRecord("bob", "owners", oid(21), t(start - 5), "r"),),
    }
    return Admission(**(fields | changes))


def change(action=Action.ADD, *, entitlement=E, grants=(G,), until=60, due=0, reason=None):
    reason = reason or (Reason.WINDOW_OPENED if action is Action.ADD else Reason.EXPIRED)
    return Intended(action, entitlement, grants, reason, t(due), t(until) if action is Action.ADD else None)


def chain(*bodies):
    """Bodies with the minute they were written at."""
    return [Receipt(n, "", t(at), oid(1), "run", body, f"sha256:{n}") for n, (at, body) in enumerate(bodies)]


class TestTrailers:
    def test_the_last_paragraph_is_read(self):
        text = "Grant db/one (#7)\n\nDaypass-Grant: db/one\nDaypass-Grant: db/two\nDaypass-Pull: #7\n"
        text += "Daypass-Approved-By: bob (owners)\r\n"
        assert read_trailers(text) == Trailers(grants=("db/one", "db/two"), pull="7", approved_by=("bob (owners)",))

    def test_what_a_request_says_earlier_is_no_trailer(self):
        text = "Title\n\nDaypass-Approved-By: eve (owners)\n\nDaypass-Pull: 1\n"
        assert read_trailers(text).approved_by == ()

    def test_a_message_by_hand_has_none(self):
        assert read_trailers("Merge branch x\n\nbecause\n").empty
        assert read_trailers("").empty

    @pytest.mark.parametrize(
        ("said", "read"),
        [
            ("sha256:1 17", ("sha256:1", 17)),
            ("sha256:1", ("sha256:1", None)),  # as earlier releases wrote it
            ("sha256:1 -1", ("sha256:1", None)),
            ("sha256:1 017", ("sha256:1", None)),
            ("sha256:1 " + "9" * 10, ("sha256:1", None)),
        ],
    )
    def test_the_ledgers_last_receipt_is_read_with_its_number(self, said, read):
        found = read_trailers(f"Title\n\nDaypass-Ledger: {said}\n")
        assert (found.ledger, found.sequence) == read

    @given(st.text())
    def test_any_text_is_read(self, text):
        read_trailers(text)


class TestAccess:
    def test_other_resources_are_left_out(self):
        found = access(Holdings.at(t(1), chain((0, Outcome(change(), ok=True)))), "other", t(1))
        assert found == ()

    def test_two_grants_of_one_entitlement_are_one_access_with_both_named(self):
        second = admission("db/two", landing=2)
        both = change(grants=(G, GrantId("db/two")), until=90)
        receipts = chain((0, admission()), (0, second), (1, Outcome(change(), ok=True)), (5, Outcome(both, ok=True)))
        (found,) = access(Holdings.at(t(70), receipts), "db", t(70))
        assert (found.since, found.change.until, found.overdue(t(70))) == (t(1), t(90), False)
        assert [item.grant for item in found.basis] == ["db/one", "db/two"]

    def test_of_two_grants_only_the_one_that_holds_then_is_named(self):
        second = admission("db/two", window=Window(t(0), t(90)))
        both = change(grants=(G, GrantId("db/two")), until=90)
        receipts = chain((0, admission()), (0, second), (1, Outcome(both, ok=True)))
        (found,) = access(Holdings.at(t(30), receipts), "db", t(30))
        assert found.change.grants == (G, GrantId("db/two"))
        (found,) = access(Holdings.at(t(70), receipts), "db", t(70))
        assert (found.change.grants, [item.grant for item in found.basis]) == (("db/two",), ["db/two"])
        (late,) = access(Holdings.at(t(99), receipts), "db", t(99))  # nothing holds, and it is there still
        assert late.change.grants == both.grants

    def test_an_intent_alone_leaves_a_doubt_that_its_outcome_settles(self):
        receipts = chain((0, admission()), (1, Intent((change(),), "p")), (2, Outcome(change(), ok=True)))
        (doubtful,) = access(Holdings.at(t(1), receipts), "db", t(1))
        assert doubtful.doubt == "it was begun, and no receipt says how it ended"
        (certain,) = access(Holdings.at(t(2), receipts), "db", t(2))
        assert (certain.doubt, certain.since) == ("", t(2))

    def test_a_removal_in_doubt_is_access_still(self):
        taken = change(Action.REMOVE)
        receipts = chain((0, Outcome(change(), ok=True)), (60, Intent((taken,), "p")), (60, Outcome(taken, ok=False)))
        (found,) = access(Holdings.at(t(61), receipts), "db", t(61))
        assert (found.doubt, found.overdue(t(61))) == ("", True)

    def test_telling_the_target_again_is_no_doubt(self):
        again = replace(change(until=90), reason=Reason.WINDOW_MOVED)
        receipts = chain((0, Outcome(change(), ok=True)), (5, Intent((again,), "p")), (6, Outcome(again, ok=False)))
        (found,) = access(Holdings.at(t(7), receipts), "db", t(7))
        assert (found.doubt, found.change.until) == ("", t(60))

    def test_an_end_that_nobody_wrote_is_no_end(self):
        endless = replace(change(), until=None)
        (found,) = access(Holdings.at(t(9999), chain((0, Outcome(endless, ok=True)))), "db", t(9999))
        assert (found.change.until, found.overdue(t(9999)), found.subjects) == (None, False, ())

    @given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.booleans(), st.integers(0, 2)), max_size=12))
    def test_access_is_what_the_last_true_outcome_left(self, steps):
        bodies, held = [], {}
        for n, (action, ok, who) in enumerate(steps):
            entitlement = E._replace(principal=f"p{who}")
            made = change(Action(action), entitlement=entitlement)
            bodies.append((n, Outcome(made, ok=ok)))
            if ok:
                held[entitlement] = action == "add"
        found = access(Holdings.at(t(len(steps)), chain(*bodies)), "db", t(len(steps)))
        assert {item.change.entitlement for item in found if not item.doubt} == {
            e for e, there in held.items() if there
        }


class TestHistory:
    def test_a_landing_outside_main_is_said(self):
        events = history(Material(receipts=chain((1, admission()))))
        (merged,) = [event for event in events if event.kind is EventKind.MERGED]
        assert merged.detail == "this landing is not in main's history"

    def test_a_narrowing_tells_neither_request_nor_approval_again(self):
        first = admission()
        narrow = admission(landing=2, blob=12, narrowed_from=oid(11))
        steps = (GrantStep(1, oid(1), G, ABSENT, oid(11)), GrantStep(2, oid(2), G, oid(11), oid(12)))
        events = history(Material(receipts=chain((1, first), (9, narrow)), steps=steps))
        kinds = [event.kind for event in events]
        assert kinds == [
            EventKind.REQUESTED,
            EventKind.APPROVED,
            EventKind.MERGED,
            EventKind.ADMITTED,
            EventKind.MERGED,
            EventKind.ADMITTED,
        ]
        assert (events[4].at, events[4].detail) == (None, "not merged by the gate")
        assert events[5].detail == f"narrows {oid(11)[:12]}"

    def test_positions_order_landings_whatever_they_say_of_their_time(self):
        late, early = admission(landing=1, start=50), admission("db/two", landing=2, start=10)
        steps = (GrantStep(2, oid(2), GrantId("db/two"), ABSENT, oid(11)), GrantStep(1, oid(1), G, ABSENT, oid(11)))
        events = history(Material(receipts=chain((60, late), (60, early)), steps=steps))
        assert [event.grants[0] for event in events if event.kind is EventKind.MERGED] == ["db/one", "db/two"]

    def test_a_removal_without_trailers_is_told_before_its_receipt(self):
        steps = (GrantStep(1, oid(1), G, ABSENT, oid(11)), GrantStep(2, oid(2), G, oid(11), ABSENT))
        taken = Outcome(change(Action.REMOVE, due=60), ok=True)
        receipts = chain((1, admission()), (61, taken), (70, Retirement(G, oid(11), oid(2))))
        kinds = [event.kind for event in history(Material(receipts=receipts, steps=steps))]
        assert kinds[-3:] == [EventKind.REMOVED, EventKind.FILE_REMOVED, EventKind.RETIRED]

    def test_an_anchor_places_a_landing_after_the_receipt_it_names(self):
        steps = (GrantStep(2, oid(2), G, oid(11), ABSENT),)
        receipts = chain(
            (1, admission()), (5, Outcome(change(), ok=True)), (9, Outcome(change(Action.REMOVE), ok=False))
        )
        material = Material(
            receipts=receipts,
            steps=steps,
            trailers={oid(2): Trailers(ledger="sha256:1", pull="x")},
            anchors={"sha256:1": t(5)},
        )
        kinds = [event.kind for event in history(material)]
        assert kinds[-3:] == [EventKind.ADDED, EventKind.FILE_REMOVED, EventKind.FAILED]

    def test_retired_without_an_admission_is_told_bare(self):
        (event,) = history(Material(receipts=chain((9, Retirement(G, oid(11), oid(2))))))
        assert (event.kind, event.subject, event.receipt) == (EventKind.RETIRED, "", 0)

    def test_an_end_says_who_ended_and_whether_they_might(self):
        stop = Retirement(G, oid(11), oid(2), 4, "bob", revoked=True)
        wrong = Retirement(G, oid(11), oid(2), 5, "mallory", "end-unentitled")
        first, second = history(Material(receipts=chain((9, stop), (10, wrong))))
        assert (first.by, first.pull, first.detail) == ("bob", 4, "by the emergency stop")
        assert second.detail == "nobody was entitled to end it [end-unentitled]"

    def test_a_narrowing_says_that_nobody_was_entitled_to_it(self):
        narrow = admission(landing=2, blob=12, narrowed_from=oid(11), lack="around-the-gate")
        (event,) = history(Material(receipts=chain((9, narrow))))
        assert event.detail.endswith("; nobody was entitled to narrow it [around-the-gate]")

    def test_what_people_said_afterwards_is_told_with_its_words_where_they_are_known(self):
        bob, stranger = (
            ApprovalRecord("bob", "owners", oid(30), t(80), "r"),
            ApprovalRecord("", "", oid(30), t(85), "s", number=41),
        )
        right = Reviewed(G, oid(11), oid(1), 8, oid(30), True, (bob,))
        wrong = Certified(G, oid(11), oid(1), 9, oid(30), False, (bob, stranger), "sha256:w")
        receipts = chain((1, admission()), (90, right), (91, wrong))
        reviewed, certified = history(Material(receipts=receipts, said={"sha256:w": "left the team"}))[-2:]
        assert (reviewed.kind, reviewed.at, reviewed.by, reviewed.detail) == (
            EventKind.REVIEWED,
            t(80),
            "bob",
            "approved",
        )
        assert (reviewed.subject, reviewed.role, reviewed.pull, reviewed.commit) == ("alice", "readonly", 8, oid(30))
        assert (certified.kind, certified.at, certified.pull) == (EventKind.CERTIFIED, t(85), 9)
        assert certified.by == "bob, somebody whom the directory does not know"
        assert certified.detail == "rejected; said: left the team"
        (bare,) = history(Material(receipts=chain((91, wrong))))
        assert (bare.subject, bare.resource, bare.detail) == ("", "db", "rejected; said: sha256:w")

    def test_a_settled_crash_says_so(self):
        outcome = Outcome(change(), ok=False, error="the run died", recovered=True)
        (event,) = history(Material(receipts=chain((1, outcome))))
        assert event.detail == "add failed: the run died; told by a later run"
        assert (event.kind, event.pull, event.commit) == (EventKind.FAILED, None, "")

    def test_a_refusal_names_its_code(self):
        material = Material(receipts=chain((1, Refusal(G, oid(11), oid(1), "x", "why"))), subjects={oid(11): "eve"})
        (event,) = history(material)
        assert (event.kind, event.subject, event.detail) == (EventKind.REFUSED, "eve", "x: why")

    def test_nothing_gives_nothing(self):
        assert history(Material(receipts=chain((0, Genesis(("k",)))))) == ()


class TestStats:
    @given(st.lists(st.integers(0, 10**6), min_size=1))
    def test_spreads_are_ordered_and_real(self, seconds):
        spread = Durations.of(seconds)
        assert spread.count == len(seconds)
        assert spread.worst == max(seconds)
        assert spread.p95 in seconds
        assert min(seconds) <= spread.median <= spread.p95 or len(seconds) < 3
        assert sum(value <= spread.p95 for value in seconds) * 100 >= 95 * len(seconds)

    def test_no_durations_are_no_zeros(self):
        assert Durations.of([]) == Durations(0, None, None, None)

    def count(self, *bodies, at=1000):
        counter = Counter()
        for receipt in chain(*bodies):
            counter.add(receipt)
        return counter.result(Sources(oid(1), oid(2), 0, None, t(at)))

    def test_a_grant_asked_for_later_is_not_called_slow(self):
        later = admission(window=Window(t(100), t(160)))
        found = self.count((1, later), (101, Outcome(change(), ok=True)))
        assert (found.scheduled, found.request_to_usable.count) == (1, 0)

    def test_what_a_rule_let_pass_has_no_approval_to_measure(self):
        found = self.count((1, admission(approvals=())), (2, Outcome(change(), ok=True)))
        assert (found.request_to_usable.median, found.approval_to_usable.count) == (12 * 60, 0)

    def test_the_end_an_expiry_names_counts_where_it_came_nearer(self):
        taken = Outcome(change(Action.REMOVE, due=30), ok=True)
        assert self.count((1, Outcome(change(), ok=True)), (31, taken)).lateness.worst == 60

    def test_a_removal_for_another_reason_after_the_end_is_late_too(self):
        taken = Outcome(change(Action.REMOVE, due=75, reason=Reason.GRANT_REMOVED), ok=True)
        assert self.count((1, Outcome(change(), ok=True)), (75, taken)).lateness.worst == 15 * 60

    def test_missed_failing_and_doubtful_are_counted(self):
        other = E._replace(principal="bob")
        failed = Outcome(change(Action.REMOVE, due=60), ok=False, error="x")
        intent = Intent((change(entitlement=other),), "p")
        found = self.count((1, Outcome(change(), ok=True)), (61, failed), (62, intent))
        assert (found.missed, found.failing, found.doubtful, found.live, found.retried) == (1, 1, 1, 0, 0)

    def test_taking_away_what_was_never_ours_is_neither_late_nor_early(self):
        stray = Outcome(change(Action.REMOVE, grants=(), reason=Reason.UNMANAGED, due=5), ok=True)
        found = self.count((5, stray))
        assert (found.lateness.count, found.ended_early) == (0, 0)

    def test_live_counts_grants_whose_window_is_open(self):
        both = change(grants=(G, GrantId("db/two")))
        assert self.count((1, Outcome(both, ok=True)), at=59).live == 2
        assert self.count((1, Outcome(both, ok=True)), at=60).live == 0


class TestComparison:
    def compare(self, *bodies, steps=(), anchors=None, at=0):
        positions = {oid(1): 0, **{step.commit: step.position for step in steps}}
        comparison = Comparison(steps, positions, anchors or {})
        for receipt in chain(*bodies):
            comparison.add(receipt)
        return [found.code for found in comparison.finish(t(at))]

    def test_an_end_that_nobody_was_entitled_to_is_named(self):
        by_pull = Retirement(G, oid(11), oid(1), 4, "", "end-unentitled")
        by_hand = Retirement(G, oid(11), oid(1), lack="around-the-gate")
        comparison = Comparison((), {oid(1): 0}, {})
        for receipt in chain((1, by_pull), (2, by_hand), (3, Retirement(G, oid(11), oid(1), 5, "bob"))):
            comparison.add(receipt)
        said = [found.message for found in comparison.finish(t(60)) if found.code == "end-unentitled"]
        assert [message.partition(" took ")[0] for message in said] == [
            "pull request 4 of somebody whom nobody knows",
            "a commit",
        ]

    def test_a_narrowing_that_nobody_was_entitled_to_is_named(self):
        narrow = admission(landing=2, blob=12, narrowed_from=oid(11))
        comparison = Comparison((), {oid(1): 0}, {})
        for receipt in chain((1, admission()), (2, narrow), (3, replace(narrow, lack="around-the-gate"))):
            comparison.add(receipt)
        (said,) = [found.message for found in comparison.finish(t(60)) if found.code == "end-unentitled"]
        assert said.endswith(f" narrowed {G}, which nobody was entitled to [around-the-gate]")

    def test_what_a_revoked_key_signed_is_named_and_counts_for_nothing(self):
        comparison = Comparison((), {oid(1): 0}, {})
        first, intent = chain((0, Genesis(("k",))), (1, Intent((change(),), "p")))
        for receipt in (first, replace(intent, void=True)):
            comparison.add(receipt)
        assert [found.code for found in comparison.finish(t(60))] == ["receipt-void"]

    def test_the_genesis_settles_nothing(self):
        steps = (GrantStep(0, oid(1), G, ABSENT, oid(11)),)
        assert self.compare((0, Genesis(("k",))), steps=steps) == ["not-applied-yet"]

    def test_one_change_intended_twice_and_ended_once_is_open_still(self):
        twice = ((1, Intent((change(),), "p")), (2, Intent((change(),), "p")), (3, Outcome(change(), ok=False)))
        assert self.compare(*twice) == ["intent-without-outcome"]

    def test_an_intent_on_another_admission_than_the_one_in_force_is_named(self):
        proof, gives = admission(), change()
        steps = [GrantStep(0, oid(1), G, ABSENT, oid(11))]
        rightly = Intent((gives,), "plan", (admission_digest(proof),))
        wrongly = Intent((gives,), "plan", (admission_digest(admission(length=59)),))
        bare = Intent((change(Action.REMOVE),), "plan", rightly.basis)
        done = Outcome(gives, ok=True)
        assert self.compare((1, proof), (2, rightly), (3, done), steps=steps) == []
        assert self.compare((1, proof), (2, wrongly), (3, done), steps=steps) == ["intent-on-other-admission"]
        assert "intent-on-other-admission" not in self.compare((1, proof), (2, bare), steps=steps)

    def test_what_another_run_looked_up_first_the_run_that_did_it_tells_once_more(self):
        taken = change(Action.REMOVE)
        begin = ((1, Intent((taken,), "p")), (2, Outcome(taken, ok=True, recovered=True)))
        assert self.compare(*begin, (2, Outcome(taken, ok=True))) == []
        assert self.compare(*begin, (2, Outcome(taken, ok=True)), (3, Outcome(taken, ok=True))) == [
            "outcome-without-intent"
        ]
        assert self.compare(*begin, (2, Outcome(taken, ok=True, recovered=True))) == ["outcome-without-intent"]

    def test_what_another_run_did_not_find_and_began_anew_both_tell_of(self):
        steps = (GrantStep(0, oid(1), G, ABSENT, oid(11)),)
        lost = Outcome(change(), ok=False, recovered=True)
        begin = ((1, admission()), (2, Intent((change(),), "p")), (3, lost), (4, Intent((change(),), "q")))
        done = Outcome(change(), ok=True)
        assert self.compare(*begin, (5, done), steps=steps) == []
        assert self.compare(*begin, (5, done), (6, done), steps=steps) == []
        assert self.compare(*begin, (5, done), (6, done), (7, done), steps=steps) == ["outcome-without-intent"]

    def test_an_addition_without_an_end_is_beyond_any_window(self):
        endless = replace(change(), until=None)
        steps = (GrantStep(0, oid(1), G, ABSENT, oid(11)),)
        found = self.compare(
            (1, admission()), (2, Intent((endless,), "p")), (2, Outcome(endless, ok=True)), steps=steps
        )
        assert found == ["access-beyond-window"]

    def test_what_was_begun_before_its_grant_was_narrowed_may_end_as_it_was_meant(self):
        steps = (GrantStep(0, oid(1), G, ABSENT, oid(11)), GrantStep(1, oid(2), G, oid(11), oid(12)))
        narrow = replace(admission(), blob=oid(12), landing=oid(2), window=Window(t(0), t(10)), narrowed_from=oid(11))
        meant = (1, Intent((change(),), "p"))
        told = (2, Outcome(change(), ok=True, recovered=True))
        moved = replace(change(), until=t(10))
        after = ((3, Intent((moved,), "p")), (3, Outcome(moved, ok=True)))
        assert self.compare((1, admission()), meant, (2, narrow), told, *after, steps=steps) == []
        assert self.compare((1, admission()), (2, narrow), meant, told, *after, steps=steps) == ["access-beyond-window"]
        assert self.compare((1, admission()), (2, narrow), told, *after, steps=steps) == [
            "access-beyond-window",
            "outcome-without-intent",
        ]

    def test_an_anchor_that_the_ledger_has_is_no_difference(self):
        assert self.compare((0, Genesis(("k",))), anchors={"sha256:0": oid(1)}) == []
        assert self.compare((0, Genesis(("k",))), anchors={"sha256:9": oid(1)}) == ["anchor-missing"]

    def test_access_held_by_no_grant_is_named_when_its_end_is_past(self):
        bare = change(grants=())
        found = self.compare((1, Intent((bare,), "p")), (1, Outcome(bare, ok=True)), at=60)
        assert found == ["access-without-admission", "held-past-window"]

    def test_an_end_of_what_was_not_admitted_or_is_still_to_come_has_no_grounds(self):
        steps = (GrantStep(0, oid(1), G, ABSENT, oid(11)),)
        end = Ended(G, oid(11), oid(1), t(30), "beyond-engagement", "alice is engaged until then")
        for wrong in (replace(end, blob=oid(12)), replace(end, landing=oid(2)), replace(end, end=t(32))):
            assert self.compare((1, admission()), (31, wrong), steps=steps) == ["end-without-grounds"]
        assert self.compare((1, admission()), (31, end), steps=steps) == []
        assert self.compare((31, end)) == ["end-without-grounds"]

    def test_what_is_given_by_grants_alone_that_had_ended_is_named(self):
        steps = (GrantStep(0, oid(1), G, ABSENT, oid(11)), GrantStep(1, oid(2), G, oid(11), oid(12)))
        end = Ended(G, oid(11), oid(1), t(30), "beyond-engagement", "alice is engaged until then")
        begin, given = (1, admission()), (40, Outcome(change(), ok=True))
        intended = (40, Intent((change(),), "p"))
        assert self.compare(begin, (31, end), intended, given, steps=steps[:1]) == ["access-after-end"] * 2
        found = replace(given[1], recovered=True)  # a run that died before the end had given it
        assert self.compare(begin, (29, intended[1]), (31, end), (40, found), steps=steps[:1]) == []
        narrow = (35, admission(landing=2, blob=12, narrowed_from=oid(11)))
        assert "access-after-end" in self.compare(begin, (31, end), narrow, intended, given, steps=steps)
        anew = (35, admission(landing=2, blob=12))
        assert self.compare(begin, (31, end), anew, intended, given, steps=steps) == []
        other = change(grants=(G, GrantId("db/two")))
        assert "access-after-end" not in self.compare(begin, (31, end), (40, Intent((other,), "p")), steps=steps[:1])


class TestProof:
    def grant(self):
        return Grant(G, "alice", "db", "readonly", "why", Span(duration=timedelta(hours=1)))

    def codes(self, body, **traces):
        fields = {
            "grant": self.grant(),
            "parents": (oid(20),),
            "trailers": Trailers(("db/one",), "7", oid(21), "alice", ("bob (owners)",), "sha256:p"),
            "policy": ("sha256:p", ("sha256:m", E)),
        }
        (receipt,) = chain((1, body))
        return [found.code for found in check_admission(receipt, body, **(fields | traces))]

    def true(self, **changes):
        return admission(grant_digest=self.grant().digest, **changes)

    def test_the_truth_has_no_difference(self):
        assert self.codes(self.true()) == []

    def test_a_file_that_is_no_grant_is_named(self):
        assert self.codes(self.true(), grant=None) == ["grant-unreadable"]

    def test_another_purpose_than_the_files_is_named_and_none_is_of_an_earlier_release(self):
        for purpose in ("", "incident"):
            file = replace(self.grant(), purpose="incident")
            assert self.codes(admission(grant_digest=file.digest, purpose=purpose), grant=file) == []
        assert self.codes(self.true(purpose="incident")) == ["grant-fields"]

    def test_a_narrowing_keeps_the_moments_that_end_it(self):
        due = (("due", datetime(2026, 12, 20, tzinfo=UTC)),)
        before, less = admission(due=due), self.true(narrowed_from=admission().blob, blob=60)
        assert "widened" in self.codes(less, before=before)
        assert "widened" not in self.codes(replace(less, due=due), before=before)

    def test_a_narrowing_keeps_what_ends_it_and_may_say_more(self):
        closed, merged = ("issue_closed", "acme/orders#8"), ("pull_merged", "acme/orders#9")
        for before, after, wrong in (
            ((closed,), (), True),
            ((closed,), (("issue_closed", "acme/orders#9"),), True),
            ((closed,), (closed,), False),
            ((closed,), (closed, merged), False),
            ((), (merged,), False),
        ):
            file = replace(self.grant(), ends_when=after)
            less = admission(grant_digest=file.digest, narrowed_from=admission().blob, blob=60, ends_when=after)
            found = self.codes(less, grant=file, before=admission(ends_when=before))
            assert ("widened" in found) is wrong, (before, after)

    def test_what_a_narrowing_of_an_earlier_release_was_to_end_by_stands_in_its_file_alone(self):
        file = replace(self.grant(), ends_when=(("issue_closed", "acme/orders#8"),))
        less = admission(grant_digest=file.digest, narrowed_from=admission().blob, blob=60)
        assert "grant-fields" not in self.codes(less, grant=file, before=admission())
        assert "grant-fields" in self.codes(admission(grant_digest=file.digest), grant=file)

    def test_a_first_commit_has_no_base(self):
        assert self.codes(self.true(), parents=()) == ["base"]

    def test_another_grant_in_the_message_is_named(self):
        trailers = Trailers(("db/two",), "7", oid(21), "alice", ("bob (owners)",), "sha256:p")
        assert self.codes(self.true(), trailers=trailers) == ["trailer-grant"]

    def test_a_message_that_names_no_grant_is_named(self):
        trailers = Trailers((), "7", oid(21), "alice", ("bob (owners)",), "sha256:p")
        assert self.codes(self.true(), trailers=trailers) == ["trailer-grant"]

    @pytest.mark.parametrize("field", ["subject", "role", "requester", "policy", "meaning"])
    def test_a_narrowing_keeps_everything_else(self, field):
        before = self.true()
        after = replace(before, narrowed_from=before.blob, blob=oid(12), **{field: "other"})
        assert "widened" in self.codes(after, before=before)

    def test_the_intervals_of_a_calendar_are_held_to_its_base_and_its_bounds_to_the_file(self):
        span = Span(window=Window(t(0), t(60)), recurs=Recurrence(calendar="office"))
        file = replace(self.grant(), span=span)
        window = Window(t(0), t(60), ((t(10), t(20)),), "office")
        assert self.codes(admission(grant_digest=file.digest, window=window), grant=file) == []
        longer = Window(t(0), t(61), ((t(10), t(20)),), "office")
        assert self.codes(admission(grant_digest=file.digest, window=longer), grant=file) == ["window"]

    def test_a_role_that_the_base_did_not_have_is_named(self):
        assert self.codes(self.true(), policy=("sha256:p", None)) == ["meaning-digest", "entitlement"]


class TestIdle:
    """The word of a run that found nothing to do, held to the receipts before it."""

    steps = (GrantStep(0, oid(1), G, ABSENT, oid(11)),)
    given = ((0, admission()), (1, Intent((change(),), "p")), (1, Outcome(change(), ok=True)))

    def word(self, until: int, *, seconds: int = 0) -> Idle:
        return Idle("sha256:g", oid(90), t(until) + timedelta(seconds=seconds), 1, 0)

    def wrong(self, *bodies, positions=None, alter=lambda receipts: receipts):
        """Return the receipts whose word has no grounds, each with why."""
        comparison = Comparison(self.steps, positions or {oid(1): 0}, {})
        for receipt in alter(chain(*bodies)):
            comparison.add(receipt)
        found = [one for one in comparison.finish(t(0)) if one.code == "idle-without-grounds"]
        return {one.receipt: one.message.partition(", ")[2] for one in found}

    def test_a_word_until_the_first_end_of_what_is_held_has_grounds(self):
        assert self.wrong(*self.given, (2, self.word(60)), (59, self.word(60))) == {}
        other = replace(change(entitlement=E._replace(principal="bob")), until=None)
        endless = ((1, Intent((other,), "p")), (1, Outcome(other, ok=True)))
        assert self.wrong(*endless, (2, self.word(60)), *endless, (3, self.word(90))) == {}
        assert self.wrong((2, self.word(60))) == {}

    def test_a_word_for_no_time_or_for_more_than_a_day_has_none(self):
        day = int(LONGEST_IDLE.total_seconds()) // 60
        assert self.wrong((2, self.word(2 + day))) == {}
        assert self.wrong((2, self.word(2 + day, seconds=1))) == {0: "which is more than 1d after it"}
        assert self.wrong((2, self.word(2))) == {0: "which had passed"}
        assert self.wrong((2, self.word(2, seconds=1))) == {}

    def test_a_word_of_a_run_whose_clock_lies_behind_is_held_to_that(self):
        def behind(receipts):
            return [*receipts[:-1], replace(receipts[-1], clock=t(58))]

        assert self.wrong(*self.given, (61, self.word(60)), alter=behind) == {}
        assert self.wrong(*self.given, (61, self.word(58)), alter=behind) == {3: "which had passed"}

    def test_a_word_past_the_end_of_what_is_held_has_none(self):
        comparison = Comparison(self.steps, {oid(1): 0}, {})
        for receipt in chain(*self.given, (2, self.word(61))):
            comparison.add(receipt)
        (found,) = [one for one in comparison.finish(t(2)) if one.code == "idle-without-grounds"]
        assert (found.receipt, found.severity.value) == (3, "error")
        assert found.message == (
            "receipt 3 says that nothing is to be done until 2026-11-21T10:01:00Z, and alice has ro on db only until "
            "2026-11-21T10:00:00Z"
        )

    def test_a_word_while_something_is_held_past_its_end_has_none(self):
        assert set(self.wrong(*self.given, (70, self.word(80)))) == {3}

    def test_of_what_was_taken_away_or_told_anew_the_end_of_now_counts(self):
        gone = change(Action.REMOVE)
        removed = ((10, Intent((gone,), "p")), (10, Outcome(gone, ok=True)))
        words = (self.word(60), self.word(90), self.word(91))
        assert self.wrong(*self.given, (2, words[0]), *removed, (11, words[2])) == {}
        longer = change(until=90, due=10)
        told = ((10, Intent((longer,), "p")), (10, Outcome(longer, ok=True)))
        assert self.wrong(*self.given, (2, words[0]), *told, (11, words[1])) == {}
        assert set(self.wrong(*self.given, (2, words[0]), *told, (11, words[2]))) == {6}
        assert self.wrong(*self.given, *told, (2, words[0]), *removed, (11, words[2])) == {}

    def test_a_word_while_something_is_begun_has_none(self):
        why = "and receipt 0 intends giving ro on db to alice, and none before it says how that ended"
        begun = (1, Intent((change(),), "p"))
        assert self.wrong(begun, (2, self.word(60))) == {1: why}
        assert self.wrong(begun, (1, Outcome(change(), ok=False, recovered=True)), (2, self.word(60))) == {}

    def test_what_was_written_off_is_nothing_to_do(self):
        off = Settled(Holding(E, (G,), t(60)), adopted=False, by="carol", reason="r")
        kept = replace(off, adopted=True)
        again = (3, Intent((change(due=3),), "p"))
        begun = (1, Intent((change(),), "p"))
        assert self.wrong(begun, (2, off), (3, self.word(90))) == {}
        assert set(self.wrong(begun, (2, off), again, (4, self.word(90)))) == {3}
        assert self.wrong(*self.given, (2, off), (3, self.word(90))) == {}
        assert set(self.wrong(*self.given, (2, kept), (3, self.word(90)))) == {4}

    def test_a_word_on_an_older_main_has_none(self):
        def back(receipts):
            return [replace(receipts[0], main=oid(2)), receipts[1]]

        positions = {oid(1): 0, oid(2): 1}
        why = {1: f"and stands on main {oid(1)[:12]}, behind the main of an earlier receipt"}
        assert self.wrong((1, self.word(60)), (2, self.word(60)), positions=positions, alter=back) == why

    def rests(self, told, *, live=1, restless=()):
        return replace(self.word(60), live=live, rests=Rests({}, told, restless))

    def test_what_a_word_tells_of_each_resource_is_what_receipts_leave_there(self):
        two = change(entitlement=E._replace(principal="bob"))
        both = (*self.given, (1, Intent((two,), "p")), (1, Outcome(two, ok=True)))
        true = RestingResource(t(60), 2, 2)
        assert self.wrong(*both, (2, self.rests({"db": true}, live=2))) == {}
        early = {"db": replace(true, until=t(30)), "wiki": RestingResource(t(9))}
        assert self.wrong(*both, (2, self.rests(early, live=2))) == {}
        fewer = {5: "and tells of 1 on db, where receipts have 2"}
        assert self.wrong(*both, (2, self.rests({"db": replace(true, held=1)}, live=2))) == fewer
        unsaid = {5: "and tells of 0 on db, where receipts have 2"}
        assert self.wrong(*both, (2, self.rests({}, live=2))) == unsaid
        more = {5: "and tells of 1 on wiki, where receipts have 0"}
        assert self.wrong(*both, (2, self.rests({"db": true, "wiki": replace(true, held=1)}, live=2))) == more
        why = "and that nothing ends on db before 2026-11-21T10:00:01Z, where access does before"
        late = {"db": replace(true, until=t(60) + timedelta(seconds=1))}
        assert self.wrong(*both, (2, self.rests(late, live=2))) == {5: why}
        number = "and of 3 that should exist, of which its words on resources have another number"
        assert self.wrong(*both, (2, self.rests({"db": true}, live=3))) == {5: number}

    def test_a_word_says_nothing_of_what_does_not_rest(self):
        assert self.wrong(*self.given, (2, self.rests({}, live=9, restless=("db",)))) == {}
        off = Settled(Holding(E, (G,), t(60)), adopted=False, by="carol", reason="r")
        assert self.wrong(*self.given, (2, off), (3, self.rests({}, live=0))) == {}

    def test_access_without_an_end_rests_for_ever(self):
        endless = replace(change(), until=None)
        given = (self.given[0], (1, Intent((endless,), "p")), (1, Outcome(endless, ok=True)))
        assert self.wrong(*given, (2, self.rests({"db": RestingResource(live=1, held=1)}))) == {}

    def test_a_word_that_a_revoked_key_signed_is_held_to_nothing(self):
        void = self.wrong((2, self.word(2)), alter=lambda receipts: [replace(receipts[0], void=True)])
        assert void == {}

    def test_what_a_believed_snapshot_holds_counts(self):
        comparison = Comparison((), {oid(1): 0}, {})
        held = Standing(head=Head(4, "sha256:h", t(1), oid(1)), holdings={E: Holding(E, (G,), t(60))})
        comparison.begin_at(held)
        comparison.add(Receipt(5, "", t(2), oid(1), "run", self.word(61), "sha256:5"))
        assert [one.code for one in comparison.finish(t(2))] == ["idle-without-grounds"]


def test_holdings_know_the_admission_in_force():
    holdings = Holdings()
    for receipt in chain((0, admission()), (1, admission(landing=2, blob=12))):
        holdings.add(receipt)
    assert [found.landing for found in holdings.basis(change().grants)] == [oid(2)]


def test_a_grant_has_been_ended_from_its_retirement_on_until_it_is_admitted_again() -> None:
    receipts = chain((1, admission()), (5, Retirement(G, oid(11), oid(2))), (9, admission()))
    assert Holdings.at(t(4), receipts).ended == {}
    assert Holdings.at(t(5), receipts).ended == {G: oid(2)}
    assert Holdings.at(t(8), receipts).ended == {G: oid(2)}
    assert Holdings.at(t(9), receipts).ended == {}


def test_why_a_grant_was_ended_is_read_as_it_was_written_and_nothing_else_is() -> None:
    assert read_trailers("End a\n\nDaypass-Reason: it is done%3A 100%25\n").reason == "it is done: 100%"
    assert read_trailers("Daypass-Reason: said before\n\nDaypass-Pull: 1\n").reason == ""
