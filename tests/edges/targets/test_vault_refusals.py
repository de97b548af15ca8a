"""What a vault target refuses before it asks the server, and what it leaves alone there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.bench import page_block
from daypass.core.bounds.settings import TargetSettings
from daypass.core.errors import EdgeError, InvalidError
from daypass.core.ids import canonical
from daypass.core.plan import Action, Entitlement, Order
from daypass.edges.targets.vault.policy import VaultOptions, mark_of, read_claims, read_options, read_privilege
from daypass.edges.targets.vault.target import VaultTarget, open_vault
from servers.openbao import AUDIENCE, ISSUER, openbao

OPTIONS = {"url_env": "ADDRESS", "token_env": "TOKEN", "audience": AUDIENCE}
ENVIRONMENT = {"ADDRESS": "https://vault.example.com:8200", "TOKEN": "s.secret-token"}
ONE = Entitlement(
    "vault",
    "orders",
    canonical({"issuer": ISSUER, "subject": "repo:acme/orders:*"}),
    canonical({"paths": {"secret/orders/*": ["read"]}}),
)


def opened(environ: dict[str, str] = ENVIRONMENT, **options: Any) -> VaultTarget:
    return open_vault(TargetSettings("vault", "vault", {**OPTIONS, **options}), environ)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url_env": "https://vault.example.com"}, "expected url_env to name an environment variable"),
        ({"token_env": "s.secret-token"}, "expected token_env to name an environment variable"),
        ({"audience": ""}, "expected audience to say for whom tokens are made, got ''"),
        ({"audience": "https://*"}, "expected audience to say for whom tokens are made, got 'https://*'"),
        ({"auth": "../sys"}, "expected auth to be a path such as jwt, got '../sys'"),
        ({"namespace": "a b"}, "expected namespace to be a path such as jwt, got 'a b'"),
        ({"token_ttl": "2h"}, "expected token_ttl of 1m to 1h, got '2h'"),
        ({"token_ttl": "soon"}, "expected token_ttl of 1m to 1h, got 'soon'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_and_no_secret_repeated(options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidError) as refused:
        read_options(TargetSettings("vault", "vault", {**OPTIONS, **options}))
    assert refused.value.message == f"target vault: {words}"
    assert "s.secret-token" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ADDRESS": ""}, "the environment variable ADDRESS is not set"),
        ({"TOKEN": " "}, "the environment variable TOKEN is not set"),
        ({"TOKEN": "s.secret\ntoken"}, "the value of TOKEN is no token"),
        ({"ADDRESS": "http://vault.example.com:8200"}, "the address in ADDRESS is not https, and not this machine"),
        ({"ADDRESS": "https://me:word@vault.example.com"}, "the value of ADDRESS is no address of a server"),
        ({"ADDRESS": "https://vault.example.com/v1"}, "the value of ADDRESS is no address of a server"),
        ({"ADDRESS": "https://[vault"}, "the value of ADDRESS is no address of a server"),
    ],
)
def test_an_environment_that_does_not_do_is_said_and_never_shown(environ: dict[str, str], words: str) -> None:
    with pytest.raises(EdgeError) as refused:
        opened({**ENVIRONMENT, **environ})
    assert refused.value.message == f"target vault: {words}"


@pytest.mark.parametrize(
    ("privilege", "words"),
    [
        ("no", "expected a privilege as JSON, got 'no'"),
        ('{"policies":["reader"]}', "expected a privilege to say paths and nothing else, got {policies: [reader]}"),
        ('{"paths":{"*":["read"]}}', "expected a path such as secret/data/orders/*, * at its end alone, got '*'"),
        ('{"paths":{"a/\\"}b":["read"]}}', "expected a path such as secret/data/orders/*, * at its end alone, got 'a/\"}b'"),
        ('{"paths":{"secret*":["read"]}}', "path 'secret*' is all of a mount, or more: who has it could give themselves more"),
        ('{"paths":{"sys/policies/acl/*":["read"]}}', "path 'sys/policies/acl/*' is below sys/: who has it could give themselves more"),
        ('{"paths":{"a/b":["sudo"]}}', "expected a/b to list some of create, delete, list, patch, read, update, got ['sudo']"),
    ],
)  # fmt: skip
def test_a_privilege_that_could_give_more_than_it_says_is_refused(privilege: str, words: str) -> None:
    with pytest.raises(EdgeError) as refused:
        read_privilege(privilege)
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"issuer": ISSUER, "subject": "a", "audience": "a*"}, "their audience is a pattern"),
        ({"issuer": ISSUER, "subject": "a", "sub": "b"}, "they state one twice"),
        ({"issuer": ISSUER, "subject": "*"}, "their subject would be almost anything"),
    ],
)
def test_claims_that_fit_more_than_one_are_refused(claims: dict[str, str], why: str) -> None:
    with pytest.raises(EdgeError) as refused:
        read_claims(canonical(claims))
    assert refused.value.message.endswith(f"do not tell a workload apart: {why}")


def test_who_is_no_workload_is_refused() -> None:
    with pytest.raises(EdgeError) as refused:
        read_claims("alice")
    assert refused.value.message == "expected the claims of a workload's token, got 'alice': people are not known here"


def test_roles_of_others_stay_and_ours_without_a_policy_go() -> None:
    server = openbao()
    space = server.space()
    least = page_block("vault", "least-privilege").replace("TARGET", "vault")
    target = opened({"ADDRESS": server.address, "TOKEN": server.made(least, space=space)}, namespace=space)
    now = datetime.now(UTC).replace(microsecond=0)
    order = Order(Action.ADD, ONE, now, now + timedelta(hours=1))
    strange = {"role_type": "jwt", "user_claim": "sub", "bound_subject": "x", "bound_audiences": [AUDIENCE]}
    for name in ("theirs", "daypass-vault-theirs", f"daypass-vault-{'a' * 20}"):
        server.boss("POST", f"auth/jwt/role/{name}", strange, space=space)
    assert [done.error for done in target.carry_out([order])] == [""]
    mine = mark_of(ONE).name
    assert {*server.roles(space)} == {"theirs", "daypass-vault-theirs", mine}
    assert target.observe() == {ONE}
    assert server.reads(space, server.login(space, mine, sub="repo:acme/orders:pull_request")[0])
    assert server.login(space, mine, sub="repo:acme/orders")[0] == ""
    server.boss("PUT", f"sys/policies/acl/{mine}", {"policy": mark_of(ONE).policy + 'path "a/b" { }'}, space=space)
    (seen,) = target.observe()
    assert seen.principal == canonical({"changed": ["policy"], "role": mine})
    assert target.health().concerns == (
        "the server keeps no ends of policies: access ends by the run of `apply` at its end alone",
    )
    server.boss("PUT", f"sys/policies/acl/{mine}", {"policy": 'path "a/b" { capabilities = ["read"] }'}, space=space)
    assert [(one.who, one.what) for one in target.inspect().others] == [
        (mine, "is a policy with a name of ours that does not say what it is for")
    ]
    assert [done.error for done in target.carry_out([order._replace(action=Action.REMOVE, entitlement=seen)])] == [""]
    assert {*server.roles(space)} == {"theirs", "daypass-vault-theirs"}
    assert target.observe() == frozenset()


def test_a_role_that_another_run_gives_meanwhile_is_not_swept_away() -> None:
    class Meanwhile:
        """A server at which another run makes a policy and its role between two lists."""

        other = f"daypass-vault-{'b' * 20}"

        def __init__(self) -> None:
            self.listed = 0
            self.deleted: list[str] = []

        def names(self, _: str) -> tuple[str, ...]:
            self.listed += 1
            return (self.other,) if self.listed > 1 else ()

        def delete(self, path: str) -> None:
            self.deleted.append(path)

    server: Any = Meanwhile()
    target = VaultTarget("vault", VaultOptions("ADDRESS", "TOKEN", AUDIENCE), server)
    now = datetime.now(UTC).replace(microsecond=0)
    assert [done.error for done in target.carry_out([Order(Action.REMOVE, ONE, now, None)])] == [""]
    assert not [path for path in server.deleted if server.other in path]
