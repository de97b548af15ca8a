"""How a grant stands and the decision on it in words: what policy asks for, who can give it, what made each rule speak."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from daypass.core.bounds.purposes import Purpose
from daypass.core.catalogue import Catalogue, Subject
from daypass.core.forge import acting_words
from daypass.core.grant import Detail, Grant
from daypass.core.plan import Action
from daypass.core.policy.decision import Decision
from daypass.core.policy.details import early_ends
from daypass.core.policy.held import Held
from daypass.core.policy.order import ordered
from daypass.core.policy.policies import Policy
from daypass.core.policy.rules import Rules
from daypass.core.request import Effect, Item
from daypass.core.state import GrantState
from daypass.core.window import Window, format_duration, format_instant
from daypass.views.data import plain
from daypass.views.findings import count, joined
from daypass.views.plan import SIGN, entitlement_text
from daypass.views.policy.chain import chain_lines
from daypass.views.told.words import life_words

_NAMED = 8
"""How many people of a group are named one by one."""


def person(catalogue: Catalogue, handle: str) -> str:
    """Name somebody: handle and full name."""
    subject = catalogue.directory.subjects.get(handle)
    return f"{handle} ({subject.name})" if subject is not None and subject.name else handle


def people(
    catalogue: Catalogue, handles: tuple[str, ...] | frozenset[str], without: frozenset[str] = frozenset()
) -> str:
    """Name people: handle and full name."""
    names = [person(catalogue, handle) for handle in sorted(handles) if handle not in without]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(names[:_NAMED]) + more) or "nobody"


def grant_rows(
    catalogue: Catalogue, grant: Grant, mark: Callable[[str], str], about: Callable[[Iterable[str]], str]
) -> list[tuple[str, str]]:
    """Return what a grant says, name by name: ``mark`` writes its own words, ``about`` what the catalogue adds to one."""
    resource = catalogue.resources.get(grant.resource)
    role = resource.roles.get(grant.role) if resource is not None else None
    subject = catalogue.directory.subjects.get(grant.subject)
    purpose = catalogue.purposes.get(grant.purpose)
    where = (resource.title, f"{resource.environment}, {resource.classification}") if resource is not None else ()
    data = f"data: {', '.join(resource.data)}" if resource is not None and resource.data else ""
    when = _when(catalogue, grant, mark)
    rows: list[tuple[str, str, tuple[str, ...]]] = [
        ("subject", mark(grant.subject), (subject.name, *_hired(catalogue, subject)) if subject is not None else ()),
        ("resource", mark(grant.resource), (*where, data)),
        ("role", mark(grant.role), (role.title if role is not None else "",)),
        ("window", when, ()),
        ("reason", mark(grant.reason), ()),
        ("ticket", mark(grant.ticket) if grant.ticket else "", ()),
        ("purpose", mark(grant.purpose) if grant.purpose else "", ()),
        *((f"details.{name}", mark(detail_text(value)), titled(purpose, name)) for name, value in grant.details),
        *(("ends by", mark(format_instant(end.limit)), (end.what,)) for end in early_ends(catalogue, grant)),
        ("ends when", ", ".join(mark(f"{key}: {value}") for key, value in grant.ends_when), ()),
    ]
    told = ((name, value, [part for part in parts if part]) for name, value, parts in rows if value)
    return [(name, value + (about(parts) if parts else "")) for name, value, parts in told]


def _when(catalogue: Catalogue, grant: Grant, mark: Callable[[str], str]) -> str:
    window, length = grant.span.window, format_duration(grant.span.length)
    if window is None:
        return f"{length}, from the merge on"
    text = f"{mark(format_instant(window.start))} until {mark(format_instant(window.end))}"
    if grant.span.recurs is None:
        return f"{text} ({length})"
    told = catalogue.window(grant.span, window.start)
    return f"{mark(str(grant.span.recurs))}, {text} ({intervals_words(told)})"


def intervals_words(window: Window) -> str:
    """Say how often, and for how long, a window that recurs gives access."""
    if not window.parts:
        return "its intervals cannot be told"
    first = f"the first from {format_instant(window.parts[0][0])} until {format_instant(window.parts[0][1])}"
    count = len(window.parts)
    return f"{count} interval{'s'[: count != 1]} of at most {format_duration(window.longest)}, {first}"


def _hired(catalogue: Catalogue, subject: Subject) -> tuple[str, ...]:
    """Say of a subject what a reviewer is to know: that it is an agent, or for whom they work."""
    vendor = catalogue.directory.vendor_of(subject.handle)
    if vendor is not None:
        return (f"works for {vendor.title or vendor.name}",)
    return ("an agent",) if subject.kind == "agent" else ()


def detail_text(value: Detail) -> str:
    """Write a detail in a line."""
    return value if isinstance(value, str) else ", ".join(value)


def titled(purpose: Purpose | None, field: str) -> tuple[str, ...]:
    """Return the title of a purpose's field, nothing where it has none."""
    known = purpose.fields.get(field) if purpose is not None else None
    return (known.title,) if known is not None and known.title else ()


def guide_of(catalogue: Catalogue, grant: Grant) -> str:
    """Return what the purpose of a grant tells reviewers, "" for nothing."""
    purpose = catalogue.purposes.get(grant.purpose)
    return " ".join(purpose.guide.split()) if purpose is not None else ""


def taking_words(item: Item) -> str:
    """Say what an item that only narrows or removes a grant takes away: nothing, where that is so."""
    if item.settled:
        return "changes nothing: main is so already"
    if item.ending is None:
        return "takes no access away: none of it is still to run"
    return f"takes away access of {item.ending.subject}" if item.ending.subject else "takes access away"


def request_words(grant: GrantState) -> str:
    """Say how a grant stands that a request asks for, in no word of people."""
    missing = sum(status.missing for status in grant.missing)
    return {
        "asked": f"waits for {count(missing, 'approval')}" if missing else "waits for a rule that lets it pass",
        "approved": "has all that it needs",
        "denied": "is denied",
        "invalid": "has things to put right",
        "merged": "is merged",
        "closed": "was closed without a merge",
    }.get(grant.state, grant.state)


def grant_words(grant: GrantState, at: datetime) -> str:
    """Say how a grant of main stands: its state as the word that every output has for it, then what that means."""
    said = state_words(grant, at)
    return said if said.startswith(grant.state) else f"{grant.state}; {said}"


def state_words(grant: GrantState, at: datetime) -> str:
    """Say how a grant of main stands: what it gives, or why not, and what will."""
    rest = "; what it gave is taken away by the next run" if grant.provisioned else ""
    bound = f"; ended early: {grant.bound}" if grant.bound else ""
    if grant.state == "ended":
        held = f"; {grant.kept_back}" if grant.kept_back else ""
        return f"{life_words(grant)}: {grant.why}{held}"
    if grant.state == "merged":
        return f"{life_words(grant)}: `daypass apply`"
    if grant.state == "blocked":
        return f"{life_words(grant)}{rest}"
    if grant.state == "unproved":
        return f"{life_words(grant)}: {grant.why}{rest}"
    if grant.state == "scheduled" and grant.start is not None:
        return f"{life_words(grant)}, in {format_duration(grant.start - at)}{bound}"
    left = f"{life_words(grant)}, {format_duration(grant.until - at)} left" if grant.until is not None else grant.state
    if grant.note:
        note = grant.kept_back if grant.kept_back and grant.state == "pending" else grant.note
        return f"{left}, {note}{bound}"
    return f"{left}{bound}" if grant.provisioned else f"{left}, not provisioned yet: `daypass apply`{bound}"


def effect_line(effect: Effect) -> str:
    """Say in a line what is added or removed at a target."""
    text = f"{SIGN[effect.action]} {entitlement_text(effect.entitlement)}  {effect_when(effect)}"
    return text + (f"  (also given by {', '.join(effect.others)})" if effect.others else "")


def effect_when(effect: Effect) -> str:
    """Say when what is added or removed is, and until when it was so far."""
    if effect.span is None:
        ends = format_instant(effect.before.end) if effect.before is not None else ""
        return f"at the next run, in place of {ends}" if ends else "at the next run"
    if effect.action is Action.REMOVE and effect.span.window is not None:
        text = f"at the next run: what is left of it ended {format_instant(effect.span.window.end)}"
    elif effect.span.window is None:
        text = f"for {format_duration(effect.span.length)} from the merge on"
        text += f", until {format_instant(effect.latest)} at the latest" if effect.latest is not None else ""
    else:
        text = f"from {format_instant(effect.span.window.start)} until {format_instant(effect.span.window.end)}"
        text += f", {effect.span.recurs}" if effect.span.recurs is not None else ""
    return text + (f", so far until {format_instant(effect.before.end)}" if effect.before is not None else "")


def denial_lines(decision: Decision) -> list[str]:
    """Say why policy denies, each reason with its rule or code and what would help."""
    lines = []
    for denial in decision.told:
        lines.append(f"denied: {denial.message} [{denial.rule or denial.code}]")
        lines += [f"  hint: {denial.hint}"] if denial.hint else []
    return lines


def needs_text(policy: Policy, grant: Grant, decision: Decision, *, requester: str) -> str:
    """Say what a request needs: denials with what would help, approvals with the people who can give them."""
    lines = [f"  {line}" for line in denial_lines(decision)]
    if decision.denials:
        return joined(lines)
    out = frozenset({requester, grant.subject})
    for requirement in ordered(decision.needs):
        who = people(policy.catalogue, requirement.eligible - frozenset(dict(requirement.acting)), out)
        rules = f"  ({', '.join(requirement.rules)})" if requirement.rules else ""
        asked = count(requirement.at_least, "approval")
        lines.append(f"  needs  {asked} from {requirement.asked}: {who}{rules}")
        lines += [f"         {acting_words(by, of)} as well" for by, of in requirement.acting]
        lines += [f"         without {person(policy.catalogue, one)}, who {why}" for one, why in requirement.out]
        lines += [
            f"         {line}" for line in chain_lines(requirement, lambda who: people(policy.catalogue, who, out))
        ]
    if decision.unread:
        where = ", ".join(decision.unread)
        lines.append(f"  not known here, since the ledger was not read: who holds or approved something on {where}")
    lines += [f"  not known here, since the ledger was not read: {what}" for what in decision.untold]
    if not decision.requirements:
        rules = ", ".join(decision.rules)
        lines.append(f"  needs  nobody: passes automatically ({rules})")
    return joined(lines)


def explain_text(
    policy: Policy, grant: Grant, decision: Decision, *, requester: str, at: datetime, state: GrantState
) -> str:
    """Tell the whole decision: the grant as read, each rule with the values that made it speak, then the outcome.

    ``state`` is how the grant stands, which is said of one that is on main.
    """
    span = grant.span
    window = f"{span}"
    if span.recurs is not None:
        window = f"{span.recurs}, {policy.catalogue.window(span, at)}"
    whose = f" for {grant.subject}" if grant.subject != requester else ""
    lines = [
        f"{grant.id}",
        f"  {requester} asks for {grant.role} on {grant.resource}{whose}, {window}",
        f"  reason: {grant.reason}" + (f"  ticket: {grant.ticket}" if grant.ticket else ""),
        *(f"  details.{name}: {detail_text(value)}" for name, value in grant.details),
        *([f"  {intervals_words(policy.catalogue.window(span, at))}"] if span.recurs is not None else []),
        *(
            f"  ends by {format_instant(end.limit)}: {end.what} no longer"
            for end in early_ends(policy.catalogue, grant)
        ),
        *(f"  ends when {key}: {what}" for key, what in grant.ends_when),
        *([f"  for reviewers: {guide}"] if (guide := guide_of(policy.catalogue, grant)) else []),
        *([] if state.state in ("draft", "denied") else [f"  state: {grant_words(state, at)}"]),
        f"  judged at {format_instant(at)} as asked by {requester}, policy {decision.policy[:19]}…",
        "Rules:",
    ]
    for trace in decision.traces:
        lines.append(f"  {'applies  ' if trace.applied else 'no effect'}  {trace.rule}: {trace.effect}")
        lines += [f"               {name} = {value}" for name, value in trace.values]
        if trace.error:
            lines.append(f"               failed: {trace.error}")
    if not decision.traces:
        default = "the default asks one owner of the resource"
        lines.append(f"  none was judged{'' if decision.denials else f'; {default}'}")
    lines.append("Decision:" + ("  denied" if decision.denials else ""))
    return joined(lines) + needs_text(policy, grant, decision, requester=requester)


def basis_lines(rules: Rules, grant: Grant, requester: str, held: Held, after: str) -> list[str]:
    """Say what each fact of the ledger rests on that rules go by; ``after`` says as of which place."""
    named, reads, role = sorted(rules.of_ledger), rules.history, f"{grant.role} on {grant.resource}"
    lines = [f"Who holds or approved something on {', '.join(named)} is as the ledger says {after}."] if named else []
    lines += [f"What else {grant.subject} holds is as main and the ledger say, {after}."] if rules.of_beside else []
    if held.role:
        lines.append(f"{grant.subject} has had, has or will have {role} as main and the ledger say, {after}, by")
        lines += [f"  {one.said_whole}" for one in held.role]
    elif "subject.days_held" in reads:
        lines.append(f"{grant.subject} has not had {role} lately, as main and the ledger say {after}.")
    if "requester.denials" in reads:
        told = ", ".join(f"#{one.pull} ({one.what})" for one in held.denials) or "none"
        lines.append(
            f"Denied or rejected of {requester}'s requests in the last 7 days, as the ledger says {after}: {told}."
        )
    if "subject.unreviewed" in reads:
        missing = ", ".join(held.unreviewed) or "none"
        lines.append(f"Emergencies of {grant.subject} that are not reviewed, as the ledger says {after}: {missing}.")
    if reads & {"subject.use_known", "subject.last_used"}:
        lines.append(f"Nothing tells when {grant.subject} last used {grant.resource}.")
    return lines


def basis_data(held: Held) -> dict[str, Any]:
    """Return what facts of the past rest on as plain data."""
    had: list[dict[str, str | None]] = [
        {"grant": one.grant, "from": None, "until": None} for one in held.role if one.window is None
    ]
    had += [
        {"grant": one.grant, "from": format_instant(part.start), "until": format_instant(part.end)}
        for one in held.role
        if one.window is not None
        for part in one.window.intervals
    ]
    return {"had": had, "not_merged": [one._asdict() for one in held.denials]}


def decision_data(catalogue: Catalogue, grant: Grant, decision: Decision) -> dict[str, Any]:
    """Return a decision as plain data, version 1."""
    span = grant.span
    recurs = catalogue.window(span, span.window.start) if span.window is not None and span.recurs is not None else None
    return {
        "version": 1,
        "grant": grant.id,
        "policy": decision.policy,
        "automatic": decision.automatic,
        "rules": list(decision.rules),
        "denials": plain(decision.denials),
        "approvals": [
            {
                "at_least": r.at_least,
                "from": r.source,
                "except": list(r.without),
                "taken_out": dict(r.out),
                "rules": list(r.rules),
                "people": sorted(r.eligible),
                "after": list(r.after),
                "remind": str(r.remind) if r.remind is not None else None,
                "escalate": [
                    {"after": str(s.wait), "to": s.to, "people": sorted(s.people), "close": s.closes}
                    for s in r.escalate
                ],
                "clock": r.clock,
            }
            for r in ordered(decision.needs)
        ],
        "unread": list(decision.unread),
        "untold": list(decision.untold),
        "traces": [plain(trace) | {"values": dict(trace.values)} for trace in decision.traces],
        "window": str(grant.span.window) if grant.span.window is not None else format_duration(grant.span.length),
        "until": format_instant(grant.span.window.end) if grant.span.window is not None else None,
        "intervals": [plain(one) for one in recurs.intervals] if recurs is not None else [],
        "details": grant.to_dict().get("details", {}),
        "ends_by": [
            {"at": format_instant(end.limit), "code": end.code, "what": end.what}
            for end in early_ends(catalogue, grant)
        ],
    }
