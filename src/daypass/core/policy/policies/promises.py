"""Reading policies/promises/*.yaml: what no request that is let through may be, whatever the rules say.

They decide nothing: `daypass policy prove` holds the rules to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from daypass.core.finding import Place
from daypass.core.policy.cel.expression import Calendars, Condition, compile_condition
from daypass.core.policy.cel.source import spread
from daypass.core.policy.facts import DECISION, VariableKind
from daypass.core.policy.policies.file import PolicyFile

if TYPE_CHECKING:
    from daypass.schema.rule_models import PromiseForm, PromisesForm


class Promise(Struct, frozen=True):
    """One promise: ``never`` a request of which the condition is true, or always one of which it is."""

    id: str
    condition: Condition
    never: bool
    place: Place
    message: str = ""

    @property
    def of_decision(self) -> bool:
        """Whether it speaks of what is decided, beside what is asked for."""
        return any(name.startswith(DECISION) for name in self.condition.names)

    def breaks(self, answer: bool) -> bool:
        """Say whether a request that is let through breaks it, by what the condition says of it."""
        return answer is self.never


def read_promises(file: PolicyFile[PromisesForm], calendars: Calendars, first: dict[str, Place]) -> tuple[Promise, ...]:
    """Read a file of promises. One that cannot be read is a finding and is left out; ``first`` has those of other files."""
    found = []
    for index, entry in enumerate(file.data["promises"]):
        place = file.place("promises", index, "id")
        other = first.setdefault(entry["id"], place)
        if other != place:
            message = f"promise {entry['id']!r} is made twice; the first is at {other}"
            file.fault("duplicate-promise", ("promises", index, "id"), message, "give each promise its own id")
        promise = _promise(file, index, entry, calendars)
        if promise is not None:
            found.append(promise)
    return tuple(found)


def _promise(file: PolicyFile[PromisesForm], index: int, entry: PromiseForm, calendars: Calendars) -> Promise | None:
    said = [key for key in ("never", "always") if key in entry]
    if len(said) != 1:
        message = f"promise {entry['id']} has {'never and always' if said else 'neither never nor always'}"
        file.fault("promise-unclear", ("promises", index), message, "give each promise one condition: never or always")
        return None
    key = said[0]
    text = entry["never"] if key == "never" else entry["always"]
    place = file.place("promises", index, key)
    found = compile_condition(text, place, spread(file.text, place.line, place.column, text), calendars, OF_DECISION)
    if not isinstance(found, Condition):
        file.findings.extend(found)
        return None
    return Promise(entry["id"], found, key == "never", file.place("promises", index, "id"), entry.get("message", ""))


OF_DECISION = (
    (f"{DECISION}automatic", VariableKind.BOOL),
    (f"{DECISION}approvals", VariableKind.INT),
    (f"{DECISION}sources", VariableKind.STRINGS),
)
"""What promises read beside what rules read."""
