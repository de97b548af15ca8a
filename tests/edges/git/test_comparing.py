"""Steps are compared here as git compares them, and what could be read in two ways is left to git."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from daypass.core.errors import EdgeError, RefusedError
from daypass.edges.git import comparing, steps
from daypass.edges.git.comparing import Comparer
from daypass.edges.git.history import GitHistory
from daypass.edges.git.objects import Reader

NAMES = ("a", "a-b", "a.b", "a0", "b", "ab", "z" * 90, "ü\udcff", "a b", "40000 a")
KINDS = ("100644", "100755", "120000", "160000")


@pytest.fixture
def without_near(monkeypatch):
    monkeypatch.setattr("daypass.edges.git.steps._FEW", 0)


def by_git(scene, tip):
    """Return main's steps as git compares all of them."""
    listed = scene.folder / "listed"
    listed.write_bytes(scene.git.run("rev-list", "--first-parent", "--parents", "--reverse", tip))
    with listed.open("rb") as file:
        return list(steps._by_git(scene.git, None, file, 0))


def any_tree(rng, blobs, depth=0):
    """Return the id of some tree, and make it: names that sort in odd ways, of each kind of entry."""
    found = {}
    for name in rng.sample(NAMES, rng.randint(0, 5)):
        folder = depth < 2 and rng.random() < 0.4
        found[name] = any_tree(rng, blobs, depth + 1) if folder else (rng.choice(KINDS), rng.choice(blobs))
    return found


def changed(rng, blobs, tree):
    """Return a tree with one thing in it changed, or a few, somewhere."""
    found = dict(tree)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        name = rng.choice(NAMES)
        if isinstance(found.get(name), dict) and rng.random() < 0.7:
            found[name] = changed(rng, blobs, found[name])
        elif rng.random() < 0.4:
            found.pop(name, None)
        else:
            found[name] = any_tree(rng, blobs, 1) if rng.random() < 0.3 else (rng.choice(KINDS), rng.choice(blobs))
    return found


def write(scene, tree):
    found = []
    for name, held in tree.items():
        mode, oid = ("40000", write(scene, held)) if isinstance(held, dict) else held
        key = name.encode("utf-8", "surrogateescape")
        found.append((key + b"/" * isinstance(held, dict), mode.encode(), key, oid))
    return scene.raw_tree(*(entry for _, *entry in sorted(found)))


def commits(scene, trees):
    tip = ""
    for tree in trees:
        tip = scene.git.text("commit-tree", "-m", "a step", *(("-p", tip) if tip else ()), tree)
    scene.git.run("update-ref", "refs/heads/main", tip)
    return tip


@pytest.mark.usefixtures("without_near")
@pytest.mark.parametrize("seed", range(6))
def test_any_history_is_compared_as_git_compares_it(scene, seed, monkeypatch):
    rng = random.Random(seed)  # noqa: S311  (the same each time)
    blobs = [scene.blob(b"%d" % n) for n in range(3)]
    tree, trees = any_tree(rng, blobs), []
    for _ in range(30):
        trees.append(write(scene, tree))
        tree = changed(rng, blobs, tree)
    tip = commits(scene, trees)
    monkeypatch.setattr("daypass.edges.git.steps._BATCH", rng.choice((1, 7, 256)))
    want = by_git(scene, tip)
    monkeypatch.setattr("daypass.edges.git.steps._by_git", None)  # nothing of it is left to git
    history = GitHistory(scene.git)
    assert list(history.landings(None, tip)) == want
    assert list(history.landings(want[12].oid, tip)) == want[13:]


def test_one_file_more_is_found_without_cutting_the_folder_anew(scene, monkeypatch):
    blob = scene.blob(b"a")
    files = {f"{n:03}.yaml": ("100644", blob) for n in range(0, 300, 2)}
    trees = [write(scene, {"grants": {"db": files}})]
    for n in (151, 1, 299):
        files = {**files, f"{n:03}.yaml": ("100644", blob)}
        trees.append(write(scene, {"grants": {"db": files}}))
    trees += [write(scene, {"grants": {"db": {k: v for k, v in files.items() if k != "151.yaml"}}})]
    compare = Comparer(Reader(scene.git))
    compare.changes([(trees[0], trees[1])])
    monkeypatch.setattr(comparing, "_starts", lambda *_: pytest.fail("cut anew") if _[1] == 0 else real(*_))
    found = compare.changes(list(pairwise(trees[1:])))
    assert [[change.path for change in step] for step in found] == [
        ["grants/db/001.yaml"],
        ["grants/db/299.yaml"],
        ["grants/db/151.yaml"],
    ]
    assert [step[0].deleted for step in found] == [False, False, True]


real = comparing._starts


def test_several_changes_of_a_folder_at_once_are_all_found(scene):
    one, other = scene.blob(b"1"), scene.blob(b"2")
    first = {"a": ("100644", one), "b": ("100644", one), "c": ("100644", one)}
    steps_of = [
        first,
        {**first, "a": ("100644", other), "c": ("100644", other)},
        {"a": ("100644", other), "d": ("100644", one), "c": ("100644", other)},
        {"a": ("100755", other), "c": ("100644", other), "e": ("100644", one), "f": ("100644", one)},
    ]
    trees = [write(scene, tree) for tree in steps_of]
    compare = Comparer(Reader(scene.git))
    compare.changes([(scene.raw_tree(), trees[0])])
    found = compare.changes(list(pairwise(trees)))
    assert [[change.path for change in step] for step in found] == [["a", "c"], ["b", "d"], ["a", "d", "e", "f"]]


def entry(name, oid, mode=b"100644"):
    return mode + b" " + name + b"\0" + bytes.fromhex(oid)


@pytest.mark.parametrize("what", ["twice", "as a folder too", "out of order", "another mode", "cut off", "no name"])
def test_what_could_be_read_in_two_ways_is_refused_however_it_came(scene, what):
    blob, folder = scene.blob(b"a"), scene.raw_tree()
    names = (b"a", b"c", b"e")
    good = [entry(name, blob) for name in names]
    bad = {
        "twice": [*good[:1], *good],
        "as a folder too": [good[0], entry(b"a-b", blob), entry(b"a", folder, b"40000"), *good[1:]],
        "out of order": [good[0], entry(b"f", blob), *good[1:]],
        "another mode": [good[0], entry(b"b", blob, b"100664"), *good[1:]],
        "cut off": [*good, b"100644 f\0short"],
        "no name": [*good[:1], entry(b"", blob), *good[1:]],
    }[what]
    made = [scene._store("tree", b"".join(some)) for some in (good, bad)]
    compare = Comparer(Reader(scene.git))
    assert [len(some) for some in compare.changes([(scene.raw_tree(), made[0])])] == [3]
    with pytest.raises(RefusedError):
        compare.changes([(made[0], made[1])])


@pytest.mark.usefixtures("without_near")
def test_steps_behind_such_a_tree_are_gits_to_compare(scene, monkeypatch):
    blob = scene.blob(b"a")
    raws = [entry(b"a", blob), entry(b"a", blob) + entry(b"b", blob, b"100664"), entry(b"c", blob)]
    trees = [scene._store("tree", raw) for raw in raws]
    tip = commits(scene, trees)
    monkeypatch.setattr("daypass.edges.git.steps._BATCH", 1)
    found = list(GitHistory(scene.git).landings(None, tip))
    assert found == by_git(scene, tip)
    assert [[change.path for change in step.changes] for step in found] == [["a"], ["b"], ["a", "b", "c"]]


def test_a_folder_that_is_deeper_than_any_is_left_to_git(scene):
    tree = {"a": ("100644", scene.blob(b"a"))}
    for _ in range(comparing._DEEPEST + 1):
        tree = {"d": tree}
    made = write(scene, tree)
    with pytest.raises(RefusedError, match="for git to compare"):
        Comparer(Reader(scene.git)).changes([(scene.raw_tree(), made)])


def test_a_folder_that_is_missing_is_named(scene):
    folder = scene.raw_tree()
    gone = "1" * 40
    made = scene.raw_tree((b"40000", b"d", gone))
    with pytest.raises(EdgeError, match=f"^folder {gone} is missing$"):
        Comparer(Reader(scene.git)).changes([(folder, made)])
