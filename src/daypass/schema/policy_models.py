"""The forms of the files below ``policies/``: the source of their JSON Schemas.

Only the shape is said here (keys, types, patterns); whether references resolve is judged in ``daypass.core.policy.policies``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from daypass.schema.models import INSTANT, Duration, Instant, Model, Name, RoleName, WindowForm, text

_NAME = "[a-z0-9][a-z0-9-]*"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

Version = Literal[1]
Line = Annotated[str, text(r"[^\r\n]+", "text on one line", longest=300)]
Prose = Annotated[str, Field(min_length=1, max_length=1000)]
RuleId = Annotated[
    str, text("[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "kebab-case, for example production-needs-two", longest=64)
]
Moment = Annotated[str, text(f"{_DATE}|{INSTANT}", "a date, or an instant with its time zone", longest=25)]
Source = Annotated[str, text(f"owners|group:{_NAME}", "owners, or group:<name of a group>", longest=70)]
Ender = Annotated[
    str,
    text(
        f"owners|subject|requester|group:{_NAME}|person:{_NAME}",
        "owners, subject, requester, group:<name> or person:<handle>",
        longest=70,
    ),
]
Revoker = Annotated[
    str, text(f"owners|group:{_NAME}|person:{_NAME}", "owners, group:<name> or person:<handle>", longest=70)
]
GroupSource = Annotated[str, text(f"group:{_NAME}", "group:<name of a group>", longest=70)]
Share = Annotated[str, text("[0-9]{1,3}%|[0-9]{1,7}", "a count, or a percentage of what is live", longest=7)]
Employment = Literal["employee", "contractor", "vendor"]
Email = Annotated[str, text(r"[^@\s]+@[^@\s]+", "an email address", longest=254)]
Branch = Annotated[str, text("[A-Za-z0-9][A-Za-z0-9._/-]*", "the name of a branch", longest=100)]
KeyFile = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9._-]*\.pub", "the name of a .pub file in policies/", longest=100)]
PublicKey = Annotated[str, text(r"[^\r\n]+", "one line of a .pub file", longest=4000)]
Login = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a login at the forge", longest=100)]
Condition = Annotated[str, Field(min_length=1, max_length=4000, description="a CEL expression that says true or false")]
Count = Annotated[int, Field(ge=1, le=20)]


class Kinded(BaseModel):
    """A mapping with a kind; the other keys are the kind's own options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Name


class BotForm(Model):
    """The account that an App of ours acts as: its numeric id is what counts."""

    login: Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9-]*\[bot\]", "the login of an App's bot: name[bot]", longest=100)]
    id: Annotated[int, Field(ge=1)]


class ForgeForm(Model):
    """Where pull requests are: in this repository's own refs, or at GitHub."""

    kind: Literal["local", "github"]
    repository: (
        Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.-]+", "a repository as owner/name", longest=140)]
        | None
    ) = None
    bot: BotForm | None = None
    teams: (
        dict[
            Name,
            Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9-]*/[a-z0-9][a-z0-9_-]*", "a team as org/slug", longest=140)],
        ]
        | None
    ) = Field(None, description="the team of a group where its name is not the group's")


class LedgerForm(Model):
    """The ledger: its branch, the public keys (files of policies/) that may sign, the signer's URI, signs of life."""

    branch: Branch | None = None
    keys: Annotated[list[KeyFile], Field(min_length=1)] | None = None
    signer: Line | None = None
    heartbeat: Duration | None = Field(None, description="a run leaves a pulse when the ledger was silent for so long")


class BrakeForm(Model):
    """How much one run may change before it asks."""

    removals: Share | None = None
    additions: Share | None = None


class ApproversForm(Model):
    """Who may approve at all, by how they are engaged; everybody by default."""

    employment: Annotated[list[Employment], Field(min_length=1)]


class LimitsForm(Model):
    """Bounds that hold whatever rules say."""

    max_duration: Duration | None = None
    open_request: Duration | None = None
    brake: BrakeForm | None = None
    approvers: ApproversForm | None = None
    end: Annotated[list[Ender], Field(min_length=1)] | None = Field(
        None, description="who may end somebody's access without an owner's approval"
    )
    revoke: Annotated[list[Revoker], Field(min_length=1)] | None = Field(
        None, description="who may use `daypass revoke`, the emergency stop"
    )
    pause: bool | None = Field(None, description="nothing is given for now; what ends goes on ending")
    unsigned: Literal["accept", "refuse"] | None = Field(
        None, description="on the local forge: whether what people without SSH keys do counts"
    )


class SettingsForm(Model):
    """policies/daypass.yaml: how this repository reaches its forge, targets and ledger, and its limits."""

    model_config = ConfigDict(title="daypass settings")

    version: Version
    forge: ForgeForm | None = None
    targets: dict[Name, Kinded]
    ledger: LedgerForm | None = None
    environments: Annotated[list[Name], Field(min_length=1)] | None = None
    classifications: Annotated[list[Name], Field(min_length=1)] | None = None
    limits: LimitsForm | None = None
    clock: Literal["simulated"] | None = Field(None, description="writing verbs take --at; for demonstrations only")


class RoleForm(Model):
    """A level of access. Without a privilege the target is told the role's name."""

    max_duration: Duration
    title: Line | None = None
    privilege: dict[Line, Any] | None = None


class ResourceForm(Model):
    """policies/resources/<resource>.yaml: one system that access is given to."""

    model_config = ConfigDict(title="daypass resource")

    version: Version
    title: Line
    target: Name
    environment: Name
    classification: Name
    data: list[Name] | None = None
    owners: Annotated[list[Name], Field(min_length=1)]
    retention_until: Moment | None = None
    exclusive: bool | None = None
    roles: Annotated[dict[RoleName, RoleForm], Field(min_length=1)]


class ForgeAccount(Model):
    """A person at the forge."""

    login: Login
    id: Annotated[int, Field(ge=1)] | None = None


class PersonForm(Model):
    """Somebody who may receive access and approve."""

    name: Line | None = None
    email: Email | None = None
    also: list[Email] | None = Field(None, description="further addresses of the same person")
    forge: ForgeAccount | None = None
    manager: Name | None = None
    employment: Employment | None = None
    vendor: Name | None = None
    until: Moment | None = Field(None, description="when the engagement ends")
    identities: dict[Name, Line] | None = Field(None, description="who they are at a target, by its name or kind")
    ssh_keys: list[PublicKey] | None = Field(None, description="public keys as in authorized_keys")


class WorkloadForm(Model):
    """A program that may receive access; it never approves."""

    title: Line | None = None
    claims: dict[Line, Line] | None = None
    identities: dict[Name, Line] | None = None
    owners: list[Name] | None = None


class VendorForm(Model):
    """A sub-processor."""

    title: Line | None = None
    until: Moment | None = Field(None, description="when the contract ends")


class GroupForm(Model):
    """People, and groups whose people are in it as well."""

    title: Line | None = None
    members: list[Name] | None = None
    include: list[Name] | None = None


class DirectoryForm(Model):
    """policies/directory/*.yaml: people, groups, vendors and workloads; several files are read as one."""

    model_config = ConfigDict(title="daypass directory")

    version: Version
    people: dict[Name, PersonForm] | None = None
    groups: dict[Name, GroupForm] | None = None
    vendors: dict[Name, VendorForm] | None = None
    workloads: dict[Name, WorkloadForm] | None = None


class TicketForm(Model):
    """What a purpose demands of the ticket."""

    required: bool


class PurposeForm(Model):
    """policies/purposes/<purpose>.yaml: a ready-made kind of request and what it demands."""

    model_config = ConfigDict(title="daypass purpose")

    version: Version
    title: Line | None = None
    emergency: bool | None = None
    ticket: TicketForm | None = None
    max_duration: Duration | None = None


class ApprovalsForm(Model):
    """How many approvals, and from whom."""

    at_least: Count
    from_: Source = Field(alias="from")


class EscalateForm(Model):
    """Who may approve as well when nobody did for a while."""

    after: Duration
    to: GroupSource


class RequireForm(Model):
    """One requirement of a rule."""

    approvals: ApprovalsForm
    escalate: EscalateForm | None = None


class RuleForm(Model):
    """One rule: when it applies, and what it does then (at least one of require, deny_unless, deny, approve)."""

    id: RuleId
    when: Condition
    require: Annotated[list[RequireForm], Field(min_length=1)] | None = None
    deny_unless: Condition | None = None
    deny: Literal[True] | None = None
    approve: Literal["automatically"] | None = None
    message: Prose | None = None


class RulesForm(Model):
    """policies/rules/*.yaml: rules; all of all files are evaluated, and their order does not count."""

    model_config = ConfigDict(title="daypass rules")

    version: Version
    rules: Annotated[list[RuleForm], Field(min_length=1)]


class CaseRequest(Model):
    """A request as a test states it."""

    subject: Name
    resource: Name
    role: RoleName
    window: WindowForm
    reason: Prose | None = None
    ticket: Line | None = None
    purpose: Name | None = None
    requester: Name | None = Field(None, description="who opens it; the subject where it is not said")


class ExpectForm(Model):
    """What policy must say: exactly one of the three."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    approvals: list[ApprovalsForm] | None = None
    denied: Annotated[list[RuleId], Field(min_length=1)] | None = Field(None, description="ids of rules, or codes")
    automatic: Literal[True] | None = None


class CaseForm(Model):
    """One example."""

    name: Line
    request: CaseRequest
    at: Instant
    expect: ExpectForm


class PolicyTestForm(Model):
    """policies/tests/*.yaml: examples of requests with the decision that policy must give."""

    model_config = ConfigDict(title="daypass policy test")

    version: Version
    cases: Annotated[list[CaseForm], Field(min_length=1)]


MODELS: dict[str, type[BaseModel]] = {
    "settings": SettingsForm,
    "resource": ResourceForm,
    "directory": DirectoryForm,
    "purpose": PurposeForm,
    "rules": RulesForm,
    "policy-test": PolicyTestForm,
}
"""Schema name to model."""
