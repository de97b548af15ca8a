"""What a request lacks is asked for on a terminal, and a bad answer again, while the others are kept."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, field

from daypass.cli.verb import say, show
from daypass.core.bounds.watch import Condition, ends_said
from daypass.core.errors import InvalidError, UsageError
from daypass.core.window import Recurrence, Span, format_duration, format_instant

if TYPE_CHECKING:
    from daypass.core.bounds.purposes import DetailField
    from daypass.core.catalogue import Catalogue
    from daypass.core.grant import Detail, Grant
    from daypass.core.policy.decision import Decision
    from daypass.core.policy.policies import Policy

_ASKED_AS = {"duration": "for", "too-long": "for", "beyond-retention": "for", "beyond-engagement": "for"}
_ASKED_AS |= dict.fromkeys(("beyond-agreement", "beyond-dpa"), "for")
_ASKED_AS |= {
    "vendor-resource": "resource",
    "vendor-data": "resource",
    "vendor-data-unsaid": "resource",
    "vendor-purpose": "purpose",
}
_ASKED_AS |= dict.fromkeys(("window", "from", "until", "hours", "zone", "calendar"), "for")
_ASKED_AS |= dict.fromkeys(("span-too-long", "window-past", "before-agreement"), "for")
_ASKED_AS |= {"ticket-missing": "ticket", "ticket-form": "ticket", "unknown-subject": "subject"}
"""What is asked for again where a finding's field or a denial's code has another name."""


class HowLong(click.ParamType[Span]):
    """How long, as people say it: 8h, or a window (`daypass.core.calendar.asked`)."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        """Read it or fail with its message."""
        from daypass.core.calendar.asked import span_said
        from daypass.core.calendar.recurrence import SpanError

        try:
            return value if isinstance(value, Span) else span_said(str(value).strip())
        except SpanError as error:
            self.fail("; ".join(filter(None, (error.message, error.hint))), param, ctx)


class Answers(Struct):
    """The options that were given, ``details`` among them, and what was answered in place of the missing ones.

    Where nobody can answer (no terminal), UsageError says which option is missing, and what it could be.
    """

    policy: Policy
    me: str
    at: datetime
    given: dict[str, str]
    span: Span | None
    details: Mapping[str, str] = field(default_factory=dict)
    ends_when: tuple[Condition, ...] = ()
    talks: bool = field(default_factory=lambda: sys.stdin.isatty() and sys.stdout.isatty())
    _answered: dict[str, str | Span] = field(default_factory=dict)
    _resource: str = ""

    def wish(self) -> Grant:
        """Return what is asked for, a grant without a name, with a question for each thing that is missing."""
        from daypass.core.grant import Grant
        from daypass.core.ids import GrantId

        catalogue = self.policy.catalogue
        subject = self._text("subject", default=self.me, optional=True)
        resource = self._text("resource", catalogue.resources, show=_resources)
        roles = catalogue.resources[resource].roles if resource in catalogue.resources else {}
        self._resource = resource
        role = self._text("role", roles, show=self._roles)
        purpose = self._purpose()
        return Grant(
            GrantId(""),
            subject=subject or self.me,
            resource=resource,
            role=role,
            span=self.span or self._span(self._longest(resource, role, purpose)),
            reason=self._text("reason"),
            ticket=self._ticket(purpose),
            purpose=purpose,
            ends_when=self.ends_when,
            details=self._details(purpose),
        )

    def again(self, wrong: InvalidError | Decision) -> bool:
        """Say what is wrong and forget the answers that made it so; False where no answer of theirs did."""
        if isinstance(wrong, InvalidError):
            told = [
                (finding.place.path.rpartition(".")[2], finding.message, finding.hint) for finding in wrong.findings
            ]
        else:
            told = [
                (d.path if _ASKED_AS.get(d.path, d.path) in self._answered else d.code, d.message, d.hint)
                for d in wrong.told
            ]
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

    def _span(self, longest: timedelta) -> Span:
        if not self.talks:
            raise UsageError("--for is missing", hint=f"at most {format_duration(longest)}")
        if "for" not in self._answered:
            default = min(longest, timedelta(hours=1))
            question = f"For (at most {format_duration(longest)}), or FROM until UNTIL"
            self._answered["for"] = click.prompt(question, type=HowLong(), default=format_duration(default))
        found = self._answered["for"]
        assert isinstance(found, Span)  # noqa: S101  (HowLong gives nothing else)
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

    def _details(self, purpose: str) -> tuple[tuple[str, Detail], ...]:
        """Ask for the details that the purpose asks for, and that were not given; one that need not be may stay empty."""
        from daypass.core.policy.details import as_written

        known = self.policy.catalogue.purposes.get(purpose)
        fields = known.fields if known is not None else {}
        asked = {**self.details}
        for name, of in fields.items():
            if name not in asked and self.talks and (answer := self._detail(of)):
                asked[name] = answer
        return tuple((name, as_written(fields.get(name), said)) for name, said in sorted(asked.items()))

    def _detail(self, of: DetailField) -> str:
        from daypass.core.policy.details import expected

        name = f"details.{of.name}"
        if name not in self._answered:
            question = f"{of.title or of.name} ({expected(of)})"
            kind = click.Choice([*of.of, *([] if of.required else [""])]) if of.kind == "choice" else None
            default = None if of.required else ""
            said = click.prompt(question, type=kind, default=default, show_default=False, show_choices=False)
            self._answered[name] = str(said).strip()
        return str(self._answered[name])

    def _longest(self, resource: str, role: str, purpose: str) -> timedelta:
        from daypass.core.grant import Bounded

        return self.policy.catalogue.bounds(Bounded("", resource, role, purpose)).longest

    def _roles(self, catalogue: Catalogue) -> None:
        roles = catalogue.resources[self._resource].roles
        _list({n: f"at most {format_duration(role.max_duration)}  {role.title}" for n, role in roles.items()})


def _resources(catalogue: Catalogue) -> None:
    _list({n: f"{one.title} ({one.environment}, {one.classification})" for n, one in catalogue.resources.items()})


def _purposes(catalogue: Catalogue) -> None:
    _list({n: one.title + ", demands a ticket" * one.ticket_required for n, one in catalogue.purposes.items()})


def _list(choices: Mapping[str, str]) -> None:
    """Write what there is to choose from, each with what it is."""
    from daypass.views.findings import joined

    show(joined(f"  {name:24} {what}".rstrip() for name, what in choices.items()))


def asked_span(duration: timedelta | None, bounds: tuple[str, str], recurs: Recurrence, at: datetime) -> Span | None:
    """Return what --for, --from and --until, --hours, --zone and --calendar say, None where they say nothing.

    Raises UsageError where they contradict.
    """
    start, until = bounds
    if duration is not None and (start or until or any(recurs)):
        raise UsageError("--for and --from/--until/--hours/--zone/--calendar exclude each other")
    if not until and (start or any(recurs)):
        raise UsageError("a window needs an end: add --until", hint="or ask for a duration with --for")
    if not until:
        return Span(duration=duration) if duration is not None else None
    from daypass.core.calendar.recurrence import SpanError, span_between

    try:
        return span_between(start or format_instant(at), until, recurs)
    except SpanError as error:
        raise UsageError(error.message, hint=error.hint) from None


def asked_ends(said: Sequence[str]) -> tuple[Condition, ...]:
    """Return what --ends-when says. Raises UsageError for another key, one without a value, and one said twice."""
    try:
        return ends_said(said, "=")
    except ValueError as error:
        message, _, hint = str(error).rpartition("; ")
        raise UsageError(f"--ends-when: {message}", hint=hint) from None


def asked_details(said: Sequence[str]) -> dict[str, str]:
    """Return what --detail says, field by field. Raises UsageError for what is no NAME=VALUE, and for one said twice."""
    found: dict[str, str] = {}
    for one in said:
        name, sign, value = one.partition("=")
        if not (name and sign and value.strip()):
            raise UsageError(f"--detail {one} is no NAME=VALUE", hint="write for example --detail due=2026-12-20")
        if name in found:
            raise UsageError(
                f"--detail {name} is given twice", hint="a list has commas: --detail classes=personal,payment"
            )
        found[name] = value.strip()
    return found
