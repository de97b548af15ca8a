"""The cached standing: what was verified once stays verified, and what is not what was verified is refused."""

import gc
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_making import (
    BEGIN,
    BRANCH,
    LATER,
    MAIN,
    addition,
    admission,
    entitlement,
    life,
    make,
    receipt_path,
    retirement,
)
from msgspec.structs import replace

from daypass.core.errors import ConflictError, EdgeError, LedgerError, LockedError
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.chain import Envelope, Head, seal
from daypass.core.ledger.receipt import Genesis, Intent, Outcome, Refusal
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Action, Entitlement, Intended, Reason
from daypass.edges import store
from daypass.edges.ledger import standing as module
from daypass.edges.ledger.keyfiles import generate_key
from daypass.edges.ledger.signing import EnvelopeSigner
from daypass.edges.ledger.standing import SignedLedger
from standings import same_state


@pytest.fixture
def made(tmp_path):
    return make(tmp_path / "repo")


def refusal(call, kind=LedgerError):
    with pytest.raises(kind) as caught:
        call()
    return caught.value.message


def same_as_whole(made, loaded):
    stored, whole = loaded.standing, fold(made.receipts())
    assert stored.moved == whole.moved
    same_when_asked_for_little(made.load().standing, whole)
    assert same_state(stored, whole)
    same_when_asked_for_little(stored, whole)
    assert loaded.standing.commit == made.ledger.head()


def same_when_asked_for_little(stored, whole):
    """Hold what reads a part of the file alone to what is read whole."""
    names = sorted({*(grant.partition("/")[0] for grant in whole.rows), *(one.resource for one in whole.holdings)})
    for some in ([], names[:1], names, [*names, "no-such"]):
        assert same_state(stored.within(some), whole.within(some))
        assert same_state(stored.within(names).within(some), whole.within(some))
        assert same_state(stored.within(some).within(names), whole.within(some))
    for grant in (*whole.rows, GrantId("no/such")):
        assert stored.row(grant) == whole.row(grant)
    for one in (*whole.holdings, entitlement(77)):
        assert stored.holding(one) == whole.holding(one)
        assert stored.within(names[:1]).holding(one) == whole.within(names[:1]).holding(one)
    for but in ((), [*whole.holdings][:1]):
        assert stored.first_end(but) == whole.first_end(but)
    for held in whole.holdings.values():
        at = held.until or BEGIN
        assert stored.ends_before(at) == whole.ends_before(at)


def test_a_first_load_verifies_everything_and_the_next_nothing(made):
    first = made.load()
    assert (first.verified, first.rebuilt) == (7, "")
    same_as_whole(made, first)
    second = made.load()
    assert (second.verified, second.rebuilt) == (0, "")
    same_as_whole(made, second)


def test_only_what_is_new_is_verified(made):
    made.load()
    made.write(life(5))
    loaded = made.load()
    assert (loaded.verified, loaded.rebuilt) == (3, "")
    same_as_whole(made, loaded)


@pytest.mark.parametrize("at_once", [True, False])
def test_by_which_numbers_something_was_taken_is_kept_however_receipts_come(made, at_once):
    one, by = entitlement(3), (("member", "5"),)
    gone = Outcome(Intended(Action.REMOVE, one, (GrantId("orders-db/g3"),), Reason.EXPIRED, BEGIN), ok=True)
    given, anew = Outcome(addition(3), ok=True, numbers=by), Outcome(addition(3), ok=True, numbers=(("member", "6"),))
    bodies = [gone, given, gone, gone, anew, gone, given, gone]
    for body in bodies:
        made.write([body])
        if not at_once:
            same_as_whole(made, made.load())
    same_as_whole(made, made.load())
    assert made.load().standing.taken[one] == ((), by, anew.numbers)


def test_every_part_of_a_standing_comes_back_from_the_cache(made):
    gone = Intended(Action.REMOVE, entitlement(0), (GrantId("orders-db/g0"),), Reason.EXPIRED, BEGIN)
    stray = Intended(Action.REMOVE, entitlement(9), (), Reason.UNMANAGED, BEGIN)
    forever = replace(addition(4), grants=(GrantId("orders-db/g4"), GrantId("orders-db/g5")), until=None)
    made.write(
        [
            Outcome(gone, ok=True),
            retirement(0),
            Refusal(
                GrantId("orders-db/g7"), Oid("7" * 40), Oid("8" * 64), "around-the-gate", "no record of such a merge"
            ),
            Refusal(GrantId("orders-db/g8"), Oid("7" * 40), Oid("8" * 64), "code", "message"),
            admission(8),
            Intent((stray, addition(8)), "plan"),
            Outcome(forever, ok=True),
            Outcome(addition(8), ok=False, error="timeout"),
        ]
    )
    standing = made.load().standing
    same_as_whole(made, made.load())
    assert standing.admission(GrantId("orders-db/g1")) == admission(1)
    assert standing.admission(GrantId("orders-db/g0")) is None
    assert standing.admission(GrantId("orders-db/g8")).window == admission(8).window
    assert [grant for grant, _ in standing.blobs()] == ["orders-db/g1", "orders-db/g8"]
    assert set(standing.holdings) == {entitlement(1), entitlement(4)}
    assert set(standing.pending) == {(Action.REMOVE, entitlement(9)), (Action.ADD, entitlement(8))}
    assert standing.refusal(GrantId("orders-db/g7"), Oid("7" * 40), Oid("8" * 64))
    assert standing.main == MAIN


def test_grants_and_entitlements_are_kept_to_the_letter(made):
    odd = Entitlement("tärget", "a\nb", "x\x00y", '{"a":"\\"}"}')
    change = Intended(Action.ADD, odd, (), Reason.LOST, BEGIN, BEGIN + timedelta(seconds=1))
    made.write([Intent((change,), "plan"), Outcome(change, ok=True), Intent((change,), "plan")])
    same_as_whole(made, made.load())


def test_a_loaded_standing_stays_as_it_was_whatever_is_written_since(made):
    before = made.load().standing
    made.append(made.load().standing, [retirement(0), retirement(1)])
    assert [grant for grant, _ in before.blobs()] == ["orders-db/g0", "orders-db/g1"]
    assert before.admission(GrantId("orders-db/g0")) == admission(0)
    assert list(made.load().standing.blobs()) == []


def test_the_pipeline_appends_and_goes_on_from_the_new_standing(made):
    standing = made.load().standing
    standing = made.append(standing, [Intent((addition(5),), "plan")])
    assert (Action.ADD, entitlement(5)) in standing.pending
    standing = made.append(standing, [Outcome(addition(5), ok=True)])
    assert not standing.pending
    assert entitlement(5) in standing.holdings
    assert standing.head is not None
    assert standing.head.sequence == 8
    assert made.load().verified == 0
    assert made.ledger.verify_shape() == 5
    assert (
        made.git.text("show", "-s", "--format=%B", standing.commit).strip() == "Append receipt 8\n\n1 outcome, run run"
    )
    same_as_whole(made, made.load())


def test_an_append_begins_a_ledger(tmp_path):
    made = make(tmp_path / "repo", lives=0)
    made.git_do("update-ref", "-d", f"refs/heads/{BRANCH}")
    standing = made.append(Standing(), [Genesis(made.verifier.key_ids), *life(0)])
    assert standing.next_sequence == 4
    assert made.git.text("show", "-s", "--format=%B", standing.commit).strip() == (
        "Append receipts 0 to 3\n\n1 admitted, 1 genesis, 1 intent, 1 outcome, run run"
    )
    assert made.load().verified == 0


def test_an_append_after_another_run_was_first_is_a_conflict(made):
    standing = made.load().standing
    made.write(life(5))
    head = made.ledger.head()
    assert "another run was first" in refusal(lambda: made.append(standing, [retirement(0)]), ConflictError)
    assert made.ledger.head() == head
    made.append(made.load().standing, [retirement(0)])
    same_as_whole(made, made.load())


def test_a_clock_before_the_last_receipt_stops_nothing_and_moves_no_receipt_back(made):
    standing = made.load().standing
    after = made.append(standing, [retirement(0)], at=BEGIN)
    assert after.at == standing.at
    same_as_whole(made, made.load())


def test_what_nobody_could_verify_is_never_written(made, tmp_path):
    stranger = tmp_path / "stranger.pem"
    signer = EnvelopeSigner(stranger, generate_key(stranger))
    head = made.ledger.head()
    with pytest.raises(LedgerError) as caught:
        made.signed(signer=signer).append(made.load().standing, [retirement(0)], at=LATER, main=MAIN, run="r")
    assert caught.value.message.startswith("receipt 7: it is signed by another key (")
    assert made.ledger.head() == head


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_byte_changed_anywhere_is_found_on_a_fresh_load(data, made):
    honest = made.ledger.head()
    sequence = data.draw(st.integers(0, 6))
    raw = made.raw(sequence)
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:place] + bytes([raw[place] ^ data.draw(st.integers(1, 255))]) + raw[place + 1 :]
    made.forge({receipt_path(sequence): changed})
    try:
        # By its shape: an honest ledger never changes a file; and by its contents, had the history been made anew.
        assert "changes or removes" in refusal(made.load)
        assert refusal(made.receipts).startswith(f"receipt {sequence}: ")
    finally:
        made.git_do("update-ref", f"refs/heads/{BRANCH}", honest)


def remake(made, files):
    """Make the branch's history anew, in one commit, with these files put there or taken away."""
    return made.forge(files, parents=[])


def test_a_receipt_dropped_and_the_rest_moved_up_is_found(made):
    raws = [made.raw(n) for n in range(7)]
    remake(made, {receipt_path(n): raws[n + 1] for n in range(3, 6)} | {receipt_path(6): None})
    assert refusal(made.load) == "receipt 4 stands at place 3: 1 before it were dropped"


def test_receipts_that_changed_places_are_found(made):
    raws = [made.raw(n) for n in range(7)]
    remake(made, {receipt_path(3): raws[4], receipt_path(4): raws[3]})
    assert refusal(made.load) == "receipt 4 stands at place 3, and 3 after it: they were reordered"


def test_a_receipt_that_came_again_is_found(made):
    made.load()
    made.forge({receipt_path(7): made.raw(3)})
    assert refusal(made.load) == "receipt 3 stands again at place 7: it was replayed"


def test_a_receipt_signed_by_another_key_is_found(made, tmp_path):
    stranger = tmp_path / "stranger.pem"
    signer = EnvelopeSigner(stranger, generate_key(stranger))
    last = made.receipts()[-1]
    (sealed,) = seal([retirement(0)], Head(6, last.digest, last.at), signer.sign, at=LATER, main=MAIN, run="r")
    made.ledger.append(made.ledger.head(), [Envelope(7, sealed.raw)], message="x", at=LATER)
    assert refusal(made.load) == (
        f"receipt 7: it is signed by another key ({signer.key_id[:16]}…) than those that may sign (ledger.pub)"
    )


def test_a_fault_leaves_the_cache_as_it_was(made):
    made.load()
    honest = made.ledger.head()
    made.forge({receipt_path(7): b"{}"})
    refusal(made.load)
    made.git_do("update-ref", f"refs/heads/{BRANCH}", honest)
    assert made.load().verified == 0


def test_a_ledger_whose_end_was_cut_off_is_refused(made):
    earlier = made.ledger.head()
    made.write(life(5))
    verified = made.load().standing
    made.git_do("update-ref", f"refs/heads/{BRANCH}", earlier)
    with pytest.raises(LedgerError) as caught:
        made.load()
    assert caught.value.message == (
        f"the ledger was rewritten: receipts were cut off: it stands at {earlier[:12]}, and this machine has verified it "
        f"further (receipt 9, commit {verified.commit[:12]})"
    )
    assert caught.value.hint == (
        f"restore the branch to {verified.commit[:12]} or later (`daypass ledger restore`); only if you know why it was "
        f"rewritten, delete {made.cache.path}"
    )


def test_a_forked_ledger_is_refused(made):
    made.load()
    earlier = made.ledger.head()
    made.write(life(5))
    verified = made.load().standing
    made.git_do("update-ref", f"refs/heads/{BRANCH}", earlier)
    fork = made.write(life(6), at=LATER + timedelta(hours=1))
    assert refusal(made.load) == (
        f"the ledger was rewritten: it stands at {fork[:12]}, which does not contain what this machine has verified "
        f"(receipt 9, commit {verified.commit[:12]})"
    )


def test_a_ledger_made_anew_is_refused(made):
    verified = made.load().standing
    anew = remake(made, {})
    assert refusal(made.load) == (
        f"the ledger was rewritten: it stands at {anew[:12]}, which does not contain what this machine has verified "
        f"(receipt 6, commit {verified.commit[:12]})"
    )


def test_a_missing_branch_is_refused_even_with_a_cache(made):
    made.load()
    made.git_do("update-ref", "-d", f"refs/heads/{BRANCH}")
    assert refusal(made.load) == "the ledger is missing: there is no branch 'daypass-ledger'"


def test_a_ledger_without_receipts_is_refused(made):
    remake(made, {receipt_path(n): None for n in range(7)})
    assert refusal(made.load) == "the ledger holds no receipt, expected a genesis"


def change_state(made, name, value):
    connection = sqlite3.connect(made.cache.path)
    connection.execute("UPDATE state SET value = ? WHERE name = ?", (value, name))
    connection.commit()
    connection.close()


def test_a_last_receipt_that_is_not_the_one_verified_is_refused(made):
    made.load()
    change_state(made, "digest", "sha256:" + "0" * 64)
    assert refusal(made.load) == "receipt 6 is not the one that this machine verified"
    change_state(made, "sequence", "77")
    assert refusal(made.load) == "receipt 77 is not the one that this machine verified"


def test_a_cache_of_another_version_is_made_anew_and_that_is_said(made):
    made.load()
    change_state(made, "version", "0.0")
    loaded = made.load()
    assert (loaded.verified, loaded.rebuilt) == (
        7,
        f"it was written by another version (0.0, expected {module.VERSION})",
    )
    same_as_whole(made, loaded)
    assert made.load().rebuilt == ""


def test_a_cache_that_cannot_be_read_is_made_anew_and_that_is_said(made):
    made.load()
    for end in ("-wal", "-shm"):
        Path(f"{made.cache.path}{end}").unlink(missing_ok=True)
    made.cache.path.write_bytes(b"no database at all " * 300)
    loaded = made.load()
    assert (loaded.verified, loaded.rebuilt) == (7, f"{made.cache.path} could not be read")
    same_as_whole(made, loaded)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_cache_that_others_may_write_is_not_believed(made, mode):
    made.load()
    made.cache.path.chmod(mode)
    loaded = made.load()
    assert (loaded.verified, loaded.rebuilt) == (7, f"others may write {made.cache.path}, so it is not believed")
    assert stat.S_IMODE(made.cache.path.stat().st_mode) == 0o600


def test_a_cache_that_is_a_symlink_is_not_believed(made, tmp_path):
    made.load()
    (tmp_path / "elsewhere").write_bytes(made.cache.path.read_bytes())
    made.cache.path.unlink()
    made.cache.path.symlink_to(tmp_path / "elsewhere")
    assert "so it is not believed" in made.load().rebuilt
    assert not made.cache.path.is_symlink()


def test_the_cache_is_its_owners_alone(made):
    made.load()
    assert stat.S_IMODE(made.cache.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.cache.path.parent.stat().st_mode) == 0o700


def test_a_key_that_is_no_longer_named_makes_the_cache_anew(made, tmp_path):
    path = tmp_path / "second.pem"
    public = generate_key(path)
    both = {"ledger.pub": made.public, "second.pub": public}
    made.load()
    assert made.load(both).rebuilt == ""
    made.write([retirement(0)])
    assert made.load(both).verified == 1
    loaded = made.load()
    why = "a key that was believed is no longer named in the settings, or within other limits"
    assert (loaded.verified, loaded.rebuilt) == (8, why)


def test_another_key_alone_believes_nothing(made, tmp_path):
    path = tmp_path / "second.pem"
    other = {"second.pub": generate_key(path)}
    made.load()
    assert refusal(lambda: made.load(other)).startswith("receipt 0: it is signed by another key")
    assert made.load().verified == 0


def test_a_cache_that_another_run_is_writing_is_named(made, monkeypatch):
    monkeypatch.setattr(store, "_PATIENCE", 0.05)
    made.load()
    made.write(life(5))
    other = sqlite3.connect(made.cache.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert refusal(made.load, LockedError) == f"another run is writing {made.cache.path}"
    other.execute("ROLLBACK")
    other.close()
    assert made.load().verified == 3


def test_a_cache_that_cannot_be_made_says_why(made):
    (made.folder / "file").write_text("")
    path = made.folder / "file" / "standing.sqlite"
    message = refusal(lambda: made.signed(path=path).load(), EdgeError)
    assert message == f"{path} cannot be used: File exists"


def test_a_cache_with_a_table_missing_says_what_to_do(made):
    made.load()
    connection = sqlite3.connect(made.cache.path)
    connection.execute("DROP TABLE holding")
    connection.commit()
    connection.close()
    standing = made.load().standing
    with pytest.raises(EdgeError) as caught:
        _ = standing.holdings
    assert caught.value.message == f"{made.cache.path} cannot be used: no such table: holding"
    assert "it may be deleted" in caught.value.hint
    made.write([Outcome(addition(5), ok=True)])
    assert refusal(made.load, EdgeError) == f"{made.cache.path} cannot be used: no such table: holding"
    assert (
        made.cache.path.exists()
    )  # it remembers how far the ledger was verified: that is not given up for any failure


def test_a_cache_with_a_broken_page_is_refused_once_and_made_anew(made):
    made.load()
    raw = made.cache.path.read_bytes()
    made.cache.path.write_bytes(raw[:4096] + b"\x7f" * (len(raw) - 4096))
    with pytest.raises(EdgeError, match="cannot be used: database disk image is malformed") as caught:
        _ = made.load().standing.holdings
    assert "run the command again" in caught.value.hint
    same_as_whole(made, made.load())


def test_a_long_load_is_written_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 300)
    made = make(tmp_path / "repo", lives=0)
    made.write([body for n in range(700) for body in (admission(n), retirement(n))])
    same_as_whole(made, made.load())


def test_nothing_new_needs_no_signature_library(made):
    made.load()
    code = f"""
        import sys
        from pathlib import Path
        from daypass.edges.ledger.ledger import GitLedger
        from daypass.edges.git.plumbing import Git
        from daypass.edges.ledger.standing import SignedLedger
        branch = GitLedger(Git(Path({str(made.folder)!r})), {BRANCH!r})
        ledger = SignedLedger(branch, Path({str(made.cache.path)!r}), {{"ledger.pub": {made.public!r}}}, None)
        standing = ledger.load()
        assert ledger.verified == 0 and len(standing.holdings) == 2
        assert not any(m.split(".")[0] in ("securesystemslib", "cryptography") for m in sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


APPENDER = """
    import sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from ledger_making import Made, admission
    from daypass.core.errors import ConflictError, LockedError
    made = Made(Path({folder!r}), Path({key!r}), {public!r})
    first = int(sys.argv[1])
    lost = 0
    for n in range(first, first + 8):
        while True:
            try:
                made.append(made.load().standing, [admission(n)])
                break
            except (ConflictError, LockedError):
                lost += 1
    print(lost)
"""


def script(made, text):
    fields = {
        "tests": str(Path(__file__).parent),
        "folder": str(made.folder),
        "key": str(made.key),
        "public": made.public,
    }
    return textwrap.dedent(text).format(**fields)


def test_of_runs_that_race_none_loses_a_receipt(made):
    code = script(made, APPENDER)
    racing = [
        subprocess.Popen([sys.executable, "-c", code, str(first)], stdout=subprocess.PIPE) for first in (100, 200, 300)
    ]
    for process in racing:
        process.communicate(timeout=120)
        assert process.returncode == 0
    receipts = made.receipts()
    assert len(receipts) == 7 + 24
    assert {r.body.pull for r in receipts[7:]} == {*range(100, 108), *range(200, 208), *range(300, 308)}
    assert made.ledger.verify_shape() == 3 + 24
    same_as_whole(made, made.load())


KILLED = """
    import os, sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from ledger_making import Made, admission
    from daypass.edges.ledger import standing
    made = Made(Path({folder!r}), Path({key!r}), {public!r})
    at = made.load().standing
    def die(*arguments):
        os.kill(os.getpid(), 9)
    where = sys.argv[1]
    if where == "before the cache":
        standing.Store.open = die
    elif where == "in the cache":
        standing.Writer.write = die
    else:
        write = standing._write
        def written(*arguments):
            write(*arguments)
            die()
        standing._write = written
    made.append(at, [admission(50), admission(51)])
"""


@pytest.mark.parametrize("where", ["before the cache", "in the cache", "before its commit"])
def test_a_run_killed_between_the_ledger_and_the_cache_leaves_both_right(made, where):
    made.load()
    done = subprocess.run([sys.executable, "-c", script(made, KILLED), where], check=False)
    assert done.returncode == -signal.SIGKILL
    loaded = made.load()
    assert (loaded.verified, loaded.rebuilt) == (2, "")
    assert loaded.standing.admission(GrantId("orders-db/g51")) == admission(51)
    same_as_whole(made, loaded)


def test_an_append_whose_cache_moved_on_meanwhile_leaves_it_to_the_next_load(made, monkeypatch):
    standing = made.load().standing
    append = made.ledger.__class__.append

    def raced(self, *arguments, **named):
        commit = append(self, *arguments, **named)
        monkeypatch.undo()
        made.load()  # another run sees the receipts before we have told the cache
        return commit

    monkeypatch.setattr(made.ledger.__class__, "append", raced)
    after = made.append(standing, [admission(50)])
    assert after.admission(GrantId("orders-db/g50")) == admission(50)
    same_as_whole(made, made.load())


def test_a_load_that_another_run_overtakes_verifies_nothing_twice(made, monkeypatch):
    catch_up = SignedLedger._catch_up

    def late(self, *arguments):
        monkeypatch.undo()
        made.load()
        return catch_up(self, *arguments)

    monkeypatch.setattr(SignedLedger, "_catch_up", late)
    loaded = made.load()
    assert loaded.verified == 0
    same_as_whole(made, loaded)


def test_a_cache_on_a_disk_that_fails_is_kept(made, monkeypatch):
    made.load()
    made.cache.path.chmod(0o600)
    before = made.cache.path.read_bytes()

    def fail(path):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store.Store, "_connect", fail)
    assert refusal(made.load, EdgeError) == f"{made.cache.path} cannot be used: disk I/O error"
    assert made.cache.path.read_bytes() == before


def test_reading_leaves_the_collector_as_it_was(made):
    gc.disable()
    try:
        assert len(made.load().standing.holdings) == 2
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert len(made.load().standing.holdings) == 2
    assert gc.isenabled()
