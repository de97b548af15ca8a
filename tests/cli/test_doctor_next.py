"""What the next release would judge otherwise, told before anybody upgrades."""

from __future__ import annotations

import json
import re
from pathlib import Path

from daypass.pipeline.audit.upcoming import FAULTS
from driver import Access

AT = ("--at", "2026-11-20T10:30:00Z")


def test_nothing_is_said_of_policies_that_the_next_release_takes_as_they_are(access: Access) -> None:
    assert access.run("doctor", "--next", *AT).out == "The next release judges all that is here as this one does.\n"


def test_a_vendors_worker_without_a_vendor_is_told_with_what_is_open_and_live(access: Access) -> None:
    file = access.top / "policies/directory/people.yaml"
    text = file.read_text(encoding="utf-8")
    people = "  gina: {name: Gina Roth, email: gina@vendor.example, employment: vendor, manager: bob}\ngroups:"
    file.write_text(text.replace("groups:", people, 1), encoding="utf-8")
    access.commit("Gina")
    number = access.ask("2026-11-20T10:00:00Z", "--subject", "gina", acting="bob")
    for who in ("carol", "dave"):
        access.run("approve", number, "--at", "2026-11-20T10:01:00Z", acting=who)
    access.run("gate", number, "--at", "2026-11-20T10:02:00Z")
    access.run("apply", "--at", "2026-11-20T10:03:00Z")
    asked = access.ask("2026-11-20T10:10:00Z", resource="staging", role="deploy")
    said = access.run("doctor", "--next", *AT, expect=13).out
    assert "[vendor-unnamed]" in said
    assert f"open requests that it would deny: #{asked}\n" in said
    rules = "low-risk-passes, "
    assert "  rules that it would not ask until then: " in said
    assert rules in said
    told = json.loads(access.run("doctor", "--next", "--format", "json", *AT, expect=13).out)["next"]
    assert [finding["code"] for finding in told["findings"]] == ["vendor-unnamed"]
    assert told["requests"] == [int(asked)]
    assert [grant.startswith("orders-db/gina") for grant in told["grants"]] == [True]
    assert "low-risk-passes" in told["rules"]


def test_a_vendor_with_until_in_place_of_its_agreement_is_told_with_its_workers_grants(access: Access) -> None:
    file = access.top / "policies/directory/people.yaml"
    text = file.read_text(encoding="utf-8")
    before, _, _ = text.partition("    sponsor: erin\n")
    file.write_text(f"{before}    until: 2036-12-31\n", encoding="utf-8")
    access.commit("As in earlier releases")
    number = access.ask("2026-11-20T10:00:00Z", "--subject", "frank", acting="bob")
    for who in ("carol", "dave"):
        access.run("approve", number, "--at", "2026-11-20T10:01:00Z", acting=who)
    access.run("gate", number, "--at", "2026-11-20T10:02:00Z")
    access.run("apply", "--at", "2026-11-20T10:03:00Z")
    said = access.run("doctor", "--next", *AT, expect=13).out
    assert "vendor helpdesk has until in place of agreement, and nobody sponsors its people [vendor-unstated]" in said
    assert re.search(r"run to their ends: orders-db/frank-\S+\n", said)
    assert "open requests that it would deny: none\n" in said


def test_everything_that_is_announced_for_the_next_release_is_held_against_main() -> None:
    page = (Path(__file__).parents[2] / "docs/findings.md").read_text(encoding="utf-8")
    announced = re.findall(r"^\| `([a-z-]+)` \|[^\n]*next release", page, re.MULTILINE)
    assert set(announced) == FAULTS
