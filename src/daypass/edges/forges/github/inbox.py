"""Requests in words at GitHub: issues and comments, each read afresh, and pages where people ask.

Whether somebody changed the words since they were written decides whether they count, and REST does not tell it: an
issue's ``updated_at`` moves with every comment and label. GraphQL does
(https://docs.github.com/en/graphql/reference/interfaces#comment), so it is asked after the words were read: a change
in between is seen.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError
from daypass.core.forge import Remark, Ticket
from daypass.edges.forges.github.answers import Bot, Fields, account_of, as_documented
from daypass.edges.forges.github.api import Api
from daypass.edges.forges.github.form import FORM_FILE, asked_in
from daypass.edges.forges.github.transport import ApiError

EDITED = "query($id: ID!) { node(id: $id) { ... on Comment { lastEditedAt } } }"
"""When the text of an issue, pull request or comment was changed last; null where it never was."""


class GitHubInbox:
    """Implements ports.Inbox. Raises EdgeError for what is not there and for an answer that is not understood."""

    def __init__(self, api: Api, directory: Directory, *, repository: str, bot: Bot | None) -> None:
        self._api = api
        self._directory = directory
        self._repository = repository
        self._bot = bot

    def ticket(self, number: int) -> Ticket:
        """Return one issue or pull request (https://docs.github.com/en/rest/issues/issues#get-an-issue). 2 calls."""
        what = f"issue {number}"
        found = Fields(what, self._api.get(f"/repos/{self._repository}/issues/{number}"))
        # An issue that was moved to another repository is answered from there.
        home = found.text("repository_url").lower()
        if found.number("number") != number or not home.endswith(f"/repos/{self._repository}".lower()):
            raise EdgeError(
                f"{what} is not {self._repository}'s any more", hint="it was moved; ask again with the form"
            )
        labels = found.value("labels")
        if not isinstance(labels, list):
            raise EdgeError(f"GitHub's answer about {what} is not understood: it names no labels")
        named = [str(label.get("name", "")) if isinstance(label, dict) else str(label) for label in labels]
        return Ticket(
            number=number,
            by=account_of(found.value("user"), self._directory),
            at=found.instant("created_at"),
            title=found.text("title"),
            asked=asked_in(number, named, _body(found)),
            is_pull="pull_request" in found.data,
            edited=self._edited(found),
        )

    def remark(self, comment: int) -> Remark:
        """Return one comment (https://docs.github.com/en/rest/issues/comments#get-an-issue-comment). 2 calls."""
        what = f"comment {comment}"
        found = Fields(what, self._api.get(f"/repos/{self._repository}/issues/comments/{comment}"))
        place, _, number = found.text("issue_url").rpartition("/")
        if place and not place.lower().endswith(f"/repos/{self._repository}/issues".lower()):
            # An issue that was moved takes its comments along, and its number here may be another issue's.
            raise EdgeError(f"{what} is not on an issue of {self._repository} any more", hint="write it there again")
        if not number.isascii() or not number.isdecimal():
            raise EdgeError(f"GitHub's answer about {what} is not understood: it names no issue")
        return Remark(
            id=comment,
            number=int(number),
            by=account_of(found.value("user"), self._directory),
            at=found.instant("created_at"),
            body=_body(found),
            edited=self._edited(found),
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
        every = [Fields(f"pull requests of {branch}", one) for one in found]
        ours = [one for one in every if self._from_here(one, branch) and _id(one.value("user")) == self._bot.id]
        return max((one.number("number") for one in ours), default=None)

    def _from_here(self, pull: Fields, branch: str) -> bool:
        """Whether a pull request's branch is this repository's: a fork, gone or not, may name its branches as it likes."""
        here = pull.value("head.repo") is not None and pull.text("head.repo.full_name").lower()
        return pull.text("head.ref") == branch and here == self._repository.lower()

    def _edited(self, found: Fields) -> bool:
        answer = Fields(found.what, self._query({"id": found.text("node_id")}))
        node = answer.data.get("data") if isinstance(answer.data, dict) else None
        asked = node.get("node") if isinstance(node, dict) else None
        if not isinstance(asked, dict) or answer.data.get("errors") or "lastEditedAt" not in asked:
            raise EdgeError(
                f"GitHub does not say whether {found.what} was edited",
                hint="words that may be somebody else's are not acted on; run it again",
            )
        return asked["lastEditedAt"] is not None

    def _query(self, variables: dict[str, str]) -> Any:
        """Ask once more where the answer was lost: a query changes nothing, though it is sent like a change."""
        body = {"query": EDITED, "variables": variables}
        try:
            return self._api.send("POST", "/graphql", body)
        except ApiError as error:
            if not error.unsure:
                raise
            return self._api.send("POST", "/graphql", body)


def _body(found: Fields) -> str:
    return "" if found.value("body") is None else found.text("body")  # an issue without a text


def _id(user: Any) -> object:
    return user.get("id") if isinstance(user, dict) else None


_MOST_LINK = 6_000
"""Longer addresses are cut or refused on their way."""


class GitHubLinks:
    """Implements core.forge.Links; ``page`` is the repository's address for people."""

    def __init__(self, page: str) -> None:
        self._page = page

    @property
    def form(self) -> str:
        """Where a new request is made."""
        return f"{self._page}/issues/new?template={FORM_FILE.rpartition('/')[2]}"

    def new_file(self, path: str, text: str) -> str:
        """Where a file is proposed by hand, filled in; without its text where an address cannot hold it.

        https://docs.github.com/en/repositories/working-with-files/managing-files/creating-new-files
        """
        folder, _, name = path.rpartition("/")
        page = f"{self._page}/new/main/{quote(folder)}?filename={quote(name)}"
        filled = f"{page}&value={quote(text, safe='')}"
        return filled if len(filled) <= _MOST_LINK else page

    def edit(self, path: str) -> str:
        """Where a file of main is changed."""
        return f"{self._page}/edit/main/{quote(path)}"

    def delete(self, path: str) -> str:
        """Where a file of main is deleted."""
        return f"{self._page}/delete/main/{quote(path)}"
