"""The place of one life: an access repository in memory with two targets, and whatever may go wrong at its ports."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NoReturn

from daypass.cli.repository import AccessRepository, keys_folder
from daypass.cli.verb import LEDGER, noting
from daypass.core.errors import EdgeError
from daypass.core.ids import Oid
from daypass.core.plan import Done, Entitlement, Order
from daypass.core.planning.drift import Traits
from daypass.core.window import parse_instant
from daypass.edges.ledger.signing import find_signer
from daypass.edges.ledger.standing import SignedLedger
from daypass.pipeline.judge.policies import ledger_keys
from fakes.target import Dials, FakeTarget
from founded import in_memory
from in_memory.access import MAIN, MemoryAccess, MemoryHost, MemoryRepository, World
from in_memory.forge import Event, MemoryForge
from in_memory.ledger import Machine, MemoryLedger
from in_memory.objects import Tree
from in_memory.receipts import MemoryReceipts
from simulation.faults import Faults
from simulation.story import PEOPLE, ROLES, TARGETS, Wish, instant

OLGA = ("Olga Platform", "olga@example.com")

_SETTINGS = """\
version: 1
forge: {kind: local}
targets:
  one: {kind: embedded}
  two: {kind: embedded, path: two.sqlite}
ledger: {branch: daypass-ledger, keys: [ledger.pub]}
limits: {max_duration: 30d, open_request: 1d, brake: {removals: 100%, additions: 100}, unsigned: accept}
"""
_SIMULATED = "clock: simulated\n"
_RULES = """\
version: 1
rules:
  - id: needs-security
    when: resource.name in [RESOURCES]
    require:
      - {approvals: {at_least: 1, from: owners}}
      - {approvals: {at_least: 1, from: group:security}}
"""


class Befallen:
    """A port at whose calls something may go wrong. ``before`` says of a call what it would have answered before."""

    def __init__(
        self,
        name: str,
        port: object,
        faults: Faults,
        before: Callable[[str, tuple[Any, ...]], Callable[[], Any] | None] = lambda *_: None,
    ) -> None:
        self._name = name
        self._port = port
        self._faults = faults
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            before = self._before(name, arguments) if self._faults.armed is not None else None
            return self._faults.call(self._name, name, found, arguments, options, before=before)

        return call


class SilentForge:
    """A forge that answers nobody."""

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> NoReturn:
            raise EdgeError("the forge does not answer")

        return call


class TimedForge:
    """A forge that says what time it is."""

    def __init__(self, forge: object, clock: Callable[[], datetime | None]) -> None:
        self._forge = forge
        self.clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._forge, name)


@dataclass
class SimulatedTarget(FakeTarget):
    """A fake at whose calls something may go wrong; its clock is the story's, and ``off`` by so many minutes.

    Its traits say that what it holds shows whose it is: elsewhere nobody can tell what a backup brought back from what
    somebody gave, and daypass leaves both.
    """

    faults: Faults = field(default_factory=Faults)
    time: Callable[[], datetime | None] = lambda: None
    off: int = 0
    last: frozenset[Entitlement] = frozenset()
    """What was seen when somebody looked last."""

    def clock(self) -> datetime | None:  # type: ignore[override]
        return self.faults.call("target", "clock", self._clock, whose=self.name)  # type: ignore[no-any-return]

    def _clock(self) -> datetime | None:
        now = self.time()
        return now + timedelta(minutes=self.off) if now is not None else None

    def observe(self) -> frozenset[Entitlement]:
        found: frozenset[Entitlement] = self.faults.call(
            "target", "observe", super().observe, whose=self.name, before=lambda before=self.last: before
        )
        self.last = frozenset(self.held)
        return found

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        some = partial(super().carry_out, orders[: len(orders) // 2])
        made: Sequence[Done] = self.faults.call(
            "target", "carry_out", super().carry_out, (orders,), whose=self.name, half=some
        )
        return made

    def _write(self, verb: str, entitlement: Entitlement, until: datetime | None) -> None:
        self.faults.call("target", "write", super()._write, (verb, entitlement, until), whose=self.name)


@dataclass
class Place:
    """What lasts from one run of a life to the next. ``minute`` is the story's, and ``off`` how far a run's clock is from it."""

    access: LifeAccess
    faults: Faults = field(default_factory=Faults)
    runs: int = 0
    forge_away: bool = False
    compared: bool = False
    """Whether the forge and the targets tell what time it is; else the settings simulate the clock."""
    minute: int = 0
    off: int = 0
    machines: dict[Path, Machine] = field(default_factory=dict)
    pulls: list[dict[int, tuple[Event, ...]]] = field(default_factory=lambda: [{}, {}])
    """The forge's record before it last changed, and as it is."""

    @cached_property
    def targets(self) -> Mapping[str, SimulatedTarget]:
        made = partial(SimulatedTarget, traits=Traits(marks=True), faults=self.faults, time=self.time)
        return {name: made(name) for name in ("one", "two")}

    def time(self) -> datetime | None:
        """Return what the forge and the targets take the time to be."""
        return parse_instant(instant(self.minute)) if self.compared else None

    def note_forge(self) -> None:
        """Remember the forge's record where it has changed, so that it can answer as before."""
        if self.pulls[1] != self.world.pulls:
            self.pulls = [self.pulls[1], dict(self.world.pulls)]

    @cached_property
    def elsewhere(self) -> LifeAccess:
        """The same repository driven from another machine, with a state of its own."""
        world = replace(self.world, state=self.world.state.with_name("elsewhere"))
        world.state.mkdir()
        return LifeAccess(self.access.top, world=world, place=self, policies=self.access.policies)

    @property
    def world(self) -> World:
        return self.access.world

    def machine(self, world: World) -> Machine:
        """Return what the machine remembers that a world is driven from."""
        return self.machines.setdefault(world.state, Machine())

    def forge(self, who: str = "") -> MemoryForge:
        """Return the forge as somebody reaches it who does without daypass."""
        world = self.world
        directory = self.access.repo().ends_by.catalogue.directory
        return MemoryForge(world.objects, world.pulls, directory, acting=who, identity=OLGA)

    def write_main(self, files: Iterable[tuple[str, bytes | None]], at: int) -> None:
        """Commit to main past every request."""
        objects, tip = self.world.objects, self.tip
        made = objects.commit_files(tip, files, (tip,), "By hand", author=OLGA, at=parse_instant(instant(at)))
        objects.move({MAIN: (tip, made)})

    @property
    def tip(self) -> Oid:
        return self.world.objects.refs[MAIN]

    def tree(self, commit: Oid | None = None) -> Tree:
        """Return what lies on main, or in another commit."""
        return self.world.objects.stored(commit or self.tip).tree


class LifeRepository(MemoryRepository):
    """The repository with the life's targets, and with ports at which a run may die."""

    def __init__(self, place: Place, world: World, top: Path, acting: str = "") -> None:
        super().__init__(world, top, acting)
        self._place = place
        self._by_files = place.access.policies

    def again(self, *, reopen: bool = False) -> AccessRepository:
        return LifeRepository(self._place, self._world, self.folder, self.acting)

    def targets(self, revision: Oid | None = None) -> Mapping[str, SimulatedTarget | EdgeError]:
        return self._place.targets

    def run_name(self, at: datetime) -> str:
        self._place.runs += 1
        return f"run-{self._place.runs}"

    def instant(self, at: datetime | None, *, writes: bool = False) -> datetime:
        place = self._place
        if place.compared and at is None:
            return parse_instant(instant(place.minute + place.off))
        return super().instant(at, writes=writes)

    @cached_property
    def history(self) -> Any:  # type: ignore[override]
        history = super().history

        def before(name: str, arguments: tuple[Any, ...]) -> Callable[[], Any] | None:
            parents = self._world.objects.stored(self._world.objects.refs[MAIN]).commit.parents
            return (lambda: parents[0]) if (name, arguments) == ("find", (MAIN,)) and parents else None

        return Befallen("history", history, self._place.faults, before)

    @cached_property
    def ledger(self) -> Any:  # type: ignore[override]
        settings, machine = self.settings, self._place.machine(self._world)
        keys = ledger_keys(self, self.tip, settings.ledger_keys)
        receipts = MemoryReceipts(self._world.objects, settings.ledger_branch)
        signer = partial(find_signer, keys, keys_folder(), settings.ledger_signer, "")
        ledger = MemoryLedger(receipts, machine, keys, signer)  # type: ignore[arg-type]

        def before(name: str, _: tuple[Any, ...]) -> Callable[[], Any] | None:
            return (lambda: machine.before) if name == "load" and machine.before is not None else None

        return Befallen("ledger", noting(ledger, LEDGER), self._place.faults, before)

    @cached_property
    def forge(self) -> Any:  # type: ignore[override]
        place = self._place
        if place.forge_away:
            return SilentForge()

        def before(name: str, arguments: tuple[Any, ...]) -> Callable[[], Any] | None:
            world = replace(self._world, pulls=dict(place.pulls[0]))
            forge = MemoryHost(world, self.acting, "").forge(self.ends_by.catalogue.directory)
            return (lambda: getattr(forge, name)(*arguments)) if hasattr(forge, name) else None

        return Befallen("forge", TimedForge(super().forge, place.time), place.faults, before)

    @property
    def memory(self) -> Any:  # type: ignore[override]
        return self._place.machine(self._world)


@dataclass
class LifeAccess(MemoryAccess):
    """Drives a life by the command line; nobody looks at its work tree."""

    place: Place | None = None
    policies: dict[Any, Any] = field(default_factory=dict)

    def repo(self, acting: str = "") -> AccessRepository:
        assert self.place is not None
        return LifeRepository(self.place, self.world, self.top, acting)

    def lay_out(self, before: Tree, after: Tree) -> None:
        return


def found(top: Path) -> Place:
    """Found the repository of a life, on the day before its first step."""
    example = in_memory(top, "2026-11-20T07:00:00Z")
    access = LifeAccess(top, world=example.world)
    access.place = place = Place(access)
    kept = {"policies/ledger.pub"}
    gone = [(path, None) for path in place.tree() if path.startswith("policies/") and path not in kept]
    place.write_main(gone, 0)
    place.write_main([settings_file(compared=False), rules_file(wiki_too=False)], 0)
    return place


def settings_file(*, compared: bool) -> tuple[str, bytes]:
    """Write the settings: whether clocks are compared, or the instant is what a run is told."""
    return "policies/daypass.yaml", (_SETTINGS + ("" if compared else _SIMULATED)).encode()


def rules_file(*, wiki_too: bool) -> tuple[str, bytes]:
    """Write the rules: which resources need an approval from security as well."""
    named = '"orders", "wiki"' if wiki_too else '"orders"'
    return "policies/rules/access.yaml", _RULES.replace("RESOURCES", named).encode()


def directory_file(groups: Mapping[str, Collection[str]], engaged: Mapping[str, int]) -> tuple[str, bytes]:
    """Write who is there until when, and in which group."""
    lines = ["version: 1", "people:"]
    for who in PEOPLE:
        until = f"until: {instant(engaged[who])}, " if who in engaged else ""
        lines.append(f"  {who}: {{{until}name: {who.title()}, email: {who}@example.com}}")
    lines.append("groups:")
    lines += [f"  {name}: {{members: [{', '.join(sorted(members))}]}}" for name, members in groups.items()]
    return "policies/directory/people.yaml", "\n".join([*lines, ""]).encode()


def resource_file(name: str, kept: int | None) -> tuple[str, bytes]:
    """Write a resource with its roles, and until when its data is kept."""
    lines = ["version: 1", f"title: {name.title()}", f"target: {TARGETS[name]}", "environment: staging"]
    lines += ["classification: confidential", "owners: [owners]"]
    lines += [f"retention_until: {instant(kept)}"] if kept is not None else []
    lines.append("roles:")
    lines += [
        f"  {role}: {{max_duration: {most}m, privilege: {{member_of: {role}}}}}"
        for (resource, role), most in ROLES.items()
        if resource == name
    ]
    return f"policies/resources/{name}.yaml", "\n".join([*lines, ""]).encode()


def grant_file(grant: str, wish: Wish) -> tuple[str, bytes]:
    """Write a grant file."""
    span = f"duration: {wish.length}m"
    if wish.start is not None:
        span = f"from: {instant(wish.start)}, until: {instant(wish.start + wish.length)}"
    lines = [
        "version: 1",
        f"subject: {wish.subject}",
        f"resource: {wish.resource}",
        f"role: {wish.role}",
        f"reason: what {grant} is about, told at length",
        f"window: {{{span}}}",
    ]
    return f"grants/{grant}.yaml", "\n".join([*lines, ""]).encode()


def there(place: Place) -> set[tuple[str, str, str]]:
    """Return who holds what at the targets, as (resource, principal, role)."""
    return {named(one) for target in place.targets.values() for one in target.held}


def named(one: Entitlement) -> tuple[str, str, str]:
    """Return an entitlement as the oracle speaks of it."""
    return one.resource, one.principal, json.loads(one.privilege)["member_of"]


def by_hand(target: str, number: int) -> Entitlement:
    """Return access of somebody whom no request is ever about."""
    resource = next(name for name, at in TARGETS.items() if at == target)
    return Entitlement(target, resource, f"zoe{number}", '{"member_of":"read"}')


def calm(target: SimulatedTarget) -> None:
    """Let a target work again."""
    target.dials = Dials()


def _unlock() -> None:
    """Let two runs of one process work out the same property, each for itself: 3.11 has one lock for both."""
    for kind in (AccessRepository, MemoryRepository, LifeRepository, SignedLedger, Place):
        for found in vars(kind).values():
            if isinstance(found, cached_property):
                found.lock = nullcontext()  # type: ignore[attr-defined]


_unlock()
