"""Streams of objects, over real repositories."""

from __future__ import annotations

import io
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from daypass.core.errors import EdgeError
from daypass.core.forge import Entry
from daypass.edges.git import objects
from daypass.edges.git.plumbing import Git

NOWHERE = "1" * 40
MANY = 65
"""So many objects are streamed by a process of their own; fewer are asked for one by one."""


def children() -> set[str]:
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        found |= set((thread / "children").read_text().split())
    return found


def test_blobs_come_in_the_order_asked_with_repetitions(scene):
    one, two = scene.blob(b"one\n"), scene.blob(b"")
    assert list(objects.blobs(scene.git, [two, one, two])) == [(two, b""), (one, b"one\n"), (two, b"")]


def test_nothing_asked_is_nothing_given(scene):
    assert list(objects.blobs(scene.git, [])) == []


def test_ten_thousand_blobs_of_any_bytes_arrive_whole(scene):
    contents = [b"\0\n blob 3\n" * (n % 97) + str(n).encode() for n in range(10_000)]
    records = b"".join(b"blob\nmark :%d\ndata %d\n%s\n" % (n + 1, len(c), c) for n, c in enumerate(contents))
    listing = b"commit refs/heads/main\ncommitter a <a@x> 1 +0000\ndata 1\nm\n" + b"".join(
        b"M 100644 :%d %05d\n" % (n + 1, n) for n in range(10_000)
    )
    scene.run("fast-import", "--quiet", stdin=records + listing)
    leaves = list(objects.Reader(scene.git).leaves(scene.head("main")))
    assert [path for path, _, _ in leaves] == [f"{n:05d}" for n in range(10_000)]
    assert [content for _, content in objects.blobs(scene.git, (oid for _, _, oid in leaves))] == contents


def test_a_blob_larger_than_any_piece_arrives_whole(scene):
    large = os.urandom(3 << 20)
    oid, small = scene.blob(large), scene.blob(b"small")
    assert list(objects.blobs(scene.git, [oid, small, oid])) == [(oid, large), (small, b"small"), (oid, large)]


@pytest.mark.parametrize("size", [11, 5000, (1 << 20) + 3, 10 << 20])
def test_an_oversized_blob_is_given_as_one_byte_more_than_the_limit(scene, size):
    large, small = os.urandom(size), b"0123456789"
    oid, other = scene.blob(large), scene.blob(small)
    assert list(objects.blobs(scene.git, [oid, other, oid], limit=10)) == [
        (oid, large[:11]),
        (other, small),
        (oid, large[:11]),
    ]


@pytest.mark.parametrize("edge", range(-3, 4))
def test_an_object_may_end_anywhere_in_a_piece(scene, edge, monkeypatch):
    # The header of the first answer is 48 bytes: the piece ends before, at and after the contents and its line end.
    monkeypatch.setattr(objects, "_PIECE", 48 + 10 + edge)
    oids = [scene.blob(b"a" * 10), scene.blob(b"b" * 200), scene.blob(b"")]
    for times in (1, MANY):
        every = oids * times
        assert [content for _, content in objects.blobs(scene.git, every)] == [b"a" * 10, b"b" * 200, b""] * times
        cut = [content for _, content in objects.blobs(scene.git, every, limit=10)]
        assert cut == [b"a" * 10, b"b" * 11, b""] * times


def test_a_missing_object_is_an_error_that_names_it(scene):
    oid = scene.blob(b"there")
    for oids in ([oid, NOWHERE], [oid, *[NOWHERE] * MANY]):
        stream = objects.blobs(scene.git, oids)
        assert next(stream) == (oid, b"there")
        with pytest.raises(EdgeError, match=rf"^object {NOWHERE} is missing$") as caught:
            next(stream)
        assert caught.value.hint == "run `git fsck`, or fetch the whole history again"


def test_a_tree_is_no_file(scene):
    tree = scene.tree()
    with pytest.raises(EdgeError, match=rf"^object {tree} is a tree, expected a file's contents$"):
        list(objects.blobs(scene.git, [tree]))


@pytest.mark.parametrize("name", ["HEAD", "", f"{NOWHERE}\n{NOWHERE}", "abc", "A" * 40, NOWHERE + "\n", "\udcff"])
def test_only_whole_object_ids_are_asked_for(scene, name):
    with pytest.raises(EdgeError) as caught:
        list(objects.blobs(scene.git, [NOWHERE, name]))
    assert caught.value.message == f"expected an object id, got {name!r}"


def test_an_object_that_rotted_on_the_disk_is_an_error(scene):
    oid = scene.blob(b"there" * 100)
    place = scene.folder / ".git" / "objects" / oid[:2] / oid[2:]
    place.chmod(0o644)
    place.write_bytes(place.read_bytes()[:20])
    with pytest.raises(EdgeError):
        list(objects.blobs(scene.git, [oid]))


@pytest.mark.parametrize(
    "answer", [b"abc", b"%s blob 10\nabc" % NOWHERE.encode(), b"%s blob 3\nabc" % NOWHERE.encode()]
)
def test_an_answer_that_breaks_off_is_an_error(answer):
    class Broken(Git):
        @contextmanager
        def stream(self, *arguments, stdin=None):
            yield io.BytesIO(answer)

    with pytest.raises(EdgeError, match=r"^git cat-file ended in the middle of"):
        list(objects.blobs(Broken(Path()), [NOWHERE] * MANY))


def test_a_git_that_ends_while_it_is_asked_is_an_error_and_the_next_question_goes_to_another(scene):
    oid = scene.blob(b"there")
    running = scene.git.batch
    running.ask([oid])
    running.close()
    assert list(objects.blobs(scene.git, [oid])) == [(oid, b"there")]
    nowhere = Git(scene.folder / ".git" / "nowhere")
    for _ in range(2):
        with pytest.raises(EdgeError, match=r"^git cat-file ended"):
            list(objects.blobs(nowhere, [oid]))


def test_sizes_are_told_without_contents(scene):
    one, two = scene.blob(b"one\n"), scene.blob(b"")
    assert list(objects.sizes(scene.git, [one, two])) == [(one, 4), (two, 0)]
    assert list(objects.sizes(scene.git, [one, two] * MANY)) == [(one, 4), (two, 0)] * MANY
    long = scene.blob(
        b"x" * 3_000_000
    )  # its contents are not waited for, and the next question goes to another process
    assert list(objects.sizes(scene.git, [long, one])) == [(long, 3_000_000), (one, 4)]
    for times in (1, MANY):
        with pytest.raises(EdgeError, match=rf"^object {NOWHERE} is missing$"):
            list(objects.sizes(scene.git, [NOWHERE] * times))


def test_leaves_of_one_folder_leave_its_namesakes_out(scene):
    for path in ("grants/db/a.yaml", "grants-old/b.yaml", "grants.yaml", "other/grants/c.yaml"):
        scene.write(path)
    commit = scene.commit()
    assert [path for path, _, _ in objects.Reader(scene.git).leaves(commit, "grants")] == ["grants/db/a.yaml"]
    assert [path for path, _, _ in objects.Reader(scene.git).leaves(commit, "grants/db")] == ["grants/db/a.yaml"]
    assert list(objects.Reader(scene.git).leaves(commit, "nowhere")) == []
    assert len(list(objects.Reader(scene.git).leaves(commit))) == 4


def test_leaves_are_the_whole_trees_from_any_folder_inside(scene):
    commit = scene.commit_file("grants/db/a.yaml")
    (scene.folder / "docs").mkdir()
    inside = Git(scene.folder / "docs")
    assert [path for path, _, _ in objects.Reader(inside).leaves(commit, "grants")] == ["grants/db/a.yaml"]


def test_a_folder_that_is_a_link_is_given_as_one(scene):
    (scene.folder / "grants").symlink_to("/etc")
    commit = scene.commit()
    assert list(objects.Reader(scene.git).leaves(commit, "grants")) == [Entry("grants", "120000", scene.blob(b"/etc"))]


def test_modes_of_executables_links_and_submodules_are_kept(scene):
    oid = scene.blob(b"x")
    tree = scene.tree(("100644", oid, b"a"), ("100755", oid, b"b"), ("120000", oid, b"c"), ("160000", NOWHERE, b"d"))
    assert list(objects.Reader(scene.git).leaves(tree)) == [
        Entry("a", "100644", oid),
        Entry("b", "100755", oid),
        Entry("c", "120000", oid),
        Entry("d", "160000", NOWHERE),
    ]


def test_hostile_names_arrive_whole(scene):
    oid = scene.blob(b"x")
    names = [b'"quoted".yaml', b"..", b"a\nb.yaml", b"a\tb", b"caf\xc3\xa9", b"not-utf8-\xff", b"\xe2\x80\xae.yaml"]
    tree = scene.tree(*[("100644", oid, name) for name in sorted(names)])
    found = [path for path, _, _ in objects.Reader(scene.git).leaves(tree)]
    assert [path.encode("utf-8", "surrogateescape") for path in found] == sorted(names)


def test_an_empty_tree_has_no_leaves(scene):
    assert list(objects.Reader(scene.git).leaves(scene.tree())) == []


def test_a_tree_that_does_not_exist_is_an_error(scene):
    with pytest.raises(EdgeError, match=r"^expected a tree or commit, got "):
        list(objects.Reader(scene.git).leaves(NOWHERE))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts processes as Linux lists them")
def test_a_reader_that_gives_up_leaves_no_process_and_no_thread(scene):
    oids = [scene.blob(os.urandom(100_000)) for _ in range(30)] * 3
    assert len(oids) >= MANY
    before, threads = children(), threading.active_count()
    stream = objects.blobs(scene.git, oids)
    next(stream)
    stream.close()
    broken = objects.blobs(scene.git, oids)
    next(broken)
    with pytest.raises(RuntimeError, match=r"reader broke"):
        broken.throw(RuntimeError("reader broke"))
    assert children() == before
    assert threading.active_count() == threads


def test_blobs_are_read_from_a_repository_with_long_ids(make_scene):
    long = make_scene("long", algorithm="sha256")
    commit = long.commit_file("grants/db/a.yaml", b"hello\n")
    ((path, _, oid),) = objects.Reader(long.git).leaves(commit)
    assert (path, len(oid)) == ("grants/db/a.yaml", 64)
    assert list(objects.blobs(long.git, [oid])) == [(oid, b"hello\n")]
