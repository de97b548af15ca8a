"""Snapshots: a standing as files and back, what of it changes, and whether one follows from the receipts before it."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from receipt_strategies import BEGIN, entitlements, folded, instants, oids

from daypass.core.errors import LedgerError
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.chain import Head
from daypass.core.ledger.merkle import Tree
from daypass.core.ledger.receipt import Genesis, Outcome, Receipt, Refusal, Snapshot
from daypass.core.ledger.snapshot import CHUNK, INDEX, LEAST, SumUp, due, form, read, write
from daypass.core.ledger.standing import Standing, fold
from daypass.core.plan import Action, Entitlement, Holding, Intended, Reason
from standings import same_state

HEAD = Head(9, "sha256:" + "9" * 64, BEGIN + timedelta(days=30), "a" * 40, 2)


def receipts_of(bodies, mains=()):
    names = [*mains, *[""] * len(bodies)]
    return [Receipt(n, "", BEGIN + timedelta(minutes=n), names[n], "run", body) for n, body in enumerate(bodies)]


def named(files, **other):
    standing = "sha256:" + hashlib.sha256(files[INDEX]).hexdigest()
    told = {"size": 0, "root": Tree().root, "frontier": (), "standing": standing, "form": form()} | other
    return Snapshot(**told)


def again(files, head=HEAD):
    return read(named(files), head, files).onto(Standing())


@settings(deadline=None)
@given(st.lists(folded, min_size=1, max_size=25), st.lists(oids, max_size=25))
def test_a_standing_comes_back_from_its_files_whole(bodies, mains):
    standing = fold(receipts_of(bodies, mains))
    files = write(standing)
    back = again(files, standing.head)
    assert same_state(back, standing)
    assert write(back) == files


def test_the_main_that_its_own_receipt_is_the_first_to_name_is_known():
    assert again(write(Standing())).seen == {HEAD.main: HEAD.at}


def refused(count, *, code="code"):
    grants = [GrantId(f"orders-db/g{n}") for n in range(count)]
    return receipts_of([Refusal(grant, Oid("b" * 40), Oid("c" * 40), code, "message") for grant in grants])


def test_one_entry_more_changes_one_chunk_and_one_less_changes_one():
    many = refused(CHUNK * 3 - 5)
    before, after = write(fold(many)), write(fold([*many, *refused(CHUNK * 3 - 4)[-1:]]))
    assert len(before) == len(after) == 5
    assert len([name for name in after if before[name] != after[name]]) == 2  # with the index


def test_the_mains_that_receipts_named_keep_their_order_and_their_old_chunks():
    mains = [f"{n:040x}" for n in range(CHUNK + 3)][::-1]
    rows = receipts_of([Genesis(())] * len(mains), mains)
    standing = fold(rows)
    one, other = write(fold(rows[:-1])), write(standing)
    assert one["seen-0000.json"] == other["seen-0000.json"]
    assert list(again(other, standing.head).seen) == mains


def test_files_that_are_not_those_that_were_named_are_not_read():
    files = write(fold(refused(3)))
    (name,) = set(files) - {INDEX}
    changed = {**files, name: files[name].replace(b"code", b"edoc")}
    for wrong in (changed, {INDEX: files[INDEX]}, {**files, "seen-0000.json": b"[]"}):
        with pytest.raises(LedgerError, match="its chunks are not those that it names"):
            read(named(files), HEAD, wrong)
    for wrong in ({}, {**files, INDEX: b"{}"}):
        with pytest.raises(LedgerError, match="its index is not the one that it names"):
            read(named(files), HEAD, wrong)


def test_what_was_handed_over_comes_back():
    entitlement = Entitlement("bastion", "hosts", "alice", "{}")
    change = Intended(Action.ADD, entitlement, ("hosts/a",), Reason.WINDOW_OPENED, BEGIN, BEGIN + timedelta(hours=1))
    standing = fold([Receipt(0, "", BEGIN, "", "run", Outcome(change, ok=True, handover="a certificate"))])
    files = write(standing)
    assert [handed.text for handed in standing.handovers.values()] == ["a certificate"]
    assert read(named(files), HEAD, files).onto(Standing()).handovers == standing.handovers


def made_of(chunks):
    """Return files that fit together, whatever stands in them."""
    names = {name: "sha256:" + hashlib.sha256(raw).hexdigest() for name, raw in chunks.items()}
    index = "{" + ",".join(f'"{name}":"{digest}"' for name, digest in names.items()) + "}"
    return {INDEX: index.encode(), **chunks}


@pytest.mark.parametrize(
    "chunks",
    [
        {"elsewhere-0000.json": b"[]"},
        {"seen-0000.json": b"["},
        {"seen-0000.json": b'[["a"]]'},
        {"seen-0000.json": b'[["a",1]]'},
        {"seen-0000.json": b'[["a","2026-11-21"]]'},
        {"taken-0000.json": b'[[["a","b","c"]]]'},
        {"revoked-0000.json": b"\xff"},
    ],
)
def test_chunks_that_are_no_standing_are_refused_whoever_named_them(chunks):
    files = made_of(chunks)
    with pytest.raises(LedgerError, match="its chunks cannot be read"):
        read(named(files), HEAD, files)


@pytest.mark.parametrize(
    "chunks",
    [
        {"seen-0000.json": b'[["a","2026-11-21T09:00:00Z"]]'},
        {"seen-0001.json": b'[\n["a","2026-11-21T09:00:00Z"]\n]\n'},
        {"seen-0000.json": b'[\n["a","2026-11-21T09:00:00+00:00"]\n]\n'},
        {"revoked-0000.json": b'[\n["orders-db/a"],\n["orders-db/a"]\n]\n'},
    ],
)
def test_chunks_in_another_spelling_are_refused(chunks):
    files = made_of(chunks)
    with pytest.raises(LedgerError, match="its chunks are not written in the one form"):
        read(named(files), HEAD, files)


def test_a_snapshot_of_another_form_is_not_read():
    files = write(fold(refused(3)))
    with pytest.raises(LedgerError, match=r"it is of the form 7\.0, expected"):
        read(named(files, form="7.0"), HEAD, files)


def standing_of(live):
    held = {Entitlement("postgres", "db", f"p{n}", "{}"): None for n in range(live)}
    return Standing(holdings={e: Holding(e, ()) for e in held})


@pytest.mark.parametrize(
    ("since", "live", "wanted"),
    [
        (LEAST - 1, 0, False),
        (LEAST, 0, True),
        (LEAST, 2 * LEAST, True),
        (LEAST, 2 * LEAST + 1, False),
        (LEAST + 1, 2 * LEAST + 1, True),
    ],
)
def test_a_snapshot_is_written_where_much_has_come_beside_what_is_live(since, live, wanted):
    assert due(standing_of(live), since) is wanted


def summed(receipts):
    sums, tree = SumUp(), Tree()
    for receipt in receipts:
        sums.add(receipt)
        tree.add(b"%d" % receipt.sequence)
    return sums, tree


def true_snapshot(receipts):
    _, tree = summed(receipts)
    files = write(fold(receipts))
    return named(files, size=tree.size, root=tree.root, frontier=tree.frontier), files


@pytest.mark.parametrize("count", [1, LEAST + 2])
def test_a_snapshot_that_follows_is_known_for_one(count):
    receipts = refused(count)
    snapshot, files = true_snapshot(receipts)
    sums, tree = summed(receipts)
    assert sums.wrong(snapshot, tree, files) == ""
    assert sums.wrong(snapshot, tree, files) == ""


def test_a_snapshot_that_does_not_follow_is_told_by_what_it_says():
    receipts = refused(5)
    snapshot, files = true_snapshot(receipts)
    sums, tree = summed(receipts)
    other, others = true_snapshot(refused(5, code="other"))
    root = "0" * 64
    assert sums.wrong(replace(snapshot, root=root), tree, files) == (
        f"the tree of the 5 receipts before it has the root {tree.root}, and it names {root}"
    )
    assert "it names" in sums.wrong(replace(snapshot, size=4), tree, files)
    assert sums.wrong(replace(snapshot, standing=other.standing), tree, others) == (
        f"the receipts before it add up to {snapshot.standing}, and it names {other.standing}"
    )
    (name,) = set(files) - {INDEX}
    assert sums.wrong(snapshot, tree, {INDEX: files[INDEX]}) == f"{name} beside it is not what it names"
    assert sums.wrong(snapshot, tree, {name: b"[]"}) == f"index.json, {name} beside it are not what it names"
    assert sums.wrong(snapshot, tree, {}) == "nothing lies beside it"


def test_of_a_snapshot_of_another_form_the_tree_alone_is_told():
    snapshot, _ = true_snapshot(refused(5))
    sums, tree = summed(refused(5))
    assert sums.wrong(replace(snapshot, form="7.0"), tree, {}) == ""
    assert sums.wrong(replace(snapshot, form="7.0", root="0" * 64), tree, {}) != ""


@given(entitlements, instants)
def test_sums_go_on_from_a_standing(entitlement, at):
    change = Intended(Action.ADD, entitlement, (), Reason.LOST, BEGIN, at)
    first = receipts_of([Genesis(()), Outcome(change, ok=True)])
    more = [replace(receipt, sequence=receipt.sequence + 2) for receipt in refused(2)]
    sums = SumUp(fold(first))
    for receipt in more:
        sums.add(receipt)
    files = write(fold([*first, *more]))
    assert sums.wrong(named(files), Tree(), files) == ""
