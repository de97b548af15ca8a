"""What proved grants give today, by the policies of main, and by the last ones that read while main's do not."""

from datetime import timedelta

from policy_samples import AT, DIRECTORY, RESOURCE, policy

from daypass.core.ids import GrantId, Oid, canonical
from daypass.core.plan import AdmittedGrant, Entitlement, Holding, Reason
from daypass.core.planning.claims import ClaimMaker, entitlement_in, given
from daypass.core.window import Window

BLOB = Oid("1" * 40)
HOUR = timedelta(hours=1)
WINDOW = Window(AT, AT + 4 * HOUR)
GIVEN = Entitlement("embedded", "orders-db", "alice", canonical({"member_of": "orders_readonly"}))
BROKEN = policy(rules_base="version: 1\nrules: [{id: a}]\n")


def claim(now, read=None, holdings=None, *, role="readonly", subject="alice", meaning="", due=()):
    known = policy().catalogue
    resource = known.resources["orders-db"]
    means = meaning or known.meaning(resource, resource.roles["readonly"])
    maker = ClaimMaker(now, read or now, holdings or {})
    row = (GrantId("orders-db/one"), BLOB, BLOB, subject, "orders-db", role, WINDOW, GIVEN, means)
    return maker.claim(AdmittedGrant(*row, "case", due))


def leaving(at):
    until = f", until: {at:%Y-%m-%dT%H:%M:%SZ}"
    return policy(directory_people=DIRECTORY.replace("manager: bob}", f"manager: bob{until}}}"))


def test_a_grant_gives_what_was_approved_for_its_window():
    found = claim(policy())
    assert (found.window, found.blocked, found.entitlement) == (WINDOW, None, GIVEN)


def test_what_the_role_or_the_person_has_come_to_mean_is_not_given():
    assert claim(policy(), meaning="sha256:other").blocked is Reason.MEANING_MOVED
    assert claim(policy(), role="gone").blocked is Reason.GRANT_INVALID
    assert claim(policy(), subject="nobody").blocked is Reason.GRANT_INVALID
    assert claim(policy(resources_orders_db=None)).blocked is Reason.GRANT_INVALID
    assert claim(policy(), subject="bob").blocked is Reason.PRINCIPAL_MOVED


def test_access_ends_with_engagement_and_retention_whichever_is_first():
    assert claim(leaving(AT + HOUR)).window.end == AT + HOUR
    kept = policy(resources_orders_db=RESOURCE + "retention_until: 2026-11-20T12:00:00Z\n")
    assert claim(kept).window.end == AT + 2 * HOUR
    assert claim(leaving(AT)).blocked is Reason.BOUND


def test_access_ends_at_the_moment_that_its_own_details_named_whatever_the_purpose_says_by_now():
    found = claim(policy(), due=(("due", AT + HOUR),))
    assert (found.window.end, found.blocked) == (AT + HOUR, None)
    assert found.bound == "details.due lets it last until 2026-11-20T11:00:00Z"
    assert claim(leaving(AT + 2 * HOUR), due=(("due", AT + HOUR),)).bound == found.bound
    assert claim(leaving(AT + HOUR), due=(("due", AT + 2 * HOUR),)).window.end == AT + HOUR
    assert claim(policy(), due=(("due", AT + 5 * HOUR),)).bound == ""


def test_while_policies_do_not_read_the_last_that_did_and_the_target_say_when_it_ends():
    assert BROKEN.broken
    assert claim(BROKEN).window == WINDOW
    assert claim(BROKEN, leaving(AT + HOUR)).window.end == AT + HOUR
    assert claim(BROKEN, leaving(AT)).blocked is Reason.BOUND
    told = {GIVEN: Holding(GIVEN, (GrantId("orders-db/one"),), AT + 2 * HOUR)}
    assert claim(BROKEN, holdings=told).window.end == AT + 2 * HOUR
    assert claim(BROKEN, leaving(AT + HOUR), told).window.end == AT + HOUR
    unknown = {GIVEN: Holding(GIVEN, (GrantId("orders-db/one"),), None)}
    assert claim(BROKEN, holdings=unknown).window == WINDOW
    before = {GIVEN: Holding(GIVEN, (GrantId("orders-db/one"),), AT - HOUR)}
    assert claim(BROKEN, holdings=before).window == WINDOW


def test_what_a_role_gives_is_said_only_by_policies_that_read_and_know_it():
    known = policy().catalogue
    assert entitlement_in(known, "alice", "orders-db", "readonly") == GIVEN
    assert entitlement_in(known, "nobody", "orders-db", "readonly") == GIVEN._replace(principal="")
    assert entitlement_in(known, "alice", "orders-db", "gone") is None
    assert entitlement_in(known, "alice", "gone", "readonly") is None
    meaning = known.meaning(known.resources["orders-db"], known.resources["orders-db"].roles["readonly"])
    assert given(policy(), "alice", "orders-db", "readonly") == (meaning, GIVEN)
    assert given(policy(), "alice", "orders-db", "gone") is None
    assert given(BROKEN, "alice", "orders-db", "readonly") is None


def test_a_window_whose_calendar_is_gone_gives_nothing():
    cut = Window(AT, AT + 4 * HOUR, ((AT, AT + HOUR),), "office")
    maker = ClaimMaker(policy(), policy(), {})
    catalogue = policy().catalogue
    resource = catalogue.resources["orders-db"]
    means = catalogue.meaning(resource, resource.roles["readonly"])
    row = (GrantId("orders-db/one"), BLOB, BLOB, "alice", "orders-db", "readonly", cut, GIVEN, means, "case", ())
    assert maker.claim(AdmittedGrant(*row)).blocked is Reason.CALENDAR_MOVED
