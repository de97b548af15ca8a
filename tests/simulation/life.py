"""One life: plays a story on an access repository and holds it to the invariants after each run.

``Fault`` says which invariant did not hold, by its number in the design, and at which step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from copies import room
from daypass.core.errors import DaypassError
from daypass.core.ids import Oid
from daypass.core.plan import Entitlement
from daypass.core.window import parse_instant
from daypass.edges import store
from daypass.pipeline.apply import executor, readings
from fakes.target import Dials, Died
from in_memory.access import MAIN
from in_memory.ledger import Machine
from simulation.checks import Unkept, check_access, check_by_hand, check_ledger, check_read_back, keep
from simulation.oracle import Oracle
from simulation.place import (
    by_hand,
    calm,
    directory_file,
    found,
    grant_file,
    named,
    resource_file,
    rules_file,
    there,
)
from simulation.story import Step, Wish, instant

ENDED_WELL = (0, 14)
MEETS = "apply meets another run at call"
WITHOUT = "apply without the forge"
WHOLE = ("apply", "apply dies at call", "apply dies after call")
"""After these, where they ended, all that was granted is there; others leave to the next run what failed before."""
BY_BUTTON = "Merge\n\nDaypass-Pull: {}\n\nwith the forge's own button\n"
"""A message whose last paragraph, where the gate's trailers would stand, has none."""
REVIEWS = {"approves": "approved", "rejects": "rejected", "withdraws": "withdrawn"}


@dataclass(frozen=True)
class Fault:
    """An invariant that did not hold; ``step`` counts the story's steps from one."""

    invariant: str
    step: int
    what: str

    def __str__(self) -> str:
        return f"invariant {self.invariant} does not hold after step {self.step}: {self.what}"


class Life:
    """Lives one step after the other."""

    def __init__(self, top: Path) -> None:
        self._place = found(top)
        self._oracle = Oracle()
        self._numbers: dict[str, int] = {}
        self._merged: set[int] = set()
        self._by_hand = {name: set[Entitlement]() for name in self._place.targets}
        self._backups = {name: list[dict[Entitlement, datetime | None]]() for name in self._place.targets}
        self._brought_back = {name: set[Entitlement]() for name in self._place.targets}
        self._approved: dict[str, tuple[bytes, Wish | None]] = {}
        oracle = self._oracle
        files = [directory_file(oracle.groups, {}), resource_file("orders", None), resource_file("wiki", None)]
        self._place.write_main(files, 0)

    def live(self, step: Step) -> None:
        """Do what a step says. Raises Unkept."""
        doing: dict[str, Callable[[Step], None]] = {
            "opens": self._opens,
            "pushes": self._pushes,
            "gates": self._gates,
            "gate dies at call": self._gates,
            "merges around the gate": self._merges_around,
            "writes to main": self._writes,
            "deletes on main": self._writes,
            "is engaged until": self._engages,
            "is kept until": self._keeps,
            "joins": self._joins,
            "leaves": self._joins,
            "is given by hand": self._gives,
            "is taken away by hand": self._takes,
            "apply": self._runs,
            "expire": self._runs,
            "apply dies at call": self._runs,
            "apply dies after call": self._runs,
            MEETS: self._runs,
            WITHOUT: self._runs,
            "apply sees an older main": self._runs_on_older_main,
            "is restored from a backup": self._restores,
            "changes the rules": self._changes_rules,
            "puts back on main": self._puts_back,
            **dict.fromkeys(REVIEWS, self._reviews),
        }
        doing.get(step.does, self._dials)(step)

    def verdicts(self, state: Path) -> Machine:
        """Return what the machine remembers whose state lies in a folder."""
        return self._place.machines.setdefault(state, Machine())

    # Requests

    def _opens(self, step: Step) -> None:
        path, text = grant_file(step.grant, step.wish) if step.wish else (f"grants/{step.grant}.yaml", None)
        forge, branch, at = self._place.forge(step.who), step.name, parse_instant(instant(step.at))
        try:
            head = forge.commit(branch=branch, parent=self._place.tip, files=[(path, text)], message="ask", at=at)
            pull = forge.open(branch=branch, head=head, title=branch, at=at)
        except DaypassError:  # there is nothing to delete
            return
        self._numbers[step.name] = pull.number
        self._oracle.opened(step.name, step.grant, step.wish, step.who, step.at)

    def _pushes(self, step: Step) -> None:
        request = self._oracle.requests.get(step.name)
        if request is None or request.wish is None or self._number(step) is None:
            return
        assert step.number is not None
        wish = request.wish._replace(length=step.number)
        forge, at = self._place.forge(step.who), parse_instant(instant(step.at))
        head = forge.pull(self._numbers[step.name]).head
        file = grant_file(request.grant, wish)
        made = forge.commit(branch=step.name, parent=head, files=[file], message="more", at=at)
        forge.push(self._numbers[step.name], head=made, at=at)
        self._oracle.pushed(step.name, step.who, wish, step.at)

    def _reviews(self, step: Step) -> None:
        number = self._number(step)
        if number is None:
            return
        forge, state = self._place.forge(step.who), REVIEWS[step.does]
        try:
            forge.review(number, commit=forge.pull(number).head, state=state, at=parse_instant(instant(step.at)))
        except DaypassError:  # there is nothing to withdraw
            return
        self._oracle.reviewed(step.name, step.who, state)

    def _number(self, step: Step) -> int | None:
        """Return a request's number while it is open."""
        number = self._numbers.get(step.name)
        return number if number is not None and self._place.forge().pull(number).state == "open" else None

    # Merges

    def _gates(self, step: Step) -> None:
        before = self._place.tip
        self._run("gate", step)
        self._notice_merges(before, step.at, by_gate=True)

    def _merges_around(self, step: Step) -> None:
        number, before = self._number(step), self._place.tip
        if number is None:
            return
        forge = self._place.forge(step.who)
        head, at = forge.pull(number).head, parse_instant(instant(step.at))
        try:
            forge.merge(number, head=head, base=before, message=BY_BUTTON.format(number), at=at)
        except DaypassError:  # it does not apply to main
            return
        self._notice_merges(before, step.at, by_gate=False)

    def _notice_merges(self, before: Oid, at: int, *, by_gate: bool) -> None:
        names = {number: name for name, number in self._numbers.items()}
        forge = self._place.forge()
        for number in sorted(self._place.world.pulls.keys() - self._merged):
            pull = forge.pull(number)
            if pull.merge is None:
                continue
            self._merged.add(number)
            was, now = self._place.tree(pull.merge.base), self._place.tree(pull.merge.commit)
            changed = [path for path in was.keys() | now.keys() if was.get(path) != now.get(path)]
            for path in sorted(changed):
                if number in names:
                    wrong = self._oracle.merged(names[number], at, by_gate=by_gate)
                else:
                    grant = path.removeprefix("grants/").removesuffix(".yaml")
                    wrong = self._oracle.tidied(grant, at)
                keep(not wrong, "2", wrong)
                if path in now and number in names:
                    text = self._place.world.objects.contents[now[path][1]]
                    self._approved[path] = text, self._oracle.requests[names[number]].wish

    def _writes(self, step: Step) -> None:
        path = f"grants/{step.grant}.yaml"
        if step.wish is None and path not in self._place.tree():
            return
        text = grant_file(step.grant, step.wish)[1] if step.wish else None
        self._place.write_main([(path, text)], step.at)
        self._oracle.written(step.grant, step.wish)

    def _puts_back(self, step: Step) -> None:
        """Write to main, past every request, what a request brought there once."""
        path = f"grants/{step.grant}.yaml"
        leaf, (text, wish) = self._place.tree().get(path), self._approved.get(path, (b"", None))
        if text and (leaf is None or self._place.world.objects.contents[leaf[1]] != text):
            self._place.write_main([(path, text)], step.at)
            self._oracle.written(step.grant, wish)

    # Policies

    def _changes_rules(self, step: Step) -> None:
        """Let the wiki need security as well, or no longer."""
        self._oracle.needs["wiki"] = ("owners", "security") if step.number else ("owners",)
        self._place.write_main([rules_file(wiki_too=bool(step.number))], step.at)

    def _engages(self, step: Step) -> None:
        _set(self._oracle.engaged, step.who, step.number)
        self._write_directory(step)

    def _joins(self, step: Step) -> None:
        members = self._oracle.groups[step.name]
        if step.does == "joins":
            members.add(step.who)
        elif len(members) > 1:
            members.discard(step.who)
        self._write_directory(step)

    def _write_directory(self, step: Step) -> None:
        self._place.write_main([directory_file(self._oracle.groups, self._oracle.engaged)], step.at)

    def _keeps(self, step: Step) -> None:
        _set(self._oracle.kept, step.name, step.number)
        self._place.write_main([resource_file(step.name, step.number)], step.at)

    # Targets

    def _gives(self, step: Step) -> None:
        assert step.number is not None
        one = by_hand(step.name, step.number)
        self._place.targets[step.name].give_unmanaged([one])
        self._by_hand[step.name].add(one)

    def _takes(self, step: Step) -> None:
        held = sorted(self._place.targets[step.name].held.keys() - self._by_hand[step.name])
        if held:
            assert step.number is not None
            del self._place.targets[step.name].held[held[step.number % len(held)]]

    def _dials(self, step: Step) -> None:
        target = self._place.targets[step.name]
        calm(target)
        target.dials.unreadable = step.does == "cannot be read"
        target.dials.fail_before_write = step.does == "refuses"
        target.dials.fail_after_write = step.does == "fails afterwards"
        target.dials.ignore_writes = step.does == "ignores"

    def _restores(self, step: Step) -> None:
        """Bring a target back to what it had after an earlier run; who was given access by hand since then keeps it."""
        backups, target = self._backups[step.name], self._place.targets[step.name]
        if backups:
            assert step.number is not None
            kept = dict.fromkeys(self._by_hand[step.name])
            old = backups[step.number % len(backups)]
            self._brought_back[step.name] |= old.keys() - target.held.keys()
            target.held = {**old, **kept}

    # Runs

    def _runs(self, step: Step) -> None:
        before = there(self._place)
        self._place.forge_away = step.does == WITHOUT
        code = self._run("expire" if step.does == "expire" else "apply", step)
        self._place.forge_away = False
        self._oracle.ran(step.at, whole=code is not None and step.does != WITHOUT)
        check_by_hand(self._place, self._by_hand)
        given = there(self._place) - before
        allowed = self._oracle.allowed(step.at) | {named(one) for ones in self._by_hand.values() for one in ones}
        keep(given <= allowed, "2", f"the run gave {sorted(given - allowed)}, and nobody granted it")
        if code is None:
            return
        keep(code in ENDED_WELL, "7", f"the run ended with exit {code}: {self._said}")
        check_access(self._place, self._oracle, self._by_hand, step.at, whole=step.does in WHOLE)
        check_read_back(self._place, self._by_hand, self._brought_back)
        for name, target in self._place.targets.items():
            self._backups[name].append(dict(target.held))
            if target.dials == Dials():
                self._brought_back[name].clear()

    def _run(self, verb: str, step: Step) -> int | None:
        """Run a verb; return its exit code, None where it died."""
        fuse, more = self._place.fuse, ["--retry"] if verb == "apply" else []
        fuse.left = step.number if "at call" in step.does or "after call" in step.does else None
        fuse.after = "after call" in step.does
        fuse.meanwhile = (lambda: self._run_elsewhere(step)) if step.does == MEETS else None
        try:
            said = self._place.access.run(verb, *more, "--at", instant(step.at), expect=None)
        except Died:
            return None
        finally:
            fuse.left = None
        self._said = f"{said.out}{said.err}"
        return said.code

    def _run_elsewhere(self, step: Step) -> None:
        self._place.elsewhere.run("apply", "--retry", "--at", instant(step.at), expect=None)

    def _runs_on_older_main(self, step: Step) -> None:
        """Let a run see main as it stood before what the ledger has recorded: nothing may be given by it."""
        place = self._place
        recorded, tip = place.access.repo().standing.main, place.tip
        parents = place.world.objects.stored(tip).commit.parents
        if not recorded or recorded in place.world.objects.ancestors(parents[0]):
            return
        before = there(place)
        place.world.objects.move({MAIN: (tip, parents[0])})
        code = self._run("apply", step)
        place.world.objects.move({MAIN: (parents[0], tip)})
        keep(code not in ENDED_WELL, "13", f"a run on an older main ended with exit {code}")
        given = there(place) - before
        keep(not given, "13", f"a run on an older main gave {sorted(given)}")

    def end(self, at: int) -> None:
        """Let every target work again and a last run end well; hold the whole life to what must hold then. Raises Unkept."""
        for target in self._place.targets.values():
            calm(target)
        self._runs(Step(at, "apply"))
        check_ledger(self._place, at)


def _set(bounds: dict[str, int], name: str, until: int | None) -> None:
    bounds.pop(name, None)
    if until is not None:
        bounds[name] = until


class AtOnce:
    """Stands in for a thread: what it is to do is done when it is started."""

    def __init__(self, *, target: Callable[..., None], args: tuple[object, ...], **_: object) -> None:
        self._target = target
        self._args = args

    def start(self) -> None:
        self._target(*self._args)


class Pool:
    """Stands in for threads that work side by side: each piece of work is done at once."""

    def __init__(self, _: int) -> None:
        return

    def submit(self, work: Callable[..., object], *arguments: object) -> Future[object]:
        """Do it, and keep its answer; who dies has died."""
        done = Future[object]()
        try:
            done.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001  (raised again for whoever asks for the answer)
            done.set_exception(error)
        return done

    def shutdown(self, *, wait: bool) -> None:
        """Do nothing: all was done."""


def play(story: Sequence[Step]) -> Fault | None:
    """Play a story; return what did not hold, None where all did.

    Targets are served one after the other, so that a run dies at the same call whenever the story is played.
    """
    place = len(story)
    with tempfile.TemporaryDirectory(prefix="daypass-life-", dir=room()) as folder, ExitStack() as stack:
        stack.enter_context(patch.multiple(executor, ThreadPoolExecutor=Pool))
        stack.enter_context(patch.multiple(readings, Thread=AtOnce))
        life = Life(Path(folder) / "access")
        stack.enter_context(patch.object(store, "Verdicts", life.verdicts))
        try:
            for place, step in enumerate(story, 1):  # noqa: B007
                life.live(step)
            life.end(story[-1].at + 1 if story else 1)
        except Unkept as unkept:
            invariant, what = unkept.args
            return Fault(invariant, place, what)
    return None
