from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from conformance.suite import NAME, UNTIL, TargetContract, entitlement
from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement
from daypass.ports import Numbering, Observing, Timed
from fakes.orders import add
from fakes.target import Died, FakeTarget, NumberedFake


class TestFake(TargetContract):
    """The suite's own test: the fake has every capability, so that no part of the contract is left out, with git or without."""

    abilities = frozenset({Observing, Numbering, Timed})
    observing = 1
    with_git = True
    window = timedelta(seconds=3)

    @pytest.fixture(autouse=True)
    def _worlds(self) -> None:
        self.worlds: dict[Path, NumberedFake] = {}

    def _world(self, folder: Path) -> NumberedFake:
        return self.worlds.setdefault(folder, NumberedFake(NAME))

    def make(self, folder: Path) -> FakeTarget:
        first = self._world(folder)
        return NumberedFake(
            NAME,
            held=first.held,
            dials=first.dials,
            reads=first.reads,
            waited=first.waited,
            ids=first.ids,
        )

    def rename_principal(self, folder: Path, one: Entitlement) -> Entitlement:
        self._world(folder).rename("principal", one.principal, "renamed")
        self._world(folder).dials.known = (self._world(folder).dials.known or frozenset()) - {one.principal}
        return one._replace(principal="renamed")

    def anew_principal(self, folder: Path, one: Entitlement) -> None:
        self._world(folder).make_anew("principal", one.principal)

    def rename_place(self, folder: Path, one: Entitlement) -> None:
        self._world(folder).rename("privilege", one.privilege, '{"member_of":"renamed"}')
        self._world(folder).dials.roles = (self._world(folder).dials.roles or frozenset()) - {one.privilege}

    def anew_place(self, folder: Path, one: Entitlement) -> None:
        self._world(folder).make_anew("privilege", one.privilege)

    def spoil(self, target: FakeTarget) -> None:
        target.dials.unreadable = True

    def welcome(self, folder: Path, ones: Iterable[Entitlement]) -> None:
        dials = self._world(folder).dials
        ones = list(ones)
        dials.known = (dials.known or frozenset()) | {one.principal for one in ones}
        dials.roles = (dials.roles or frozenset()) | {one.privilege for one in ones}

    def stranger(self, folder: Path) -> Entitlement:
        return self.named("nobody-at-all")

    def strange_privilege(self, folder: Path) -> Entitlement:
        return self.one()._replace(privilege='{"member_of":"no_such_role"}')

    def calls(self, folder: Path) -> int:
        return self._world(folder).reads.count("observe")

    def enters(self, folder: Path, one: Entitlement, handover: str) -> bool:
        held = self._world(folder).held
        return one in held or one._replace(privilege='{"member_of":"renamed"}') in held

    def cut(self, folder: Path, moment: str) -> None:
        dials = self._world(folder).dials
        dials.unreadable = moment == "before"
        dials.fail_before_write = moment != "after"
        dials.fail_after_write = moment == "after"

    def mend(self, folder: Path) -> None:
        dials = self._world(folder).dials
        dials.unreadable = dials.fail_before_write = dials.fail_after_write = False

    def slowed(self, folder: Path, seconds: int) -> tuple[FakeTarget, Sequence[float]]:
        target = self.make(folder)
        target.dials.retry_after = seconds
        return target, target.waited

    def with_credential(self, folder: Path, state: str) -> tuple[FakeTarget, str, str]:
        first = self._world(folder)
        target = FakeTarget(NAME, held=first.held)
        target.dials.known, target.dials.roles, target.dials.credential = first.dials.known, first.dials.roles, state
        return target, f"the credential is {state}", "hunter2"

    def least_privilege(self) -> str:
        return "GRANT nothing;\n"

    @pytest.fixture(autouse=True)
    def _page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from conformance import bench

        page = "# fake\n\n<!-- file: least-privilege -->\n```sql\nGRANT nothing;\n```\n"
        (tmp_path / ".md").write_text(page)
        monkeypatch.setattr(bench, "PAGES", tmp_path)


def test_a_write_that_fails_before_has_done_nothing() -> None:
    target = FakeTarget(NAME)
    target.dials.fail_before_write = True
    with pytest.raises(EdgeError, match="under-test refused to add"):
        add(target, entitlement(), UNTIL)
    assert target.observe() == frozenset()


def test_a_write_that_fails_after_has_taken_effect() -> None:
    target = FakeTarget(NAME)
    target.dials.fail_after_write = True
    with pytest.raises(EdgeError, match="under-test did not answer in time"):
        add(target, entitlement(), UNTIL)
    assert target.observe() == {entitlement()}


def test_a_dial_may_concern_one_entitlement_only() -> None:
    target = FakeTarget(NAME)
    target.dials.ignore_writes = True
    target.dials.only = frozenset({entitlement("bob")})
    add(target, entitlement("bob"), UNTIL)
    add(target, entitlement("alice"), UNTIL)
    assert target.observe() == {entitlement("alice")}


def test_a_stale_reading_does_not_see_what_was_written_since() -> None:
    target = FakeTarget(NAME)
    target.freeze_reading()
    add(target, entitlement(), UNTIL)
    assert target.observe() == frozenset()
    target.thaw_reading()
    assert target.observe() == {entitlement()}


@pytest.mark.parametrize(("dial", "held"), [("die_before_write", 1), ("die_after_write", 2)])
def test_it_dies_at_the_write_it_was_told_and_only_then(dial: str, held: int) -> None:
    target = FakeTarget(NAME)
    setattr(target.dials, dial, 1)
    add(target, entitlement("a"), UNTIL)
    with pytest.raises(Died):
        add(target, entitlement("b"), UNTIL)
    assert len(target.held) == held
    add(target, entitlement("b"), UNTIL)
