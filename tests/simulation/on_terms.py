"""What happens in a life where access has terms: a calendar, emergencies and their reviews, a vendor's agreements."""

from __future__ import annotations

from collections.abc import Callable

from daypass.core.errors import DaypassError
from daypass.core.window import parse_instant
from simulation.files import calendar_file, directory_file, purpose_files, rules_file
from simulation.runs import Runs
from simulation.story import Hours, Step, instant, minute

DUTIES: tuple[Hours, ...] = (
    ((540, 660), (700, 760), (820, 1000), (1100, 1200)),
    ((560, 600), (720, 900)),
    ((480, 780), (800, 1320)),
    ((300, 360),),
)
"""What the calendar says, one time or another: the second is shorter than the first, the third longer, the last at night."""
_VOTES = {"approves the review": "approved", "rejects the review": "rejected"}


class Terms(Runs):
    """Lives in which access has terms."""

    def on_terms(self) -> dict[str, Callable[[Step], None]]:
        """Return what may happen, by its words."""
        return {
            "has terms": self._has_terms,
            "changes the calendar": self._changes_calendar,
            "is agreed until": self._agrees,
            **dict.fromkeys(_VOTES, self._votes),
        }

    def _has_terms(self, step: Step) -> None:
        oracle = self._oracle
        oracle.changes_main()
        oracle.agreed = {"agreement": None, "dpa": None}
        rules = rules_file(wiki_too=len(oracle.needs["wiki"]) > 1, terms=True)
        people = directory_file(oracle.groups, oracle.engaged, oracle.agreed)
        self._place.write_main([*purpose_files(), rules, people], step.at)

    def _changes_calendar(self, step: Step) -> None:
        """Cut or widen the calendar of who is on duty."""
        assert step.number is not None
        self._oracle.changes_main()
        self._oracle.duty = DUTIES[step.number]
        self._place.write_main([calendar_file(self._oracle.duty)], step.at)

    def _agrees(self, step: Step) -> None:
        """Let one of the agreements with a vendor end some time, or be without an end again."""
        oracle = self._oracle
        if oracle.agreed is not None:
            oracle.changes_main()
            oracle.agreed[step.name] = step.number
            self._place.write_main([directory_file(oracle.groups, oracle.engaged, oracle.agreed)], step.at)

    def _votes(self, step: Step) -> None:
        """Let somebody speak on the requests for the reviews of an emergency."""
        forge, state = self._place.forge(step.who), _VOTES[step.does]
        for listed in list(forge.open_pulls()):
            if not listed.branch.startswith(f"daypass/review/{step.grant}"):
                continue
            pull = forge.pull(listed.number)
            try:
                forge.review(pull.number, commit=pull.head, state=state, at=parse_instant(instant(step.at)))
            except DaypassError:  # of whom the forge takes none
                continue
            self._oracle.voted(step.grant, step.who, state, step.at, minute(pull.asked_at))
