"""The grant file as a model: the source of its JSON Schema. Field texts are what editors show while one is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})"
DURATION = r"(?:[0-9]{1,5}d)?(?:[0-9]{1,5}h)?(?:[0-9]{1,6}m)?(?:[0-9]{1,8}s)?"


def text(pattern: str, words: str, *, longest: int) -> Any:
    """Return the field of a text of 1 to ``longest`` characters that matches a pattern; ``words`` say what is expected.

    Editors and `daypass.core.files.conform` show the words where the pattern does not match.
    """
    return Field(
        min_length=1, max_length=longest, pattern=f"^(?:{pattern})$", json_schema_extra={"patternErrorMessage": words}
    )


Name = Annotated[
    str,
    text("[a-z0-9][a-z0-9-]*", "lower-case letters, digits and hyphens, a letter or digit first", longest=63),
]
RoleName = Annotated[
    str,
    text(
        "[a-z0-9][a-z0-9_-]*",
        "lower-case letters, digits, hyphens and underscores, a letter or digit first",
        longest=63,
    ),
]
Instant = Annotated[
    str,
    text(INSTANT, "an instant with its time zone, for example 2026-11-21T09:00:00Z", longest=25),
]
Duration = Annotated[str, text(DURATION, "a duration, for example 8h, 30m, 7d or 1h30m", longest=32)]


class Model(BaseModel):
    """Closed and frozen: a key that nobody knows is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


_ONE_KIND: dict[str, Any] = {
    "oneOf": [{"required": ["duration"]}, {"required": ["from"]}],
    "dependentRequired": {"from": ["until"], "until": ["from"]},
}


class WindowForm(Model):
    """When access exists: a duration, counted from the merge, or two instants. It ends before `until`."""

    model_config = ConfigDict(json_schema_extra=_ONE_KIND)

    duration: Duration = Field(default="", examples=["8h"])
    """How long, counted from the merge."""
    from_: Instant = Field(default="", alias="from", examples=["2026-11-21T09:00:00Z"])
    """The first instant."""
    until: Instant = Field(default="", examples=["2026-11-21T17:00:00Z"])
    """The first instant without access."""


class EndsWhen(Model):
    """What ends access before its window does."""

    issue_closed: Annotated[
        str,
        text(
            r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}#[1-9][0-9]{0,9}",
            "an issue, for example acme/orders#88",
            longest=152,
        ),
    ] = Field(examples=["acme/orders#88"])
    """The issue that is closed when the task is done."""


class GrantForm(Model):
    """One subject may hold one role on one resource, during a window, for a reason."""

    model_config = ConfigDict(title="daypass grant")

    version: Literal[1]
    """The version of this format."""
    subject: Name = Field(examples=["alice"])
    """Who receives access: a handle of the directory."""
    resource: Name = Field(examples=["orders-db"])
    """What access is given to; the folder that the file is in has the same name."""
    role: RoleName = Field(examples=["readonly"])
    """A role that the resource offers."""
    reason: str = Field(min_length=10, max_length=1000)
    """Why, in words that a reviewer and an auditor understand."""
    window: WindowForm
    """When."""
    ticket: Annotated[
        str,
        text("[A-Za-z0-9][A-Za-z0-9._#/:-]*", "letters, digits and . _ # / : -, a letter or digit first", longest=64),
    ] = Field(default="", examples=["INC-1234"])
    """The ticket of the task."""
    purpose: Name = Field(default="", examples=["incident"])
    """A ready-made kind of request, from policies/purposes."""
    ends_when: EndsWhen | None = None
    """What ends access before its window does."""
