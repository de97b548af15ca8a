"""A workload that is known by claims: asked for, approved and applied from the command line, at a real OpenBao."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conformance.bench import page_block
from driver import Access
from founded import example
from servers.openbao import AUDIENCE, ISSUER, openbao

SUBJECT = "repo:acme/orders:environment:production"
_RESOURCE = """\
version: 1
title: Secrets of the orders service
target: vault
environment: production
classification: internal
owners: [dba]
roles:
  reader: {max_duration: 1h, privilege: {paths: {secret/orders/*: [read]}}}
"""
_TARGET = f"""\
  vault:
    kind: vault
    url_env: VAULT_ADDR
    token_env: DAYPASS_VAULT_TOKEN
    audience: {AUDIENCE}
    namespace: %s
"""
_WORKLOADS = f"""\
version: 1
workloads:
  deploy-orders: {{title: Deploys the orders service, owners: [dba], claims: {{issuer: "{ISSUER}", subject: "{SUBJECT}"}}}}
  triage: {{kind: agent, title: Sorts reports, sponsor: dave, claims: {{issuer: "{ISSUER}", subject: "repo:acme/triage:*"}}}}
  loose: {{title: Anything, owners: [dba], claims: {{issuer: "{ISSUER}"}}}}
"""


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def at(moment: datetime, **later: int) -> str:
    return (moment + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def place(tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> tuple[Access, str]:
    server = openbao()
    space = server.space()
    monkeypatch.setenv("VAULT_ADDR", server.address)
    monkeypatch.setenv("DAYPASS_VAULT_TOKEN", server.made(_least(), space=space))
    access = example(tmp_path / "access", at(now, hours=-1))
    settings = access.top / "policies/daypass.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("targets:\n", "targets:\n" + _TARGET % space))
    access.write("policies/resources/orders-secrets.yaml", _RESOURCE)
    access.write("policies/directory/workloads.yaml", _WORKLOADS)
    access.run("codeowners")
    access.commit("a vault")
    access.run("check", "--at", at(now, minutes=-30))
    return access, space


def _least() -> str:
    return page_block("vault", "least-privilege").replace("TARGET", "vault")


def asked(access: Access, now: datetime, who: str, resource: str, role: str, *more: str, expect: int = 0) -> str:
    said = access.run(
        "request", "--subject", who, "--resource", resource, "--role", role, "--reason", "Deploys the release",
        *(more or ("--for", "30m")), "--at", at(now, minutes=-10), acting="alice", expect=expect,
    )  # fmt: skip
    return said.out + said.err


def given(access: Access, now: datetime, *more: str) -> None:
    asked(access, now, "deploy-orders", "orders-secrets", "reader", *more)
    for person in ("bob", "dave"):
        access.run("approve", "1", "--at", at(now, minutes=-9), acting=person)
    access.run("gate", "1", "--at", at(now, minutes=-8))
    access.run("apply", "--at", at(now))


@pytest.mark.on_disk
def test_a_job_logs_in_by_its_token_until_the_end_and_nobody_else_does(
    place: tuple[Access, str], now: datetime
) -> None:
    access, space = place
    server = openbao()
    given(access, now)
    (role,) = server.roles(space)
    token, _ = server.login(space, role, sub=SUBJECT)
    assert server.reads(space, token)
    assert not server.reads(space, token, "secret/payroll/db")
    for other in ({"sub": "repo:acme/orders:pull_request"}, {"sub": SUBJECT, "iss": "https://evil.example"}):
        refused, why = server.login(space, role, **other)
        assert (refused, "does not match" in why or "invalid" in why) == ("", True), why
    assert server.login(space, role, sub=SUBJECT, aud="https://other.example")[0] == ""
    access.run("apply", "--at", at(now, hours=1))
    assert server.roles(space) == []
    assert not server.reads(space, token)  # the token from before is good for nothing more
    assert server.login(space, role, sub=SUBJECT)[0] == ""
    assert access.run("audit", "verify", "--at", at(now, hours=1)).code == 0


@pytest.mark.on_disk
def test_the_server_ends_it_though_nothing_of_ours_runs(place: tuple[Access, str], now: datetime) -> None:
    access, space = place
    server = openbao()
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=12)
    given(access, now, "--from", at(now, minutes=-10), "--until", at(end))
    (role,) = server.roles(space)
    token, _ = server.login(space, role, sub=SUBJECT)
    assert server.reads(space, token)
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 1)
    assert not server.reads(space, token)
    late, _ = server.login(space, role, sub=SUBJECT)
    assert not server.reads(space, late)


@pytest.mark.on_disk
def test_a_role_that_somebody_changed_is_drift_and_is_written_again(place: tuple[Access, str], now: datetime) -> None:
    access, space = place
    server = openbao()
    given(access, now)
    (role,) = server.roles(space)
    stated = server.boss("GET", f"auth/jwt/role/{role}", space=space)["data"]
    stated["bound_claims"]["sub"] = stated["bound_subject"] = "repo:evil/orders:environment:production"
    server.boss("POST", f"auth/jwt/role/{role}", stated, space=space)
    said = access.run("drift", "--at", at(now, minutes=1), expect=None)
    assert said.code != 0
    assert "bound_claims" in said.out + said.err
    access.run("apply", "--at", at(now, minutes=2), expect=None)
    assert server.login(space, role, sub="repo:evil/orders:environment:production")[0] == ""
    assert server.login(space, role, sub=SUBJECT)[0] != ""


def test_claims_are_asked_for_where_they_are_checked_and_refused_elsewhere(
    place: tuple[Access, str], now: datetime
) -> None:
    access, _ = place
    told = asked(access, now, "deploy-orders", "staging", "deploy", expect=11)
    assert "target embedded (kind embedded) checks none: nobody would look at them" in told
    told = asked(access, now, "alice", "orders-secrets", "reader", expect=11)
    assert "target vault (kind vault) knows workloads by claims of their tokens alone" in told
    told = asked(access, now, "loose", "orders-secrets", "reader", expect=11)
    assert "the claims of loose do not tell it apart at target vault (kind vault): they state no subject" in told
    asked(access, now, "triage", "orders-secrets", "reader")
    assert "from sponsor (dave)" in access.run("gate", "1", "--at", at(now, minutes=-5), expect=None).out
