"""`daypass import` where pull requests live at GitHub: one request, opened by whoever runs it, approved like any other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets.embedded.target import EmbeddedTarget
from fakes.orders import add
from hub import REPOSITORY, Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as made:
        yield made


def test_one_pull_request_of_who_runs_it_which_its_owner_can_read_and_prune(hub: Hub) -> None:
    hub.run("status", who="alice")  # her own clone
    for who in ("erin", "mallory"):
        store = EmbeddedTarget(hub.clone("alice") / ".git" / "daypass" / "embedded.sqlite", "embedded")
        one = Entitlement("embedded", "orders-db", who, canonical({"member_of": "orders_readonly"}))
        add(store, one, datetime(2040, 1, 1, tzinfo=UTC))
    said = hub.run("import", "orders-db", who="alice")
    assert said.out.startswith(
        "Opened #1: Import 1 grants of existing access to orders-db\n  taken  erin  erin readonly"
    )
    pull = hub.pull(1)
    assert (pull["user"]["login"], pull["head"]["ref"]) == ("alice-ngo", "daypass/import/orders-db")
    assert "- `erin` (`erin`) `readonly`, until " in pull["body"]
    assert "Delete the file of whatever should not be granted" in pull["body"]
    assert "- `mallory`" in pull["body"]
    files = hub.api("olga", "GET", f"/repos/{REPOSITORY}/pulls/1/files")
    assert [(one["status"], one["filename"].startswith("grants/orders-db/erin-")) for one in files] == [("added", True)]
    again = hub.run("import", "orders-db", who="alice")
    assert again.out.startswith("#1 is open: ")
    said = hub.run("gate", "1", expect=12)
    hub.approve(1, "bob")
    hub.approve(1, "dave")
    hub.run("gate", "1")
    assert hub.pull(1)["merged"] is True
    assert store.observe()  # nothing is taken away by it
