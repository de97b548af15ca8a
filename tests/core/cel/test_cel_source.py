"""Where the characters of a condition stand in the file."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daypass.core.policy.cel.source import mentions, spread, tokens


def scalar(text):
    """Return (line, column, value) of the value under the key ``when``."""
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    value = node.value[0][1]
    return value.start_mark.line + 1, value.start_mark.column + 1, value.value


@pytest.mark.parametrize(
    "text",
    [
        'when: grant.role == "X" && true',
        "when: 'grant.role == \"X\" && ''a'' == \"b\"'",
        'when: "grant.role == \\"X\\" && true"',
        'when: "\\u00e9 \\x41 grant == \\"X\\""',
        'when: |\n  grant.role\n    == "X"\n  && true\n',
        'when: |2\n    grant.role\n  == "X"\n',
        'when: >-\n\n  grant.role ==\n  "X" &&\n\n  true',
        'when: grant.role ==\n  "X" &&\n  true',
        "when: \"grant.role ==\n  'X' &&\n  true\"",
        'when: |\r\n  grant.role ==\r\n  "X"\r\n',
        '\ufeffwhen: grant.role == "X"',
    ],
)
def test_every_visible_character_is_found_where_it_stands_in_the_file(text):
    line, column, value = scalar(text.removeprefix("\ufeff"))
    found = spread(text, line, column, value)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    for offset, char in enumerate(value):
        if not char.isspace():
            row, at = found.at(offset)
            there = lines[row - 1][at - 1]
            assert there == char or (there == "\\" and char in 'é"A')


def test_after_the_last_character_comes_the_column_behind_it():
    assert spread("when: abc", 1, 7, "abc").at(3) == (1, 10)
    assert spread("when: abc", 1, 7, "abc").at(99) == (1, 10)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("when: abc", "xyz"),  # not the text that stands there
        ('when: "a\\\n  b"', "ab"),  # a folded line that leaves no trace
        ('when: "\\u00zz"', "é"),
        ('when: "a \\t b"', "a \t b"),
        ("when: |", "abc"),
        ("when: abc", ""),
    ],
)
def test_what_cannot_be_followed_is_placed_at_the_start_of_the_scalar(text, value):
    assert spread(text, 1, 7, value).at(1) == (1, 7)


def test_a_line_that_the_file_does_not_have_is_no_error():
    assert spread("when: abc", 7, 1, "abc").at(0) == (7, 1)


@given(st.text("ab \"\\'\n\t:", min_size=1, max_size=20))
def test_following_never_goes_astray_for_any_style_that_yaml_writes(value):
    for style in ('"', "'", "|", ">", None):
        text = yaml.dump({"when": value}, default_style=style, allow_unicode=True)
        node = yaml.compose(text, Loader=yaml.CSafeLoader).value[0][1]
        found = spread(text, node.start_mark.line + 1, node.start_mark.column + 1, node.value)
        lines = text.split("\n")
        for offset, char in enumerate(node.value):
            row, column = found.at(offset)
            if found.places and not char.isspace():
                assert lines[row - 1][column - 1] in (char, "\\")


def test_tokens_leave_out_comments_and_join_dotted_names():
    found = tokens('grant . role == "a // b" // grant.id\n && !(1.5 <= 2)')
    assert [(token.kind, token.text) for token in found] == [
        ("name", "grant.role"),
        ("mark", "=="),
        ("string", '"a // b"'),
        ("mark", "&&"),
        ("mark", "!"),
        ("mark", "("),
        ("number", "1.5"),
        ("mark", "<="),
        ("number", "2"),
        ("mark", ")"),
    ]


def test_literals_are_the_text_between_quotes_unless_escaped():
    assert [token.literal for token in tokens('"a" r\'b\' """c""" "d\\n" e')] == ["a", "b", "c", None, None]


def test_mentions_finds_variables_under_methods_and_not_in_strings():
    known = frozenset({"grant.role", "grant.id", "subject.groups"})
    text = 'grant.role.size() > 1 && subject.groups.exists(g, g == "grant.id") && .grant.role != ""'
    assert mentions(text, known) == ("grant.role", "subject.groups")
