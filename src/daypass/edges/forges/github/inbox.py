"""Issues and comments at GitHub, each read afresh.

Whether somebody changed the words since they were written decides whether they count, and REST does not tell it: an
issue's ``updated_at`` moves with every comment and label. GraphQL does
(https://docs.github.com/en/graphql/reference/interfaces#comment), so it is asked after the words were read: a change
in between is seen.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError
from daypass.core.window import parse_instant
from daypass.edges.forges.github.answers import Bot, account_of, as_documented
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.transport import ApiError
from daypass.ports import Remark, Ticket

EDITED = "query($id: ID!) { node(id: $id) { ... on Comment { lastEditedAt } } }"
"""When the text of an issue, pull request or comment was changed last; null where it never was."""

_SERVER_FAULT = 500


class GitHubDesk:
    """Implements ports.Desk. Raises EdgeError for what is not there and for an answer that is not understood."""

    def __init__(self, api: Api, directory: Directory, *, repository: str, bot: Bot | None) -> None:
        self._api = api
        self._directory = directory
        self._repository = repository
        self._bot = bot

    def ticket(self, number: int) -> Ticket:
        """Return one issue or pull request (https://docs.github.com/en/rest/issues/issues#get-an-issue). 2 calls."""
        what = f"issue {number}"
        found = _object(self._api.get(f"/repos/{self._repository}/issues/{number}"), what)
        # An issue that was moved to another repository is answered from there.
        home = str(found.get("repository_url", "")).lower()
        if found.get("number") != number or not home.endswith(f"/repos/{self._repository}".lower()):
            raise EdgeError(
                f"{what} is not {self._repository}'s any more", hint="it was moved; ask again with the form"
            )
        labels = found.get("labels")
        if not isinstance(labels, list):
            raise EdgeError(f"GitHub's answer about {what} is not understood: it names no labels")
        return Ticket(
            number=number,
            by=account_of(found.get("user"), self._directory),
            at=_instant(found, "created_at", what),
            title=_text(found, "title", what),
            body=_text(found, "body", what),
            labels=tuple(str(label.get("name", "")) if isinstance(label, dict) else str(label) for label in labels),
            is_pull="pull_request" in found,
            edited=self._edited(found, what),
        )

    def remark(self, comment: int) -> Remark:
        """Return one comment (https://docs.github.com/en/rest/issues/comments#get-an-issue-comment). 2 calls."""
        what = f"comment {comment}"
        found = _object(self._api.get(f"/repos/{self._repository}/issues/comments/{comment}"), what)
        place, _, number = str(found.get("issue_url", "")).rpartition("/")
        if place and not place.lower().endswith(f"/repos/{self._repository}/issues".lower()):
            # An issue that was moved takes its comments along, and its number here may be another issue's.
            raise EdgeError(f"{what} is not on an issue of {self._repository} any more", hint="write it there again")
        if not number.isascii() or not number.isdecimal():
            raise EdgeError(f"GitHub's answer about {what} is not understood: it names no issue")
        return Remark(
            id=comment,
            number=int(number),
            by=account_of(found.get("user"), self._directory),
            at=_instant(found, "created_at", what),
            body=_text(found, "body", what),
            edited=self._edited(found, what),
        )

    @as_documented("our requests")
    def asked(self, branch: str) -> int | None:
        """Return the newest pull request that our own bot opened from a branch of this repository, open or not. 1 call.

        https://docs.github.com/en/rest/pulls/pulls#list-pull-requests
        """
        if self._bot is None:
            return None
        owner = self._repository.partition("/")[0]
        path = f"/repos/{self._repository}/pulls"
        found = self._api.pages(path, state="all", head=f"{owner}:{branch}")
        numbers = [
            pull["number"]
            for pull in (_object(one, f"pull requests of {branch}") for one in found)
            if _from_here(pull, self._repository, branch) and (pull.get("user") or {}).get("id") == self._bot.id
        ]
        return max(numbers, default=None)

    def _edited(self, found: dict[str, Any], what: str) -> bool:
        answer = _object(self._query({"id": _text(found, "node_id", what)}), what)
        data = answer.get("data")
        asked = data.get("node") if isinstance(data, dict) else None
        if answer.get("errors") or not isinstance(asked, dict) or "lastEditedAt" not in asked:
            raise EdgeError(
                f"GitHub does not say whether {what} was edited",
                hint="words that may be somebody else's are not acted on; run it again",
            )
        return asked["lastEditedAt"] is not None

    def _query(self, variables: dict[str, str]) -> Any:
        """Ask once more where the answer was lost: a query changes nothing, though it is sent like a change."""
        body = {"query": EDITED, "variables": variables}
        try:
            return self._api.send("POST", "/graphql", body)
        except ApiError as error:
            if 0 < error.status < _SERVER_FAULT:
                raise
            return self._api.send("POST", "/graphql", body)


def _from_here(pull: dict[str, Any], repository: str, branch: str) -> bool:
    """Whether a pull request's branch is this repository's: a fork may name its branches as it likes."""
    head = pull.get("head") or {}
    name = (head.get("repo") or {}).get("full_name", "")
    return bool(head.get("ref") == branch and str(name).lower() == repository.lower())


def _object(answer: Any, what: str) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise EdgeError(f"GitHub's answer about {what} is not understood: expected an object")
    return answer


def _text(found: dict[str, Any], key: str, what: str) -> str:
    value = found.get(key)
    if value is None and key == "body":
        return ""  # an issue without a text
    if not isinstance(value, str):
        raise EdgeError(f"GitHub's answer about {what} is not understood: {key} is no text")
    return value


def _instant(found: dict[str, Any], key: str, what: str) -> datetime:
    try:
        return parse_instant(_text(found, key, what))
    except ValueError as error:
        raise EdgeError(f"GitHub's answer about {what} is not understood: {key}: {error}") from None
