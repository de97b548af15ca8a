"""A verb lets go of what it opened when it ends, without waiting for a collector: a watch or a server runs many in one process."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from driver import Access, readers


@pytest.mark.on_disk
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check",), 0),
        (("plan",), 0),
        (("apply",), 0),
        (("status",), 0),
        (("audit", "verify"), 0),
        (("audit", "access", "--resource", "orders-db"), 0),
        (("show", "orders-db/nobody"), 2),
    ],
)
def test_no_process_of_git_outlives_a_verb(access: Access, words: tuple[str, ...], code: int) -> None:
    before = readers(os.getpid())
    gc.disable()
    try:
        access.run(*words, expect=code)
        assert readers(os.getpid()) == before
    finally:
        gc.enable()


@pytest.mark.on_disk
def test_a_clone_that_nobody_reads_any_more_is_let_go_of(access: Access) -> None:
    """With it go the process of git that reads it, and what was seen of the clone."""
    gc.disable()
    try:
        repo = access.repo()
        assert repo.policy.catalogue.resources
        git = weakref.ref(repo.clone.git)
        assert repo.standing.next_sequence > 0
        assert readers(os.getpid()) > 0
        del repo
        assert git() is None
    finally:
        gc.enable()


def test_a_proof_leaves_the_collector_as_it_was(access: Access) -> None:
    before = gc.get_threshold()
    access.run("audit", "verify")
    assert gc.get_threshold() == before
