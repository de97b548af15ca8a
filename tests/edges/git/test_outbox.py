"""The outbox: what waits there, how it is delivered, and what is refused. Over git and over a branch in memory alike."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ledger_making import BEGIN, BRANCH, LATER, MAIN, addition, entitlement, life

from daypass.core.errors import AwayError, ConflictError, EdgeError, LedgerError
from daypass.core.ids import GrantId
from daypass.core.ledger.chain import Envelope, Head, seal
from daypass.core.ledger.keys import KeyLimits
from daypass.core.ledger.receipt import Body, Genesis, Intent, Outcome, Pulse
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Action, Intended, Reason
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.keyfiles import generate_key
from daypass.edges.ledger.ledger import GitLedger
from daypass.edges.ledger.outbox import FILE, OutboxLedger, Trace
from daypass.edges.ledger.signing import EnvelopeSigner
from daypass.edges.ledger.standing import SignedLedger
from in_memory.ledger import Machine, MemoryLedger
from in_memory.objects import Objects
from in_memory.receipts import MemoryReceipts
from standings import same_state

HOUR = timedelta(hours=1)


def removal(n: int) -> Intended:
    return Intended(Action.REMOVE, entitlement(n), (GrantId(f"orders-db/g{n}"),), Reason.EXPIRED, BEGIN + HOUR)


def taken(n: int) -> list[Body]:
    return [Intent((removal(n),), "plan"), Outcome(removal(n), ok=True)]


class Killed(BaseException):
    """Ends a run at once."""


class Place:
    """One ledger, and the machines that have it; all of them reach the branch, as if each had pushed and fetched."""

    def __init__(self, folder: Path, receipts: Any, *, machines: bool = False) -> None:
        """``machines``: what each has verified is kept in memory as well."""
        self.folder = folder
        self.machines: dict[str, Machine] | None = {} if machines else None
        self.receipts = receipts
        self.key = folder / "keys" / "ledger.pem"
        self.public = generate_key(self.key)
        ledger = self.ledger("first")
        standing = ledger.append(Standing(), [Genesis(ledger.verifier.key_ids)], at=BEGIN, main=MAIN, run="genesis")
        for n in range(3):
            standing = ledger.append(standing, life(n), at=BEGIN, main=MAIN, run="run")

    def ledger(self, machine: str, *, keys: dict[str, bytes] | None = None, key: Path | None = None) -> SignedLedger:
        state = self.folder / machine
        state.mkdir(mode=0o700, exist_ok=True)
        keys = keys or {"ledger.pub": self.public}
        signer = partial(EnvelopeSigner, key or self.key, keys["ledger.pub"])
        if self.machines is not None:
            return MemoryLedger(self.receipts, self.machines.setdefault(machine, Machine()), keys, signer)
        return SignedLedger(self.receipts, state / "standing.sqlite", keys, signer)

    def machine(self, name: str, **more: Any) -> OutboxLedger:
        return OutboxLedger(self.ledger(name, **more), self.folder / name)

    def away(self, name: str, *bodies: Body, at: Any = LATER) -> Standing:
        """Write as a run that reaches no remote."""
        box = self.machine(name)
        return box.append(box.load(), bodies, at=at, main=MAIN, run=f"away-{name}")

    def run(self, *bodies: Body, at: Any = LATER) -> None:
        """Write as a run of another machine that reaches it."""
        ledger = self.ledger("other")
        ledger.append(ledger.load(), list(bodies), at=at, main=MAIN, run="other")

    def standing(self) -> Standing:
        return self.ledger("auditor").load()

    def forget(self) -> None:
        """Let no machine know what it had verified."""
        if self.machines is not None:
            self.machines.clear()
        for path in self.folder.glob("*/standing.sqlite*"):
            path.unlink()

    def late(self) -> list[tuple[str, bool]]:
        """The receipts that came from outboxes, and which of them are second witnesses."""
        found = self.receipts.proved(self.ledger("auditor").verifier.open).receipts
        return [(type(one.body).__name__, one.seconds) for one in found if one.away is not None]

    def file(self, name: str) -> Path:
        return self.folder / name / FILE


@pytest.fixture(params=["git", "memory", "machines in memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param != "git":
        return Place(tmp_path, MemoryReceipts(Objects(), BRANCH), machines=request.param != "memory")
    git = Git(tmp_path / "repo")
    git.folder.mkdir()
    git.run("init", "--quiet", "--bare")
    return Place(tmp_path, GitLedger(git, BRANCH))


COUNTS = [("Intent", False), ("Outcome", False)]
WITNESS = [("Intent", False), ("Outcome", True)]


def test_what_waits_is_part_of_what_this_machine_knows_and_of_nothing_else(place: Place) -> None:
    standing = place.away("one", *taken(0))
    assert set(standing.holdings) == {entitlement(1), entitlement(2)}
    box = place.machine("one")
    assert (set(box.load().holdings), box.waiting()) == ({entitlement(1), entitlement(2)}, 2)
    assert set(place.standing().holdings) == {entitlement(0), entitlement(1), entitlement(2)}
    assert place.file("one").stat().st_mode & 0o777 == 0o600


def test_where_nobody_wrote_it_is_delivered_as_it_was_signed(place: Place) -> None:
    place.away("one", *taken(0))
    box = place.machine("one")
    last = box.load().digest
    seen = []
    assert box.deliver(recorded=lambda: seen.append((place.standing().digest == last, box.waiting()))) == 2
    assert seen == [(True, 2)]
    assert (box.waiting(), box.deliver()) == (0, 0)
    assert place.standing().digest == last
    assert place.late() == COUNTS


def test_it_is_delivered_behind_what_others_wrote(place: Place) -> None:
    place.away("one", *taken(0), *taken(1))
    place.run(*taken(1), at=LATER + HOUR)
    assert place.machine("one").deliver() == 4
    assert place.late() == COUNTS + WITNESS
    assert set(place.standing().holdings) == {entitlement(2)}


def test_several_runs_fill_one_outbox(place: Place) -> None:
    place.away("one", Intent((removal(0),), "plan"))
    place.away("one", Outcome(removal(0), ok=True, recovered=True))
    place.away("one", *taken(1), at=LATER + HOUR)
    assert place.machine("one").deliver() == 4
    assert set(place.standing().holdings) == {entitlement(2)}
    assert len({one for one in place.late() if one[1]}) == 0


def test_an_outbox_goes_on_behind_what_was_fetched_since(place: Place) -> None:
    place.away("one", *taken(0))
    place.run(*taken(1), at=LATER + HOUR)
    standing = place.away("one", *taken(2), at=LATER + 2 * HOUR)  # it has fetched, and could not push
    assert not standing.holdings
    assert place.machine("one").deliver() == 4
    assert place.late() == COUNTS * 2
    assert not place.standing().holdings


def test_two_outboxes_delivered_at_once(place: Place) -> None:
    for name in ("one", "two"):
        place.away(name, *taken(0))
    place.away("two", *taken(1))
    two = place.machine("two")
    put = two._ledger.put
    done = []

    def late(*arguments: Any, **more: Any) -> Standing:
        if not done:  # just before the first push of this one the other's comes
            done.append(place.machine("one").deliver())
        return put(*arguments, **more)

    two._ledger.put = late  # type: ignore[method-assign]
    assert two.deliver() == 4
    assert place.late() == COUNTS + WITNESS + COUNTS
    assert set(place.standing().holdings) == {entitlement(2)}


def test_who_is_second_again_and_again_keeps_what_waits(place: Place) -> None:
    place.away("one", *taken(0))
    box = place.machine("one")

    def second(*_: Any, **__: Any) -> Standing:
        place.run(Pulse(1), at=LATER + HOUR)
        raise ConflictError("another run was first")

    box._ledger.put = second  # type: ignore[method-assign]
    with pytest.raises(ConflictError, match="others wrote to the ledger again and again"):
        box.deliver(attempts=2)
    assert place.machine("one").deliver() == 2
    assert place.late() == COUNTS


STEPS = ["before the push", "after the push", "after the branch moved"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("dies", [Killed, AwayError])
def test_a_delivery_that_ends_at_any_step_is_finished_once(place: Place, step: str, behind: bool, dies: Any) -> None:
    place.away("one", *taken(0))
    if behind:
        place.run(*taken(1), at=LATER + HOUR)
    box = place.machine("one")
    if step == "before the push":
        box._ledger.put = lambda *_, **__: (_ for _ in ()).throw(dies("gone"))  # type: ignore[method-assign]
    elif step == "after the push":
        put = box._ledger.put

        def lost(*arguments: Any, **more: Any) -> Standing:
            put(*arguments, **more)
            raise dies("gone")

        box._ledger.put = lost  # type: ignore[method-assign]
    else:
        box._outbox.replace = _only_behind(box._outbox.replace, dies)  # type: ignore[method-assign]
    with pytest.raises(dies):
        box.deliver()
    place.run(Pulse(2), at=LATER + 2 * HOUR)
    place.away("one", *taken(2), at=LATER + 2 * HOUR)
    assert place.machine("one").deliver() > 0
    assert place.late() == COUNTS * 2
    assert place.machine("one").waiting() == 0
    assert set(place.standing().holdings) == ({entitlement(1)} if not behind else set())


def _only_behind(replace: Any, dies: Any) -> Any:
    """Let what is sealed anew be written, and not that all is delivered."""

    def half(envelopes: list[Envelope]) -> None:
        if not envelopes:
            raise dies("gone")
        replace(envelopes)

    return half


def test_a_copy_that_is_put_back_after_the_delivery_is_not_delivered_again(place: Place) -> None:
    place.away("one", *taken(0))
    kept = place.file("one").read_bytes()
    place.run(Pulse(1), at=LATER + HOUR)
    moved = place.machine("one")
    moved.load()  # signed anew
    anew = place.file("one").read_bytes()
    assert moved.deliver() == 2
    for copy in (kept, anew):
        place.file("one").write_bytes(copy)
        before = place.standing().digest
        assert (place.machine("one").deliver(), place.standing().digest) == (0, before)
        assert place.machine("one").waiting() == 0


@pytest.mark.parametrize(
    "body", [Pulse(1), Intent((addition(7),), "plan"), Outcome(addition(0), ok=True, recovered=True)]
)
def test_nothing_is_given_by_an_outbox(place: Place, body: Body) -> None:
    with pytest.raises(LedgerError, match="a receipt of an outbox takes access away or says who left"):
        place.away("one", body)
    assert place.machine("one").waiting() == 0


def test_who_stands_on_what_is_no_longer_the_end_writes_nothing(place: Place) -> None:
    box = place.machine("one")
    before = box.load()
    box.append(before, taken(0), at=LATER, main=MAIN, run="run")
    for standing in (before, Standing()):
        with pytest.raises(ConflictError, match="another run wrote into the outbox"):
            box.append(standing, taken(1), at=LATER, main=MAIN, run="run")
    assert box.waiting() == 2


# What is refused, and kept


def refused(place: Place, said: str, error: type[Exception] = LedgerError, **more: Any) -> None:
    """Hold that neither delivering nor writing on believes it, and that it is left as it is."""
    kept = place.file("one").read_bytes()
    before = place.standing().digest
    for attempt in (place.machine("one", **more).deliver, place.machine("one", **more).load):
        with pytest.raises(error, match=said):
            attempt()
    assert place.file("one").read_bytes() == kept
    assert place.standing().digest == before


def test_one_that_others_may_write_is_refused(place: Place) -> None:
    place.away("one", *taken(0))
    place.file("one").chmod(0o622)
    refused(place, "others may write", EdgeError)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_one_that_somebody_else_wrote_is_refused(place: Place) -> None:
    place.away("one", *taken(0))
    os.chown(place.file("one"), 4321, 4321)
    refused(place, "others may write", EdgeError)


@pytest.mark.parametrize("size", [100, 5000])
def test_a_torn_one_is_refused(place: Place, size: int) -> None:
    place.away("one", *taken(0))
    place.file("one").write_bytes(place.file("one").read_bytes()[:size])
    refused(place, "cannot be used", EdgeError)


def change(place: Place, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(place.file("one"))) as connection, connection:
        connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM receipt WHERE sequence = 10", "it goes on from receipt 10, which the ledger has not"),
        ("DELETE FROM receipt WHERE sequence = 11", "receipt 11 is missing: the next one there is 12"),
        ("UPDATE receipt SET sequence = sequence - 100", "it goes on from receipt -91, which the ledger has not"),
        ("UPDATE receipt SET sequence = sequence - 1", "receipt 9 follows|receipt 10 stands|dropped"),
        ("UPDATE receipt SET raw = replace(raw, 'a', 'b')", "receipt 10: "),
        ("UPDATE receipt SET raw = x'00' WHERE sequence = 11", "receipt 11: "),
    ],
)
def test_one_with_a_receipt_missing_moved_or_changed_is_refused(place: Place, statement: str, said: str) -> None:
    place.away("one", *taken(0), *taken(1))
    change(place, statement.replace("replace(raw, 'a', 'b')", "CAST(replace(CAST(raw AS TEXT), 'a', 'b') AS BLOB)"))
    refused(place, said)


def test_one_of_another_ledger_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other", MemoryReceipts(Objects(), BRANCH))
    other.away("one", *taken(0))
    place.ledger("one")
    place.file("one").write_bytes(other.file("one").read_bytes())
    place.file("one").chmod(0o600)
    refused(place, "is not believed")


@pytest.mark.parametrize("others_wrote", [False, True])
def test_what_a_revoked_key_signed_is_not_sealed_anew_by_another(place: Place, others_wrote: bool) -> None:
    place.away("one", *taken(0))
    if others_wrote:
        place.run(Pulse(0))
    public = generate_key(place.folder / "keys" / "new.pem")
    first = place.standing().next_sequence - others_wrote
    ledger = SignedLedger(
        place.receipts,
        place.folder / "one" / "standing.sqlite",
        {"ledger.pub": place.public, "new.pub": public},
        lambda: EnvelopeSigner(place.folder / "keys" / "new.pem", public),
        {"ledger.pub": KeyLimits(first_void=first)},
    )
    before = place.file("one").read_bytes()
    for deliver in (
        OutboxLedger(ledger, place.folder / "one").deliver,
        OutboxLedger(ledger, place.folder / "one").load,
    ):
        with pytest.raises(LedgerError, match="signed by a key that was revoked"):
            deliver()
    assert place.file("one").read_bytes() == before
    assert place.late() == []


@pytest.mark.parametrize("told", [0, 2])
def test_what_a_retired_key_signed_counts_up_to_the_number_that_it_may_sign(place: Place, told: int) -> None:
    """``told`` receipts behind the ledger's last are the old key's own still, as who keeps the settings may say."""
    place.away("one", *taken(0))
    public = generate_key(place.folder / "keys" / "new.pem")
    ledger = SignedLedger(
        place.receipts,
        place.folder / "one" / "standing.sqlite",
        {"ledger.pub": place.public, "new.pub": public},
        lambda: EnvelopeSigner(place.folder / "keys" / "new.pem", public),
        {"ledger.pub": KeyLimits(last=place.standing().next_sequence - 1 + told)},
    )
    box, before = OutboxLedger(ledger, place.folder / "one"), place.file("one").read_bytes()
    if told:
        assert box.deliver() == 2
        assert place.late() == COUNTS
        return
    with pytest.raises(LedgerError, match="retired with receipt 9"):
        box.deliver()
    assert place.file("one").read_bytes() == before
    assert place.late() == []


def test_one_with_receipts_that_were_not_written_for_it_is_refused(place: Place) -> None:
    ledger = place.ledger("one")
    head = ledger.load().head
    assert isinstance(head, Head)
    place.away("one", *taken(0))
    plain = seal([Intent((addition(7),), "plan")], head, ledger.sign, at=LATER, main=MAIN, run="forged")
    change(place, "DELETE FROM receipt")
    change(place, "INSERT INTO receipt VALUES (?, ?)", plain[0].sequence, plain[0].raw)
    refused(place, "receipt 10 in it was not written for an outbox")


def test_one_that_a_removed_key_signed_is_refused(place: Place) -> None:
    """The ledger was begun anew by another key; main names the old one no more."""
    place.away("one", *taken(0))
    key = place.folder / "new" / "ledger.pem"
    keys = {"ledger.pub": generate_key(key)}
    kept = place.file("one").read_bytes()
    with pytest.raises(LedgerError, match="signed by another key"):
        place.machine("one", keys=keys, key=key).deliver()
    assert place.file("one").read_bytes() == kept


def test_one_that_stands_on_a_receipt_which_the_ledger_lost_is_refused(place: Place) -> None:
    place.run(Pulse(1))
    place.away("one", *taken(0))
    place.forget()
    if isinstance(place.receipts, MemoryReceipts):
        refs = place.receipts._objects.refs
        ref = f"refs/heads/{BRANCH}"
        refs[ref] = place.receipts._objects.stored(refs[ref]).commit.parents[0]
    else:
        place.receipts._git.run("update-ref", f"refs/heads/{BRANCH}", f"{place.receipts.head()}~1")
    refused(place, "it goes on from receipt 10, which the ledger has not")


def test_what_no_removal_changes_is_as_the_ledger_has_it(place: Place) -> None:
    plain, standing = place.standing(), place.away("one", *taken(0))
    assert (standing.rows, standing.admissions, standing.seen) == (plain.rows, plain.admissions, plain.seen)
    grant = GrantId("orders-db/g0")
    assert standing.admission(grant) == plain.admission(grant)
    assert same_state(place.machine("one").load(), standing)
    place.machine("one").deliver()
    assert same_state(place.standing(), standing)
    with pytest.raises(AttributeError):
        _ = standing.nothing  # type: ignore[attr-defined]


def test_a_place_that_is_no_file_is_named(place: Place) -> None:
    box = place.machine("one")
    standing = box.load()
    place.file("one").mkdir()
    with pytest.raises(EdgeError, match="others may write"):
        box.append(standing, taken(0), at=LATER, main=MAIN, run="run")


# What says in the clone that one waits


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    git = Git(tmp_path / "clone")
    git.folder.mkdir()
    git.run("init", "--quiet", "--bare")
    return Trace(git)


def test_an_outbox_that_is_gone_is_known_to_have_waited(place: Place, trace: Trace) -> None:
    assert trace.lost() == (0, "")
    place.away("one", *taken(0))
    path = place.file("one")
    trace.leave(2, path)
    trace.leave(2, path)
    assert trace.lost() == (0, "")
    path.unlink()
    assert trace.lost() == (2, str(path))
    trace.leave(0, path)
    trace.leave(0, path)
    assert trace.lost() == (0, "")


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"count": "x", "path": ""}', b'{"count": 0, "path": "/nowhere"}'])
def test_a_trace_that_cannot_be_read_says_nothing(trace: Trace, text: bytes) -> None:
    blob = trace._git.text("hash-object", "-w", "--stdin", stdin=text)
    trace._git.run("update-ref", Trace.REF, blob)
    assert trace.lost() == (0, "")
    trace.leave(0, Path("anywhere"))
    assert trace._git.check(Trace.REF).kind == b"missing"


def test_what_waits_is_shown_to_people_whoever_signed_it_and_why_no_run_records_it(place: Place) -> None:
    place.away("one", *taken(0))
    told, why = place.machine("one").look()
    assert ([(number, type(one.body)) for number, one in told if one], why) == ([(10, Intent), (11, Outcome)], None)
    key = place.folder / "keys" / "other.pem"
    other = generate_key(key)
    stranger = place.machine("one", keys={"ledger.pub": other}, key=key)
    told, why = stranger.look()
    assert isinstance(why, LedgerError)
    assert [type(one.body) for _, one in told if one] == [Intent, Outcome]


def test_what_is_no_receipt_is_shown_as_none(place: Place) -> None:
    place.away("one", *taken(0))
    with closing(sqlite3.connect(place.file("one"))) as connection, connection:
        connection.execute("UPDATE receipt SET raw = ? WHERE sequence = 11", (b"{}",))
    told, why = place.machine("one").look()
    assert [one is None for _, one in told] == [False, True]
    assert isinstance(why, LedgerError)


def test_an_outbox_is_set_aside_whole_and_over_nothing(place: Place) -> None:
    place.away("one", *taken(0))
    box, raw, aside = place.machine("one"), place.file("one").read_bytes(), place.folder / "one" / "aside.sqlite"
    aside.write_bytes(b"in the way")
    with pytest.raises(EdgeError, match="cannot be moved"):
        box.set_aside(aside)
    assert (place.file("one").read_bytes(), aside.read_bytes()) == (raw, b"in the way")
    aside.unlink()
    box.set_aside(aside)
    assert (place.file("one").exists(), aside.read_bytes(), aside.stat().st_mode & 0o777) == (False, raw, 0o600)
    aside.rename(place.file("one"))  # put back, it is delivered as if nothing had been
    assert place.machine("one").deliver() == 2
    assert place.late() == COUNTS


def test_a_file_that_is_looked_at_elsewhere_stays_as_it_is_with_its_folder(place: Place) -> None:
    folder = place.folder / "incident"
    folder.mkdir(mode=0o755)
    place.away("one", *taken(0))
    place.machine("one").set_aside(folder / "aside.sqlite")
    with closing(sqlite3.connect(folder / "other.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE evidence(word)")
    for name, receipts, fault in (("aside.sqlite", 2, ""), ("other.sqlite", 0, "no such table: receipt")):
        raw = (folder / name).read_bytes()
        told, why = OutboxLedger(place.ledger("one"), folder, name).look()
        assert (len(told), fault in str(why), why is None) == (receipts, True, not fault)
        assert ((folder / name).read_bytes(), folder.stat().st_mode & 0o777) == (raw, 0o755)
