"""What is remembered of requests that nothing denies never lets one pass that is denied."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from policy_samples import AT, DIRECTORY, RESOURCE, SETTINGS, WIKI, grant, policy

from daypass.core.grant import IMPORT
from daypass.core.ids import GrantId
from daypass.core.policy import decision
from daypass.core.policy.decision import Request, decide
from daypass.core.policy.held import Held, HeldGrant
from daypass.core.window import Recurrence, Span, Window

_TARGETS = SETTINGS + "  orders: {kind: postgres, url_env: ORDERS_URL}\nlimits: {unsigned: accept}\n"
_PEOPLE = DIRECTORY.replace(
    "  dan:",
    "  olga: {name: Olga Ost, email: olga@example.com, identities: {orders: olga}}\n  eve: {name: Eve Low, email: eve@example.com, until: 2026-11-22, identities: {orders: eve}}\n  dan:",
)
_ELSEWHERE = WIKI.replace("target: embedded", "target: orders").replace("{max_duration: 5d}", "{max_duration: 1d}")
_KEPT = RESOURCE.replace("owners:", "retention_until: 2026-11-22\nowners:")
_ASKED = "version: 1\ntitle: Asked\nasked_by: [group:security]\n"
_FORMED = "version: 1\ntitle: Formed\nticket: {pattern: 'CHG-[0-9]+'}\n"
_FIELDS = "version: 1\ntitle: Fields\nfields:\n  due: {kind: moment, required: true, title: Due}\n"


def known(**changed):
    more = {"purposes_asked": _ASKED, "purposes_formed": _FORMED, "purposes_fields": _FIELDS}
    resources = {"resources_kept": _KEPT, "resources_elsewhere": _ELSEWHERE}
    found = policy(daypass=_TARGETS, directory_people=_PEOPLE, **more, **resources, **changed)
    assert not found.faults
    return found


LONG = HeldGrant(
    GrantId("orders-db/two"), "alice", "orders-db", "readonly", Window(AT - timedelta(hours=7), AT + timedelta(hours=1))
)
ASKED = [
    {},
    {"hours": 8},
    {"hours": 9},
    {"role": "admin"},
    {"role": "admin", "hours": 1},
    {"role": "nothing"},
    {"resource": "nowhere"},
    {"resource": "wiki", "role": "editor", "hours": 100},
    {"resource": "elsewhere", "role": "editor"},
    {"resource": "kept"},
    {"resource": "kept", "window": (AT, datetime(2026, 11, 23, tzinfo=UTC))},
    {"window": (AT - timedelta(hours=3), AT - timedelta(hours=1))},
    {"span": Span(window=Window(AT, AT + timedelta(days=9)), recurs=Recurrence("Mon-Fri 08:00-09:00", "UTC"))},
    {"purpose": "incident", "ticket": "INC-1"},
    {"purpose": "incident", "ticket": "INC-1", "hours": 5},
    {"purpose": "incident"},
    {"purpose": "asked"},
    {"purpose": "formed", "ticket": "CHG-1"},
    {"purpose": "formed", "ticket": "INC-1"},
    {"purpose": "fields"},
    {"purpose": "unknown"},
    {"purpose": IMPORT},
    {"details": (("due", "2026-11-20"),)},
    {"ends_when": (("issue_closed", "acme/orders#88"),)},
]
SUBJECTS = ("alice", "bob", "dan", "eve", "olga", "vera", "nightly", "nobody")
BESIDE = [{}, {"held": Held(known=True, role=(LONG,))}, {"judging": 1}, {"requester": "bob"}, {"requester": "who"}]


def asked():
    for wanted, subject, beside in product(ASKED, SUBJECTS, BESIDE):
        more = {"requester": subject, **beside}
        yield Request(grant(**wanted, subject=subject), more.pop("requester"), AT, **more)


@pytest.mark.parametrize("seed", range(3))
def test_a_request_is_decided_alike_whatever_was_decided_before(seed):
    one, afresh = known(), known()
    requests = list(asked())
    random.Random(seed).shuffle(requests)  # noqa: S311  (the same each time)
    for request in requests:
        afresh.undenied.clear()
        assert decide(one, request) == decide(afresh, request), request
    assert len(one.undenied) > 10


@pytest.mark.parametrize("changed", [{"limits": "limits: {pause: true}\n"}, {"broken": "version: 1\nrules: [{}]\n"}])
def test_nothing_is_remembered_where_everything_is_denied(changed):
    text = SETTINGS + changed.get("limits", "limits: {unsigned: accept}\n")
    found = policy(daypass=text, **({"rules_base": changed["broken"]} if "broken" in changed else {}))
    assert decide(found, Request(grant(), "alice", AT)).denied
    assert not found.undenied


def test_what_nothing_denied_is_looked_at_once(monkeypatch):
    found = known()
    for subject in ("alice", "bob"):
        decide(found, Request(grant(subject=subject, hours=8), subject, AT))
    monkeypatch.setattr(decision, "_grant_denials", lambda *_: pytest.fail("looked at again"))
    for subject, hours in (("bob", 8), ("alice", 1)):
        assert not decide(found, Request(grant(subject=subject, hours=hours), subject, AT)).denied
