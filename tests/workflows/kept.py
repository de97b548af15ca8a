"""Every set of workflows that there is: the project's own, and what `init --github` writes for an App and without one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from daypass.edges.forges.github.setup import github_files

TOP = Path(__file__).parents[2]
FOLDER = ".github/workflows/"
PIPELINE = ("check", "wake", "gate", "apply", "expire", "request", "drift")
OURS = (*PIPELINE, "ci", "lives", "newest", "release")
"""The workflows of the project itself."""
PRIVILEGED = ("gate", "apply", "expire", "request", "drift")


@dataclass(frozen=True)
class Workflow:
    """One workflow file, as text and as data."""

    kept_by: str
    name: str
    text: str
    data: Mapping[str, Any]

    @property
    def triggers(self) -> Mapping[str, Any]:
        """What starts it. YAML 1.1 reads the key ``on`` as true."""
        found = self.data.get("on", self.data.get(True))
        assert isinstance(found, dict)
        return found

    @property
    def jobs(self) -> Mapping[str, Any]:
        """Its jobs by id."""
        found = self.data["jobs"]
        assert isinstance(found, dict)
        return found

    def steps(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every step with its job's id."""
        for job, each in self.jobs.items():
            yield from ((job, step) for step in each["steps"])

    def __str__(self) -> str:
        return f"{self.kept_by}-{self.name}"


def files(kept_by: str) -> dict[str, str]:
    """The files below .github of one keeper: "ours", "app" or "token"."""
    if kept_by == "ours":
        places = [*(TOP / ".github/workflows").glob("*.yml"), *(TOP / ".github/daypass").iterdir()]
        return {place.relative_to(TOP).as_posix(): place.read_text(encoding="utf-8") for place in places}
    return github_files(kept_by, variables=["ORDERS_DB_URL"], people="DAYPASS_SCIM_TOKEN")


@cache
def workflows(kept_by: str) -> list[Workflow]:
    """The workflows of one keeper."""
    return [
        Workflow(kept_by, re.sub(r"\.yml$", "", path.removeprefix(FOLDER)), text, yaml.load(text, yaml.CSafeLoader))
        for path, text in sorted(files(kept_by).items())
        if path.startswith(FOLDER)
    ]


KEEPERS = ("ours", "app", "token")
ALL = [workflow for kept_by in KEEPERS for workflow in workflows(kept_by)]
