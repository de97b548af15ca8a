"""While a file of main's policies does not read, what has ended ends all the same, and the file is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import founded
from driver import Access

T = "2026-11-20T{}:00Z".format
BEGUN = T("08:00")
PEOPLE = "version: 1\npeople:\n  vera: {name: Vera Voss, email: vera@example.net, employment: vendor, vendor: acme}\n"
VENDORS = "version: 1\nvendors:\n  acme: {{title: Acme, until: {}}}\n"
ORDERS = "policies/resources/orders-db.yaml"
FILES = (
    "policies/daypass.yaml",
    "policies/directory/people.yaml",
    "policies/directory/vera.yaml",
    "policies/directory/vendors.yaml",
    "policies/purposes/incident.yaml",
    "policies/rules/access.yaml",
    "policies/resources/payroll.yaml",
    "policies/ledger.pub",
    ORDERS,
)


def begin(access: Access) -> None:
    """Erin has access until 10:31; Vera, whose vendor's end was then brought forward to 10:40; and Alice until 12:03."""
    access.write("policies/directory/vera.yaml", PEOPLE)
    access.write("policies/directory/vendors.yaml", VENDORS.format("2027-01-01T00:00:00Z"))
    access.commit("A vendor")
    access.grant(T("10:00"), T("10:01"), "--for", "30m", "--subject", "erin")
    access.grant(T("10:01"), T("10:02"), "--subject", "vera")
    access.grant(T("10:02"), T("10:03"))
    access.run("apply", "--at", T("10:04"))
    access.write("policies/directory/vendors.yaml", VENDORS.format(T("10:40")))
    access.commit("Vendor leaves earlier")


@pytest.fixture
def begun(tmp_path: Path) -> Access:
    return founded.begun("unread policies", BEGUN, begin, tmp_path / "access")


def held(access: Access) -> set[str]:
    """Who has access at the target itself, whatever the catalogue knows."""
    return {one.principal for one in access.repo().targets()["embedded"].observe()}


def damage(access: Access, file: str) -> None:
    access.write(file, "a: [\n")
    access.commit("Damage a file")


@pytest.mark.parametrize("file", FILES)
def test_what_has_ended_is_taken_away_and_the_broken_file_named(begun: Access, file: str) -> None:
    assert held(begun) == {"alice", "erin", "vera"}
    damage(begun, file)
    # What lies on a resource whose own file does not read is not given any more by main at all.
    others = set() if file == ORDERS else {"alice"}
    said = begun.run("expire", "--at", T("10:32"), expect=14)  # a window's end
    assert f"invalid  {file}" in said.out
    assert held(begun) - {"vera"} == others
    said = begun.run("apply", "--at", T("10:41"), expect=14)  # an engagement's end, by the last policies that read
    assert f"invalid  {file}" in said.out
    assert held(begun) == others
    assert file in begun.run("plan", "--at", T("10:42"), expect=14).out
    assert file in begun.run("status", "--at", T("10:42"), expect=14).err
    assert file in begun.run("drift", "--at", T("10:42"), expect=14).out
    assert file in begun.run("check", expect=10).out


@pytest.mark.parametrize("file", FILES)
def test_who_may_take_away_still_may(begun: Access, file: str) -> None:
    (grant,) = (Path(line).stem for line in begun.git("ls-files", "grants").splitlines() if "alice" in line)
    damage(begun, file)
    begun.run("end", f"orders-db/{grant}", "--reason", "Done", "--at", T("10:20"), acting="alice", expect=14)
    assert "alice" not in held(begun)
    assert "alice" not in begun.git("ls-files", "grants")
    # An owner of the resource, whom no other file names.
    begun.run(
        "revoke", "--resource", "orders-db", "--now", "--reason", "Gone", "--at", T("10:21"), acting="bob", expect=14
    )
    assert held(begun) == set()
    assert not begun.git("ls-files", "grants")


def test_a_ledger_key_that_is_gone_stops_no_end(begun: Access) -> None:
    (begun.top / "policies/ledger.pub").unlink()
    begun.commit("Remove the only key")
    said = begun.run("apply", "--at", T("10:41"), expect=14)
    assert "invalid  policies/ledger.pub" in said.out
    assert "this key of the ledger is missing" in said.out
    assert held(begun) == {"alice"}


def test_a_key_that_was_taken_out_while_another_is_named_is_believed_no_longer(begun: Access) -> None:
    settings = (begun.top / "policies/daypass.yaml").read_text(encoding="utf-8")
    begun.write("policies/daypass.yaml", settings.replace("keys: [ledger.pub]", "keys: [ledger.pub, next.pub]"))
    (begun.top / "policies/ledger.pub").rename(begun.top / "policies/next.pub")
    begun.write("policies/ledger.pub", (begun.top / "policies/next.pub").read_text(encoding="utf-8"))
    begun.commit("Two keys")
    assert set(begun.repo().ledger.keys) == {"ledger.pub", "next.pub"}
    (begun.top / "policies/ledger.pub").unlink()
    begun.commit("One of them is gone")
    assert set(begun.repo().ledger.keys) == {"next.pub"}


def test_a_resource_that_never_read_is_named_and_stops_nothing_else(begun: Access) -> None:
    damage(begun, "policies/resources/new-db.yaml")
    said = begun.run("apply", "--at", T("10:41"), expect=14)
    assert "invalid  policies/resources/new-db.yaml" in said.out
    assert held(begun) == {"alice"}


def test_two_resources_that_stopped_reading_at_different_times_are_both_found(begun: Access) -> None:
    damage(begun, ORDERS)
    damage(begun, "policies/resources/payroll.yaml")
    found = begun.repo().ends_by
    assert found.catalogue.resources["orders-db"].owners == ("dba",)
    assert found.catalogue.resources["payroll"].owners == ("payroll",)
    damage(begun, "policies/directory/people.yaml")
    assert begun.repo().ends_by.catalogue.resources["orders-db"].owners == ("dba",)
