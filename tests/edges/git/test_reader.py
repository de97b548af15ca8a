"""Bytes are held against the id they were asked by, and a tree that could be read in two ways is refused."""

from __future__ import annotations

import shutil
import struct
import zlib

import pytest

from daypass.core.errors import EdgeError, RefusedError
from daypass.core.grant import Oid
from daypass.edges.git import objects
from daypass.edges.git.history import GitHistory
from daypass.edges.git.reader import object_reader, parse_tree


def place(scene, oid):
    return scene.folder / ".git/objects" / oid[:2] / oid[2:]


def overwrite(scene, oid, other):
    """Lay another object's bytes under an id, as somebody who may write to the disk can."""
    place(scene, oid).chmod(0o644)
    shutil.copyfile(place(scene, other), place(scene, oid))


def raw_tree(scene, *entries):
    body = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    return Oid(scene.run("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=body))


def test_a_file_overwritten_on_the_disk_is_not_read_under_its_old_id(scene):
    one, other = scene.blob(b"subject: alice\n"), scene.blob(b"subject: malory\n")
    overwrite(scene, one, other)
    with pytest.raises(EdgeError, match=f"^object {one} was changed on the disk"):
        list(objects.blobs(scene.git, [one]))


def test_a_long_file_overwritten_on_the_disk_is_not_read_either(scene):
    one, other = scene.blob(b"x" * 3_000_000), scene.blob(b"y" * 3_000_000)
    overwrite(scene, one, other)
    with pytest.raises(EdgeError, match="was changed on the disk"):
        list(objects.blobs(scene.git, [one]))


def test_a_folder_and_a_commit_overwritten_on_the_disk_are_not_read(scene):
    first = scene.commit(**{"grants/db/a.yaml": "a"})
    second = scene.commit(**{"grants/db/b.yaml": "b"})
    tree, old = scene.head("HEAD:grants/db"), scene.head("HEAD~1:grants/db")
    overwrite(scene, tree, old)
    for read in (
        lambda: list(objects.leaves(scene.git, second, "grants")),
        lambda: list(objects.leaves(scene.git, second)),
        lambda: GitHistory(scene.git).changes(first, second),
    ):
        with pytest.raises(EdgeError, match=f"^object {tree} was changed on the disk"):
            read()
    overwrite(scene, second, first)
    with pytest.raises(EdgeError, match=f"^object {second} was changed on the disk"):
        list(objects.leaves(scene.git, second))
    with pytest.raises(EdgeError):  # git itself notices this one
        list(GitHistory(scene.git).landings(None, second))


def test_a_commit_graph_that_tells_other_parents_is_noticed(scene):
    commits = [scene.commit(a=str(n)) for n in range(3)]
    scene.run("commit-graph", "write", "--reachable")
    graph = scene.folder / ".git/objects/info/commit-graph"
    graph.chmod(0o644)
    raw = bytearray(graph.read_bytes())
    chunks = {bytes(raw[at : at + 4]): struct.unpack(">Q", raw[at + 4 : at + 12])[0] for at in (8, 20, 32)}
    names = sorted(commits)
    row = chunks[b"CDAT"] + 36 * names.index(commits[2]) + 20
    raw[row : row + 4] = struct.pack(">I", names.index(commits[0]))  # its first parent
    graph.write_bytes(raw)
    assert scene.run("rev-list", "--first-parent", "--count", "HEAD") == "2"
    with pytest.raises(EdgeError, match="git tells other parents of commit"):
        list(GitHistory(scene.git).landings(None, commits[2]))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([(b"100644", b"a.yaml", 0), (b"100644", b"a.yaml", 1)], "names 'a.yaml' twice"),
        ([(b"100644", b"a", 0), (b"100644", b"a-b", 0), (b"40000", b"a", 2)], "names 'a' twice"),
        ([(b"100644", b"b", 0), (b"100644", b"a", 1)], "has 'a' out of order"),
        ([(b"100644", b"db/a.yaml", 0)], "which is no file's"),
        ([(b"100644", b"", 0)], "out of order"),
    ],
)
def test_a_tree_that_could_be_read_in_two_ways_is_refused(scene, entries, said):
    oids = [scene.blob(b"one"), scene.blob(b"two"), scene.tree()]
    tree = raw_tree(scene, *[(mode, name, oids[which]) for mode, name, which in entries])
    with pytest.raises(RefusedError, match=said):
        list(objects.leaves(scene.git, tree))
    commit = scene.commit_of(raw_tree(scene, (b"40000", b"grants", tree)))
    with pytest.raises(RefusedError, match=said):
        list(objects.leaves(scene.git, commit, "grants"))
    with pytest.raises(RefusedError, match=said):
        GitHistory(scene.git).changes(scene.commit(), commit)


def test_a_tree_cut_short_or_without_a_mode_cannot_be_read():
    for raw in (b"100644 a", b"100644 a\0" + b"x" * 19, b"1x a\0" + b"x" * 20, b" a\0" + b"x" * 20, b"a"):
        with pytest.raises(RefusedError, match="cannot be read"):
            parse_tree("1" * 40, raw)


def test_folders_without_end_are_refused(scene):
    tree = scene.tree(("100644", scene.blob(b"x"), b"a"))
    for _ in range(70):
        tree = scene.tree(("40000", tree, b"d"))
    with pytest.raises(RefusedError, match="folders deep"):
        list(objects.leaves(scene.git, tree))
    with pytest.raises(RefusedError, match="inside each other"):
        GitHistory(scene.git).changes(scene.commit(), scene.commit_of(tree))


def test_many_folders_are_read_in_gits_order(scene):
    for n in range(600):
        scene.write(f"grants/r{n}/x.yaml", str(n))
        scene.write(f"grants/r{n}-y.yaml", str(n))
    commit = scene.commit()
    listed = scene.run("ls-tree", "-r", commit, "grants").splitlines()
    found = [f"{mode} blob {oid}\t{path}" for path, mode, oid in objects.leaves(scene.git, commit, "grants")]
    assert found == listed


def test_a_file_that_becomes_a_folder_is_two_changes(scene):
    first = scene.commit(a="x", b="y")
    (scene.folder / "a").unlink()
    second = scene.commit(**{"a/c": "x"})
    listed = scene.run("diff-tree", "-r", "--raw", "--no-renames", "--no-abbrev", first, second).splitlines()
    found = GitHistory(scene.git).changes(first, second)
    assert [change.path for change in found] == sorted(line.partition("\t")[2] for line in listed) == ["a", "a/c"]


def test_what_names_nothing_is_none_and_a_file_is_no_tree(scene):
    oid = scene.blob(b"x")
    with object_reader(scene.git) as read:
        assert read.get("1" * 40) is None
        with pytest.raises(EdgeError, match="expected a tree or commit"):
            read.tree(oid)
    assert zlib.decompress(place(scene, oid).read_bytes()) == b"blob 1\0x"
