"""History over real repositories: merges, cuts, hostile names, and settings that must not matter."""

from __future__ import annotations

import io
import subprocess
from datetime import UTC, datetime

import pytest

from daypass.core.errors import EdgeError, RefusedError
from daypass.core.forge import Change
from daypass.core.ids import ABSENT
from daypass.edges.git.history import GitHistory, parse_commit
from daypass.edges.git.plumbing import Git
from daypass.edges.git.steps import _joined

NOWHERE = "1" * 40
CUT = "this clone is shallow: its history is cut, so answers over it would be wrong"


@pytest.fixture
def history(scene):
    return GitHistory(scene.git)


def merged(scene, *, evil: bool):
    """Main with a branch merged into it; the merge brings one more file where it is evil."""
    scene.commit_file("grants/db/a.yaml", "a")
    scene.run("checkout", "-q", "-b", "feature")
    scene.commit_file("grants/db/b.yaml", "b")
    scene.run("checkout", "-q", "main")
    scene.commit_file("docs/x.md")
    scene.run("merge", "-q", "--no-ff", "--no-commit", "feature")
    if evil:
        scene.write("grants/db/evil.yaml", "evil")
    return scene.commit("merge")


def test_a_revision_names_its_commit(scene, history):
    commit = scene.commit_file("a")
    scene.run("tag", "-a", "-m", "t", "v1")
    assert history.resolve("main") == history.resolve("v1") == history.resolve(commit[:10]) == commit
    assert history.find("refs/heads/main") == commit


@pytest.mark.parametrize(
    "revision", ["nope", "", "-x", "--all", "^main", "main..main", "main:a", "a b", "main\n", "x\0y", NOWHERE, "\udcff"]
)
def test_what_names_no_commit_is_refused_by_name(scene, history, revision):
    scene.commit_file("a")
    assert history.find(revision) is None
    with pytest.raises(EdgeError) as caught:
        history.resolve(revision)
    assert caught.value.message == f"no commit is named {revision!r}"


def test_a_branch_is_looked_up_afresh_each_time(scene, history):
    first = scene.commit_file("a")
    assert history.resolve("main") == first
    second = scene.commit_file("b")
    assert (history.resolve("main"), history.resolve(first)) == (second, first)


def test_failing_to_look_is_not_finding_nothing(tmp_path):
    with pytest.raises(EdgeError, match=r"^git rev-parse failed: fatal: not a git repository"):
        GitHistory(Git(tmp_path)).find("main")
    with pytest.raises(EdgeError, match=r"^git rev-parse failed: fatal: cannot change to"):
        GitHistory(Git(tmp_path / "gone")).find("main")


def test_an_empty_repository_has_no_commit(history):
    assert history.find("HEAD") is None
    assert not history.is_shallow()


def test_changes_are_additions_deletions_and_new_modes_without_renames(scene, history):
    scene.write("keep", "k")
    scene.write("mode", "m")
    base = scene.commit_file("old", "same\n" * 50)
    scene.run("mv", "old", "new")
    (scene.folder / "mode").chmod(0o755)
    head = scene.commit()
    oid, mode = scene.blob(b"same\n" * 50), scene.blob(b"m")
    assert history.changes(base, head) == (
        Change("mode", "100644", mode, "100755", mode),
        Change("new", "000000", ABSENT, "100644", oid),
        Change("old", "100644", oid, "000000", ABSENT),
    )
    assert history.changes(base, base) == ()
    with pytest.raises(EdgeError, match=r"^no commit is named 'nope'$"):
        history.changes(base, "nope")


@pytest.mark.usefixtures("few")
def test_a_grant_slipped_into_a_merge_is_seen(scene, history):
    tip = merged(scene, evil=True)
    *_, last = history.landings(None, tip)
    assert last.oid == tip
    assert last.parents == (scene.head("main~1"), scene.head("feature"))
    assert [change.path for change in last.changes] == ["grants/db/b.yaml", "grants/db/evil.yaml"]


@pytest.mark.usefixtures("few")
def test_landings_are_mains_first_parent_steps_oldest_first(scene, history):
    tip = merged(scene, evil=False)
    scene.run("commit", "-q", "--allow-empty", "-m", "nothing")
    end = scene.head()
    steps = list(history.landings(None, end))
    assert [step.oid for step in steps] == scene.run("rev-list", "--first-parent", "--reverse", "main").split()
    assert [[change.path for change in step.changes] for step in steps] == [
        ["grants/db/a.yaml"],
        ["docs/x.md"],
        ["grants/db/b.yaml"],
        [],
    ]
    assert [step.oid for step in history.landings(scene.head("main~2"), end)] == [tip, end]
    assert list(history.landings(end, end)) == []


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_record_may_end_anywhere_in_a_piece(scene, history, size, monkeypatch):
    tip = merged(scene, evil=True)
    before = (list(history.landings(None, tip)), list(history.entries(tip)))
    monkeypatch.setattr("daypass.edges.git.steps._FEW", 0)
    monkeypatch.setattr("daypass.edges.git.steps._PIECE", size)
    monkeypatch.setattr("daypass.edges.git.objects._PIECE", size)
    assert (list(history.landings(None, tip)), list(history.entries(tip))) == before


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "git diff-tree ended before the last commit"),
        (b"1 2\nwhat\0", "git diff-tree answered 'what', expected a record"),
        (b"1 2\n:000000 100644 0 1 A\0", "git diff-tree ended in the middle of a record"),
        (b"1 2\n:000000 100644 0 1 A\0pa", "git diff-tree ended in the middle of a record"),
        (b"1 2\n2 3\n", "git diff-tree answered for more commits than it was asked for"),
    ],
)
def test_an_answer_that_does_not_fit_the_question_is_an_error(answer, message):
    with pytest.raises(EdgeError) as caught:
        list(_joined(io.BytesIO(NOWHERE.encode() + b"\n"), io.BytesIO(b"0\n"), io.BytesIO(answer)))
    assert caught.value.message == message


@pytest.mark.usefixtures("few")
def test_a_damaged_object_is_an_error_not_an_answer(scene, history):
    one = scene.commit_file("a")
    two = scene.commit_file("b")
    scene.run("checkout", "-q", "--orphan", "alone")
    alone = scene.commit("alone")
    place = scene.folder / ".git" / "objects" / one[:2] / one[2:]
    place.chmod(0o644)
    place.write_bytes(b"rubbish")
    for ask in (
        lambda: history.merge_base(two, alone),
        lambda: history.is_ancestor(alone, two),
        lambda: history.is_ancestor(one, two),
        lambda: history.commits(alone, two),
        lambda: list(history.landings(None, two)),
    ):
        with pytest.raises(EdgeError):
            ask()


@pytest.mark.usefixtures("few")
def test_a_start_that_main_never_stepped_on_is_refused(scene, history):
    # A merge made the wrong way round: main's old tip becomes the second parent, and what a removal took away on main
    # is back without any step that brings it.
    scene.commit_file("grants/db/a.yaml", "a")
    scene.run("checkout", "-q", "-b", "feature")
    scene.commit_file("docs/x.md")
    scene.run("checkout", "-q", "main")
    scene.run("rm", "-q", "grants/db/a.yaml")
    seen = scene.commit("revoke")
    tree = scene.head("feature^{tree}")
    tip = scene.commit_of(tree, scene.head("feature"), seen)
    assert history.is_ancestor(seen, tip)
    with pytest.raises(RefusedError) as caught:
        list(history.landings(seen, tip))
    assert caught.value.message == (
        f"main at {tip[:12]} was not reached from {seen[:12]} step by step: a branch was pushed over main,"
        " or main went back"
    )
    assert caught.value.hint == "restore main, and land the work by a merge whose first parent is main"


@pytest.mark.usefixtures("few")
def test_a_main_that_went_back_is_refused(scene, history):
    old = scene.commit_file("a")
    new = scene.commit_file("b")
    with pytest.raises(RefusedError, match=r"step by step"):
        list(history.landings(new, old))


def test_steps_are_the_same_whoever_compares_them(scene, history, monkeypatch):
    first = scene.commit(
        **{"grants.yaml": "a", "grants/db/a.yaml": "a", "grants-old/b": "b", "swap/x": "x", "mode": "m"}
    )
    scene.run("rm", "-q", "swap/x")
    (scene.folder / "mode").chmod(0o755)
    (scene.folder / "link").symlink_to("mode")
    scene.commit(**{"swap": "file", "grants/db/ä": "ä"})
    scene.run("commit", "-q", "--allow-empty", "-m", "nothing")
    second = scene.head()
    odd = scene.commit_of(scene.raw_tree((b"100664", b"odd", scene.blob(b"o"))), second)
    twice = scene.raw_tree(*[(b"100644", b"a", scene.blob(b"o"))] * 2)
    twice = scene.commit_of(twice, odd)
    tree = scene.head(f"{second}^{{tree}}")
    for _ in range(70):
        tree = scene.raw_tree((b"40000", b"d", tree))
    deep = scene.commit_of(tree, second)
    asked = [(None, first), (None, second), (first, second), (second, odd), (odd, twice), (second, deep)]
    few = [list(history.landings(*span)) for span in asked]
    assert {step.oid: step.message for steps in few for step in steps} == history.messages(
        step.oid for steps in few for step in steps
    )
    monkeypatch.setattr("daypass.edges.git.steps._FEW", 0)
    assert [list(history.landings(*span)) for span in asked] == few


def test_landings_of_a_thousand_commits_stream(scene, history):
    parts = [
        b"commit refs/heads/main\ncommitter a <a@x> %d +0000\ndata 1\nm\nM 100644 inline g/%03d\ndata 4\n%04d\n"
        % (n, n % 300, n)
        for n in range(1000)
    ]
    scene.run("fast-import", "--quiet", stdin=b"".join(parts))
    steps = list(history.landings(None, scene.head("main")))
    assert len(steps) == 1000
    assert all(len(step.changes) == 1 for step in steps)
    stream = history.landings(None, scene.head("main"))
    next(stream)
    stream.close()


def test_commits_are_what_head_has_and_base_has_not_parents_first(scene, history):
    tip = merged(scene, evil=False)
    found = history.commits("main~1", "main")
    assert [commit.oid for commit in found] == [scene.head("feature"), tip]
    assert found[1].parents == (scene.head("main~1"), scene.head("feature"))
    assert history.commits("main", "main") == ()


def test_a_commit_is_read_with_its_people_and_whole_message(scene, history):
    base = scene.commit_file("a")
    scene.git.run(
        "commit",
        "-q",
        "--allow-empty",
        "-F",
        "-",
        stdin="Título\n\nCo-authored-by: Bob <bob@example.com>\n".encode(),
        environment={
            "GIT_AUTHOR_NAME": "Zoë \x01 Weird",
            "GIT_AUTHOR_EMAIL": "zoe@example.com",
            "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+0200",
        },
    )
    (found,) = history.commits(base, "HEAD")
    assert (found.author_name, found.author_email) == ("Zoë \x01 Weird", "zoe@example.com")
    assert found.committer_email == "alice@example.com"
    assert found.authored_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert found.message == "Título\n\nCo-authored-by: Bob <bob@example.com>\n"


def raw(author: bytes = b"A <a@x> 1 +0000", committer: bytes = b"B <b@x> 2 +0000", extra: bytes = b"") -> bytes:
    return b"tree %s\nauthor %s\ncommitter %s\n%s\nbody\n\nmore\n" % (b"4" * 40, author, committer, extra)


def test_signatures_and_notes_in_a_header_do_not_hide_people():
    found = parse_commit(
        NOWHERE, raw(extra=b"gpgsig -----BEGIN\n author Eve <eve@x> 1 +0000\n \n -----END\nencoding X\n")
    )
    assert (found.author_email, found.committer_email, found.message) == ("a@x", "b@x", "body\n\nmore\n")


def test_an_empty_name_and_bytes_that_are_no_text_are_kept():
    assert parse_commit(NOWHERE, raw(author=b" <a@x> 1 +0000")).author_name == ""
    assert parse_commit(NOWHERE, raw(author=b"\xff <a\xfe@x> 1 +0000")).author_email == "a\udcfe@x"


@pytest.mark.parametrize(
    "author",
    [
        b"Eve <bob@x> <eve@x> 1 +0000",
        b"Eve <eve@x>> 1 +0000",
        b"Eve eve@x 1 +0000",
        b"Eve <eve@x>",
        b"Eve <eve@x> soon +0000",
        b"A <a@x> 1 +0000\nauthor Eve <eve@x> 1 +0000",
        b"Eve <e\0ve@x> 1 +0000",
    ],
)
def test_an_author_that_can_be_read_in_two_ways_is_refused(author):
    with pytest.raises(RefusedError) as caught:
        parse_commit(NOWHERE, raw(author=author))
    got = author.replace(b"\nauthor ", b" / ").decode()
    assert caught.value.message == (
        f"commit {NOWHERE} has no author that can be read: expected one `Name <email> time zone`, got {got!r}"
    )
    assert caught.value.hint == "make the commit again with git itself"


def test_a_time_beyond_the_calendar_is_refused():
    with pytest.raises(RefusedError, match=rf"^commit {NOWHERE} has an impossible committer time, got 999999999999$"):
        parse_commit(NOWHERE, raw(committer=b"B <b@x> 999999999999 +0000"))


def test_merge_base_and_ancestry(scene, history):
    tip = merged(scene, evil=False)
    root = scene.head("main~2")
    assert history.merge_base("main~1", "feature") == root
    assert history.is_ancestor(root, tip)
    assert history.is_ancestor(tip, tip)
    assert not history.is_ancestor(tip, root)
    scene.run("checkout", "-q", "--orphan", "alone")
    alone = scene.commit("alone")
    assert history.merge_base(tip, alone) is None
    with pytest.raises(EdgeError, match=rf"^no commit is named '{NOWHERE}'$"):
        history.is_ancestor(NOWHERE, tip)


def unrelated(clone):
    """Make a commit that shares nothing with the others, and return its id."""
    git = ["git", "-C", str(clone), "-c", "user.name=o", "-c", "user.email=o@example.com"]
    made = [*git, "hash-object", "-t", "tree", "-w", "/dev/null"]
    tree = subprocess.run(made, capture_output=True, check=True, text=True).stdout.strip()
    made = [*git, "commit-tree", "-m", "other", tree]
    return subprocess.run(made, capture_output=True, check=True, text=True).stdout.strip()


def test_a_shallow_clone_is_refused_for_every_answer_over_history(scene, tmp_path):
    scene.commit_file("grants/db/a.yaml")
    tip = scene.commit_file("grants/db/b.yaml")
    cut = tmp_path / "cut"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{scene.folder}", str(cut)], check=True)
    history = GitHistory(Git(cut))
    assert history.is_shallow()
    other = unrelated(cut)
    for ask in (
        lambda: list(history.landings(None, tip)),
        lambda: history.merge_base(tip, history.resolve(other)),
        lambda: history.is_ancestor(tip, tip),
    ):
        with pytest.raises(RefusedError) as caught:
            ask()
        assert caught.value.message == CUT
        assert caught.value.hint == "run `git fetch --unshallow`"
    assert [entry.path for entry in history.entries("HEAD", "grants")] == ["grants/db/a.yaml", "grants/db/b.yaml"]
    subprocess.run(["git", "-C", str(cut), "fetch", "-q", "--unshallow"], check=True)
    assert len(list(history.landings(None, tip))) == 2


def test_a_shallow_clone_answers_what_its_cut_cannot_change(scene, tmp_path):
    scene.commit_file("grants/db/a.yaml")
    base = scene.commit_file("grants/db/b.yaml")
    head = scene.commit_file("grants/db/c.yaml")
    cut = tmp_path / "cut"
    subprocess.run(["git", "clone", "-q", "--depth", "2", f"file://{scene.folder}", str(cut)], check=True)
    history = GitHistory(Git(cut))
    assert history.merge_base(base, head) == base
    assert [commit.oid for commit in history.commits(base, head)] == [head]
    assert [change.path for change in history.changes(base, head)] == ["grants/db/c.yaml"]
    other = unrelated(cut)
    with pytest.raises(RefusedError, match="its history is cut"):
        history.merge_base(head, base)
    with pytest.raises(RefusedError, match="its history is cut"):
        history.commits(history.resolve(other), head)


def test_a_partial_clone_fetches_what_it_will_read_at_once(scene, tmp_path):
    for name in "abcdef":
        scene.commit_file(f"grants/db/{name}.yaml", f"{name}\n")
    scene.run("config", "uploadpack.allowFilter", "true")
    scene.run("config", "uploadpack.allowAnySHA1InWant", "true")
    part = tmp_path / "part"
    options = ("--filter=blob:none", "--no-checkout", "--depth", "1")
    subprocess.run(["git", "clone", "-q", *options, f"file://{scene.folder}", str(part)], check=True)
    history = GitHistory(Git(part))
    before = len(list((part / ".git/objects/pack").glob("*.pack")))
    oids = [entry.oid for entry in history.entries("HEAD", "grants")]
    assert [raw for _, raw in history.blobs(oids)] == [b"a\n", b"b\n", b"c\n", b"d\n", b"e\n", b"f\n"]
    assert len(list((part / ".git/objects/pack").glob("*.pack"))) <= before + 1
    assert [raw for _, raw in history.blobs(oids[:2])] == [b"a\n", b"b\n"]
    again = GitHistory(Git(part))
    scene.folder.rename(tmp_path / "gone")
    assert len(list(again.blobs(oids))) == 6, "what is here already needs no forge"


def test_a_partial_clone_whose_forge_is_gone_says_so(scene, tmp_path):
    scene.commit_file("grants/db/a.yaml", "a\n")
    scene.commit_file("grants/db/b.yaml", "b\n")
    scene.run("config", "uploadpack.allowFilter", "true")
    part = tmp_path / "part"
    options = ("--filter=blob:none", "--no-checkout", "--depth", "1")
    subprocess.run(["git", "clone", "-q", *options, f"file://{scene.folder}", str(part)], check=True)
    scene.folder.rename(tmp_path / "gone")
    history = GitHistory(Git(part))
    oids = [entry.oid for entry in history.entries("HEAD", "grants")]
    with pytest.raises(EdgeError, match=r"^2 files or folders that this clone left at origin cannot be fetched: "):
        list(history.blobs(oids))


def test_a_bare_clone_answers_as_the_repository_does(scene, history, tmp_path):
    tip = merged(scene, evil=True)
    bare = tmp_path / "bare"
    subprocess.run(["git", "clone", "-q", "--bare", str(scene.folder), str(bare)], check=True)
    other = GitHistory(Git(bare))
    assert list(other.landings(None, tip)) == list(history.landings(None, tip))
    assert list(other.entries("main")) == list(history.entries("main"))
    assert list(other.entries("main", "grants")) == list(history.entries("main", "grants"))


def test_nobodys_settings_change_an_answer(scene, history):
    tip = merged(scene, evil=True)
    scene.run("mv", "docs/x.md", "docs/ä.md")
    scene.write("grants/db/a.yaml", "a\n")
    end = scene.commit("move")

    def ask():
        return (
            list(history.landings(None, end)),
            history.changes(tip, end),
            history.commits("feature", "main"),
            list(history.entries("main")),
            history.merge_base("feature", "main"),
        )

    before = ask()
    for name, value in {
        "log.showSignature": "true",
        "log.diffMerges": "off",
        "log.follow": "true",
        "diff.renames": "copies",
        "diff.noprefix": "true",
        "diff.relative": "true",
        "diff.external": "false",
        "diff.ignoreSubmodules": "all",
        "diff.orderFile": str(scene.folder / "order"),
        "core.quotepath": "true",
        "core.abbrev": "7",
        "color.ui": "always",
        "core.pager": "false",
        "i18n.logOutputEncoding": "ISO-8859-1",
        "format.pretty": "oneline",
        "alias.diff-tree": "!false",
    }.items():
        scene.run("config", name, value)
    scene.write("order", "docs/*\n")
    assert ask() == before


def test_a_submodule_that_asks_to_be_ignored_is_seen(scene, history):
    tree = scene.tree(("160000", NOWHERE, b"sub"))
    other = scene.tree(("160000", "2" * 40, b"sub"))
    base = scene.commit_of(tree)
    head = scene.commit_of(other, base)
    scene.write(".gitmodules", '[submodule "sub"]\n\tpath = sub\n\turl = x\n\tignore = all\n')
    scene.run("config", "submodule.sub.ignore", "all")
    assert [change.path for change in history.changes(base, head)] == ["sub"]
    assert [change.path for change in next(history.landings(base, head)).changes] == ["sub"]


def test_replaced_objects_and_grafts_are_not_believed(scene, history):
    first = scene.commit_file("a", "one")
    second = scene.commit_file("a", "two")
    oid = scene.blob(b"one")
    scene.run("replace", oid, scene.blob(b"swapped"))
    (scene.folder / ".git" / "info" / "grafts").write_text(f"{second}\n")
    assert dict(history.blobs([oid])) == {oid: b"one"}
    assert [step.oid for step in history.landings(None, second)] == [first, second]


def test_the_callers_shell_does_not_name_another_repository(scene, history, make_scene, monkeypatch):
    tip = scene.commit_file("a")
    other = make_scene("other")
    other.commit_file("b")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.folder / ".git" / "objects"))
    assert history.resolve("main") == tip
    assert [entry.path for entry in history.entries("main")] == ["a"]


def test_a_limit_keeps_large_blobs_out(scene):
    oid = scene.blob(b"0123456789")
    assert list(GitHistory(scene.git, blob_limit=4).blobs([oid])) == [(oid, b"01234")]
    assert list(GitHistory(scene.git).blobs([oid])) == [(oid, b"0123456789")]


def test_hostile_names_survive_a_comparison(scene, history):
    oid = scene.blob(b"x")
    names = [b":100644 100644 x", b"a\nb", b"caf\xc3\xa9", b"\xff"]
    base = scene.commit_of(scene.tree())
    head = scene.commit_of(scene.tree(*[("100644", oid, name) for name in names]), base)
    found = [change.path.encode("utf-8", "surrogateescape") for change in history.changes(base, head)]
    assert found == sorted(names)


def test_a_git_that_is_not_there_is_an_error(scene, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EdgeError, match=r"^git cannot be started: ") as caught:
        GitHistory(scene.git).find("main")
    assert caught.value.hint == "install git 2.37 or newer"


def test_history_implements_the_port():
    from daypass.ports import History

    wanted = {name for name in vars(History) if not name.startswith("_")}
    assert wanted <= set(dir(GitHistory))
