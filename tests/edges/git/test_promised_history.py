"""A thin clone's history, fetched from where it was cloned while nobody knows the forge."""

from __future__ import annotations

import pytest

from daypass.core.errors import EdgeError
from daypass.edges.git import promised as promises
from daypass.edges.git.history import GitHistory
from daypass.edges.git.promised import promised


@pytest.fixture
def thin(make_scene, monkeypatch):
    """Return a thin clone of a branch, and the branch's commits."""
    monkeypatch.setattr(promises, "DEPTHS", (1, 2))
    there, here = make_scene("there"), make_scene("here")
    for name in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        there.run("config", name, "true")
    made = [there.commit(str(number), file=str(number)) for number in range(5)]
    here.run("remote", "add", "origin", there.folder.as_uri())
    here.run("config", "remote.origin.promisor", "true")
    here.run("config", "remote.origin.partialclonefilter", "tree:0")
    here.run("fetch", "-q", "--no-tags", "--filter=tree:0", "--depth=1", "origin", made[-1])
    return here, made


def test_history_comes_until_all_of_it_is_here_and_again_where_it_was_cut_anew(thin) -> None:
    here, made = thin
    for _ in range(2):
        here.run("fetch", "-q", "--no-tags", "--filter=tree:0", "--depth=1", "origin", made[-1])
        assert here.git.is_shallow()
        history = GitHistory(here.git, deepen=promised(here.git).deepening(made[-1]))
        assert [step.oid for step in history.landings(None, made[-1])] == made
    assert here.run("for-each-ref") == ""


def test_more_is_asked_for_until_nothing_is_left_to_ask(thin) -> None:
    here, made = thin
    deepen = promised(here.git).deepening(made[-1])
    assert [deepen(), deepen(), deepen()] == [True, True, False]


def test_where_it_cannot_be_fetched_that_is_said(thin) -> None:
    here, made = thin
    here.run("config", "remote.origin.url", (here.folder.parent / "nowhere").as_uri())
    with pytest.raises(EdgeError, match="what this clone left of history at origin cannot be fetched: fatal: "):
        promised(here.git).deepening(made[-1])()


def test_a_whole_clone_lacks_nothing(scene) -> None:
    assert not promised(scene.git).deepening(scene.commit())()
