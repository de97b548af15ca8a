"""A rename in the directory or the catalogue carries live grants over where it says so, and is found where it does not."""

from __future__ import annotations

import json
from itertools import product

import pytest

from driver import Access
from report_world import T, propose

pytestmark = pytest.mark.on_disk

PEOPLE = "policies/directory/people.yaml"
ORDERS = "policies/resources/orders-db.yaml"
NEW = "policies/resources/orders.yaml"


def renamed(access: Access, was: str) -> str:
    """Return the directory with alice under another name, her identity at the target the one that she had."""
    text = (access.top / PEOPLE).read_text().replace("[alice]", "[alicia]")
    return text.replace("alice: {", f"alicia: {{{was}identities: {{embedded: alice}}, ")


def test_live_grants_go_on_by_new_names_and_end_with_their_window(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.write(PEOPLE, renamed(access, "was: [alice], ").replace("[orders-db]", "[orders]"))
    resource = (access.top / ORDERS).read_text().replace("  readonly: {", "  reader: {was: [readonly], ")
    access.write(NEW, resource + "was: [orders-db]\n")
    (access.top / ORDERS).unlink()
    for rules in (access.top / "policies/tests").glob("*.yaml"):
        rules.unlink()
    access.commit("New names")
    access.run("check")
    assert "No changes" in access.run("apply", "--at", T("10:10")).out
    access.run("can", "alicia", "orders", "reader")
    access.run("can", "alice", "orders-db", "readonly")
    (told,) = json.loads(access.run("explain", grant, "--at", T("10:11"), "--format", "json", expect=None).out)[
        "grants"
    ]
    assert told["state"] == "live"
    assert access.run("audit", "verify", "--at", T("10:12")).code == 0
    _is_told_by_any_name(access, grant)
    more = access.ask(T("10:13"), "--for", "8h", resource="orders", role="reader", acting="alicia")
    said = access.run("gate", more, "--at", T("10:14"), expect=None).out
    assert "alicia would have role reader of orders" in said, "what was had by the old names counts on"
    access.run("revoke", "--resource", "orders", "--now", "--reason", "a drill", "--at", T("10:20"), acting="bob")
    access.run("can", "alicia", "orders", "reader", expect=20)


def _is_told_by_any_name(access: Access, grant: str) -> None:
    """The audit tells of what stands under old names whichever name it is asked by, each time that it is asked."""
    for name in ("orders", "orders", "orders-db"):
        told = json.loads(access.run("audit", "access", "--resource", name, "--at", T("10:12"), "--format", "json").out)
        assert [(one["principal"], one["grants"]) for one in told["access"]] == [("alice", [grant])]
    asked = [*product(["--subject"], ["alicia", "alice"]), *product(["--resource"], ["orders", "orders-db"])]
    for about in asked:
        told = json.loads(access.run("audit", "history", *about, "--at", T("10:12"), "--format", "json").out)
        assert {name for event in told["events"] for name in event["grants"]} == {grant}
        assert "access added" in {event["event"] for event in told["events"]}
    said = access.run("audit", "history", "--subject", "alina", "--at", T("10:12"), expect=2)
    assert "there is no subject 'alina'" in said.err


def test_whom_a_vendor_sent_and_who_approved_are_found_by_names_of_before(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    text = renamed(access, "was: [alice], employment: vendor, vendor: helpdesk, ")
    text = text.replace("dave", "david").replace("david: {", "david: {was: [dave], ")
    access.write(PEOPLE, text)
    access.commit("New names")
    for about in (("--approver", "david"), ("--approver", "dave"), ("--vendor", "helpdesk")):
        told = json.loads(access.run("audit", "history", *about, "--at", T("10:12"), "--format", "json").out)
        assert grant in {name for event in told["events"] for name in event["grants"]}
    said = access.run("audit", "history", "--approver", "frank", "--at", T("10:12")).out
    assert grant not in said


def test_a_rename_that_does_not_say_so_is_refused_while_grants_go_by_the_old_name(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    number = propose(access, T("10:10"), {PEOPLE: renamed(access, "")})
    said = access.run("check", "--pull", number, "--at", T("10:11"), expect=10).out
    assert (
        "subject alice is called alicia now, and 1 merged grant names alice: it would give nothing any more "
        "[rename-without-was]"
    ) in said
    assert "write was: [alice] on alicia, or end them first" in said
    told = access.run("gate", number, "--at", T("10:12"), expect=10).out
    assert "BROKEN  subject alice is called alicia now" in told
    comment = access.run("report", number, "--print", "--at", T("10:12")).out
    assert comment.startswith(f"### daypass: #{number} renames what live grants name\n")
    said = access.run(
        "check", "--pull", propose(access, T("10:13"), {PEOPLE: renamed(access, "was: [alice], ")}), expect=None
    ).out
    assert "rename-without-was" not in said


@pytest.mark.parametrize(("kind", "old", "new"), [("resource", "orders-db", "orders"), ("role", "readonly", "reader")])
def test_so_is_that_of_a_resource_or_a_role(access: Access, kind: str, old: str, new: str) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    text = (access.top / ORDERS).read_text()
    place = ORDERS if kind == "role" else NEW
    changed: dict[str, str | None] = {place: text.replace("readonly: {", "reader: {") if kind == "role" else text}
    if kind == "resource":
        changed |= {ORDERS: None, PEOPLE: (access.top / PEOPLE).read_text().replace("[orders-db]", "[orders]")}
    number = propose(access, T("10:10"), changed)
    said = access.run("check", "--pull", number, "--at", T("10:11"), expect=10).out
    assert (
        f"{place}: error: {kind} {old} is called {new} now, and 1 merged grant names {old}: it would give nothing any more "
        f"[rename-without-was]\n  hint: write was: [{old}] on {new}, or end them first\n"
    ) in said
