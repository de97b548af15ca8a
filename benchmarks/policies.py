"""The policies of the generated repository: 300 resources, 1,000 people, 13 groups, ten rules."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

BEGIN = datetime(2026, 11, 10, tzinfo=UTC)
"""The first merge."""
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""The instant that is measured at: every grant's window is open."""

ROLES = ("readonly", "operator", "admin")
PURPOSES = ("incident", "maintenance", "data-subject-request")
SYSTEMS = ("orders", "billing", "ledger", "search", "mailer", "reports", "gateway", "catalog", "support", "archive")
TEAMS = ("dba", "platform", "payments", "support", "analytics", "network")
ENVIRONMENTS = ("production", "staging", "development")
CLASSES = ("internal", "confidential", "restricted")
PEOPLE = 1000
RESOURCES = 300


@dataclass(frozen=True, slots=True)
class Place:
    """A resource, as far as the generator needs it."""

    name: str
    environment: str
    classification: str
    owners: str


def person(number: int) -> str:
    """Return a handle."""
    return f"p{number:04d}"


def places() -> tuple[Place, ...]:
    """Return the resources, by name; none is the beginning of another, so that git's order is the names'."""
    chooser = random.Random("resources")
    found = [
        Place(
            f"{SYSTEMS[n % len(SYSTEMS)]}-db-{n:03d}",
            chooser.choice(ENVIRONMENTS),
            chooser.choice(CLASSES),
            chooser.choice(TEAMS),
        )
        for n in range(RESOURCES)
    ]
    return tuple(sorted(found, key=lambda place: place.name))


SETTINGS = """\
version: 1
forge: {kind: local}
targets:
  embedded: {kind: embedded}
ledger: {branch: daypass-ledger, keys: [ledger.pub]}
limits: {max_duration: 30d, open_request: 7d, brake: {removals: 25%, additions: 100}}
clock: simulated
"""

RULES = """\
version: 1
rules:
  - id: production-needs-two
    when: resource.environment == "production"
    require:
      - {approvals: {at_least: 1, from: owners}}
      - {approvals: {at_least: 1, from: group:security}, escalate: {after: 4h, to: group:security-leads}}
  - id: restricted-in-office-hours
    when: resource.classification == "restricted" && !grant.emergency
    deny_unless: within_hours(request.opened_at, "Mon-Sun 00:00-24:00", "Europe/Berlin")
    message: Restricted data is opened in office hours only; use purpose incident outside them.
  - id: low-risk-passes
    when: resource.classification == "internal" && grant.duration <= duration("4h") && "engineering" in subject.groups
    approve: automatically
  - id: restricted-needs-a-lead
    when: resource.classification == "restricted"
    require:
      - {approvals: {at_least: 1, from: group:security-leads}}
  - id: production-needs-a-ticket
    when: resource.environment == "production"
    deny_unless: grant.ticket.matches("^[A-Z]{2,5}-[0-9]+$")
    message: Name the ticket.
  - id: reasons-say-something
    when: role.name != "readonly"
    deny_unless: size(grant.reason) >= 40
    message: Say what will be changed and why.
  - id: admins-stay-short
    when: grant.role == "admin"
    deny_unless: grant.duration <= duration("600h")
    message: Administrators come and go.
  - id: contractors-stay-out-of-restricted-production
    when: subject.employment == "contractor" && resource.environment == "production"
    deny_unless: resource.classification != "restricted" || grant.role == "readonly"
    message: Contractors read at most.
  - id: personal-data-is-minded
    when: '"personal" in resource.data && grant.role != "readonly"'
    require:
      - {approvals: {at_least: 1, from: group:privacy}}
  - id: nobody-fixes-instants-far-ahead
    when: grant.absolute
    deny_unless: grant.duration <= duration("720h")
    message: An absolute window lasts thirty days at most.
"""


KEPT, UNKEPT = "{kind: embedded}", "{kind: embedded, keep: nothing}"
"""The target, and one whose reading costs nothing: what a runner takes for the rest is measured at a repository with that."""

HOSTED = "bench/access"
"""What the repository is called that is at GitHub."""


def files(*, hosted: bool = False) -> dict[str, str]:
    """Return every policy file but the public key, by repository path; ``hosted``: the forge is GitHub."""
    forge = f"forge: {{kind: github, repository: {HOSTED}}}"
    settings = SETTINGS.replace("forge: {kind: local}", forge).replace(KEPT, UNKEPT) if hosted else SETTINGS
    found = {"policies/daypass.yaml": settings, "policies/rules/access.yaml": RULES}
    found["policies/directory/people.yaml"] = _directory()
    for purpose in PURPOSES:
        emergency = "true" if purpose == "incident" else "false"
        found[f"policies/purposes/{purpose}.yaml"] = f"version: 1\ntitle: A {purpose}\nemergency: {emergency}\n"
    for number, place in enumerate(places()):
        data = "[personal]" if number % 3 == 0 else "[technical]"
        roles = "".join(
            f"  {role}: {{max_duration: 30d, privilege: {{member_of: {place.name.replace('-', '_')}_{role}}}}}\n"
            for role in ROLES
        )
        found[f"policies/resources/{place.name}.yaml"] = (
            f"version: 1\ntitle: Database {place.name}\ntarget: embedded\nenvironment: {place.environment}\n"
            f"classification: {place.classification}\ndata: {data}\nowners: [{place.owners}]\nroles:\n{roles}"
        )
    return found


def _directory() -> str:
    lines = ["version: 1", "people:"]
    for n in range(PEOPLE):
        handle = person(n)
        employment = "contractor" if n % 20 == 19 else "employee"
        lines.append(
            f"  {handle}: {{name: Person {n}, email: {handle}@example.com, forge: {{login: {handle}-x, id: {1000 + n}}},"
            f" employment: {employment}}}"
        )
    lines.append("groups:")
    for n, team in enumerate(TEAMS):
        lines.append(f"  {team}: {{members: [{', '.join(person(i) for i in range(n, 60, len(TEAMS)))}]}}")
    lines.append(f"  security: {{members: [{', '.join(person(i) for i in range(60, 70))}]}}")
    lines.append(f"  security-leads: {{members: [{', '.join(person(i) for i in range(70, 74))}]}}")
    lines.append(f"  privacy: {{members: [{', '.join(person(i) for i in range(74, 80))}]}}")
    lines.append(f"  engineering: {{members: [{', '.join(person(i) for i in range(80, 700))}], include: [dba]}}")
    return "\n".join(lines) + "\n"
