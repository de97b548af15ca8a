"""What is written to the repository of a life: settings, rules, directory, resources and grants."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from simulation.story import PEOPLE, ROLES, TARGETS, Hours, Wish, instant

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
    when: resource.name in [RESOURCES]
    require:
      - {approvals: {at_least: 1, from: owners}}
      - {approvals: {at_least: 1, from: group:security}}
"""


def settings_file(*, compared: bool) -> tuple[str, bytes]:
    """Write the settings: whether clocks are compared, or the instant is what a run is told."""
    return "policies/daypass.yaml", (_SETTINGS + ("" if compared else _SIMULATED)).encode()


def rules_file(*, wiki_too: bool) -> tuple[str, bytes]:
    """Write the rules: which resources need an approval from security as well."""
    named = '"orders", "wiki"' if wiki_too else '"orders"'
    return "policies/rules/access.yaml", _RULES.replace("RESOURCES", named).encode()


def directory_file(groups: Mapping[str, Collection[str]], engaged: Mapping[str, int]) -> tuple[str, bytes]:
    """Write who is there until when, and in which group."""
    lines = ["version: 1", "people:"]
    for who in PEOPLE:
        until = f"until: {instant(engaged[who])}, " if who in engaged else ""
        lines.append(f"  {who}: {{{until}name: {who.title()}, email: {who}@example.com}}")
    lines.append("groups:")
    lines += [f"  {name}: {{members: [{', '.join(sorted(members))}]}}" for name, members in groups.items()]
    return "policies/directory/people.yaml", "\n".join([*lines, ""]).encode()


def resource_file(name: str, kept: int | None) -> tuple[str, bytes]:
    """Write a resource with its roles, and until when its data is kept."""
    lines = ["version: 1", f"title: {name.title()}", f"target: {TARGETS[name]}", "environment: staging"]
    lines += ["classification: confidential", "owners: [owners]"]
    lines += [f"retention_until: {instant(kept)}"] if kept is not None else []
    lines.append("roles:")
    lines += [
        f"  {role}: {{max_duration: {most}m, privilege: {{member_of: {role}}}}}"
        for (resource, role), most in ROLES.items()
        if resource == name
    ]
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
    lines = [
        "version: 1",
        f"subject: {wish.subject}",
        f"resource: {wish.resource}",
        f"role: {wish.role}",
        f"reason: what {grant} is about, told at length",
        f"window: {{{span}}}",
    ]
    return f"grants/{grant}.yaml", "\n".join([*lines, ""]).encode()
