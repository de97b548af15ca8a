"""The worked example stands at the double as it would at GitHub."""

from __future__ import annotations

from pathlib import Path

from hub import Hub


def test_the_example_is_there_for_people_and_for_the_app(tmp_path: Path) -> None:
    with Hub(tmp_path) as hub:
        alice = hub.clone("alice")
        assert (alice / "policies" / "daypass.yaml").read_text(encoding="utf-8").count("acme/access") == 1
        assert hub.head("daypass-ledger") != hub.head()
        number = hub.request_pull("alice", hub.grant())
        assert hub.pull(number)["user"]["id"] == 583231
        hub.approve(number, "bob")
        reviews = hub.api("dave", "GET", f"/repos/acme/access/pulls/{number}/reviews")
        assert [(r["user"]["id"], r["state"]) for r in reviews] == [(583232, "APPROVED")]
