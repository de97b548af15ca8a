"""The ledger's branch deleted, cut and rewritten at GitHub, and put back from the clone that applies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Hub

BRANCH = "daypass-ledger"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as found:
        yield found


@pytest.fixture
def whole(hub: Hub) -> str:
    """A grant was applied; return where the ledger stands."""
    number = hub.request_pull("alice", hub.grant())
    hub.approve(number, "bob")
    hub.approve(number, "dave")
    hub.run("gate", str(number))
    hub.run("apply")
    return hub.head(BRANCH)


@pytest.mark.parametrize("how", ["deleted", "cut", "rewritten"])
def test_it_is_put_back(hub: Hub, whole: str, how: str) -> None:
    here = hub.clone("steady")
    first = hub.bare("rev-list", "--max-parents=0", BRANCH).strip()
    if how == "deleted":
        hub.bare("update-ref", "-d", f"refs/heads/{BRANCH}")
    else:
        hub.bare("update-ref", f"refs/heads/{BRANCH}", first if how == "cut" else hub.head())
    hub.run("apply", expect=14 if how == "deleted" else 1, folder=here)
    said = hub.run("ledger", "restore", folder=here)
    assert "Put back at the remote" in said.err
    assert hub.head(BRANCH) == whole
    hub.run("apply", folder=here)
    hub.run("audit", "verify", folder=here)
