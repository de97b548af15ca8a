"""Who had which role when, by receipts alone: in the standing, and in the book that gate, applier and auditor ask."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from receipt_strategies import BEGIN, folded, proofs
from test_held_book import OID, OTHER, admission, chain, landing, view

from daypass.core.approval import roles
from daypass.core.approval.held import HeldBook
from daypass.core.ids import GrantId
from daypass.core.ledger.receipt import Admission, Decided, Ended, Refusal, Resolution, Retirement, Settled
from daypass.core.ledger.records import HELD_KEPT, HeldWindow, held_after
from daypass.core.ledger.standing import Delta, Standing, fold
from daypass.core.plan import Holding
from daypass.core.policy.held import Unmerged
from daypass.core.window import Window

HOUR = timedelta(hours=1)
ONE = GrantId("wiki/one")
GONE = Retirement(ONE, OID, landing(9))


def book(*told, standing: Standing | None = None) -> HeldBook:
    """Return a book to which bodies were added, each so long after BEGIN."""
    found = HeldBook(standing or Standing())
    for body, after in told:
        found.add(body, BEGIN + after)
    return found


def had(found: HeldBook, place: str = "", subject: str = "alice") -> list[tuple[float, float]]:
    """Return when the role was had, in hours after BEGIN."""
    told = found.before(place).role("wiki", subject, "editor")
    spans = [((w.start - BEGIN) / HOUR, (w.end - BEGIN) / HOUR) for one in told if (w := one.window) is not None]
    return sorted(spans)


def test_a_role_is_had_from_the_merge_until_the_window_ends_or_something_ended_it() -> None:
    half = HOUR / 2
    assert had(book((admission(), half))) == [(0, 1)]
    assert had(book((admission(), half), (GONE, half))) == [(0, 0.5)]
    assert had(book((admission(), half), (GONE, 3 * HOUR))) == [(0, 1)]
    assert had(book((admission(), half), (Refusal(ONE, OID, landing(9), "unproved", ""), half))) == [(0, 0.5)]
    ended = Ended(ONE, OID, landing(1), BEGIN + HOUR / 4, "beyond-engagement", "")
    assert had(book((admission(), half), (ended, half))) == [(0, 0.25)]
    before = Ended(ONE, OID, landing(1), BEGIN, "beyond-engagement", "")
    assert had(book((admission(), half), (before, half))) == []
    early = admission(window=Window(BEGIN - HOUR, BEGIN + HOUR))
    assert had(book((early, half))) == [(0, 1)]  # nobody has it before the merge
    late = admission(merged_at=BEGIN + 2 * HOUR)
    assert had(book((late, 3 * HOUR))) == []


def test_an_extension_goes_on_where_the_grant_was_and_another_subject_begins_anew() -> None:
    longer = admission(place=2, window=Window(BEGIN, BEGIN + 2 * HOUR), merged_at=BEGIN + HOUR / 2)
    assert had(book((admission(), HOUR / 4), (longer, HOUR / 2))) == [(0, 0.5), (0.5, 2)]
    other = admission(place=2, subject="dan", window=Window(BEGIN + HOUR, BEGIN + 2 * HOUR))
    assert had(book((admission(), HOUR / 4), (other, HOUR / 2))) == [(0, 0.5)]
    assert had(book((admission(), HOUR / 4), (other, HOUR / 2)), subject="dan") == [(1, 2)]


def test_less_of_a_grant_counts_at_once() -> None:
    less = admission(window=Window(BEGIN, BEGIN + HOUR / 2), narrowed_from=OID)
    assert had(book((admission(), HOUR / 4), (less, HOUR / 4)), landing(1)) == [(0, 0.25), (0, 0.5)]


def test_what_one_landing_gave_counts_for_the_next_alone() -> None:
    told = book((admission(), HOUR / 4))
    assert had(told, landing(1)) == []
    assert had(told, landing(2)) == [(0, 1)]
    two = book((admission(), HOUR / 4), (admission("two"), HOUR / 4), (admission("three", 2), HOUR / 2))
    assert had(two, landing(2)) == [(0, 1), (0, 1)]
    assert had(two) == [(0, 1), (0, 1), (0, 1)]


def test_what_was_written_off_is_had_no_more() -> None:
    entitlement = admission().entitlement
    off = Settled(Holding(entitlement, (ONE,)), False, "bob", "", ((ONE, OID, landing(1)),))
    told = book((admission(), HOUR / 4), (off, HOUR / 2))
    assert had(told) == [(0, 0.5)]
    assert not told.before().grants_of("alice")


def test_what_is_over_long_enough_is_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(roles, "_MANY", 2)
    later = admission("two", 2, window=Window(BEGIN + HELD_KEPT, BEGIN + HELD_KEPT + HOUR))
    told = book((admission(), HOUR / 4), (later, HELD_KEPT + HOUR))
    assert had(told) == [(HELD_KEPT / HOUR, HELD_KEPT / HOUR + 1)]
    assert had(told) == [(HELD_KEPT / HOUR, HELD_KEPT / HOUR + 1)]
    standing = fold(chain(admission()))
    assert len(standing.held) == 1
    assert standing.on_resource("wiki").held == {ONE: [HeldWindow("alice", "editor", BEGIN, BEGIN + HOUR)]}
    assert standing.on_resource("other").held == {}


def test_nothing_is_forgotten_at_the_beginning_of_time() -> None:
    assert held_after(BEGIN - timedelta(days=2000 * 365)) < BEGIN - timedelta(days=2000 * 365)


@settings(deadline=None)
@given(st.lists(st.one_of(folded, proofs), max_size=14), st.integers(0, 15), st.integers(0, 15))
def test_a_standing_in_portions_and_the_rest_say_what_all_receipts_say(bodies: list, one: int, other: int) -> None:
    found, (first, second) = chain(*bodies), sorted((one, other))
    part, whole = HeldBook(fold(found[first:second], fold(found[:first]))), HeldBook(Standing())
    for receipt in found[second:]:
        part.add(receipt.body, receipt.run_at)
    for receipt in found:
        whole.add(receipt.body, receipt.run_at)
    asked = {(body.resource, body.subject, body.role) for body in bodies if isinstance(body, Admission)}
    for resource, subject, role in asked:
        of_grant = {grant.partition("/")[0] for grant in (body.grant for body in bodies if isinstance(body, Admission))}
        for place in {resource, *of_grant}:
            told = [sorted(book_.roles.when(place, subject, role, "")) for book_ in (part, whole)]
            assert told[0] == told[1]


@settings(deadline=None)
@given(st.lists(st.one_of(folded, proofs), max_size=14), st.integers(0, 15))
def test_two_portions_of_receipts_fold_to_what_all_of_them_do(bodies: list, cut: int) -> None:
    found = chain(*bodies)
    assert fold(found[cut:], fold(found[:cut])).held == fold(found).held


def test_a_delta_of_nothing_changes_nothing() -> None:
    standing = fold(chain(admission()))
    assert Delta().onto(standing).held == standing.held


# Denials


def decided(pull: int, what: Resolution, requester: str = "alice") -> Decided:
    return Decided(what, pull, OID, requester, BEGIN, OID)


def test_what_was_denied_and_rejected_of_ones_own_requests_counts_for_a_week() -> None:
    told = [
        decided(1, Resolution.DENIED), decided(2, Resolution.REJECTED), decided(3, Resolution.CLOSED),
        decided(4, Resolution.WITHDRAWN), decided(5, Resolution.DENIED, "bob"),
    ]  # fmt: skip
    expected = (Unmerged(1, "denied"), Unmerged(2, "rejected"))
    for found in (view(*told), view(standing=fold(chain(*told)))):
        assert found.denials("alice", BEGIN) == ()  # what one run records counts for the next
        assert found.denials("alice", BEGIN + timedelta(seconds=1)) == expected
        assert found.denials("alice", BEGIN + timedelta(days=7) - timedelta(seconds=1)) == expected
        assert found.denials("alice", BEGIN + timedelta(days=7)) == ()
        assert found.denials("bob", BEGIN + HOUR) == (Unmerged(5, "denied"),)
    assert view(*told, place=landing(1)).denials("alice", BEGIN - HOUR) == expected  # recorded after the merge


# What waits


def test_a_file_that_was_refused_for_good_waits_again_once_it_is_brought_anew() -> None:
    refused = Refusal(ONE, OID, landing(2), "around-the-gate", "")
    for found in (view(refused), view(standing=fold(chain(refused)))):
        assert list(found.waiting([(ONE, OID, landing(2))])) == []
        assert list(found.waiting([(ONE, OID, "")])) == []
        assert list(found.waiting([(ONE, OID, landing(3))])) == [(ONE, OID)]
        assert list(found.waiting([(ONE, OTHER, landing(2))])) == [(ONE, OTHER)]


def test_a_refusal_counts_until_the_next_word_on_the_grant() -> None:
    refused = Refusal(ONE, OID, landing(2), "around-the-gate", "")
    for found in (view(refused, admission(), GONE), view(admission(), GONE, standing=fold(chain(refused)))):
        assert list(found.waiting([(ONE, OID, "")])) == [(ONE, OID)]


def test_a_book_that_is_not_whole_knows_roles_alone() -> None:
    told = HeldBook(Standing(), whole=False)
    told.add(admission(), BEGIN)
    assert had(told) == [(0, 1)]
    assert told.before().grants_of("alice") == ()


def test_who_asks_of_what_is_yet_to_land_is_told_which_main_the_ledger_knows() -> None:
    told = HeldBook(fold(chain(admission())))
    assert told.before().main == OID
    assert told.before(landing(1)).main == ""
