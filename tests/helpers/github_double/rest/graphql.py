"""The one question that is asked by GraphQL: when a text was changed last. REST does not tell it.

https://docs.github.com/en/graphql/reference/interfaces#comment: ``lastEditedAt`` is null where it never was. A node that
nobody has, or that the token may not see, is an error beside ``data``, with status 200.
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
    """Answer that question and no other."""
    body = request.body if isinstance(request.body, dict) else {}
    variables = body.get("variables")
    node = variables.get("id") if isinstance(variables, dict) else None
    if not _ASKED.fullmatch(str(body.get("query", ""))) or not isinstance(node, str):
        return ok({"errors": [{"type": "undefinedField", "message": "The double does not know this query"}]})
    found = _find(request, node)
    if found is None:
        message = f"Could not resolve to a node with the global id of '{node}'"
        return ok({"data": {"node": None}, "errors": [{"type": "NOT_FOUND", "path": ["node"], "message": message}]})
    return ok({"data": {"node": {"lastEditedAt": stamp(found.edited_at)}}})


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
