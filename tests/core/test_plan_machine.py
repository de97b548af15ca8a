"""Random lives of grants, runs and targets against the plain truth of who should have access."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from msgspec.structs import replace

from daypass.core.ids import GrantId
from daypass.core.plan import Action, Claim, Entitlement, Holding, Intended, Observed, Reason
from daypass.core.planning.compute import compute
from daypass.core.window import Window
from examples import examples

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
WHAT = [Entitlement(t, "db", who, "{}") for t in ("one", "two") for who in ("alice", "bob")]


class Lives(RuleBasedStateMachine):
    """Grants come, are narrowed and go; time passes; targets vanish and lose things; runs die halfway."""

    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.at = T0
        self.claims: dict[GrantId, Claim] = {}
        self.books: dict[Entitlement, Holding] = {}
        self.pending: dict[tuple[Action, Entitlement], Intended] = {}
        self.target: set[Entitlement] = set()
        self.foreign: set[Entitlement] = set()
        self.dark: set[str] = set()
        self.count = 0
        self.settled = False

    @rule(target=grants, what=st.sampled_from(WHAT), start=st.integers(-3, 3), length=st.integers(1, 6))
    def grant(self, what: Entitlement, start: int, length: int) -> GrantId:
        self.count += 1
        name = GrantId(f"db/{self.count}")
        begin = self.at + timedelta(hours=start)
        self.claims[name] = Claim(name, what, Window(begin, begin + timedelta(hours=length)))
        self.settled = False
        return name

    @rule(name=grants, minutes=st.integers(1, 300))
    def narrow(self, name: GrantId, minutes: int) -> None:
        claim = self.claims.get(name)
        cut = claim.window.until(claim.window.end - timedelta(minutes=minutes)) if claim is not None else None
        if claim is not None and cut is not None:
            self.claims[name] = replace(claim, window=cut)
            self.settled = False

    @rule(name=consumes(grants))
    def remove(self, name: GrantId) -> None:
        self.claims.pop(name, None)
        self.settled = False

    @rule(name=grants, why=st.sampled_from([None, Reason.MEANING_MOVED]))
    def block(self, name: GrantId, why: Reason | None) -> None:
        if name in self.claims:
            self.claims[name] = replace(self.claims[name], blocked=why)
            self.settled = False

    @rule(hours=st.integers(1, 5))
    def pass_time(self, hours: int) -> None:
        before = self.live()
        begun = {c.entitlement for c in self.claims.values() if c.window.start > self.at}
        self.at += timedelta(hours=hours)
        assert self.live() <= before | begun  # only what was announced can come
        self.settled = False

    @rule(what=st.sampled_from(WHAT))
    def somebody_else_gives(self, what: Entitlement) -> None:
        if what not in self.target:
            self.target.add(what)
            if what not in self.books:  # what we gave and somebody took away is ours again, whoever gives it back
                self.foreign.add(what)
            self.settled = False

    @rule(what=st.sampled_from(WHAT))
    def somebody_else_takes(self, what: Entitlement) -> None:
        self.target.discard(what)
        self.foreign.discard(what)
        self.settled = False

    @rule(name=st.sampled_from(["one", "two"]))
    def go_dark(self, name: str) -> None:
        self.dark.symmetric_difference_update({name})
        self.settled = False

    @rule(dies_after=st.one_of(st.none(), st.integers(0, 4)))
    def run(self, dies_after: int | None) -> None:
        """Recover, plan, write intents, change, write outcomes: as the applier does, perhaps dying on the way."""
        observed = Observed(
            frozenset(e for e in self.target if e.target not in self.dark), dict.fromkeys(self.dark, "dark")
        )
        for opened, change in list(self.pending.items()):
            if change.entitlement.target in self.dark:
                continue
            there = change.entitlement in observed.entitlements
            del self.pending[opened]
            if there is (change.action is Action.ADD):
                self._settle(change)
        found = compute(self.claims.values(), self.books, observed, at=self.at, main="m")
        assert all(change.entitlement.target not in self.dark for change in found.changes)
        assert not {c.entitlement for c in found.changes if c.action is Action.REMOVE} & (
            self.foreign - set(self.books)
        )
        self.pending.update({(change.action, change.entitlement): change for change in found.changes})
        for place, change in enumerate(found.changes):
            if dies_after is not None and place == dies_after:
                return
            if change.action is Action.REMOVE:
                self.target.discard(change.entitlement)
                self.foreign.discard(change.entitlement)
            else:
                self.target.add(change.entitlement)
        for change in found.changes:
            del self.pending[change.action, change.entitlement]
            self._settle(change)
        self.settled = not self.dark

    def _settle(self, change: Intended) -> None:
        if change.action is Action.ADD:
            self.books[change.entitlement] = Holding(change.entitlement, change.grants, change.until)
            self.foreign.discard(change.entitlement)  # from here on it is ours, whoever was first
        else:
            self.books.pop(change.entitlement, None)

    def live(self) -> set[Entitlement]:
        """The plain truth."""
        return {c.entitlement for c in self.claims.values() if c.blocked is None and c.window.holds(self.at)}

    @invariant()
    def a_finished_run_leaves_the_union_of_live_grants_and_nothing_else_of_ours(self) -> None:
        if self.settled:
            assert self.target - self.foreign == self.live() - self.foreign
            assert set(self.books) == self.target - self.foreign
            assert not self.pending

    @invariant()
    def whatever_is_there_is_ours_in_the_books_or_begun_or_somebody_elses(self) -> None:
        begun = {change.entitlement for change in self.pending.values()}
        assert self.target <= self.foreign | set(self.books) | begun

    @invariant()
    def a_settled_target_is_told_the_last_end(self) -> None:
        if self.settled:
            for what, holding in self.books.items():
                giving = [c for c in self.claims.values() if c.entitlement == what and c.blocked is None]
                assert holding.until == max(c.window.end for c in giving if c.window.holds(self.at))


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=examples(120), stateful_step_count=30, deadline=None)
