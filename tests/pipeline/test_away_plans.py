"""What a run without the remote takes away: what receipts show as ended, whatever main and the targets say by now."""

from __future__ import annotations

from typing import Any

import pytest

from daypass.core.errors import ExitCode, RefusedError
from daypass.core.ids import GrantId, Oid
from daypass.core.ledger.receipt import Body, Ended, Intent, Refusal, Retirement
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Action, Entitlement, Intended, Order, Reason
from daypass.core.window import parse_instant
from daypass.edges.ledger.outbox import OutboxLedger
from daypass.edges.targets.embedded.target import EmbeddedTarget
from daypass.pipeline.apply.inputs import away
from daypass.pipeline.apply.run import Applied, apply
from driver import Access

T = "2026-11-20T{}:00Z".format
DIRECTORY = "policies/directory/people.yaml"


def run_away(access: Access, at: str) -> Applied:
    """Run as where the remote is away, and keep what it writes in an outbox."""
    repo = access.repo()
    outbox = OutboxLedger(repo.ledger, access.top / ".git/daypass")
    return apply(
        lambda _: away(repo, repo.targets, outbox.load(), at=parse_instant(at)),
        outbox,
        repo.targets,
        run="away",
        progress=lambda *_: None,
        timer=lambda: 0.0,
    )


def written(access: Access) -> list[Body]:
    """What lies in the outbox."""
    repo = access.repo()
    outbox = OutboxLedger(repo.ledger, access.top / ".git/daypass")
    return [receipt.body for receipt in outbox._waiting(repo.standing)]


def write(access: Access, *bodies: Body, at: str) -> None:
    """Have receipts in the ledger that no run has acted on, as where the target was down."""
    repo = access.repo()
    repo.ledger.append(repo.standing, list(bodies), at=parse_instant(at), main=repo.tip, run="before")


def store(access: Access) -> EmbeddedTarget:
    return EmbeddedTarget(access.top / ".git/daypass/embedded.sqlite", "embedded")


def held(access: Access) -> set[str]:
    return {entitlement.principal for entitlement in store(access).observe()}


def reasons(done: Applied) -> list[tuple[str, Reason]]:
    return [(o.change.entitlement.principal, o.change.reason) for o in done.outcomes if o.ok]


@pytest.fixture
def given(access: Access) -> tuple[Access, GrantId]:
    """Access of alice's from 10:05 to 12:05."""
    grant = access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    assert held(access) == {"alice"}
    return access, GrantId(grant)


def proof(access: Access, grant: GrantId) -> Any:
    found = access.repo().standing.admission(grant)
    assert found is not None
    return found


def test_what_is_over_is_taken_and_what_is_not_stays(given: tuple[Access, GrantId]) -> None:
    access, _ = given
    done = run_away(access, T("12:04"))
    assert (done.outcomes, written(access), held(access)) == ([], [], {"alice"})
    done = run_away(access, T("12:05"))
    assert reasons(done) == [("alice", Reason.EXPIRED)]
    assert held(access) == set()
    assert [type(body).__name__ for body in written(access)] == ["Intent", "Outcome"]
    assert run_away(access, T("12:06")).outcomes == []


def test_what_was_merged_is_not_given_and_what_is_missing_is_not_given_again(given: tuple[Access, GrantId]) -> None:
    access, _ = given
    access.grant(T("10:10"), T("10:15"), "--subject", "carol")
    (entitlement,) = store(access).observe()
    store(access).carry_out([Order(Action.REMOVE, entitlement, parse_instant(T("10:15")), None)])
    done = run_away(access, T("10:20"))
    assert (done.outcomes, held(access), done.survey.plan.changes) == ([], set(), ())


def test_a_file_that_main_no_longer_has_takes_nothing_until_a_receipt_says_so(given: tuple[Access, GrantId]) -> None:
    access, grant = given
    access.git("rm", "-q", f"grants/{grant}.yaml")
    access.commit("Take it from main")
    assert run_away(access, T("10:20")).outcomes == []
    write(access, Retirement(grant, proof(access, grant).blob, access.repo().tip), at=T("10:21"))
    assert reasons(run_away(access, T("10:22"))) == [("alice", Reason.GRANT_REMOVED)]
    assert held(access) == set()


def test_an_emergency_stop_on_record_is_carried_out(given: tuple[Access, GrantId]) -> None:
    access, grant = given
    write(
        access, Retirement(grant, proof(access, grant).blob, access.repo().tip, 4, "dave", revoked=True), at=T("10:21")
    )
    assert [change.action for change in run_away(access, T("10:22")).survey.plan.changes] == [Action.REMOVE]
    assert held(access) == set()


def test_an_end_on_record_is_carried_out_and_one_that_only_main_knows_is_not(given: tuple[Access, GrantId]) -> None:
    access, grant = given
    text = (access.top / DIRECTORY).read_text(encoding="utf-8")
    told = text.replace("alice: {name: Alice Ngo,", 'alice: {name: Alice Ngo, until: "2026-11-20T10:15:00Z",')
    assert told != text
    access.write(DIRECTORY, told)
    access.commit("Nobody here has read this")
    assert run_away(access, T("10:30")).outcomes == []
    at = parse_instant(T("10:15"))
    write(access, Ended(grant, proof(access, grant).blob, proof(access, grant).landing, at, "beyond-engagement", "gone"),
          at=T("10:31"))  # fmt: skip
    assert reasons(run_away(access, T("10:32"))) == [("alice", Reason.BOUND)]
    assert held(access) == set()


def test_a_narrowing_on_record_is_carried_out(given: tuple[Access, GrantId]) -> None:
    access, grant = given
    whole = proof(access, grant)
    from daypass.core.record import replace

    shorter = replace(whole, window=whole.window.until(parse_instant(T("10:30"))), narrowed_from=whole.blob)
    write(access, shorter, at=T("10:20"))
    assert run_away(access, T("10:29")).outcomes == []
    assert reasons(run_away(access, T("10:30"))) == [("alice", Reason.WINDOW_MOVED)]


def test_what_nobody_could_prove_has_not_ended(given: tuple[Access, GrantId]) -> None:
    access, grant = given
    found = proof(access, grant)
    write(access, Refusal(grant, found.blob, found.landing, "unproved", "it could not be proved yet"), at=T("10:20"))
    assert run_away(access, T("10:21")).outcomes == []
    assert reasons(run_away(access, T("12:05"))) == [("alice", Reason.EXPIRED)]  # its own receipt says until when


def test_what_is_not_ours_is_left_alone_though_its_resource_is_exclusive(given: tuple[Access, GrantId]) -> None:
    access, _ = given
    place = "policies/resources/orders-db.yaml"
    text = (access.top / place).read_text(encoding="utf-8")
    access.write(place, f"{text}exclusive: true\n")
    access.commit("Nobody else may have it")
    access.run("apply", "--at", T("10:10"))
    (entitlement,) = store(access).observe()
    stray = Entitlement("embedded", "orders-db", "mallory", entitlement.privilege)
    at = parse_instant(T("10:20"))
    store(access).carry_out([Order(Action.ADD, stray, at, parse_instant(T("20:00")))])
    assert run_away(access, T("10:30")).outcomes == []
    assert held(access) == {"alice", "mallory"}


def test_what_a_run_gave_and_did_not_tell_of_is_taken_and_nothing_is_said_to_be_given(access: Access) -> None:
    grant = GrantId(access.grant(T("10:00"), T("10:05")))
    access.run("apply", "--at", T("10:06"))
    change = _addition(access.repo().standing, grant)
    write(access, Intent((change,), "plan"), at=T("10:07"))
    done = run_away(access, T("12:05"))
    assert held(access) == set()
    assert all(
        change.action is Action.REMOVE
        for body in written(access)
        for change in (body.changes if isinstance(body, Intent) else (body.change,))  # type: ignore[union-attr]
    )
    assert done.exit_code is ExitCode.OK  # who runs it says that the remote is away


def _addition(standing: Standing, grant: GrantId) -> Intended:
    (held_,) = standing.holdings.values()
    assert held_.until is not None
    return Intended(Action.ADD, held_.entitlement, (grant,), Reason.WINDOW_MOVED, held_.until, held_.until)


def test_what_an_earlier_run_left_open_is_looked_up_and_told(given: tuple[Access, GrantId]) -> None:
    access, grant = given
    (entitlement,) = store(access).observe()
    gone = Intended(Action.REMOVE, entitlement, (grant,), Reason.EXPIRED, parse_instant(T("12:05")))
    write(access, Intent((gone,), "plan"), at=T("12:05"))
    store(access).carry_out([Order(Action.REMOVE, entitlement, parse_instant(T("12:05")), None)])
    done = run_away(access, T("12:06"))
    assert [(o.ok, o.recovered) for o in done.outcomes] == [(True, True)]
    assert not OutboxLedger(access.repo().ledger, access.top / ".git/daypass").load().holdings


def test_without_the_main_of_the_last_receipt_nobody_knows_the_targets(given: tuple[Access, GrantId]) -> None:
    access, grant = given
    found = proof(access, grant)
    repo = access.repo()
    repo.ledger.append(
        repo.standing, [Refusal(grant, found.blob, found.landing, "x", "y")], at=parse_instant(T("10:20")),
        main=Oid("e" * 40), run="elsewhere",
    )  # fmt: skip
    with pytest.raises(RefusedError, match=r"recorded eeeeeeeeeeee of main last, which this clone has not"):
        run_away(access, T("12:05"))
    with pytest.raises(RefusedError, match="recorded no commit of main last"):
        away(access.repo(), access.repo().targets, Standing(), at=parse_instant(T("12:05")))
