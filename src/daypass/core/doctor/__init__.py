"""What is unsafe in how a repository is set up at GitHub: facts in, complaints out, nothing else.

Upholds: what could not be read is a complaint of its own; each complaint says what mends it.
"""

from __future__ import annotations

from daypass.core.doctor.branches import judge_branches
from daypass.core.doctor.facts import Complaint, Setup
from daypass.core.doctor.people import judge_app, judge_clock, judge_directory, judge_owners, judge_teams
from daypass.core.doctor.repository import judge_actions, judge_environment, judge_repository

__all__ = ["judge"]


def judge(case: Setup, codeowners: bytes) -> tuple[Complaint, ...]:
    """Return every complaint about a repository. ``codeowners`` is the file that main's catalogue makes."""
    return (
        *judge_branches(case),
        *judge_repository(case),
        *judge_actions(case),
        *judge_environment(case),
        *judge_owners(case, codeowners),
        *judge_teams(case),
        *judge_directory(case),
        *judge_app(case),
        *judge_clock(case),
    )
