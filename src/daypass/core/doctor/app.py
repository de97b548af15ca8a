"""Judging what our GitHub App may do, and the clock of the machine that asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType

from daypass.core.doctor.complaint import Case, Complaint, listed, untold
from daypass.core.doctor.facts import App, Untold
from daypass.core.window import format_duration

NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "checks": "write",
        "contents": "write",
        "issues": "write",
        "members": "read",
        "metadata": "read",
        "pull_requests": "write",
    }
)
"""What the App cannot do without: https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps."""

ALLOWED: Mapping[str, str] = MappingProxyType({"actions": "read", "administration": "read"})
"""What it may have beside, to look at settings with."""

_LEVELS = ("none", "read", "write", "admin")

LARGEST_SKEW = timedelta(seconds=120)
"""A clock further off than this gives and ends access at wrong times."""


def judge_app(case: Case) -> Iterator[Complaint]:
    """Say what the App may do too much of, and what too little."""
    found = case.facts.app
    if not case.by_app:
        return
    if isinstance(found, Untold):
        yield untold("app", "what our App may do", found, "docs/github.md")
        return
    if found is None:
        why = Untold("the settings do not name its bot")
        yield untold("app", "which App is ours", why, "forge: {bot: {login: …, id: …}} in policies/daypass.yaml")
        return
    page = f"{case.page.rsplit('/', 2)[0]}/organizations/{case.organisation}/settings"
    yield from _judge_permissions(case, found, f"{page}/apps/{found.slug}/permissions")
    if found.everywhere:
        message = f"the App {found.slug} is installed on all repositories, so that its key opens them all"
        yield Complaint("app-everywhere", message, f"{page}/installations")


def _judge_permissions(case: Case, app: App, link: str) -> Iterator[Complaint]:
    held = dict(app.permissions)
    narrow = [f"{name}: {level}" for name, level in NEEDED.items() if _level(held.get(name, "none")) < _level(level)]
    if not case.facts.repository.organisation:
        narrow = [each for each in narrow if not each.startswith("members:")]
    if narrow:
        yield Complaint("app-narrow", f"the App {app.slug} lacks {listed(narrow)}", link)
    most = {**ALLOWED, **NEEDED}
    wide = [f"{name}: {level}" for name, level in held.items() if _level(level) > _level(most.get(name, "none"))]
    if wide:
        yield Complaint("app-wide", f"the App {app.slug} may do more than it needs: {listed(wide)}", link)


def _level(name: str) -> int:
    """How much a level allows; one that is not known is more than any."""
    return _LEVELS.index(name) if name in _LEVELS else len(_LEVELS)


def judge_clock(case: Case) -> Iterator[Complaint]:
    """Say when this machine's clock is wrong."""
    skew = case.facts.skew
    advice = "set this machine's clock by NTP: timedatectl set-ntp true"
    if skew is None:
        yield untold("clock-skew", "how far this machine's clock is off", Untold("GitHub did not say the time"), advice)
    elif abs(skew) > LARGEST_SKEW:
        way = "ahead of" if skew > timedelta() else "behind"
        amount = format_duration(timedelta(seconds=round(abs(skew).total_seconds())))
        yield Complaint("clock-skew", f"this machine's clock is {amount} {way} GitHub's", advice)
