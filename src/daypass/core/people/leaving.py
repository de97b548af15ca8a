"""Who has left by the word of the source of people, and what ends by it.

What the source says is written down, in a receipt, and believed from there: it ends what people hold, and nothing else. A
source that loses many at once is likelier wrong than right, and waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from daypass.core.bounds.limits import Limits
from daypass.core.catalogue import Directory, Subject
from daypass.core.errors import RefusedError
from daypass.core.files.text import quoted
from daypass.core.ids import digest
from daypass.core.ledger.records import Departed
from daypass.core.ledger.standing import Departure
from daypass.core.people.matching import DISABLED, GONE, gone_of, linked
from daypass.core.people.source import SourcePerson
from daypass.core.record import replace
from daypass.core.window import format_instant

LEFT: Mapping[str, str] = MappingProxyType(
    {
        "account-disabled": "the source of people has {} as disabled",
        "account-gone": "the source of people has {} no more",
    }
)
"""The codes of ends that a source brings about, each with its words."""

LEAVING = "daypass/people"
"""The branch of the request that ends the engagement of those who left."""

LEFT_TITLE = "End the engagement of people who have left"

_CODES = {DISABLED: "account-disabled", GONE: "account-gone"}


class Departures(Struct, frozen=True):
    """What a source says that no receipt does: who ``left``, and who is ``back``.

    ``known`` is how many the directory has from it. ``held`` says why a person has to confirm it first, "" if nobody has to.
    """

    left: tuple[Departed, ...]
    back: tuple[Departed, ...]
    known: int
    held: str = ""

    @property
    def digest(self) -> str:
        """What a person confirms: who is said to have left."""
        return digest([[one.person, one.number, one.code] for one in self.left])

    def confirmed(self, said: str) -> Departures:
        """Return what is to be done once a person has said that they mean this."""
        return Departures(self.left, self.back, self.known) if said == self.digest else self


def departures(
    people: Sequence[SourcePerson],
    directory: Directory,
    departed: Mapping[str, Departure],
    limits: Limits,
    *,
    source: str,
    at: datetime,
) -> Departures:
    """Hold what a source says against main's directory and what is on record.

    Whose engagement is over by the directory has left already. Raises RefusedError where it names somebody without an id:
    whom it has no more cannot be told then.
    """
    nameless = next((one for one in people if not one.number), None)
    if nameless is not None:
        raise RefusedError(
            f"{source} names {quoted(nameless.called)} without an id, so nobody can tell by it who left",
            hint="correct it there; nobody is taken to have left, or to be back, by such a list",
        )
    known = linked(directory)
    gone = dict(gone_of(people, directory))
    left = tuple(
        Departed(one.handle, number, _CODES[gone[one.handle]], source)
        for number, one in sorted(known.items(), key=lambda pair: pair[1].handle)
        if one.handle in gone and number not in departed and not (one.until is not None and one.until <= at)
    )
    back = tuple(
        Departed(known[number].handle, number, "", source)
        for number in sorted(departed)
        if number in known and known[number].handle not in gone
    )
    return Departures(left, back, len(known), _suspicious(len(left), len(gone), len(known), limits))


def _suspicious(new: int, gone: int, known: int, limits: Limits) -> str:
    """Say why a source is not believed without a person: it has lost more at once than leave."""
    most = limits.brake(known)[0]
    if new > most:
        return f"{new} people have left at once, where the settings allow {most}"
    if new and gone == known:
        return f"the source has none of the {known} people whom the directory has from it"
    if new > 1 and 2 * new > known:
        return f"{new} of {known} people have left at once"
    return ""


def absent(subject: Subject | None, departed: Mapping[str, Departure]) -> Departure | None:
    """Return how somebody left, None for who is there: it holds for as long as main's directory has them from the source."""
    return departed.get(subject.source_id) if subject is not None and subject.source_id else None


def said(departure: Departure) -> str:
    """Say why what somebody holds has ended."""
    words = LEFT.get(departure.code, "the source of people says that {} has left")
    return f"{words.format(departure.person)}, since {format_instant(departure.at)}"


def is_final(departure: Departure, merged_at: datetime) -> bool:
    """Say whether a departure ends for good what was merged at an instant: only what had been merged before it.

    Word of it may have waited in an outbox while somebody was back and was given access anew. What was merged since is
    held back for as long as they are on record as having left, and ends for good with their engagement in the directory.
    """
    return merged_at < departure.at


def untils(directory: Directory, departed: Mapping[str, Departure]) -> Mapping[str, datetime]:
    """Return whose engagement main's directory is to end, and when: of those who left, who are there by it for longer."""
    found = {}
    for number, one in linked(directory).items():
        departure = departed.get(number)
        if departure is not None and (one.until is None or one.until > departure.at):
            found[one.handle] = departure.at
    return found


def without_leavers(directory: Directory, departed: Mapping[str, Departure]) -> Directory:
    """Return a directory in which everybody's engagement is over who left; the same one where it is by itself."""
    ends = untils(directory, departed)
    if not ends:
        return directory
    subjects = {h: replace(one, until=ends[h]) if h in ends else one for h, one in directory.subjects.items()}
    return replace(directory, subjects=subjects)


def is_end_of(code: str, bound: str, departed: Iterable[Departure]) -> bool:
    """Say whether an end, by its code and words, is that of one who left by what is on record."""
    return any(one.code == code and bound == said(one) for one in departed)
