"""A request's comment from its merge on: live until when and how it is used, ended and how late, or failed and what then.

The text changes when a receipt changes how a grant stands, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from daypass.core.catalogue import Catalogue
from daypass.core.forge import Links
from daypass.core.state import GrantState, Life, LifeGrant
from daypass.core.window import format_instant
from daypass.views.markdown import code, fence, folded, html_code, prose
from daypass.views.told.names import commit_named, number_named, people_named
from daypass.views.told.words import gives_words, late_words, life_words, lives_words, use_of

_OPEN = 3
"""How many grants are shown without a click."""

_MOST = 50
"""How many are shown at all."""

_AGAIN = "To ask again, open a new request."


def life_title(life: Life) -> str:
    """Say in a line how a request stands since its merge.

    What a later request extended, or changed, is told there: what is said here is not brought up to date at its end.
    """
    later = sorted({one.goes_on for one in life.grants if one.goes_on})
    stays = [one.state for one in life.grants if not one.goes_on]
    on = f"goes on by {', '.join(f'#{number}' for number in later)}"
    if not later:
        return lives_words(stays)
    return f"{lives_words(stays)}; {len(life.grants) - len(stays)} {on}" if stays else on


def _words(one: LifeGrant) -> str:
    return f"goes on by #{one.goes_on}" if one.goes_on else life_words(one.state)


def life_text(life: Life, links: Links | None = None) -> str:
    """Write the comment of a request that was merged."""
    few = len(life.grants) <= _OPEN
    said = life_title(life)
    if any(one.state.state == "blocked" for one in life.grants):  # of which a reason is said, in whatever words
        said = prose(said)
    parts = [f"### daypass: {said}", _lead(life, links)]
    for one in life.grants[:_MOST]:
        body = "\n\n".join(_grant(life, one, links))
        title = f"{html_code(one.state.grant)}: {prose(_words(one))}"
        parts.append(f"#### {code(one.state.grant)}\n\n{body}" if few else folded(title, body))
    left = len(life.grants) - _MOST
    parts += [f"*… and {left} more grants: `daypass show {life.pull}` has all.*"] if left > 0 else []
    parts.append(
        "<sub>daypass keeps this comment up to date and never reads it. Its history has what reviewers saw.</sub>"
    )
    return "\n\n".join(parts) + "\n"


def issue_text(life: Life, links: Links | None = None) -> str:
    """Write the answer on the issue that asked."""
    lines = [f"- {code(one.state.grant)}: {prose(_words(one))}" for one in life.grants[:_MOST]]
    if len(life.grants) == 1:
        body = "\n\n".join(_grant(life, life.grants[0], links))
        return f"Pull request {number_named(life.pull, links)}: **{prose(life_title(life))}**.\n\n{body}\n"
    return (
        "\n".join([f"Pull request {number_named(life.pull, links)}: **{prose(life_title(life))}**.", "", *lines]) + "\n"
    )


def life_lines(life: Life) -> list[str]:
    """Say the same for a terminal."""
    lines = []
    for one in life.grants:
        lines.append(f"{one.state.grant}: {_words(one)}")
        lines += [f"  {line}" for line in _plain(life.catalogue, one)]
    return lines


def _plain(catalogue: Catalogue, one: LifeGrant) -> Iterator[str]:
    state = one.state
    if state.entitlement is not None and state.state in ("live", "scheduled", "pending"):
        words = gives_words(catalogue, state.entitlement, state.subject)
        yield from (words,) if words else ()
    if state.state == "live" and not one.goes_on and state.entitlement is not None:
        words, command = use_of(catalogue, state.entitlement, state.grant)
        yield from (words,) if words else ()
        yield from (f"  {line}" for line in command.splitlines())
    yield from (state.note,) if state.note else ()


def _lead(life: Life, links: Links | None) -> str:
    asked = f"Asked by {people_named(life.catalogue, (life.by,))}. " if life.by else ""
    when = f" at {code(format_instant(life.merged_at))}" if life.merged_at is not None else ""
    return f"{asked}Merged as {commit_named(life.merged, links)}{when}{_approved(life)}."


def _approved(life: Life) -> str:
    by = {a.by: None for one in life.grants if one.proof is not None for a in one.proof.approvals}
    return f", approved by {people_named(life.catalogue, tuple(by))}" if by else ""


def _grant(life: Life, one: LifeGrant, links: Links | None) -> Iterator[str]:
    """Yield what is said of one grant: what it is, how it is used, and what comes next."""
    state = one.state
    reason = f" ({prose(one.grant.reason)})" if one.grant is not None else ""
    gives = ""
    if state.entitlement is not None and state.state != "ended":
        known = life.catalogue.directory.subjects.get(state.subject)
        gives = gives_words(life.catalogue, state.entitlement, known.name if known and known.name else state.subject)
    if gives:
        yield f"**{prose(gives)}**{reason}"
    elif state.resource:
        yield f"{code(state.role)} on {code(state.resource)} for {code(state.subject)}{reason}"
    if one.goes_on:
        yield f"It goes on by {number_named(one.goes_on, links)}, whose comment says how it stands."
        return
    yield from _next(life, state)


def _next(life: Life, state: GrantState) -> Iterator[str]:
    """Yield what a grant's people do now, or what happens by itself."""
    note = prose(state.note)
    if state.state == "live":
        yield from _used(life, state)
        yield from (f"To be known: {note}.",) if note else ()
        yield "It ends by itself. In a comment here, `/extend 2h` asks for more time and `/end` ends it now."
    elif state.state == "scheduled":
        yield "It opens by itself, and this comment then says how it is used. `/end` in a comment takes it back."
    elif state.fails:
        yield f"**What failed:** {note}."
        yield (
            "It is tried again at each run, and stands in `daypass status` for who looks after daypass until it is gone."
            if state.state == "ended"
            else "It is tried again by itself, ever more seldom, from a minute up to six hours; nobody needs to ask again."
        )
    elif state.state == "pending":
        yield from _held_back(state) or (f"**What it waits for:** {note}." if note else "The next run gives it.",)
    elif state.state in ("unproved", "blocked"):
        yield f"**Why:** {prose(state.why)}" + (f" ({code(state.code)})." if state.code else ".")
        yield f"It gives no access as it stands. {_AGAIN}"
    elif state.state == "ended":
        yield from _over(state)
    else:
        yield "The next run proves all of this again, and then makes the change."


def _held_back(state: GrantState) -> tuple[str, ...]:
    if not state.kept_back:
        return ()
    return (f"**What holds it back:** {prose(state.kept_back)}.", "A run goes on with it once nothing holds it back.")


def _used(life: Life, state: GrantState) -> Iterator[str]:
    if state.entitlement is None:
        return
    words, command = use_of(life.catalogue, state.entitlement, state.grant)
    if words:
        yield f"**How to use it:** {prose(words)}"
    if command:
        yield fence(command.splitlines(), "sh")


def _over(state: GrantState) -> Iterator[str]:
    early = f" It ended early: {prose(state.bound or state.why)}." if state.code != "expired" else ""
    if state.taken is not None:
        yield f"Taken away at {code(format_instant(state.taken))}, {late_words(state.late)}.{early} {_AGAIN}"
    elif state.provisioned:
        yield from _held_back(state) or (f"The next run takes it away.{early}",)
    else:
        yield f"Nothing of it is left.{early} {_AGAIN}"
