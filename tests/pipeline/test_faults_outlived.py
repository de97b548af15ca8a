"""Approvals that outlive what they approved, on the local forge: gate, applier and audit hold them to what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from faults_steps import T, approved, clean, has_access

from daypass.cli.site import Site
from daypass.core.grant import Oid
from daypass.core.ledger.receipt import Admission
from daypass.pipeline.evidence import gather
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
    standing = Site(access.top).standing
    found = standing.admission(next(name for name, _ in standing.blobs()))
    assert found is not None
    return found


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
    access.write(PEOPLE, f"{text}vendors:\n  acme: {{title: Acme, until: {T('10:02')}}}\n")
    access.commit("bob works for a vendor")
    said = access.run("gate", number, "--at", T("10:03"), expect=12)
    assert f"approved by bob: bob was engaged until {T('10:02')} only" in said.out


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

    site, standing = Site(access.top), Site(access.top).standing
    at = datetime.fromisoformat(T("10:05"))
    forged = [
        each(main=under),
        each(main=site.tip),
        each(main="d" * 40),
        each(at=true.requested_at - timedelta(minutes=1)),
    ]
    for body in forged:
        standing = site.books.append(standing, [body], at=at, main=site.tip, run="forged")
    said = access.run("audit", "verify", "--at", T("10:06"), expect=13).out
    assert said.count("approvals-insufficient") == 4
    assert "the recorded approvals lack 1 approval from group:payroll (carol, erin)" in said
    assert f"approved under {site.tip[:12]}, which main did not have before the merge" in said
    assert "approved under dddddddddddd, which main did not have before the merge" in said


def test_an_approval_that_tells_no_main_counts_only_if_every_main_since_would_let_it(access: Access) -> None:
    """As records of earlier releases are."""
    number = access.ask(T("10:00"))
    root = Oid(access.git("rev-parse", "main"))
    approved(access, number, T("10:01"))
    change(access, RULES, "rules:\n", OTHER)
    other = Oid(access.git("rev-parse", "main"))
    change(access, RULES, "rules:\n", PAYROLL)
    site = Site(access.top)

    class Old:
        def with_mains(self, reviews: Any) -> Any:
            return reviews

        def reviews(self, number: int) -> Any:
            return tuple(replace(review, mains=()) for review in site.forge.reviews(number))

    pull = site.forge.pull(int(number))
    found = gather(site.history, Old(), site.policy_at, pull, base=site.tip, head=pull.head)  # type: ignore[arg-type]
    assert {tuple(main for main, _ in mains) for mains in found.then.values()} == {(root, other)}
    lost = replace(site.forge.reviews(int(number))[0], mains=(pull.head,))

    class Elsewhere:
        def with_mains(self, reviews: Any) -> Any:
            return reviews

        def reviews(self, _: int) -> Any:
            return (lost,)

    found = gather(site.history, Elsewhere(), site.policy_at, pull, base=site.tip, head=pull.head)  # type: ignore[arg-type]
    assert {tuple(main for main, _ in mains) for mains in found.then.values()} == {(root, other)}
