"""Why requirements cannot be met: a source that yields nobody, too few people, or the same people asked twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from daypass.core.calendar.calendars import RUNS_OUT, RUNS_OUT_HINT
from daypass.core.calendar.wait import elapse
from daypass.core.catalogue import Catalogue, Subject
from daypass.core.policy.order import assign
from daypass.core.policy.requirement import REMEMBERED, Requirement, may_approve
from daypass.core.policy.sources import (
    GROUP,
    ON_CALL,
    OWNERS,
    SPONSOR,
    Ending,
    line_above,
    owning,
    parted,
    parts,
    persons,
)
from daypass.core.window import format_instant

Said = tuple[str, str, str]
"""A code, a message and a hint."""

_IN = "in policies/directory"


def shortage(catalogue: Catalogue, access: Ending, needs: Sequence[Requirement], at: datetime) -> list[Said]:
    """Say why requirements, with the people who could meet them, can never be met; nothing where they can.

    Subject and requester are left out. People whom an escalation adds count, but they are no excuse for an empty source.
    Different sources need different people.
    """
    mine, needs = {access.subject, access.requester}, tuple(needs)
    lacking, shared = _lacking(needs, _people(needs) & mine)
    found: list[Said] = []
    for need in (needs[place] for place in lacking):
        if not need.eligible:
            found.append(_nobody(catalogue, access, need, at))
            continue
        every = need.eligible | need.escalated
        alone = every - mine - frozenset(dict(need.acting))
        found.append(_too_few(need, alone, every & mine, _mute(catalogue, access, need.source)))
    return [*found, _shared(needs)] if shared else found


@lru_cache(maxsize=REMEMBERED)
def _people(needs: tuple[Requirement, ...]) -> frozenset[str]:
    return frozenset[str]().union(*(need.eligible | need.escalated for need in needs))


@lru_cache(maxsize=REMEMBERED)
def _lacking(needs: tuple[Requirement, ...], mine: frozenset[str]) -> tuple[tuple[int, ...], bool]:
    """Return the places of requirements that too few people but ``mine`` can meet.

    Where there are none: whether people are too few since each counts once.
    """
    found: list[int] = []
    able: dict[str, set[int]] = {}
    for place, need in enumerate(needs):
        others = (need.eligible | need.escalated) - mine - frozenset(dict(need.acting))
        if not need.eligible or len(others) < need.at_least:
            found.append(place)
        for handle in others:  # who acts for somebody counts as that one
            able.setdefault(handle, set()).add(place)
    counts = [need.at_least for need in needs]
    taken = [] if found else assign(counts, able)
    return tuple(found), any(len(some) < count for some, count in zip(taken, counts, strict=False))


def clock_runs_out(needs: Sequence[Requirement], opened: datetime) -> list[Said]:
    """Say of which clocks nobody can tell when what they time comes, if it opened now: nobody would be reminded or come in."""
    found: dict[str, Said] = {}
    for need in needs:
        if need.calendar is None or need.clock in found:
            continue
        for wait in [step.wait for step in need.escalate] + [need.remind] * (need.remind is not None):
            try:
                elapse(need.calendar, opened, wait)
            except ValueError as error:
                why = str(error).removeprefix(f"{RUNS_OUT}: ")
                message = f"the approval from {need.source} goes by calendar {need.clock}, and {why}"
                hint = RUNS_OUT_HINT
                found[need.clock] = (RUNS_OUT, message, hint)
                break
    return list(found.values())


def _shared(needs: Sequence[Requirement]) -> Said:
    sources = ", ".join(f"{need.at_least} from {need.asked}" for need in needs)
    message = f"the approvals needed ({sources}) must come from different people, and there are not enough"
    return "too-few-approvers", message, "add people to the groups in policies/directory"


def _nobody(catalogue: Catalogue, access: Ending, need: Requirement, at: datetime) -> Said:
    """Say why nobody can give a source's approval: it has no people, or none of them may approve, or all are taken out."""
    source = need.source
    if need.out:
        out = "; ".join(f"{handle} {why}" for handle, why in need.out)
        hint = "add people who are not taken out, or wait until those who are may approve again"
        return "no-approvers", f"nobody can give the approval from {need.asked}: {out}", hint
    whys = [_why_nobody(catalogue, access, part, at) for part in parts(source)] or [
        (f"{source} has no people", f"add people to {source} {_IN}")
    ]
    why = "; ".join(why for why, _ in whys)
    return "no-approvers", f"nobody can give the approval from {source}: {why}", whys[0][1]


def _why_nobody(catalogue: Catalogue, access: Ending, part: str, at: datetime) -> tuple[str, str]:
    """Say why nobody behind a part of a source can approve, with what would help."""
    kind, name = parted(part)
    if kind == "manager":
        return _nobody_above(catalogue, access.subject)
    if kind == SPONSOR:
        return _nobody_sponsors(catalogue, access)
    if kind == ON_CALL:
        return _nobody_on_call(catalogue, name, at)
    groups = ", ".join(owning(catalogue, access.resource) if part == OWNERS else (name,)) or part
    several = part == OWNERS or part.startswith(GROUP)
    all_, none, every = (
        (f"none of the people of {groups} has", f"none of the people of {groups} is", f"everybody in {groups}")
        if several
        else (f"{groups} has no", f"{groups} is not", groups)
    )
    there = persons(catalogue, access, part)
    add = f"add people to {groups} {_IN}"
    if not there:
        return (
            (f"{groups} has no people", add) if several else (f"{groups} is no person", "name people of the directory")
        )
    if all(map(catalogue.unheard, there)):
        why = "an SSH key" if several else "SSH key"
        return f"{all_} {why}, and limits.unsigned refuses what nobody signed", f"add ssh_keys to them {_IN}"
    if not any(may_approve(catalogue, one) for one in there):
        kinds = ", ".join(catalogue.settings.limits.approvers)
        return (
            f"{none} engaged as limits.approvers asks ({kinds})",
            f"add such people to {groups}, or widen limits.approvers",
        )
    return f"{every} has left", add


def _nobody_on_call(catalogue: Catalogue, name: str, at: datetime) -> tuple[str, str]:
    rota = catalogue.rotas.get(name)
    handle = rota.on_call(at) if rota is not None else ""
    who = (
        f"{handle}, who is on call by rota {name}, may not approve or has left"
        if handle
        else f"by rota {name} nobody is on call"
    )
    return (
        f"{who} at {format_instant(at)}",
        f"put somebody on call in policies/rotas/{name}.yaml, or name a further source",
    )


def _nobody_above(catalogue: Catalogue, handle: str) -> tuple[str, str]:
    subject = catalogue.directory.subjects.get(handle)
    above = [one.handle for one in line_above(catalogue, handle)]
    if subject is not None and not subject.is_person:
        return f"{handle} is a workload, and has no manager", "name a further source in the rule"
    if not above:
        return f"{handle} has no manager", f"add manager: … to {handle} {_IN}"
    who = f"nobody who could is so far above {handle} ({', '.join(above)})"
    return who, f"add manager: … to {above[-1]} {_IN}, or name a further source in the rule"


def _nobody_sponsors(catalogue: Catalogue, access: Ending) -> tuple[str, str]:
    handle, subject = access.subject, catalogue.directory.subjects.get(access.subject)
    named = catalogue.directory.sponsors_of(handle)
    vendor = catalogue.directory.vendor_of(handle)
    if named:
        who = f"neither the sponsor of {handle} ({', '.join(named)}) nor anybody above may approve this, or they have left"
        whose = f"vendor {vendor.name}" if vendor is not None else handle
        return who, f"name another sponsor of {whose} {_IN}"
    if vendor is not None:
        return (
            f"vendor {vendor.name}, whose worker {handle} is, has no sponsor",
            f"add sponsor: … to {vendor.name} {_IN}",
        )
    if subject is not None and not subject.is_person:
        return f"{handle} has no sponsor", f"add sponsor: … to {handle} {_IN}"
    return f"{handle} works for no vendor, and has no sponsor", "name a further source in the rule"


def _mute(catalogue: Catalogue, access: Ending, source: str) -> str:
    """Name the persons behind a source who could approve if they had a key, a few of them."""
    there: dict[str, Subject] = {one.handle: one for part in parts(source) for one in persons(catalogue, access, part)}
    return ", ".join([handle for handle, one in sorted(there.items()) if catalogue.unheard(one)][:3])


def _too_few(need: Requirement, able: frozenset[str], out: frozenset[str], mute: str) -> Said:
    needs = f"{need.at_least} approval{'s' * (need.at_least > 1)} from {need.asked}"
    without = f" without {' and '.join(sorted(out))}, who may not approve this themselves," if out else ""
    who = f"there is only {', '.join(sorted(able))}" if able else "there is nobody"
    single = all(part != OWNERS and not part.startswith(GROUP) for part in parts(need.source))
    hint = "ask for fewer, or name a source with more people" if single else f"add people to {need.source} {_IN}"
    if mute:
        hint += f", or ssh_keys to {mute}: limits.unsigned refuses what nobody signed"
    return "too-few-approvers", f"{needs} must be given, but{without} {who}", hint
