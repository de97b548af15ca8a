"""Where credentials go is main's to say: what the environment names elsewhere is refused, unsaid, and nothing is sent."""

from __future__ import annotations

import pytest

from daypass.core.bounds.settings import Settings, TargetSettings
from daypass.core.errors import ElsewhereError, InvalidError
from daypass.edges import pins
from daypass.edges.forges.environment import addresses, graphql_at
from daypass.edges.forges.github.api import Api
from daypass.edges.pins import WEB, Pin, hold_app, hold_service, hold_signer, hold_url, read_app, read_pins
from daypass.edges.targets.github.target import open_github
from daypass.edges.targets.postgres.target import open_postgres
from daypass.edges.targets.registry import NOTHING, check_settings
from daypass.edges.targets.ssh.authority import open_authority, read_source
from daypass.edges.targets.vault.target import open_vault

SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2vEcpE4FCwnx+eZqzCqoBcOFNDk3pIVp1hJcbAyEYG"


def test_a_pin_is_a_host_with_or_without_a_port_or_a_socket() -> None:
    given = ["DB.example.com.", "db.example.com:5432", "[::1]:5432", "/var/run/postgresql"]
    found = read_pins("target x", {"host": given})
    assert found == (
        Pin("db.example.com"),
        Pin("db.example.com", "5432"),
        Pin("::1", "5432"),
        Pin("/var/run/postgresql"),
    )
    assert [str(one) for one in found] == ["db.example.com", "db.example.com:5432", "[::1]:5432", "/var/run/postgresql"]
    assert read_pins("target x", {}) == ()


@pytest.mark.parametrize(
    "given", ["", [], 5, "a b", "db.example.com/x", "user@db", "a,b", ["db", ""], "db:port", "https://db"]
)
def test_what_is_no_host_is_refused(given: object) -> None:
    with pytest.raises(InvalidError, match="expected host of target x to be a host"):
        read_pins("target x", {"host": given})


def postgres(host: object) -> TargetSettings:
    return TargetSettings("orders", "postgres", {"url_env": "URL", "host": host})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("db.example.com", "postgresql://u:p@db.example.com/orders"),
        ("db.example.com", "postgresql://u:p@DB.example.com:6432/orders"),
        ("db.example.com:5432", "postgresql://u:p@db.example.com/orders"),
        (["a.example.com", "b.example.com:5433"], "postgresql://u:p@a.example.com:1,b.example.com:5433/orders"),
    ],
)
def test_an_address_at_a_host_that_main_names_is_taken(host: object, url: str) -> None:
    assert open_postgres(postgres(host), {"URL": url}).name == "orders"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("db.example.com", "postgresql://u:hunter2@evil.example.net/orders"),
        ("db.example.com", "postgresql://u:hunter2@db.example.com.evil.example.net/orders"),
        ("db.example.com", "postgresql://u:hunter2@db.example.com,evil.example.net/orders"),
        ("db.example.com", "postgresql://u:hunter2@db.example.com/orders?hostaddr=192.0.2.7"),
        ("db.example.com", "postgresql://u:hunter2@db.example.com/orders?host=evil.example.net"),
        ("db.example.com:5432", "postgresql://u:hunter2@db.example.com:6432/orders"),
        (["db.example.com:5432"], "postgresql://u:hunter2@db.example.com,db.example.com:5432,6432/orders"),
    ],
)
def test_an_address_elsewhere_is_refused_and_not_repeated(host: object, url: str) -> None:
    with pytest.raises(ElsewhereError) as caught:
        open_postgres(postgres(host), {"URL": url})
    assert (
        "target orders: URL names another host than main's settings, which say host: db.example.com"
        in caught.value.message
    )
    assert caught.value.message.endswith("[secret-elsewhere]")
    assert not {"hunter2", "evil", "192.0.2.7"} & set(caught.value.message.replace(".", " ").split())


@pytest.mark.parametrize(
    ("whose", "option", "stands"),
    [
        ("target orders", "host", "targets.orders.host"),
        ("target hub", "app", "targets.hub.app"),
        ("the forge", "app", "forge.app"),
        ("ledger", "host", "ledger.host"),
    ],
)
def test_what_refuses_a_secret_says_where_the_pin_stands_and_that_a_pull_request_changes_it(
    whose: str, option: str, stands: str
) -> None:
    with pytest.raises(ElsewhereError, match="another") as caught:
        hold_app(whose, "V", "8", "7") if option == "app" else hold_url(whose, "V", "https://b", (Pin("a"),), WEB)
    assert f"({stands} in policies/daypass.yaml on main, changed by a pull request)" in caught.value.message
    assert "who wrote that" in caught.value.hint


def vault(host: str) -> TargetSettings:
    return TargetSettings("bank", "vault", {"url_env": "URL", "token_env": "TOKEN", "audience": "x", "host": host})


def test_a_vault_elsewhere_gets_no_token() -> None:
    assert open_vault(vault("vault.example.com:8200"), {"URL": "https://vault.example.com:8200", "TOKEN": "t"})
    assert open_vault(vault("vault.example.com:443"), {"URL": "https://vault.example.com", "TOKEN": "t"})
    for url in ("https://evil.example.net:8200", "https://vault.example.com"):
        with pytest.raises(ElsewhereError, match="target bank: URL names another host than main's settings"):
            open_vault(vault("vault.example.com:8200"), {"URL": url, "TOKEN": "t"})


def test_another_app_than_main_names_does_not_act_at_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"organisation": "acme", "app": "7", "app_id_env": "A", "app_key_env": "B"}
    settings = TargetSettings("hub", "github", options)
    check_settings(settings)
    with pytest.raises(ElsewhereError, match="target hub: A names another App than main's settings, which say app: 7"):
        open_github(settings, {"A": "8", "B": "no key"}, NOTHING)
    with pytest.raises(InvalidError, match="expected app of target hub to be an App's number"):
        check_settings(TargetSettings("hub", "github", {**options, "app": "daypass"}))
    assert read_app("target hub", {}) == ""


def test_another_app_than_main_names_does_not_act_at_the_forge() -> None:
    environ = {"DAYPASS_APP_ID": "8", "DAYPASS_APP_KEY": "no key"}
    with pytest.raises(
        ElsewhereError, match="the forge: DAYPASS_APP_ID names another App than main's settings, which say app: 7"
    ):
        Api.from_environment(environ, "acme/access", wait=lambda _: None, options={"app": "7"})
    held = Api.from_environment({"GITHUB_TOKEN": "t"}, "acme/access", wait=lambda _: None, options={"app": "7"})
    assert held.kind == "token"


@pytest.mark.parametrize(
    ("settings", "environ", "api", "server"),
    [
        ({}, {}, "https://api.github.com", "https://github.com"),
        ({}, {"GITHUB_API_URL": "https://ghe.example/api/v3"}, "https://ghe.example/api/v3", "https://ghe.example"),
        ({}, {"GITHUB_SERVER_URL": "https://ghe.example/"}, "https://ghe.example/api/v3", "https://ghe.example"),
        ({"server_url": "https://ghe.example"}, {}, "https://ghe.example/api/v3", "https://ghe.example"),
        ({"server_url": "https://acme.ghe.com"}, {}, "https://api.acme.ghe.com", "https://acme.ghe.com"),
        ({"api_url": "https://api.acme.ghe.com"}, {}, "https://api.acme.ghe.com", "https://acme.ghe.com"),
        (
            {"server_url": "https://acme.ghe.com"},
            {"GITHUB_API_URL": "https://api.acme.ghe.com", "GITHUB_SERVER_URL": "https://acme.ghe.com"},
            "https://api.acme.ghe.com",
            "https://acme.ghe.com",
        ),
    ],
)
def test_each_github_has_its_api_and_its_pages(settings: dict, environ: dict, api: str, server: str) -> None:
    assert addresses(environ, settings) == (api, server)


@pytest.mark.parametrize("variable", ["GITHUB_API_URL", "GITHUB_SERVER_URL"])
def test_no_token_goes_to_another_github_than_main_names(variable: str) -> None:
    with pytest.raises(
        ElsewhereError, match=f"{variable} names another GitHub than main's settings, which say https://"
    ):
        addresses({variable: "https://evil.example.net"}, {"server_url": "https://github.com"})


@pytest.mark.parametrize(
    ("api", "place"),
    [
        ("https://api.github.com", "https://api.github.com/graphql"),
        ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ("https://ghe.example/api/v3", "https://ghe.example/api/graphql"),
    ],
)
def test_graphql_is_beside_rest_at_enterprise_servers_and_below_it_elsewhere(api: str, place: str) -> None:
    assert graphql_at(api) == place


def test_a_key_service_elsewhere_is_refused() -> None:
    held = read_pins("ledger", {"host": "vault.example.com:8200"})
    hold_service("ledger", "hv:ledger", {"VAULT_ADDR": "https://vault.example.com:8200"}, held)
    hold_service("ledger", "awskms:alias/x", {}, held)
    for uri, environ in (
        ("hv:ledger", {"VAULT_ADDR": "https://evil.example.net:8200"}),
        ("awskms:alias/x", {"AWS_ENDPOINT_URL": "https://evil.example.net"}),
        ("azurekms://x", {"AZURE_AUTHORITY_HOST": "login.evil.example.net"}),
        ("hv:ledger", {"VAULT_ADDR": "https://[::1"}),
        # urllib3 ends the host at the backslash, and would connect to the first of them
        ("hv:ledger", {"VAULT_ADDR": "https://evil.example.net\\@vault.example.com:8200"}),
        ("awskms:alias/x", {"AWS_ENDPOINT_URL": "https://evil.example.net:8200\\@vault.example.com:8200"}),
        ("azurekms://x", {"AZURE_AUTHORITY_HOST": "evil.example.net\\@vault.example.com:8200"}),
        ("hv:ledger", {"VAULT_ADDR": "https://evil.example.net@vault.example.com:8200"}),
        ("hv:ledger", {"VAULT_ADDR": "https://vault.example.com:8200\t/"}),
    ):
        with pytest.raises(ElsewhereError, match="names another host than main's settings"):
            hold_service("ledger", uri, environ, held)


def test_a_key_service_at_its_host_is_refused_without_tls_but_on_this_machine() -> None:
    held = read_pins("ledger", {"host": ["vault.example.com", "127.0.0.1"]})
    hold_service("ledger", "hv:ledger", {"VAULT_ADDR": "http://127.0.0.1:8200"}, held)
    hold_service("ledger", "hv:ledger", {"VAULT_ADDR": "http://vault.example.com"}, ())
    with pytest.raises(ElsewhereError, match="ledger: VAULT_ADDR does not begin with https://"):
        hold_service("ledger", "hv:ledger", {"VAULT_ADDR": "http://vault.example.com:80"}, held)


def test_where_only_the_host_is_named_a_key_service_that_is_not_led_there_signs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(ledger_host="vault.example.com")
    monkeypatch.setattr(pins.os, "environ", {"VAULT_ADDR": "https://vault.example.com"})
    for uri in ("hv:ledger", "file2:/keys/x.pem", ""):
        assert hold_signer("DAYPASS_SIGNER", uri, settings) == uri
    with pytest.raises(
        ElsewhereError, match=r"DAYPASS_SIGNER names a key service \(gcpkms\) that is nowhere near host"
    ):
        hold_signer("DAYPASS_SIGNER", "gcpkms:projects/p/keyRings/r", settings)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"])
def test_a_key_service_is_led_there_by_its_own_address_and_not_by_that_of_another_service(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    settings, there = Settings(ledger_host="kms.example.com"), "https://kms.example.com"
    monkeypatch.setattr(pins.os, "environ", {"AWS_ENDPOINT_URL_STS": there})
    with pytest.raises(
        ElsewhereError, match=r"DAYPASS_SIGNER names a key service \(awskms\) that is nowhere near host"
    ):
        hold_signer("DAYPASS_SIGNER", "awskms:alias/x", settings)
    monkeypatch.setattr(pins.os, "environ", {"AWS_ENDPOINT_URL_STS": there, variable: there})
    assert hold_signer("DAYPASS_SIGNER", "awskms:alias/x", settings) == "awskms:alias/x"
    monkeypatch.setattr(pins.os, "environ", {"AWS_ENDPOINT_URL_STS": "https://evil.example.net", variable: there})
    with pytest.raises(ElsewhereError, match="ledger: AWS_ENDPOINT_URL_STS names another host"):
        hold_signer("DAYPASS_SIGNER", "awskms:alias/x", settings)


def test_a_ca_behind_a_key_service_elsewhere_signs_nothing() -> None:
    settings = TargetSettings("bastion", "ssh", {"ca": SSH, "ca_uri": "hv:ca", "host": "vault.example.com"})
    with pytest.raises(ElsewhereError, match="target bastion: VAULT_ADDR names another host"):
        open_authority(read_source(settings), {"VAULT_ADDR": "https://evil.example.net"})


def test_another_key_service_than_main_names_signs_no_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(ledger_signer="hv:ledger", ledger_host="vault.example.com")
    monkeypatch.setattr(pins.os, "environ", {"VAULT_ADDR": "https://vault.example.com"})
    assert hold_signer("DAYPASS_SIGNER", "", settings) == "hv:ledger"
    assert hold_signer("DAYPASS_SIGNER", "file2:/keys/x.pem", settings) == "file2:/keys/x.pem"
    assert hold_signer("DAYPASS_SIGNER", "awskms:alias/x", Settings()) == "awskms:alias/x"
    with pytest.raises(ElsewhereError, match="DAYPASS_SIGNER names another signer than main's settings"):
        hold_signer("DAYPASS_SIGNER", "awskms:alias/x", settings)
    monkeypatch.setattr(pins.os, "environ", {"VAULT_ADDR": "https://evil.example.net"})
    with pytest.raises(ElsewhereError, match="ledger: VAULT_ADDR names another host"):
        hold_signer("DAYPASS_SIGNER", "", settings)
