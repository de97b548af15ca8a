"""Writing over what was told of a request before, comment and check run at once, where a sweep showed both.

By GraphQL, in one request: https://docs.github.com/en/graphql/reference/mutations#updateissuecomment,
https://docs.github.com/en/graphql/reference/mutations#updatecheckrun. What the sweep showed only leads there; where
anything of the request changed since, or does not fit, it is not written so, and who tells looks itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from daypass.edges.forges.github.answers import ApiError, nodes_of, same_text
from daypass.edges.forges.github.pages.check import digest_of, may_become, standing

if TYPE_CHECKING:
    from daypass.core.request import Notice
    from daypass.edges.forges.github.api import Api
    from daypass.edges.forges.github.evidence import Swept

_CHANGE = """mutation($comment: ID!, $body: String!, $repository: ID!, $run: ID!,
    $status: RequestableCheckStatusState!, $conclusion: CheckConclusionState, $output: CheckRunOutput!) {
  updateIssueComment(input: {id: $comment, body: $body}) { clientMutationId }
  updateCheckRun(input: {repositoryId: $repository, checkRunId: $run, status: $status, conclusion: $conclusion,
    output: $output}) { clientMutationId } }"""


def write_over(api: Api, pull: dict[str, Any], notice: Notice, body: str, *, seen: Swept, own: int) -> bool:
    """Write comment and check run over those of ours that a sweep showed, and say whether they are as they should be.

    ``pull`` is the request as it was read since. Nothing is written where both say it already. Not done, and nothing to be
    told by it: the request changed since the sweep; one of them is missing, another's, or leads elsewhere; the check run
    cannot be made to say it.
    """
    if (seen.head, seen.updated) != (notice.head, pull["updated_at"]) or not isinstance(seen.repository, str):
        return False
    run = max(_runs(seen), key=lambda one: int(one["databaseId"]), default=None)
    if run is None or run.get("externalId") != digest_of(notice.findings):
        return False
    stands = standing(notice)
    before = {"status": _lower(run.get("status")), "conclusion": _lower(run.get("conclusion"))}
    if not may_become(before, notice):
        return False
    page = re.escape(str(pull["html_url"]))
    leads = re.fullmatch(page + r"#issuecomment-([1-9][0-9]{0,17})", str(run.get("detailsUrl")))
    comment = _comment(seen, int(leads[1]), own) if leads else ""
    if leads is None or not comment:
        return False
    if {"conclusion": None, **stands} == before and _says(run, notice):
        shown = [one.get("body") for one in nodes_of(seen.first) if str(one.get("databaseId")) == leads[1]]
        if not shown or same_text(shown[0], body):
            return bool(shown)
    given = {"comment": comment, "body": body, "repository": seen.repository, "run": run.get("id")}
    given |= {name: value.upper() for name, value in stands.items()}
    given |= {"output": {"title": notice.title, "summary": notice.summary}}
    try:
        answer = api.send("POST", "/graphql", {"query": _CHANGE, "variables": given}, safe=True)
    except ApiError as error:
        if error.limited:
            raise
        return False
    done = answer.get("data") if isinstance(answer, dict) and not answer.get("errors") else None
    return isinstance(done, dict) and None not in (done.get("updateIssueComment"), done.get("updateCheckRun"))


def _runs(seen: Swept) -> Iterator[Mapping[str, Any]]:
    """Yield the check runs of the head."""
    for each in nodes_of(seen.commits):
        commit = each.get("commit")
        if isinstance(commit, dict) and commit.get("oid") == seen.head:
            runs = (run for suite in nodes_of(commit, "checkSuites") for run in nodes_of(suite, "checkRuns"))
            yield from (run for run in runs if isinstance(run.get("databaseId"), int))


def _comment(seen: Swept, number: int, own: int) -> str:
    """Return the node of a comment, "" where it is not one of the account that we write by."""
    for one in nodes_of(seen.comments):
        by = one.get("author")
        if one.get("databaseId") == number and isinstance(by, dict) and by.get("databaseId") == own:
            return str(one.get("id"))
    return ""


def _says(run: Mapping[str, Any], notice: Notice) -> bool:
    return run.get("title") == notice.title and same_text(run.get("summary"), notice.summary)


def _lower(word: Any) -> str | None:
    return word.lower() if isinstance(word, str) else None
