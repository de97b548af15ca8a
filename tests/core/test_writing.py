"""A grant that is written reads back as the same grant, whatever its texts hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import yaml
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.files.grants import SCHEMA_HINT, grant_text, name_grant, read_grant
from daypass.core.grant import Grant
from daypass.core.ids import GrantId
from daypass.core.window import Span, Window

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
WORDS = st.text(
    st.one_of(
        st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="\u200e\u200f"),
        st.sampled_from(list(" :#-'\"\\{}[]&*!|>%@`,?")),
    ),
    min_size=10,
    max_size=60,
)
SPANS = st.one_of(
    st.integers(1, 366 * 86_400).map(lambda s: Span(duration=timedelta(seconds=s))),
    st.tuples(st.integers(0, 10**8), st.integers(1, 366 * 86_400)).map(
        lambda w: Span(window=Window(T0 + timedelta(seconds=w[0]), T0 + timedelta(seconds=w[0] + w[1])))
    ),
)
GRANTS = st.builds(
    lambda subject, resource, role, reason, span, ticket, purpose, details: Grant(
        GrantId(f"{resource}/a"), subject, resource, role, reason, span, ticket, purpose, details=details
    ),
    NAMES,
    NAMES,
    NAMES,
    WORDS,
    SPANS,
    st.one_of(st.just(""), WORDS.map(lambda text: text[:30])),
    st.one_of(st.just(""), NAMES),
    st.dictionaries(
        st.sampled_from(["due", "on", "class_1"]),
        st.one_of(WORDS, st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
        max_size=2,
    ).map(lambda found: tuple(sorted(found.items()))),
)


@given(GRANTS)
def test_what_is_written_reads_back_or_is_refused_for_what_it_says(grant) -> None:
    read = read_grant(grant.path, grant_text(grant).encode())
    if isinstance(read, Grant):
        assert read == grant
        assert read.digest == grant.digest
    else:  # its words may be what no grant may hold; its form never is
        assert {finding.code for finding in read} <= {
            "too-short", "skip-directive", "bad-value", "bad-text", "control-character", "bidirectional-character",
            "too-long", "blank-text", "invisible-character", "bad-pattern", "not-composed", "bad-ticket", "bad-reason", "wrong-type",
        }, read  # fmt: skip


@given(GRANTS)
def test_what_is_written_is_yaml_as_everybody_reads_it(grant) -> None:
    plain = yaml.load(grant_text(grant), Loader=yaml.BaseLoader)  # noqa: S506  (texts alone, no tags)
    assert plain["reason"] == grant.reason
    assert plain["subject"] == grant.subject


def test_a_condition_is_written_with_its_value_quoted_where_it_must_be() -> None:
    grant = Grant(
        GrantId("db/a"), "alice", "db", "readonly", "a good reason", Span(duration=timedelta(hours=1)),
        ends_when=(("issue_closed", "acme/orders#88"),),
    )  # fmt: skip
    text = grant_text(grant)
    assert text == SCHEMA_HINT + (
        "version: 1\nsubject: alice\nresource: db\nrole: readonly\nreason: a good reason\n"
        'window:\n  duration: 1h\nends_when:\n  issue_closed: "acme/orders#88"\n'
    )
    assert read_grant(grant.path, text.encode()) == grant


@given(GRANTS, st.sampled_from(["# a comment\n", "\n", "---\n"]))
def test_layout_does_not_change_the_digest(grant, before) -> None:
    one = read_grant(grant.path, grant_text(grant).encode())
    two = read_grant(grant.path, (before + grant_text(grant).removeprefix(SCHEMA_HINT) + "# the end\n").encode())
    if isinstance(one, Grant) and isinstance(two, Grant):
        assert one.digest == two.digest


def test_a_name_says_who_and_when_and_differs_between_two_requests_of_one_day() -> None:
    one = name_grant("alice", "db", {"role": "readonly"}, T0)
    assert one.startswith("db/alice-20261120-")
    assert len(one) == len("db/alice-20261120-") + 6
    assert one == name_grant("alice", "db", {"role": "readonly"}, T0)
    assert one != name_grant("alice", "db", {"role": "admin"}, T0)
    assert one != name_grant("alice", "db", {"role": "readonly"}, T0 + timedelta(seconds=1))
