"""The questions that are asked by GraphQL: when a text was changed last, what became of issues and pull requests, and
which pull requests are open.

The first REST does not tell: https://docs.github.com/en/graphql/reference/interfaces#comment: ``lastEditedAt`` is null where it never was. A node that
nobody has, or that the token may not see, is an error beside ``data``, with status 200.

The second REST tells one by one: https://docs.github.com/en/graphql/reference/objects#repository. A repository that was
renamed is found under its old name, and says its name of today; a number that names nothing is null, with an error beside.

The third takes a hundred pull requests a question, and a cursor for the next
(https://docs.github.com/en/graphql/guides/using-pagination-in-the-graphql-api). What a token may not see of a node is null,
with an error beside. A bot's login has no ``[bot]`` at its end there, and a branch that is not there is null.

One mutation puts labels on and takes others off, one after the other:
https://docs.github.com/en/graphql/reference/mutations#addlabelstolabelable. What the token may not do is an error with status 200.
Another writes over a comment and then a check run, as REST does: https://docs.github.com/en/graphql/reference/mutations#updatecheckrun.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from github_double import gitio
from github_double.auth import grants, has_role, sees
from github_double.registry import Refusal, Reply, Request, ok, route
from github_double.rest import checks, comments
from github_double.rest.issues import set_labels
from github_double.shapes import stamp
from github_double.state import Comment, Issue, Pull, Repo

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
    if str(body.get("query", "")).split() == _OPEN.split():
        return _open_pulls(request, body.get("variables"))
    if str(body.get("query", "")).split() == _LABELS.split():
        return _labels(request, body.get("variables"))
    if str(body.get("query", "")).split() == _REWRITE.split():
        return _rewrite(request, body.get("variables"))
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


_OPEN = """query($owner: String!, $name: String!, $after: String, $app: Int!, $ledger: String!) {
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
_LABELS = """mutation($request: ID!, $on: [ID!]!, $off: [ID!]!) {
  addLabelsToLabelable(input: {labelableId: $request, labelIds: $on}) { clientMutationId }
  removeLabelsFromLabelable(input: {labelableId: $request, labelIds: $off}) { clientMutationId } }"""
_REWRITE = """mutation($comment: ID!, $body: String!, $repository: ID!, $run: ID!,
    $status: RequestableCheckStatusState!, $conclusion: CheckConclusionState, $output: CheckRunOutput!) {
  updateIssueComment(input: {id: $comment, body: $body}) { clientMutationId }
  updateCheckRun(input: {repositoryId: $repository, checkRunId: $run, status: $status, conclusion: $conclusion,
    output: $output}) { clientMutationId } }"""
_TURNS = {
    "automatic_base_change_succeeded": "AutomaticBaseChangeSucceededEvent",
    "base_ref_changed": "BaseRefChangedEvent",
    "head_ref_force_pushed": "HeadRefForcePushedEvent",
    "review_dismissed": "ReviewDismissedEvent",
}
"""The events that the question asks for, by their names in REST: https://docs.github.com/en/graphql/reference/unions#pullrequesttimelineitems."""
_TYPES = {"owner": str, "name": str, "ledger": str, "app": int}


def _open_pulls(request: Request, variables: Any) -> Reply:
    given = variables if isinstance(variables, dict) else {}
    for name, kind in _TYPES.items():
        if not isinstance(given.get(name), kind):
            return ok(
                {"errors": [{"message": f"Variable ${name} of type {kind.__name__}! was provided invalid value"}]}
            )
    repo = _repository(request, f"{given['owner']}/{given['name']}")
    if repo is None:
        message = f"Could not resolve to a Repository with the name '{given['owner']}/{given['name']}'."
        return ok({"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "message": message}]})
    if not all(grants(request.token, one) for one in ("contents:read", "pull_requests:read", "checks:read")):
        error = {"type": "FORBIDDEN", "message": "Resource not accessible by integration"}
        return ok({"data": {"repository": {"nameWithOwner": repo.full_name}}, "errors": [error]})
    pulls = [one for one in repo.pulls.values() if one.issue.state == "open" and one.base_ref == "main"]
    pulls.sort(key=lambda one: (one.issue.created_at, one.issue.number))
    start = int(given.get("after") or 0)
    shown = pulls[start : start + 100]
    page = {"hasNextPage": len(pulls) > start + 100, "endCursor": str(start + 100) if shown else None}
    main = gitio.at(repo.path, "refs/heads/main")
    newest = gitio.run(repo.path, "rev-list", "--max-count=50", main).stdout.decode().split() if main else []
    history = {"nodes": [{"oid": one, "checkSuites": _seen(repo, one, given["app"])} for one in newest]}
    ledger = gitio.at(repo.path, given["ledger"])
    approved = repo.labels.get("daypass: approved")
    told = {
        "id": f"R_{repo.id}",
        "nameWithOwner": repo.full_name,
        "approved": {"id": f"LA_{approved.id}"} if approved is not None else None,
        "ledger": {"target": {"oid": ledger}} if ledger else None,
        "main": {"target": {"oid": main, "history": history}} if main else None,
        "pullRequests": {
            "totalCount": len(pulls),
            "pageInfo": page,
            "nodes": [_open_pull(repo, one, given["app"]) for one in shown],
        },
    }
    return ok({"data": {"repository": told}})


def _seen(repo: Repo, commit: str, app: int) -> dict[str, Any]:
    """The newest check run ``daypass gate`` of an App on a commit of main, in its one suite."""
    runs = [
        {"databaseId": run.id, "text": run.output.get("text")}
        for run in repo.checks.values()
        if run.head_sha == commit and run.name == "daypass gate" and run.app.id == app
    ][-1:]
    return {"nodes": [{"checkRuns": {"nodes": runs}}] if runs else []}


def _open_pull(repo: Repo, pull: Pull, app: int) -> dict[str, Any]:
    user, labels = pull.issue.user, pull.issue.labels
    author = None
    if user is not None:
        kind = "User" if user.type == "User" else "Bot"
        author = {"__typename": kind, "login": user.login.removesuffix("[bot]"), "databaseId": user.id}
    comments = [one for one in repo.comments.values() if one.number == pull.issue.number]
    turns = [_TURNS[one.event] for one in repo.issue_events if one.number == pull.issue.number and one.event in _TURNS]
    last = [
        {"databaseId": review.id, "state": review.state, "submittedAt": stamp(review.submitted_at)}
        for review in pull.reviews[-1:]
    ]
    return {
        "number": pull.issue.number,
        "updatedAt": stamp(pull.issue.updated_at),
        "headRefOid": pull.head_sha,
        "isDraft": pull.draft,
        "title": pull.issue.title,
        "author": author,
        "headRepository": {"databaseId": pull.head_repo.id} if pull.head_repo is not None else None,
        "labels": {"totalCount": len(labels), "nodes": [{"name": label.name} for label in labels]},
        "reviews": {"totalCount": len(pull.reviews), "nodes": last},
        "comments": {"nodes": [_said(one) for one in comments][:10]},
        "first": {"nodes": [{"databaseId": one.id, "body": one.body} for one in comments][:1]},
        "turns": {"nodes": [{"__typename": kind} for kind in turns][:1]},
        "commits": {"nodes": [{"commit": {"oid": pull.head_sha, "checkSuites": _checks(repo, pull.head_sha, app)}}]},
    }


def _said(comment: Comment) -> dict[str, Any]:
    user = comment.user
    author = None if user is None else {"databaseId": user.id} if user.type == "Bot" else {}
    return {"id": f"IC_{comment.id}", "databaseId": comment.id, "author": author}


def _checks(repo: Repo, head: str, app: int) -> dict[str, Any]:
    """The newest check run ``daypass`` of an App, in its one suite."""
    runs = [
        {
            "id": f"CR_{run.id}",
            "databaseId": run.id,
            "externalId": run.external_id,
            "status": run.status.upper(),
            "conclusion": run.conclusion.upper() if run.conclusion else None,
            "detailsUrl": run.details_url,
            "title": run.output.get("title"),
            "summary": run.output.get("summary"),
        }
        for run in repo.checks.values()
        if run.head_sha == head and run.name == "daypass" and run.app.id == app
    ][-1:]
    return {"nodes": [{"checkRuns": {"nodes": runs}}] if runs else []}


def _rewrite(request: Request, variables: Any) -> Reply:
    """Each mutation does what REST does for the same, or is null with an error beside."""
    given = variables if isinstance(variables, dict) else {}
    comment, run = str(given.get("comment")).removeprefix("IC_"), str(given.get("run")).removeprefix("CR_")
    stands = {name: str(given[name]).lower() for name in ("status", "conclusion") if given.get(name)}
    mutations = {
        "updateIssueComment": (comments.change, "issues:write|pull_requests:write", {"comment": comment}, {"body": given.get("body")}),
        "updateCheckRun": (checks.update, "checks:write", {"run": run}, {**stands, "output": given.get("output")}),
    }  # fmt: skip
    seen = [repo for repo in request.hub.repositories.values() if sees(request.hub, request.token, repo)]
    repo = next((one for one in seen if f"R_{one.id}" == given.get("repository")), None)
    data: dict[str, Any] = dict.fromkeys(mutations)
    errors = []
    for name, (handler, permission, params, body) in mutations.items():
        if repo is None or not grants(request.token, permission):
            errors.append({"path": [name], "message": "Resource not accessible by integration"})
            continue
        try:
            handler(replace(request, found=repo, params=params, body=body))
            data[name] = {"clientMutationId": None}
        except Refusal as refusal:
            errors.append({"path": [name], "message": refusal.reply.body["message"]})
    return ok({"data": data} | ({"errors": errors} if errors else {}))


def _labels(request: Request, variables: Any) -> Reply:
    given = variables if isinstance(variables, dict) else {}
    mutations = {"addLabelsToLabelable": given.get("on"), "removeLabelsFromLabelable": given.get("off")}
    data: dict[str, Any] = dict.fromkeys(mutations)
    seen = [repo for repo in request.hub.repositories.values() if sees(request.hub, request.token, repo)]
    found = next(
        ((repo, pull) for repo in seen for pull in repo.pulls.values() if f"PR_{pull.id}" == given.get("request")), None
    )
    if found is None:
        error = {"type": "NOT_FOUND", "message": "Could not resolve to a node with the global id"}
        return ok({"data": data, "errors": [{**error, "path": [name]} for name in mutations]})
    repo, issue = found[0], found[1].issue
    if not grants(request.token, "issues:write|pull_requests:write") or not has_role(
        request.hub, request.token, repo, "triage"
    ):
        error = {"type": "FORBIDDEN", "message": "Resource not accessible by integration"}
        return ok({"data": data, "errors": [{**error, "path": [name]} for name in mutations]})
    errors = []
    for name, ids in mutations.items():
        those = [one for one in repo.labels.values() if f"LA_{one.id}" in ids]
        if len(those) != len(set(ids)):
            errors.append({"type": "NOT_FOUND", "path": [name], "message": "Could not resolve to a node"})
            continue
        others = [one for one in issue.labels if one not in those]
        more = [one for one in those if one not in issue.labels]
        wanted = [*issue.labels, *more] if name.startswith("add") else others
        set_labels(replace(request, found=repo), issue, wanted)
        data[name] = {"clientMutationId": None}
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
