"""Which resources a run need not reckon anew: a plan of the others, with what is known of these, is the plan of all."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receipt_strategies import folded
from test_held_book import chain

from daypass.core.bounds.watch import EndingTask
from daypass.core.ids import GrantId, Oid, folder_of
from daypass.core.ledger.receipt import Genesis, Pulse, Snapshot, envelope_digest
from daypass.core.ledger.records import Departed, RestingResource, Rests
from daypass.core.ledger.snapshot import INDEX, form, read, write
from daypass.core.ledger.standing import Standing, fold
from daypass.core.ledger.standing.moved import EVERYTHING, resources_of
from daypass.core.plan import (
    Action,
    Claim,
    Denied,
    Doubt,
    Entitlement,
    Failing,
    Holding,
    Intended,
    Observed,
    Plan,
    Reason,
)
from daypass.core.planning import resting as planning
from daypass.core.planning.compute import compute, next_boundary
from daypass.core.planning.resting import (
    Remembered,
    resting_at,
    said_of,
    scope_of,
    shown_as_others,
)
from daypass.core.window import FOREVER, Window

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)
NAMES = ("db", "db-two", "wiki")
OID = Oid("a" * 40)
SHOWN = '{"member_of":"ro","unmanaged":true}'


def at(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


def one(name: str = "db", who: str = "p", target: str = "t", privilege: str = "ro") -> Entitlement:
    return Entitlement(target, name, who, privilege)


entitlements = st.builds(one, st.sampled_from(NAMES), st.sampled_from("pq"), st.sampled_from("tu"))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Claim], dict[Entitlement, Holding], frozenset[Entitlement]]:
    """Draw claims, what is ours and what is there: mostly as it should be."""
    claims, held, there = [], {}, set()
    for number, entitlement in enumerate(draw(st.lists(entitlements, max_size=8))):
        name = GrantId(f"{entitlement.resource}/g{number}")
        start, length = draw(st.integers(-20, 10)), draw(st.integers(5, 40))
        claims.append(Claim(name, entitlement, Window(at(start), at(start + length))))
        if draw(st.integers(0, 9)):
            held[entitlement] = Holding(entitlement, (name,), at(start + length))
            there.add(entitlement)
    there ^= set(draw(st.lists(entitlements, max_size=1)))
    return claims, held, frozenset(there)


def plan_of(claims: list[Claim], held: dict[Entitlement, Holding], there: frozenset[Entitlement], now: int) -> Plan:
    return compute(claims, held, Observed(there), at=at(now), main=OID)


def remembered(
    claims: list[Claim], held: dict[Entitlement, Holding], there: frozenset[Entitlement], now: int
) -> Remembered:
    plan = plan_of(claims, held, there, now)
    numbers, restless = resting_at(claims, ((e, h.grants) for e, h in held.items()), frozenset(), at(now))
    restless |= said_of(plan)
    resting = {name: numbers for name, numbers in numbers.items() if name not in restless}
    return Remembered("p", OID, 0, OID, at(now), prints(there), resting, frozenset(restless))


def prints(there: frozenset[Entitlement]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for entitlement in sorted(there):
        mine = found.setdefault(entitlement.target, {})
        mine[entitlement.resource] = mine.get(entitlement.resource, "") + entitlement.principal
    return found


@given(worlds(), worlds(), st.sets(st.sampled_from(NAMES)), st.integers(0, 30))
def test_what_is_reckoned_anew_with_what_rests_is_the_plan_of_all(before, after, moved, later) -> None:
    found = remembered(*before, 0)
    # Main and the ledger have moved at some resources, and targets there and elsewhere, where their prints say so.
    claims = [c for c in before[0] if c.entitlement.resource not in moved]
    claims += [c for c in after[0] if c.entitlement.resource in moved]
    held = {e: h for e, h in before[1].items() if e.resource not in moved}
    held |= {e: h for e, h in after[1].items() if e.resource in moved}
    there = after[2]
    otherwise = found.seen_otherwise(prints(there), there)
    scope = scope_of(found, frozenset(moved) | otherwise, there, at(later))
    mine = scope.resources.__contains__
    part = plan_of(
        [c for c in claims if mine(c.entitlement.resource)],
        {e: h for e, h in held.items() if mine(e.resource)},
        Observed(there).within(scope.resources).entitlements,
        later,
    )
    whole = plan_of(claims, held, there, later)
    assert scope.joined(part) == whole
    assert len(held) == scope.held + sum(mine(e.resource) for e in held)
    here = next_boundary([c for c in claims if mine(c.entitlement.resource)], at(later))
    assert min(here, scope.until) == next_boundary(claims, at(later))


def test_a_target_that_is_named_whole_moves_all_that_stands_there() -> None:
    resting = {"db": RestingResource(targets=("t", "u")), "wiki": RestingResource(targets=("u",))}
    found = Remembered("p", OID, 0, OID, T0, {"t": {"": "1"}, "u": {"": "2"}}, resting)
    there = [one("new", target="t"), one("other", target="u")]
    assert found.seen_otherwise({"t": {"": "3"}, "u": {"": "2"}}, there) == {"db", "new"}
    assert found.seen_otherwise({"t": {"": "1"}, "u": {"": "2"}}, there) == frozenset()
    assert found.seen_otherwise({"t": {"": "1"}}, there) == {"db", "wiki", "other"}


def test_a_resource_that_appears_or_is_gone_has_moved() -> None:
    found = Remembered("p", OID, 0, OID, T0, {"t": {"db": "1", "wiki": "2"}}, {"db": RestingResource()})
    assert found.seen_otherwise({"t": {"wiki": "2", "new": "3"}}, []) == {"db", "new"}


def test_a_scope_has_what_was_restless_what_moved_and_what_is_due() -> None:
    resting = {
        "a": RestingResource(at(5), 2, 3, 1),
        "b": RestingResource(at(6), 4, 5, 2),
        "c": RestingResource(at(9), 1),
    }
    found = Remembered("p", OID, 0, OID, T0, {}, resting, frozenset({"d"}))
    scope = scope_of(found, frozenset({"c"}), frozenset(), at(5))
    assert scope.resources == {"a", "c", "d"}
    assert (scope.until, scope.held) == (at(6), 5)
    told = scope.joined(Plan(at(5), OID, (), live=10, by_ledger=1))
    assert (told.live, told.by_ledger) == (14, 3)
    assert scope_of(found, frozenset("abc"), frozenset(), at(0)).until == FOREVER


def test_what_others_gave_where_nothing_moved_is_told_as_ever() -> None:
    mine, theirs, elsewhere = one(), one("wiki", privilege=SHOWN), one("db", "q", privilege=SHOWN)
    there = frozenset({mine, theirs, elsewhere})
    assert sorted(shown_as_others(there)) == sorted([theirs, elsewhere])
    assert shown_as_others({mine}) == []
    scope = scope_of(Remembered("p", OID, 0, OID, T0, {}, {}), frozenset({"db"}), there, T0)
    assert scope.joined(Plan(T0, OID, (), unmanaged=(elsewhere,))).unmanaged == (elsewhere, theirs)


def test_where_folders_and_resources_differ_neither_stands_by_itself() -> None:
    claims = [
        Claim(GrantId("old/g"), one("new"), Window(at(0), at(9))),
        Claim(GrantId("db/g"), one(), Window(at(0), at(5))),
    ]
    held = [(one("wiki", target="u"), (GrantId("else/g"),)), (one(), (GrantId("db/g"),))]
    found, mixed = resting_at(claims, held, frozenset({"t"}), at(1))
    assert mixed == {"old", "new", "wiki", "else"}
    assert found["db"] == RestingResource(at(5), 1, 1, 1, ("t",))
    assert found["wiki"] == RestingResource(FOREVER, 0, 1, 0, ("u",))


CHANGE = Intended(Action.ADD, one("db"), (GrantId("two/g"),), Reason.LOST, T0)
CLAIM = Claim(GrantId("db/g"), one("db-two"), Window(at(0), at(9)))
DOUBT = Doubt(one("db"), (GrantId("two/g"),), "why")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"changes": (CHANGE,)}, {"db", "two"}),
        ({"lost": (CHANGE,)}, {"db", "two"}),
        ({"failing": (Failing(CHANGE, "no", T0, at(5)),)}, {"db", "two"}),
        ({"waiting": (CLAIM,)}, {"db", "db-two"}),
        ({"blocked": (CLAIM,)}, {"db", "db-two"}),
        ({"unknown": (DOUBT,)}, {"db", "two"}),
        ({"renamed": (DOUBT,)}, {"db", "two"}),
        ({"offered": (one("db"),)}, {"db"}),
        ({"unmanaged": (one("db"), one("wiki", privilege=SHOWN))}, {"db"}),
        ({"denied": (Denied(GrantId("two/g"), one("db"), "rule", "code", "no"),)}, {"db", "two"}),
        ({"tasks": (EndingTask(GrantId("two/g"), "pull", "7", T0),)}, {"two"}),
        ({"live": 7}, set()),
    ],
)
def test_a_plan_says_something_of_a_resource_where_anybody_is_told_of_it(said, names) -> None:
    assert said_of(Plan(**{"at": T0, "main": OID, "changes": (), **said})) == names


@given(st.lists(folded, max_size=12))
def test_what_no_receipt_names_has_not_moved(bodies) -> None:
    found = chain(*bodies)
    for cut in range(1, len(found)):
        before, after = fold(found[:cut]), fold(found)
        moved = after.moved_since(cut - 1)
        if moved is None:
            continue
        names = {
            *map(folder_of, (*before.rows, *after.rows)),
            *(e.resource for e in (*before.holdings, *after.holdings)),
        }
        names |= {e.resource for e in (*before.unfinished, *after.unfinished, *before.voided, *after.voided)}
        for name in names - moved:
            one_before, one_after = before.within({name}), after.within({name})
            for part in ("rows", "holdings", "begun", "voided"):
                assert getattr(one_before, part) == getattr(one_after, part)
            assert {g: r for g, r in before.refusals.items() if folder_of(g) == name} == {
                g: r for g, r in after.refusals.items() if folder_of(g) == name
            }


def test_of_some_receipts_nobody_can_say_what_they_move() -> None:
    assert resources_of(Genesis(("key",))) == {EVERYTHING}
    assert resources_of(Departed("alice", "1", "account-gone", "scim")) == {EVERYTHING}
    assert resources_of(Pulse(7)) == frozenset()
    assert fold(chain(Pulse(1))).moved_since(0) == frozenset()
    assert fold(chain(Pulse(1))).moved_since(-1) is None


@given(st.lists(folded, min_size=1, max_size=8))
def test_of_what_stands_before_a_snapshot_nobody_knows_what_moved(bodies) -> None:
    standing = fold(chain(*bodies))
    head = standing.head
    assert head is not None
    files = write(standing)
    told = Snapshot(1, "", (), envelope_digest(files[INDEX]), form(), "")
    back = read(told, head, files).onto(Standing())
    assert back.moved_since(head.sequence - 1) is None
    assert back.moved_since(head.sequence) == frozenset()


@given(st.lists(folded, max_size=12), st.sets(st.sampled_from(["orders-db", "payroll", "wiki", "billing"])))
def test_a_part_of_a_standing_has_what_its_resources_have(bodies, names) -> None:
    whole = fold(chain(*bodies))
    part = whole.within(names)
    assert {*part.rows} == {grant for grant in whole.rows if folder_of(grant) in names}
    assert {*part.holdings} == {e for e in whole.holdings if e.resource in names}
    assert part.within({"payroll"}).holdings == whole.within(names & {"payroll"}).holdings
    assert (
        part.on_resource("orders-db").blobs
        == (whole if "orders-db" in names else part).within(names).on_resource("orders-db").blobs
    )
    assert (part.head, part.ends, part.refusals) == (whole.head, whole.ends, whole.refusals)
    for grant in whole.rows:
        assert whole.row(grant) == whole.rows[grant]
    assert whole.row(GrantId("no/such")) is None
    ends = [h.until for h in whole.holdings.values() if h.until is not None]
    assert whole.first_end() == min(ends, default=None)
    assert whole.first_end(whole.holdings) is None
    for end in ends:
        assert whole.ends_before(end) == {
            e for e, h in whole.holdings.items() if h.until is not None and h.until <= end
        }
    for entitlement, holding in whole.holdings.items():
        assert whole.holding(entitlement) == holding


def test_one_holding_one_row_and_the_first_end_are_asked_for_alone() -> None:
    early, late, endless = one("db"), one("wiki"), one("db-two")
    held = {
        early: Holding(early, (GrantId("db/g"),), at(5)),
        late: Holding(late, (GrantId("wiki/g"),), at(9)),
        endless: Holding(endless, (GrantId("db-two/g"),), None),
    }
    standing = Standing(holdings=held, taken={early: ((),)}, moved={"db": 3, "wiki": 7})
    assert (standing.holding(early), standing.holding(one("db", "nobody"))) == (held[early], None)
    assert standing.row(GrantId("db/g")) is None
    assert (standing.first_end(), standing.first_end([early]), standing.first_end([early, late])) == (
        at(5),
        at(9),
        None,
    )
    assert (standing.ends_before(at(4)), standing.ends_before(at(5))) == (frozenset(), {early})
    assert (standing.moved_since(3), standing.moved_since(7)) == ({"wiki"}, frozenset())
    part = standing.within({"wiki"})
    assert (part.holdings, part.taken) == ({late: held[late]}, {})
    assert standing.within({"db"}).taken == {early: ((),)}


def test_a_receipt_tells_of_no_more_resources_than_it_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    resting = {"db": RestingResource(at(5), 1, 1), "wiki": RestingResource()}
    found = Remembered("p", OID, 0, OID, T0, {"t": {"db": "1"}}, resting, frozenset({"b", "a"}))
    assert found.told == Rests({"t": {"db": "1"}}, resting, ("a", "b"))
    monkeypatch.setattr(planning, "MOST_TOLD", 3)
    assert found.told is not None
    monkeypatch.setattr(planning, "MOST_TOLD", 2)
    assert found.told is None
