"""What must hold after each run and at the end of a life, by the numbers of the design's invariants (section 6).

| invariant | how it is proved |
| --- | --- |
| 1 | `check_access`: after a run each target has of ours what the oracle allows, and ends by itself nothing later than that |
| 2 | `Life._runs`: what a run gave was allowed; `Life._notice_merges`: what the gate merged had the approvals it needed |
| 3, 4, 16 | the oracle counts no approval of who had a hand in it, by an older head or under other needs, and has rules and groups from main alone: what is merged or given beside that breaks 1 or 2 |
| 5 | `check_ledger`, `check_access`, `check_read_back`: every change has a receipt, the ledger has what is there; `check_audit`: and had, at every minute that was noted |
| 6 | `check_by_hand`: what others gave is there still |
| 7 | `Life._check_code`: how a run ended fits what befell it; nothing is given where clocks disagree, and nothing on main's old state (13) |
| 8 | `check_access`: where a run ended well all is there that was granted, whatever else failed before |
| 9 | `Life._runs_twice`: a run after one that ended well asks the targets for nothing |
| 10 | the oracle never lets a narrowing or a lifted bound give more |
| 13 | `Life._runs_on_older_main`: a run on an older main than the ledger's gives nothing |
| 14 | requests that nobody answers are closed by runs; the aimed story of `forge.close` needs it |
| 15 | `Accounts.check`: what one account was given goes to no other that has its name now, and `check_told`: that is said; a target that cannot be read, is stale or answers half is no proof of absence: 5 would not hold |

11 (who reads holds no way to write) is in the types, 12 (the brake) and 17 (no text claims more than was looked at) are in tests of
their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from daypass.core.audit.access import Holdings
from daypass.core.ledger.receipt import Intent, Receipt
from daypass.core.ledger.standing import Standing
from daypass.core.plan import Entitlement
from daypass.core.window import parse_instant
from simulation.oracle import Access, Oracle
from simulation.place import Place
from simulation.story import TARGETS, clock, instant, minute
from simulation.targets import Certificates, Members, SimulatedTarget, named

ByHand = Mapping[str, set[Entitlement]]
"""What somebody gave past daypass, by target."""


Told = dict[int, dict[str, set[Access]]]
"""What was at the targets at some minutes: by minute and target."""


class Unkept(Exception):  # noqa: N818  (it is raised where an invariant is not kept)
    """An invariant does not hold: its number, and what was found."""


def keep(holds: bool, invariant: str, what: str) -> None:
    """Raise Unkept where an invariant does not hold."""
    if not holds:
        raise Unkept(invariant, what)


def check_by_hand(place: Place, by_hand: ByHand) -> None:
    """What is not ours is there still, whatever became of the run."""
    for name, target in place.targets.items():
        gone = by_hand[name] - target.held.keys()
        keep(not gone, "6", f"what was given by hand is gone: {gone}")


def check_access(
    place: Place,
    oracle: Oracle,
    by_hand: ByHand,
    touched: Collection[str],
    at: int,
    allowed: set[Access],
    accounts: Accounts,
    *,
    every: bool,
) -> None:
    """Each target that works has what the oracle allows and the ledger says, and all that was granted if ``every``."""
    ledger = place.standing.holdings.keys()
    required = oracle.required(at)
    if at < place.minute:
        required &= oracle.required(place.minute)  # a target that ends access by itself goes by its own clock
    for name, target in place.targets.items():
        if not target.works or name in touched:
            continue
        ours = {target.access(one) for one in target.held.keys() - by_hand[name]}
        held = {named(one) for one in ledger if one.target == name}
        here = {one for one in required if TARGETS[one[0]] == name}
        offered = {target.access(one) for one in target.offered}
        if isinstance(target, Members):
            ours, offered = accounts.known(ours), accounts.known(offered)
            here = {one for one in here if accounts.sure(one, at)}
            held = {one for one in held if one in ours or one[1] not in accounts.moved}
        some = (ours | offered) - allowed
        keep(not some, "1", f"{sorted(some)} is at target {name}, and nothing gives it")
        lacking = here - ours - offered
        keep(not every or not lacking, "8", f"{sorted(lacking)} is not at target {name}, and was granted")
        late = {one for one in ours if target.ends_by_itself and _told_until(target, one) > oracle.ends(one)}
        keep(not late, "1", f"target {name} is to end {sorted(late)} by itself later than what gives it")
        keep(ours == held, "5", f"target {name} has {sorted(ours)}, and by the ledger {sorted(held)}")


def _told_until(target: SimulatedTarget | Certificates, access: Access) -> float:
    """Return the minute at which a target ends access by itself."""
    ends = [until for one, until in target.held.items() if target.access(one) == access]
    return max(minute(until) if until is not None else float("inf") for until in ends)


def check_read_back(
    place: Place,
    by_hand: ByHand,
    brought_back: Mapping[str, set[Access]],
    touched: Collection[str],
    accounts: Accounts,
) -> None:
    """The ledger says of nothing that it is gone while it is there, but of what a backup brought back since.

    Where a target was touched by a fault, what is there may be begun and never finished: that is told as well.
    """
    standing = place.standing
    known = {named(one) for one in standing.holdings}
    begun = {named(one) for one in standing.unfinished}
    for name, target in place.targets.items():
        if not target.dials.unreadable:
            there = {target.access(one) for one in target.held.keys() - by_hand[name]}
            unknown = there - brought_back[name] - known - (begun if name in touched else accounts.untold)
            keep(not unknown, "5", f"target {name} still has {sorted(unknown)}, and the ledger says not")


class Accounts:
    """Whose account holds what at the target that knows people by numbers.

    What was given to one account is never given to another that has its name now, as long as the ledger has it as given.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self._given: dict[Access, tuple[str, int]] = {}
        """The number, and until when it was given at least."""
        self.moved: set[str] = set()
        """Whose accounts have other names by now, or whose names other accounts have."""
        self._untold: set[tuple[Access, str]] = set()

    def moves(self, who: str) -> None:
        """Take in that somebody's account gets another name, or their name another account."""
        self.moved.add(who)
        self._untold |= {(one, number) for one, number in self._of(self._members.offered) if one[1] == who}

    @property
    def untold(self) -> set[Access]:
        """What was offered to an account that has another name by now: its number is on record only once it was accepted."""
        return {one for one, _ in self._lost()}

    def _lost(self) -> set[tuple[Access, str]]:
        self._untold &= self._of([*self._members.offered, *self._members.held])
        return self._untold

    def held(self) -> set[tuple[Access, str]]:
        """Return what is held, and by which number."""
        return self._of(self._members.held) - self._lost()

    def known(self, ones: Iterable[Access]) -> set[Access]:
        """Return what of some access does not stand with untold accounts alone."""
        members = self._members
        sure = self._of([*members.held, *members.offered]) - self._lost()
        return {one for one in ones if one not in self.untold or one in {known for known, _ in sure}}

    def _of(self, had: Iterable[Entitlement]) -> set[tuple[Access, str]]:
        return {(self._members.access(one), self._members.account(one)) for one in had}

    def check(self, before: set[tuple[Access, str]]) -> None:
        """Hold that a run gave nothing to an account that was given to another."""
        given = {one: number for one, (number, _) in self._given.items()}
        wrong = {(one, number) for one, number in self.held() - before if given.get(one, number) != number}
        keep(not wrong, "15", f"the run gave {sorted(wrong)}, which another account holds by the ledger")

    def check_told(self, code: int | None, required: Collection[Access]) -> None:
        """Hold that a run says of what nobody can tell that it is so."""
        gone = [one for one, (number, _) in self._given.items() if one in required and not self._members.bears(number)]
        gone += [one for one in self.untold if not self._members.number(one[1])]
        keep(not gone or code == 14, "15", f"the run ended with exit {code}, and where {gone} is nobody can tell")

    def note(self, standing: Standing, oracle: Oracle, *, working: bool) -> None:
        """Remember which account has what, as long as the ledger has it."""
        known = {named(one) for one in standing.holdings}
        self._given = {one: given for one, given in self._given.items() if one in known}
        if working:
            self._given |= {one: (number, oracle.ends(one)) for one, number in self.held() if one in known}

    def sure(self, access: Access, at: int) -> bool:
        """Whether it is known to whom an access is to be given: whom has it had all the time."""
        number, end = self._given.get(access, ("", 0))
        return access[1] not in self.moved or (self._members.bears(number) and at < end)


def check_ledger(place: Place, at: int) -> None:
    """The ledger verifies, and has an intent of every change that was asked of a target."""
    said = place.access.run("audit", "verify", "--at", instant(at), expect=None)
    keep(said.code == 0, "5", f"audit verify: {said.out}{said.err}")
    intents = (receipt.body for receipt in _receipts(place) if isinstance(receipt.body, Intent))
    intended = {(change.action.value, named(change.entitlement)) for intent in intents for change in intent.changes}
    for target in place.targets.values():
        for verb, one in target.calls:
            keep((verb, target.access(one)) in intended, "5", f"{verb} {target.access(one)} has no receipt")


def check_audit(place: Place, told: Told) -> None:
    """What the audit says of an instant is what was at the targets then."""
    receipts = _receipts(place)
    for at, targets in told.items():
        held = Holdings.at(parse_instant(instant(at)), receipts).held
        for name, was in targets.items():
            said = {named(one) for one, access in held.items() if one.target == name and not access.doubt}
            keep(said == was, "5", f"at {clock(at)} target {name} had {sorted(was)}; the audit says {sorted(said)}")


def _receipts(place: Place) -> list[Receipt]:
    """Return every receipt."""
    ledger = place.access.repo().ledger
    return list(ledger.receipts.proved(ledger.verifier.open)[1])
