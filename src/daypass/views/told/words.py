"""How a grant and a request stand, in words that do not change with time: one for comment, check run, `status` and `show`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from daypass.core.catalogue import Catalogue
from daypass.core.ids import GrantId
from daypass.core.plan import Entitlement
from daypass.core.request import Gated, state_of
from daypass.core.state import GrantState, requested
from daypass.core.window import format_duration, format_instant
from daypass.views.findings import count

_NAMED = 3
"""So many sources are named one by one."""

ASKS_NOTHING = "no access is asked for"
"""How a request stands that changes policies or code: its owners judge it."""


def life_words(grant: GrantState) -> str:
    """Say how a grant stands. No word of people is in it."""
    return _WORDS.get(grant.state, _as_it_is)(grant)


def _as_it_is(grant: GrantState) -> str:
    return str(grant.state)


def _asked(grant: GrantState) -> str:
    return waiting_for((grant,)) or "waiting for a rule that lets it pass"


def _live(grant: GrantState) -> str:
    end = f" until {format_instant(grant.until)}" if grant.until is not None else ""
    again = grant.recurs_until is not None and grant.until is not None and grant.recurs_until > grant.until
    more = f", again until {format_instant(grant.recurs_until)}" if again and grant.recurs_until is not None else ""
    return f"live{end}{more}"


def _pending(grant: GrantState) -> str:
    if grant.fails:
        return "failed, and tried again"
    if grant.kept_back:
        return "merged, and held back"
    return "offered, to be accepted" if grant.note else "merged, and not given yet"


def _scheduled(grant: GrantState) -> str:
    opens = f"opens {format_instant(grant.start)}" if grant.start is not None else "opens later"
    return f"{opens}, until {format_instant(grant.until)}" if grant.until is not None else opens


def _ended(grant: GrantState) -> str:
    if grant.taken is not None:
        ended = f"ended {format_instant(grant.taken - grant.late)}"
        return ended + (f", taken away {format_duration(grant.late)} late" if grant.late else ", taken away at once")
    said = (
        f"ended {format_instant(grant.until)}" if grant.until is not None and grant.code != "removed" else "ended early"
    )
    if grant.provisioned:
        held = ", and taking it away is held back" if grant.kept_back else ", to be taken away by the next run"
        return said + (", and taking it away fails" if grant.fails else held)
    return said


_WORDS: Mapping[str, Callable[[GrantState], str]] = {
    "draft": lambda _: "not asked for yet",
    "asked": _asked,
    "denied": lambda grant: "denied by policy" if grant.denials else "blocked, whoever else approves",
    "invalid": lambda _: "to be put right",
    "approved": lambda _: "everything is there, daypass merges it",
    "closed": lambda _: "closed without a merge",
    "merged": lambda grant: "merged" if grant.kind in ("narrow", "remove") else "merged, and not given yet",
    "unproved": lambda _: "failed: it could not be proved, and gives nothing",
    "scheduled": _scheduled,
    "pending": _pending,
    "live": _live,
    "blocked": lambda grant: f"gives nothing: {grant.why}",
    "ended": _ended,
}


def lives_words(grants: Iterable[GrantState]) -> str:
    """Say how grants of one request stand: in the words of each where all are so, else how many are what."""
    every = list(grants)
    said = dict.fromkeys(map(life_words, every))
    if len(said) == 1:
        return next(iter(said))
    stages = Counter(grant.state for grant in every)
    return ", ".join(f"{number} {stage}" for stage, number in stages.items()) or "merged"


def waiting_for(grants: Iterable[GrantState]) -> str:
    """Say whose approvals grants of one request wait for, and since when; "" for nobody's."""
    most: dict[str, int] = {}
    since = []
    for status in (status for grant in grants for status in grant.missing):
        most[status.source] = max(most.get(status.source, 0), status.missing)
        since += [status.since] if status.since is not None else []
    if not most:
        return ""
    sources = sorted(most)
    named = " and ".join(sources[:_NAMED]) + (f" and {len(sources) - _NAMED} more" if len(sources) > _NAMED else "")
    when = f" since {format_instant(min(since))}" if since else ""
    return f"waiting for {count(sum(most.values()), 'approval')} from {named}{when}"


def request_title(found: Gated, lives: Sequence[GrantState] = ()) -> str:
    """Say in a line how a request stands. No word of people is in it. ``lives`` are its grants since it was merged."""
    if found.merge is not None:
        return lives_words(lives or requested(found))
    if found.closed or found.pull.state != "open":
        return "closed without a merge"
    if found.refused:
        return "everything is there, but GitHub does not let it be merged"
    state = state_of(found)
    if state == "invalid" and found.no_request:
        return ASKS_NOTHING
    if state == "waiting" and found.judged:
        return "a draft, which is merged once it is marked as ready for review"
    return {
        "approved": "everything is there, daypass merges it",
        "waiting": waiting_for(requested(found)) or "waiting for a rule that lets it pass",
        "refused": "denied by policy" if found.proposal.denied else "blocked, whoever else approves",
        "invalid": f"{count(_wrong(found), 'thing')} to put right",
    }[state]


def _wrong(found: Gated) -> int:
    problems = [finding for verdict in found.verdicts for finding in verdict.problems]
    denials = [d for v in found.verdicts if v.item.decision is not None for d in v.item.decision.told]
    return sum(1 for finding in (*found.proposal.findings, *problems) if finding.is_error) + len(denials)


def gives_words(catalogue: Catalogue, entitlement: Entitlement, subject: str = "") -> str:
    """Say what an entitlement is: ``alice joins role orders_readonly at orders-db``; "" where there are no words for it."""
    settings = catalogue.settings.targets.get(entitlement.target)
    said = settings.gives(entitlement.fields or {}) if settings is not None else ""
    return f"{subject or entitlement.principal} {said} at {entitlement.resource}" if said else ""


def use_of(catalogue: Catalogue, entitlement: Entitlement, grant: GrantId) -> tuple[str, str]:
    """Say how an entitlement is used, and with which command; "" each where there is nothing to say."""
    settings = catalogue.settings.targets.get(entitlement.target)
    return settings.use(entitlement.principal, entitlement.fields or {}, grant) if settings is not None else ("", "")


def late_words(late: timedelta) -> str:
    """Say how late something was."""
    return f"{format_duration(late)} late" if late else "at once"
