"""What comes of an open request that people leave unanswered: reminders, others who may approve as well, and its end.

Whoever runs the gate sends them, by what the request and main's policies say: nothing is kept beside the forge's own
record, so that a run that was cut off is made up for by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from daypass.core.approval.judgement import Status
from daypass.core.ids import digest
from daypass.core.record import replace
from daypass.core.request import MOST_ASKED, Gated, Nudge, Report
from daypass.core.window import format_instant
from daypass.pipeline.judge.report import some

_TOPIC = "stage"


def nudges_of(report: Report, *, at: datetime) -> tuple[Nudge, ...]:
    """Return what is to be said to the people of open stages by an instant, each a single time in the life of a request.

    Of several reminders that came due since the last run only the latest is sent, and none to whom nothing is left to say:
    while the request cannot be merged whoever approves, or is a draft, nobody is asked.
    """
    if report.state != "waiting" or report.found.pull.draft:
        return ()
    mine = report.found.pull.opened_by.handle
    found: dict[str, Nudge] = {}
    for verdict in report.found.verdicts:
        for status in verdict.judgement.statuses if verdict.judgement is not None else ():
            for nudge in _nudges(status, verdict.item.id.partition("/")[0], at):
                people = [one for one in nudge.people if one != mine]
                before = found.get(nudge.topic)
                people = list(dict.fromkeys((*(before.people if before is not None else ()), *people)))
                if people:
                    found[nudge.topic] = replace(nudge, people=tuple(people[:MOST_ASKED]))
    return tuple(found.values())


def _nudges(status: Status, resource: str, at: datetime) -> Iterator[Nudge]:
    if not status.missing or status.since is None:
        return
    come = status.now_due(at)
    told = [due for due in come if due.what == "escalate"] + [due for due in come if due.what == "remind"][-1:]
    for due in told:
        assert due.at is not None  # noqa: S101  (it has come)
        key = [due.what, status.source, resource, due.to, format_instant(status.since), format_instant(due.at)]
        new = {
            one
            for other in come
            if other.what == "escalate" and other.at and other.at >= due.at
            for one in other.people
        }
        people = [one for one in status.could if one not in new] if due.what == "remind" else due.people
        people = [one for one in people if one in status.could]
        topic = f"{_TOPIC}:{digest(key).partition(':')[2][:24]}"
        yield Nudge(topic, due.what, status.source, status.missing, tuple(people), status.since, due.wait, due.to)


def unanswered(found: Gated, *, at: datetime) -> str:
    """Say who did not answer in time a request that is to be closed for that by now, "" where none is.

    What policy denies, or somebody has to put right first, waits for something else than an answer.
    """
    wrong = [f for f in found.proposal.findings if f.is_error] + [p for v in found.verdicts for p in v.problems]
    if wrong or found.proposal.denied or found.pull.draft:
        return ""
    judgements = [verdict.judgement for verdict in found.verdicts if verdict.judgement is not None]
    for judgement in judgements:
        for status in judgement.statuses:
            closing = [due for due in status.now_due(at) if due.what == "close"] if status.missing else []
            if closing:
                rejected = some(review.by.handle for review in judgement.rejections)
                if rejected:
                    return f"{rejected} rejected it, and did not take that back within {closing[0].wait}"
                who = some(status.could)
                late = f"the approval from {status.source} within {closing[0].wait}"
                return f"{who} did not give {late}" if who else f"nobody was left who could give {late}"
    return ""
