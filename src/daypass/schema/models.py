"""The grant file as a model: the source of its JSON Schema. Field texts are what editors show while one is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})"
DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
DURATION = r"(?:[0-9]{1,5}d)?(?:[0-9]{1,5}h)?(?:[0-9]{1,6}m)?(?:[0-9]{1,8}s)?"


def text(pattern: str, words: str, *, longest: int) -> Any:
    """Return the field of a text of 1 to ``longest`` characters that matches a pattern; ``words`` say what is expected.

    Editors and `daypass.core.files.conform` show the words where the pattern does not match.
    """
    return Field(
        min_length=1, max_length=longest, pattern=f"^(?:{pattern})$", json_schema_extra={"patternErrorMessage": words}
    )


def said(description: str, *examples: str) -> Any:
    """Return what editors show of a key, and what is said where it is missing."""
    return Field(description=description, examples=list(examples) or None)


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
Moment = Annotated[str, text(f"{DATE}|{INSTANT}", "a date, or an instant with its time zone", longest=25)]
Zone = Annotated[str, text("[A-Za-z0-9_+/-]+", "a time zone, for example Europe/Berlin", longest=64)]
Hours = Annotated[str, Field(min_length=1, max_length=300, description="hours of the week, as within_hours reads them")]
Duration = Annotated[str, text(DURATION, "a duration, for example 8h, 30m, 7d or 1h30m", longest=32)]


Issue = Annotated[
    str,
    text(
        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}#[1-9][0-9]{0,9}",
        "an issue, for example acme/orders#88",
        longest=152,
    ),
]
Ticket = Annotated[
    str,
    text("[A-Za-z0-9][A-Za-z0-9._#/:-]*", "letters, digits and . _ # / : -, a letter or digit first", longest=64),
]
FIELD = "[a-z][a-z0-9_]{0,39}"
FieldName = Annotated[
    str, text("[a-z][a-z0-9_]*", "lower-case letters, digits and underscores, a letter first", longest=40)
]
"""The name of a purpose's field: rules read it as a variable."""

Detail = Annotated[
    Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\r\n]+$")]
    | Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\r\n]+$")]],
        Field(min_length=1, max_length=50),
    ],
    Field(description="one line of at most 500 characters, or a list of 1 to 50 of at most 100"),
]
_ONE_KIND: dict[str, Any] = {
    "oneOf": [
        {"required": ["duration"], "maxProperties": 1},
        {"required": ["from", "until"], "maxProperties": 2},
        {"required": ["from", "until", "hours", "zone"], "maxProperties": 4},
        {"required": ["from", "until", "calendar"], "maxProperties": 4, "not": {"required": ["hours"]}},
    ]
}
WindowForm = TypedDict(
    "WindowForm",
    {
        "duration": NotRequired[Annotated[Duration, said("How long, counted from the merge.", "8h")]],
        "from": NotRequired[Annotated[Moment, said("The first instant.", "2026-11-21T09:00:00Z")]],
        "until": NotRequired[Annotated[Moment, said("The first instant without access.", "2026-11-21T17:00:00Z")]],
        "hours": NotRequired[
            Annotated[Hours, said("The hours of the week in which access exists.", "Mon 06:00-08:00")]
        ],
        "calendar": NotRequired[Annotated[Name, said("The calendar in which access exists.", "office")]],
        "zone": NotRequired[Annotated[Zone, said("Whose clock shows hours and dates.", "Europe/Berlin")]],
    },
)
WindowForm.__doc__ = (
    "When access exists: a duration, counted from the merge, or two instants, or what is in hours or a calendar between two "
    "instants or dates. It ends before `until`."
)
with_config(ConfigDict(json_schema_extra=_ONE_KIND))(WindowForm)


@with_config(ConfigDict(json_schema_extra={"minProperties": 1}))
class EndsWhen(TypedDict):
    """What ends access before its window does, for good: whichever comes about first."""

    issue_closed: NotRequired[
        Annotated[Issue, said("The issue that is closed when the task is done.", "acme/orders#88")]
    ]
    pull_merged: NotRequired[
        Annotated[Issue, said("The pull request that is merged when the task is done.", "acme/orders#91")]
    ]


@with_config(ConfigDict(title="daypass grant"))
class GrantForm(TypedDict):
    """One subject may hold one role on one resource, during a window, for a reason."""

    version: Annotated[Literal[1], said("The version of this format.")]
    subject: Annotated[Name, said("Who receives access: a handle of the directory.", "alice")]
    resource: Annotated[
        Name, said("What access is given to; the folder that the file is in has the same name.", "orders-db")
    ]
    role: Annotated[RoleName, said("A role that the resource offers.", "readonly")]
    reason: Annotated[
        str,
        Field(min_length=10, max_length=1000),
        said("Why, in words that a reviewer and an auditor understand."),
    ]
    window: Annotated[WindowForm, said("When.")]
    ticket: NotRequired[Annotated[Ticket, said("The ticket of the task.", "INC-1234")]]
    purpose: NotRequired[Annotated[Name, said("A ready-made kind of request, from policies/purposes.", "incident")]]
    details: NotRequired[
        Annotated[dict[FieldName, Detail], Field(max_length=20), said("What the purpose asks for, field by field.")]
    ]
    ends_when: NotRequired[Annotated[EndsWhen, said("What ends access before its window does.")]]
