"""What a target tells the suite of itself: what it can do, what it lacks and why, and how its world is set up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from daypass.core.ids import canonical
from daypass.core.plan import Action, Done, Entitlement, Order
from daypass.core.planning.drift import Traits
from daypass.ports import Observing, Target

NAME = "under-test"
UNTIL = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
PAST = datetime(2001, 1, 2, 3, 4, 5, tzinfo=UTC)
PAGES = Path(__file__).parents[2] / "docs" / "targets"

HOSTILE = (
    "o'brien",
    'double"quote',
    "back\\slash",
    "semi; DROP TABLE entitlements; --",
    "' OR '1'='1",
    '"; DROP ROLE alice; --',
    "%",
    "_",
    "*",
    "../../orgs/acme",
    "alice/../bob",
    "alice?role=admin#",
    "alice\nbob",
    "tab\there",
    " leading and trailing ",
    "-oProxyCommand=x",
    "ünïcödé-日本語-🔑",
    "e\u0301",
    "\u00e9",
    "ALICE",
    "alice",
    "$(touch x)`id`",
    "{}",
    "{0.__class__}%s",
    "NULL",
    "0",
    "00",
    "a" * 1000,
)
"""Principals that must neither break out of a statement nor be taken for one another."""

MOMENTS = ("before", "during", "after")
"""When the network fails: nothing reaches the server; the request is lost half way; the answer alone is lost."""

CREDENTIALS = ("wrong", "expired", "too weak", "too strong")

_F = TypeVar("_F", bound=Callable[..., Any])

CAPABILITIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reading": (),
        "resources": (),
        "strangers": ("stranger",),
        "privileges": ("strange_privilege",),
        "network": ("cut", "mend"),
        "credentials": ("with_credential", "least_privilege"),
        "limits": ("slowed",),
        "time": (),
        "principals' names": ("rename_principal", "anew_principal"),
        "places' names": ("rename_place", "anew_place"),
    }
)
"""What a target may lack, and the hooks that one which has it gives:

``reading``      what exists can be seen
``resources``    one privilege on two resources is two entitlements
``strangers``    it knows who exists
``privileges``   it knows which privileges exist
``network``      it is reached by a network
``credentials``  somebody is let in there, by a secret
``limits``       its server says how long to wait
``time``         its answers say what it takes the time to be
``principals' names``  whom access is given to has a name there that can change, and a number that does not
``places' names``      what access is given in has a name there that can change, and a number that does not
"""


def needs(capability: str) -> Callable[[_F], _F]:
    """Mark a test that a target without the capability has no part in."""
    assert capability in CAPABILITIES

    def mark(test: _F) -> _F:
        test.needs = capability  # type: ignore[attr-defined]
        return test

    return mark


def entitlement(
    principal: str = "alice", *, resource: str = "orders-db", privilege: str = "orders_readonly"
) -> Entitlement:
    """Return an entitlement as the worked example has them."""
    return Entitlement(NAME, resource, principal, canonical({"member_of": privilege}))


def page_block(kind: str, name: str) -> str:
    """Return the block of a target's page that stands below the comment ``<!-- file: NAME -->``."""
    text = (PAGES / f"{kind}.md").read_text(encoding="utf-8")
    found = re.search(
        rf"^<!-- file: {re.escape(name)} -->\n```[^\n]*\n(?P<text>.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"docs/targets/{kind}.md has no block that a comment <!-- file: {name} --> names"
    return found["text"]


class Bench:
    """A target on the test bench.

    Subclasses declare what the target is (checked against what it says of itself), give ``make``, ``spoil``, ``enters``
    and ``calls``, and for each of CAPABILITIES either its hooks or, in ``lacks``, the reason why it has none: then its
    tests are no part of the class. Neither or both of them is a failing test.
    """

    kind: ClassVar[str] = ""
    """The registry's name, "" for what is in no registry."""
    traits: ClassVar[Traits] = Traits()
    """What the target must say of itself."""
    ends_by_itself: ClassVar[bool] = False
    """Whether access ends at its end even when nothing of ours runs."""
    abilities: ClassVar[frozenset[type]] = frozenset({Observing})
    """The types of daypass.ports that say what it can do: these, and no others."""
    observing: ClassVar[int]
    """How many calls observing 1,000 entitlements takes at most."""
    lacks: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Capability to the reason why this target has none."""
    principals: ClassVar[Sequence[str]] = ("alice", "bob", "carol")
    """Three names that the system can hold; nobody of that name need exist before ``welcome``."""
    privileges: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"member_of": "orders_readonly"},
        {"member_of": "orders_admin"},
    )
    """Two privileges as roles of the catalogue have them, the first being what ``enters`` proves."""
    handing: ClassVar[bool | None] = None
    """Whether the first privilege hands something over, where not all of a target's do; None: as ``traits`` say."""
    keys: Sequence[str] = ()
    """The subject's public keys, which go with every order."""
    private_key: Path | None = None
    """The file of the private half of an SSH key among them, by which the subject signs requests."""
    window: ClassVar[timedelta] = timedelta(seconds=6)
    """How long access lasts where a test waits for its end by itself."""
    with_git: ClassVar[bool] = False
    """Whether whole runs are played in a repository of git, in place of one in memory.

    What runs do with git and a target is shown once, by a target that has all capabilities: git is the same for each.
    """
    examples: ClassVar[int] = 25
    """How many sequences of calls the model is compared with."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name in (name for name in dir(cls) if name.startswith("test_")):
            test = next(found for base in cls.__mro__ if (found := base.__dict__.get(name)) is not None)
            # What is lacking is declared, and is no test of the class; see test_what_it_lacks_is_said.
            setattr(cls, name, None if getattr(test, "needs", None) in cls.lacks else test)

    def make(self, folder: Path) -> Target:
        """Return a target called NAME whose world is the folder; a second call opens the same world again.

        Its credential has exactly what ``least_privilege`` gives.
        """
        raise NotImplementedError

    def spoil(self, target: Target) -> None:
        """Make the target's world impossible to read."""
        raise NotImplementedError

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        """Say whether the subject, as a client of the real system with what was handed over, gets in now."""
        raise NotImplementedError

    def calls(self, folder: Path) -> int:
        """Return how many requests the world's server has had so far."""
        raise NotImplementedError

    def welcome(self, folder: Path, ones: Iterable[Entitlement]) -> None:
        """Let the principals and the privileges of entitlements exist in the world, without giving anything."""

    def forget(self, folder: Path) -> None:
        """End what belongs to a world that is not needed any more."""

    def takes(self, principal: str) -> bool:
        """Say whether the system can have somebody of that name at all; if not, adding must be refused."""
        return True

    def same(self, one: str, other: str) -> bool:
        """Say whether the system holds two different names for one."""
        return False

    def numbered(self, n: int) -> str:
        """Return the name of the nth of very many principals."""
        return f"person-{n}"

    def by_hand(self, folder: Path, one: Entitlement) -> Entitlement:
        """Give access past daypass, and return it as it is observed: nothing may say there which resource it is of."""
        self.give(self.make(folder), one)
        return one

    def stranger(self, folder: Path) -> Entitlement:
        """Return an entitlement of somebody who does not exist in the world."""
        raise NotImplementedError

    def strange_privilege(self, folder: Path) -> Entitlement:
        """Return an entitlement to a privilege that does not exist in the world, of somebody who does."""
        raise NotImplementedError

    def cut(self, folder: Path, moment: str) -> None:
        """Let the network fail at the next write, at one of MOMENTS, and stay down if that is ``before``."""
        raise NotImplementedError

    def mend(self, folder: Path) -> None:
        """Let the network work again."""
        raise NotImplementedError

    def with_credential(self, folder: Path, state: str) -> tuple[Target, str, str]:
        """Open the world with one of CREDENTIALS; return the target, what its message must say, and the secret."""
        raise NotImplementedError

    def least_privilege(self) -> str:
        """Return the text of the target's page that made the credential of ``make``: see `page_block`."""
        raise NotImplementedError

    def rename_principal(self, folder: Path, one: Entitlement) -> Entitlement:
        """Give the principal another name in the world; return what ``enters`` asks for under it."""
        raise NotImplementedError

    def anew_principal(self, folder: Path, one: Entitlement) -> None:
        """Delete the principal in the world, and make somebody else with the same name."""
        raise NotImplementedError

    def rename_place(self, folder: Path, one: Entitlement) -> None:
        """Give what the privilege names another name in the world."""
        raise NotImplementedError

    def anew_place(self, folder: Path, one: Entitlement) -> None:
        """Delete what the privilege names, and make another with the same name, in which nobody has anything."""
        raise NotImplementedError

    def slowed(self, folder: Path, seconds: int) -> tuple[Target, Sequence[float]]:
        """Open the world so that the server's next answer asks to wait; return the target and what it has waited."""
        raise NotImplementedError

    # What tests are written with.

    def hands(self) -> bool:
        """Say whether who receives the first privilege is handed something."""
        return self.traits.hands_over if self.handing is None else self.handing

    def one(self, who: int = 0, *, resource: str = "orders-db", privilege: int = 0) -> Entitlement:
        """Return an entitlement of this target's own principals and privileges."""
        return self.named(self.principals[who], resource=resource, privilege=privilege)

    def named(self, principal: str, *, resource: str = "orders-db", privilege: int = 0) -> Entitlement:
        """Return an entitlement of anybody."""
        return Entitlement(NAME, resource, principal, canonical(dict(self.privileges[privilege])))

    def order(self, one: Entitlement, *, until: datetime = UNTIL, remove: bool = False) -> Order:
        """Return an order as a run at this second gives it."""
        now = datetime.now(UTC).replace(microsecond=0)
        return Order(Action.REMOVE, one, now, until) if remove else Order(Action.ADD, one, now, until, tuple(self.keys))

    def give(self, target: Target, *ones: Entitlement, until: datetime = UNTIL) -> list[Done]:
        """Add entitlements in one step, which must succeed."""
        done = list(target.carry_out([self.order(one, until=until) for one in ones]))
        assert [answer.error for answer in done] == [""] * len(ones)
        return done

    def give_many(self, target: Target, folder: Path, ones: Sequence[Entitlement]) -> None:
        """Let a thousand of the first privilege be there. A bench may bring them itself where each takes calls of its own."""
        step = target.traits.at_once
        for start in range(0, len(ones), step):
            self.give(target, *ones[start : start + step])

    def take(self, target: Target, *ones: Entitlement) -> None:
        """Remove entitlements in one step, which must succeed."""
        done = target.carry_out([self.order(one, remove=True) for one in ones])
        assert [answer.error for answer in done] == [""] * len(ones)
