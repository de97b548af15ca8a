"""Stories: what happens in one life, step by step, made from a seed alone.

A step names what it is about by itself and asks nothing of the steps before it: where it makes no sense (a review of a
request that was never opened) nothing happens. So a story stays one when steps are left out of it.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

PEOPLE = ("alice", "henry", "bob", "carol", "dave", "erin", "frank")
"""Who is in the directory. Alice and Henry are in no group, Frank in none at first."""
OWNERS = {"bob", "carol"}
SECURITY = {"dave", "erin"}
"""Who is in the groups at first."""
ROLES = {("orders", "read"): 480, ("orders", "admin"): 60, ("wiki", "edit"): 600}
"""What can be had, and for how many minutes at most. Orders needs an owner and security, wiki an owner."""
TARGETS = {"orders": "one", "wiki": "two"}


class Wish(NamedTuple):
    """What a grant file says. ``start`` None: it lasts ``length`` minutes from the merge on."""

    subject: str
    resource: str
    role: str
    start: int | None
    length: int

    def __str__(self) -> str:
        when = "from the merge on" if self.start is None else f"from {clock(self.start)} on"
        return f"{self.subject} has {self.role} on {self.resource} for {self.length} minutes {when}"


class Step(NamedTuple):
    """Something that happens at a minute. ``name`` is a request's or a grant's, ``who`` acts, ``wish`` is what is asked.

    ``number`` is a minute, a count or a choice, as what is done has it, None for none.
    """

    at: int
    does: str
    name: str = ""
    who: str = ""
    wish: Wish | None = None
    grant: str = ""
    number: int | None = None

    def __str__(self) -> str:
        number = "" if self.number is None else f"{self.number}"
        parts = (self.who, self.does, self.name, self.grant and f"of grant {self.grant}", str(self.wish or ""), number)
        return f"{clock(self.at)}  " + " ".join(part for part in parts if part)


def clock(minute: int) -> str:
    """Return a minute as the time of the day that every life begins on at eight."""
    return f"{8 + minute // 60:02}:{minute % 60:02}"


def instant(minute: int) -> str:
    """Return a minute as an instant, RFC 3339."""
    hours = 8 + minute // 60
    return f"2026-11-{20 + hours // 24:02}T{hours % 24:02}:{minute % 60:02}:00Z"


class Teller:
    """Tells one story: chooses what happens next by weights that keep lives eventful."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  (a story is to be told again from its seed)
        self._minute = 1
        self._requests: list[str] = []
        self._grants: list[str] = []
        self._wishes: dict[str, Wish] = {}
        self._steps: list[Step] = []

    def tell(self, steps: int) -> tuple[Step, ...]:
        """Return a story of about so many steps."""
        tales = {
            self._asks: 2, self._is_granted: 4, self._is_approved: 3, self._reviews: 3, self._pushes: 2, self._gates: 2,
            self._applies: 7, self._changes: 3, self._ends: 1, self._is_disputed: 1, self._joins_late: 1, self._merges_around: 2, self._writes_main: 1,
            self._edits: 2, self._bounds: 2, self._meddles: 2, self._fails: 3, self._is_restored: 2, self._dies: 2,
        }  # fmt: skip
        while len(self._steps) < steps:
            self._random.choices(list(tales), list(tales.values()))[0]()
        return tuple(self._steps)

    def _add(self, does: str, **more: Any) -> None:
        self._steps.append(Step(self._minute, does)._replace(**more))
        self._minute += self._random.choice((1, 1, 1, 2, 5, 15))

    def _person(self) -> str:
        return self._random.choice(PEOPLE)

    def _wish(self) -> Wish:
        subject = self._random.choice(("alice", "alice", "henry", "bob"))
        (resource, role), most = self._random.choice(list(ROLES.items()))
        start = self._random.choice((None, None, self._minute + self._random.choice((0, 10, 60))))
        length = self._random.choice((30, 60, most // 2, most, most, most + 30))
        return Wish(subject, resource, role, start, length)

    def _open(self, grant: str, wish: Wish | None, who: str) -> None:
        name = f"r{len(self._requests) + 1}"
        self._requests.append(name)
        self._add("opens", name=name, grant=grant, who=who, wish=wish)

    def _asks(self) -> None:
        wish = self._wish()
        grant = f"{wish.resource}/g{len(self._grants) + 1}"
        self._grants.append(grant)
        self._wishes[grant] = wish
        self._open(grant, wish, self._random.choice((wish.subject, wish.subject, wish.subject, self._person())))

    def _is_granted(self) -> None:
        """Let somebody ask, and mostly get what they asked for."""
        self._asks()
        self._is_approved()
        self._applies()

    def _is_approved(self) -> None:
        """Let one of the last requests get the approvals that it most often needs, and be merged."""
        if not self._requests:
            return
        name = self._random.choice((*self._requests[-2:], self._requests[-1], self._requests[-1]))
        self._add("approves", name=name, who=self._random.choice(("bob", "carol", "carol")))
        self._add("approves", name=name, who=self._random.choice(("dave", "erin")))
        self._add("gates")

    def _is_disputed(self) -> None:
        """Let somebody ask, one reject it and others approve; now and then the one comes round."""
        self._asks()
        self._add("rejects", name=self._requests[-1], who=self._random.choice(("carol", "erin")))
        self._add("approves", name=self._requests[-1], who="bob")
        self._add("approves", name=self._requests[-1], who="dave")
        if self._random.random() < 0.3:
            self._add("withdraws", name=self._requests[-1], who=self._random.choice(("carol", "erin")))
        self._add("gates")
        self._applies()

    def _joins_late(self) -> None:
        """Let Frank approve before he is an owner."""
        self._add("leaves", name="owners", who="frank")
        self._asks()
        self._add("approves", name=self._requests[-1], who="frank")
        self._add("joins", name="owners", who="frank")
        self._add("approves", name=self._requests[-1], who="dave")
        self._add("gates")
        self._applies()

    def _reviews(self) -> None:
        if self._requests:
            does = self._random.choice(("approves", "approves", "approves", "rejects", "withdraws"))
            self._add(does, name=self._random.choice(self._requests), who=self._person())

    def _pushes(self) -> None:
        if self._requests:
            name = self._random.choice(self._requests)
            self._add("pushes", name=name, who=self._person(), number=self._random.choice((20, 90, 200)))

    def _gates(self) -> None:
        self._add("gates")

    def _applies(self) -> None:
        self._add(self._random.choice(("apply", "apply", "expire")))

    def _changes(self) -> None:
        if self._grants:
            grant = self._random.choice(self._grants)
            wish = self._wishes[grant]
            start = self._random.choice((wish.start, self._minute, self._minute - 30, None))
            length = self._random.choice((10, wish.length // 2, wish.length, wish.length + 45))
            who = self._random.choice((wish.subject, self._person()))
            self._open(grant, wish._replace(start=start, length=length), who)
            if self._random.random() < 0.5:
                self._is_approved()

    def _ends(self) -> None:
        if self._grants:
            grant = self._random.choice(self._grants)
            self._open(grant, None, self._random.choice((self._wishes[grant].subject, self._person())))

    def _merges_around(self) -> None:
        if self._requests:
            self._add("merges around the gate", name=self._random.choice(self._requests), who=self._person())

    def _writes_main(self) -> None:
        wish = self._wish()
        grant = f"{wish.resource}/h{len(self._steps)}"
        if self._grants and self._random.random() < 0.7:
            grant = self._random.choice(self._grants)
            wish = self._wishes[grant]._replace(start=self._minute, length=self._random.choice((30, 600)))
        does = self._random.choice(("writes to main", "writes to main", "deletes on main", "puts back on main"))
        self._add(does, grant=grant, wish=wish if does == "writes to main" else None)

    def _edits(self) -> None:
        later = self._random.choice((None, self._minute + 5, self._minute + 45, self._minute + 120))
        what = self._random.randrange(5)
        if what == 0:
            self._add("is engaged until", who=self._random.choice(("alice", "henry")), number=later)
        elif what == 1:
            self._add("is kept until", name=self._random.choice(("orders", "wiki")), number=later)
        elif what == 2:
            self._add("changes the rules", number=self._random.randrange(2))
        else:
            who = self._random.choice(("bob", "carol", "frank", "dave", "erin"))
            group = self._random.choice(("security",) if who in SECURITY else ("owners",))
            self._add(self._random.choice(("joins", "joins", "leaves")), name=group, who=who)

    def _bounds(self) -> None:
        """Let a bound end what is given, a run see it, and somebody lift it again."""
        subject = self._random.choice(("alice", "henry"))
        self._add("is engaged until", who=subject, number=self._minute + self._random.choice((1, 2, 5)))
        self._applies()
        self._applies()
        self._add("is engaged until", who=subject)
        self._add("apply")

    def _meddles(self) -> None:
        does = self._random.choice(("is taken away by hand", "is given by hand"))
        self._add(does, name=self._random.choice(("one", "two")), number=self._random.randrange(10))

    def _fails(self) -> None:
        """Let a target fail, mostly while something is asked of it."""
        does = ("cannot be read", "refuses", "fails afterwards", "ignores", "ignores", "reach", "reach", "reach")
        self._add(self._random.choice(does), name=self._random.choice(("one", "two")))
        self._random.choice((self._is_granted, self._applies))()

    def _is_restored(self) -> None:
        """Let a target go back to what it was."""
        self._add(
            "is restored from a backup", name=self._random.choice(("one", "two")), number=self._random.randrange(30)
        )
        self._applies()

    def _dies(self) -> None:
        dying = ("apply dies at call", "apply dies after call", "gate dies at call")
        does = self._random.choice(
            (*dying, "apply meets another run at call", "apply sees an older main", "apply without the forge")
        )
        self._add(does, number=self._random.randrange(40))
        if self._random.random() < 0.5:
            self._add("apply")


def tell(seed: int, steps: int = 40) -> tuple[Step, ...]:
    """Return the story of a seed."""
    return Teller(seed).tell(steps)
