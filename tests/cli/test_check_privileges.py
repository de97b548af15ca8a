"""`check` refuses targets that could not be opened, and roles whose privilege their target could never give.

Reviewers would approve nothing.
"""

from __future__ import annotations

import json

import pytest

from driver import Access

SETTINGS = "policies/daypass.yaml"
RESOURCE = "policies/resources/orders-db.yaml"
KINDS = {
    "postgres": "{kind: postgres, url_env: ORDERS_DB_URL}",
    "github": "{kind: github, organisation: acme, token_env: ACME_TOKEN}",
    "ssh": "{kind: ssh, ca_key_env: CA_KEY}",
    "embedded": "{kind: embedded}",
}


def named(access: Access, kind: str, privilege: str, options: str = "") -> None:
    settings = (access.top / SETTINGS).read_text()
    line = next(line for line in settings.splitlines() if line.strip().startswith("embedded:"))
    access.write(SETTINGS, settings.replace(line, f"{line}\n  other: {KINDS[kind][:-1]}{options}}}"))
    resource = (access.top / RESOURCE).read_text()
    assert "target: embedded\n" in resource
    role = f"roles:\n  readonly:\n    max_duration: 8h\n    privilege: {privilege}\n"
    access.write(RESOURCE, resource.replace("target: embedded\n", "target: other\n").split("roles:")[0] + role)


@pytest.mark.parametrize(
    ("kind", "privilege", "told"),
    [
        ("postgres", "{member: orders}", "expected a privilege to say either member_of or grant"),
        ("postgres", "{member_of: orders, unmanaged: true}", "and nothing to give"),
        ("postgres", "{member_of: public}", "the role 'public' is a word of PostgreSQL's own"),
        ("github", "{team: DBA team}", "expected team to be as in the team's address"),
        ("github", "{repository: other/app, permission: push}", "expected a repository of the organisation acme"),
        ("ssh", "{source_address: [10.0.0.1/8]}", "the role has the source address '10.0.0.1/8'"),
        ("ssh", "{shell: bash}", "the role has an unknown key 'shell'"),
    ],
)
def test_what_no_target_can_mean_is_found_before_anybody_approves_it(
    access: Access, kind: str, privilege: str, told: str
) -> None:
    named(access, kind, privilege)
    said = access.run("check", expect=10).out
    assert f"role readonly of orders-db can be given to nobody: {told}" in said or told in said
    line = (access.top / RESOURCE).read_text().splitlines().index(f"    privilege: {privilege}") + 1
    assert f"{RESOURCE}:{line}:16: error: role" in said
    assert "[privilege-unfit]" in said
    access.commit("As a commit")
    assert "privilege-unfit" in access.run("check", "--revision", "main", expect=10).out


@pytest.mark.parametrize(
    ("kind", "privilege"),
    [
        ("postgres", "{member_of: orders_readonly}"),
        ("github", "{team: dba}"),
        ("ssh", "{principals: [deploy], extensions: [permit-pty]}"),
        ("embedded", "{anything: goes}"),
    ],
)
def test_what_a_target_can_mean_passes(access: Access, kind: str, privilege: str) -> None:
    named(access, kind, privilege)
    assert "privilege-unfit" not in access.run("check", expect=None).out


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        (
            "postgres",
            ", databse: orders",
            "target other has an option 'databse'; kind postgres knows: databases, expected, host, tls",
        ),
        ("postgres", ", tls: off", "target other: expected tls to be one of verify, off-on-loopback, got 'off'"),
        ("postgres", ", databases: orders", "target other: expected databases to be a list of names, got 'orders'"),
        ("github", ", app_id_env: ID", "target other names no credential, half of one or two"),
        ("github", ", api_url: ftp://x", "expected the address of GitHub's API to begin with https://, got 'ftp://x'"),
        ("github", ', api_url: "https://[x"', "expected the address of GitHub's API, got 'https://[x'"),
        ("github", ', api_url: "https://x:y"', "expected the address of GitHub's API, got 'https://x:y'"),
        ("ssh", ", ca: keys/ca.pub", "ca of target other is no public SSH key: 'keys/ca.pub'"),
        ("ssh", ", krl: ../x", "krl of target other is not below daypass's own folder: '../x'"),
        ("ssh", ", ca_uri: awskms:x", "target other names its CA key twice, by ca_key_env and by ca_uri"),
        ("embedded", ", path: /etc/x", "path of target other is not below daypass's own folder: '/etc/x'"),
    ],
)
def test_a_target_that_could_not_be_opened_is_told_once_and_where_it_stands(
    access: Access, kind: str, options: str, told: str
) -> None:
    named(access, kind, "{nobody: knows}", options)
    also = (access.top / RESOURCE).read_text().split("roles:\n")[1].replace("readonly", "second")
    access.write(RESOURCE, (access.top / RESOURCE).read_text() + also)
    lines = (access.top / SETTINGS).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.startswith("  other:"))
    access.commit("As a commit")
    for way in ((), ("--revision", "main")):
        said = access.run("check", *way, expect=10).out
        assert f"{SETTINGS}:{line}:3: error: {told}" in said
        assert said.count("[target-unfit]") == 1
        assert "can be given to nobody" not in said
    (look,) = [
        look
        for look in json.loads(access.run("targets", "--format", "json", expect=14).out)["targets"]
        if look["name"] == "other"
    ]
    assert look["error"].startswith(told), "opening it says the same"


@pytest.mark.parametrize(
    ("kind", "privilege", "told"),
    [
        (
            "postgres",
            "{member_off: orders, login: true}",
            "either member_of or grant, got {login: true, member_off: orders}",
        ),
        ("ssh", "{extension: [permit-pty]}", "the role has an unknown key 'extension'"),
    ],
)
def test_a_misspelt_key_is_shown_as_it_was_written_and_has_a_hint(
    access: Access, kind: str, privilege: str, told: str
) -> None:
    named(access, kind, privilege)
    said = access.run("check", expect=10).out
    assert told in said
    assert f"did you mean {'member_of' if kind == 'postgres' else 'extensions'}?" in said


def test_a_misspelt_option_has_a_hint(access: Access) -> None:
    named(access, "postgres", "{member_of: orders_readonly}", ", ulr_env: X")
    assert "did you mean url_env?" in access.run("check", expect=10).out


def test_a_target_that_no_resource_names_is_judged_as_well(access: Access) -> None:
    settings = (access.top / SETTINGS).read_text()
    access.write(SETTINGS, settings.replace("targets:\n", "targets:\n  spare:\n    kind: postgres\n    tls: off\n"))
    line = (access.top / SETTINGS).read_text().splitlines().index("  spare:") + 1
    said = access.run("check", expect=10).out
    assert f"{SETTINGS}:{line}:3: error: target spare: expected url_env to name an environment variable" in said


def test_a_kind_that_is_unknown_is_told_once(access: Access) -> None:
    named(access, "embedded", "{anything: goes}")
    text = (access.top / SETTINGS).read_text()
    access.write(SETTINGS, text.replace("other: {kind: embedded}", "other: {kind: postgers}"))
    said = access.run("check", expect=10).out
    assert (said.count("'postgers'"), said.count("error:")) == (1, 1)


def test_a_role_that_nobody_can_be_given_can_be_neither_asked_for_nor_merged(access: Access) -> None:
    named(access, "postgres", "{member: orders}")
    access.commit("A role with a slip")
    at = ("--at", "2026-11-20T10:00:00Z")
    asked = (
        "request",
        "--resource",
        "orders-db",
        "--role",
        "readonly",
        "--for",
        "1h",
        "--reason",
        "Reading four orders.",
    )
    said = access.run(*asked, *at, acting="alice", expect=11)
    assert "role readonly of orders-db can be given to nobody: " in said.err
    access.git("switch", "-q", "-c", "mine")
    text = "version: 1\nsubject: alice\nresource: orders-db\nrole: readonly\nreason: Reading four orders.\nwindow: {duration: 1h}\n"
    access.write("grants/orders-db/mine.yaml", text)
    access.commit("Ask", email="alice@example.com")
    access.git("switch", "-q", "main")
    judged = ("--base", "main", "--head", "mine", "--requester", "alice", "--format", "github")
    assert "title=role-unfit::" in access.run("check", *judged, *at, expect=11).out
    access.run("request", "--branch", "mine", *at, acting="alice", expect=11)
    for who in ("bob", "dave"):
        access.run("approve", "1", *at, acting=who, expect=None)
    assert "[role-unfit]" in access.run("gate", "1", *at, expect=11).out
