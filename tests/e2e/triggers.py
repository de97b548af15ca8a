"""Which workflows an event starts, with whose code and with what rights: GitHub's documented rules, as functions.

https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from github_double import Event
from hub import git

FOLDER = ".github/workflows"
DEFAULT_TYPES = {
    "pull_request": {"opened", "synchronize", "reopened"},
    "pull_request_target": {"opened", "synchronize", "reopened"},
}
"""Activity types that count where a workflow names none; for other events all of them do."""
FROM_MERGE = {"pull_request", "pull_request_review", "pull_request_review_comment"}
"""Events whose workflows are those of the pull request's test merge."""
LET_THROUGH = {"workflow_dispatch", "repository_dispatch"}
"""All that an event caused with GITHUB_TOKEN may start."""
SKIPS = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")
"""A commit's message with one of these starts no push and no pull_request workflow."""
SCOPES = (
    "actions", "attestations", "checks", "contents", "deployments", "discussions", "id-token", "issues", "packages",
    "pages", "pull-requests", "security-events", "statuses",
)  # fmt: skip
NESTED = 3
"""How many workflow_run may follow each other."""
_FILTERS = {"types", "branches", "branches-ignore", "tags", "workflows", "cron", "inputs"}


@dataclass(frozen=True)
class Started:
    """A run of a workflow that an event starts: whose file, at which ref, with what the event says."""

    path: str
    workflow: Mapping[str, Any]
    text: str
    event: str
    ref: str
    sha: str
    actor: str
    payload: Mapping[str, Any] = field(repr=False)
    fork: bool = False
    nested: int = 0

    @property
    def name(self) -> str:
        """The workflow's name, else its file's path."""
        return str(self.workflow.get("name", self.path))


def react(bare: Path, event: Event, *, nested: int = 0) -> list[Started]:
    """Return the runs that an event starts. ``nested``: how many workflow_run led to it."""
    if event.by_token_kind == "actions" and event.name not in LET_THROUGH | {"workflow_run", "schedule"}:
        return []
    if event.name == "workflow_run" and nested > NESTED:
        return []
    place = _place(bare, event)
    if place is None or _skipped(bare, event):
        return []
    ref, sha = place
    pull = event.payload.get("pull_request") or {}
    head = (pull.get("head") or {}).get("repo") or {}
    fork = event.name in FROM_MERGE and head.get("full_name") != event.repo.full_name
    return [
        Started(path, workflow, text, event.name, ref, sha, event.actor.login, event.payload, fork, nested)
        for path, workflow, text in workflows(bare, sha)
        if _wanted(workflow, event) and (event.name != "workflow_dispatch" or event.payload["workflow"] == path)
    ]


def workflows(bare: Path, commit: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """The workflow files of a commit: path, content, text."""
    for line in git(bare, "ls-tree", commit, f"{FOLDER}/").splitlines():
        blob, path = line.split(" ")[-1].split("\t")
        if path.endswith((".yml", ".yaml")):
            workflow, text = _workflow(bare, blob)
            yield path, workflow, text


def _workflow(bare: Path, blob: str) -> tuple[Mapping[str, Any], str]:
    """Read a workflow file once a process: most tests have the same ones, and each event looks at all of them."""
    if blob not in _READ:
        text = git(bare, "cat-file", "blob", blob)
        _READ[blob] = yaml.load(text, Loader=_Reader), text  # noqa: S506  (a safe loader, with fewer words for true)
    return _READ[blob]


_READ: dict[str, tuple[Mapping[str, Any], str]] = {}


class _Reader(yaml.SafeLoader):
    """Reads ``on`` as a word, which YAML 1.1 takes for true."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _place(bare: Path, event: Event) -> tuple[str, str] | None:
    """The ref and commit whose workflow files count; None where there is none, as with a conflict."""
    ref = f"refs/heads/{event.repo.default_branch}"
    if event.name in FROM_MERGE:
        number = event.payload["pull_request"]["number"]
        ref = f"refs/pull/{number}/merge" if not event.payload["pull_request"].get("merged") else ref
    elif event.name == "push":
        ref = event.payload["ref"]
        if event.payload.get("deleted") or event.payload["after"] == "0" * 40:
            return None
        return ref, event.payload["after"]
    elif event.name == "workflow_dispatch":
        ref = event.payload.get("ref") or ref
        ref = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    found = git(bare, "for-each-ref", "--format=%(objectname)", ref)
    return (ref, found.split()[0]) if found else None


def _skipped(bare: Path, event: Event) -> bool:
    """Whether the head commit's message keeps push and pull_request workflows from starting.

    https://docs.github.com/en/actions/how-tos/manage-workflow-runs/skip-workflow-runs
    """
    if event.name == "push":
        message = git(bare, "log", "-1", "--format=%B", event.payload["after"])
    elif event.name == "pull_request":
        message = git(bare, "log", "-1", "--format=%B", event.payload["pull_request"]["head"]["sha"])
    else:
        return False
    trailer = re.search(r"^skip-checks: ?true$", message, re.MULTILINE)
    return trailer is not None or any(word in message for word in SKIPS)


def _wanted(workflow: Mapping[str, Any], event: Event) -> bool:
    """Whether a workflow reacts to an event."""
    on = workflow["on"]
    asked = on if isinstance(on, dict) else dict.fromkeys([on] if isinstance(on, str) else on)
    if event.name not in asked:
        return False
    if event.name == "schedule":
        return any(each["cron"] == event.payload["schedule"] for each in asked["schedule"])
    filters = asked[event.name] or {}
    unknown = set(filters) - _FILTERS
    assert not unknown, f"{workflow.get('name')}: filters {sorted(unknown)} are not known here"
    types = filters.get("types", DEFAULT_TYPES.get(event.name))
    types = [types] if isinstance(types, str) else types
    if types is not None and event.action not in types:
        return False
    if event.name == "workflow_run" and event.payload["workflow_run"]["name"] not in filters["workflows"]:
        return False
    if event.name == "push" and not event.payload["ref"].startswith("refs/heads/"):
        return "branches" not in filters
    return _on_branch(filters, event)


def _on_branch(filters: Mapping[str, Any], event: Event) -> bool:
    branch = ""
    if event.name == "push":
        branch = event.payload["ref"].removeprefix("refs/heads/")
    elif event.name in {"pull_request", "pull_request_target"}:
        branch = event.payload["pull_request"]["base"]["ref"]
    elif event.name == "workflow_run":
        branch = event.payload["workflow_run"]["head_branch"]
    if "branches" in filters and not matches(branch, filters["branches"]):
        return False
    return not matches(branch, filters.get("branches-ignore", ()))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether the last pattern that fits a branch is one without ``!``."""
    found = False
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        bare = pattern.removeprefix("!")
        assert not set(bare) & set("?+[]"), f"the pattern {pattern!r} is not known here"
        text = re.escape(bare).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
        if re.fullmatch(text, name):
            found = not pattern.startswith("!")
    return found


def permissions(started: Started, job: Mapping[str, Any]) -> dict[str, str]:
    """What a job's GITHUB_TOKEN may do; what is not named is none, and a fork's writes are lowered to read.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions
    """
    asked = job.get("permissions", started.workflow.get("permissions", {"contents": "read", "packages": "read"}))
    if isinstance(asked, str):
        asked = dict.fromkeys(SCOPES, asked.removesuffix("-all"))
    unknown = set(asked) - set(SCOPES)
    assert not unknown, f"{started.name}: permissions {sorted(unknown)} do not exist"
    lowered = {"write": "read"} if started.fork else {}
    return {scope: lowered.get(level, level) for scope, level in asked.items() if level != "none"}


def concurrency(started: Started, holder: Mapping[str, Any]) -> tuple[str, bool, bool]:
    """The group of a workflow or job ("" for none), whether a new run cancels the one under way, and whether all wait.

    https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
    """
    asked = holder.get("concurrency")
    if not asked:
        return "", False, False
    asked = {"group": asked} if isinstance(asked, str) else asked
    cancels = str(fill(started, str(asked.get("cancel-in-progress", "false")))).lower() == "true"
    return fill(started, str(asked["group"])), cancels, asked.get("queue") == "max"


def fill(started: Started, text: str) -> str:
    """Fill in the expressions of a text: names of the ``github`` context, and ``||`` between them."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: _value(started, m[1]), text)


def _value(started: Started, expression: str) -> str:
    number = started.payload.get("number", "")
    known: dict[str, Any] = {
        "github": {
            "workflow": started.name,
            "ref": started.ref,
            "sha": started.sha,
            "event_name": started.event,
            "actor": started.actor,
            "repository": started.payload["repository"]["full_name"],
            "head_ref": ((started.payload.get("pull_request") or {}).get("head") or {}).get("ref", ""),
            "event": {"number": number, **started.payload},
        }
    }
    for part in map(str.strip, expression.split("||")):
        if re.fullmatch(r"'[^']*'", part):
            return part[1:-1]
        assert re.fullmatch(r"github(\.[a-z_]+)+", part), f"the expression {part!r} is not known here"
        found: Any = known
        for name in part.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        if found:
            return str(found)
    return ""
