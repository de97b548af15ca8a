"""What is written to the repository of a life: settings, rules, directory, resources and grants."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from simulation.story import AGREED, PEOPLE, ROLES, SAM, TARGETS, TOTALS, VERA, WITHIN, Hours, Wish, instant

_SETTINGS = """\
version: 1
forge: {kind: local}
targets:
  one: {kind: embedded}
  two: {kind: embedded, path: two.sqlite}
  three: {kind: embedded, path: three.sqlite}
  four: {kind: embedded, path: four.sqlite}
ledger: {branch: daypass-ledger, keys: [ledger.pub]}
limits: {max_duration: 30d, open_request: 1d, brake: {removals: 100%, additions: 100}, unsigned: accept}
"""
_SIMULATED = "clock: simulated\n"
_RULES = """\
version: 1
rules:
  - id: needs-security
    when: resource.name in [RESOURCES] && !grant.emergency
    require:
      - {approvals: {at_least: 1, from: owners}}
      - {approvals: {at_least: 1, from: group:security}}
"""
_EMERGENCIES = """\
  - {id: emergencies-pass, when: grant.emergency, approve: automatically}
"""
_INCIDENT = f"""\
version: 1
title: An incident
emergency: true
review: {{within: {WITHIN}m, approvals: {{at_least: 1, from: owners}}, else: end}}
"""
_SUPPORT = """\
version: 1
title: Support by a vendor
"""


def settings_file(*, compared: bool) -> tuple[str, bytes]:
    """Write the settings: whether clocks are compared, or the instant is what a run is told."""
    return "policies/daypass.yaml", (_SETTINGS + ("" if compared else _SIMULATED)).encode()


def purpose_files() -> list[tuple[str, bytes]]:
    """Write the purposes."""
    return [
        ("policies/purposes/incident.yaml", _INCIDENT.encode()),
        ("policies/purposes/support.yaml", _SUPPORT.encode()),
    ]


def rules_file(*, wiki_too: bool, terms: bool = False) -> tuple[str, bytes]:
    """Write the rules: which resources need an approval from security as well, and that emergencies pass."""
    named = '"orders", "wiki"' if wiki_too else '"orders"'
    return "policies/rules/access.yaml", (_RULES.replace("RESOURCES", named) + (_EMERGENCIES if terms else "")).encode()


def directory_file(
    groups: Mapping[str, Collection[str]], engaged: Mapping[str, int], agreed: Mapping[str, int | None] | None = None
) -> tuple[str, bytes]:
    """Write who is there until when, and in which group; ``agreed``: until when the agreements of a vendor hold."""
    lines = ["version: 1", "people:"]
    for who in PEOPLE:
        until = f"until: {instant(engaged[who])}, " if who in engaged else ""
        lines.append(f"  {who}: {{{until}name: {who.title()}, email: {who}@example.com}}")
    if agreed is not None:
        lines += [f"  {SAM}: {{name: Sam, email: sam@example.com}}"]
        lines += [f"  {VERA}: {{name: Vera, email: vera@example.com, employment: vendor, vendor: helpdesk}}"]
    lines.append("groups:")
    lines += [f"  {name}: {{members: [{', '.join(sorted(members))}]}}" for name, members in groups.items()]
    if agreed is not None:
        ends = {name: instant(until) if until is not None else "2027-12-31T00:00:00Z" for name, until in agreed.items()}
        lines += ["vendors:", "  helpdesk:", "    title: Helpdesk", f"    sponsor: {SAM}"]
        lines += [
            f"    agreement: {{from: 2026-01-01, until: {ends['agreement']}}}",
            f"    dpa: {{until: {ends['dpa']}}}",
        ]
        lines += [f"    resources: [{', '.join(AGREED)}]", "    data: [personal]", "    purposes: [support]"]
    return "policies/directory/people.yaml", "\n".join([*lines, ""]).encode()


def resource_file(name: str, kept: int | None, *, renamed: bool = False) -> tuple[str, bytes]:
    """Write a resource with its roles, and until when its data is kept; ``renamed``: its roles are called otherwise now."""
    lines = ["version: 1", f"title: {name.title()}", f"target: {TARGETS[name]}", "environment: staging"]
    lines += ["classification: confidential", "owners: [owners]"]
    lines += ["data: []"]
    lines += [f"retention_until: {instant(kept)}"] if kept is not None else []
    lines.append("roles:")
    for (resource, role), most in ROLES.items():
        if resource == name:
            limits = f"max_duration: {most}m, max_total: {TOTALS.get((resource, role), most)}m"
            what = f"{limits}, privilege: {{member_of: {role}}}"
            lines.append(f"  new-{role}: {{was: [{role}], {what}}}" if renamed else f"  {role}: {{{what}}}")
    return f"policies/resources/{name}.yaml", "\n".join([*lines, ""]).encode()


def calendar_file(hours: Hours) -> tuple[str, bytes]:
    """Write the calendar of who is on duty."""
    lines = ["version: 1", "title: On duty", "zone: Europe/Berlin", f"hours: {_hours(hours)}"]
    return "policies/calendars/duty.yaml", "\n".join([*lines, ""]).encode()


def _hours(hours: Hours) -> str:
    return '"' + ", ".join(f"Mon-Sun {_time(begin)}-{_time(end)}" for begin, end in hours) + '"'


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def grant_file(grant: str, wish: Wish) -> tuple[str, bytes]:
    """Write a grant file."""
    span = f"duration: {wish.length}m"
    if wish.start is not None:
        span = f"from: {instant(wish.start)}, until: {instant(wish.start + wish.length)}"
    span += f", hours: {_hours(wish.hours)}, zone: Europe/Berlin" if wish.hours else ""
    span += ", calendar: duty" if wish.on_duty else ""
    purpose = [f"purpose: {wish.purpose}"] if wish.purpose else []
    lines = [
        "version: 1",
        f"subject: {wish.subject}",
        f"resource: {wish.resource}",
        f"role: {wish.role}",
        f"reason: what {grant} is about, told at length",
        f"window: {{{span}}}",
        *purpose,
    ]
    return f"grants/{grant}.yaml", "\n".join([*lines, ""]).encode()
