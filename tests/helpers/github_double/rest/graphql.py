"""The two questions that are asked by GraphQL: when a text was changed last, and what became of issues and pull requests.

The first REST does not tell: https://docs.github.com/en/graphql/reference/interfaces#comment: ``lastEditedAt`` is null where it never was. A node that
nobody has, or that the token may not see, is an error beside ``data``, with status 200.

The second REST tells one by one: https://docs.github.com/en/graphql/reference/objects#repository. A repository that was
renamed is found under its old name, and says its name of today; a number that names nothing is null, with an error beside.
"""

from __future__ import annotations

import re
from typing import Any

from github_double.auth import grants, sees
from github_double.registry import Reply, Request, ok, route
from github_double.shapes import stamp
from github_double.state import Comment, Issue, Repo

_ASKED = re.compile(
    r"\s*query\s*\(\s*\$id\s*:\s*ID!\s*\)\s*\{\s*node\s*\(\s*id\s*:\s*\$id\s*\)\s*\{"
    r"\s*\.\.\.\s*on\s+Comment\s*\{\s*lastEditedAt\s*\}\s*\}\s*\}\s*"
)


@route("POST", "/graphql")
def query(request: Request) -> Reply:
    """Answer those questions and no other."""
    body = request.body if isinstance(request.body, dict) else {}
    if _STATES.fullmatch(str(body.get("query", ""))):
        return _states(request, body["query"])
    variables = body.get("variables")
    node = variables.get("id") if isinstance(variables, dict) else None
    if not _ASKED.fullmatch(str(body.get("query", ""))) or not isinstance(node, str):
        return ok({"errors": [{"type": "undefinedField", "message": "The double does not know this query"}]})
    found = _find(request, node)
    if found is None:
        message = f"Could not resolve to a node with the global id of '{node}'"
        return ok({"data": {"node": None}, "errors": [{"type": "NOT_FOUND", "path": ["node"], "message": message}]})
    return ok({"data": {"node": {"lastEditedAt": stamp(found.edited_at)}}})


_STATE = (
    r"(c\d+): issueOrPullRequest\(number: (\d+)\) \{ __typename \.\.\. on Issue \{ closed closedAt \}"
    r" \.\.\. on PullRequest \{ merged mergedAt \} \}"
)
_REPOSITORY = rf'(r\d+): repository\(owner: "([\w.-]+)", name: "([\w.-]+)"\) \{{ nameWithOwner((?: {_STATE})+) \}}'
_STATES = re.compile(rf"\{{(?:{_REPOSITORY} ?)+\}}")


def _states(request: Request, query: str) -> Reply:
    data: dict[str, Any] = {}
    errors = []
    for alias, owner, name, asked, *_ in re.findall(_REPOSITORY, query):
        repo = _repository(request, f"{owner}/{name}")
        if repo is None:
            data[alias] = None
            message = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            errors.append({"type": "NOT_FOUND", "path": [alias], "message": message})
            continue
        found: dict[str, Any] = {"nameWithOwner": repo.full_name}
        for each, number in re.findall(_STATE, asked):
            found[each] = _state(request, repo, int(number))
            if found[each] is None:
                message = f"Could not resolve to an issue or pull request with the number of {number}."
                errors.append({"type": "NOT_FOUND", "path": [alias, each], "message": message})
        data[alias] = found
    return ok({"data": data} | ({"errors": errors} if errors else {}))


def _repository(request: Request, name: str) -> Repo | None:
    hub = request.hub
    number = hub.moved.get(name.lower())
    repo = hub.find(name) or next((one for one in hub.repositories.values() if one.id == number), None)
    return repo if repo is not None and sees(hub, request.token, repo) else None


def _state(request: Request, repo: Repo, number: int) -> dict[str, Any] | None:
    issue = repo.issues.get(number)
    if issue is None or not grants(request.token, "pull_requests:read" if issue.is_pull else "issues:read"):
        return None
    if not issue.is_pull:
        return {"__typename": "Issue", "closed": issue.state == "closed", "closedAt": stamp(issue.closed_at)}
    merged = repo.pulls[number].merged_at
    return {"__typename": "PullRequest", "merged": merged is not None, "mergedAt": stamp(merged)}


def _find(request: Request, node: str) -> Issue | Comment | None:
    for repo in request.hub.repositories.values():
        if sees(request.hub, request.token, repo) and grants(request.token, "issues:read|pull_requests:read"):
            for each in _nodes(repo):
                if node in each:
                    return each[node]
    return None


def _nodes(repo: Repo) -> list[dict[str, Any]]:
    """Issues, pull requests and comments by the ids that REST gives them."""
    issues = {f"I_{one.id}": one for one in repo.issues.values()}
    return [issues, {f"IC_{one.id}": one for one in repo.comments.values()}]
