"""Answering people who ask in words: the issue form becomes a pull request, a comment extends, ends or tells.

What woke us says only where to look; every word that counts is read afresh, from whom the forge says wrote it. Words
that were changed afterwards may be somebody else's and are refused. What comes of it is a pull request like any other:
its requester is who wrote the words, and it passes the same gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from daypass.core.errors import ConflictError, EdgeError, InvalidError
from daypass.core.files.form import LABEL, QUESTIONS, FormAnswers, looks_like_form, read_form
from daypass.core.files.grants import grant_text
from daypass.core.files.text import quoted
from daypass.core.finding import Finding, Place
from daypass.core.grant import Grant
from daypass.core.policy.policies import Policy
from daypass.core.record import dataclass
from daypass.core.request import Reply
from daypass.core.window import Span
from daypass.pipeline.ask import propose
from daypass.pipeline.context import WritingContext
from daypass.pipeline.judge.duplicates import has_ended
from daypass.ports import Inbox

ISSUE_BRANCH = "daypass/issue-"
COMMENT_BRANCH = "daypass/comment-"
"""The forge takes whose request it is from the branch, where our own bot opened the pull request."""


@dataclass(frozen=True, slots=True)
class AnswerContext:
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

    if ticket.is_pull or not (LABEL in ticket.labels or looks_like_form(ticket.body)):
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
    answers = read_form(f"issue {number}", ticket.body)
    if not isinstance(answers, FormAnswers):
        return refused("the answers cannot be read", findings=answers)
    unknown = _unknown(context.policy, answers, f"issue {number}")
    if unknown:
        return refused("the answers are not what the form offers", findings=unknown)
    try:
        grant, decision = propose.draft(
            context.policy, _wish(answers, by.handle), requester=by.handle, at=at, named_at=ticket.at
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


def _wish(answers: FormAnswers, author: str) -> propose.Wish:
    return propose.Wish(
        subject=answers.subject or author,
        resource=answers.resource,
        role=answers.role,
        span=Span(duration=answers.duration),
        reason=answers.reason,
        ticket=answers.ticket,
        purpose=answers.purpose,
    )


def _of_form(finding: Finding, number: int) -> Finding:
    """Say of an answer what was found in the file that it was written to: nobody ever sees that file."""
    label = next((question.label for question in QUESTIONS if question.key == finding.place.path), "")
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
    history, forge = context.repo.history, context.repo.forge
    parent = history.resolve(context.repo.main)
    body = f"Asked for by {reply.by.handle} in #{reply.number}."
    try:
        head = forge.commit(branch=branch, parent=parent, files=files, message=title, at=at)
        pull = forge.open(branch=branch, head=head, title=title, at=at, body=body)
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
