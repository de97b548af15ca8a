"""Writing trees and commits without a work tree, and bringing a work tree along."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daypass.core.errors import ConflictError, EdgeError
from daypass.core.ids import ABSENT, Oid
from daypass.edges.git import objects, trees
from daypass.edges.git.history import GitHistory
from daypass.edges.git.trees import (
    commit_files,
    commit_tree,
    object_id,
    sync_worktree,
)
from git_trees import write_tree

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
ALICE = ("Alice Ngo", "alice@example.com")
NOWHERE = Oid("1" * 40)


def listing(scene, tree):
    return scene.run("ls-tree", "-r", "--format=%(objectmode) %(path)", tree).splitlines()


@pytest.fixture
def base(scene):
    for path in ("README.md", "grants/db/a.yaml", "grants/db/b.yaml", "grants-old/c", "grants/web/d.yaml"):
        scene.write(path, path)
    return scene.commit()


def test_files_are_added_replaced_and_deleted_as_git_itself_would(scene, base):
    tree = write_tree(
        scene.git,
        base,
        [("grants/db/a.yaml", b"new"), ("grants/db/b.yaml", None), ("grants/new/deep/e.yaml", b"e"), ("z", b"")],
    )
    scene.write("grants/db/a.yaml", "new")
    (scene.folder / "grants/db/b.yaml").unlink()
    scene.write("grants/new/deep/e.yaml", "e")
    scene.write("z", "")
    scene.run("add", "-A")
    assert tree == scene.run("write-tree")
    assert scene.run("fsck", "--strict", "--no-dangling") == ""


def test_nothing_to_do_is_the_same_tree(scene, base):
    assert write_tree(scene.git, base, []) == scene.head("HEAD^{tree}")
    assert write_tree(scene.git, base, [("README.md", b"README.md")]) == scene.head("HEAD^{tree}")


def test_a_folder_goes_with_its_last_file_and_a_tree_may_become_empty(scene, base):
    tree = write_tree(scene.git, base, [("grants/web/d.yaml", None)])
    assert "100644 grants/web/d.yaml" not in listing(scene, tree)
    assert scene.run("ls-tree", "--name-only", f"{tree}:grants") == "db"
    paths = scene.run("ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert write_tree(scene.git, base, [(path, None) for path in paths]) == scene.tree()


def test_an_empty_tree_takes_files(scene):
    tree = write_tree(scene.git, scene.tree(), [("a/b", b"x")])
    assert listing(scene, tree) == ["100644 a/b"]


NAMES = st.sampled_from([b"a", b"a-", b"a0", b"b", b"a.b", b"\xff", b"x y", b"\n"]).map(
    lambda n: n.decode("utf-8", "surrogateescape")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def fits(held, path):
    """Whether a path can be a file among others: no other file above or below it."""
    return all(not other.startswith(f"{path}/") and not path.startswith(f"{other}/") for other in held)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(PATHS, st.binary(max_size=5), max_size=6), max_size=3), st.data())
def test_writing_files_is_replacing_keys_of_a_mapping(scene, rounds, data):
    held = {}
    tree = scene.tree()
    for added in rounds:
        gone = data.draw(st.lists(st.sampled_from(sorted(held)), unique=True)) if held else []
        kept = {path: content for path, content in held.items() if path not in gone}
        changes = dict.fromkeys(gone)
        for path, content in added.items():
            if fits([*kept, *[other for other in changes if other != path]], path):
                changes[path] = content
        tree = write_tree(scene.git, tree, list(changes.items()))
        held = kept | {path: content for path, content in changes.items() if content is not None}
        leaves = list(objects.Reader(scene.git).leaves(tree))
        contents = [content for _, content in objects.blobs(scene.git, (oid for _, _, oid in leaves))]
        assert dict(zip((path for path, _, _ in leaves), contents, strict=True)) == held


@pytest.mark.parametrize("count", [99, 100, 1000])
def test_many_files_are_written_in_one_go(scene, base, count):
    files = [(f"receipts/{n // 100:03d}/{n:05d}.json", b"{%d}" % n) for n in range(count)]
    commit = commit_tree(scene.git, write_tree(scene.git, base, files), [base], "append", author=ALICE, at=AT)
    history = GitHistory(scene.git)
    found = list(history.entries(commit, "receipts"))
    assert [entry.path for entry in found] == [path for path, _ in files]
    assert [content for _, content in history.blobs([entry.oid for entry in found])] == [body for _, body in files]


def test_objects_of_every_size_are_packed_rightly(scene):
    sizes = [0, 1, 15, 16, 17, 2047, 2048, 2049, 1 << 18, (1 << 18) + 1]
    tree = write_tree(scene.git, scene.tree(), [(f"{size}", b"x" * size) for size in sizes])
    assert scene.run("fsck", "--strict", "--no-dangling", tree) == ""
    assert {scene.run("cat-file", "-s", f"{tree}:{size}") for size in sizes} == {str(size) for size in sizes}


def test_known_objects_of_any_mode_are_put_in_place(scene, base):
    oid = scene.blob(b"x")
    tree = write_tree(
        scene.git,
        base,
        [
            ("README.md", None),
            ("a.sh", ("100755", oid)),
            ("link", ("120000", oid)),
            ("sub", ("160000", NOWHERE)),
            ("grants/db/na\nme", ("100644", oid)),
        ],
    )
    found = [(entry.mode, entry.path) for entry in GitHistory(scene.git).entries(scene.commit_of(tree))]
    assert [pair for pair in found if not pair[1].endswith(".yaml")] == [
        ("100755", "a.sh"),
        ("100644", "grants-old/c"),
        ("100644", "grants/db/na\nme"),
        ("120000", "link"),
        ("160000", "sub"),
    ]


def test_an_object_that_is_not_there_is_refused(scene, base):
    with pytest.raises(EdgeError, match=r"^git unpack-objects failed: "):
        write_tree(scene.git, base, [("grants/db/x.yaml", ("100644", NOWHERE))])


def test_a_mode_of_no_leaf_is_refused(scene, base):
    with pytest.raises(EdgeError, match=r"^expected a mode of a file, symlink or submodule, got '40000'$"):
        write_tree(scene.git, base, [("x", ("40000", scene.tree()))])


@pytest.mark.parametrize(
    "path", ["", "/a", "a//b", "a/", "../a", "a/../b", ".", "a/./b", ".git/config", "a/.git", "a\0b"]
)
def test_a_path_outside_the_repository_is_refused(scene, base, path):
    with pytest.raises(EdgeError) as caught:
        write_tree(scene.git, base, [(path, b"x")])
    assert caught.value.message == f"expected a path inside the repository, got {path!r}"


def test_a_path_that_some_system_takes_for_gits_own_folder_is_refused(scene, base):
    with pytest.raises(EdgeError, match=r"^git unpack-objects failed: "):
        write_tree(scene.git, base, [(".GIT/config", b"x")])


def test_deleting_what_is_not_there_is_a_conflict(scene, base):
    for path in ("grants/db/zz.yaml", "nowhere/at/all", "grants/db"):
        with pytest.raises(ConflictError) as caught:
            write_tree(scene.git, base, [(path, None)])
        assert caught.value.message == f"{path} is to be deleted and is not there"


def test_a_file_and_a_folder_do_not_take_each_others_place(scene, base):
    with pytest.raises(ConflictError, match=r"^grants/db is to be a file and is a folder$"):
        write_tree(scene.git, base, [("grants/db", b"x")])
    with pytest.raises(ConflictError, match=r"^README.md is to be a folder and is a file$"):
        write_tree(scene.git, base, [("README.md/x", b"x")])
    with pytest.raises(EdgeError, match=r"^new cannot be a file and a folder at once$"):
        write_tree(scene.git, base, [("new", b"x"), ("new/y", b"x")])


def test_what_is_no_tree_is_refused(scene, base):
    with pytest.raises(EdgeError, match=rf"^expected a tree or commit, got '{NOWHERE}'$"):
        write_tree(scene.git, NOWHERE, [("a", b"x")])
    with pytest.raises(EdgeError, match=r"^expected an object id of 40 or 64 digits, got one of 4$"):
        write_tree(scene.git, Oid("HEAD"), [("a", b"x")])


def test_neither_index_nor_work_tree_is_touched(scene, base):
    scene.write("README.md", "local edit")
    before = (scene.run("status", "--porcelain"), (scene.folder / ".git/index").read_bytes())
    commit_tree(scene.git, write_tree(scene.git, base, [("new", b"x")]), [base], "m", author=ALICE, at=AT)
    assert ((scene.run("status", "--porcelain")), (scene.folder / ".git/index").read_bytes()) == before


def test_a_bare_repository_and_long_ids_are_written_alike(make_scene):
    bare = make_scene("bare", bare=True, algorithm="sha256")
    tree = write_tree(bare.git, bare.tree(), [("a/b.yaml", b"x")])
    commit = commit_tree(bare.git, tree, [], "begin", author=ALICE, at=AT)
    bare.git.update_refs({"refs/heads/main": (ABSENT, commit)}, reason="begin")
    assert [entry.path for entry in GitHistory(bare.git).entries("main")] == ["a/b.yaml"]
    bare.git.update_refs({"refs/heads/main": (commit, ABSENT)}, reason="end")
    assert bare.git.find("refs/heads/main") is None


def test_a_commit_is_the_same_wherever_it_is_made(scene, base, monkeypatch):
    tree = scene.head("HEAD^{tree}")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Mallory")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    scene.run("config", "i18n.commitEncoding", "ISO-8859-1")
    scene.run("config", "commit.gpgSign", "true")
    made = commit_tree(scene.git, tree, [base], "Tïtle\n\n# kept\n\n\nTrailer: x", author=("Zoë", "z@x"), at=AT)
    assert scene.git.run("cat-file", "commit", made).decode() == (
        f"tree {tree}\nparent {base}\nauthor Zoë <z@x> 1795168800 +0000\ncommitter Zoë <z@x> 1795168800 +0000\n"
        "\nTïtle\n\n# kept\n\n\nTrailer: x\n"
    )


def test_a_commit_needs_a_name_and_a_tree(scene, base):
    with pytest.raises(EdgeError, match=r"^git commit-tree failed: fatal: empty ident name"):
        commit_tree(scene.git, scene.head("HEAD^{tree}"), [base], "m", author=("", "a@x"), at=AT)
    with pytest.raises(EdgeError, match=r"^git commit-tree failed: fatal: 1{40} is not a valid object"):
        commit_tree(scene.git, NOWHERE, [base], "m", author=ALICE, at=AT)


def test_a_signed_commit_verifies(scene, base, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    made = commit_tree(scene.git, scene.head("HEAD^{tree}"), [base], "m", author=ALICE, at=AT, sign_with=str(key))
    allowed = tmp_path / "allowed"
    allowed.write_text(f"alice@example.com {key.with_suffix('.pub').read_text()}")
    scene.run("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", made)
    with pytest.raises(EdgeError, match=r"^git commit-tree failed: "):
        commit_tree(
            scene.git, scene.head("HEAD^{tree}"), [base], "m", author=ALICE, at=AT, sign_with=str(tmp_path / "none")
        )


def test_ids_are_the_ones_that_git_gives(scene):
    assert object_id("blob", b"x\n") == scene.blob(b"x\n")


def moved(scene, base, *files):
    """Main moved on beneath its work tree."""
    new = commit_tree(scene.git, write_tree(scene.git, base, files), [base], "m", author=ALICE, at=AT)
    scene.git.update_refs({"refs/heads/main": (base, new)}, reason="move")
    return new


def test_a_work_tree_comes_along(scene, base):
    new = moved(scene, base, ("grants/db/a.yaml", b"new"), ("grants/db/b.yaml", None), ("n/x", b"x"))
    (scene.folder / "README.md").touch()
    assert sync_worktree(scene.git, base, new) == ""
    assert scene.run("status", "--porcelain") == ""
    assert (scene.folder / "grants/db/a.yaml").read_text() == "new"
    assert not (scene.folder / "grants/db/b.yaml").exists()


def test_local_changes_elsewhere_are_kept(scene, base):
    scene.write("README.md", "mine")
    scene.write("untracked", "mine")
    new = moved(scene, base, ("grants/db/a.yaml", b"new"))
    assert sync_worktree(scene.git, base, new) == ""
    assert scene.run("status", "--porcelain").split() == ["M", "README.md", "??", "untracked"]


@pytest.mark.parametrize("path", ["grants/db/a.yaml", "n/x"])
def test_local_changes_in_the_way_leave_all_as_it_was(scene, base, path):
    scene.write(path, "mine")
    new = moved(scene, base, ("README.md", b"new"), ("grants/db/a.yaml", b"new"), ("n/x", b"x"))
    before = (scene.folder / ".git/index").read_bytes()
    assert sync_worktree(scene.git, base, new) == "local changes"
    assert (scene.folder / path).read_text() == "mine"
    assert (scene.folder / "README.md").read_text() == "README.md"
    assert len((scene.folder / ".git/index").read_bytes()) == len(before)


def test_a_work_tree_comes_along_from_a_folder_inside(scene, base):
    new = moved(scene, base, ("README.md", b"new"))
    assert sync_worktree(trees.Git(scene.folder / "grants"), base, new) == ""
    assert scene.run("status", "--porcelain") == ""


def test_where_another_branch_is_checked_out_nothing_is_to_do(scene, base, make_scene):
    scene.run("checkout", "-q", "-b", "mine")
    new = moved(scene, base, ("README.md", b"new"))
    assert sync_worktree(scene.git, base, new) == ""
    assert (scene.folder / "README.md").read_text() == "README.md"
    assert sync_worktree(make_scene("bare", bare=True).git, base, new) == ""


def test_an_index_that_cannot_be_read_is_an_error(scene, base):
    new = moved(scene, base, ("README.md", b"new"))
    (scene.folder / ".git/index").write_bytes(b"rubbish")
    with pytest.raises(EdgeError, match=r"^git read-tree failed: "):
        sync_worktree(scene.git, base, new)


@pytest.mark.parametrize("author", [ALICE, ("Zoë Ngo", "z@x"), (" odd, name.", "a@x"), ("A <b>", "a@x")])
@pytest.mark.parametrize("message", ["one line", "Tïtle\n\n# kept\n\n\nTrailer: x\n"])
def test_a_commit_sent_with_its_trees_is_the_one_that_git_makes(scene, base, author, message):
    files = [("grants/new.yaml", b"x"), ("README.md", None)]
    made = commit_files(scene.git, base, files, [base], message, author=author, at=AT)
    tree = write_tree(scene.git, base, files)
    assert made == commit_tree(scene.git, tree, [base], message, author=author, at=AT)
    assert scene.run("fsck", "--strict", "--no-dangling", made) == ""
    blob = scene.blob(b"x")
    entries = [("grants/new.yaml", ("100644", blob)), ("README.md", None)]
    assert commit_files(scene.git, base, entries, [base], message, author=author, at=AT) == made


def test_a_commit_that_changes_no_file_is_made(scene, base):
    made = commit_files(scene.git, base, [], [base], "nothing", author=ALICE, at=AT)
    assert made == commit_tree(scene.git, scene.head("HEAD^{tree}"), [base], "nothing", author=ALICE, at=AT)


def test_a_commit_of_nobody_or_on_a_parent_that_is_not_there_is_not_made(scene, base):
    with pytest.raises(EdgeError, match=r"^git commit-tree failed"):
        commit_files(scene.git, base, [("a", b"x")], [base], "m", author=("", "a@x"), at=AT)
    with pytest.raises(EdgeError, match=r"^git unpack-objects failed"):
        commit_files(scene.git, base, [("a", b"x")], [NOWHERE], "m", author=ALICE, at=AT)
