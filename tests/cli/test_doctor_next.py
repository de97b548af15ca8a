"""What the next release would judge otherwise, told before anybody upgrades."""

from __future__ import annotations

import json

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
    told = json.loads(access.run("doctor", "--next", "--format", "json", *AT, expect=13).out)["next"]
    assert [finding["code"] for finding in told["findings"]] == ["vendor-unnamed"]
    assert told["requests"] == [int(asked)]
    assert [grant.startswith("orders-db/gina") for grant in told["grants"]] == [True]
