"""What the double knows: accounts, repositories, pull requests and rules. Plain records, changed under the hub's lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ROLES = ("none", "read", "triage", "write", "maintain", "admin")
ZERO = "0" * 40


def rank(role: str) -> int:
    """How much a role may do."""
    return ROLES.index({"pull": "read", "push": "write"}.get(role, role))


@dataclass(eq=False)
class User:
    """An account. ``type``: User, Bot or Organization. A login can change and be reused; the id never."""

    login: str
    id: int
    type: str = "User"
    name: str = ""
    email: str = ""
    suspended: bool = False
    deleted: bool = False

    @property
    def noreply(self) -> str:
        """The address under which GitHub knows the account in commits."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


@dataclass(eq=False)
class Team:
    """A team of an organisation. ``members`` maps account ids to member or maintainer; pending ones have not accepted."""

    id: int
    slug: str
    org: Org
    members: dict[int, str] = field(default_factory=dict)
    pending: dict[int, str] = field(default_factory=dict)
    privacy: str = "closed"
    description: str = ""
    parent: Team | None = None
    type: str = "organization"  # or "enterprise", whose members are not the organisation's to change

    def has(self, account: int) -> bool:
        """Whether an account is a member, by itself or through a team below this one. Who has not accepted is none."""
        below = [each for each in self.org.teams.values() if each.parent is self]
        return account in self.members or any(each.has(account) for each in below)


@dataclass(eq=False)
class Org(User):
    """An organisation. ``members`` maps account ids to member or admin; ``base`` is what members may do everywhere."""

    type: str = "Organization"
    members: dict[int, str] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    base: str = "read"
    rulesets: list[Ruleset] = field(default_factory=list)
    members_create: bool = True
    """Whether members who are no owners may make repositories."""


@dataclass(eq=False)
class App:
    """A GitHub App with its one installation."""

    id: int
    slug: str
    owner: User
    bot: User
    private_key: str
    public_key: Any
    permissions: dict[str, str]
    installation: int
    repositories: list[str]
    client_id: str = ""
    suspended: bool = False
    uninstalled: bool = False
    everywhere: bool = False
    """Whether it is installed on all repositories of its account."""


@dataclass(eq=False)
class Token:
    """What a request authenticates with.

    ``kind``: user (a classic token: all that the person may), fine (a fine-grained one), app (an installation's),
    actions (a job's GITHUB_TOKEN), jwt (an App's own), anonymous.
    """

    value: str
    kind: str
    user: User
    permissions: dict[str, str] | None = None
    repositories: list[str] | None = None
    app: App | None = None
    expires_at: datetime | None = None
    revoked: bool = False
    used: int = 0
    limit: int = 5000
    resets_at: datetime | None = None
    scopes: frozenset[str] | None = None
    """Of a classic token, or one that `gh` made; None: all, and nothing is told of them."""


@dataclass
class Rule:
    """One rule: pull_request, required_status_checks, non_fast_forward, deletion, creation, update, …"""

    type: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bypass:
    """Who a ruleset does not bind. ``actor_type``: Integration, OrganizationAdmin, RepositoryRole, Team, DeployKey, User.

    ``mode``: always, pull_request (only where a pull request is merged) or exempt. RepositoryRole ids: 2 maintain,
    4 write, 5 admin.
    """

    actor_type: str
    actor_id: int | None = None
    mode: str = "always"


@dataclass(eq=False)
class Ruleset:
    """Rules for the branches that ``include`` names and ``exclude`` does not: ~ALL, ~DEFAULT_BRANCH or fnmatch patterns."""

    id: int
    name: str
    rules: list[Rule] = field(default_factory=list)
    include: list[str] = field(default_factory=lambda: ["~DEFAULT_BRANCH"])
    exclude: list[str] = field(default_factory=list)
    bypass: list[Bypass] = field(default_factory=list)
    enforcement: str = "active"
    target: str = "branch"
    source_type: str = "Repository"
    source: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str = ""


@dataclass(eq=False)
class Comment:
    """A comment on an issue or pull request."""

    id: int
    number: int
    user: User | None
    body: str
    created_at: datetime
    updated_at: datetime
    app: App | None = None
    edited_at: datetime | None = None  # when its text was changed last


@dataclass(eq=False)
class Issue:
    """What issues and pull requests share."""

    number: int
    id: int
    title: str
    body: str | None
    user: User | None
    created_at: datetime
    updated_at: datetime
    state: str = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: User | None = None
    labels: list[Label] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    locked: bool = False
    is_pull: bool = False
    app: App | None = None
    edited_at: datetime | None = None  # when its text was changed last


@dataclass(eq=False)
class Review:
    """A review. ``state`` as the API spells it; ``commit`` is what it was given on."""

    id: int
    user: User | None
    state: str
    body: str
    commit: str
    submitted_at: datetime


@dataclass(eq=False)
class Pull:
    """A pull request. Title, text, author and open or closed are its issue's."""

    issue: Issue
    repo: Repo
    id: int
    head_repo: Repo | None
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    head_label: str
    draft: bool = False
    merged_at: datetime | None = None
    merged_by: User | None = None
    merge_sha: str | None = None
    """The test merge while open, what landed once merged."""
    mergeable: bool | None = True
    indirect: bool = False
    last_pusher: int = 0
    """Account id of who last pushed something reviewable to the head."""
    patch: str = ""
    """What the branch changes against its merge base; a push that leaves it alone is none to review."""
    same: set[str] = field(default_factory=set)
    """The heads so far that changed just this."""
    own: list[str] = field(default_factory=list)
    """Once merged: the commits that were its own."""
    unread: bool = False
    """Whether mergeability has not been asked for since it last could change."""
    reviews: list[Review] = field(default_factory=list)
    asked_users: list[User] = field(default_factory=list)
    asked_teams: list[Team] = field(default_factory=list)
    auto_merge: Any = None

    @property
    def number(self) -> int:
        return self.issue.number

    @property
    def user(self) -> User | None:
        return self.issue.user

    @property
    def open(self) -> bool:
        return self.issue.state == "open"

    @property
    def merged(self) -> bool:
        return self.merged_at is not None


@dataclass(eq=False)
class IssueEvent:
    """Something that happened to an issue or pull request, as the events list tells it."""

    id: int
    number: int
    event: str
    actor: User | None
    created_at: datetime
    commit_id: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Activity:
    """One change of a ref. ``kind``: push, force_push, branch_creation, branch_deletion, pr_merge, merge_queue_merge."""

    id: int
    before: str
    after: str
    ref: str
    at: datetime
    kind: str
    actor: User | None


@dataclass(eq=False)
class CheckRun:
    """A check run of one commit, made by an app (GitHub Actions: 15368)."""

    id: int
    name: str
    head_sha: str
    app: App
    status: str = "queued"
    conclusion: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: dict[str, Any] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    external_id: str = ""
    details_url: str = ""
    suite: int = 0


@dataclass(eq=False)
class Status:
    """A commit status: anybody who may write can set one of any name."""

    id: int
    sha: str
    state: str
    context: str
    creator: User
    created_at: datetime
    description: str = ""
    target_url: str = ""


@dataclass(eq=False)
class Repo:
    """A repository: a bare one on disk, and what GitHub keeps beside it."""

    id: int
    owner: User
    name: str
    path: Path
    created_at: datetime
    private: bool = True
    default_branch: str = "main"
    archived: bool = False
    fork_of: Repo | None = None
    allow_forking: bool = True
    collaborators: dict[int, str] = field(default_factory=dict)
    team_roles: dict[int, tuple[Team, str]] = field(default_factory=dict)
    methods: set[str] = field(default_factory=lambda: {"merge", "squash", "rebase"})
    delete_branch_on_merge: bool = False
    squash_title: str = "COMMIT_OR_PR_TITLE"
    squash_message: str = "COMMIT_MESSAGES"
    issues: dict[int, Issue] = field(default_factory=dict)
    """Pull requests included: their numbers are of one row."""
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    issue_events: list[IssueEvent] = field(default_factory=list)
    activity: list[Activity] = field(default_factory=list)
    checks: dict[int, CheckRun] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    rulesets: list[Ruleset] = field(default_factory=list)
    protections: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Classic branch protection by branch, as the API's PUT takes it."""
    signed: set[str] = field(default_factory=set)
    """Commits that GitHub made and signed itself."""
    extras: dict[str, Any] = field(default_factory=dict)
    """Room for what other modules keep of a repository."""

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    def collaborate(self, user: User, role: str) -> None:
        """Give a person a role: read, triage, write, maintain or admin ("none" takes it away)."""
        rank(role)
        self.collaborators[user.id] = role
        if role == "none":
            del self.collaborators[user.id]

    def team(self, team: Team, permission: str) -> None:
        """Give a team a role."""
        rank(permission)
        self.team_roles[team.id] = (team, permission)

    def next_number(self) -> int:
        """The next number of an issue or pull request."""
        return max(self.issues, default=0) + 1


@dataclass(frozen=True)
class Call:
    """One request that was answered. ``owner`` is the login behind the token, "" without one."""

    method: str
    path: str
    status: int
    owner: str
    kind: str = ""
    template: str = ""
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    answer: Any = None


@dataclass(frozen=True)
class Event:
    """What GitHub would deliver to workflows and webhooks. ``by_token_kind`` is the kind of token that caused it."""

    name: str
    action: str
    repo: Repo
    payload: dict[str, Any]
    actor: User
    by_token_kind: str
