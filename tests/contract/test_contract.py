"""The contract judges as GitHub's description says, and what it is held against is really there."""

from __future__ import annotations

from typing import Any

import pytest

from contract import description as source
from contract.contract import Contract, Exchange

REPO = "/repos/octocat/Hello-World"


@pytest.fixture(scope="module")
def contract() -> Contract:
    try:
        return Contract(source.description())
    except source.Missing as missing:
        pytest.fail(f"GitHub's description of its API is not here, so nothing can be held against it: {missing}")


def example(name: str) -> Any:
    return source.description()["components"]["examples"][name]["value"]


def label(**changed: Any) -> dict[str, Any]:
    return {**example("label"), **changed}


def test_what_github_shows_itself_is_allowed(contract: Contract) -> None:
    path = f"{REPO}/issues/1347/comments"
    assert (
        contract.problems(Exchange("GET", path, 200, {"per_page": "100"}, None, example("issue-comment-items"))) == []
    )
    assert contract.problems(Exchange("POST", path, 201, {}, {"body": "Me too"}, example("issue-comment"))) == []


def test_every_endpoint_is_found_by_its_path(contract: Contract) -> None:
    lost = []
    for template, item in source.description()["paths"].items():
        for method in item:
            made = contract.operation(method.upper(), template.replace("{", "").replace("}", ""))
            if made is None or made.template != template:
                lost.append((method, template))
    assert lost == [("get", "/repos/{owner}/{repo}/compare/{base}...{head}")]  # which /compare/{basehead} says too


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (Exchange("GET", f"{REPO}/isues", 200, {}, None, []), "no such endpoint"),
        (Exchange("PATCH", f"{REPO}/labels", 200, {}, None, []), "no such endpoint"),
        (Exchange("GET", f"{REPO}/labels", 200, {"per_pag": "3"}, None, []), "query parameter 'per_pag' is not described"),
        (Exchange("GET", f"{REPO}/labels", 200, {"page": "two"}, None, []), 'query parameter page: "two" is not of type'),
        (Exchange("POST", f"{REPO}/labels", 201, {}, {"colour": "red"}, label()), "'colour' was unexpected"),
        (Exchange("POST", f"{REPO}/labels", 201, {}, {}, label()), 'request: "name" is a required property'),
        (Exchange("POST", f"{REPO}/labels", 201, {}, None, label()), "the request body is missing"),
        (Exchange("POST", f"{REPO}/labels", 200, {}, {"name": "x"}, label()), "status 200 is not described"),
        (Exchange("POST", f"{REPO}/labels", 201, {}, {"name": "x"}, label(color=None)), "answer.color"),
        (Exchange("POST", f"{REPO}/labels", 201, {}, {"name": "x"}, label(colour="")), "'colour' was unexpected"),
        (Exchange("POST", f"{REPO}/labels", 201, {}, {"name": "x"}, None), "the answer has no body"),
        (Exchange("GET", f"{REPO}/labels", 200, {}, {"a": 1}, []), "a request body is sent where none is described"),
        (Exchange("DELETE", f"{REPO}/issues/comments/1", 204, {}, None, {}), "an answer's body stands where none is"),
        (Exchange("GET", f"{REPO}/labels", 502, {}, None, {"message": 5}), "answer.message"),
        (Exchange("GET", f"{REPO}/codeowners/errors", 200, {"ref": "main"}, None, {}), '"errors" is a required property'),
    ],
)  # fmt: skip
def test_what_github_does_not_describe_is_named(contract: Contract, exchange: Exchange, said: str) -> None:
    problems = contract.problems(exchange)
    assert any(said in problem for problem in problems), problems


def test_null_is_allowed_where_github_says_so_and_nowhere_else(contract: Contract) -> None:
    path = f"{REPO}/labels"
    body = {"name": "x"}
    assert contract.problems(Exchange("POST", path, 201, {}, body, label(description=None))) == []
    assert contract.problems(Exchange("POST", path, 201, {}, body, label(name=None))) != []


def test_a_time_that_is_none_is_named(contract: Contract) -> None:
    comment = {**example("issue-comment"), "created_at": "yesterday"}
    problems = contract.problems(Exchange("GET", f"{REPO}/issues/comments/1", 200, {}, None, comment))
    assert ["created_at" in each for each in problems] == [True]


def test_a_refusals_request_is_not_judged_twice(contract: Contract) -> None:
    answer = {"message": "Validation Failed", "documentation_url": "https://docs.github.com/rest"}
    assert contract.problems(Exchange("POST", f"{REPO}/labels", 422, {}, {"nam": "x"}, answer)) == []


def test_references_with_slashes_are_found(contract: Contract) -> None:
    operation = contract.operation("PATCH", f"{REPO}/git/refs/heads/daypass/issue-1")
    assert operation is not None
    assert operation.template == "/repos/{owner}/{repo}/git/refs/{ref}"
    comments = contract.operation("GET", f"{REPO}/issues/comments/5")
    assert comments is not None
    assert comments.template.endswith("/{comment_id}")


def test_a_description_that_npm_cannot_bring_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(source, "HERE", tmp_path)
    for name in source.LISTS:
        (tmp_path / name).write_text("none", encoding="utf-8")
    source.folder.cache_clear()
    try:
        with pytest.raises(source.Missing, match="npm could not bring GitHub's API description"):
            source.folder()
    finally:
        source.folder.cache_clear()
