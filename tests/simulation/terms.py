"""Tells stories of access on terms: windows that recur, and a calendar that changes."""

from __future__ import annotations

from collections.abc import Callable

from simulation.on_terms import DUTIES
from simulation.story import ON_DISK, ROLES, SAM, VERA, Hours, Step, Wish
from simulation.teller import Teller

PLAIN = 72
"""So many lives from the first seed on are without terms: by their seeds it is known which finds what was planted."""
_HOURS: tuple[Hours, ...] = (
    ((550, 580), (600, 640), (700, 730), (800, 860)),
    ((545, 560), (565, 600), (720, 780)),
    ((570, 690), (840, 900)),
)


class TermsTeller(Teller):
    """Tells one story in which access has terms."""

    def tell(self, steps: int) -> tuple[Step, ...]:
        self.add("has terms")
        self.add("changes the calendar", number=0)
        return super().tell(steps)

    def _tales(self) -> dict[Callable[[], None], int]:
        return {
            **super()._tales(),
            self._recurs: 6,
            self._is_cut: 4,
            self._calendar: 2,
            self._waits: 4,
            self._is_an_emergency: 6,
            self._is_supported: 4,
            self._adds_up: 6,
        }

    def _wish(self) -> Wish:
        wish = super()._wish()
        return self._recurring() if self._random.random() < 0.4 else wish

    def _recurring(self) -> Wish:
        """Return a wish for access that comes and goes."""
        subject = self._random.choice(("alice", "alice", "henry", "bob"))
        resource, role = self._random.choice([one for one in ROLES if one[0] != "code"])  # which invites people
        start = self._minute + self._random.choice((-60, -10, 0, 0, 20, 90))
        length = self._random.choice((60, 240, 600, 2000, 5000))
        hours = self._random.choice((*_HOURS, ()))
        return Wish(subject, resource, role, start, length, hours, on_duty=not hours)

    def _recurs(self) -> None:
        """Let somebody be given what comes and goes, and runs see it do so."""
        self._asks_and_approves(self._recurring())
        self.add("gates")
        for _ in range(self._random.choice((1, 2, 4))):
            self._applies()
            self._waits()

    def _calendar(self) -> None:
        """Let the calendar be cut or widened."""
        self.add("changes the calendar", number=self._random.randrange(len(DUTIES)))
        self._random.choice((self._applies, self._applies, self._recurs))()

    def _is_an_emergency(self) -> None:
        """Let somebody be given what nobody approves, and mostly people review it, in time or not."""
        resource, role = self._random.choice(list(ROLES))
        subject = self._random.choice(("alice", "henry", "bob"))
        start = self._random.choice((None, None, None, self._minute))
        self._asks(Wish(subject, resource, role, start, self._random.choice((30, 60, 200, 300)), purpose="incident"))
        grant = self._grants[-1]
        if self._random.random() < 0.2:
            self.add("approves", name=self._requests[-1], who=self._random.choice(("bob", "carol")))
        self.add("gates")
        self._applies()
        for _ in range(self._random.choice((0, 1, 1, 2))):
            self._minute += self._random.choice((0, 5, 40, 100))
            who = self._random.choice(("bob", "bob", "carol", "carol", subject, "dave", "frank"))
            does = self._random.choice(("approves the review", "approves the review", "rejects the review"))
            self.add(does, who=who, grant=grant)
            self._random.choice((self._applies, self._applies, self._gates, self._recurs))()
        self._minute += self._random.choice((0, 30, 100))
        self._applies()

    def _is_supported(self) -> None:
        """Let a vendor's worker be given something, and an agreement end."""
        resource, role = self._random.choice(
            (("wiki", "edit"), ("host", "login"), ("host", "login"), ("orders", "read"))
        )
        purpose = self._random.choice(("support", "support", "support", ""))
        wish = Wish(VERA, resource, role, None, self._random.choice((30, 120, 300)), purpose=purpose)
        self._asks_and_approves(wish)
        if self._random.random() < 0.8:
            self.add("approves", name=self._requests[-1], who=SAM)
        self.add("gates")
        self._applies()
        if self._random.random() < 0.6:
            later = self._random.choice((self._minute, self._minute + 10, self._minute + 60, None))
            self.add("is agreed until", name=self._random.choice(("agreement", "dpa")), number=later)
            self._waits()
            self.add("is agreed until", name=self._random.choice(("agreement", "dpa")), number=None)
            self._applies()

    def _adds_up(self) -> None:
        """Let somebody ask for the same again and again."""
        wish = Wish("alice", "orders", "read", None, self._random.choice((240, 300, 480)))
        for _ in range(3):
            self._asks_and_approves(wish)
            self.add(
                self._random.choice(("gates", "gates", "merges around the gate")), name=self._requests[-1], who="carol"
            )
            self._applies()
            self._minute += self._random.choice((30, wish.length - 60, wish.length + 5, wish.length + 20))

    def _is_cut(self) -> None:
        """Let somebody have what a calendar gives, and the calendar be cut and widened meanwhile."""
        self.add("changes the calendar", number=self._random.choice((0, 2)))
        subject = self._random.choice(("alice", "henry"))
        resource, role = self._random.choice((("wiki", "edit"), ("orders", "read"), ("host", "login")))
        self._asks_and_approves(Wish(subject, resource, role, self._minute, 3000, on_duty=True))
        self.add("gates")
        self._waits()
        for _ in range(self._random.choice((1, 2, 3))):
            self.add("changes the calendar", number=self._random.choice((1, 1, 2, 3)))
            self._waits()

    def _waits(self) -> None:
        self._minute += self._random.choice((10, 20, 40, 60, 120))
        self._applies()


def tell(seed: int, steps: int = 40) -> tuple[Step, ...]:
    """Return the story of a seed. One in a hundred is played on disk, and of those after the first every other has terms."""
    on_disk = (Step(0, ON_DISK),) if seed % 100 == 99 else ()
    teller = TermsTeller if seed >= PLAIN and seed % 2 else Teller
    return (*on_disk, *teller(seed).tell(steps))
