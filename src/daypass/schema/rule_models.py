"""The forms of what decisions go by below ``policies/``: rules, purposes, calendars, rotas and policy tests.

The source of their JSON Schemas; `daypass.schema.policy_models` has the other files.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, WithJsonSchema, with_config
from typing_extensions import TypedDict

from daypass.schema.models import (
    DATE,
    Detail,
    Duration,
    FieldName,
    Instant,
    Moment,
    Name,
    RoleName,
    WindowForm,
    Zone,
    text,
)
from daypass.schema.policy_models import (
    AnySource,
    Asker,
    Choice,
    Condition,
    Count,
    DaySpan,
    Line,
    Pattern,
    Prose,
    RuleId,
    Taken,
    Version,
    Year,
)

_NAME = "[a-z0-9][a-z0-9-]*"


CalendarForm = TypedDict(
    "CalendarForm",
    {
        "version": Version,
        "title": NotRequired[Line],
        "zone": Zone,
        "hours": NotRequired[
            Annotated[Line, Field(description="hours of the week that belong to it: Mon-Fri 08:00-19:00")]
        ],
        "days": NotRequired[Annotated[list[DaySpan], Field(description="whole local days that belong to it")]],
        "except": NotRequired[Annotated[list[DaySpan], Field(description="whole local days that do not")]],
        "years": NotRequired[
            Annotated[list[Year], Field(description="years of which it says all, beside those of its days")]
        ],
    },
)
CalendarForm.__doc__ = "policies/calendars/<name>.yaml: a named set of instants, by the clock on the wall of one zone."


OverrideForm = TypedDict("OverrideForm", {"person": Name, "from": Moment, "until": Moment})
OverrideForm.__doc__ = "Somebody who is on call in place of whose turn it is."


@with_config(ConfigDict(title="daypass rota"))
class RotaForm(TypedDict):
    """policies/rotas/<rota>.yaml: who is on call, and when."""

    version: Version
    title: NotRequired[Line]
    zone: Line
    handover: NotRequired[
        Annotated[
            str,
            text(
                "(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?:[01][0-9]|2[0-3]):[0-5][0-9]",
                "a day and a time, as Mon 09:00, or a time of every day",
                longest=9,
            ),
        ]
    ]
    turns: NotRequired[Annotated[list[Name], Field(min_length=1, description="who takes turns, in this order")]]
    since: NotRequired[Annotated[str, text(DATE, "the day of the first turn", longest=10)]]
    overrides: NotRequired[list[OverrideForm]]
    owners: NotRequired[
        Annotated[list[Name], Field(min_length=1, description="groups that review changes of this file")]
    ]


class TicketForm(TypedDict):
    """What a purpose demands of the ticket: whether there must be one, and its form."""

    required: NotRequired[bool]
    pattern: NotRequired[Pattern]


class FieldForm(TypedDict):
    """A field that grants of a purpose fill in under `details`."""

    kind: Literal["text", "moment", "choice", "names", "number", "person"]
    title: NotRequired[Line]
    required: NotRequired[bool]
    ends_access: NotRequired[Annotated[bool, Field(description="of a moment: the access ends then")]]
    of: NotRequired[
        Annotated[list[Choice], Field(min_length=1, max_length=100, description="the only values of choice and names")]
    ]
    pattern: NotRequired[Annotated[Pattern, Field(description="the form of a text")]]


@with_config(ConfigDict(title="daypass purpose"))
class PurposeForm(TypedDict):
    """policies/purposes/<purpose>.yaml: a ready-made kind of request and what it demands."""

    version: Version
    title: NotRequired[Line]
    emergency: NotRequired[bool]
    asked_by: NotRequired[
        Annotated[list[Asker], Field(min_length=1, description="who may ask for it; anybody where it is not said")]
    ]
    ticket: NotRequired[TicketForm]
    fields: NotRequired[Annotated[dict[FieldName, FieldForm], Field(min_length=1, max_length=20)]]
    max_duration: NotRequired[Duration]
    max_span: NotRequired[Annotated[Duration, Field(description="how long a window that recurs may be as a whole")]]
    guide: NotRequired[Annotated[Prose, Field(description="what reviewers are told")]]
    review: NotRequired[
        Annotated[ReviewForm, Field(description="of an emergency: who reviews afterwards what was given")]
    ]
    rules: NotRequired[
        Annotated[
            list[RuleForm], Field(min_length=1, description="rules for this purpose alone, which may read its details")
        ]
    ]


ApprovalsForm = TypedDict(
    "ApprovalsForm",
    {
        "at_least": Count,
        "from": AnySource,
        "except": NotRequired[Annotated[list[Taken], Field(min_length=1, description="whose people are taken out")]],
    },
)
ApprovalsForm.__doc__ = "How many approvals, and from whom."


class EscalateForm(TypedDict):
    """What comes when nobody approved for a while: others may approve as well, or the request is closed."""

    after: Duration
    to: NotRequired[AnySource]
    close: NotRequired[Literal[True]]


with_config(ConfigDict(json_schema_extra={"minProperties": 2, "maxProperties": 2}))(EscalateForm)
_STEP = TypeAdapter(EscalateForm).json_schema()
Steps = Annotated[
    EscalateForm | list[EscalateForm],
    WithJsonSchema(
        {
            **_STEP,
            "type": ["object", "array"],
            "minItems": 1,
            "maxItems": 10,
            "items": _STEP,
        }
    ),
]
"""One step, or a list of them, the earliest first."""


ReviewForm = TypedDict(
    "ReviewForm",
    {
        "within": Annotated[Duration, Field(description="so long after the merge at the latest")],
        "approvals": ApprovalsForm,
        "escalate": NotRequired[Steps],
        "clock": NotRequired[Annotated[Name, Field(description="the calendar whose hours and days these are")]],
        "else": NotRequired[Annotated[Literal["end"], Field(description="what comes of it where nobody has")]],
    },
)
ReviewForm.__doc__ = (
    "How what was given for an emergency is reviewed, by people who neither hold, nor asked for, nor approved it."
)


class RequireForm(TypedDict):
    """One requirement of a rule."""

    approvals: ApprovalsForm
    after: NotRequired[Annotated[AnySource, Field(description="asked once what asks these sources is met")]]
    remind: NotRequired[Annotated[Duration, Field(description="its people are reminded each time that this is over")]]
    escalate: NotRequired[Steps]
    clock: NotRequired[Annotated[Name, Field(description="the calendar whose hours and days these are")]]


class RuleForm(TypedDict):
    """One rule: when it applies, and what it does then (at least one of require, deny_unless, deny, approve)."""

    id: RuleId
    when: Condition
    require: NotRequired[Annotated[list[RequireForm], Field(min_length=1)]]
    deny_unless: NotRequired[Condition]
    deny: NotRequired[Literal[True]]
    approve: NotRequired[Literal["automatically"]]
    on_behalf: NotRequired[
        Annotated[Literal[True], Field(description="with approve: for who asks for somebody else as well")]
    ]
    message: NotRequired[Prose]
    on_live: NotRequired[
        Annotated[
            Literal["report", "end"], Field(description="what becomes of live grants that it denies; report by default")
        ]
    ]


@with_config(ConfigDict(title="daypass rules"))
class RulesForm(TypedDict):
    """policies/rules/*.yaml: rules; all of all files are evaluated, and their order does not count."""

    version: Version
    rules: Annotated[list[RuleForm], Field(min_length=1)]


class PromiseForm(TypedDict):
    """One promise: a condition that no request which is let through meets, or that each does."""

    id: RuleId
    never: NotRequired[Annotated[Condition, Field(description="true of no request that is let through")]]
    always: NotRequired[Annotated[Condition, Field(description="true of every request that is let through")]]
    message: NotRequired[Prose]


@with_config(ConfigDict(title="daypass promises"))
class PromisesForm(TypedDict):
    """policies/promises/*.yaml: what holds whatever the rules say; `daypass policy prove` holds the rules to it."""

    version: Version
    promises: Annotated[list[PromiseForm], Field(min_length=1, max_length=100)]


Holding = Annotated[str, text(f"{_NAME}/[a-z0-9][a-z0-9_-]*", "resource/role", longest=130)]


class CaseRequest(TypedDict):
    """A request as a test states it."""

    subject: Name
    resource: Name
    role: RoleName
    window: WindowForm
    reason: NotRequired[Prose]
    ticket: NotRequired[Line]
    purpose: NotRequired[Name]
    details: NotRequired[Annotated[dict[FieldName, Detail], Field(max_length=20)]]
    requester: NotRequired[Annotated[Name, Field(description="who opens it; the subject where it is not said")]]


@with_config(ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1}))
class ExpectForm(TypedDict):
    """What policy must say of the request; or how it stands once people have approved it. Exactly one of these."""

    approvals: NotRequired[list[ApprovalsForm]]
    denied: NotRequired[Annotated[list[RuleId], Field(min_length=1, description="ids of rules, or codes")]]
    automatic: NotRequired[Literal[True]]
    asked: NotRequired[Annotated[list[Name], Field(min_length=1, description="whose approval it waits for")]]
    waiting: NotRequired[
        Annotated[list[AnySource], Field(min_length=1, description="the sources that people are asked of")]
    ]
    met: NotRequired[Annotated[Literal[True], Field(description="nothing is missing")]]
    closed: NotRequired[
        Annotated[
            list[AnySource], Field(min_length=1, description="the sources that did not answer, so that it is closed")
        ]
    ]


class CaseHistory(TypedDict):
    """What is on record when a request is opened, beside what its subject holds."""

    number_of_grants: NotRequired[
        Annotated[int, Field(ge=1, le=1000, description="grants in the request, this one too")]
    ]
    days_held: NotRequired[
        Annotated[int, Field(ge=1, le=90, description="days of 90 with the role, those of this window too")]
    ]
    held_for: NotRequired[
        Annotated[Duration, Field(description="so long the subject has had the role without a gap, up to this window")]
    ]
    denials: NotRequired[
        Annotated[int, Field(ge=0, le=1000, description="what was denied or rejected of the requester lately")]
    ]
    unreviewed: NotRequired[
        Annotated[int, Field(ge=0, le=1000, description="emergencies of the subject whose review is missing")]
    ]
    last_used: NotRequired[
        Annotated[
            int, Field(ge=0, le=10_000, description="days since the subject used the resource, where it is known")
        ]
    ]


class CaseForm(TypedDict):
    """One example."""

    name: Line
    request: CaseRequest
    at: Instant
    live: NotRequired[
        Annotated[list[Holding], Field(description="what the subject holds beside it, each as resource/role")]
    ]
    history: NotRequired[CaseHistory]
    on_call: NotRequired[
        Annotated[
            dict[Name, Name], Field(min_length=1, max_length=50, description="who is on call, by rota, all the time")
        ]
    ]
    approved_by: NotRequired[
        Annotated[dict[Name, Instant], Field(min_length=1, max_length=50, description="who approved it, and when")]
    ]
    seen_at: NotRequired[Annotated[Instant, Field(description="when it is looked at; at the last approval, or `at`")]]
    expect: ExpectForm


@with_config(ConfigDict(title="daypass policy test"))
class PolicyTestForm(TypedDict):
    """policies/tests/*.yaml: examples of requests with the decision that policy must give."""

    version: Version
    cases: Annotated[list[CaseForm], Field(min_length=1)]
