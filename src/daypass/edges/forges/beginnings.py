"""The first files of an access repository: who there is, the first resource with its target, and what tests say of it.

What stands here is written by `init` and, while nobody has changed it, again by `setup`, once it knows who is in the team.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

PEOPLE, TESTS = "policies/directory/people.yaml", "policies/tests/access.yaml"

_PEOPLE = """\
# yaml-language-server: $schema=../../.schemas/directory.schema.json
# Who there is. Nobody approves their own access, so owners need at least two people.
version: 1
"""
_CASES = """\
# yaml-language-server: $schema=../../.schemas/policy-test.schema.json
version: 1
cases:
"""
_ASKED = "subject: {who}, resource: {what}, role: {role}, window: {{duration: {span}}}, reason: an example for the test"
_CASE = """\
  - name: {name}
    request: {{{asked}}}
    at: 2026-11-20T10:00:00Z
    expect: {expect}
"""


class FirstTarget(NamedTuple):
    """A kind of target as a repository may begin with it: its settings' name and line, and what roles there give."""

    name: str
    options: str
    readonly: str
    admin: str
    what: str
    person: str = ""
    """By what a person is known there: "handle" where the directory has to say it, "account" by the one at the forge."""
    denied: tuple[str, ...] = ()
    """What people are denied there for, since it is for workloads."""


FIRST_TARGETS: Mapping[str, FirstTarget] = MappingProxyType(
    {
        "embedded": FirstTarget("embedded", "", "", "", "nothing real: a store beside the clone, to try it out"),
        "postgres": FirstTarget(
            "example",
            ", url_env: EXAMPLE_DB_URL",
            ", privilege: {member_of: readonly}",
            ", privilege: {member_of: admin}",
            "roles of a PostgreSQL server",
            person="handle",
        ),
        "github": FirstTarget(
            "example",
            ", organisation: @owner@, app_id_env: TARGETS_APP_ID, app_key_env: TARGETS_APP_KEY",
            ", privilege: {team: example-readers, role: member}",
            ", privilege: {team: example-readers, role: maintainer}",
            "teams and repositories at GitHub",
            person="account",
        ),
        "vault": FirstTarget(
            "example",
            ", url_env: EXAMPLE_VAULT_ADDR, token_env: EXAMPLE_VAULT_TOKEN, audience: https://vault.example.com",
            ", privilege: {paths: {secret/data/example/*: [read]}}",
            ", privilege: {paths: {secret/data/example/*: [read, update]}}",
            "workloads at HashiCorp Vault or OpenBao",
            denied=("claims-missing", "no-identity"),
        ),
        "ssh": FirstTarget(
            "example",
            ", ca_key_env: EXAMPLE_SSH_CA",
            ", privilege: {principals: [example-readonly]}",
            ", privilege: {principals: [example-admin]}",
            "certificates for hosts, by SSH",
            person="handle",
        ),
    }
)
"""Kind, as the settings name it, to how a repository begins with it. Names of roles and teams are for its owners to change."""


def target_line(kind: str, owner: str) -> str:
    """Return the line of the settings for the first target. ``owner``: whose repository it is at a forge, "" for nobody's.

    Runs at a forge begin on machines that keep nothing.
    """
    first = FIRST_TARGETS[kind]
    options = (
        ", keep: nothing" if owner and kind == "embedded" else first.options.replace("@owner@", owner or "example")
    )
    return f"  {first.name}: {{kind: {kind}{options}}}\n"


def resource_text(kind: str, group: str) -> str:
    """Return the first resource, owned by a group."""
    first = FIRST_TARGETS[kind]
    return (
        "# yaml-language-server: $schema=../../.schemas/resource.schema.json\n"
        "# One file a resource. Copy it, name the copy after your resource, and say who owns it.\n"
        f"version: 1\ntitle: An example database\ntarget: {first.name}\nenvironment: production\n"
        f"classification: confidential\nowners: [{group}]\nroles:\n"
        f"  readonly: {{title: Read every table, max_duration: 8h{first.readonly}}}\n"
        f"  admin: {{title: Change schema and data, max_duration: 1h{first.admin}}}\n"
    )


def people_text(people: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> str:
    """Return the directory of these people, a line each; values are written as JSON, which YAML reads."""
    lines = [f"  {handle}: {_flow(person)}\n" for handle, person in people.items()]
    lines += ["groups:\n", *(f"  {name}: {_flow({'members': list(members)})}\n" for name, members in groups.items())]
    return _PEOPLE + "people:\n" + "".join(lines)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def person_of(kind: str, handle: str, name: str, email: str, key: str) -> dict[str, Any]:
    """Return whoever makes the repository, as the directory has them. ``key``: their public SSH key, "" for none."""
    first = FIRST_TARGETS[kind]
    known = {"identities": {first.name: handle}} if first.person == "handle" else {}
    return {"name": name, "email": email, **known, **({"ssh_keys": [key]} if key else {})}


def cases_text(subject: str, kind: str, *, alone: bool, known: bool = True) -> str:
    """Return tests of the first policies, of a kind of target.

    ``alone``: nobody but the subject is in the group that approves. ``known``: the directory has their account.
    """
    first = FIRST_TARGETS[kind]
    unknown = ("no-identity",) if first.person == "account" and not known else ()
    codes = [*first.denied, *unknown, *(("too-few-approvers",) if alone else ())]
    expect = f"{{denied: [{', '.join(codes)}]}}" if codes else "{approvals: [{at_least: 1, from: owners}]}"
    denied = f"{{denied: [{', '.join(['admin-needs-a-ticket', *codes])}]}}"
    reading = _ASKED.format(who=subject, what="example-db", role="readonly", span="8h")
    admin = _ASKED.format(who=subject, what="example-db", role="admin", span="1h")
    reason = (
        "nobody approves their own, so that who is alone gets nothing" if alone else "who is asked for has to be known"
    )
    name = reason if codes else "reading needs one owner"
    cases = [(name, reading, expect), ("an administrator names a ticket", admin, denied)]
    return _CASES + "\n".join(_CASE.format(name=name, asked=asked, expect=said) for name, asked, said in cases)


def cases_again(text: str, subject: str, *, alone: bool) -> str | None:
    """Return the tests anew where they are as `init` wrote them for a subject, None where somebody has changed them."""
    for kind in FIRST_TARGETS:
        for before in (cases_text(subject, kind, alone=a, known=k) for a in (True, False) for k in (True, False)):
            if text == before:
                return cases_text(subject, kind, alone=alone)
    return None
