"""What each kind of target gives, and how it is used, in words that reviewers and subjects read."""

from __future__ import annotations

from typing import Any

import pytest

from daypass.core.ids import GrantId
from daypass.edges.targets.registry import KINDS, TARGETS

GRANT = GrantId("orders-db/alice-1")


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("embedded", {"member_of": "orders_readonly"}, "joins role orders_readonly"),
        ("embedded", {"anything": "else"}, ""),
        ("postgres", {"member_of": "orders_readonly"}, "joins role orders_readonly"),
        ("postgres", {"login": "true", "member_of": "r"}, "gets a login of their own, which joins role r"),
        ("postgres", {"grant": "read", "schema": "public"}, "may read schema public"),
        ("postgres", {"grant": "write", "schema": "billing", "database": "payroll"},
         "may read and write schema billing of database payroll"),
        ("postgres", {"grant": {"select": ["orders", "items"], "update": ["orders"]}, "schema": "public"},
         "may select on orders, items and update on orders in schema public"),
        ("postgres", {}, ""),
        ("ssh", {"principals": ["deploy", "web"]}, "may log in as deploy or web"),
        ("ssh", {"source_address": ["10.0.0.0/8"]}, "may log in as themselves, from 10.0.0.0/8 only"),
        ("ssh", {"force_command": "uptime"}, "may log in as themselves, to run uptime only"),
        ("github", {"team": "dba"}, "joins team dba"),
        ("github", {"team": "dba", "role": "maintainer"}, "joins team dba as a maintainer"),
        ("github", {"repository": "acme/app", "permission": "push"}, "gets push on repository acme/app"),
        ("github", {"organisation_role": "auditor"}, "gets the organisation's role auditor"),
        ("github", {}, ""),
        ("vault", {"paths": {"secret/data/orders/*": ["read", "list"]}}, "may read, list secret/data/orders/*"),
        ("vault", {}, ""),
    ],
)  # fmt: skip
def test_a_privilege_is_said_in_words(kind: str, fields: dict[str, Any], said: str) -> None:
    assert KINDS[kind].gives(fields) == said


@pytest.mark.parametrize(
    ("kind", "fields", "words", "command"),
    [
        ("embedded", {"member_of": "r"}, "let alice in", ""),
        ("postgres", {"member_of": "r"}, "Connect as alice", "psql --host HOST --dbname DATABASE --username alice"),
        ("postgres", {"schema": "s", "database": "a; b", "grant": "read"}, "Connect as alice",
         "psql --host HOST --dbname 'a; b' --username alice"),
        ("postgres", {"login": "true", "member_of": "r"}, "encrypted to your own key",
         "daypass fetch grants/orders-db/alice-1.yaml --output login.age\nage -d -i ~/.ssh/id_ed25519 login.age"),
        ("ssh", {"principals": ["deploy"]}, "Fetch the certificate",
         "daypass fetch grants/orders-db/alice-1.yaml --output daypass-cert.pub\n"
         "ssh -o CertificateFile=daypass-cert.pub deploy@HOST"),
        ("ssh", {}, "Fetch the certificate",
         "daypass fetch grants/orders-db/alice-1.yaml --output daypass-cert.pub\n"
         "ssh -o CertificateFile=daypass-cert.pub alice@HOST"),
        ("github", {"team": "dba"}, "the account alice", ""),
        ("vault", {"paths": {}}, "logs in with its platform's token",
         "bao list auth/jwt/role\nbao write auth/jwt/login role=ROLE jwt=TOKEN"),
    ],
)  # fmt: skip
def test_how_it_is_used_is_said_with_the_command(kind: str, fields: dict[str, Any], words: str, command: str) -> None:
    found = KINDS[kind].use("alice", fields, GRANT)
    assert words in found.words
    assert found.command == command


@pytest.mark.parametrize("kind", TARGETS)
def test_each_kind_has_words(kind: str) -> None:
    assert TARGETS[kind].gives
    assert TARGETS[kind].use
