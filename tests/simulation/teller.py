"""Tells stories: chooses from a seed what happens next, step by step."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from simulation.faults import TABLE, Kind
from simulation.story import PEOPLE, ROLES, SECURITY, TARGETS, Step, Wish

_BY_THE_GATE = ("merge", "reviews", "commits", "sizes", "changes", "merge_base", "merge_bases", "pull")
"""Calls that the gate makes, whenever a request is open."""
_SURE = Wish("alice", "orders", "read", None, 60)
"""What is granted where nothing goes wrong."""
_CODE = Wish("alice", "code", "push", None, 60)
"""What is granted where people are known by numbers."""


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
        tales = self._tales()
        if self._random.random() < 0.4:
            self.add("clocks are compared")
        while len(self._steps) < steps:
            self._random.choices(list(tales), list(tales.values()))[0]()
        return tuple(self._steps)

    def _tales(self) -> dict[Callable[[], None], int]:
        """Return what may happen, each with its weight."""
        return {
            self._asks: 2, self._is_granted: 4, self._is_approved: 3, self._reviews: 3, self._pushes: 2, self._gates: 2,
            self._applies: 7, self._changes: 3, self._ends: 1, self._is_disputed: 1, self._joins_late: 1, self._merges_around: 2, self._writes_main: 1,
            self._edits: 2, self._bounds: 2, self._meddles: 2, self._fails: 3, self._is_restored: 2, self._is_befallen: 5, self._goes_away: 1,
            self._has_other_time: 1, self._comes_again: 1, self._is_invited: 2, self._has_other_name: 2, self._is_cut_off: 2, self._forgets: 1, self._is_given_up: 1,
        }  # fmt: skip

    @property
    def told(self) -> tuple[Step, ...]:
        """The story so far."""
        return tuple(self._steps)

    def add(self, does: str, **more: Any) -> None:
        """Let something happen now; time goes on."""
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
        self.add("opens", name=name, grant=grant, who=who, wish=wish)

    def _asks(self, sure: Wish | None = None) -> None:
        wish = sure or self._wish()
        grant = f"{wish.resource}/g{len(self._grants) + 1}"
        self._grants.append(grant)
        self._wishes[grant] = wish
        who = self._random.choice((wish.subject, wish.subject, wish.subject, self._person()))
        self._open(grant, wish, wish.subject if sure else who)

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
        self.add(self._by_verb("approves"), name=name, who=self._random.choice(("bob", "carol", "carol")))
        self.add("approves", name=name, who=self._random.choice(("dave", "erin")))
        self.add("gates")

    def _by_verb(self, does: str) -> str:
        """Say whether somebody does it by daypass's own verb, or at the forge."""
        return f"{does} by verb" if self._random.random() < 0.3 else does

    def _is_disputed(self) -> None:
        """Let somebody ask, one reject it and others approve; now and then the one comes round."""
        self._asks()
        self.add("rejects", name=self._requests[-1], who=self._random.choice(("carol", "erin")))
        self.add("approves", name=self._requests[-1], who="bob")
        self.add("approves", name=self._requests[-1], who="dave")
        if self._random.random() < 0.3:
            self.add("withdraws", name=self._requests[-1], who=self._random.choice(("carol", "erin")))
        self.add("gates")
        self._applies()

    def _joins_late(self) -> None:
        """Let Frank approve before he is an owner."""
        self.add("leaves", name="owners", who="frank")
        self._asks()
        self.add("approves", name=self._requests[-1], who="frank")
        self.add("joins", name="owners", who="frank")
        self.add("approves", name=self._requests[-1], who="dave")
        self.add("gates")
        self._applies()

    def _reviews(self) -> None:
        if self._requests:
            does = self._random.choice(("approves", "approves", "approves", "rejects", "withdraws"))
            self.add(self._by_verb(does), name=self._random.choice(self._requests), who=self._person())

    def _pushes(self) -> None:
        if self._requests:
            name = self._random.choice(self._requests)
            self.add("pushes", name=name, who=self._person(), number=self._random.choice((20, 90, 200)))

    def _gates(self) -> None:
        self.add("gates")

    def _applies(self) -> None:
        self.add(self._random.choice(("apply", "apply", "expire")))

    def _changes(self) -> None:
        if self._grants:
            grant = self._random.choice(self._grants)
            wish = self._wishes[grant]
            start = self._random.choice((wish.start, self._minute, self._minute - 30, None))
            start = wish.start if wish.recurs and start is None else start
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
            self.add("merges around the gate", name=self._random.choice(self._requests), who=self._person())

    def _writes_main(self) -> None:
        wish = self._wish()
        grant = f"{wish.resource}/h{len(self._steps)}"
        if self._grants and self._random.random() < 0.7:
            grant = self._random.choice(self._grants)
            wish = self._wishes[grant]._replace(start=self._minute, length=self._random.choice((30, 600)))
        does = self._random.choice(("writes to main", "writes to main", "deletes on main", "puts back on main"))
        self.add(does, grant=grant, wish=wish if does == "writes to main" else None)

    def _edits(self) -> None:
        later = self._random.choice((None, self._minute + 5, self._minute + 45, self._minute + 120))
        what = self._random.randrange(5)
        if what == 0:
            self.add("is engaged until", who=self._random.choice(("alice", "henry")), number=later)
        elif what == 1:
            self.add("is kept until", name=self._random.choice(list(TARGETS)), number=later)
        elif what == 2:
            self.add("changes the rules", number=self._random.randrange(2))
        else:
            who = self._random.choice(("bob", "carol", "frank", "dave", "erin"))
            group = self._random.choice(("security",) if who in SECURITY else ("owners",))
            self.add(self._random.choice(("joins", "joins", "leaves")), name=group, who=who)

    def _bounds(self) -> None:
        """Let a bound end what is given, a run see it, and somebody lift it again."""
        subject = self._random.choice(("alice", "henry"))
        self.add("is engaged until", who=subject, number=self._minute + self._random.choice((1, 2, 5)))
        self._applies()
        self._applies()
        self.add("is engaged until", who=subject)
        self.add("apply")

    def _meddles(self) -> None:
        does = self._random.choice(("is taken away by hand", "is given by hand"))
        self.add(does, name=self._random.choice(("one", "two", "three")), number=self._random.randrange(10))

    def _fails(self) -> None:
        """Let a target fail, mostly while something is asked of it."""
        does = ("cannot be read", "refuses", "fails afterwards", "ignores", "ignores", "reach", "reach", "reach")
        self.add(self._random.choice(does), name=self._random.choice(list(TARGETS.values())))
        self._random.choice((self._is_granted, self._applies))()

    def _is_restored(self) -> None:
        """Let a target go back to what it was."""
        name = self._random.choice(list(TARGETS.values()))
        self.add("is restored from a backup", name=name, number=self._random.randrange(30))
        self._applies()

    def _is_invited(self) -> None:
        """Let somebody be given what they have to accept first; mostly they do, at some time."""
        self._asks_and_approves(_CODE._replace(subject="henry", length=self._random.choice((30, 90, 400))))
        self.add("gates")
        for _ in range(self._random.choice((1, 2))):
            self._applies()
        if self._random.random() < 0.8:
            self._minute += self._random.choice((0, 0, 40))
            self.add("accepts", who="henry")
        self._applies()

    def _has_other_name(self) -> None:
        """Let somebody who was given something have another name, or somebody else have theirs."""
        who = self._random.choice(("alice", "alice", "henry", "bob"))
        if self._random.random() < 0.7:
            self._asks_and_approves(_CODE._replace(subject=who, length=self._random.choice((30, 90, 400))))
            self.add("gates")
            self._applies()
        does = self._random.choice(("is renamed", "has a successor by the same name"))
        self.add(does, who=who, number=len(self._steps))
        self._applies()
        if self._random.random() < 0.4:
            self.add("has a successor by the same name", who=who)
            self._random.choice((self._is_granted, self._applies, self._changes))()
        if self._random.random() < 0.5 and self._grants:
            self._settles(who)

    def _settles(self, who: str) -> None:
        """Let a person say what became of an account; mostly of what was given to it last."""
        does = self._random.choice(("is settled to be who is meant", "is written off"))
        mine = [grant for grant in self._grants if self._wishes[grant][:2] == (who, "code")] or self._grants
        self.add(does, who=who, grant=self._random.choice((mine[-1], mine[-1], self._random.choice(mine))))
        self._applies()

    def _is_befallen(self) -> None:
        """Let something go wrong at a call of a run: at a certain one, or at any that it can befall."""
        call, kinds = self._random.choice(list(TABLE.items()))
        kind = self._random.choice(kinds)
        after = self._random.choice((0, 0, 0, 1, 2, 5))
        name = ".".join(call)
        if self._random.random() < 0.3:
            name, after = "", self._random.randrange(40)
        if self._random.random() < 0.7 or not self._requests:
            self.prepare(name)
        self.befall(name, kind, after)
        if self._random.random() < 0.5:
            self.add("apply")

    def befall(self, call: str, kind: Kind, after: int) -> None:
        """Let something go wrong at a verb that makes a call."""
        verbs = dict.fromkeys(_BY_THE_GATE, "gates")
        verbs |= dict.fromkeys(("close", "open", "commit", "push", "resolve", "open_pulls", "unmerged_pulls"), "expire")
        port, _, name = call.partition(".")
        does = verbs.get(name) or self._random.choice(("apply", "apply", "expire", *(["gates"] if not port else ())))
        if name in ("review", "acting") and self._requests:
            self.add("approves by verb", name=self._requests[-1], who="carol", fault=kind.name, call=call, after=after)
        else:
            self.add(does, fault=kind.name, call=call, after=after)

    def prepare(self, call: str) -> None:
        """Let happen what a run needs to make a call."""
        name = call.rpartition(".")[2]
        if name == "clock":
            self.add("clocks are compared")
        if name in _BY_THE_GATE:
            self._asks_and_approves()
        elif name in ("review", "acting", "close"):
            self._asks(_SURE)
            self._minute += 1441 if name == "close" else 0
        elif name in ("open", "commit", "resolve", "open_pulls"):
            self._ends_by_itself()
        elif name == "push":
            self._asks_approves_and_gates()
            self._asks_and_approves(_SURE._replace(subject="henry", length=240))
            self._ends_by_itself(gated=True)
            self.add("expire")
            self._minute += 240
            self.add("apply")
        elif name in ("find", "awaited"):
            self._asks_and_approves(_CODE)
            self.add("gates")
            self.add("apply")
            self._asks_approves_and_gates()
        elif name in ("deliver", "put"):
            self._asks_approves_and_gates()
            self.add("apply")
            self._minute += 61
            self.add("apply without the remote")
        elif name == "load":
            self._asks_approves_and_gates()
            self.add("apply")
            self._asks_approves_and_gates()
        else:
            self._asks_approves_and_gates()
        if name == "files":
            self.add("changes the rules", number=self._random.randrange(2))

    def _asks_and_approves(self, wish: Wish = _SURE) -> None:
        self._asks(wish)
        self.add("approves", name=self._requests[-1], who=self._random.choice(("bob", "carol")))
        self.add("approves", name=self._requests[-1], who=self._random.choice(("dave", "erin")))

    def _asks_approves_and_gates(self) -> None:
        self._asks_and_approves()
        self.add("gates")

    def _ends_by_itself(self, *, gated: bool = False) -> None:
        """Let something short be granted and end, so that there is a file to remove; ``gated``: it was asked for before."""
        if not gated:
            self._asks_and_approves()
        self.add("gates")
        self.add("apply")
        self._minute += 100
        self.add("apply")

    def _goes_away(self) -> None:
        """Let the forge be away for hours or days, while runs go on and access ends."""
        self._asks_approves_and_gates()
        for _ in range(self._random.choice((1, 1, 2, 3))):
            self.add("apply without the forge")
            self._minute += self._random.choice((1, 30, 200, 1500, 4000))
        self.add("apply without the forge")
        self._applies()

    def _is_given_up(self) -> None:
        """Let somebody close a request, mostly who opened it."""
        self._asks()
        self._reviews()
        who = self._wishes[self._grants[-1]].subject if self._random.random() < 0.7 else self._person()
        self.add("closes", name=self._requests[-1], who=who)
        self.add("expire")

    def _is_cut_off(self) -> None:
        """Let access end while the machine that runs reaches nothing but targets, and others go on."""
        self._random.choice((self._asks_approves_and_gates, self._is_granted))()
        self.add("apply")
        for _ in range(self._random.choice((1, 2, 2, 3))):
            self._minute += self._random.choice((1, 61, 61, 200, 500))
            fault = self._random.choice(("", "", "DIES_BEFORE", "DIES_AFTER", "LOST", "SILENT"))
            call = self._random.choice(
                ("ledger.append", "target.carry_out", "target.write", "target.recall", "ledger.load")
            )
            call = "target.write" if fault == "LOST" else call
            more = {"fault": fault, "call": call, "after": self._random.choice((0, 0, 1))} if fault else {}
            self.add("apply without the remote", **more)
            meanwhile = (self._changes, self._gates, self._goes_on_elsewhere, self._goes_on_elsewhere)
            if self._random.random() < 0.5:
                self._random.choice(meanwhile)()
        if self._random.random() < 0.1:
            self.add("loses its outbox")
        self._applies()

    def _goes_on_elsewhere(self) -> None:
        if self._random.random() < 0.4:
            self._asks_approves_and_gates()
        self.add("apply on the other machine")

    def _forgets(self) -> None:
        """Let the machine know nothing of the ledger, so that it begins at a snapshot where there is one."""
        self.add("forgets what it verified")
        self._applies()

    def _has_other_time(self) -> None:
        """Let a run's clock be wrong, or a target's."""
        if self._random.random() < 0.7:
            self._asks_approves_and_gates()
        off = self._random.choice((-700, -45, -3, -1, 1, 3, 45, 700))
        if self._random.random() < 0.3:
            self.add("has a clock that is ahead by", name=self._random.choice(("one", "two")), number=off)
            self._applies()
            self.add("has a clock that is ahead by", name=self._random.choice(("one", "two")), number=0)
        else:
            self.add(self._random.choice(("apply", "apply", "expire")), off=off)
        self._applies()

    def _comes_again(self) -> None:
        """Let what starts a run be delivered twice, or let the run see an older main."""
        does = self._random.choice(("gates twice", "applies twice", "apply sees an older main"))
        self.add(does)


def aim(call: str, kind: Kind, seed: int, after: int = 0) -> tuple[Step, ...]:
    """Return a story in which a call is made that something befalls; runs follow that must put it right."""
    teller = Teller(seed)
    teller.prepare(call)
    teller.befall(call, kind, after)
    for does in ("apply", "gates", "apply", "expire"):
        teller.add(does)
    return teller.told
