"""Looking at all open pull requests at once, a hundred a query, and knowing which of them are as they were when last judged.

By GraphQL, since REST takes calls for each one: https://docs.github.com/en/graphql/reference/objects#repository. What the
gate saw of each lies in a check run of main's newest commit, which our App alone can write: GitHub binds check runs to
the App that made them, and is asked for those of ours. It holds for that main, that ledger and this very program, and of
each request until an instant from which on the clock alone may change what was found. It is never evidence: nothing is
merged by it, and a request is only ever left as it is.

Upholds: an answer with an error in it, or that is short, is an error and never a shorter list; what cannot be told to be
unchanged is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.forge import Glance
from daypass.core.ids import digest
from daypass.core.window import format_instant
from daypass.edges.forges.github.answers import Fields, as_documented
from daypass.edges.forges.github.pages.labels import APPROVED, label_key
from daypass.edges.forges.github.pages.over import Written, written_key
from daypass.edges.forges.github.reading import RepositoryPart

SEEN = "daypass gate"
"""The name of the check run on main's newest commit."""

_LONGEST = 65_000
"""So many characters a check run's text has room for; of requests that find none, nothing is kept."""

_MOVING = timedelta(seconds=2)
"""Instants are told to the second: what changed within so long before an answer may change once more and look the same."""

_QUERY = """query($owner: String!, $name: String!, $after: String, $app: Int!, $ledger: String!) {
  repository(owner: $owner, name: $name) {
    id nameWithOwner
    approved: label(name: "daypass: approved") { id }
    ledger: ref(qualifiedName: $ledger) { target { oid } }
    main: ref(qualifiedName: "refs/heads/main") { target { oid ... on Commit {
      checkSuites(first: 10, filterBy: {appId: $app, checkName: "daypass gate"}) { nodes {
        checkRuns(first: 10, filterBy: {checkName: "daypass gate"}) { nodes { databaseId text } } } } } } }
    pullRequests(first: 100, after: $after, states: OPEN, baseRefName: "main",
      orderBy: {field: CREATED_AT, direction: ASC}) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes { number updatedAt headRefOid isDraft mergeable title
        author { __typename login ... on User { databaseId } ... on Bot { databaseId } }
        headRepository { databaseId } labels(first: 100) { totalCount nodes { name } }
        reviews(last: 1) { totalCount nodes { databaseId state submittedAt } }
        comments(first: 10) { nodes { id databaseId author { ... on Bot { databaseId } } } }
        commits(last: 1) { nodes { commit { oid
          checkSuites(first: 2, filterBy: {appId: $app, checkName: "daypass"}) { nodes {
            checkRuns(first: 5, filterBy: {checkName: "daypass", checkType: LATEST}) { nodes {
              id databaseId externalId status conclusion detailsUrl title } } } } } } } } } } }"""


class GitHubSweep(RepositoryPart):
    """One sweep over the open pull requests. Implements `daypass.edges.forges.host.Sweep`."""

    _run = 0
    _grounds = ""
    _seen: Mapping[int, str] = {}
    _moving: frozenset[int] = frozenset()
    _kept: Mapping[int, tuple[str, str]] = {}

    @as_documented("open pull requests")
    def look(self, main: str, ledger: str, program: str, at: datetime) -> tuple[Glance, ...]:
        """Return the open pull requests for main by number; ``ledger`` is the branch that what was found depends on.

        Raises EdgeError for an answer that has an error, or is short.
        """
        there, nodes = self._pages(f"refs/heads/{ledger}")
        self._api.noted[label_key(APPROVED)] = (there.get("approved") or {}).get("id")  # for what this run merges
        oids = [_oid(there.get(name)) for name in ("main", "ledger")]
        self._grounds = digest([program, *oids])
        self._run, self._kept = self._record(there, self._grounds) if oids[0] == main else (0, {})
        if oids[0] != main:
            self._grounds = ""  # it moved meanwhile: what is found by this run's main is nothing to keep
        for node in nodes:
            wrote = {
                what: node.pop(what, None) for what in ("comments", "commits")
            }  # our own words change nothing of it
            told = Written(there.get("id"), node.get("headRefOid"), node.get("updatedAt"), **wrote)
            self._api.noted[written_key(Fields("a pull request", node).number("number"))] = told
        self._seen = {int(node["number"]): digest(node)[7:23] for node in nodes}
        latest = format_instant(self._api.clock - _MOVING) if self._api.clock is not None else ""
        self._moving = frozenset(int(node["number"]) for node in nodes if not str(node.get("updatedAt")) < latest)
        now = format_instant(at)
        return tuple(
            Glance(number, self._by(node), number in self._kept and self._holds(number, now))
            for node in nodes
            for number in (int(node["number"]),)
        )

    def keep(self, until: Mapping[int, datetime], *, main: str) -> None:
        """Keep of requests that were judged until when what was found holds; what was kept of the others stays."""
        if not self._grounds:
            return
        kept = {number: seen for number, seen in self._kept.items() if self._seen.get(number) == seen[0]}
        kept |= {
            number: (self._seen[number], format_instant(end))
            for number, end in until.items()
            if number in self._seen and number not in self._moving
        }
        if kept == self._kept:
            return
        text = _written(self._grounds, kept)
        said = {
            "status": "completed",
            "conclusion": "neutral",
            "output": {
                "title": f"{len(kept)} open requests as they were",
                "summary": "What the gate saw of open requests, so that it asks again of those alone that changed.",
                "text": text,
            },
        }
        if self._run:
            self._api.send("PATCH", f"{self._root}/check-runs/{self._run}", said)
        else:
            self._api.send("POST", f"{self._root}/check-runs", {"name": SEEN, "head_sha": main, **said})

    def _holds(self, number: int, now: str) -> bool:
        seen, until = self._kept[number]
        return seen == self._seen[number] and now < until

    def _by(self, node: Mapping[str, Any]) -> Any:
        author = node.get("author")
        if not isinstance(author, dict) or not isinstance(author.get("databaseId"), int):
            return self._account(None)
        return self._account({"id": author["databaseId"], "login": author["login"], "type": author["__typename"]})

    def _pages(self, ledger: str) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
        """Return what is said of the repository, and every open pull request."""
        owner, _, name = self._repository.partition("/")
        asked = {"owner": owner, "name": name, "app": int(self._api.app_id), "ledger": ledger, "after": None}
        found: dict[int, dict[str, Any]] = {}
        first: Mapping[str, Any] | None = None
        while True:
            there = self._ask(asked)
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
        return first, [found[number] for number in sorted(found)]

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

    def _record(self, there: Mapping[str, Any], grounds: str) -> tuple[int, Mapping[int, tuple[str, str]]]:
        """Return the check run that has what was kept, 0 for none, and what it says; nothing of what makes no sense."""
        runs = sorted(_runs(there), key=lambda run: int(run["databaseId"]))
        if not runs:
            return 0, {}
        number = int(runs[-1]["databaseId"])
        try:
            told = json.loads(runs[-1]["text"] or "{}")
            if told.get("grounds") != grounds:
                return number, {}
            return number, {int(one): (str(seen), str(until)) for one, (seen, until) in told["requests"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return number, {}


def _runs(there: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the check runs that an answer tells of; what is missing in it, or makes no sense, is none."""
    for suite in _nodes(there, "main", "target", "checkSuites"):
        yield from (run for run in _nodes(suite, "checkRuns") if isinstance(run.get("databaseId"), int))


def _nodes(found: Any, *path: str) -> list[Mapping[str, Any]]:
    for name in (*path, "nodes"):
        found = found.get(name) if isinstance(found, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _written(grounds: str, kept: Mapping[int, tuple[str, str]]) -> str:
    room = _LONGEST // 60  # no entry is longer
    some = {str(number): list(kept[number]) for number in sorted(kept)[:room]}
    return json.dumps({"grounds": grounds, "requests": some}, separators=(",", ":"))


def _oid(ref: Any) -> str:
    return str(ref["target"]["oid"]) if isinstance(ref, dict) else ""


def _short(why: str) -> EdgeError:
    return EdgeError(f"GitHub does not list the open pull requests: {why}", hint="run the command again")
