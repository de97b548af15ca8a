"""Comments that ask for something: ``/extend 2h``, ``/end``, ``/status`` as the very first line.

On the issue that asked, or on a pull request that changed the grant. Nothing that we write ourselves begins with a
stroke, and no machine is answered, so that no answer can call for another.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

from daypass.core.errors import InvalidError, UsageError
from daypass.core.files.form import LABEL, looks_like_form
from daypass.core.files.grants import grant_text
from daypass.core.forge import Pull, Remark
from daypass.core.grant import FOLDER, GrantId, grant_id, grant_path
from daypass.core.ledger.receipt import Admission
from daypass.core.ledger.standing import AdmittedGrant
from daypass.core.policy.sources import Ending, may_end
from daypass.core.request import Reply
from daypass.core.window import parse_duration
from daypass.pipeline.apply.inputs import claims_on
from daypass.pipeline.ask import propose
from daypass.pipeline.ask.end import end_title
from daypass.pipeline.ask.form import COMMENT_BRANCH, ISSUE_BRANCH, AnswerContext, open_for, opened_before
from daypass.pipeline.judge.gate import look

_COMMAND = re.compile(r"/([A-Za-z][A-Za-z-]{0,30})(?:[ \t]+(.*))?")
_TOPIC = "comment-"
_KNOWN = ("extend", "end", "status")


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
    if command is None:
        return replace(silent, why="the comment is no command")
    if not remark.by.person:
        return replace(silent, why=f"{remark.by.name} is no person")
    ticket = context.inbox.ticket(remark.number)
    if not ticket.is_pull and LABEL not in ticket.labels and not looks_like_form(ticket.body):
        return replace(silent, why="the comment is on no request")
    name, argument = command
    if name not in _KNOWN or (name != "extend" and argument):
        return replace(silent, topic="help", kind="help", what=name)
    if not remark.by.handle:
        why, hint = f"the directory does not know {remark.by.name}", "people are listed in policies/directory"
        return replace(silent, topic="stranger", kind="refused", what=name, why=why, hint=hint)
    if remark.edited:
        why = "this comment was edited, and an edit may be somebody else's"
        return replace(silent, kind="refused", what=name, why=why, hint="write it again in a new comment")
    if name != "status":
        there = opened_before(context, replace(silent, what=name), f"{COMMENT_BRANCH}{comment}")
        if there is not None:
            return there
    number = remark.number if ticket.is_pull else context.inbox.asked(f"{ISSUE_BRANCH}{remark.number}")
    if number is None:
        why, hint = "we opened no pull request for this issue", "write the command on the pull request itself"
        return replace(silent, kind="refused", what=name, why=why, hint=hint)
    return _Asked(context, replace(silent, what=name), remark, context.repo.forge.pull(number), at).do(argument)


class _Asked:
    """One command of a known person about one pull request."""

    def __init__(self, context: AnswerContext, reply: Reply, remark: Remark, pull: Pull, at: datetime) -> None:
        self._context = context
        self._repo = context.repo
        self._reply = reply
        self._remark = remark
        self._pull = pull
        self._at = at

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
        changes = self._repo.history.changes(merge.base, merge.commit) if merge is not None else ()
        return tuple(grant_id(c.path) for c in changes if c.path.startswith(FOLDER) and not c.deleted)

    def _admission(self, grant: GrantId) -> Admission | None:
        return self._repo.standing.admission(grant)

    def _why_not_proved(self, grant: GrantId) -> str:
        refusal = self._repo.standing.refusals.get(grant)
        if refusal is not None:
            return f"it was refused: {refusal.message} [{refusal.code}]"
        there = any(e.path == grant_path(grant) for e in self._repo.history.entries(self._repo.main, _folder(grant)))
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
        context = self._context
        try:
            grant, decision = propose.extension(
                self._repo, admission, more, requester=self._remark.by.handle, at=self._at
            )
        except (InvalidError, UsageError) as error:
            return self._refused(error.message, error.hint)
        made = replace(self._reply, kind="opened", grant=grant, decision=decision, grants=(grant.id,))
        return open_for(
            context,
            made,
            branch=f"{COMMENT_BRANCH}{self._remark.id}",
            title=propose.extension_title(grant, more),
            files=((grant.path, grant_text(grant).encode()),),
            at=self._at,
        )

    def _end(self) -> Reply:
        context, there = self._context, []
        for grant in self._grants():
            try:
                current = propose.read_current(self._repo, grant)
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
            context,
            replace(self._reply, kind="opened", grants=grants),
            branch=f"{COMMENT_BRANCH}{self._remark.id}",
            title=end_title(grants),
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
            return replace(said, gated=look(self._repo, number, at=self._at))
        if self._pull.merge is None:
            return replace(said, why=self._pull.closed_reason or "it was closed without being merged")
        proved = [(grant, self._admission(grant)) for grant in self._grants()]
        claims = claims_on(self._repo)
        mine = [(grant, a, claims[grant]) for grant, a in proved if a is not None]
        live = tuple(AdmittedGrant.of(a) for _, a, claim in mine if not claim.ended(self._at))
        ended = [(grant, claim.bound or "its window is over") for grant, _, claim in mine if claim.ended(self._at)]
        lost = [(grant, self._why_not_proved(grant)) for grant, a in proved if a is None]
        return replace(said, live=live, lost=(*ended, *lost), claims={grant: claim for grant, _, claim in mine})


def _folder(grant: GrantId) -> str:
    return FOLDER + grant.rpartition("/")[0]


def _either(*handles: str) -> str:
    return " or ".join(dict.fromkeys(handles))
