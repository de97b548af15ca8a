"""`check` refuses roles whose privilege their target could never give: reviewers would approve nothing."""

from __future__ import annotations

import pytest

from driver import Access

SETTINGS = "policies/daypass.yaml"
RESOURCE = "policies/resources/orders-db.yaml"
KINDS = {
    "postgres": "{kind: postgres, url_env: ORDERS_DB_URL}",
    "github": "{kind: github, organisation: acme}",
    "ssh": "{kind: ssh, ca: keys/ca.pub, ca_key_env: CA_KEY}",
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
        ("ssh", "{shell: bash}", "the role has 'shell'"),
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


def test_an_option_that_the_kind_does_not_know_is_found_likewise(access: Access) -> None:
    named(access, "postgres", "{member_of: orders_readonly}", ", databse: orders")
    said = access.run("check", expect=10).out
    assert "target other has an option 'databse'; kind postgres knows: databases, tls, url_env" in said
    assert "did you mean databases?" in said
