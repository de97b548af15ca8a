"""What GitHub says of issues and pull requests ends access only where it is said of the very thing that was named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daypass.core.bounds.watch import Condition, Watched
from daypass.core.errors import EdgeError
from daypass.edges.forges.github.answers import ApiError
from daypass.edges.forges.github.watch import A_CALL, WatchedElsewhere, watch, watch_all, watching_api

CLOSED: Condition = ("issue_closed", "acme/orders#88")
MERGED: Condition = ("pull_merged", "acme/orders#91")
AT = "2026-11-20T09:00:00Z"


class Answers:
    """The API's surface, with one answer to every question."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def send(self, verb: str, path: str, body: Any, *, safe: bool) -> Any:
        assert (verb, path, safe) == ("POST", "/graphql", True)
        self.asked.append(body["query"])
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def say(condition: Condition, answer: Any) -> Watched:
    api: Any = Answers(answer)
    return dict(watch([condition], lambda: api))[condition]


def of(node: Any, name: str = "acme/orders") -> Any:
    return {"data": {"r0": {"nameWithOwner": name, "c0": node}}}


ISSUE = {"__typename": "Issue", "closed": True, "closedAt": AT}
PULL = {"__typename": "PullRequest", "merged": True, "mergedAt": AT}


def test_what_is_closed_or_merged_came_about_then() -> None:
    came = Watched(datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert say(CLOSED, of(ISSUE)) == came
    assert say(MERGED, of(PULL)) == came
    assert say(CLOSED, of(ISSUE, "Acme/Orders")) == came


def test_what_is_open_has_not_come_about() -> None:
    assert say(CLOSED, of({"__typename": "Issue", "closed": False, "closedAt": None})) == Watched()
    assert say(MERGED, of({"__typename": "PullRequest", "merged": False, "mergedAt": None})) == Watched()


@pytest.mark.parametrize(
    ("condition", "answer", "why"),
    [
        (CLOSED, of(PULL), "acme/orders#88 is not an issue"),
        (MERGED, of(ISSUE), "acme/orders#91 is not a pull request"),
        (CLOSED, of(None), "there is no acme/orders#88, or the credential may not see it"),
        (CLOSED, {"data": {"r0": None}}, "there is no repository acme/orders, or the credential may not see it"),
        (CLOSED, of(ISSUE, "acme/parcels"), "acme/orders is called acme/parcels now"),
        (
            CLOSED,
            of({"__typename": "Issue", "closed": True, "closedAt": None}),
            "answer about acme/orders#88 makes no sense",
        ),
        (
            CLOSED,
            of({"__typename": "Issue", "closed": "yes", "closedAt": AT}),
            "answer about acme/orders#88 makes no sense",
        ),
        (
            CLOSED,
            of({"__typename": "Issue", "closed": True, "closedAt": "soon"}),
            "about acme/orders#88 makes no sense",
        ),
        (CLOSED, {"errors": [{"message": "Something\u202e went wrong"}]}, "GitHub does not say: Something"),
        (CLOSED, {"errors": "no"}, "GitHub does not say: its answer makes no sense"),
        (CLOSED, [], "GitHub does not say: its answer makes no sense"),
        (CLOSED, EdgeError("the connection failed"), "the connection failed"),
        (("issue_gone", "acme/orders#88"), of(ISSUE), "this release cannot look at issue_gone"),
    ],
)
def test_anything_else_is_not_known_and_says_why(condition: Condition, answer: Any, why: str) -> None:
    found = say(condition, answer)
    assert found.came is None
    assert why in found.unknown
    assert "\u202e" not in found.unknown


def test_a_hundred_are_asked_of_in_one_call_each_repository_once() -> None:
    conditions = [("issue_closed", f"acme/r{n % 3}#{n}") for n in range(1, A_CALL + 2)]
    api: Any = Answers({"data": {}})
    found = dict(watch(conditions, lambda: api))
    assert set(found) == set(conditions)
    assert [query.count("issueOrPullRequest") for query in api.asked] == [A_CALL, 1]
    assert api.asked[0].count("repository(") == 3


def test_a_number_that_github_cannot_have_leaves_the_others_of_its_call_known() -> None:
    beyond: Condition = ("issue_closed", f"acme/orders#{2**31}")
    api: Any = Answers(of(ISSUE))
    found = dict(watch([CLOSED, beyond], lambda: api))
    assert found[CLOSED].came is not None
    assert found[beyond] == Watched(unknown=f"no number at GitHub is as high as that of acme/orders#{2**31}")
    assert str(2**31) not in "".join(api.asked)
    assert dict(watch([("issue_closed", f"acme/orders#{2**31 - 1}")], lambda: api)) != {}
    assert str(2**31 - 1) in api.asked[-1]


@pytest.mark.parametrize(
    ("answer", "calls"),
    [(ApiError("GitHub asks to wait", status=429, limited=True), 1), ({"errors": [{"message": "no"}]}, 3)],
)
def test_who_turns_a_call_away_is_not_asked_the_next_ones(answer: Any, calls: int) -> None:
    conditions = [("issue_closed", f"acme/orders#{number}") for number in range(1, 2 * A_CALL + 2)]
    api: Any = Answers(answer)
    found = dict(watch(conditions, lambda: api))
    assert len(api.asked) == calls
    assert set(found) == set(conditions)
    assert all(one.unknown for one in found.values())


@pytest.mark.parametrize("named", [False, True])
def test_of_other_repositories_only_those_are_asked_of_that_the_settings_name(named: bool) -> None:
    secret: Condition = ("issue_closed", "acme/secret#1")
    ours: Condition = ("issue_closed", "Acme/Access#2")
    own: Any = Answers(of({"__typename": "Issue", "closed": False}, "acme/access"))
    other: Any = Answers(of(ISSUE, "acme/orders"))
    elsewhere = WatchedElsewhere(["acme/orders"], lambda: other) if named else None
    found = watch_all([secret, ours, CLOSED], "acme/access", own, elsewhere)
    assert found[ours] == Watched()
    assert found[secret] == Watched(unknown="forge.watch does not name acme/secret")
    assert (found[CLOSED].came is not None) is named
    assert "secret" not in "".join(own.asked + other.asked)


@pytest.mark.parametrize(
    ("options", "environ", "why"),
    [
        ({"token_env": "WATCH"}, {}, "WATCH is not set here"),
        ({"token_env": "WATCH"}, {"WATCH": ""}, "WATCH is not set here"),
        ({}, {"GH_TOKEN": "x"}, "the settings no longer have forge.watch"),
        ({"token_env": "WATCH"}, {"WATCH": "ghp_secret\n"}, "WATCH holds characters that no token has"),
    ],
)
def test_without_a_token_of_its_own_nothing_is_asked(options: Any, environ: Any, why: str) -> None:
    with pytest.raises(EdgeError, match=why) as caught:
        watching_api(environ, options, "https://api.github.com", wait=lambda _: None)
    assert "secret" not in str(caught.value)
