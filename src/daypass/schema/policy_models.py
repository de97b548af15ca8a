"""The forms of the files below ``policies/``: the source of their JSON Schemas.

Only the shape is said here (keys, types, patterns); whether references resolve is judged in ``daypass.core.policy.policies``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, WithJsonSchema, with_config
from typing_extensions import TypedDict

from daypass.schema.models import DATE, Duration, Moment, Name, RoleName, text

_NAME = "[a-z0-9][a-z0-9-]*"

Version = Literal[1]
Line = Annotated[str, text(r"[^\r\n]+", "text on one line", longest=300)]
Prose = Annotated[str, Field(min_length=1, max_length=1000)]
RuleId = Annotated[
    str, text("[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "kebab-case, for example production-needs-two", longest=64)
]
_SOURCE = rf"owners|manager(?:\+[1-9])?|sponsor|group:{_NAME}|person:{_NAME}|on-call:{_NAME}"
_OUT = rf"{_SOURCE}|holders:{_NAME}|approvers:{_NAME}"
_SOURCES = "owners, manager, manager+1, sponsor, group:<name>, on-call:<rota> or person:<handle>"
Source = Annotated[str, text(_SOURCE, _SOURCES, longest=70)]
Taken = Annotated[str, text(_OUT, "a source, holders:<resource> or approvers:<resource>", longest=80)]
AnySource = Annotated[
    str | list[str],
    WithJsonSchema(
        {
            "type": ["string", "array"],
            "pattern": f"^(?:{_SOURCE})$",
            "patternErrorMessage": f"{_SOURCES}, or a list of these",
            "minItems": 1,
            "items": TypeAdapter(Source).json_schema(),
        }
    ),
]
"""One source, or a list of which any will do."""
Ender = Annotated[
    str,
    text(
        rf"owners|subject|requester|manager(?:\+[1-9])?|sponsor|group:{_NAME}|person:{_NAME}",
        "owners, subject, requester, manager, sponsor, group:<name> or person:<handle>",
        longest=70,
    ),
]
Revoker = Annotated[
    str, text(f"owners|group:{_NAME}|person:{_NAME}", "owners, group:<name> or person:<handle>", longest=70)
]
Asker = Annotated[
    str,
    text(rf"subject|{_SOURCE}", "subject, owners, manager, sponsor, group:<name> or person:<handle>", longest=70),
]
Pattern = Annotated[str, text(r"[^\r\n]+", "a regular expression (RE2) of the whole value", longest=200)]
Choice = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits and . _ -", longest=64)]
Share = Annotated[str, text("[0-9]{1,3}%|[0-9]{1,7}", "a count, or a percentage of what is live", longest=7)]
Employment = Literal["employee", "contractor", "vendor"]
Email = Annotated[str, text(r"[^@\s]+@[^@\s]+", "an email address", longest=254)]
Branch = Annotated[str, text("[A-Za-z0-9][A-Za-z0-9._/-]*", "the name of a branch", longest=100)]
KeyFile = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9._-]*\.pub", "the name of a .pub file in policies/", longest=100)]
PublicKey = Annotated[str, text(r"[^\r\n]+", "one line of a .pub file", longest=4000)]
Login = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a login at the forge", longest=100)]
Bot = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9-]*\[bot\]", "the login of an App's bot: name[bot]", longest=100)]
Repository = Annotated[
    str, text(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.-]+", "a repository as owner/name", longest=140)
]
WatchedRepository = Annotated[
    str,
    text(r"[A-Za-z0-9][A-Za-z0-9-]*/(?:[A-Za-z0-9_.-]+|\*)", "a repository as owner/name, or owner/*", longest=140),
]
SourceId = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*", "an id: letters, digits and . _ : @ + -", longest=128)]
EnvironmentName = Annotated[str, text("[A-Z_][A-Z0-9_]*", "the name of a variable of the environment", longest=100)]
AppId = Annotated[
    str,
    text(
        "[1-9][0-9]{0,14}|Iv[A-Za-z0-9.]{1,60}",
        "the App that may act: its number or client id, as in DAYPASS_APP_ID",
        longest=62,
    ),
]
ServerUrl = Annotated[
    str,
    text(
        r"(?:https://[A-Za-z0-9][A-Za-z0-9.-]*|http://(?:localhost|127\.0\.0\.1))(?::[0-9]{1,5})?(?:/[A-Za-z0-9._/-]*)?",
        "an address of a server",
        longest=200,
    ),
]
Host = Annotated[
    str,
    text(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", "a host, or host:port", longest=260),
]
Team = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9-]*/[a-z0-9][a-z0-9_-]*", "a team as org/slug", longest=140)]
Condition = Annotated[str, Field(min_length=1, max_length=4000, description="a CEL expression that says true or false")]
Count = Annotated[int, Field(ge=1, le=20)]
Sequence = Annotated[int, Field(ge=0, le=999_999_999)]
DaySpan = Annotated[str, text(rf"{DATE}(?:\.\.{DATE})?", "a day, or days such as 2026-12-20..2027-01-02", longest=22)]
Year = Annotated[int, Field(ge=2000, le=9998)]
Later = Annotated[int, Field(ge=1, le=999_999_999)]


@with_config(ConfigDict(extra="allow"))
class Kinded(TypedDict):
    """A mapping with a kind; the other keys are the kind's own options."""

    kind: Name


class BotForm(TypedDict):
    """The account that an App of ours acts as: its numeric id is what counts."""

    login: Bot
    id: Annotated[int, Field(ge=1)]


class WatchForm(TypedDict):
    """Whose issues and pull requests may end access, beside those of the access repository, and how they are read.

    ``token_env`` names the environment's variable with a token that may read them, and need not write anything.
    """

    repositories: Annotated[list[WatchedRepository], Field(min_length=1, max_length=200)]
    token_env: EnvironmentName


class ForgeForm(TypedDict):
    """Where pull requests are: in this repository's own refs, or at GitHub."""

    kind: Literal["local", "github"]
    repository: NotRequired[Repository]
    app: NotRequired[AppId]
    api_url: NotRequired[ServerUrl]
    server_url: NotRequired[ServerUrl]
    bot: NotRequired[BotForm]
    teams: NotRequired[
        Annotated[dict[Name, Team], Field(description="the team of a group where its name is not the group's")]
    ]
    watch: NotRequired[WatchForm]


class LedgerForm(TypedDict):
    """The ledger: its branch, the public keys (files of policies/) that may sign, the signer's URI, signs of life.

    A key that signs no more is named with a receipt's number: up to which it did, or from which it counts for nothing.
    """

    branch: NotRequired[Branch]
    keys: NotRequired[Annotated[list[KeyFile], Field(min_length=1)]]
    retired: NotRequired[Annotated[dict[KeyFile, Sequence], Field(description="the last receipt that a key signed")]]
    revoked: NotRequired[
        Annotated[dict[KeyFile, Later], Field(description="from which receipt on what a key signed counts for nothing")]
    ]
    signer: NotRequired[Line]
    host: NotRequired[
        Annotated[Host, Field(description="where the signer's key service may be, whatever the environment says")]
    ]
    heartbeat: NotRequired[
        Annotated[Duration, Field(description="a run leaves a pulse when the ledger was silent for so long")]
    ]


class BrakeForm(TypedDict):
    """How much one run may change before it asks."""

    removals: NotRequired[Share]
    additions: NotRequired[Share]


class ApproversForm(TypedDict):
    """Who may approve at all, by how they are engaged; everybody by default."""

    employment: Annotated[list[Employment], Field(min_length=1)]


class PeopleSourceForm(TypedDict):
    """Where people come from: a team at the forge, or a directory service that speaks SCIM 2.0.

    ``url`` is its base address; ``token_env`` names the environment's variable with a token that reads its users.
    """

    kind: Literal["forge", "scim"]
    team: NotRequired[Team]
    url: NotRequired[Annotated[str, text(r"https?://[^\s?#@]+", "an address that begins with https://", longest=300)]]
    token_env: NotRequired[EnvironmentName]


class PeopleSettingsForm(TypedDict):
    """Who says who people are, and that somebody has left."""

    source: PeopleSourceForm


class LimitsForm(TypedDict):
    """Bounds that hold whatever rules say."""

    max_duration: NotRequired[Duration]
    max_span: NotRequired[Annotated[Duration, Field(description="how long a window that recurs may be as a whole")]]
    open_request: NotRequired[Duration]
    brake: NotRequired[BrakeForm]
    approvers: NotRequired[ApproversForm]
    end: NotRequired[
        Annotated[
            list[Ender], Field(min_length=1, description="who may end somebody's access without an owner's approval")
        ]
    ]
    revoke: NotRequired[
        Annotated[list[Revoker], Field(min_length=1, description="who may use `daypass revoke`, the emergency stop")]
    ]
    ask_for_others: NotRequired[
        Annotated[
            list[Source], Field(min_length=1, description="who may ask for somebody else's access; anybody by default")
        ]
    ]
    pause: NotRequired[Annotated[bool, Field(description="nothing is given for now; what ends goes on ending")]]
    unsigned: NotRequired[
        Annotated[
            Literal["accept", "refuse"],
            Field(description="on the local forge: whether what people without SSH keys do counts"),
        ]
    ]


@with_config(ConfigDict(title="daypass settings"))
class SettingsForm(TypedDict):
    """policies/daypass.yaml: how this repository reaches its forge, targets and ledger, and its limits."""

    version: Version
    forge: NotRequired[ForgeForm]
    targets: dict[Name, Kinded]
    ledger: NotRequired[LedgerForm]
    environments: NotRequired[Annotated[list[Name], Field(min_length=1)]]
    classifications: NotRequired[Annotated[list[Name], Field(min_length=1)]]
    limits: NotRequired[LimitsForm]
    people: NotRequired[PeopleSettingsForm]
    clock: NotRequired[
        Annotated[Literal["simulated"], Field(description="writing verbs take --at; for demonstrations only")]
    ]


Was = Annotated[list[Name], Field(min_length=1, description="names that it had before; merged grants go on by them")]


class RoleForm(TypedDict):
    """A level of access. Without a privilege the target is told the role's name."""

    max_duration: Duration
    max_total: NotRequired[
        Annotated[Duration, Field(description="how long somebody may have it without a gap, by all their grants")]
    ]
    max_span: NotRequired[Annotated[Duration, Field(description="how long a window that recurs may be as a whole")]]
    title: NotRequired[Line]
    privilege: NotRequired[dict[Line, Any]]
    was: NotRequired[Annotated[list[RoleName], Field(min_length=1, description="names that it had before")]]


@with_config(ConfigDict(title="daypass resource"))
class ResourceForm(TypedDict):
    """policies/resources/<resource>.yaml: one system that access is given to."""

    version: Version
    title: Line
    target: Name
    environment: Name
    classification: Name
    data: NotRequired[list[Name]]
    owners: Annotated[list[Name], Field(min_length=1)]
    retention_until: NotRequired[Moment]
    exclusive: NotRequired[bool]
    was: NotRequired[Was]
    roles: Annotated[dict[RoleName, RoleForm], Field(min_length=1)]


class ForgeAccount(TypedDict):
    """A person at the forge."""

    login: Login
    id: NotRequired[Annotated[int, Field(ge=1)]]


class PersonForm(TypedDict):
    """Somebody who may receive access and approve."""

    name: NotRequired[Line]
    email: NotRequired[Email]
    also: NotRequired[Annotated[list[Email], Field(description="further addresses of the same person")]]
    forge: NotRequired[ForgeAccount]
    manager: NotRequired[Name]
    employment: NotRequired[Employment]
    vendor: NotRequired[Name]
    until: NotRequired[Annotated[Moment, Field(description="when the engagement ends")]]
    source_id: NotRequired[
        Annotated[SourceId, Field(description="the id that people.source of the settings knows them by")]
    ]
    identities: NotRequired[
        Annotated[dict[Name, Line], Field(description="who they are at a target, by its name or kind")]
    ]
    ssh_keys: NotRequired[Annotated[list[PublicKey], Field(description="public keys as in authorized_keys")]]
    was: NotRequired[Was]


People = Annotated[
    str | list[str],
    WithJsonSchema(
        {
            "type": ["string", "array"],
            "pattern": f"^(?:{_NAME})$",
            "patternErrorMessage": "the handle of a person, or a list of these",
            "minItems": 1,
            "items": TypeAdapter(Name).json_schema(),
        }
    ),
]
"""One person, or a list."""


class WorkloadForm(TypedDict):
    """A program that may receive access; it never approves."""

    title: NotRequired[Line]
    kind: NotRequired[
        Annotated[Literal["workload", "agent"], Field(description="agent: it decides by itself what to do")]
    ]
    sponsor: NotRequired[Annotated[People, Field(description="who answers for it; of an agent always asked")]]
    claims: NotRequired[dict[Line, Line]]
    identities: NotRequired[dict[Name, Line]]
    owners: NotRequired[list[Name]]
    was: NotRequired[Was]


AgreementForm = TypedDict("AgreementForm", {"from": Moment, "until": Moment})
AgreementForm.__doc__ = "When the agreement with a sub-processor holds."


class ProcessingForm(TypedDict):
    """The data-processing agreement with a sub-processor."""

    until: Moment


class VendorForm(TypedDict):
    """A sub-processor: sponsor, agreement, dpa, resources, data and purposes belong together."""

    title: NotRequired[Line]
    until: NotRequired[Annotated[Moment, Field(description="in the form of earlier releases: when the contract ends")]]
    sponsor: NotRequired[Annotated[People, Field(description="who answers for its people, and approves their access")]]
    agreement: NotRequired[AgreementForm]
    dpa: NotRequired[ProcessingForm]
    resources: NotRequired[Annotated[list[Name], Field(description="what its people may receive access to")]]
    data: NotRequired[Annotated[list[Name], Field(description="which kinds of data that may hold")]]
    purposes: NotRequired[Annotated[list[Name], Field(description="for which purposes")]]


class GroupForm(TypedDict):
    """People, and groups whose people are in it as well."""

    title: NotRequired[Line]
    members: NotRequired[list[Name]]
    include: NotRequired[list[Name]]
    was: NotRequired[Was]


DeputyForm = TypedDict("DeputyForm", {"by": Name, "from": Moment, "until": Moment})
DeputyForm.__doc__ = "Who acts in somebody's place, and for how long."


@with_config(ConfigDict(title="daypass directory"))
class DirectoryForm(TypedDict):
    """policies/directory/*.yaml: people, groups, vendors and workloads; several files are read as one."""

    version: Version
    people: NotRequired[dict[Name, PersonForm]]
    groups: NotRequired[dict[Name, GroupForm]]
    vendors: NotRequired[dict[Name, VendorForm]]
    workloads: NotRequired[dict[Name, WorkloadForm]]
    deputies: NotRequired[
        Annotated[dict[Name, DeputyForm], Field(description="who acts in the place of a person, by handle")]
    ]
