"""A verb lets go of what it opened when it ends, without waiting for a collector: a watch or a server runs many in one process."""

from __future__ import annotations

import gc
import os

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


def test_a_proof_leaves_the_collector_as_it_was(access: Access) -> None:
    before = gc.get_threshold()
    access.run("audit", "verify")
    assert gc.get_threshold() == before
