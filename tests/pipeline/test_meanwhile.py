"""What came to main and to the ledger since a request was judged: where it is not about it, the request is as it was found."""

from __future__ import annotations

from datetime import datetime

import pytest

from daypass.core.approval.quiet import hangs_on, short_id
from daypass.core.forge import Basis
from daypass.core.ids import Oid
from daypass.pipeline.judge.gate import look
from daypass.pipeline.judge.meanwhile import basis_of, moved_since
from daypass.pipeline.judge.report import report_of
from daypass.views.comment import comment_text, title_text
from driver import Access
from report_world import GRANT, T, propose

pytestmark = pytest.mark.on_disk
AT = datetime.fromisoformat(T("11:00"))


def told(access: Access, number: str, at: datetime = AT) -> tuple[str, str, int]:
    """All that people are told of a request, and how it stands."""
    site = access.repo()
    report = report_of(site, found := look(site, int(number), at=at), at=at)
    return comment_text(report, links=None), title_text(report), found.exit_code


def on(access: Access, number: str, at: datetime = AT) -> frozenset[str]:
    """What a request hangs on, which can be told."""
    found = hangs_on(look(access.repo(), int(number), at=at))
    assert found is not None
    return found


def basis(access: Access) -> Basis:
    return basis_of(access.repo(), "p")


def came(access: Access, then: Basis) -> frozenset[str] | None:
    return moved_since(access.repo(), then)


def land(access: Access, resource: str, merged: str, *more: str) -> None:
    """Have a request for access to a resource merged."""
    role = {"staging": "deploy"}.get(resource, "readonly")
    number = access.ask(T("10:00"), *more, resource=resource, role=role)
    for reviewer in ("bob", "carol", "dave", "erin"):
        access.run("approve", number, "--at", T("10:01"), acting=reviewer, expect=None)
    assert "merged as" in access.run("gate", number, "--at", merged).out


@pytest.fixture
def asked(access: Access) -> str:
    """The number of a request for orders-db that waits."""
    return propose(access, T("09:00"), {"grants/orders-db/a.yaml": GRANT})


def test_what_lands_on_another_resource_is_not_about_it(access: Access, asked: str) -> None:
    then, before, named = basis(access), told(access, asked), on(access, asked)
    assert "orders-db" in named
    assert came(access, then) == frozenset()
    land(access, "staging", T("10:05"))
    moved = came(access, then)
    assert moved is not None
    assert "staging" in moved
    assert moved.isdisjoint(named)
    assert told(access, asked) == before


def test_what_lands_on_its_own_resource_is_about_it(access: Access, asked: str) -> None:
    then, named = basis(access), on(access, asked)
    land(access, "orders-db", T("10:05"))
    moved = came(access, then)
    assert moved is not None
    assert not moved.isdisjoint(named)


@pytest.mark.parametrize("path", ["policies/resources/payroll.yaml", "README.md"])
def test_policies_that_were_changed_and_put_back_are_about_everything(access: Access, asked: str, path: str) -> None:
    then, place = basis(access), access.top / path
    before = place.read_text() if place.exists() else "words\n"
    access.write(path, before + "# another\n")
    access.commit("Change it")
    access.write(path, before)
    access.commit("Put it back")
    assert came(access, then) is None


def test_a_main_that_does_not_go_on_from_there_is_about_everything(access: Access, asked: str) -> None:
    then = basis(access)
    elsewhere = access.git("commit-tree", "-m", "Another root", "HEAD^{tree}")
    assert came(access, then._replace(main=Oid(elsewhere))) is None


def test_a_request_on_top_of_one_that_lands_is_judged_anew_though_it_takes_that_back(access: Access) -> None:
    """It changes nothing of the resource as long as main has not taken in what it stands on."""
    deploy = GRANT.replace("orders-db", "staging").replace("readonly", "deploy").replace("8h", "2h")
    first = propose(access, T("09:00"), {"grants/staging/a.yaml": deploy})
    access.git("switch", "-q", "-c", "second", "b2026-11-20T090000Z")
    (access.top / "grants/staging/a.yaml").unlink()
    access.write("grants/orders-db/a.yaml", GRANT)
    access.commit("Ask", email="alice@example.com")
    access.git("switch", "-q", "main")
    site = access.repo("alice")
    head = site.history.resolve("second")
    opened = site.forge.open(branch="second", head=head, title="Ask", at=datetime.fromisoformat(T("09:30")))
    second = str(opened.number)
    then, named = basis(access), on(access, second)
    assert "staging" not in named
    before = told(access, second)
    assert "merged as" in access.run("gate", first, "--at", T("10:05")).out
    moved = came(access, then)
    assert moved is not None
    assert not moved.isdisjoint(named)
    assert told(access, second) != before


def test_what_main_had_and_the_ledger_had_not_followed_is_named_once_it_has(access: Access, asked: str) -> None:
    before = access.repo().tip
    land(access, "staging", T("10:05"))
    access.run("apply", "--at", T("10:06"))
    now = basis(access)
    assert now.followed == now.main
    assert came(access, now) == frozenset()
    assert came(access, now._replace(followed=before)) == {"staging"}
    assert came(access, now._replace(followed="")) == frozenset()
    assert came(access, now._replace(followed="f" * 40)) == frozenset()


def test_a_receipt_is_about_the_requests_of_its_resource(access: Access, asked: str) -> None:
    land(access, "orders-db", T("10:05"))
    access.run("apply", "--at", T("10:06"))
    then, named = basis(access), on(access, asked)
    access.run("apply", "--at", T("12:30"))
    assert access.repo().tip == then.main
    moved = came(access, then)
    assert moved is not None
    assert moved & named == {"orders-db"}
    assert came(access, basis(access)) == frozenset()


def test_a_ledger_that_does_not_go_on_from_there_is_about_everything(access: Access, asked: str) -> None:
    land(access, "staging", T("10:05"))
    access.run("apply", "--at", T("10:06"))
    then = basis(access)
    assert came(access, then._replace(ledger="f" * 40)) is None
    assert came(access, then._replace(ledger=str(access.repo().tip))) is None


def test_a_request_is_known_by_the_commits_that_left_main(access: Access, asked: str) -> None:
    head = look(access.repo(), int(asked), at=AT).pull.head
    assert on(access, asked) == {"orders-db", short_id(head)}
