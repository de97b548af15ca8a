from __future__ import annotations

import pytest

from daypass.core.errors import EdgeError
from daypass.core.plan import Entitlement
from daypass.edges.targets.common import written
from daypass.edges.targets.postgres.policy import (
    LONGEST,
    Mark,
    PostgresPrivilege,
    bridge_of,
    check_name,
    check_text,
    login_of,
    read_mark,
    read_privilege,
)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ('{"member_of":"r"}', PostgresPrivilege(member_of="r")),
        ('{"inherit":"false","member_of":"r","set":"true"}', PostgresPrivilege("r", inherit=False, set_role=True)),
        ('{"inherit":false,"member_of":"r","set":true}', PostgresPrivilege("r", inherit=False, set_role=True)),
        ('{"login":"true","member_of":"r"}', PostgresPrivilege("r", login=True)),
        ('{"login":"false","member_of":"r"}', PostgresPrivilege("r")),
        ('{"member_of":"r","unmanaged":true}', PostgresPrivilege("r", unmanaged=True)),
        ('{"grant":"read","schema":"s"}', PostgresPrivilege(template="read", schema="s")),
        ('{"database":"d","grant":"own","schema":"s"}', PostgresPrivilege(template="own", schema="s", database="d")),
        (
            '{"grant":{"update":["b","a"],"select":["c"]},"login":true,"schema":"s"}',
            PostgresPrivilege(login=True, tables=(("select", ("c",)), ("update", ("a", "b"))), schema="s"),
        ),
    ],
)
def test_a_privilege_says_what_it_means(text: str, means: PostgresPrivilege) -> None:
    assert read_privilege(text) == means
    assert means.in_schema is bool(means.schema)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a privilege as JSON, got '{'"),
        ("[]", "expected a privilege as a mapping, got '[]'"),
        ('{"role":"x"}', "expected a privilege to say either member_of or grant, got {role: x}"),
        (
            '{"grant":"read","member_of":"r","schema":"s"}',
            "expected a privilege to say either member_of or grant, got {grant: read, member_of: r, schema: s}",
        ),
        (
            '{"member_of":"r","superuser":"true","x":1}',
            "a privilege says superuser, x, which postgres does not know: {member_of: r, superuser: true, x: 1}",
        ),
        ('{"member_of":["r"]}', "expected the name of a role, got ['r']"),
        ('{"member_of":""}', "expected the name of a role, got ''"),
        ('{"member_of":"public"}', "the role 'public' is a word of PostgreSQL's own, and nobody's name"),
        ('{"member_of":"r","set":"yes"}', "expected set to be true or false, got 'yes'"),
        ('{"login":1,"member_of":"r"}', "expected login to be true or false, got 1"),
        ('{"grant":"read"}', "expected the name of a schema, got None"),
        ('{"database":"","grant":"read","schema":"s"}', "expected the name of a database, got ''"),
        (
            '{"grant":"all","schema":"s"}',
            "expected grant to be read, write, own, or privileges with their tables, got 'all'",
        ),
        (
            '{"grant":{},"schema":"s"}',
            "expected grant to be read, write, own, or privileges with their tables, got {}",
        ),
        (
            '{"grant":{"all; DROP":["t"]},"schema":"s"}',
            "expected one of delete, insert, references, select, trigger, truncate, update, got 'all; DROP'",
        ),
        ('{"grant":{"select":"t"},"schema":"s"}', "expected select to list tables, got 't'"),
        ('{"grant":{"select":[]},"schema":"s"}', "expected select to list tables, got []"),
        ('{"grant":{"select":[1]},"schema":"s"}', "expected the name of a table, got 1"),
    ],
)
def test_what_is_no_privilege_is_refused(text: str, message: str) -> None:
    with pytest.raises(EdgeError) as refused:
        read_privilege(text)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"member_off":"r"}', "did you mean member_of?"),
        ('{"member_of":"r","inherits":"true"}', "did you mean inherit?"),
        (
            '{"grant":"read","scheme":"s","schema":"s"}',
            "docs/targets/postgres.md lists what a role's privilege may say",
        ),
        (
            '{"grant":"read","schema":"s","shell":"bash"}',
            "docs/targets/postgres.md lists what a role's privilege may say",
        ),
    ],
)
def test_a_misspelt_key_has_a_hint(text: str, hint: str) -> None:
    with pytest.raises(EdgeError) as refused:
        read_privilege(text)
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"login":"true","member":"r"}', "{login: true, member: r}"),
        ('{"login":true,"n":7,"x":["a b","c"]}', '{login: true, n: 7, x: ["a b", c]}'),
        ('{"x":"a: {b"}', '{x: "a: {b"}'),
        ("{", "{"),
        ('{"x":"%s"}' % ("y" * 500), "{x: " + "y" * 196),
    ],
)
def test_what_was_written_is_shown_as_people_write_it(text: str, shown: str) -> None:
    assert written(text) == shown


def test_a_name_that_postgresql_would_cut_is_refused() -> None:
    assert check_name("é" * 31, "principal") == "é" * 31
    with pytest.raises(EdgeError) as refused:
        check_name("é" * 32, "principal")
    assert (
        refused.value.message == f"the principal {'é' * 32!r} has 64 bytes, PostgreSQL's names have at most {LONGEST}"
    )
    with pytest.raises(EdgeError) as refused:
        check_name("a" * 1000, "role")
    assert (
        refused.value.message == f"the role '{'a' * 60}...' has 1000 bytes, PostgreSQL's names have at most {LONGEST}"
    )


@pytest.mark.parametrize("word", ["public", "none"])
def test_a_word_that_means_everybody_or_nobody_is_refused(word: str) -> None:
    with pytest.raises(EdgeError, match="is a word of PostgreSQL's own, and nobody's name"):
        check_name(word, "principal")
    assert check_name(word, "schema") == word


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_postgresql_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(EdgeError) as refused:
        check_text(text, "resource")
    assert refused.value.message == f"the resource {text!r} holds a character that PostgreSQL cannot"


ONE = Entitlement("orders", "orders-db", "Älice O'Brien", '{"member_of":"orders_readonly"}')


def test_our_names_are_readable_distinct_and_never_cut() -> None:
    bridge, login = bridge_of(ONE), login_of(ONE)
    assert bridge.name.startswith("daypass.orders-db.orders_readonly.")
    assert login.name.startswith("-lice-o-brien.daypass.")
    others = [
        ONE._replace(target="b"),
        ONE._replace(resource="b"),
        ONE._replace(privilege='{"member_of":"orders-readonly"}'),
        ONE._replace(privilege='{"grant":{"select":["t"]},"schema":"s"}'),
    ]
    assert len({bridge.name, *(bridge_of(other).name for other in others)}) == 5
    assert bridge_of(ONE._replace(principal="b")) == bridge
    assert login_of(ONE._replace(principal="Älice O-Brien")).name != login.name
    long = ONE._replace(resource="r" * 500, principal="p" * 500, privilege='{"member_of":"%s"}' % ("m" * 500))
    assert len(bridge_of(long).name) <= LONGEST
    assert len(login_of(long).name) <= LONGEST


def test_a_mark_is_read_only_from_the_role_that_it_names() -> None:
    for mark in (bridge_of(ONE), login_of(ONE)):
        assert read_mark(mark.name, mark.text) == mark
        assert read_mark("orders_readonly", mark.text) is None
        assert read_mark(mark.name, mark.text + " ") is None
    assert read_mark(bridge_of(ONE).name, login_of(ONE).text) is None


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "Alice's role",
        '{"daypass":1,',
        '{"daypass":1,"x":1}',
        '{"daypass":1,"privilege":1,"resource":"r","target":"t"}',
    ],
)
def test_a_comment_that_is_no_mark_makes_no_role_ours(comment: str | None) -> None:
    assert read_mark("anything", comment) is None


def test_a_mark_with_a_privilege_that_does_not_read_makes_no_role_ours() -> None:
    mark = Mark("orders", "orders-db", '{"superuser":true}')
    assert read_mark(mark.name, mark.text) is None


def test_a_comment_of_any_depth_makes_no_mark_and_no_error() -> None:
    assert read_mark("evil", '{"daypass":1,"x":' + "[" * 100_000) is None
    with pytest.raises(EdgeError, match="expected a privilege as JSON"):
        read_privilege("[" * 100_000)
