"""The issue that a pull request of our own bot answers: the one it was asked for in, or whose access it goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daypass.edges.forges.github.reading import ASKED

if TYPE_CHECKING:
    from daypass.edges.forges.github.api import Api

_HOPS = 5
"""So many requests that go on with one another are looked through."""


def asking_issue(api: Api, root: str, own: int, pull: dict[str, Any]) -> tuple[int, ...]:
    """Return the issue that asked, none where none did. What others opened from a branch of that name answers nothing.

    No call where the branch names the issue; two more for each comment that a request was asked for in.
    """
    for _ in range(_HOPS):
        asked = ASKED.fullmatch(pull["head"]["ref"])
        at_home = pull["head"]["repo"] is not None and pull["head"]["repo"]["id"] == pull["base"]["repo"]["id"]
        if asked is None or not at_home or (pull["user"] or {}).get("id") != own:
            return ()
        if asked["kind"] == "issue":
            return (int(asked["number"]),)
        comment = api.get(f"{root}/issues/comments/{asked['number']}")
        number = int(comment["issue_url"].rpartition("/")[2])
        there = api.get(f"{root}/issues/{number}")
        if "pull_request" not in there:
            return (number,)
        pull = api.get(f"{root}/pulls/{number}")
    return ()
