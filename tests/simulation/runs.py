"""The runs of a life, each held to the invariants that must hold after it."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from daypass.cli.main import Invocation
from daypass.core.ids import Oid
from daypass.core.plan import Entitlement
from daypass.core.window import parse_instant
from fakes.target import Died
from simulation.accounts import Accounts
from simulation.audits import Noted, Told, check_answers
from simulation.checks import (
    check_access,
    check_by_hand,
    check_decisions,
    check_ended,
    check_ledger,
    check_read_back,
    check_standing,
)
from simulation.faults import Armed, Crossing, Kind, Seen
from simulation.files import directory_file, resource_file
from simulation.memory import MemoryPlace
from simulation.oracle import Oracle
from simulation.place import Place, there
from simulation.remembered import Access
from simulation.story import TARGETS, Step, Wish, instant, minute
from simulation.targets import named
from simulation.unkept import keep

PARTIAL = 14
ENDED_WELL = (0, PARTIAL)
WITHOUT = "apply without the forge"
CUT_OFF = "apply without the remote"
ELSEWHERE = "apply on the other machine"


class Runs:
    """Runs verbs one after the other; what people do between them is in `life`."""

    def __init__(self, place: Place, seen: Seen) -> None:
        self._place = place
        self._place.faults.seen = seen
        self._oracle = Oracle()
        self._numbers: dict[str, int] = {}
        self._merged: set[int] = set()
        self._by_hand = {name: set[Entitlement]() for name in self._place.targets}
        self._backups = {name: list[object]() for name in self._place.targets}
        self._brought_back = {name: set[Access]() for name in self._place.targets}
        self._accounts = Accounts(self._place.members)
        self._approved: dict[str, tuple[bytes, Wish | None]] = {}
        self._befell: frozenset[tuple[str, str]] = frozenset()
        self._told: Told = {}
        self._stale = False
        self._said = ""
        oracle = self._oracle
        files = [directory_file(oracle.groups, {}), *(resource_file(name, None) for name in TARGETS)]
        self._place.write_main(files, 0)

    def _runs(self, step: Step) -> int | None:
        place, before, accounts = self._place, there(self._place), self._accounts.held()
        at, latest, doubted = self._instants(step)
        place.forge_away = step.does == WITHOUT
        code = self._run("expire" if step.does == "expire" else "apply", step)
        place.forge_away = False
        if step.off > 0 and not place.compared:  # nobody else says what time it is: what nobody can see is over
            place.certificates.outlive(parse_instant(instant(at)))
        whole = code is not None and not self._befell and not doubted and step.does != WITHOUT
        if self._befell:
            self._oracle.doubts()
        self._oracle.ran(at, whole=whole)
        check_by_hand(place, self._by_hand)
        given = there(place) - before
        allowed = self._oracle.allowed(at, latest, stale=self._stale)
        if step.off < 0:  # what is granted by the time that it is may be there
            allowed |= self._oracle.allowed(step.at, step.at)
        by_hand = {named(one) for ones in self._by_hand.values() for one in ones}
        keep(given <= allowed | by_hand, "2", f"the run gave {sorted(given - allowed)}, and nobody granted it")
        wrongly = {one for one in given - by_hand if TARGETS[one[0]] in doubted}
        keep(not wrongly, "7", f"the run gave {sorted(wrongly)} while clocks did not agree")
        self._accounts.check(accounts)
        self._check_code(code)
        if code not in ENDED_WELL:
            return code
        waits = place.waiting() if whole and step.does != ELSEWHERE else 0
        keep(not waits, "5", f"{waits} receipts of the outbox were not recorded by a run that reached the remote")
        touched = {name for port, name in self._befell if port == "target"}
        if step.off:  # what ended there by itself is no matter of a run's wrong clock
            touched |= {name for name, target in place.targets.items() if target.ends_by_itself}
        every = whole and step.does in ("apply", ELSEWHERE)
        check_access(
            place, self._oracle, self._by_hand, touched, at, allowed, self._accounts, every=every, doubted=doubted
        )
        if every and place.members.works:
            recorded = {named(one) for one in (*place.standing.holdings, *place.standing.unfinished)}
            self._accounts.check_told(code, self._oracle.required(at), recorded)
        self._accounts.note(place.standing, self._oracle, working="three" not in touched and place.members.works)
        check_read_back(place, self._by_hand, self._brought_back, touched, self._accounts)
        self._note_told(step, touched | doubted, self._oracle.required(at) if every else set(), allowed)
        for name, target in place.targets.items():
            self._backups[name].append(target.kept())
            if target.works and not self._befell:
                self._brought_back[name].clear()
        return code

    def _runs_cut_off(self, step: Step) -> None:
        """Let a run reach nothing but targets: what is over by what this machine verified ends, and nothing is given."""
        place, before = self._place, there(self._place)
        if not isinstance(place, MemoryPlace):  # there is no remote to be away
            self._runs(step._replace(does="apply"))
            return
        at, _, doubted = self._instants(step)
        over = place.over(at)
        place.remote_away = True
        code = self._run("apply", step)
        place.remote_away = False
        check_by_hand(place, self._by_hand)
        given = there(place) - before
        keep(not given, "2", f"a run without the remote gave {sorted(given)}")
        self._check_code(code)
        if not self._befell:
            keep(code == PARTIAL, "7", f"a run without the remote ended with exit {code}: {self._said}")
            check_ended(place, over, doubted, self._brought_back, self._accounts)

    def _note_told(self, step: Step, apart: Collection[str], required: set[Access], allowed: set[Access]) -> None:
        """Remember what is at the targets that work, but for some, for what the audit says of this minute later."""
        last = self._last()
        # A clock that is behind dates what it does to the receipt before: later minutes are told otherwise from then on.
        self._told = {
            minute: what for minute, what in self._told.items() if minute < last or (minute > last and not step.off)
        }
        if last > step.at or step.off:
            return
        for name, target in self._place.targets.items():
            if name not in apart and target.works:
                held = {target.access(one) for one in target.held.keys() - self._by_hand[name]}
                if name == "three" and held != {named(e) for e in self._place.standing.holdings if e.target == name}:
                    continue  # of what other accounts bear the names of now no receipt can say more
                here = {one for one in required if TARGETS[one[0]] == name and one in held}
                self._told.setdefault(step.at, {})[name] = Noted(held, here, allowed)

    def _instants(self, step: Step) -> tuple[int, int, set[str]]:
        """Return by when a run takes away and by when it gives, and at which targets it may not give, as clocks disagree."""
        place, last = self._place, self._last()
        at = step.at + step.off
        behind = last - at
        at = last if 0 < behind <= 1 else at
        if not place.compared:
            return at, max(at, last), set(place.targets) if behind > 1 else set()
        offs = {name: target.off - step.off for name, target in place.targets.items()}
        doubted = {name for name, off in offs.items() if abs(off) > 1 or abs(step.off) > 1}
        at -= max(0, step.off)
        return at + min(0, *offs.values()), max(at, last), doubted

    def _last(self) -> int:
        """Return the minute of the last receipt."""
        at = self._place.standing.at
        assert at is not None
        return minute(at)

    def _check_code(self, code: int | None) -> None:
        """Hold how a run ended to what it met: what failed is never told as if all were well (invariant 7)."""
        if not self._befell:
            keep(code in ENDED_WELL, "7", f"the run ended with exit {code}: {self._said}")
        keep(code in (*ENDED_WELL, None, 1), "7", f"the run ended with exit {code}: {self._said}")

    def _runs_twice(self, step: Step) -> None:
        """Let what starts a run be delivered twice: where the first ended well, the second changes nothing."""
        step = step._replace(does="apply")
        if self._runs(step) != 0:
            return
        before = [len(target.calls) for target in self._place.targets.values()]
        self._runs(step)
        after = [len(target.calls) for target in self._place.targets.values()]
        keep(
            before == after, "9", f"a run after one that ended well asked the targets for {after} changes, not {before}"
        )

    def _run(self, verb: str, step: Step, *arguments: str, acting: str = "") -> int | None:
        """Run a verb; return its exit code, None where it died."""
        place, faults = self._place, self._place.faults
        call = tuple(step.call.split(".")) if step.call else None
        faults.begin(Armed(Kind[step.fault], step.after, call) if step.fault else None)
        faults.meanwhile = lambda kind: self._meet(kind, step)
        place.off = step.off
        if verb == "apply":
            arguments = (*arguments, "--retry")
        kept = Invocation.repo, sys.stdout, sys.stderr
        try:
            access = place.elsewhere if step.does == ELSEWHERE and place.elsewhere else place.access
            said = access.run(verb, *arguments, *self._at(step), acting=acting, expect=None)
            self._said = f"{said.out}{said.err}"
        except Died:
            said = None
        finally:
            self._befell = frozenset(faults.befell)
            self._stale = Kind[step.fault] is Kind.STALE if self._befell else False
            faults.end()
            place.off = 0
            if faults.crossing is not None:
                crossing, faults.crossing = faults.crossing, None
                with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                    crossing.finish()
                Invocation.repo, sys.stdout, sys.stderr = kept  # type: ignore[method-assign]
        return said.code if said is not None else None

    def _at(self, step: Step) -> tuple[str, ...]:
        """Return what a run is told of the time, where it does not read a clock."""
        return () if self._place.compared else ("--at", instant(step.at + step.off))

    def _meet(self, kind: Kind, step: Step) -> None:
        """Let a run from another machine come between, and end before this one goes on, or after it."""

        def run() -> None:
            if self._place.elsewhere is not None:
                self._place.elsewhere.run("apply", "--retry", *self._at(step), expect=None)

        if kind is Kind.OVERTAKEN:
            run()
            return
        self._place.faults.crossing = crossing = Crossing(run, step.at % 23 + 1)
        crossing.begin()

    def _runs_on_older_main(self, step: Step) -> None:
        """Let a run see main as it stood before what the ledger has recorded: nothing may be given by it."""
        place = self._place
        recorded, tip = place.standing.main, place.tip
        older = place.parent(tip)
        if not recorded or place.contains(older, Oid(recorded)):
            return
        before = there(place)
        place.move_main(tip, older)
        code = self._run("apply", step)
        place.move_main(older, tip)
        keep(code not in ENDED_WELL, "13", f"a run on an older main ended with exit {code}")
        given = there(place) - before
        keep(not given, "13", f"a run on an older main gave {sorted(given)}")

    def end(self, at: int) -> None:
        """Let every target work again and a last run end well; hold the whole life to what must hold then. Raises Unkept."""
        for target in self._place.targets.values():
            target.calm()
            target.off = 0
        at = max(at, self._last())
        self._place.pass_time(at)
        self._runs(Step(at, "apply"))
        self._runs(Step(at, "expire"))
        if self._oracle.agreed is not None:
            self._renames_roles(at)
        ledger = self._place.access.repo().ledger
        receipts = tuple(ledger.receipts.proved(ledger.verifier.open).receipts)
        check_decisions(self._place, self._oracle, self._numbers, at, receipts)
        check_ledger(self._place, at, self._accounts, receipts)
        check_standing(self._place, receipts)
        check_answers(self._place, self._told, self._oracle, self._numbers, at, receipts)

    def _renames_roles(self, at: int) -> None:
        """Call every role otherwise, and hold that it changes nothing of what anybody has."""
        place, before = self._place, there(self._place)
        asked = [len(target.calls) for target in place.targets.values()]
        files = [resource_file(name, self._oracle.kept.get(name), renamed=True) for name in TARGETS]
        place.write_main(files, at)
        self._runs(Step(at, "apply"))
        keep(there(place) == before, "10", f"roles were renamed, and {sorted(there(place) ^ before)} changed")
        again = [len(target.calls) for target in place.targets.values()]
        keep(asked == again, "9", f"roles were renamed, and targets were asked for {again} changes, not {asked}")
