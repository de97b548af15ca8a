"""The audit index over real repositories: what it reads, how it is built on, and when it is built anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from daypass.cli.quick.place import _read_subject
from daypass.core.errors import EdgeError
from daypass.core.ids import ABSENT, Oid
from daypass.edges import kept
from daypass.edges.git import steps
from daypass.edges.git.history import GitHistory
from daypass.edges.git.index import AuditIndex, building
from daypass.edges.git.plumbing import Git
from daypass.edges.git.trees import commit_tree
from daypass.edges.kept import KeptFiles
from git_trees import write_tree
from repositories import new_repository, store_tree

AT = datetime(2026, 11, 21, tzinfo=UTC)


def _no_ledger():
    raise AssertionError("the ledger is opened for what follows it alone")


class Repo:
    def __init__(self, folder, kind="sha1"):
        new_repository(folder, bare=True, algorithm=kind)
        self.git = Git(folder)
        self.folder = folder
        self.main = Oid(store_tree(folder, (), algorithm=kind))
        self.started = False

    def commit(self, files, *others, message="x", links=()):
        tree = write_tree(self.git, self.main, [(path, raw) for path, raw in files])
        if links:
            tree = write_tree(self.git, tree, links)
        parents = ([self.main] if self.started else []) + list(others)
        made = commit_tree(self.git, tree, parents, message, author=("a", "a@b"), at=AT)
        (self.folder / "refs" / "heads" / "main").write_text(f"{made}\n")
        self.main, self.started = made, True
        return made

    def index(self, reader=_read_subject, progress=None):
        return AuditIndex(
            self.git, main="refs/heads/main", read_subject=reader, open_ledger=_no_ledger, progress=progress
        )

    def built(self, **options):
        index = self.index(**options)
        index.refresh()
        return index


def grant(subject, extra=""):
    return f"version: 1\nsubject: {subject}\nrole: r\n{extra}".encode()


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "r.git")


def told(index, **about):
    return [(step.grant, named, step.old == ABSENT, step.removed) for step, named in index.steps(**about)]


def test_files_added_changed_and_removed_are_steps(repo):
    repo.commit([("grants/db/one.yaml", grant("alice")), ("policies/x.yaml", b"x")])
    repo.commit([("grants/db/one.yaml", grant("bob"))])
    repo.commit([("policies/x.yaml", b"y")])
    repo.commit([("grants/db/one.yaml", None), ("grants/db/two.yaml", grant("carol"))])
    assert told(repo.built(), resource="db") == [
        ("db/one", "alice", True, False),
        ("db/one", "bob", False, False),
        ("db/one", "", False, True),
        ("db/two", "carol", True, False),
    ]


def test_names_are_found_exactly(repo):
    repo.commit([(f"grants/{name}.yaml", grant("alice")) for name in ("db/one", "db-two/one", "d/one", "db0/one")])
    index = repo.built()
    assert told(index, resource="db") == [("db/one", "alice", True, False)]
    assert index.grants_of("alice") == ("d/one", "db-two/one", "db/one", "db0/one")
    assert index.grants_of("alic") == ()


def test_an_evil_merge_is_seen(repo):
    base = repo.commit([("grants/db/one.yaml", grant("alice"))])
    side = commit_tree(
        repo.git, write_tree(repo.git, base, [("docs/a", b"a")]), [base], "side", author=("a", "a@b"), at=AT
    )
    merge = repo.commit([("docs/a", b"a"), ("grants/db/evil.yaml", grant("mallory"))], side)
    ((step, _),) = repo.built().steps(grants=("db/evil",))
    assert step.commit == merge


def test_what_is_no_plain_file_is_a_step_without_a_subject(repo):
    start = repo.commit([("README", b"x")])
    blob = Oid(repo.git.text("hash-object", "-w", "--stdin", stdin=grant("alice")))
    repo.commit([], links=[("grants/db/link.yaml", ("120000", blob)), ("grants/db/module.yaml", ("160000", start))])
    assert told(repo.built(), resource="db") == [("db/link", "", True, False), ("db/module", "", True, False)]


def test_hostile_names_are_kept(repo):
    repo.commit([("grants/db/a b\n.yaml", grant("alice")), ("grants/db/:1 2 3.yaml", grant("bob"))])
    assert [row[0] for row in told(repo.built(), resource="db")] == ["db/:1 2 3", "db/a b\n"]


def test_each_content_is_read_once_and_only_when_a_question_is_about_it(repo):
    asked = []

    def reader(path, raw):
        asked.append(path)
        return "carol"

    repo.commit([("grants/db/one.yaml", grant("alice")), ("grants/web/two.yaml", grant("bob"))])
    repo.commit([("grants/web/two.yaml", None)])
    index = repo.built(reader=reader)
    assert asked == []
    assert told(index, resource="db") == [("db/one", "carol", True, False)]
    assert asked == ["grants/db/one.yaml"]
    assert index.grants_of("carol") == ("db/one", "web/two")
    assert index.grants_of("carol") == ("db/one", "web/two")
    assert asked == ["grants/db/one.yaml", "grants/web/two.yaml"]


def test_a_history_that_was_rewritten_keeps_what_was_read_of_the_files(repo):
    first = repo.commit([("grants/db/one.yaml", grant("alice"))])
    assert repo.built().grants_of("alice") == ("db/one",)
    repo.git.run("update-ref", "-d", "refs/heads/main", first)
    repo.started = False
    repo.commit([], message="another beginning")
    index = repo.index(reader=lambda path, raw: pytest.fail(f"{path} was read again"))
    assert index.refresh() != ""
    assert index.grants_of("alice") == ("db/one",)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (grant("alice"), "alice"),
        (b"subject:   a.b-c_d  \r\nrole: r\r\n", "a.b-c_d"),
        (grant("alice", 'reason: "x\nsubject: bob"\n'), None),  # not indented: no document that two readers read alike
        (grant("alice", "subject: bob\n"), None),
        (b'"\\x73ubject": bob\n', "bob"),
        (b"subject: *anchor\n", None),
        (b"subject: alice # or bob\n", "alice"),
        (b"subject: 'alice'\n", "alice"),
        (b"subject: [alice]\n", None),
        (b"version: 1\n", None),
        (b"- subject\n", None),
    ],
)
def test_the_subject_of_a_file_is_what_the_one_reader_of_documents_reads(raw, expected):
    assert _read_subject("grants/db/one.yaml", raw) == expected


def test_built_in_steps_equals_built_at_once(repo, monkeypatch):
    monkeypatch.setattr(steps, "_CHUNK", 3)
    monkeypatch.setattr(steps, "_SMALLEST", 1)
    for n in range(20):
        repo.commit([(f"grants/db/g{n % 7}.yaml", grant(f"s{n}") if n % 5 else None if n >= 7 else grant("x"))])
        if n % 6 == 0:
            repo.built()
    stepwise = told(repo.built(), resource="db")
    repo.index().path.unlink()
    assert told(repo.built(), resource="db") == stepwise
    assert len(stepwise) == 20


def test_an_index_that_is_up_to_date_reads_nothing(repo, monkeypatch):
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    assert told(repo.built(), resource="db") != []
    index = repo.index()
    monkeypatch.setattr(Git, "run", None)
    monkeypatch.setattr(Git, "stream", None)
    assert index.refresh() == ""
    assert told(index, resource="db") == [("db/one", "alice", True, False)]


def test_a_history_rewound_is_built_anew(repo):
    first = repo.commit([("grants/db/one.yaml", grant("alice"))])
    second = repo.commit([("grants/db/two.yaml", grant("bob"))])
    repo.built()
    repo.git.run("update-ref", "refs/heads/main", first)
    index = repo.index()
    assert index.refresh() == f"main's history was rewritten: {second[:12]}, indexed before, is no longer a step of it"
    assert index.grants_of("bob") == ()


def test_an_indexed_commit_that_is_gone_altogether_builds_anew(repo):
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    repo.built()
    path = repo.index().path
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("update meta set value = ? where key = 'main'", ("1" * 40,))
    database.close()
    assert repo.index().refresh().startswith("main's history was rewritten: 111111111111")


def test_another_format_is_built_anew(repo):
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    path = repo.built().path
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("update meta set value = '0' where key = 'version'")
    database.close()
    assert repo.index().refresh() == "the index has the format '0', and this daypass writes '8'"


def test_what_files_hold_is_read_once_and_forgotten_with_them(repo, monkeypatch):
    repo.commit([("grants/db/one.yaml", grant("alice")), ("grants/db/two.yaml", grant("bob"))])
    index = repo.built()
    one, two = (Oid(step.new) for step, _ in index.steps(resource="db"))
    asked = [one, two, Oid("1" * 40), repo.main]
    assert index.contents(asked) == {one: grant("alice"), two: grant("bob")}
    monkeypatch.setattr(kept, "present", lambda git, oids, kind, limit: dict.fromkeys(oids, b"read").items())
    assert repo.index().contents(asked) == {one: grant("alice"), two: grant("bob")}
    (repo.folder / "objects" / one[:2] / one[2:]).unlink()
    repo.git.batch.close()
    assert repo.index().contents(asked) == {two: grant("bob")}
    with closing(sqlite3.connect(index.path)) as database, database:
        assert database.execute("select oid from files").fetchall() == [(two,)]
    database.close()
    monkeypatch.setattr(kept, "_MOST", 1)
    assert repo.index().contents(asked) == dict.fromkeys(asked, b"read")


def _unreadable(*_):
    raise EdgeError("no reading today")


def test_a_build_that_fails_leaves_nothing_behind(repo, monkeypatch):
    monkeypatch.setattr(steps, "_rows", _unreadable)
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    index = repo.index()
    with pytest.raises(EdgeError, match="no reading today"):
        index.refresh()
    assert list(index.path.parent.iterdir()) == []


def test_an_addition_that_fails_leaves_the_index_as_it_was(repo, monkeypatch):
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    repo.built()
    before = repo.index().path.read_bytes()
    repo.commit([("grants/db/two.yaml", grant("bob"))])
    with monkeypatch.context() as patch:
        patch.setattr(steps, "_rows", _unreadable)
        with pytest.raises(EdgeError, match="no reading today"):
            repo.index().refresh()
    assert repo.index().path.read_bytes() == before
    assert told(repo.built(), resource="db")[1][0] == "db/two"


def test_an_index_that_breaks_beyond_its_first_page_is_named_with_what_to_do(repo):
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    index = repo.built()
    whole, raw = told(index, resource="db"), index.path.read_bytes()
    index.path.write_bytes(raw[:4096] + b"\x7f" * (len(raw) - 4096))
    with pytest.raises(EdgeError, match=r"audit\.sqlite cannot be used: ") as told_of:
        told(index, resource="db")
    assert "run the command again" in told_of.value.hint
    assert told(repo.built(), resource="db") == whole


def test_a_full_disk_is_said_where_an_index_is_built(repo, monkeypatch):
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    monkeypatch.setattr(building, "_TABLES", f"pragma max_page_count = 2; {building._TABLES}")
    with pytest.raises(EdgeError, match="cannot be used: database or disk is full") as told_of:
        repo.built()
    assert "room on the disk" in told_of.value.hint
    assert list(repo.index().path.parent.iterdir()) == []


def test_a_missing_object_is_an_error_of_the_questions_that_need_it(repo):
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    index = repo.built()
    blob = repo.git.text("rev-parse", "main:grants/db/one.yaml")
    (repo.folder / "objects" / blob[:2] / blob[2:]).unlink(missing_ok=True)
    for pack in (repo.folder / "objects" / "pack").glob("*"):
        pack.unlink()
    for ask in (lambda: index.grants_of("bob"), lambda: index.steps(resource="db")):
        with pytest.raises(EdgeError):
            ask()


def test_a_revision_that_names_nothing_is_refused(repo):
    for name in ("refs/heads/nope", "--all"):
        with pytest.raises(EdgeError) as caught:
            AuditIndex(repo.git, main=name, read_subject=lambda path, raw: None, open_ledger=_no_ledger)
        assert caught.value.message == f"{name!r} names no commit"


def test_messages_are_read_whole_and_a_missing_commit_is_an_error(repo):
    commit = repo.commit([("a", b"a")], message="One\n\nTwo\n\nKey: value\n")
    assert GitHistory(repo.git).messages([commit, commit]) == {commit: "One\n\nTwo\n\nKey: value\n"}
    assert GitHistory(repo.git).messages([]) == {}
    with pytest.raises(EdgeError) as caught:
        GitHistory(repo.git).messages([Oid("1" * 40)])
    assert caught.value.message == f"object {'1' * 40} is missing"


def test_a_repository_of_sha256_objects_is_read_alike(tmp_path):
    repo = Repo(tmp_path / "s.git", "sha256")
    commit = repo.commit([("grants/db/one.yaml", grant("alice"))])
    repo.commit([("grants/db/one.yaml", None)])
    found = repo.built().steps(resource="db")
    assert [(step.commit == commit, named) for step, named in found] == [(True, "alice"), (False, "")]


def test_progress_counts_commits(repo):
    said = []
    repo.commit([("grants/db/one.yaml", grant("alice"))])
    repo.commit([("b", b"b")])
    repo.built(progress=lambda *told: said.append(told))
    assert said == [(2, 2, "commits")]


class TestKeptFiles:
    """What is kept of files' contents is a cache beside git, of what stood on main."""

    @pytest.fixture
    def asked(self, repo):
        repo.commit([("grants/db/one.yaml", grant("alice")), ("grants/db/two.yaml", grant("bob"))])
        return [Oid(step.new) for step, _ in repo.built().steps(resource="db")]

    @staticmethod
    def rows(index):
        with closing(sqlite3.connect(index.path)) as database:
            return dict(database.execute("select oid, raw from files").fetchall())

    @pytest.mark.parametrize("how", ["immediate", "exclusive"])
    def test_an_index_that_another_run_holds_changes_no_answer_and_is_not_waited_for(self, repo, asked, how):
        index = repo.index()
        before = index.contents(asked[:1])
        with closing(sqlite3.connect(index.path, isolation_level=None)) as other:
            other.execute(f"begin {how}")
            assert index.contents(asked) == before | {asked[1]: grant("bob")}
        assert self.rows(index) == before

    def test_a_disk_that_is_full_changes_no_answer(self, repo, asked, monkeypatch):
        def full(connection):
            connection.execute("pragma max_page_count = 1")  # no more than there are
            return connection

        index, connect = repo.index(), KeptFiles._connect
        big = repo.commit([("grants/db/big.yaml", grant("carol", "#" * 100_000))])
        repo.built()
        blob = Oid(repo.git.text("rev-parse", f"{big}:grants/db/big.yaml"))
        monkeypatch.setattr(KeptFiles, "_connect", lambda files: full(connect(files)))
        assert index.contents([blob]) == {blob: grant("carol", "#" * 100_000)}
        assert self.rows(index) == {}

    @pytest.mark.parametrize("raw", [grant("mallory"), "text", b""])
    def test_what_is_not_the_words_of_its_id_is_read_of_git_and_mended(self, repo, asked, raw):
        index = repo.index()
        before = index.contents(asked)
        with closing(sqlite3.connect(index.path)) as database, database:
            database.execute("update files set raw = ?", (raw,))
        assert repo.index().contents(asked) == before == self.rows(index)

    def test_what_never_stood_on_main_is_not_kept(self, repo, asked):
        blob = Oid(repo.git.text("hash-object", "-w", "--stdin", stdin=grant("carol", "reason: secret\n")))
        index = repo.index()
        assert index.contents([*asked, blob])[blob] == grant("carol", "reason: secret\n")
        assert index.contents([blob])[blob] == grant("carol", "reason: secret\n")
        assert self.rows(index).keys() == {*asked}
        assert b"secret" not in index.path.read_bytes()

    def test_what_git_has_no_longer_leaves_no_word_in_the_file(self, repo, asked):
        index = repo.index()
        index.contents(asked)
        assert grant("alice") in index.path.read_bytes()
        (repo.folder / "objects" / asked[0][:2] / asked[0][2:]).unlink()
        repo.git.batch.close()
        assert index.contents(asked) == {asked[1]: grant("bob")}
        assert grant("alice") not in index.path.read_bytes()
