"""Stories: what happens in one life, step by step, made from a seed alone.

A step names what it is about by itself and asks nothing of the steps before it: where it makes no sense (a review of a
request that was never opened) nothing happens. So a story stays one when steps are left out of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from simulation.faults import Kind

PEOPLE = ("alice", "henry", "bob", "carol", "dave", "erin", "frank")
"""Who is in the directory. Alice and Henry are in no group, Frank in none at first."""
OWNERS = {"bob", "carol"}
SECURITY = {"dave", "erin"}
"""Who is in the groups at first."""
ROLES = {
    ("orders", "read"): 480,
    ("orders", "admin"): 60,
    ("wiki", "edit"): 600,
    ("code", "push"): 400,
    ("host", "login"): 300,
}
"""What can be had, and for how many minutes at most. Orders needs an owner and security, the others an owner."""
TOTALS = {("orders", "read"): 600}
"""For how many minutes without a gap at most, where that is more than at once."""
VERA, SAM = "vera", "sam"
"""Works for a vendor; answers for it. They are in the directory where access has terms."""
AGREED = ("wiki", "host")
"""For which resources there is an agreement with the vendor: for support."""
WITHIN = 90
"""By so many minutes after its merge an emergency is to be reviewed."""
TARGETS = {"orders": "one", "wiki": "two", "code": "three", "host": "four"}


Hours = tuple[tuple[int, int], ...]
"""Times of each day at which something holds: half-open minutes of the day by the clock of Berlin, in order and apart."""


class Wish(NamedTuple):
    """What a grant file says. ``start`` None: it lasts ``length`` minutes from the merge on.

    ``hours``: access exists in them alone. ``on_duty``: in those of the one calendar. ``purpose`` is incident, an
    emergency that nobody has to approve and people have to review, or support, which is what a vendor's people do.
    """

    subject: str
    resource: str
    role: str
    start: int | None
    length: int
    hours: Hours = ()
    on_duty: bool = False
    purpose: str = ""

    @property
    def recurs(self) -> bool:
        """Whether access exists in intervals alone."""
        return bool(self.hours) or self.on_duty

    def __str__(self) -> str:
        when = "from the merge on" if self.start is None else f"from {clock(self.start)} on"
        hours = f", at {self.hours} of each day" if self.hours else ""
        hours += ", on duty" if self.on_duty else ""
        hours += f", for {self.purpose}" if self.purpose else ""
        return f"{self.subject} has {self.role} on {self.resource} for {self.length} minutes {when}{hours}"


class Step(NamedTuple):
    """Something that happens at a minute. ``name`` is a request's or a grant's, ``who`` acts, ``wish`` is what is asked.

    ``number`` is a minute, a count or a choice, as what is done has it, None for none. Where a run is to be befallen,
    ``fault`` is the kind's name, ``call`` the port's call ("": any), and ``after`` how many of them go well before. ``off``
    is by how many minutes the run's clock is ahead.
    """

    at: int
    does: str
    name: str = ""
    who: str = ""
    wish: Wish | None = None
    grant: str = ""
    number: int | None = None
    fault: str = ""
    call: str = ""
    after: int = 0
    off: int = 0

    def __str__(self) -> str:
        number = "" if self.number is None else f"{self.number}"
        fault = ""
        if self.fault:
            where = f"{self.call or 'a call'}, the {self.after + 1}. time"
            fault = f"where {where}: {Kind[self.fault].value}"
        off = f"by a clock that is {abs(self.off)} minutes {'ahead' if self.off > 0 else 'behind'}" if self.off else ""
        grant = self.grant and f"of grant {self.grant}"
        parts = (self.who, self.does, self.name, grant, str(self.wish or ""), number, fault, off)
        return f"{clock(self.at)}  " + " ".join(part for part in parts if part)


_BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)


def clock(minute: int) -> str:
    """Return a minute as the day of a life, the first of which begins at eight, and the time of the day."""
    at = _BEGIN + timedelta(minutes=minute)
    return f"day {(at.date() - _BEGIN.date()).days + 1} {at:%H:%M}"


@cache
def instant(minute: int) -> str:
    """Return a minute as an instant, RFC 3339."""
    return f"{_BEGIN + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"


ON_DISK = "is kept on disk"
"""Where this is the first step, history, forge and ledger are git's, and what the machine remembers lies in files."""


def minute(at: datetime) -> int:
    """Return the minute of an instant."""
    return int((at - _BEGIN).total_seconds() // 60)
