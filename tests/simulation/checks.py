"""What must hold after each run and at the end of a life, by the numbers of the design's invariants (section 6).

| invariant | how it is proved |
| --- | --- |
| 1 | `check_ended`: a run that reaches nothing but targets leaves nothing that is over; `check_access`: after a run each target has of ours what the oracle allows, and ends by itself nothing later than that |
| 2 | `Life._runs`: what a run gave was allowed; `Life._notice_merges`: what the gate merged had the approvals it needed |
| 3, 4, 16 | the oracle counts no approval of who had a hand in it, by an older head or under other needs, and has rules and groups from main alone: what is merged or given beside that breaks 1 or 2 |
| 5 | `check_ledger`, `check_access`, `check_read_back`, `check_standing`: every change has a receipt, the ledger has what is there; `audits.check_answers`: the audit says so of every minute that was noted, on disk by its own index |
| 6 | `check_by_hand`: what others gave is there still |
| 7 | `Life._check_code`: how a run ended fits what befell it; nothing is given where clocks disagree, and nothing on main's old state (13) |
| 8 | `check_access`: where a run ended well all is there that was granted, whatever else failed before |
| 9 | `Life._runs_twice`: a run after one that ended well asks the targets for nothing |
| 10 | the oracle never lets a narrowing or a lifted bound give more |
| 13 | `Life._runs_on_older_main`: a run on an older main than the ledger's gives nothing |
| 14 | requests that nobody answers are closed by runs; the aimed story of `forge.close` needs it |
| 15 | `Accounts.check`: what one account was given goes to no other that has its name now, and `check_told`: that is said; `Life._settles`: who looks can end the doubt, and nothing else is taken for one; a target that cannot be read, is stale or answers half is no proof of absence: 5 would not hold |

Terms are held to 1, 2 and 8 by the oracle: intervals are those of the merge, less what the calendar of now cuts; an emergency that
nobody approved by when they were to, of those who had no part in it, is over for good; so is what outlives a vendor's agreements;
what would add up to more than `max_total` without a gap is not given.

11 (who reads holds no way to write) is in the types, 12 (the brake) and 17 (no text claims more than was looked at) are in tests of
their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from daypass.core.ledger import snapshot
from daypass.core.ledger.receipt import Decided, Intent, Receipt
from daypass.core.ledger.standing import fold
from daypass.core.plan import Entitlement
from simulation.accounts import Accounts
from simulation.oracle import Oracle
from simulation.place import Place
from simulation.remembered import Access
from simulation.story import TARGETS, instant, minute
from simulation.targets import Certificates, Members, SimulatedTarget, named
from simulation.unkept import keep

ByHand = Mapping[str, set[Entitlement]]
"""What somebody gave past daypass, by target."""


_LOOKED_AT = 7 * 1440
"""For so many minutes after the last thing that happened to it a request is looked at."""


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
    doubted: Collection[str],
) -> None:
    """Each target that works has what the oracle allows and the ledger says, and all that was granted if ``every``."""
    ledger = place.standing.holdings.keys()
    required, last = oracle.required(at), place.standing.at
    latest = max(at, minute(last) if last is not None else at)
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
            ours, offered = accounts.known(target.held.keys() - by_hand[name]), accounts.known(target.offered)
            here = {one for one in here if accounts.sure(one, at)}
            held = {one for one in held if one in ours or one[1] not in accounts.moved}
        some = (ours | offered) - allowed
        keep(not some, "1", f"{sorted(some)} is at target {name}, and nothing gives it")
        lacking = here - ours - offered
        keep(not every or not lacking, "8", f"{sorted(lacking)} is not at target {name}, and was granted")
        late = {one for one in ours if target.ends_by_itself and _told_until(target, one) > oracle.ends(one, latest)}
        keep(not late, "1", f"target {name} is to end {sorted(late)} by itself later than what gives it")
        if name in doubted:  # what was lost there is not given again while clocks do not agree
            held &= ours
        keep(ours == held, "5", f"target {name} has {sorted(ours)}, and by the ledger {sorted(held)}")


def _told_until(target: SimulatedTarget | Certificates, access: Access) -> float:
    """Return the minute at which a target ends access by itself."""
    ends = [until for one, until in target.held.items() if target.access(one) == access]
    return max(minute(until) if until is not None else float("inf") for until in ends)


def check_ended(
    place: Place,
    over: set[Access],
    doubted: Collection[str],
    brought_back: Mapping[str, set[Access]],
    accounts: Accounts,
) -> None:
    """Nothing is left of what is over by the ledger as a machine knows it, at targets that work and agree on the time."""
    for name, target in place.targets.items():
        if target.works and name not in doubted:
            there = {target.access(one) for one in target.held}
            if isinstance(target, Members):
                there = accounts.known(target.held)
            left = there & over - brought_back[name]
            keep(not left, "1", f"a run without the remote left {sorted(left)} at target {name}")


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


def check_ledger(place: Place, at: int, accounts: Accounts, receipts: Iterable[Receipt]) -> None:
    """The ledger verifies, and has an intent of every change that was asked of a target."""
    said = place.access.run("audit", "verify", "--at", instant(at), expect=None)
    wrong = [line for line in said.out.splitlines() if line.startswith("error")]
    if accounts.in_doubt:  # of which a person has to say what became of it
        wrong = [line for line in wrong if "held-past-window" not in line]
    keep(said.code == 0 or (accounts.in_doubt and not wrong), "5", f"audit verify: {said.out}{said.err}")
    intents = (receipt.body for receipt in receipts if isinstance(receipt.body, Intent))
    intended = {(change.action.value, named(change.entitlement)) for intent in intents for change in intent.changes}
    for target in place.targets.values():
        for verb, one in target.calls:
            keep((verb, target.access(one)) in intended, "5", f"{verb} {target.access(one)} has no receipt")


def check_standing(place: Place, receipts: Iterable[Receipt]) -> None:
    """What a machine followed, and what one reads that begins at a snapshot, is what all receipts add up to."""
    whole = snapshot.write(fold(receipts))
    place.forget()
    for how, standing in (("followed", place.standing), ("begun at a snapshot", place.access.repo().standing)):
        found = snapshot.write(standing)
        wrong = sorted(name for name in whole.keys() | found.keys() if whole.get(name) != found.get(name))
        keep(not wrong, "5", f"the standing that was {how} is not what the receipts add up to: {wrong}")


def check_decisions(
    place: Place, oracle: Oracle, numbers: Mapping[str, int], at: int, receipts: Iterable[Receipt]
) -> None:
    """What became of requests that were not merged is on record once a run could look, and nothing that did not."""
    told: dict[int, set[str]] = {}
    for receipt in receipts:
        if isinstance(receipt.body, Decided):
            told.setdefault(receipt.body.pull, set()).add(receipt.body.what.value)
    forge = place.forge()
    for name, number in numbers.items():
        request, pull, said = oracle.requests[name], forge.pull(number), told.get(number, set())
        if pull.state == "closed" and not request.closed_by:
            oracle.closed(name, "daypass", request.touched)
        may = request.fate(at) | {"denied"} | ({"rejected"} if request.rejected else set())
        keep(said <= may, "17", f"the ledger says that {name} was {sorted(said)}; it was {sorted(request.fate(at))}")
        looked = place.standing.main and at - request.touched < _LOOKED_AT
        path = f"grants/{request.grant}.yaml"
        asks = place.tree(pull.head).get(path)
        same = asks in (place.tree().get(path), place.tree(place.parent(pull.head)).get(path))  # it asks for nothing
        if pull.state != "merged" and request.wish is not None and looked and not same:
            lacking = request.fate(at) - said
            keep(not lacking, "5", f"the ledger does not say that {name} was {sorted(lacking)}")
