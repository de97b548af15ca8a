"""Targets that fail, lie or vanish: what is written down is true, the others go on, and the next run converges."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from faults_world import SECOND, FaultyWorld, on, two_targets

from daypass.core.errors import ConflictError, EdgeError, ExitCode
from daypass.core.ledger.receipt import Intent, Outcome
from daypass.core.plan import Action, Done, Order, Reason
from daypass.core.window import parse_instant
from daypass.pipeline.apply.survey import survey
from driver import Access
from fakes.target import FakeTarget


@pytest.fixture
def world(access: Access) -> FaultyWorld:
    """Two targets; alice is granted 10:05 to 12:05 on each."""
    made = two_targets(access)
    access.grant(on("10:00"), on("10:05"))
    access.grant(on("10:00"), on("10:05"), "--resource", "billing")
    return made


def fake(world: FaultyWorld, name: str = "other") -> FakeTarget:
    found = world.targets[name]
    assert isinstance(found, FakeTarget)
    return found


def errors(done: object) -> list[str]:
    return [outcome.error for outcome in done.outcomes if not outcome.ok]  # type: ignore[attr-defined]


def both_are_there(world: FaultyWorld) -> bool:
    return {e.target for e in world.held()} == {"embedded", "other"} and world.held() == world.ours()


@pytest.mark.on_disk
def test_a_write_that_failed_before_its_effect_is_recorded_as_failed_and_made_by_the_next_run(
    world: FaultyWorld,
) -> None:
    target = fake(world)
    target.dials.fail_before_write = True
    done = world.apply("10:06")
    assert done.exit_code is ExitCode.PARTIAL
    assert errors(done) == ["other refused to add"]
    assert {e.target for e in world.ours()} == {"embedded"}
    told = ("audit", "access", "--resource", "billing", "--at")
    assert "it failed: other refused to add" in world.access.run(*told, on("10:06")).out
    world.targets["other"] = EdgeError("no route to other")
    world.apply("10:06")
    world.targets["other"] = target
    fake(world).dials.fail_before_write = False
    done = world.apply("10:07")
    assert [(o.ok, o.recovered) for o in done.outcomes] == [(True, False)]  # on the intent that is open still
    assert done.exit_code is ExitCode.OK
    assert both_are_there(world)
    world.verify("10:08")


def receipts(world: FaultyWorld) -> int:
    return int(world.standing().next_sequence)


def test_an_addition_that_keeps_failing_is_tried_ever_more_seldom_and_says_nothing_twice(world: FaultyWorld) -> None:
    fake(world).dials.fail_before_write = True
    world.apply("10:06")
    before, calls = receipts(world), len(fake(world).calls)
    done = world.apply("10:06")
    assert done.exit_code is ExitCode.PARTIAL
    assert [one.error for one in done.survey.plan.failing] == ["other refused to add"]
    assert (receipts(world), len(fake(world).calls)) == (before, calls)
    for at, tried in (("10:07", 1), ("10:07", 1), ("10:08", 2), ("10:09", 2), ("10:10", 3), ("10:13", 3), ("10:14", 4)):
        assert world.apply(at).exit_code is ExitCode.PARTIAL
        assert receipts(world) == before + tried, at
    said = world.access.run("status", "--at", on("10:15"), expect=14).out
    assert "failing since 2026-11-20T10:06:00Z: other refused to add; tried again from 2026-11-20T10:22:00Z" in said
    assert world.survey("10:15").exit_code is ExitCode.PARTIAL
    assert world.survey("10:15").boundary == parse_instant(on("10:22"))
    world.verify("10:15")


def test_a_failing_addition_is_tried_at_once_when_asked_to_or_when_policies_move(world: FaultyWorld) -> None:
    fake(world).dials.fail_before_write = True
    world.apply("10:06")
    assert not world.survey("10:06").plan.changes
    assert survey(world.inputs("10:06", retry=True)).plan.changes
    world.access.write("policies/resources/billing.yaml", SECOND.replace("title: Billing", "title: The billing"))
    world.access.commit("another title")
    fake(world).dials.fail_before_write = False
    assert world.apply("10:06").exit_code is ExitCode.OK
    assert both_are_there(world)
    world.verify("10:07")


def test_an_addition_that_waits_and_is_wanted_no_more_is_forgotten(world: FaultyWorld) -> None:
    fake(world).dials.fail_before_write = True
    world.apply("10:06")
    world.apply("12:06")
    assert not world.standing().pending
    assert world.apply("12:07").exit_code is ExitCode.OK
    world.verify("12:08")


def test_a_removal_that_keeps_failing_is_tried_at_each_run_and_says_nothing_twice(world: FaultyWorld) -> None:
    world.apply("10:06")
    fake(world).dials.fail_before_write = True
    world.apply("12:06")
    before, calls = receipts(world), len(fake(world).calls)
    for at in ("12:06", "12:07", "12:30"):
        done = world.apply(at)
        assert done.exit_code is ExitCode.PARTIAL
        assert errors(done) == ["other refused to remove"]
    assert receipts(world) == before
    assert len(fake(world).calls) == calls + 3
    told = world.access.run("audit", "verify", "--at", on("12:31"), expect=13).out
    assert "1 difference" in told
    assert "held-past-window" in told
    fake(world).dials.fail_before_write = False
    assert world.apply("12:32").exit_code is ExitCode.OK
    assert world.held() == world.ours() == set()
    world.verify("12:33")


def test_a_write_that_failed_after_its_effect_counts_by_what_is_seen(world: FaultyWorld) -> None:
    fake(world).dials.fail_after_write = True
    done = world.apply("10:06")
    assert done.exit_code is ExitCode.OK
    assert both_are_there(world)
    done = world.apply("12:05")
    assert done.exit_code is ExitCode.OK
    assert world.held() == world.ours() == set()
    world.verify("12:06")


def test_a_write_that_did_nothing_and_claims_success_is_no_success(world: FaultyWorld) -> None:
    fake(world).dials.ignore_writes = True
    done = world.apply("10:06")
    assert done.exit_code is ExitCode.PARTIAL
    assert errors(done) == ["not there when read back"]
    world.verify("10:07")


def test_a_removal_that_claims_success_while_access_stays_is_tried_until_it_is_gone(world: FaultyWorld) -> None:
    world.apply("10:06")
    fake(world).dials.ignore_writes = True
    for at in ("12:05", "12:06", "12:07"):
        done = world.apply(at)
        assert done.exit_code is ExitCode.PARTIAL
        assert errors(done)[-1] == "still there when read back"
        assert {e.target for e in world.ours()} == {"other"}
    fake(world).dials.ignore_writes = False
    assert world.apply("12:08").exit_code is ExitCode.OK
    assert world.held() == world.ours() == set()
    world.verify("12:09")


def test_a_removal_read_back_from_a_stale_replica_is_not_recorded_as_done(world: FaultyWorld) -> None:
    world.apply("10:06")
    fake(world).freeze_reading()
    done = world.apply("12:05")
    assert errors(done) == ["still there when read back"]
    assert {e.target for e in world.ours()} == {"other"}
    fake(world).thaw_reading()
    assert world.apply("12:06").exit_code is ExitCode.OK
    assert world.ours() == set()
    world.verify("12:07")


def test_an_unreadable_target_is_never_planned_for_and_the_others_go_on(world: FaultyWorld) -> None:
    fake(world).dials.unreadable = True
    done = world.apply("10:06")
    assert done.exit_code is ExitCode.PARTIAL
    assert dict(done.survey.plan.unreadable) == {"other": "other cannot be reached"}
    assert {e.target for e in world.held()} == {"embedded"}
    assert fake(world).calls == []
    fake(world).dials.unreadable = False
    world.apply("10:07")
    fake(world).dials.unreadable = True
    done = world.apply("12:05")
    assert {e.target for e in world.held()} == {"other"}
    assert {e.target for e in world.ours()} == {"other"}
    assert ("remove", next(iter(world.ours()))) not in fake(world).calls
    fake(world).dials.unreadable = False
    assert world.apply("12:06").exit_code is ExitCode.OK
    assert world.held() == world.ours() == set()
    world.verify("12:07")


def test_a_target_that_cannot_be_read_after_the_write_leaves_the_outcome_open(world: FaultyWorld) -> None:
    target = fake(world)
    carry_out = target.carry_out

    def make_and_vanish(orders: Sequence[Order]) -> Sequence[Done]:
        done = carry_out(orders)
        target.dials.unreadable = True
        return done

    target.carry_out = make_and_vanish  # type: ignore[method-assign]
    done = world.apply("10:06")
    assert errors(done) == ["not read back: other cannot be reached"]
    assert [key[1].target for key in world.standing().pending] == ["other"]
    target.dials.unreadable = False
    target.carry_out = carry_out  # type: ignore[method-assign]
    done = world.apply("10:07")
    assert [(o.ok, o.recovered) for o in done.outcomes] == [(True, True)]
    assert both_are_there(world)
    world.verify("10:08")


def test_a_target_that_fails_for_ever_keeps_nothing_else_from_ending(world: FaultyWorld) -> None:
    world.apply("10:06")
    target = fake(world)
    target.dials.fail_before_write = True
    for at in ("12:05", "12:30", "13:00"):
        done = world.apply(at)
        assert done.exit_code is ExitCode.PARTIAL
        assert errors(done)[-1] == "other refused to remove"
    assert {e.target for e in world.held()} == {"other"}
    said = world.access.run("audit", "verify", "--at", on("13:01"), expect=13).out
    assert "alice still has" in said  # and that is all that is wrong
    assert "1 difference;" in said


def test_a_target_that_cannot_be_opened_stops_only_itself(world: FaultyWorld) -> None:
    world.apply("10:06")
    gone = world.targets["other"]
    world.targets["other"] = EdgeError("no route to other")
    done = world.apply("12:05")
    assert dict(done.survey.plan.unreadable) == {"other": "no route to other"}
    assert done.exit_code is ExitCode.PARTIAL
    assert {e.target for e in world.ours()} == {"other"}
    world.targets["other"] = gone
    assert world.apply("12:06").exit_code is ExitCode.OK
    assert world.held() == set()


def test_moving_the_end_is_no_success_where_the_target_did_not_take_it(world: FaultyWorld) -> None:
    world.apply("10:06")
    (mine,) = fake(world).held
    holding = world.standing().holdings[mine]
    access = world.access
    access.run("extend", holding.grants[0], "--for", "1h", "--at", on("10:10"), acting="alice")
    for who in ("bob", "dave"):
        access.run("approve", "3", "--at", on("10:11"), acting=who)
    access.run("gate", "3", "--at", on("10:12"))
    fake(world).dials.fail_before_write = True
    done = world.apply("10:13")
    assert errors(done) == ["other refused to add"]
    assert world.standing().holdings[mine].until == holding.until
    fake(world).dials.fail_before_write = False
    done = world.apply("10:14")
    assert done.exit_code is ExitCode.OK
    assert fake(world).held[mine] == world.standing().holdings[mine].until != holding.until
    world.verify("10:15")


def test_a_run_that_died_before_telling_the_new_end_tells_it_again(world: FaultyWorld) -> None:
    world.apply("10:06")
    (mine,) = fake(world).held
    holding = world.standing().holdings[mine]
    access = world.access
    path = f"grants/{holding.grants[0]}.yaml"
    access.write(path, (access.top / path).read_text().replace("duration: 2h", "duration: 1h"))
    access.commit("less", email="alice@example.com")
    found = world.survey("10:10")
    site = access.repo()
    bodies = [*found.admitted.bodies, Intent(found.plan.changes, found.plan.digest)]
    site.ledger.append(found.standing, bodies, at=found.plan.at, main=found.plan.main, run="dies")
    done = world.apply("10:11")
    assert [(o.ok, o.recovered, o.change.reason) for o in done.outcomes] == [
        (False, True, Reason.WINDOW_MOVED),
        (True, False, Reason.WINDOW_MOVED),
    ]
    assert fake(world).held[mine] == world.standing().holdings[mine].until
    world.verify("10:12")


def test_a_target_that_the_settings_no_longer_name_keeps_its_access_in_the_books(world: FaultyWorld) -> None:
    world.apply("10:06")
    access = world.access
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    access.write(path, "\n".join(line for line in text.splitlines() if "other.sqlite" not in line) + "\n")
    access.commit("forget the other target")
    for at in ("10:07", "12:05"):
        done = world.apply(at)
        assert done.survey.plan.unreadable["other"] == "the settings name no target 'other'"
        assert done.exit_code is ExitCode.PARTIAL
        assert "other" in {e.target for e in world.ours()}
    assert {e.target for e in world.held()} == {"other"}
    access.write(path, text)
    access.commit("and name it again")
    assert world.apply("12:06").exit_code is ExitCode.OK
    assert world.held() == set()
    world.verify("12:07")


def test_an_addition_that_a_dead_run_began_at_a_target_no_longer_named_is_not_forgotten(world: FaultyWorld) -> None:
    found = world.survey("10:06")
    site = world.access.repo()
    other = tuple(change for change in found.plan.changes if change.entitlement.target == "other")
    site.ledger.append(
        found.standing,
        [*found.admitted.bodies, Intent(other, found.plan.digest)],
        at=found.plan.at,
        main=found.plan.main,
        run="dies",
    )
    fake(world).held[other[0].entitlement] = other[0].until  # it had come so far
    access = world.access
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    access.write(path, "\n".join(line for line in text.splitlines() if "other.sqlite" not in line) + "\n")
    access.commit("forget the other target")
    done = world.apply("10:07")
    assert done.survey.plan.unreadable["other"] == "the settings name no target 'other'"
    assert len(world.standing().pending) == 1
    access.write(path, text)
    access.commit("and name it again")
    world.apply("12:06")
    assert world.held() == set()
    world.verify("12:07")


def test_a_resource_that_left_the_catalogue_loses_its_access(world: FaultyWorld) -> None:
    world.apply("10:06")
    (world.access.top / "policies/resources/billing.yaml").unlink()
    world.access.commit("no more billing")
    done = world.apply("10:07")
    assert [(o.ok, o.change.reason) for o in done.outcomes] == [(True, Reason.GRANT_INVALID)]
    assert {e.target for e in world.held()} == {"embedded"}
    world.verify("10:08")


def test_a_subject_who_left_does_not_touch_the_others(world: FaultyWorld) -> None:
    access = world.access
    access.grant(on("10:00"), on("10:05"), "--subject", "carol")
    world.apply("10:06")
    path = "policies/directory/people.yaml"
    text = (access.top / path).read_text()
    alice = next(line for line in text.splitlines() if line.startswith("  alice:"))
    access.write(path, text.replace(alice + "\n", "").replace("[alice]", "[bob]"))
    access.commit("alice left")
    done = world.apply("10:07")
    assert {o.change.entitlement.principal for o in done.outcomes} == {"alice"}
    assert {e.principal for e in world.held()} == {"carol"}


def test_no_target_is_touched_before_the_intents_are_in_the_ledger(world: FaultyWorld) -> None:
    class Refusing:
        """A ledger that somebody else always was first at."""

        def load(self) -> object:
            return world.standing()

        def append(self, *_: object, **__: object) -> object:
            raise ConflictError("another run was first")

    with pytest.raises(ConflictError, match=r"^another run was first$"):
        world.apply("10:06", ledger=Refusing())
    assert world.held() == set()


class Moving:
    """A ledger that somebody else moves on just before our outcomes are written, with a later clock and main."""

    def __init__(self, world: FaultyWorld, at: str) -> None:
        self.ledger = world.access.repo().ledger
        self.world, self.at, self.moved = world, at, False

    def load(self) -> object:
        return self.ledger.load()

    def append(self, standing: object, bodies: list[object], **more: object) -> object:
        if not self.moved and all(isinstance(body, Outcome) for body in bodies):
            self.moved = True
            self.world.access.grant(on("10:07"), on("10:08"), "--subject", "carol")
            site = self.world.access.repo()
            found = self.world.survey(self.at)
            admitted = found.admitted.bodies
            site.ledger.append(site.ledger.load(), admitted, at=found.plan.at, main=found.plan.main, run="first")
        return self.ledger.append(standing, bodies, **more)  # type: ignore[arg-type]


def test_outcomes_are_written_after_another_run_that_was_first_with_a_later_clock_and_main(world: FaultyWorld) -> None:
    done = world.apply("10:06", ledger=Moving(world, "10:09"))
    assert done.exit_code is ExitCode.OK
    assert world.standing().pending == {}
    assert both_are_there(world)
    tip = world.access.git("rev-parse", "main")
    assert world.standing().main == tip
    assert world.apply("10:10").exit_code is ExitCode.OK
    assert {e.principal for e in world.held()} == {"alice", "carol"}
    world.verify("10:11")


def test_removals_stand_before_additions_at_every_target(world: FaultyWorld) -> None:
    world.apply("10:06")
    access = world.access
    access.grant(on("12:00"), on("12:04"), "--subject", "carol")
    done = world.apply("12:05")
    assert [o.change.action for o in done.outcomes] == [Action.REMOVE, Action.REMOVE, Action.ADD]


@pytest.mark.on_disk
def test_an_urgent_removal_does_not_wait_behind_a_mass_of_additions(access: Access) -> None:
    path = "policies/daypass.yaml"
    access.write(path, (access.top / path).read_text().replace("additions: 100", "additions: 1"))
    access.commit("a tight brake")
    grant = access.grant(on("10:00"), on("10:05"))
    access.run("apply", "--at", on("10:06"))
    for who in ("bob", "carol"):
        number = access.ask(on("10:07"), "--subject", who)
        for reviewer in ("bob", "carol", "dave"):
            access.run("approve", number, "--at", on("10:08"), acting=reviewer, expect=None)  # who receives it may not
        access.run("gate", number, "--at", on("10:09"))
    said = access.run("end", grant, "--at", on("10:10"), acting="alice", expect=14)
    assert "ok   - alice" in said.out
    assert "HELD + bob" in said.out
    access.run("can", "alice", "orders-db", "readonly", expect=20)
    digest = said.err.rpartition("--confirm ")[2].strip()
    access.run("apply", "--at", on("10:30"), "--confirm", digest)
    access.run("can", "carol", "orders-db", "readonly")
    access.run("audit", "verify", "--at", on("10:31"))


@pytest.mark.on_disk
def test_a_mass_removal_that_was_confirmed_passes_in_a_later_run(access: Access) -> None:
    path = "policies/daypass.yaml"
    access.write(path, (access.top / path).read_text().replace("removals: 25%", "removals: 0"))
    access.commit("a tight brake")
    grant = access.grant(on("10:00"), on("10:05"))
    access.run("apply", "--at", on("10:06"))
    said = access.run("end", grant, "--at", on("10:10"), acting="alice", expect=14)
    assert "HELD - alice" in said.out
    digest = said.err.rpartition("--confirm ")[2].strip()
    access.run("apply", "--at", on("10:30"), "--confirm", digest)
    access.run("can", "alice", "orders-db", "readonly", expect=20)
