"""Whose account holds what, at the target that knows people by numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from daypass.core.ledger.standing import Standing
from daypass.core.plan import Entitlement
from simulation.oracle import Oracle
from simulation.remembered import Access
from simulation.targets import Members, named
from simulation.unkept import keep


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
        self._adopted: set[Access] = set()
        """What somebody adopted under the names of then, since when no run has recorded whose they are."""
        self._taken_over: set[Access] = set()
        """What somebody ever adopted."""

    def moves(self, who: str) -> None:
        """Take in that somebody's account gets another name, or their name another account."""
        self.moved.add(who)
        for one in {one for one in self._adopted if one[1] == who}:  # whom a run will find there nobody can tell
            self._given.pop(one, None)
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

    def known(self, had: Iterable[Entitlement]) -> set[Access]:
        """Return what of some access does not stand with untold accounts alone."""
        return {one for one, _ in self._of(had) - self._lost()}

    def _of(self, had: Iterable[Entitlement]) -> set[tuple[Access, str]]:
        return {(self._members.access(one), self._members.account(one)) for one in had}

    def check(self, before: set[tuple[Access, str]]) -> None:
        """Hold that a run gave nothing to an account that was given to another."""
        given = {one: number for one, (number, _) in self._given.items()}
        wrong = {(one, number) for one, number in self.held() - before if given.get(one, number) != number}
        keep(not wrong, "15", f"the run gave {sorted(wrong)}, which another account holds by the ledger")

    def gone(self, access: Access) -> bool:
        """Whether the account is no more that something is on record as given to."""
        return access in self._given and not self._members.bears(self._given[access][0])

    def settled(self, access: Access, until: int, *, adopted: bool) -> None:
        """Take in that a person ended the doubt: whoever has the name now is meant, or it is not ours any more."""
        self._given.pop(access, None)
        if adopted:
            self._adopted.add(access)
            self._taken_over.add(access)
            self._given[access] = self._members.number(access[1]), until

    def check_told(self, code: int | None, required: Collection[Access], recorded: set[Access]) -> None:
        """Hold that a run says of what nobody can tell that it is so, where it is on record as given or begun."""
        gone = [one for one, (number, _) in self._given.items() if one in required and not self._members.bears(number)]
        gone += [one for one in self.untold & recorded if not self._members.number(one[1])]
        keep(not gone or code == 14, "15", f"the run ended with exit {code}, and where {gone} is nobody can tell")

    @property
    def in_doubt(self) -> bool:
        """Whether anything is on record as given to an account that is no more, or adopted for one that has not accepted it."""
        awaited = {self._members.access(one) for one in self._members.offered}
        return bool(self._taken_over & awaited) or any(not self._members.bears(one) for one, _ in self._given.values())

    def note(self, standing: Standing, oracle: Oracle, *, working: bool) -> None:
        """Remember which account has what, as long as the ledger has it."""
        known = {named(one) for one in standing.holdings}
        self._given = {one: given for one, given in self._given.items() if one in known}
        if working:
            self._adopted -= {one for one, _ in self.held()}
            self._given |= {one: (number, oracle.ends(one)) for one, number in self.held() if one in known}

    def sure(self, access: Access, at: int) -> bool:
        """Whether it is known to whom an access is to be given: whom has it had all the time."""
        number, end = self._given.get(access, ("", 0))
        return access[1] not in self.moved or (self._members.bears(number) and at < end)
