"""Approvals that outlive what they approved, on the local forge: gate, applier and audit hold them to what was seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from faults_steps import FILE, GRANT, T, approved, branch, clean, has_access
from msgspec.structs import replace

from daypass.core.forge import Review
from daypass.core.ids import ABSENT, Oid
from daypass.core.ledger.receipt import Admission
from daypass.core.ledger.records import ActRecord
from daypass.core.ledger.standing import Standing
from daypass.pipeline.judge.evidence import gather
from driver import Access

PEOPLE = "policies/directory/people.yaml"
RULES = "policies/rules/access.yaml"
ORDERS = "policies/resources/orders-db.yaml"
PAYROLL = "rules:\n  - {id: payroll-too, when: 'true', require: [{approvals: {at_least: 1, from: group:payroll}}]}\n"
OTHER = "rules:\n  - {id: other, when: resource.environment == 'staging', require: [{approvals: {at_least: 1, from: owners}}]}\n"


def change(access: Access, path: str, old: str, new: str) -> None:
    text = (access.top / path).read_text()
    assert old in text, text
    access.write(path, text.replace(old, new))
    access.commit("another policy")


def admission(access: Access) -> Admission:
    standing = access.repo().standing
    found = standing.admission(next(name for name, _ in standing.blobs()))
    assert found is not None
    return found


@pytest.mark.on_disk
def test_what_a_new_rule_asks_for_is_not_met_by_an_approval_from_before_it(access: Access) -> None:
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    access.run("approve", number, "--at", T("10:01"), acting="erin")
    change(access, RULES, "rules:\n", PAYROLL)
    said = access.run("gate", number, "--at", T("10:02"), expect=12)
    assert "approved by erin: main asked for no approval from group:payroll when it was given" in said.out
    access.run("approve", number, "--at", T("10:03"), acting="erin")
    access.run("gate", number, "--at", T("10:04"))
    access.run("apply", "--at", T("10:05"))
    assert has_access(access)
    clean(access, T("10:06"))


def test_approvals_from_while_the_role_meant_something_else_do_not_count(access: Access) -> None:
    number = access.ask(T("10:00"))
    change(access, ORDERS, "orders_readonly", "orders_nothing")
    approved(access, number, T("10:01"))
    change(access, ORDERS, "orders_nothing", "orders_readonly")
    said = access.run("gate", number, "--at", T("10:02"), expect=12)
    assert said.out.count("role readonly of orders-db did not mean what it means now when it was given") == 2


def test_a_reviewer_must_have_been_in_the_group_when_they_approved_and_be_in_it_still(access: Access) -> None:
    change(access, PEOPLE, "dba: {members: [bob, carol]}", "dba: {members: [bob]}")
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    access.run("approve", number, "--at", T("10:01"), acting="carol", expect=None)
    change(access, PEOPLE, "dba: {members: [bob]}", "dba: {members: [carol]}")
    said = access.run("gate", number, "--at", T("10:02"), expect=12)
    assert "bob is in no group that is asked" in said.out
    assert "missing: 1 approval from owners (carol)" in said.out


def test_who_has_left_by_the_merge_has_not_approved(access: Access) -> None:
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    change(access, PEOPLE, "bob: {", f"bob: {{until: {T('10:02')}, ")
    said = access.run("gate", number, "--at", T("10:02"), expect=12)
    assert f"approved by bob: bob was engaged until {T('10:02')} only" in said.out


def test_who_is_engaged_a_second_longer_has(access: Access) -> None:
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    change(access, PEOPLE, "bob: {", "bob: {until: 2026-11-20T10:02:01Z, ")
    access.run("gate", number, "--at", T("10:02"))


def test_a_worker_of_a_vendor_that_has_ended_has_not_approved(access: Access) -> None:
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    text = (access.top / PEOPLE).read_text().replace("bob: {", "bob: {employment: vendor, vendor: acme, ")
    access.write(PEOPLE, text.replace("vendors:\n", f"vendors:\n  acme: {{title: Acme, until: {T('10:02')}}}\n"))
    access.commit("bob works for a vendor")
    said = access.run("gate", number, "--at", T("10:03"), expect=12)
    assert f"approved by bob: bob was engaged until {T('10:02')} only" in said.out


@pytest.mark.on_disk
def test_other_changes_of_policy_void_nothing_and_the_receipt_names_the_main_of_the_approvals(access: Access) -> None:
    number = access.ask(T("10:00"))
    under = access.git("rev-parse", "main")
    approved(access, number, T("10:01"))
    change(access, RULES, "rules:\n", OTHER)
    change(access, PEOPLE, "Alice Ngo", "Alice N.")
    access.run("gate", number, "--at", T("10:02"))
    access.run("apply", "--at", T("10:03"))
    assert has_access(access)
    assert [approval.main for approval in admission(access).approvals] == [under, under]
    clean(access, T("10:04"))


def test_an_audit_judges_by_the_main_that_a_receipt_names(access: Access) -> None:
    number = access.ask(T("10:00"))
    under = access.git("rev-parse", "main")
    change(access, RULES, "rules:\n", PAYROLL)
    approved(access, number, T("10:01"))
    access.run("approve", number, "--at", T("10:01"), acting="erin")
    access.run("gate", number, "--at", T("10:02"))
    access.run("apply", "--at", T("10:03"))
    clean(access, T("10:04"))
    true = admission(access)

    def each(**more: Any) -> Admission:
        return replace(true, approvals=tuple(replace(approval, **more) for approval in true.approvals))

    site, standing = access.repo(), access.repo().standing
    at = datetime.fromisoformat(T("10:05"))
    forged = [
        each(main=under),
        each(main=site.tip),
        each(main="d" * 40),
        each(at=true.requested_at - timedelta(minutes=1)),
    ]
    for body in forged:
        standing = site.ledger.append(standing, [body], at=at, main=site.tip, run="forged")
    said = access.run("audit", "verify", "--at", T("10:06"), expect=13).out
    assert said.count("approvals-insufficient") == 4
    assert "the recorded approvals lack 1 approval from group:payroll (carol, erin)" in said
    assert f"approved under {site.tip[:12]}, which main did not have before the merge" in said
    assert "approved under dddddddddddd, which main did not have before the merge" in said


def test_an_approval_that_tells_no_main_counts_only_if_every_main_there_was_would_let_it(access: Access) -> None:
    """As records of earlier releases are; what the ledger saw of main before it leaves fewer."""
    root = Oid(access.git("rev-parse", "main"))
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    change(access, RULES, "rules:\n", OTHER)
    other = Oid(access.git("rev-parse", "main"))
    change(access, RULES, "rules:\n", PAYROLL)
    site = access.repo()
    bobs, daves = site.forge.reviews(int(number))

    def mains(*reviews: Review, known: Standing) -> set[tuple[Oid, ...]]:
        class Old:
            def mains_at(self, _: Any) -> Any:
                return {}

            def reviews(self, _: int) -> Any:
                return reviews

        pull = site.forge.pull(int(number))
        at = {"base": site.tip, "head": pull.head}
        place = access.repo()
        place.__dict__ |= {"forge": Old(), "standing": known}
        found = gather(place, pull, **at)
        return {tuple(main for main, _ in each) for each in found.then.values()}

    old, lost = replace(bobs, mains=()), replace(daves, mains=(bobs.commit,))
    assert mains(old, lost, known=site.standing) == {(root, other)}
    ((*every,),) = mains(old, lost, known=Standing())
    assert every[-2:] == [root, other]
    gone = Standing(seen={bobs.commit: bobs.at - timedelta(hours=1)})
    assert mains(old, known=gone) == {(ABSENT,)}


def mallory(access: Access, until: str = "") -> None:
    """Have mallory in the directory from now on."""
    more = f"until: {until}, " if until else ""
    text = f"people:\n  mallory: {{name: M, email: mallory@example.com, {more}identities: {{embedded: mallory}}}}\n"
    change(access, PEOPLE, "people:\n", text)


def denied(access: Access, number: str, code: str, said: str) -> None:
    """The gate refuses; so does the applier where it comes to main all the same."""
    assert said in access.run("gate", number, "--at", T("10:05"), expect=10).out
    site = access.repo()
    at = datetime.fromisoformat(T("10:05"))
    pull = site.forge.pull(int(number))
    site.forge.merge(int(number), head=pull.head, base=site.tip, message="by hand", at=at)
    assert f"[{code}]" in access.run("apply", "--at", T("10:06"), expect=14).out
    assert not has_access(access)


@pytest.mark.on_disk
def test_who_was_added_after_they_opened_a_request_has_not_asked(access: Access) -> None:
    branch(access, "wish", {FILE: GRANT}, email="mallory@example.com")
    site = access.repo()
    access.git("config", "user.email", "mallory@example.com")
    at = datetime.fromisoformat(T("10:00"))
    pull = site.forge.open(branch="wish", head=site.history.resolve("wish"), title="x", at=at)
    access.git("config", "user.email", "olga@example.com")
    mallory(access)
    approved(access, str(pull.number), T("10:02"))
    said = "mallory opened it at 2026-11-20T10:00:00Z, and by main's policies of then mallory is not in the directory"
    denied(access, str(pull.number), "engaged-later", said)


@pytest.mark.on_disk
def test_who_was_engaged_anew_only_after_they_pushed_has_not_pushed(access: Access) -> None:
    number = access.ask(T("10:00"))
    change(access, PEOPLE, "carol: {", "carol: {until: 2026-11-20T10:00:30Z, ")
    site = access.repo("carol")
    pull = site.forge.pull(int(number))
    path = access.git("diff", "--name-only", "main..." + pull.head)
    text = access.git("show", f"{pull.head}:{path}") + "\n# seen by carol\n"
    at = datetime.fromisoformat(T("10:01"))
    head = site.forge.commit(branch=pull.branch, parent=pull.head, files=[(path, text.encode())], message="more", at=at)
    site.forge.push(int(number), head=head, at=at)
    change(access, PEOPLE, "carol: {until: 2026-11-20T10:00:30Z, ", "carol: {")
    approved(access, number, T("10:02"))
    said = "and by main's policies of then carol was engaged until 2026-11-20T10:00:30Z only"
    denied(access, number, "engaged-later", said)


@pytest.mark.on_disk
def test_a_change_of_the_directory_that_leaves_who_asked_in_it_hinders_nothing_and_receipts_name_the_acts(
    access: Access,
) -> None:
    before = access.git("rev-parse", "main")
    number = access.ask(T("10:00"))
    change(access, PEOPLE, "Alice Ngo", "Alice N.")
    approved(access, number, T("10:01"))
    access.run("gate", number, "--at", T("10:02"))
    access.run("apply", "--at", T("10:03"))
    assert has_access(access)
    at = datetime.fromisoformat(T("10:00"))
    assert admission(access).acts == (ActRecord("alice", "opened", at, before),)
    clean(access, T("10:04"))


def test_an_audit_judges_who_opened_and_who_pushed(access: Access) -> None:
    before = access.git("rev-parse", "main")
    mallory(access, until=T("10:30"))
    number = access.ask(T("10:00"))
    approved(access, number, T("10:01"))
    access.run("gate", number, "--at", T("10:02"))
    access.run("apply", "--at", T("10:03"))
    true, site, standing = admission(access), access.repo(), access.repo().standing
    at = datetime.fromisoformat(T("10:05"))
    pushed = true.approvals[0].at
    forged = [
        replace(true, acts=(*true.acts, ActRecord("mallory", "pushed", at, before))),
        replace(true, acts=(*true.acts, ActRecord("erin", "pushed", at, "d" * 40))),
        replace(true, acts=(*true.acts, ActRecord("nobody", "made", at))),
        replace(true, acts=(*true.acts, ActRecord("bob", "pushed", true.requested_at))),
        replace(true, acts=(*true.acts, ActRecord("erin", "pushed", pushed))),
    ]
    for body in forged:
        standing = site.ledger.append(standing, [body], at=at, main=site.tip, run="forged")
    said = access.run("audit", "verify", "--at", T("10:06"), expect=13).out
    assert (
        "mallory pushed it at 2026-11-20T10:05:00Z, and by main's policies of then mallory is not in the directory"
        in said
    )
    assert "erin pushed the request under dddddddddddd, which main did not have before the merge" in said
    assert "nobody, who asked for it or pushed it, is not in the directory" in said
    assert "bob approved access that is their own, or that they asked for or pushed" in said
    # What was approved in the very second of the last push is not approved: the same rule as the gate's.
    assert said.count("the recorded approvals lack") == 2


def test_an_end_by_who_came_to_own_the_resource_after_they_asked_waits_for_an_owner(access: Access) -> None:
    name = access.grant(T("10:00"), T("10:01"))
    access.run("apply", "--at", T("10:02"))
    access.run("end", name, "--at", T("10:03"), acting="erin", expect=12)
    change(access, PEOPLE, "dba: {members: [bob, carol]}", "dba: {members: [bob, carol, erin]}")
    said = access.run("gate", "2", "--at", T("10:04"), expect=12)
    assert "1 approval from owners" in said.out
    access.run("approve", "2", "--at", T("10:05"), acting="bob")
    access.run("gate", "2", "--at", T("10:06"))
