"""Whether issues are closed and pull requests merged, asked of GitHub a hundred at a time.

By GraphQL, since REST takes a call for each one: https://docs.github.com/en/graphql/reference/objects#repository. Upholds:
an end is believed only of the very thing that was named; what was moved, what has another name by now, and what the
credential may not see is not known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from daypass.core.bounds.watch import Condition, Watched, names_it, repository_of
from daypass.core.errors import EdgeError
from daypass.core.finding import shown
from daypass.core.window import parse_instant
from daypass.edges.forges.github.answers import ApiError

if TYPE_CHECKING:
    from daypass.edges.forges.github.api import Api

A_CALL = 100
"""So many are asked of at once."""

_MOST = 2**31 - 1
"""The highest number that may be asked of: a higher one is no Int, and the whole question would go unanswered."""


def watching_api(
    environ: Mapping[str, str], options: Mapping[str, Any], base: str, *, wait: Callable[[float], None]
) -> Api:
    """Return the client for other repositories, with the token of the variable that the settings name, at an API.

    Raises EdgeError where the settings name none, or it is not set.
    """
    # Both load the client library, which no run needs that watches nothing.
    from github import Auth  # noqa: PLC0415

    from daypass.edges.forges.github.api import Api  # noqa: PLC0415
    from daypass.edges.forges.github.transport import Credential, Transport  # noqa: PLC0415

    name = str(options.get("token_env", ""))
    token = environ.get(name, "") if name else ""
    if not token:
        raise EdgeError(f"{name} is not set here" if name else "the settings no longer have forge.watch")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise EdgeError(f"{name} holds characters that no token has")
    return Api(Transport(base), Credential("token", fixed=Auth.Token(token)), "", wait=wait)


class WatchedElsewhere(NamedTuple):
    """How other repositories than the access repository are looked at: which, and the client for them."""

    repositories: Collection[str]
    api: Callable[[], Api]


def watch_all(
    conditions: Collection[Condition], repository: str, api: Api, elsewhere: WatchedElsewhere | None
) -> Mapping[Condition, Watched]:
    """Say what GitHub says of conditions: of the access repository by its own client, of others as the settings say."""
    ours = [one for one in conditions if names_it((repository,), one)]
    others = [one for one in conditions if one not in ours and elsewhere and names_it(elsewhere.repositories, one)]
    # A narrowing is denied nothing that it names, and a token may see more than people here are to learn of.
    found = {one: Watched(unknown=f"forge.watch does not name {repository_of(one)}") for one in conditions}
    found |= watch(ours, lambda: api)
    return found | dict(watch(others, elsewhere.api)) if elsewhere is not None else found


def watch(conditions: Collection[Condition], api: Callable[[], Api]) -> Iterator[tuple[Condition, Watched]]:
    """Yield what GitHub says of each condition; a call that fails leaves those unknown that it asked of."""
    beyond = sorted(one for one in conditions if _number(one) > _MOST)
    yield from ((one, Watched(unknown=f"no number at GitHub is as high as that of {one[1]}")) for one in beyond)
    listed = sorted({*conditions}.difference(beyond))
    for first in range(0, len(listed), A_CALL):
        part = listed[first : first + A_CALL]
        try:
            yield from zip(part, _ask(part, api()), strict=True)
        except EdgeError as error:
            # Who does not answer, or has had too many questions, is asked no more: each would be waited for anew.
            left = listed[first:] if isinstance(error, ApiError) else part
            yield from ((one, Watched(unknown=error.message)) for one in left)
            if left is not part:
                return


def _ask(part: list[Condition], api: Api) -> list[Watched]:
    by_repository: dict[str, list[int]] = {}
    for place, one in enumerate(part):
        by_repository.setdefault(repository_of(one), []).append(place)
    names = list(by_repository)
    query = "{" + " ".join(_of_repository(n, name, part, by_repository[name]) for n, name in enumerate(names)) + "}"
    answer = api.send("POST", "/graphql", {"query": query}, safe=True)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise EdgeError(f"GitHub does not say: {_first_error(answer)}")
    found = {}
    for n, name in enumerate(names):
        there = data.get(f"r{n}")
        for place in by_repository[name]:
            found[place] = _read(part[place], name, there, f"c{place}")
    return [found[place] for place in range(len(part))]


def _number(condition: Condition) -> int:
    return int(condition[1].rpartition("#")[2])


def _of_repository(n: int, repository: str, part: list[Condition], places: list[int]) -> str:
    owner, _, name = repository.partition("/")
    # The schema of grants lets no quote, backslash or brace into a name; json.dumps is there all the same.
    told = " ".join(
        f"c{place}: issueOrPullRequest(number: {_number(part[place])})"
        " { __typename ... on Issue { closed closedAt } ... on PullRequest { merged mergedAt } }"
        for place in places
    )
    return f"r{n}: repository(owner: {json.dumps(owner)}, name: {json.dumps(name)}) {{ nameWithOwner {told} }}"


_WANTED: Mapping[str, tuple[str, str, str, str]] = {
    "issue_closed": ("Issue", "an issue", "closed", "closedAt"),
    "pull_merged": ("PullRequest", "a pull request", "merged", "mergedAt"),
}


def _read(condition: Condition, repository: str, there: Any, alias: str) -> Watched:
    key, what = condition
    if key not in _WANTED:
        return Watched(unknown=f"this release cannot look at {key}")
    kind, words, flag, when = _WANTED[key]
    if not isinstance(there, dict):
        return Watched(unknown=f"there is no repository {repository}, or the credential may not see it")
    named = there.get("nameWithOwner")
    if not isinstance(named, str) or named.lower() != repository.lower():
        # Whoever takes the old name of a repository must not decide when access ends.
        return Watched(unknown=f"{repository} is called {shown(str(named))} now")
    found = there.get(alias)
    if not isinstance(found, dict):
        return Watched(unknown=f"there is no {what}, or the credential may not see it")
    if found.get("__typename") != kind:
        return Watched(unknown=f"{what} is not {words}")
    if found.get(flag) is False:
        return Watched()
    came = _instant(found.get(when))
    if found.get(flag) is not True or came is None:
        return Watched(unknown=f"GitHub's answer about {what} makes no sense")
    return Watched(came)


def _instant(text: Any) -> datetime | None:
    try:
        return parse_instant(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _first_error(answer: Any) -> str:
    errors = answer.get("errors") if isinstance(answer, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return shown(str(first.get("message", "its answer makes no sense")))
