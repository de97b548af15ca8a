"""The ports in memory answer as the real ones do: the forge's contract, and the same stories told to git and to memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forge_suite import ForgeContract, minute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import ConflictError, DaypassError
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.chain import Envelope
from daypass.edges.git.history import GitHistory
from daypass.edges.git.plumbing import Git
from daypass.edges.git.trees import commit_files
from daypass.edges.ledger.ledger import GitLedger
from in_memory.forge import Event, MemoryForge
from in_memory.history import MemoryHistory
from in_memory.objects import Objects
from in_memory.receipts import MemoryReceipts

MAIN = "refs/heads/main"
DAVE = ("Dave", "dave@example.com")


class MemoryPlace:
    """A forge in memory with everybody in it."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.history = MemoryHistory(self.objects)
        self._pulls: dict[int, tuple[Event, ...]] = {}
        people = ("alice", "bob", "carol", "dave")
        subjects = {who: Subject(handle=who, emails=(f"{who}@example.com",)) for who in people}
        self._directory = Directory(subjects, {})
        self._advance(ABSENT, [("README.md", b"main\n"), ("grants/old.yaml", b"old\n")])

    def _advance(self, tip: Oid, files: list[tuple[str, bytes]]) -> Oid:
        parents = (tip,) if tip != ABSENT else ()
        made = self.objects.commit_files(tip, files, parents, "change", author=DAVE, at=minute(0))
        self.objects.move({MAIN: (tip, made)})
        return made

    def forge(self, who: str) -> MemoryForge:
        return MemoryForge(self.objects, self._pulls, self._directory, acting=who)

    def main(self) -> Oid:
        return self.objects.refs[MAIN]

    def advance_main(self) -> Oid:
        return self._advance(self.main(), [("README.md", b"changed\n")])


class TestMemoryForge(ForgeContract):
    @pytest.fixture
    def place(self) -> MemoryPlace:
        return MemoryPlace()


PATHS = ("grants/a.yaml", "grants/b/c.yaml", "grants/b.yaml", "policies/x", "README")
_FILES = st.dictionaries(
    st.sampled_from(PATHS), st.one_of(st.none(), st.sampled_from([b"", b"one\n", b"two\n"])), max_size=3
)
_STEPS = st.lists(st.tuples(st.lists(st.integers(0, 7), max_size=2, unique=True), _FILES), min_size=2, max_size=7)
"""Commits: the places of their parents among those before (too high a number: none), and what they put or delete."""


class Twice:
    """One story of commits, told to git and to memory; ids of the one stand at the same places as those of the other."""

    def __init__(self, git: Git) -> None:
        self.git = git
        self.objects = Objects()
        self.real, self.memory = GitHistory(git), MemoryHistory(self.objects)
        self.ids: list[tuple[Oid, Oid]] = []
        self._same: dict[Oid, int] = {}
        self._empty = Oid(git.text("hash-object", "-t", "tree", "-w", "--stdin", stdin=b""))

    def commit(self, parents: list[int], files: dict[str, bytes | None]) -> None:
        at, message = minute(len(self.ids)), f"step {len(self.ids)}\n"
        mine = [self.ids[place] for place in parents if place < len(self.ids)]
        there = self.objects.stored(mine[0][1]).tree if mine else {}
        puts = [(path, content) for path, content in files.items() if content is not None or path in there]
        real = commit_files(
            self.git, mine[0][0] if mine else self._empty, puts, [one for one, _ in mine], message, author=DAVE, at=at
        )
        memory = self.objects.commit_files(
            mine[0][1] if mine else ABSENT, puts, [other for _, other in mine], message, author=DAVE, at=at
        )
        self.ids.append((real, memory))
        self._same |= {real: len(self.ids) - 1, memory: len(self.ids) - 1}

    def plain(self, answer: Any) -> Any:
        """Return an answer with each commit as its place in the story."""
        if isinstance(answer, str):
            return self._same.get(Oid(answer), answer)
        if hasattr(answer, "__next__"):
            return self.plain(list(answer))
        if isinstance(answer, tuple | list):
            return [self.plain(one) for one in answer]
        if hasattr(answer, "oid") and not hasattr(answer, "mode"):
            return [self.plain(getattr(answer, name)) for name in type(answer).__match_args__]
        return answer

    def compare(self, ask: Callable[[Any, list[Oid]], Any]) -> None:
        """Hold what memory answers against what git does, refusals included."""
        real, memory = ([one for one, _ in self.ids], self.real), ([other for _, other in self.ids], self.memory)
        told = []
        for ids, history in (real, memory):
            try:
                told.append(self.plain(ask(history, ids)))
            except DaypassError as error:
                told.append(type(error).__name__)
        assert told[0] == told[1]


@given(steps=_STEPS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_history_in_memory_answers_as_git_does(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    git = Git(tmp_path_factory.mktemp("told"))
    git.run("init", "--quiet", "--bare")
    story = Twice(git)
    for parents, files in steps:
        story.commit(parents, files)
    last = len(steps) - 1
    for one in range(len(steps)):
        story.compare(lambda history, ids, one=one: history.entries(ids[one]))
        story.compare(lambda history, ids, one=one: history.entries(ids[one], "grants/b"))
        story.compare(lambda history, ids, one=one: history.entries(ids[one], "grants", without=("b", "nobody")))
        story.compare(lambda history, ids, one=one: dict(history.folders(ids[one], "grants")))
        story.compare(lambda history, ids, one=one: sorted(history.folders(ids[one], "nowhere")))
        story.compare(lambda history, ids, one=one: history.files(ids[one], "grants", lambda e: "b" in e.path))
        for other in (0, last):
            story.compare(
                lambda history, ids, one=one, other=other: (
                    history.folder(ids[one], "grants") == history.folder(ids[other], "grants"),
                    history.folder(ids[one], "policies") == "",
                )
            )
            story.compare(lambda history, ids, one=one, other=other: history.changes(ids[one], ids[other]))
            story.compare(lambda history, ids, one=one, other=other: history.changes(ids[one], ids[other], most=3))
            story.compare(
                lambda history, ids, one=one, other=other: sorted(history.merge_bases(ids[one], ids[other])) and 1
            )
            story.compare(lambda history, ids, one=one, other=other: len(history.merge_bases(ids[one], ids[other])))
            story.compare(lambda history, ids, one=one, other=other: history.is_ancestor(ids[one], ids[other]))
            story.compare(lambda history, ids, one=one, other=other: history.landings(ids[one], ids[other]))
            story.compare(
                lambda history, ids, one=one, other=other: sorted(
                    c.message for c in history.commits(ids[one], ids[other])
                )
            )
    story.compare(lambda history, ids: history.landings(None, ids[last]))
    story.compare(lambda history, _: history.find("nothing"))
    story.compare(lambda history, _: history.resolve("nothing"))
    story.compare(lambda history, _: list(history.blobs([Oid("1" * 40)])))


@pytest.fixture(params=["git", "memory"])
def branch(request: pytest.FixtureRequest, tmp_path: Path) -> GitLedger | MemoryReceipts:
    if request.param == "memory":
        return MemoryReceipts(Objects(), "daypass-ledger")
    git = Git(tmp_path)
    git.run("init", "--quiet", "--bare")
    return GitLedger(git, "daypass-ledger")


def test_a_ledgers_branch_takes_receipts_in_order_and_from_who_saw_the_last(branch: GitLedger | MemoryReceipts) -> None:
    assert not branch.exists()
    with pytest.raises(DaypassError, match="the ledger is missing"):
        branch.head()
    three = [Envelope(number, b"receipt %d" % number) for number in range(3)]
    first = branch.append(ABSENT, three[:1], message="Begin", at=minute(0))
    assert (branch.exists(), branch.head()) == (True, first)
    with pytest.raises(ConflictError, match=f"another run was first: the ledger stands at {first[:12]}, expected 0"):
        branch.append(ABSENT, three[:1], message="Begin", at=minute(0))
    second = branch.append(first, three[1:], message="Go on", at=minute(0) + timedelta(days=1))
    branch.refresh()
    assert list(branch.envelopes()) == three
    assert list(branch.envelopes(1)) == three[1:]
    assert list(branch.envelopes(commit=first)) == three[:1]
    assert list(branch.added(first, second, since=1)) == three[1:]
    assert branch.envelope(2, commit=second) == three[2].raw
    assert branch.envelope(2, commit=first) is None
    assert (branch.contains(first, second), branch.contains(second, first)) == (True, False)
    assert not branch.contains(Oid("1" * 40), second)
    assert (branch.verify_shape(), branch.verify_shape(first, second)) == (2, 1)
