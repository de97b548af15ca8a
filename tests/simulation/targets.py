"""The targets of a life. At their calls something may go wrong; their clocks are the story's, and ``off`` by so many minutes.

Two hold what people are given by their names. One knows them by numbers, and invites who was never there. One hands over
certificates: nobody can see who has them, and only those end early that are on its list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from daypass.core.errors import EdgeError
from daypass.core.ids import digest
from daypass.core.ledger.standing import Handed
from daypass.core.plan import Action, Done, Entitlement, Found, Numbers, Order
from daypass.core.planning.drift import Traits
from daypass.edges.targets.common import one_by_one
from daypass.ports import Fingerprinting, Inviting, Recalling
from fakes.target import Dials, FakeTarget, NumberedFake
from simulation.faults import Faults
from simulation.remembered import Access
from simulation.story import PEOPLE

CERTIFICATE = re.compile(r"certificate-\d+")


def named(one: Entitlement) -> Access:
    """Return an entitlement as the oracle speaks of it."""
    return one.resource, one.principal, json.loads(one.privilege)["member_of"]


@dataclass
class SimulatedTarget(FakeTarget, Fingerprinting):
    """A fake at whose calls something may go wrong, and that can name what it holds.

    Its traits say that what it holds shows whose it is: elsewhere nobody can tell what a backup brought back from what
    somebody gave, and daypass leaves both.
    """

    faults: Faults = field(default_factory=Faults)
    time: Callable[[], datetime | None] = lambda: None
    off: int = 0
    last: frozenset[Entitlement] = frozenset()
    """What was seen when somebody looked last."""
    prints: Mapping[str, str] = field(default_factory=dict)
    ends_by_itself: bool = False
    """Whether what it holds is gone, by its own clock, when what it was told is over."""
    offered: dict[Entitlement, datetime | None] = field(default_factory=dict)

    @property
    def works(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.dials == Dials(known=self.dials.known)

    def calm(self) -> None:
        """Let it work again."""
        self.dials = Dials(known=self.dials.known)

    def opened(self) -> SimulatedTarget | Certificates:
        """Return it as a run opens it."""
        return self

    def access(self, one: Entitlement) -> Access:
        """Return what it holds as the oracle speaks of it, whatever it is called here by now."""
        return named(one)

    def pass_time(self, now: datetime) -> None:
        """Let end what is over by now."""
        if self.ends_by_itself:
            now += timedelta(minutes=self.off)
            self.held = {one: until for one, until in self.held.items() if until is None or until > now}

    def kept(self) -> object:
        """Return what a backup of now keeps."""
        return dict(self.held)

    def restore(self, old: object, by_hand: Iterable[Entitlement]) -> set[Entitlement]:
        """Go back to a backup, but for what others gave since; return what came back."""
        assert isinstance(old, dict)
        back = old.keys() - self.held.keys()
        self.held = {**old, **dict.fromkeys(by_hand)}
        return set(back)

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
        there: dict[str, list[Entitlement]] = {}
        for one in sorted(found):
            there.setdefault(one.resource, []).append(one)
        self.prints = {"": digest(self.apart()), **{name: digest(ones) for name, ones in there.items()}}
        return found

    def fingerprint(self) -> Mapping[str, str]:
        return self.prints

    def apart(self) -> object:
        """Return what it answers by beside what it holds."""
        return None

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        some = partial(super().carry_out, orders[: len(orders) // 2])
        made: Sequence[Done] = self.faults.call(
            "target", "carry_out", super().carry_out, (orders,), whose=self.name, half=some
        )
        return made

    def _write(self, verb: str, entitlement: Entitlement, until: datetime | None) -> None:
        self.faults.call("target", "write", super()._write, (verb, entitlement, until), whose=self.name)


@dataclass
class Members(SimulatedTarget, NumberedFake, Inviting):
    """Knows people by numbers; whoever was never there is invited, and has nothing until they accept."""

    joined: set[str] = field(default_factory=set)
    """The numbers of those who accepted once."""
    moves: int = 0
    """How often an account was renamed or made anew."""

    def __post_init__(self) -> None:
        self.ids |= {("principal", who): str(number) for number, who in enumerate(PEOPLE, 1)}
        self._first = {number: who for (_, who), number in self.ids.items()}
        self.dials.known = frozenset(PEOPLE)
        self.joined |= {self.number(who) for who in PEOPLE if who != "henry"}

    def number(self, name: str) -> str:
        """Return the number of who has a name now, "" where nobody has it."""
        return self.ids.get(("principal", name), "")

    def account(self, one: Entitlement) -> str:
        """Return the number of who holds something."""
        return self.number(one.principal)

    def bears(self, number: str) -> bool:
        """Whether an account is there still."""
        return number in (found for (what, _), found in self.ids.items() if what == "principal")

    def access(self, one: Entitlement) -> Access:
        return named(one._replace(principal=self._first.get(self.account(one), one.principal)))

    def renames(self, who: str, number: int) -> bool:
        """Give somebody's account another name; say whether there was one of their name."""
        if not self.number(who):
            return False
        new = f"{who}-{number}"
        self.rename("principal", who, new)
        self.offered = {_called(one, who, new): until for one, until in self.offered.items()}
        self._know(who, new)
        return True

    def makes_anew(self, who: str) -> None:
        """Let another person have somebody's name: the account that has it now, if any, is deleted."""
        for had in (self.held, self.offered):
            for one in [one for one in had if one.principal == who]:
                del had[one]
        self.ids["principal", who] = number = str(100 + self.moves)
        self._first[number] = who
        self._know("", who)

    def _know(self, gone: str, came: str) -> None:
        self.moves += 1
        self.dials.known = (self.dials.known or frozenset()) - {gone} | {came}

    def accepts(self, who: str) -> None:
        """Let somebody accept all that is offered to them."""
        mine = [one for one in self.offered if self._first.get(self.account(one)) == who]
        for one in mine:
            self.held[one] = self.offered.pop(one)
            self.joined.add(self.account(one))

    def kept(self) -> object:
        return self.moves, dict(self.held)

    def restore(self, old: object, by_hand: Iterable[Entitlement]) -> set[Entitlement]:
        """Put back what was held then, unless accounts moved since."""
        assert isinstance(old, tuple)
        moves, held = old
        return super().restore(held, by_hand) if moves == self.moves else set()

    def apart(self) -> object:
        return [sorted([*key, number] for key, number in self.ids.items()), sorted(self.offered), sorted(self.joined)]

    def find(self, ours: Mapping[Entitlement, Numbers]) -> Mapping[Entitlement, Found]:
        found: Mapping[Entitlement, Found] = self.faults.call("target", "find", super().find, (ours,), whose=self.name)
        return found

    def awaited(self) -> frozenset[Entitlement]:
        seen: frozenset[Entitlement] = self.faults.call(
            "target", "awaited", lambda: frozenset(self.offered), whose=self.name
        )
        return seen

    def _write(self, verb: str, entitlement: Entitlement, until: datetime | None) -> None:
        there, offer = entitlement in self.held, entitlement in self.offered
        if offer and verb == "remove":
            self.held[entitlement] = self.offered.pop(entitlement)
        try:
            super()._write(verb, entitlement, until)
        finally:
            if not there and entitlement in self.held and self.account(entitlement) not in self.joined:
                self.offered[entitlement] = self.held.pop(entitlement)
        if verb == "add" and entitlement in self.offered:
            raise EdgeError("invited, not accepted yet")


def _called(one: Entitlement, old: str, new: str) -> Entitlement:
    return one._replace(principal=new) if one.principal == old else one


@dataclass
class Certificates:
    """Hands over certificates, which are good until their end or until they are listed. Implements ports.Target.

    A certificate is in somebody's hands once the ledger has it; ``arrived`` says which are.
    """

    name: str
    faults: Faults
    time: Callable[[], datetime | None]
    arrived: Callable[[], set[str]] = set
    traits: Traits = field(default_factory=lambda: Traits(hands_over=True))
    dials: Dials = field(default_factory=Dials)
    calls: list[tuple[str, Entitlement]] = field(default_factory=list)
    issued: dict[str, tuple[Entitlement, datetime]] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    off: int = 0
    ends_by_itself: bool = True
    offered: dict[Entitlement, datetime | None] = field(default_factory=dict)
    now: datetime | None = None

    works = SimulatedTarget.works
    calm = SimulatedTarget.calm

    def access(self, one: Entitlement) -> Access:
        return named(one)

    def opened(self) -> OpenedCertificates:
        return OpenedCertificates(self)

    def pass_time(self, now: datetime) -> None:
        self.now = now

    @property
    def held(self) -> dict[Entitlement, datetime]:
        """What people hold certificates for, and until when."""
        good = self.arrived() - self.listed
        found: dict[Entitlement, datetime] = {}
        for serial, (one, until) in self.issued.items():
            if serial in good and (self.now is None or until > self.now):
                found[one] = max(until, found.get(one, until))
        return found

    def outlive(self, now: datetime) -> None:
        """Let be over for good what is over by another time than the story's."""
        self.listed |= {serial for serial, (_, until) in self.issued.items() if until <= now}

    def kept(self) -> object:
        return set(self.listed)

    def restore(self, old: object, by_hand: Iterable[Entitlement]) -> set[Entitlement]:
        """Bring an old list back: what it does not name is good again."""
        assert isinstance(old, set)
        assert not set(by_hand)
        before = self.held.keys()
        self.listed = set(old)
        return set(self.held.keys() - before)


class OpenedCertificates(Recalling):
    """Such a target as one run has it: it knows of what was handed over what it is told."""

    def __init__(self, target: Certificates) -> None:
        self.name = target.name
        self.traits = target.traits
        self._target = target
        self._good: dict[str, tuple[Entitlement, datetime]] | None = None

    def recall(self, handed: Sequence[Handed]) -> None:
        self._target.faults.call("target", "recall", self._recall, (handed,), whose=self.name)

    def _recall(self, handed: Sequence[Handed]) -> None:
        if self._target.dials.unreadable:
            raise EdgeError(f"{self.name} cannot be reached")
        ours = {one.text: one for one in handed}
        self._target.listed |= {serial for serial, one in ours.items() if one.ended}
        self._good = {serial: (one.entitlement, one.until) for serial, one in ours.items() if not one.ended}

    def carry_out(self, orders: Sequence[Order]) -> Sequence[Done]:
        made: Sequence[Done] = self._target.faults.call(
            "target", "carry_out", self._make, (orders,), whose=self.name,
            half=partial(self._make, orders[: len(orders) // 2]),
        )  # fmt: skip
        return made

    def _make(self, orders: Sequence[Order]) -> Sequence[Done]:
        handed: dict[int, str] = {}

        def change(order: Order) -> None:
            self._target.calls.append((order.action.value, order.entitlement))
            serial = self._target.faults.call("target", "write", self._change, (order,), whose=self.name)
            handed[id(order)] = serial

        done = one_by_one(self.name, orders, change)
        return [one._replace(handover=handed.get(id(order), "")) for one, order in zip(done, orders, strict=True)]

    def _change(self, order: Order) -> str:
        target, dials = self._target, self._target.dials
        if dials.fail_before_write or dials.ignore_writes:  # nobody could read back that nothing was done
            raise EdgeError(f"{self.name} refused to {order.action.value}")
        if self._good is None:
            raise EdgeError(f"nothing is known of what {self.name} handed over")
        mine = {serial: until for serial, (one, until) in self._good.items() if one == order.entitlement}
        adds = order.action is Action.ADD
        target.listed |= {serial for serial, until in mine.items() if not adds or until > _end(order)}
        serial = ""
        if adds:
            serial = f"certificate-{len(target.issued)}"
            target.issued[serial] = self._good[serial] = order.entitlement, _end(order)
        if dials.fail_after_write:
            raise EdgeError(f"{self.name} did not answer in time")
        return serial


def _end(order: Order) -> datetime:
    assert order.until is not None
    return order.until
