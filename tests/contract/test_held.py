"""No exchange with the double that GitHub would not have gets past: what inspects each hub really finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import held
from contract.description import Missing
from github_double import Double
from github_double.registry import Reply, Request
from github_double.visitor import Visitor


def spoilt(top: Path, monkeypatch: pytest.MonkeyPatch, body: object) -> Double:
    """A hub that has told somebody a label as ``body``; closed, and not inspected yet."""
    monkeypatch.setattr(Double, "inspectors", [])
    with Double(top) as hub:
        alice = hub.user("alice")
        hub.repository("alice/notes")
        visitor = Visitor(hub, hub.token(alice), top)

        def answer(request: Request) -> Reply:
            return Reply(200, body)

        from github_double import registry

        route, _ = registry.find("GET", "/repos/alice/notes/labels") or pytest.fail("no such endpoint")
        monkeypatch.setattr(registry, "ROUTES", [type(route)(**{**vars(route), "handler": answer})])
        visitor.get("/repos/alice/notes/labels")
    return hub


def test_an_answer_that_github_does_not_give_fails_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = spoilt(tmp_path, monkeypatch, [{"id": "one"}])
    with pytest.raises(AssertionError, match="not as GitHub describes its API:\n") as caught:
        held.inspect(hub)
    assert 'GET /repos/alice/notes/labels -> 200: answer[…].id: "one" is not of type "integer"' in str(caught.value)
    assert 'answer[…]: "node_id" is a required property' in str(caught.value)


def test_what_a_test_spoils_on_purpose_is_named_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = spoilt(tmp_path, monkeypatch, {"labels": []})
    hub.odd = ['is not of type "array"']
    held.inspect(hub)
    hub.odd.append("something else")
    with pytest.raises(AssertionError, match="nothing was answered that is odd in this way: something else"):
        held.inspect(hub)


def test_every_test_with_a_hub_is_inspected() -> None:
    assert held.inspect in Double.inspectors


def test_without_the_description_no_test_with_a_hub_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> None:
        raise Missing("npm is not there")

    hub = spoilt(tmp_path, monkeypatch, [])
    monkeypatch.setattr(held, "description", missing)
    held.contract.cache_clear()
    try:
        with pytest.raises(AssertionError, match="so nothing can be held against it: npm is not there"):
            held.inspect(hub)
    finally:
        held.contract.cache_clear()
