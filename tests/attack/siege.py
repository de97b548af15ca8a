"""What attacks at GitHub have in common: people with their own tokens, and what must not come of it."""

from __future__ import annotations

from daypass.edges.targets.embedded.target import EmbeddedTarget
from hub import REPOSITORY, Hub


def held(hub: Hub) -> set[str]:
    """Who has access at the target."""
    store = hub.top / "state" / "embedded.sqlite"
    return {e.principal for e in EmbeddedTarget(store, "embedded").observe()}


def merge_by_hand(hub: Hub, number: int, who: str = "olga", method: str = "squash") -> None:
    hub.api(who, "PUT", f"/repos/{REPOSITORY}/pulls/{number}/merge", {"merge_method": method})


def refused(hub: Hub, code: str) -> str:
    """Apply; the grant must give nothing, with this code. Returns what was said."""
    said = hub.run("apply", expect=14)
    assert f"[{code}]" in said.out, said.out
    assert held(hub) == set()
    hub.run("apply", expect=14)
    assert held(hub) == set(), "a later run gives nothing either"
    hub.run("audit", "verify")
    return said.out


def waits(hub: Hub, number: int) -> str:
    """Ask the gate; it must not merge. Returns what was said."""
    said = hub.run("gate", str(number), expect=None)
    assert said.code in (10, 11, 12), said.out + said.err
    assert hub.pull(number)["merged"] is False
    return said.out
