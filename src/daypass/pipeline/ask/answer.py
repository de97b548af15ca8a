"""Answering people who ask in words: the issue form becomes a pull request, a comment extends, ends or tells.

What woke us says only where to look; every word that counts is read afresh, from whom the forge says wrote it. Words
that were changed afterwards may be somebody else's and are refused. What comes of it is a pull request like any other:
its requester is who wrote the words, and it passes the same gate.

A comment is a command (``/extend 2h``, ``/end``, ``/status``) where that is its very first line, on the issue that asked
or on a pull request that changed the grant. Nothing that we write ourselves begins with a stroke, and no machine is
answered, so that no answer can call for another. A comment never approves: who means to by one is told so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from daypass.core.catalogue import Catalogue
from daypass.core.errors import ConflictError, EdgeError, InvalidError, UsageError
from daypass.core.files.form import BESIDES, QUESTIONS, FormAnswers
from daypass.core.files.grants import grant_text
from daypass.core.files.text import quoted
from daypass.core.finding import Finding, Place
from daypass.core.forge import Pull, Remark, Ticket
from daypass.core.grant import Grant
from daypass.core.ids import FOLDER, GrantId, grant_id, grant_path
from daypass.core.ledger.receipt import Admission
from daypass.core.plan import AdmittedGrant
from daypass.core.policy.details import as_written
from daypass.core.policy.policies import Policy
from daypass.core.policy.sources import Ending, may_end
from daypass.core.record import replace
from daypass.core.request import Reply
from daypass.core.window import parse_duration
from daypass.pipeline.apply.current import claims_on, read_current
from daypass.pipeline.apply.tidy import open_from
from daypass.pipeline.ask import propose
from daypass.pipeline.ask.approving import answer_approval, means_approval
from daypass.pipeline.context import WritingContext
from daypass.pipeline.judge.duplicates import has_ended
from daypass.pipeline.judge.gate import look
from daypass.ports import Inbox

ISSUE_BRANCH = "daypass/issue-"
COMMENT_BRANCH = "daypass/comment-"
"""The forge takes whose request it is from the branch, where our own bot opened the pull request."""

_COMMAND = re.compile(r"/([A-Za-z][A-Za-z-]{0,30})(?:[ \t]+(.*))?")
_TOPIC = "comment-"
_KNOWN = ("extend", "end", "status")


class AnswerContext(Struct, frozen=True):
    """What answering needs. ``opens`` is whether we may open pull requests in somebody's name: only our own bot may."""

    repo: WritingContext
    inbox: Inbox
    opens: bool

    @property
    def policy(self) -> Policy:
        """Main's policy: no word of an issue changes what it is judged by."""
        return self.repo.policy_at(self.repo.tip)


def answer_issue(context: AnswerContext, number: int, *, at: datetime) -> Reply:
    """Turn an issue that the form made into a pull request of its author, once."""
    ticket = context.inbox.ticket(number)
    by = ticket.by

    def refused(why: str, hint: str = "", findings: tuple[Finding, ...] = ()) -> Reply:
        return Reply(number, "answer", "refused", by, why, hint, what="request", findings=findings)

    if ticket.is_pull or ticket.asked is None:
        return Reply(number, "answer", "silent", by, "it is no request made with the form")
    if not by.person:
        return Reply(number, "answer", "silent", by, f"{by.name} is no person")
    if not by.handle:
        return refused(
            f"the directory does not know {by.name}",
            "people who may ask are listed in policies/directory, each with the numeric id of their account",
        )
    branch = f"{ISSUE_BRANCH}{number}"
    there = opened_before(context, Reply(number, "answer", "there", by, what="request"), branch)
    if there is not None:  # what was written was taken then; an edit since changes nothing
        return there
    if ticket.edited:
        return refused(
            "this issue was edited after it was opened, and an edit may be somebody else's", "ask again in a new issue"
        )
    answers = ticket.asked
    if not isinstance(answers, FormAnswers):
        return refused("the answers cannot be read", findings=answers)
    unknown = _unknown(context.policy, answers, f"issue {number}")
    if unknown:
        return refused("the answers are not what the form offers", findings=unknown)
    try:
        grant, decision = propose.draft(
            context.policy,
            _wish(answers, by.handle, context.policy.catalogue),
            requester=by.handle,
            at=at,
            named_at=ticket.at,
        )
        over = partial(has_ended, context.repo.standing.admission, context.policy, at)
        propose.refuse_duplicate(context.repo, grant, over)
    except InvalidError as error:
        return refused(error.message, findings=tuple(_of_form(finding, number) for finding in error.findings))
    made = Reply(number, "answer", "opened", by, what="request", grant=grant, decision=decision, grants=(grant.id,))
    files = ((grant.path, grant_text(grant).encode()),)
    return _with_twins(
        context, open_for(context, made, branch=branch, title=propose.request_title(grant), files=files, at=at), grant
    )


def _with_twins(context: AnswerContext, said: Reply, grant: Grant) -> Reply:
    if said.kind != "opened":
        return said
    try:
        same = propose.same_open(context.repo, grant, but=said.pull, by=said.by.handle)
    except EdgeError:  # this one is open all the same, and whether another is nobody says
        return said
    return replace(said, twins=tuple(twin for twin, read in same if read))


def _wish(answers: FormAnswers, author: str, catalogue: Catalogue) -> Grant:
    purpose = catalogue.purposes.get(answers.purpose)
    fields = purpose.fields if purpose is not None else {}
    return Grant(
        GrantId(""),
        subject=answers.subject or author,
        resource=answers.resource,
        role=answers.role,
        span=answers.span,
        reason=answers.reason,
        ticket=answers.ticket,
        purpose=answers.purpose,
        ends_when=answers.ends_when,
        details=tuple((name, as_written(fields.get(name), said)) for name, said in sorted(answers.details)),
    )


def _of_form(finding: Finding, number: int) -> Finding:
    """Say of an answer what was found in the file that it was written to: nobody ever sees that file."""
    field = finding.place.path.partition(".")[0]
    key = "duration" if field == "window" else field
    label = next((q.label for q in (*QUESTIONS, *BESIDES) if q.key == key), "")
    message = f"{label!r}: {finding.message}" if label else finding.message
    return replace(finding, place=Place(f"issue {number}", path=finding.place.path), message=message)


def _unknown(policy: Policy, answers: FormAnswers, file: str) -> tuple[Finding, ...]:
    """Say which choice main's catalogue does not have: it was typed by hand, or is gone since the form was opened."""
    resource = policy.catalogue.resources.get(answers.resource)
    found = []
    if resource is None or answers.role not in resource.roles:
        message = f"the catalogue has no role {answers.role} on {answers.resource}"
        found.append(Finding("form-answer", Place(file, path="role"), message, "choose one of the form's"))
    if answers.purpose and answers.purpose not in policy.catalogue.purposes:
        message = f"policies/purposes has no {quoted(answers.purpose)}"
        found.append(Finding("form-answer", Place(file, path="purpose"), message, "choose one of the form's, or none"))
    return tuple(found)


def open_for(
    context: AnswerContext,
    reply: Reply,
    *,
    branch: str,
    title: str,
    files: Sequence[tuple[str, bytes | None]],
    at: datetime,
) -> Reply:
    """Open a pull request in the name of who asked; where we may not, have them open it themselves.

    Whether an earlier run did it already is asked before (`opened_before`). A run that died between branch and pull
    request is made good by the next: the branch is made anew. Of two runs at once one loses the race for the pull
    request, and tells of the other's.
    """
    if reply.decision is not None and reply.decision.denials:
        return replace(reply, kind="denied")
    if not context.opens:
        return replace(reply, kind="link")
    body = f"Asked for by {reply.by.handle} in #{reply.number}."
    try:
        pull = open_from(context.repo, branch, files, title, at=at, body=body)
    except ConflictError:
        there = opened_before(context, reply, branch)
        if there is None:
            raise
        return there
    return replace(reply, pull=pull.number)


def opened_before(context: AnswerContext, reply: Reply, branch: str) -> Reply | None:
    """Return the reply that tells of the pull request which an earlier run opened for the same words, None for none."""
    number = context.inbox.asked(branch) if context.opens else None
    return replace(reply, kind="there", pull=number) if number is not None else None


def read_command(body: str) -> tuple[str, str] | None:
    """Return a comment's command and what follows it on the line; None where the first line is no command.

    `/usr/bin is full` is none; a quoted or an indented command is none.
    """
    match = _COMMAND.fullmatch(body.replace("\r\n", "\n").split("\n", 1)[0].rstrip(" \t"))
    return (match[1].lower(), (match[2] or "").strip()) if match is not None else None


def answer_comment(context: AnswerContext, comment: int, *, at: datetime) -> Reply:
    """Do what a comment asks for, where the right person asks."""
    remark = context.inbox.remark(comment)
    command = read_command(remark.body)
    silent = Reply(remark.number, f"{_TOPIC}{comment}", "silent", remark.by)
    if command is None and not means_approval(remark.body):
        return replace(silent, why="the comment is no command")
    if not remark.by.person:
        return replace(silent, why=f"{remark.by.name} is no person")
    ticket = context.inbox.ticket(remark.number)
    if not ticket.is_pull and ticket.asked is None:
        return replace(silent, why="the comment is on no request")
    told = _approval(context, ticket, silent) if means_approval(remark.body) else None
    if told is not None or command is None:
        return told or replace(silent, why="the comment is no command")
    return _obey(context, silent, remark, ticket, command, at)


def _obey(
    context: AnswerContext, silent: Reply, remark: Remark, ticket: Ticket, command: tuple[str, str], at: datetime
) -> Reply:
    """Do what a command on a request asks for."""
    name, argument = command
    if name not in _KNOWN:
        return replace(silent, topic="help", kind="help", what=name)
    if not remark.by.handle:
        why, hint = f"the directory does not know {remark.by.name}", "people are listed in policies/directory"
        return replace(silent, topic="stranger", kind="refused", what=name, why=why, hint=hint)
    if remark.edited:
        why = "this comment was edited, and an edit may be somebody else's"
        return replace(silent, kind="refused", what=name, why=why, hint="write it again in a new comment")
    if argument and name != "extend":
        why, hint = f"nothing may stand behind /{name} on its line", f"write /{name} alone, in a new comment"
        return replace(silent, kind="refused", what=name, why=why, hint=hint)
    if name != "status":
        there = opened_before(context, replace(silent, what=name), f"{COMMENT_BRANCH}{remark.id}")
        if there is not None:
            return there
    number = remark.number if ticket.is_pull else context.inbox.asked(f"{ISSUE_BRANCH}{remark.number}")
    if number is None:
        why, hint = "we opened no pull request for this issue", "write the command on the pull request itself"
        return replace(silent, kind="refused", what=name, why=why, hint=hint)
    return _OnRequest(context, replace(silent, what=name), remark, context.repo.forge.pull(number), at).do(argument)


def _approval(context: AnswerContext, ticket: Ticket, silent: Reply) -> Reply | None:
    """Answer a comment that means to approve, where it is on an open request or on the issue that asked for one."""
    number = ticket.number if ticket.is_pull else context.inbox.asked(f"{ISSUE_BRANCH}{ticket.number}")
    return answer_approval(context.repo, silent, context.repo.forge.pull(number)) if number is not None else None


class _OnRequest(Struct, frozen=True):
    """One command of a known person about one pull request."""

    _context: AnswerContext
    _reply: Reply
    _remark: Remark
    _pull: Pull
    _at: datetime

    def do(self, argument: str) -> Reply:
        """Carry the command out."""
        if self._reply.what == "status":
            return self._status()
        if self._pull.merge is None:
            words = "is not merged yet" if self._pull.state == "open" else "was closed without being merged"
            return self._refused(
                f"#{self._pull.number} {words}, so there is no access to {self._reply.what}",
                "close the pull request to take the request back" if self._pull.state == "open" else "ask anew",
            )
        return self._extend(argument) if self._reply.what == "extend" else self._end()

    def _refused(self, why: str, hint: str = "") -> Reply:
        return replace(self._reply, kind="refused", why=why, hint=hint)

    def _grants(self) -> tuple[GrantId, ...]:
        """Return the grants that the pull request brought or changed, whatever became of them since."""
        merge = self._pull.merge
        changes = self._context.repo.history.changes(merge.base, merge.commit) if merge is not None else ()
        return tuple(grant_id(c.path) for c in changes if c.path.startswith(FOLDER) and not c.deleted)

    def _admission(self, grant: GrantId) -> Admission | None:
        return self._context.repo.standing.admission(grant)

    def _why_not_proved(self, grant: GrantId) -> str:
        refusal = self._context.repo.standing.refusals.get(grant)
        if refusal is not None:
            return f"it was refused: {refusal.message} [{refusal.code}]"
        there = any(
            e.path == grant_path(grant)
            for e in self._context.repo.history.entries(self._context.repo.main, _folder(grant))
        )
        return "it was not applied yet" if there else "it is gone from main"

    def _extend(self, argument: str) -> Reply:
        try:
            more = parse_duration(argument)
        except ValueError as error:
            why, _, hint = str(error).partition("; ")
            return self._refused(why, hint or "write for example /extend 2h")
        grants = self._grants()
        if len(grants) != 1:
            return self._refused(
                f"#{self._pull.number} changed {len(grants)} grants; a comment extends one",
                "`daypass extend` takes the id of a grant, as `daypass status` lists it",
            )
        admission = self._admission(grants[0])
        if admission is None:
            return self._refused(f"{grants[0]} gives no access now: {self._why_not_proved(grants[0])}")
        if self._remark.by.handle not in (admission.subject, admission.requester):
            return self._refused(
                f"only {_either(admission.subject, admission.requester)} may extend {grants[0]}, by a comment of their own",
                "anybody may ask for access of their own with the form",
            )
        return self._open_extension(admission, more)

    def _open_extension(self, admission: Admission, more: timedelta) -> Reply:
        try:
            grant, decision = propose.extension(
                self._context.repo, admission, more, requester=self._remark.by.handle, at=self._at
            )
        except (InvalidError, UsageError) as error:
            return self._refused(error.message, error.hint)
        made = replace(self._reply, kind="opened", grant=grant, decision=decision, grants=(grant.id,))
        return open_for(
            self._context,
            made,
            branch=f"{COMMENT_BRANCH}{self._remark.id}",
            title=propose.extension_title(grant, more),
            files=((grant.path, grant_text(grant).encode()),),
            at=self._at,
        )

    def _end(self) -> Reply:
        there = []
        for grant in self._grants():
            try:
                current = read_current(self._context.repo, grant)
            except UsageError:
                continue  # it is gone already
            except InvalidError as error:
                return self._refused(error.message)
            may = self._may_end(grant, current.subject, current.resource)
            if self._remark.by.handle not in may:
                return self._refused(f"{grant} may be ended by {_either(*may)}")
            there.append(grant)
        if not there:
            return self._refused(f"nothing that #{self._pull.number} granted is left on main")
        grants = tuple(there)
        return open_for(
            self._context,
            replace(self._reply, kind="opened", grants=grants),
            branch=f"{COMMENT_BRANCH}{self._remark.id}",
            title=propose.end_title(grants),
            files=tuple((grant_path(grant), None) for grant in grants),
            at=self._at,
        )

    def _may_end(self, grant: GrantId, subject: str, resource: str) -> tuple[str, ...]:
        """Return who may end a grant alone, by the settings of main."""
        admission = self._admission(grant)
        requester = admission.requester if admission is not None else self._pull.opened_by.handle
        return may_end(self._context.policy.catalogue, Ending(resource, subject, requester), self._at)

    def _status(self) -> Reply:
        number = self._pull.number
        said = replace(self._reply, kind="status", pull=number)
        if self._pull.state == "open":
            return replace(said, gated=look(self._context.repo, number, at=self._at))
        if self._pull.merge is None:
            return replace(said, why=self._pull.closed_reason or "it was closed without being merged")
        proved = [(grant, self._admission(grant)) for grant in self._grants()]
        claims = claims_on(self._context.repo)
        mine = [(grant, a, claims[grant]) for grant, a in proved if a is not None]
        live = tuple(AdmittedGrant.of(a) for _, a, claim in mine if not claim.ended(self._at))
        ended = [(grant, claim.bound or "its window is over") for grant, _, claim in mine if claim.ended(self._at)]
        lost = [(grant, self._why_not_proved(grant)) for grant, a in proved if a is None]
        return replace(said, live=live, lost=(*ended, *lost), claims={grant: claim for grant, _, claim in mine})


def _folder(grant: GrantId) -> str:
    return FOLDER + grant.rpartition("/")[0]


def _either(*handles: str) -> str:
    return " or ".join(dict.fromkeys(handles))
