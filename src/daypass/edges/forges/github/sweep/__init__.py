"""Looking at all open pull requests at once, a hundred a query, and knowing which of them are as they were when last judged.

By GraphQL, since REST takes calls for each one: https://docs.github.com/en/graphql/reference/objects#repository. What the
gate saw of each lies in a check run of the commit of main by which it judged, which our App alone can write: GitHub binds
check runs to the App that made them, and is asked for those of ours on main's newest commits. It holds for that main, that
ledger and this very program, and where these have gone on, for the requests that nothing which came since is about; of each
until an instant from which on the clock alone may change what was found. That record is never evidence:
nothing is merged by it, and a request is only ever left as it is. What this very answer shows of a request is, while
nothing has happened to it since: that no event takes its approvals back (`evidence.unturned`).

Upholds: an answer with an error in it, or that is short, is an error and never a shorter list; what cannot be told to be
unchanged is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.forge import Basis, Glance, Quiet
from daypass.core.ids import ABSENT, digest
from daypass.core.window import format_instant
from daypass.edges.forges.github.answers import Fields, as_documented, nodes_of
from daypass.edges.forges.github.evidence import Swept, swept_key
from daypass.edges.forges.github.pages.labels import APPROVED, label_key
from daypass.edges.forges.github.reading import RepositoryPart

if TYPE_CHECKING:
    from daypass.edges.forges.host import Moved

SEEN = "daypass gate"
"""The name of the check run on main's newest commit."""

_LONGEST = 64_000
"""So many characters a check run's text has room for; of requests that find none, nothing is kept."""

_MOVING = timedelta(seconds=2)
"""Instants are told to the second: what changed within so long before an answer may change once more and look the same."""

_QUERY = """query($owner: String!, $name: String!, $after: String, $app: Int!, $ledger: String!) {
  repository(owner: $owner, name: $name) {
    id nameWithOwner
    approved: label(name: "daypass: approved") { id }
    ledger: ref(qualifiedName: $ledger) { target { oid } }
    main: ref(qualifiedName: "refs/heads/main") { target { oid ... on Commit { history(first: 50) { nodes { oid
      checkSuites(first: 2, filterBy: {appId: $app, checkName: "daypass gate"}) { nodes {
        checkRuns(first: 2, filterBy: {checkName: "daypass gate"}) { nodes { databaseId text } } } } } } } } }
    pullRequests(first: 100, after: $after, states: OPEN, baseRefName: "main",
      orderBy: {field: CREATED_AT, direction: ASC}) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes { number updatedAt headRefOid isDraft title
        author { __typename login ... on User { databaseId } ... on Bot { databaseId } }
        headRepository { databaseId } labels(first: 100) { totalCount nodes { name } }
        reviews(last: 1) { totalCount nodes { databaseId state submittedAt } }
        comments(first: 10) { nodes { id databaseId author { ... on Bot { databaseId } } } }
        first: comments(first: 1) { nodes { databaseId body } }
        turns: timelineItems(first: 1, itemTypes: [BASE_REF_CHANGED_EVENT, AUTOMATIC_BASE_CHANGE_SUCCEEDED_EVENT,
          HEAD_REF_FORCE_PUSHED_EVENT, REVIEW_DISMISSED_EVENT]) { nodes { __typename } }
        commits(last: 1) { nodes { commit { oid
          checkSuites(first: 2, filterBy: {appId: $app, checkName: "daypass"}) { nodes {
            checkRuns(first: 5, filterBy: {checkName: "daypass", checkType: LATEST}) { nodes {
              id databaseId externalId status conclusion detailsUrl title summary } } } } } } } } } } }"""


class GitHubSweep(RepositoryPart):
    """One sweep over the open pull requests. Implements `daypass.edges.forges.host.Sweep`."""

    _main = ""
    _began: datetime | None = None
    _there: Mapping[str, Any]
    _seen: Mapping[int, str] = {}
    _moving: frozenset[int] = frozenset()
    _known: Mapping[int, _Kept] = {}

    @as_documented("open pull requests")
    def look(self, main: str, ledger: str, program: str, at: datetime, moved: Moved) -> tuple[Glance, ...]:
        """Return the open pull requests for main by number; ``ledger`` is the branch that what was found depends on.

        ``moved`` is asked where main or the ledger are not as they were. Raises EdgeError for an answer that has an error,
        or is short.
        """
        self._began = self._api.clock
        there, nodes = self._pages(f"refs/heads/{ledger}")
        self._api.noted[label_key(APPROVED)] = (there.get("approved") or {}).get("id")  # for what this run merges
        self._there, self._main = there, _oid(there.get("main"))
        latest = format_instant(self._began - _MOVING) if self._began is not None else ""
        self._moving = frozenset(n for n, node in nodes.items() if not str(node.get("updatedAt")) < latest)
        for number, node in nodes.items():
            wrote = {what: node.pop(what, None) for what in ("comments", "first", "commits", "turns")}
            turned = wrote.pop("turns") != {"nodes": []} or number in self._moving
            told = Swept(there.get("id"), node.get("headRefOid"), node.get("updatedAt"), turned=turned, **wrote)
            self._api.noted[swept_key(number)] = told
        self._seen = {
            number: digest(node)[7:23] for number, node in nodes.items()
        }  # our own words change nothing of it
        if self._main != main:
            self._main = ""  # it moved meanwhile: what is found by this run's main is nothing to keep
        else:
            self._known = self._still(program, _oid(there.get("ledger")) or ABSENT, format_instant(at), moved)
        return tuple(Glance(number, self._by(node), number in self._known) for number, node in nodes.items())

    def keep(self, found: Mapping[int, Quiet], basis: Basis) -> None:
        """Keep of requests that were judged until when what was found holds; what was kept of those that were not stays."""
        fresh = {
            number: _Kept(self._seen[number], format_instant(quiet.until), quiet.on)
            for number, quiet in found.items()
            if number in self._seen and number not in self._moving
        }
        if basis.main != self._main or not fresh:
            return
        kept = {**self._known, **fresh}
        text = _written(basis, kept)
        said = {
            "status": "completed",
            "conclusion": "neutral",
            "output": {
                "title": f"{len(kept)} open requests as they were",
                "summary": "What the gate saw of open requests, so that it asks again of those alone that changed.",
                "text": text,
            },
        }
        run = next((int(run["databaseId"]) for main, run in _runs(self._there) if main == basis.main), 0)
        if run:
            self._api.send("PATCH", f"{self._root}/check-runs/{run}", said)
        else:
            self._api.send("POST", f"{self._root}/check-runs", {"name": SEEN, "head_sha": basis.main, **said})

    def _still(self, program: str, ledger: str, now: str, moved: Moved) -> Mapping[int, _Kept]:
        """Return what was kept of requests that are as they were, and that nothing which came since is about."""
        basis, kept = _record(self._there)
        same = {n: one for n, one in kept.items() if self._seen.get(n) == one.seen and now < one.until}
        if basis is None or basis.program != program or not same:
            return {}
        if (basis.main, basis.ledger) == (self._main, ledger):
            return same
        came = moved(basis)
        if came is None:
            return {}
        return {n: one for n, one in same.items() if one.on is not None and came.isdisjoint(one.on)}

    def _by(self, node: Mapping[str, Any]) -> Any:
        author = node.get("author")
        if not isinstance(author, dict) or not isinstance(author.get("databaseId"), int):
            return self._account(None)
        return self._account({"id": author["databaseId"], "login": author["login"], "type": author["__typename"]})

    def _pages(self, ledger: str) -> tuple[Mapping[str, Any], dict[int, dict[str, Any]]]:
        """Return what is said of the repository, and every open pull request by number."""
        owner, _, name = self._repository.partition("/")
        asked = {"owner": owner, "name": name, "app": int(self._api.app_id), "ledger": ledger, "after": None}
        found: dict[int, dict[str, Any]] = {}
        first: Mapping[str, Any] | None = None
        while True:
            there = self._ask(asked)
            # By a later answer's clock, what changed as the first was made would not be of that second any more.
            self._began = self._began or self._api.clock
            first = first or there
            listed = Fields("the open pull requests", there)
            nodes = listed.value("pullRequests.nodes")
            if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
                raise _short("some of them are missing")
            found |= {Fields("a pull request", node).number("number"): node for node in nodes}
            if not listed.truth("pullRequests.pageInfo.hasNextPage"):
                break
            after = listed.text("pullRequests.pageInfo.endCursor")
            if after == asked["after"]:
                raise _short("they have no end")
            asked["after"] = after
        if len(found) < listed.number("pullRequests.totalCount"):
            raise _short("some of them are missing")
        return first, dict(sorted(found.items()))

    def _ask(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._api.send("POST", "/graphql", {"query": _QUERY, "variables": variables}, safe=True)
        errors = answer.get("errors") if isinstance(answer, dict) else None
        data = answer.get("data") if isinstance(answer, dict) else None
        there = data.get("repository") if isinstance(data, dict) else None
        if errors or not isinstance(there, dict):
            first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
            raise _short(shown(str(first.get("message", "its answer makes no sense"))))
        if str(there.get("nameWithOwner")).lower() != self._repository.lower():
            raise _short(f"{self._repository} is called {shown(str(there.get('nameWithOwner')))} now")
        return there


class _Kept(NamedTuple):
    """How a request was seen, until when what was found of it holds, and what of main and the ledger it hangs on."""

    seen: str
    until: str
    on: frozenset[str] | None


def _record(there: Mapping[str, Any]) -> tuple[Basis | None, Mapping[int, _Kept]]:
    """Return what was kept last and by what it was judged; None, and nothing, where there is none or it makes no sense."""
    for main, run in _runs(there):
        try:
            told = json.loads(run["text"] or "{}")
            basis = msgspec.convert([told["program"], main, *told["basis"]], Basis)
            return basis, msgspec.convert(told["requests"], dict[int, _Kept], strict=False)
        except (ValueError, KeyError, TypeError):
            return None, {}
    return None, {}


def _runs(there: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the check runs that an answer tells of, with main's commits, both latest first; what makes no sense is none."""
    for commit in nodes_of(there, "main", "target", "history"):
        runs = [run for suite in nodes_of(commit, "checkSuites") for run in nodes_of(suite, "checkRuns")]
        told = [run for run in runs if isinstance(run.get("databaseId"), int)]
        yield from ((str(commit.get("oid")), run) for run in sorted(told, key=lambda run: -int(run["databaseId"])))


def _written(basis: Basis, kept: Mapping[int, _Kept]) -> str:
    """Write what is kept, by number as far as there is room."""
    head = {"program": basis.program, "basis": [basis.ledger, basis.sequence, basis.followed]}
    some: dict[str, Any] = {}
    room = _LONGEST
    for number in sorted(kept):
        one = kept[number]
        entry = [one.seen, one.until, sorted(one.on) if one.on is not None else None]
        room -= len(json.dumps({str(number): entry}))
        if room < 0:
            break
        some[str(number)] = entry
    return json.dumps({**head, "requests": some}, separators=(",", ":"))


def _oid(ref: Any) -> str:
    return str(ref["target"]["oid"]) if isinstance(ref, dict) else ""


def _short(why: str) -> EdgeError:
    return EdgeError(f"GitHub does not list the open pull requests: {why}", hint="run the command again")
