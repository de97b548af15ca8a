"""Snapshots on the ledger's branch: when one is written, what a machine that knows nothing believes, and whom."""

import shutil

import pytest
from ledger_making import BRANCH, LATER, MAIN, Made, life, make, receipt_path, retirement

from daypass.core.errors import ConflictError, LedgerError, UsageError
from daypass.core.ledger import snapshot as module
from daypass.core.ledger.chain import Head, seal, verify_chain
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Pulse, Snapshot
from daypass.core.ledger.snapshot import INDEX
from daypass.core.ledger.standing import fold
from daypass.edges.ledger.keyfiles import generate_key
from daypass.edges.ledger.ledger import GitLedger, begin_at_snapshot, standing_folder
from daypass.edges.ledger.signing import EnvelopeSigner
from daypass.edges.ledger.standing import SignedLedger
from in_memory.ledger import Machine, MemoryLedger
from standings import same_state

LEAST = 30
"""As many receipts as are enough here."""
LIVES = LEAST // 3
FIRST = 1 + 3 * LIVES
"""Where the first snapshot stands: after a genesis and as many lives as are enough."""


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LEAST", LEAST)
        yield


@pytest.fixture(scope="module")
def long(small, tmp_path_factory):
    """A ledger that is long enough, with a snapshot and three receipts after it."""
    made = make(tmp_path_factory.mktemp("snapshots") / "repo", lives=0)
    made.write([body for n in range(LIVES - 1) for body in life(n)])
    made.load()
    assert snapshot(made) is None
    made.write(life(LIVES - 1))
    made.load()
    assert snapshot(made).next_sequence == FIRST + 1
    made.write(life(LIVES))
    return made


@pytest.fixture
def made(long, tmp_path):
    shutil.copytree(long.folder, tmp_path / "repo")
    return Made(tmp_path / "repo", long.key, long.public)


def snapshot(made, at=LATER):
    ledger = made.signed()
    ledger.ready()
    return ledger.snapshot(at=at, main=MAIN, run="run")


def fresh(made, keys=None, name="fresh"):
    """Load as a machine that knows nothing."""
    ledger = made.signed(keys, path=made.folder.parent / name / "standing.sqlite")
    return ledger, ledger.load()


def body_of(made, sequence=FIRST):
    return made.receipts()[sequence].body


def test_a_small_ledger_has_no_snapshot(tmp_path):
    made = make(tmp_path / "repo")
    made.load()
    assert snapshot(made) is None
    assert made.ledger.snapshots(made.ledger.head()) == ()


def test_a_snapshot_is_written_once_and_the_next_after_as_many_receipts(made):
    tree = Tree()
    for envelope in list(made.ledger.envelopes())[:FIRST]:
        tree.add(envelope.raw)
    body = body_of(made)
    assert (body.size, body.root, body.frontier) == (FIRST, tree.root, tree.frontier)
    made.load()
    assert snapshot(made) is None
    made.write([Pulse(n) for n in range(LEAST)])
    made.load()
    assert snapshot(made) is not None
    assert made.ledger.snapshots(made.ledger.head()) == (FIRST, FIRST + LEAST + 4)
    # Nothing but pulses came since, and the chunks that say the same are the same objects.
    first, second = (made.ledger.beside(n, commit=made.ledger.head()) for n in (FIRST, FIRST + LEAST + 4))
    assert sum(first[name] == second.get(name) for name in first) >= len(first) - 4


def test_a_machine_that_knows_nothing_begins_at_the_snapshot(made):
    ledger, standing = fresh(made)
    assert (ledger.verified, ledger.began, ledger.rebuilt) == (3, FIRST, "")
    assert same_state(standing, fold(made.receipts()))
    assert standing.commit == made.ledger.head()
    again = made.signed(path=ledger.path)
    assert same_state(again.load(), standing)
    assert again.verified == 0


def test_who_has_signed_nothing_leaves_none_and_needs_no_key(made):
    made.load()
    made.write([Pulse(n) for n in range(LEAST)])

    def no_key():
        raise AssertionError("it was asked for")

    path = made.folder / ".git" / "daypass" / "standing.sqlite"
    reader = SignedLedger(made.ledger, path, {"ledger.pub": made.public}, no_key)
    assert reader.snapshot(at=LATER, main=MAIN, run="run") is None
    assert snapshot(made) is not None


def test_a_file_that_nobody_could_read_is_never_written(made):
    before = made.ledger.head()
    with pytest.raises(RuntimeError, match="never written"):
        append_snapshot(made, files=lambda files: {**files, "Odd.json": b"[]"})
    assert made.ledger.head() == before


def test_it_goes_on_from_there_as_every_other_does(made):
    ledger, standing = fresh(made)
    after = ledger.append(standing, [retirement(0), retirement(1)], at=LATER, main=MAIN, run="run")
    assert same_state(after, made.load().standing)
    assert same_state(after, fold(made.receipts()))
    assert ledger.snapshot(at=LATER, main=MAIN, run="run") is None


def test_the_ledger_in_memory_begins_there_too(made):
    ledger = MemoryLedger(made.ledger, Machine(), {"ledger.pub": made.public}, lambda: made.signer)
    assert same_state(ledger.load(), fold(made.receipts()))
    assert (ledger.verified, ledger.began) == (3, FIRST)
    ledger.ready()
    assert ledger.snapshot(at=LATER, main=MAIN, run="run") is None
    ledger.append(ledger.load(), [Pulse(n) for n in range(LEAST)], at=LATER, main=MAIN, run="run")
    assert ledger.snapshot(at=LATER, main=MAIN, run="run") is not None
    assert same_state(fresh(made)[1], fold(made.receipts()))


def test_what_follows_a_snapshot_is_verified(made):
    bad = FIRST + 2
    raw = made.raw(bad)
    made.forge({receipt_path(bad): raw.replace(b'"sig":"', b'"sig":"A', 1)}, parents=[])
    with pytest.raises(LedgerError, match=f"receipt {bad}: "):
        fresh(made)


def append_snapshot(made, *, change=lambda body: body, files=lambda files: files, signer=None, place=None):
    """Append a snapshot that whoever holds a key may write: with other files beside, or saying something else."""
    head = None
    tree = Tree()
    for envelope in made.ledger.envelopes():
        tree.add(envelope.raw)
    for receipt in verify_chain(made.ledger.envelopes(), made.verifier.open):
        head = Head.of(receipt, head)
    before = body_of(made)
    told = made.ledger.beside(FIRST, commit=made.ledger.head())
    body = change(Snapshot(tree.size, tree.root, tree.frontier, before.standing, before.form))
    sealed = seal([body], head, (signer or made.signer).sign, at=LATER, main=MAIN, run="other")
    return made.ledger.append(made.ledger.head(), sealed, message="append", at=LATER, beside=files(told))


def without_one(files):
    return {name: raw for name, raw in files.items() if name == INDEX or not name.startswith("admissions")}


ODD = {
    "no files": {"files": lambda _: {}},
    "a chunk is missing": {"files": without_one},
    "a chunk too many": {"files": lambda files: {**files, "seen-00ff.json": b"[]"}},
    "a chunk of other bytes": {"files": lambda files: {**files, "seen-0000.json": b"[]"}},
    "another index": {"files": lambda files: {**files, INDEX: b"{}"}},
    "another form": {"change": lambda body: Snapshot(body.size, body.root, body.frontier, body.standing, "7.0")},
}


@pytest.mark.parametrize("odd", ODD)
def test_where_anything_about_it_is_odd_all_receipts_are_verified(made, odd):
    append_snapshot(made, **ODD[odd])
    ledger, standing = fresh(made)
    count = len(made.receipts())
    # One without files is no newest one: the machine begins at the one before, and verifies it as a receipt.
    assert (ledger.began, ledger.verified) == ((FIRST, 4) if odd == "no files" else (0, count))
    assert same_state(standing, fold(made.receipts()))


def test_files_that_no_snapshot_names_say_nothing(made):
    made.forge({f"{standing_folder(FIRST + 1)}/{INDEX}": b"{}"})
    ledger, standing = fresh(made)
    assert ledger.began == 0
    assert same_state(standing, fold(made.receipts()))
    made.forge({f"{standing_folder(900_000)}/{INDEX}": b"{}"})
    assert fresh(made, name="other")[0].began == 0


def test_a_snapshot_that_a_stranger_signed_says_nothing_and_is_refused(made, tmp_path):
    path = tmp_path / "stranger.pem"
    append_snapshot(made, signer=EnvelopeSigner(path, generate_key(path)))
    with pytest.raises(LedgerError, match=f"receipt {FIRST + 4}: it is signed by another key"):
        fresh(made)


def rotated(made, tmp_path):
    """Have a second key sign a snapshot; return the keys of the settings that name both."""
    path = tmp_path / "second.pem"
    public = generate_key(path)
    append_snapshot(made, signer=EnvelopeSigner(path, public))
    return {"ledger.pub": made.public, "second.pub": public}


def test_a_key_that_is_no_longer_named_does_not_speak_by_its_snapshots(made, tmp_path):
    keys = rotated(made, tmp_path)
    both, _ = fresh(made, keys)
    assert both.began == FIRST + 4
    with pytest.raises(LedgerError, match=f"receipt {FIRST + 4}: it is signed by another key"):
        fresh(made, {"ledger.pub": made.public}, name="later")
    # Nor on the machine that began there while the key was named.
    with pytest.raises(LedgerError, match=f"receipt {FIRST + 4}: it is signed by another key"):
        made.signed({"ledger.pub": made.public}, path=both.path).load()
    # Nor does a snapshot speak for a ledger that was begun with a key that is not named.
    with pytest.raises(LedgerError, match="receipt 0: it is signed by another key"):
        fresh(made, {"second.pub": keys["second.pub"]}, name="second")


def test_a_machine_that_began_at_a_snapshot_refuses_a_ledger_that_was_cut(made):
    ledger, _ = fresh(made)
    tip = made.ledger.head()
    made.git_do("update-ref", f"refs/heads/{BRANCH}", made.git.text("rev-parse", f"{tip}^"))
    with pytest.raises(LedgerError, match="the ledger was rewritten: receipts were cut off"):
        made.signed(path=ledger.path).load()


@pytest.mark.parametrize("place", [7, FIRST + 1])
def test_a_receipt_of_another_kind_is_no_snapshot(made, place):
    made.forge({f"{standing_folder(place)}/{INDEX}": b"{}"})
    with pytest.raises(LedgerError, match=f"receipt {place} is no snapshot of what stands before it"):
        begin_at_snapshot(made.ledger, made.ledger.head(), made.verifier.open, str(place))


def test_a_snapshot_is_named_by_its_number_or_its_digest(made):
    digest = made.receipts()[FIRST].digest
    for named in ("", str(FIRST), digest):
        delta, trail = begin_at_snapshot(made.ledger, made.ledger.head(), made.verifier.open, named)
        assert (delta.head.digest, trail.tree.size, trail.snapshot) == (digest, FIRST + 1, FIRST)
    for named in (str(FIRST + 1), digest[:-1], "newest"):
        with pytest.raises(UsageError, match=f"the ledger has no snapshot {named}: its last one is receipt {FIRST}"):
            begin_at_snapshot(made.ledger, made.ledger.head(), made.verifier.open, named)


def test_a_snapshot_names_the_commit_that_it_is_put_after(made):
    assert body_of(made).follows == made.git.text("rev-parse", f"{brought(made)}^").strip()


def brought(made):
    """Return the commit that brought the first snapshot."""
    path = receipt_path(FIRST)
    return made.git.text("log", "--format=%H", "--diff-filter=A", made.ledger.branch, "--", path).strip()


def test_a_snapshot_stands_after_what_it_tells_of(made):
    append_snapshot(made, change=lambda body: Snapshot(0, Tree().root, (), body.standing, body.form))
    with pytest.raises(LedgerError, match=f"receipt {FIRST + 4} is a snapshot of 0 receipts, expected {FIRST + 4}"):
        fresh(made)


class Overtaken(GitLedger):
    """A branch at which another run is always first."""

    def append(self, parent, envelopes, **more):
        GitLedger.append(self, parent, envelopes, **more | {"beside": {}})
        return super().append(parent, envelopes, **more)


def test_another_run_that_was_first_is_not_overtaken(made):
    made.load()
    made.write([Pulse(n) for n in range(LEAST)])
    path = made.folder / ".git" / "daypass" / "standing.sqlite"
    slow = SignedLedger(Overtaken(made.git, BRANCH), path, {"ledger.pub": made.public}, lambda: made.signer)
    slow.load()
    slow.ready()
    with pytest.raises(ConflictError, match="another run was first"):
        slow.snapshot(at=LATER, main=MAIN, run="run")


@pytest.mark.parametrize(
    "name", ["standing/x", "standing/000/000/001", "standing/000/000/001/a/b.json", "standing/000/000/001/A.json"]
)
def test_what_is_no_file_of_a_snapshot_is_no_part_of_the_ledger(made, name):
    made.forge({name: b"{}"})
    for load in (lambda: fresh(made), made.load):
        with pytest.raises(LedgerError, match=f"the ledger holds '{name}', which is no receipt"):
            load()


def test_files_of_a_snapshot_are_plain_and_never_change(made):
    place = f"{standing_folder(FIRST)}/{INDEX}"
    made.forge({f"{standing_folder(FIRST + 1)}/{INDEX}": b"{}"}, mode="100755")
    with pytest.raises(LedgerError, match="has mode 100755 in the ledger, expected 100644"):
        fresh(made)
    made.forge({f"{standing_folder(FIRST + 1)}/{INDEX}": None, place: b"{}"})
    with pytest.raises(LedgerError, match="where receipts are only ever added"):
        fresh(made)
