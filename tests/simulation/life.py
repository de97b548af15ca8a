"""One life: plays a story on an access repository and holds it to the invariants after each run.

``Fault`` says which invariant did not hold, by its number in the design, and at which step.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from copies import room
from daypass.core.errors import DaypassError
from daypass.core.window import parse_instant
from daypass.pipeline.apply import executor, readings
from simulation.disk import DiskPlace
from simulation.faults import Seen
from simulation.files import directory_file, grant_file, resource_file, rules_file, settings_file
from simulation.memory import MemoryPlace, at_home
from simulation.on_terms import Terms
from simulation.once import once
from simulation.one_by_one import AtOnce, Pool
from simulation.place import Place, by_hand
from simulation.runs import CUT_OFF, ELSEWHERE, WITHOUT
from simulation.story import ON_DISK, Step, instant
from simulation.targets import Certificates, named
from simulation.unkept import Unkept, keep

BY_BUTTON = "Merge\n\nDaypass-Pull: {}\n\nwith the forge's own button\n"
"""A message whose last paragraph, where the gate's trailers would stand, has none."""
SETTLES = {"is settled to be who is meant": "--adopt", "is written off": "--write-off"}
REVIEWS = {"approves": "approved", "rejects": "rejected", "withdraws": "withdrawn"}


@dataclass(frozen=True)
class Fault:
    """An invariant that did not hold; ``step`` counts the story's steps from one."""

    invariant: str
    step: int
    what: str

    def __str__(self) -> str:
        return f"invariant {self.invariant} does not hold after step {self.step}: {self.what}"


class Life(Terms):
    """Lives one step after the other."""

    def live(self, step: Step) -> None:
        """Do what a step says. Raises Unkept."""
        doing: dict[str, Callable[[Step], None]] = {
            "opens": self._opens,
            "pushes": self._pushes,
            "closes": self._closes,
            "gates": self._gates,
            "gates twice": self._gates,
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
            "applies twice": self._runs_twice,
            WITHOUT: self._runs,
            ELSEWHERE: self._runs,
            CUT_OFF: self._runs_cut_off,
            "forgets what it verified": lambda _: self._place.forget(),
            "loses its outbox": self._loses_outbox,
            ON_DISK: lambda _: None,
            "clocks are compared": self._compares_clocks,
            "has a clock that is ahead by": self._sets_clock,
            "apply sees an older main": self._runs_on_older_main,
            "is restored from a backup": self._restores,
            "accepts": lambda step: self._place.members.accepts(step.who),
            "is renamed": self._renames,
            "has a successor by the same name": self._renames,
            **dict.fromkeys(SETTLES, self._settles),
            "changes the rules": self._changes_rules,
            **self.on_terms(),
            "puts back on main": self._puts_back,
            **dict.fromkeys(REVIEWS, self._reviews),
            **dict.fromkeys([f"{does} by verb" for does in REVIEWS], self._reviews_by_verb),
        }
        self._place.pass_time(step.at)
        self._place.note_forge()
        doing.get(step.does, self._dials)(step)

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
        self._oracle.reviewed(step.name, step.who, state, step.at)

    def _closes(self, step: Step) -> None:
        number = self._number(step)
        if number is not None:
            self._place.forge(step.who).close(number, reason="no longer", at=parse_instant(instant(step.at)))
            self._oracle.closed(step.name, step.who, step.at)

    def _reviews_by_verb(self, step: Step) -> None:
        """Review by daypass's own verb, which refuses what would count for nothing."""
        number, does = self._number(step), step.does.removesuffix(" by verb")
        if number is None:
            return
        forge = self._place.forge()
        before = len(forge.reviews(number))
        self._run(does.removesuffix("s"), step, str(number), acting=step.who)
        if len(forge.reviews(number)) > before:
            self._oracle.reviewed(step.name, step.who, REVIEWS[does], step.at)

    def _number(self, step: Step) -> int | None:
        """Return a request's number while it is open."""
        number = self._numbers.get(step.name)
        return number if number is not None and self._place.forge().pull(number).state == "open" else None

    # Merges

    def _gates(self, step: Step) -> None:
        for _ in range(2 if step.does == "gates twice" else 1):
            self._run("gate", step)
            self._notice_merges(step.at, by_gate=True)

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
        self._notice_merges(step.at, by_gate=False)

    def _notice_merges(self, at: int, *, by_gate: bool) -> None:
        names = {number: name for name, number in self._numbers.items()}
        forge = self._place.forge()
        for number in sorted(set(self._place.numbers()) - self._merged):
            pull = forge.pull(number)
            if pull.merge is None:
                continue
            self._merged.add(number)
            self._oracle.changes_main()
            was, now = self._place.tree(pull.merge.base), self._place.tree(pull.merge.commit)
            changed = [path for path in was.keys() | now.keys() if was.get(path) != now.get(path)]
            for path in sorted(changed):
                if number in names:
                    wrong = self._oracle.merged(names[number], at, by_gate=by_gate, stale=self._stale)
                else:
                    grant = path.removeprefix("grants/").removesuffix(".yaml")
                    wrong = self._oracle.tidied(grant, at)
                keep(not wrong, "2", wrong)
                if path in now and number in names:
                    text = self._place.content(now[path][1])
                    self._approved[path] = text, self._oracle.requests[names[number]].wish

    def _writes(self, step: Step) -> None:
        path = f"grants/{step.grant}.yaml"
        if step.wish is None and path not in self._place.tree():
            return
        text = grant_file(step.grant, step.wish)[1] if step.wish else None
        self._oracle.changes_main()
        self._place.write_main([(path, text)], step.at)
        self._oracle.written(step.grant, step.wish)

    def _puts_back(self, step: Step) -> None:
        """Write to main, past every request, what a request brought there once."""
        path = f"grants/{step.grant}.yaml"
        leaf, (text, wish) = self._place.tree().get(path), self._approved.get(path, (b"", None))
        if text and (leaf is None or self._place.content(leaf[1]) != text):
            self._oracle.changes_main()
            self._place.write_main([(path, text)], step.at)
            self._oracle.written(step.grant, wish)

    # Policies

    def _compares_clocks(self, step: Step) -> None:
        """Let the forge and the targets say from now on what time it is."""
        self._place.compared = True
        self._place.write_main([settings_file(compared=True)], step.at)

    def _sets_clock(self, step: Step) -> None:
        """Put a target's clock wrong, or right."""
        assert step.number is not None
        self._place.targets[step.name].off = step.number

    def _changes_rules(self, step: Step) -> None:
        """Let the wiki need security as well, or no longer."""
        self._oracle.needs["wiki"] = ("owners", "security") if step.number else ("owners",)
        self._place.write_main([rules_file(wiki_too=bool(step.number), terms=self._oracle.agreed is not None)], step.at)

    def _engages(self, step: Step) -> None:
        self._oracle.changes_main()
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
        oracle = self._oracle
        self._place.write_main([directory_file(oracle.groups, oracle.engaged, oracle.agreed)], step.at)

    def _keeps(self, step: Step) -> None:
        self._oracle.changes_main()
        _set(self._oracle.kept, step.name, step.number)
        self._place.write_main([resource_file(step.name, step.number)], step.at)

    # Targets

    def _gives(self, step: Step) -> None:
        assert step.number is not None
        one, target = by_hand(step.name, step.number), self._place.targets[step.name]
        assert not isinstance(target, Certificates)
        target.give_unmanaged([one])
        self._by_hand[step.name].add(one)

    def _takes(self, step: Step) -> None:
        held = sorted(self._place.targets[step.name].held.keys() - self._by_hand[step.name])
        if held:
            assert step.number is not None
            del self._place.targets[step.name].held[held[step.number % len(held)]]

    def _dials(self, step: Step) -> None:
        target = self._place.targets[step.name]
        target.calm()
        target.dials.unreadable = step.does == "cannot be read"
        target.dials.fail_before_write = step.does == "refuses"
        target.dials.fail_after_write = step.does == "fails afterwards"
        target.dials.ignore_writes = step.does == "ignores"

    def _restores(self, step: Step) -> None:
        """Bring a target back to what it had after an earlier run; who was given access by hand since then keeps it."""
        backups, target = self._backups[step.name], self._place.targets[step.name]
        if backups:
            assert step.number is not None
            back = target.restore(backups[step.number % len(backups)], self._by_hand[step.name])
            self._brought_back[step.name] |= {target.access(one) for one in back}

    def _loses_outbox(self, _: Step) -> None:
        """Lose what waits to be told: what it told of is done, and that an offer was taken back nobody will find out."""
        if self._place.waiting():
            for target in self._place.targets.values():
                target.calls.clear()
        self._place.lose_outbox()

    def _renames(self, step: Step) -> None:
        """Give somebody's account another name, or their name to somebody else."""
        members = self._place.members
        self._accounts.moves(step.who)
        if step.does == "is renamed":
            assert step.number is not None
            members.renames(step.who, step.number)
        else:
            members.makes_anew(step.who)

    def _settles(self, step: Step) -> None:
        """Let a person say what became of what a grant gave to somebody whose account is no more, who may have a successor."""
        place, accounts, access = self._place, self._accounts, ("code", step.who, "push")
        standing, main = place.standing, place.tree()
        proved = [row for row in standing.admitted() if main.get(f"grants/{row.grant}.yaml", ("", ""))[1] == row.blob]
        given = {
            grant for held in standing.holdings.values() if named(held.entitlement) == access for grant in held.grants
        }
        code = self._run("ledger", step, "settle", step.grant, SETTLES[step.does], "--reason", "looked", acting="carol")
        due = (
            accounts.gone(access)
            and step.grant in given
            and place.members.works
            and access in self._oracle.required(step.at)
        )
        keep(
            code == 0 or not due,
            "15",
            f"nobody can tell of {access}, and settling ended with exit {code}: {self._said}",
        )
        for who in re.findall(r"Settled: (\S+) on code", self._said):
            access = ("code", who, "push")
            keep(who in accounts.moved, "15", f"{step.grant} was settled, and there is no doubt about {access}")
            adopted = SETTLES[step.does] == "--adopt"
            accounts.settled(access, self._oracle.ends(access), adopted=adopted)
            if not adopted:  # what is there all the same is theirs who have it
                self._oracle.written_off(access, {str(row.grant) for row in proved})
                self._by_hand["three"] |= {one for one in place.members.held if place.members.access(one) == access}


def _set(bounds: dict[str, int], name: str, until: int | None) -> None:
    bounds.pop(name, None)
    if until is not None:
        bounds[name] = until


def found(top: Path, *, on_disk: bool = False) -> Place:
    """Found the repository of a life, on the day before its first step."""
    place: Place = DiskPlace(top) if on_disk else MemoryPlace(top)
    place.found()
    return place


@contextmanager
def _untraced() -> Iterator[None]:
    """Let nobody count the lines that are run: that takes two thirds of a life's time, and says what other tests say."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def play(story: Sequence[Step], seen: Seen | None = None, *, traced: bool = False) -> Fault | None:
    """Play a story; return what did not hold, None where all did. ``seen`` counts what befell which call.
    ``traced``: whoever measures what is run sees it.

    Targets are served one after the other, so that a run dies at the same call whenever the story is played.
    """
    place = len(story)
    with tempfile.TemporaryDirectory(prefix="daypass-life-", dir=room()) as folder, ExitStack() as stack:
        if not traced:
            stack.enter_context(_untraced())
        stack.enter_context(patch.multiple(executor, ThreadPoolExecutor=Pool))
        stack.enter_context(patch.multiple(readings, Thread=AtOnce))
        stack.enter_context(once())
        top = Path(folder) / "access"
        on_file = bool(story) and story[0].does == ON_DISK
        where = found(top, on_disk=on_file)
        if isinstance(where, MemoryPlace):
            stack.enter_context(at_home(where))
        life = Life(where, seen if seen is not None else Counter())
        try:
            for place, step in enumerate(story, 1):  # noqa: B007
                life.live(step)
            life.end(story[-1].at + 1 if story else 1)
        except Unkept as unkept:
            invariant, what = unkept.args
            return Fault(invariant, place, what)
    return None
