"""Asking on a terminal for what a request still lacks: a bad answer is asked for again, and the others are kept."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import click

from daypass.cli.options import Duration, say
from daypass.core.catalogue import Catalogue
from daypass.core.errors import InvalidError, UsageError
from daypass.core.policy.decision import Decision
from daypass.core.policy.policies import Policy
from daypass.core.window import Span, Window, format_duration
from daypass.pipeline.ask.propose import Wish

_ASKED_AS = {"duration": "for", "too-long": "for", "beyond-retention": "for", "beyond-engagement": "for"}
_ASKED_AS |= {"ticket-missing": "ticket", "unknown-subject": "subject"}
"""What is asked for again where a finding's field or a denial's code has another name."""


@dataclass
class Answers:
    """The options that were given, and what was answered in place of the missing ones.

    Where nobody can answer (no terminal), UsageError says which option is missing, and what it could be.
    """

    policy: Policy
    me: str
    at: datetime
    given: dict[str, str]
    span: Span | None
    talks: bool = field(default_factory=lambda: sys.stdin.isatty() and sys.stdout.isatty())
    _answered: dict[str, str | timedelta] = field(default_factory=dict)

    def wish(self) -> Wish:
        """Return what is asked for, with a question for each thing that is missing."""
        catalogue = self.policy.catalogue
        subject = self._text("subject", default=self.me, optional=True)
        resource = self._text("resource", catalogue.resources, show=_resources)
        roles = catalogue.resources[resource].roles if resource in catalogue.resources else {}
        self._resource = resource
        role = self._text("role", roles, show=self._roles)
        purpose = self._purpose()
        return Wish(
            subject=subject or self.me,
            resource=resource,
            role=role,
            span=self.span or Span(duration=self._duration(self._longest(resource, role, purpose))),
            reason=self._text("reason"),
            ticket=self._ticket(purpose),
            purpose=purpose,
        )

    def again(self, wrong: InvalidError | Decision) -> bool:
        """Say what is wrong and forget the answers that made it so; False where no answer of theirs did."""
        if isinstance(wrong, InvalidError):
            told = [
                (finding.place.path.rpartition(".")[2], finding.message, finding.hint) for finding in wrong.findings
            ]
        else:
            told = [(denial.code, denial.message, denial.hint) for denial in wrong.denials]
        bad = {_ASKED_AS.get(name, name) for name, _, _ in told}
        if not told or not bad <= self._answered.keys():
            return False
        for _, message, hint in told:
            say(f"  {message}" + (f"; {hint}" if hint else ""))
        for name in bad:
            del self._answered[name]
        return True

    def _text(
        self,
        name: str,
        choices: Collection[str] = (),
        *,
        default: str | None = None,
        optional: bool = False,
        show: object = None,
    ) -> str:
        if self.given[name]:
            return self.given[name]
        if name not in self._answered:
            if not self.talks:
                if optional:
                    return ""
                raise UsageError(f"--{name} is missing", hint="one of " + ", ".join(sorted(choices)) if choices else "")
            if callable(show):
                show(self.policy.catalogue)
            kind = click.Choice(sorted(choices)) if choices else None
            self._answered[name] = str(click.prompt(name.capitalize(), type=kind, default=default)).strip()
        return str(self._answered[name])

    def _duration(self, longest: timedelta) -> timedelta:
        if not self.talks:
            raise UsageError("--for is missing", hint=f"at most {format_duration(longest)}")
        if "for" not in self._answered:
            default = min(longest, timedelta(hours=1))
            question = f"For (at most {format_duration(longest)})"
            self._answered["for"] = click.prompt(question, type=Duration(), default=format_duration(default))
        found = self._answered["for"]
        assert isinstance(found, timedelta)  # noqa: S101  (Duration gives nothing else)
        return found

    def _purpose(self) -> str:
        """Ask for the purpose where there are any: what it is decides on limit, ticket and rules."""
        purposes = self.policy.catalogue.purposes
        if self.given["purpose"] or not self.talks or not purposes:
            return self.given["purpose"]
        found = self._text("purpose", {*purposes, "none"}, default="none", show=_purposes)
        return "" if found == "none" else found

    def _ticket(self, purpose: str) -> str:
        """Ask for the ticket where the purpose demands one, or a rule reads it."""
        known = self.policy.catalogue.purposes.get(purpose)
        demanded = known is not None and known.ticket_required
        read = any("grant.ticket" in rule.names for rule in self.policy.rules.rules)
        if self.given["ticket"] or not self.talks or not (demanded or read):
            return self.given["ticket"]
        return self._text("ticket", default=None if demanded else "")

    def _longest(self, resource: str, role: str, purpose: str) -> timedelta:
        return min(bound.limit for bound in self.policy.catalogue.lengths(resource, role, purpose))

    def _roles(self, catalogue: Catalogue) -> None:
        for name, role in catalogue.resources[self._resource].roles.items():
            click.echo(f"  {name:24} at most {format_duration(role.max_duration)}  {role.title}")


def _resources(catalogue: Catalogue) -> None:
    for name, found in catalogue.resources.items():
        click.echo(f"  {name:24} {found.title} ({found.environment}, {found.classification})")


def _purposes(catalogue: Catalogue) -> None:
    for name, found in catalogue.purposes.items():
        click.echo(f"  {name:24} {found.title}{', demands a ticket' if found.ticket_required else ''}")


def asked_span(duration: timedelta | None, start: datetime | None, until: datetime | None, at: datetime) -> Span | None:
    """Return what --for, --from and --until say, None where they say nothing. Raises UsageError where they contradict."""
    if duration is not None and (start or until):
        raise UsageError("--for and --from/--until exclude each other")
    if start is not None and until is None:
        raise UsageError("a window needs an end: add --until", hint="or ask for a duration with --for")
    if until is not None:
        try:
            return Span(window=Window(start or at, until))
        except ValueError as error:
            raise UsageError(str(error)) from None
    return Span(duration=duration) if duration is not None else None
