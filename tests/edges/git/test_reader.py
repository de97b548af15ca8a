"""Bytes are held against the id they were asked by, and a tree that could be read in two ways is refused."""

from __future__ import annotations

import shutil
import struct
import zlib

import pytest

from daypass.core.errors import EdgeError, RefusedError
from daypass.edges.git import objects
from daypass.edges.git.history import GitHistory
from daypass.edges.git.objects import Reader, parse_tree


def place(scene, oid):
    return scene.folder / ".git/objects" / oid[:2] / oid[2:]


def overwrite(scene, oid, other):
    """Lay another object's bytes under an id, as somebody who may write to the disk can."""
    place(scene, oid).chmod(0o644)
    shutil.copyfile(place(scene, other), place(scene, oid))


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


@pytest.mark.usefixtures("few")
def test_a_folder_and_a_commit_overwritten_on_the_disk_are_not_read(scene):
    first = scene.commit(**{"grants/db/a.yaml": "a"})
    second = scene.commit(**{"grants/db/b.yaml": "b"})
    tree, old = scene.head("HEAD:grants/db"), scene.head("HEAD~1:grants/db")
    overwrite(scene, tree, old)
    for read in (
        lambda: list(objects.Reader(scene.git).leaves(second, "grants")),
        lambda: list(objects.Reader(scene.git).leaves(second)),
        lambda: GitHistory(scene.git).changes(first, second),
    ):
        with pytest.raises(EdgeError, match=f"^object {tree} was changed on the disk"):
            read()
    overwrite(scene, second, first)
    with pytest.raises(EdgeError, match=f"^object {second} was changed on the disk"):
        list(objects.Reader(scene.git).leaves(second))
    with pytest.raises(EdgeError):  # git itself notices this one
        list(GitHistory(scene.git).landings(None, second))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("which", ["HEAD^{tree}", "HEAD:grants", "HEAD:grants/db", "HEAD~1:grants/db", "HEAD~1^{tree}"])
def test_a_folder_overwritten_on_the_disk_is_noticed_where_steps_of_main_are_compared(scene, which):
    first = scene.commit(**{"grants/db/a.yaml": "a", "grants/old.yaml": "a"})
    scene.commit(**{"grants/db/b.yaml": "b"})
    third = scene.commit(**{"grants/db/c.yaml": "c"})
    tree, other = (
        scene.head(which),
        scene.head(which.replace("HEAD~1", "HEAD~2").replace("HEAD:", "HEAD~1:").replace("HEAD^", "HEAD~1^")),
    )
    overwrite(scene, tree, other)
    for since in (None, first):
        with pytest.raises(EdgeError, match=f"^object {tree} was changed on the disk"):
            list(GitHistory(scene.git).landings(since, third))


@pytest.mark.usefixtures("few")
def test_a_commit_overwritten_in_the_middle_of_main_is_noticed(scene):
    first, second, third = (scene.commit(a=str(n)) for n in range(3))
    overwrite(scene, second, scene.commit_of(scene.head("HEAD~1^{tree}"), first))
    with pytest.raises(EdgeError, match=f"^object {second} was changed on the disk"):
        list(GitHistory(scene.git).landings(first, third))


def graph_with(scene, commits, parent):
    """Have the commit-graph tell another first parent of the last of these commits, and a generation after all others."""
    scene.run("-c", "commitGraph.generationVersion=1", "commit-graph", "write", "--reachable")
    graph = scene.folder / ".git/objects/info/commit-graph"
    graph.chmod(0o644)
    raw = bytearray(graph.read_bytes())
    chunks = {bytes(raw[at : at + 4]): struct.unpack(">Q", raw[at + 4 : at + 12])[0] for at in (8, 20, 32)}
    names = sorted(commits)
    row = chunks[b"CDAT"] + 36 * names.index(commits[-1]) + 20
    raw[row : row + 4] = struct.pack(">I", names.index(parent))
    raw[row + 8 : row + 12] = struct.pack(">I", 1000 << 2)
    graph.write_bytes(raw)


def lies(scene):
    """Main at its second commit, and a request of two commits; the first of them is somebody else's."""
    base = [scene.commit(a="0"), scene.commit(a="1")]
    scene.run("switch", "-q", "-c", "request")
    hidden = scene.commit(b="hidden")
    head = scene.commit(c="head")
    return base, hidden, head


def test_a_graph_that_hides_a_commit_of_a_request_is_noticed(scene, few):
    base, hidden, head = lies(scene)
    graph_with(scene, [*base, hidden, head], base[1])
    assert scene.run("rev-list", head, f"^{base[1]}").split() == [head]
    history = GitHistory(scene.git)
    assert history.merge_bases(base[1], head) == (base[1],)
    if few:
        assert [commit.oid for commit in history.commits(base[1], head)] == [hidden, head]
        return
    with pytest.raises(EdgeError, match=f"^git tells other parents of commit {head} than the commit does"):
        history.commits(base[1], head)


def test_a_graph_that_tells_main_to_have_a_requests_commit_is_noticed(scene):
    first = scene.commit(a="0")
    scene.run("switch", "-q", "-c", "request")
    hidden = scene.commit(b="hidden")
    head = scene.commit(c="head")
    scene.run("switch", "-q", "main")
    main, tip = scene.commit(a="1"), scene.commit(a="2")
    graph_with(scene, [first, hidden, head, tip, main], hidden)
    assert scene.run("merge-base", tip, head) == hidden
    for ask in (GitHistory(scene.git).merge_bases, lambda tip, _: GitHistory(scene.git).is_ancestor(hidden, tip)):
        with pytest.raises(EdgeError, match=f"^git tells other parents of commit {main} than the commit does"):
            ask(tip, head)


def test_an_old_commit_overwritten_to_hide_one_of_a_request_is_noticed(scene):
    base, hidden, head = lies(scene)
    scene.run("switch", "-q", "main")
    tip = scene.commit(d="main")
    overwrite(scene, base[1], scene.commit_of(scene.head(f"{base[1]}^{{tree}}"), hidden))
    assert scene.run("rev-list", head, f"^{tip}").split() == [head]
    with pytest.raises(EdgeError, match=f"^object {base[1]} was changed on the disk"):
        GitHistory(scene.git).merge_bases(tip, head)


def test_a_request_on_top_of_others_and_a_merge_of_main_has_the_bases_that_git_tells(scene):
    base, hidden, _ = lies(scene)
    scene.run("switch", "-q", "main")
    main = scene.commit(d="main")
    scene.run("switch", "-q", "request")
    scene.run("merge", "-q", "--no-ff", "-m", "main into it", "main")
    merged = scene.commit(e="more")
    scene.run("switch", "-q", "main")
    scene.run("merge", "-q", "--no-ff", "-m", "the first of it", hidden)
    tip = scene.head()
    history = GitHistory(scene.git)
    for one, other in ((tip, merged), (main, merged), (merged, tip), (base[0], merged), (merged, base[0]), (tip, tip)):
        assert list(history.merge_bases(one, other)) == scene.run("merge-base", "--all", one, other).split()
    assert history.is_ancestor(base[0], merged)
    assert not history.is_ancestor(merged, main)


def test_a_commit_graph_that_tells_other_parents_is_noticed(scene, few):
    commits = [scene.commit(a=str(n)) for n in range(3)]
    graph_with(scene, commits, commits[0])
    assert scene.run("rev-list", "--first-parent", "--count", "HEAD") == "2"
    if few:
        assert [step.oid for step in GitHistory(scene.git).landings(None, commits[2])] == commits
        return
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
    tree = scene.raw_tree(*[(mode, name, oids[which]) for mode, name, which in entries])
    with pytest.raises(RefusedError, match=said):
        list(objects.Reader(scene.git).leaves(tree))
    commit = scene.commit_of(scene.raw_tree((b"40000", b"grants", tree)))
    with pytest.raises(RefusedError, match=said):
        list(objects.Reader(scene.git).leaves(commit, "grants"))
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
        list(objects.Reader(scene.git).leaves(tree))
    with pytest.raises(RefusedError, match="inside each other"):
        GitHistory(scene.git).changes(scene.commit(), scene.commit_of(tree))


def test_many_folders_are_read_in_gits_order(scene):
    for n in range(600):
        scene.write(f"grants/r{n}/x.yaml", str(n))
        scene.write(f"grants/r{n}-y.yaml", str(n))
    commit = scene.commit()
    listed = scene.run("ls-tree", "-r", commit, "grants").splitlines()
    found = [f"{mode} blob {oid}\t{path}" for path, mode, oid in objects.Reader(scene.git).leaves(commit, "grants")]
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
    read = Reader(scene.git)
    assert read.get("1" * 40) is None
    with pytest.raises(EdgeError, match="expected a tree or commit"):
        read.tree(oid)
    assert zlib.decompress(place(scene, oid).read_bytes()) == b"blob 1\0x"
