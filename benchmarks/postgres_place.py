"""An access repository for one PostgreSQL server: N people, each with one grant that main has and the ledger proved."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.policies import person
from benchmarks.stream import Stream, object_id
from daypass.core.grant import Grant
from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.ledger.chain import Head, seal
from daypass.core.ledger.receipt import Admission, Body, Genesis, envelope_digest
from daypass.core.plan import Entitlement
from daypass.core.window import Span, Window, format_instant
from daypass.edges.git.history import GitHistory
from daypass.edges.git.plumbing import Git
from daypass.edges.ledger.keyfiles import generate_key, read_public_key
from daypass.edges.ledger.ledger import receipt_path
from daypass.edges.ledger.signing import EnvelopeSigner, EnvelopeVerifier
from daypass.edges.targets.registry import KINDS, check_privilege
from daypass.pipeline.judge.policies import load_policy

ROLE = "orders_readonly"
RESOURCE = "orders-db"
VARIABLE = "BENCH_DB_URL"
_RECEIPTS_A_COMMIT = 200

_SETTINGS = f"""\
version: 1
forge: {{kind: local}}
targets:
  orders: {{kind: postgres, url_env: {VARIABLE}}}
ledger: {{branch: daypass-ledger, keys: [ledger.pub]}}
limits: {{max_duration: 30d, open_request: 7d, brake: {{removals: 25%, additions: 100000}}}}
"""
_RESOURCE = f"""\
version: 1
title: Orders database
target: orders
environment: staging
classification: internal
owners: [dba]
roles:
  readonly: {{max_duration: 8h, privilege: {{member_of: {ROLE}}}}}
"""
_RULES = 'version: 1\nrules:\n  - {id: all-pass, when: "true", approve: automatically}\n'


def make(folder: Path, people: int, window: Window) -> None:
    """Make a bare repository ``access.git`` and its ``keys``: everybody's grant has the same window."""
    git = Git(folder / "access.git")
    keys = folder / "keys"
    keys.mkdir(parents=True, mode=0o700)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(git.folder)], check=True)
    git.run("config", "user.name", "Person 0")
    git.run("config", "user.email", "p0000@example.com")
    public = generate_key(keys / "new.pem")
    private = (keys / "new.pem").rename(keys / f"{read_public_key(public).keyid}.pem")
    grants = [_grant(n, window) for n in range(people)]
    files = _policies(people) | {"policies/ledger.pub": public} | {grant.path: _file(grant) for grant in grants}
    with Stream(git.folder) as stream:
        stream.commit("refs/heads/main", _stamp(window.start), "Begin\n", list(files.items()))
    _write_ledger(git, EnvelopeSigner(private, public), public, grants, window)


def _policies(people: int) -> dict[str, bytes]:
    names = [person(n) for n in range(people)]
    lines = [f"  {name}: {{name: {name}, email: {name}@example.com, identities: {{orders: {name}}}}}" for name in names]
    directory = "\n".join(["version: 1", "people:", *lines, "groups:", f"  dba: {{members: [{names[0]}]}}", ""])
    texts = {
        "policies/daypass.yaml": _SETTINGS,
        f"policies/resources/{RESOURCE}.yaml": _RESOURCE,
        "policies/rules/all.yaml": _RULES,
        "policies/directory/people.yaml": directory,
    }
    return {path: text.encode() for path, text in texts.items()}


def _grant(n: int, window: Window) -> Grant:
    name = person(n)
    return Grant(
        id=GrantId(f"{RESOURCE}/{name}-{n:06d}"),
        subject=name,
        resource=RESOURCE,
        role="readonly",
        reason="To measure how fast access comes and goes at a real server.",
        span=Span(window=window),
    )


def _file(grant: Grant) -> bytes:
    window = grant.span.window
    assert window is not None
    span = f"window: {{from: {format_instant(window.start)}, until: {format_instant(window.end)}}}"
    lines = ["version: 1", f"subject: {grant.subject}", f"resource: {grant.resource}", f"role: {grant.role}"]
    return "\n".join([*lines, f"reason: {grant.reason}", span, ""]).encode()


def _write_ledger(git: Git, signer: EnvelopeSigner, public: bytes, grants: list[Grant], window: Window) -> None:
    """Write the genesis and every grant's proof; nothing has been given yet."""
    history = GitHistory(git)
    main = history.resolve("refs/heads/main")
    policy = load_policy(history, main, KINDS, check_privilege)
    problems = [finding for finding in policy.findings if finding.is_error]
    if problems:
        raise RuntimeError(f"the generated policies are wrong: {problems[0]}")
    resource = policy.catalogue.resources[RESOURCE]
    role = resource.roles["readonly"]
    meaning, privilege = policy.catalogue.meaning(resource, role), canonical(dict(role.privilege))
    bodies: list[Body] = [Genesis(EnvelopeVerifier({"ledger.pub": public}).key_ids)]
    for number, grant in enumerate(grants, start=1):
        who = policy.catalogue.principal(grant.subject, resource)
        bodies.append(
            Admission(
                grant=grant.id,
                blob=Oid(object_id("blob", _file(grant))),
                landing=main,
                pull=number,
                head=main,
                base=main,
                merged_at=window.start,
                requested_at=window.start - timedelta(minutes=1),
                requester=grant.subject,
                subject=grant.subject,
                resource=grant.resource,
                role=grant.role,
                window=window,
                entitlement=Entitlement("orders", RESOURCE, who, privilege),
                grant_digest=grant.digest,
                policy=policy.digest,
                meaning=meaning,
                rules=("all-pass",),
                approvals=(),
            )
        )
    with Stream(git.folder) as stream:
        head: Head | None = None
        for start in range(0, len(bodies), _RECEIPTS_A_COMMIT):
            part = bodies[start : start + _RECEIPTS_A_COMMIT]
            sealed = seal(part, head, signer.sign, at=window.start, main=main, run="bench")
            files = [(receipt_path(one.sequence), one.raw) for one in sealed]
            stream.commit("refs/heads/daypass-ledger", _stamp(window.start), "Append\n", files)
            head = Head(sealed[-1].sequence, envelope_digest(sealed[-1].raw), window.start, main)


def _stamp(at: datetime) -> int:
    return int(at.timestamp())
