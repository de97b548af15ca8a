"""A target in memory that passes the conformance suite, with dials for everything that goes wrong in the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from daypass.core.errors import EdgeError
from daypass.core.plan import Action, Done, Entitlement, Found, Numbers, Order
from daypass.core.planning.drift import Health, Inspection, Traits
from daypass.edges.targets.common import NumberTrace, join, one_by_one, trace
from daypass.ports import Numbering, Observing, Timed


class Died(BaseException):
    """The process was killed here: nothing in daypass may catch it."""


@dataclass
class Dials:
    """What goes wrong, until it is turned back. All of it is off at first.

    ``only`` limits the failing dials to some entitlements (None: all of them).
    """

    unreadable: bool = False
    """Reading fails."""
    fail_before_write: bool = False
    """A write fails and has done nothing."""
    fail_after_write: bool = False
    """A write fails and has taken effect all the same."""
    ignore_writes: bool = False
    """A write returns as if it were done, and has done nothing."""
    only: frozenset[Entitlement] | None = None
    known: frozenset[str] | None = None
    """The principals that exist (None: everybody)."""
    roles: frozenset[str] | None = None
    """The privileges that exist (None: all)."""
    credential: str = ""
    """What is wrong with the credential: "wrong", "expired", "too weak" or "too strong"."""
    retry_after: int = 0
    """How many seconds the next answer asks to wait."""
    die_before_write: int | None = None
    """Die at this many writes from now (0: the next), before it takes effect."""
    die_after_write: int | None = None
    """Likewise, after it took effect."""


@dataclass
class FakeTarget(Observing, Timed):
    """Implements ports.Target. ``held`` maps what exists to the instant it was noted until; ``calls`` is what was asked."""

    name: str = "fake"
    held: dict[Entitlement, datetime | None] = field(default_factory=dict)
    traits: Traits = field(default_factory=Traits)
    dials: Dials = field(default_factory=Dials)
    calls: list[tuple[str, Entitlement]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    _stale: frozenset[Entitlement] | None = None

    def give_unmanaged(self, entitlements: Iterable[Entitlement]) -> None:
        """Let somebody else give access, past us."""
        self.held.update(dict.fromkeys(entitlements))

    def freeze_reading(self) -> None:
        """Answer every later reading with what is there now, whatever is written meanwhile (a replica that lags)."""
        self._stale = frozenset(self.held)

    def thaw_reading(self) -> None:
        """Read the truth again."""
        self._stale = None

    def clock(self) -> datetime:
        return datetime.now(UTC)

    def observe(self) -> frozenset[Entitlement]:
        """Return every entitlement that exists now, or that a stale reading shows."""
        self._come_in("observe")
        return frozenset(self.held) if self._stale is None else self._stale

    def inspect(self) -> Inspection:
        """Say that all was looked at."""
        self._come_in("inspect")
        return Inspection(("all that is held",), ("nothing else is there to be seen",))

    def health(self) -> Health:
        """Say how much is there."""
        self._come_in("health")
        much = self.dials.credential
        return Health((f"{len(self.held)} held",), (f"the credential is {much}",) if much else ())

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        """Make changes one by one."""
        return one_by_one(self.name, orders, self._change)

    def _change(self, order: Order) -> None:
        self._write(order.action.value, order.entitlement, order.until if order.action is Action.ADD else None)

    def _come_in(self, what: str) -> None:
        self.reads.append(what)
        if self.dials.unreadable:
            raise EdgeError(f"{self.name} cannot be reached")
        if self.dials.credential in {"wrong", "expired"}:
            raise EdgeError(f"{self.name} lets nobody in: the credential is {self.dials.credential}")
        if self.dials.retry_after:
            self.waited.append(self.dials.retry_after)
            self.dials.retry_after = 0

    def _write(self, verb: str, entitlement: Entitlement, until: datetime | None) -> None:
        self.calls.append((verb, entitlement))
        if self.dials.credential in {"wrong", "expired", "too weak"}:
            raise EdgeError(f"{self.name} lets nobody {verb}: the credential is {self.dials.credential}")
        if verb == "add" and self.dials.known is not None and entitlement.principal not in self.dials.known:
            raise EdgeError(f"{self.name} has nobody called {entitlement.principal!r}")
        if verb == "add" and self.dials.roles is not None and entitlement.privilege not in self.dials.roles:
            raise EdgeError(f"{self.name} has no {entitlement.privilege}")
        meant = self.dials.only is None or entitlement in self.dials.only
        self._maybe_die("die_before_write")
        if meant and self.dials.fail_before_write:
            raise EdgeError(f"{self.name} refused to {verb}")
        if not (meant and self.dials.ignore_writes):
            if verb == "add":
                self.held[entitlement] = until
            else:
                self.held.pop(entitlement, None)
        self._maybe_die("die_after_write")
        if meant and self.dials.fail_after_write:
            raise EdgeError(f"{self.name} did not answer in time")

    def _maybe_die(self, dial: str) -> None:
        left = getattr(self.dials, dial)
        if left is None:
            return
        setattr(self.dials, dial, left - 1 if left else None)
        if left == 0:
            raise Died(f"{self.name}: {dial}")


@dataclass
class NumberedFake(FakeTarget, Numbering):
    """A fake that knows members and privileges by numbers: ``ids``, by what and name."""

    ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def rename(self, what: str, old: str, new: str) -> None:
        """Give a ``principal`` or a ``privilege`` another name; everything else stays."""
        self.ids[what, new] = self.ids.pop((what, old))
        for one in [one for one in self.held if getattr(one, what) == old]:
            self.held[one._replace(**{what: new})] = self.held.pop(one)

    def make_anew(self, what: str, name: str) -> None:
        """Delete a ``principal`` or a ``privilege`` with all that it has, and make another with its name."""
        self.ids[what, name] = str(max(map(int, self.ids.values())) + 1)
        for one in [one for one in self.held if getattr(one, what) == name]:
            del self.held[one]

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        """Say what is there by number."""
        found = {}
        for one, known in ours.items():
            traces = self._traces(one, dict(known))
            today = one._replace(**{what: trace.name for what, trace in traces.items()})
            numbers = tuple(sorted((what, trace.number) for what, trace in traces.items() if trace.number))
            found[one] = join(traces.values(), there=today in self.held, called=(today,), numbers=numbers)
        return found

    def _change(self, order: Order) -> None:
        if not order.numbers:
            super()._change(order)
            return
        traces = self._traces(order.entitlement, dict(order.numbers))
        if not any(trace.gone for trace in traces.values()):
            today = order.entitlement._replace(**{what: trace.name for what, trace in traces.items()})
            super()._change(order._replace(entitlement=today))

    def _traces(self, one: Entitlement, known: Mapping[str, str]) -> dict[str, NumberTrace]:
        return {what: self._trace(what, getattr(one, what), known.get(what, "")) for what in ("principal", "privilege")}

    def _trace(self, what: str, name: str, recorded: str) -> NumberTrace:
        there = {"principal": self.dials.known, "privilege": self.dials.roles}[what]

        def number_of(name: str) -> str:
            if (what, name) not in self.ids and (there is None or name in there):
                self.ids[what, name] = str(max(map(int, self.ids.values()), default=0) + 1)
            return self.ids.get((what, name), "")

        names = {number: name for (kind, name), number in self.ids.items() if kind == what}
        return trace(what, name, recorded, number_of, lambda number: names.get(number, ""))


class BlindFake:
    """A fake that nobody can look into. Implements ports.Target."""

    def __init__(self, target: FakeTarget) -> None:
        self.target = target
        self.traits = target.traits
        self.health = target.health
        self.inspect = target.inspect
        self.carry_out = target.carry_out
