"""The check run of a request's head: https://docs.github.com/en/rest/checks/runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from daypass.core.finding import Finding, Severity
from daypass.edges.forges.github.answers import BOT, CHECK, ApiError, Bot, same_text

if TYPE_CHECKING:
    from daypass.core.request import Notice
    from daypass.edges.forges.github.api import Api

_LEVEL = {Severity.ERROR: "failure", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_BATCH = 50
_PER_PAGE = 100


class HeadCheck:
    """Our check run of the head that a notice is about; ``own`` is who writes it."""

    def __init__(self, api: Api, notice: Notice, own: Bot) -> None:
        self._api = api
        self._root = f"/repos/{api.repository}"
        self._notice = notice
        self._own = own

    def comment(self, page: str) -> int:
        """Return the id of the comment on a request's page that it leads to, 0 for none."""
        there = self._last
        found = re.fullmatch(
            re.escape(page) + r"#issuecomment-([1-9][0-9]{0,17})", str((there or {}).get("details_url"))
        )
        return int(found[1]) if found else 0

    def write(self, page: str) -> None:
        """Write it, unless it says all this already; it leads to ``page``.

        What waits is in progress, which nobody takes for a failure. Only Apps write check runs; 50 annotations go into one
        request, and further requests add to them; they cannot be taken back, so that other annotations need another run.
        So does what was decided and waits again, and what GitHub itself has closed as stale, since it was in progress for
        14 days.
        """
        if self._api.kind == "token":
            message = "only an App or a workflow's own token may write check runs"
            raise ApiError(message, status=HTTPStatus.FORBIDDEN)
        notice = self._notice
        known = digest_of(notice.findings)
        there = self._last
        output = {"title": notice.title, "summary": notice.summary}
        stands = {**standing(notice), "details_url": page, "external_id": known}
        path = f"{self._root}/check-runs"
        if there is not None and there["external_id"] == known and may_become(there, notice):
            if not _says(there, notice, page):
                self._api.send("PATCH", f"{path}/{there['id']}", {**stands, "output": output})
            return
        batches = [notice.findings[i : i + _BATCH] for i in range(0, len(notice.findings), _BATCH)] or [()]
        *before, last = [{"output": {**output, "annotations": [_annotation(one) for one in b]}} for b in batches]
        begun: dict[str, Any] = {"name": CHECK, "head_sha": notice.head}
        if not before:
            self._api.send("POST", path, {**begun, **stands, **last})
            return
        # A run that dies between the batches leaves a check that is not completed and bears no digest.
        number = self._api.send("POST", path, {**begun, "status": "in_progress", **before[0]})["id"]
        for batch in before[1:]:
            self._api.send("PATCH", f"{path}/{number}", batch)
        self._api.send("PATCH", f"{path}/{number}", {**stands, **last})

    @cached_property
    def _last(self) -> dict[str, Any] | None:
        """Our newest check run of the head. Another App's may have the same name."""
        found = self._api.get(
            f"{self._root}/commits/{self._notice.head}/check-runs",
            check_name=CHECK,
            filter="latest",
            per_page=_PER_PAGE,
        )
        slug = self._own.login.removesuffix(BOT)
        ours = [run for run in found["check_runs"] if (run["app"] or {}).get("slug") == slug]
        return max(ours, key=lambda run: int(run["id"]), default=None)


def standing(notice: Notice) -> dict[str, str]:
    """Return how a check run stands: in progress while nothing is decided."""
    if not notice.conclusion:
        return {"status": "in_progress"}
    return {"status": "completed", "conclusion": notice.conclusion}


def may_become(run: dict[str, Any], notice: Notice) -> bool:
    """Say whether a check run can be made to say what a notice says: what was completed is in progress no more."""
    return run["conclusion"] != "stale" and (run["status"] != "completed" or bool(notice.conclusion))


def _says(run: dict[str, Any], notice: Notice, page: str) -> bool:
    output = run["output"]
    return (
        {"status": run["status"], "conclusion": run["conclusion"]} == {"conclusion": None, **standing(notice)}
        and run["details_url"] == page
        and output["title"] == notice.title
        and same_text(output["summary"], notice.summary)
        and output["annotations_count"] == len(notice.findings)
    )


def digest_of(findings: Sequence[Finding]) -> str:
    """Return what a check run bears of its annotations."""
    told = json.dumps([_annotation(one) for one in findings], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _annotation(finding: Finding) -> dict[str, Any]:
    line, column = max(1, finding.place.line), finding.place.column
    return {
        "path": finding.place.file,
        "start_line": line,
        "end_line": line,
        "annotation_level": _LEVEL[finding.severity],
        "title": finding.code,
        "message": finding.message + (f"\nHow to fix it: {finding.hint}" if finding.hint else ""),
        **({"start_column": column, "end_column": column} if column else {}),
    }
