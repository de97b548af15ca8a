"""The ledger's branch: what is appended can be read, and nothing else passes for it."""

import subprocess
from datetime import timedelta

import pytest
from ledger_making import BEGIN, BRANCH, life, make, retirement

from daypass.core.errors import ConflictError, LedgerError
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.chain import Envelope
from daypass.edges.ledger import ledger as module
from daypass.edges.ledger.ledger import GitLedger, receipt_path


@pytest.fixture
def made(tmp_path):
    return make(tmp_path / "repo")


def refusal(call):
    with pytest.raises(LedgerError) as caught:
        gone_through(call())
    return caught.value.message


def gone_through(found):
    """Go through what is streamed: a stream refuses when it is read."""
    return found if isinstance(found, int | str) else list(found)


def test_envelopes_come_in_order_with_their_numbers(made):
    found = list(made.ledger.envelopes())
    assert [envelope.sequence for envelope in found] == list(range(7))
    assert list(made.ledger.envelopes(5)) == found[5:]
    assert list(made.ledger.envelopes(9)) == []
    assert all(envelope.raw.startswith(b'{"payload":"') for envelope in found)


def test_a_receipt_lies_where_its_number_says():
    assert receipt_path(0) == "receipts/000/000/000.json"
    assert receipt_path(1_234_567) == "receipts/001/234/567.json"
    assert receipt_path(999_999_999) == "receipts/999/999/999.json"
    with pytest.raises(LedgerError, match="there is no place for a receipt 1000000000"):
        receipt_path(1_000_000_000)


def test_reading_goes_on_across_folders(tmp_path):
    made = make(tmp_path / "repo", lives=0)
    made.write([retirement(n) for n in range(2100)])
    assert [e.sequence for e in made.ledger.envelopes()] == list(range(2101))
    assert [e.sequence for e in made.ledger.envelopes(1999)][:2] == [1999, 2000]


def test_an_append_is_one_commit_after_the_last(made):
    before = made.ledger.head()
    after = made.write(life(7), at=BEGIN + timedelta(hours=1))
    assert made.ledger.head() == after
    assert made.git.text("rev-list", "--parents", "-n1", after).split() == [after, before]
    assert (
        made.git.text("show", "-s", "--format=%an %cn %at", after) == f"daypass daypass {int(BEGIN.timestamp()) + 3600}"
    )
    assert [e.sequence for e in made.ledger.added(before, after, since=7)] == [7, 8, 9]


def test_the_branch_has_nothing_of_main_and_nothing_is_checked_out(made):
    assert [p.name for p in made.folder.iterdir()] == [".git"]
    assert made.git.text("rev-list", "--max-parents=0", BRANCH).count("\n") == 0


def test_an_append_after_another_was_first_is_a_conflict_and_writes_nothing(made):
    before = made.ledger.head()
    head = made.write(life(7))
    with pytest.raises(ConflictError) as caught:
        made.ledger.append(before, [Envelope(7, b"x")], message="late", at=BEGIN)
    assert caught.value.message == f"another run was first: the ledger stands at {head[:12]}, expected {before[:12]}"
    assert made.ledger.head() == head


def test_a_branch_is_begun_only_where_there_is_none(made):
    with pytest.raises(ConflictError):
        made.ledger.append(ABSENT, [Envelope(0, b"x")], message="again", at=BEGIN)


def test_an_empty_append_is_our_own_mistake(made):
    with pytest.raises(RuntimeError, match="an append needs an envelope"):
        made.ledger.append(made.ledger.head(), [], message="", at=BEGIN)


def test_a_receipt_is_never_written_again_nor_out_of_order(made):
    head = made.ledger.head()
    with pytest.raises(RuntimeError, match="a receipt is never written again"):
        made.ledger.append(head, [Envelope(6, b"x")], message="", at=BEGIN)
    with pytest.raises(RuntimeError, match="envelopes are appended in order"):
        made.ledger.append(head, [Envelope(7, b"x"), Envelope(9, b"x")], message="", at=BEGIN)
    assert made.ledger.head() == head


def test_a_missing_branch_is_refused_with_what_to_do(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    ledger = GitLedger(make(tmp_path / "other").git.__class__(tmp_path), BRANCH)
    for call in (ledger.head, ledger.envelopes, ledger.verify_shape):
        with pytest.raises(LedgerError) as caught:
            gone_through(call())
        assert caught.value.message == "the ledger is missing: there is no branch 'daypass-ledger'"
        assert caught.value.hint.startswith("fetch it (git fetch origin daypass-ledger:daypass-ledger)")


def test_one_envelope_can_be_read_by_its_number(made):
    assert made.raw(3) == list(made.ledger.envelopes())[3].raw
    assert made.raw(77) is None


def test_a_receipt_taken_out_of_the_middle_is_missed(made):
    made.forge({receipt_path(3): None})
    assert refusal(made.ledger.envelopes) == "receipt 3 is missing: the next one there is 4"


def test_a_first_receipt_taken_away_is_missed(made):
    made.forge({receipt_path(0): None})
    assert refusal(made.ledger.envelopes) == "receipt 0 is missing: the next one there is 1"


@pytest.mark.parametrize(
    "path",
    ["README.md", "receipts/000/000/7.json", "receipts/000/000/007.txt", "receipts/x.json", "zzz/000/000/000.json"],
)
def test_anything_else_in_the_branch_is_refused(made, path):
    made.forge({path: b"x"})
    assert refusal(made.ledger.envelopes) == f"the ledger holds {path!r}, which is no receipt"


def test_a_trailing_newline_in_a_name_is_no_receipt(made):
    made.forge({receipt_path(7) + "\n": b"x"})
    assert "which is no receipt" in refusal(made.ledger.envelopes)


@pytest.mark.parametrize("mode", ["100755", "120000"])
def test_a_receipt_that_is_no_plain_file_is_refused(made, mode):
    made.forge({receipt_path(7): b"/etc/passwd"}, mode=mode)
    assert refusal(made.ledger.envelopes) == f"receipt 7 has mode {mode} in the ledger, expected 100644"


def test_a_receipt_that_is_too_large_is_never_read_whole(made, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 5000)
    made.forge({receipt_path(7): b"x" * 5001})
    assert refusal(made.ledger.envelopes) == "receipt 7 is larger than 5000 bytes"


def test_what_was_added_must_go_on_where_the_last_ended(made):
    old = made.ledger.head()
    made.forge({receipt_path(9): b"x"})
    new = made.ledger.head()
    assert refusal(lambda: made.ledger.added(old, new, since=7)) == "receipt 7 is missing: the next one there is 9"
    assert (
        refusal(lambda: made.ledger.added(old, new, since=11))
        == "receipt 9 is written again where receipt 11 is expected"
    )


@pytest.mark.parametrize("content", [b"changed", None])
def test_a_commit_that_changes_or_removes_a_receipt_is_refused(made, content):
    old = made.ledger.head()
    new = made.forge({receipt_path(2): content})
    message = f"commit {new[:12]} of the ledger changes or removes 'receipts/000/000/002.json', where receipts are only ever added"
    assert refusal(made.ledger.verify_shape) == message
    assert refusal(lambda: made.ledger.verify_shape(old)) == message
    assert refusal(lambda: made.ledger.added(old, new, since=7)) == message


def test_a_change_that_a_later_commit_undid_is_found(made):
    raw = made.raw(2)
    bad = made.forge({receipt_path(2): b"changed"})
    made.forge({receipt_path(2): raw})
    assert len(list(made.ledger.envelopes())) == 7
    assert f"commit {bad[:12]} of the ledger changes or removes" in refusal(made.ledger.verify_shape)


def test_the_shape_of_an_honest_ledger_is_counted(made):
    assert made.ledger.verify_shape() == 3
    head = made.ledger.head()
    assert made.ledger.verify_shape(head) == 0
    made.write(life(9))
    assert made.ledger.verify_shape(head) == 1
    assert made.ledger.verify_shape(until=head) == 3


def test_a_merge_in_the_ledger_is_refused(made):
    first = made.git.text("rev-list", "--max-parents=0", BRANCH)
    merge = made.forge({}, parents=[made.ledger.head(), first])
    assert refusal(made.ledger.verify_shape) == f"commit {merge[:12]} of the ledger has 2 parents, expected one"


def test_a_ledger_that_goes_on_from_another_history_is_refused(made):
    first = made.git.text("rev-list", "--max-parents=0", BRANCH)
    root = made.forge({}, parents=[])
    assert root != first
    assert made.ledger.verify_shape() == 1
    assert not made.ledger.contains(Oid(first), root)


def test_a_cut_clone_is_refused(made, tmp_path):
    subprocess.run(
        [
            "git",
            "clone",
            "-q",
            "--bare",
            "--depth=1",
            "--branch",
            BRANCH,
            f"file://{made.folder}",
            str(tmp_path / "cut"),
        ],
        check=True,
    )
    ledger = GitLedger(made.git.__class__(tmp_path / "cut"), BRANCH)
    with pytest.raises(LedgerError) as caught:
        ledger.verify_shape()
    assert (caught.value.message, caught.value.hint) == (
        "the ledger's history is cut off in this clone",
        "git fetch --unshallow",
    )


def test_a_commit_that_is_not_there_is_in_no_history(made):
    assert not made.ledger.contains(Oid("1" * 40), made.ledger.head())
    assert made.ledger.contains(made.ledger.head(), made.ledger.head())


def test_a_bare_clone_carries_the_ledger(made, tmp_path):
    subprocess.run(["git", "clone", "-q", "--bare", str(made.folder), str(tmp_path / "bare")], check=True)
    ledger = GitLedger(made.git.__class__(tmp_path / "bare"), BRANCH)
    assert list(ledger.envelopes()) == list(made.ledger.envelopes())
