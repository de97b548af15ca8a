"""Policy files that tests start from, and short ways to ask."""

from datetime import UTC, datetime, timedelta
from functools import partial

from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.policy import policies
from daypass.core.policy.policies import Policy
from daypass.core.window import Span, Window
from daypass.edges.targets.registry import KINDS

read_policies = partial(policies.read_policies, kinds=KINDS)
"""Read policies as this program does, with the kinds of target that it knows."""

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)  # a Friday

SETTINGS = """version: 1
forge: {kind: local}
targets:
  embedded: {kind: embedded}
"""

RESOURCE = """version: 1
title: Orders database
target: embedded
environment: production
classification: restricted
data: [personal, payment]
owners: [dba]
roles:
  readonly: {max_duration: 8h, privilege: {member_of: orders_readonly}}
  admin:    {max_duration: 1h}
"""

WIKI = """version: 1
title: Wiki
target: embedded
environment: staging
classification: internal
owners: [dba]
roles:
  editor: {max_duration: 5d}
"""

DIRECTORY = """version: 1
people:
  alice: {name: Alice Ngo, forge: {login: alice-ngo, id: 583231}, email: alice@example.com, manager: bob}
  bob: {name: Bob Ray, email: bob@example.com, forge: {login: bob-ray, id: 12}}
  carol: {name: Carol Ito, email: carol@example.com}
  dan: {name: Dan Orr, email: dan@example.com}
  vera: {name: Vera Sol, employment: vendor, vendor: acme, until: 2027-03-01}
groups:
  dba: {members: [bob, carol]}
  security: {members: [dan]}
  engineering: {members: [alice], include: [dba]}
vendors:
  acme: {title: Acme Support, until: 2026-12-01}
workloads:
  nightly: {title: Nightly export, owners: [dba]}
"""

PURPOSE = """version: 1
title: Incident
emergency: true
ticket: {required: true}
max_duration: 4h
"""

RULES = """version: 1
rules:
  - id: production-needs-two
    when: resource.environment == "production"
    require:
      - {approvals: {at_least: 1, from: owners}}
      - {approvals: {at_least: 1, from: group:security}, escalate: {after: 4h, to: group:dba}}
  - id: restricted-in-office-hours
    when: resource.classification == "restricted" && !grant.emergency
    deny_unless: within_hours(access.from, "Mon-Fri 08:00-19:00", "Europe/Berlin")
    message: Restricted data is opened in office hours only; use purpose incident outside them.
  - id: low-risk-passes
    when: resource.classification == "internal" && grant.duration <= duration("4h") && "engineering" in subject.groups
    approve: automatically
"""

FILES = {
    "policies/daypass.yaml": SETTINGS,
    "policies/resources/orders-db.yaml": RESOURCE,
    "policies/resources/wiki.yaml": WIKI,
    "policies/directory/people.yaml": DIRECTORY,
    "policies/purposes/incident.yaml": PURPOSE,
    "policies/rules/base.yaml": RULES,
}


def files(**changed: str | None) -> dict[str, bytes]:
    """Return the sample files; a keyword replaces one (None removes it): ``rules_base="…"``, ``daypass="…"``."""
    wanted = FILES | {"policies/daypass.yaml": SETTINGS + "limits: {unsigned: accept}\n"}
    for key, text in changed.items():
        folder, _, name = key.partition("_")
        path = f"policies/{folder}/{name.replace('_', '-')}.yaml" if name else f"policies/{folder}.yaml"
        wanted.pop(path, None)
        if text is not None:
            wanted[path] = text
    return {path: text.encode() for path, text in wanted.items()}


def policy(**changed: str | None) -> Policy:
    """Read the sample policy, changed."""
    return read_policies(files(**changed))


def rules(text: str) -> Policy:
    """Read the sample policy with only these rules (the list's items, indented by two)."""
    return policy(rules_base="version: 1\nrules:\n" + text)


def grant(**changed: object) -> Grant:
    """Make a grant; ``hours`` or ``window`` (two instants) say how long."""
    window = changed.pop("window", None)
    hours = changed.pop("hours", 4)
    span = Span(window=Window(*window)) if window else Span(duration=timedelta(hours=hours))
    fields = {"subject": "alice", "resource": "orders-db", "role": "readonly", "reason": "looking at four orders"}
    fields |= {"span": span, **changed}
    return Grant(id=GrantId(f"{fields['resource']}/one"), **fields)


def shown(findings: object) -> list[str]:
    """Write findings as ``line:column code message [hint]``."""
    return [
        f"{f.place.line}:{f.place.column} {f.code} {f.message}" + (f" [{f.hint}]" if f.hint else "") for f in findings
    ]
