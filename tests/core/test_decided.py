"""What was decided of requests that were not merged: how a history tells it, and what a statement of it may not say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from policy_samples import grant, rules

from daypass.core.audit.access import about
from daypass.core.audit.differences import Comparison
from daypass.core.audit.events import EventKind, Material, history
from daypass.core.audit.proof import check_denial
from daypass.core.audit.selection import Selection
from daypass.core.errors import LedgerError
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import AskedFile, Decided, Receipt, Resolution, words_digest
from daypass.core.ledger.records import ActRecord
from daypass.core.ledger.standing import fold
from daypass.core.ledger.statement import from_statement, to_statement
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.held import UNREAD
from daypass.core.record import replace

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
HEAD, BASE, BLOB = (Oid(c * 40) for c in "abc")
GRANT = GrantId("orders-db/alice")
DENIED = Decided(
    Resolution.DENIED, 7, HEAD, "alice", AT, BASE, (AskedFile(GRANT, BLOB, "new", "alice"),), codes=("never",)
)
BARE = Decided(Resolution.CLOSED, 8, HEAD, "alice", AT, BASE, by=(ActRecord("", "closed", AT - timedelta(hours=1)),))


def told(*bodies: Decided, material: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    receipts = [Receipt(n, "", AT, BASE, "run", body) for n, body in enumerate(bodies)]
    found = history(Material(receipts=receipts, **(material or {})))
    return [(e.kind, e.at, e.grants, e.subject, e.by, e.detail) for e in found]


def test_a_denial_is_told_of_each_file_with_its_rule() -> None:
    assert told(DENIED) == [(EventKind.DENIED, AT, (GRANT,), "alice", "", "asked for by alice; never")]


def test_what_asked_for_no_grant_is_told_once_with_when_it_was_closed() -> None:
    who = "somebody whom the directory does not know"
    assert told(BARE) == [(EventKind.CLOSED, AT - timedelta(hours=1), (), "", who, "asked for by alice")]


def test_words_are_told_where_they_are_those_of_the_receipt() -> None:
    body = Decided(Resolution.CLOSED, 8, HEAD, "alice", AT, BASE, reason=words_digest("no need"))
    assert told(body)[0][-1] == f"asked for by alice; said: {words_digest('no need')}"
    assert (
        told(body, material={"said": {words_digest("no need"): "no need"}})[0][-1]
        == "asked for by alice; said: no need"
    )


def test_a_rule_chooses_what_it_denied() -> None:
    receipts = [Receipt(n, "", AT, BASE, "run", body) for n, body in enumerate((DENIED, BARE))]
    events = history(Material(receipts=receipts))
    assert [e.kind for e in Selection(rule="never").of(events, receipts)] == [EventKind.DENIED]
    assert Selection(rule="other").of(events, receipts) == ()


def test_each_decision_on_a_head_is_kept_once() -> None:
    standing = fold([Receipt(0, "", AT, BASE, "run", DENIED), Receipt(1, "", AT, BASE, "run", BARE)])
    assert list(standing.decided) == [(7, HEAD, Resolution.DENIED), (8, HEAD, Resolution.CLOSED)]
    again = fold([Receipt(2, "", AT + timedelta(hours=1), BASE, "run", DENIED)], standing)
    assert list(again.decided) == list(standing.decided)


_NEVER = '  - {id: never, when: "true", deny_unless: "false", message: Never.}\n'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (DENIED, ""),
        (
            Decided(Resolution.DENIED, 7, HEAD, "alice", AT, BASE, DENIED.asked, codes=("other",)),
            "receipt 0 says that policy denied request 7 (other); by the policies of then it is denied otherwise: never",
        ),
        (
            Decided(
                Resolution.DENIED, 7, HEAD, "alice", AT, BASE, (AskedFile(GRANT, BLOB, "narrow"),), codes=("never",)
            ),
            "receipt 0 says that policy denied request 7 (never); by the policies of then it is not denied",
        ),
    ],
    ids=["as it was", "by another rule", "what rules do not decide"],
)
def test_a_denial_is_judged_again(body: Decided, said: str) -> None:
    receipt = Receipt(0, "", AT, BASE, "run", body)
    found = check_denial(receipt, body, {GRANT: grant()}, rules(_NEVER), {GRANT: UNREAD})
    assert "".join(one.message for one in found) == said


def test_a_release_that_watched_no_task_denied_what_ends_with_one() -> None:
    policy = rules(_NEVER.replace('"true"', "grant.emergency"))
    settings = replace(policy.catalogue.settings, forge_kind="github", forge_options={"repository": "acme/access"})
    policy = replace(policy, catalogue=replace(policy.catalogue, settings=settings))
    for what, code, clean in (
        ("acme/access#8", "ends-when-unwatched", True),
        ("acme/orders#8", "ends-when-unwatched", True),
        ("acme/access#8", "never", False),
    ):
        asked = grant(ends_when=(("issue_closed", what),))
        body = Decided(Resolution.DENIED, 7, HEAD, "alice", AT, BASE, DENIED.asked, codes=(code,))
        receipt = Receipt(0, "", AT, BASE, "run", body)
        assert (check_denial(receipt, body, {GRANT: asked}, policy, {GRANT: UNREAD}) == ()) is clean
    asked = grant(ends_when=(("issue_closed", "acme/access#8"),))
    assert not decide(policy, Request(asked, "alice", AT)).denials


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b.update(what="burnt"), "expected what of a decision to be one that is known, got 'burnt'"),
        (lambda b: b.update(reason="no need"), "expected reason of a decision to be a digest, got 'no need'"),
        (lambda b: b.update(words="no need"), "a decision has an unknown key 'words'"),
        (lambda b: b.update(codes=[]), "a decision without codes does not say so"),
        (lambda b: b.update(by=[]), "a decision of nobody does not say so"),
        (lambda b: b.update(asked=[]), "a decision about no file does not say so"),
        (lambda b: b["asked"][0].update(subject=""), "a file without a subject does not say so"),
        (lambda b: b.pop("base"), "a decision has no 'base'"),
    ],
)
def test_a_decision_has_one_spelling(change: Callable[[dict[str, Any]], object], said: str) -> None:
    statement = to_statement(Receipt(1, "sha256:" + "0" * 64, AT, BASE, "run", DENIED))
    change(statement["predicate"]["body"])
    with pytest.raises(LedgerError, match=said.replace("(", r"\(")):
        from_statement(statement)


def test_a_decision_is_about_its_grants_their_resources_and_whose_they_are() -> None:
    assert about(Receipt(0, "", AT, BASE, "run", DENIED)) == {
        ("grant", GRANT),
        ("resource", "orders-db"),
        ("of alice", GRANT),
    }
    assert about(Receipt(0, "", AT, BASE, "run", BARE)) == set()


def test_a_decision_by_policies_that_were_never_mains_is_named() -> None:
    comparison = Comparison((), {HEAD: 0}, {})
    comparison.add(Receipt(0, "", AT, HEAD, "run", DENIED))
    (found,) = [one for one in comparison.finish(AT) if one.code == "decision-without-grounds"]
    assert found.message.startswith(f"receipt 0 says that request 7 was denied as judged by main {BASE[:12]}")
