"""Receipts written by somebody who holds the signing key, but had no approvals."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from driver import Access

T = "2026-11-20T{}:00Z".format


def test_verify_judges_the_recorded_approvals_again(access: Access) -> None:
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.run("audit", "verify", "--at", T("10:07"))
    site = access.repo()
    standing = site.ledger.load()
    admission = standing.admission(next(name for name, _ in standing.blobs()))
    assert admission is not None
    at = datetime.fromisoformat(T("10:08")) + timedelta(0)
    for forged in (replace(admission, approvals=()), replace(admission, approvals=admission.approvals[:1])):
        standing = site.ledger.append(standing, [forged], at=at, main=site.tip, run="forged")
    said = access.run("audit", "verify", "--at", T("10:09"), expect=13)
    assert f"{grant}: the recorded approvals lack 1 approval from group:security" in said.out
    assert said.out.count("approvals-insufficient") == 2


def test_an_escalated_approval_is_accepted_again(access: Access) -> None:
    number = access.ask(T("10:00"))
    access.run("approve", number, "--at", T("10:01"), acting="bob")
    access.run("approve", number, "--at", T("14:01"), acting="erin")
    access.run("gate", number, "--at", T("14:02"))
    access.run("apply", "--at", T("14:03"))
    access.run("audit", "verify", "--at", T("14:04"))
