"""What a pull request that changes policies would change, beside the gate's word on it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, cast

import pytest
from msgspec.structs import replace

from daypass.cli.quick.place import index_of
from daypass.core.errors import LedgerError
from daypass.pipeline.audit.change import policy_change
from daypass.pipeline.audit.replay import replay
from daypass.pipeline.judge.gate import look
from daypass.views.policy.compared import change_markdown
from driver import Access
from report_world import T, propose

if TYPE_CHECKING:
    from daypass.core.audit.access import Sources
    from daypass.pipeline.audit.questions import Index

pytestmark = pytest.mark.on_disk
LONGER = (
    'version: 1\nrules:\n  - id: low-risk-passes\n    when: resource.classification == "internal" && '
    'grant.duration <= duration("6h") && "engineering" in subject.groups\n    approve: automatically\n'
)
PROMISE = "version: 1\npromises:\n  - {id: short, never: 'decision.automatic && grant.duration > duration(\"4h\")'}\n"


@pytest.fixture
def changed(access: Access) -> tuple[Access, str]:
    """An admitted grant, and a request that lifts what rules ask for."""
    access.write("policies/promises/main.yaml", PROMISE)
    access.commit("Promise")
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    return access, propose(access, T("10:10"), {"policies/rules/access.yaml": LONGER})


def test_the_gate_says_what_a_change_of_policy_lets_through(changed: tuple[Access, str]) -> None:
    access, number = changed
    said = access.run("gate", number, "--at", T("10:20"), expect=10).out
    assert "  BROKEN  promise short is broken: deploy on staging for alice" in said
    assert "  LOOSER  no longer asks for an approval that was asked for (every request: " in said
    assert "  before: 1 approval from group:security, 1 approval from owners\n" in said
    assert "  the last requests: 1 request judged by both; 1 judged differently\n" in said
    assert "  live grants: 1 request judged by both; 1 judged differently\n" in said
    [change] = json.loads(access.run("gate", "--dry-run", "--format", "json", "--at", T("10:20")).out)["changes"]
    assert [looked["where"] for looked in change["looked"]] == ["requests", "history", "live"]
    assert [broken["code"] for broken in change["broken"]] == ["promise-broken"]
    comment = access.run("report", number, "--print", "--at", T("10:20")).out
    assert comment.startswith(f"### daypass: #{number} breaks what is promised\n\n```text\nBROKEN")


def test_what_cannot_be_compared_says_why(access: Access) -> None:
    broken = propose(access, T("10:10"), {"policies/rules/access.yaml": "version: 2\n"})
    said = access.run("gate", broken, "--at", T("10:20"), expect=10).out
    assert "BROKEN  policies/rules/access.yaml" in said
    assert "its policies do not read, so nothing is compared; merged, they deny everything" in said
    assert "has policies that do not read" in access.run("report", broken, "--print", "--at", T("10:20")).out
    other = propose(access, T("10:11"), {"README.md": "words\n"})
    assert "judged by both" not in access.run("gate", other, "--at", T("10:20"), expect=10).out


class _Gone:
    """An index whose ledger is gone."""

    def follow(self, at: datetime) -> Sources:
        raise LedgerError(f"the ledger is missing at {at:%H:%M}")


def test_of_strangers_nothing_is_computed_and_without_a_ledger_nothing_is_replayed(access: Access) -> None:
    number = propose(access, T("10:10"), {"policies/rules/access.yaml": LONGER})
    repo, at = access.repo(), datetime.fromisoformat(T("10:20"))
    found = look(repo, int(number), at=at)
    change = policy_change(repo, lambda: cast("Index", _Gone()), found, at=at)
    assert change is not None
    assert change.looser
    assert (change.history, change.why) == (
        None,
        "what was asked for is not judged again: the ledger is missing at 10:20",
    )
    assert change_markdown(2, change).startswith("### daypass: #2 lets through more than before\n")
    stranger = replace(found, pull=replace(found.pull, opened_by=replace(found.pull.opened_by, handle="")))
    unseen = policy_change(repo, lambda: cast("Index", _Gone()), stranger, at=at)
    assert unseen is not None
    assert unseen.why.startswith("whoever opened it is not known to the directory")
    assert (
        policy_change(
            repo, lambda: cast("Index", _Gone()), replace(found, pull=replace(found.pull, state="closed")), at=at
        )
        is None
    )


def test_of_a_long_history_the_last_are_judged_again_and_all_that_runs(access: Access) -> None:
    for minute in range(3):
        access.grant(T(f"10:0{minute}"), T(f"10:1{minute}"))
    access.run("apply", "--at", T("10:20"))
    repo = access.repo()
    for at, expected in ((T("10:30"), 3), ("2026-11-22T10:00:00Z", 1)):
        told = replay(index_of(repo), repo.policy, repo.policy, at=datetime.fromisoformat(at), most=1)
        assert told.history.tried == expected
