"""Tells stories of access on terms: windows that recur, and a calendar that changes."""

from __future__ import annotations

from collections.abc import Callable

from simulation.story import ON_DISK, ROLES, Hours, Step, Wish
from simulation.teller import Teller

PLAIN = 72
"""So many lives from the first seed on are without terms: by their seeds it is known which finds what was planted."""
DUTIES: tuple[Hours, ...] = (
    ((540, 660), (700, 760), (820, 1000), (1100, 1200)),
    ((560, 600), (720, 900)),
    ((480, 780), (800, 1320)),
    ((300, 360),),
)
"""What the calendar says, one time or another: the second is shorter than the first, the third longer, the last at night."""
_HOURS: tuple[Hours, ...] = (
    ((550, 580), (600, 640), (700, 730), (800, 860)),
    ((545, 560), (565, 600), (720, 780)),
    ((570, 690), (840, 900)),
)


class TermsTeller(Teller):
    """Tells one story in which access has terms."""

    def tell(self, steps: int) -> tuple[Step, ...]:
        self.add("changes the calendar", number=0)
        return super().tell(steps)

    def _tales(self) -> dict[Callable[[], None], int]:
        return {**super()._tales(), self._recurs: 8, self._calendar: 3, self._waits: 6}

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

    def _waits(self) -> None:
        self._minute += self._random.choice((10, 20, 40, 60, 120))
        self._applies()


def tell(seed: int, steps: int = 40) -> tuple[Step, ...]:
    """Return the story of a seed. One in a hundred is played on disk, and of those after the first every other has terms."""
    on_disk = (Step(0, ON_DISK),) if seed % 100 == 99 else ()
    teller = TermsTeller if seed >= PLAIN and seed % 2 else Teller
    return (*on_disk, *teller(seed).tell(steps))
