"""What a grant means: its id, its digest, and when another takes nothing but away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.grant import Grant, narrows
from daypass.core.ids import GrantId, canonical, digest, grant_id, grant_path
from daypass.core.window import Span, Window

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
MERGED = T0


def h(hours: int) -> datetime:
    return T0 + timedelta(hours=hours)


def of(span: Span, **more: object) -> Grant:
    fields = {"subject": "alice", "resource": "db", "role": "readonly", "reason": "a good reason"} | more
    return Grant(GrantId("db/a"), span=span, **fields)


SPANS = st.one_of(
    st.integers(1, 8).map(lambda n: Span(duration=timedelta(hours=n))),
    st.tuples(st.integers(-4, 6), st.integers(1, 8)).map(lambda w: Span(window=Window(h(w[0]), h(w[0] + w[1])))),
)
ENDS = st.sampled_from([(), (("issue_closed", "a/b#1"),), (("issue_closed", "a/b#2"),), (("a", "1"), ("b", "2"))])
GRANTS = st.builds(
    lambda span, subject, role, ends: of(span, subject=subject, role=role, ends_when=ends),
    SPANS,
    st.sampled_from(["alice", "bob"]),
    st.sampled_from(["readonly", "admin"]),
    ENDS,
)


def given_to(grant: Grant, at: datetime, window: Window) -> set[tuple[str, str]]:
    """Who has what at an instant, while no condition has ended it."""
    return {(grant.subject, grant.role)} if window.holds(at) else set()


@given(GRANTS, GRANTS)
def test_narrowing_only_ever_takes_away(old, new) -> None:
    """By brute force: at no instant does anybody have what the old grant did not give them."""
    was = old.span.starting(MERGED)
    if not narrows(old, was, new):
        return
    becomes = new.span.window or Window(was.start, was.start + new.span.length)
    for half in range(-12, 40):
        at = T0 + timedelta(minutes=30 * half)
        assert given_to(new, at, becomes) <= given_to(old, at, was)
    assert set(old.ends_when) <= set(new.ends_when)
    assert (old.reason, old.ticket, old.purpose) == (new.reason, new.ticket, new.purpose)


@given(GRANTS)
def test_a_grant_narrows_itself(grant) -> None:
    assert narrows(grant, grant.span.starting(MERGED), grant)


@given(GRANTS, GRANTS, GRANTS)
def test_a_narrowing_of_a_narrowing_is_one(one, two, three) -> None:
    if one.span.window is None or two.span.window is None or three.span.window is None:
        return  # a duration starts at the merge, so that only the first is fixed by it
    if narrows(one, one.span.window, two) and narrows(two, two.span.window, three):
        assert narrows(one, one.span.window, three)


def test_another_reason_is_no_narrowing_since_reviewers_approved_it() -> None:
    short = Span(duration=timedelta(hours=1))
    old = of(Span(duration=timedelta(hours=2)))
    window = old.span.starting(MERGED)
    assert narrows(old, window, of(short))
    for key, value in {"reason": "another reason", "ticket": "T-1", "purpose": "incident", "resource": "x"}.items():
        assert not narrows(old, window, of(short, **{key: value}))


def test_a_window_is_held_against_the_one_that_was_given_where_the_file_has_a_duration() -> None:
    old = of(Span(duration=timedelta(hours=2)))
    new = of(Span(window=Window(h(1), h(2))))
    assert narrows(old, Window(h(0), h(2)), new)
    assert not narrows(old, Window(h(0), h(1)), new)
    assert not narrows(old, None, new)


def test_a_duration_in_place_of_a_window_is_no_narrowing() -> None:
    old = of(Span(window=Window(h(0), h(5))))
    assert not narrows(old, old.span.window, of(Span(duration=timedelta(hours=1))))


def test_a_condition_that_ends_it_may_be_added_and_never_changed_or_dropped() -> None:
    span = Span(duration=timedelta(hours=1))
    old = of(span, ends_when=(("issue_closed", "a/b#1"),))
    window = span.starting(MERGED)
    assert narrows(of(span), window, old)
    assert not narrows(old, window, of(span))
    assert not narrows(old, window, of(span, ends_when=(("issue_closed", "a/b#2"),)))


NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,9}", fullmatch=True)


@given(NAMES, NAMES)
def test_an_id_and_its_path_name_each_other(resource, name) -> None:
    path = f"grants/{resource}/{name}.yaml"
    assert grant_path(grant_id(path)) == path
    assert grant_id(path) == f"{resource}/{name}"
    assert replace(of(Span(duration=timedelta(hours=1))), id=grant_id(path)).path == path


@given(st.lists(st.sampled_from(["grants", "db", "a", "a.yaml", ".yaml", "a.yml", "\udcff"]), min_size=1, max_size=4))
def test_what_can_be_no_grant_never_has_the_id_of_one(parts) -> None:
    path = "/".join(parts)
    name = grant_id(path)
    name.encode()  # ids are written into receipts
    if grant_path(name) != path:
        assert name.startswith("grants/") or not path.startswith("grants/") or "\\x" in name


def test_only_the_ending_tells_two_files_apart() -> None:
    assert grant_id("grants/db/a") == "grants/db/a"
    assert grant_id("grants/db/a.yml") == "grants/db/a.yml"
    assert grant_id("grants/db/\udcff.yaml") == "db/\\xff"


def test_the_digest_is_of_the_meaning_and_not_of_the_name() -> None:
    one = of(Span(duration=timedelta(hours=1)), ticket="T-1", ends_when=(("issue_closed", "a/b#1"),))
    assert one.digest == replace(one, id=GrantId("db/b")).digest
    assert one.digest != replace(one, ticket="T-2").digest
    assert one.to_dict() == {
        "version": 1, "subject": "alice", "resource": "db", "role": "readonly", "reason": "a good reason",
        "ticket": "T-1", "window": {"duration": "1h"}, "ends_when": {"issue_closed": "a/b#1"},
    }  # fmt: skip
    assert of(Span(window=Window(h(0), h(1)))).to_dict()["window"] == {
        "from": "2026-11-20T10:00:00Z",
        "until": "2026-11-20T11:00:00Z",
    }


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters(exclude_categories=("Cs",)))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=4), PLAIN, max_size=4))
def test_the_canonical_form_does_not_depend_on_the_order_of_keys(value) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical(turned) == canonical(value)
    assert digest(turned) == digest(value)
    assert digest(value).startswith("sha256:")


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.lists(st.text()).map(tuple)))
def test_a_digest_is_that_of_the_canonical_form_whatever_people_write(reason, ticket, details):
    grant = of(Span(duration=timedelta(hours=1)), reason=reason, ticket=ticket, details=tuple(sorted(details.items())))
    assert grant.digest == digest(grant.to_dict())
