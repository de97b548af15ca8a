"""The gate: merges a pull request when everything that policy asks for is there, and says what is missing otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from daypass.core.approval.held import HeldBook
from daypass.core.errors import InvalidError, NoMergeError
from daypass.core.finding import Finding, Place
from daypass.core.forge import Account, Entry, Glance, Pull, Review, by_hand
from daypass.core.ids import Oid
from daypass.core.ledger.standing import Standing
from daypass.core.people.leaving import LEAVING, LEFT_TITLE, untils, without_leavers
from daypass.core.people.matching import WrittenPerson
from daypass.core.people.writing import FOLDER, with_people
from daypass.core.record import replace
from daypass.core.request import NO_GRANTS, Gated, Proposal
from daypass.core.window import format_instant
from daypass.pipeline.context import Context, WritingContext
from daypass.pipeline.judge.evidence import judge_request
from daypass.pipeline.judge.overdue import unanswered
from daypass.pipeline.judge.proposal import Asked, read_proposal
from daypass.pipeline.judge.report import plain_name, stale_reason, title_of
from daypass.ports import History

if TYPE_CHECKING:
    from daypass.core.policy.policies import Policy


def look(context: Context, number: int, *, at: datetime) -> Gated:
    """Judge a pull request against main as it is now; one that was merged, as of its merge. Changes nothing."""
    pull = context.forge.pull(number)
    if pull.merge is not None:
        return _look(context, pull, base=pull.merge.base, at=pull.merge.at)
    return _look(context, pull, base=context.history.resolve(context.main), at=at)


def _look(context: Context, pull: Pull, *, base: Oid, at: datetime, more: tuple[Review, ...] = ()) -> Gated:
    if pull.asked_at > at:
        # Its own word says that it does not exist yet; a time like that must not be reckoned with.
        finding = Finding(
            "opened-in-future",
            Place(""),
            f"the request says it was opened at {format_instant(pull.asked_at)}, which is still to come",
            "set the clock right; or close the request, not before that instant, and open it again",
        )
        return Gated(pull, Proposal(base, pull.head, (), (), (finding,), context.policy_at(base)))
    by = (pull.opened_by.handle, pull.asked_at)
    past = pull.merge is not None
    by_all, context = context, context if past or not context.standing.departed else _WithoutLeavers(context)
    proposal = proposed(context, base=base, head=pull.head, by=by, at=at, past=past)
    if _leaves(by_all, pull, proposal):
        return Gated(pull, proposal, leaves=True)
    proposal = _grants_only(proposal, pull)
    return judge_request(context, pull, proposal, at=at, more=more)


class _WithoutLeavers:
    """A repository by whose policies the engagement of everybody is over who left by what the ledger says.

    The directory says so once the request for it is merged, and until then they neither ask, approve nor receive.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def policy_at(self, revision: Oid) -> Policy:
        """Read the policies of a commit."""
        policy = self._context.policy_at(revision)
        directory = without_leavers(policy.catalogue.directory, self._context.standing.departed)
        if directory is policy.catalogue.directory:
            return policy
        return replace(policy, catalogue=replace(policy.catalogue, directory=directory))


_HELD = "held"
"""The id of a review that nobody has given."""


def why_idle(context: Context, number: int, *, by: Account, state: str, at: datetime) -> str:
    """Say why a review by somebody would count for nothing, "" where it would count or nothing here tells."""
    pull = context.forge.pull(number)
    base = context.history.resolve(context.main)
    # A forge's clock may be ahead of ours: a review that is given now comes after the last push all the same.
    given = at if at >= pull.asked_at else pull.asked_at + timedelta(seconds=1)
    review = Review(by, state, pull.head, given, _HELD)
    found = _look(context, pull, base=base, at=given, more=(review,))
    if not found.verdicts:
        return ""  # it asks for no access, or cannot be judged as it is
    judgements = [verdict.judgement for verdict in found.verdicts if verdict.judgement is not None]
    if not judgements:
        return "it needs nobody's approval"
    whys = [next((one.why for one in j.ignored if one.review.id == _HELD), "") for j in judgements]
    return whys[0] if all(whys) else ""


def proposed(
    context: Context, *, base: Oid, head: Oid, by: tuple[str, datetime], at: datetime, past: bool = False
) -> Proposal:
    """Judge what a head brings to main, asked for by somebody at an instant; what is live is what the ledger shows.

    ``past``: it is merged, and the ledger may have gone on since.
    """
    asked = Asked(*by, context.standing.admission, held=HeldBook(context.standing).before(), past=past)
    return read_proposal(context, base=base, head=head, asked=asked, at=at, trace=True)


def gate(context: WritingContext, number: int, *, at: datetime) -> Gated:
    """Merge a pull request that has everything it needs; close one that nobody answered in time.

    The merge is bound to the head that was judged and to the main it was judged against: if either moves, the forge
    refuses with ConflictError and nothing has happened.
    """
    history, forge = context.history, context.forge
    pull = forge.pull(number)
    if pull.state != "open":
        base = pull.merge.base if pull.merge is not None else history.resolve(context.main)
        return Gated(pull, Proposal(base, pull.head, (), (), (), context.policy_at(base)))
    base = history.resolve(context.main)
    found = _look(context, pull, base=base, at=at)
    if found.met:
        message = merge_message(found, context.standing)
        try:
            merge = forge.merge(number, head=pull.head, base=base, message=message, at=at)
        except NoMergeError as error:
            return replace(found, refused=f"{error.message}; {error.hint}" if error.hint else error.message)
        return replace(found, pull=replace(pull, state="merged", merge=merge))
    limit = found.proposal.policy.catalogue.settings.limits.open_request
    unknown = found.proposal.policy.broken  # nobody knows then what the limit is
    stale = pull.opened_at <= at - limit
    late = "" if unknown or found.no_request else unanswered(found, at=at)
    if late or (stale and not unknown and not found.no_request):
        reason = late or stale_reason(found, limit)
        forge.close(number, reason=reason, at=at)
        return replace(found, pull=replace(pull, state="closed", closed_reason=reason))
    return found


def leaving_files(context: Context, base: Oid) -> dict[str, bytes]:
    """Return the files of a main's directory in which everybody's engagement is over who left by what the ledger says.

    Raises InvalidError for a file in which that cannot be written.
    """
    ends = untils(context.policy_at(base).catalogue.directory, context.standing.departed)
    if not ends:
        return {}
    files = {entry.path: raw for entry, raw in context.history.files(base, FOLDER.rstrip("/"), _is_plain)}
    told = [WrittenPerson(handle, "", {"until": format_instant(end)}) for handle, end in sorted(ends.items())]
    return dict(with_people(files, (), told))


def _is_plain(entry: Entry) -> bool:
    return entry.mode.startswith("100") and entry.path.endswith(".yaml")


def _leaves(context: Context, pull: Pull, proposal: Proposal) -> bool:
    """Say whether a request does just that, to the byte: what else it could do is for people to look at."""
    if pull.branch != LEAVING or proposal.items or proposal.findings or not proposal.others:
        return False
    try:
        wanted = leaving_files(context, proposal.base)
    except InvalidError:
        return False
    listed = context.history.files(pull.head, FOLDER.rstrip("/"), lambda entry: entry.path in wanted)
    there = {entry.path: raw for entry, raw in listed if entry.mode == "100644"}
    root = context.history.merge_base(proposal.base, pull.head)
    stands = root is not None and untouched(context.history, root, proposal.base, wanted)
    return stands and set(proposal.others) == wanted.keys() and there == wanted


def untouched(history: History, root: Oid, main: str, paths: Collection[str]) -> bool:
    """Say whether files of the directory are on main as at a root: else a merge would write neither side's bytes."""

    def there(revision: str) -> dict[str, tuple[str, Oid]]:
        entries = history.entries(revision, FOLDER.rstrip("/"))
        return {entry.path: (entry.mode, entry.oid) for entry in entries if entry.path in paths}

    return there(root) == there(main)


def _grants_only(proposal: Proposal, pull: Pull) -> Proposal:
    """Only grants pass the gate; policies and code are merged by people who may."""
    if proposal.items or proposal.findings:
        return proposal
    what, how = ", ".join(proposal.others[:3]) or "nothing", by_hand(proposal.policy.catalogue.settings.forge, pull)
    merged = "the gate merges grants only; changes of policy are merged by the people who own policies/"
    finding = Finding(
        NO_GRANTS,
        Place(proposal.others[0] if proposal.others else ""),
        f"the request changes {what}, and no grant",
        merged + (f": {how}" if how else ""),
    )
    return replace(proposal, findings=(finding,), read=None)


def merge_message(found: Gated, standing: Standing) -> str:
    """Write the merge message: a title and the trailers by which `git log` alone can be read.

    Free text of people (reasons, titles) stays out of it, so that nothing they write can be taken for a trailer or
    for an instruction to the forge such as "skip ci".
    """
    items = found.proposal.items
    trailers = [f"Daypass-Grant: {plain_name(item.id)}" for item in items if not item.settled]
    trailers += [f"Daypass-Pull: {found.pull.number}", f"Daypass-Head: {found.pull.head}"]
    trailers += [f"Daypass-Requester: {found.pull.opened_by.handle}"] if found.pull.opened_by.handle else []
    approvals = sorted(
        {(c.who, c.source) for verdict in found.verdicts if verdict.judgement for c in verdict.judgement.counted}
    )
    trailers += [f"Daypass-Approved-By: {who} ({source})" for who, source in approvals]
    rules = sorted({rule for item in items if item.decision is not None for rule in item.decision.rules})
    trailers += [f"Daypass-Policy: {found.proposal.policy.digest}"]
    trailers += [f"Daypass-Rules: {', '.join(rules)}"] if rules else []
    trailers += [f"Daypass-Ledger: {head.digest} {head.sequence}"] if (head := standing.head) is not None else []
    title = LEFT_TITLE if found.leaves else title_of(items)
    return f"{title} (#{found.pull.number})\n\n" + "\n".join(trailers) + "\n"


def in_turn(pulls: Iterable[Pull | Glance]) -> list[int]:
    """Return the numbers of pull requests in the order in which to look at them: first those that may be merged.

    Anybody can open some by the hundred from a fork; a run that is cut off, or has no requests to the forge left, must
    have come to those of the people of the directory (and of bots, which may ask for one) by then.
    """
    ordered = sorted(pulls, key=lambda pull: (pull.opened_by.person and not pull.opened_by.handle, pull.number))
    return [pull.number for pull in ordered]
