"""The place of one life: an access repository in memory with two targets, and whatever may go wrong at its ports."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NoReturn

from daypass.cli.repository import AccessRepository, keys_folder
from daypass.cli.verb import LEDGER, noting
from daypass.core.errors import EdgeError
from daypass.core.ids import Oid
from daypass.core.plan import Entitlement
from daypass.core.planning.drift import Traits
from daypass.core.window import parse_instant
from daypass.edges.ledger.signing import find_signer
from daypass.pipeline.judge.policies import ledger_keys
from fakes.target import Dials, Died, FakeTarget
from founded import in_memory
from in_memory.access import MAIN, MemoryAccess, MemoryRepository, World
from in_memory.forge import MemoryForge
from in_memory.ledger import Machine, MemoryLedger
from in_memory.objects import Tree
from in_memory.receipts import MemoryReceipts
from simulation.story import PEOPLE, ROLES, TARGETS, Wish, instant

OLGA = ("Olga Platform", "olga@example.com")

_SETTINGS = """\
version: 1
forge: {kind: local}
targets:
  one: {kind: embedded}
  two: {kind: embedded, path: two.sqlite}
ledger: {branch: daypass-ledger, keys: [ledger.pub]}
limits: {max_duration: 30d, open_request: 7d, brake: {removals: 100%, additions: 100}, unsigned: accept}
clock: simulated
"""
_RULES = """\
version: 1
rules:
  - id: needs-security
    when: resource.name in [RESOURCES]
    require:
      - {approvals: {at_least: 1, from: owners}}
      - {approvals: {at_least: 1, from: group:security}}
"""


@dataclass
class Fuse:
    """Lets a run die at one of its calls of any port, and at every call that it still makes elsewhere after that."""

    left: int | None = None
    after: bool = False
    """Whether what was called has taken effect."""
    meanwhile: Callable[[], None] | None = None
    """What happens at the call, where nobody dies."""

    @contextmanager
    def burning(self, name: str) -> Iterator[None]:
        """Count a call that is made inside. Raises Died."""
        dies = self.left is not None and self.left <= 0
        if self.left is not None:
            self.left -= 1
        if dies and self.meanwhile is not None:
            dies, self.left = False, None
            self.meanwhile()
        if dies and not self.after:
            raise Died(name)
        yield
        if dies:
            raise Died(name)


class Fused:
    """A port whose calls may be the run's last."""

    def __init__(self, port: object, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            with self._fuse.burning(name):
                return found(*arguments, **options)

        return call


class SilentForge:
    """A forge that answers nobody."""

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> NoReturn:
            raise EdgeError("the forge does not answer")

        return call


@dataclass
class SimulatedTarget(FakeTarget):
    """A fake at whose calls a run may die, without a clock: in a life there is none but the story's.

    Its traits say that what it holds shows whose it is: elsewhere nobody can tell what a backup brought back from what
    somebody gave, and daypass leaves both.
    """

    fuse: Fuse = field(default_factory=Fuse)

    def clock(self) -> datetime | None:  # type: ignore[override]
        return None

    def _come_in(self, what: str) -> None:
        with self.fuse.burning(what):
            super()._come_in(what)

    def _write(self, verb: str, entitlement: Entitlement, until: datetime | None) -> None:
        with self.fuse.burning(verb):
            super()._write(verb, entitlement, until)


@dataclass
class Place:
    """What lasts from one run of a life to the next."""

    access: LifeAccess
    fuse: Fuse = field(default_factory=Fuse)
    runs: int = 0
    forge_away: bool = False
    machines: dict[Path, Machine] = field(default_factory=dict)

    @cached_property
    def targets(self) -> Mapping[str, SimulatedTarget]:
        return {name: SimulatedTarget(name, traits=Traits(marks=True), fuse=self.fuse) for name in ("one", "two")}

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

    @cached_property
    def history(self) -> Any:  # type: ignore[override]
        return Fused(super().history, self._place.fuse)

    @cached_property
    def ledger(self) -> Any:  # type: ignore[override]
        settings, machine = self.settings, self._place.machine(self._world)
        keys = ledger_keys(self, self.tip, settings.ledger_keys)
        receipts = MemoryReceipts(self._world.objects, settings.ledger_branch)
        signer = partial(find_signer, keys, keys_folder(), settings.ledger_signer, "")
        return Fused(noting(MemoryLedger(receipts, machine, keys, signer), LEDGER), self._place.fuse)  # type: ignore[arg-type]

    @property
    def memory(self) -> Any:  # type: ignore[override]
        return self._place.machine(self._world)

    @cached_property
    def forge(self) -> Any:  # type: ignore[override]
        return Fused(SilentForge() if self._place.forge_away else super().forge, self._place.fuse)


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
    place.write_main([("policies/daypass.yaml", _SETTINGS.encode()), rules_file(wiki_too=False)], 0)
    return place


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
