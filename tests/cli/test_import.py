"""Existing access becomes grants that an owner reads, prunes and approves; nothing is taken away by importing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daypass.core.ids import canonical
from daypass.core.plan import Entitlement
from daypass.edges.targets.embedded.target import EmbeddedTarget
from driver import Access
from fakes.orders import add
from ssh_access import SshAccess

AT = "2026-11-20T09:00:00Z"
FAR = datetime(2040, 1, 1, tzinfo=UTC)
READ, ADMIN = {"member_of": "orders_readonly"}, {"member_of": "orders_admin"}


def store(access: Access) -> EmbeddedTarget:
    return EmbeddedTarget(access.top / ".git" / "daypass" / "embedded.sqlite", "embedded")


def there(access: Access, who: str, privilege: dict[str, str] = READ, until: datetime = FAR) -> Entitlement:
    """Let somebody have access that no grant gave."""
    one = Entitlement("embedded", "orders-db", who, canonical(privilege))
    add(store(access), one, until)
    return one


def files(access: Access, number: str) -> list[str]:
    """The paths that a pull request brings."""
    head = access.git("rev-parse", f"refs/heads/daypass/import/{number}")
    return access.git("diff", "--name-only", f"main...{head}").splitlines()


def opened(text: str) -> str:
    return text.split("#", 1)[1].split(":", 1)[0]


def approve_and_merge(access: Access, number: str, at: str = AT) -> None:
    for who in ("bob", "dave"):
        access.run("approve", number, "--at", at, acting=who)
    access.run("gate", number, "--at", at)


def test_access_is_taken_over_when_its_grant_is_merged_and_ends_with_it(access: Access) -> None:
    one = there(access, "erin")
    access.run("apply", "--at", "2026-11-20T08:30:00Z")
    told = json.loads(
        access.run("import", "orders-db", "--dry-run", "--format", "json", "--at", AT, acting="alice").out
    )
    assert [(row["principal"], row["role"], row["until"]) for row in told["taken"]] == [
        ("erin", "readonly", "2026-11-20T17:00:00Z")
    ]
    assert (told["pull"], told["left"]) == (None, [])
    said = access.run("import", "orders-db", "--at", AT, acting="alice")
    assert (
        "taken  erin  erin readonly, until 2026-11-20T17:00:00Z (role readonly of orders-db allows until then)"
        in said.out
    )
    number = opened(said.out)
    assert store(access).observe() == {one}
    approve_and_merge(access, number)
    before = access.run("plan", "--at", AT).out
    assert "was there before, and is granted now, until 2026-11-20T17:00:00Z" in before
    assert "not ours" not in before
    assert "ok   + erin" in access.run("apply", "--at", AT).out
    assert "No changes: 1 live as they should be." in access.run("apply", "--at", AT).out
    access.run("drift", "--at", AT)
    access.run("apply", "--at", "2026-11-20T17:00:00Z")
    assert store(access).observe() == frozenset()
    access.run("audit", "verify", "--at", "2026-11-20T18:00:00Z")


@pytest.mark.on_disk
def test_one_request_holds_everything_and_what_was_pruned_stays_as_it_was(access: Access) -> None:
    pruned, kept = there(access, "erin"), there(access, "carol", ADMIN)
    number = opened(access.run("import", "orders-db", "--at", AT, acting="alice").out)
    assert len(files(access, "orders-db")) == 2
    (gone,) = [path for path in files(access, "orders-db") if "erin" in path]
    access.git("switch", "-q", "daypass/import/orders-db")
    access.git("rm", "-q", gone)
    access.git("-c", "user.email=alice@example.com", "commit", "-q", "-m", "Not this one")
    access.git("switch", "-q", "main")
    said = access.run("request", "--branch", "daypass/import/orders-db", "--at", AT, acting="alice")
    assert f"Updated #{number}" in said.out
    again = access.run("import", "orders-db", "--at", AT, acting="alice")
    assert f"#{number} is open" in again.out
    after = "2026-11-20T09:01:00Z"  # what was approved in the second of the push could have been seen before it
    approve_and_merge(access, number, after)
    assert "not ours erin" in access.run("apply", "--at", after).out
    access.run("apply", "--at", "2026-11-21T09:00:00Z")
    assert (pruned in store(access).observe(), kept in store(access).observe()) == (True, False)


@pytest.mark.on_disk
def test_an_open_import_is_left_to_its_readers(access: Access) -> None:
    there(access, "erin")
    number = opened(access.run("import", "orders-db", "--at", AT, acting="alice").out)
    there(access, "carol")
    again = access.run("import", "orders-db", "--at", AT, acting="alice")
    assert (
        again.out
        == f"#{number} is open: Import 1 grants of existing access to orders-db; it is left as its readers made it\n"
    )
    assert len(files(access, "orders-db")) == 1


def test_what_is_granted_already_is_not_imported_again(access: Access) -> None:
    there(access, "erin")
    approve_and_merge(access, opened(access.run("import", "orders-db", "--at", AT, acting="alice").out))
    again = access.run("import", "orders-db", "--at", AT, acting="alice")
    assert "Nothing of orders-db can become a grant." in again.out
    access.run("apply", "--at", AT)
    assert (
        access.run("import", "orders-db", "--at", AT, acting="alice").out
        == "Nothing of orders-db can become a grant.\n"
    )


def test_an_import_that_is_not_merged_takes_nothing_over(access: Access) -> None:
    one = there(access, "erin")
    access.run("import", "orders-db", "--at", AT, acting="alice")
    assert "not ours erin" in access.run("apply", "--at", AT).out
    access.run("apply", "--at", "2026-11-21T09:00:00Z")
    assert store(access).observe() == {one}


def test_an_ordinary_grant_of_the_same_access_takes_nothing_over(access: Access) -> None:
    there(access, "alice")
    access.grant(AT, AT)
    assert "not ours alice" in access.run("apply", "--at", AT).out
    access.run("apply", "--at", "2026-11-20T12:00:00Z")
    assert len(store(access).observe()) == 1


def test_an_end_that_the_target_has_noted_is_kept(access: Access) -> None:
    there(access, "erin", until=datetime(2026, 11, 20, 11, tzinfo=UTC))
    there(access, "carol", until=datetime(2026, 11, 20, 8, tzinfo=UTC))
    said = access.run("import", "orders-db", "--at", AT, acting="alice").out
    assert "erin readonly, until 2026-11-20T11:00:00Z (the target has noted until then)" in said
    assert "it would end at once: the target has noted until 2026-11-20T08:00:00Z" in said
    assert "whether it had an end" not in said


def test_an_end_that_nobody_can_read_is_said(access: Access) -> None:
    import sqlite3

    there(access, "erin")
    connection = sqlite3.connect(store(access).path)
    with connection:
        connection.execute("UPDATE entitlements SET until = 'some day'")
    connection.close()
    said = access.run("import", "orders-db", "--at", AT, acting="alice").out
    assert "whether it had an end of its own before is not known to the target" in said


def test_what_cannot_become_a_grant_is_listed_and_left(access: Access) -> None:
    kept = {there(access, "mallory"), there(access, "erin", {"member_of": "superuser"})}
    said = access.run("import", "orders-db", "--at", AT, acting="alice").out
    assert said.splitlines() == [
        "Nothing of orders-db can become a grant.",
        '  left   erin  {"member_of":"superuser"}: no role of orders-db gives {"member_of":"superuser"}',
        '  left   mallory  {"member_of":"orders_readonly"}: nobody in the directory is \'mallory\' at target embedded',
    ]
    assert store(access).observe() == kept


@pytest.mark.on_disk
def test_a_dry_run_opens_nothing(access: Access) -> None:
    there(access, "erin")
    said = access.run("import", "orders-db", "--dry-run", "--at", AT, acting="alice").out
    assert said.startswith("Would import 1 grants of existing access to orders-db:\n  taken  erin  erin readonly")
    assert access.git("for-each-ref", "refs/heads/daypass/import") == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["import", "nothing"], 2, "there is no resource 'nothing'"),
        (["import", "orders-db", "--at", AT], 2, "the directory does not know 'Olga Platform"),
    ],
    ids=["unknown resource", "nobody"],
)
def test_what_cannot_be_asked_for_is_refused(access: Access, arguments: list[str], code: int, said: str) -> None:
    known = "--at" not in arguments
    found = access.run(*arguments, *(["--at", AT] if known else []), acting="alice" if known else "", expect=code)
    assert said in found.err


def test_a_target_that_cannot_be_read_is_an_error(access: Access) -> None:
    there(access, "erin")
    store(access).path.write_bytes(b"not a store" * 100)
    said = access.run("import", "orders-db", "--at", AT, acting="alice", expect=1)
    assert "target embedded could not be read" in said.err


@pytest.mark.on_disk
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_where_nobody_can_see_what_exists_nothing_is_said_to_be_there_or_not(
    access: Access, tmp_path: Path, dry: tuple[str, ...]
) -> None:
    SshAccess(access, tmp_path / "keys")
    said = access.run("import", "bastion", *dry, "--at", AT, acting="alice", expect=1)
    assert "nobody can see what access exists at target bastion, so none of bastion can be imported" in said.err
    assert said.out == ""


def test_policy_may_deny_an_import(access: Access) -> None:
    there(access, "erin")
    access.write(
        "policies/rules/import.yaml",
        'version: 1\nrules:\n  - {id: no-imports, when: grant.purpose == "import", deny: true, message: nothing is taken over here}\n',
    )
    access.commit("No imports")
    said = access.run("import", "orders-db", "--at", AT, acting="alice").out
    assert "policy denies it" in said
    assert "nothing is taken over here" in said


def test_the_purpose_may_shorten_it(access: Access) -> None:
    there(access, "erin")
    access.write("policies/purposes/import.yaml", "version: 1\ntitle: Access that was there\nmax_duration: 1h\n")
    access.commit("Imports for an hour")
    said = access.run("import", "orders-db", "--at", AT, acting="alice").out
    assert "until 2026-11-20T10:00:00Z (purpose import allows until then)" in said


def test_what_a_target_shows_as_others_access_is_granted_beside_it(access: Access) -> None:
    """As PostgreSQL shows memberships that others gave."""
    add(store(access), Entitlement("embedded", "orders-db", "erin", canonical({**READ, "unmanaged": True})), FAR)
    for odd in ("no json", "[]", canonical({"unmanaged": "yes", **READ}), canonical({"unmanaged": True})):
        add(store(access), Entitlement("embedded", "orders-db", "carol", odd), FAR)
    said = access.run("import", "orders-db", "--at", AT, acting="alice").out
    assert "taken  erin  erin readonly" in said
    assert "what is there stays beside the grant's: take it away at the target once this is applied" in said
    assert said.count("  left   carol") == 4
    approve_and_merge(access, opened(said))
    access.run("apply", "--at", AT)
    assert "  1 are granted on main already" in access.run("import", "orders-db", "--at", AT, acting="alice").out


def test_of_roles_that_give_the_same_the_shorter_one_is_taken(access: Access) -> None:
    there(access, "erin")
    path = access.top / "policies/resources/orders-db.yaml"
    text = path.read_text(encoding="utf-8")
    assert "roles:\n" in text
    also = "roles:\n  quick: {max_duration: 2h, privilege: {member_of: orders_readonly}}\n"
    path.write_text(text.replace("roles:\n", also), encoding="utf-8")
    access.commit("A shorter role")
    said = access.run("import", "orders-db", "--at", AT, acting="alice").out
    assert "erin quick, until 2026-11-20T11:00:00Z (role quick of orders-db allows until then)" in said


def test_nobody_is_chosen_where_two_have_the_same_name_at_the_target(access: Access) -> None:
    there(access, "shared")
    path = access.top / "policies/directory/people.yaml"
    text = path.read_text(encoding="utf-8")
    for name in ("Erin Vogt", "Carol Diaz"):
        text = text.replace(f"name: {name},", f"name: {name}, identities: {{embedded: shared}},")
    path.write_text(text, encoding="utf-8")
    access.commit("Two of one name")
    said = access.run("import", "orders-db", "--at", AT, acting="alice", expect=10)
    assert "erin has the same identity at embedded as carol: shared [same-person]" in said.err
    assert "taken" not in said.out


def test_policies_that_do_not_read_import_nothing(access: Access) -> None:
    there(access, "erin")
    access.write("policies/rules/broken.yaml", "version: 1\nrules: 7\n")
    access.commit("Break the rules")
    said = access.run("import", "orders-db", "--at", AT, acting="alice", expect=10)
    assert "the policies of main do not read, so nothing can be granted" in said.err


@pytest.mark.on_disk
def test_a_main_that_cannot_be_followed_is_an_error(access: Access) -> None:
    there(access, "erin")
    access.grant(AT, AT)
    access.run("apply", "--at", AT)
    access.git("reset", "-q", "--hard", "HEAD~1")
    access.run("import", "orders-db", "--at", AT, acting="alice", expect=1)


def test_an_import_that_is_over_may_be_repeated(access: Access) -> None:
    there(access, "erin")
    said = access.run("import", "orders-db", "--at", AT, acting="alice")
    approve_and_merge(access, opened(said.out))
    later = access.run("import", "orders-db", "--at", "2026-11-20T18:00:00Z", acting="alice").out
    assert "taken  erin  erin readonly, until 2026-11-21T02:00:00Z" in later


def test_what_the_agreement_with_a_vendor_does_not_cover_becomes_no_grant(access: Access) -> None:
    there(access, "frank")
    access.run("apply", "--at", "2026-11-20T08:30:00Z")
    told = json.loads(
        access.run("import", "orders-db", "--dry-run", "--format", "json", "--at", AT, acting="alice").out
    )
    assert (told["taken"], [row["why"] for row in told["left"]]) == (
        [],
        ["it would end at once: the agreement with helpdesk, frank's vendor, does not cover purpose import"],
    )
