"""What every forge must do, as a base class. A new forge's test is this, with a place of its own::

class TestMine(ForgeContract):
    @pytest.fixture
    def place(self, tmp_path):
        yield MyPlace(tmp_path)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from daypass.core.errors import ConflictError, EdgeError, UsageError
from daypass.core.forge import CLOSED, MADE, OPENED, PUSHED
from daypass.core.ids import Oid
from daypass.ports import Forge, History

FILE = "grants/orders-db/alice.yaml"
MESSAGE = "Grant orders-db/alice\n\nDaypass-Grant: orders-db/alice\n"
_START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def minute(count: int) -> datetime:
    return _START + timedelta(minutes=count)


class Place(Protocol):
    """A forge with a main that has one file ``grants/old.yaml``, and people alice, bob and carol."""

    history: History

    def forge(self, who: str) -> Forge:
        """The forge in a person's hands."""
        ...

    def main(self) -> Oid:
        """Where main stands, its commit being here."""
        ...

    def advance_main(self) -> Oid:
        """Let somebody else change another file of main."""
        ...


def commit(place: Place, who: str, branch: str = "wanted", text: str = "one\n", parent: Oid | None = None) -> Oid:
    files = [(FILE, text.encode())]
    forge = place.forge(who)
    return forge.commit(branch=branch, parent=parent or place.main(), files=files, message="Ask", at=minute(0))


def opened(place: Place, branch: str = "wanted") -> int:
    head = commit(place, "alice", branch)
    return place.forge("alice").open(branch=branch, head=head, title="Access", at=minute(1)).number


class ForgeContract:
    """The behaviours that the pipeline relies on."""

    def test_a_commit_has_its_parent_and_just_the_files_asked_for(self, place: Place) -> None:
        main = place.main()
        files = [(FILE, b"one\n"), ("grants/old.yaml", None)]
        head = place.forge("alice").commit(branch="wanted", parent=main, files=files, message="Ask", at=minute(0))
        pull = place.forge("alice").open(branch="wanted", head=head, title="Access", at=minute(1))
        place.forge("alice").pull(pull.number)
        assert [change.path for change in place.history.changes(main, head)] == ["grants/old.yaml", FILE]
        (made,) = place.history.commits(main, head)
        assert made.parents == (main,)
        assert made.message.strip() == "Ask"

    def test_a_branch_of_ours_is_made_anew_and_no_other(self, place: Place) -> None:
        first = commit(place, "alice", "daypass/removal")
        assert commit(place, "alice", "daypass/removal", "two\n") != first
        commit(place, "alice", "theirs")
        with pytest.raises(ConflictError, match=r"branch 'theirs' stands at [0-9a-f]{12}, expected [0-9a-f]{12}"):
            commit(place, "bob", "theirs", "two\n")

    def test_an_opened_one_is_open_and_listed(self, place: Place) -> None:
        head = commit(place, "alice")
        made = place.forge("alice").open(branch="wanted", head=head, title="Access", at=minute(1))
        read = place.forge("bob").pull(made.number)
        assert (read.state, read.head, read.branch, read.title) == ("open", head, "wanted", "Access")
        assert (read.opened_by.handle, read.merge, read.origin) == ("alice", None, "")
        assert [pusher.handle for pusher in read.pushers] == ["alice"]
        assert [pull.number for pull in place.forge("bob").open_pulls()] == [made.number]

    def test_a_branch_that_stands_elsewhere_is_not_opened(self, place: Place) -> None:
        commit(place, "alice")
        with pytest.raises(ConflictError, match="branch 'wanted' stands at"):
            place.forge("alice").open(branch="wanted", head=place.main(), title="x", at=minute(1))

    def test_a_branch_with_an_open_one_of_somebody_else_is_not_opened_again(self, place: Place) -> None:
        number = opened(place)
        head = place.forge("bob").pull(number).head
        with pytest.raises(ConflictError, match=f"branch 'wanted' has an open pull request already: #{number}"):
            place.forge("bob").open(branch="wanted", head=head, title="x", at=minute(2))

    def test_a_branch_that_must_be_fresh_is_not_taken_over(self, place: Place) -> None:
        forge, files = place.forge("alice"), [(FILE, b"two\n")]
        head = commit(place, "bob", "daypass/extend/x")
        with pytest.raises(ConflictError, match="branch 'daypass/extend/x' stands at"):
            forge.commit(
                branch="daypass/extend/x", parent=place.main(), files=files, message="x", at=minute(1), fresh=True
            )
        assert (
            place.forge("alice").commit(
                branch="daypass/extend/x", parent=place.main(), files=files, message="x", at=minute(1)
            )
            != head
        )

    def test_main_is_no_branch_for_a_request(self, place: Place) -> None:
        with pytest.raises(UsageError, match="branch 'main' is no branch for a request"):
            commit(place, "alice", "main")

    def test_an_unknown_number_is_an_error(self, place: Place) -> None:
        with pytest.raises(EdgeError):
            place.forge("alice").pull(77)

    def test_a_push_moves_the_head_and_leaves_reviews_where_they_were_given(self, place: Place) -> None:
        number = opened(place)
        old = place.forge("bob").pull(number).head
        place.forge("bob").review(number, commit=old, state="approved", at=minute(2))
        new = commit(place, "alice", text="two\n", parent=old)
        pushed = place.forge("alice").push(number, head=new, at=minute(3))
        assert (pushed.head, pushed.pushed_at is not None) == (new, True)
        assert [review.commit for review in place.forge("bob").reviews(number)] == [old]

    def test_reviews_are_told_in_order_with_their_commit_and_their_withdrawal(self, place: Place) -> None:
        number = opened(place)
        head = place.forge("bob").pull(number).head
        for at, state in enumerate(("rejected", "approved", "withdrawn"), start=2):
            made = place.forge("bob").review(number, commit=head, state=state, at=minute(at))
            assert (made.by.handle, made.state, made.commit) == ("bob", state, head)
        place.forge("carol").review(number, commit=head, state="approved", at=minute(9))
        assert {(r.by.handle, r.state) for r in place.forge("alice").reviews(number)} == {
            ("bob", "rejected"),
            ("bob", "approved"),
            ("bob", "withdrawn"),
            ("carol", "approved"),
        }

    def test_an_approval_tells_where_main_stood_when_it_was_given(self, place: Place) -> None:
        number = opened(place)
        head, before = place.forge("bob").pull(number).head, place.main()
        place.forge("bob").review(number, commit=head, state="approved", at=minute(2))
        after = place.advance_main()
        place.forge("carol").review(number, commit=head, state="approved", at=minute(3))
        forge = place.forge("alice")
        bobs, carols = forge.reviews(number)
        told = forge.mains_at([bobs.at, carols.at])
        assert before in (bobs.mains or told[bobs.at])
        assert after in (carols.mains or told[carols.at])

    def test_what_cannot_be_watched_says_so_and_every_condition_is_answered(self, place: Place) -> None:
        asked = [("issue_closed", "nobody/nothing#1"), ("pull_merged", "nobody/nothing#2")]
        found = place.forge("alice").watch(asked)
        assert list(found) == asked
        assert all(one.came is None and one.unknown for one in found.values())

    def test_opening_and_pushing_are_told_with_who_and_where_main_stood(self, place: Place) -> None:
        number = opened(place)
        before, old = place.main(), place.forge("bob").pull(number).head
        after = place.advance_main()
        new = commit(place, "alice", text="two\n", parent=old)
        place.forge("alice").push(number, head=new, at=minute(3))
        forge = place.forge("bob")
        acts = sorted(forge.pull(number).acts, key=lambda act: act.at)
        assert {act.by.handle for act in acts} == {"alice"}
        assert [act.did for act in acts if act.did != MADE] == [OPENED, PUSHED]
        told = forge.mains_at([act.at for act in acts])
        mains = [act.mains or told[act.at] for act in acts if act.did != MADE]
        assert before in mains[0]
        assert after in mains[1]

    def test_an_earlier_head_is_not_reviewed(self, place: Place) -> None:
        number = opened(place)
        with pytest.raises(ConflictError, match=f"the head of #{number} is [0-9a-f]{{12}} now"):
            place.forge("bob").review(number, commit=place.main(), state="approved", at=minute(2))

    def test_nothing_is_withdrawn_where_nothing_was_said(self, place: Place) -> None:
        number = opened(place)
        head = place.forge("bob").pull(number).head
        with pytest.raises(UsageError, match=f"bob has no review of #{number} to withdraw"):
            place.forge("bob").review(number, commit=head, state="withdrawn", at=minute(2))

    def test_a_merge_moves_main_and_leaves_a_record(self, place: Place) -> None:
        number = opened(place)
        base, head = place.main(), place.forge("bob").pull(number).head
        made = place.forge("bob").merge(number, head=head, base=base, message=MESSAGE, at=minute(3))
        assert (made.base, made.head, made.by.handle) == (base, head, "bob")
        assert made.commit == place.main() != base
        (landing,) = place.history.landings(base, made.commit)
        assert landing.parents[0] == base
        assert [change.path for change in landing.changes] == [FILE]
        pull = place.forge("carol").merged_as(made.commit)
        assert pull == place.forge("carol").pull(number)
        assert pull is not None
        assert (pull.state, pull.merge) == ("merged", made)
        assert place.forge("carol").open_pulls() == ()

    def test_a_merge_is_bound_to_the_head_and_to_main(self, place: Place) -> None:
        number = opened(place)
        base, head = place.main(), place.forge("bob").pull(number).head
        with pytest.raises(ConflictError):
            place.forge("bob").merge(number, head=base, base=base, message=MESSAGE, at=minute(3))
        moved = place.advance_main()
        with pytest.raises(ConflictError, match="main stands at"):
            place.forge("bob").merge(number, head=head, base=base, message=MESSAGE, at=minute(4))
        assert place.main() == moved
        assert place.forge("bob").merge(number, head=head, base=moved, message=MESSAGE, at=minute(5)).base == moved

    def test_what_nobody_merged_has_no_record(self, place: Place) -> None:
        assert place.forge("bob").merged_as(place.advance_main()) is None

    def test_a_closing_is_told_with_who_and_when(self, place: Place) -> None:
        number = opened(place)
        assert place.forge("alice").pull(number).closing is None
        place.forge("bob").close(number, reason="not now", at=minute(3))
        closed = place.forge("alice").pull(number)
        assert closed.state == "closed"
        assert closed.closing is not None
        assert (closed.closing.by.handle, closed.closing.did) == ("bob", CLOSED)

    def test_those_that_were_not_merged_are_listed_since_an_instant(self, place: Place) -> None:
        still, over, merged = (opened(place, branch) for branch in ("still", "over", "merged"))
        place.forge("alice").close(over, reason="not now", at=minute(3))
        head = place.forge("alice").pull(merged).head
        place.forge("bob").merge(merged, head=head, base=place.main(), message=MESSAGE, at=minute(4))
        listed = place.forge("alice").unmerged_pulls(minute(-1))
        assert [(pull.number, pull.state) for pull in listed] == [(still, "open"), (over, "closed")]
        assert listed[0].opened_by.handle == "alice"

    def test_what_is_over_takes_nothing_more(self, place: Place) -> None:
        number = opened(place)
        head = place.forge("bob").pull(number).head
        place.forge("alice").close(number, reason="not needed", at=minute(2))
        assert place.forge("bob").pull(number).state == "closed"
        assert place.forge("bob").open_pulls() == ()
        words = f"pull request {number} is closed already"
        with pytest.raises(ConflictError, match=words):
            place.forge("alice").close(number, reason="again", at=minute(3))
        with pytest.raises(ConflictError, match=words):
            place.forge("bob").review(number, commit=head, state="approved", at=minute(3))
        with pytest.raises(ConflictError, match=words):
            place.forge("alice").push(number, head=head, at=minute(3))

    def test_who_acts_is_told(self, place: Place) -> None:
        assert place.forge("carol").acting().handle == "carol"
