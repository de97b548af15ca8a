"""What most claims and plans are told by at once says what all the rules say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import AT, DIRECTORY, RESOURCE, policy

from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.plan import (
    AdmittedGrant,
    Claim,
    Entitlement,
    Found,
    Holding,
    Observed,
    Plan,
    Reason,
    by_number,
    renamed_of,
    unknown_of,
)
from daypass.core.planning.claims import ClaimMaker
from daypass.core.planning.compute import compute
from daypass.core.policy.policies import Policy
from daypass.core.record import replace
from daypass.core.window import Window

_BLOB = Oid("1" * 40)
_HOUR = timedelta(hours=1)
_UNTIL = "manager: bob, until: 2026-11-20T11:30:00Z}"
_POLICIES = {
    "plain": policy(),
    "kept": policy(resources_orders_db=RESOURCE + "retention_until: 2026-11-20T12:00:00Z\n"),
    "hired": policy(directory_people=DIRECTORY.replace("manager: bob}", _UNTIL)),
    "renamed": policy(resources_orders_db=None, resources_orders=RESOURCE + "was: [orders-db]\n"),
    "broken": policy(rules_base="version: 1\nrules: [{id: a}]\n"),
}
_HOURS = st.integers(-3, 5)
_SPANS = st.tuples(_HOURS, st.integers(1, 4)).map(lambda s: Window(AT + s[0] * _HOUR, AT + (s[0] + s[1]) * _HOUR))
_WINDOWS = st.one_of(_SPANS, _SPANS.map(lambda w: Window(w.start, w.end, ((w.start, w.end),), "gone")))
_SUBJECTS = st.sampled_from([*policy().catalogue.directory.subjects, "nobody"])
_DUES = st.sampled_from([(), (("due", AT + _HOUR),)])
_ROWS = st.lists(
    st.tuples(
        _SUBJECTS, st.sampled_from(["orders-db", "wiki", "gone"]), st.sampled_from(["readonly", "x"]), _WINDOWS, _DUES
    ),
    max_size=8,
)


class _Asking(ClaimMaker):
    """Asks of every claim what ends it."""

    def _is_endless(self, subject: str, resource: str) -> bool:
        return False


def _row(number: int, subject: str, resource: str, role: str, window: Window, due) -> AdmittedGrant:
    known = policy().catalogue
    found = known.resources.get(resource)
    level = found.roles.get(role) if found is not None else None
    meaning = known.meaning(found, level) if found is not None and level is not None else "sha256:other"
    privilege = level.privilege_text if level is not None else "{}"
    principal = known.principal(subject, found) if found is not None else ""
    given = Entitlement(found.target if found is not None else "embedded", resource, principal, privilege)
    grant = GrantId(f"{resource}/g{number}")
    return AdmittedGrant(grant, _BLOB, _BLOB, subject, resource, role, window, given, meaning, "", due)


@pytest.mark.parametrize("name", _POLICIES)
@given(told=_ROWS, old=st.booleans(), over=st.sets(st.integers(0, 8)))
def test_one_maker_of_many_claims_says_what_is_said_of_each_by_itself(name: str, told, old: bool, over) -> None:
    now: Policy = _POLICIES[name]
    read = policy() if name == "broken" and old else now
    rows = [_row(number, *one) for number, one in enumerate(told)]
    holdings = {row.entitlement: Holding(row.entitlement, (row.grant,), AT + _HOUR) for row in rows[::2]}
    ended = {row.grant: "it was ended" for number, row in enumerate(rows) if number in over}
    each = [_Asking(now, read, holdings, AT).claim(row, ended.get(row.grant, "")) for row in rows]
    many = ClaimMaker(now, read, holdings, AT)
    assert [many.claim(row, ended.get(row.grant, "")) for row in rows] == each
    assert many.claims(rows, ended) == each
    assert ClaimMaker(now, read, holdings, AT).claims([*rows, *rows], ended) == [*each, *each]


_GIVEN = [Entitlement("t", "db", who, canonical({"role": "r"})) for who in "abc"]
_CLAIMS = st.lists(
    st.tuples(st.sampled_from(_GIVEN), _SPANS, st.sampled_from([None, None, Reason.MEANING_MOVED])), max_size=6
)
_HELD = st.dictionaries(
    st.sampled_from(_GIVEN), st.tuples(st.sets(st.sampled_from(["db/0", "db/1", "db/2"])), st.none() | _HOURS)
)
_SEEN = st.sets(st.sampled_from(_GIVEN)).map(frozenset)


def _plain(plan: Plan) -> tuple[object, ...]:
    """Return what a plan says, but that windows which recur open an interval."""
    changes = tuple(
        (c.action, c.entitlement, c.grants, c.due, c.until, c.reason is Reason.INTERVAL_OPENED or c.reason)
        for c in plan.changes
    )
    opened = tuple((*one[:5], one[5] in (True, Reason.WINDOW_OPENED) or one[5]) for one in changes)
    apart = tuple(tuple(claim.grant for claim in claims) for claims in (plan.waiting, plan.blocked))
    return (opened, apart, plan.unmanaged, plan.live, plan.gone, plan.offered, plan.lost, plan.unknown, plan.by_ledger)


@given(told=_CLAIMS, held=_HELD, seen=_SEEN, offered=_SEEN, by_ledger=st.booleans())
def test_what_is_as_it_should_be_is_passed_by_as_the_rules_would(told, held, seen, offered, by_ledger: bool) -> None:
    claims = [Claim(GrantId(f"db/{n}"), given, window, blocked) for n, (given, window, blocked) in enumerate(told)]
    # One interval that is all of the window says the same and is looked at by every rule.
    whole = [
        Claim(
            c.grant, c.entitlement, Window(c.window.start, c.window.end, ((c.window.start, c.window.end),)), c.blocked
        )
        for c in claims
    ]
    holdings = {
        given: Holding(
            given, tuple(sorted(GrantId(g) for g in grants)), AT + until * _HOUR if until is not None else None
        )
        for given, (grants, until) in held.items()
    }
    observed = Observed(seen, offered=offered, by_ledger=frozenset({"t"} if by_ledger else ()))
    plans = [compute(one, holdings, observed, at=AT, main="m") for one in (claims, whole)]
    assert _plain(plans[0]) == _plain(plans[1])
    # Where something else is there as well, what is seen is not just what is held, and everything is looked for in it.
    apart = Entitlement("t", "db", "z", canonical({"role": "r"}))
    more = Observed(seen | {apart}, offered=offered, by_ledger=observed.by_ledger)
    beside = compute(claims, holdings, more, at=AT, main="m")
    assert apart in beside.unmanaged
    assert replace(beside, unmanaged=tuple(e for e in beside.unmanaged if e != apart)) == plans[0]
    live = {c.entitlement for c in claims if c.blocked is None and c.window.holds(AT)}
    assert plans[0].live == len(live - offered)


_FOUND = st.dictionaries(
    st.sampled_from(_GIVEN),
    st.builds(
        Found,
        st.sampled_from([True, True, False, None]),
        st.sampled_from(["", "", "why"]),
        st.sampled_from([(), (), (_GIVEN[0],)]),
    ),
)


@given(seen=_SEEN, found=_FOUND, live=_SEEN)
def test_what_targets_say_by_numbers_is_taken_at_once_as_one_by_one(seen, found, live) -> None:
    there = {e for e, one in found.items() if one.there}
    called = {e for one in found.values() for e in one.called}
    assert by_number(seen, found) == (seen - found.keys() - called) | there
    observed = Observed(seen, found=found)
    assert Observed.joined([observed, Observed(frozenset())]) == observed
    doubts = {e for e, one in found.items() if one.there is None or (one.there is False and one.why and e in live)}
    assert unknown_of(observed, live) == {e: found[e].why for e in doubts}
    assert renamed_of(observed) == {e: found[e].why for e in there if found[e].why}
