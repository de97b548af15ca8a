"""Pull requests at GitHub, read: accounts by id, heads from git, evidence as GitHub recorded it.

Upholds: what GitHub does not tell is refused or named as unknown, never left out; a pull request for another branch
than main is none of ours; a bot of ours stands for somebody only where the issue or comment itself says who.
The calls that each method makes are listed in docs/github-calls.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from daypass.core.bounds.watch import Condition, Watched
from daypass.core.catalogue import Directory
from daypass.core.errors import EdgeError, MissingError, RefusedError
from daypass.core.finding import shown
from daypass.core.forge import CLOSED, OPENED, Account, Act, Merge, Pull, Review
from daypass.core.ids import ABSENT, Oid
from daypass.core.record import replace
from daypass.edges.forges.github.answers import ACTIONS, BOT, MAIN, Bot, Fields, account_of
from daypass.edges.forges.github.evidence import (
    head_repository,
    mains_at,
    needs_events,
    pushers_of,
    reviews_of,
    unturned,
)
from daypass.edges.forges.github.watch import WatchedElsewhere, watch_all
from daypass.edges.git.history import parse_commit
from daypass.edges.git.objects import objects
from daypass.edges.git.plumbing import Git
from daypass.edges.git.remote import Remote

if TYPE_CHECKING:
    from daypass.edges.forges.github.api import Api

ASKED = re.compile(r"daypass/(?P<kind>issue|comment)-(?P<number>[1-9][0-9]{0,17})")
"""The branches of requests that our bot opens for who asked in an issue or a comment."""
_MAIN_MOVES = f"activity of {MAIN}"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
MOST_RECORDS = 1000
"""Reviews, or events, that are read of one request: whoever adds more by the thousand keeps nobody else waiting."""


@lru_cache(maxsize=8)
def me(api: Api, bot: Bot | None) -> Bot:
    """Say who writes with this token, asked once a run: a person by the id alone, an App by a login nobody else can take."""
    if api.kind == "actions":
        return ACTIONS
    if api.kind == "token":
        return Bot("", int(api.get("/user")["id"]))
    if bot is not None:
        return bot
    login = f"{api.own_app()['slug']}{BOT}"
    return Bot(login, int(api.get(f"/users/{quote(login)}")["id"]))


class RepositoryPart:
    """What every part of one repository at GitHub is made of. ``bot`` is the account of our own App, where there is one."""

    def __init__(self, api: Api, directory: Directory, bot: Bot | None) -> None:
        self._api = api
        self._directory = directory
        self._bot = bot
        self._repository = api.repository
        self._root = f"/repos/{api.repository}"

    def _account(self, user: Any) -> Account:
        return account_of(user, self._directory)

    def _is_bots(self, user: Any) -> bool:
        return self._bot is not None and isinstance(user, dict) and user.get("id") == self._bot.id

    def _at_home(self, pull: Fields) -> bool:
        """Whether the head is a branch of this very repository: a fork may name its branches as it likes."""
        return pull.value("head.repo") is not None and pull.number("head.repo.id") == pull.number("base.repo.id")

    def _pulls_of(self, branch: str, *, state: str, base: str | None = None) -> list[Fields]:
        """Return the pull requests of a branch of this repository.

        https://docs.github.com/en/rest/pulls/pulls#list-pull-requests
        """
        owner = self._repository.partition("/")[0]
        listed = self._api.pages(f"{self._root}/pulls", head=f"{owner}:{branch}", state=state, base=base)
        found = [Fields(f"pull requests of {branch}", one) for one in listed]
        return [one for one in found if self._at_home(one) and one.text("head.ref") == branch]


class GitHubReader(RepositoryPart):
    """Implements ports.ForgeReader for one repository."""

    def __init__(
        self,
        api: Api,
        directory: Directory,
        bot: Bot | None,
        remote: Remote,
        git: Git,
        elsewhere: WatchedElsewhere | None = None,
    ) -> None:
        super().__init__(api, directory, bot)
        self._elsewhere = elsewhere
        self._remote = remote
        self._git = git
        self._main_moves: list[Fields] = []
        self._main_record: tuple[list[Fields], datetime | None] = [], None
        self._standing: dict[int, Account] = {}
        self._merged_by_us: set[int] = set()
        self._seen: Fields | None = None

    def pull(self, number: int) -> Pull:
        """Return one pull request as it is now; its head, and its merge, are fetched.

        Raises EdgeError for an unknown number, an answer that lacks something, or a branch other than main.
        """
        fields = self._seen = self._pull_fields(number)
        self._api.noted[f"read of {number}"] = fields.data
        base = fields.text("base.ref")
        if base != MAIN:
            raise EdgeError(
                f"pull request {number} is for branch {shown(base)!r}, not for {MAIN}",
                hint=f"change its base to {MAIN}, or leave it to who looks after that branch",
            )
        found = self._listed(fields)
        opener = fields.value("user")
        if self._is_bots(opener) and self._at_home(fields):
            found = self._for_somebody(found)
        self._remote.fetch_pull(number, found.head)
        if found.state == "closed":
            found = replace(found, closing=self._closing(number))
        if found.state == "merged":
            found = replace(found, merge=self._merge(fields))
            if self._is_bots(fields.value("merged_by")):
                self._merged_by_us.add(number)
        return self._with_pushers(fields, found)

    def open_pulls(self) -> tuple[Pull, ...]:
        """Return the open pull requests for main by number.

        Who pushed, and for whom a bot of ours asks, is not looked up: each has a pusher that nobody knows, so that it
        can be judged only once `pull` has read it. One that is told as nothing should be stands for itself by its number
        alone: `pull` says what is wrong with it, and the others wait for nobody.
        """
        listed = self._api.pages(f"{self._root}/pulls", state="open", base=MAIN, sort="created", direction="asc")
        return self._by_number(listed)

    def unmerged_pulls(self, since: datetime) -> tuple[Pull, ...]:
        """Return the pull requests for main that anything happened to since an instant, merged ones left out, by number."""
        listed = self._api.pages(
            f"{self._root}/pulls",
            until=lambda item: Fields("a pull request", item).instant("updated_at") < since,
            state="all",
            base=MAIN,
            sort="updated",
            direction="desc",
        )
        return tuple(pull for pull in self._by_number(listed) if pull.state != "merged")

    def _by_number(self, listed: list[Any]) -> tuple[Pull, ...]:
        """Return what a list tells; one that grows while it is read may show a pull request twice."""
        found = [self._noted(Fields("a pull request", one)) for one in listed]
        return tuple({pull.number: pull for pull in sorted(found, key=lambda pull: pull.number)}.values())

    def reviews(self, number: int) -> tuple[Review, ...]:
        """Return every review of a pull request, oldest first, with its later dismissal.

        Who gave an approval is looked up once: they may be suspended by now. Where our own bot has merged already, it
        did so before it merged, and what became of the account since takes nothing back.
        """
        found = self._api.pages(f"{self._root}/pulls/{number}/reviews", limit=MOST_RECORDS)
        settled = number in self._merged_by_us
        asked = needs_events(found, settled=settled or unturned(self._api.noted, number, found))
        events = self._api.pages(f"{self._root}/issues/{number}/events", limit=MOST_RECORDS) if asked else []
        return reviews_of(found, events, lambda user, word: self._reviewer(user, "" if settled else word))

    def mains_at(self, instants: Collection[datetime]) -> Mapping[datetime, tuple[Oid, ...]]:
        """Return where main can have stood at instants by its record of activity.

        The record is read once, and again where it was read too early to tell or does not go back far enough.
        """
        if not instants:
            return {}
        first, last = min(instants), max(instants)
        moves, read_at = self._main_record
        if read_at is None or last >= read_at or moves[-1].instant("timestamp") >= first:
            found = self._api.pages(
                f"{self._root}/activity",
                until=lambda item: Fields(_MAIN_MOVES, item).instant("timestamp") < first,
                ref=f"refs/heads/{MAIN}",
            )
            moves = [Fields(_MAIN_MOVES, item) for item in found]
            self._main_record = moves, self._api.clock if moves else None
        return mains_at(moves, instants)

    def merged_as(self, commit: Oid) -> Pull | None:
        """Return the pull request that main's commit came from by GitHub's own record.

        None only where GitHub records that it came otherwise: by a push, or in the middle of another merge. Where
        GitHub does not tell (yet) it raises EdgeError; where it tells of several, RefusedError. A pull request that
        became merged because somebody pushed its commits to main is no record of a merge:
        https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/about-pull-request-merges#indirect-merges
        """
        listed = self._api.pages(f"{self._root}/commits/{commit}/pulls")
        numbers = {
            one.number("number") for one in (Fields(f"pull requests of {commit[:12]}", item) for item in listed)
            if self._records(one, commit)
        }  # fmt: skip
        if len(numbers) > 1:
            told = ", ".join(f"#{number}" for number in sorted(numbers))
            raise RefusedError(f"GitHub says that commit {commit[:12]} is the merge of several: {told}")
        if numbers:
            pull = self.pull(numbers.pop())
            return pull if pull.merge is not None and pull.merge.commit == commit else None
        self._check_came_otherwise(commit)
        return None

    def clock(self) -> datetime | None:
        """Ask for the time: the Date of an answer, which counts towards no limit."""
        return self._api.time()

    def acting(self) -> Account:
        """Return who is acting: an App's bot and a workflow are no persons."""
        if self._api.kind == "token":
            return self._account(self._api.get("/user"))
        name = f"{self._bot.login} (id {self._bot.id})" if self._bot else f"the App {self._api.app_id}"
        if self._api.kind == "actions":
            name = f"{ACTIONS.login} (id {ACTIONS.id})"
        return Account("", name, person=False)

    def watch(self, conditions: Collection[Condition]) -> Mapping[Condition, Watched]:
        """Say which conditions have come about, a hundred a call; what cannot be looked at, and why."""
        return watch_all(conditions, self._repository, self._api, self._elsewhere)

    # One pull request

    def _pull_fields(self, number: int) -> Fields:
        found = self._api.find(f"{self._root}/pulls/{number}")
        if found is None:
            raise MissingError(
                f"there is no pull request {number} in {self._repository}, or this token cannot see it",
                hint="`daypass status` lists the open ones",
            )
        return Fields(f"pull request {number}", found)

    def _noted(self, fields: Fields) -> Pull:
        unread = (Account("", "somebody who was not looked up"),)
        try:
            return replace(self._listed(fields), pushers=unread)
        except EdgeError:
            return Pull(fields.number("number"), "", "open", *unread, _LONG_AGO, "", ABSENT)

    def _listed(self, fields: Fields) -> Pull:
        """Return what lists tell of a pull request."""
        merged = fields.value("merged_at") is not None
        state = fields.text("state")
        if state not in ("open", "closed"):
            raise EdgeError(f"GitHub's answer about {fields.what}: expected open or closed, got {shown(state)!r}")
        ref = fields.text("head.ref")
        server = self._api.server
        machines = {f"noreply@{server}"}  # what is edited in a browser is committed by
        if self._bot is not None:
            machines.add(f"{self._bot.id}+{self._bot.login}@users.noreply.{server}".lower())
        return Pull(
            number=fields.number("number"),
            title=shown(fields.text("title")),
            state="merged" if merged else state,
            opened_by=self._account(fields.value("user")),
            opened_at=fields.instant("created_at"),
            # A fork may name its branches as ours are named; its owner's name tells them apart.
            branch=ref if self._at_home(fields) else f"{self._owner_of(fields)}:{ref}",
            head=fields.oid("head.sha"),
            machines=frozenset(machines),
            server=server,
            draft=fields.value("draft") is True,
        )

    def _owner_of(self, fields: Fields) -> str:
        return "unknown" if fields.value("head.user") is None else fields.text("head.user.login")

    def _for_somebody(self, pull: Pull) -> Pull:
        """Return the pull request as its asker's, where our bot opened it for an issue or a comment.

        GitHub would let the asker approve it, since it compares with the bot; who asks is read where they asked.
        """
        match = ASKED.fullmatch(pull.branch)
        if match is None:
            return pull
        place = f"issues/{match['number']}" if match["kind"] == "issue" else f"issues/comments/{match['number']}"
        origin = f"{match['kind']} {match['number']}"
        gone = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.MOVED_PERMANENTLY)
        found = self._api.find(f"{self._root}/{place}", gone=gone)
        if found is None:
            return replace(pull, opened_by=Account("", f"somebody by {origin}, which is gone"), origin=origin)
        fields = Fields(origin, found)
        if match["kind"] == "comment":
            origin = f"{origin} on #{fields.text('issue_url').rpartition('/')[2]}"
        return replace(pull, opened_by=self._account(fields.value("user")), origin=origin)

    def _with_pushers(self, fields: Fields, pull: Pull) -> Pull:
        pull = replace(pull, acts=(Act(pull.opened_by, OPENED, pull.opened_at),))
        if not pull.opened_by.person and not pull.origin:
            return pull  # no request of a machine passes on approvals, whoever pushed
        home = self._at_home(fields)
        if not home and fields.value("head.repo") is None:
            return replace(pull, pushers=(Account("", "somebody with access to a fork that is gone"),))
        found = pushers_of(self._api, self._directory, self._repository if home else head_repository(fields), pull)
        # What our bot pushed for somebody, they pushed.
        ours = self._bot.id if self._bot is not None and pull.origin else 0
        acts = [replace(act, by=pull.opened_by) if number and number == ours else act for act, number in found]
        pushers = tuple(dict.fromkeys(act.by for act in acts))
        return replace(pull, pushers=pushers, acts=(*pull.acts, *acts))

    def _reviewer(self, user: Any, said: str) -> Account:
        """Resolve who reviewed, and for an approval that counts whether they still are somebody at GitHub."""
        account = self._account(user)
        if said != "approved" or not account.handle:
            return account
        number = Fields("a review", user).number("id")
        if number not in self._standing:
            whole = self._api.find(f"/user/{number}")
            gone = Account("", f"an account that GitHub shows no more (id {number})")
            self._standing[number] = gone if whole is None else self._account(whole)
        return self._standing[number]

    def _closing(self, number: int) -> Act:
        """Return who closed it: its issue alone tells (https://docs.github.com/en/rest/issues/issues#get-an-issue)."""
        fields = Fields(f"issue {number}", self._api.get(f"{self._root}/issues/{number}"))
        return Act(self._account(fields.value("closed_by")), CLOSED, fields.instant("closed_at"))

    # Merges

    def _merge(self, fields: Fields) -> Merge:
        commit = fields.oid("merge_commit_sha")
        return Merge(
            commit=commit,
            base=self._first_parent(commit),
            head=fields.oid("head.sha"),
            at=fields.instant("merged_at"),
            by=self._account(fields.value("merged_by")),
        )

    def _first_parent(self, commit: Oid) -> Oid:
        """Return a commit's first parent from git, ABSENT for a first commit; main is fetched where it is not here yet."""
        if self._git.find(commit) is None:
            self._remote.bring(MAIN)
        parents = [parse_commit(oid, raw).parents for _, oid, raw in objects(self._git, [commit])]
        return parents[0][0] if parents and parents[0] else ABSENT

    def _records(self, one: Fields, commit: Oid) -> bool:
        """Whether a pull request's record is of this merge into our main, and of no push of its own commits."""
        return (
            one.value("merged_at") is not None
            and one.value("merge_commit_sha") == commit
            and one.text("base.ref") == MAIN
            and one.text("base.repo.full_name").lower() == self._repository.lower()
            and one.oid("head.sha") != commit
        )

    def _check_came_otherwise(self, commit: Oid) -> None:
        """Raise EdgeError unless main's activity proves that no pull request brought a commit."""
        landed = self._landed_with(commit)
        move = self._find_move(landed)
        if move is not None and (move.text("activity_type") in ("push", "force_push", "branch_creation")):
            return
        if move is not None and move.value("after") != commit:
            return  # one commit of several that a pull request brought: no merge of its own
        raise EdgeError(
            f"GitHub does not tell (yet) how commit {commit[:12]} came to {MAIN}",
            hint="run it again in a minute; GitHub's records may lag behind its git",
        )

    def _landed_with(self, commit: Oid) -> list[Oid]:
        """Return the commit and what follows it on main, oldest first: a push is recorded at its last commit."""
        tip = self._remote.bring(MAIN)
        after = self._git.text("rev-list", "--first-parent", "--reverse", f"{commit}..{tip}").split()
        return [commit, *(Oid(oid) for oid in after)]

    def _find_move(self, landed: list[Oid]) -> Fields | None:
        """Return the move of main that brought the first of these commits."""
        known = _first_move(self._main_moves, landed)
        if known is not None and known.value("after") == landed[0]:
            return known
        found = self._api.pages(
            f"{self._root}/activity",
            until=lambda item: bool(item.get("after") == landed[0]),
            ref=f"refs/heads/{MAIN}",
        )
        self._main_moves = [Fields(_MAIN_MOVES, item) for item in found]
        return _first_move(self._main_moves, landed)


def _first_move(moves: list[Fields], landed: list[Oid]) -> Fields | None:
    by_commit = {move.value("after"): move for move in moves}
    return next((by_commit[oid] for oid in landed if oid in by_commit), None)
