"""A request as it is judged and shown: what it proposes, what people said to it, and how it stands.

Nothing is decided or read here: the pipeline fills these in, and every view tells them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from daypass.core.approval.judgement import Judgement
from daypass.core.errors import ExitCode, worst
from daypass.core.files.codeowners import team_of
from daypass.core.finding import Finding
from daypass.core.forge import Account, Act, Commit, Merge, Pull, Review
from daypass.core.grant import Grant
from daypass.core.ids import GrantId, Oid
from daypass.core.plan import Action, AdmittedGrant, Claim, Entitlement
from daypass.core.policy.decision import Decision
from daypass.core.policy.held import UNREAD, Held
from daypass.core.policy.policies import Policy
from daypass.core.policy.sources import REVOCATION, Ending, groups_in
from daypass.core.window import Span, Window

NO_GRANTS = "no-grants"
"""The code of the finding that a request asks for no access."""

CONFLICT = "conflict"
"""The code of the finding that main has changed what a request changes to something else."""

MOST_ASKED = 15
"""A forge takes no more reviewers on one pull request."""


class Item(Struct, frozen=True):
    """One grant that a pull request touches.

    ``kind``: ``new``, ``widen``, ``narrow`` or ``remove``. ``grant`` is the proposed one, None when it is removed;
    ``old`` is the base's, None when new. ``decision`` is None for what no rule decides: narrowing and removing.
    ``ending`` is the access that it takes away from somebody, None where it takes none that is still to run. ``settled``:
    main has done the same since the request left it. ``held`` is what its decision knows of the ledger.
    """

    id: GrantId
    kind: str
    blob: Oid
    grant: Grant | None
    old: Grant | None
    decision: Decision | None
    ending: Ending | None = None
    settled: bool = False
    held: Held = UNREAD


class Proposal(Struct, frozen=True):
    """A pull request's head against its base. ``others`` are the changed paths that are no grants.

    ``read`` are the last policies of main that read, where the base's do not: they say who may end access. ``changed`` are
    the paths of grants that it changes, none where it was refused before they were looked at.
    """

    base: Oid
    head: Oid
    items: tuple[Item, ...]
    others: tuple[str, ...]
    findings: tuple[Finding, ...]
    policy: Policy
    read: Policy | None = None
    changed: tuple[str, ...] = ()

    @property
    def ends_by(self) -> Policy:
        """The policies that say who may take access away."""
        return self.read or self.policy

    @property
    def denied(self) -> bool:
        """Whether policy denies any of it."""
        return any(item.decision is not None and item.decision.denials for item in self.items)

    @property
    def conflicts(self) -> bool:
        """Whether main has changed something of it to something else."""
        return any(finding.code == CONFLICT for finding in self.findings)

    @property
    def exit_code(self) -> ExitCode:
        """The worst of what was found."""
        codes = []
        if any(finding.is_error for finding in self.findings):
            codes.append(ExitCode.INVALID)
        if self.denied:
            codes.append(ExitCode.DENIED)
        return worst(codes)


class ItemVerdict(Struct, frozen=True):
    """Whether one item may be merged. ``judgement`` is None where no person is needed; ``problems`` forbid it.

    ``reviews`` says what is reviewed by it that was given for an emergency, "" for nothing.
    """

    item: Item
    judgement: Judgement | None
    problems: tuple[Finding, ...] = ()
    reviews: str = ""

    @property
    def met(self) -> bool:
        """Whether nothing is missing."""
        if self.problems:
            return False
        decision = self.item.decision
        if decision is None:
            return self.item.kind in ("narrow", "remove") and (self.judgement is None or self.judgement.met)
        if decision.denials:
            return False
        return self.judgement.met if self.judgement is not None else decision.automatic


Mains = tuple[tuple[Oid, Policy | None], ...]
"""Commits of main with their policies, None where nobody can tell which it was."""


class Evidence(Struct, frozen=True):
    """What the forge knows of one pull request, read once.

    ``then`` has, by an approval's id, the commits of main that it can have been given under and whose policies are not
    those of the base, with these; None in their place where nobody can tell. ``acts`` are the pull request's, each with
    the same.
    """

    pull: Pull
    reviews: tuple[Review, ...]
    commits: tuple[Commit, ...]
    then: Mapping[str, Mains]
    acts: tuple[tuple[Act, Mains], ...] = ()


class Gated(Struct, frozen=True):
    """What is found of one pull request by main's policies, and by ``evidence`` of what people said to it.

    ``evidence`` is None where nothing was to be judged. ``refused`` is why the forge did not let it be merged though
    everything is there, "" where it did or was not asked. ``leaves``: it ends the engagement of those who left by what the
    ledger says of them, and does nothing else.
    """

    pull: Pull
    proposal: Proposal
    verdicts: tuple[ItemVerdict, ...] = ()
    evidence: Evidence | None = None
    refused: str = ""
    leaves: bool = False

    @property
    def merge(self) -> Merge | None:
        """Its merge, None while it was not merged."""
        return self.pull.merge

    @property
    def closed(self) -> str:
        """The reason it was closed, "" while it is open or merged."""
        return self.pull.closed_reason

    @property
    def met(self) -> bool:
        """Whether it may be merged: something is proposed, nothing is wrong, and every part has what it needs."""
        clean = not any(finding.is_error for finding in self.proposal.findings)
        return clean and (self.judged or self.leaves) and not self.pull.draft

    @property
    def judged(self) -> bool:
        """Whether each part has what it needs, whatever else keeps the request from being merged."""
        return bool(self.verdicts) and all(verdict.met for verdict in self.verdicts)

    @property
    def emergency(self) -> bool:
        """Whether it is an emergency stop: by its branch's name, which anybody may choose, and by what it does."""
        items = self.proposal.items
        return self.pull.branch.startswith(REVOCATION) and bool(items) and all(item.kind == "remove" for item in items)

    @property
    def no_request(self) -> bool:
        """Whether it asks for no access at all, but changes policies or code: others merge those."""
        return self.leaves or any(finding.code == NO_GRANTS for finding in self.proposal.findings)

    @property
    def exit_code(self) -> ExitCode:
        """0 when merged or mergeable; the worst of invalid, denied and approvals missing otherwise; 1 where refused."""
        if self.refused:
            return ExitCode.FAILED
        if self.met or self.merge is not None:
            return ExitCode.OK
        codes = [self.proposal.exit_code]
        if any(verdict.problems for verdict in self.verdicts):
            codes.append(ExitCode.INVALID)
        return worst(codes) if worst(codes) is not ExitCode.OK else ExitCode.MISSING


def state_of(found: Gated) -> str:
    """Say how a request stands: ``approved`` (or merged), ``invalid``, ``refused``, or ``waiting`` for approvals."""
    if found.merge is not None:
        return "approved"
    if found.closed or found.pull.state != "open":
        return "refused"
    if found.met:
        return "approved"
    if any(f.is_error for f in found.proposal.findings) or any(verdict.problems for verdict in found.verdicts):
        return "invalid"
    blocked = any(verdict.judgement.blocks for verdict in found.verdicts if verdict.judgement is not None)
    return "refused" if found.proposal.denied or blocked else "waiting"


class Effect(Struct, frozen=True):
    """What the merge would add or remove at a target.

    ``span`` is when access would exist, None where it ends; of what is removed it is the rest that a narrowing leaves,
    and that is over already. ``before`` is the window that the grant has now; ``others`` are further live grants that
    give the same entitlement, so that a removal takes nothing away yet. ``latest``: when a duration ends at the latest.
    """

    grant: GrantId
    action: Action
    entitlement: Entitlement
    span: Span | None
    before: Window | None = None
    others: tuple[GrantId, ...] = ()
    latest: datetime | None = None


class Report(Struct, frozen=True):
    """One pull request as it is to be shown. ``findings`` come worst first, denials among them, each at its line."""

    found: Gated
    findings: tuple[Finding, ...]
    effects: tuple[Effect, ...]

    @property
    def state(self) -> str:
        """How it stands, as `state_of` says."""
        return state_of(self.found)

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """What was judged of the reviews, for each grant that needs people."""
        return tuple(v.judgement for v in self.found.verdicts if v.judgement is not None)

    @property
    def ask(self) -> tuple[str, ...]:
        """Whom to ask for review: those who could give what is missing by now, each requirement's people in turn.

        Nobody is asked while no approval could help.
        """
        if self.state != "waiting" or self.found.pull.draft:
            return ()
        mine = {self.found.pull.opened_by.handle}
        queues = [list(s.could) for j in self.judgements for s in j.statuses if s.missing and not s.waits]
        found: dict[str, None] = {}
        for place in range(max((len(queue) for queue in queues), default=0)):
            found |= dict.fromkeys(queue[place] for queue in queues if place < len(queue))
        return tuple(handle for handle in found if handle not in mine)[:MOST_ASKED]

    @property
    def reviewed(self) -> tuple[str, ...]:
        """Who has said something to it, whatever they said and of whichever head."""
        reviews = self.found.evidence.reviews if self.found.evidence is not None else ()
        return tuple(dict.fromkeys(review.by.handle for review in reviews if review.by.handle))

    @property
    def teams(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The forge's teams of the groups that missing approvals are asked of, each with those of it who could give one."""
        catalogue = self.found.proposal.policy.catalogue
        asked: dict[str, dict[str, None]] = {}
        for verdict in self.found.verdicts:
            grant = verdict.item.grant or verdict.item.old
            for status in verdict.judgement.statuses if verdict.judgement is not None else ():
                for group in groups_in(catalogue, status.source, grant.resource if grant is not None else ""):
                    if status.missing and not status.waits and (team := team_of(catalogue, group)):
                        members = catalogue.directory.groups.get(group, frozenset())
                        asked.setdefault(team, {}).update(dict.fromkeys(one for one in status.could if one in members))
        return tuple((team, tuple(people)) for team, people in asked.items() if people)


class Reply(Struct, frozen=True):
    """What there is to say on issue or pull request ``number``, kept in one comment a ``topic``.

    ``kind``: ``silent`` (nothing is said there; ``why`` is for the log), ``opened`` (pull request ``pull``), ``there``
    (it was opened before), ``link`` (they open it themselves), ``denied``, ``refused``, ``help``, ``status`` or
    ``approving`` (they mean to approve, which a comment does not).
    ``what`` is what they asked for: ``request``, ``extend``, ``end`` or "". ``live`` are the proved grants that status
    is told of, ``claims`` what they give by main's policies, ``lost`` those that are not, with why.
    ``twins`` are other open requests for the very same.
    """

    number: int
    topic: str
    kind: str
    by: Account
    why: str = ""
    hint: str = ""
    what: str = ""
    pull: int = 0
    grant: Grant | None = None
    grants: tuple[GrantId, ...] = ()
    decision: Decision | None = None
    findings: tuple[Finding, ...] = ()
    gated: Gated | None = None
    live: tuple[AdmittedGrant, ...] = ()
    lost: tuple[tuple[GrantId, str], ...] = ()
    twins: tuple[int, ...] = ()
    claims: Mapping[GrantId, Claim] = field(default_factory=dict)


class Nudge(Struct, frozen=True):
    """What has come of a stage that nobody answers, to be told once: its people are reminded, or others may approve as well.

    ``topic`` is a name of its own; ``what`` is ``remind`` or ``escalate``. ``people`` are asked, for ``missing`` approvals
    of a source, since ``wait`` was over from ``since`` on. ``text`` is what is written to them, once it is worded.
    """

    topic: str
    what: str
    source: str
    missing: int
    people: tuple[str, ...]
    since: datetime
    wait: str
    to: str = ""
    text: str = ""


class Notice(Struct, frozen=True):
    """What people see of one pull request, for the head that was judged.

    ``conclusion``: success or failure, "" while nothing is decided. ``summary`` and ``comment`` are Markdown. ``state`` is
    the label that the request carries (``waiting``, ``approved``, ``refused``, ``invalid``), and ``ask`` the handles of
    those who could give a missing approval; of these ``teams`` are asked for their people, and who has ``reviewed`` it is not
    asked again. ``nudges`` are said to people once each. ``findings`` are what is to be said
    at lines of the proposed files, worst first. ``issue`` is said on the issue that asked, where one did, which is closed
    where it ``closes``: on those of ``issues``, where it is known.
    """

    number: int
    head: Oid
    conclusion: str
    title: str
    summary: str
    comment: str
    state: str
    findings: tuple[Finding, ...] = ()
    ask: tuple[str, ...] = ()
    nudges: tuple[Nudge, ...] = ()
    issue: str = ""
    closes: bool = False
    issues: tuple[int, ...] = ()
    teams: tuple[tuple[str, tuple[str, ...]], ...] = ()
    reviewed: tuple[str, ...] = ()
